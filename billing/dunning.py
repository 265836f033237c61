"""What is the next step of an account that owes money, if any, and why?

The ladder belongs to its anchor, the oldest overdue instalment that may be chased. The level an
account has reached is the highest step that named something which may be chased today: where the
steps named only what is now paid, the episode is over; where they named only what is now disputed,
promised or held, the rest starts mildly.
"""

import datetime as dt
import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from billing import calendar, money
from billing.arrears import (
    FENCES,
    Account,
    HoldFact,
    OpenInstalment,
    Taken,
    chaseable,
    collectible,
    counted_from,
    fence,
    is_overdue,
    is_settled,
    overdue,
    overdue_for,
    shortfall,
    standing,
    strongest_hold,
)
from billing.policy import Policy, Step

__all__ = [
    "Account",
    "Credit",
    "Credited",
    "Cured",
    "Decision",
    "Escalate",
    "Exhausted",
    "Held",
    "HoldFact",
    "Idle",
    "OpenInstalment",
    "Send",
    "Taken",
    "Wait",
    "chaseable",
    "collectible",
    "decide",
    "is_overdue",
]

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Remind the client, of everything overdue that may be chased, oldest first."""

    rule: str
    reason: str
    step: int
    round: int
    anchor: OpenInstalment
    listed: tuple[OpenInstalment, ...]
    template: str
    channels: tuple[str, ...]
    total: int
    look_again: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalate:
    """Hand over to the owner; the client hears nothing."""

    rule: str
    reason: str
    step: int
    round: int
    anchor: OpenInstalment
    listed: tuple[OpenInstalment, ...]
    total: int
    look_again: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Credited:
    """A step that counts as sent on its own day, before the account came to us."""

    step: int
    round: int
    on: dt.date
    listed: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """Store these steps as imported and decide again."""

    rule: str
    reason: str
    steps: tuple[Credited, ...]
    look_again: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing yet; time alone can change that."""

    rule: str
    reason: str
    look_again: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A hold stops everything that could be sent; without ``look_again`` a person releases it."""

    rule: str
    reason: str
    hold: HoldFact
    look_again: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cured:
    """All that the episode named is settled: begin the next episode and decide again."""

    rule: str
    reason: str
    look_again: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """There is nothing to chase; ``look_again`` when more becomes overdue by itself."""

    rule: str
    reason: str
    look_again: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhausted:
    """The ladder is at its end: a person's turn."""

    rule: str
    reason: str
    look_again: dt.datetime | None = None


Decision = Send | Escalate | Credit | Wait | Held | Cured | Idle | Exhausted


def decide(account: Account, now: dt.datetime, policy: Policy) -> Decision:
    """The one thing to do for an account at a moment.

    Raises:
        ValueError: the client's time zone is unknown.
    """
    case = _Case(standing(account, now, policy), calendar.local_date(now, account.timezone), policy)
    if is_settled(account, policy):
        return Cured(rule="cured", reason="Everything that was asked for is settled.")
    if not case.account.instalments:
        return Idle(rule="nothing_open", reason="Nothing is open.")
    hold = strongest_hold(case.account)
    if hold is not None:
        return _held(hold, "The client", account.timezone)
    return _nothing_to_chase(case) or _ladder(case)


@dataclass(frozen=True)
class _Case:
    """An account as it stands on a day, and what follows from both."""

    account: Account
    today: dt.date
    policy: Policy

    @functools.cached_property
    def late(self) -> tuple[OpenInstalment, ...]:
        return overdue(self.account, self.today, self.policy)

    @functools.cached_property
    def anchor(self) -> OpenInstalment:
        """The oldest, but a remainder within the tolerance does not carry the ladder."""
        tolerance = self.policy.dunning.tolerance.of(self.account.currency)
        return next((i for i in self.late if chaseable(i) > tolerance), self.late[0])

    @functools.cached_property
    def total(self) -> int:
        return collectible(self.account, self.today, self.policy)

    @functools.cached_property
    def taken(self) -> tuple[Taken, ...]:
        """The steps that named something that may be chased today."""
        late = {instalment.id for instalment in self.late}
        return tuple(t for t in self.account.taken if not t.listed or t.listed & late)

    @functools.cached_property
    def level(self) -> int:
        return max((taken.step for taken in self.taken if taken.how != "failed"), default=0)

    def overdue_on(self, instalment: OpenInstalment) -> dt.date:
        return instalment.due_on + (self.policy.dunning.grace_days + 1) * _DAY

    def at(self, day: dt.date) -> dt.datetime:
        return calendar.midnight(day, self.account.timezone)

    def written(self, amount: int) -> str:
        return money.display(amount, self.account.currency)


