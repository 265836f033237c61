"""The command that looks ahead: what will go, what is held, and who will be asked?"""

from pathlib import Path
from typing import Annotated

import typer

from bot.commands import terminal
from bot.commands.terminal import command
from bot.report import Report, Wrong


@command
def preview(
    *,
    days: Annotated[int, typer.Option(metavar="N", help="So many days ahead.", min=1)] = 14,
    client: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this client, by name or reference.")
    ] = None,
    as_if_live: Annotated[
        bool, typer.Option("--as-if-live", help="As if the door to clients were open.")
    ] = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE.csv", help="Every entry as a row.")
    ] = None,
) -> Report:
    """Show every message, hold and escalation to come, day by day; nothing is sent or changed."""
    from bot import preview as ahead

    if days > ahead.MOST_DAYS:
        raise Wrong(f"--days {days}: look at most {ahead.MOST_DAYS} days ahead.")
    given = terminal.given(days=days, client=client, as_if_live=as_if_live, csv=csv)
    asked = ahead.Asked.model_validate(given)
    with terminal.reading() as app, terminal.bar("previewing days") as progress:
        return ahead.run(app, asked, progress)
