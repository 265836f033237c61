import asyncio
import base64
import contextlib
import datetime as dt
import hashlib
import hmac
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.clock import SystemClock
from bot.sandbox import loopback
from bot.sandbox.faults import Fault
from bot.sandbox.twilio import Twilio
from comms.addresses import phones
from comms.channels import refusals, twilio_hooks
from comms.channels.refusals import Effect
from comms.channels.sms import Account, Sms
from comms.facts import Standing
from comms.ports import Channel, DeliveryError, Outgoing, Throttled, Uncertain

TOKEN = "12345678901234567890123456789012"
SID = "AC" + "a" * 32
OURS, CLIENT = "+12125550100", "+13105550123"
PUBLIC = "http://127.0.0.1:9"
URL = "https://billing.example.com/hooks/twilio/sms?a=1"


@pytest.fixture
async def twilio() -> AsyncIterator[tuple[Twilio, Sms]]:
    stand_in = Twilio(SID, TOKEN, SystemClock())
    stand_in.senders.add(OURS)
    async with loopback.serve(stand_in.app) as base, texting(base) as channel:
        yield stand_in, channel
        await stand_in.settle()


@contextlib.asynccontextmanager
async def texting(base: str, *, sender: str = OURS, patience: float = 60.0) -> AsyncIterator[Sms]:
    account = Account(SID, TOKEN, PUBLIC, sender, base_url=base, timeout=patience)
    channel = Sms(account)
    try:
        yield channel
    finally:
        await channel.close()


@contextlib.asynccontextmanager
async def answering(status: str, body: str = "", headers: str = "") -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}"
        writer.write((head + "Connection: close\r\n\r\n" + body).encode())
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def text(body: str = "Hello", **more: str) -> Outgoing:
    return Outgoing(reference="m/1 ü", to=CLIENT, sender=more.pop("sender", ""), text=body)


async def test_a_text_is_handed_over_with_our_reference(twilio: tuple[Twilio, Sms]) -> None:
    stand_in, sms_channel = twilio
    channel: Channel = sms_channel
    sent = await channel.send(text("Pay — please & thanks"))
    record = stand_in.messages[sent.provider_id]
    assert record.body == "Pay — please & thanks"
    assert (record.to, record.sender) == (CLIENT, OURS)
    asked = record.asked
    assert asked["StatusCallback"] == f"{PUBLIC}/hooks/twilio/status?ref=m%2F1%20%C3%BC"
    assert asked["ValidityPeriod"] == "14400"
    assert sent.status == "queued"


async def test_twilios_own_calls_are_verified_and_read(twilio: tuple[Twilio, Sms]) -> None:
    stand_in, channel = twilio
    sent = await channel.send(text("Hello"))
    await stand_in.settle()
    assert stand_in.hooks
    for hook in stand_in.hooks:
        headers = {"X-Twilio-Signature": stand_in.signature(hook.url, hook.params)}
        assert twilio_hooks.verify(urlencode(hook.params).encode(), headers, hook.url, [TOKEN])
        report = twilio_hooks.read_status(hook.params, dict(parse_qsl(urlsplit(hook.url).query)))
        assert report is not None
        assert (report.reference, report.provider_id) == ("m/1 ü", sent.provider_id)


async def test_a_message_may_shorten_its_validity(twilio: tuple[Twilio, Sms]) -> None:
    stand_in, channel = twilio
    message = Outgoing("r", CLIENT, "", "Hi", headers={"Validity-Period": "600"})
    sent = await channel.send(message)
    assert stand_in.messages[sent.provider_id].asked["ValidityPeriod"] == "600"


async def test_a_messaging_service_is_a_sender_too(twilio: tuple[Twilio, Sms]) -> None:
    stand_in, channel = twilio
    service = "MG" + "b" * 32
    stand_in.services[service] = [OURS]
    sent = await channel.send(text(sender=service))
    assert sent.status == "accepted"
    assert stand_in.messages[sent.provider_id].service == service


async def test_concurrent_answers_never_cross(twilio: tuple[Twilio, Sms]) -> None:
    stand_in, channel = twilio
    stand_in.faults.plan("status", Fault.LOSE_CALLBACKS, times=1_000)
    bodies = [f"Text {number}" for number in range(1_000)]
    sent = await asyncio.gather(*(channel.send(text(body)) for body in bodies))
    assert [stand_in.messages[one.provider_id].body for one in sent] == bodies


