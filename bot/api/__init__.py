"""What can another system ask and tell over HTTP, with a token in its hand?

``POST /api/v1/facts`` books what it is told while the caller waits, and says of every fact what it
changed. All of a request is booked or nothing, unless ``?partial=true``. Facts have keys, so the
same request again changes nothing; what was booked is kept as a row in the same transaction.
"""

import asyncio
import math
import re
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response, Security
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool
from structlog.contextvars import bound_contextvars

from billing import engines, references
from billing.store import Moved
from bot import access, factsheet, hearsay, intake
from bot.api import handbook, page, tokens
from bot.app import App
from bot.bodies import TooLarge, body_of
from bot.bookings import Outcome
from bot.factsheet import Misread, Mistake
from bot.inbox import Parcel
from bot.watching.logs import carried
from comms.facts import Tellable

BURST, A_SECOND = 100, 20
"""Requests of one token at once, and for long."""
_GIVEN = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_JSON = re.compile(r"application/json\s*(;.*)?", re.IGNORECASE)
log = structlog.get_logger("api")


class Refused(Exception):
    """The answer is no: its status, a code for programs and a sentence for people."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": code, "message": message}} | more
        self.headers: dict[str, str] = {}


def api(app: App) -> APIRouter:
    """The routes under ``/api/v1``."""
    routes = APIRouter(
        prefix="/api/v1",
        dependencies=[Security(HTTPBearer(auto_error=False, scheme_name="token"))],
    )
    routes.add_api_route(
        "/facts", Api(app).facts, methods=["POST"], tags=["facts"], summary="Tell facts",
        response_class=JSONResponse, responses=handbook.ANSWERS, openapi_extra=handbook.request(),
    )  # fmt: skip
    routes.add_api_route("/docs", page.page, methods=["GET"], include_in_schema=False)
    return routes


def need_json(request: Request) -> None:
    """Refuse a body that says it is something else.

    Raises:
        Misread: it is no JSON by its own word.
    """
    if not _JSON.fullmatch(request.headers.get("content-type", "")):
        raise Misread([Mistake(None, "", "must come with Content-Type: application/json")])


def misread(error: Misread) -> dict[str, Any]:
    """What the sender of a wrong body is told, mistake by mistake."""
    named = [
        {"index": one.index, "field": one.field, "message": one.sentence} for one in error.mistakes
    ]
    return {"error": {"code": "malformed", "message": str(error)}, "mistakes": named}


def unheard(told: Sequence[Tellable], scopes: Sequence[str]) -> list[Mistake]:
    """The facts that speak for a source for which these scopes may not."""
    return [
        Mistake(index, "source", access.silence(scopes, fact.source))
        for index, fact in enumerate(told)
        if not access.may_tell(scopes, fact.source)
    ]


class Api:
    """Answers requests that carry a token."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._rates = Rates(BURST, A_SECOND)
        self._turns = defaultdict[int, asyncio.Lock](asyncio.Lock)

    async def facts(self, request: Request) -> Response:
        """Book facts now, and say of each what it changed."""
        return await self._answered(request, self._facts)

    async def _answered(
        self, request: Request, work: Callable[[Request, str], Awaitable[Response]]
    ) -> Response:
        """The answer with the id by which caller and log mean the same request."""
        given = request.headers.get("x-request-id", "")
        name = given if _GIVEN.fullmatch(given) else secrets.token_hex(16)
        with bound_contextvars(request=name):
            try:
                response = await work(request, name)
            except Refused as error:
                log.info("api_refused", status=error.status, path=request.url.path)
                response = JSONResponse(error.body, error.status, headers=error.headers)
        response.headers["X-Request-Id"] = name
        response.headers["Cache-Control"] = "no-store"
        return response

    async def _facts(self, request: Request, name: str) -> Response:
        caller = await run_in_threadpool(self._caller, request.headers.get("authorization", ""))
        self._rates.take(caller.token_id, self._app.clock.wall().timestamp())
        if not any(one.startswith(access.FACTS) for one in caller.scopes):
            raise Refused(403, "forbidden", f"this token lacks the scope {access.FACTS}")
        partial = _flag(request, "partial")
        raw, told = await _told(request)
        if wrong := unheard(told, caller.scopes):
            raise Refused(403, "forbidden", "; ".join(map(str, wrong[:20])))
        parcel = Parcel(factsheet.ASKED, f"{caller.token_id}:{secrets.token_hex(8)}:{name}", raw)
        telling = _Telling(caller.token_id, parcel, told, partial=partial)
        # One of a token at a time: what others bring, such as a STOP, waits for one at most.
        async with self._turns[caller.token_id]:
            outcomes = await self._book(telling)
        self._app.wake.set()
        log.info("told", source=parcel.source, facts=len(told), token=caller.token_id)
        return JSONResponse({"results": results(outcomes)})

    def _caller(self, authorization: str) -> "_Caller":
        with self._app.store.read() as session:
            row = tokens.find(session, authorization, self._app.clock.now())
            if row is not None:
                return _Caller(row.id, tokens.scopes_of(row))
        raise _unknown_caller()

    async def _book(self, telling: "_Telling") -> list[Outcome]:
        keys = await run_in_threadpool(hearsay.spare_keys, self._app, telling.told)
        self._app.inbox.open_day(self._app.clock.now())
        try:
            return await self._write(telling, keys)
        except (IntegrityError, Moved, OperationalError):
            pass  # somebody made the same client meanwhile: it is known now
        try:
            return await self._write(telling, keys)
        except (IntegrityError, Moved, OperationalError) as error:
            raise _put_off(error) from error

    async def _write(self, telling: "_Telling", keys: Sequence[str]) -> list[Outcome]:
        return await self._app.store.write(
            carried(lambda session: self._take(session, telling, keys)),
            clients=lambda session: {
                client for fact in telling.told for client in intake.clients_of(fact)(session)
            },
        )

    def _take(self, session: Session, telling: "_Telling", keys: Sequence[str]) -> list[Outcome]:
        """All of it or nothing, in one transaction with the row that keeps it."""
        office = self._app.office()
        if not tokens.use(session, telling.token_id, office.now):
            raise _unknown_caller()
        outcomes = intake.take_told(session, office, telling.told, keys)
        if not telling.partial and any(one.error for one in outcomes):
            raise _nothing_booked(outcomes)
        self._app.inbox.keep(session, telling.parcel, office.now, state="done")
        hearsay.wake(session, outcomes, office.now)
        return outcomes