def _held(hold: HoldFact, who: str, timezone: str) -> Held:
    end = "until somebody releases it"
    if hold.until is not None:
        end = f"until {calendar.local_date(hold.until, timezone)}"
    reason = f"{who} is on hold {end}: {hold.reason}."
    return Held(rule="held", reason=reason, hold=hold, look_again=hold.until)


def _nothing_to_chase(case: _Case) -> Held | Wait | Idle | None:
    """Why there is no amount to ask for; None when there is one."""
    if not case.late:
        return _fenced(case) or _not_overdue(case)
    rule, reason = shortfall(case.account, case.today, case.policy)
    return Idle(rule=rule, reason=reason, look_again=_more_to_chase(case)) if rule else None


def _not_overdue(case: _Case) -> Wait:
    first = min(case.account.instalments, key=lambda i: (i.due_on, i.id))
    return Wait(
        rule="not_overdue",
        reason=f"Nothing is overdue; {first.number} is due on {first.due_on}.",
        look_again=case.at(case.overdue_on(first)),
    )


def _fenced(case: _Case) -> Held | Idle | None:
    """All that is overdue is held, disputed, promised or under way."""
    grace = case.policy.dunning.grace_days
    late = [i for i in case.account.instalments if is_overdue(i, case.today, grace)]
    if not late:
        return None
    first = min(late, key=lambda i: (counted_from(i, case.policy), i.due_on, i.id))
    rule, look_again = fence(first), _more_to_chase(case)
    holds = [hold for hold in case.account.holds if hold.invoice_id == first.invoice_id]
    if rule == "held" and holds:
        held = _held(holds[-1], first.number, case.account.timezone)
        return replace(held, look_again=look_again)
    others = f" and {len(late) - 1} more cannot be chased either" if len(late) > 1 else ""
    reason = f"{first.number} is {FENCES[rule]}{others}."
    return Idle(rule=rule, reason=reason, look_again=look_again)


def _more_to_chase(case: _Case) -> dt.datetime | None:
    """When time alone adds something: an instalment becomes overdue, or its hold ends."""
    return min(_additions(case), default=None)


def _additions(case: _Case) -> Iterator[dt.datetime]:
    grace = case.policy.dunning.grace_days
    for instalment in case.account.instalments:
        if not is_overdue(instalment, case.today, grace) and chaseable(instalment):
            yield case.at(case.overdue_on(instalment))
    yield from _ends(case)


def _ends(case: _Case) -> Iterator[dt.datetime]:
    """When something that stands against an amount ends by itself."""
    yield from (hold.until for hold in case.account.holds if hold.until is not None)
    if case.account.promised_until is not None:
        yield case.account.promised_until


def _ladder(case: _Case) -> Decision:
    """Something may be chased: the next step, or why it is not its time."""
    if any(taken.how == "escalated" for taken in case.taken):
        return Exhausted(rule="escalated", reason="The account is with its owner.")
    queued = [taken for taken in case.account.taken if taken.how == "queued"]
    if queued:
        reason = f"Step {queued[-1].step} has not gone out yet."
        return Wait(rule="step_queued", reason=reason, look_again=case.at(case.today + _DAY))
    credit = _credit(case)
    if credit is not None:
        return credit
    steps = case.policy.dunning.steps
    if case.level >= len(steps):
        return Exhausted(rule="all_steps_taken", reason="All steps are taken; a person decides.")
    return _next(case, case.level + 1)