@pytest.mark.parametrize(
    ("fault", "patience"),
    [
        (Fault.TIMEOUT_AFTER_ACCEPT, 2.0),
        (Fault.CUT_AFTER_ACCEPT, 60.0),
        (Fault.GARBAGE_AFTER_ACCEPT, 60.0),
        (Fault.CUT, 60.0),
    ],
)
async def test_a_broken_answer_leaves_a_text_in_doubt(fault: Fault, patience: float) -> None:
    stand_in = Twilio(SID, TOKEN, SystemClock())
    stand_in.senders.add(OURS)
    stand_in.faults.plan("send", fault, seconds=60)
    async with loopback.serve(stand_in.app) as base, texting(base, patience=patience) as channel:
        with pytest.raises(Uncertain):
            await channel.send(text())
        await stand_in.settle()
    assert len(stand_in.messages) == (fault is not Fault.CUT)


async def test_a_text_in_doubt_is_found_in_twilios_list(twilio: tuple[Twilio, Sms]) -> None:
    stand_in, channel = twilio
    since = SystemClock().now()
    await channel.send(text("another one"))
    stand_in.faults.plan("send", Fault.CUT_AFTER_ACCEPT)
    with pytest.raises(Uncertain):
        await channel.send(text("the lost one"))
    await stand_in.settle()
    found = await channel.find(text("the lost one"), since)
    assert found is not None
    assert stand_in.messages[found.provider_id].body == "the lost one"
    assert await channel.find(text("never sent"), since) is None
    assert await channel.find(text("the lost one"), since + dt.timedelta(hours=1)) is None


async def test_a_list_that_fails_raises(twilio: tuple[Twilio, Sms]) -> None:
    stand_in, channel = twilio
    stand_in.faults.plan("list", Fault.CUT, times=2)
    with pytest.raises(DeliveryError) as caught:
        await channel.find(text(), SystemClock().now())
    assert not isinstance(caught.value, Uncertain)
    assert not caught.value.permanent


async def test_too_fast_waits_as_long_as_twilio_says(twilio: tuple[Twilio, Sms]) -> None:
    stand_in, channel = twilio
    stand_in.faults.plan("send", Fault.RATE_LIMIT, seconds=7)
    with pytest.raises(Throttled) as caught:
        await channel.send(text())
    assert caught.value.retry_after == 7.0
    assert not stand_in.messages


async def test_nothing_listening_is_no_doubt() -> None:
    async with texting("http://127.0.0.1:9", patience=1) as channel:
        with pytest.raises(DeliveryError) as caught:
            await channel.send(text())
    assert not isinstance(caught.value, Uncertain)
    assert (caught.value.permanent, caught.value.code) == (False, "unreachable")


@pytest.mark.parametrize(
    ("status", "body", "doubt"),
    [
        ("503 Busy", '{"code": 20503, "message": "busy", "status": 503}', False),
        ("503 Busy", "upstream connect error", True),
        ("500 Oops", '{"code": 20500, "message": "oops", "status": 500}', True),
        ("502 Bad", "", True),
        ("504 Late", "<html>", True),
        ("201 Made", '{"status": "queued"}', True),
        ("201 Made", "[]", True),
        ("307 Moved", "", False),
        ("404 No", "", False),
    ],
)
async def test_only_twilios_own_503_is_a_refusal(status: str, body: str, doubt: bool) -> None:  # noqa: FBT001
    async with answering(status, body) as base, texting(base) as channel:
        with pytest.raises(DeliveryError) as caught:
            await channel.send(text())
    assert isinstance(caught.value, Uncertain) is doubt
    assert caught.value.permanent is False


