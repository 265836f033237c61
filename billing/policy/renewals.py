"""When does the firm write about a renewal, what holds it back, and when is a charge tried anew?"""

import itertools
from dataclasses import dataclass
from typing import Literal

from billing.policy.amounts import Amounts, Rates, read_amounts
from billing.policy.ladders import CHANNELS
from billing.toml import Table

KINDS = ("subscription", "retainer", "term")


@dataclass(frozen=True, slots=True)
class RenewalStep:
    """One notice, so many days before the renewal."""

    days_before: int
    template: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Retries:
    """When a charge that was declined is tried again, and until when."""

    after_days: tuple[int, ...]
    """Days from one failure to the next try, try by try."""
    deadline_days: int
    """Days after the first failure; then a person decides what becomes of the agreement."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """The notices, what the gate on everything but dunning overlooks, and the charges."""

    enabled: bool
    without: tuple[str, ...]
    """Legal entities for which nothing is renewed."""
    tolerance: Amounts
    exclude_disputed: bool
    exclude_promised: bool
    lead_days: int
    """How much earlier than the day to end it by the first notice goes, at least."""
    unused: Literal["ask", "credit"]
    steps: tuple[RenewalStep, ...]
    ladders: tuple[tuple[str, tuple[RenewalStep, ...]], ...]
    by_kind: tuple[tuple[str, str], ...]
    retries: Retries

    def steps_of(self, kind: str, ladder: str = "") -> tuple[RenewalStep, ...]:
        """The notices of an agreement: its own ladder, or else that of its kind, or the firm's."""
        named, kinds = dict(self.ladders), dict(self.by_kind)
        return named.get(ladder) or named.get(kinds.get(kind, "")) or self.steps

    def renews(self, entity: str) -> bool:
        """Whether anything is renewed by this legal entity."""
        return self.enabled and entity not in self.without


def read_renewal(table: Table, rates: Rates) -> Renewal:
    """Read its table; what is wrong is noted there."""
    ladders = _ladders(table.table("ladders"))
    renewal = Renewal(
        enabled=table.flag("enabled"),
        without=tuple(sorted(set(table.words("without", "Harrow Law")))),
        tolerance=rates.spread(read_amounts(table, "tolerance")),
        exclude_disputed=table.flag("exclude_disputed"),
        exclude_promised=table.flag("exclude_promised"),
        lead_days=table.whole("lead_days"),
        unused=table.choice("unused", ("ask", "credit")),
        steps=_steps(table),
        ladders=ladders,
        by_kind=_by_kind(table.table("by_kind"), tuple(name for name, _ in ladders)),
        retries=_retries(table.table("retries")),
    )
    table.close()
    return renewal


def _steps(table: Table) -> tuple[RenewalStep, ...]:
    tables = table.tables("steps")
    steps = tuple(_step(step) for step in tables)
    for (earlier, later), step in zip(itertools.pairwise(steps), tables[1:], strict=False):
        if later.days_before >= earlier.days_before:
            step.wrong("days_before", f"must be less than the step before, {earlier.days_before}")
    return steps


def _step(table: Table) -> RenewalStep:
    step = RenewalStep(
        table.whole("days_before"), table.text("template"), table.names("channels", CHANNELS)
    )
    table.close()
    return step


def _ladders(table: Table) -> tuple[tuple[str, tuple[RenewalStep, ...]], ...]:
    found = []
    for name in table.raw:
        ladder = table.table(name)
        steps = _steps(ladder)
        if ladder.raw.get("steps") == []:
            ladder.wrong("steps", "must have at least one step")
        ladder.close()
        found.append((name, steps))
    return tuple(sorted(found))


def _by_kind(table: Table, ladders: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    found = []
    for kind in KINDS:
        if kind in table.raw:
            found.append((kind, _ladder_named(table, kind, ladders)))
        else:
            table.get(kind)
    table.close()
    return tuple(found)


def _ladder_named(table: Table, kind: str, ladders: tuple[str, ...]) -> str:
    name = table.text(kind)
    if name and name not in ladders:
        known = f"; there are {', '.join(ladders)}" if ladders else ""
        table.wrong(kind, f"names a ladder {name!r} that is not in [renewal.ladders]{known}")
    return name


def _retries(table: Table) -> Retries:
    retries = Retries(
        after_days=_days(table, "after_days"), deadline_days=table.whole("deadline_days", least=1)
    )
    if retries.deadline_days < sum(retries.after_days):
        together = sum(retries.after_days)
        table.wrong("deadline_days", f"must be at least all of after_days together, {together}")
    table.close()
    return retries


def _days(table: Table, key: str) -> tuple[int, ...]:
    """Spans in their order; unlike a list of steps they may repeat."""
    value = table.get(key)
    if isinstance(value, list) and all(type(one) is int and 0 < one <= 365 for one in value):
        return tuple(value)
    table.wrong(key, "must be a list of days from 1 to 365, as in [2, 5, 7, 7]")
    return ()
