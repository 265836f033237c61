"""Does a message ask for legal advice, give it, pass it on, or prepare for a dispute?

Told by substance and by who speaks: markers alone prove nothing, and none is needed. Each sentence
is asked which signals it has (``privilege.toml``); who wrote it, what stands above it and what it
is besides (an invoice, a time for lunch, a threat) weigh in. What the rules found is then one trait
among others of the passage it stands in, and how these weigh together was learned (``likeness``).
"""

import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from comms.compliance import likeness
from comms.compliance.labels import Label, Part, Span
from comms.compliance.likeness import Likeness, Passage, Told
from comms.compliance.material import Material, Role, span
from comms.compliance.patterns import Which
from comms.compliance.reading import Reading
from comms.compliance.sentences import Sentence, sentences

_DATA: Final[Mapping[str, Any]] = tomllib.loads(
    Path(__file__).with_name("privilege.toml").read_text(encoding="utf-8")
)
_ENOUGH: Final = float(_DATA["enough"])
_LIKELY: Final = float(_DATA["likely"])
_LONGER: Final = float(_DATA["longer"])
_LIKENESS: Final = Likeness("privilege")
_SIGNALS: Final[Mapping[str, Mapping[str, Any]]] = _DATA["signal"]
_MODAL: Final = (
    r"\b(?:would|should|could|can't|cannot|won't|must|probably|likely|unlikely|risk\w*"
    r"|rights?|entitled"
    r"|need to|have to|has to|unless|otherwise|only if|as long as|i'd|i think|in my view"
    r"|don't|do not"
    r"|never|better|worth|position|argue|argument|provided that|depends)\b"
)
_DISCLAIMS: Final = (
    r"intended (?:only )?(?:recipient|for|solely)|confidentiality notice|disclaimer"
    r"|\bthis (?:e-?mail|message|communication|transmission|fax)(?: (?:and any \w+"
    r"|,? including .{1,40}))?"
    r" (?:may|contains?|is|are|and)\b.{0,60}(?:privileg|confidential|legal)"
    r"|(?:may|might) (?:contain|be) .{0,40}(?:privileged|confidential)"
    r"|privileged (?:and|or|&) confidential information|received this .{0,30}(?:in error"
    r"|by mistake)"
    r"|exempt from disclosure|unauthori[sz]ed (?:use|review|disclosure)|diese e-?mail enthält"
    r"|vertrauliche und|rechtlich geschützt|este (?:mensaje|correo).{0,40}confidencial"
    r"|ce (?:message|courriel).{0,40}confidentiel|not (?:constitute|intended as) legal advice"
    r"|not legal advice"
)
_WHICH: Final = Which(
    {
        **{
            name: "|".join(f"(?:{one})" for one in signal["any"])
            for name, signal in _SIGNALS.items()
        },
        "modal": _MODAL,
        "mine": r"\b(?:i|i'm|i've|i'd|i'll|im|ive|me|my|mine|we|we're|we've|we'd|we'll|us|our"
        r"|ours|you|your|you're|you've)\b",
        "disclaims": _DISCLAIMS,
        "header": r"privilege|attorney[ -/]client|work product|anwaltlich|secreto profesional",
    }
)
_HEADER: Final = re.compile(
    r"(?:privileged\s?(?:and|&|/|\+|,)?\s?(?:and )?confidential"
    r"|attorney[ -/]client(?: privileged?)?"
    r"(?: communication)?|solicitor[ -]client|legally privileged|subject to (?:legal )?privilege"
    r"|confidential legal (?:advice|communication)|attorney (?:communication|eyes)|work product"
    r"|privileged\b|streng vertraulich[ -]+anwaltlich|secreto profesional)",
    re.IGNORECASE,
)
_OFFICE: Final = re.compile(
    r"\b(?:kitchen|lunch|parking|printer|coffee|fridge|floor|holiday|office (?:is|will be)|closed"
    r"|birthday|party|invoice|payment|wifi|building|elevator|desk|snacks|fire drill|dress code)\b",
    re.IGNORECASE,
)
_COURTESY: Final = re.compile(
    r"(?:hi|hello|hey|dear|sehr geehrte\w*|hola|bonjour|good (?:morning|afternoon|evening)"
    r"|team|all|thanks|thank"
    r" you|regards|best|cheers|kind regards|sincerely|many thanks|gruß|saludos)\b[^.?!]{0,30}",
    re.IGNORECASE,
)
_SHORT: Final = 12
_NAME: Final = 3
_LONG: Final = 900
_LONG_MORE: Final = 0.5
_COUNSEL_LESS: Final = 1.0
_NEWS_MORE: Final = 2.0
_TAUGHT_LESS: Final = 1.5
_TAUGHT_MORE: Final = 3.0
_STORY: Final = 5
_NEWS: Final = re.compile(
    r"\bbyline\b|\bstaff writer|all rights reserved|copyright (?:\(c\)|©|19|20)"
    r"|associated press|reuters"
    r"|dow jones|newswire|\btold reporters\b|press release|for immediate release",
    re.IGNORECASE,
)
_NO_COMPANY: Final = frozenset({"request", "service", "market", "talk", "logistics"})
_EVERYDAY: Final = frozenset({"billing", "service", "request", "fees", "logistics", "market"})
_CUES: Final = {"header", "instructs", "intake", "persuades", "stand"} | {
    name for name, signal in _SIGNALS.items() if signal["weight"] > 0
} - {"asks", "topic_papers"}
_PLAIN_BUSINESS: Final = frozenset({"billing", "logistics", "request", "talk"})


