"""Do the requests of Twilio, Slack and the mail server reach this product, and unchanged?

Each hook is knocked at twice. A forged request must be refused with 401 in our own words: then it
is us who answer, and nobody gets in unsigned. A signed one that means nothing must pass the
signature: then the proxy hands path, query, body and headers on as they came, and the process that
answers has the same secrets and the same public address. Neither is kept.
"""

import asyncio
import base64
import datetime as dt
import hashlib
import hmac
import ipaddress
import json
import secrets
import ssl
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlencode, urlsplit

from standardwebhooks.webhooks import Webhook
from twilio.request_validator import RequestValidator

from bot.doctor.finding import Finding, ok, skipped, warning, wrong
from bot.doctor.wire import Answer, Unreachable, Wire, secure, unreachable
from bot.settings import Settings
from bot.web import LARGEST_MAIL

LONG_ENOUGH = dt.timedelta(days=14)
_OURS = "COUNTERFOIL_"
_NOT_THE_KEY = "whsec_" + base64.b64encode(b"this is not the key.").decode()
_FORM = "application/x-www-form-urlencoded"
_UNTOUCHED = (
    "The proxy must pass path, query and body as they came; COUNTERFOIL_PUBLIC_URL and the secret "
    "must be those of the running process (restart it after a change)."
)


