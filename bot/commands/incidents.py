"""Commands about what came that may not lie about."""

from typing import Annotated

import typer

from bot.commands import terminal
from bot.commands.flags import LARGEST, As
from bot.commands.terminal import command
from bot.report import Report

incidents = typer.Typer(
    no_args_is_help=True, help="Card numbers that clients sent, and what no machine could read."
)
_NUMBER = typer.Argument(
    metavar="INCIDENT", help="As `counterfoil incidents list` numbers it.", max=LARGEST
)


@incidents.command("list")
@command
def list_(
    *, closed: Annotated[bool, typer.Option("--all", help="Also what is dealt with.")] = False
) -> Report:
    """What waits for somebody to look at it, and what became of a number everywhere."""
    from bot.custody import incidents as rows

    with terminal.reading() as app, app.store.read() as session:
        return rows.listed(session, closed=closed)


@incidents.command()
@command
def read(incident: Annotated[int, _NUMBER], *, who: As) -> Report:
    """Look at what no machine could read, as it is kept; that you did is kept as well."""
    return terminal.writing("read_incident", {"incident": incident, "by": who})


@incidents.command()
@command
def done(incident: Annotated[int, _NUMBER], *, who: As) -> Report:
    """Say that it is dealt with."""
    return terminal.writing("close_incident", {"incident": incident, "by": who})
