"""Does the relay take our mail: reach, TLS, login, and every address that we send from?

The dialogue ends before a recipient is named, so nothing can be sent.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib

from bot.doctor.finding import Finding, ok, skipped, warning, wrong
from bot.doctor.wire import PATIENCE, Unreachable, secure, unreachable

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_SMALLEST = 5_000_000
"""Bytes that a mail with a statement attached may well have."""
_GOODBYE = 1.0
"""Seconds; the check's own time may be over by then."""
_SETTING = "Look at COUNTERFOIL_SMTP_URL"


@dataclass(frozen=True, slots=True)
class Relay:
    """What ``COUNTERFOIL_SMTP_URL`` says, as the channel understands it."""

    host: str
    port: int | None
    user: str
    password: str
    implicit: bool
    starttls: str

    @property
    def demands_tls(self) -> bool:
        """Whether mail waits where the relay offers no TLS."""
        exposed = self.host not in _LOCAL
        return self.starttls == "required" or (exposed and self.starttls != "never")


def relay_of(url: str) -> Relay | None:
    """The relay, or None where there is no usable address."""
    try:
        parts, port = urlsplit(url), urlsplit(url).port
    except ValueError:
        return None
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        return None
    return Relay(
        host=parts.hostname,
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        implicit=parts.scheme == "smtps",
        starttls=parse_qs(parts.query).get("starttls", [""])[0],
    )


async def look(url: str, senders: Sequence[str]) -> list[Finding]:
    """Speak with the relay as far as MAIL FROM, once for each sender."""
    if not url:
        return [skipped("smtp", "COUNTERFOIL_SMTP_URL is not set.")]
    relay = relay_of(url)
    if relay is None:
        said = "COUNTERFOIL_SMTP_URL cannot be used."
        return [
            wrong("smtp", said, "Set it like smtp://host:587, user and password before the host.")
        ]
    smtp = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        use_tls=relay.implicit,
        start_tls=False,
        tls_context=secure(),
        timeout=2 * PATIENCE,  # the check ends before
    )
    try:
        return await _dialogue(smtp, relay, senders)
    except Unreachable as error:
        return [wrong("smtp", f"{error.said}.", error.advice)]
    finally:
        with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            async with asyncio.timeout(_GOODBYE):
                await smtp.quit()
        smtp.close()


async def _dialogue(smtp: aiosmtplib.SMTP, relay: Relay, senders: Sequence[str]) -> list[Finding]:
    try:
        await smtp.connect()
        await smtp.ehlo()
        found = await _tls(smtp, relay)
        if any(one.bad for one in found):
            return found
        found += await _login(smtp, relay)
        if any(one.bad for one in found):
            return found
        found += judge_extensions(smtp.esmtp_extensions)
        for sender in senders:
            found.append(await _sender(smtp, sender))
    except (aiosmtplib.SMTPException, OSError) as error:
        raise _silent(error, relay.host) from error
    return found


def _silent(error: Exception, host: str) -> Unreachable:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        said = f"{host} answers {error.code} {_line(error.message)}"
        return Unreachable(said, "Ask the relay's keeper what it means.")
    if isinstance(error, aiosmtplib.SMTPTimeoutError):
        return unreachable(TimeoutError(), host)
    return unreachable(error.__cause__ or error, host)


async def _tls(smtp: aiosmtplib.SMTP, relay: Relay) -> list[Finding]:
    if relay.implicit:
        return [ok("smtp", f"{relay.host} speaks TLS from the first byte.")]
    offered = smtp.supports_extension("starttls") and relay.starttls != "never"
    if offered:
        await smtp.starttls()
        await smtp.ehlo()
        return [ok("smtp", f"{relay.host} speaks TLS after STARTTLS.")]
    if relay.demands_tls:
        said = f"{relay.host} offers no STARTTLS, so mail waits rather than cross the network open."
        return [wrong("smtp", said, "Use smtps:// with port 465, or another relay.")]
    if relay.host not in _LOCAL:
        said = f"Mail crosses the network to {relay.host} without TLS."
        return [warning("smtp", said, "Use a relay with TLS, or one on this machine.")]
    return [ok("smtp", f"{relay.host} answers; on this machine no TLS is needed.")]


async def _login(smtp: aiosmtplib.SMTP, relay: Relay) -> list[Finding]:
    if not relay.user:
        return []
    if not smtp.supports_extension("auth"):
        said = f"{relay.host} takes no login here, and COUNTERFOIL_SMTP_URL has one."
        return [wrong("smtp login", said, "Use the submission port: 587, or smtps:// with 465.")]
    try:
        await smtp.login(relay.user, relay.password)
    except aiosmtplib.SMTPAuthenticationError as error:
        said = f"{relay.host} refuses the login: {error.code} {_line(error.message)}"
        advice = f"{_SETTING}: @ in a password is written %40, / is %2F."
        return [wrong("smtp login", said, advice)]
    except aiosmtplib.SMTPServerDisconnected:
        raise
    except aiosmtplib.SMTPException as error:
        said = f"There is no way to log in that {relay.host} and we both know ({error})."
        return [wrong("smtp login", said, "Let the relay offer AUTH PLAIN or LOGIN.")]
    return [ok("smtp login", "The relay takes our login.")]


def judge_extensions(offered: dict[str, str]) -> list[Finding]:
    """8BITMIME, and a SIZE that a mail fits in."""
    found: list[Finding] = []
    if "8bitmime" not in offered:
        said = "The relay does not offer 8BITMIME; some mails are written anew on the way."
        found.append(
            warning("smtp limits", said, "Use a relay that offers it: all current ones do.")
        )
    size = offered.get("size", "").strip()
    if size.isdigit() and 0 < int(size) < _SMALLEST:
        said = f"The relay takes mails of at most {int(size):,} bytes."
        found.append(warning("smtp limits", said, "Raise it, or attach nothing large."))
    return found or [ok("smtp limits", "8BITMIME, and room for attachments.")]


async def _sender(smtp: aiosmtplib.SMTP, sender: str) -> Finding:
    """MAIL FROM, and forget it: no recipient is named."""
    what = f"smtp {sender}"
    try:
        await smtp.mail(sender)
    except aiosmtplib.SMTPResponseException as error:
        with contextlib.suppress(aiosmtplib.SMTPResponseException):
            await smtp.rset()
        said = f"The relay does not let us send from it: {error.code} {_line(error.message)}"
        if error.code < 500:
            return warning(what, said, "Look again in a quarter of an hour.")
        return wrong(what, said, "Allow the address, or its domain, at the relay.")
    await smtp.rset()
    return ok(what, "The relay lets us send from it.")


def _line(message: str) -> str:
    return " ".join(message.split())[:200]
