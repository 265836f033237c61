"""Commands about what is sealed."""

import csv
import io
from pathlib import Path
from typing import Annotated

import typer

from bot.commands import terminal
from bot.commands.terminal import command
from bot.report import Report

privilege = typer.Typer(no_args_is_help=True, help="What is sealed, and who has read it.")
_TOUCHPOINT = typer.Argument(metavar="TOUCHPOINT", help="As `counterfoil timeline` numbers it.")
_AS = typer.Option("--as", metavar="EMAIL", help="The member of staff who asks; it is kept.")
_WHY = typer.Option("--reason", help="Why; kept, encrypted.")


@privilege.command()
@command
def log(
    *,
    client: Annotated[str | None, typer.Option(help="Only of this client.")] = None,
    matter: Annotated[str, typer.Option(help="Only of clients with bills of this matter.")] = "",
    out: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write it there as well.")
    ] = None,
) -> Report:
    """The privilege log: what is withheld as legal advice, without what it says."""
    from bot import privilege as sealed
    from bot import subjects

    with terminal.reading() as app, app.store.read() as session:
        found = subjects.client(session, client) if client else None
        report = sealed.log(session, found, matter)
    if out is not None:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(sealed.COLUMNS)
        writer.writerows(row for table in report.tables for row in table.rows)
        out.write_text(text.getvalue(), encoding="utf-8")
    return report


@privilege.command()
@command
def seal(
    touchpoint: Annotated[int, _TOUCHPOINT],
    *,
    who: Annotated[str, _AS],
    reason: Annotated[str, _WHY],
    label: Annotated[str, typer.Option(help="privileged or phi.")] = "privileged",
) -> Report:
    """Hide what was said from everybody who is not cleared for it."""
    asked = {"touchpoint": touchpoint, "by": who, "reason": reason, "label": label}
    return terminal.writing("seal", asked)


@privilege.command()
@command
def unseal(
    touchpoint: Annotated[int, _TOUCHPOINT],
    *,
    who: Annotated[str, _AS],
    reason: Annotated[str, _WHY],
) -> Report:
    """Show again what was sealed; only who is cleared for it may do this."""
    return terminal.writing("unseal", {"touchpoint": touchpoint, "by": who, "reason": reason})


@privilege.command()
@command
def read(touchpoint: Annotated[int, _TOUCHPOINT], *, who: Annotated[str, _AS]) -> Report:
    """Read what is sealed; that you did is a link of the client's chain."""
    return terminal.writing("read_sealed", {"touchpoint": touchpoint, "by": who})