@dataclass(frozen=True, slots=True)
class _Caller:
    token_id: int
    scopes: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Telling:
    """A request to book."""

    token_id: int
    parcel: Parcel
    told: Sequence[Tellable]
    partial: bool


class Rates:
    """A bucket for each token: so many requests at once, and so many a second for long."""

    def __init__(self, burst: float, a_second: float) -> None:
        self._burst = burst
        self._a_second = a_second
        self._left: dict[int, tuple[float, float]] = {}

    def take(self, token_id: int, now: float) -> None:
        """One request of a token.

        Raises:
            Refused: there were too many; it says when to come again.
        """
        left, then = self._left.get(token_id, (self._burst, now))
        left = min(self._burst, left + max(0.0, now - then) * self._a_second)
        if left < 1:
            self._left[token_id] = (left, now)
            many = Refused(429, "too_many", f"at most {self._a_second:g} requests a second")
            many.headers["Retry-After"] = str(math.ceil((1 - left) / self._a_second))
            raise many
        self._left[token_id] = (left - 1, now)


def results(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """What became of each fact, with our ids of what it is about."""
    return [{"index": index} | _result(one) for index, one in enumerate(outcomes)]


def _result(outcome: Outcome) -> dict[str, Any]:
    if outcome.applied is None:
        return {"error": {"code": _code(outcome), "message": str(outcome.error)}}
    values = {one.name: getattr(outcome.applied, one.name) for one in fields(outcome.applied)}
    ids = {
        name.removesuffix("_id"): value
        for name, value in values.items()
        if name.endswith("_id") and value is not None
    }
    return {"applied": outcome.applied.changed} | ids


def _code(outcome: Outcome) -> str:
    return "unknown" if isinstance(outcome.error, references.Unknown) else "contradiction"


def _nothing_booked(outcomes: Sequence[Outcome]) -> Refused:
    wrong = [one for one in results(outcomes) if "error" in one]
    codes = {one["error"]["code"] for one in wrong}
    code = "contradiction" if "contradiction" in codes else "unknown"
    said = f"{len(wrong)} of {len(outcomes)} facts cannot be booked, so nothing was; see results"
    return Refused(422, code, said, results=wrong)


def _put_off(error: Exception) -> Refused:
    """Nothing is wrong with the request: who is in its way, and when to send it again."""
    if isinstance(error, OperationalError) and not engines.contended(error.orig):
        log.error("store_unwritable", error=type(error.orig).__name__)
        refused = Refused(503, "unavailable", "the store cannot be written now; send it again")
        refused.headers["Retry-After"] = "60"
        return refused
    refused = Refused(503, "busy", "others are booking into the same clients; send it again")
    refused.headers["Retry-After"] = "5"
    return refused


def _unknown_caller() -> Refused:
    said = "Authorization needs `Bearer` and a token that is valid: `counterfoil access token`"
    refused = Refused(401, "unauthorized", said)
    refused.headers["WWW-Authenticate"] = 'Bearer realm="counterfoil"'
    return refused


def _flag(request: Request, name: str) -> bool:
    given = request.query_params.get(name, "false").lower()
    if given not in {"true", "false"}:
        raise Refused(400, "malformed", f"{name} must be true or false")
    return given == "true"


async def _told(request: Request) -> tuple[bytes, list[Tellable]]:
    try:
        need_json(request)
        raw = await asyncio.to_thread(factsheet.covered, await body_of(request))
        return raw, await asyncio.to_thread(factsheet.read, raw)
    except TooLarge as error:
        raise Refused(413, "too_large", str(error)) from error
    except Misread as error:
        body = misread(error)
        raise Refused(400, mistakes=body["mistakes"], **body["error"]) from error
