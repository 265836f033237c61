"""What was typed after ``/acct``? Pure: words in, a question or an order out."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

FORMS = {
    "": "/acct NAME",
    "timeline": "/acct timeline NAME [90d] [sms|email]",
    "why": "/acct why NAME or INVOICE",
    "pause": "/acct pause NAME [3d] REASON",
    "resume": "/acct resume NAME",
    "write": "/acct write NAME [by sms|by email]: WORDS",
    "hold": "/acct hold NAME[: MATTER]",
    "rights": "/acct rights NAME",
    "erase-request": "/acct erase-request NAME",
    "help": "/acct help",
}
_ALIKE = 0.7
_DAYS = re.compile(r"([0-9]{1,3})d", re.IGNORECASE)
_CHANNELS = ("sms", "email")
_BY = re.compile(r"(?:^|\s)by\s+(sms|email)\s*$", re.IGNORECASE)
_QUOTED = re.compile(r'^["\u201c\u201d]([^"\u201c\u201d]+)["\u201c\u201d]\s*(.*)$', re.DOTALL)


@dataclass(frozen=True, slots=True)
class ShowCard:
    """How does a client stand?"""

    name: str


@dataclass(frozen=True, slots=True)
class ShowTimeline:
    """What was said, of so many days, on one channel or all."""

    name: str
    days: int | None = None
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Why:
    """Why was something sent, or not: of a client or an invoice."""

    what: str


@dataclass(frozen=True, slots=True)
class AskPause:
    """Stop reminders. Without ``name`` the words begin with one and go on with the reason."""

    name: str
    days: int | None
    reason: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AskResume:
    """Go on with reminders."""

    name: str


@dataclass(frozen=True, slots=True)
class Write:
    """Write to a client; without ``channel`` by the way they wrote last."""

    name: str
    channel: str
    words: str


@dataclass(frozen=True, slots=True)
class AskHold:
    """What is kept of them because a lawsuit is expected; for this matter, where one is named."""

    name: str
    matter: str = ""


@dataclass(frozen=True, slots=True)
class AskRights:
    """What they asked about their data."""

    name: str


@dataclass(frozen=True, slots=True)
class Help:
    """What can be typed?"""


@dataclass(frozen=True, slots=True)
class Unclear:
    """A form with something missing."""

    text: str


Ask = (
    ShowCard
    | ShowTimeline
    | Why
    | AskPause
    | AskResume
    | Write
    | AskHold
    | AskRights
    | Help
    | Unclear
)


def parse(text: str) -> Ask:
    """Read what follows ``/acct``; a name in quotes may hold any words."""
    stripped = text.strip()
    first, _, rest = stripped.partition(" ")
    verb, rest = first.lower(), rest.strip()
    if not stripped or verb == "help":
        return Help()
    if verb not in FORMS:
        return ShowCard(_bare(stripped))
    return _READ[verb](rest) if rest else Unclear(stripped)


def nearest(text: str, most: int = 3) -> list[str]:
    """The forms that come closest to what was typed; those for a name, where it is like no word."""
    verb = text.strip().partition(" ")[0].lower()

    def likeness(word: str) -> float:
        return difflib.SequenceMatcher(None, verb, word).ratio()

    found = sorted(FORMS, key=likeness, reverse=True)
    return [FORMS[word] for word in (found if likeness(found[0]) >= _ALIKE else FORMS)][:most]


def _timeline(rest: str) -> Ask:
    name, after = _split_quoted(rest)
    words = after.split() if name else rest.split()
    days: int | None = None
    channel = ""
    while words:
        last = words[-1].lower()
        if found := _DAYS.fullmatch(last):
            days = int(found[1])
        elif last in _CHANNELS:
            channel = last
        else:
            break
        words.pop()
    if name and words:
        return Unclear(f"timeline {rest}")
    name = name or " ".join(words)
    return ShowTimeline(name, days, channel) if name else Unclear(f"timeline {rest}")


def _pause(rest: str) -> Ask:
    """The days may stand anywhere; where a name without quotes ends, only the clients tell."""
    name, after = _split_quoted(rest)
    words = after.split() if name else rest.split()
    first = 0 if name else 1
    place = next((at for at in range(first, len(words)) if _DAYS.fullmatch(words[at])), None)
    days = int(words.pop(place)[:-1]) if place is not None else None
    if name:
        return AskPause(name, days, " ".join(words))
    return AskPause("", days, "", tuple(words))


def _write(rest: str) -> Ask:
    """What is before the first colon says to whom; a name in quotes may have one."""
    name, after = _split_quoted(rest)
    before, colon, words = (after if name else rest).partition(":")
    way = _BY.search(before)
    name = name or before[: way.start() if way else None].strip()
    if not (name and colon and words.strip()):
        return Unclear(f"write {rest}")
    return Write(name, way[1].lower() if way else "", words.strip())


def _hold(rest: str) -> Ask:
    name, after = _split_quoted(rest)
    if not name:
        name, _, after = rest.partition(":")
    return AskHold(name.strip(), after.lstrip(": ").strip())


def _split_quoted(rest: str) -> tuple[str, str]:
    found = _QUOTED.match(rest)
    return (found[1].strip(), found[2]) if found else ("", rest)


def _bare(rest: str) -> str:
    name, after = _split_quoted(rest)
    return name if name and not after else rest


_READ: Mapping[str, Callable[[str], Ask]] = {
    "timeline": _timeline,
    "why": lambda rest: Why(_bare(rest)),
    "pause": _pause,
    "write": _write,
    "resume": lambda rest: AskResume(_bare(rest)),
    "hold": _hold,
    "rights": lambda rest: AskRights(_bare(rest)),
    "erase-request": lambda rest: AskRights(_bare(rest)),
}
