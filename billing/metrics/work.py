"""How much work is it to be paid, how long do clients wait for us, and what work is saved?"""

import bisect
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from billing.metrics import Spread, ratio, spread

BILLING_TOUCHES = frozenset({"dunning", "staff_text", "answer"})
"""Kinds of what we write to a client that count as work on a bill."""
_SECOND = dt.timedelta(seconds=1)
BY_STAFF = "staff_text"
ANSWERS = frozenset({BY_STAFF, "answer"})
"""Kinds that answer a client; a reminder that happens to leave then answers nothing."""
MINUTES = {
    "dunning": 6,
    "renewal": 8,
    "receipt": 2,
    "answer": 3,
    "escalation": 20,
    "logged": 1,
}
"""What each takes by hand, which nobody has to do any more; see ``hours_recaptured``."""


class Cycle(NamedTuple):
    """An invoice that was settled: open from the day it was issued to the day it was paid."""

    client_id: int
    issued_on: dt.date
    settled_on: dt.date


class Touch(NamedTuple):
    """Something that was said, either way; ``kind`` as the timeline has it."""

    client_id: int
    at: dt.datetime
    kind: str
    inbound: bool = False


@dataclass(frozen=True, slots=True)
class Touches:
    """How often we wrote for each invoice."""

    invoices: int
    untouched: int
    mean: Fraction | None
    spread: Spread


def touches_per_cycle(cycles: Sequence[Cycle], touches: Iterable[Touch]) -> Touches:
    """Touches per billing cycle: how often we wrote to a client before an invoice was settled.

    Formula: reminders, answers and what staff wrote to the client from the day the invoice was
    issued to the day it was settled, per invoice settled in the period; mean, median and 90th
    percentile. A message while two invoices are open is a touch of both. Receipts and renewals are
    none.

    Settled: nothing is open any more, and money was paid on it.

    Disputed, unapplied and foreign money: invoices are counted, not added.

    Source: Counterfoil's own.
    """
    days: defaultdict[int, list[dt.date]] = defaultdict(list)
    for touch in touches:
        if not touch.inbound and touch.kind in BILLING_TOUCHES:
            days[touch.client_id].append(touch.at.date())
    for found in days.values():
        found.sort()
    counts = [
        bisect.bisect_right(days[one.client_id], one.settled_on)
        - bisect.bisect_left(days[one.client_id], one.issued_on)
        if one.client_id in days
        else 0
        for one in cycles
    ]
    return Touches(len(counts), counts.count(0), ratio(sum(counts), len(counts)), spread(counts))


@dataclass(frozen=True, slots=True)
class Responses:
    """Hours that clients waited for the first answer of anybody, of a machine, of a person."""

    first: Spread
    automatic: Spread
    staff: Spread
    waiting: int
    """Whom nobody has answered yet."""


def first_response(touches: Iterable[Touch]) -> Responses:
    """First-response times: hours from a client's message to our first answer.

    Formula: from the first message that a client wrote since our last answer to the next answer,
    over messages that came in the period; median and 90th percentile. An answer is what staff wrote
    or an automatic answer to what was asked; reminders, receipts and confirmations answer nothing.
    By staff: to the first answer that a person wrote, whatever a machine said before.

    Left out: automatic mail of the client's side, such as out-of-office notes.

    Still waiting: not in the hours; their number is beside them.

    Source: Counterfoil's own.
    """
    by_client: defaultdict[int, list[Touch]] = defaultdict(list)
    for touch in touches:
        if (touch.inbound and touch.kind == "message") or touch.kind in ANSWERS:
            by_client[touch.client_id].append(touch)
    first: list[Fraction] = []
    automatic: list[Fraction] = []
    staff: list[Fraction] = []
    waiting = 0
    for said in by_client.values():
        said.sort(key=lambda one: (one.at, not one.inbound))
        answered = list(_answers(said, ANSWERS))
        first += [hours for _, hours in answered]
        automatic += [hours for kind, hours in answered if kind != BY_STAFF]
        staff += [hours for _, hours in _answers(said, frozenset({BY_STAFF}))]
        waiting += _waits(said)
    return Responses(spread(first), spread(automatic), spread(staff), waiting)


def _answers(said: Sequence[Touch], kinds: frozenset[str]) -> Iterable[tuple[str, Fraction]]:
    """The kind of each first answer, and how many hours it took."""
    asked: dt.datetime | None = None
    for touch in said:
        if touch.inbound:
            asked = asked or touch.at
        elif asked is not None and touch.kind in kinds:
            yield touch.kind, Fraction((touch.at - asked) // _SECOND, 3600)
            asked = None


def _waits(said: Sequence[Touch]) -> bool:
    return said[-1].inbound


@dataclass(frozen=True, slots=True)
class Hours:
    """Tasks that were done by themselves, and the hours they would have taken."""

    tasks: Mapping[str, int]
    minutes: int

    @property
    def hours(self) -> Fraction:
        """All of them."""
        return Fraction(self.minutes, 60)


def hours_recaptured(tasks: Mapping[str, int]) -> Hours:
    """Staff hours recaptured: work that was done by itself, at stated minutes per task.

    Formula: the sum of tasks of the period · minutes per task, / 60. A reminder is 6 minutes (look
    up what is open, write, send), a renewal notice 8, a receipt 2, an automatic answer 3, a case
    file for an escalation 20, and 1 for each of these messages that was logged to the timeline.

    Assumed: the minutes are a careful guess and no measurement; put your own beside the number of
    tasks. Time of staff that the system itself takes is not deducted.

    Source: Counterfoil's own.
    """
    counted = {task: many for task, many in tasks.items() if task in MINUTES}
    return Hours(counted, sum(many * MINUTES[task] for task, many in counted.items()))
