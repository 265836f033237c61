"""Commands about the policy: is it good, what did we publish, and when?"""

from pathlib import Path
from typing import Annotated

import typer

from bot.commands import flags, terminal
from bot.commands.terminal import command
from bot.report import NO, Report, Table, Wrong

policy = typer.Typer(no_args_is_help=True, help="What the firm has decided.")


@command
def ladder(
    subject: Annotated[str, typer.Argument(help="A client or an invoice.")],
    name: Annotated[str, typer.Argument(help="Of the policy; leave it out to take it away.")] = "",
) -> Report:
    """Give a client or an invoice a ladder of its own, or take it away."""
    asked = {"subject": subject, "name": name, "by": terminal.by()}
    return terminal.writing("choose_ladder", asked)


@command
def again(client: Annotated[str, typer.Argument(help="A name or a reference.")]) -> Report:
    """Send a client's last reminder once more, as a new round; the door judges it as ever."""
    return terminal.writing("again", {"client": client, "by": terminal.by()})


@command
def decide(
    client: Annotated[str, typer.Argument(help="A name or a reference.")],
    decision: Annotated[str, typer.Argument(help="write_off, agency or legal.")],
) -> Report:
    """Close a client's open case at the end of its ladder: a person decides what becomes of it."""
    if decision not in ("write_off", "agency", "legal"):
        raise Wrong(f"{decision} is no decision; choose write_off, agency or legal.")
    asked = {"client": client, "decision": decision, "by": terminal.by()}
    return terminal.writing("decide", asked)


@policy.command()
@command
def check(
    file: Annotated[Path | None, typer.Argument(help="By default the one that is given.")] = None,
) -> Report:
    """Check a policy file and the firm's own templates; every mistake is named at once."""
    from billing import policy as policies
    from bot import doctor
    from bot.staff import publishing
    from comms.rendering import Templates

    given = terminal.settings()
    path = file or given.policy_file
    if path is not None and not path.is_file():
        raise Wrong(f"There is no policy file {path}; name one that is there.")
    found, used = doctor.read_policy(path) if path else ([], policies.default())
    mistakes = [(path.name if path else "policy.toml", *one) for one in found]
    if given.templates_dir is not None:
        mistakes += doctor.template_mistakes(given.templates_dir, used.packs())
    own = [given.templates_dir] if given.templates_dir else []
    known = {key for _, key, _ in mistakes}
    for one in publishing.missing_templates(used, Templates(own)):
        if one.key not in known:
            mistakes.append((path.name if path else "policy.toml", *one))
    data = {
        "file": str(path) if path else None,
        "mistakes": [dict(zip(("file", "at", "reason"), one, strict=True)) for one in mistakes],
    }
    if mistakes:
        return Report(data, (), [Table("", ["file", "at", "reason"], mistakes)], NO)
    return Report(data | {"version": used.version}, [f"Good; this is version {used.version}."])


@policy.command()
@command
def publish(
    file: Annotated[Path | None, typer.Argument(help="By default the one that is given.")] = None,
    *,
    note: Annotated[str, typer.Option(help="Why, for whoever reads the list.")] = "",
) -> Report:
    """Let a policy hold from now on; what has taken a step goes on under the one it began with."""
    path = file or terminal.settings().policy_file
    if path is None:
        raise Wrong("Name the policy file to publish: `counterfoil policy publish FILE`.")
    if not path.is_file():
        raise Wrong(f"There is no policy file {path}; name one that is there.")
    asked = {"name": path.name, "text": flags.text(path), "note": note, "by": terminal.by()}
    return terminal.writing("publish_policy", asked)


@policy.command("list")
@command
def list_() -> Report:
    """Every policy that was published, by whom and why, and which one holds."""
    from bot.staff import publishing

    with terminal.reading() as app, app.store.read() as session:
        return publishing.listed(session, app.rules.version)


@policy.command()
@command
def show(
    version: Annotated[str, typer.Argument(help="By default the one that holds.")] = "",
) -> Report:
    """What a version says: as it was published, or where it never was, all of it as JSON."""
    from bot.staff import publishing

    with terminal.reading() as app, app.store.read() as session:
        return publishing.shown(session, version, app.rules)


@policy.command("explain-pack")
@command
def explain_pack(
    pack: Annotated[str, typer.Argument(help="By default the policy's own.")] = "",
) -> Report:
    """Every rule of law that holds for a firm like ours, its source, and whether counsel signed."""
    from billing.clock import SystemClock
    from bot import lawbook

    holds = terminal.rules(terminal.settings())
    return lawbook.explained(holds, pack, SystemClock().now().date())
