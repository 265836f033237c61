"""Which characters name a bank account: an IBAN, or a routing and an account number?"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from comms.compliance import numbers
from comms.compliance.patterns import Pattern, Where
from comms.compliance.places import Place, overlaps
from comms.compliance.reading import Reading

_IBAN_HEAD: Final = re.compile(r"(?=([A-Za-z]{2})[\s.\-_]?(\d{2}))")
_IBAN_GAP: Final = frozenset(" \t\r\n.-_/\u00a0>")
_LONGEST_GAP: Final = 4
_FEWEST_DIGITS: Final = 8

_BANK: Final = re.compile(
    r"\b(?:banks?|banking|routing|aba|rtn|ach|wires?|wiring|direct deposit|deposits?|checking"
    r"|savings"
    r"|sort[ -]?code|bsb|swift|bic|credit union|transfers?|refund(?:s|ed)? to|pay ?outs?|iban"
    r"|payroll"
    r"|überweis\w*|banco|banque|virement|transferencia|eft|building society|remit(?:tance)?|trust"
    r" account|micr|transit|zelle|blz|clabe|ifsc|a/c|acct|konto|girokonto|into (?:my|our|his"
    r"|her|their|the) (?:acc\w*|a/c))\b",
    re.IGNORECASE,
)
_ROUTING: Final = Pattern(
    r"\b(?:routing|aba|rtn|transit|r/t|fedwire)\b[^\d\n]{0,24}(\d{4}[- ]?\d{4}[- ]?\d"
    r"|\d{3}[- ]?\d{3}[- ]?\d{3})(?!\d)"
)
_ACCOUNT: Final = Pattern(
    r"\b(?:(?:bank |checking |savings |current |trust |escrow |payroll |operating |deposit )?"
    r"(?:accounts?|acct|acc|a/c)|konto(?:nummer|-?nr)?|kto|checking|savings|che?quing|clabe"
    r"|cuenta|compte|conto"
    r"|rekening(?:nummer)?)\b"
    r"[\s.:#=]{0,3}(?:(?:no|nr|num|number|#|ending)\b[\s.:#=]{0,3})?(?:(?:is|:|=|of|to|at|in"
    r"|de|details)\s)?"
    r"[\s:#-]{0,3}((?:\d[ -]?){5,16}\d)(?![\d%]|[.,]\d\d)"
)
_OWNER: Final = re.compile(
    r"\b(?:customer|client|utility|user|your|email|login|member|loyalty|gas|water|electric\w*"
    r"|energy|internet|phone|vendor|supplier|tax|portal|subscription|service|patient|billing)\s$",
    re.IGNORECASE,
)
_SORT_CODE: Final = Pattern(
    r"(?<![\d/.-])\d{2}-\d{2}-\d{2}(?![\d-])[\s,;:/|a-z.#]{1,24}\d{8}(?!\d)"
    r"|\bsort[ -]?code\b[^\d\n]{0,12}\d{2}[- ]?\d{2}[- ]?\d{2}(?!\d)(?:[^\d]{1,30}\d{7,8}(?!\d))?"
    r"|\bbsb\b[^\d\n]{0,10}\d{3}[- ]?\d{3}(?!\d)(?:[^\d]{1,30}\d{6,10}(?!\d))?"
    r"|\b(?:blz|bankleitzahl)\b[^\d\n]{0,12}\d{3} ?\d{3} ?\d{2}(?!\d)"
    r"|\btransit\b[^\d\n]{0,10}\d{5}\b[^\d]{1,30}\b\d{3}\b[^\d]{1,30}\d{7,12}(?!\d)"
)
_PAIR: Final = Pattern(r"(?<!\d)(\d{9})(?!\d)[^\d\n.!?]{1,30}(?<![\d$€£#])(\d{6,17})(?!\d|[.,]\d)")
_INTO: Final = Pattern(
    r"\b(?:pay|paid|send|wire|transfer|deposit|refund|remit|credit)\w{0,8}\b[^.!?\n]{0,40}?"
    r"\b(?:to|into)\s(\d{7,17})(?![\d-]|\.\d)"
)
_LABEL_BEFORE: Final = re.compile(
    r"(?:aba|rtn|routing|transit|r/t|a/c|acct|acc|account)[^\d\n]{0,24}$", re.IGNORECASE
)
_TOGETHER: Final = 40
_ABOUT: Final = 200
"""Characters around an account number among which a word for a bank must stand."""
ACCOUNTS: Final = f"{_ROUTING.cue}|{_ACCOUNT.cue}|{_SORT_CODE.cue}|{_PAIR.cue}|{_INTO.cue}"
_STEP: Final = r"[\s.\-_/>]{0,4}"
IBANS: Final = (
    rf"(?:{'|'.join(numbers.IBAN_LENGTHS)})[\s.\-_]?[0-9]{{2}}{_STEP}[0-9a-z]{{1,4}}"
    rf"{_STEP}[0-9a-z]{{0,4}}{_STEP}[0-9]{{2,4}}{_STEP}[0-9]{{2}}"
)
_IBANS: Final = Where(IBANS)


def ibans(reading: Reading) -> Iterator[Place]:
    """Every IBAN whose check digits are right, however it is broken up."""
    text, end = reading.text, -1
    for first, last in _IBANS(text):
        for found in _IBAN_HEAD.finditer(text, max(first, end), last + 2):
            start = found.start()
            length = numbers.IBAN_LENGTHS.get(found[1].upper())
            if length is None or start < end or _mid_word(text, start):
                continue
            place = _iban(text, start, length)
            if place is not None:
                end = place[1]
                yield place


def _mid_word(text: str, start: int) -> bool:
    """What is glued on the left belongs to something longer, unless it is the word itself."""
    return (
        text[max(0, start - 1) : start].isalnum()
        and text[max(0, start - 4) : start].lower() != "iban"
    )


def _iban(text: str, start: int, length: int) -> Place | None:
    signs, at, gap = "", start, 0
    while at < len(text) and len(signs) < length:
        sign = text[at]
        if sign.isascii() and sign.isalnum():
            signs, gap = signs + sign, 0
        elif sign not in _IBAN_GAP or gap >= _LONGEST_GAP:
            return None
        else:
            gap += 1
        at += 1
    if at < len(text) and text[at].isdigit():
        return None
    return (start, at) if _written_as_one(signs[4:]) and numbers.is_iban(signs) else None


def _written_as_one(rest: str) -> bool:
    """Words that prove right by chance are none: an account has digits, and letters of a kind."""
    if sum(map(str.isdigit, rest)) < _FEWEST_DIGITS:
        return False
    letters = "".join(filter(str.isalpha, rest))
    return not letters or letters.isupper() or letters.islower()


def accounts(reading: Reading, taken: Sequence[Place]) -> Iterator[Place]:
    """Routing and account numbers; one span where they stand together."""
    within = overlaps(taken)
    free = [place for place in _accounts(reading.text) if not within(*place)]
    yield from _joined(reading.text, sorted(set(free)))


def _accounts(text: str) -> Iterator[Place]:
    for found in _SORT_CODE.finditer(text):
        first = re.search(r"\d", found[0])
        if first:
            yield found.start() + first.start(), found.end()
    for start, end in (*_routed(text), *_named(text)):
        if _BANK.search(text, max(0, start - _ABOUT), end + _ABOUT):
            yield start, end


def _routed(text: str) -> Iterator[Place]:
    for found in _ROUTING.finditer(text):
        if numbers.is_routing(re.sub(r"\D", "", found[1])):
            yield found.span(1)
    for found in _PAIR.finditer(text):
        if numbers.is_routing(found[1]):
            yield found.span()


def _named(text: str) -> Iterator[Place]:
    for found in _ACCOUNT.finditer(text):
        if not _OWNER.search(text[max(0, found.start() - 14) : found.start()]):
            yield found.span(1)
    for found in _INTO.finditer(text):
        yield found.span(1)


def _joined(text: str, places: Sequence[Place]) -> Iterator[Place]:
    """Numbers that stand close to each other are told of as one, with the word before them."""
    rows: list[list[Place]] = []
    for place in places:
        if rows and place[0] - rows[-1][-1][1] <= _TOGETHER:
            rows[-1].append(place)
        else:
            rows.append([place])
    for row in rows:
        start = row[0][0]
        if len(row) > 1:
            label = _LABEL_BEFORE.search(text[max(0, start - 40) : start])
            start -= len(label[0]) if label else 0
        yield start, max(end for _, end in row)
