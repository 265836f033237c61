"""How many mails a second leave, and do a strict server and a strict parser read what was meant?

Ours is the product's email channel. Beside it what the libraries' own pages show: an
``EmailMessage`` for each mail, sent by aiosmtplib. Both say the same, over one kept connection to
one server in a process of its own; a parser that forgives nothing reads some mails of each and
must find the same recipient, subject, text and page.
"""

import asyncio
import email
import email.policy
import multiprocessing
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from email.message import EmailMessage
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter
from typing import Any

import aiosmtplib
from typing_extensions import override

from benchmarks.figures import Figure, Scale
from billing.clock import SystemClock
from comms.channels import mime
from comms.channels.email import Email
from comms.ports import Outgoing

_MAILS = {Scale.SMALL: 400, Scale.FULL: 3000}
_ROUNDS = {Scale.SMALL: 3, Scale.FULL: 7}
_READ = 50
"""How many mails of each the strict parser reads."""
_SENDER = "Harbour Legal <accounts@harbour.example>"
_TEXT = """Dear Kim Number{number},

Invoice INV-{number} of January 27, 2026 over $412.18 was due on February 26, 2026.
Please pay it within ten days: https://pay.harbour.example/INV-{number}

If it is paid already, thank you: then nothing is left to do. If something about it is not right,
answer this mail, and Ms Jones will look into it: nobody is reminded of what they contest.

Mit freundlichen Grüßen, kind regards
Harbour Legal LLP
1 Quay Street, New York, NY 10004
"""
_ROW = (
    '<tr><td style="padding:8px 32px;font-size:16px;line-height:25px;color:#1c2733;">{}</td></tr>\n'
)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Harbour Legal LLP</title></head>
<body style="margin:0;padding:0;background:#f4f5f7;font-family:Helvetica,Arial,sans-serif;">
<table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0">
{rows}</table></body></html>
"""


def figures(scale: Scale) -> Iterator[Figure]:
    """Mails built, and mails sent, each second."""
    rounds, many = _ROUNDS[scale], _MAILS[scale]
    yield _built(rounds, many)
    with _server() as (port, line):
        sent = [asyncio.run(_sent(port, many)) for _ in range(rounds)]
        line.send("what came?")
        _compare(line.recv())
    ours, bare = (median(rates) for rates in zip(*sent, strict=True))
    yield Figure(
        name="mails sent over one connection",
        database="",
        ours=ours,
        bare=bare,
        unit="/s",
        better="more",
        goal="at least 2.5 of bare",
        note="MAIL, RCPT and DATA each wait for the server's word, ours and the bare one alike",
    )


def mail(number: int) -> Outgoing:
    """A reminder in words and as a page."""
    said = _TEXT.format(number=number)
    rows = "".join(_ROW.format(line) for line in said.splitlines() if line)
    return Outgoing(
        reference=f"m-{number}",
        to=f"ap@client{number}.example",
        sender=_SENDER,
        subject=f"Invoice INV-{number} is overdue",
        text=said,
        html=_PAGE.format(rows=rows),
    )


def as_documented(mail: Outgoing) -> EmailMessage:
    """The same as the standard library's own examples make it."""
    made = EmailMessage(policy=email.policy.SMTP)
    made["From"] = mail.sender
    made["To"] = mail.to
    made["Subject"] = mail.subject
    made["Date"] = SystemClock().now()
    made["Message-ID"] = f"<{mail.reference}@harbour.example>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(mail.text)
    made.add_alternative(mail.html, subtype="html")
    return made


def _built(rounds: int, many: int) -> Figure:
    now = SystemClock().now()
    ways: tuple[Callable[[Outgoing], bytes], ...] = (
        lambda one: mime.compose(one, now).content,
        lambda one: as_documented(one).as_bytes(),
    )
    rates = [[_rate(way, [mail(n) for n in range(many)]) for way in ways] for _ in range(rounds)]
    ours, bare = (median(of) for of in zip(*rates, strict=True))
    return Figure(
        name="mails built",
        database="",
        ours=ours,
        bare=bare,
        unit="/s",
        better="more",
        goal="",
        note="bare: EmailMessage",
    )


def _rate(way: Callable[[Outgoing], bytes], mails: Sequence[Outgoing]) -> float:
    began = perf_counter()
    for one in mails:
        way(one)
    return len(mails) / (perf_counter() - began)


