"""How are the figures of one replay, or of two side by side, told to a person?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from billing import money
from bot.replay.outcome import Outcome
from bot.report import Table

Number = int | float
Shown = Callable[[Number], str]
_MOST_REMINDERS = 6


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a section: what it counts, and how the number is written."""

    title: str
    label: str
    value: Number | None
    shown: Shown


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
    return title not in {"Days to pay", "Cash by month"}


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
    yield Figure("Days to pay", "invoices", paid.count, _whole)
    for label in ("mean", "median", "p90"):
        yield Figure("Days to pay", label, getattr(paid, label), _tenths)
    for currency, months in outcome.cash_by_month.items():
        for month, amount in months.items():
            shown = partial(_money, currency)
            yield Figure("Cash by month", f"{month} {currency}", amount, shown)
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
                yield Figure("Notices by step", f"{rung.step}. {what}", value, _whole)


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
