"""What does a command say when it is done, to a person and to a program?

Plain values that travel over the console's socket as they are; importing this costs nothing.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DONE, NO, WRONG = 0, 1, 2
"""Exit codes: done; the answer is no; wrong usage or input."""

Args = Mapping[str, Any]
Progress = Callable[[int, int], None]
"""Told how many of how many are done."""


class Wrong(Exception):
    """Wrong usage or input; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows for a person to read."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Report:
    """``lines`` and ``tables`` are for people, ``data`` is what ``--json`` prints."""

    data: Mapping[str, Any] = field(default_factory=dict)
    lines: Sequence[str] = ()
    tables: Sequence[Table] = ()
    code: int = DONE

    @property
    def packed(self) -> dict[str, Any]:
        """The form in which it crosses the console's socket."""
        tables = [[table.title, list(table.columns), list(table.rows)] for table in self.tables]
        return {
            "data": self.data,
            "lines": list(self.lines),
            "tables": tables,
            "code": self.code,
        }


def unpacked(packed: Mapping[str, Any]) -> Report:
    """The report that ``packed`` made."""
    tables = [Table(*parts) for parts in packed["tables"]]
    return Report(packed["data"], packed["lines"], tables, packed["code"])


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet begins to reckon at, in full width too."""


def harmless(cell: str) -> str:
    """A cell of a CSV file that is text to a spreadsheet, whatever somebody called a client."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def silent(_done: int, _all: int) -> None:
    """Where nobody watches the progress."""


Operation = Callable[[Any, Args, Progress], Awaitable[Report]]
"""What writes: the same function runs in the command and, asked by it, in ``serve``."""
