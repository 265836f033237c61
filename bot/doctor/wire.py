"""How does doctor ask others over HTTP, and what does it say of those who do not answer?

Nothing is followed and nothing is tried twice: what a vendor would meet, doctor meets.
"""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
import yarl

from billing.clock import Clock
from bot.doctor.clock import Heard

PATIENCE = 10.0
"""Seconds for one check."""
_MOST = 4_000_000
"""Bytes of an answer; Twilio lists 400 numbers of a service on one page."""


class Unreachable(Exception):
    """Nobody answered; ``said`` is one sentence without a full stop, ``advice`` what to do."""

    def __init__(self, said: str, advice: str) -> None:
        super().__init__(said)
        self.said = said
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(slots=True)
class Wire:
    """The connections of one visit, and every clock that was seen through them."""

    pool: aiohttp.ClientSession
    clock: Clock
    heard: list[Heard] = field(default_factory=list)

    async def ask(
        self,
        method: str,
        url: str,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        who: str = "",
    ) -> Answer:
        """One exchange; ``who`` is whose clock the answer shows.

        Raises:
            Unreachable: there was no answer.
        """
        try:
            async with self.pool.request(
                method,
                yarl.URL(url, encoded=True),
                data=data,
                headers=headers,
                allow_redirects=False,
            ) as answer:
                text = (await _whole(answer.content)).decode("utf-8", "replace")
                self.note(who, answer.headers)
                return Answer(answer.status, answer.headers, text)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise unreachable(error, yarl.URL(url).host or url) from error

    def note(self, who: str, headers: Mapping[str, str]) -> None:
        """Look at the clock of whoever answered."""
        shown = next((headers[name] for name in headers if name.lower() == "date"), "")
        if who and shown:
            self.heard.append(Heard(who, shown, self.clock.wall()))


async def _whole(content: aiohttp.StreamReader) -> bytes:
    """One ``read`` gives what has arrived by then, which may be the first half."""
    body = b""
    while len(body) < _MOST and (piece := await content.read(_MOST - len(body))):
        body += piece
    return body


def secure() -> ssl.SSLContext:
    """What the machine trusts now; libraries keep what it trusted when they were imported."""
    return ssl.create_default_context()


def unreachable(error: BaseException, host: str) -> Unreachable:
    """Why nobody answered, in words."""
    inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    match inner:
        case ssl.SSLCertVerificationError():
            said = f"The certificate of {host} is not valid: {inner.verify_message}"
            return Unreachable(said, f"Let {host} show a certificate for its name, whole chain.")
        case ssl.SSLError():
            said = f"{host} does not speak TLS as it should ({inner.reason or 'no reason'})"
            return Unreachable(said, "Look at the port and at the TLS settings there.")
        case socket.gaierror():
            advice = "Look for a typing error, and at the DNS of the name."
            return Unreachable(f"The name {host} does not resolve", advice)
        case ConnectionRefusedError():
            return Unreachable(f"{host} refuses the connection", "See that it runs, on that port.")
        case TimeoutError():
            return Unreachable(f"{host} does not answer", _FIREWALL)
        case _:
            return Unreachable(f"{host} cannot be reached ({type(inner).__name__})", _FIREWALL)


_FIREWALL = "See whether a firewall or a proxy of this machine keeps the connection from it."
