"""When does the firm write about a renewal, and what does the gate before it overlook?"""

import itertools
from dataclasses import dataclass

from billing.policy.amounts import Amounts, Rates, read_amounts
from billing.policy.ladders import CHANNELS
from billing.toml import Table


@dataclass(frozen=True, slots=True)
class RenewalStep:
    """One notice, so many days before the renewal."""

    days_before: int
    template: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Renewal:
    """The notices, and what the gate on everything but dunning overlooks."""

    tolerance: Amounts
    exclude_disputed: bool
    exclude_promised: bool
    steps: tuple[RenewalStep, ...]


def read_renewal(table: Table, rates: Rates) -> Renewal:
    """Read its table; what is wrong is noted there."""
    tables = table.tables("steps")
    steps = tuple(_renewal_step(step) for step in tables)
    for (earlier, later), step in zip(itertools.pairwise(steps), tables[1:], strict=False):
        if later.days_before >= earlier.days_before:
            step.wrong("days_before", f"must be less than the step before, {earlier.days_before}")
    renewal = Renewal(
        tolerance=rates.spread(read_amounts(table, "tolerance")),
        exclude_disputed=table.flag("exclude_disputed"),
        exclude_promised=table.flag("exclude_promised"),
        steps=steps,
    )
    table.close()
    return renewal


def _renewal_step(table: Table) -> RenewalStep:
    step = RenewalStep(
        table.whole("days_before"), table.text("template"), table.names("channels", CHANNELS)
    )
    table.close()
    return step
