"""The command that lets a client's renewals and offers pass its overdue balance."""

from typing import Annotated

import typer

from bot.commands import terminal
from bot.commands.flags import Client
from bot.commands.terminal import command
from bot.report import Report, Wrong


@command
def override(
    client: Client,
    *,
    reason: Annotated[str, typer.Option(help="Why, for whoever reads the record.")] = "",
    until: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="The last day of it.")] = "",
    end: Annotated[bool, typer.Option("--end", help="Take back what holds now.")] = False,
) -> Report:
    """Let renewals and offers pass a client's overdue balance until a day, for a reason.

    Without a reason and a day it shows what holds now. It ends by itself, and stands on the
    client's chain.
    """
    if end:
        return terminal.writing("end_override", {"client": client, "by": terminal.by()})
    if not reason and not until:
        from bot.staff import overrides

        with terminal.reading() as app, app.store.read() as session:
            return overrides.listed(session, app.office(), client)
    if not (reason and until):
        raise Wrong("An override needs both: `--reason WHY` and `--until YYYY-MM-DD`.")
    asked = {"client": client, "reason": reason, "until": until, "by": terminal.by()}
    return terminal.writing("override", asked)
