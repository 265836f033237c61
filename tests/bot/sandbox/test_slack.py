"""Does the stand-in speak to the official SDK as Slack does?"""

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from billing.clock import TurnedClock
from bot.sandbox.slack import Slack
from tests.bot.sandbox.workplace import ADA, BOB, BUTTONS, MODAL, OPEN, OTHER, SHARED, section


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
            {"channel": OPEN, "blocks": [section("x" * 2900)] * 5},
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
