"""How late do clients pay, do they keep their word, and when will what is open come in?"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from billing.metrics import percent

WEEKS = 13
"""How far a forecast looks."""
BANK_DAYS = 2
"""After the day of a promise, for the bank, where the policy does not say otherwise."""


class Paid(NamedTuple):
    """What a payment paid of an instalment; ``days`` after the due day, negative where before."""

    client_id: int
    amount: int
    days: int


@dataclass(frozen=True, slots=True)
class DaysLate:
    """How late, on average: every payment the same, and every unit of money the same."""

    count: int
    amount: int
    simple: Fraction | None
    weighted: Fraction | None


def days_late(paid: Iterable[Paid]) -> DaysLate:
    """Days late: how long after the due day money comes, simple and weighted by amount.

    Formula: simple is the sum of days late / payments; weighted is the sum of (amount · days late)
    / the sum of amounts, over what the payments of the period paid of each instalment. Paid early
    or on the day is 0 days late.

    Unapplied: money that is on no instalment paid none, so it is left out.

    Refunds: what went back, or was charged back, is not counted as paid.

    Disputed: no different.

    Foreign money: never converted; one figure per currency.

    Source: Credit Research Foundation, weighted average days late.
    """
    count = amount = 0
    plain = by_amount = 0
    for one in paid:
        late = max(0, one.days)
        count, amount = count + 1, amount + one.amount
        plain, by_amount = plain + late, by_amount + late * one.amount
    if not amount:
        return DaysLate(count, amount, None, None)
    return DaysLate(count, amount, Fraction(plain, count), Fraction(by_amount, amount))


class Promised(NamedTuple):
    """A promise (or a part of a plan) whose last day has passed, and what had come in by then."""

    amount: int
    came: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What was promised, and kept; the rates are in per cent."""

    promises: int
    kept: int
    amount: int
    came: int
    by_amount: Fraction | None
    by_count: Fraction | None


def promises_kept(promises: Iterable[Promised]) -> Kept:
    """Promise-kept rate: how much of the money that was promised came in time.

    Formula: by amount, what came, at most what was promised, / what was promised · 100; by count,
    promises kept in full / promises · 100. Of each promise whose day and bank days (2, unless the
    policy says otherwise) have passed in the period: the money since it was made, on the invoices
    it names, or else of the whole account. A part of a plan has what the parts before it left.

    Withdrawn: promises that were taken back or replaced are left out.

    Unapplied: counts where a promise names no invoice.

    Disputed: no different.

    Foreign money: a promise is kept in its own currency only.

    Source: Counterfoil's own; judged against cash, not words.
    """
    judged = list(promises)
    amount = sum(one.amount for one in judged)
    came = sum(min(one.amount, max(0, one.came)) for one in judged)
    kept = sum(one.came >= one.amount for one in judged)
    return Kept(len(judged), kept, amount, came, percent(came, amount), percent(kept, len(judged)))


class Open(NamedTuple):
    """An open amount that its client may be expected to pay: not disputed, no one else's."""

    client_id: int
    due_on: dt.date
    amount: int


class Word(NamedTuple):
    """What a client promised for a day that has not passed."""

    client_id: int
    due_on: dt.date
    amount: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """Expected money by week (Monday), what comes after, and what is late beyond the habit."""

    promised: Mapping[dt.date, int]
    by_habit: Mapping[dt.date, int]
    later: int
    beyond_habit: int

    @property
    def expected(self) -> int:
        """All that is expected in the weeks shown."""
        return sum(self.promised.values()) + sum(self.by_habit.values())


def habits(paid: Iterable[Paid]) -> tuple[Mapping[int, int], int]:
    """Days after the due day, weighted by amount, of each client and of all; rounded up."""
    by_client: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    whole = [0, 0]
    for one in paid:
        for sums in (by_client[one.client_id], whole):
            sums[0] += one.amount * one.days
            sums[1] += one.amount
    own = {client: -(-sums[0] // sums[1]) for client, sums in by_client.items() if sums[1]}
    return own, -(-whole[0] // whole[1]) if whole[1] else 0


def cash_forecast(
    debts: Sequence[Open], words: Sequence[Word], paid: Iterable[Paid], today: dt.date
) -> Forecast:
    """Cash forecast: when what is open should come in, by week, for 13 weeks.

    Formula: what a client promised is expected on its day, out of the oldest that client owes. The
    rest is expected on its due day plus the client's own habit: the days after the due day of the
    client's payments of the last 365 days, weighted by amount, early ones negative, rounded up;
    without payments, the habit of all clients. What should have come by now is shown apart, in no
    week.

    Disputed: left out.

    Unapplied: not deducted; it is money we have.

    Others' shares: left out; nobody knows the habits of an insurer from its clients.

    Foreign money: never converted; one table per currency.

    Source: Counterfoil's own; it forecasts only what is billed.
    """
    own, everybody = habits(paid)
    end = monday(today) + dt.timedelta(weeks=WEEKS)
    promised: defaultdict[dt.date, int] = defaultdict(int)
    by_habit: defaultdict[dt.date, int] = defaultdict(int)
    later = beyond = 0
    rest = _after_words(debts, words)
    for day, amount in rest.promised:
        if day < end:
            promised[monday(max(day, today))] += amount
        else:
            later += amount
    for debt in rest.open:
        day = debt.due_on + dt.timedelta(days=own.get(debt.client_id, everybody))
        if day < today:
            beyond += debt.amount
        elif day < end:
            by_habit[monday(day)] += debt.amount
        else:
            later += debt.amount
    return Forecast(promised, by_habit, later, beyond)


def monday(day: dt.date) -> dt.date:
    """The first day of its week."""
    return day - dt.timedelta(days=day.weekday())


class _Rest(NamedTuple):
    promised: list[tuple[dt.date, int]]
    open: list[Open]


def _after_words(debts: Sequence[Open], words: Sequence[Word]) -> _Rest:
    """What is promised of what is open, the oldest first, and what of it nobody promised."""
    by_client: defaultdict[int, list[Open]] = defaultdict(list)
    for debt in sorted(debts, key=lambda one: (one.due_on, one.amount), reverse=True):
        by_client[debt.client_id].append(debt)
    promised: list[tuple[dt.date, int]] = []
    for word in sorted(words, key=lambda one: (one.due_on, one.client_id, one.amount)):
        wanted, queue = word.amount, by_client[word.client_id]
        while wanted and queue:
            debt = queue.pop()
            took = min(wanted, debt.amount)
            promised.append((word.due_on, took))
            wanted -= took
            if took < debt.amount:
                queue.append(debt._replace(amount=debt.amount - took))
    return _Rest(promised, [debt for queue in by_client.values() for debt in queue])
