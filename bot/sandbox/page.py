"""What does the sandbox's page show and do, and who may ask it?

``page(desk, allowed_hosts)`` is the whole web side: static assets, one snapshot, the actions of
the page, and a stream that says "something changed, look again". Everything it knows comes from a
``Desk``. Strangers are turned away by ``doorkeeper``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Protocol, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from typing_extensions import override

from bot.sandbox.doorkeeper import (
    CONTENT_POLICY,
    PAGE_HEADER,
    SAFETY_HEADERS,
    Doorkeeper,
    trouble,
)

__all__ = [
    "CONTENT_POLICY",
    "PAGE_HEADER",
    "SAFETY_HEADERS",
    "Answer",
    "Desk",
    "Refused",
    "Unknown",
    "hang_up",
    "page",
]

Answer: TypeAlias = dict[str, object]

BODY_LIMIT: Final = 64 * 1024
HEARTBEAT_SECONDS: Final = 15.0
FURTHEST_DAYS: Final = 120
"""How far the calendar looks."""
WHY_KINDS: Final = ("message", "decision", "client", "invoice")
PAGES: Final = {"/": "index.html", "/calendar": "calendar.html"}
ASSETS: Final = Path(__file__).resolve().parent / "assets"
MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Refused(Exception):
    """The desk cannot do this now. Its text is the one sentence the page shows (409)."""


class Unknown(Refused):
    """There is no such client, message, channel or view (404)."""


class Desk(Protocol):
    """Everything the page can see and do. All methods run on the page's event loop.

    A method that cannot do what was asked raises ``Refused`` (or ``Unknown``) with one sentence
    for the person at the page. An action that changed something also yields a new revision from
    ``changed``; the page shows an action's effect only from the next snapshot, never from the
    action's answer.
    """

    def snapshot(self, client: str | None) -> Answer:
        """Everything the page shows, ready for JSON, with ``client`` (or a fair first) selected.

        ``revision``; ``clock`` {now, label, started, next_event {at, what} or null, busy};
        ``live`` {open, note}; ``clients`` [{id, name, owner, timezone, local_time, balances
        [{currency, open, overdue, display_open, display_overdue}], next {at, what} or null, flags,
        unread}]; ``selected`` {client, phone {number, texts}, mailbox {address, mails}, timeline,
        invoices, asked, against, held} (null without clients); ``slack`` {user {id, name}, users
        {id: name}, channels [{id, name, unread, messages}], view}; ``held`` [{message_id, client,
        what, reason, until}]; ``story`` [{at, line, kind}]; ``totals`` {sent, held, withheld,
        delivered, failed, escalated}. Oldest first, ISO moments; ``in`` is from the client.
        """
        ...

    async def turn(self, to: str) -> Answer:
        """Turn the clock: ``hour``, ``day``, ``week``, ``next`` event, or to an ISO moment.

        Returns when all that was due has happened: ``{"moment": iso, "news": n}``.
        """
        ...

    async def golive(self, open_: bool) -> Answer:  # noqa: FBT001 (a switch is a yes or a no)
        """Open or close the door to clients."""
        ...

    async def text(self, phone: str, body: str) -> Answer:
        """The client's phone sends an SMS."""
        ...

    async def mail(self, mailbox: str, subject: str, body: str, in_reply_to: str | None) -> Answer:
        """The client's mailbox sends a mail; ``in_reply_to`` is the ``rfc_id`` it answers."""
        ...

    async def say(self, channel: str, text: str, thread: str | None) -> Answer:
        """Staff type a message or a slash command into a Slack channel or thread."""
        ...

    async def click(self, channel: str, ts: str, action_id: str, value: str) -> Answer:
        """Staff use a button, menu or date of a Slack message.

        Inside the open modal ``channel`` is ``"view"`` and ``ts`` the view's id.
        """
        ...

    async def submit(self, view_id: str, values: Mapping[str, object]) -> Answer:
        """Staff send the open modal; ``values`` is exactly Slack's ``view.state.values``.

        Returns ``{}``, or ``{"errors": {block_id: sentence}}``: the modal stays open with them.
        """
        ...

    async def dismiss(self, view_id: str) -> Answer:
        """Staff close the open modal without sending it."""
        ...

    async def pay(self, client: str, invoice: str | None) -> Answer:
        """The client pays this invoice now, or everything that is open."""
        ...

    async def why(self, kind: str, id: str) -> Answer:  # noqa: A002 (the route's own word)
        """Why a message, decision (a timeline row's id), client or invoice stands where it stands.

        ``{kind, id, title, verdict, rule or null, reason, text or null, facts [{name, value}],
        door [{place, verdict, rule or null, reason or null}], would_change [sentence],
        next_look iso or null, related [{kind, id, label}]}``. ``verdict`` is a message state
        (``sent``, ``held``, ``withheld`` …) or a decision's (``send``, ``hold``, ``nothing`` …);
        a door place's is ``pass``, ``defer``, ``refuse``, ``review``, or ``empty`` when the place
        had nothing to judge or was not reached. The door comes in its own order.
        """
        ...

    async def calendar(self, days: int) -> Answer:
        """What will go, what is held and who will be asked on so many days, as a preview sees it.

        ``{revision, now, from, until, live, assumed, totals, clients [name], owners [name],
        entries [{at, day, time, zone, what, client, title, amount, rule, reason, until, owner,
        standing}]}``; ``what`` is ``message``, ``hold``, ``escalation`` or ``refusal``.
        """
        ...

    def changed(self) -> AsyncIterator[int]:
        """The new revision, each time something changed; it ends when the desk closes."""
        ...


