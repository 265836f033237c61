"""Everybody can reach the hooks: what do they answer to whom, and what becomes of it?"""

import asyncio
import datetime as dt
import hmac
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from sqlmodel import Session, select

from billing.facts import ClientDescribed
from billing.models import Address
from bot import inbox, intake, understanding, worker
from bot.models import Incoming
from bot.sandbox.faults import Fault
from comms import consent
from comms.consent import Standing
from comms.models import ConsentEvent, Message, State, Touchpoint
from comms.ports import Channel, Found, Outgoing, Sent
from tests import factories
from tests.factories import CLIENTS, NOON, PHONE, SENDER, Product

MEGABYTE = 1_000_000
STRANGER = "+13125550199"
Headers = Mapping[str, str]


@pytest.fixture
async def product(database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(database, tmp_path) as running:
        yield running


@pytest.fixture
async def one(sqlite_database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    """The product on SQLite, for what happens before a row is written."""
    async with factories.product(sqlite_database, tmp_path) as running:
        yield running


# --- how the world signs --------------------------------------------------------------------------


def text(sid: str = "SM1", **more: str) -> dict[str, str]:
    return {"MessageSid": sid, "From": PHONE, "To": SENDER, "Body": "hello"} | more


def status(sid: str, state: str, **more: str) -> dict[str, str]:
    return {"MessageSid": sid, "MessageStatus": state, "From": SENDER, "To": PHONE} | more


def mail(subject: str = "Hello", sender: str = factories.MAILBOX, number: int = 1) -> bytes:
    return (
        f"From: {sender}\r\nTo: accounts@harrow.example\r\nSubject: {subject}\r\n"
        f"Message-ID: <m{number}@client.example>\r\n\r\nWhere do I pay?\r\n"
    ).encode()


def event(event_id: str = "Ev1", **more: Any) -> dict[str, Any]:
    return {"type": "event_callback", "team_id": "T1", "event_id": event_id} | more


@dataclass(frozen=True)
class Door:
    """A hook: its path, the header that proves who calls, and a request that is taken."""

    path: str
    proof: str
    body: bytes
    sign: Callable[[Product, str, bytes], dict[str, str]]


def by_twilio(product: Product, path: str, body: bytes) -> dict[str, str]:
    params = dict(pair.split("=", 1) for pair in body.decode("latin-1").split("&") if "=" in pair)
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": twilio_signature(product, product.url + path, _decoded(params)),
    }


def _decoded(params: Mapping[str, str]) -> dict[str, str]:
    from urllib.parse import unquote_plus

    return {name: unquote_plus(value) for name, value in params.items()}


def twilio_signature(product: Product, url: str, params: Mapping[str, str]) -> str:
    return product.twilio.signature(url, params)


def by_bearer(_product: Product, _path: str, _body: bytes) -> dict[str, str]:
    return {"Authorization": f"Bearer {factories.MAIL_SECRET}", "Content-Type": "message/rfc822"}


def slack_proof(body: bytes, second: int, kind: str) -> dict[str, str]:
    signed = f"v0:{second}:".encode() + body
    digest = hmac.new(factories.SIGNING_SECRET.encode(), signed, "sha256").hexdigest()
    return {
        "Content-Type": kind,
        "X-Slack-Request-Timestamp": str(second),
        "X-Slack-Signature": f"v0={digest}",
    }


def by_event(product: Product, _path: str, body: bytes) -> dict[str, str]:
    return slack_proof(body, int(product.clock.wall().timestamp()), "application/json")


def by_command(product: Product, _path: str, body: bytes) -> dict[str, str]:
    second = int(product.clock.wall().timestamp())
    return slack_proof(body, second, "application/x-www-form-urlencoded")


COMMAND = urlencode(
    {
        "command": "/acct", "text": "help", "user_id": "U1", "team_id": "T1", "channel_id": "D1",
        "trigger_id": "1.2", "response_url": "http://127.0.0.1:9/x",
    }
).encode()  # fmt: skip
TWILIO, BEARER, SLACK = "X-Twilio-Signature", "Authorization", "X-Slack-Signature"
DOORS = {
    "sms": Door("/hooks/twilio/sms", TWILIO, urlencode(text()).encode(), by_twilio),
    "status": Door(
        "/hooks/twilio/status?ref=r1", TWILIO, urlencode(status("SM9", "sent")).encode(), by_twilio
    ),
    "email": Door("/hooks/email", BEARER, mail(), by_bearer),
    "event": Door("/hooks/slack", SLACK, json.dumps(event()).encode(), by_event),
    "command": Door("/hooks/slack", SLACK, COMMAND, by_command),
}
every_door = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)


