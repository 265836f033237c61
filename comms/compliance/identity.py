"""Which characters tell who a person is to the state: a social security number, a date of birth?"""

import re
from collections.abc import Iterator
from typing import Final

from comms.compliance import numbers
from comms.compliance.digits import spoken
from comms.compliance.patterns import Pattern
from comms.compliance.places import joined
from comms.compliance.reading import Reading

_SHAPED: Final = Pattern(
    r"(?<![\dA-Za-z])(?<!\d[-. /])(\d{3})(\s?[-._/·]\s{0,2}[> ]{0,4}| |\n)(\d{2})"
    r"(\s?[-._/·]\s{0,2}[> ]{0,4}| |\n)(\d{4})"
    r"(?![-./]?\d|\s\d{2})"
)
_BETWEEN: Final = r"[\s.\-/_·>,()]"
_BARE: Final = Pattern(
    rf"(?<![\d-])\d(?:{_BETWEEN}{{0,6}}(?:(?:and|then|the|last|four|digits|are|is|dash|hyphen)"
    rf"{_BETWEEN}{{1,4}}){{0,5}}\d){{8}}(?!\d|-\d)"
)
_CONTEXT: Final = re.compile(
    r"\b(?:s\.?s\.?n\b|social(?:[ -]?sec(?:urity)?)?\b|soc\b|ss ?#|ss (?:no|num)\w*"
    r"|ss(?=[\s:=.]{1,3}$)|seguro social\b|sozialversicherung\w*|i?tin\b"
    r"|tax(?:payer)?(?:'s)? (?:id|no|num)\w*)(?:[^\d]{0,40}|[^\d.!?\n]{0,80})$",
    re.IGNORECASE,
)
_CONTEXT_AFTER: Final = re.compile(
    r"[\s,.)(=-]{0,4}(?:(?:is|was|that's|thats|as) )?(?:(?:my|his|her|the|their|a) )?"
    r"(?:ssn|social|soc)\b",
    re.IGNORECASE,
)
_OTHER: Final = re.compile(
    r"\b(?:parts?|order|invoice|inv|ref|reference|serial|sku|model|lot|case|claim|policy|ticket"
    r"|track(?:ing)?|tel|phone|fax|mobile|cell|call|ext|po|item|catalog|version|ein"
    r"|routing|aba"
    r"|account|acct|a/c|docket|matter|npi|isbn|zip|room|box|form|permit|licen[cs]e|fein|vat|sort"
    r" code|iban"
    r"|suite|ste|apt|apartment|unit|flat|street|booking|batch|duns|contract|quote|job|code)\b"
    r"(?:[ -]?(?:no|nr|num|number|id|code)\b)?[\s.:#=]{0,3}(?:is |are |of )?$",
    re.IGNORECASE,
)
_MONTH: Final = (
    r"(?:jan(?:uary|\.)?|feb(?:ruary|\.)?|mar(?:ch|\.)?|apr(?:il|\.)?|may|june?|july?"
    r"|aug(?:ust|\.)?"
    r"|sept?(?:ember|\.)?|oct(?:ober|\.)?|nov(?:ember|\.)?|dec(?:ember|\.)?|enero|febrero"
    r"|marzo|abril"
    r"|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre|januar|februar|märz|mai|juni"
    r"|juli|oktober|dezember|janvier|février|mars|avril|juin|juillet|août|septembre|octobre"
    r"|novembre|décembre|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre)"
)
_YEAR: Final = r"(?:(?:19|20)\d{2}|'?\d{2})"
_DATE: Final = re.compile(
    rf"(?<![\d./-])(?:(?:19|20)\d{{2}}[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])(?!\d)"
    rf"|\d{{1,2}}\s?[-/.]\s?\d{{1,2}}\s?[-/.]\s?{_YEAR}(?!\d)"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.)?[\s-](?:of |de |den )?{_MONTH}\.?,?[\s-](?:of |de "
    rf"|del )?{_YEAR}(?!\d)"
    rf"|{_MONTH}[\s-]\d{{1,2}}(?:st|nd|rd|th)?,?[\s-]{{1,2}}{_YEAR}(?!\d)"
    r"|(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d))",
    re.IGNORECASE,
)
_BORN: Final = Pattern(
    r"\b(?:d\.?o\.?b\b\.?|dates? of birth|birth ?-?dates?|birth ?days?|b-?day|born|geb(?:\.|oren)?"
    r"|geburts(?:datum|tag)|née? le|nacid[oa]|nacimiento|naissance|nat[oa] il|data di nascita"
    r"|data de nascimento|geboortedatum|date o birth)(?=\W|$)"
)
_THING: Final = re.compile(
    r"\b(?:company|firm|business|brand|idea|product|practice|bank|founded"
    r"|incorporated)\b[^.!?\n]{0,30}$",
    re.IGNORECASE,
)
_BORN_AFTER: Final = re.compile(
    r"[\s,(]{0,3}(?:is |was |as )?(?:(?:my|her|his|their|the|your|our)\s)?(?:\w+'s\s)?"
    r"(?:d\.?o\.?b\b|date of birth|birth ?date|birthday|b-?day)",
    re.IGNORECASE,
)
_NEXT_TO: Final = 45
_CALLED_FROM: Final = 110
_DATE_FROM: Final = 80
"""How far from the word for it a date of birth may begin or end."""
CALLED: Final = (
    r"\bssns?\b|social|s\.s\.n|\bsoc\b|\bi?tin\b|\bss(?: n| ?[#:=]| [0-9])"
    r"|tax ?(?:id|no|num)|taxpayer|sozialvers"
)
SHAPED: Final = _SHAPED.cue
BORN: Final = _BORN.cue


