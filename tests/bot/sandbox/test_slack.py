"""Does the stand-in speak to the official SDK as Slack does?"""

import datetime as dt
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import Clock as SlackClock
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from billing.clock import TurnedClock
from bot.sandbox import blockkit
from bot.sandbox.faults import Fault
from bot.sandbox.slack import Slack
from tests.waiting import unanswered

SECRET = "signing-secret"
TOKEN = "xoxb-sandbox"
ADA, BOB = "U0ADA", "U0BOB"
OPEN, OTHER, SHARED = "C0OPEN", "C0OTHER", "C0SHARED"
BUTTONS: list[dict[str, Any]] = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "Invoice *INV-7*"}},
    {
        "type": "actions",
        "block_id": "row",
        "elements": [
            {
                "type": "button",
                "action_id": "pause",
                "value": "7",
                "text": {"type": "plain_text", "text": "Pause 7 days"},
            },
            {
                "type": "static_select",
                "action_id": "why",
                "options": [
                    {"text": {"type": "plain_text", "text": "Dispute"}, "value": "dispute"}
                ],
            },
        ],
    },
]
MODAL: dict[str, Any] = {
    "type": "modal",
    "callback_id": "pause",
    "title": {"type": "plain_text", "text": "Pause"},
    "submit": {"type": "plain_text", "text": "Send"},
    "blocks": [
        {
            "type": "input",
            "block_id": "reason",
            "label": {"type": "plain_text", "text": "Reason"},
            "element": {"type": "plain_text_input", "action_id": "text"},
        },
        {
            "type": "input",
            "block_id": "until",
            "optional": True,
            "label": {"type": "plain_text", "text": "Until"},
            "element": {"type": "datepicker", "action_id": "day"},
        },
    ],
}


@pytest.fixture
async def slack(clock: TurnedClock, product: Any) -> AsyncIterator[Slack]:
    slack = Slack(TOKEN, SECRET, clock)
    slack.request_url = f"{product.url}/hooks/slack"
    slack.add_user(ADA, "ada", "ada@firm.test")
    slack.add_user(BOB, "bob", "bob@firm.test", restricted=True)
    slack.add_channel(OPEN, "finance", {ADA, BOB})
    slack.add_channel(OTHER, "random", {ADA}, with_bot=False)
    slack.add_channel(SHARED, "with-client", {ADA}, ext_shared=True)
    slack.add_channel("C0SECRET", "secret", {ADA}, private=True, with_bot=False)
    async with slack.serving():
        yield slack


@pytest.fixture
def web(slack: Slack) -> AsyncWebClient:
    base_url = f"{slack.base_url}/api/"
    return AsyncWebClient(TOKEN, base_url=base_url, timeout=60, retry_handlers=[])


def _section(text: str, **extra: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **extra}


def _button(**extra: Any) -> dict[str, Any]:
    text = {"type": "plain_text", "text": "Go"}
    return {"type": "button", "action_id": "go", "text": text} | extra


def _actions(*elements: Any) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)}


async def test_a_message_is_posted_with_its_metadata(
    web: AsyncWebClient, slack: Slack, clock: TurnedClock
) -> None:
    metadata = {"event_type": "handoff", "event_payload": {"key": "m-1"}}
    first = await web.chat_postMessage(channel=OPEN, text="One", metadata=metadata)
    second = await web.chat_postMessage(channel=OPEN, text="Two", blocks=BUTTONS)
    assert first["ts"] < second["ts"]
    assert float(first["ts"]) == pytest.approx(clock.now().timestamp(), abs=1)
    assert first["message"]["metadata"] == metadata
    history = await web.conversations_history(channel=OPEN, include_all_metadata=True)
    assert [one["text"] for one in history["messages"]] == ["Two", "One"]
    assert history["messages"][1]["metadata"] == metadata
    assert all("block_id" in block for block in slack.messages(OPEN)[1].blocks)


