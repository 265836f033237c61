"""What would publishing another policy change of the days to come?

Two previews side by side, on copies of the same rows: one under what holds, one in which the other
was published first, by the code that publishes. What has begun keeps its version there, as it will.
"""

import dataclasses
import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func
from sqlmodel import Session, col, select

from billing import money
from billing import policy as policies
from billing.models import Enrolment, EnrolmentState
from billing.policy import Policy, PolicyError
from bot.app import App
from bot.preview import MOST_DAYS, copying, course, crowd
from bot.preview.entry import Entry, What
from bot.preview.telling import ASSUMED, amounts, called
from bot.report import Progress, Report, Table
from bot.staff import publishing, switch

MOST = 60
"""Lines of a table that a person is shown; ``--json`` has them all."""
_SEEN = ("day", "template", "channel", "currency", "amount", "rule", "until")
"""What of an entry the client, or its owner, would notice."""


class Asked(BaseModel):
    """The arguments of `counterfoil policy diff`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path
    days: int = Field(default=7, ge=1, le=MOST_DAYS)


@dataclass(frozen=True, slots=True)
class Change:
    """The same thing under both policies, on another day, by another way or for another amount."""

    before: Entry
    after: Entry

    @property
    def what(self) -> str:
        """What is not the same, in words."""
        told = []
        for name in _SEEN:
            was, will = getattr(self.before, name), getattr(self.after, name)
            if was != will:
                told.append(f"{name} {_shown(was, self.before)} → {_shown(will, self.after)}")
        return ", ".join(told)


@dataclass(frozen=True, slots=True)
class Difference:
    """What comes under one policy alone, and what comes otherwise."""

    gained: Sequence[Entry]
    lost: Sequence[Entry]
    changed: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Compared:
    """Two policies over the same days, and what came of it."""

    old: Policy
    new: Policy
    asked: course.Asked
    found: Difference
    live: bool
    kept: int
    """Sequences that go on under the version that they began with."""


def run(app: App, asked: Asked, progress: Progress) -> Report:
    """Say what publishing the file would change.

    Raises:
        PolicyError: the file has mistakes.
        OSError: it cannot be read.
    """
    text = policies.text_of(asked.file)
    new = policies.parse(text, asked.file.name)
    if missing := tuple(publishing.missing_templates(new, app.templates)):
        raise PolicyError(asked.file.name, missing)
    with app.store.read() as session:
        # Here, and not in the copies: those lack whoever has nothing to come.
        if lacking := tuple(publishing.unfit_for_rows(session, new)):
            raise PolicyError(asked.file.name, lacking)
        live = switch.status(session).data["live"] == "open"
        kept = _begun(session, new)
        families = copying.families(session)
    # Compared with the door shut, every policy is the same.
    held = course.Asked(app.clock.now(), asked.days, as_if_live=not live)
    before = crowd.lived(app, held, families, lambda done, all_: progress(done, 2 * all_))
    after = crowd.lived(
        app,
        dataclasses.replace(held, publish=text),
        families,
        lambda done, all_: progress(all_ + done, 2 * all_),
    )
    found = compare(before.entries, after.entries)
    return _report(Compared(app.rules, new, held, found, live, kept))


def _begun(session: Session, new: Policy) -> int:
    query = select(func.count()).where(
        Enrolment.state == EnrolmentState.ACTIVE,
        col(Enrolment.policy_version).not_in(("", new.version)),
    )
    return session.exec(query.select_from(Enrolment)).one()


def compare(before: Sequence[Entry], after: Sequence[Entry]) -> Difference:
    """Match what is the same of two previews; what stands already is nobody's news."""
    old, new = _grouped(before), _grouped(after)
    gained: list[Entry] = []
    lost: list[Entry] = []
    changed: list[Change] = []
    for place in dict.fromkeys((*old, *new)):
        was, will = old.get(place, []), new.get(place, [])
        pairs = [Change(*pair) for pair in zip(was, will, strict=False)]
        changed += [one for one in pairs if one.what]
        lost += was[len(pairs) :]
        gained += will[len(pairs) :]
    return Difference(
        sorted(gained, key=lambda one: one.order),
        sorted(lost, key=lambda one: one.order),
        sorted(changed, key=lambda one: one.after.order),
    )


Place = tuple[int, What, str, int | None, str]


def _grouped(entries: Sequence[Entry]) -> Mapping[Place, list[Entry]]:
    """By client, kind, purpose and step; of what is held or refused by its rule as well."""
    found: dict[Place, list[Entry]] = defaultdict(list)
    for one in entries:
        if not one.standing:
            rule = one.rule if one.what in (What.HOLD, What.REFUSAL) else ""
            found[one.client_id, one.what, one.purpose, one.step, rule].append(one)
    return found


# --- what is said about it ------------------------------------------------------------------------


