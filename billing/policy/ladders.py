"""Which steps does the firm take with a debt, and from what amount on?"""

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal, TypeVar

from billing.policy.amounts import Amounts, Rates, read_amounts
from billing.toml import Mistake, Table, laid

T = TypeVar("T")
Tone = Literal["", "friendly", "firm", "final"]
Grouping = Literal["account", "invoice", "matter"]
AtEnd = Literal["owner", "write_off_proposal", "agency", "legal"]
CHANNELS = ("email", "sms", "voice")
PAPERS = ("invoice", "statement")
DEFAULT = "default"
"""The ladder of [dunning] itself."""
_TONES: tuple[Tone, ...] = ("friendly", "firm", "final")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")


@dataclass(frozen=True, slots=True)
class Step:
    """One rung: at ``offset`` days remind the client, or hand over to the owner."""

    offset: int
    action: Literal["remind", "escalate"]
    template: str = ""
    channels: tuple[str, ...] = ()
    tone: Tone = ""
    attachments: tuple[str, ...] = ()
    min_interval_days: int = 0
    months: int = 0
    """Whole months before the offset counts; of a day that a month has not, its last."""

    @property
    def about(self) -> int:
        """How many days that is, about: for the distance between two steps."""
        return self.months * 30 + self.offset


@dataclass(frozen=True, slots=True)
class PreDue:
    """A notice so many days before an invoice is due; it is no step, and nothing is late yet."""

    days_before: int
    template: str
    channels: tuple[str, ...]
    attachments: tuple[str, ...] = ()


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
    days: Literal["calendar", "business"] = "calendar"
    new_anchor: Literal["keep", "restart"] = "keep"
    courtesy_days: int = 0
    grouping: Grouping = "account"
    at_end: AtEnd = "owner"
    pre_due: tuple[PreDue, ...] = ()
    chase: bool = True
    crossing_hours: int = 72
    name: str = DEFAULT


@dataclass(frozen=True, slots=True)
class Ladders:
    """Ladders by name, and which one a segment of clients has."""

    by_name: tuple[tuple[str, Dunning], ...] = ()
    segments: tuple[tuple[str, str], ...] = ()

    def of(self, name: str) -> Dunning | None:
        """The ladder of that name, if there is one."""
        return dict(self.by_name).get(name)

    def of_segment(self, segment: str) -> str:
        """The ladder's name; nothing where the segment has none of its own."""
        return dict(self.segments).get(segment, "")


@dataclass(frozen=True, slots=True)
class Charges:
    """What is added to a late debt once the notice of a step has left."""

    steps: tuple[int, ...]
    interest_percent: Decimal
    late_fee: Amounts


def read_dunning(table: Table, rates: Rates) -> Dunning:
    """Read its table; what is wrong is noted there."""
    dunning = Dunning(
        chase=table.flag("chase"),
        count_from=table.choice("count_from", ("issued", "due")),
        days=table.choice("days", ("calendar", "business")),
        new_anchor=table.choice("new_anchor", ("keep", "restart")),
        grace_days=table.whole("grace_days"),
        courtesy_days=table.whole("courtesy_days"),
        catch_up_days=table.whole("catch_up_days"),
        rounds=table.whole("rounds", least=1),
        crossing_hours=table.whole("crossing_hours"),
        grouping=table.choice("grouping", ("account", "invoice", "matter")),
        at_end=table.choice("at_end", ("owner", "write_off_proposal", "agency", "legal")),
        tolerance=rates.spread(read_amounts(table, "tolerance")),
        minimum=rates.spread(read_amounts(table, "minimum")),
        pre_due=_pre_due(table.tables("pre_due")),
        steps=_steps(table.tables("steps")),
    )
    if table.raw.get("steps") == []:
        table.wrong("steps", "must have at least one step")
    papers = {paper for step in dunning.steps for paper in step.attachments}
    papers |= {paper for notice in dunning.pre_due for paper in notice.attachments}
    if dunning.grouping == "matter" and "statement" in papers:
        table.wrong("grouping", 'goes by "matter", and a statement names all of them; leave it out')
    table.close()
    return dunning


