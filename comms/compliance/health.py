"""Does a message tell of the health of a person that one can name?

Words of health alone are no health information: a study, an order of gloves and a server with a
diagnosis are nobody's. It takes a person as well: one who is named, or the one who writes. And no
passage is of health without a word of it: what merely sounds like the mail of somebody who is ill
("how long do I have to wait", "sorry, my dad") is not asked about, nor is anything learned from it.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from comms.compliance import likeness
from comms.compliance.labels import Label, Part, Span
from comms.compliance.likeness import Likeness, Passage, Told
from comms.compliance.material import Material, Role, span
from comms.compliance.patterns import Which
from comms.compliance.reach import Reach
from comms.compliance.reading import Reading
from comms.compliance.sentences import Sentence
from comms.compliance.words import words

_WORDS: Final[Mapping[str, Any]] = tomllib.loads(
    Path(__file__).with_name("health.toml").read_text(encoding="utf-8")
)

LIKELY: Final = float(_WORDS["likely"])
_LIKENESS: Final = Likeness("health")


def _source(name: str) -> str:
    listed = [word.replace("~?", r"\w*").replace("~", r"\w*") for word in _WORDS[name]]
    return r"(?:^|[^\w])(?:" + "|".join(listed) + r")(?:[^\w]|$)"


_SOME: Final = (
    r"\b(?:i|i'm|i've|i'd|i'll|im|ive|my|me|myself|he|he's|she|she's|his|her|him|hers|himself"
    r"|herself"
    r"|the patient|this patient|patient (?:is|was|has|denies|reports|states|had)|\d+[- ]year[- ]old"
    r"|mine|mi|mis|su|mein\w*|ich|mon|ma|mes|je|moi|sr|sra|srta|mio|mia|nos|le|ella|usted|señora?|don|doña|er|sie|ihr\w*|sein\w*"
    r"|elle|sa|ses|lui)\b"
)
_KIN: Final = (
    r"\b(?:wife|husband|son|daughter|mom|mum|mother|dad|father|brother|sister|kid|kids|child"
    r"|boy|girl"
    r"|baby|grandm\w+|grandf\w+|aunt|uncle|cousin|partner|fianc[ée]+|girlfriend|boyfriend|colleague"
    r"|roommate|nephew|niece|twins|widow|esposa|marido|hijo|hija|madre"
    r"|padre|tochter|sohn|mutter|vater|frau|mann|femme|mari|fils|fille|mère|père)\b"
)
_LOOSE: Final = r"\b(?:you|your|you're|we|us|our|they|their|them)\b"
_OWNED: Final = (
    r"\b(?:my|his|her|your|their|our|\w+'s|mi|su|mein\w*|mon|ma|mr\.? \w+'?s?|mrs\.? \w+'?s?)"
    r"\s(?:[\w-]+\s){0,2}(?:" + "|".join(_WORDS["ambiguous"]).replace("~", r"\w*") + r")\b"
)
_SUFFERED: Final = (
    r"\b(?:diagnosed|suffer(?:s|ed|ing)?|recover(?:ing|ed)|undergo(?:ing|es)?|underwent"
    r"|prescribed|admitted (?:for|last|yesterday|today|on"
    r"|to (?:the )?(?:hospital|icu|er|ward|clinic|rehab|psych\w*))"
    r"|hospitali[sz]ed|treated for|being treated|treatment for|had (?:a|an|his|her|my) "
    r"|having (?:a|an|his"
    r"|her|my) |going in for|scheduled for|needs? (?:a|an) |tested|taking|on meds|out sick|off sick"
    r"|called in sick|home sick|is sick|am sick|i'm sick|been sick|was sick|very sick|so sick"
    r"|fell ill|is ill"
    r"|was ill|very ill|seriously ill|been ill|passed away|in hospital|in the hospital"
    r"|at the hospital"
    r"|to (?:the )?hospital|injured|broke (?:my|his|her)|came back|bedridden|off work"
    r"|after (?:my|his|her)"
    r"|sees? a|seeing a|relapsed?|dying|died of|gave birth|doctor (?:says?|said|told|wants|thinks"
    r"|ordered)|dr (?:says?|said|told|wants)|allergic to)"
)
_AILMENTS: Final = (
    r"(?:surgery|operation|treatments?|injections?|medications?|medicine|meds|prescription"
    r"|diagnosis"
    r"|(?:test|lab|blood|scan) results?|illness|disease|infection|therapy|allerg(?:y|ies)"
    r"|injur(?:y|ies)|pills?|pregnancy|scan|symptoms|recovery|wound|lump|headaches|pain|disability"
    r"|transplant|check-?up|screening|blood pressure|heart|lungs?|kidneys?|liver|knee|hip"
    r"|spine|back"
    r"|appetite)"
)
_AILING: Final = (
    rf"\b(?:my|his|her|\w+'s)\s(?:[\w-]+\s){{0,2}}{_AILMENTS}\s(?:is|was|are|were|on|went|next|this"
    r"|tomorrow|today|got|has|hurts?|at|again|since|came|scheduled|date|for|and|in)\b"
    r"|\b(?:for|after|from|with|about|because of|due to|during)\s(?:my|his|her|\w+'s)\s"
    rf"(?:[\w-]+\s){{0,2}}{_AILMENTS}\b|\byour\s(?:[\w-]+\s){{0,1}}(?:surgery|operation|injections?"
    r"|medications?|prescription|diagnosis|(?:test|lab|blood|scan) results?|symptoms|wound"
    r"|pregnancy|transplant)\b"
)
_A_TITLE: Final = (
    r"\b(?:Mrs?|Ms|Miss|Mx|Sra?|Srta|Herr|Frau|Mme|Pt|Patient|patient|pt|Client|Name|Re"
    r"|RE)\b[.:]?\s+(?:[A-Z]\.\s?)?[A-Z][a-z]+"
)
_A_FAMILY: Final = r"\bthe [A-Z][a-z]+ (?:boy|girl|kid|kids|child|baby|twins|family|lady)\b"
_A_NAME: Final = r"\b[A-Z](?:[a-z]+|\.)\s(?:[A-Z]\.\s)?[A-Z][a-z]+(?:'s)?\b|\b[A-Z][a-z]+'s\b"
_SIGNS: Final = (
    *("body", "complaint", "clinician", "visit", "drug", "dose", "codes", "leave", "life"),
    *("findings", "habits", "chart"),
    "animal",
)
_PATTERNS: Final[Mapping[str, str]] = {
    "plain": _source("plain"),
    "ambiguous": _source("ambiguous"),
    "payer": _source("payer"),
    "care": _source("care"),
    "insured": _source("insured"),
    "general": _source("general"),
    "idiom": _source("idiom"),
    "machine": _source("machine"),
    **{name: _source(name) for name in _SIGNS},
    "some": _SOME,
    "kin": _KIN,
    "loose": _LOOSE,
    "owned": _OWNED,
    "suffered": _SUFFERED,
    "ailing": _AILING,
    "titled": f"(?-i:{_A_TITLE}|{_A_FAMILY})",
    "named": f"(?-i:{_A_NAME})",
}
_WHICH: Final = Which(_PATTERNS)
REACH: Final = Reach(_LIKENESS, _PATTERNS)
_TITLED: Final = re.compile(_A_TITLE)
_NAMED: Final = re.compile(_A_NAME)
_MAYBE: Final = re.compile(r"(?<=[a-z,;:(] )[A-Z][a-z]{2,}\b")
_THE_KELLERS: Final = re.compile(_A_FAMILY)
_NOBODY: Final = words("no_names")
_NOTICE: Final = (
    r"intended recipient|confidentiality notice|this (?:e-?mail|message) (?:may|contains|is)"
)
_DISCLAIMS: Final = re.compile(_NOTICE, re.IGNORECASE)
_DISCLAIMING: Final = Which({"notice": _NOTICE})
_CUES: Final = frozenset(
    {
        *("plain", "ailing", "insured", "complaint", "life", "leave", "drug", "codes", "clinician"),
        *("ambiguous", "body", "visit", "dose", "payer", "habits", "chart"),
    }
)
"""The signs that are of health. All others are of persons, things and turns of speech."""
_SPEAKS: Final = Which({name: _PATTERNS[name] for name in _CUES})
_STRONG_PERSON: Final = frozenset({"some", "kin"})


def possible(material: Material) -> bool:
    """Whether there is a word of health at all."""
    return bool(_SPEAKS(material.text))


def find(material: Material) -> Iterator[Span]:
    """The sentences that tell of somebody's health."""
    near = [
        (part, reading, said, seen.at)
        for part, reading in material.parts()
        for said in (own(reading),)
        for seen in REACH([one.text for one in said], material.role, LIKELY)
        if seen.near and seen.signs & _CUES
    ]
    known = bool(near) and _somebody(material)
    for part, reading, said, here in near:
        for sentence in _telling(material, said, here, known=known):
            yield _span(part, reading, sentence)


