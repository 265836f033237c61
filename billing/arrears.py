"""What does an account owe, and how much of it may be asked for today?

An account is a client with one legal entity in one currency. Amounts are minor units.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from billing import calendar, money, promises
from billing.policy import Dunning, Policy
from billing.policy.ladders import DEFAULT
from billing.promises import Promise

_DAY = dt.timedelta(days=1)

How = Literal["queued", "sent", "imported", "escalated", "failed", "cancelled"]
"""What became of a step: "queued" until its message has left or failed; "imported" was taken before
the account came to us, "escalated" told its owner, "cancelled" was not taken after all."""
HELD_FOR = {
    "reply": "they wrote, and nobody has read it yet",
    "payment_claimed": "they say that it is paid",
    "promise_proposed": "a person has yet to take what they promise",
    "under_review": "a person is looking at it",
    "away": "they are away",
}
"""What people read for the reason of a hold, where the reason itself does not say it."""
FENCES = {
    "excluded": "on a ladder that is not chased",
    "held": "on hold",
    "disputed": "disputed",
    "promised": "promised",
    "in_flight": "covered by a payment under way",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenInstalment:
    """An issued instalment with something open; amounts in minor units of its currency."""

    id: int
    invoice_id: int
    number: str
    currency: str
    issued_on: dt.date
    due_on: dt.date
    amount: int
    open: int
    kind: str = "principal"
    disputed: int = 0
    in_flight: int = 0
    promised: int = 0
    held: bool = False
    ladder: str = ""
    """Its own; that of its client or segment, or the policy's, where there is none."""
    matter: str = ""
    rejected: int = 0
    """Of what was disputed in vain, as far as it is open."""
    rejected_at: dt.datetime | None = None
    excluded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldFact:
    """A hold nobody has released: on the client, or on one invoice."""

    id: int
    reason: str
    until: dt.datetime | None
    invoice_id: int | None

    @property
    def why(self) -> str:
        """The reason as people read it."""
        said = HELD_FOR.get(self.reason)
        return f"{said} ({self.reason})" if said else self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A step (from 1) of this episode, on the client's day, and what it named.

    A notice before the due day is -1, -2… in the order of the policy.
    """

    step: int
    round: int
    taken_on: dt.date
    how: How
    listed: frozenset[int]
    taken_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A client with one legal entity in one currency; ``taken`` is of the current episode."""

    client_id: int
    legal_entity_id: int
    currency: str
    timezone: str
    country: str
    region: str
    instalments: tuple[OpenInstalment, ...]
    unapplied: int
    holds: tuple[HoldFact, ...]
    taken: tuple[Taken, ...]
    imported_on: dt.date | None
    promises: tuple[Promise, ...] = ()
    noticed: tuple[Taken, ...] = ()
    """The notices before a due day."""
    segment: str = ""
    ladder: str = ""
    pinned: Policy | None = None
    """The policy under which the episode began, once it has taken a step."""
    promised_until: dt.datetime | None = None
    """When a promise first covers less; of an account as it stands."""
    rested_until: dt.datetime | None = None
    """When the courtesy after a rejected dispute first ends; of an account as it stands."""


def is_overdue(instalment: OpenInstalment, today: dt.date, grace: int) -> bool:
    """Open after its day and the grace days; due today is not overdue."""
    return instalment.open > 0 and instalment.due_on + grace * _DAY < today


def chaseable(instalment: OpenInstalment) -> int:
    """What may be asked for: open without what is disputed, under way, promised or held."""
    if instalment.held or instalment.excluded:
        return 0
    fenced = instalment.disputed + instalment.in_flight + instalment.promised
    return max(0, instalment.open - max(0, fenced))


def collectible(account: Account, today: dt.date, policy: Policy) -> int:
    """Chaseable and overdue, less unapplied cash: what thresholds are compared with.

    Holds on an invoice count as far as its instalments say ``held``; ``standing`` makes them.
    """
    return max(0, sum(map(chaseable, overdue(account, today, policy))) - account.unapplied)


