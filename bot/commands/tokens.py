"""Commands about the tokens with which other systems ask and tell."""

from typing import Annotated

import typer

from bot.commands import terminal
from bot.commands.terminal import command
from bot.report import Report

token = typer.Typer(no_args_is_help=True, help="Tokens with which other systems ask and tell.")
SCOPES = "facts:write or facts:write:SOURCE; give it several times for several."


@token.command()
@command
def create(
    name: Annotated[str, typer.Argument(help="What uses it, such as crm-sync.")],
    *,
    scope: Annotated[list[str], typer.Option(metavar="SCOPE", help=SCOPES)],
    expires: Annotated[int | None, typer.Option(metavar="DAYS", help="Else never.")] = None,
) -> Report:
    """Make a token and show it, once."""
    asked = {"name": name, "scopes": scope, "days": expires, "by": terminal.by()}
    return terminal.writing("make_token", asked)


@token.command("list")
@command
def list_() -> Report:
    """Every token there was: what it may do, who made it, when it was last used."""
    from bot.api import tokens

    with terminal.reading() as app, app.store.read() as session:
        return tokens.listed(session, app.clock.now())


@token.command()
@command
def revoke(
    name: Annotated[str, typer.Argument(help="Its name, or the part of it that is shown.")],
) -> Report:
    """End a token: from the next request on it opens nothing."""
    return terminal.writing("revoke_token", {"name": name, "by": terminal.by()})
