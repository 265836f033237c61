"""The command that compares: what would publishing another policy change of the days to come?"""

from pathlib import Path
from typing import Annotated

import typer

from bot.commands import terminal
from bot.commands.terminal import command
from bot.report import Report, Wrong


@command
def diff(
    file: Annotated[Path, typer.Argument(metavar="NEW.toml", help="What would be published.")],
    *,
    days: Annotated[int, typer.Option(metavar="N", help="So many days ahead.", min=1)] = 7,
) -> Report:
    """Say who would get what, if this policy were published, that they would not have; and back."""
    from bot.preview import MOST_DAYS, comparing

    if not file.is_file():
        raise Wrong(f"There is no policy file {file}; name one that is there.")
    if days > MOST_DAYS:
        raise Wrong(f"--days {days}: look at most {MOST_DAYS} days ahead.")
    asked = comparing.Asked(file=file, days=days)
    with terminal.reading() as app, terminal.bar("comparing days") as progress:
        return comparing.run(app, asked, progress)
