"""Commands about the policy: is it good, what did we publish, and when?"""

from pathlib import Path
from typing import Annotated

import typer

from bot.commands import terminal
from bot.commands.terminal import command
from bot.report import NO, Report, Table, Wrong

policy = typer.Typer(no_args_is_help=True, help="What the firm has decided.")


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