@dataclass(frozen=True, slots=True)
class Knock:
    """One request to a hook."""

    path: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Public:
    """This installation, as the world reaches it."""

    given: Settings
    wire: Wire

    async def look(self) -> list[Finding]:
        """The address, then every hook behind it."""
        url = self.given.public_url
        if not url:
            return [skipped("public address", "COUNTERFOIL_PUBLIC_URL is not set.")]
        try:
            found = [await self._address(urlsplit(url))]
        except Unreachable as error:
            return [wrong("public address", f"{error.said}.", error.advice)]
        looks = (
            _heard("hook slack", self._slack()),
            _heard("hook twilio", self._twilio()),
            _heard("hook email", self._mail()),
            _heard("hook facts", self._facts()),
            _heard("hook email size", self._large()),
            _heard("public metrics", self._metrics()),
        )
        return found + [one for one in await asyncio.gather(*looks) if one is not None]

    async def local(self) -> list[Finding]:
        """Does a process serve on this machine?"""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.given.host, self.given.host)  # noqa: S104
        place = f"http://{f'[{host}]' if ':' in host else host}:{self.given.port}"
        advice = "Run `systemctl start counterfoil`, unless it runs on another machine."
        try:
            answer = await self.wire.ask("GET", f"{place}/health")
        except Unreachable:
            return [warning("service", f"Nobody serves at {place}.", advice)]
        if answer.status != 200 or _object(answer.text).get("status") != "ok":
            said = f"Something else answers at {place}."
            return [wrong("service", said, "Stop it, or set COUNTERFOIL_PORT to another port.")]
        return [ok("service", f"Serves at {place}.")]

    async def _address(self, url: SplitResult) -> Finding:
        """Resolve, connect, and look at the certificate.

        Raises:
            Unreachable: it does not go that far.
        """
        host, safe = url.hostname or "", url.scheme == "https"
        port = url.port or (443 if safe else 80)
        try:
            _, writer = await asyncio.open_connection(host, port, ssl=secure() if safe else None)
        except OSError as error:
            raise unreachable(error, host) from error
        certificate = writer.get_extra_info("peercert") or {}
        peer = str((writer.get_extra_info("peername") or [""])[0])
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        inside = judge_place(host, peer)
        if safe:
            found = judge_certificate(host, certificate, self.wire.clock.wall())
            return found if found.bad else inside or found
        return inside or warning(
            "public address", f"{host} answers without TLS.", "Put a proxy with TLS in front."
        )

    async def _slack(self) -> Finding | None:
        what = "hook slack"
        if self.given.slack_app_token:
            return skipped(what, "In Socket Mode Slack does not call.")
        secret = next(iter(self.given.valid("slack_signing_secret")), "")
        challenge = secrets.token_urlsafe(12)
        body = json.dumps({"type": "url_verification", "challenge": challenge}).encode()
        if refused := await self._forged(what, _slack_knock(body, "not-the-secret", self._second)):
            return refused
        if not secret:
            return skipped(what, "COUNTERFOIL_SLACK_SIGNING_SECRET is not set.")
        answer = await self._knock(_slack_knock(body, secret, self._second))
        return judge_signed(what, passed=challenge in answer.text, status=answer.status)

    async def _twilio(self) -> Finding | None:
        """A signed report without a SID: it passes the signature, and is malformed after it."""
        what = "hook twilio"
        token = next(iter(self.given.valid("twilio_auth_token")), "")
        forged = _twilio_knock(self.given.public_url, "not-the-token")
        if refused := await self._forged(what, forged):
            return refused
        if not token:
            return skipped(what, "COUNTERFOIL_TWILIO_AUTH_TOKEN is not set.")
        answer = await self._knock(_twilio_knock(self.given.public_url, token))
        return judge_signed(what, passed=answer.status == 400, status=answer.status)

    async def _mail(self) -> Finding | None:
        """An empty mail with the right secret: it passes, and is malformed after it."""
        what = "hook email"
        secret = next(iter(self.given.valid("email_hook_secret")), "")
        if refused := await self._forged(what, _mail_knock("not-the-secret")):
            return refused
        if not secret:
            return skipped(what, "COUNTERFOIL_EMAIL_HOOK_SECRET is not set.")
        answer = await self._knock(_mail_knock(secret))
        return judge_signed(what, passed=answer.status == 400, status=answer.status)

    async def _facts(self) -> Finding | None:
        """A signed letter that is no JSON: it passes the signature, and is malformed after it."""
        what = "hook facts"
        secret = next(iter(self.given.valid("facts_hook_secret")), "")
        if not secret:
            return skipped(what, "COUNTERFOIL_FACTS_HOOK_SECRET is not set; nobody tells facts.")
        now = self.wire.clock.wall()
        if refused := await self._forged(what, _facts_knock(_NOT_THE_KEY, now)):
            return refused
        answer = await self._knock(_facts_knock(secret, now))
        return judge_signed(what, passed=answer.status == 400, status=answer.status)

    async def _large(self) -> Finding | None:
        """Is a large mail turned away at the door? It is announced, and never sent."""
        url = urlsplit(self.given.public_url)
        safe, host = url.scheme == "https", url.hostname or ""
        try:
            reader, writer = await asyncio.open_connection(
                host, url.port or (443 if safe else 80), ssl=secure() if safe else None
            )
        except OSError as error:
            raise unreachable(error, host) from error
        head = (
            f"POST {url.path}/hooks/email HTTP/1.1\r\nHost: {url.netloc}\r\n"
            f"Content-Type: message/rfc822\r\nContent-Length: {LARGEST_MAIL}\r\n"
            "Authorization: Bearer not-the-secret\r\nExpect: 100-continue\r\n\r\n"
        )
        try:
            writer.write(head.encode())
            async with asyncio.timeout(3):
                status = (await reader.readline()).split(b" ")
        except (OSError, TimeoutError):
            return None
        finally:
            writer.transport.abort()
        if status[1:2] != [b"413"]:
            return None
        said = "The proxy turns large mails away (413), so what clients attach is lost."
        advice = "Let it take 31 MB at /hooks/email: client_max_body_size 31m."
        return wrong("hook email size", said, advice)

    async def _metrics(self) -> Finding | None:
        answer = await self.wire.ask("GET", f"{self.given.public_url}/metrics")
        if answer.status != 200 or "counterfoil_" not in answer.text:
            return None
        said = "Everybody can read /metrics: how many clients owe, and how much waits."
        return warning("public metrics", said, "Let the proxy pass /hooks/ and nothing else.")

    async def _forged(self, what: str, knock: Knock) -> Finding | None:
        return judge_forged(what, await self._knock(knock))

    async def _knock(self, knock: Knock) -> Answer:
        url = f"{self.given.public_url}{knock.path}"
        return await self.wire.ask("POST", url, data=knock.body, headers=knock.headers)

    @property
    def _second(self) -> str:
        return str(int(self.wire.clock.wall().timestamp()))


def _slack_knock(body: bytes, secret: str, second: str) -> Knock:
    signed = b"v0:" + second.encode() + b":" + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-Slack-Request-Timestamp": second,
        "X-Slack-Signature": f"v0={digest}",
    }
    return Knock("/hooks/slack", body, headers)