@dataclass(frozen=True, slots=True)
class _Weighed:
    sentence: Sentence
    had: frozenset[str]
    weight: float


@dataclass(frozen=True, slots=True)
class _Read:
    """A message as it was weighed: its own sentences, and which of them a rule tells."""

    above: Sequence[_Weighed]
    body: Sequence[_Weighed]
    ruled: AbstractSet[int]
    marked: bool


def find(material: Material) -> Iterator[Span]:
    """The stretches of a message that only a client and counsel may share."""
    read = _read(material)
    taught = _taught(material)
    chosen = set(read.ruled) if read.marked and taught <= 0 else set[int]()
    told, found = _told(read.body), passages(material, read)
    likely = _LIKELY + taught
    if material.role is Role.UNKNOWN:
        likely += _LONGER * math.log2(max(1, len(found)))
    for passage in found:
        if _LIKENESS(passage.traits) >= likely:
            chosen |= likeness.telling(_LIKENESS, told, passage, read.ruled, material.role)
    yield from _stretches("body", material.body, read.body, sorted(chosen))


def passages(material: Material, read: _Read | None = None) -> list[Passage]:
    """What the likeness of a message is judged by; ``benchmarks.learn`` learns from the same."""
    known = read or _read(material)
    told = _told(known.body)
    return list(likeness.passages(told, known.ruled, material.role, _told(known.above)))


def _told(weighed: Sequence[_Weighed]) -> list[Told]:
    return [(one.sentence, one.had) for one in weighed]


def _read(material: Material) -> _Read:
    above = _weighed(material.subject, material) if material.subject else []
    weighed = _weighed(material.body, material)
    body = [one for one in weighed if _own(one)]
    enough = _enough(material)
    ruled = {at for at, one in enumerate(body) if one.weight >= enough}
    ruled |= _together(body, above, material.role, enough) or _story(body)
    marked = _marked(material, weighed)
    return _Read(above, body, ruled or _by_context(material, body, marked=marked), marked)


def _enough(material: Material) -> float:
    """The longer a text, the more chance has to say: a digest of news, the minutes of a board."""
    text = material.body.text
    more = _LONG_MORE if len(text) > _LONG else 0.0
    less = _COUNSEL_LESS if material.role is Role.COUNSEL else 0.0
    return _ENOUGH + more - less + (_NEWS_MORE if _NEWS.search(text[:60_000]) else 0.0)


