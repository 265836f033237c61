"""Commands about persons who ask what we hold of them, or to erase it."""

from pathlib import Path
from typing import Annotated

import typer

from bot.commands import terminal
from bot.commands.flags import LARGEST, By, Client
from bot.commands.terminal import command
from bot.report import Report

rights = typer.Typer(
    no_args_is_help=True, help="Persons who ask what we hold of them, or to erase it."
)
Case = Annotated[int, typer.Argument(metavar="CASE", max=LARGEST)]


@rights.command("open")
@command
def open_(
    client: Client,
    *,
    kind: Annotated[str, typer.Option(help="access or erasure.")],
    received: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="When they asked.")],
    by: By = "",
) -> Report:
    """Begin a case: they must be answered within a month."""
    asked = {"client": client, "kind": kind, "received": received, "by": by or terminal.by()}
    return terminal.writing("open_rights", asked)


@rights.command("list")
@command
def list_(
    *, all_: Annotated[bool, typer.Option("--all", help="Those that are closed as well.")] = False
) -> Report:
    """Every open case with the days that are left; ends with 1 where one is late."""
    from bot.custody import rights as cases

    with terminal.reading() as app, app.store.read() as session:
        return cases.listed(session, app.office(), closed=all_)


@rights.command()
@command
def extend(
    case: Case,
    *,
    reason: Annotated[str, typer.Option(help="What the person was told.")],
    by: By = "",
) -> Report:
    """Take up to two months longer, once; tell the person before the first month has passed."""
    asked = {"request": case, "reason": reason, "by": by or terminal.by()}
    return terminal.writing("extend_rights", asked)


@rights.command()
@command
def close(
    case: Case,
    *,
    outcome: Annotated[str, typer.Option(help="granted, partly or refused.")] = "granted",
    reason: Annotated[str, typer.Option(help="What the person was told, if not all.")] = "",
    by: By = "",
) -> Report:
    """Say that the person has their answer."""
    asked = {"request": case, "outcome": outcome, "reason": reason, "by": by or terminal.by()}
    return terminal.writing("close_rights", asked)


@rights.command()
@command
def export(
    client: Client,
    *,
    to: Annotated[Path, typer.Option(metavar="DIR", help="For the two files.")],
    by: By = "",
) -> Report:
    """Everything that is held of a client, as JSON and to read; that it was looked at is recorded.

    What is sealed stays sealed.
    """
    from bot import subjects
    from bot.custody import export as files
    from bot.custody import processors

    noted = terminal.writing("export_rights", {"client": client, "by": by or terminal.by()})
    with terminal.reading() as app, app.store.read() as session:
        register = processors.register(app.settings)
        found = subjects.client(session, f"client:{noted.data['client']}")
        everything = files.gather(session, app.office(), found, register)
        held = processors.holdings_of(everything)
        made = files.write(everything, to)
    lines = [f"Everything of {found.name} is in {made[0]} and {made[1]}; they are not encrypted."]
    data = {"files": [str(path) for path in made], "processors": everything["processors"]}
    return Report(data, lines, [processors.table(held)] if held else [])
