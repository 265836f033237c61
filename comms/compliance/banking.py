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

_BANK: Final = Where(
    r"\b(?:banks?|banking|bancaria|bancaire|routing|aba|rtn|ach|wires?|wiring|direct deposit"
    r"|deposits?|checking|savings|sort(?:[ -]?code)?|bsb|swift|bic|credit union|transfers?"
    r"|refund(?:s|ed)? to|pay ?outs?|iban|payroll|banco|banque|virement|transferencia"
    r"|eft|building society|remit(?:tance)?|trust account|escrow|micr|transit|zelle|blz|clabe|ifsc"
    r"|a/c|acct|konto\w*|girokonto|sparkasse|volksbank|void(?:ed)? che(?:ck|que)|dda"
    r"|the (?:check|cheque)|auto-?pay|direct debit|debit (?:my|our|the|his|her|their)"
    r"|into (?:my|our|his|her|their|the) (?:acc\w*|a/c)|chase|wells fargo|citi(?:bank)?|bofa|hsbc"
    r"|barclays|lloyds|natwest|santander|capital one|pnc|truist|schwab)\b|überweis"
)
_ROUTING: Final = Pattern(
    r"\b(?:routing|aba|rtn|transit|r/t|fedwire)\b[^\d\n]{0,24}(\d{4}[- ]?\d{4}[- ]?\d"
    r"|\d{3}[- ]?\d{3}[- ]?\d{3})(?!\d)"
)
_FILL: Final = r"[\s.:#=(),>-]{0,4}"
_ACCOUNT: Final = Pattern(
    r"\b(?:accounts?|acct|acc|a/c|konto(?:nummer|-?nr)?|kto|checking|savings|che?quing|dda|clabe"
    rf"|cuenta|compte|conto|rekening(?:nummer)?)\b{_FILL}"
    r"(?:(?:is|are|the|number|no|nr|num|to|use|be|at|in|for|with|of|my|our|his|her|their|checking"
    r"|savings|current|bank|chase|citi|ach|wires?|refunds?|payments?|direct|deposits?|usd|eur|gbp|new"
    r"|full|business|personal|joint|should|will|ending|details|and|de|bancaria|bancaire|corriente|ist"
    rf"|lautet|bei|der)\b{_FILL}){{0,8}}((?:\d[ -]?){{5,17}}\d)(?![\d%]|[.,]\d\d)"
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
_PAIR: Final = Pattern(r"(?<!\d)(\d{9})(?!\d)[^\d.!?]{1,30}(?<![\d$€£#])(\d{6,17})(?!\d|[.,]\d)")
_TURNED: Final = Pattern(
    r"(?<![\d$€£#.-])(\d{6,17})(?!\d)[^\d.!?]{1,36}(?<![\d$€£#])(\d{9})(?!\d|[.,]\d)"
)
_PAIRED: Final = Where(r"\b(?:refunds?|pay|payments?|che(?:ck|que))\b")
_SPACED: Final = Pattern(r"(?<![\d/.-])\d{2} \d{2} \d{2}[\s,;:/|]{1,4}\d{8}(?!\d)")
_OTHERWISE: Final = re.compile(
    r"\b(?:invoices?|inv|orders?|po|track\w*|phone|tel|fax|cell|mobile|refs?|references?|claim"
    r"|policy|case|ticket|serial|imei|customer|member|confirmation|docket|matter|call|ext|gl"
    r"|che(?:ck|que) (?:no|number|nr))\b"
    r"[^\d\n]{0,12}$",
    re.IGNORECASE,
)
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
ACCOUNTS: Final = "|".join(
    one.cue for one in (_ROUTING, _ACCOUNT, _SORT_CODE, _PAIR, _TURNED, _SPACED, _INTO)
)
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
    paired = [*_paired(text)]
    named = [*_routed(text), *_named(text), *(found.span() for found in _SPACED.finditer(text))]
    yield from _about(_BANK, text, [*named, *paired])
    yield from _about(_PAIRED, text, paired)


def _about(words: Where, text: str, places: Sequence[Place]) -> Iterator[Place]:
    """Those that have one of these words near them."""
    near = overlaps(words(text)) if places else None
    for start, end in places:
        if near is not None and near(max(0, start - _ABOUT), end + _ABOUT):
            yield start, end


def _routed(text: str) -> Iterator[Place]:
    for found in _ROUTING.finditer(text):
        if numbers.is_routing(re.sub(r"\D", "", found[1])):
            yield found.span(1)


def _paired(text: str) -> Iterator[Place]:
    """A routing number and another number beside it, in either order."""
    for pattern, routing in ((_PAIR, 1), (_TURNED, 2)):
        for found in pattern.finditer(text):
            if numbers.is_routing(found[routing]) and not any(
                _OTHERWISE.search(text[max(0, found.start(at) - 30) : found.start(at)])
                for at in (1, 2)
            ):
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
