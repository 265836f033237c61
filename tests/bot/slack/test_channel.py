import asyncio
import contextlib
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from billing.clock import SystemClock
from bot.sandbox.faults import Fault
from bot.sandbox.slack import Slack
from bot.slack import signature
from bot.slack.channel import SlackChannel
from comms.ports import Channel, DeliveryError, Outgoing, Throttled, Uncertain

TOKEN, SECRET = "xoxb-sandbox-1234567890", "signing-secret-1234567890"
FINANCE, PERSON = "C0FINANCE", "U0ALICE"
PATIENCE = 60.0
"""Seconds until an answer: not a limit that a busy machine meets."""
BLOCKS = ({"type": "section", "text": {"type": "mrkdwn", "text": "*Paid*"}},)


@pytest.fixture
def patience() -> float:
    return PATIENCE


@pytest.fixture
async def slack(patience: float) -> AsyncIterator[tuple[Slack, SlackChannel]]:
    stand_in = Slack(TOKEN, SECRET, SystemClock())
    stand_in.add_user(PERSON, "alice", "alice@firm.example")
    stand_in.add_channel(FINANCE, "finance")
    async with stand_in.serving() as base, writing(f"{base}/api/", patience=patience) as channel:
        yield stand_in, channel


@contextlib.asynccontextmanager
async def writing(
    base_url: str, token: str = TOKEN, patience: float = PATIENCE
) -> AsyncIterator[SlackChannel]:
    channel = SlackChannel(token, base_url=base_url, timeout=patience)
    try:
        yield channel
    finally:
        await channel.close()


@contextlib.asynccontextmanager
async def answering(status: int, body: str, **headers: str) -> AsyncIterator[str]:
    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path.endswith("conversations.info"):
            return web.json_response({"ok": True, "channel": {"id": FINANCE}})
        if request.path.endswith("conversations.members"):
            return web.json_response({"ok": True, "members": []})
        kind = headers.pop("kind", "application/json")
        return web.Response(status=status, text=body, content_type=kind, headers=headers)

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    finally:
        await runner.cleanup()


def alert(text: str = "Paid", to: str = FINANCE, **more: str) -> Outgoing:
    return Outgoing(reference="m-1", to=to, sender="", text=text, blocks=BLOCKS, **more)  # type: ignore[arg-type]


async def test_an_alert_is_posted_with_our_reference(slack: tuple[Slack, SlackChannel]) -> None:
    stand_in, writer = slack
    channel: Channel = writer
    sent = await channel.send(alert())
    (post,) = stand_in.messages(FINANCE)
    assert (post.ts, post.text) == (sent.provider_id, "Paid")
    assert post.blocks[0]["text"]["text"] == "*Paid*"
    assert post.metadata == {
        "event_type": "counterfoil",
        "event_payload": {"reference": "m-1"},
    }
    asked = dict(stand_in.calls)["chat.postMessage"]
    assert asked["unfurl_links"] is False


async def test_a_channel_shared_with_others_is_told_nothing(
    slack: tuple[Slack, SlackChannel],
) -> None:
    stand_in, channel = slack
    stand_in.workspace.channels[FINANCE].is_ext_shared = True
    with pytest.raises(DeliveryError, match="shared with another organisation") as caught:
        await channel.send(alert())
    assert (caught.value.permanent, stand_in.messages(FINANCE)) == (True, [])


async def test_where_a_guest_reads_nothing_is_told_until_they_are_gone(
    slack: tuple[Slack, SlackChannel],
) -> None:
    stand_in, channel = slack
    stand_in.add_user("U0GUEST", "guest", "guest@firm.example", restricted=True)
    members = stand_in.workspace.channels[FINANCE].members
    members.add("U0GUEST")
    for to in (FINANCE, "U0GUEST"):
        with pytest.raises(DeliveryError, match="A guest") as caught:
            await channel.send(alert(to=to))
        assert not caught.value.permanent
    assert stand_in.messages(FINANCE) == []
    members.remove("U0GUEST")
    await channel.send(alert())
    assert [post.text for post in stand_in.messages(FINANCE)] == ["Paid"]


async def test_a_channel_is_looked_at_once_in_a_while(slack: tuple[Slack, SlackChannel]) -> None:
    stand_in, channel = slack
    await asyncio.gather(*(channel.send(alert()) for _ in range(20)))
    assert [method for method, _ in stand_in.calls].count("conversations.info") == 1


