"""How are the days to come told: to a person, to a program, and to a spreadsheet?"""

import csv
import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from billing import money
from billing.calendar import local_date, zone
from bot.preview.course import Asked, Coming
from bot.preview.entry import Entry, What
from bot.report import Report, Table, Wrong, harmless

ASSUMED = (
    "Assumed: nobody pays or answers, no promise is kept, no new invoice comes, what is under way "
    "stays under way, and everything that leaves is delivered."
)
CLOSED = (
    "Nothing goes to clients now: the door is closed. `--as-if-live` shows what would go once "
    "`counterfoil golive` opens it."
)
AS_IF = "Shown as if the door were open. It is closed: nothing goes until `counterfoil golive`."
MOST = 60
"""Entries that a person is shown; ``--json`` and ``--csv`` have them all."""
_PLAIN = {"dunning": "reminders"}
COLUMNS = (
    "at", "day", "what", "client_id", "client", "timezone", "purpose", "step", "template",
    "channel", "currency", "amount", "rule", "reason", "until", "owner", "disputed", "standing",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """What was looked at, and what was seen."""

    asked: Asked
    version: str
    """Of the policy that holds."""
    coming: Coming
    live: str
    """How the go-live switch stands for the firm."""
    clients: int
    seconds: float

    @property
    def days(self) -> list[dt.date]:
        """The first to the last, as UTC has them."""
        first = local_date(self.asked.now, "UTC")
        return [first + dt.timedelta(days=number) for number in range(self.asked.days + 1)]


@dataclass(frozen=True, slots=True)
class Day:
    """The figures of a day."""

    day: dt.date
    counts: Mapping[What, int]
    channels: Mapping[str, int]
    asked: Mapping[str, int]
    """What its reminders ask for, by currency, in minor units."""

    @property
    def plain(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        counts = {f"{what}s": self.counts.get(what, 0) for what in What}
        return {"day": self.day, **counts, "channels": self.channels, "asked_for": self.asked}


def by_day(entries: Sequence[Entry]) -> list[Day]:
    """The figures of every day on which something comes; what only stands is not counted."""
    days: dict[dt.date, list[Entry]] = defaultdict(list)
    for one in entries:
        if not one.standing:
            days[one.day].append(one)
    return [_day(day, found) for day, found in sorted(days.items())]


def _day(day: dt.date, entries: Sequence[Entry]) -> Day:
    asked: Counter[str] = Counter()
    for one in entries:
        if one.what is What.MESSAGE and one.purpose == "dunning" and one.amount is not None:
            asked[one.currency] += one.amount
    goes = Counter(one.channel for one in entries if one.what is What.MESSAGE)
    return Day(day, Counter(one.what for one in entries), goes, asked)


def report(seen: Seen) -> Report:
    """The whole answer."""
    entries = seen.coming.entries
    days = by_day(entries)
    data = {
        "from": seen.asked.now,
        "until": seen.asked.until,
        "policy": seen.version,
        "live": seen.live,
        "as_if_live": seen.asked.as_if_live,
        "assumed": ASSUMED,
        "clients": seen.clients,
        "totals": totals(entries),
        "days": [one.plain for one in days],
        "entries": [one.plain for one in entries],
        "problems": dict(seen.coming.problems),
        "seconds": round(seen.seconds, 1),
    }
    tables = [_days_table(days), _held_table(entries), _entries_table(entries)]
    return Report(data, _lines(seen), [table for table in tables if table.rows])


def totals(entries: Iterable[Entry]) -> dict[str, int]:
    """How many of each kind; what stands is counted by itself."""
    counts = Counter("standing" if one.standing else f"{one.what}s" for one in entries)
    return {name: counts[name] for name in (*(f"{what}s" for what in What), "standing")}


def _lines(seen: Seen) -> list[str]:
    found, first, last = totals(seen.coming.entries), seen.asked.now, seen.asked.until
    went = (
        f"{_many(found['messages'], 'message goes', 'messages go')}, "
        f"{_many(found['holds'], 'hold begins', 'holds begin')}, "
        f"{_many(found['escalations'], 'case goes to its owner', 'cases go to their owners')}, "
        f"{_many(found['refusals'], 'message never goes', 'messages never go')}; "
        f"{_many(found['standing'], 'is', 'are')} held already."
    )
    days = f"From {first:%-d %b %Y, %H:%M} to {last:%-d %b %Y, %H:%M} UTC"
    lines = [f"{days}, {_many(seen.clients, 'client', 'clients')}: {went}"]
    if seen.live != "open":
        lines.append(AS_IF if seen.asked.as_if_live else CLOSED)
    if many := sum(seen.coming.problems.values()):
        kinds = ", ".join(sorted(seen.coming.problems))
        lines.append(f"{many:,} rows could not be worked on ({kinds}); `counterfoil audit moving`.")
    return [*lines, ASSUMED]


def _many(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"


def _days_table(days: Sequence[Day]) -> Table:
    rows = [
        [
            f"{one.day:%a %-d %b}",
            *(_number(one.counts.get(what, 0)) for what in What),
            ", ".join(f"{name} {many:,}" for name, many in sorted(one.channels.items())),
            amounts(one.asked),
        ]
        for one in days
    ]
    columns = ["day", "messages", "held", "to owners", "never go", "channels", "asked for"]
    return Table("Day by day", columns, rows)


def amounts(by_currency: Mapping[str, int]) -> str:
    """Amounts of several currencies in one line."""
    return ", ".join(money.display(amount, name) for name, amount in sorted(by_currency.items()))


def _number(many: int) -> str:
    return f"{many:,}" if many else ""


def _held_table(entries: Sequence[Entry]) -> Table:
    standing = Counter(one.rule for one in entries if one.standing)
    to_come = Counter(one.rule for one in entries if one.what is What.HOLD and not one.standing)
    never = Counter(one.rule for one in entries if one.what is What.REFUSAL)
    rules = sorted({*standing, *to_come, *never}, key=lambda one: (-standing[one], one))
    rows = [
        [rule.replace("_", " "), _number(standing[rule]), _number(to_come[rule]),
         _number(never[rule])]
        for rule in rules
    ]  # fmt: skip
    return Table("What keeps messages back", ["rule", "held now", "to be held", "never go"], rows)


def _entries_table(entries: Sequence[Entry]) -> Table:
    shown = entries[:MOST]
    more = f" (the first {MOST} of {len(entries):,})" if len(entries) > MOST else ""
    rows = [
        [f"{one.day:%a %-d %b}", _there(one), one.client, called(one), _about(one)] for one in shown
    ]
    return Table(
        f"What comes{more}", ["day", "there", "client", "what", "why, or for how much"], rows
    )


def _there(entry: Entry) -> str:
    """The hour where the client is, as the day beside it is."""
    return f"{entry.at.astimezone(zone(entry.timezone)):%H:%M}"


def called(entry: Entry) -> str:
    """What it is, in a few words."""
    name = (entry.template or _PLAIN.get(entry.purpose, entry.purpose)).replace("_", " ")
    step = f", step {entry.step}" if entry.step else ""
    match entry.what:
        case What.MESSAGE:
            return f"{name} by {entry.channel}{step}"
        case What.HOLD:
            now = "are" if name in _PLAIN.values() and not step else "is"
            return f"{name}{step} {now if entry.standing else 'will be'} held"
        case What.ESCALATION:
            return f"to {entry.owner or 'finance'}{step}"
        case What.REFUSAL:
            return f"{name} by {entry.channel} never goes"


def _about(entry: Entry) -> str:
    amount = money.display(entry.amount, entry.currency) if entry.amount is not None else ""
    if entry.what is What.MESSAGE:
        return amount
    until = f" Until {entry.until:%-d %b, %H:%M} UTC." if entry.until else ""
    why = f"{entry.rule.replace('_', ' ')}: {entry.reason}{until}"
    return f"{amount}, {why}" if amount else why


def write(path: Path, entries: Sequence[Entry]) -> None:
    """Every entry as a row of a CSV file.

    Raises:
        Wrong: it cannot be written.
    """
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            sheet = csv.DictWriter(file, COLUMNS)
            sheet.writeheader()
            sheet.writerows(_cells(one) for one in entries)
    except OSError as error:
        raise Wrong(f"{error.filename} cannot be written: {error.strerror}.") from error


def _cells(entry: Entry) -> dict[str, object]:
    """A client's name that begins like a formula is text to a spreadsheet."""
    return {name: _cell(value) for name, value in entry.plain.items()}


def _cell(value: object) -> object:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, str):
        return harmless(value)
    return "" if value is None else value
