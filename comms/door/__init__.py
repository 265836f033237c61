"""May this message leave, now, to this address?

One ordered list of places, each a pure question about the facts of this moment. The first hard
refusal decides; where there is none, the first place that asks to wait decides; every rule that
was not met is recorded. A message that waited is judged again from the start.
"""

from billing.policy import Policy
from comms.door.case import (
    ANY_HOUR,
    BUDGETED,
    HARD,
    Case,
    Finding,
    Judgement,
    Live,
    Place,
    Preference,
    Recipient,
    Sender,
    Spent,
    Stop,
    Verdict,
)
from comms.door.person import consent, health, identity, legal, legal_reason
from comms.door.sending import billing, content, expiry, go_live, preflight
from comms.door.times import budget, hours
from comms.models import Audience, Purpose

__all__ = [
    "ANY_HOUR",
    "BUDGETED",
    "HARD",
    "PLACES",
    "Case",
    "Finding",
    "Judgement",
    "Live",
    "Place",
    "Preference",
    "Recipient",
    "Sender",
    "Spent",
    "Stop",
    "Verdict",
    "judge",
    "legal_reason",
]


def judge(case: Case, policy: Policy) -> Judgement:
    """Ask every place that this message must pass."""
    findings = tuple(
        found
        for name, place in PLACES
        if _must_pass(name, case)
        for found in (tuple(place(case, policy)) or (Finding(name, Verdict.ALLOW),))
    )
    refused = [found for found in findings if found.verdict is not Verdict.ALLOW]
    hard = [found for found in refused if found.verdict in HARD]
    passed = [found for found in findings if found.reason]
    decides = hard or refused or passed or [Finding("send", Verdict.ALLOW)]
    return Judgement(decides[0], findings)


def _must_pass(place: str, case: Case) -> bool:
    if case.audience != Audience.CLIENT:
        return place in {"expiry", "content", "preflight"}
    if case.purpose == Purpose.OPT_OUT:
        return place not in {"go_live", "consent", "billing", "budget", "hours"}
    return True


PLACES: tuple[tuple[str, Place], ...] = (
    ("expiry", expiry),
    ("go_live", go_live),
    ("identity", identity),
    ("legal", legal),
    ("consent", consent),
    ("health", health),
    ("billing", billing),
    ("content", content),
    ("budget", budget),
    ("hours", hours),
    ("preflight", preflight),
)
"""This is the only order."""
