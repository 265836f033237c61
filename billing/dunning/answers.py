"""What can the dunning rule say of an account?"""

import datetime as dt
from dataclasses import dataclass

from billing.arrears import HoldFact, OpenInstalment
from billing.policy.ladders import DEFAULT, AtEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Remind the client, of everything overdue that may be chased, oldest first."""

    rule: str
    reason: str
    step: int
    round: int
    anchor: OpenInstalment
    listed: tuple[OpenInstalment, ...]
    template: str
    channels: tuple[str, ...]
    total: int
    attachments: tuple[str, ...] = ()
    ladder: str = DEFAULT
    look_again: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Tell the client what is due soon, oldest first; nothing is late, and it is no step.

    ``step`` is -1, -2… in the order of the policy; after ``until`` it would say what is not so.
    """

    rule: str
    reason: str
    step: int
    listed: tuple[OpenInstalment, ...]
    template: str
    channels: tuple[str, ...]
    total: int
    until: dt.datetime
    attachments: tuple[str, ...] = ()
    ladder: str = DEFAULT
    look_again: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalate:
    """Hand over to the owner; the client hears nothing."""

    rule: str
    reason: str
    step: int
    round: int
    anchor: OpenInstalment
    listed: tuple[OpenInstalment, ...]
    total: int
    proposal: AtEnd = "owner"
    """What to do at the end of the ladder, for a person to decide."""
    ladder: str = DEFAULT
    look_again: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Credited:
    """A step that counts as sent on its own day, before the account came to us."""

    step: int
    round: int
    on: dt.date
    listed: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """Store these steps as imported and decide again."""

    rule: str
    reason: str
    steps: tuple[Credited, ...]
    ladder: str = DEFAULT
    look_again: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing yet; time alone can change that."""

    rule: str
    reason: str
    look_again: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A hold stops everything that could be sent; without ``look_again`` a person releases it."""

    rule: str
    reason: str
    hold: HoldFact
    look_again: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cured:
    """All that the episode named is settled: begin the next episode and decide again."""

    rule: str
    reason: str
    look_again: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """There is nothing to chase; ``look_again`` when more becomes overdue by itself."""

    rule: str
    reason: str
    look_again: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhausted:
    """The ladder is at its end: a person's turn."""

    rule: str
    reason: str
    look_again: dt.datetime | None = None


Decision = Send | Notify | Escalate | Credit | Wait | Held | Cured | Idle | Exhausted
