"""Commands that answer: what was decided, what was said, and does it all hold?"""

from pathlib import Path
from typing import Annotated

import typer

from bot.commands import flags, terminal
from bot.commands.terminal import command
from bot.report import Report

audit = typer.Typer(no_args_is_help=True, help="The chains of what was said and decided.")


@command
def explain(
    subject: Annotated[str, typer.Argument(help="A client, an invoice or a message.")],
) -> Report:
    """Say why: what was decided, by which rule, on which facts, and what would change it."""
    from bot import subjects
    from bot.reasons import explain as explaining
    from bot.reasons import explanation

    with terminal.reading() as app, app.store.read() as session:
        found = subjects.find(session, subject)
        return explanation.report(explaining.of(session, app.office(), found.kind, found.id))


@command
def timeline(
    client: Annotated[str, typer.Argument(help="A name or a reference.")],
    *,
    limit: Annotated[int, typer.Option(help="The newest so many.", min=1, max=flags.LARGEST)] = 50,
    words: Annotated[bool, typer.Option("--words", help="With what was written.")] = False,
) -> Report:
    """What was said between a client and us, on every channel, the newest first."""
    from bot import subjects
    from bot.reasons import conversation

    with terminal.reading() as app, app.store.read() as session:
        found = subjects.client(session, client)
        return conversation.timeline(session, app.office(), found, limit, words=words)


@audit.command()
@command
def verify(
    *,
    client: Annotated[str | None, typer.Option(help="Only this client's chain.")] = None,
    file: Annotated[
        Path | None,
        typer.Option("--checkpoints", help="A copy of the checkpoint file, kept elsewhere."),
    ] = None,
) -> Report:
    """Walk the chains and name every place that was changed, removed, cut off or put in."""
    from bot import checkpoints, doctor, subjects

    given = flags.existing(file) if file else None
    with terminal.reading() as app, app.store.read() as session:
        if client:
            return doctor.chains(app.store, session, subjects.client(session, client).id)
        kept = given or app.settings.checkpoints_file
        ends = checkpoints.verify(session, kept, app.keyring)
        return doctor.chains(app.store, session, None, ends)


@audit.command()
@command
def checkpoint() -> Report:
    """Write down, signed and outside the database, where every chain ends now."""
    return terminal.writing("checkpoint", {})


@audit.command(name="books")
@command
def reckon() -> Report:
    """Reckon every account anew and name what is posted otherwise than it was told."""
    from bot import audit as looking

    with terminal.reading() as app, app.store.read() as session:
        return looking.books(session)


@audit.command()
@command
def moving() -> Report:
    """Look for whatever stands still: late, forgotten, or never told to anybody."""
    from bot import audit as looking

    with terminal.reading() as app:
        return looking.report(looking.look(app))
