"""The command that books what insurers and other payers paid."""

from pathlib import Path
from typing import Annotated

import typer

from bot.commands import flags, terminal
from bot.commands.terminal import command
from bot.report import Report


@command
def remittance(  # noqa: PLR0913 - each is a flag
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="One row per claim.")],
    *,
    payer: Annotated[str, typer.Option(metavar="NAME", help="Who paid: a name, or their id.")],
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="The system that told of the payer.")
    ] = None,
    date_format: flags.DateFormat = None,
    default_currency: flags.Unnamed = "USD",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check, and book nothing.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Book the good lines.")] = False,
) -> Report:
    """Book what an insurer or another payer paid or denied; the same file twice changes nothing.

    Required columns: invoice, paid, date, and payer_reference or claim.
    """
    asked = terminal.given(
        file=flags.whole(file),
        payer=payer,
        source=source,
        date_format=date_format,
        default_currency=default_currency,
        dry_run=dry_run,
        skip_bad=skip_bad,
    )
    return terminal.writing("remittance", asked)