def rows(product: Product) -> list[Incoming]:
    with product.store.read() as session:
        return list(session.exec(select(Incoming)))


async def taken(product: Product, door: Door, body: bytes) -> int:
    return await product.post(door.path, body, door.sign(product, door.path, body))


# --- who calls? -----------------------------------------------------------------------------------


@every_door
async def test_a_signed_request_is_kept_before_it_is_answered(one: Product, door: Door) -> None:
    assert await taken(one, door, door.body) == 200
    assert len(rows(one)) == (door is not DOORS["command"])


WRONG = ("", "x", "v0=", "Bearer", "Bearer ", "é" * 40, "sha256=" + "0" * 64, " ", "\x80" * 9)


@every_door
async def test_a_request_that_nobody_signed_is_refused(one: Product, door: Door) -> None:
    good = door.sign(one, door.path, door.body)
    without = {name: value for name, value in good.items() if name != door.proof}
    assert await one.post(door.path, door.body, without) == 401
    for wrong in WRONG:
        assert await one.post(door.path, door.body, without | {door.proof: wrong}) == 401, wrong
    assert rows(one) == []


@pytest.mark.parametrize("name", ["sms", "status", "event", "command"])
async def test_a_signature_is_for_its_own_body(one: Product, name: str) -> None:
    door = DOORS[name]
    good = door.sign(one, door.path, door.body)
    assert await one.post(door.path, door.body + b"&x=1", good) == 401
    assert await one.post(door.path, b"", good) == 401
    assert rows(one) == []


@pytest.mark.parametrize("path", ["/hooks/twilio/status", "/hooks/twilio/status?ref=r2"])
async def test_a_signature_is_for_its_own_query(one: Product, path: str) -> None:
    door = DOORS["status"]
    assert await one.post(path, door.body, door.sign(one, door.path, door.body)) == 401


STAMPS = ("", "now", "1e9", "-5", "١٢٣", "9" * 30, " 12", "12 ", "0x10", "\x80")


@pytest.mark.parametrize("name", ["event", "command"])
async def test_a_time_that_is_none_is_refused(one: Product, name: str) -> None:
    door = DOORS[name]
    good = door.sign(one, door.path, door.body)
    for stamp in STAMPS:
        headers = good | {"X-Slack-Request-Timestamp": stamp}
        assert await one.post(door.path, door.body, headers) == 401, stamp


@pytest.mark.parametrize(("age", "answer"), [(290, 200), (310, 401), (-290, 200), (-310, 401)])
async def test_slacks_word_is_good_for_five_minutes(one: Product, age: int, answer: int) -> None:
    body = DOORS["event"].body
    second = int(one.clock.wall().timestamp()) - age
    headers = slack_proof(body, second, "application/json")
    assert await one.post("/hooks/slack", body, headers) == answer


async def test_the_public_address_counts_not_the_one_behind_the_proxy(
    sqlite_database: Any, tmp_path: Path
) -> None:
    public = "https://hooks.harrow.example"
    async with factories.product(sqlite_database, tmp_path, public) as product:
        params = text(Body="a=b&c", Empty="")
        path = "/hooks/twilio/sms?a=1&b=%2F&empty="
        for base, answer in ((public, 200), (product.url, 401), (public.upper(), 401)):
            headers = {
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Twilio-Signature": twilio_signature(product, base + path, params),
                "X-Forwarded-Host": "evil.example",
                "X-Forwarded-Proto": "gopher",
            }
            assert await product.post(path, urlencode(params).encode(), headers) == answer


# --- what is it? ----------------------------------------------------------------------------------

