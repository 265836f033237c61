"""Which signs of legal advice does a sentence have, and what do they weigh by who says it?

The signs, their words and their weights are data (``privilege.toml``). Of signs of one kind the
heaviest counts, and what a sentence is about counts up to a limit.
"""

import tomllib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from comms.compliance.material import Role
from comms.compliance.patterns import Which

DATA: Final[Mapping[str, Any]] = tomllib.loads(
    Path(__file__).with_name("privilege.toml").read_text(encoding="utf-8")
)
SIGNALS: Final[Mapping[str, Mapping[str, Any]]] = DATA["signal"]
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
PATTERNS: Final[Mapping[str, str]] = {
    **{name: "|".join(f"(?:{one})" for one in signal["any"]) for name, signal in SIGNALS.items()},
    "modal": _MODAL,
    "mine": r"\b(?:i|i'm|i've|i'd|i'll|im|ive|me|my|mine|we|we're|we've|we'd|we'll|us|our"
    r"|ours|you|your|you're|you've)\b",
    "disclaims": _DISCLAIMS,
    "header": r"privilege|attorney[ -/]client|work product|anwaltlich|secreto profesional",
}
WHICH: Final = Which(PATTERNS)


def kinds(names: AbstractSet[str]) -> frozenset[str]:
    """What signals are signs of: asking, advising, a strategy, work for a dispute, or a topic."""
    return frozenset(str(SIGNALS[name]["kind"]) for name in names if name in SIGNALS)


@lru_cache(maxsize=20_000)
def weight(had: frozenset[str], role: Role) -> float:
    """What a sentence with these signs comes to."""
    kinds: dict[str, float] = {}
    for signal in (SIGNALS[name] for name in had if name in SIGNALS):
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


def helping(had: frozenset[str]) -> Iterator[str]:
    """Those that speak for legal advice."""
    return (name for name in had if name not in SIGNALS or SIGNALS[name]["weight"] > 0)


def is_subject(name: str) -> bool:
    """Whether it says what is spoken about, and not what is done with it."""
    return name == "law" or name.startswith("topic_")
