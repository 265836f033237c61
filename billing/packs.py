"""What does the kind of firm that we are ask of every message, and of everybody who handles it?

A legal entity has one base pack and add-ons laid over it. Each rule of a pack may make some term
stricter; of several the strictest holds. Pure.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from billing import rules
from billing.rules import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the packs set; each value here is what holds where none of them says more."""

    agreements: tuple[str, ...] = ()
    """What whoever handles content for us must have signed."""
    neutral_slack: bool = False
    """No name and no word of a client in a Slack that has not signed a BAA."""
    warned_first: bool = False
    """More than amount, date and link only to who was warned that it is not encrypted."""
    marketing_consent: bool = False
    """Offers need a yes of the person's own, by mail as well."""
    kept_papers: tuple[str, ...] = ()
    """Papers that no mail encloses."""
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
def setting(packs: tuple[str, ...], name: str, one: str = "") -> Rule:
    """The rule that makes a term stricter, to be cited where it refuses something.

    ``one`` is what of a list it must name.

    Raises:
        LookupError: none does.
    """
    holds = getattr(terms(packs), name)
    for rule in _of(packs):
        said = _plain(rule.sets.get(name))
        if said is not None and (one in said if one else said == holds):
            return rule
    raise LookupError(f"nothing in {packs} sets {name}")


def _of(packs: Iterable[str]) -> Iterable[Rule]:
    return (rule for pack in packs for rule in rules.of_pack(pack))


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _stricter(one: Any, other: Any) -> Any:
    return tuple(dict.fromkeys((*one, *other))) if isinstance(one, tuple) else max(one, other)
