"""Which arguments mean the same in several commands, and how is what was written there read?"""

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from bot.report import Wrong

LARGEST = 2**63 - 1
"""No number of a row is larger."""
WHO = "A name, a reference or `client:12`."
Client = Annotated[str, typer.Argument(metavar="CLIENT", help=WHO)]
By = Annotated[
    str, typer.Option(metavar="EMAIL", help="Who of the firm: compliance or admin. Else this user.")
]
As = Annotated[
    str, typer.Option("--as", metavar="EMAIL", help="The member of staff who asks; it is kept.")
]
Columns = Annotated[
    list[str], typer.Option("--map", metavar="OUR=THEIRS", help="What they call our column.")
]
DateFormat = Annotated[
    str | None, typer.Option(metavar="D/M/Y", help="The order of the dates, if unclear.")
]
Firm = Annotated[Path | None, typer.Option(metavar="FILE.toml", help="Legal entities and staff.")]
Unnamed = Annotated[str, typer.Option(help="Where the file names none.")]
UnnamedZone = Annotated[
    str | None, typer.Option(help="Where the file names none, and the country has several.")
]


def existing(path: Path) -> Path:
    """The file, which is there.

    Raises:
        Wrong: it is not.
    """
    if not path.is_file():
        raise Wrong(f"There is no file {path}.")
    return path


def text(path: Path) -> str:
    """What stands in the file.

    Raises:
        Wrong: it is not there, or is no text.
    """
    try:
        return existing(path).read_text(encoding="utf-8-sig")
    except UnicodeError:
        raise Wrong(f"{path} is not UTF-8; save it as UTF-8.") from None


def whole(path: Path) -> str:
    """The file for the process that serves, which may have another working directory.

    Raises:
        Wrong: it is not there.
    """
    return str(existing(path).absolute())


def day(flag: str, written: str | None) -> dt.date | None:
    """The day after a flag, if there is one.

    Raises:
        Wrong: it is none, or beyond the years of what can be told.
    """
    from billing.facts.words import EARLIEST, LATEST

    if not written:
        return None
    try:
        found = dt.date.fromisoformat(written)
    except ValueError:
        raise Wrong(f"{flag} {written}: write the day like 2026-01-31.") from None
    if not EARLIEST <= found.year <= LATEST:
        raise Wrong(f"{flag} {written}: name a day between {EARLIEST} and {LATEST}.")
    return found


def one_of(flag: str, written: str | None, *allowed: str) -> str | None:
    """The word after a flag, if there is one.

    Raises:
        Wrong: it is another than those allowed.
    """
    if written is not None and written not in allowed:
        raise Wrong(f"{flag} {written}: write {' or '.join(allowed)}.")
    return written


def mapping(written: list[str]) -> dict[str, str]:
    """The columns as ``--map`` names them, ours to theirs.

    Raises:
        Wrong: it is written otherwise, or names one twice.
    """
    found: dict[str, str] = {}
    for one in written:
        ours, sign, theirs = (part.strip() for part in one.partition("="))
        if not sign or not ours or not theirs:
            raise Wrong(f"--map {one}: write it like --map client=customerID.")
        if ours in found:
            raise Wrong(f"--map {ours} is there twice; give it once.")
        found[ours] = theirs
    return found
