"""What can stand still, how grave is that, and what should a person do about it?

``bot.audit`` looks for these; the card in Slack, the mail and ``audit moving`` say them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

NAMED = 20
"""Rows of a finding that are named; the others are counted."""
_LOG = "The log says what the worker does; a restart takes back what a dead one held."


@dataclass(frozen=True, slots=True)
class Standstill:
    """A kind of finding. A severe one silences the heartbeat and goes out by mail as well."""

    one: str
    many: str
    remedy: str
    severe: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """Rows of one kind that stand still: how many, and the first of them by what they are."""

    kind: str
    count: int
    what: str
    ids: tuple[int, ...] = ()

    @property
    def severe(self) -> bool:
        """Whether the process itself stands still, and not only a row."""
        return KINDS[self.kind].severe

    @property
    def sentence(self) -> str:
        """What was found, in words, without anybody's name."""
        return said(self.kind, self.count)


KINDS: Mapping[str, Standstill] = {
    "ladder_still": Standstill(
        "1 sequence has something to do and no day on which it will",
        "{count} sequences have something to do and no day on which they will",
        "`counterfoil explain` with the client says where it stands; any news of the client "
        "moves it. Report it: the product should not let this happen.",
    ),
    "step_forgotten": Standstill(
        "1 step waits for a message that will never leave",
        "{count} steps wait for messages that will never leave",
        "`counterfoil explain` with the client says which; write to the client yourself, and "
        "report it.",
    ),
    "look_late": Standstill(
        "1 sequence should have been looked at a quarter of an hour ago",
        "{count} sequences should have been looked at a quarter of an hour ago",
        f"The worker is behind or stands still. {_LOG}",
        severe=True,
    ),
    "queue_late": Standstill(
        "1 message should have left a quarter of an hour ago",
        "{count} messages should have left a quarter of an hour ago",
        f"The worker is behind or stands still. {_LOG}",
        severe=True,
    ),
    "held_forgotten": Standstill(
        "1 message is held and nothing will free it",
        "{count} messages are held and nothing will free them",
        "`counterfoil explain` with the message says why it is held; decide, and report it.",
    ),
    "lease_over": Standstill(
        "1 message is with a worker that is gone",
        "{count} messages are with workers that are gone",
        _LOG,
        severe=True,
    ),
    "doubt_forgotten": Standstill(
        "1 message may or may not have arrived, and nobody looks or was asked",
        "{count} messages may or may not have arrived, and nobody looks or was asked",
        "Ask the client or the provider whether it arrived.",
    ),
    "incoming_late": Standstill(
        "1 delivery from outside has waited a quarter of an hour to be understood",
        "{count} deliveries from outside have waited a quarter of an hour to be understood",
        "The log line `put_off` with its number says why.",
        severe=True,
    ),
    "incoming_failed": Standstill(
        "1 delivery of the last week could not be taken in",
        "{count} deliveries of the last week could not be taken in",
        "The log line `put_off` with its number says why; what it asks for is not done.",
    ),
    "staff_failed": Standstill(
        "1 message to our own people of the last day did not reach them",
        "{count} messages to our own people of the last day did not reach them",
        "`counterfoil doctor` checks Slack and who reads where; nobody was told what they said.",
        severe=True,
    ),
    "hold_endless": Standstill(
        "1 hold has no end and is more than a month old",
        "{count} holds have no end and are more than a month old",
        "Release them in Slack, or leave them if that is meant.",
    ),
    "spool_late": Standstill(
        "What staff asked for in Slack has waited a quarter of an hour in the spool",
        "What staff asked for in Slack has waited a quarter of an hour in the spool",
        "The store cannot be written, or `spool_line_unreadable` in the log says why.",
        severe=True,
    ),
}


def said(kind: str, count: int) -> str:
    """The sentence of a finding, with its full stop."""
    words = KINDS[kind].one if count == 1 else KINDS[kind].many
    return f"{words.format(count=f'{count:,}')}."
