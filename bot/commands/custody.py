"""Commands about what is kept of a client: evidence that must stay, and what is erased."""

from typing import Annotated

import typer

from bot.commands import terminal
from bot.commands.flags import By, Client
from bot.commands.terminal import command
from bot.report import Report, Wrong

legal_hold = typer.Typer(
    no_args_is_help=True, help="Evidence that must be kept, whatever policy or a client says."
)


@legal_hold.command()
@command
def place(
    client: Client,
    *,
    matter: Annotated[str, typer.Option(help="What it is kept for.")],
    reason: Annotated[str, typer.Option(help="Why, in a sentence.")],
    by: By = "",
) -> Report:
    """Keep everything of a client: nothing is erased, expires or loses its key."""
    asked = {"client": client, "matter": matter, "reason": reason, "by": by or terminal.by()}
    return terminal.writing("place_hold", asked)


@legal_hold.command()
@command
def release(
    client: Client,
    *,
    matter: Annotated[str, typer.Option(help="Only what was kept for this; else all.")] = "",
    reason: Annotated[str, typer.Option(help="Why, in a sentence.")],
    by: By = "",
) -> Report:
    """End a hold: what it kept goes on as policy says."""
    asked = {"client": client, "matter": matter, "reason": reason, "by": by or terminal.by()}
    return terminal.writing("release_hold", asked)


@legal_hold.command("list")
@command
def list_(
    client: Annotated[str, typer.Argument(help="Only this client, with what has ended.")] = "",
) -> Report:
    """Every hold that stands; of one client also those that have ended."""
    from bot.custody import legalholds

    with terminal.reading() as app, app.store.read() as session:
        return legalholds.listed(session, app.office(), client)


@command
def erase(
    client: Client = "",
    *,
    reason: Annotated[str, typer.Option(help="Why, without a name: it stays.")] = "",
    by: By = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Do again what the log of erasures says, in a copy.")
    ] = False,
) -> Report:
    """Destroy a client's key and take out what identifies them; this cannot be undone.

    Bills, payments and the chain stay, without a name. A legal hold forbids it.
    """
    if replay:
        return terminal.writing("replay_erasures", {}, watch=True)
    if not client or not reason:
        raise Wrong("Name the client, and why with --reason; or do the log again with --replay.")
    if not yes and not typer.confirm(_question(client), err=True):
        raise Wrong("Nobody was erased; `--yes` does not ask.")
    asked = {"client": client, "reason": reason, "by": by or terminal.by()}
    return terminal.writing("erase", asked)


def _question(client: str) -> str:
    from bot import subjects
    from bot.custody import erasure

    with terminal.reading() as app, app.store.read() as session:
        found = subjects.client(session, client)
        return f"{erasure.warning(session, app, found.id)}Erase {found.name} (client:{found.id})?"