def _known_turn(to: str) -> str:
    if to in ("hour", "day", "week", "next"):
        return to
    with suppress(ValueError):
        if datetime.fromisoformat(to).tzinfo is not None:
            return to
    sentence = "turn to hour, day, week, next, or a moment with its offset"
    raise ValueError(sentence)


def _said(text: str) -> str:
    if not text.strip():
        sentence = "write something first"
        raise ValueError(sentence)
    return text


Words: TypeAlias = Annotated[str, AfterValidator(_said)]


class Act(BaseModel):
    """One thing a person does at the page: the body of its POST, and what it asks of the desk."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    async def upon(self, desk: Desk) -> Answer:
        """Do it."""
        raise NotImplementedError


class Turn(Act):
    """Turn the clock."""

    to: Annotated[str, AfterValidator(_known_turn)]

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.turn(self.to)


class Golive(Act):
    """Open or close the door to clients."""

    open: bool

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.golive(self.open)


class Text(Act):
    """The client texts."""

    phone: str
    body: Words

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.text(self.phone, self.body)


class Mail(Act):
    """The client mails."""

    mailbox: str
    subject: str
    body: Words
    in_reply_to: str | None = None

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.mail(self.mailbox, self.subject, self.body, self.in_reply_to)


class Say(Act):
    """Staff write in Slack."""

    channel: str
    text: Words
    thread: str | None = None

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.say(self.channel, self.text, self.thread)


class Click(Act):
    """Staff press something in Slack."""

    channel: str
    ts: str
    action_id: str
    value: str = ""

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.click(self.channel, self.ts, self.action_id, self.value)


class Submit(Act):
    """Staff send a modal."""

    view_id: str
    values: dict[str, object] = Field(default_factory=dict)

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.submit(self.view_id, self.values)


class Dismiss(Act):
    """Staff close a modal."""

    view_id: str

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.dismiss(self.view_id)


class Pay(Act):
    """The client pays."""

    client: str
    invoice: str | None = None

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.pay(self.client, self.invoice)


ACTS: Final[Mapping[str, type[Act]]] = {
    act.__name__.lower(): act
    for act in (Turn, Golive, Text, Mail, Say, Click, Submit, Dismiss, Pay)
}


async def _body(request: Request) -> bytes | None:
    """The body, or None as soon as it is too large: the declared length may lie."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            return None
    return bytes(body)


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in fault["loc"]) or "the body"
    return f"{where}: {fault['msg'].removeprefix('Value error, ')}."