def read_ladders(
    table: Table, segments: Table, base: Mapping[str, object], rates: Rates
) -> Ladders:
    """Read both tables; each ladder is laid over ``base``, the table of [dunning]."""
    names = tuple(table.raw)
    by_name = tuple((name, _ladder(table, name, base, rates)) for name in names)
    chosen = tuple((segment, segments.text(segment)) for segment in segments.raw)
    for segment, name in chosen:
        if name and name not in (*names, DEFAULT):
            allowed = " or ".join(f'"{one}"' for one in (*names, DEFAULT))
            segments.wrong(segment, f'must be a ladder, {allowed}, not "{name}"')
    return Ladders(by_name, chosen)


def _ladder(table: Table, name: str, base: Mapping[str, object], rates: Rates) -> Dunning:
    """What it leaves out is as in [dunning], and so are the mistakes there."""
    own = table.table(name)
    if name == DEFAULT or _NAME.fullmatch(name) is None:
        table.wrong(name, 'must be a name in small letters, and not "default", which is [dunning]')
    whole = Table(laid(base, own.raw), own.where, [])
    ladder = replace(read_dunning(whole, rates), name=name)
    table.mistakes += [one for one in whole.mistakes if _names_own(one, own)]
    return ladder


def _names_own(mistake: Mistake, own: Table) -> bool:
    return re.split(r"[.\[]", mistake.key.removeprefix(own.where))[0] in own.raw


def _pre_due(tables: list[Table]) -> tuple[PreDue, ...]:
    notices = tuple(_notice(table) for table in tables)
    for (earlier, later), table in zip(itertools.pairwise(notices), tables[1:], strict=False):
        if later.days_before >= earlier.days_before:
            table.wrong(
                "days_before", f"must be less than the notice before, {earlier.days_before}"
            )
    return notices


def _notice(table: Table) -> PreDue:
    notice = PreDue(
        days_before=table.whole("days_before"),
        template=table.text("template"),
        channels=table.names("channels", CHANNELS),
        attachments=_maybe(table, "attachments", lambda key: table.names(key, PAPERS), ()),
    )
    table.close()
    return notice


def _steps(tables: list[Table]) -> tuple[Step, ...]:
    steps = tuple(_step(table) for table in tables)
    for (earlier, later), table in zip(itertools.pairwise(steps), tables[1:], strict=False):
        if later.about <= earlier.about:
            table.wrong("offset", f"must be more than the step before, {earlier.offset}")
        if earlier.action == "escalate":
            table.wrong("action", "comes after an escalation, which ends the ladder")
    return steps


def _step(table: Table) -> Step:
    months = _maybe(table, "months", table.whole, 0)
    offset = table.whole("offset") if not months else _maybe(table, "offset", table.whole, 0)
    interval = _maybe(table, "min_interval_days", table.whole, 0)
    if table.choice("action", ("remind", "escalate")) == "remind":
        step = Step(
            offset,
            "remind",
            table.text("template"),
            table.names("channels", CHANNELS),
            _maybe(table, "tone", lambda key: table.choice(key, _TONES), ""),
            _maybe(table, "attachments", lambda key: table.names(key, PAPERS), ()),
            interval,
            months,
        )
    else:
        step = Step(offset, "escalate", min_interval_days=interval, months=months)
        for key in {"template", "channels", "tone", "attachments"} & table.raw.keys():
            table.get(key)
            table.wrong(key, "does not belong to an escalation; it tells the owner")
    table.close()
    return step


def _maybe(table: Table, key: str, read: Callable[[str], T], otherwise: T) -> T:
    """What may be left out."""
    if key in table.raw:
        return read(key)
    table.asked.append(key)
    return otherwise


def read_charges(table: Table) -> Charges:
    """Read its table; what is wrong is noted there."""
    charges = Charges(
        steps=table.wholes("steps", least=1),
        interest_percent=table.percent("interest_percent"),
        late_fee=read_amounts(table, "late_fee"),
    )
    table.close()
    return charges