async def _sent(port: int, many: int) -> tuple[float, float]:
    """Mails a second: ours, then the bare way's."""
    ours = Email(f"smtp://127.0.0.1:{port}?starttls=never", SystemClock(), local_name="localhost")
    bare = aiosmtplib.SMTP(
        hostname="127.0.0.1", port=port, start_tls=False, local_hostname="localhost"
    )
    async with bare:
        return (
            await _posted(ours.send, many, ours.close),
            await _posted(lambda one: bare.send_message(as_documented(one)), many),
        )


async def _posted(
    send: Callable[[Outgoing], Awaitable[Any]],
    many: int,
    close: Callable[[], Awaitable[None]] | None = None,
) -> float:
    mails = [mail(number) for number in range(many)]
    await send(mails[0])  # connects
    began = perf_counter()
    for one in mails:
        await send(one)
    took = perf_counter() - began
    if close is not None:
        await close()
    return many / took


# --- the strict server and the strict parser ------------------------------------------------------


def _compare(came: Sequence[bytes]) -> None:
    """What a parser that forgives nothing reads of mails with one number must be the same."""
    read: dict[str, list[tuple[str, ...]]] = {}
    for raw in came:
        found = email.message_from_bytes(raw, policy=email.policy.SMTP.clone(raise_on_defect=True))
        read.setdefault(str(found["Subject"]), []).append(_seen(found))
    if not read:
        raise AssertionError("no mail came")
    for subject, mails in read.items():
        if len(set(mails)) != 1 or len(mails) < 2:
            raise AssertionError(f"“{subject}” reads otherwise from us than from EmailMessage")


def _seen(found: Any) -> tuple[str, ...]:
    headers = [str(found[name]) for name in ("From", "To", "Subject", "Message-ID")]
    parts = [found.get_body((kind,)).get_content() for kind in ("plain", "html")]
    return (*headers, *(part.replace("\r\n", "\n").rstrip("\n") for part in parts))


@contextmanager
def _server() -> Iterator[tuple[int, Connection]]:
    """A mail server in a process of its own; its port, and the line on which to ask it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv(), ours
    finally:
        ours.close()
        process.join(10)
        if process.is_alive():
            process.kill()


def _serve(line: Connection) -> None:
    asyncio.run(_receive(line))


async def _receive(line: Connection) -> None:
    """Take mails until the other end of ``line`` is closed; show the first ones when asked."""
    kept: dict[bytes, list[bytes]] = {}
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def asked() -> None:
        try:
            line.recv()
            line.send([raw for mails in kept.values() for raw in (mails[0], mails[-1])])
        except EOFError:
            loop.remove_reader(line.fileno())
            ended.set()

    server = await loop.create_server(lambda: _Post(kept), "127.0.0.1", 0)
    loop.add_reader(line.fileno(), asked)
    line.send(server.sockets[0].getsockname()[1])
    await ended.wait()
    server.close()


class _Post(asyncio.Protocol):
    """SMTP that takes every mail whose lines are as RFC 5321 wants them."""

    def __init__(self, kept: dict[bytes, list[bytes]]) -> None:
        self._kept = kept
        self._got = b""
        self._data = False
        self._transport: Any = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(b"220 post\r\n")

    @override
    def data_received(self, data: bytes) -> None:
        self._got += data
        while (end := self._got.find(b"\r\n.\r\n" if self._data else b"\r\n")) >= 0:
            said, self._got = self._got[: end + 2], self._got[end + (5 if self._data else 2) :]
            self._transport.write(self._taken(said) if self._data else self._answer(said))

    def _answer(self, said: bytes) -> bytes:
        verb = said[:4].upper()
        if verb == b"EHLO":
            return b"250-post\r\n250-SIZE 30000000\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
        if verb == b"DATA":
            self._data = True
            return b"354 go on\r\n"
        return b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n"

    def _taken(self, mail: bytes) -> bytes:
        self._data = False
        lines = mail.split(b"\r\n")
        if any(len(line) > 998 or b"\n" in line or b"\r" in line for line in lines):
            return b"554 5.6.0 a line is too long or ends wrongly\r\n"
        number = re.search(rb"<m-(\d+)@", mail)
        if number and int(number[1]) < _READ:
            plain = b"\r\n".join(line[1:] if line[:1] == b"." else line for line in lines)
            self._kept.setdefault(number[1], []).append(plain)
        return b"250 2.0.0 queued\r\n"