def ssns(reading: Reading) -> Iterator[tuple[int, int]]:
    """Social security numbers: of the shape 3-2-4, or nine digits that the text calls one."""
    text = reading.text
    seen: set[int] = set()
    for found in _SHAPED.finditer(text):
        area, first, group, second, serial = found.groups()
        called = _called(text, *found.span())
        if not _given(area + group + serial, called=called):
            continue
        alike = first.strip() == second.strip() or "-" in first + second
        shaped = alike or called
        if shaped and not _OTHER.search(text[max(0, found.start() - _NEXT_TO) : found.start()]):
            seen.add(found.start())
            yield found.span()
    for found in _BARE.finditer(text):
        free = found.start() not in seen and _given(found[0], called=True)
        if free and _called(text, *found.span()):
            yield found.span()
    for group in spoken(text):
        if _given(group.digits, called=True) and _called(text, group.start, group.end):
            yield group.start, group.end


def _given(written: str, *, called: bool) -> bool:
    """Whether it can be one: 9xx are taxpayers' numbers, which people call their social as well."""
    digits = re.sub(r"\D", "", written)
    if len(digits) != 9:
        return False
    area = "8" + digits[1:3] if called and digits[0] == "9" else digits[:3]
    return numbers.is_ssn(area, digits[3:5], digits[5:])


def _called(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - _CALLED_FROM) : start]
    if _CONTEXT_AFTER.match(text, end):
        return True
    return bool(_CONTEXT.search(before)) and not _OTHER.search(before)


def births(reading: Reading) -> Iterator[tuple[int, int]]:
    """Dates of birth: a whole date beside a word for it."""
    text = reading.text
    words = [found.span() for found in _BORN.finditer(text)]
    around = joined((max(0, start - _DATE_FROM), end + _DATE_FROM) for start, end in words)
    for first, last in around:
        for found in _DATE.finditer(text, first, last):
            before = text[max(0, found.start() - _NEXT_TO) : found.start()]
            if _BORN_AFTER.match(text, found.end()) or _born(before):
                yield found.span()


def _born(before: str) -> bool:
    told = [*_BORN.finditer(before)]
    if not told or _THING.search(before[: told[-1].start()]):
        return False
    between = before[told[-1].end() :]
    return len(between) <= 32 and not re.search(
        r"[.!?]\s+[A-Z]|\d|party|lunch|cake|present", between
    )
