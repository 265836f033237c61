"""How long does a person in Slack wait for an answer, also while nothing can be written?

A signed ``/acct …`` goes to the product's own Slack side and comes back acknowledged: in this
process, and over HTTP to one that serves. Beside it a handler that checks the same signature,
reads the form and answers a fixed sentence. Then the store is kept busy for two seconds (SQLite's
writer sleeps; on PostgreSQL another session holds the clients' rows) while many people ask for
pauses at once: each must be answered all the same, and in the end each pause must be there once.
"""

import asyncio
import hmac
import itertools
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from hashlib import sha256
from time import perf_counter
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import func, select
from sqlmodel import Session, col
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from benchmarks import product, stores, wire
from benchmarks.figures import Figure, Scale
from benchmarks.product import Vendors
from benchmarks.stores import Place
from billing.clock import SystemClock
from billing.models import Hold, Role, Staff, StaffRole
from billing.store import Store, lock
from bot import desk as desks
from bot import understanding
from bot.app import App, books
from bot.desk import Desk
from bot.models import Incoming
from bot.slack import signature
from bot.slack.hook import slack_side
from bot.spool import Spool
from bot.web import SlackSide, web

PATH = "/hooks/slack"
ADA = "U0ADA"
BLOCKED = 2.0
"""Seconds for which nothing can be written."""
_CLIENTS = {Scale.SMALL: 20_000, Scale.FULL: 1_000_000}
_ASKED = {Scale.SMALL: 300, Scale.FULL: 3000}
_AT_ONCE = {Scale.SMALL: 20, Scale.FULL: 100}
_numbers = itertools.count(1)
_Ask = Callable[[bytes], Awaitable[str]]


def figures(scale: Scale) -> Iterator[Figure]:
    """From the command to its answer, on each database."""
    with wire.serving(_workspace) as workspace:
        vendors = Vendors(slack=f"http://127.0.0.1:{workspace.port}")
        for database in stores.DATABASES:
            with stores.world(database, _CLIENTS[scale]) as place:
                _employ(place)
                for found in asyncio.run(_in_process(place, vendors, scale)):
                    yield replace(found, database=database)
                for found in _over_http(place, vendors, scale):
                    yield replace(found, database=database)


# --- in this process ------------------------------------------------------------------------------


async def _in_process(place: Place, vendors: Vendors, scale: Scale) -> list[Figure]:
    app = _app(place.url, place.keyring_url, vendors)
    side = slack_side(Desk(app))

    async def ours(body: bytes) -> str:
        return await _answered(side, body)

    try:
        many = _ASKED[scale]
        bare = await _times(_bare, itertools.repeat("help", many))
        found: list[Figure] = []
        asked: dict[str, Iterator[str]] = {
            "/acct help": itertools.repeat("help", many),
            "a client's card": (f"Client {number}" for number in range(1, many + 1)),
            "a pause, written": (f"pause Client {n} 3d away" for n in range(1, many + 1)),
        }
        for name, typed in asked.items():
            goals = ("at most 1 ms", "at most 5 ms") if name == "/acct help" else ("", "")
            found += _waits(name, await _times(ours, typed), bare, goals)
        return found + await _while_blocked(app, place, ours, _AT_ONCE[scale])
    finally:
        await app.close()


def _waits(
    name: str, ours: list[float], bare: list[float], goals: tuple[str, str], how: str = ""
) -> Iterator[Figure]:
    for share, goal in zip((50, 99), goals, strict=True):
        yield Figure(
            name=f"{name}, command to answer{how}, p{share}",
            database="",
            ours=1000 * wire.percentile(ours, share),
            bare=1000 * wire.percentile(bare, share),
            unit="ms",
            better="less",
            goal=goal,
        )


async def _times(ask: _Ask, typed: Iterator[str]) -> list[float]:
    """Each answer's time, one after the other."""
    await ask(command("help"))  # Slack is asked once who this person is
    found = []
    for words in typed:
        body = command(words)
        began = perf_counter()
        await ask(body)
        found.append(perf_counter() - began)
    return found


