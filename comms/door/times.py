"""Has this person had enough from us, and is it an hour at which they may be disturbed?"""

import datetime as dt
from collections.abc import Iterator

from billing import rules
from billing.calendar import (
    EVERY_DAY,
    Hours,
    NeverOpen,
    Window,
    is_open,
    next_open,
    zone,
)
from billing.policy import Policy
from billing.rules import Rule
from comms.door.case import (
    ANY_HOUR,
    BUDGETED,
    Case,
    Finding,
    Preference,
    Recipient,
    Verdict,
)

_DAY, _WEEK = dt.timedelta(days=1), dt.timedelta(days=7)


def budget(case: Case, policy: Policy) -> Iterator[Finding]:
    """What they have had leaves room for one more; of several waits the longest comes first."""
    waits = [*_own_limits(case, policy), *_legal_limits(case, policy)]
    waits.sort(key=lambda found: found.until or case.now, reverse=True)
    yield from waits


def _own_limits(case: Case, policy: Policy) -> Iterator[Finding]:
    limits: list[tuple[str, tuple[dt.datetime, ...], int, dt.timedelta]] = []
    if case.purpose in BUDGETED:
        limits.append(("budget_day", case.spent.budgeted, policy.budget.per_day, _DAY))
        limits.append(("budget_week", case.spent.budgeted, policy.budget.per_week, _WEEK))
    if not case.written_by_person:
        brake = policy.budget.automatic_per_day
        limits.append(("loop_brake", case.spent.automatic, brake, _DAY))
    for rule, moments, limit, span in limits:
        until = _frees_at(moments, limit, span, case.now)
        if until is not None:
            reason = (
                f"This person has had {limit} from us; the next may go {until:%-d %b, %H:%M} UTC."
            )
            yield Finding("budget", Verdict.DEFER, rule, reason, until=until)


def _legal_limits(case: Case, policy: Policy) -> Iterator[Finding]:
    for rule in _of_law(case, policy):
        if rule.most is None:
            continue
        moments = tuple(moment for moment, channel in case.spent.rung if channel in rule.channels)
        until = _frees_at(moments, rule.most, rule.span, case.now)
        if until is not None:
            reason = f"{rule.cited}; the next may go {until:%-d %b, %H:%M} UTC."
            yield Finding("budget", Verdict.DEFER, "legal_cap", reason, until=until)


def _frees_at(
    moments: tuple[dt.datetime, ...], limit: int, span: dt.timedelta, now: dt.datetime
) -> dt.datetime | None:
    """When one more fits into the window, or None where it fits now."""
    recent = [moment for moment in moments if moment > now - span]
    if len(recent) < limit:
        return None
    return sorted(recent)[len(recent) - limit] + span if limit else now + span


def _of_law(case: Case, policy: Policy) -> tuple[Rule, ...]:
    to = case.recipient
    if to is None or case.purpose in ANY_HOUR:
        return ()
    return rules.calling(policy.packs(case.entity)[0], case.channel, to.country, to.states)


# --- hours ----------------------------------------------------------------------------------------


def hours(case: Case, policy: Policy) -> Iterator[Finding]:
    """It is an open hour by the firm, by law and by their own word, wherever they may be."""
    to = case.recipient
    if to is None or case.purpose in ANY_HOUR:
        return
    ours = policy.hours.of(case.channel)
    own = tuple(Window(name, (ours,)) for name in to.zones)
    legal = [
        (rule, _legal(rule, to))
        for rule in _of_law(case, policy)
        if rule.open and not _allows(rule, ours)
    ]
    wished = [(wish.said, window) for wish in to.preferences for window in _wished(wish, to)]
    every = (*own, *(window for _, some in legal for window in some), *(one for _, one in wished))
    try:
        opens = next_open(case.now, every, to.country, to.region)
    except NeverOpen as error:
        yield Finding("hours", Verdict.WITHHOLD, "never_open", str(error))
        return
    if opens == case.now:
        return

    def closed(windows: tuple[Window, ...]) -> bool:
        return not all(is_open(case.now, one, to.country, to.region) for one in windows)

    told = _told(opens, to)
    if closed(own):
        reason = f"It is not a convenient hour in {_where(to)}; {told}."
        yield Finding("hours", Verdict.DEFER, "quiet_hours", reason, until=opens)
    for rule, windows in legal:
        if closed(windows):
            reason = f"{rule.cited}; {told}."
            yield Finding("hours", Verdict.DEFER, "legal_hours", reason, until=opens)
    for said in dict.fromkeys(said for said, window in wished if closed((window,))):
        reason = f"They want to hear from us {said}; {told}."
        yield Finding("hours", Verdict.DEFER, "preferred_hours", reason, until=opens)


def _allows(rule: Rule, ours: Hours) -> bool:
    """Whether the firm's own hours lie inside the law's, which then need no second look."""
    return any(
        one.holidays
        and one.start <= ours.start
        and ours.end <= one.end
        and ours.weekdays <= one.weekdays
        for one in rule.open
    )


def _legal(rule: Rule, to: Recipient) -> tuple[Window, ...]:
    return tuple(Window(name, rule.open, rule.country, rule.region) for name in to.zones)


def _wished(wish: Preference, to: Recipient) -> Iterator[Window]:
    if wish.not_before is None and wish.not_after is None:
        return
    start, end = wish.not_before or dt.time.min, wish.not_after or dt.time.max
    for name in (wish.zone,) if wish.zone else to.zones:
        yield Window(name, (Hours(start, end, EVERY_DAY, holidays=True),))


def _where(to: Recipient) -> str:
    return to.zones[0] if len(to.zones) == 1 else f"{len(to.zones)} possible time zones"


def _told(opens: dt.datetime, to: Recipient) -> str:
    if len(to.zones) == 1:
        return f"the next one is {opens.astimezone(zone(to.zones[0])):%-d %b, %H:%M} there"
    return f"the next one is {opens:%-d %b, %H:%M} UTC"
