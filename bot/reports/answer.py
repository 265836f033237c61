"""In which form does a report answer: on a terminal, as JSON, as CSV, as a picture?

Every cell knows its unit; amounts are minor units with their currency to the last moment.
"""

import csv
import datetime as dt
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from billing import money, spelling
from billing.history import Scope
from billing.metrics import Definition, Period
from billing.metrics.payments import BANK_DAYS
from bot import charts
from bot.report import Report, Table, harmless

_ROWS_SHOWN = 40
"""Of a table on a terminal; JSON and CSV have all."""
NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report is asked about: a day, one currency or all, and the days that end with it."""

    scope: Scope
    period: Period
    bank_days: int = BANK_DAYS
    """After the day of a promise, as the policy has it."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Money."""

    minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Number:
    """A ratio or a duration; None where there was nothing to divide by."""

    value: Fraction | None
    unit: str
    """``days``, ``hours``, ``%``, or what is counted."""
    digits: int = 1
    at_least: bool = False


Cell = Amount | Number | int | str | dt.date


@dataclass(frozen=True, slots=True)
class Figure:
    """A named value; scripts ask for it by ``key``."""

    key: str
    label: str
    value: Cell


@dataclass(frozen=True, slots=True)
class Section:
    """Figures and rows of one currency, or (no currency) of what is no money."""

    currency: str
    figures: Sequence[Figure] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A report: its sections, what it means, and what is drawn of it."""

    name: str
    title: str
    as_of: dt.date
    sections: Sequence[Section]
    definitions: Sequence[Definition] = ()
    period: Period | None = None
    remarks: Sequence[str] = ()
    panels: Sequence[charts.Columns] = ()


def written(cell: Cell) -> str:
    """A cell for a person."""
    match cell:
        case Amount(minor, currency):
            return money.display(minor, currency).replace("\N{NO-BREAK SPACE}", " ")
        case Number(None):
            return NOTHING
        case Number(Fraction() as value, unit, digits):
            gap = "" if unit == "%" else " "
            least = "at least " if cell.at_least else ""
            return f"{least}{rounded(value, digits):,}{gap}{unit}".rstrip()
        case dt.date():
            return cell.isoformat()
        case _:
            return str(cell)


def rounded(value: Fraction, digits: int) -> Decimal:
    """Half up, as people round."""
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def plain(cell: Cell) -> Any:
    """A cell for a program."""
    match cell:
        case Amount(minor, currency):
            return {"minor": minor, "currency": currency, "written": written(cell)}
        case Number(value, unit):
            exact = None if value is None else float(rounded(value, 4))
            least = {"at_least": True} if cell.at_least else {}
            return {"value": exact, "unit": unit, "written": written(cell), **least}
        case dt.date():
            return cell.isoformat()
        case _:
            return cell


def data(answer: Answer) -> dict[str, Any]:
    """All of it, for ``--json``."""
    return {
        "report": answer.name,
        "as_of": answer.as_of.isoformat(),
        "period": _plain_period(answer.period),
        "sections": [
            {
                "currency": section.currency or None,
                "figures": {one.key: plain(one.value) for one in section.figures},
                "rows": [
                    dict(zip(map(_key, section.columns), map(plain, row), strict=True))
                    for row in section.rows
                ],
            }
            for section in answer.sections
        ],
        "definitions": [
            {"title": one.title, **{_key(head): said for head, said in one.notes}}
            for one in answer.definitions
        ],
        "remarks": list(answer.remarks),
    }


def _plain_period(period: Period | None) -> Mapping[str, Any] | None:
    if period is None:
        return None
    first, last = period.first.isoformat(), period.last.isoformat()
    return {"first": first, "last": last, "days": period.days}


def _key(label: str) -> str:
    return label.lower().replace(" ", "_").replace("'", "")


# --- for people -----------------------------------------------------------------------------------


def report(answer: Answer, *, as_csv: bool = False) -> Report:
    """What a command says; as CSV, only the rows (or the figures) and nothing around them."""
    if as_csv:
        return Report(data(answer), [table_csv(answer).rstrip("\n")])
    if not answer.sections:
        nothing = (
            f"{answer.title} as of {spelling.day(answer.as_of)}: there is nothing in the books yet."
        )
        return Report(data(answer), [nothing, *answer.remarks])
    period = answer.period
    span = (
        f", {spelling.day(period.first)} to {spelling.day(period.last)} ({period.days} days)"
        if period
        else ""
    )
    lines = [f"{answer.title} as of {spelling.day(answer.as_of)}{span}.", *answer.remarks]
    return Report(data(answer), lines, [*_tables(answer), *footnotes(answer.definitions)])


def _tables(answer: Answer) -> Iterator[Table]:
    for section in answer.sections:
        if section.figures:
            figures = [[one.label, written(one.value)] for one in section.figures]
            yield Table(section.currency, ["figure", "value"], figures)
        if section.columns:
            title = "" if section.figures else section.currency
            places = _telling(section)
            shown = [
                [written(row[place]) for place in places] for row in section.rows[:_ROWS_SHOWN]
            ]
            more = len(section.rows) - len(shown)
            if more:
                hint = f"and {more} more: --csv and --json have all"
                shown.append([hint, *[""] * (len(places) - 1)])
            yield Table(title, [section.columns[place] for place in places], shown)


def _telling(section: Section) -> list[int]:
    """The columns in which any row has something; a page has no room for columns of zeros."""
    return [
        place
        for place in range(len(section.columns))
        if not section.rows
        or any(not isinstance(cell := row[place], Amount) or cell.minor for row in section.rows)
    ]


def footnotes(definitions: Sequence[Definition]) -> list[Table]:
    """Each definition, with what it does with odd money, as a table below the numbers."""
    rows = []
    for one in definitions:
        title, _, said = one.title.partition(": ")
        rows.append([title, said])
        rows += [[f"  {head}", text] for head, text in one.notes]
    return [Table("How it is reckoned", ["", ""], rows)] if rows else []


def table_csv(answer: Answer) -> str:
    """Rows of all sections under one head; the currency first, amounts as plain decimals."""
    file = io.StringIO()
    out = csv.writer(file, lineterminator="\n")
    columns = next((section.columns for section in answer.sections if section.columns), ())
    if columns:
        out.writerow(["currency", *map(_key, columns)])
        for section in answer.sections:
            for row in section.rows:
                out.writerow([section.currency, *map(_csv_cell, row)])
    else:
        out.writerow(["currency", "figure", "value", "unit"])
        for section in answer.sections:
            for one in section.figures:
                unit = one.value.unit if isinstance(one.value, Number) else ""
                out.writerow([section.currency, one.key, _csv_cell(one.value), unit])
    return file.getvalue()


def _csv_cell(cell: Cell) -> str:
    """Bare numbers, and nothing that a spreadsheet would run as a formula."""
    match cell:
        case Amount(minor, currency):
            digits = money.exponent(currency)
            return f"{Decimal(minor).scaleb(-digits):.{digits}f}"
        case Number(None):
            return ""
        case Number(Fraction() as value):
            return str(rounded(value, 4))
        case str():
            return cell if cell == NOTHING else harmless(cell)
        case _:
            return written(cell)


def picture(answer: Answer) -> bytes:
    """The report as PNG."""
    period = answer.period
    below = (
        f"{spelling.day(period.first)} to {spelling.day(period.last)}"
        if period
        else f"as of {spelling.day(answer.as_of)}"
    )
    return charts.columns(answer.title, below, answer.panels)


def scaled(minor: int | Fraction, currency: str) -> float:
    """An amount as the height of a bar, and for nothing else."""
    return float(Fraction(minor) / 10 ** money.exponent(currency))


def bar_height(value: Fraction | None) -> float:
    """A ratio as the height of a bar."""
    return float(value or 0)
