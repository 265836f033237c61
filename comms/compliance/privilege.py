"""Does a message ask for legal advice, give it, pass it on, or prepare for a dispute?

Told by substance and by who speaks: markers alone prove nothing, and none is needed. Each sentence
is asked which signs it has (``signs``); who wrote it, what stands above it and what it
is besides (an invoice, a time for lunch, a threat) weigh in. What the rules found is then one trait
among others of the passage it stands in, and how these weigh together was learned (``likeness``).
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from comms.compliance import likeness, signs
from comms.compliance.labels import Label, Part, Span
from comms.compliance.likeness import RULE, Likeness, Passage, Told, WhenAsked
from comms.compliance.material import Material, Role, span
from comms.compliance.patterns import Which
from comms.compliance.reach import Reach, Seen
from comms.compliance.reading import Reading
from comms.compliance.sentences import Sentence, stretches

_ENOUGH: Final = float(signs.DATA["enough"])
LIKELY: Final = float(signs.DATA["likely"])
_LONGER: Final = float(signs.DATA["longer"])
_LIKENESS: Final = Likeness("privilege")
REACH: Final = Reach(_LIKENESS, signs.PATTERNS)
_ODD: Final = Which({name: f"(?m:{signs.PATTERNS[name]})" for name in ("disclaims", "header")})
_HEADER: Final = re.compile(
    r"(?:privileged\s?(?:and|&|/|\+|,)?\s?(?:and )?confidential"
    r"|attorney[ -/]client(?: privileged?)?"
    r"(?: communication)?|solicitor[ -]client|legally privileged|subject to (?:legal )?privilege"
    r"|confidential legal (?:advice|communication)|attorney (?:communication|eyes)|work product"
    r"|privileged\b|streng vertraulich[ -]+anwaltlich|secreto profesional)",
    re.IGNORECASE,
)
_MARKED: Final = Which({"header": _HEADER.pattern})
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
_GREETS: Final = frozenset({"hi", "he", "de", "se", "ho", "bo", "go", "te", "al", "th", "re", "be",
                            "ch", "ki", "si", "ma", "gr", "sa"})  # fmt: skip
"""The first letters of every courtesy."""
_LINE: Final = 40
_SHORT: Final = 12
_FEW: Final = 12
_NAME: Final = 3
_LONG: Final = 900
_LONG_MORE: Final = 0.5
_COUNSEL_LESS: Final = 1.0
_NEWS_MORE: Final = 2.0
_TAUGHT_LESS: Final = 1.5
_TAUGHT_MORE: Final = 3.0
_STORY: Final = 5
_NEIGHBOURS: Final = 3
_ASKS: Final = frozenset({"asks_advice", "asks_counsel"})
_NEWS: Final = Which(
    {
        "news": r"\bbyline\b|\bstaff writer|all rights reserved|copyright (?:\(c\)|©|19|20)"
        r"|associated press|reuters"
        r"|dow jones|newswire|\btold reporters\b|press release|for immediate release",
    }
)
_NO_COMPANY: Final = frozenset({"request", "service", "market", "talk", "logistics"})
_EVERYDAY: Final = frozenset({"billing", "service", "request", "fees", "logistics", "market"})
_CUES: Final = {"header", "instructs", "intake", "persuades", "stand"} | {
    name for name, signal in signs.SIGNALS.items() if signal["weight"] > 0
} - {"asks", "topic_papers"}
_PLAIN_BUSINESS: Final = frozenset({"billing", "logistics", "request", "talk"})


@dataclass(frozen=True, slots=True)
class _Read:
    """A message as it is weighed: its own sentences, and those above them."""

    said: Sequence[Sentence]
    over: Sequence[Sentence]
    body: Sequence[Told]
    above: Sequence[Told]
    marked: bool


def find(material: Material) -> Iterator[Span]:
    """The stretches of a message that only a client and counsel may share."""
    read, taught = _read(material), _taught(material)
    if material.subject and _only_disclaims(material, read):
        alone = replace(material, body=material.subject, subject=None, text=material.subject.text)
        yield from (replace(told, part="subject") for told in find(alone))
    marked = read.marked and taught <= 0
    seen, likely = _seen(material, read, taught)
    near = [one.at for one in seen if one.near]
    if len(seen) > 1:
        near = [here for here in near if _likeliest(read, here, material) >= likely]
    if not (near or marked) or not (_short(material) or _shows(material)):
        return
    ruled = _ruled(material, read, near if _by_itself(material, read, seen) else None)
    chosen = set(ruled) if marked else set[int]()
    for here in near:
        passage = likeness.passage(read.body, here, ruled, material.role, read.above)
        if _LIKENESS(passage.traits) >= likely:
            chosen |= likeness.telling(_LIKENESS, read.body, passage, ruled, material.role)
    yield from _stretches("body", material.body, read.said, sorted(chosen))


def _only_disclaims(material: Material, read: _Read) -> bool:
    """Whether few words are left beside its disclaimer: then the subject is the letter."""
    said = sum(len(one.text.split(maxsplit=_FEW)) for one in read.said)
    return said < _FEW <= len(material.body.text.split(maxsplit=_FEW))


def _seen(material: Material, read: _Read, taught: float) -> tuple[list[Seen], float]:
    """Its passages, and how likely one must be."""
    names, texts = material.parties.names, [one.text for one in read.said]
    likely = LIKELY + taught
    if material.role is Role.UNKNOWN:
        likely += _LONGER * math.log2(max(1, len(stretches([*map(len, texts)], likeness.LONG))))
    over = [one.text for one in read.over]
    return REACH(texts, material.role, likely, over, lambda text: _called(text, names)), likely


def _likeliest(read: _Read, here: range, material: Material) -> float:
    """What a passage comes to with a rule, or without."""
    ruled = likeness.passage(read.body, here, {here.start}, material.role, read.above).traits
    return max(_LIKENESS(ruled), _LIKENESS({trait for trait in ruled if RULE not in trait}))


def passages(material: Material) -> list[Passage]:
    """What the likeness of a message is judged by; ``benchmarks.learn`` learns from the same."""
    read = _read(material)
    ruled = _ruled(material, read)
    return list(likeness.passages(read.body, ruled, material.role, read.above))


def own(material: Material) -> Sequence[Sentence]:
    """What it says itself: no disclaimer, no greeting, no header."""
    return _read(material).said


def _read(material: Material) -> _Read:
    odd = _odd(material.text, material)
    over, all_said = material.subject.sentences if material.subject else (), material.body.sentences
    if "disclaims" in odd:
        over, all_said = _undisclaimed(over, material), _undisclaimed(all_said, material)
    said = [one for one in all_said if not _courteous(one.text)]
    if "header" in odd:
        said = [
            one for one in said if not ("header" in _odd(one.text, material) and _heads(one.text))
        ]
    above = _weighed(over, material.subject, material)[:] if material.subject else []
    body = _weighed(said, material.body, material)
    return _Read(said, over, body, above, _marked(material, all_said))


def _by_itself(material: Material, read: _Read, seen: Sequence[Seen]) -> bool:
    """Whether a passage and what stands next to it say all that the rules need to know."""
    if read.marked or material.role is Role.COUNSEL:
        return False
    if _topics(frozenset[str]().union(*(one.signs for one in seen))) < _STORY:
        return True
    asking = (at for one in seen if one.signs & _ASKS for at in one.at)
    return not any(_asks(read.body[at]) for at in asking)


def _ruled(
    material: Material, read: _Read, near: Sequence[range] | None = None
) -> AbstractSet[int]:
    """Which sentences a rule tells; ``near`` where only those of some passages matter."""
    body, enough = read.body, _enough(material)
    asked = range(len(body)) if near is None else _around(near, len(body))
    alone = {at for at in asked if body[at].weight >= enough}
    together = _together(body, asked, read.above, material.role, enough)
    if near is not None:
        return alone | together
    return (alone | (together or _story(body))) or _by_context(material, body, marked=read.marked)


def _around(near: Sequence[range], many: int) -> Sequence[int]:
    """With the sentences that follow: together with them one may say enough."""
    found = {at for here in near for at in range(here.start, here.stop + _NEIGHBOURS)}
    return sorted(at for at in found if at < many)


def _undisclaimed(said: Sequence[Sentence], material: Material) -> Sequence[Sentence]:
    return [one for one in said if "disclaims" not in _odd(one.text, material)]


def _odd(text: str, material: Material) -> frozenset[str]:
    """Whether it has a disclaimer or a header: two patterns, where all signs are forty-five."""
    return _ODD(_called(text, material.parties.names))


def _heads(text: str) -> bool:
    header = _HEADER.search(text)
    return header is not None and len(text) - len(header[0]) < 25


def _enough(material: Material) -> float:
    """The longer a text, the more chance has to say: a digest of news, the minutes of a board."""
    text = material.body.text
    more = _LONG_MORE if len(text) > _LONG else 0.0
    less = _COUNSEL_LESS if material.role is Role.COUNSEL else 0.0
    return _ENOUGH + more - less + (_NEWS_MORE if _NEWS(text[:60_000]) else 0.0)


def signals(material: Material) -> frozenset[str]:
    """Names of the signals of legal advice in it: what a person's word on it teaches."""
    had = signs.WHICH(material.text)
    return frozenset(
        name for name in signs.helping(had) if name in signs.SIGNALS or name == "header"
    )


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


