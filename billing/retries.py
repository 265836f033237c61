"""When is a charge for a renewal that was declined tried again, and where does that leave it?

We charge no cards: a try that is due is a task for whoever does. The rule counts what failed by
itself; what the customer tried is theirs. A new card is tried at once and is no rung of the ladder.
"""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from billing.policy import Retries

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to charge; ``at`` is when it failed, succeeded, or was last heard of."""

    payment_id: int
    at: dt.datetime
    outcome: Literal["succeeded", "failed", "under_way"]
    initiated_by: str = "system"
    hard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What is charged for the renewal of an agreement: an invoice, or the term itself."""

    key: str
    term: dt.date
    amount: int
    currency: str
    attempts: tuple[Attempt, ...]
    """In the order in which they happened."""
    settled: bool = False
    """It was paid, in whatever way."""
    pinned: Retries | None = None
    """What its ladder said when it first failed; what holds, before it was looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """The try that comes next, its number on the ladder (from 1), and when."""

    rule: str
    reason: str
    number: int
    at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Nothing is tried; after ``until``, where there is one, a person decides."""

    rule: str
    reason: str
    until: dt.datetime | None = None


Decision = Next | Rest


def before_the_end(item: Item, ended_on: dt.date | None) -> Item:
    """The item without what happened after its agreement had ended."""
    if ended_on is None:
        return item
    kept = tuple(one for one in item.attempts if one.at.date() < ended_on)
    return dataclasses.replace(item, attempts=kept)


def is_dunned(item: Item) -> bool:
    """It was charged, that failed, and it is not paid."""
    return not is_clear(item) and bool(_failures(item))


def is_clear(item: Item) -> bool:
    """Paid by a charge, or in another way."""
    return item.settled or any(one.outcome == "succeeded" for one in item.attempts)


def first_failure(item: Item) -> Attempt:
    """What its ladder counts from, of an item that is dunned."""
    return _failures(item)[0]


def deadline(item: Item, policy: Retries) -> dt.datetime:
    """Until when it is tried, of an item that is dunned."""
    return first_failure(item).at + (item.pinned or policy).deadline_days * _DAY


def decide(item: Item, cards: Sequence[dt.datetime], policy: Retries) -> Decision:
    """What is tried next of an item; ``cards`` are the moments of new cards, the oldest first."""
    if is_clear(item):
        return Rest(rule="recovered", reason="It is paid.")
    failures = _failures(item)
    if not failures:
        return Rest(rule="nothing_failed", reason="No charge of ours has failed.")
    latest, end = item.attempts[-1], deadline(item, policy)
    if latest.outcome == "under_way":
        return Rest(rule="charge_under_way", reason="A charge is under way.", until=end)
    rungs = [one for one in failures if not _is_of_new_card(one, item, cards)]
    newest = max(cards, default=None)
    if newest is not None and newest > latest.at:
        reason = "They gave a new card, which is tried at once."
        return Next(rule="new_card", reason=reason, number=len(rungs), at=newest)
    if latest.hard:
        reason = "Their bank refuses this card for good; only another card, or they, can pay."
        return Rest(rule="hard_decline", reason=reason, until=end)
    return _rung(rungs or failures[:1], latest, end, item.pinned or policy)


def _rung(rungs: Sequence[Attempt], latest: Attempt, end: dt.datetime, policy: Retries) -> Decision:
    number = len(rungs)
    if number <= len(policy.after_days):
        days = policy.after_days[number - 1]
        at = rungs[-1].at + days * _DAY
        if latest.initiated_by == "system" and latest.at >= at:
            at = latest.at + _DAY  # the new card was tried on the very day of the next rung
        if at <= end:
            reason = f"Try {number} after the first failure comes {days} days after the last."
            return Next(rule="retry_due", reason=reason, number=number, at=at)
    reason = f"{number} charges have failed; a person decides what becomes of it."
    return Rest(rule="retries_over", reason=reason, until=end)


def _failures(item: Item) -> list[Attempt]:
    return [
        one for one in item.attempts if one.outcome == "failed" and one.initiated_by == "system"
    ]


def _is_of_new_card(failure: Attempt, item: Item, cards: Sequence[dt.datetime]) -> bool:
    """The first try after a card was changed, where something had failed before the change."""
    before = [one.at for one in item.attempts if one.at < failure.at]
    since = max(before, default=None)
    return since is not None and any(since < card <= failure.at for card in cards)


# --- where that leaves the agreement --------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """An agreement as its charges see it; pauses are spans, without an end while they last."""

    state: str
    ended_on: dt.date | None = None
    pauses: tuple[tuple[dt.date, dt.date | None], ...] = ()


Standing = Literal[
    "active", "past_due", "suspended", "cancel_scheduled", "ended", "renewed", "lapsed", "cancelled"
]

_TOLD: dict[str, Standing] = {"renewed": "renewed", "lapsed": "lapsed", "cancelled": "cancelled"}


def standing(
    term: Term, items: Sequence[Item], now: dt.datetime, today: dt.date, policy: Retries
) -> Standing:
    """Where an agreement stands; active again only when every item that was dunned is paid."""
    if term.ended_on is not None and term.ended_on <= today:
        return "ended"
    if any(first <= today and (end is None or today < end) for first, end in term.pauses):
        return "suspended"
    failing = [one for one in items if is_dunned(before_the_end(one, term.ended_on))]
    if failing:
        over = any(deadline(one, policy) < now for one in failing)
        return "suspended" if over else "past_due"
    if term.ended_on is not None:
        return "cancel_scheduled"
    return _TOLD.get(term.state, "active")