def coming(account: Account, step: int, today: dt.date) -> tuple[tuple[OpenInstalment, ...], int]:
    """What a notice before the due day named and is still to come, and its amount net of cash.

    Of an account as it stands.
    """
    named = {id_ for one in account.noticed if one.step == step for id_ in one.listed}
    found = [i for i in account.instalments if i.id in named and today <= i.due_on]
    still = sorted(filter(chaseable, found), key=lambda i: (i.due_on, i.id))
    return tuple(still), max(0, sum(map(chaseable, still)) - account.unapplied)


def overdue(account: Account, today: dt.date, policy: Policy) -> tuple[OpenInstalment, ...]:
    """The account's overdue instalments that may be chased, oldest first."""
    late = (
        instalment
        for instalment in account.instalments
        if is_overdue(instalment, today, policy.dunning.grace_days) and chaseable(instalment)
    )
    return tuple(sorted(late, key=lambda i: (counted_from(i, policy), i.due_on, i.id)))


def counted_from(instalment: OpenInstalment, policy: Policy) -> dt.date:
    """The day from which the policy counts."""
    return _counted_from(instalment, policy.dunning)


def _counted_from(instalment: OpenInstalment, ladder: Dunning) -> dt.date:
    return instalment.issued_on if ladder.count_from == "issued" else instalment.due_on


def standing(account: Account, now: dt.datetime, policy: Policy) -> Account:
    """The account at a moment: no ended holds, and on each instalment what stands against it."""
    active = tuple(hold for hold in account.holds if hold.until is None or hold.until > now)
    held = {hold.invoice_id for hold in active if hold.invoice_id is not None}
    open_ = [instalment for instalment in account.instalments if instalment.open > 0]
    place = place_of(account, policy)
    stands = [(one, promises.standing(one, now, place)) for one in account.promises]
    promised = promised_of(open_, stands)
    resting = {one.id: until for one in open_ if (until := _rests_until(one, account, now, policy))}
    is_chased = _chasing(account, policy)
    named = promised.keys() | resting.keys()
    return replace(
        account,
        holds=active,
        promised_until=min((one.until for _, one in stands if one.until), default=None),
        rested_until=min(resting.values(), default=None),
        instalments=tuple(
            # Most stand as they are, and to make one anew costs more than to look.
            one
            if is_chased(one) and one.invoice_id not in held and one.id not in named
            else replace(
                one,
                held=one.held or one.invoice_id in held,
                promised=one.promised + promised.get(one.id, 0),
                disputed=one.disputed + (one.rejected if one.id in resting else 0),
                excluded=not is_chased(one),
            )
            for one in open_
        ),
    )


def _rests_until(
    instalment: OpenInstalment, account: Account, now: dt.datetime, policy: Policy
) -> dt.datetime | None:
    """The end of the courtesy after a rejected dispute; None where it has ended."""
    if instalment.rejected_at is None:
        return None
    on = calendar.local_date(instalment.rejected_at, account.timezone)
    days = ladder_of(instalment, account, policy).courtesy_days
    until = calendar.midnight(on + days * _DAY, account.timezone)
    return until if now < until else None


def ladder_of(instalment: OpenInstalment, account: Account, policy: Policy) -> Dunning:
    """The ladder of an instalment: its own, its client's, its segment's, or the policy's.

    Of an episode that has begun, as its own version has it; a name that is new since is taken from
    the policy that holds.
    """
    own = account.pinned or policy
    segment = own.ladders.of_segment(account.segment) if account.segment else ""
    for name in (instalment.ladder, account.ladder, segment):
        if name == DEFAULT:
            break
        if name and (found := own.ladders.of(name) or policy.ladders.of(name)):
            return found
    return own.dunning


def scope_of(instalment: OpenInstalment, grouping: str) -> str:
    """The part of its account with which it is asked for; nothing for all that has no own."""
    if grouping == "invoice":
        return f"invoice:{instalment.invoice_id}"
    return f"matter:{instalment.matter}" if grouping == "matter" and instalment.matter else ""


def _chasing(account: Account, policy: Policy) -> Callable[[OpenInstalment], bool]:
    """Whom we leave alone is always as the policy that holds has it."""
    if not policy.ladders.by_name:
        return lambda _: policy.dunning.chase
    unpinned = replace(account, pinned=None)
    return lambda one: ladder_of(one, unpinned, policy).chase