def _story(body: Sequence[Told]) -> set[int]:
    """A long tale of a legal trouble, and somewhere in it the question."""
    if _topics(frozenset[str]().union(*(one.signs for one in body))) < _STORY:
        return set()
    return {at for at, one in enumerate(body) if _asks(one)}


def _topics(had: AbstractSet[str]) -> int:
    return sum(signs.is_subject(name) for name in had) + ("law" in had)


def _asks(one: Told) -> bool:
    return bool(one.signs & _ASKS) and "mine" in one.signs and one.weight >= 2


def possible(material: Material) -> bool:
    """Whether there is any sign of it at all; most mail has none but a plain question."""
    return not _short(material) or _shows(material)


def _short(material: Material) -> bool:
    """What is longer is read at once, and asked only where something was found."""
    return len(material.text) <= _LONG


def _shows(material: Material) -> bool:
    had = signs.WHICH(_called(material.text, material.parties.names))
    if material.role is Role.COUNSEL or not had.isdisjoint(_CUES):
        return True
    return "asks" in had and had.isdisjoint(_EVERYDAY)


def _weighed(said: Sequence[Sentence], reading: Reading, material: Material) -> WhenAsked:
    long = len(reading.text) > _LONG

    def weigh(sentence: Sentence) -> Told:
        had = _signs(sentence, material)
        counts = not long or _addressed(had)
        return Told(sentence, had, signs.weight(had, material.role) if counts else 0.0)

    return WhenAsked(said, weigh)