def _report(compared: Compared) -> Report:
    old, new, found = compared.old, compared.new, compared.found
    settings = list(settings_between(old, new))
    data = {
        "before": old.version,
        "after": new.version,
        "from": compared.asked.now,
        "until": compared.asked.until,
        "live": compared.live,
        "keep_their_version": compared.kept,
        "assumed": ASSUMED,
        "settings": [{"key": key, "before": was, "after": will} for key, was, will in settings],
        "totals": {
            "gained": _counts(found.gained),
            "lost": _counts(found.lost),
            "changed": _counts([one.after for one in found.changed]),
        },
        "gained": [one.plain for one in found.gained],
        "lost": [one.plain for one in found.lost],
        "changed": [
            {"before": one.before.plain, "after": one.after.plain, "what": one.what}
            for one in found.changed
        ],
    }
    tables = [
        _settings_table(settings),
        _steps_table(found),
        _entries_table("Would come", found.gained),
        _entries_table("Would not come any more", found.lost),
        _changes_table(found.changed),
    ]
    return Report(data, _lines(compared), [t for t in tables if t.rows])


def _counts(entries: Sequence[Entry]) -> dict[str, int]:
    counts = Counter(one.what for one in entries)
    goes = [one for one in entries if one.what is What.MESSAGE]
    disputed = sum(one.disputed for one in goes)
    return {f"{what}s": counts[what] for what in What} | {"messages_to_disputed": disputed}


def _lines(compared: Compared) -> list[str]:
    old, new, found = compared.old.version, compared.new.version, compared.found
    if old == new:
        return [f"Publishing would change nothing: version {new} holds already."]
    more, fewer = (_of(some, What.ESCALATION) for some in (found.gained, found.lost))
    until = f"{compared.asked.until:%-d %b %Y, %H:%M} UTC"
    lines = [
        f"Publishing {new} in place of {old} would, until {until}:",
        f"  send {_told(found.gained)} that would not go;",
        f"  not send {_told(found.lost)} that would go;",
        f"  send otherwise {_told([one.after for one in found.changed])};",
        f"  hand {more:,} more and {fewer:,} fewer cases to their owners.",
        f"Sequences that have begun and keep the version they began with: {compared.kept:,}.",
    ]
    if not compared.live:
        lines.append("The door to clients is closed; both are shown as if it were open.")
    return [*lines, ASSUMED]


def _of(entries: Sequence[Entry], what: What) -> int:
    return sum(one.what is what for one in entries)


def _told(entries: Sequence[Entry]) -> str:
    """So many messages, for how much, and to whom that they had better not go."""
    goes = [one for one in entries if one.what is What.MESSAGE]
    sums: Counter[str] = Counter()
    for one in goes:
        sums[one.currency] += one.amount or 0
    asked = f" about {amounts(sums)}" if any(sums.values()) else ""
    disputed = sum(one.disputed for one in goes)
    whom = f", of these {disputed:,} to clients with something in dispute" if disputed else ""
    noun = "message" if len(goes) == 1 else "messages"
    return f"{len(goes):,} {noun}{asked}{whom}"


def settings_between(old: Policy, new: Policy) -> Iterator[tuple[str, str, str]]:
    """What the two policies say differently, key by key."""
    was, will = dict(_flat(dataclasses.asdict(old))), dict(_flat(dataclasses.asdict(new)))
    for key in dict.fromkeys((*was, *will)):
        if was.get(key) != will.get(key):
            yield key, was.get(key, "-"), will.get(key, "-")


def _flat(said: Any, where: str = "") -> Iterator[tuple[str, str]]:
    match said:
        case dict() if said:
            for key, value in said.items():
                yield from _flat(value, f"{where}.{key}" if where else str(key))
        case (dict(), *_):
            for number, value in enumerate(said, 1):
                yield from _flat(value, f"{where}[{number}]")
        case frozenset() | tuple():
            inner = sorted(said, key=str) if isinstance(said, frozenset) else said
            yield where, ", ".join(str(one) for one in inner) or "none"
        case _:
            yield where, str(said)


def _settings_table(settings: Sequence[tuple[str, str, str]]) -> Table:
    return Table("What the policies say", ["key", "now", "then"], [list(one) for one in settings])


def _steps_table(found: Difference) -> Table:
    rows: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for place, entries in enumerate(
        (found.gained, found.lost, [one.after for one in found.changed])
    ):
        for one in entries:
            rows[called(one)][place] += 1
    shown = [[name, *(f"{one:,}" if one else "" for one in rows[name])] for name in sorted(rows)]
    return Table("By step", ["what", "would come", "would not come", "otherwise"], shown)


def _entries_table(title: str, entries: Sequence[Entry]) -> Table:
    rows = [
        [
            f"{one.day:%a %-d %b}",
            one.client,
            called(one),
            money.display(one.amount, one.currency) if one.amount is not None else "",
            "in dispute" if one.disputed else "",
        ]
        for one in entries[:MOST]
    ]
    return Table(_titled(title, entries), ["day", "client", "what", "amount", ""], rows)


def _changes_table(changed: Sequence[Change]) -> Table:
    rows = [[one.after.client, called(one.after), one.what] for one in changed[:MOST]]
    return Table(_titled("Otherwise", changed), ["client", "what", "now → then"], rows)


def _titled(title: str, rows: Sequence[object]) -> str:
    return title if len(rows) <= MOST else f"{title} (the first {MOST} of {len(rows):,})"


def _shown(value: object, entry: Entry) -> str:
    match value:
        case dt.datetime():
            return f"{value:%-d %b, %H:%M}"
        case dt.date():
            return f"{value:%a %-d %b}"
        case int():
            return money.display(value, entry.currency)
        case str() if value:
            return value.replace("_", " ")
        case _:
            return "none"