@pytest.mark.parametrize(
    ("code", "permanent", "effect"),
    [
        (20003, False, Effect.STOP_CHANNEL),
        (21211, True, Effect.BAD_ADDRESS),
        (21408, True, Effect.ALERT),
        (21610, True, Effect.SUPPRESS),
        (21612, True, Effect.OTHER_CHANNEL),
        (21614, True, Effect.BAD_ADDRESS),
        (21617, True, Effect.STOP_TEMPLATE),
        (21635, True, Effect.BAD_ADDRESS),
        (30001, False, Effect.RETRY),
        (30002, False, Effect.STOP_CHANNEL),
        (30003, False, Effect.RETRY_ONCE),
        (30004, True, Effect.SUPPRESS),
        (30005, True, Effect.BAD_ADDRESS),
        (30006, True, Effect.BAD_ADDRESS),
        (30007, True, Effect.STOP_TEMPLATE),
        (30008, False, Effect.RETRY),
        (30034, True, Effect.STOP_CHANNEL),
        (30047, False, Effect.RETRY),
        (30450, True, Effect.ALERT),
        (30610, False, Effect.RETRY),
        (30640, True, Effect.SUPPRESS),
        (63014, True, Effect.SUPPRESS),
        (29999, True, Effect.ALERT),
    ],
)
async def test_each_refusal_says_what_to_do(code: int, permanent: bool, effect: Effect) -> None:  # noqa: FBT001
    body = f'{{"code": {code}, "message": "The number {CLIENT} is bad", "status": 400}}'
    async with answering("400 Bad", body) as base, texting(base) as channel:
        with pytest.raises(DeliveryError) as caught:
            await channel.send(text())
    error = caught.value
    assert (error.permanent, error.code) == (permanent, str(code))
    assert refusals.of_twilio(error.code).effect is effect
    assert error.sentence.endswith(".")
    assert CLIENT not in error.sentence


def test_the_account_never_shows_its_token() -> None:
    assert TOKEN not in repr(Account(SID, TOKEN, PUBLIC))


def signed(url: str, fields: list[tuple[str, str]], token: str = TOKEN) -> tuple[bytes, str]:
    whole = url + "".join(name + value for name, value in sorted(set(fields)))
    mac = hmac.new(token.encode(), whole.encode(), hashlib.sha1).digest()
    return urlencode(fields).encode(), base64.b64encode(mac).decode()


FIELDS = [("Body", ""), ("From", CLIENT), ("Media", "b"), ("Media", "a"), ("Name", "Zoë ")]


def test_a_signed_form_is_accepted() -> None:
    raw, signature = signed(URL, FIELDS)
    assert twilio_hooks.verify(raw, {"X-Twilio-Signature": signature}, URL, [TOKEN])
    assert twilio_hooks.parse(raw) == {"Body": "", "From": CLIENT, "Media": "b", "Name": "Zoë "}


def test_both_tokens_hold_while_rotating() -> None:
    raw, signature = signed(URL, FIELDS)
    headers = {"x-twilio-signature": signature}
    assert twilio_hooks.verify(raw, headers, URL, ["another", TOKEN])
    assert not twilio_hooks.verify(raw, headers, URL, ["another"])
    assert not twilio_hooks.verify(raw, headers, URL, [])


def test_an_empty_token_proves_nothing() -> None:
    raw, signature = signed(URL, FIELDS, token="")
    assert not twilio_hooks.verify(raw, {"X-Twilio-Signature": signature}, URL, [""])


def test_json_is_signed_by_its_hash() -> None:
    raw = '{"a": "ü"}'.encode()
    url = f"{URL}&bodySHA256={hashlib.sha256(raw).hexdigest()}"
    _, signature = signed(url, [])
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/json"}
    assert twilio_hooks.verify(raw, headers, url, [TOKEN])
    assert not twilio_hooks.verify(raw + b" ", headers, url, [TOKEN])


@pytest.mark.parametrize(
    ("url", "raw"),
    [
        (URL.replace("https", "http"), None),
        (URL + "&b=2", None),
        (URL.replace("sms", "status"), None),
        (URL, b"Body=other"),
        (URL, b""),
        (URL, b"Body=%FF"),
        (URL, b"\xff\xfe"),
        (URL, b"a=1&" * 2000),
    ],
    ids=["scheme", "query", "path", "body", "empty", "latin", "bytes", "many"],
)
def test_a_forged_request_is_refused(url: str, raw: bytes | None) -> None:
    genuine, signature = signed(URL, FIELDS)
    body = genuine if raw is None else raw
    assert not twilio_hooks.verify(body, {"X-Twilio-Signature": signature}, url, [TOKEN])


