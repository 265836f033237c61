"""What shall go wrong next, and where?

Each stand-in holds one ``Faults``. A planned fault waits for the next matching call of its
endpoint; the first one that matches is taken, and used up after ``times`` calls.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict, Unpack

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.sandbox.loopback import CUT

Match = Callable[[Mapping[str, str]], bool]


class Fault(StrEnum):
    """One way in which a provider lets its caller down."""

    REFUSE = "refuse"
    """Answers with ``code`` and ``status``; nothing was accepted."""
    RATE_LIMIT = "rate_limit"
    """429 with ``Retry-After: seconds``; nothing was accepted."""
    UNAVAILABLE = "unavailable"
    """503; nothing was accepted."""
    UNAVAILABLE_AFTER_ACCEPT = "unavailable_after_accept"
    TIMEOUT = "timeout"
    """No answer for ``seconds``; nothing was accepted."""
    TIMEOUT_AFTER_ACCEPT = "timeout_after_accept"
    """Accepted and carried out; no answer for ``seconds``, then the connection is cut."""
    CUT = "cut"
    """The connection breaks before an answer; nothing was accepted."""
    CUT_AFTER_ACCEPT = "cut_after_accept"
    GARBAGE = "garbage"
    """200 with a body that is not the provider's; nothing was accepted."""
    GARBAGE_AFTER_ACCEPT = "garbage_after_accept"
    SLOW = "slow"
    """A right answer, ``seconds`` late."""
    EMPTY = "empty"
    """A list that does not show what is there yet."""
    REPEAT_CALLBACKS = "repeat_callbacks"
    REORDER_CALLBACKS = "reorder_callbacks"
    LOSE_CALLBACKS = "lose_callbacks"
    UNDELIVERED = "undelivered"
    """Handed to the carrier, never shown on the phone; ``code`` says why."""
    FAILED = "failed"
    """Never handed to the carrier; ``code`` says why."""


BEFORE_ACCEPT = frozenset(
    {Fault.REFUSE, Fault.RATE_LIMIT, Fault.UNAVAILABLE, Fault.TIMEOUT, Fault.CUT, Fault.GARBAGE}
)
AFTER_ACCEPT = frozenset(
    {
        Fault.UNAVAILABLE_AFTER_ACCEPT,
        Fault.TIMEOUT_AFTER_ACCEPT,
        Fault.CUT_AFTER_ACCEPT,
        Fault.GARBAGE_AFTER_ACCEPT,
    }
)
WIRE = BEFORE_ACCEPT | AFTER_ACCEPT | {Fault.SLOW}
"""What can happen to any call over HTTP."""


class Detail(TypedDict, total=False):
    """The numbers and words of a planned fault."""

    code: int
    status: int
    seconds: float
    reason: str


@dataclass(slots=True)
class Planned:
    """A fault that waits for its call."""

    fault: Fault
    left: int
    match: Match
    code: int = 0
    status: int = 0
    seconds: float = 30
    reason: str = ""


class Faults:
    """The planned faults of one stand-in, by endpoint.

    ``possible`` says which faults an endpoint knows; ``"*"`` stands for every other endpoint.
    """

    def __init__(self, possible: Mapping[str, Collection[Fault]]) -> None:
        self._possible = possible
        self._queues: dict[str, list[Planned]] = {}

    def plan(
        self,
        endpoint: str,
        fault: Fault,
        *,
        times: int = 1,
        match: Match | None = None,
        **detail: Unpack[Detail],
    ) -> None:
        """Let the next ``times`` matching calls of ``endpoint`` go wrong.

        Raises:
            ValueError: this endpoint does not know this fault.
        """
        known = self._possible.get(endpoint, self._possible.get("*", ()))
        if fault not in known:
            message = f"{endpoint!r} cannot {fault!r}: choose one of {sorted(known)}"
            raise ValueError(message)
        planned = Planned(fault, times, match or _anything, **detail)
        self._queues.setdefault(endpoint, []).append(planned)

    def take(self, endpoint: str, facts: Mapping[str, str]) -> Planned | None:
        """The fault for this call, if one was planned."""
        queue = self._queues.get(endpoint, [])
        planned = next((one for one in queue if one.match(facts)), None)
        if planned is None:
            return None
        planned.left -= 1
        if planned.left <= 0:
            queue.remove(planned)
        return planned

    def waiting(self) -> int:
        """How many planned calls have not gone wrong yet."""
        return sum(one.left for queue in self._queues.values() for one in queue)

    def clear(self) -> None:
        """Nothing more goes wrong."""
        self._queues.clear()


def silence(seconds: float) -> ASGIApp:
    """Hold the connection until the caller gives up or ``seconds`` are over, then cut it."""

    async def hold(scope: Scope, receive: Receive, _send: Send) -> None:
        try:
            async with asyncio.timeout(seconds):
                await _gone(receive)
        except TimeoutError:
            scope["extensions"][CUT]()
            await _gone(receive)

    return hold


def wire_answer(planned: Planned, refusal: Callable[[Planned], ASGIApp]) -> ASGIApp | None:
    """The broken answer of a fault on the wire; None where the right answer follows.

    The application must be served by ``loopback.serve``, which can cut a connection.
    """
    match planned.fault:
        case Fault.REFUSE | Fault.RATE_LIMIT:
            return refusal(planned)
        case Fault.UNAVAILABLE | Fault.UNAVAILABLE_AFTER_ACCEPT:
            return PlainTextResponse("upstream connect error", 503)
        case Fault.TIMEOUT | Fault.TIMEOUT_AFTER_ACCEPT:
            return silence(planned.seconds)
        case Fault.CUT | Fault.CUT_AFTER_ACCEPT:
            return silence(0)
        case Fault.GARBAGE | Fault.GARBAGE_AFTER_ACCEPT:
            return Response("<html>\x00<title>502", 200, media_type="text/html")
        case _:
            return None


async def broken_answer(
    planned: Planned | None, among: Collection[Fault], refusal: Callable[[Planned], ASGIApp]
) -> ASGIApp | None:
    """The broken answer if the planned fault is one of ``among``; a slow one is waited for."""
    if planned is None:
        return None
    if planned.fault is Fault.SLOW and Fault.REFUSE in among:
        await asyncio.sleep(planned.seconds)
    return wire_answer(planned, refusal) if planned.fault in among else None


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _anything(_facts: Mapping[str, str]) -> bool:
    return True
