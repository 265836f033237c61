"""Which renewal notice is due, if any, and does an overdue balance hold it back?"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from billing import calendar, gates
from billing.arrears import OpenInstalment
from billing.policy import Policy

_OVER = ("renewed", "lapsed", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalFact:
    """An agreement that ends on ``renews_on``; ``taken`` are the steps (from 1) that were taken."""

    agreement_id: int
    name: str
    kind: str
    renews_on: dt.date
    amount: int
    currency: str
    taken: tuple[int, ...]
    state: str
    in_vain: tuple[int, ...] = ()
    """Those of the steps taken whose notice nobody got."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send the notice of this step; earlier ones that were missed are not sent any more."""

    rule: str
    reason: str
    step: int
    template: str
    channels: tuple[str, ...]
    look_again: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The next notice is not due yet."""

    rule: str
    reason: str
    look_again: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A notice is due but the client is overdue; a payment frees it, the renewal date ends it."""

    rule: str
    reason: str
    step: int
    refusal: gates.Refusal
    look_again: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """The renewal date has passed with a notice unsent: the owner is told, the client is not."""

    rule: str
    reason: str
    look_again: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """There is nothing to send any more."""

    rule: str
    reason: str
    look_again: dt.datetime | None = None


Decision = Send | Wait | Held | Late | Idle


def decide(
    renewal: RenewalFact,
    overdue: Iterable[OpenInstalment],
    now: dt.datetime,
    policy: Policy,
    timezone: str,
) -> Decision:
    """The one thing to do for an agreement at a moment.

    ``overdue`` is of the whole client, with every entity and in every currency.

    Raises:
        ValueError: the client's time zone is unknown.
    """
    today = calendar.local_date(now, timezone)
    return _over(renewal, today, policy) or _notice(renewal, overdue, today, policy, timezone)


def _over(renewal: RenewalFact, today: dt.date, policy: Policy) -> Idle | Late | None:
    """Whether there is nothing more to send, and if so, whether somebody was left untold."""
    if renewal.state in _OVER:
        return Idle(rule=renewal.state, reason=f"{renewal.name} is {renewal.state}.")
    last = max(renewal.taken, default=0)
    if last >= len(policy.renewal.steps) and last not in renewal.in_vain:
        return Idle(rule="all_steps_taken", reason=f"All notices for {renewal.name} are sent.")
    if today > renewal.renews_on:
        reason = f"{renewal.name} was to renew on {renewal.renews_on}; no notice goes out any more."
        return Late(rule="renewal_date_passed", reason=reason)
    return None


def _notice(
    renewal: RenewalFact,
    overdue: Iterable[OpenInstalment],
    today: dt.date,
    policy: Policy,
    timezone: str,
) -> Send | Wait | Held:
    last, steps = max(renewal.taken, default=0), policy.renewal.steps
    if last >= len(steps):
        reason = f"The last notice for {renewal.name} reached nobody; its owner is told in time."
        again = calendar.midnight(renewal.renews_on + dt.timedelta(days=1), timezone)
        return Wait(rule="last_notice_in_vain", reason=reason, look_again=again)
    days = [renewal.renews_on - dt.timedelta(days=step.days_before) for step in steps]
    reached = sum(day <= today for day in days)
    if reached <= last:
        reason = f"Notice {last + 1} for {renewal.name} is due on {days[last]}."
        again = calendar.midnight(days[last], timezone)
        return Wait(rule="step_not_due", reason=reason, look_again=again)
    refusal = gates.outreach_refusal(overdue, today, policy)
    if refusal is not None:
        return _held(renewal, reached, refusal, timezone)
    return _send(renewal, reached, policy)


def _held(renewal: RenewalFact, step: int, refusal: gates.Refusal, timezone: str) -> Held:
    return Held(
        rule=refusal.rule,
        reason=f"The notice for {renewal.name} waits: {refusal.reason}.",
        step=step,
        refusal=refusal,
        look_again=calendar.midnight(renewal.renews_on + dt.timedelta(days=1), timezone),
    )


def _send(renewal: RenewalFact, number: int, policy: Policy) -> Send:
    step = policy.renewal.steps[number - 1]
    return Send(
        rule="step_due",
        reason=f"{renewal.name} renews on {renewal.renews_on}; notice {number} is due.",
        step=number,
        template=step.template,
        channels=step.channels,
    )
