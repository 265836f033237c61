"""Which steps does the firm take with a debt, and from what amount on?"""

import itertools
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from billing.policy.amounts import Amounts, Rates, read_amounts
from billing.toml import Table

CHANNELS = ("email", "sms", "voice")


@dataclass(frozen=True, slots=True)
class Step:
    """One rung: at ``offset`` days remind the client, or hand over to the owner."""

    offset: int
    action: Literal["remind", "escalate"]
    template: str = ""
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dunning:
    """The ladder and from when, and from how much, it applies."""

    count_from: Literal["issued", "due"]
    grace_days: int
    catch_up_days: int
    rounds: int
    tolerance: Amounts
    minimum: Amounts
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Charges:
    """What is added to a late debt once the notice of a step has left."""

    steps: tuple[int, ...]
    interest_percent: Decimal
    late_fee: Amounts


def read_dunning(table: Table, rates: Rates) -> Dunning:
    """Read its table; what is wrong is noted there."""
    dunning = Dunning(
        count_from=table.choice("count_from", ("issued", "due")),
        grace_days=table.whole("grace_days"),
        catch_up_days=table.whole("catch_up_days"),
        rounds=table.whole("rounds", least=1),
        tolerance=rates.spread(read_amounts(table, "tolerance")),
        minimum=rates.spread(read_amounts(table, "minimum")),
        steps=_steps(table.tables("steps")),
    )
    if table.raw.get("steps") == []:
        table.wrong("steps", "must have at least one step")
    table.close()
    return dunning


def _steps(tables: list[Table]) -> tuple[Step, ...]:
    steps = tuple(_step(table) for table in tables)
    for (earlier, later), table in zip(itertools.pairwise(steps), tables[1:], strict=False):
        if later.offset <= earlier.offset:
            table.wrong("offset", f"must be more than the step before, {earlier.offset}")
        if earlier.action == "escalate":
            table.wrong("action", "comes after an escalation, which ends the ladder")
    return steps


def _step(table: Table) -> Step:
    offset = table.whole("offset")
    if table.choice("action", ("remind", "escalate")) == "remind":
        step = Step(offset, "remind", table.text("template"), table.names("channels", CHANNELS))
    else:
        step = Step(offset, "escalate")
        for key in {"template", "channels"} & table.raw.keys():
            table.get(key)
            table.wrong(key, "does not belong to an escalation; it tells the owner")
    table.close()
    return step


def read_charges(table: Table) -> Charges:
    """Read its table; what is wrong is noted there."""
    charges = Charges(
        steps=table.wholes("steps", least=1),
        interest_percent=table.percent("interest_percent"),
        late_fee=read_amounts(table, "late_fee"),
    )
    table.close()
    return charges