DEEP = b"[" * 100_000
UNREADABLE: dict[str, tuple[bytes, ...]] = {
    "sms": (
        b"",
        urlencode(text(sid="")).encode(),
        urlencode(text(sid="SM\x00")).encode(),
        urlencode(text(SmsStatus="received\x00")).encode(),
        urlencode({"MessageSid": "SM1"}).encode(),
        urlencode(text(From="")).encode(),
        urlencode(text(From="1" * 200)).encode(),
    ),
    "status": (
        b"",
        b"a=b",
        urlencode(status("", "sent")).encode(),
        urlencode(status("SM1", "sent\x00")).encode(),
        urlencode(status("SM1", "s" * 600)).encode(),
    ),
    "email": (b"", b"  \r\n \n"),
    "event": (
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        DEEP,
        b'{"type": "event_callback"}',
        b'{"type": "url_verification"}',
        b'{"type": "url_verification", "challenge": "\\ud800"}',
        json.dumps(event("Ev\x00")).encode(),
        json.dumps(event("\ud800")).encode(),
        json.dumps(event("E" * 600)).encode(),
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_what_cannot_be_read_is_said_and_not_kept(product: Product, name: str) -> None:
    for body in UNREADABLE[name]:
        assert await taken(product, DOORS[name], body) == 400, body[:80]
    assert rows(product) == []


NOT_UTF8 = (b"\xff\xfe\x00", b"Body=%ff%fe&MessageSid=SM1", b"payload=\xff", b"payload={", b"=&&=;")


@every_door
async def test_bytes_of_any_kind_break_nothing(product: Product, door: Door) -> None:
    chance = random.Random(1)
    for body in (*NOT_UTF8, *(chance.randbytes(200) for _ in range(10))):
        assert await taken(product, door, body) < 500, body
    await product.settle()
    assert {row.state for row in rows(product)} <= {"unreadable", "unmatched"}


STRANGE_MAILS = (
    b"\x00\x00\x00",
    b"From: \x00@\x00\r\n\r\n\x00",
    b"From: a\xff@b.example\r\nSubject: =?utf-8?q?=00=00?=\r\n\r\nhi",
    b"From: =?bad?x?=\r\nContent-Type: multipart/mixed; boundary=\r\n\r\n--\r\n",
    b"From: a@b.example, c@d.example\r\n\r\nhi",
    b"From: a@b.example\r\n" * 3 + b"\r\nhi",
    b"Subject: no sender\r\n\r\nhi",
    b"From: a@b.example\r\nMessage-ID: <" + b"x" * 2000 + b">\r\n\r\nhi",
)


async def test_every_mail_is_kept_whatever_it_is(product: Product) -> None:
    for body in STRANGE_MAILS:
        assert await taken(product, DOORS["email"], body) == 200, body
    await product.settle()
    assert len(rows(product)) == len(STRANGE_MAILS)
    assert {row.state for row in rows(product)} == {"unreadable", "unmatched"}


@every_door
async def test_what_is_too_large_is_refused_without_being_read(one: Product, door: Door) -> None:
    limit = 30 * MEGABYTE if door is DOORS["email"] else MEGABYTE
    headers = door.sign(one, door.path, door.body)
    declared = headers | {"Content-Length": str(limit + 1)}
    assert await raw_status(one, door.path, declared, iter(())) == 413
    piece = b"x" * 65_536
    chunk = f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    many = (chunk for _ in range(limit // len(piece) + 1))
    assert await raw_status(one, door.path, headers | {"Transfer-Encoding": "chunked"}, many) == 413
    assert rows(one) == []


@every_door
async def test_a_request_that_breaks_off_leaves_nothing(one: Product, door: Door) -> None:
    headers = door.sign(one, door.path, door.body) | {"Content-Length": str(len(door.body) + 9)}
    await raw_status(one, door.path, headers, iter([door.body]), cut=True)
    assert await taken(one, door, door.body) == 200
    assert len(rows(one)) == (door is not DOORS["command"])


async def raw_status(
    product: Product, path: str, headers: Headers, pieces: Iterable[bytes], *, cut: bool = False
) -> int:
    """The status, read while the body is still being written."""
    target = urlsplit(product.url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    head = [f"POST {path} HTTP/1.1", f"Host: {target.netloc}"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*head, "", ""]).encode())
    answer = asyncio.create_task(reader.readline())
    try:
        for piece in pieces:
            if answer.done():
                break
            writer.write(piece)
            await writer.drain()
        if cut:
            writer.write_eof()
        return int((await answer).split()[1]) if not cut else 0
    finally:
        if cut:
            await answer
        writer.close()


@pytest.mark.parametrize("path", ["/hooks/twilio/sms", "/hooks/email", "/hooks/slack"])
async def test_nothing_happens_by_looking(one: Product, path: str) -> None:
    answer = await raw_get(one, path)
    assert answer == 405


async def raw_get(product: Product, path: str) -> int:
    target = urlsplit(product.url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    line = await reader.readline()
    writer.close()
    return int(line.split()[1])


async def test_slack_is_told_what_it_asked_to_hear(one: Product) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "abc"}).encode()
    assert await taken(one, DOORS["event"], body) == 200
    assert rows(one) == []


# --- the same again -------------------------------------------------------------------------------


def state_of(product: Product) -> dict[str, Counter[tuple[Any, ...]]]:
    """What there is, without ids and moments."""
    with product.store.read() as session:
        return {
            "incoming": _count(session, Incoming, "source", "external_id", "state", "client_id"),
            "messages": _count(session, Message, "audience", "channel", "template", "state"),
            "touchpoints": _count(session, Touchpoint, "client_id", "channel", "direction", "kind"),
            "consent": _count(session, ConsentEvent, "address_id", "change", "method"),
            "addresses": _count(session, Address, "value", "health"),
        }


def _count(session: Session, model: Any, *columns: str) -> Counter[tuple[Any, ...]]:
    found = session.exec(select(model)).all()
    return Counter(tuple(getattr(row, column) for column in columns) for row in found)


def requests(sid: str) -> list[tuple[str, str, bytes]]:
    """What the world says about one text of ours and one client, in a sensible order."""
    path = "/hooks/twilio/status?ref=our-note"
    callbacks = [status(sid, state) for state in ("queued", "sending", "sent", "delivered")]
    return [
        *(("status", path, urlencode(params).encode()) for params in callbacks),
        ("sms", "/hooks/twilio/sms", urlencode(text("SM2", Body="which invoice?")).encode()),
        ("sms", "/hooks/twilio/sms", urlencode(text("SM3", Body="STOP")).encode()),
        ("sms", "/hooks/twilio/sms", urlencode(text("SM4", From=STRANGER)).encode()),
        ("email", "/hooks/email", mail("One", number=1)),
        ("email", "/hooks/email", mail("Two", number=2)),
        ("email", "/hooks/email", mail("Odd", sender="who@else.example", number=3)),
        ("email", "/hooks/email", b"\x00"),
        ("event", "/hooks/slack", json.dumps(event()).encode()),
    ]


async def tell(product: Product, order: list[tuple[str, str, bytes]]) -> None:
    async def one(name: str, path: str, body: bytes) -> None:
        headers = DOORS[name].sign(product, path, body)
        assert await product.post(path, body, headers) == 200

    for start in range(0, len(order), 6):
        await asyncio.gather(*(one(*request) for request in order[start : start + 6]))
        await product.settle()


async def sent_note(product: Product) -> str:
    """A text that Twilio took, whose callbacks are lost; the SID."""
    known = product.known()
    product.twilio.faults.plan("status", Fault.LOSE_CALLBACKS, times=9)
    message_id = product.note(known, reference="our-note")
    product.note(known, send_after=NOON + dt.timedelta(days=1))
    await product.settle()
    assert product.state(message_id) == State.SENT
    return factories.message(product.store, message_id).provider_id or ""


async def test_four_times_and_shuffled_comes_to_the_same(database: Any, tmp_path: Path) -> None:
    chance = random.Random(7)
    found = []
    async with factories.product(database, tmp_path) as product:
        sid = await sent_note(product)
        await tell(product, requests(sid))
        found.append(state_of(product))
        again = requests(sid) * 3
        chance.shuffle(again)
        await tell(product, again)
        found.append(state_of(product))
    assert found[0] == found[1]
    assert found[0]["messages"]["client", "sms", "staff_text", "delivered"] == 1
    assert found[0]["messages"]["client", "sms", "staff_text", "cancelled"] == 1


@pytest.mark.parametrize("seed", range(3))
async def test_the_order_of_arrival_does_not_matter(
    seed: int, database: Any, tmp_path: Path
) -> None:
    async with factories.product(database, tmp_path) as product:
        order = requests(await sent_note(product)) * 4
        random.Random(seed).shuffle(order)
        await tell(product, order)
        found = state_of(product)
    assert found["consent"] == Counter({(2, "granted", "form"): 1, (2, "revoked", "keyword"): 1})
    assert found["messages"]["client", "sms", "staff_text", "delivered"] == 1
    assert found["messages"]["client", "sms", "staff_text", "cancelled"] == 1
    assert found["touchpoints"] == Counter(
        {
            (1, "sms", "out", "staff_text"): 1,
            (1, "sms", "in", "message"): 2,
            (1, "email", "in", "message"): 2,
        }
    )
    states = Counter(state for (_, _, state, _), many in found["incoming"].items() for _ in [many])
    assert states == {"done": 7 + 1, "unmatched": 2, "unreadable": 1, "ignored": 1}


# --- callbacks ------------------------------------------------------------------------------------

CALLBACKS = ("queued", "sending", "sent", "delivered")


async def report(product: Product, sid: str, state: str, ref: str = "our-note", **more: str) -> int:
    path = f"/hooks/twilio/status?ref={ref}"
    body = urlencode(status(sid, state, **more)).encode()
    answer = await product.post(path, body, by_twilio(product, path, body))
    await product.settle()
    return answer


async def test_a_late_report_moves_nothing_back(product: Product) -> None:
    sid = await sent_note(product)
    note = factories.messages(product.store, reference="our-note")[0].id
    for state in ("delivered", "sent", "queued", "sending", "sent"):
        assert await report(product, sid, state) == 200
        assert product.state(note) == State.DELIVERED


async def test_a_report_of_failure_after_delivery_changes_nothing(product: Product) -> None:
    sid = await sent_note(product)
    note = factories.messages(product.store, reference="our-note")[0].id
    await report(product, sid, "delivered")
    await report(product, sid, "undelivered", ErrorCode="30005")
    assert product.state(note) == State.DELIVERED


async def test_a_report_of_delivery_after_failure_changes_nothing(product: Product) -> None:
    sid = await sent_note(product)
    note = factories.messages(product.store, reference="our-note")[0].id
    await report(product, sid, "undelivered", ErrorCode="30005")
    await report(product, sid, "delivered")
    assert product.state(note) == State.FAILED


async def test_a_report_about_a_text_of_somebody_else_is_taken_and_changes_nothing(
    product: Product,
) -> None:
    sid = await sent_note(product)
    before = state_of(product)
    assert await report(product, "SM" + "0" * 32, "delivered", ref="nobody") == 200
    assert await report(product, sid, "delivered", ref="nobody") == 200
    assert state_of(product)["messages"] == before["messages"]


@dataclass
class Patient:
    """A channel whose answer comes after everything that the provider calls back."""

    inner: Channel
    meanwhile: Callable[[], Awaitable[None]]
    name: str = "sms"

    async def send(self, message: Outgoing) -> Sent:
        sent = await self.inner.send(message)
        await self.meanwhile()
        return sent

    async def find(self, message: Outgoing, since: dt.datetime) -> Found | None:
        return await self.inner.find(message, since)

    async def close(self) -> None:
        await self.inner.close()


async def test_a_report_may_come_before_the_answer(product: Product) -> None:
    message_id = product.note(product.known())
    seen: list[str] = []

    async def meanwhile() -> None:
        await product.twilio.settle()
        await understanding.understand(product.app)
        seen.append(product.state(message_id))

    slow = Patient(product.app.channels["sms"], meanwhile)
    product.app = replace(product.app, channels={**product.app.channels, "sms": slow})
    await product.settle()
    assert seen == [State.DELIVERED]
    assert product.state(message_id) == State.DELIVERED
    touchpoints = state_of(product)["touchpoints"]
    assert touchpoints == Counter({(1, "sms", "out", "staff_text"): 1})
    assert [one.outcome for one in factories.attempts(product.store, message_id)] == ["sent"]


# --- strangers ------------------------------------------------------------------------------------


async def test_a_stranger_is_kept_and_shown_until_it_expires(product: Product) -> None:
    await product.twilio.text(STRANGER, SENDER, "I have a new number, call me")
    await product.settle()
    (row,) = rows(product)
    assert row.state == "unmatched"
    shown = "".join(str(post) for post in product.slack.messages(CLIENTS))
    assert "I have a new number, call me" in shown

    day = inbox.day_key(NOON)
    keyring = product.app.keyring
    product.clock.turn(NOON + dt.timedelta(days=29))
    await worker.tidy(product.app)
    assert keyring.has(day)
    product.clock.turn(NOON + dt.timedelta(days=31))
    await worker.tidy(product.app)
    assert not keyring.has(day)


async def test_a_stop_holds_also_for_a_client_whom_we_meet_later(product: Product) -> None:
    await product.twilio.text(STRANGER, SENDER, "STOP")
    await product.settle()
    told = ClientDescribed(
        source="csv", external_id="late", name="Late & Co", phone=STRANGER, sms_consent=True
    )
    product.app.keyring.make(["client:late"], NOON)

    def import_(session: Session) -> Standing:
        intake.book(session, product.app.office(), told, iter(["client:late"]))
        address = consent.find_address(session, "sms", STRANGER)
        assert address is not None
        assert address.verification == "asserted"
        return consent.of_address(session, address.id).standing

    assert product.app.store.write_now(import_) is Standing.REVOKED


async def test_two_people_who_say_the_same_are_two(product: Product) -> None:
    for sender in ("a@one.example", "b@two.example"):
        body = f"From: {sender}\r\nTo: accounts@harrow.example\r\n\r\nYes\r\n".encode()
        for _ in range(2):
            assert await taken(product, DOORS["email"], body) == 200
    assert len(rows(product)) == 2