async def test_an_answer_goes_into_its_thread(slack: tuple[Slack, SlackChannel]) -> None:
    stand_in, channel = slack
    root = await channel.send(alert())
    await channel.send(alert("Reply", thread=root.provider_id))
    assert stand_in.messages(FINANCE)[1].thread_ts == root.provider_id


async def test_a_message_is_replaced_in_place(slack: tuple[Slack, SlackChannel]) -> None:
    stand_in, channel = slack
    first = await channel.send(alert())
    second = await channel.send(alert("Refunded", updates=first.provider_id))
    assert second.provider_id == first.provider_id
    assert [post.text for post in stand_in.messages(FINANCE)] == ["Refunded"]


async def test_a_person_is_written_to_directly(slack: tuple[Slack, SlackChannel]) -> None:
    stand_in, channel = slack
    await channel.send(alert(to=PERSON))
    await channel.send(alert("Again", to=PERSON))
    opened = [method for method, _ in stand_in.calls].count("conversations.open")
    direct = stand_in.workspace.im(PERSON)
    assert [post.text for post in direct.messages] == ["Paid", "Again"]
    assert opened == 1


@pytest.mark.parametrize("to", ["#finance", "alice@firm.example", "", "C0 FINANCE", "C0FINANCE\n"])
async def test_only_an_id_is_a_recipient(slack: tuple[Slack, SlackChannel], to: str) -> None:
    stand_in, channel = slack
    with pytest.raises(DeliveryError) as caught:
        await channel.send(alert(to=to))
    assert (caught.value.permanent, stand_in.calls) == (True, [])


async def test_a_post_without_text_is_refused(slack: tuple[Slack, SlackChannel]) -> None:
    _, channel = slack
    with pytest.raises(DeliveryError) as caught:
        await channel.send(alert(""))
    assert (caught.value.permanent, caught.value.code) == (True, "no_text")


@pytest.mark.parametrize(
    ("fault", "patience"),
    [
        (Fault.TIMEOUT_AFTER_ACCEPT, 2.0),
        (Fault.CUT_AFTER_ACCEPT, PATIENCE),
        (Fault.GARBAGE_AFTER_ACCEPT, PATIENCE),
        (Fault.UNAVAILABLE_AFTER_ACCEPT, PATIENCE),
    ],
)
async def test_a_broken_answer_leaves_a_doubt_and_one_post(
    slack: tuple[Slack, SlackChannel], fault: Fault, patience: float
) -> None:
    stand_in, channel = slack
    stand_in.faults.plan("chat.postMessage", fault, seconds=60)
    since = SystemClock().now() - dt.timedelta(minutes=1)
    with pytest.raises(Uncertain):
        await channel.send(alert())
    assert len(stand_in.messages(FINANCE)) == 1
    found = await channel.find(alert(), since)
    assert found is not None
    assert found.provider_id == stand_in.messages(FINANCE)[0].ts


async def test_a_conversation_that_was_not_opened_is_no_doubt(
    slack: tuple[Slack, SlackChannel],
) -> None:
    stand_in, channel = slack
    stand_in.faults.plan("conversations.open", Fault.CUT)
    with pytest.raises(DeliveryError) as caught:
        await channel.send(alert(to=PERSON))
    assert (isinstance(caught.value, Uncertain), caught.value.permanent) == (False, False)


async def test_nothing_is_found_on_any_doubt(slack: tuple[Slack, SlackChannel]) -> None:
    stand_in, channel = slack
    since = SystemClock().now() - dt.timedelta(minutes=1)
    assert await channel.find(alert(), since) is None
    root = await channel.send(alert())
    assert await channel.find(alert(thread=root.provider_id), since) is not None
    assert await channel.find(alert(to="C0NOWHERE"), since) is None
    stand_in.faults.plan("conversations.history", Fault.CUT)
    assert await channel.find(alert(), since) is None


async def test_too_fast_waits_as_long_as_slack_says(slack: tuple[Slack, SlackChannel]) -> None:
    stand_in, channel = slack
    stand_in.faults.plan("chat.postMessage", Fault.RATE_LIMIT, seconds=30)
    with pytest.raises(Throttled) as caught:
        await channel.send(alert())
    assert caught.value.retry_after == 30.0
    assert stand_in.messages(FINANCE) == []


