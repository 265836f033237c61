"""Does the stand-in refuse what Slack would refuse: too much, or the wrong thing in a place?"""

from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox import blockkit
from bot.sandbox.faults import Fault
from bot.sandbox.slack import Slack
from tests.bot.sandbox.workplace import MODAL, OPEN, section
from tests.waiting import unanswered


def _button(**extra: Any) -> dict[str, Any]:
    text = {"type": "plain_text", "text": "Go"}
    return {"type": "button", "action_id": "go", "text": text} | extra


def _actions(*elements: Any) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)}


OPTION = {"text": {"type": "plain_text", "text": "x"}, "value": "x"}


@pytest.mark.parametrize(
    ("fits", "breaks", "words"),
    [
        pytest.param(
            [section("x" * 3000)],
            [section("x" * 3001)],
            "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
            id="section",
        ),
        pytest.param(
            [{"type": "header", "text": {"type": "plain_text", "text": "x" * 150}}],
            [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
            "less than 151 characters",
            id="header",
        ),
        pytest.param(
            [{"type": "header", "text": {"type": "plain_text", "text": "x"}}],
            [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}],
            "must be plain_text",
            id="header is plain",
        ),
        pytest.param(
            [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 1300}] * 10}],
            [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11}],
            "no more than 10",
            id="fields",
        ),
        pytest.param(
            [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2000}]}],
            [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}],
            "/blocks/0/fields/0/text",
            id="field text",
        ),
        pytest.param(
            [_actions(*[_button(action_id=f"a{n}") for n in range(25)])],
            [_actions(*[_button(action_id=f"a{n}") for n in range(26)])],
            "no more than 25",
            id="actions",
        ),
        pytest.param([_actions(_button())], [_actions()], "no fewer than 1", id="no actions"),
        pytest.param(
            [{"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 10}],
            [{"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11}],
            "no more than 10",
            id="context",
        ),
        pytest.param(
            [_actions(_button(text={"type": "plain_text", "text": "x" * 75}))],
            [_actions(_button(text={"type": "plain_text", "text": "x" * 76}))],
            "less than 76",
            id="button text",
        ),
        pytest.param(
            [_actions(_button(value="x" * 2000))],
            [_actions(_button(value="x" * 2001))],
            "/elements/0/value",
            id="button value",
        ),
        pytest.param(
            [_actions(_button(action_id="x" * 255))],
            [_actions(_button(action_id="x" * 256))],
            "/elements/0/action_id",
            id="action id",
        ),
        pytest.param(
            [section("x", block_id="x" * 255)],
            [section("x", block_id="x" * 256)],
            "/block_id",
            id="block id",
        ),
        pytest.param([section("x")] * 50, [section("x")] * 51, "no more than 50", id="blocks"),
        pytest.param(
            [_actions({"type": "static_select", "options": [OPTION] * 100})],
            [_actions({"type": "static_select", "options": [OPTION] * 101})],
            "no more than 100",
            id="options",
        ),
        pytest.param(
            [_actions({"type": "static_select", "options": [OPTION]})],
            [_actions({"type": "static_select"})],
            "missing required field: options",
            id="a menu without choices",
        ),
        pytest.param(
            [section("x")], [{"type": "section"}], "missing required field: text", id="no text"
        ),
        pytest.param([section("x")], [section("")], "more than 0", id="empty text"),
        pytest.param([section("x")], [{"type": "poem"}], "unsupported type: poem", id="type"),
        pytest.param(
            [section("x", block_id="a"), section("x", block_id="b")],
            [section("x", block_id="a")] * 2,
            "block_id already exists",
            id="block id twice",
        ),
        pytest.param(
            [_actions(_button(action_id="a"), _button(action_id="b"))],
            [_actions(_button(), _button())],
            "action_id already exists",
            id="action id twice",
        ),
        pytest.param(
            [_actions(_button(style="danger"))],
            [_actions(_button(style="loud"))],
            "valid style",
            id="style",
        ),
        pytest.param(
            [{"type": "markdown", "text": "x" * 12_000}],
            [{"type": "markdown", "text": "x" * 12_001}],
            "less than 12001",
            id="markdown",
        ),
        pytest.param(
            [{"type": "image", "image_url": "http://x/y.png", "alt_text": "x"}],
            [{"type": "image", "image_url": "http://x/y.png"}],
            "missing required field: alt_text",
            id="image without words",
        ),
    ],
)
async def test_blocks_beyond_a_limit_are_refused(
    web: AsyncWebClient, fits: Any, breaks: Any, words: str
) -> None:
    assert (await web.chat_postMessage(channel=OPEN, text="x", blocks=fits))["ok"]
    with pytest.raises(SlackApiError) as refusal:
        await web.chat_postMessage(channel=OPEN, text="x", blocks=breaks)
    assert refusal.value.response["error"] == "invalid_blocks"
    assert words in " ".join(refusal.value.response["response_metadata"]["messages"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(
            {"title": {"type": "plain_text", "text": "x" * 25}}, "less than 25", id="title"
        ),
        pytest.param({"submit": {"type": "plain_text", "text": "x" * 25}}, "/submit", id="submit"),
        pytest.param({"close": {"type": "plain_text", "text": "x" * 25}}, "/close", id="close"),
        pytest.param({"private_metadata": "x" * 3001}, "/private_metadata", id="metadata"),
        pytest.param({"callback_id": "x" * 256}, "/callback_id", id="callback"),
        pytest.param({"blocks": [section("x")] * 101}, "no more than 100", id="blocks"),
        pytest.param({"type": "popup"}, "valid view type", id="type"),
    ],
)
def test_a_view_beyond_a_limit_is_refused(change: dict[str, Any], words: str) -> None:
    assert blockkit.view_problems(MODAL) == []
    assert words in " ".join(blockkit.view_problems(MODAL | change))


def test_an_input_needs_a_submit_button() -> None:
    without = {name: value for name, value in MODAL.items() if name != "submit"}
    assert "submit" in " ".join(blockkit.view_problems(without))


@pytest.mark.parametrize(
    ("fault", "detail", "posted"),
    [
        pytest.param(Fault.RATE_LIMIT, {"seconds": 30}, 0, id="429"),
        pytest.param(Fault.REFUSE, {"reason": "internal_error"}, 0, id="refused"),
        pytest.param(Fault.UNAVAILABLE, {}, 0, id="503"),
        pytest.param(Fault.UNAVAILABLE_AFTER_ACCEPT, {}, 1, id="503 after accept"),
        pytest.param(Fault.GARBAGE, {}, 0, id="garbage"),
        pytest.param(Fault.CUT, {}, 0, id="cut"),
        pytest.param(Fault.CUT_AFTER_ACCEPT, {}, 1, id="cut after accept"),
        pytest.param(Fault.TIMEOUT, {}, 0, id="timeout"),
        pytest.param(Fault.TIMEOUT_AFTER_ACCEPT, {}, 1, id="timeout after accept"),
    ],
)
async def test_the_wire_breaks_as_planned(
    web: AsyncWebClient, slack: Slack, fault: Fault, detail: Any, posted: int
) -> None:
    slack.faults.plan("chat.postMessage", fault, **detail)
    silent = fault in (Fault.TIMEOUT, Fault.TIMEOUT_AFTER_ACCEPT)
    asking: Any = web.chat_postMessage(channel=OPEN, text="x")
    if silent:
        asking = unanswered(asking, lambda: not slack.faults.waiting())
    with pytest.raises((SlackApiError, aiohttp.ClientError, TimeoutError)) as broken:
        await asking
    assert len(slack.messages(OPEN)) == posted
    if isinstance(broken.value, SlackApiError) and fault is Fault.RATE_LIMIT:
        assert broken.value.response.status_code == 429
        assert broken.value.response.headers["Retry-After"] == "30"
    await web.chat_postMessage(channel=OPEN, text="x")
