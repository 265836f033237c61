"""Commands that answer: what was decided, what was said, and does it all hold?"""

from pathlib import Path
from typing import Annotated

import typer

from bot.commands import terminal
from bot.commands.terminal import command
from bot.report import NO, Report, Table, Wrong

audit = typer.Typer(no_args_is_help=True, help="The chains of what was said and decided.")
policy = typer.Typer(no_args_is_help=True, help="What the firm has decided.")


@command
def explain(
    subject: Annotated[str, typer.Argument(help="A client, an invoice or a message.")],
) -> Report:
    """Say why: what was decided, by which rule, on which facts, and what would change it."""
    from bot import explain as explaining
    from bot import explanation, subjects

    with terminal.reading() as app, app.store.read() as session:
        found = subjects.find(session, subject)
        return explanation.report(explaining.of(session, app.office(), found.kind, found.id))


@command
def timeline(
    client: Annotated[str, typer.Argument(help="A name or a reference.")],
    *,
    limit: Annotated[int, typer.Option(help="The newest so many.", min=1)] = 50,
    words: Annotated[bool, typer.Option("--words", help="With what was written.")] = False,
) -> Report:
    """What was said between a client and us, on every channel, the newest first."""
    from bot import conversation, subjects

    with terminal.reading() as app, app.store.read() as session:
        found = subjects.client(session, client)
        return conversation.timeline(session, app.office(), found, limit, words=words)


@audit.command()
@command
def verify(
    *,
    client: Annotated[str | None, typer.Option(help="Only this client's chain.")] = None,
) -> Report:
    """Walk the chains and name every place that was changed, removed or put in."""
    from bot import doctor, subjects

    with terminal.reading() as app, app.store.read() as session:
        client_id = subjects.client(session, client).id if client else None
        return doctor.chains(app.store, session, client_id)


@audit.command()
@command
def moving() -> Report:
    """Look for whatever stands still: late, forgotten, or never told to anybody."""
    from bot import audit as looking

    with terminal.reading() as app:
        return looking.report(looking.look(app))


@policy.command()
@command
def check(
    file: Annotated[Path | None, typer.Argument(help="By default the one that is used.")] = None,
) -> Report:
    """Check a policy file and the firm's own templates; every mistake is named at once."""
    from billing import policy as policies
    from bot import doctor

    given = terminal.settings()
    path = file or given.policy_file
    if path is not None and not path.is_file():
        raise Wrong(f"There is no policy file {path}; name one that is there.")
    mistakes = [(str(path.name), *one) for one in doctor.policy_mistakes(path)] if path else []
    if given.templates_dir is not None:
        mistakes += doctor.template_mistakes(given.templates_dir)
    data = {
        "file": str(path) if path else None,
        "mistakes": [dict(zip(("file", "at", "reason"), one, strict=True)) for one in mistakes],
    }
    if mistakes:
        return Report(data, (), [Table("", ["file", "at", "reason"], mistakes)], NO)
    used = policies.load(path) if path else policies.default()
    return Report(data | {"version": used.version}, [f"Good; this is version {used.version}."])
