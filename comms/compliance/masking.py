"""What may be shown of a text in which some characters are nobody's business?

A card keeps its last four digits (PCI DSS 3.4.1 would allow the first six as well), so do account
and social security numbers; a security code, a password and a date of birth leave nothing. The
same value is covered wherever it is written again.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from comms.compliance.labels import Label, Part, Span
from comms.compliance.material import Content
from comms.compliance.patterns import Pattern
from comms.compliance.reading import read

SEALED: Final = "[sealed]"
_SHOWN: Final = {
    Label.PAN: "card",
    Label.IBAN: "iban",
    Label.BANK_ACCOUNT: "account",
    Label.SSN: "ssn",
}
_INSTEAD: Final = {
    Label.CVV: "[***]",
    Label.SECRET: "[hidden]",
    Label.DOB: "[date]",
}
_NOT_DIGIT: Final = re.compile(r"\D")
_NOT_SIGN: Final = re.compile(r"[\W_]+")
_BETWEEN: Final = bytes(code for code in range(128) if not chr(code).isalnum())
_SHORTEST_AGAIN: Final = 3
_LONG: Final = 20_000
_MOST_VALUES: Final = 40
"""What holds more different numbers than this is a list of them, and nothing of it is shown."""


def masked(content: Content, spans: Sequence[Span]) -> tuple[str, str | None]:
    """The body and the subject, with what is labelled covered."""
    values = sorted(set(_values(content, spans)), key=lambda one: (-len(one[0]), one))
    if len(values) > _MOST_VALUES:
        return SEALED, None if content.subject is None else SEALED
    body = _again(_covered(content.body, spans, "body"), values)
    if content.subject is None:
        return body, None
    return body, _again(_covered(content.subject, spans, "subject"), values)


def _covered(text: str, spans: Sequence[Span], part: Part) -> str:
    shown, last = [], 0
    for start, end, label in _merged(spans, part):
        shown += [text[last:start], _instead(text[start:end], label)]
        last = end
    return "".join([*shown, text[last:]])


def _merged(spans: Sequence[Span], part: Part) -> Iterable[tuple[int, int, Label]]:
    """Spans that overlap are covered as one, under the name of the first."""
    merged: list[tuple[int, int, Label]] = []
    for span in sorted(span for span in spans if span.part == part):
        if merged and span.start < merged[-1][1]:
            start, end, label = merged[-1]
            merged[-1] = (start, max(end, span.end), label)
        else:
            merged.append((span.start, span.end, span.label))
    return merged


def _instead(value: str, label: Label) -> str:
    name = _SHOWN.get(label)
    if name is None:
        return _INSTEAD.get(label, SEALED)
    plain = read(value).text
    signs = re.sub(r"[\W_]", "", plain) if label is Label.IBAN else _NOT_DIGIT.sub("", plain)
    last = signs[-4:] if len(signs) >= 9 else ""
    return f"[{name} ****{last}]"


def _values(content: Content, spans: Sequence[Span]) -> Iterable[tuple[str, Label]]:
    for span in spans:
        text = content.body if span.part == "body" else content.subject or ""
        if span.label in _SHOWN or span.label in _INSTEAD:
            yield text[span.start : span.end], span.label


def _again(text: str, values: Iterable[tuple[str, Label]]) -> str:
    """Cover the same values where they are written once more, with whatever between the signs."""
    joined = _signs(text)
    for value, label in values:
        signs = _signs(read(value).text)
        if label is Label.SECRET:
            text = text.replace(value, _INSTEAD[label])
        elif _SHORTEST_AGAIN <= len(signs) <= 40 and signs in joined:
            gap = r"[\W_]{0,3}" if len(signs) > 4 else ""
            again = r"(?<![\w*])" + gap.join(map(re.escape, signs)) + r"(?!\w)"
            text = _without(text, again, label)
    return text


def _signs(text: str) -> str:
    """Its letters and digits alone."""
    if text.isascii():
        return text.encode().translate(None, _BETWEEN).decode()
    return _NOT_SIGN.sub("", text)


def _without(text: str, pattern: str, label: Label) -> str:
    """RE2 is slow to make and fast to look, and so worth it for a long text only."""
    found = Pattern(pattern, case=True) if len(text) > _LONG else re.compile(pattern)
    shown, last = [], 0
    for at in found.finditer(text):
        shown += [text[last : at.start()], _instead(at[0], label)]
        last = at.end()
    return "".join([*shown, text[last:]])