async def test_replies_stay_in_their_thread(web: AsyncWebClient) -> None:
    parent = (await web.chat_postMessage(channel=OPEN, text="Client"))["ts"]
    reply = (await web.chat_postMessage(channel=OPEN, text="Answer", thread_ts=parent))["ts"]
    await web.chat_postMessage(channel=OPEN, text="Deeper", thread_ts=reply)
    thread = await web.conversations_replies(channel=OPEN, ts=parent)
    history = await web.conversations_history(channel=OPEN)
    assert [one["text"] for one in thread["messages"]] == ["Client", "Answer", "Deeper"]
    assert {one["thread_ts"] for one in thread["messages"]} == {parent}
    assert [one["text"] for one in history["messages"]] == ["Client"]


async def test_a_message_is_updated_and_deleted(web: AsyncWebClient, slack: Slack) -> None:
    ts = (await web.chat_postMessage(channel=OPEN, text="Queued"))["ts"]
    await web.chat_update(channel=OPEN, ts=ts, text="Sent")
    assert (slack.messages(OPEN)[0].text, bool(slack.messages(OPEN)[0].edited)) == ("Sent", True)
    await web.reactions_add(channel=OPEN, timestamp=ts, name="eyes")
    await web.chat_delete(channel=OPEN, ts=ts)
    assert slack.messages(OPEN) == []


async def test_an_ephemeral_message_is_seen_by_one_and_never_found(
    web: AsyncWebClient, slack: Slack
) -> None:
    sent = await web.chat_postEphemeral(channel=OPEN, user=ADA, text="Only you")
    assert slack.messages(OPEN)[0].ephemeral_to == ADA
    assert (await web.conversations_history(channel=OPEN))["messages"] == []
    with pytest.raises(SlackApiError, match="message_not_found"):
        await web.chat_update(channel=OPEN, ts=sent["message_ts"], text="x")


async def test_people_and_places_are_found(web: AsyncWebClient, slack: Slack) -> None:
    assert (await web.auth_test())["user_id"] == slack.workspace.bot_user
    assert (await web.api_test())["ok"]
    assert (await web.users_lookupByEmail(email="Ada@Firm.test"))["user"]["id"] == ADA
    assert (await web.users_info(user=BOB))["user"]["is_restricted"]
    assert (await web.conversations_info(channel=SHARED))["channel"]["is_ext_shared"]
    names = [one["name"] for one in (await web.conversations_list())["channels"]]
    assert names == ["finance", "random", "with-client"]
    users = [one["id"] async for page in await web.users_list(limit=2) for one in page["members"]]
    assert users == [slack.workspace.bot_user, ADA, BOB]


async def test_a_direct_message_opens_by_itself(web: AsyncWebClient, slack: Slack) -> None:
    opened = (await web.conversations_open(users=ADA))["channel"]["id"]
    posted = await web.chat_postMessage(channel=ADA, text="Hello")
    assert posted["channel"] == opened
    assert slack.messages(opened)[0].text == "Hello"