async def _act(request: Request) -> Response:
    """One action: read, check, do; every refusal is a JSON sentence the page shows."""
    if (kind := ACTS.get(request.path_params["act"])) is None:
        return trouble(404, f"There is no such action; try {', '.join(ACTS)}.")
    if (body := await _body(request)) is None:
        return trouble(413, f"That is too long: at most {BODY_LIMIT // 1024} KB at once.")
    try:
        act = kind.model_validate(json.loads(body))
    except ValidationError as error:
        return trouble(400, _first_fault(error))
    except (ValueError, RecursionError):
        return trouble(400, "The body is not JSON.")
    return await _answer(act.upon(request.app.state.desk))


async def _why(request: Request) -> Response:
    asked = request.path_params
    if asked["kind"] not in WHY_KINDS:
        return trouble(404, f"Ask why about a {', '.join(WHY_KINDS)}.")
    return await _answer(request.app.state.desk.why(asked["kind"], asked["id"]))


async def _calendar(request: Request) -> Response:
    days = request.query_params.get("days", "28")
    if not (days.isascii() and days.isdigit() and 1 <= int(days[:9]) <= FURTHEST_DAYS):
        return trouble(400, f"days: between 1 and {FURTHEST_DAYS}.")
    return await _answer(request.app.state.desk.calendar(int(days)))


async def _snapshot(request: Request) -> Response:
    desk: Desk = request.app.state.desk
    client = request.query_params.get("client") or None

    async def look() -> Answer:
        return desk.snapshot(client)

    return await _answer(look())


async def _answer(asked: Awaitable[Answer]) -> Response:
    try:
        return JSONResponse(await asked)
    except Refused as refusal:
        return trouble(404 if isinstance(refusal, Unknown) else 409, str(refusal))


async def _events(request: Request) -> Response:
    """Server-sent events: ``data: {"revision": n}``, and a comment when nothing happens."""
    state = request.app.state
    return StreamingResponse(_wake_ups(state.desk, state.streams), media_type="text/event-stream")


async def _wake_ups(desk: Desk, streams: set[asyncio.Queue[int | None]]) -> AsyncIterator[str]:
    queue: asyncio.Queue[int | None] = asyncio.Queue()
    pump = asyncio.create_task(_pump(desk, queue))
    streams.add(queue)
    try:
        yield ": open\n\n"
        while True:
            try:
                revision = await asyncio.wait_for(queue.get(), HEARTBEAT_SECONDS)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if revision is None:
                return
            yield f"data: {json.dumps({'revision': revision})}\n\n"
    finally:
        streams.discard(queue)
        pump.cancel()


async def _pump(desk: Desk, queue: asyncio.Queue[int | None]) -> None:
    try:
        async for revision in desk.changed():
            queue.put_nowait(revision)
    finally:
        queue.put_nowait(None)


def hang_up(app: Starlette) -> None:
    """End every open stream: call it before the server stops, which waits for them otherwise."""
    for queue in app.state.streams:
        queue.put_nowait(None)


def page(desk: Desk, allowed_hosts: Collection[str]) -> Starlette:
    """The page over this desk, answering only to these hosts (``127.0.0.1:8025`` and the like)."""
    shipped = {file.name: file.read_bytes() for file in ASSETS.iterdir() if file.is_file()}

    async def asset(request: Request) -> Response:
        name = request.path_params.get("name") or PAGES[request.url.path]
        media = MEDIA_TYPES.get(Path(name).suffix)
        if name not in shipped or media is None:
            return trouble(404, "There is no such file.")
        return Response(shipped[name], media_type=media)

    app = Starlette(
        routes=[
            *(Route(path, asset) for path in PAGES),
            Route("/assets/{name}", asset),
            Route("/api/snapshot", _snapshot),
            Route("/api/calendar", _calendar),
            Route("/api/why/{kind}/{id:path}", _why),
            Route("/api/events", _events),
            Route("/api/{act}", _act, methods=["POST"]),
        ],
        middleware=[Middleware(Doorkeeper, allowed=frozenset(allowed_hosts))],
    )
    app.state.desk, app.state.streams = desk, set()
    return app
