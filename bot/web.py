"""What does the world reach over HTTP?

A hook checks the signature on the raw bytes against the configured public address, keeps the
request as a row, and only then answers 2xx; it understands nothing. 401 for a signature that is
bad, missing or malformed; 400 for what cannot be read after that; 413 for what is too large; 200
for what is known and of no interest.
"""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from sqlalchemy import text
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from bot import schema
from bot.app import App
from bot.inbox import Parcel
from bot.slack import signature as slack_signature
from comms.channels import email, inbound_mail, sms

LARGEST = 1_000_000
LARGEST_MAIL = inbound_mail.LARGEST
SlackSide = Callable[[Request, bytes], Awaitable[Response]]
log = structlog.get_logger("web")
_TWIML = Response("<Response/>", media_type="text/xml")
_MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^<>\s]{1,250}>)", re.IGNORECASE | re.MULTILINE)
_HEADERS = 256_000


class TooLarge(Exception):
    """The body is larger than this hook takes."""


def web(app: App, slack: SlackSide) -> FastAPI:
    """The HTTP side of the product; ``slack`` answers commands and clicks."""
    site = FastAPI(title="Counterfoil", docs_url="/api/v1/docs", openapi_url="/api/v1/openapi.json")
    settings = app.settings

    async def twilio(request: Request, source: str) -> Response:
        raw = await body_of(request, LARGEST)
        url = settings.public_url + request.url.path + _query(request)
        if not sms.verify(raw, request.headers, url, settings.valid("twilio_auth_token")):
            return _refused(source, "X-Twilio-Signature does not match COUNTERFOIL_PUBLIC_URL")
        try:
            params = sms.parse(raw)
            if source == "twilio.sms":
                sms.read_inbound(params)
            parcel = Parcel(source, sms.external_id(params), raw, request.url.query)
        except ValueError as error:
            return _malformed(source, error)
        await _keep(app, parcel)
        return _TWIML

    @site.post("/hooks/twilio/sms", include_in_schema=False)
    async def twilio_sms(request: Request) -> Response:
        return await twilio(request, "twilio.sms")

    @site.post("/hooks/twilio/status", include_in_schema=False)
    async def twilio_status(request: Request) -> Response:
        return await twilio(request, "twilio.status")

    @site.post("/hooks/email", include_in_schema=False)
    async def mail(request: Request) -> Response:
        if not email.verify(request.headers, settings.valid("email_hook_secret")):
            return _refused("email", "Authorization: Bearer COUNTERFOIL_EMAIL_HOOK_SECRET is wrong")
        raw = await body_of(request, LARGEST_MAIL)
        if not raw.strip():
            return _malformed("email", ValueError("the mail is empty"))
        await _keep(app, Parcel("email", mail_id(raw), raw))
        return JSONResponse({"kept": True})

    @site.post("/hooks/slack", include_in_schema=False)
    async def slack_hook(request: Request) -> Response:
        raw = await body_of(request, LARGEST)
        now = app.clock.wall().timestamp()
        secrets = settings.valid("slack_signing_secret")
        if not slack_signature.verify(raw, request.headers, secrets, now):
            return _refused("slack", "X-Slack-Signature does not match COUNTERFOIL_SLACK_SIGNING_SECRET")
        if request.headers.get("content-type", "").startswith("application/json"):
            return await _slack_event(app, raw)
        return await slack(request, raw)

    @site.get("/health", tags=["operations"])
    async def health() -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    @site.get("/ready", tags=["operations"])
    async def ready() -> Response:
        """The process can read its store and its keys, and the schema is the one it knows."""
        problem = await run_in_threadpool(_problem, app)
        if problem:
            return JSONResponse({"status": "not ready", "reason": problem}, 503)
        return JSONResponse({"status": "ready"})

    @site.exception_handler(TooLarge)
    async def too_large(_request: Request, error: TooLarge) -> Response:
        return PlainTextResponse(str(error), 413)

    @site.exception_handler(ClientDisconnect)
    async def gone(_request: Request, _error: ClientDisconnect) -> Response:
        return PlainTextResponse("the request ended before its body did", 400)

    return site


async def body_of(request: Request, largest: int) -> bytes:
    """The raw body, never more of it in memory than the limit.

    Raises:
        TooLarge: it has more bytes than ``largest``.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > largest:
        raise TooLarge(f"at most {largest} bytes are taken here")
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > largest:
            raise TooLarge(f"at most {largest} bytes are taken here")
        parts.append(part)
    return b"".join(parts)


def mail_id(raw: bytes) -> str:
    """The same mail brought twice is one, also when a relay added headers on the way; two mails
    with one Message-ID but other words are two."""
    head, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    found = _MESSAGE_ID.search(head[:_HEADERS])
    named = found[1] if found else b""
    return hashlib.sha256(named + b"\n" + hashlib.sha256(body).digest()).hexdigest()


async def _slack_event(app: App, raw: bytes) -> Response:
    try:
        payload = json.loads(raw)
        kind = payload["type"]
        if kind == "url_verification":
            return JSONResponse({"challenge": str(payload["challenge"])})
        external_id = f"{payload['team_id']}:{payload['event_id']}"
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return _malformed("slack", error)
    await _keep(app, Parcel("slack.event", external_id, raw))
    return JSONResponse({})


async def _keep(app: App, parcel: Parcel) -> None:
    new = await app.inbox.receive(parcel, app.clock.now())
    log.info("received", source=parcel.source, new=new)
    if new:
        app.wake.set()


def _query(request: Request) -> str:
    return f"?{request.url.query}" if request.url.query else ""


def _refused(source: str, reason: str) -> Response:
    log.warning("refused", source=source, reason="signature")
    return PlainTextResponse(reason, 401)


def _malformed(source: str, error: Exception) -> Response:
    log.warning("malformed", source=source, error=type(error).__name__)
    return PlainTextResponse("this request cannot be read", 400)


def _problem(app: App) -> str:
    """Why the process cannot work, or nothing."""
    try:
        with app.store.read() as session:
            session.execute(text("SELECT 1"))
        schema.need_head(app.store.engine)
        app.keyring.owners()
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer is "not ready"
        return f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return ""


