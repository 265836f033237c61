"""The command that shows what a policy would have done over a history."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bot.commands import flags, terminal
from bot.commands.terminal import command
from bot.report import Report

File = Annotated[Path, typer.Argument(metavar="FILE.csv", help="One row per invoice.")]
First = Annotated[
    str | None,
    typer.Option("--from", metavar="YYYY-MM-DD", help="Import what was before, and begin then."),
]
Last = Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="The last day.")]
Policy = Annotated[
    Path | None, typer.Option(metavar="FILE.toml", help="Instead of the firm's policy.")
]
Against = Annotated[
    Path | None, typer.Option(metavar="FILE.toml", help="A second policy, side by side.")
]
GroupBy = Annotated[
    str | None, typer.Option(metavar="invoice|client", help="What a notice is about.")
]
CountFrom = Annotated[
    str | None, typer.Option(metavar="issued|due", help="Instead of what the policy says.")
]
Bare = Annotated[bool, typer.Option("--bare", help="Without grouping, hours, budget and disputes.")]
Png = Annotated[
    Path | None, typer.Option(metavar="FILE.png", help="Draw cash and notices by week.")
]
Csv = Annotated[
    Path | None, typer.Option(metavar="FILE.csv", help="Write cash and notices by day.")
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Replay the good rows.")]


@command
def replay(  # noqa: PLR0913 - each is a flag
    file: File,
    *,
    map_: flags.Columns = [],  # noqa: B006 - typer copies it
    first: First = None,
    last: Last = None,
    policy: Policy = None,
    against: Against = None,
    group_by: GroupBy = None,
    count_from: CountFrom = None,
    bare: Bare = False,
    png: Png = None,
    csv: Csv = None,
    firm: flags.Firm = None,
    date_format: flags.DateFormat = None,
    skip_bad: SkipBad = False,
    default_currency: flags.Unnamed = "USD",
    default_timezone: flags.UnnamedZone = None,
    default_country: flags.Unnamed = "US",
) -> Report:
    """Take a history through the product, day by day, and say what would have been sent.

    The columns are those of `counterfoil import`; `paid` is the day on which an invoice was paid.
    Nothing leaves, and the store of this installation is not touched.
    """
    from bot import replay as history

    given = terminal.settings()
    asked = terminal.given(
        file=flags.existing(file),
        mapping=flags.mapping(map_),
        first=flags.day("--from", first),
        last=flags.day("--to", last),
        policy=flags.existing(policy) if policy else given.policy_file,
        against=flags.existing(against) if against else None,
        group_by=flags.one_of("--group-by", group_by, "invoice", "client"),
        count_from=flags.one_of("--count-from", count_from, "issued", "due"),
        bare=bare,
        png=png,
        csv=csv,
        firm=flags.existing(firm) if firm else None,
        templates=given.templates_dir,
        date_format=date_format,
        skip_bad=skip_bad,
        default_currency=default_currency,
        default_timezone=default_timezone,
        default_country=default_country,
    )
    with terminal.bar("replaying days") as progress:
        return asyncio.run(history.run(history.Asked.model_validate(asked), progress))
