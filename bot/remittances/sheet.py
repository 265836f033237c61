"""Which lines does a payer's remittance file have, and what is wrong with the others?

Pure. The same reading of CSV as the import's: encodings, delimiters, the order of dates over the
whole file. Amounts are minor units of the line's currency.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from billing import facts, money
from billing.facts.words import BIGGEST
from billing.portfolio import Problem, columns, days, table
from billing.portfolio.rows import Cells, Dates, reference, words

REQUIRED = ("invoice", "paid", "date")
OPTIONAL = ("payer_reference", "claim", "client", "currency", "denied", "adjusted", "reason")


@dataclass(frozen=True, slots=True)
class Line:
    """What a payer says of one invoice; ``denied`` is None where the file does not say."""

    line: int
    reference: str
    """The payer's own name of it: their reference, or the number of the claim."""
    invoice: str
    client: str
    currency: str
    paid: int
    denied: int | None
    adjusted: int
    reason: str
    date: dt.date

    @property
    def mark(self) -> str:
        """What makes it the same line again."""
        return facts.joined(self.reference, self.invoice, self.date.isoformat())


@dataclass(frozen=True, slots=True)
class Read:
    """The good lines of a file, every problem of the others, and the columns nobody reads."""

    lines: tuple[Line, ...] = ()
    problems: tuple[Problem, ...] = ()
    ignored: tuple[str, ...] = ()


def read(file: Path, date_format: str | None, default_currency: str) -> Read:
    """The lines of a file.

    Raises:
        OSError: it cannot be opened.
        ValueError: the currency is none.
    """
    currency = facts.currency(default_currency)
    try:
        settled = table.given(date_format)
        opened = table.opened(file, {}, REQUIRED, OPTIONAL)
        _referred(opened.columns)
        evidence = days.Evidence()
        for cells in opened.lines():
            if not cells.problems:
                table.see_dates(evidence, cells, ("date",))
        return _taken(opened, table.judged(evidence, settled), currency)
    except table.Refused as refused:
        return Read(problems=refused.problems)


def _referred(found: columns.Columns) -> None:
    if not {"payer_reference", "claim"} & set(found.at):
        sentence = "the file needs a column `payer_reference` or `claim`: their name of each line"
        raise table.Refused((Problem(1, "", sentence, fatal=True),))


def _taken(opened: table.Table, dates: Dates, currency: str) -> Read:
    seen: dict[str, int] = {}
    lines: list[Line] = []
    problems: list[Problem] = []
    for cells in opened.lines():
        told = None if cells.problems else _line(cells, dates, currency)
        if told is not None:
            before = seen.setdefault(told.mark, told.line)
            if before == told.line:
                lines.append(told)
            else:
                cells.fault("", f"is on line {before} too; write what came for it in one line")
        problems.extend(cells.problems)
    if not lines and not problems:
        sentence = "the file has no row below its header; export it again"
        problems.append(Problem(opened.sheet.header_line, "", sentence, fatal=True))
    return Read(tuple(lines), tuple(problems), opened.columns.ignored)


def _line(cells: Cells, dates: Dates, default_currency: str) -> Line | None:
    named = "payer_reference" if cells.raw("payer_reference") else "claim"
    currency = cells.take("currency", lambda cell: facts.currency(cell or default_currency), "")
    if not currency:
        return None
    told = Line(
        line=cells.line,
        reference=cells.take(named, reference, ""),
        invoice=cells.take("invoice", reference, ""),
        client=cells.take("client", words, ""),
        currency=currency,
        paid=cells.take("paid", lambda cell: _amount(facts.some(cell, 60), currency), 0),
        denied=cells.take("denied", lambda cell: _amount(cell, currency) if cell else None, None),
        adjusted=cells.take("adjusted", lambda cell: _amount(cell or "0", currency), 0),
        reason=cells.take("reason", words, ""),
        date=cells.take("date", dates.read, dt.date.min),
    )
    return None if cells.problems else told


def _amount(written: str, currency: str) -> int:
    """An amount of zero or more, in minor units.

    Raises:
        ValueError: it is none.
    """
    amount = money.parse(facts.text(written, 60), currency)
    if not 0 <= amount <= BIGGEST:
        raise ValueError("is below zero or too large; what a payer takes back is booked by hand")
    return amount
