"""How does a mail leave, and what do we know when the wire breaks?

Until the content was written nothing has gone; from the first byte of DATA to the server's last
word it may have. A retry carries the same Message-ID, so that one mail stays one mail.
"""

import asyncio
import contextlib
import datetime as dt
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import aiosmtplib

from billing.clock import Clock
from comms.channels import mime, refusals
from comms.ports import DeliveryError, Found, Outgoing, Sent, Uncertain

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})\b")
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Email:
    """Mails over one kept SMTP connection.

    ``url`` is ``smtp://user:password@host:port`` or ``smtps://…``. On ``smtp`` the query
    ``?starttls=required|never`` decides; without it TLS is required wherever a network is crossed,
    and taken where offered otherwise.

    Raises:
        ValueError: the URL is not usable.
    """

    name = "email"

    def __init__(
        self, url: str, clock: Clock, *, timeout: float = 30.0, local_name: str | None = None
    ) -> None:
        self._smtp = _client(url, timeout, local_name)
        self._clock = clock
        self._turn = asyncio.Lock()

    async def send(self, message: Outgoing) -> Sent:
        """Hand the mail to the server, once.

        Raises:
            DeliveryError: see comms.ports.
        """
        try:
            mail = mime.compose(message, self._clock.now())
        except mime.Unsendable as error:
            raise DeliveryError(str(error), permanent=True, code="unsendable") from error
        async with self._turn:
            settled = False
            try:
                await self._open(mail)
                await self._write(mail)
                settled = True
            except aiosmtplib.SMTPResponseException as error:
                settled = await self._reset()
                raise _refused(error) from error
            except (aiosmtplib.SMTPException, OSError, ValueError) as error:
                raise _before_data(error) from error
            finally:
                # A broken or cancelled dialogue would answer the next mail with this one's reply.
                if not settled:
                    self._smtp.close()
        return Sent(mime.message_id(message.reference, message.sender), "accepted")

    async def find(self, message: Outgoing, since: dt.datetime) -> Found | None:  # noqa: ARG002
        """SMTP has no list to look into: evidence comes as a report or an answer."""
        return None

    async def close(self) -> None:
        """Say goodbye and give the connection back."""
        async with self._turn:
            if self._smtp.is_connected:
                with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                    await self._smtp.quit()
            self._smtp.close()

    async def _open(self, mail: mime.Mail) -> None:
        """MAIL and RCPT; a kept connection that has died is opened once more."""
        kept = self._smtp.is_connected
        if not kept:
            await self._connect()
        try:
            await self._envelope(mail)
        except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPResponseException) as error:
            if not (kept and _stale(error)):
                raise
            self._smtp.close()
            await self._connect()
            await self._envelope(mail)

    async def _connect(self) -> None:
        try:
            await self._smtp.connect()
            if self._smtp.is_ehlo_or_helo_needed:
                await self._smtp.ehlo()
        except (aiosmtplib.SMTPException, OSError) as error:
            sentence = (
                "The mail server cannot be reached or refuses our login; check COUNTERFOIL_SMTP_URL"
                " and the server. The mail is tried again."
            )
            code = str(getattr(error, "code", "unreachable"))
            raise DeliveryError(sentence, permanent=False, code=code) from error

    async def _envelope(self, mail: mime.Mail) -> None:
        smtp = self._smtp
        options = [f"size={len(mail.content)}"] if smtp.supports_extension("size") else []
        if mail.smtputf8:
            if not smtp.supports_extension("smtputf8"):
                raise aiosmtplib.SMTPNotSupported("SMTPUTF8")
            options.append("SMTPUTF8")
        encoding = "utf-8" if mail.smtputf8 else "ascii"
        await smtp.mail(mail.sender, options=options, encoding=encoding)
        await smtp.rcpt(mail.recipient, encoding=encoding)

    async def _write(self, mail: mime.Mail) -> None:
        try:
            await self._smtp.data(mail.content)
        except aiosmtplib.SMTPResponseException as error:
            if 200 <= error.code < 300:
                return
            if error.code < 0:
                raise Uncertain(
                    "The mail server's answer was unreadable; it may have it."
                ) from error
            raise
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Uncertain("The mail server did not answer; it may have the mail.") from error

    async def _reset(self) -> bool:
        """Clear the envelope after a refusal; False where the connection is of no more use."""
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await self._smtp.rset()
            return self._smtp.is_connected
        return False


def verify(headers: Mapping[str, str], secrets: Sequence[str]) -> bool:
    """Does ``Authorization: Bearer …`` carry one of the secrets? Malformed is False."""
    lower = {name.lower(): value for name, value in headers.items()}
    scheme, _, given = lower.get("authorization", "").partition(" ")
    token = given.strip().encode("utf-8", "surrogatepass")
    answers = [
        hmac.compare_digest(token, secret.encode("utf-8", "surrogatepass"))
        for secret in secrets
        if secret
    ]
    return any(answers) and scheme.lower() == "bearer"


def _client(url: str, timeout: float, local_name: str | None) -> aiosmtplib.SMTP:
    parts = urlsplit(url)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ValueError("COUNTERFOIL_SMTP_URL must look like smtp://host:587 or smtps://host:465")
    return aiosmtplib.SMTP(
        hostname=parts.hostname,
        port=parts.port,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        use_tls=parts.scheme == "smtps",
        start_tls=_starttls(parts),
        timeout=timeout,
        local_hostname=local_name,
    )


def _starttls(parts: SplitResult) -> bool | None:
    if parts.scheme == "smtps":
        return False
    asked = parse_qs(parts.query).get("starttls", [""])[0]
    exposed = parts.hostname not in _LOCAL
    answers = {"required": True, "never": False, "": True if exposed else None}
    if asked not in answers:
        raise ValueError("COUNTERFOIL_SMTP_URL: starttls is required or never")
    return answers[asked]


def _stale(error: Exception) -> bool:
    """The server had ended the kept connection: by hanging up, or with 421."""
    return not isinstance(error, aiosmtplib.SMTPResponseException) or error.code == 421


def _before_data(error: Exception) -> DeliveryError:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _refused(error)
    if isinstance(error, aiosmtplib.SMTPNotSupported | ValueError):
        sentence = "The mail server cannot carry this address (no SMTPUTF8); use another one."
        return DeliveryError(sentence, permanent=True, code="smtputf8")
    sentence = "The connection to the mail server broke before the mail was written; tried again."
    return DeliveryError(sentence, permanent=False, code="disconnected")


def _refused(error: aiosmtplib.SMTPResponseException) -> DeliveryError:
    if not 400 <= error.code < 600:
        sentence = "The mail server gave an answer that makes no sense; the mail is tried again."
        return DeliveryError(sentence, permanent=False, code=str(error.code))
    found = _ENHANCED.match(error.message)
    refusal = refusals.of_smtp(error.code, found[1] if found else "")
    return DeliveryError(refusal.sentence, permanent=refusal.permanent, code=refusal.code)
