"""Which of our cells are on each line of their file, and in which order are its dates?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from billing.portfolio import columns, days, sheet
from billing.portfolio.columns import Columns
from billing.portfolio.rows import Cells, Dates, Problem, is_word
from billing.portfolio.sheet import Content, Sheet


class Refused(Exception):
    """Nothing of the file can be used, and why."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(*map(str, problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet with our columns found in it; may be walked more than once."""

    sheet: Sheet
    columns: Columns

    def lines(self) -> Iterator[Cells]:
        """Every line; one whose cells cannot be trusted has its problem noted, and no cells.

        Raises:
            Refused: the rest of the file makes no sense.
        """
        try:
            for record in self.sheet.records():
                cells = Cells(record.line, record.cells, self.columns.at)
                if record.fault:
                    cells.fault("", record.fault)
                yield cells
        except sheet.Unreadable as error:
            raise _refused(error.line, error.reason) from error


def opened(
    content: Content | str,
    mapping: Mapping[str, str],
    required: tuple[str, ...],
    optional: tuple[str, ...],
) -> Table:
    """The file's table.

    Raises:
        Refused: it has no readable header, or lacks a required column.
    """
    try:
        found = sheet.opened(Path(content) if isinstance(content, str) else content)
    except sheet.Unreadable as error:
        raise _refused(error.line, error.reason) from error
    try:
        return Table(found, columns.found(found.header, mapping, required, optional))
    except ValueError as error:
        raise _refused(found.header_line, *error.args) from error


def given(date_format: str | None) -> days.Order | None:
    """The order that the person settled, if any.

    Raises:
        Refused: it is no order.
    """
    try:
        return None if date_format is None else days.order(date_format)
    except ValueError as error:
        raise _refused(0, *error.args) from error


def judged(evidence: days.Evidence, settled: days.Order | None) -> Dates:
    """How to read the dates of a file whose every date was seen.

    Raises:
        Refused: nobody can tell.
    """
    try:
        return Dates(settled or evidence.verdict(), settled)
    except ValueError as error:
        raise _refused(0, *error.args) from error


def see_dates(evidence: days.Evidence, cells: Cells, names: tuple[str, ...]) -> None:
    """Take the date cells of one line into account; yes and no are none."""
    for name in names:
        written = cells.raw(name)
        if not is_word(written):
            evidence.see(cells.line, written)


def _refused(line: int, *reasons: str) -> Refused:
    return Refused(tuple(Problem(line, "", reason, fatal=True) for reason in reasons))
