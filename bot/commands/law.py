"""Commands about the law between us and a client, and about what a person asked for."""

from pathlib import Path
from typing import Annotated

import typer

from bot.commands import flags, terminal
from bot.commands.flags import WHO, Client
from bot.commands.terminal import command
from bot.report import Report, Wrong

legal_state = typer.Typer(
    no_args_is_help=True, help="Bankruptcy, a request to cease, counsel, a death: nothing leaves."
)
_KIND = "bankruptcy, cease, represented or deceased"
Kind = Annotated[str, typer.Argument(metavar="KIND", help=_KIND)]
At = Annotated[
    str, typer.Option("--at", metavar="ADDRESS", help="Only the person who reads there.")
]


@legal_state.command()
@command
def place(
    client: Client,
    kind: Kind,
    *,
    at: At = "",
    reason: Annotated[str, typer.Option(help="Why; it is kept sealed.")] = "",
    counsel_email: Annotated[str | None, typer.Option(help="Who may be written to.")] = None,
    counsel_name: Annotated[str | None, typer.Option(help="Their name.")] = None,
) -> Report:
    """Let nothing leave for a client any more, what waits included, until somebody lifts it."""
    asked = {"client": client, "kind": _known(kind), "at": at, "reason": reason}
    counsel = terminal.given(counsel_email=counsel_email, counsel_name=counsel_name)
    return terminal.writing("legal_state", asked | counsel | {"by": terminal.by()})


@legal_state.command()
@command
def lift(client: Client, kind: Kind, *, at: At = "") -> Report:
    """Say that it stands no more; reminders go on where they rested."""
    asked = {"client": client, "kind": _known(kind), "at": at, "by": terminal.by()}
    return terminal.writing("lift_legal_state", asked)


@legal_state.command()
@command
def notice(
    client: Client,
    text: Annotated[Path, typer.Argument(metavar="FILE", help="What it says.")],
    *,
    approved_by: Annotated[str, typer.Option(metavar="EMAIL", help="Of the compliance role.")],
    channel: Annotated[str, typer.Option(help="email or sms")] = "email",
) -> Report:
    """Send the one final notice that may follow a request to cease."""
    asked = {
        "client": client,
        "text": flags.text(text).strip(),
        "approved_by": approved_by,
        "channel": channel,
        "by": terminal.by(),
    }
    return terminal.writing("final_notice", asked)


@legal_state.command("list")
@command
def list_(client: Annotated[str | None, typer.Argument(help=WHO)] = None) -> Report:
    """Every legal state that stands: whose, since when, and who placed it."""
    from bot import subjects
    from bot.staff import declarations

    with terminal.reading() as app, app.store.read() as session:
        found = subjects.client(session, client) if client else None
        return declarations.listed(session, found)


@command
def prefer(  # noqa: PLR0913 - one option for each thing that may be asked
    client: Client,
    *,
    only: Annotated[
        list[str] | None, typer.Option(help="email, sms or voice; may be given again.")
    ] = None,
    not_before: Annotated[str | None, typer.Option(metavar="10:00", help="Their time.")] = None,
    not_after: Annotated[str | None, typer.Option(metavar="17:00", help="Their time.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Where that is their time.")] = None,
    at: Annotated[str, typer.Option("--at", metavar="ADDRESS", help="Only what goes there.")] = "",
    clear: Annotated[bool, typer.Option("--clear", help="They ask for it no more.")] = False,
) -> Report:
    """Keep to what somebody asked for, such as only email and not before ten; or show it."""
    from bot import subjects
    from bot.staff import declarations

    if not (only or not_before or not_after or clear):
        with terminal.reading() as app, app.store.read() as session:
            return declarations.wishes(session, subjects.client(session, client).id)
    asked = {"client": client, "at": at, "only": only or [], "clear": clear, "by": terminal.by()}
    hours = terminal.given(not_before=not_before, not_after=not_after, timezone=timezone)
    return terminal.writing("prefer", asked | hours)


@command
def unencrypted(
    client: Client,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="A mailbox or a phone.")],
    *,
    method: Annotated[str, typer.Option(help="form, letter, contract or call")],
    no: Annotated[bool, typer.Option("--no", help="They want it no more.")] = False,
    wording: Annotated[str, typer.Option(help="What they were told; it is kept sealed.")] = "",
) -> Report:
    """Put on record that they were warned, and want details by mail or text all the same."""
    if method not in ("form", "letter", "contract", "call"):
        raise Wrong(f"{method} is no way to say it; write form, letter, contract or call.")
    asked = {"client": client, "address": address, "agreed": not no, "method": method}
    return terminal.writing("unencrypted", asked | {"wording": wording})


def _known(kind: str) -> str:
    if kind not in _KIND.replace(" or ", ", ").split(", "):
        raise Wrong(f"{kind} is no legal state; write {_KIND}.")
    return kind