def _signs(sentence: Sentence, material: Material) -> frozenset[str]:
    return signs.WHICH(_called(sentence.text, material.parties.names))


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


def _courteous(text: str) -> bool:
    if len(text) >= _LINE:
        return False
    bare = text.strip(" ,.!")
    return bare[:2].lower() in _GREETS and _COURTESY.fullmatch(bare) is not None


def _together(
    body: Sequence[Told], asked: Iterable[int], above: Sequence[Told], role: Role, enough: float
) -> set[int]:
    """Sentences that are enough with their neighbours, or with the subject line."""
    topic = {name for one in above for name in signs.helping(one.signs) if signs.is_subject(name)}
    found: set[int] = set()
    for at in asked:
        one = body[at]
        if not 0 < one.weight < enough:
            continue
        if topic and signs.weight(one.signs | topic, role) >= enough + 0.5:
            found.add(at)
        for first in range(at - 1, max(-1, at - 1 - _NEIGHBOURS), -1):
            if _pair(body, first, at, role, enough):
                found |= set(range(first, at + 1))
                break
    return found


def _pair(body: Sequence[Told], first: int, at: int, role: Role, enough: float) -> bool:
    """Whether two sentences say together what neither says alone."""
    one, other = body[first], body[at]
    if min(one.weight, other.weight) <= 0 or (one.signs | other.signs) & _NO_COMPANY:
        return False
    return signs.weight(frozenset(signs.helping(one.signs)) | other.signs, role) >= enough


def _marked(material: Material, said: Sequence[Sentence]) -> bool:
    """Whether it says at its top that it is privileged."""
    subject = material.subject.text if material.subject else ""
    top = " ".join(one.text for one in said[:2])[:200]
    return bool(_MARKED(f"{subject}\n{top}"))


def _by_context(material: Material, body: Sequence[Told], *, marked: bool) -> set[int]:
    """What no sentence says alone: a header at the top, counsel's own voice."""
    full = [at for at, one in enumerate(body) if len(one.sentence.text) >= _SHORT]
    if marked:
        return set() if full and _is_office(body[full[0]]) else set(full)
    if material.role is Role.COUNSEL:
        return {at for at in full if _opines(body[at])}
    return set()


def _opines(one: Told) -> bool:
    return "modal" in one.signs and one.weight >= 0 and not one.signs & _PLAIN_BUSINESS


def _is_office(one: Told) -> bool:
    legal = any(signs.is_subject(name) for name in one.signs)
    other = one.signs & {"logistics", "talk", "market", "billing"}
    return not legal and (bool(other) or _OFFICE.search(one.sentence.text) is not None)


def _stretches(
    part: Part, reading: Reading, said: Sequence[Sentence], chosen: Sequence[int]
) -> Iterator[Span]:
    """Neighbours are one stretch, with what stands between them."""
    rows: list[list[int]] = []
    for at in chosen:
        if rows and at - rows[-1][-1] <= 2:
            rows[-1].append(at)
        else:
            rows.append([at])
    for row in rows:
        start, end = said[row[0]].start, said[row[-1]].end
        yield span(part, reading, start, end, Label.PRIVILEGED)
