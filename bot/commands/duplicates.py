"""Commands about who is one client, whatever system names it."""

from typing import Annotated

import typer

from bot.commands import terminal
from bot.commands.flags import WHO
from bot.commands.terminal import command
from bot.report import Report, Wrong


@command
def duplicates() -> Report:
    """Clients that may be one, with what speaks for it and against it."""
    from bot.staff import duplicates as found

    with terminal.reading() as app, app.store.read() as session:
        return found.listed(session)


@command
def merge(
    keep: Annotated[str, typer.Argument(metavar="A", help=f"The one that stays. {WHO}")],
    alias: Annotated[str, typer.Argument(metavar="B", help=f"Another name of it. {WHO}")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> Report:
    """Make two clients one: money, holds, consent and the past of both; it can be undone."""
    if not yes and not typer.confirm(f"Make {alias} another name of {keep}?", err=True):
        raise Wrong("Nothing was merged; `--yes` does not ask.")
    return terminal.writing("merge", {"one": keep, "other": alias, "by": terminal.by()})


@command
def unmerge(
    alias: Annotated[str, typer.Argument(metavar="A", help=f"The one that was merged. {WHO}")],
) -> Report:
    """Make a merged client one of its own again; what came in meanwhile stays with whom it named.

    Every row is where it was, so nothing is lost.
    """
    return terminal.writing("unmerge", {"one": alias, "by": terminal.by()})


@command
def different(
    one: Annotated[str, typer.Argument(metavar="A", help=WHO)],
    other: Annotated[str, typer.Argument(metavar="B", help=WHO)],
) -> Report:
    """Say that two clients who are called alike are not one; nobody is asked again."""
    return terminal.writing("different", {"one": one, "other": other, "by": terminal.by()})
