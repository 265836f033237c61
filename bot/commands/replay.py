"""The command that shows what a policy would have done over a history."""

import asyncio
import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from bot.commands import terminal
from bot.commands.setup import mapping_of
from bot.commands.terminal import command
from bot.report import Report, Wrong


@command
def replay(  # noqa: PLR0913 - each is a flag
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="One row per invoice.")],
    *,
    map_: Annotated[
        list[str], typer.Option("--map", metavar="OUR=THEIRS", help="What they call our column.")
    ] = [],  # noqa: B006 - typer copies it
    first: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="YYYY-MM-DD", help="Import what was before, and begin on this day."
        ),
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="The last day.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Instead of the firm's policy.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="A second policy, side by side.")
    ] = None,
    group_by: Annotated[
        str | None, typer.Option(metavar="invoice|client", help="What a notice is about.")
    ] = None,
    count_from: Annotated[
        str | None, typer.Option(metavar="issued|due", help="Instead of what the policy says.")
    ] = None,
    bare: Annotated[
        bool, typer.Option("--bare", help="Without grouping, hours, budget and disputes.")
    ] = False,
    png: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw cash and notices by week.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Write cash and notices by day.")
    ] = None,
    firm: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Legal entities and staff.")
    ] = None,
    date_format: Annotated[
        str | None, typer.Option(metavar="D/M/Y", help="The order of the dates, if unclear.")
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Replay the good rows.")] = False,
    default_currency: Annotated[str, typer.Option(help="Where the file names none.")] = "USD",
    default_timezone: Annotated[str | None, typer.Option(help="Where the file names none.")] = None,
    default_country: Annotated[str, typer.Option(help="Where the file names none.")] = "US",
) -> Report:
    """Take a history through the product, day by day, and say what would have been sent.

    The columns are those of `counterfoil import`; `paid` is the day on which an invoice was paid.
    Nothing leaves, and the store of this installation is not touched.
    """
    from bot import replay as history

    given = terminal.settings()
    asked = history.Asked.model_validate(
        terminal.given(
            file=_there(file),
            mapping=mapping_of(map_),
            first=_day("--from", first),
            last=_day("--to", last),
            policy=_there(policy) if policy else given.policy_file,
            against=_there(against) if against else None,
            group_by=_one_of("--group-by", group_by, "invoice", "client"),
            count_from=_one_of("--count-from", count_from, "issued", "due"),
            bare=bare,
            png=png,
            csv=csv,
            firm=_there(firm) if firm else None,
            templates=given.templates_dir,
            date_format=date_format,
            skip_bad=skip_bad,
            default_currency=default_currency,
            default_timezone=default_timezone,
            default_country=default_country,
        )
    )
    with terminal.bar("replaying days") as progress:
        return asyncio.run(history.run(asked, progress))


def _there(path: Path) -> Path:
    if not path.is_file():
        raise Wrong(f"There is no file {path}.")
    return path


def _day(flag: str, written: str | None) -> dt.date | None:
    try:
        return dt.date.fromisoformat(written) if written else None
    except ValueError:
        raise Wrong(f"{flag} {written}: write the day like 2026-01-31.") from None


def _one_of(flag: str, written: str | None, *allowed: str) -> str | None:
    if written is not None and written not in allowed:
        raise Wrong(f"{flag} {written}: write {' or '.join(allowed)}.")
    return written
