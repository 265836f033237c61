"""What does the world reach over HTTP?

A hook checks the signature on the raw bytes against the configured public address, keeps the
request as a row, and only then answers 2xx; it understands nothing. 401 for a signature that is
bad, missing or malformed; 400 for what cannot be read after that; 413 for what is too large; 408
for what comes too slowly; 200 for what is known and of no interest.
"""

import hashlib
import json
import re
import time
from collections.abc import Awaitable, Callable

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import text
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot import factsheet, schema, signature
from bot.api import api, misread, need_json, unheard
from bot.app import App
from bot.bodies import LARGEST, TooLarge, TooSlow, body_of
from bot.factsheet import Misread, Mistake
from bot.inbox import Parcel, day_key, trace_of
from bot.slack import signature as slack_signature
from bot.unsubscribe import PATH, SOURCE, Clicks
from bot.watching.metrics import Meters, Scrape
from comms.channels import email, inbound_mail, twilio_hooks

LARGEST_MAIL = inbound_mail.LARGEST
SlackSide = Callable[[Request, bytes], Awaitable[Response]]
log = structlog.get_logger("web")
_MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^<>\s]{1,250}>)", re.IGNORECASE | re.MULTILINE)
_NAMING = re.compile(rb"^(?:from|to|date|subject):[^\n]*", re.IGNORECASE | re.MULTILINE)
_HEADERS = 256_000
_HOOKS = {
    "/hooks/twilio/sms": "twilio.sms",
    "/hooks/twilio/status": "twilio.status",
    "/hooks/email": "email",
    "/hooks/slack": "slack",
    "/hooks/facts": "facts",
    "/api/v1/facts": "api.facts",
}


def web(app: App, slack: SlackSide) -> FastAPI:
    """The HTTP side of the product; ``slack`` answers commands and clicks."""
    page = "/api/v1/openapi.json"
    site = FastAPI(title="Counterfoil", docs_url=None, redoc_url=None, openapi_url=page)
    hooks, probes = Hooks(app, slack), Probes(app)
    if app.links is not None:
        clicks = Unsubscribing(app, Clicks(app.links, app.inbox))
        link = f"{PATH}/{{token}}"
        site.add_route(link, clicks.ask, methods=["GET"], include_in_schema=False)
        site.add_route(link, clicks.take, methods=["POST"], include_in_schema=False)
    for path, answer in (
        ("/hooks/twilio/sms", hooks.twilio_sms),
        ("/hooks/twilio/status", hooks.twilio_status),
        ("/hooks/email", hooks.email),
        ("/hooks/slack", hooks.slack),
        ("/hooks/facts", hooks.facts),
    ):
        # Starlette's own routes: FastAPI's look for parameters to fill, and a hook has none.
        site.add_route(path, answer, methods=["POST"], include_in_schema=False)
    site.add_api_route("/health", probes.health, tags=["operations"])
    site.add_api_route("/ready", probes.ready, tags=["operations"])
    site.add_api_route("/metrics", probes.metrics, tags=["operations"])
    site.include_router(api(app))
    site.add_middleware(Timed, meters=app.meters)
    site.add_exception_handler(TooLarge, _too_large)
    site.add_exception_handler(TooSlow, _too_slow)
    site.add_exception_handler(ClientDisconnect, _gone)
    return site