def _telling(
    material: Material, said: Sequence[Sentence], here: range, *, known: bool
) -> Iterator[Sentence]:
    """The sentences of a passage that tell of somebody's health."""
    told = [Told(one, _WHICH(one.text)) for one in said[here.start : here.stop]]
    if not _speaks(told):
        return
    ruled = {at - here.start for at in _ruled(material, said, here, known=known)}
    passage = likeness.passage(told, range(len(told)), ruled, material.role)
    if _LIKENESS(passage.traits) >= LIKELY:
        for at in sorted(likeness.telling(_LIKENESS, told, passage, ruled, material.role)):
            yield told[at].sentence


def _speaks(told: Sequence[Told]) -> bool:
    """Whether there is a word of health in any of these sentences."""
    return any(one.signs & _CUES for one in told)


def passages(material: Material) -> list[Passage]:
    """What the likeness of a message is judged by; ``benchmarks.learn`` learns from the same.

    Those without a word of health are none.
    """
    found: list[Passage] = []
    known = _somebody(material)
    for _, reading in material.parts():
        said = own(reading)
        told = [Told(one, _WHICH(one.text)) for one in said]
        ruled = _ruled(material, said, range(len(said)), known=known)
        every = likeness.passages(told, ruled, material.role)
        found += [one for one in every if _speaks(told[one.at.start : one.at.stop])]
    return found


