"""What does the mail server take, what lies in a client's mailbox, and what does the client answer?

A stand-in at the wire: any SMTP client speaks to it on loopback, and the client's answers arrive
at the product's inbound hook as raw MIME, with the headers that our own mail exchanger would add.
"""

import asyncio
import datetime as dt
import re
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.utils import format_datetime, make_msgid, parseaddr
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult

from billing.clock import Clock
from bot.sandbox import replies
from bot.sandbox.faults import Fault, Faults, Planned
from bot.sandbox.loopback import Answer, post

SIZE_LIMIT = 30 * 1024 * 1024
_BEFORE = {Fault.REFUSE, Fault.TIMEOUT, Fault.CUT, Fault.SLOW}
_AFTER = {Fault.TIMEOUT_AFTER_ACCEPT, Fault.CUT_AFTER_ACCEPT}
_ONCE = ("From", "Date", "Message-ID", "Subject", "To", "Reply-To", "Sender", "In-Reply-To")
_NEEDED = ("From", "Date", "Message-ID")
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that was taken: its envelope, its bytes, and what a mail program shows of it."""

    at: dt.datetime
    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    headers: Mapping[str, str]
    text: str
    html: str

    @property
    def subject(self) -> str:
        """The subject line."""
        return self.headers.get("subject", "")

    @property
    def message_id(self) -> str:
        """The Message-ID with its angle brackets."""
        return self.headers.get("message-id", "")


class Mail:
    """The post of the sandbox: a server for what we send, and the clients' mail programs.

    ``refused`` maps a mailbox to the reply line that its RCPT always gets. Passing trouble is
    planned in ``faults`` for the commands ``mail``, ``rcpt`` and ``data``: ``REFUSE`` with
    ``status`` and ``reason`` ("5.1.1 User unknown"), where 421 also closes the connection.
    With ``tls`` it offers STARTTLS, or speaks TLS from the first byte where ``implicit``; with
    ``logins`` (name to password) it offers AUTH, after STARTTLS alone, and takes no mail without.
    """

    def __init__(self, clock: Clock) -> None:
        self.inbound_url = ""
        self.inbound_secret = ""
        self.hostname = "mx.sandbox.test"
        self.webhook_seconds = 15.0
        self.authentic = True
        self.refused: dict[str, str] = {}
        self.refused_senders: dict[str, str] = {}
        self.tls: ssl.SSLContext | None = None
        self.implicit = False
        self.logins: dict[str, str] = {}
        self.size_limit = SIZE_LIMIT
        self.letters: list[Letter] = []
        self.mailboxes: defaultdict[str, list[Letter]] = defaultdict(list)
        self.written: list[bytes] = []
        self.faults = Faults({"mail": _BEFORE, "rcpt": _BEFORE, "data": _BEFORE | _AFTER})
        self._clock = clock
        self._servers: set[SMTP] = set()

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[int]:
        """Serve SMTP on 127.0.0.1; yields the port."""
        loop = asyncio.get_running_loop()
        context = self.tls if self.implicit else None
        server = await loop.create_server(self._connection, "127.0.0.1", port, ssl=context)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            await self._hang_up()

    async def write(
        self,
        sender: str,
        to: str,
        subject: str,
        body: str,
        in_reply_to: Letter | str | None = None,
        html: str | None = None,
    ) -> int:
        """A client's mailbox sends a mail to us; a ``Letter`` is answered and quoted.

        Returns the inbound hook's HTTP status; 0 where nobody answered.
        """
        mail = self._fresh(sender, to, subject)
        if isinstance(in_reply_to, Letter):
            replies.thread(mail, in_reply_to.message_id, in_reply_to.headers.get("references", ""))
            quoted = replies.quoted(in_reply_to.text, in_reply_to.sender, in_reply_to.at)
            body = f"{body}\n\n{quoted}"
        elif in_reply_to:
            replies.thread(mail, in_reply_to, "")
        mail.set_content(body)
        if html is not None:
            mail.add_alternative(html, subtype="html")
        return await self._post(mail)

    async def out_of_office(self, letter: Letter, mailbox: str, body: str) -> int:
        """A client's mail program answers by itself, as RFC 3834 wants it."""
        mail = self._fresh(mailbox, letter.sender, f"Automatic reply: {letter.subject}")
        replies.thread(mail, letter.message_id, "")
        mail["Auto-Submitted"] = "auto-replied"
        mail.replace_header("Return-Path", "<>")
        mail.set_content(body)
        return await self._post(mail)

    async def bounce(self, letter: Letter, mailbox: str, code: str = "5.1.1") -> int:
        """The client's server sends a mail back after it was taken (RFC 3464)."""
        mail = self._fresh(f"MAILER-DAEMON@{self.hostname}", letter.sender, "Undelivered Mail")
        mail.replace_header("Return-Path", "<>")
        mail["Auto-Submitted"] = "auto-replied"
        report = replies.Report(mailbox, code, letter.message_id, letter.raw, self.hostname)
        return await self.deliver_raw(replies.delivery_status(mail, report))

    async def deliver_raw(self, raw: bytes) -> int:
        """Hand these very bytes to the inbound hook; returns its HTTP status."""
        answer = await self.deliver(raw)
        return answer.status

    async def deliver(self, raw: bytes) -> Answer:
        """As ``deliver_raw``, with the whole answer."""
        self.written.append(raw)
        headers = {
            "Content-Type": "message/rfc822",
            "Authorization": f"Bearer {self.inbound_secret}",
        }
        return await post(self.inbound_url, raw, headers, self.webhook_seconds)

    async def handle_EHLO(  # noqa: N802
        self, _server: SMTP, session: Any, _envelope: Any, hostname: str, offered: list[str]
    ) -> list[str]:
        """EHLO: what is offered, without AUTH where nobody can log in."""
        session.host_name = hostname
        return [line for line in offered if self.logins or not line.startswith("250-AUTH")]

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """MAIL FROM."""
        broken = await self._planned_reply(server, self.faults.take("mail", {"sender": address}))
        if broken is not None:
            return broken
        if address.lower() in self.refused_senders:
            return self.refused_senders[address.lower()]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        """RCPT TO."""
        facts = {"sender": envelope.mail_from or "", "to": address}
        broken = await self._planned_reply(server, self.faults.take("rcpt", facts))
        if broken is not None:
            return broken
        if address.lower() in self.refused:
            return self.refused[address.lower()]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, _session: Any, envelope: Any
    ) -> str:
        """The mail itself."""
        raw = envelope.original_content
        facts = {"sender": envelope.mail_from or "", "to": ", ".join(envelope.rcpt_tos)}
        planned = self.faults.take("data", facts)
        if planned is None or planned.fault not in _AFTER:
            broken = await self._planned_reply(server, planned)
            if broken is not None:
                return broken
        refusal = _malformed(raw, utf8=envelope.smtp_utf8)
        if refusal:
            return refusal
        letter = self._keep(envelope.mail_from or "", envelope.rcpt_tos, raw)
        if planned is not None and planned.fault in _AFTER:
            await self._planned_reply(server, planned)
        return f"250 2.0.0 Ok: queued as {len(self.letters):06d} {letter.message_id}"

    def _connection(self) -> SMTP:
        loop = asyncio.get_running_loop()
        login: dict[str, Any] = {
            "authenticator": self._authenticate,
            "auth_required": not self.implicit,  # it would warn: it does not know of that TLS
            "auth_require_tls": not self.implicit,
        }
        server = SMTP(
            self,
            hostname=self.hostname,
            ident="ESMTP sandbox",
            loop=loop,
            enable_SMTPUTF8=True,
            data_size_limit=self.size_limit,
            tls_context=None if self.implicit else self.tls,
            **(login if self.logins else {}),
        )
        self._servers = {one for one in self._servers if one.transport is not None} | {server}
        return server

    def _authenticate(
        self, _server: SMTP, _session: Any, _envelope: Any, _mechanism: str, given: Any
    ) -> AuthResult:
        known = self.logins.get(given.login.decode()) == given.password.decode()
        return AuthResult(success=known, handled=False)

    async def _hang_up(self) -> None:
        tasks = [one._handler_coroutine for one in self._servers]  # noqa: SLF001
        for one in self._servers:
            _cut(one)
        running = [task for task in tasks if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _planned_reply(self, server: SMTP, planned: Planned | None) -> str | None:
        """The reply line of a planned fault; None where the right one follows."""
        if planned is None:
            return None
        if planned.fault in {Fault.SLOW, Fault.TIMEOUT, Fault.TIMEOUT_AFTER_ACCEPT}:
            await asyncio.sleep(planned.seconds)
        if planned.fault is Fault.SLOW:
            return None
        status = planned.status or 451
        if planned.fault is not Fault.REFUSE:
            _cut(server)
        elif status == 421:
            asyncio.get_running_loop().call_later(0.01, _cut, server)
        words = planned.reason or f"{str(status)[0]}.0.0 Refused by plan"
        return f"{status} {words}"

    def _keep(self, sender: str, recipients: list[str], raw: bytes) -> Letter:
        parsed = message_from_bytes(raw)  # the old policy: the new one costs 10 ms for each mail
        letter = Letter(
            at=self._clock.now(),
            sender=sender,
            recipients=tuple(recipients),
            raw=raw,
            headers={name.lower(): _shown(value) for name, value in parsed.items()},
            text=_part(parsed, "plain"),
            html=_part(parsed, "html"),
        )
        self.letters.append(letter)
        for recipient in recipients:
            self.mailboxes[recipient.lower()].append(letter)
        return letter

    def _fresh(self, sender: str, to: str, subject: str) -> EmailMessage:
        """A mail with the headers that the sender's program and our mail exchanger write."""
        mail = EmailMessage(policy=policy.SMTP)
        domain = parseaddr(sender)[1].partition("@")[2] or "client.test"
        verdict = "pass" if self.authentic else "fail"
        mail["Return-Path"] = f"<{parseaddr(sender)[1]}>"
        mail["Delivered-To"] = parseaddr(to)[1]
        mail["Authentication-Results"] = (
            f"{self.hostname}; spf={verdict} smtp.mailfrom={domain}; "
            f"dkim={verdict} header.d={domain}; dmarc={verdict} header.from={domain}"
        )
        mail["Message-ID"] = make_msgid(domain=domain)
        mail["Date"] = format_datetime(self._clock.now())
        mail["From"] = sender
        mail["To"] = to
        mail["Subject"] = subject
        return mail

    async def _post(self, mail: EmailMessage) -> int:
        return await self.deliver_raw(mail.as_bytes())


def _malformed(raw: bytes, *, utf8: bool) -> str:
    """The reply line for a mail that a strict server refuses; empty where it is well-formed."""
    if _BARE.search(raw):
        return "550 5.6.11 Bare CR or LF; lines end with CRLF"
    head = raw.partition(b"\r\n\r\n")[0]
    if not utf8 and not head.isascii():
        return "554 5.6.7 Header is not ASCII and SMTPUTF8 was not asked for"
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n") if line[:1].strip()]
    for name in _NEEDED:
        if name.lower().encode() not in names:
            return f"550 5.6.0 Header {name} is missing"
    for name in _ONCE:
        if names.count(name.lower().encode()) > 1:
            return f"550 5.6.0 Header {name} stands there twice"
    return ""


def _cut(server: SMTP) -> None:
    if isinstance(server.transport, asyncio.WriteTransport):
        server.transport.abort()


def _shown(value: str) -> str:
    """A header as a mail program shows it: unfolded, and its encoded words decoded."""
    return str(make_header(decode_header(_FOLD.sub("", value))))


def _part(mail: Message, kind: str) -> str:
    """The first part of this kind that is no attachment."""
    for part in mail.walk():
        if part.get_content_type() == f"text/{kind}" and part.get_filename() is None:
            body = part.get_payload(decode=True)
            charset = part.get_content_charset() or "utf-8"
            text = body.decode(charset, "replace") if isinstance(body, bytes) else ""
            return text.replace("\r\n", "\n")
    return ""