class Hooks:
    """The doors for what vendors bring."""

    def __init__(self, app: App, slack: SlackSide) -> None:
        self._app = app
        self._settings = app.settings
        self._slack_side = slack

    async def twilio_sms(self, request: Request) -> Response:
        """A person texted one of our numbers."""
        return await self._twilio(request, "twilio.sms")

    async def twilio_status(self, request: Request) -> Response:
        """How a text of ours fares."""
        return await self._twilio(request, "twilio.status")

    async def email(self, request: Request) -> Response:
        """A mail arrived, as raw MIME."""
        if not email.verify(request.headers, self._settings.valid("email_hook_secret")):
            return _refused("email", "Authorization: Bearer COUNTERFOIL_EMAIL_HOOK_SECRET is wrong")
        raw = await body_of(request, LARGEST_MAIL)
        if not raw.strip():
            return _malformed("email", ValueError("the mail is empty"))
        await self._keep(Parcel("email", mail_id(raw), raw))
        return JSONResponse({"kept": True})

    async def slack(self, request: Request) -> Response:
        """An event is kept; a command or a click is answered at once."""
        raw = await body_of(request, LARGEST)
        now = self._app.clock.wall().timestamp()
        secrets = self._settings.valid("slack_signing_secret")
        if not slack_signature.verify(raw, request.headers, secrets, now):
            reason = "X-Slack-Signature does not match COUNTERFOIL_SLACK_SIGNING_SECRET"
            return _refused("slack", reason)
        if request.headers.get("content-type", "").startswith("application/json"):
            return await self._slack_event(raw)
        return await self._slack_side(request, raw)

    async def facts(self, request: Request) -> Response:
        """Another system tells what happened; a fact that is wrong is named before it is kept."""
        raw = await body_of(request, LARGEST)
        now = self._app.clock.wall().timestamp()
        secrets = self._settings.valid("facts_hook_secret")
        if not signature.verify(raw, request.headers, secrets, now):
            reason = "webhook-signature does not match COUNTERFOIL_FACTS_HOOK_SECRET"
            return _refused("facts", f"{reason}, or webhook-timestamp is not of now")
        try:
            told, parcel = await run_in_threadpool(self._told, request, raw)
        except Misread as error:
            return _misread(error)
        except ValueError as error:
            return _malformed("facts", error)
        if not await self._keep(parcel) and self._app.inbox.is_another(parcel):
            said = "has the webhook-id of another delivery; give each delivery an id of its own"
            return _misread(Misread([Mistake(None, "", said)]))
        return JSONResponse({"kept": told})

    def _told(self, request: Request, raw: bytes) -> tuple[int, Parcel]:
        need_json(request)
        kept = factsheet.covered(raw)
        told = factsheet.read(kept)
        if wrong := unheard(told, self._settings.facts_hook_scopes):
            raise Misread(wrong)
        return len(told), Parcel(factsheet.TOLD, request.headers["webhook-id"], kept)

    async def _twilio(self, request: Request, source: str) -> Response:
        raw = await body_of(request, LARGEST)
        query = f"?{request.url.query}" if request.url.query else ""
        url = self._settings.public_url + request.url.path + query
        if not twilio_hooks.verify(
            raw, request.headers, url, self._settings.valid("twilio_auth_token")
        ):
            return _refused(source, "X-Twilio-Signature does not match COUNTERFOIL_PUBLIC_URL")
        try:
            params = twilio_hooks.parse(raw)
            if source == "twilio.sms":
                twilio_hooks.read_inbound(params)
            parcel = Parcel(source, twilio_hooks.external_id(params), raw, request.url.query)
        except ValueError as error:
            return _malformed(source, error)
        await self._keep(parcel)
        return Response("<Response/>", media_type="text/xml")

    async def _slack_event(self, raw: bytes) -> Response:
        try:
            payload = json.loads(raw)
            if payload["type"] == "url_verification":
                return JSONResponse({"challenge": str(payload["challenge"])})
            if payload["type"] == "app_rate_limited":
                # Slack drops events of this minute: it has no event id, and somebody must know.
                log.error("slack_rate_limited", minute=payload["minute_rate_limited"])
                event_id = f"rate_limited:{payload['minute_rate_limited']}"
            else:
                event_id = payload["event_id"]
            external_id = f"{payload['team_id']}:{event_id}"
            parcel = Parcel("slack.event", external_id, raw)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            return _malformed("slack", error)
        await self._keep(parcel)
        return JSONResponse({})

    async def _keep(self, parcel: Parcel) -> bool:
        trace = trace_of(parcel.source, parcel.external_id)
        with self._app.tracing.span("hook", trace, source=parcel.source):
            new = await self._app.inbox.receive(parcel, self._app.clock.now())
        log.info("received", source=parcel.source, new=new, trace=trace)
        if new:
            self._app.wake.set()
        return new


class Unsubscribing:
    """Where somebody ends our offers; the click is a row before it is answered."""

    def __init__(self, app: App, clicks: Clicks) -> None:
        self._app = app
        self._clicks = clicks

    async def ask(self, request: Request) -> Response:
        """Opened: nothing changes."""
        return self._clicks.ask(request)

    async def take(self, request: Request) -> Response:
        """Clicked, by a person or by their mailbox."""
        answer, new = await self._clicks.take(request, self._app.clock.now())
        log.info("received", source=SOURCE, new=new)
        if new:
            self._app.wake.set()
        return answer


class Probes:
    """What whoever watches the process asks."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._scrape = Scrape(app.meters, app.store, app.spool, app.channels)

    async def health(self) -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    async def ready(self) -> Response:
        """The process can read its store and its keys, and the schema is the one it knows."""
        problem = await run_in_threadpool(self._problem)
        if problem:
            return JSONResponse({"status": "not ready", "reason": problem}, 503)
        return JSONResponse({"status": "ready"})

    async def metrics(self) -> Response:
        """What Prometheus reads: counts and times, never a client's name, number or words."""
        found = await run_in_threadpool(self._scrape.text, self._app.clock.now())
        return Response(found, media_type=CONTENT_TYPE_LATEST)

    def _problem(self) -> str:
        try:
            with self._app.store.read() as session:
                session.execute(text("SELECT 1"))
            schema.need_head(self._app.store.engine)
            self._app.keyring.held([day_key(self._app.clock.now())])
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer is "not ready"
            return f"{type(error).__name__}: {error}".splitlines()[0][:300]
        return ""


class Timed:
    """How long each hook takes, by what it answers."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and note how long that took."""
        hook = _HOOKS.get(scope.get("path", ""))
        if hook is None:
            await self._app(scope, receive, send)
            return
        status, began = "500", time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            self._meters.hooks.labels(hook, status).observe(time.perf_counter() - began)


def mail_id(raw: bytes) -> str:
    """What makes a mail the same one again, also when a relay added headers on the way.

    Two mails with one Message-ID but other words are two. Where there is no Message-ID, it is who
    wrote to whom, when and about what.
    """
    head, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    found = _MESSAGE_ID.search(head[:_HEADERS])
    named = found[1] if found else b"\n".join(_NAMING.findall(head[:_HEADERS]))
    return hashlib.sha256(named + b"\n" + hashlib.sha256(body).digest()).hexdigest()


def _refused(source: str, reason: str) -> Response:
    log.warning("refused", source=source, reason="signature")
    return PlainTextResponse(reason, 401)


def _malformed(source: str, error: Exception) -> Response:
    log.warning("malformed", source=source, error=type(error).__name__)
    return PlainTextResponse("this request cannot be read", 400)


def _misread(error: Misread) -> Response:
    log.warning("malformed", source="facts", error="Misread")
    return JSONResponse(misread(error), 400)


async def _too_large(_request: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error), 413)


async def _too_slow(_request: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error), 408, headers={"Connection": "close"})


async def _gone(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("the request ended before its body did", 400)
