"""How do people say it: which way a message went, what it is, and what was decided of it?

Pure. Names of the rows stay in ``--json``; these are for cards, pages and transcripts.
"""

from collections.abc import Mapping
from typing import Final

from comms.models import Message

_CALLED: Final[Mapping[str, str]] = {
    "crossed": "note that a payment crossed",
    "help_reply": "answer to HELP",
    "opt_in_confirmation": "confirmation of START",
    "opt_out_confirmation": "confirmation of STOP",
    "safe_payment": "how to pay safely",
    "staff_text": "message from staff",
    "who_we_are": "answer to who we are",
}
_DECIDED: Final[Mapping[str, str]] = {
    "send": "Due", "notify": "Due", "wait": "Not yet", "held": "Held", "idle": "Nothing to do",
    "escalate": "Escalated", "exhausted": "With its owner", "cured": "Settled",
    "late": "Missed", "credit": "Counted as sent", "credited": "Counted as sent",
    "unheard": "No answer",
    "allow": "May leave", "defer": "Held", "review": "Asks a person", "withhold": "Withheld",
    "cancel": "Cancelled",
}  # fmt: skip


def way(channel: str) -> str:
    """A channel as people write it: "SMS", "email"."""
    return "SMS" if channel == "sms" else channel


def called(message: Message) -> str:
    """What a message is: "first reminder", "receipt"."""
    name = message.template or message.purpose
    return _CALLED.get(name, name.replace("_", " "))


def sent(message: Message) -> str:
    """What it is and which way it goes: "first reminder by SMS"."""
    return f"{called(message)} by {way(message.channel)}"


def decided(verdict: str) -> str:
    """A verdict, of a sequence or of the door: "Not yet", "Held"."""
    return _DECIDED.get(verdict, verdict.replace("_", " ").capitalize())
