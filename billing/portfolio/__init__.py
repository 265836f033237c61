"""Which invoices does a CSV file tell us of, and if it cannot be trusted, why, line by line?

    told = portfolio.read(Path("ar.csv"), mapping={"client": "customerID"})
    for row in told.rows:
        for fact in portfolio.to_facts(row, imported_on): ...

The file is walked twice: first for what only the whole of it can prove (the order of its dates,
who its clients are), then for its rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from billing import facts
from billing.facts import ClientDescribed
from billing.portfolio import columns, days, table
from billing.portfolio.agreements import Agreements
from billing.portfolio.agreements import read as read_agreements
from billing.portfolio.clients import Defaults, Directory
from billing.portfolio.rows import Cells, Dates, PortfolioRow, Problem, row, to_facts
from billing.portfolio.sheet import Content
from billing.portfolio.table import Refused, Table

__all__ = [
    "Agreements",
    "Portfolio",
    "PortfolioRow",
    "Problem",
    "Total",
    "read",
    "read_agreements",
    "to_facts",
]


@dataclass(frozen=True, slots=True)
class Total:
    """What the good rows of one currency add up to, in minor units."""

    invoices: int
    issued: int
    paid: int
    open: int


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The good rows of a file and every problem of the others."""

    rows: tuple[PortfolioRow, ...] = ()
    problems: tuple[Problem, ...] = ()
    ignored: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    totals: Mapping[str, Total] = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        """Whether nothing of it can be used, bad rows skipped or not."""
        return any(problem.fatal for problem in self.problems)


def read(  # noqa: PLR0913 - each is a flag of `counterfoil import`
    content: Content | str,
    *,
    mapping: Mapping[str, str] = MappingProxyType({}),
    date_format: str | None = None,
    source: str = "csv",
    default_currency: str = "USD",
    default_timezone: str | None = "UTC",
    default_country: str = "US",
) -> Portfolio:
    """The portfolio in a file (a path), in bytes, or in lines.

    ``mapping`` is ours → theirs. ``date_format`` such as d/m/y settles the order of dates and
    allows two-digit years. What is wrong with the file becomes a problem, never an exception.

    Raises:
        OSError: the file cannot be opened.
        ValueError: ``source`` or a default is not what it should be.
    """
    defaults = Defaults(source, default_timezone, facts.country(default_country))
    try:
        settled = table.given(date_format)
        opened = table.opened(content, mapping, columns.REQUIRED, columns.OPTIONAL)
        survey = _survey(opened, Directory(defaults))
        dates = table.judged(survey.evidence, settled)
        return _taken(opened, survey, dates, facts.currency(default_currency))
    except Refused as refused:
        return Portfolio(problems=refused.problems)


@dataclass(frozen=True, slots=True)
class _Survey:
    """What the first walk found out."""

    evidence: days.Evidence
    clients: dict[str, ClientDescribed]
    bad: dict[int, list[Problem]]


def _survey(opened: Table, directory: Directory) -> _Survey:
    evidence = days.Evidence()
    bad: dict[int, list[Problem]] = {}
    for cells in opened.lines():
        if not cells.problems:
            table.see_dates(evidence, cells, ("issued", "due", "paid"))
            directory.see(cells)
        if cells.problems:
            bad[cells.line] = cells.problems
    return _Survey(evidence, directory.all(), bad)


def _taken(opened: Table, survey: _Survey, dates: Dates, currency: str) -> Portfolio:
    rows: list[PortfolioRow] = []
    problems: list[Problem] = []
    seen: dict[tuple[str, str, str], PortfolioRow] = {}
    for cells in opened.lines():
        if not cells.problems:
            told = row(cells, survey.clients, dates, currency)
            cells.problems.extend(survey.bad.get(cells.line, ()))
            if told is not None and not cells.problems and _is_new(told, seen, cells):
                rows.append(told)
        problems.extend(cells.problems)
    if not rows and not problems:
        line = opened.sheet.header_line
        empty = "the file has no row below its header; export it again"
        return Portfolio(problems=(Problem(line, "", empty, fatal=True),))
    return Portfolio(
        rows=tuple(rows),
        problems=tuple(problems),
        ignored=opened.columns.ignored,
        hints=opened.columns.hints,
        totals=_totals(rows),
    )


def _is_new(told: PortfolioRow, seen: dict[tuple[str, str, str], PortfolioRow], at: Cells) -> bool:
    """Whether this invoice was not on an earlier line; another one under its number is a fault."""
    before = seen.setdefault((told.client.external_id, told.legal_entity, told.invoice), told)
    if before != told:
        at.fault("invoice", f"is on line {before.line} too, with other data; correct one")
    return before is told


def _totals(rows: list[PortfolioRow]) -> dict[str, Total]:
    sums: dict[str, list[int]] = {}
    for told in rows:
        of = sums.setdefault(told.currency, [0, 0, 0, 0])
        for place, add in enumerate((1, told.amount, told.paid, told.open)):
            of[place] += add
    return {currency: Total(*of) for currency, of in sorted(sums.items())}