def _credit(case: _Case) -> Credit | None:
    """Reminders whose day had long passed when the account was imported."""
    if case.account.imported_on is None:
        return None
    passed = case.account.imported_on - case.policy.dunning.catch_up_days * _DAY
    steps: list[Credited] = []
    for number, step in enumerate(case.policy.dunning.steps, 1):
        days = {i.id: _reached_on(case, i, step) for i in case.late}
        listed = frozenset(id_ for id_, day in days.items() if day < passed)
        if step.action == "escalate" or not listed:
            break
        if number > case.level:
            steps.append(Credited(number, _round(case, number), min(days.values()), listed))
    if not steps:
        return None
    numbers = ", ".join(str(step.step) for step in steps)
    reason = f"The day of step {numbers} had passed long before the import; nothing is sent for it."
    return Credit(rule="imported", reason=reason, steps=tuple(steps))


def _reached_on(case: _Case, instalment: OpenInstalment, step: Step) -> dt.date:
    """The day an instalment is old enough for a step, and overdue."""
    old = counted_from(instalment, case.policy) + step.offset * _DAY
    return max(old, case.overdue_on(instalment))


def _next(case: _Case, number: int) -> Send | Escalate | Wait | Exhausted:
    step = case.policy.dunning.steps[number - 1]
    failed = sum(taken.step == number and taken.how == "failed" for taken in case.taken)
    if failed >= case.policy.dunning.rounds:
        return _escalate(case, number, "undeliverable", f"no message of step {number} got through")
    rested = _rested_on(case, number)
    day = max(_reached_on(case, case.anchor, step), rested)
    if case.today < day:
        return _wait(case, number, day, rested)
    if step.action == "escalate":
        return _escalate(case, number, "escalation_due", f"step {number} hands over to the owner")
    return _send(case, number)


def _rested_on(case: _Case, number: int) -> dt.date:
    """The first day on which the ladder lets the client alone long enough."""
    if not case.account.taken:
        return dt.date.min
    last = max(taken.taken_on for taken in case.account.taken)
    return last + max(1, _gap(case, number)) * _DAY


def _gap(case: _Case, number: int) -> int:
    """Days between a step and the one before; for a second try, or a mild new start, a day.

    A step is tried again after the distance to the next one, so that a round is not a burst.
    """
    steps = case.policy.dunning.steps
    if any(taken.step == number and taken.how == "failed" for taken in case.taken):
        number = min(number + 1, len(steps))
    return steps[number - 1].offset - steps[number - 2].offset if number > 1 else 1


def _wait(case: _Case, number: int, day: dt.date, rested: dt.date) -> Wait:
    """Until the day, or sooner when something older may be chased before it."""
    step, grace = case.policy.dunning.steps[number - 1], case.policy.dunning.grace_days
    later = (
        max(_reached_on(case, instalment, step), rested)
        for instalment in case.account.instalments
        if not is_overdue(instalment, case.today, grace) and chaseable(instalment)
    )
    reason = f"Step {number} is due on {day}; {_age(case)}."
    look_again = min(case.at(min(day, *later, day)), *_ends(case), case.at(day))
    return Wait(rule="step_not_due", reason=reason, look_again=look_again)


def _send(case: _Case, number: int) -> Send:
    step = case.policy.dunning.steps[number - 1]
    return Send(
        rule="step_due",
        reason=f"Step {number} is due: {_age(case)}; {case.written(case.total)} in all.",
        step=number,
        round=_round(case, number),
        anchor=case.anchor,
        listed=case.late,
        template=step.template,
        channels=step.channels,
        total=case.total,
    )


def _escalate(case: _Case, number: int, rule: str, why: str) -> Escalate | Exhausted:
    if any(taken.how == "escalated" for taken in case.account.taken):
        return Exhausted(rule="escalated", reason="The account is with its owner.")
    return Escalate(
        rule=rule,
        reason=f"A person's turn, {why}: {_age(case)}; {case.written(case.total)} in all.",
        step=number,
        round=_round(case, number),
        anchor=case.anchor,
        listed=case.late,
        total=case.total,
    )


def _round(case: _Case, number: int) -> int:
    """A step that was taken before in this episode, for other debt or in vain, goes again."""
    return 1 + max((taken.round for taken in case.account.taken if taken.step == number), default=0)


def _age(case: _Case) -> str:
    anchor = case.anchor
    late = overdue_for((case.today - anchor.due_on).days)
    return f"{anchor.number}, issued on {anchor.issued_on}, is {late}"
