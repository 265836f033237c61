"""What does the kind of firm that we are ask of every message, and of everybody who handles it?

A legal entity has one base pack and add-ons laid over it. Each rule of a pack may make some term
stricter; of several the strictest holds. Pure.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from billing import rules
from billing.rules import Rule

Disclosure = Literal["usual", "no_matter", "amount_date_link"]
_MILDER: tuple[Disclosure, ...] = get_args(Disclosure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the packs set; each value here is what holds where none of them says more."""

    disclosure: Disclosure = "usual"
    """How much a message to a client may say of what the bill is for."""
    agreements: tuple[str, ...] = ()
    """What whoever handles content for us must have signed."""
    neutral_slack: bool = False
    """No name and no word of a client in a Slack that has not signed a BAA."""
    warned_first: bool = False
    """More than amount, date and link only to who was warned that it is not encrypted."""
    marketing_consent: bool = False
    """Offers need a yes of the person's own, by mail as well."""
    notice_in_mail: bool = False
    """How to say no stands in every mail, and not in texts only."""
    retention_ends: bool = False
    """Nothing is kept for ever."""
    decisions_days: int = 0
    """The least for which decisions are kept."""


@functools.lru_cache(maxsize=256)
def terms(packs: tuple[str, ...]) -> Terms:
    """What these packs set together."""
    merged: dict[str, Any] = {}
    for rule in _of(packs):
        for name, value in rule.sets.items():
            merged[name] = _stricter(merged[name], value) if name in merged else _plain(value)
    return Terms(**merged)


@functools.lru_cache(maxsize=256)
def setting(packs: tuple[str, ...], name: str) -> Rule:
    """The rule that makes a term stricter, to be cited where it refuses something.

    Raises:
        LookupError: none does.
    """
    holds = getattr(terms(packs), name)
    for rule in _of(packs):
        said = _plain(rule.sets.get(name))
        if said == holds or (isinstance(said, tuple) and set(said) <= set(holds)):
            return rule
    raise LookupError(f"nothing in {packs} sets {name}")


def names() -> frozenset[str]:
    """Every term that there is."""
    return frozenset(field.name for field in fields(Terms))


def _of(packs: Iterable[str]) -> Iterable[Rule]:
    return (rule for pack in packs for rule in rules.of_pack(pack))


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _stricter(one: Any, other: Any) -> Any:
    if isinstance(one, tuple):
        return tuple(dict.fromkeys((*one, *other)))
    if isinstance(one, str):
        return max(one, other, key=_MILDER.index)
    return max(one, other)
