"""Something may be chased: which step is next, and when?"""

import datetime as dt
from dataclasses import replace

from billing import calendar, spelling
from billing.dunning.answers import (
    Credit,
    Credited,
    Decision,
    Escalate,
    Exhausted,
    Idle,
    Send,
    Wait,
)
from billing.dunning.case import Case

_DAY = dt.timedelta(days=1)


def climb(case: Case) -> Decision:
    """The next step, or why it is not its time."""
    if any(taken.how == "escalated" for taken in case.taken):
        return Exhausted(rule="escalated", reason="The account is with its owner.")
    if waiting := _queued(case):
        return waiting
    credit = _credit(case)
    if credit is not None:
        return credit
    steps = case.ladder.steps
    if case.level >= len(steps):
        return _end(case)
    return _next(case, case.level + 1)


def repeat(case: Case) -> Send | Wait | Idle:
    """The step that was sent last, as a new round."""
    if waiting := _queued(case):
        return waiting
    sent = [taken for taken in case.account.taken if taken.how == "sent"]
    if not sent:
        return Idle(
            rule="nothing_sent", reason="No step was sent yet; the ladder begins by itself."
        )
    last = max(sent, key=lambda taken: (taken.taken_on, taken.step, taken.round))
    if last.step > len(case.ladder.steps):
        return Idle(rule="nothing_sent", reason="The ladder has no such step any more.")
    reason = f"Step {last.step} once more: {case.age}; {case.written(case.total)} in all."
    return replace(_send(case, last.step), rule="repeated", reason=reason)


def _queued(case: Case) -> Wait | None:
    queued = [taken for taken in case.account.taken if taken.how == "queued"]
    if not queued:
        return None
    reason = f"Step {queued[-1].step} has not gone out yet."
    return Wait(rule="step_queued", reason=reason, look_again=case.at(case.today + _DAY))


def _end(case: Case) -> Wait | Escalate | Exhausted:
    """All steps are taken, and none of them told the owner: now it is a person's turn."""
    last = len(case.ladder.steps)
    rested = _rested_on(case, last)
    if case.today < rested:
        reason = f"All steps are taken; the owner is told on {spelling.day(rested)}."
        return Wait(rule="ladder_ending", reason=reason, look_again=case.at(rested))
    return _escalate(case, last + 1, "all_steps_taken", "All steps are taken")


def _credit(case: Case) -> Credit | None:
    """Reminders whose day had long passed when the account was imported."""
    if case.account.imported_on is None:
        return None
    passed = case.account.imported_on - case.ladder.catch_up_days * _DAY
    steps: list[Credited] = []
    for number, step in enumerate(case.ladder.steps, 1):
        days = {i.id: case.reached_on(i, step) for i in case.late}
        listed = frozenset(id_ for id_, day in days.items() if day < passed)
        if step.action == "escalate" or not listed:
            break
        if number > case.level:
            steps.append(Credited(number, _round(case, number), min(days.values()), listed))
    if not steps:
        return None
    numbers = spelling.listed(str(step.step) for step in steps)
    what = f"days of steps {numbers}" if len(steps) > 1 else f"day of step {numbers}"
    reason = f"The {what} had passed long before the import; nothing is sent for that."
    return Credit(rule="imported", reason=reason, steps=tuple(steps), ladder=case.ladder.name)


def _next(case: Case, number: int) -> Send | Escalate | Wait | Exhausted:
    step = case.ladder.steps[number - 1]
    failed = sum(taken.step == number and taken.how == "failed" for taken in case.taken)
    if failed >= case.ladder.rounds:
        return _escalate(case, number, "undeliverable", f"No message of step {number} got through")
    rested = _rested_on(case, number)
    day = max(case.reached_on(case.anchor, step), rested)
    moment = _moment(case, day, rested)
    if case.now < moment:
        return _wait(case, number, moment, rested)
    if step.action == "escalate":
        return _escalate(case, number, "escalation_due", f"Step {number} hands over to the owner")
    return _send(case, number)


def _moment(case: Case, day: dt.date, rested: dt.date) -> dt.datetime:
    """When the day begins; in business days a step that follows another goes at its hour."""
    before = [taken.taken_at for taken in case.account.taken if taken.taken_at is not None]
    if case.ladder.days == "business" and day == rested and before:
        return case.at_the_hour_of(max(before), day)
    return case.at(day)


def _rested_on(case: Case, number: int) -> dt.date:
    """The first day on which the ladder lets the client alone long enough."""
    if not case.account.taken:
        return dt.date.min
    last = max(taken.taken_on for taken in case.account.taken)
    return case.after(last, max(1, _gap(case, number)))


def _gap(case: Case, number: int) -> int:
    """Days between a step and the one before; for a second try, or a mild new start, a day.

    A step is tried again after the distance to the next one, so that a round is not a burst.
    """
    steps = case.ladder.steps
    if any(taken.step == number and taken.how == "failed" for taken in case.taken):
        number = min(number + 1, len(steps))
    apart = steps[number - 1].about - steps[number - 2].about if number > 1 else 1
    return max(apart, steps[number - 1].min_interval_days)


def _wait(case: Case, number: int, moment: dt.datetime, rested: dt.date) -> Wait:
    """Until then, or sooner when something older may be chased before it."""
    step = case.ladder.steps[number - 1]
    later = (case.at(max(case.reached_on(instalment, step), rested)) for instalment in case.coming)
    day = calendar.local_date(moment, case.account.timezone)
    reason = f"Step {number} is due on {spelling.day(day)}; {case.age}."
    look_again = min(moment, *later, *case.ends, moment)
    return Wait(rule="step_not_due", reason=reason, look_again=look_again)


def _send(case: Case, number: int) -> Send:
    step = case.ladder.steps[number - 1]
    return Send(
        rule="step_due",
        reason=f"Step {number} is due: {case.age}; {case.written(case.total)} in all.",
        step=number,
        round=_round(case, number),
        anchor=case.anchor,
        listed=case.late,
        template=step.template,
        channels=step.channels,
        total=case.total,
        attachments=step.attachments,
        ladder=case.ladder.name,
    )


def _escalate(case: Case, number: int, rule: str, why: str) -> Escalate | Exhausted:
    if any(taken.how == "escalated" for taken in case.account.taken):
        return Exhausted(rule="escalated", reason="The account is with its owner.")
    return Escalate(
        rule=rule,
        reason=f"{why}: {case.age}; {case.written(case.total)} in all.",
        step=number,
        round=_round(case, number),
        anchor=case.anchor,
        listed=case.late,
        total=case.total,
        proposal=case.ladder.at_end,
        ladder=case.ladder.name,
    )


def _round(case: Case, number: int) -> int:
    """A step that was taken before in this episode, for other debt or in vain, goes again."""
    return 1 + max((taken.round for taken in case.account.taken if taken.step == number), default=0)
