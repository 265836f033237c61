"""Commands about the master key: make another one, and take it into use."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.commands import terminal
from bot.commands.terminal import command
from bot.report import NO, Report, Table, Wrong

if TYPE_CHECKING:
    from billing.keyring import Keyring

keys = typer.Typer(no_args_is_help=True, help="The master key, and the keys that it wraps.")
_STANDINGS = {
    "in use": "the master key in use",
    "valid": "the previous one, valid as well",
    "nameless": "from before master keys had names",
    "unknown": "none that is named here",
}


@keys.command()
@command
def make(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where none is yet.")],
) -> Report:
    """Make another master key, readable by its owner only; nothing uses it yet."""
    from billing.keyring import new_master_key

    if file.exists():
        raise Wrong(f"{file} exists; name a new file, it will not be overwritten.")
    file.parent.mkdir(parents=True, exist_ok=True)
    new_master_key(file)
    path = file.absolute()
    then = (
        f"Set COUNTERFOIL_MASTER_KEY_FILE={path} and COUNTERFOIL_MASTER_KEY_PREVIOUS_FILE to the "
        "file it was, restart, then run `counterfoil keys rotate`."
    )
    lines = [f"A new master key is in {path}.", then]
    return Report({"key_file": str(path)}, lines)


@keys.command()
@command
def status() -> Report:
    """How many keys are under which master key."""
    from contextlib import closing

    from bot import masterkeys

    with closing(masterkeys.ring(terminal.settings())) as keyring:
        return _standing(keyring)


@keys.command()
@command
def rotate() -> Report:
    """Wrap every key anew by the master key in use; bodies stay as they are.

    Beside a running `serve`, and again after it was killed: it goes on where it was.
    """
    from contextlib import closing

    from bot import masterkeys

    with closing(masterkeys.ring(terminal.settings())) as keyring:
        left = sum(one.keys for one in keyring.under() if one.standing != "in use")
        moved = 0
        with terminal.bar("wrapping") as progress:
            for moved in keyring.rewrap():
                progress(moved, left)
        done = _standing(keyring)
        said = f"{moved:,} keys were wrapped anew." if moved else "Nothing was left to do."
        return Report({"moved": moved, **done.data}, [said, *done.lines], done.tables, done.code)


def _standing(keyring: "Keyring") -> Report:
    found = keyring.under()
    rows = [[one.name or "-", f"{one.keys:,}", _STANDINGS[one.standing]] for one in found]
    table = Table("", ["master_key", "keys", "which"], rows)
    done = all(one.standing == "in use" for one in found)
    unknown = any(one.standing == "unknown" for one in found)
    lines = ["All keys are under the master key in use; no other is needed for them."]
    if not done:
        lines = ["Keep both master keys, and run `counterfoil keys rotate`."]
    if unknown:
        lines = ["Name the missing one with COUNTERFOIL_MASTER_KEY_PREVIOUS_FILE first."]
    data = {"done": done, "keys": [asdict(one) for one in found]}
    return Report(data, lines, [table], NO if unknown else 0)
