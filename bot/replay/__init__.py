"""What would this policy have sent over the history in a file, and when was what paid?

The history runs through the production code on a clock that is turned: see ``course``. Nothing
leaves, and nothing of the store of this installation is read or written.
"""

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from billing import policy as policies
from billing import portfolio, spelling
from billing.policy import Policy
from billing.portfolio import Portfolio, PortfolioRow, Problem
from bot import charts
from bot import firm as firms
from bot.firm import Entity, Firm
from bot.replay import crowd, history, rules, telling
from bot.replay.course import Setting, Span
from bot.replay.history import History
from bot.replay.outcome import Outcome
from bot.report import DONE, WRONG, Progress, Report, Wrong

MOST = 50
"""Problems that a person is shown; ``--json`` has them all."""


class Asked(BaseModel):
    """The flags of `counterfoil replay`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path
    mapping: Mapping[str, str] = Field(default_factory=dict)
    date_format: str | None = None
    skip_bad: bool = False
    default_currency: str = "USD"
    default_timezone: str | None = None
    default_country: str = "US"
    firm: Path | None = None
    first: dt.date | None = None
    last: dt.date | None = None
    policy: Path | None = None
    against: Path | None = None
    templates: Path | None = None
    group_by: Literal["client", "invoice"] | None = None
    count_from: Literal["issued", "due"] | None = None
    bare: bool = False
    png: Path | None = None
    csv: Path | None = None

    @property
    def by_invoice(self) -> bool:
        """Bare, an invoice stands alone, unless it is asked for otherwise."""
        return self.group_by == "invoice" or (self.bare and self.group_by is None)


@dataclass(frozen=True, slots=True)
class Run:
    """One policy, and what came of it."""

    name: str
    policy: Policy
    outcome: Outcome
    seconds: float


async def run(asked: Asked, progress: Progress) -> Report:
    """Replay a file, under one policy or two.

    Raises:
        Wrong: a file cannot be opened, or a flag means nothing.
        billing.policy.PolicyError: a policy cannot be used.
    """
    told = _read(asked)
    firm = firms.read(asked.firm) if asked.firm else _on_paper(told.rows)
    problems = sorted([*told.problems, *history.collisions(told, firm.legal_entity[0].name)])
    if told.refused or (problems and not asked.skip_bad):
        return _refused(asked, problems)
    bad = {problem.line for problem in problems}
    good = [row for row in told.rows if row.line not in bad]
    lived = history.tell(good, by_invoice=asked.by_invoice, bare=asked.bare)
    if not lived.invoices:
        raise Wrong(f"{asked.file.name} has no invoice that can be replayed.")
    span = _span(asked, lived)
    chosen = _policies(asked)
    runs = [
        await _live(name, Setting(lived, span, policy, firm, asked.templates), _part(progress, *at))
        for name, policy, at in (
            (name, policy, (number, len(chosen))) for number, (name, policy) in enumerate(chosen)
        )
    ]
    if asked.png:
        _draw(asked, span, runs)
    if asked.csv:
        telling.write_days(asked.csv, {run.name: run.outcome for run in runs})
    return _said(asked, lived, span, runs, problems)


def _read(asked: Asked) -> Portfolio:
    try:
        return portfolio.read(
            asked.file,
            mapping=asked.mapping,
            date_format=asked.date_format,
            default_currency=asked.default_currency,
            default_timezone=asked.default_timezone,
            default_country=asked.default_country,
        )
    except OSError as error:
        raise Wrong(f"{error.filename} cannot be opened: {error.strerror}.") from error
    except ValueError as error:
        raise Wrong(f"A flag cannot be used: {str(error).splitlines()[0]}.") from error


def _span(asked: Asked, lived: History) -> Span:
    span = Span(asked.first or lived.first, asked.last or lived.last)
    if span.days < 1:
        raise Wrong(
            f"The replay would end on {spelling.day(span.last)}, before it begins on "
            f"{spelling.day(span.first)}."
        )
    return span


def _policies(asked: Asked) -> list[tuple[str, Policy]]:
    """The policies to replay, each under the name of its column."""
    files = [asked.policy, asked.against] if asked.against else [asked.policy]
    names = [file.name if file else "default" for file in files]
    if len(set(names)) < len(names):
        names = [f"{name} ({number})" for number, name in enumerate(names, 1)]
    found: list[tuple[str, Policy]] = []
    for name, file in zip(names, files, strict=True):
        policy = policies.load(file) if file else policies.default()
        if asked.count_from:
            policy = rules.counted_from(policy, asked.count_from)
        found.append((name, rules.bare(policy) if asked.bare else policy))
    return found


def _on_paper(rows: Sequence[PortfolioRow]) -> Firm:
    """The legal entities of the file, with all that a message needs of its sender."""
    named = {row.legal_entity: row.currency for row in rows if row.legal_entity}
    if not named:
        named = {"Our firm": rows[-1].currency if rows else "USD"}
    entities = tuple(
        Entity(
            name=name,
            postal_address="On paper",
            from_name=name,
            from_address=f"accounts-{number}@paper.example",
            pay_link="https://paper.example/pay",
            phone="+15005550006",
            currency=currency,
        )
        for number, (name, currency) in enumerate(named.items(), 1)
    )
    return Firm(legal_entity=entities)


def _part(progress: Progress, number: int, of: int) -> Progress:
    """The progress of one run among several."""
    return lambda done, whole: progress(number * whole + done, of * whole)


async def _live(name: str, setting: Setting, progress: Progress) -> Run:
    began = time.monotonic()
    counted = await crowd.live(setting, progress)
    return Run(name, setting.policy, counted, time.monotonic() - began)


def _draw(asked: Asked, span: Span, runs: Sequence[Run]) -> None:
    picture = charts.history(
        charts.Weeks(
            title=asked.file.name,
            first=span.first,
            last=span.last,
            cash=runs[0].outcome.cash_by_day,
            notices={run.name: run.outcome.notices_by_day for run in runs},
            steps={rung.step: f"{rung.offset} days" for rung in runs[0].outcome.rungs},
        )
    )
    try:
        (asked.png or Path()).write_bytes(picture)
    except OSError as error:
        raise Wrong(f"{error.filename} cannot be written: {error.strerror}.") from error


# --- what is said about it ------------------------------------------------------------------------


def _refused(asked: Asked, problems: Sequence[Problem]) -> Report:
    lines = [str(problem) for problem in problems[:MOST]]
    more = [f"… and {len(problems) - MOST} more"] if len(problems) > MOST else []
    end = f"{asked.file.name} was not replayed. Correct it, or give --skip-bad."
    data = {"file": str(asked.file), "problems": [_plain(problem) for problem in problems]}
    return Report(data, [*lines, *more, end], code=WRONG)


def _plain(problem: Problem) -> dict[str, Any]:
    return {"line": problem.line, "column": problem.column, "reason": problem.reason}


def _said(
    asked: Asked, lived: History, span: Span, runs: Sequence[Run], problems: Sequence[Problem]
) -> Report:
    data: dict[str, Any] = {
        "file": str(asked.file),
        "from": span.first,
        "to": span.last,
        "days": span.days,
        "invoices": lived.invoices,
        "clients": len(lived.clients),
        "bare": asked.bare,
        "group_by": "invoice" if asked.by_invoice else "client",
        "skipped": [_plain(problem) for problem in problems],
        "paid_without_a_date": lived.undated,
        "on_paper": asked.bare or not lived.reachable,
        "assumed": telling.ASSUMED,
        "as_it_was": telling.AS_IT_WAS,
        "may_differ": telling.MAY_DIFFER,
        **_told(runs[0]),
    }
    if len(runs) > 1:
        data["against"] = _told(runs[1])
    lines = [*_introduction(asked, lived, span, runs), *_notes(asked, lived, problems)]
    return Report(data, lines, telling.tables({run.name: run.outcome for run in runs}), DONE)


def _told(run: Run) -> dict[str, Any]:
    ladder = run.policy.dunning
    about = {"name": run.name, "version": run.policy.version, "count_from": ladder.count_from}
    return {"policy": about, "seconds": round(run.seconds, 1), **run.outcome.plain}


def _introduction(asked: Asked, lived: History, span: Span, runs: Sequence[Run]) -> list[str]:
    grouped = "each invoice by itself" if asked.by_invoice else "grouped by client"
    mode = ", without hours, budget and disputes" if asked.bare else ""
    took = " and ".join(f"{run.seconds:.0f} s" for run in runs)
    counted = " and ".join(dict.fromkeys(_count_from(run) for run in runs))
    days = f"{spelling.day(span.first)} to {spelling.day(span.last)}"
    what = f"{lived.invoices:,} invoices from {days}, {grouped}{mode}"
    return [f"{what}; days count from {counted}. Replayed in {took}."]


def _count_from(run: Run) -> str:
    return "issue" if run.policy.dunning.count_from == "issued" else "the due date"


def _notes(asked: Asked, lived: History, problems: Sequence[Problem]) -> list[str]:
    notes = []
    if problems:
        notes.append(f"{len(problems):,} problems were skipped.")
    if lived.undated:
        notes.append(f"{lived.undated:,} invoices are paid, nobody says when: they are left out.")
    if not asked.bare and not lived.reachable:
        notes.append("The file has no address of anybody, so each client has a mailbox on paper.")
    if asked.png:
        notes.append(f"The picture is in {asked.png}.")
    if asked.csv:
        notes.append(f"Day by day it is in {asked.csv}.")
    return [*notes, telling.ASSUMED]