async def _answered(side: SlackSide, body: bytes) -> str:
    """What a person would read, after the checks that the hook makes."""
    headers = proof(body)
    now = SystemClock().wall().timestamp()
    if not signature.verify(body, headers, [product.SIGNING_SECRET], now):
        raise AssertionError("the signature is right, and was refused")
    fields = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": PATH, "headers": fields, "query_string": b""}
    answer = await side(Request(scope), body)
    if answer.status_code != 200:
        raise AssertionError(f"a command was answered {answer.status_code}")
    words = str(json.loads(bytes(answer.body))["text"])
    if words.startswith("That did not work"):
        raise AssertionError(f"a command failed: {words}")
    return words


async def _bare(body: bytes) -> str:
    headers = proof(body)
    signed = b"v0:" + headers["X-Slack-Request-Timestamp"].encode() + b":" + body
    right = "v0=" + hmac.new(product.SIGNING_SECRET.encode(), signed, sha256).hexdigest()
    if not hmac.compare_digest(right, headers["X-Slack-Signature"]):
        raise AssertionError("the signature is right, and was refused")
    asked = dict(parse_qsl(body.decode()))
    return json.dumps({"text": asked["text"], "response_type": "ephemeral"})


# --- while nothing can be written -----------------------------------------------------------------


async def _while_blocked(app: App, place: Place, ask: _Ask, many: int) -> list[Figure]:
    first = place.invoices // 2
    clients = range(first, first + many)
    begun, ended = threading.Event(), threading.Event()
    blocking = threading.Thread(target=_block, args=(app, place, clients, begun, ended))
    blocking.start()
    await asyncio.to_thread(begun.wait)
    asked = [_timed(ask, f"pause Client {number} 3d away") for number in clients]
    reading = asyncio.create_task(_reads(ask, ended))
    answers = await asyncio.gather(*asked)
    read = await reading
    await asyncio.to_thread(blocking.join)
    while app.spool.size():
        await desks.drain_spool(app)
    await _carried_out(app)
    waits, said = [took for took, _ in answers], [words for _, words in answers]
    lost = many - _paused(app, clients)
    later = said.count(desks.LATER)
    if not later:
        raise AssertionError(f"the store was not busy while it was asked: {said[0]}")
    busy = "the store busy for 2 s"
    return [
        Figure(
            name=f"{many} pauses asked for at once, {busy}, slowest answer", database="",
            ours=1000 * max(waits), bare=None, unit="ms", better="less", goal="at most 300 ms",
            note=f"{later} were told to wait: after 250 ms, and a line on disk in the spool",
        ),
        Figure(
            name=f"/acct help, command to answer, {busy}, p99", database="",
            ours=1000 * wire.percentile(read, 99), bare=None, unit="ms", better="less",
            goal="at most 300 ms", note="asked every 10 ms all the while",
        ),
        Figure(
            name="pauses lost or doubled", database="", ours=abs(lost), bare=None, unit="",
            better="less", goal="at most 0",
        ),
    ]  # fmt: skip


async def _timed(ask: _Ask, typed: str) -> tuple[float, str]:
    body = command(typed)
    began = perf_counter()
    words = await ask(body)
    return perf_counter() - began, words


async def _reads(ask: _Ask, ended: threading.Event) -> list[float]:
    found = []
    while not ended.is_set():
        found.append((await _timed(ask, "help"))[0])
        await asyncio.sleep(0.01)
    return found


def _block(
    app: App, place: Place, clients: range, begun: threading.Event, ended: threading.Event
) -> None:
    """Keep the writer busy, or the rows of these clients locked."""

    def hold(session: Session) -> None:
        lock(session, clients)
        begun.set()
        time.sleep(BLOCKED)

    if place.database == "sqlite":
        app.store.write_now(hold)
    else:
        with closing(Store(place.url)) as other:
            other.write_now(hold)
    ended.set()


