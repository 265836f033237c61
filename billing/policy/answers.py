"""What do a client's words stop, for how long, and who must look at them?"""

from dataclasses import dataclass
from typing import Literal

from billing.toml import Table


@dataclass(frozen=True, slots=True)
class Replies:
    """How long everything waits for a person who reads what a client wrote."""

    business_days: int
    when_ignored: Literal["ask_again", "go_on"]
    hold: Literal["reminders", "everything"]
    plan_days: int
    care_days: int


@dataclass(frozen=True, slots=True)
class Promises:
    """After how many broken promises a further one waits for a person."""

    broken: int
    within_days: int


def read_replies(table: Table) -> Replies:
    """Read its table; what is wrong is noted there."""
    replies = Replies(
        business_days=table.whole("business_days", least=1),
        when_ignored=table.choice("when_ignored", ("ask_again", "go_on")),
        hold=table.choice("hold", ("reminders", "everything")),
        plan_days=table.whole("plan_days", least=1),
        care_days=table.whole("care_days", least=1),
    )
    table.close()
    return replies


def read_promises(table: Table) -> Promises:
    """Read its table; what is wrong is noted there."""
    promises = Promises(
        broken=table.whole("broken", least=1), within_days=table.whole("within_days", least=1)
    )
    table.close()
    return promises
