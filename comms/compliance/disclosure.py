"""What may leave to a client by this channel, and which words of a text may not?

Data (``rules/disclosure.toml``): a profile is what a channel withholds, and every pack that the
firm goes by can only add to it. Fields that are withheld are empty for a template; words that are
withheld keep the message in.
"""

import datetime as dt
import functools
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from billing import shipped
from comms.compliance import screening
from comms.compliance.labels import Label
from comms.compliance.material import Content

Packs = tuple[str, ...]
"""What a legal entity goes by: its base pack and its add-ons."""
_KINDS: Final = {
    Label.PRIVILEGED: "legal",
    Label.PHI: "health",
    Label.UNSCREENED: "legal",
    Label.PAN: "numbers",
    Label.CVV: "numbers",
    Label.SSN: "numbers",
}
"""An IBAN or account number in a template is the firm's own, into which they pay."""
JUDGED: Final = frozenset({"legal", "health"})
"""Kinds that no sign proves: they are told by how a sentence reads."""
_SHORTEST_NAME: Final = 4
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Source:
    """A row of the data as people read it: what it says, who says so, and if counsel signed it."""

    id: str
    says: str
    source: str
    as_of: dt.date
    verified: bool

    @property
    def cited(self) -> str:
        """With its source, and that nobody has signed it yet."""
        signed = "" if self.verified else ", not yet confirmed by counsel"
        return f"{self.says} ({self.source}{signed})"


@dataclass(frozen=True, slots=True)
class Profile:
    """What a channel withholds, by kind, and the row that says so."""

    channel: str
    withholds: Mapping[str, Source]

    def forbids(self, field: str) -> Source | None:
        """The row that keeps this data of a template (``client.name``) out, if one does."""
        return self.withholds.get(_field_kinds().get(field, ""))


@dataclass(frozen=True, slots=True)
class Names:
    """What this client's bills call things; nothing shorter than four letters is looked for."""

    matters: tuple[str, ...] = ()
    narratives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Breach:
    """Words that may not leave by this channel: where they stand, what they are, and by which row.

    ``start`` and ``end`` are in the text as it came.
    """

    start: int
    end: int
    kind: str
    row: Source

    @property
    def reason(self) -> str:
        """For people, without the words themselves."""
        return f"It has {_data()['kinds'][self.kind]} in it: {self.row.cited}."


@functools.lru_cache(maxsize=256)
def profile(channel: str, packs: Packs = ()) -> Profile:
    """What this channel withholds, for a legal entity that goes by these packs."""
    found: dict[str, Source] = {}
    for row in _data()["profile"]:
        if channel in row["channels"] and _holds(row, packs):
            found |= {kind: _source(row) for kind in row["withholds"] if kind not in found}
    return Profile(channel, found)


def nameless(channel: str) -> Profile:
    """What leaves nothing but the template's own words, amounts and days."""
    row = Source("", "", "", dt.date.min, verified=True)
    return Profile(channel, dict.fromkeys(_data()["fields"], row))


def profiles(packs: Packs = ()) -> list[Source]:
    """Every row that holds for a firm that goes by these packs."""
    return [_source(row) for row in _data()["profile"] if _holds(row, packs)]


def reduced(context: Mapping[str, object], by: Profile) -> dict[str, object]:
    """The data of a template without what the channel withholds, which is empty."""
    found = dict(context)
    for field in _field_kinds():
        owner, _, member = field.partition(".")
        if owner in found and by.forbids(field) is not None:
            found[owner] = _without(found[owner], member)
    return found


def _without(value: object, member: str) -> object:
    if isinstance(value, Mapping):
        if member not in value:
            return value
        return {**value, member: [] if isinstance(value[member], list) else ""}
    return [_without(one, member) for one in value] if isinstance(value, list) else value


# --- words ----------------------------------------------------------------------------------------


def breaches(
    text: str, by: Profile, names: Names = Names(), allowed: Collection[str] = ()
) -> list[Breach]:
    """What of a text may not leave, in its order; ``allowed`` are words of the firm's own."""
    shown = _blanked(text, allowed)
    found = [*_named(shown, by, names), *_detected(shown, by)]
    return sorted(set(found), key=lambda one: (one.start, one.end, one.kind))


