"""Everybody can reach the hooks: what do they answer to whom, and what do they keep?"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from starlette.requests import Request

from bot import bodies
from tests import factories
from tests.bot.doors import (
    DOORS,
    MEGABYTE,
    Door,
    Headers,
    event,
    every_door,
    rows,
    slack_proof,
    status,
    taken,
    text,
    twilio_signature,
)
from tests.factories import Product


@pytest.fixture
async def product(database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(database, tmp_path) as running:
        yield running


@pytest.fixture
async def one(sqlite_database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    """The product on SQLite, for what happens before a row is written."""
    async with factories.product(sqlite_database, tmp_path) as running:
        yield running


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


async def test_a_body_that_does_not_end_is_not_waited_for_for_ever() -> None:
    parts = iter([{"type": "http.request", "body": b"Body=", "more_body": True}])

    async def slowly() -> Any:
        return next(parts, None) or await asyncio.Event().wait()

    request = Request({"type": "http", "method": "POST", "headers": []}, slowly)
    with pytest.raises(bodies.TooSlow, match="send it again"):
        await bodies.body_of(request, largest=100, patience=0)


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
