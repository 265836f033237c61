"""How are the figures of one replay, or of two side by side, told to a person?"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

from billing import money
from bot.replay.outcome import Outcome
from bot.report import Table, Wrong

Number = int | float
Shown = Callable[[Number], str]
_MOST_REMINDERS = 6
PAID, CASH = "Days to pay, as they were", "Cash by month, as it was"
AS_IT_WAS = ("days_to_pay", "cash_by_day", "cash_by_month")
"""Figures that no policy of a replay can change."""
MAY_DIFFER = (
    "steps", "escalations", "stopped", "withheld", "reminders_per_paid_invoice", "messages",
    "notices_by_day",
)  # fmt: skip
ASSUMED = (
    "Assumed: clients pay and dispute as they did, whatever they are sent. So cash and days to pay "
    "are the same under every policy; what differs is what is sent, held, refused and handed over."
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a section: what it counts, and how the number is written."""

    title: str
    label: str
    value: Number | None
    shown: Shown


def write_days(path: Path, outcomes: Mapping[str, Outcome]) -> None:
    """Day by day, the cash of the history and the notices of each policy, as a CSV file.

    Raises:
        Wrong: it cannot be written.
    """
    first = next(iter(outcomes.values()))
    currencies = sorted(first.cash_by_day)
    days = {day for cash in first.cash_by_day.values() for day in cash}
    days |= {day for one in outcomes.values() for day in one.notices_by_day}
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            sheet = csv.writer(file)
            cash = [f"cash {currency}" for currency in currencies]
            sheet.writerow(["day", *cash, *(f"notices {name}" for name in outcomes)])
            for day in sorted(days):
                paid = [_major(first.cash_by_day[one].get(day, 0), one) for one in currencies]
                sent = [sum(one.notices_by_day.get(day, {}).values()) for one in outcomes.values()]
                sheet.writerow([day, *paid, *sent])
    except OSError as error:
        raise Wrong(f"{error.filename} cannot be written: {error.strerror}.") from error


def _major(amount: int, currency: str) -> str:
    """As a spreadsheet reads it."""
    return str(Decimal(amount).scaleb(-money.exponent(currency)))


def tables(outcomes: Mapping[str, Outcome]) -> list[Table]:
    """A table per section, a column per policy; of two the difference too."""
    columns = [{(f.title, f.label): f for f in figures(one)} for one in outcomes.values()]
    places = list(dict.fromkeys(place for column in columns for place in column))
    found: list[Table] = []
    for title in dict.fromkeys(title for title, _ in places):
        rows = [
            _row(place[1], [column.get(place) for column in columns])
            for place in places
            if place[0] == title
        ]
        names = list(outcomes) if len(outcomes) > 1 else ["count" if _counts(title) else "value"]
        difference = ["difference"] if len(outcomes) > 1 else []
        found.append(Table(title, ["", *names, *difference], rows))
    return found


def _counts(title: str) -> bool:
    return title not in {PAID, CASH}


def _row(label: str, found: Sequence[Figure | None]) -> list[str]:
    shown = next(figure.shown for figure in found if figure is not None)
    values = [(figure.value if figure is not None else 0) for figure in found]
    cells = ["-" if value is None else shown(value) for value in values]
    if len(values) == 1:
        return [label, *cells]
    first, second = values
    if first is None or second is None:
        return [label, *cells, "-"]
    change = second - first
    return [label, *cells, "=" if not change else f"{'+' if change > 0 else ''}{shown(change)}"]


def figures(outcome: Outcome) -> Iterator[Figure]:
    """Every figure of an outcome, section by section."""
    yield from _steps(outcome)
    yield from _rules("Held, put off or refused, by rule", outcome.stopped)
    yield from _rules("Never sent, by rule", outcome.withheld)
    for often, value in _few(outcome.reminders_per_paid_invoice).items():
        yield Figure("Reminders per paid invoice", often, value, _whole)
    paid = outcome.days_to_pay
    yield Figure(PAID, "invoices", paid.count, _whole)
    for label in ("mean", "median", "p90"):
        yield Figure(PAID, label, getattr(paid, label), _tenths)
    for currency, months in outcome.cash_by_month.items():
        for month, amount in months.items():
            shown = partial(_money, currency)
            yield Figure(CASH, f"{month} {currency}", amount, shown)
    for channel, purposes in outcome.messages.items():
        for purpose, value in purposes.items():
            label = f"{channel}, {purpose.replace('_', ' ')}"
            yield Figure("Messages that left", label, value, _whole)


def _steps(outcome: Outcome) -> Iterator[Figure]:
    for rung in outcome.rungs:
        name = rung.template.replace("_", " ") or "to the owner"
        label = f"{rung.step}. {rung.offset} days, {name}"
        yield Figure("Notices by step", label, rung.notices, _whole)
        for what, value in (("credited", rung.credited), ("failed", rung.failed)):
            if value:
                yield Figure("Notices by step", f"{label}: {what}", value, _whole)


def _rules(title: str, rules: Mapping[str, int]) -> Iterator[Figure]:
    for rule, value in rules.items():
        yield Figure(title, rule.replace("_", " "), value, _whole)


def _few(often: Mapping[int, int]) -> dict[str, int]:
    """Counts of 0, 1, 2 … reminders; many are one line."""
    found: dict[str, int] = {}
    for number, invoices in often.items():
        label = str(number) if number < _MOST_REMINDERS else f"{_MOST_REMINDERS} or more"
        found[label] = found.get(label, 0) + invoices
    return found


def _whole(value: Number) -> str:
    return f"{value:,.0f}"


def _tenths(value: Number) -> str:
    return f"{value:,.1f}"


def _money(currency: str, value: Number) -> str:
    return money.display(int(value), currency)
