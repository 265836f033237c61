"""How does a firm's list of invoices get into the store, whole or not at all?

Read, compared and, where nothing stands against it, booked. The same file twice changes nothing.
"""

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from billing import money, portfolio, spelling
from billing.portfolio import Agreements, Portfolio, PortfolioRow, Problem, Total
from bot import firm as firms
from bot.app import App
from bot.firm import Firm
from bot.imports import booking, plan, words
from bot.imports.booking import Tally
from bot.imports.plan import Plan
from bot.report import DONE, WRONG, Args, Progress, Report, Table, Wrong

MOST = 200
"""Problems that a person is shown; ``--json`` has them all."""
_BOOKED = {
    "clients": ("client new or changed", "clients new or changed"),
    "invoices": ("invoice", "invoices"),
    "payments": ("payment", "payments"),
    "disputes": ("dispute", "disputes"),
    "corrections": ("correction", "corrections"),
    "agreements": ("agreement new or changed", "agreements new or changed"),
}


class Asked(BaseModel):
    """The flags of `counterfoil import`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path
    source: str = "csv"
    mapping: Mapping[str, str] = Field(default_factory=dict)
    date_format: str | None = None
    dry_run: bool = False
    skip_bad: bool = False
    correct: bool = False
    agreements: Path | None = None
    firm: Path | None = None
    default_currency: str = "USD"
    default_timezone: str | None = None
    default_country: str = "US"


async def run(app: App, args: Args, progress: Progress) -> Report:
    """Import a file.

    Raises:
        Wrong: a file cannot be opened, or a flag means nothing.
        bot.firm.FirmError: the firm's file cannot be used.
    """
    asked = Asked.model_validate(args)
    firm = firms.read(asked.firm) if asked.firm else None
    told, agreements = await asyncio.to_thread(_read, asked)
    found = await asyncio.to_thread(_plan, app, asked, firm, (told, agreements))
    fatal = told.refused or any(problem.fatal for problem in agreements.problems)
    if fatal or (found.problems and not asked.skip_bad):
        return _said(asked, told, found, None)
    if asked.dry_run:
        return _said(asked, told, found, None, good=True)
    if firm is not None:
        await _establish(app, firm)
    tally = await booking.book(app, found, progress)
    return _said(asked, told, found, tally, good=True)


def _read(asked: Asked) -> tuple[Portfolio, Agreements]:
    currency, order = asked.default_currency, asked.date_format
    try:
        told = portfolio.read(
            asked.file,
            mapping=asked.mapping,
            date_format=order,
            source=asked.source,
            default_currency=currency,
            default_timezone=asked.default_timezone,
            default_country=asked.default_country,
        )
        if asked.agreements is None:
            return words.covered(told), Agreements()
        agreements = portfolio.read_agreements(
            asked.agreements, date_format=order, source=asked.source, default_currency=currency
        )
        return words.covered(told), words.of_agreements(agreements)
    except OSError as error:
        raise Wrong(f"{error.filename} cannot be opened: {error.strerror}.") from error
    except ValueError as error:
        raise Wrong(f"A flag of this import cannot be used: {_first(error)}.") from error


def _first(error: ValueError) -> str:
    """One sentence of an error that may have many lines."""
    return str(error).splitlines()[0]


def _plan(app: App, asked: Asked, firm: Firm | None, read: tuple[Portfolio, Agreements]) -> Plan:
    with app.store.read() as session:
        return plan.make(session, *read, app.clock.now(), firm, correct=asked.correct)


async def _establish(app: App, firm: Firm) -> None:
    now = app.clock.now()
    await app.store.write(lambda session: firms.establish(session, firm, now, "import"))


# --- what is said about it ------------------------------------------------------------------------


def _said(
    asked: Asked, told: Portfolio, found: Plan, tally: Tally | None, *, good: bool = False
) -> Report:
    booked = dataclasses.asdict(tally) if tally else {}
    totals = _totals(found.rows)
    lines = [
        *_about_columns(told),
        *_about_problems(found.problems),
        *found.notes[:MOST],
        *([f"… and {len(found.notes) - MOST} more notes"] if len(found.notes) > MOST else ()),
        *_about_outcome(asked, found, booked, good=good),
    ]
    data = {
        "file": str(asked.file),
        "source": asked.source,
        "stored": tally is not None,
        "dry_run": asked.dry_run,
        "clients": len(found.groups),
        "invoices": len(found.rows),
        "agreements": len(found.agreements),
        "booked": booked,
        "totals": {currency: dataclasses.asdict(total) for currency, total in totals.items()},
        "problems": [dataclasses.asdict(problem) for problem in found.problems],
        "ignored": list(told.ignored),
        "hints": list(told.hints),
        "notes": found.notes,
    }
    tables = [_table(totals)] if totals and good else []
    return Report(data, lines, tables, DONE if good else WRONG)


def _about_columns(told: Portfolio) -> list[str]:
    ignored = [f"Columns that are ignored: {', '.join(told.ignored)}."] if told.ignored else []
    return [*ignored, *told.hints]


def _about_problems(problems: Sequence[Problem]) -> list[str]:
    shown = [str(problem) for problem in problems[:MOST]]
    return shown + ([f"… and {len(problems) - MOST} more"] if len(problems) > MOST else [])


def _about_outcome(
    asked: Asked, found: Plan, booked: Mapping[str, int], *, good: bool
) -> list[str]:
    name = asked.file.name
    if not good:
        if any(problem.fatal for problem in found.problems):
            return [f"Nothing of {name} was stored."]
        bad = len({problem.line for problem in found.problems})
        lines = spelling.counted(bad, "bad line")
        return [f"Nothing of {name} was stored: {lines}. Correct the file, or give --skip-bad."]
    left_out = spelling.counted(len(found.problems), "problem was", "problems were")
    skipped = [f"{left_out} skipped."] if found.problems else []
    if asked.dry_run:
        return [*skipped, f"{name} is good; nothing was stored, because of --dry-run."]
    news = [spelling.counted(count, *_BOOKED[what]) for what, count in booked.items() if count]
    return [*skipped, f"Booked: {', '.join(news)}." if news else "Nothing changed."]


def _totals(rows: Sequence[PortfolioRow]) -> dict[str, Total]:
    sums: dict[str, list[int]] = {}
    for row in rows:
        of = sums.setdefault(row.currency, [0, 0, 0, 0])
        for place, add in enumerate((1, row.amount, row.paid, row.open)):
            of[place] += add
    return {currency: Total(*of) for currency, of in sorted(sums.items())}


def _table(totals: Mapping[str, Total]) -> Table:
    """What was paid beyond its invoice has a column of its own, or the sums would not add up."""
    credits_ = {name: total.paid + total.open - total.issued for name, total in totals.items()}
    last = ["credit"] if any(credits_.values()) else []
    rows = []
    for name, one in totals.items():
        amounts = [one.issued, one.paid, one.open, *([credits_[name]] if last else [])]
        shown = [money.display(amount, name) for amount in amounts]
        rows.append([name, f"{one.invoices:,}", *shown])
    return Table("", ["currency", "invoices", "issued", "paid", "open", *last], rows)
