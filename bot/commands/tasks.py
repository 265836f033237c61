"""Commands about what waits for a person."""

from typing import Annotated

import typer

from bot.commands import terminal
from bot.commands.terminal import command
from bot.report import Report, Wrong


@command
def tasks(
    *,
    client: Annotated[str, typer.Option(help="Only this client's: a name or a reference.")] = "",
) -> Report:
    """What waits for a person: replies to read, promises to take, money to find."""
    from bot.staff import tasks as waiting

    with terminal.reading() as app, app.store.read() as session:
        return waiting.listed(session, app.office(), client)


@command
def handled(
    what: Annotated[str, typer.Argument(help="`task:12`, or a client whose reply you have read.")],
    *,
    accept: Annotated[bool, typer.Option("--accept", help="Take what they promise.")] = False,
    refuse: Annotated[bool, typer.Option("--refuse", help="Do not take it.")] = False,
) -> Report:
    """Say that it is done: reminders go on with the next step."""
    if accept and refuse:
        raise Wrong("Say `--accept` or `--refuse`, not both.")
    outcome = "accepted" if accept else "refused" if refuse else "handled"
    return terminal.writing("handled", {"what": what, "outcome": outcome, "by": terminal.by()})
