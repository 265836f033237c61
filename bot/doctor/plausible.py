"""Do two things that we were told of one client agree with one another?  Pure.

Each question answers None where it cannot be judged: words that nobody understands are no mistake.
"""

import datetime as dt
import re
import unicodedata

_DAYS = re.compile(
    r"\b(?:net|netto|within|due in|zahlbar in)?[\s-]*(\d{1,3})[\s-]*(?:days?|tagen?)?"
)
_DISCOUNT = re.compile(r"\d+(?:[.,]\d+)?\s*%?\s*/\s*\d+")
_AT_ONCE = ("due on receipt", "upon receipt", "on receipt", "immediate", "cash on delivery", "cod")
_MONTH_ENDS = ("eom", "end of month", "month end", "proximo")
_CYCLES = {"monthly": (27, 32), "quarterly": (85, 95), "yearly": (355, 375)}
_FREE = 2
"""Days by which a due date may be off: weekends and holidays move it."""
_VAT = {
    "AT": r"U\d{8}", "BE": r"[01]\d{9}", "BG": r"\d{9,10}", "CY": r"\d{8}[A-Z]", "CZ": r"\d{8,10}",
    "DE": r"\d{9}", "DK": r"\d{8}", "EE": r"\d{9}", "EL": r"\d{9}", "ES": r"[A-Z\d]\d{7}[A-Z\d]",
    "FI": r"\d{8}", "FR": r"[A-Z\d]{2}\d{9}", "GB": r"\d{9}(?:\d{3})?", "HR": r"\d{11}",
    "HU": r"\d{8}", "IE": r"\d[A-Z\d]\d{5}[A-Z]{1,2}", "IT": r"\d{11}", "LT": r"\d{9}(?:\d{3})?",
    "LU": r"\d{8}", "LV": r"\d{11}", "MT": r"\d{8}", "NL": r"\d{9}B\d{2}", "PL": r"\d{10}",
    "PT": r"\d{9}", "RO": r"\d{6,10}", "SE": r"\d{12}", "SI": r"\d{8}", "SK": r"\d{10}",
    "XI": r"\d{9}(?:\d{3})?", "CHE": r"\d{9}",
}  # fmt: skip
_COUNTRY = {"EL": "GR", "XI": "GB", "CHE": "CH"}
_OWN_REGIONS = frozenset({"US", "CA", "AU", "BR", "IN", "MX"})
"""Where people write a state in two letters, which may be another country's code."""
_PLACE = re.compile(r"([A-Z]{2})(?:-[A-Z0-9]{1,3})?")
_CODE = re.compile(r"([A-Z]{2})[-_ ]?\d{1,2}(?:\D.*)?")


def days_of(terms: str) -> int | None:
    """The days that payment terms give: 30 of "Net 30", 0 of "Due on receipt"."""
    said = _DISCOUNT.sub(" ", terms.casefold())
    if any(word in said for word in _MONTH_ENDS):
        return None
    if any(word in said for word in _AT_ONCE):
        return 0
    numbers = {int(found) for found in _DAYS.findall(said)}
    return numbers.pop() if len(numbers) == 1 else None


def keeps_terms(terms: str, days: int) -> bool | None:
    """Whether an invoice is due when its payment terms say."""
    said = days_of(terms)
    return None if said is None else abs(said - days) <= _FREE


def keeps_cycle(cycle: str, bills: int, first: dt.date, last: dt.date) -> bool | None:
    """Whether bills come as often as the agreement says; of fewer than three nobody can tell."""
    if cycle not in _CYCLES or bills < 3:
        return None
    shortest, longest = _CYCLES[cycle]
    return shortest <= (last - first).days / (bills - 1) <= longest


def country_of_tax_number(number: str) -> str | None:
    """The country that a VAT number names, where it has the shape of that country's numbers."""
    bare = re.sub(r"[\s./-]", "", number).upper()
    for prefix, shape in _VAT.items():
        if re.fullmatch(prefix + shape, bare.removesuffix("MWST") if prefix == "CHE" else bare):
            return _COUNTRY.get(prefix, prefix)
    return None


def country_of_tax(code: str, jurisdiction: str, client_country: str) -> str | None:
    """The country whose tax is on a line, by its jurisdiction (DE, US-NY) or its code (DE19)."""
    place = _PLACE.fullmatch(jurisdiction.strip().upper())
    if place is not None:
        is_region = "-" not in jurisdiction and client_country in _OWN_REGIONS
        return None if is_region else _COUNTRY.get(place[1], place[1])
    found = _CODE.fullmatch(code.strip().upper())
    return _COUNTRY.get(found[1], found[1]) if found and found[1] in _VAT else None


def folded(word: str) -> str:
    """What two spellings of one thing have in common: no case, accents, signs or plural."""
    plain = unicodedata.normalize("NFKD", word.casefold())
    kept = ["".join(filter(str.isalnum, one)) for one in re.split(r"[\s_/-]+", plain)]
    return "".join(one[:-1] if len(one) > 3 and one.endswith("s") else one for one in kept)