@pytest.mark.parametrize(
    "code",
    [
        "invalid_auth",
        "account_inactive",
        "token_revoked",
        "channel_not_found",
        "is_archived",
        "not_in_channel",
        "invalid_blocks",
        "msg_too_long",
    ],
)
async def test_a_refusal_for_good_says_what_to_do(code: str) -> None:
    body = json.dumps({"ok": False, "error": code})
    async with answering(200, body) as base, writing(base) as channel:
        with pytest.raises(DeliveryError) as caught:
            await channel.send(alert())
    assert (caught.value.permanent, caught.value.code) == (True, code)
    assert caught.value.sentence.endswith(".")


@pytest.mark.parametrize(
    ("status", "body", "kind", "doubt"),
    [
        (200, '{"ok": false, "error": "service_unavailable"}', "application/json", False),
        (200, '{"ok": false, "error": "fatal_error"}', "application/json", True),
        (200, '{"ok": false}', "application/json", True),
        (200, '{"ok": true}', "application/json", True),
        (200, "{", "application/json", True),
        (200, "hello", "text/plain", True),
        (502, "", "text/html", True),
    ],
)
async def test_what_slack_may_have_done_is_in_doubt(
    status: int,
    body: str,
    kind: str,
    doubt: bool,  # noqa: FBT001
) -> None:
    async with answering(status, body, kind=kind) as base, writing(base) as channel:
        with pytest.raises(DeliveryError) as caught:
            await channel.send(alert())
    assert isinstance(caught.value, Uncertain) is doubt
    assert not caught.value.permanent


async def test_nothing_listening_is_no_doubt() -> None:
    async with writing("http://127.0.0.1:9/api/") as channel:
        with pytest.raises(DeliveryError) as caught:
            await channel.send(alert())
    assert (caught.value.code, isinstance(caught.value, Uncertain)) == ("unreachable", False)


async def test_concurrent_answers_never_cross(slack: tuple[Slack, SlackChannel]) -> None:
    stand_in, channel = slack
    texts = [f"Alert {number}" for number in range(300)]
    sent = await asyncio.gather(*(channel.send(alert(text)) for text in texts))
    by_ts = {post.ts: post.text for post in stand_in.messages(FINANCE)}
    assert [by_ts[one.provider_id] for one in sent] == texts


NOW = 1_770_000_000.0


def signed(raw: bytes, at: float = NOW, secret: str = SECRET) -> dict[str, str]:
    stamp = str(int(at))
    mac = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + raw, hashlib.sha256)
    return {"X-Slack-Request-Timestamp": stamp, "x-slack-signature": f"v0={mac.hexdigest()}"}


@pytest.mark.parametrize(
    ("age", "valid"), [(0, True), (299, True), (300, True), (301, False), (-301, False)]
)
def test_a_request_is_valid_for_five_minutes(age: int, valid: bool) -> None:  # noqa: FBT001
    raw = b"\xff payload"
    assert signature.verify(raw, signed(raw, NOW - age), [SECRET], NOW) is valid


def test_both_secrets_hold_while_rotating() -> None:
    headers = signed(b"x")
    assert signature.verify(b"x", headers, ["newer-secret", SECRET], NOW)
    assert not signature.verify(b"x", headers, ["newer-secret"], NOW)
    assert not signature.verify(b"y", headers, [SECRET], NOW)
    assert not signature.verify(b"x", headers, [], NOW)
    assert not signature.verify(b"x", signed(b"x", secret=" "), ["", " "], NOW)


@pytest.mark.parametrize(
    "stamp", ["", "now", "1.5", "-1", "\u0661\u0667", "9" * 400, "1770000000\n"]
)
def test_a_stamp_that_is_no_number_is_refused(stamp: str) -> None:
    headers = signed(b"x") | {"X-Slack-Request-Timestamp": stamp}
    assert signature.verify(b"x", headers, [SECRET], NOW) is False


@given(st.text(max_size=80), st.text(max_size=20), st.binary(max_size=50))
def test_no_request_breaks_the_verification(mark: str, stamp: str, raw: bytes) -> None:
    headers = {"X-Slack-Signature": mark, "X-Slack-Request-Timestamp": stamp}
    assert signature.verify(raw, headers, [SECRET], NOW) is False
    headers["X-Slack-Request-Timestamp"] = str(int(NOW))
    assert signature.verify(raw, headers, [SECRET], NOW) is False
    assert signature.verify(raw, {}, [SECRET], NOW) is False
