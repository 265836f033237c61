"""What is the next step of an account that owes money, if any, and why?

The ladder belongs to its anchor, the oldest overdue instalment that may be chased. The level an
account has reached is the highest step that named something which may be chased today: where the
steps named only what is now paid, the episode is over; where they named only what is now disputed,
promised or held, the rest starts mildly.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

from billing import calendar, spelling
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
    ruled,
    shortfall,
    standing,
    strongest_hold,
)
from billing.dunning.answers import (
    Credit,
    Credited,
    Cured,
    Decision,
    Escalate,
    Exhausted,
    Held,
    Idle,
    Notify,
    Send,
    Wait,
)
from billing.dunning.case import Case
from billing.dunning.ladder import climb, repeat
from billing.policy import Policy, PreDue

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
    "Notify",
    "OpenInstalment",
    "Send",
    "Taken",
    "Wait",
    "again",
    "chaseable",
    "collectible",
    "decide",
    "is_overdue",
]


def decide(account: Account, now: dt.datetime, policy: Policy) -> Decision:
    """The one thing to do for an account at a moment.

    Raises:
        ValueError: the client's time zone is unknown.
    """
    case = _case(account, now, policy)
    if is_settled(account, case.policy):
        return Cured(rule="cured", reason="Everything that was asked for is settled.")
    return _stopped(case) or climb(case)


def again(account: Account, now: dt.datetime, policy: Policy) -> Decision:
    """The step that was sent last, once more as a new round, because a person wishes it."""
    case = _case(account, now, policy)
    return _stopped(case) or repeat(case)


def _case(account: Account, now: dt.datetime, policy: Policy) -> Case:
    stands = standing(account, now, policy)
    today = calendar.local_date(now, account.timezone)
    return Case(stands, now, today, ruled(stands, today, policy))


def _stopped(case: Case) -> Held | Notify | Wait | Idle | None:
    """Why no step can be taken; None when one can."""
    if not case.account.instalments:
        return Idle(rule="nothing_open", reason="Nothing is open.")
    hold = strongest_hold(case.account)
    if hold is not None:
        return _held(hold, "The client", case.account.timezone)
    return _nothing_to_chase(case)


def _held(hold: HoldFact, who: str, timezone: str) -> Held:
    end = "until somebody releases it"
    if hold.until is not None:
        end = f"until {spelling.day(calendar.local_date(hold.until, timezone))}"
    reason = f"{who} is on hold {end}: {hold.why}."
    return Held(rule="held", reason=reason, hold=hold, look_again=hold.until)


def _nothing_to_chase(case: Case) -> Held | Notify | Wait | Idle | None:
    """Why there is no amount to ask for; None when there is one."""
    if not case.late:
        return _fenced(case) or _coming_due(case) or _not_overdue(case)
    rule, reason = shortfall(case.account, case.today, case.policy)
    return Idle(rule=rule, reason=reason, look_again=_more_to_chase(case)) if rule else None


def _not_overdue(case: Case) -> Wait:
    first = min(case.account.instalments, key=lambda i: (i.due_on, i.id))
    return Wait(
        rule="not_overdue",
        reason=f"Nothing is overdue; {first.number} is due on {spelling.day(first.due_on)}.",
        look_again=min([case.at(case.overdue_on(first)), *_notices(case)]),
    )


def _coming_due(case: Case) -> Notify | None:
    """A notice of what is due soon and was not told of yet, the nearest day first."""
    for place, notice in reversed(list(enumerate(case.ladder.pre_due, 1))):
        listed = tuple(sorted(_untold(case, place, notice), key=lambda i: (i.due_on, i.id)))
        total = sum(map(chaseable, listed)) - case.account.unapplied
        if total > max(0, case.ladder.tolerance.of(case.account.currency)):
            return _notify(case, -place, notice, listed, total)
    return None


def _untold(case: Case, place: int, notice: PreDue) -> Iterator[OpenInstalment]:
    told = {id_ for one in case.account.noticed if one.step <= -place for id_ in one.listed}
    for instalment in case.coming:
        left = (instalment.due_on - case.today).days
        if 0 <= left <= notice.days_before and instalment.id not in told:
            yield instalment


def _notify(
    case: Case, step: int, notice: PreDue, listed: tuple[OpenInstalment, ...], total: int
) -> Notify:
    first = listed[0]
    due = spelling.day(first.due_on)
    return Notify(
        rule="due_soon",
        reason=f"{first.number} is due on {due}; {case.written(total)} in all.",
        step=step,
        listed=listed,
        template=notice.template,
        channels=notice.channels,
        total=total,
        until=case.at(first.due_on + dt.timedelta(days=1)),
        attachments=notice.attachments,
        ladder=case.ladder.name,
        look_again=case.at(case.today + dt.timedelta(days=1)),
    )


def _notices(case: Case) -> Iterator[dt.datetime]:
    """When the next notices before a due day come."""
    for notice in case.ladder.pre_due:
        for instalment in case.coming:
            day = instalment.due_on - dt.timedelta(days=notice.days_before)
            if day > case.today:
                yield case.at(day)


def _fenced(case: Case) -> Held | Idle | None:
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


def _more_to_chase(case: Case) -> dt.datetime | None:
    """When time alone adds something: an instalment becomes overdue, or its hold ends."""
    return min(_additions(case), default=None)


def _additions(case: Case) -> Iterator[dt.datetime]:
    yield from (case.at(case.overdue_on(instalment)) for instalment in case.coming)
    yield from case.ends
