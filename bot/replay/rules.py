"""By which rules is a history replayed, when the command changes some of the firm's?"""

import datetime as dt
from dataclasses import replace
from typing import Literal

from billing.calendar import Hours
from billing.policy import Budget, OpenHours, Policy, Step

_ALWAYS = Hours(dt.time.min, dt.time.max, frozenset(range(7)), holidays=True)
_NO_LIMIT = 10**9


def counted_from(policy: Policy, count_from: Literal["issued", "due"]) -> Policy:
    """The same policy, with days counted from there."""
    return replace(policy, dunning=replace(policy.dunning, count_from=count_from))


def bare(policy: Policy) -> Policy:
    """The ladder and nothing else: at every hour, as many as fall due, by email.

    On paper everybody has a mailbox, so no step waits for a number or for consent.
    """
    steps = tuple(_by_email(step) for step in policy.dunning.steps)
    return replace(
        policy,
        dunning=replace(policy.dunning, steps=steps),
        hours=OpenHours(email=_ALWAYS, sms=_ALWAYS),
        budget=Budget(_NO_LIMIT, _NO_LIMIT, _NO_LIMIT, policy.budget.reply_window_hours),
    )


def _by_email(step: Step) -> Step:
    return replace(step, channels=("email",)) if step.action == "remind" else step