def _twilio_knock(public_url: str, token: str) -> Knock:
    """With what a careless proxy would change: a query, an empty field, blanks, an accent."""
    path = "/hooks/twilio/status?ref=doctor%2F1"
    params = {"Body": " caf\u00e9 + ", "Empty": "", "From": "doctor"}
    signature = RequestValidator(token).compute_signature(f"{public_url}{path}", params)
    headers = {"Content-Type": _FORM, "X-Twilio-Signature": str(signature)}
    return Knock(path, urlencode(params).encode(), headers)


def _mail_knock(secret: str) -> Knock:
    headers = {"Content-Type": "message/rfc822", "Authorization": f"Bearer {secret}"}
    return Knock("/hooks/email", b"", headers)


def _facts_knock(secret: str, now: dt.datetime) -> Knock:
    body, name = "this is no fact", f"doctor_{secrets.token_hex(8)}"
    headers = {
        "Content-Type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, now, body),
    }
    return Knock("/hooks/facts", body.encode(), headers)


async def _heard(what: str, look: Awaitable[Finding | None]) -> Finding | None:
    """One look that meets nobody takes no other with it."""
    try:
        return await look
    except Unreachable as error:
        return wrong(what, f"{error.said}.", error.advice)


def judge_place(host: str, peer: str) -> Finding | None:
    """Is the address one that only this network knows? Our own machine's says nothing."""
    address = ipaddress.ip_address(peer.partition("%")[0])
    if address.is_global or address.is_loopback:
        return None
    said = f"{host} is {address} here, which nobody outside this network can call."
    advice = "See that outside the name has an address that Twilio and Slack can call."
    return warning("public address", said, advice)


def judge_certificate(host: str, certificate: Mapping[str, object], now: dt.datetime) -> Finding:
    """Valid it is, or there were no connection; is it valid long enough to be renewed in time?

    Certificates of a few days, which are renewed every few days, have the last quarter.
    """
    what = "public address"
    begins, ends = (_moment(certificate.get(name)) for name in ("notBefore", "notAfter"))
    left = ends - now
    if left <= min(LONG_ENOUGH, (ends - begins) / 4):
        said = f"The certificate of {host} ends in {left.days} days and was not renewed."
        return wrong(what, said, "See why your ACME client or your proxy does not renew it.")
    return ok(what, f"{host} speaks TLS; its certificate is good for {left.days} days.")


def _moment(written: object) -> dt.datetime:
    return dt.datetime.fromtimestamp(ssl.cert_time_to_seconds(str(written)), dt.UTC)


def judge_forged(what: str, answer: Answer) -> Finding | None:
    """What came back for a forged request; None where we refused it ourselves."""
    if answer.status == 401 and _OURS in answer.text:
        return None
    said, advice = _stranger(answer)
    return wrong(what, said, advice)


def _stranger(answer: Answer) -> tuple[str, str]:
    """Who answers in our place, by what they say."""
    match answer.status:
        case 404 | 405:
            said = f"The hook is not found ({answer.status})."
            return said, "Let the proxy pass /hooks/ to Counterfoil, and keep the path as it is."
        case 502 | 503 | 504:
            said = f"The proxy does not find Counterfoil ({answer.status})."
            return said, "Start it, and let the proxy pass on to COUNTERFOIL_HOST and its port."
        case 301 | 302 | 303 | 307 | 308:
            said = f"The proxy sends callers elsewhere ({answer.status}); they do not follow."
            return said, "Give COUNTERFOIL_PUBLIC_URL the address at which nothing is forwarded."
        case 401 | 403:
            said = f"Somebody before us turns callers away ({answer.status})."
            return said, "Let whatever asks for a login or filters robots leave /hooks/ alone."
        case status if 200 <= status < 300:
            said = f"A forged request was taken ({status}); it is not us who answered."
            return said, "See what answers at COUNTERFOIL_PUBLIC_URL."
        case status:
            return f"The hook answers {status}.", "See the log of the proxy and of Counterfoil."


def judge_signed(what: str, *, passed: bool, status: int) -> Finding:
    """What came back for a signed request that means nothing."""
    if passed:
        return ok(what, "Forged requests are refused, signed ones pass.")
    if status == 401:
        said = "A request signed as it should be is refused (401)."
        return wrong(what, said, _UNTOUCHED)
    said = f"A request signed as it should be gets {status}."
    return wrong(what, said, "See the log of the proxy and of Counterfoil.")


def _object(text: str) -> Mapping[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