@pytest.mark.parametrize(
    ("method", "args", "error"),
    [
        pytest.param("chat.postMessage", {"text": "x"}, "channel_not_found", id="no channel"),
        pytest.param(
            *("chat.postMessage", {"channel": "C0NO", "text": "x"}, "channel_not_found"),
            id="unknown channel",
        ),
        pytest.param(
            *("chat.postMessage", {"channel": "C0SECRET", "text": "x"}, "channel_not_found"),
            id="private channel",
        ),
        pytest.param(
            *("chat.postMessage", {"channel": OTHER, "text": "x"}, "not_in_channel"),
            id="not a member",
        ),
        pytest.param("chat.postMessage", {"channel": OPEN}, "no_text", id="no text"),
        pytest.param(
            *("chat.postMessage", {"channel": OPEN, "text": "x" * 40_001}, "msg_too_long"),
            id="text too long",
        ),
        pytest.param(
            *("chat.postMessage", {"channel": OPEN, "blocks": "[{"}, "invalid_blocks_format"),
            id="blocks not JSON",
        ),
        pytest.param(
            "chat.postMessage",
            {"channel": OPEN, "text": "x", "metadata": {"event_type": "x"}},
            "invalid_metadata_format",
            id="metadata without payload",
        ),
        pytest.param(
            "chat.postMessage",
            {"channel": OPEN, "text": "x", "thread_ts": "1.0"},
            "thread_not_found",
            id="unknown thread",
        ),
        pytest.param(
            "chat.postMessage",
            {"channel": OPEN, "blocks": [_section("x" * 2900)] * 5},
            "msg_blocks_too_long",
            id="blocks too long together",
        ),
        pytest.param(
            "chat.postEphemeral",
            {"channel": OPEN, "user": "U0NO", "text": "x"},
            "user_not_in_channel",
            id="ephemeral to a stranger",
        ),
        pytest.param(
            *("chat.update", {"channel": OPEN, "ts": "1.0", "text": "x"}, "message_not_found"),
            id="update nothing",
        ),
        pytest.param(
            "reactions.add",
            {"channel": OPEN, "timestamp": "1.0", "name": "eyes"},
            "message_not_found",
            id="react to nothing",
        ),
        pytest.param("users.info", {"user": "U0NO"}, "user_not_found", id="unknown user"),
        pytest.param(
            "users.lookupByEmail", {"email": "no@firm.test"}, "users_not_found", id="unknown email"
        ),
        pytest.param(
            *("views.open", {"trigger_id": "no", "view": MODAL}, "invalid_trigger_id"),
            id="unknown trigger",
        ),
        pytest.param(
            *("views.update", {"view_id": "V0NO", "view": MODAL}, "not_found"), id="unknown view"
        ),
        pytest.param(
            *("views.publish", {"user_id": ADA, "view": MODAL}, "invalid_arguments"),
            id="a modal is no home",
        ),
        pytest.param("api.test", {"error": "made_up"}, "made_up", id="asked for"),
        pytest.param("chat.meMessage", {}, "unknown_method", id="unknown method"),
    ],
)
async def test_a_refusal_carries_slacks_word(
    web: AsyncWebClient, method: str, args: dict[str, Any], error: str
) -> None:
    with pytest.raises(SlackApiError) as refusal:
        await web.api_call(method, json=args)
    assert (refusal.value.response["error"], refusal.value.response.status_code) == (error, 200)


@pytest.mark.parametrize(("token", "error"), [("wrong", "invalid_auth"), (None, "not_authed")])
async def test_a_wrong_token_is_refused(slack: Slack, token: str | None, error: str) -> None:
    web = AsyncWebClient(token, base_url=f"{slack.base_url}/api/")
    with pytest.raises(SlackApiError, match=error):
        await web.auth_test()


OPTION = {"text": {"type": "plain_text", "text": "x"}, "value": "x"}