async def _carried_out(app: App) -> None:
    """Let the late writes and the worker end: what was spooled is done or was done."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        await understanding.understand(app)
        with app.store.read() as session:
            waiting = select(func.count()).where(col(Incoming.state) == "pending")
            if not session.execute(waiting).scalar_one():
                return
        await asyncio.sleep(0.1)


def _paused(app: App, clients: range) -> int:
    with app.store.read() as session:
        count = select(func.count()).where(
            col(Hold.client_id) >= clients.start, col(Hold.client_id) < clients.stop
        )
        return int(session.execute(count).scalar_one())


# --- over HTTP ------------------------------------------------------------------------------------


def _over_http(place: Place, vendors: Vendors, scale: Scale) -> Iterator[Figure]:
    many = _ASKED[scale]
    with ExitStack() as stack:
        given = (place.url, place.keyring_url, vendors)
        ours = stack.enter_context(wire.serving(_site, *given))
        bare = stack.enter_context(wire.serving(_bare_site))
        ports = ours.port, bare.port
        for at_once in (1, 16):
            loads = []
            for port in ports:
                asyncio.run(wire.fire(port, [_request("help")], 1))
                requests = [_request("help") for _ in range(many)]
                loads.append(asyncio.run(wire.fire(port, requests, at_once)))
            if any(load.refused for load in loads):
                raise AssertionError("a command was refused over HTTP")
            goals = ("at most 1 ms", "at most 5 ms") if at_once == 1 else ("", "")
            times = [list(load.answers) for load in loads]
            how = " over HTTP" + (f", {at_once} at a time" if at_once > 1 else "")
            yield from _waits("/acct help", times[0], times[1], goals, how)


def _request(typed: str) -> bytes:
    body = command(typed)
    return wire.request(PATH, dict(proof(body)), body)


def _site(url: str, keyring_url: str, vendors: Vendors) -> ASGIApp:
    product.log_nowhere()
    app = _app(url, keyring_url, vendors)
    return web(app, slack_side(Desk(app)))


def _bare_site() -> ASGIApp:
    async def answer(request: Request) -> Response:
        body = await request.body()
        now = SystemClock().wall().timestamp()
        if not signature.verify(body, request.headers, [product.SIGNING_SECRET], now):
            return PlainTextResponse("", 401)
        asked = dict(parse_qsl(body.decode()))
        return JSONResponse({"text": asked["text"], "response_type": "ephemeral"})

    return Starlette(routes=[Route(PATH, answer, methods=["POST"])])


# --- who asks, and what the workspace knows -------------------------------------------------------


def command(typed: str) -> bytes:
    """What Slack posts for ``/acct …``."""
    number = next(_numbers)
    return urlencode(
        {
            "token": "gone", "team_id": "T1", "team_domain": "harbour", "channel_id": "D1",
            "channel_name": "directmessage", "user_id": ADA, "user_name": "ada",
            "command": "/acct", "text": typed, "api_app_id": "A1", "is_enterprise_install": "false",
            "response_url": product.NOWHERE, "trigger_id": f"{number}.{time.monotonic_ns()}",
        }
    ).encode()  # fmt: skip


def proof(body: bytes) -> Mapping[str, str]:
    """How Slack signs it."""
    second = str(int(SystemClock().wall().timestamp()))
    signed = f"v0:{second}:".encode() + body
    digest = hmac.digest(product.SIGNING_SECRET.encode(), signed, "sha256").hex()
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": second,
        "X-Slack-Signature": f"v0={digest}",
    }


def _workspace() -> ASGIApp:
    """What Slack knows of whoever asks: a member, no guest."""

    async def answer(_request: Request) -> Response:
        return JSONResponse({"ok": True, "user": {"id": ADA, "is_restricted": False}})

    return Starlette(routes=[Route("/api/{method}", answer, methods=["GET", "POST"])])


def _app(url: str, keyring_url: str, vendors: Vendors) -> App:
    app = books(product.settings(url, keyring_url, vendors))
    spool = Spool(stores.FOLDER / f"{time.monotonic_ns()}.spool", stores.MASTER_KEY)
    return replace(app, spool=spool)


def _employ(place: Place) -> None:
    """Ada, an account manager."""

    def employ(session: Session) -> None:
        ada = Staff(name="Ada Moss", email="ada@harbour.example", slack_user=ADA)
        session.add(ada)
        session.flush()
        for role in (Role.ACCOUNT_MANAGER, Role.ADMIN):
            session.add(StaffRole(staff_id=ada.id, role=role, granted_at=stores.NOON))

    with closing(Store(place.url)) as store:
        store.write_now(employ)
