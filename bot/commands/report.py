"""Commands that answer with figures: one for each report, whose help is its definition."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typing_extensions import override

from bot.commands import flags, terminal
from bot.commands.terminal import command
from bot.report import Report, Wrong
from bot.reports.catalogue import BOARD, REPORTS, Entry

if TYPE_CHECKING:
    from sqlmodel import Session

    from billing.history import Scope
    from bot.app import App
    from bot.reports.answer import Answer, Asked

AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="As of a day, such as 2026-03-31; else now."),
]
Currency = Annotated[str | None, typer.Option(help="Only this currency, such as USD.")]
Entity = Annotated[str | None, typer.Option(help="Only this legal entity, by its name.")]
Days = Annotated[
    int | None,
    typer.Option(help="The period: so many days that end with that day.", min=1, max=36_500),
]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")]
Png = Annotated[
    Path | None, typer.Option("--png", metavar="FILE", help="Draw it into this file as well.")
]


class _Named(typer.core.TyperGroup):
    """Says which reports there are where one is asked for that is not there."""

    @override
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            there = ", ".join(self.commands)
            typer.echo(f"There is no report {args[0]}; there is {there}.", err=True)
            raise typer.Exit(2)
        return super().resolve_command(ctx, args)


report = typer.Typer(
    cls=_Named,
    no_args_is_help=True,
    help="Figures of the books and of the work, as of any day; the help of each defines it.",
)


def _made(name: str, entry: Entry) -> Callable[..., None]:
    """The command of a report."""

    def of_day(
        *,
        as_of: AsOf = None,
        currency: Currency = None,
        entity: Entity = None,
        as_csv: Csv = False,
        png: Png = None,
    ) -> Report:
        return _run(name, _Wish(as_of, currency, entity, None), as_csv=as_csv, png=png)

    def of_period(
        *,
        as_of: AsOf = None,
        days: Days = entry.days,
        currency: Currency = None,
        entity: Entity = None,
        as_csv: Csv = False,
        png: Png = None,
    ) -> Report:
        return _run(name, _Wish(as_of, currency, entity, days), as_csv=as_csv, png=png)

    asked = of_day if entry.days is None else of_period
    asked.__doc__ = entry.help
    return command(asked)


@dataclasses.dataclass(frozen=True, slots=True)
class _Wish:
    """What was asked for, as it was written."""

    as_of: str | None
    currency: str | None
    entity: str | None
    days: int | None


def _run(name: str, wish: _Wish, *, as_csv: bool, png: Path | None) -> Report:
    from bot.reports import answer, catalogue

    with terminal.reading() as app, app.store.read() as session:
        found = catalogue.answer(name, session, _asked(session, app, wish))
    return _told(found, answer.picture, as_csv=as_csv, png=png)


def _told(
    found: "Answer", draw: "Callable[[Answer], bytes]", *, as_csv: bool, png: Path | None
) -> Report:
    from bot.reports import answer

    said = answer.report(found, as_csv=as_csv)
    if png is None:
        return said
    _write(png, draw(found))
    lines = said.lines if as_csv else [*said.lines, f"It is drawn in {png}."]
    return dataclasses.replace(said, lines=lines)


def _asked(session: "Session", app: "App", wish: _Wish) -> "Asked":
    """What was asked for, once it is certain that it is there.

    Raises:
        Wrong: the day, the currency or the legal entity is none.
    """
    from billing import history
    from billing.metrics import Period
    from bot.reports.answer import Asked

    day = flags.day("--as-of", wish.as_of)
    entities = history.entities(session)
    if wish.entity is not None and wish.entity not in entities:
        there = ", ".join(entities) or "none yet"
        raise Wrong(f"There is no legal entity {wish.entity}; there is {there}.")
    scope = history.Scope(
        app.clock.now(), day, entity_id=entities[wish.entity] if wish.entity else None
    )
    if wish.currency:
        scope = dataclasses.replace(scope, currency=_currency(session, scope, wish.currency))
    period = Period.ending(scope.today, wish.days or 90)
    return Asked(scope, period, app.rules.holds.promise_bank_days)


def _currency(session: "Session", scope: "Scope", written: str) -> str:
    from billing import history

    currency = written.upper()
    there = history.currencies(session, scope)
    if there and currency not in there:
        known = ", ".join(sorted(there))
        raise Wrong(f"There is nothing in {written} up to {scope.today}; there is {known}.")
    return currency


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        reason = error.strerror or error
        raise Wrong(f"{path} cannot be written ({reason}); name another place.") from None


def board(  # noqa: D103, PLR0913 - its help is its definitions; each is a flag
    *,
    as_of: AsOf = None,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Compare with as many days that ended then."),
    ] = None,
    days: Days = BOARD.days,
    currency: Currency = None,
    entity: Entity = None,
    as_csv: Csv = False,
    png: Png = None,
    pdf: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page, ready to print (A4).")
    ] = None,
) -> Report:
    from bot.reports import answer
    from bot.reports import board as boards

    wish = _Wish(as_of, currency, entity, days)
    with terminal.reading() as app, app.store.read() as session:
        asked = _asked(session, app, wish)
        base = flags.day("--baseline", baseline)
        if base is not None and base >= asked.scope.today:
            raise Wrong(f"--baseline {base} must be before {asked.scope.today}.")
        found = boards.gather(session, asked, base, firm=entity or "")
    made = dataclasses.replace(boards.answer(found, asked), definitions=BOARD.definitions)
    said = _told(made, answer.picture, as_csv=as_csv, png=png)
    if pdf is None or found is None:
        return said
    from bot.reports import page

    _write(pdf, page.draw(found, BOARD.definitions))
    lines = said.lines if as_csv else [*said.lines, f"The page is in {pdf}."]
    return dataclasses.replace(said, lines=lines)


board.__doc__ = BOARD.help
for _name, _entry in REPORTS.items():
    report.command(_name, short_help=_entry.line)(_made(_name, _entry))
report.command("board", short_help=BOARD.line)(command(board))