def ruled(account: Account, today: dt.date, policy: Policy) -> Policy:
    """The policy with the ladder of the account's anchor; of an account as it stands."""
    own = account.pinned or policy
    chosen = own.dunning
    if own.ladders.by_name or policy.ladders.by_name:
        chosen = _of_anchor(account, today, policy)
    return policy if chosen is policy.dunning else replace(policy, dunning=chosen)


def _of_anchor(account: Account, today: dt.date, policy: Policy) -> Dunning:
    ladders = [(one, ladder_of(one, account, policy)) for one in account.instalments]
    asked = [pair for pair in ladders if chaseable(pair[0])] or ladders
    if not asked:
        return (account.pinned or policy).dunning
    late = [pair for pair in asked if is_overdue(pair[0], today, pair[1].grace_days)]

    def age(pair: tuple[OpenInstalment, Dunning]) -> tuple[dt.date, dt.date, int]:
        one, ladder = pair
        return _counted_from(one, ladder), one.due_on, one.id

    if late:
        return min(late, key=age)[1]
    return min(asked, key=lambda pair: (pair[0].due_on, pair[0].id))[1]


class _Placed(Protocol):
    @property
    def timezone(self) -> str: ...
    @property
    def country(self) -> str: ...
    @property
    def region(self) -> str: ...


def place_of(who: _Placed, policy: Policy) -> promises.Place:
    """Where promises are judged: in the client's own calendar."""
    return promises.Place(
        timezone=who.timezone,
        country=who.country,
        region=who.region,
        bank_days=policy.holds.promise_bank_days,
    )


def promised_of(
    instalments: Sequence[OpenInstalment], stands: Sequence[tuple[Promise, promises.Standing]]
) -> dict[int, int]:
    """How much of each instalment is promised: a promise covers the oldest that it is about."""
    found: dict[int, int] = {}
    for promise, stand in stands:
        left = stand.amount
        for one in sorted(instalments, key=lambda one: (one.due_on, one.id)):
            if promise.covers(one.number, one.issued_on):
                share = min(left, one.open - found.get(one.id, 0))
                found[one.id] = found.get(one.id, 0) + share
                left -= share
    return found


def strongest_hold(account: Account) -> HoldFact | None:
    """The hold on the whole client that ends last, of an account as it stands."""
    whole = [hold for hold in account.holds if hold.invoice_id is None]
    latest = dt.datetime.max.replace(tzinfo=dt.UTC)
    return max(whole, key=lambda hold: (hold.until or latest, hold.id), default=None)


def is_settled(account: Account, policy: Policy) -> bool:
    """Something was named in this episode, and no more of it is open than the tolerance."""
    named: frozenset[int] = frozenset().union(*(taken.listed for taken in account.taken))
    left = sum(max(0, i.open) for i in account.instalments if i.id in named)
    return bool(named) and left <= policy.dunning.tolerance.of(account.currency)


def fence(instalment: OpenInstalment) -> str:
    """What keeps a whole instalment from being chased, the most lasting reason first."""
    if instalment.excluded:
        return "excluded"
    if instalment.held:
        return "held"
    amounts = {
        "disputed": instalment.disputed,
        "promised": instalment.promised,
        "in_flight": instalment.in_flight,
    }
    return max(amounts, key=lambda name: amounts[name])


def shortfall(account: Account, today: dt.date, policy: Policy) -> tuple[str, str]:
    """The rule and the reason for which an amount is too little to ask for, or two empty texts."""
    total = collectible(account, today, policy)
    tolerance = policy.dunning.tolerance.of(account.currency)
    minimum = policy.dunning.minimum.of(account.currency)
    if total <= 0:
        return "in_credit", "What is overdue is covered by money on account."
    if total > tolerance and total >= minimum:
        return "", ""
    written = money.display(total, account.currency)
    if total <= tolerance:
        limit = money.display(tolerance, account.currency)
        return "within_tolerance", f"{written} is not more than the tolerance of {limit}."
    limit = money.display(minimum, account.currency)
    return "below_minimum", f"{written} is less than the minimum of {limit}."


def overdue_for(days: int) -> str:
    """As people say it: "1 day overdue", "12 days overdue"."""
    return f"{days} day{'' if days == 1 else 's'} overdue"
