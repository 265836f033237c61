"""In which form is the answer to "why?" given: to the page, to Slack and on the command line?"""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from billing import spelling
from bot.report import Report, Table


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that the decision rests on."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Place:
    """What one place of the door said."""

    place: str
    verdict: str
    rule: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Related:
    """What to ask about next."""

    kind: str
    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Made:
    """A decision, as it was made then."""

    at: dt.datetime
    about: str
    verdict: str
    rule: str
    reason: str
    until: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer, in the words of the page, of Slack and of the command line."""

    kind: str
    id: str
    title: str
    verdict: str
    rule: str | None = None
    reason: str = ""
    text: str | None = None
    facts: Sequence[Fact] = ()
    door: Sequence[Place] = ()
    would_change: Sequence[str] = ()
    next_look: dt.datetime | None = None
    next_event: str = ""
    """What lets it be looked at before, or where no moment is known at all."""
    related: Sequence[Related] = ()
    decisions: Sequence[Made] = ()


def report(found: Explanation) -> Report:
    """The explanation for a person and for a program."""
    rule = f" ({found.rule})" if found.rule else ""
    lines = [f"{found.title}: {found.verdict.replace('_', ' ')}{rule}"]
    lines += [f"  {found.reason}"] if found.reason else []
    lines += [f"  What would change it: {one}" for one in found.would_change]
    lines += [f"  Looked at next: {when}"] if (when := next_words(found)) else []
    lines += [f"  See {one.kind}:{one.id}  {one.label}" for one in found.related]
    tables = [Table("Facts", ["fact", "value"], [[one.name, one.value] for one in found.facts])]
    if found.door:
        rows = [[one.place, one.verdict, one.rule or "", one.reason or ""] for one in found.door]
        tables.append(Table("The door", ["place", "verdict", "rule", "reason"], rows))
    if found.decisions:
        decided = [
            [spelling.moment(one.at), one.about, one.verdict, one.rule, one.reason]
            for one in found.decisions
        ]
        columns = ["when", "about", "verdict", "rule", "reason"]
        tables.append(Table("Decisions, the newest first", columns, decided))
    return Report(plain(found), lines, tables)


def next_words(found: Explanation) -> str:
    """When it is looked at next, for a person."""
    known = [spelling.moment(found.next_look)] if found.next_look else []
    return ", and ".join([*known, *([found.next_event] if found.next_event else [])])


def plain(found: Explanation) -> dict[str, Any]:
    """The explanation ready for JSON, moments in ISO form with their offset."""
    return json.loads(json.dumps(asdict(found), default=dt.datetime.isoformat))  # type: ignore[no-any-return]
