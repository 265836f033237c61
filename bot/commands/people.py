"""Commands about who may do and see what."""

from typing import Annotated

import typer

from bot.commands import terminal, tokens
from bot.commands.terminal import command
from bot.report import Report

access = typer.Typer(no_args_is_help=True, help="Who may do and see what.")
access.add_typer(tokens.token, name="token")
ROLES = "account_manager, finance, compliance, privileged or admin"


@access.command()
@command
def grant(
    email: str,
    roles: Annotated[list[str], typer.Argument(metavar="ROLE…", help=ROLES)],
    *,
    name: Annotated[str, typer.Option(help="As colleagues call them.")] = "",
    slack: Annotated[str, typer.Option(metavar="U123", help="Their Slack member id.")] = "",
) -> Report:
    """Give somebody roles; one whom we do not know is made known."""
    asked = {"email": email, "roles": roles, "name": name, "slack": slack, "by": terminal.by()}
    return terminal.writing("grant", asked)


@access.command("list")
@command
def list_() -> Report:
    """Everybody who works here, with their roles and Slack accounts."""
    from bot.staff import grants

    with terminal.reading() as app, app.store.read() as session:
        return grants.listed(session)


@access.command()
@command
def revoke(
    email: str,
    roles: Annotated[list[str] | None, typer.Argument(metavar="[ROLE…]", help=ROLES)] = None,
) -> Report:
    """Take roles from somebody; without a role all of them, because they have left."""
    asked = {"email": email, "roles": roles or [], "by": terminal.by()}
    return terminal.writing("revoke", asked)


@access.command()
@command
def wall(
    matter: Annotated[str, typer.Argument(help="As bills name it; without one, all walls.")] = "",
    *,
    add: Annotated[list[str] | None, typer.Option(metavar="EMAIL", help="Let them in.")] = None,
    remove: Annotated[list[str] | None, typer.Option(metavar="EMAIL", help="Out.")] = None,
    down: Annotated[bool, typer.Option("--down", help="Take the wall down.")] = False,
) -> Report:
    """Who may know of a matter: what is sealed of its clients is read by them alone."""
    if add or remove or down:
        asked = {"matter": matter, "add": add or [], "remove": remove or [], "down": down}
        return terminal.writing("wall", asked | {"by": terminal.by()})
    from bot.custody import walls

    with terminal.reading() as app, app.store.read() as session:
        return walls.listed(session, matter)