@pytest.mark.parametrize(
    ("fits", "breaks", "words"),
    [
        pytest.param(
            [_section("x" * 3000)],
            [_section("x" * 3001)],
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
            [_section("x", block_id="x" * 255)],
            [_section("x", block_id="x" * 256)],
            "/block_id",
            id="block id",
        ),
        pytest.param([_section("x")] * 50, [_section("x")] * 51, "no more than 50", id="blocks"),
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
            [_section("x")], [{"type": "section"}], "missing required field: text", id="no text"
        ),
        pytest.param([_section("x")], [_section("")], "more than 0", id="empty text"),
        pytest.param([_section("x")], [{"type": "poem"}], "unsupported type: poem", id="type"),
        pytest.param(
            [_section("x", block_id="a"), _section("x", block_id="b")],
            [_section("x", block_id="a")] * 2,
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
        pytest.param({"blocks": [_section("x")] * 101}, "no more than 100", id="blocks"),
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


async def test_a_command_is_signed_and_its_answer_shown(
    slack: Slack, product: Any, clock: TurnedClock
) -> None:
    product.answers = [(200, json.dumps({"text": "Three open"}), {})]
    answer = await slack.command(ADA, OPEN, "/invoices", "Doe & Co")
    heard = product.heard[0]
    verifier = SignatureVerifier(SECRET, SlackClock())
    assert verifier.is_valid_request(heard.body, dict(heard.headers))
    assert (heard.form["command"], heard.form["text"]) == ("/invoices", "Doe & Co")
    assert (heard.form["user_id"], heard.form["channel_id"]) == (ADA, OPEN)
    assert answer.status == 200
    shown = slack.messages(OPEN)[0]
    assert (shown.text, shown.ephemeral_to) == ("Three open", ADA)


async def test_an_empty_acknowledgement_shows_nothing(slack: Slack) -> None:
    await slack.command(ADA, OPEN, "/invoices")
    assert slack.messages(OPEN) == []


async def test_a_response_url_is_used_five_times_in_thirty_minutes(
    slack: Slack, product: Any, clock: TurnedClock
) -> None:
    await slack.command(ADA, OPEN, "/invoices")
    url = product.heard[0].form["response_url"]
    web = AsyncWebhookClient(url)
    statuses = [(await web.send(text=f"{n}", response_type="in_channel")) for n in range(6)]
    assert [(one.status_code, one.body) for one in statuses[:5]] == [(200, "ok")] * 5
    assert statuses[5].status_code == 404
    assert "used_url" in statuses[5].body
    assert [one.ephemeral_to for one in slack.messages(OPEN)] == [""] * 5
    await slack.command(ADA, OPEN, "/invoices")
    for use in slack.response_urls.values():
        use.until = clock.wall() - dt.timedelta(seconds=1)
    late = await AsyncWebhookClient(product.heard[1].form["response_url"]).send(text="late")
    assert (late.status_code, "expired_url" in late.body) == (404, True)


async def test_a_click_sends_the_button_and_its_message(
    web: AsyncWebClient, slack: Slack, product: Any
) -> None:
    ts = (await web.chat_postMessage(channel=OPEN, text="x", blocks=BUTTONS))["ts"]
    await slack.click(ADA, OPEN, ts, "pause", "7")
    payload = json.loads(product.heard[0].form["payload"])
    assert (payload["type"], payload["user"]["id"], payload["channel"]["id"]) == (
        *("block_actions", ADA),
        OPEN,
    )
    assert payload["message"]["ts"] == payload["container"]["message_ts"] == ts
    [action] = payload["actions"]
    assert (action["action_id"], action["value"], action["block_id"]) == ("pause", "7", "row")
    await slack.click(ADA, OPEN, ts, "why", "dispute")
    chosen = json.loads(product.heard[1].form["payload"])["actions"][0]["selected_option"]
    assert chosen["value"] == "dispute"


@pytest.mark.parametrize(("action", "value"), [("nothing", ""), ("pause", "8"), ("why", "no")])
async def test_what_is_not_there_cannot_be_clicked(
    web: AsyncWebClient, slack: Slack, action: str, value: str
) -> None:
    ts = (await web.chat_postMessage(channel=OPEN, text="x", blocks=BUTTONS))["ts"]
    with pytest.raises(LookupError):
        await slack.click(ADA, OPEN, ts, action, value)


async def test_another_persons_ephemeral_card_cannot_be_clicked(
    web: AsyncWebClient, slack: Slack, product: Any
) -> None:
    ts = (await web.chat_postEphemeral(channel=OPEN, user=ADA, text="x", blocks=BUTTONS))[
        "message_ts"
    ]
    with pytest.raises(LookupError):
        await slack.click(BOB, OPEN, ts, "pause", "7")
    await slack.click(ADA, OPEN, ts, "pause", "7")
    payload = json.loads(product.heard[0].form["payload"])
    assert "message" not in payload
    assert payload["container"]["is_ephemeral"]


@pytest.mark.parametrize(
    ("answer", "texts"),
    [
        pytest.param({"replace_original": True, "text": "Paused"}, ["Paused"], id="replace"),
        pytest.param({"delete_original": True}, [], id="delete"),
        pytest.param({"text": "By the way"}, ["x", "By the way"], id="add"),
    ],
)
async def test_a_click_is_answered_in_place(
    web: AsyncWebClient, slack: Slack, product: Any, answer: dict[str, Any], texts: list[str]
) -> None:
    ts = (await web.chat_postMessage(channel=OPEN, text="x", blocks=BUTTONS))["ts"]
    await slack.click(ADA, OPEN, ts, "pause", "7")
    url = json.loads(product.heard[0].form["payload"])["response_url"]
    assert (await AsyncWebhookClient(url).send_dict(answer)).status_code == 200
    assert [one.text for one in slack.messages(OPEN)] == texts


async def _opened(web: AsyncWebClient, slack: Slack, product: Any, view: Any = None) -> str:
    await slack.command(ADA, OPEN, "/pause")
    trigger = product.heard[-1].form["trigger_id"]
    return str((await web.views_open(trigger_id=trigger, view=view or MODAL))["view"]["id"])


async def test_a_trigger_opens_one_view(web: AsyncWebClient, slack: Slack, product: Any) -> None:
    await _opened(web, slack, product)
    trigger = product.heard[-1].form["trigger_id"]
    with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
        await web.views_open(trigger_id=trigger, view=MODAL)


async def test_a_trigger_lives_three_seconds(
    web: AsyncWebClient, slack: Slack, product: Any, clock: TurnedClock
) -> None:
    trigger = slack.workspace.trigger(ADA)
    slack.workspace._triggers[trigger] = (ADA, clock.wall() - dt.timedelta(seconds=1))
    with pytest.raises(SlackApiError, match="expired_trigger_id"):
        await web.views_open(trigger_id=trigger, view=MODAL)


async def test_a_modal_is_sent_with_what_was_typed(
    web: AsyncWebClient, slack: Slack, product: Any
) -> None:
    view_id = await _opened(web, slack, product)
    await slack.submit(ADA, view_id, {"reason": {"text": "Trial"}, "until": {"day": "2026-04-01"}})
    payload = json.loads(product.heard[-1].form["payload"])
    assert (payload["type"], payload["view"]["callback_id"]) == ("view_submission", "pause")
    assert payload["view"]["state"]["values"] == {
        "reason": {"text": {"type": "plain_text_input", "value": "Trial"}},
        "until": {"day": {"type": "datepicker", "selected_date": "2026-04-01"}},
    }
    assert slack.workspace.views == {}


@pytest.mark.parametrize(
    ("action", "left"),
    [
        pytest.param({"response_action": "errors", "errors": {"reason": "no"}}, 1, id="errors"),
        pytest.param({"response_action": "update", "view": MODAL}, 1, id="update"),
        pytest.param({"response_action": "push", "view": MODAL}, 2, id="push"),
        pytest.param({"response_action": "clear"}, 0, id="clear"),
    ],
)
async def test_the_answer_to_a_modal_decides_what_stays_open(
    web: AsyncWebClient, slack: Slack, product: Any, action: dict[str, Any], left: int
) -> None:
    view_id = await _opened(web, slack, product)
    product.answers = [(200, json.dumps(action), {})]
    await slack.submit(ADA, view_id, {"reason": {"text": "Trial"}})
    assert len(slack.workspace.views) == left


async def test_an_empty_input_is_not_sent(web: AsyncWebClient, slack: Slack, product: Any) -> None:
    view_id = await _opened(web, slack, product)
    with pytest.raises(ValueError, match="reason"):
        await slack.submit(ADA, view_id, {})
    with pytest.raises(LookupError):
        await slack.submit(ADA, view_id, {"made": {"up": "x"}})


async def test_a_view_is_updated_only_by_its_hash(
    web: AsyncWebClient, slack: Slack, product: Any
) -> None:
    view_id = await _opened(web, slack, product)
    with pytest.raises(SlackApiError, match="hash_conflict"):
        await web.views_update(view_id=view_id, hash="old", view=MODAL)
    await web.views_update(view_id=view_id, hash=slack.workspace.views[view_id].hash, view=MODAL)


async def test_closing_a_modal_is_told_to_who_asked(
    web: AsyncWebClient, slack: Slack, product: Any
) -> None:
    view_id = await _opened(web, slack, product, MODAL | {"notify_on_close": True})
    await slack.dismiss(ADA, view_id)
    assert json.loads(product.heard[-1].form["payload"])["type"] == "view_closed"
    assert await slack.dismiss(ADA, await _opened(web, slack, product)) is None


async def test_the_home_tab_is_published_and_clicked(
    web: AsyncWebClient, slack: Slack, product: Any
) -> None:
    await slack.open_home(ADA)
    event = json.loads(product.heard[0].body)["event"]
    assert (event["type"], event["tab"], event["user"]) == ("app_home_opened", "home", ADA)
    await web.views_publish(user_id=ADA, view={"type": "home", "blocks": BUTTONS})
    await slack.click_view(ADA, slack.workspace.homes[ADA].id, "pause", "7")
    payload = json.loads(product.heard[1].form["payload"])
    assert (payload["view"]["type"], payload["actions"][0]["value"]) == ("home", "7")


async def test_a_message_event_is_signed(slack: Slack, product: Any) -> None:
    delivery = await slack.say(ADA, OPEN, "Hello")
    heard = product.heard[0]
    body = json.loads(heard.body)
    verifier = SignatureVerifier(SECRET, SlackClock())
    assert verifier.is_valid_request(heard.body, dict(heard.headers))
    assert (body["type"], body["event_id"]) == ("event_callback", delivery.event_id)
    assert (body["event"]["text"], body["event"]["user"]) == ("Hello", ADA)
    assert (body["event"]["ts"], body["event"]["channel_type"]) == (delivery.ts, "channel")
    assert delivery.statuses == (200,)


async def test_the_bot_hears_only_where_it_is_a_member(slack: Slack, product: Any) -> None:
    assert (await slack.say(ADA, OTHER, "Hello")).statuses == ()
    assert product.heard == []


async def test_a_mention_comes_as_two_events(slack: Slack, product: Any) -> None:
    await slack.say(ADA, OPEN, f"<@{slack.workspace.bot_user}> status")
    assert [json.loads(one.body)["event"]["type"] for one in product.heard] == [
        "message",
        "app_mention",
    ]


@pytest.mark.parametrize(
    ("answers", "statuses"),
    [
        pytest.param([(500, "", {})], (500, 200), id="once"),
        pytest.param([(500, "", {})] * 9, (500,) * 4, id="three retries at most"),
        pytest.param([(500, "", {"X-Slack-No-Retry": "1"})], (500,), id="no retry"),
    ],
)
async def test_an_event_that_is_not_taken_comes_again(
    slack: Slack, product: Any, answers: Any, statuses: tuple[int, ...]
) -> None:
    product.answers = list(answers)
    delivery = await slack.say(ADA, OPEN, "Hello")
    assert delivery.statuses == statuses
    numbers = [one.headers.get("x-slack-retry-num") for one in product.heard]
    assert numbers == [None, "1", "2", "3"][: len(statuses)]
    assert len({json.loads(one.body)["event_id"] for one in product.heard}) == 1
    if len(statuses) > 1:
        assert product.heard[1].headers["x-slack-retry-reason"] == "http_error"


async def test_a_taken_event_may_come_twice(slack: Slack, product: Any) -> None:
    slack.faults.plan("event", Fault.REPEAT_CALLBACKS)
    delivery = await slack.say(ADA, OPEN, "Hello")
    assert delivery.statuses == (200, 200)
    assert product.heard[0].body == product.heard[1].body


async def test_an_edit_and_another_bot_are_events_too(slack: Slack, product: Any) -> None:
    ts = (await slack.say(ADA, OPEN, "Helo")).ts
    await slack.edit(ADA, OPEN, ts, "Hello")
    await slack.say_as_bot(OPEN, "Build passed")
    events = [json.loads(one.body)["event"] for one in product.heard]
    assert [one.get("subtype") for one in events] == [None, "message_changed", "bot_message"]
    assert events[1]["previous_message"]["text"] == "Helo"
    assert events[2]["bot_id"] == "B0OTHER"


async def test_the_request_url_is_challenged(slack: Slack, product: Any) -> None:
    assert (await slack.challenge()).status == 0
    assert json.loads(product.heard[0].body)["type"] == "url_verification"
