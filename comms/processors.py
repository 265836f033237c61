"""Has whoever would handle a message signed what our packs ask of them?

A processor is a vendor that gets something of clients because we hand it over. Pure.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from billing import packs
from billing.packs import Terms

SLACK = "slack"
BAA = "BAA"
UNSIGNED = "agreement_missing"
"""The rule's name at the door."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """A vendor, and what it has signed."""

    name: str
    signed: Mapping[str, dt.date | None] = field(default_factory=dict)
    """Agreements, and when; of some nobody has said when."""
    never: tuple[str, ...] = ()
    """Agreements that do not cover what we use of it, whatever was signed."""
    plan: str = ""
    """Which of its plans the firm has."""
    plans: Mapping[str, str] = field(default_factory=dict)
    """By agreement, the only plan with which it holds."""

    def lacks(self, asked: tuple[str, ...], today: dt.date) -> dict[str, str]:
        """Of the agreements that are asked for those that do not hold today, and why."""
        found = {name: self._lack(name, today) for name in asked}
        return {name: why for name, why in found.items() if why}

    def _lack(self, name: str, today: dt.date) -> str:
        signed = self.signed.get(name)
        if name in self.never:
            return f"{self.name} is not eligible for a {name}, whatever was signed"
        if name not in self.signed:
            return f"no {name} of {self.name} is on record"
        if signed is not None and signed > today:
            return f"the {name} of {self.name} begins on {signed}"
        needed = self.plans.get(name, "")
        if needed and needed != self.plan.strip().lower():
            return f"the {name} of {self.name} holds with its plan {needed} only"
        return ""


Processors = Mapping[str, tuple[Processor, ...]]
"""By the channel of ours that leads to them."""


def refusal(known: Processors, channel: str, kinds: tuple[str, ...], today: dt.date) -> str:
    """Why nothing of a firm of these packs may go by this channel; nothing where it may."""
    terms = packs.terms(kinds)
    if not terms.agreements:
        return ""
    lacks = _lacks(known, channel, _asked(channel, terms), today)
    if not lacks:
        return ""
    rule = packs.setting(kinds, "agreements", next(iter(lacks)))
    return f"By {channel} nothing may go: {'; '.join(lacks.values())}. {rule.id}, {rule.cited}."


def is_neutral(known: Processors, kinds: tuple[str, ...], today: dt.date) -> bool:
    """Whether no name and no word of a client may be shown in Slack."""
    if not packs.terms(kinds).neutral_slack:
        return False
    return bool(_lacks(known, SLACK, (BAA,), today))


def _lacks(
    known: Processors, channel: str, asked: tuple[str, ...], today: dt.date
) -> dict[str, str]:
    """What one of those on the way lacks; whom nobody has put on record has signed nothing."""
    found: dict[str, str] = {}
    for one in known.get(channel) or (Processor(name=f"whoever handles {channel}"),):
        found |= one.lacks(asked, today)
    return found


def _asked(channel: str, terms: Terms) -> tuple[str, ...]:
    """A Slack that gets no name and no word needs no BAA."""
    spared = (BAA,) if channel == SLACK and terms.neutral_slack else ()
    return tuple(name for name in terms.agreements if name not in spared)