def signals(material: Material) -> frozenset[str]:
    """Names of the signals of legal advice in it: what a person's word on it teaches."""
    had = _WHICH(material.text)
    return frozenset(name for name in _helping(had) if name in _SIGNALS or name == "header")


def kinds(names: AbstractSet[str]) -> frozenset[str]:
    """What signals are signs of: asking, advising, a strategy, work for a dispute, or a topic."""
    return frozenset(str(_SIGNALS[name]["kind"]) for name in names if name in _SIGNALS)


def _taught(material: Material) -> float:
    """How much more, or less, it takes after what people said of this sender's messages.

    More, where it has no signal that was not in one they unsealed; what counsel writes is never
    opened so. Less, where it has every signal of one that they sealed themselves.
    """
    learned = material.parties.learned
    if not (learned.opened or learned.closed):
        return 0.0
    had = signals(material)
    if any(one and one <= had for one in learned.closed):
        return -_TAUGHT_LESS
    known = material.role is not Role.COUNSEL and any(had <= one for one in learned.opened)
    return _TAUGHT_MORE if known else 0.0


def _story(body: Sequence[_Weighed]) -> set[int]:
    """A long tale of a legal trouble, and somewhere in it the question."""
    told = frozenset[str]().union(*(one.had for one in body)) if body else frozenset[str]()
    topics = sum(_is_subject(name) for name in told) + ("law" in told)
    if topics < _STORY:
        return set()
    return {
        at
        for at, one in enumerate(body)
        if one.had & {"asks_advice", "asks_counsel"} and "mine" in one.had and one.weight >= 2
    }


def possible(material: Material) -> bool:
    """Whether there is any sign of it at all; most mail has none but a plain question."""
    had = _WHICH(_called(material.text, material.parties.names))
    if material.role is Role.COUNSEL or not had.isdisjoint(_CUES):
        return True
    return "asks" in had and had.isdisjoint(_EVERYDAY)


def _weighed(reading: Reading, material: Material) -> list[_Weighed]:
    role, names = material.role, material.parties.names
    told = ((one, _WHICH(_called(one.text, names))) for one in sentences(reading.text))
    long = len(reading.text) > _LONG
    return [
        _Weighed(one, had, _weight(had, role) if not long or _addressed(had) else 0.0)
        for one, had in told
        if "disclaims" not in had
    ]


def _called(text: str, names: frozenset[str]) -> str:
    """With our counsel called counsel: who says something weighs as much as what is said."""
    return _calling(names).sub("counsel", text) if names else text


@lru_cache(maxsize=200)
def _calling(names: frozenset[str]) -> re.Pattern[str]:
    """Names in full, and each part of them that begins as a name does."""
    parts = {part for name in names for part in (name, *name.split()) if len(part) >= _NAME}
    said = "|".join(re.escape(part) for part in sorted(parts, key=len, reverse=True))
    return re.compile(rf"\b(?:{said})\b" if said else r"(?!)")


def _addressed(had: frozenset[str]) -> bool:
    """Whether somebody speaks of himself or to somebody; in news nobody does."""
    return bool(had & {"mine", "work", "reports"})


def _own(one: _Weighed) -> bool:
    """Not a greeting, a name or a header."""
    text = one.sentence.text
    if len(text) < 40 and _COURTESY.fullmatch(text.strip(" ,.!")):
        return False
    header = _HEADER.search(text) if "header" in one.had else None
    return header is None or len(text) - len(header[0]) >= 25


@lru_cache(maxsize=20_000)
def _weight(had: frozenset[str], role: Role) -> float:
    kinds: dict[str, float] = {}
    for name in had:
        signal = _SIGNALS.get(name)
        if signal is None:
            continue
        kind, weight = signal["kind"], float(signal["weight"]) * _trust(signal["kind"], role)
        if abs(weight) > abs(kinds.get(kind, 0.0)):
            kinds[kind] = weight
    topics = sum(kinds.pop(kind) for kind in [*kinds] if kind.startswith("topic_"))
    law = kinds.pop("subject", 0.0)
    subject = min(2.5, law + topics / 2) if law else min(2.5, topics)
    if kinds.get("ask", 0.0) >= 2 and subject > 0:
        kinds |= {kind: max(kinds[kind], -1.0) for kind in ("billing", "service") if kind in kinds}
    return subject + sum(kinds.values()) + _by_role(kinds, had, law, role)


