"""How is a card put together so that Slack takes it, and so that nobody's words act in it?

Pure. ``fit`` holds a card to 45 blocks and 12,000 characters: Slack refuses more with errors that
no retry cures (50 blocks, about 13,200 characters). Text that came from outside passes ``inline``
or ``words`` and can neither mention anybody nor format, link or hide anything.
"""

import datetime as dt
import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from billing import spelling

Block = Mapping[str, Any]

MOST_BLOCKS = 45
MOST_TEXT = 12_000
SECTION = 3000
HEADER = 150
FIELD = 2000
BUTTON = 75
VALUE = 2000
FALLBACK = 3000
_ROW = 5
_LEAST = 200
_PAIRED = {"*": "\u2217", "_": "\uff3f", "~": "\u223c", "`": "\u02cb"}
_LOUD = re.compile(r"@(?=(?:channel|here|everyone|group)\b)", re.IGNORECASE)
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SPACE = re.compile(r"\s+")
_CUT = re.compile(r"&[a-z]{0,4}$")


def escape(text: str) -> str:
    """Slack's three control characters, and nothing that rings or turns the line around."""
    quiet = _LOUD.sub("@\u2060", _UNSEEN.sub("", text))
    return html.escape(quiet, quote=False)


def unescape(text: str) -> str:
    """What a person typed, of what Slack sent."""
    return html.unescape(text)


def inline(text: str, limit: int = 200) -> str:
    """A name or a word from outside, on one line of ours, without any formatting of its own."""
    flat = _SPACE.sub(" ", text).strip()
    for mark, like in _PAIRED.items():
        if mark == "`" or flat.count(mark) > 1:
            flat = flat.replace(mark, like)
    return clip(escape(flat), limit)


def clip(text: str, limit: int) -> str:
    """At most so many characters, with a mark where something is missing; no half entity."""
    if len(text) <= limit:
        return text
    return _CUT.sub("", text[: limit - 1]) + "\N{HORIZONTAL ELLIPSIS}"


def header(text: str) -> Block:
    """A title; what is in it stays plain."""
    return {"type": "header", "text": plain(inline(text, HEADER), HEADER)}


def section(text: str) -> Block:
    """Our own mrkdwn, whose foreign parts went through ``inline``."""
    return {"type": "section", "text": _mrkdwn(text, SECTION)}


def words(text: str, limit: int = 1500) -> Block:
    """What a person outside wrote, word by word: plain text, in which nothing is acted on."""
    shown = plain(escape(text).strip(), limit) | {"emoji": False}
    return {"type": "section", "text": shown}


def lines(title: str, items: Iterable[str], bullet: str = "• ") -> list[Block]:
    """A list under a title, in as many sections as it takes; nothing where it is empty."""
    texts: list[str] = []
    current = f"*{title}*" if title else ""
    empty = True
    for item in items:
        empty = False
        line = bullet + clip(item, SECTION // 3)
        if len(current) + len(line) + 1 > SECTION:
            texts.append(current)
            current = line
        else:
            current = f"{current}\n{line}" if current else line
    return [] if empty else [section(text) for text in (*texts, current)]


def context(text: str) -> Block:
    """Small print."""
    return {"type": "context", "elements": [_mrkdwn(text, FIELD)]}


def asking(name: str, label: str, element: Block) -> Block:
    """A question of a form, under the name by which its answer comes back."""
    return {"type": "input", "block_id": name, "label": plain(label), "element": element}


def field(name: str, longest: int, initial: str = "") -> Block:
    """A field to type in; a long one has several lines."""
    made: dict[str, Any] = {"type": "plain_text_input", "action_id": name}
    made |= {"multiline": longest > BUTTON, "max_length": longest}
    return made | ({"initial_value": initial} if initial else {})


def divider() -> Block:
    """A line."""
    return {"type": "divider"}


def button(text: str, action_id: str, value: Mapping[str, object], style: str = "") -> Block:
    """A button; its value is small JSON of ids.

    Raises:
        ValueError: the value is longer than Slack takes.
    """
    packed = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    if len(packed) > VALUE:
        raise ValueError(f"the value of {action_id} has {len(packed)} characters; put ids in it")
    made: dict[str, object] = {
        "type": "button",
        "action_id": action_id,
        "text": plain(clip(inline(text, BUTTON), BUTTON), BUTTON),
        "value": packed,
    }
    return made | ({"style": style} if style else {})


def sure(button: Block, title: str, text: str) -> Block:
    """A button that asks once more before it does what cannot be undone with another."""
    asked = {"title": plain(title, 100), "text": _mrkdwn(text, 300)}
    label = button["text"]["text"]
    answers = {"confirm": plain(clip(label, 30), 30), "deny": plain("Not now", 30)}
    return {**button, "confirm": asked | answers}


def actions(buttons: Sequence[Block]) -> list[Block]:
    """Buttons in rows; no row where there is none. Their action ids differ within a row."""
    rows = [buttons[start : start + _ROW] for start in range(0, len(buttons), _ROW)]
    return [{"type": "actions", "elements": list(row)} for row in rows]


def fit(
    body: Sequence[Block], tail: Sequence[Block] = (), more: str = "`/acct` shows the rest."
) -> tuple[Block, ...]:
    """As much of the body as a message holds, then the tail whole; a line says what is missing.

    Raises:
        ValueError: the tail alone is too much.
    """
    left = MOST_TEXT - total(tail) - _LEAST
    room = MOST_BLOCKS - len(tail) - 1
    if left < 0 or room < 0:
        raise ValueError("the end of a card is too long; keep it to a few buttons")
    kept: list[Block] = []
    for block in body:
        left -= total(block)
        if left < 0 or len(kept) == room:
            break
        kept.append(block)
    missing = len(body) - len(kept)
    if missing:
        parts = "1 part" if missing == 1 else f"{missing} parts"
        kept.append(context(clip(f"{parts} did not fit. {more}", _LEAST)))
    return (*kept, *tail)


def total(node: Any) -> int:
    """The characters of all text and values in there."""
    if isinstance(node, Mapping):
        own = sum(len(v) for k, v in node.items() if k in ("text", "value") and isinstance(v, str))
        return own + sum(total(value) for value in node.values())
    if isinstance(node, list | tuple):
        return sum(total(value) for value in node)
    return 0


def moment(at: dt.datetime) -> str:
    """A moment in the reader's own time zone; Slack writes it for each reader."""
    utc = at.astimezone(dt.UTC)
    fallback = f"{spelling.weekday(utc)}, {utc:%H:%M} UTC"
    return f"<!date^{int(at.timestamp())}^{{date_short}}, {{time}}|{fallback}>"


def mask(kind: str, value: str) -> str:
    """Enough of an address to recognise it."""
    if kind == "email":
        name, _, domain = value.partition("@")
        return f"{name[:1]}\N{BULLET}\N{BULLET}\N{BULLET}@{domain}"
    return f"\N{BULLET}\N{BULLET}\N{BULLET} {value[-4:]}"


def plain(text: str, limit: int = SECTION) -> dict[str, Any]:
    """Text in which nothing is acted on."""
    return {"type": "plain_text", "text": clip(text, limit) or " "}


def _mrkdwn(text: str, limit: int) -> dict[str, Any]:
    # Verbatim: of an address or a #name in somebody's words Slack makes no link.
    return {"type": "mrkdwn", "text": clip(text, limit) or " ", "verbatim": True}