@given(st.binary(max_size=200), st.text(max_size=60), st.text(max_size=60))
def test_no_request_breaks_the_verification(raw: bytes, signature: str, settings: str) -> None:
    headers = {
        "X-Twilio-Signature": signature,
        "X-Twilio-Webhooks-Signature-Settings": settings,
    }
    assert not twilio_hooks.verify(raw, headers, URL, [TOKEN])


INBOUND = {
    "MessageSid": "SM" + "c" * 32,
    "From": "(310) 555-0123",
    "To": OURS,
    "Body": " Paid! \n",
    "NumMedia": "2",
    "MediaContentType0": "image/png",
    "OptOutType": "Stop",
    "SmsStatus": "received",
}


def test_an_inbound_text_is_read() -> None:
    fact = twilio_hooks.read_inbound(INBOUND)
    assert (fact.sender, fact.recipient, fact.external_id) == (CLIENT, OURS, INBOUND["MessageSid"])
    assert (fact.body, fact.visible, fact.opt_out_type) == (" Paid! \n", "Paid!", "STOP")
    assert fact.media == ("media-1.png", "media-2.bin")
    assert twilio_hooks.external_id(INBOUND) == INBOUND["MessageSid"]


@pytest.mark.parametrize(
    "change",
    [{"MessageSid": ""}, {"MessageSid": "SM 1"}, {"From": ""}, {"To": " "}, {"From": "1" * 101}],
)
def test_a_text_without_its_fields_is_malformed(change: dict[str, str]) -> None:
    with pytest.raises(twilio_hooks.Malformed):
        twilio_hooks.read_inbound(INBOUND | change)


@given(st.dictionaries(st.sampled_from([*INBOUND, "MessageStatus"]), st.text(max_size=30)))
def test_any_form_is_read_or_malformed(params: dict[str, str]) -> None:
    for reading in (
        lambda: twilio_hooks.read_inbound(INBOUND | params),
        lambda: twilio_hooks.read_status(params, {"ref": "r"}),
        lambda: twilio_hooks.external_id(params),
    ):
        with contextlib.suppress(twilio_hooks.Malformed):
            reading()


@pytest.mark.parametrize(
    ("status", "standing"),
    [
        ("accepted", Standing.ACCEPTED),
        ("queued", Standing.ACCEPTED),
        ("sending", Standing.ACCEPTED),
        ("sent", Standing.SENT),
        ("delivered", Standing.DELIVERED),
        ("read", Standing.DELIVERED),
        ("undelivered", Standing.FAILED),
        ("failed", Standing.FAILED),
        ("canceled", Standing.FAILED),
    ],
)
def test_each_status_has_its_standing(status: str, standing: Standing) -> None:
    report = twilio_hooks.read_status(
        {"MessageSid": "SM1", "MessageStatus": status}, {"ref": "m-1"}
    )
    assert report is not None
    assert (report.standing, report.reference, report.provider_id) == (standing, "m-1", "SM1")
    assert bool(report.sentence) is (standing is Standing.FAILED)


def test_a_failed_report_says_why() -> None:
    params = {"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30005"}
    report = twilio_hooks.read_status(params, {})
    assert report is not None
    assert (report.code, report.reference) == ("30005", "")
    assert "Nobody has this number" in report.sentence
    assert twilio_hooks.external_id(params) == "SM1:undelivered"


@pytest.mark.parametrize("status", ["", "scheduled", "receiving", "partially_delivered", "???"])
def test_a_status_that_changes_nothing_is_ignored(status: str) -> None:
    assert twilio_hooks.read_status({"MessageSid": "SM1", "MessageStatus": status}, {}) is None


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("(212) 555-0100", "+12125550100"),
        ("1-212-555-0100", "+12125550100"),
        ("+44 20 7946 0958", "+442079460958"),
        ("212-555-0100 ext. 7", None),
        ("555-0100", None),
        ("12345", None),
        ("whatsapp:+12125550100", None),
        ("", None),
        ("9" * 100, None),
    ],
)
def test_a_number_is_written_one_way(written: str, normal: str | None) -> None:
    assert phones.normalise(written) == normal


def test_zones_are_every_place_the_phone_may_be() -> None:
    assert phones.candidate_zones("+12125550100") == ("America/New_York",)
    assert len(phones.candidate_zones("+18005551212")) > 40
    assert phones.candidate_zones("+15550100199") == phones.UNITED_STATES
    assert phones.candidate_zones("nonsense") == phones.UNITED_STATES
