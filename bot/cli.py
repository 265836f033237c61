"""What can be asked on the command line?

Only names stand here; importing this loads nothing of the product.
"""

import gc
import os
import resource
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from bot.commands import (
    custody,
    diff,
    duplicates,
    incidents,
    keys,
    law,
    override,
    paper,
    people,
    policy,
    preview,
    privilege,
    process,
    processors,
    record,
    remittance,
    replay,
    report,
    rights,
    screen,
    setup,
    tasks,
)

app = typer.Typer(
    name="counterfoil",
    help="Chase invoices and renew agreements without ever sending the wrong message.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_COMMANDS: Mapping[str, Mapping[str, Callable[..., None]]] = {
    "Try it": {"sandbox": process.sandbox, "replay": replay.replay},
    "Set up": {
        "migrate": setup.migrate,
        "import": setup.import_,
        "remittance": remittance.remittance,
        "doctor": setup.doctor,
        "processors": processors.processors,
        "backup": setup.backup,
        "restore": setup.restore,
    },
    "Run": {
        "serve": process.serve,
        "tick": process.tick,
        "ladder": policy.ladder,
        "again": policy.again,
        "decide": policy.decide,
        "golive": process.golive,
        "stop": process.stop,
        "override": override.override,
    },
    "Ask": {
        "preview": preview.preview,
        "explain": record.explain,
        "timeline": record.timeline,
        "screen": screen.screen,
    },
    "A person's turn": {"tasks": tasks.tasks, "handled": tasks.handled},
    "What clients may ask": {
        "prefer": law.prefer,
        "unencrypted": law.unencrypted,
        "erase": custody.erase,
    },
    "One client, many names": {
        "duplicates": duplicates.duplicates,
        "merge": duplicates.merge,
        "unmerge": duplicates.unmerge,
        "different": duplicates.different,
    },
}
_GROUPS = {
    "access": people.access,
    "keys": keys.keys,
    "policy": policy.policy,
    "legal-state": law.legal_state,
    "legal-hold": custody.legal_hold,
    "rights": rights.rights,
    "privilege": privilege.privilege,
    "incidents": incidents.incidents,
    "audit": record.audit,
    "report": report.report,
    "paper": paper.paper,
}

_SHELVES = {
    **dict.fromkeys(("access", "keys", "policy"), "Set up"),
    **dict.fromkeys(
        ("legal-state", "legal-hold", "rights", "privilege", "incidents"),
        "What must be kept, hidden or answered",
    ),
}
"""Under which heading the help lists a group; the others are for asking."""

policy.policy.command("diff")(diff.diff)
for _panel, _commands in _COMMANDS.items():
    for _name, _command in _commands.items():
        app.command(_name, rich_help_panel=_panel)(_command)
for _name, _group in _GROUPS.items():
    app.add_typer(_group, name=_name, rich_help_panel=_SHELVES.get(_name, "Ask"))


def _version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        from importlib.metadata import version

        typer.echo(f"counterfoil {version('counterfoil')}")
        raise typer.Exit


@app.callback()
def root(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Say which this is."),
    ] = False,
) -> None:
    """Chase invoices and renew agreements without ever sending the wrong message."""


FILES = 10_240
"""Open files and connections: what every system grants."""


def keep_to_ourselves() -> None:
    """What this process writes is its owner's alone, and no crash leaves its memory in a file.

    Nor do a thousand idle callers use up its files: that is all that a shell allows by itself.
    """
    os.umask(os.umask(0o077) | 0o077)
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))
    held, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(most, FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(held, wanted), most))


def main() -> None:
    """Run the command line."""
    keep_to_ourselves()
    # What is loaded stays: the usual sweeps through all of it take a sixth of a start.
    gc.set_threshold(20_000, 20, 20)
    app()