def _blanked(text: str, allowed: Collection[str]) -> str:
    """The same length, so that places stay places."""
    for words in sorted(filter(None, allowed), key=len, reverse=True):
        text = text.replace(words, " " * len(words))
    return text


def _named(text: str, by: Profile, names: Names) -> Iterator[Breach]:
    for kind, known in (("matter", names.matters), ("narrative", names.narratives)):
        if kind in by.withholds:
            for name in known:
                for found in _pattern(name).finditer(text) if _is_telling(name) else ():
                    yield Breach(*found.span(), kind, by.withholds[kind])


def _is_telling(name: str) -> bool:
    """A matter that is called "A" would be found in every text."""
    return len(name.strip()) >= _SHORTEST_NAME


@functools.lru_cache(maxsize=4_096)
def _pattern(name: str) -> re.Pattern[str]:
    words = r"\s+".join(map(re.escape, _SPACES.split(name.strip())))
    return re.compile(rf"(?<![\w-]){words}(?![\w-])", re.IGNORECASE)


def _detected(text: str, by: Profile) -> Iterator[Breach]:
    found = screening.screen(Content(text, "", by.channel, None))
    for span in found.spans:
        kind = _KINDS.get(span.label, "")
        if kind in by.withholds:
            yield Breach(span.start, span.end, kind, by.withholds[kind])


def shortened(text: str) -> str:
    """The public link shortener that a text names, if it names one."""
    found = _shorteners().search(text)
    return found[0].lower() if found else ""


def sells(text: str) -> str:
    """The words of selling in a text, if it has any."""
    found = _selling().search(text)
    return found[0] if found else ""


# --- what else a channel asks ---------------------------------------------------------------------


@functools.lru_cache(maxsize=256)
def notice(channel: str, packs: Packs = ()) -> str:
    """How they say no to more, in the words that every message of the channel must have."""
    rows = (row for row in _data()["notice"] if row["channel"] == channel and _holds(row, packs))
    return next((str(row["text"]) for row in rows), "")


@functools.lru_cache(maxsize=256)
def proof(packs: Packs) -> tuple[str, Source]:
    """How sure we must be of whose phone it is before an amount goes there; and by which row."""
    row = [row for row in _data()["proof"] if _holds(row, packs)][-1]
    return str(row["needs"]), _source({"id": "phone_proof", **row})


@dataclass(frozen=True, slots=True)
class Tolerated:
    """The part of those who get commercial mail that may complain, in how many days."""

    share: Decimal
    days: int
    row: Source

    def is_too_much(self, complaints: int, sent: int) -> bool:
        """Whether the stream has to stop."""
        return complaints > 0 and Decimal(complaints) >= self.share * sent


@functools.cache
def complaints() -> Tolerated:
    """When commercial mail stops."""
    row = _data()["complaints"]
    return Tolerated(Decimal(row["pause_at"]), row["days"], _source({"id": "complaints", **row}))


# --- reading --------------------------------------------------------------------------------------


def _holds(row: Mapping[str, Any], packs: Packs) -> bool:
    return "packs" not in row or not set(row["packs"]).isdisjoint(packs)


def _source(row: Mapping[str, Any]) -> Source:
    return Source(row["id"], row["says"], row["source"], row["as_of"], row["verified"])


@functools.cache
def _data() -> Mapping[str, Any]:
    return tomllib.loads(shipped.path("rules", "disclosure.toml").read_text(encoding="utf-8"))


@functools.cache
def _field_kinds() -> Mapping[str, str]:
    return {field: kind for kind, fields in _data()["fields"].items() for field in fields}


@functools.cache
def _shorteners() -> re.Pattern[str]:
    hosts: Sequence[str] = _data()["shorteners"]
    return re.compile(
        rf"(?<![\w.-])(?:{'|'.join(map(re.escape, hosts))})(?![\w-]|\.\w)", re.IGNORECASE
    )


@functools.cache
def _selling() -> re.Pattern[str]:
    return re.compile("|".join(_data()["selling"]), re.IGNORECASE)