def own(reading: Reading) -> Sequence[Sentence]:
    """The sentences that are not of a disclaimer."""
    said = reading.sentences
    if not _DISCLAIMING(reading.text):
        return said
    return [one for one in said if not _DISCLAIMS.search(one.text)]


def _ruled(material: Material, said: Sequence[Sentence], here: range, *, known: bool) -> set[int]:
    """Which of these a rule tells."""
    return {at for at in here if _tells(said[at], said[at - 1] if at else None, material, known)}


def _span(part: Part, reading: Reading, sentence: Sentence) -> Span:
    end = sentence.end - (1 if sentence.text[-1] == "," else 0)
    return span(part, reading, sentence.start, end, Label.PHI)


def _somebody(material: Material) -> bool:
    """Whether the message names somebody: in a greeting, as a patient, in the subject."""
    head = material.body.text[:2000]
    subject = material.subject.text if material.subject else ""
    greeted = re.match(
        r"\s*(?:Dear|Hi|Hello|Hey|Hola|Sehr geehrte\w?|Good \w+)[ ,]+(?:[A-Z][a-z]|M[rs])", head
    )
    return bool(
        (greeted and material.role in {Role.STAFF, Role.COUNSEL, Role.THIRD_PARTY, Role.UNKNOWN})
        or _TITLED.search(head)
        or _real(_NAMED.findall(head))
        or _TITLED.search(subject)
        or _real(_NAMED.findall(subject))
    )


def _tells(sentence: Sentence, before: Sentence | None, material: Material, known: object) -> bool:
    had = _WHICH(sentence.text)
    if not had & {"plain", "ambiguous", "payer", "ailing"}:
        return False
    person = _person(sentence.text, had)
    if "general" in had and person < 2:
        return False
    if "plain" in had:
        told = _tells_plainly(had, person)
        return told if told is not None else _tells_of_somebody(sentence, before, material, known)
    return not had & {"idiom", "machine"} and _tells_vaguely(had, person)


def _tells_plainly(had: frozenset[str], person: int) -> bool | None:
    """What the sentence says by itself; None where it depends on who is meant."""
    if "machine" in had and person < 2:
        return False
    if "idiom" in had and not (person >= 2 and "suffered" in had):
        return False
    if "general" in had:
        return person >= 2 and bool(had & {"suffered", "owned"})
    return True if person else None


def _tells_of_somebody(
    sentence: Sentence, before: Sentence | None, material: Material, known: object
) -> bool:
    """Whether the message names somebody elsewhere, or its writer speaks of himself in short."""
    if (
        known
        or material.noted
        or (before is not None and _person(before.text, _WHICH(before.text)) >= 2)
    ):
        return True
    return material.role is Role.CLIENT and len(sentence.text) < 80


def _tells_vaguely(had: frozenset[str], person: int) -> bool:
    """Words that may be of health, and of a person: their ailment, their care, who pays for it."""
    if "general" in had:
        return False
    if "ailing" in had:
        return True
    paid = "insured" in had or {"payer", "care"} <= had
    return person >= 2 and (paid or {"ambiguous", "suffered"} <= had)


def _person(text: str, had: frozenset[str]) -> int:
    """2 for somebody in particular, 1 for somebody perhaps, 0 for nobody."""
    if had & _STRONG_PERSON or _TITLED.search(text) or _THE_KELLERS.search(text):
        return 2
    if _real(_NAMED.findall(text)):
        return 2
    return 1 if "loose" in had or _real(_MAYBE.findall(text)) else 0


def _real(names: Sequence[str]) -> bool:
    return any(not _NOBODY & set(re.findall(r"[A-Z][a-z]+", name)) for name in names)
