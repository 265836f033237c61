"""Which renewal notice is due, if any, and does an overdue balance hold it back?"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from billing import calendar, gates, spelling
from billing.arrears import OpenInstalment
from billing.policy import Policy, RenewalStep

_OVER = ("renewed", "lapsed", "cancelled")
_DAY = dt.timedelta(days=1)


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
    entity: str = ""
    """The legal entity that it is with."""
    ladder: str = ""
    notice_days: int = 0
    """The client must have heard of the renewal so many days before, to be able to end it."""
    heard: bool = False
    """A notice of this term has left."""
    overrides: tuple[gates.Override, ...] = ()
    """Who lets the client's messages pass its overdue balance."""
    pinned: Policy | None = None
    """The policy by which this term's notices began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send the notice of this step; earlier ones that were missed are not sent any more."""

    rule: str
    reason: str
    step: int
    template: str
    channels: tuple[str, ...]
    override: int | None = None
    """Whose word let it pass an overdue balance."""
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
    template: str
    channels: tuple[str, ...]
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
    over = _over(renewal, today, policy, timezone)
    return over or _notice(renewal, overdue, now, policy, timezone)


def days(renewal: RenewalFact, policy: Policy) -> list[dt.date]:
    """On which day each notice is due; the first leaves time to end the agreement."""
    before = [step.days_before for step in ladder(renewal, policy)]
    if before and renewal.notice_days:
        lead = (renewal.pinned or policy).renewal.lead_days
        before[0] = max(before[0], renewal.notice_days + lead)
    return [renewal.renews_on - count * _DAY for count in before]


def last_day(renewal: RenewalFact) -> dt.date:
    """The last day on which a client who hears of the renewal can still end the agreement."""
    return renewal.renews_on - renewal.notice_days * _DAY


def ladder(renewal: RenewalFact, policy: Policy) -> tuple[RenewalStep, ...]:
    """The notices of an agreement; a term goes on under the policy by which it began."""
    return (renewal.pinned or policy).renewal.steps_of(renewal.kind, renewal.ladder)


def _over(
    renewal: RenewalFact, today: dt.date, policy: Policy, timezone: str
) -> Idle | Late | None:
    """Whether there is nothing more to send, and if so, whether somebody was left untold."""
    if renewal.state in _OVER:
        return Idle(rule=renewal.state, reason=f"{renewal.name} is {renewal.state}.")
    if not policy.renewal.renews(renewal.entity):
        reason = f"Nothing is renewed by {renewal.entity or 'this firm'}: the policy says so."
        tomorrow = calendar.midnight(today + _DAY, timezone)
        return Idle(rule="renewals_disabled", reason=reason, look_again=tomorrow)
    last = max(renewal.taken, default=0)
    if last >= len(ladder(renewal, policy)) and last not in renewal.in_vain:
        return Idle(rule="all_steps_taken", reason=f"All notices for {renewal.name} are sent.")
    if today > renewal.renews_on:
        day = spelling.day(renewal.renews_on)
        reason = f"{renewal.name} was to renew on {day}; no notice goes out any more."
        return Late(rule="renewal_date_passed", reason=reason)
    return None


def _notice(
    renewal: RenewalFact,
    overdue: Iterable[OpenInstalment],
    now: dt.datetime,
    policy: Policy,
    timezone: str,
) -> Send | Wait | Held:
    today = calendar.local_date(now, timezone)
    last, due = max(renewal.taken, default=0), days(renewal, policy)
    if last >= len(due):
        reason = f"The last notice for {renewal.name} reached nobody; its owner is told in time."
        again = calendar.midnight(renewal.renews_on + _DAY, timezone)
        return Wait(rule="last_notice_in_vain", reason=reason, look_again=again)
    reached = sum(day <= today for day in due)
    if reached <= last:
        reason = f"Notice {last + 1} for {renewal.name} is due on {spelling.day(due[last])}."
        again = calendar.midnight(due[last], timezone)
        return Wait(rule="step_not_due", reason=reason, look_again=again)
    step = ladder(renewal, policy)[reached - 1]
    refusal = gates.outreach_refusal(overdue, today, policy)
    override = gates.passing(refusal, renewal.overrides, now)
    if refusal is not None and override is None:
        return Held(
            rule=refusal.rule,
            reason=f"The notice for {renewal.name} waits: {refusal.reason}.",
            step=reached,
            template=step.template,
            channels=step.channels,
            refusal=refusal,
            look_again=calendar.midnight(renewal.renews_on + _DAY, timezone),
        )
    said = f"{renewal.name} renews on {spelling.day(renewal.renews_on)}; notice {reached} is due."
    if refusal is not None and override is not None:
        said = f"{said[:-1]}, although {gates.passed(refusal, override)}."
    return Send(
        rule="gate_override" if override else "step_due",
        reason=said,
        step=reached,
        template=step.template,
        channels=step.channels,
        override=override.id if override else None,
    )


# --- when nobody hears of it in time --------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheard:
    """An overdue balance keeps the client from hearing of the renewal while it can be ended."""

    warn: Literal["", "last_day", "past"]
    """What the owner is told now, if anything."""
    refusal: gates.Refusal
    look_again: dt.datetime | None


def unheard(
    renewal: RenewalFact,
    overdue: Iterable[OpenInstalment],
    now: dt.datetime,
    policy: Policy,
    timezone: str,
) -> Unheard | None:
    """Whether the gate holds the first notice up to the last day that is of use, or past it."""
    today, last = calendar.local_date(now, timezone), last_day(renewal)
    running = renewal.state not in _OVER and policy.renewal.renews(renewal.entity)
    if not (running and renewal.notice_days and renewal.taken) or renewal.heard:
        return None
    refusal = gates.outreach_refusal(overdue, today, policy)
    if refusal is None or gates.passing(refusal, renewal.overrides, now):
        return None
    if today > last:
        return Unheard(warn="past", refusal=refusal, look_again=None)
    warn: Literal["", "last_day"] = "last_day" if today == last else ""
    day = last + _DAY if warn else last
    return Unheard(warn=warn, refusal=refusal, look_again=calendar.midnight(day, timezone))