def _trust(kind: str, role: Role) -> float:
    """A client gives no legal advice, and counsel asks for none."""
    if role is Role.COUNSEL and kind == "ask":
        return 0.0
    return 0.0 if role is Role.CLIENT and kind == "advise" else 1.0


def _by_role(kinds: Mapping[str, float], had: frozenset[str], law: float, role: Role) -> float:
    """Who says it: counsel's opinion is advice, a stranger's is none."""
    substance = law or any(kind in kinds for kind in ("advise", "strategy", "work", "report"))
    if role is Role.COUNSEL and substance:
        return 1.0 + (0.5 if "modal" in had else 0.0)
    if role is Role.THIRD_PARTY and not kinds.keys() & {"work", "report"}:
        return -2.0
    return 0.0


def _helping(had: frozenset[str]) -> Iterator[str]:
    return (name for name in had if name not in _SIGNALS or _SIGNALS[name]["weight"] > 0)


def _together(
    body: Sequence[_Weighed], above: Sequence[_Weighed], role: Role, enough: float
) -> set[int]:
    """Sentences that are enough with their neighbours, or with the subject line."""
    topic = {name for one in above for name in _helping(one.had) if _is_subject(name)}
    found: set[int] = set()
    for at, one in enumerate(body):
        if not 0 < one.weight < enough:
            continue
        if topic and _weight(one.had | topic, role) >= enough + 0.5:
            found.add(at)
        for first in (at - 1, at - 2, at - 3):
            if first >= 0 and _pair(body, first, at, role, enough):
                found |= set(range(first, at + 1))
                break
    return found


def _is_subject(name: str) -> bool:
    return name == "law" or name.startswith("topic_")


def _pair(body: Sequence[_Weighed], first: int, at: int, role: Role, enough: float) -> bool:
    """Whether two sentences say together what neither says alone."""
    one, other = body[first], body[at]
    if min(one.weight, other.weight) <= 0 or (one.had | other.had) & _NO_COMPANY:
        return False
    return _weight(frozenset(_helping(one.had)) | other.had, role) >= enough


def _marked(material: Material, weighed: Sequence[_Weighed]) -> bool:
    """Whether it says at its top that it is privileged."""
    subject = material.subject.text if material.subject else ""
    top = " ".join(one.sentence.text for one in weighed[:2])[:200]
    return bool(_HEADER.search(subject) or _HEADER.search(top))


def _by_context(material: Material, body: Sequence[_Weighed], *, marked: bool) -> set[int]:
    """What no sentence says alone: a header at the top, counsel's own voice."""
    full = [at for at, one in enumerate(body) if len(one.sentence.text) >= _SHORT]
    if marked:
        return set() if full and _is_office(body[full[0]]) else set(full)
    if material.role is Role.COUNSEL:
        return {at for at in full if _opines(body[at])}
    return set()


def _opines(one: _Weighed) -> bool:
    return "modal" in one.had and one.weight >= 0 and not one.had & _PLAIN_BUSINESS


def _is_office(one: _Weighed) -> bool:
    legal = any(_is_subject(name) for name in one.had)
    other = one.had & {"logistics", "talk", "market", "billing"}
    return not legal and (bool(other) or _OFFICE.search(one.sentence.text) is not None)


def _stretches(
    part: Part, reading: Reading, body: Sequence[_Weighed], chosen: Sequence[int]
) -> Iterator[Span]:
    """Neighbours are one stretch, with what stands between them."""
    rows: list[list[int]] = []
    for at in chosen:
        if rows and at - rows[-1][-1] <= 2:
            rows[-1].append(at)
        else:
            rows.append([at])
    for row in rows:
        start, end = body[row[0]].sentence.start, body[row[-1]].sentence.end
        yield span(part, reading, start, end, Label.PRIVILEGED)
