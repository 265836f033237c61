"""How much is it? Integer minor units with an ISO 4217 currency: exponents, reading, splitting.

Reading never guesses: a text that two countries would read differently is an error that says what
to write instead. Currencies are never added to one another here or anywhere else.
"""

import copy
import functools
import re
from collections.abc import Sequence
from decimal import Decimal

from babel import Locale
from babel.core import get_global
from babel.numbers import NumberPattern, get_currency_precision, get_currency_symbol

# CLDR (Babel) gives the digits that people of the country write; ledgers keep ISO 4217's.
_ISO_4217 = {
    **dict.fromkeys(
        ("AFN", "ALL", "IRR", "KPW", "LAK", "LBP", "MGA", "MMK", "RSD", "SOS", "SYP", "YER"), 2
    ),
    "IQD": 3,
}
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*")
_LETTER_THEN_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)")
_GROUPED = {
    separator: re.compile(rf"[1-9]\d{{0,2}}(?:{re.escape(separator)}\d{{3}})+")
    for separator in ".,"
}


@functools.cache
def exponent(currency: str) -> int:
    """Decimals of the currency's minor unit: USD 2, JPY 0, KWD 3.

    Raises:
        ValueError: no such currency.
    """
    if currency not in get_global("all_currencies"):
        message = f"`{currency}` is not a currency; write its ISO 4217 code, such as USD"
        raise ValueError(message)
    return _ISO_4217.get(currency, get_currency_precision(currency))


def parse(text: str, currency: str) -> int:
    """Read what a person or a file wrote ("1,234.56", "1.234,56", "$310") as minor units.

    Raises:
        ValueError: not an amount, finer than the currency, or readable in two ways.
    """
    digits = exponent(currency)
    bare = _bare(text, currency)
    if not _NUMBER.fullmatch(bare):
        message = f"`{text}` is not an amount; write it like {_example(digits)}"
        raise ValueError(message)
    sign = -1 if bare.startswith("-") else 1
    whole, fraction = _read(bare.lstrip("+-"), digits, text)
    if fraction[digits:].strip("0"):
        message = f"`{text}` has more decimals than {currency}, which has {digits}"
        raise ValueError(message)
    return sign * int(whole + fraction[:digits].ljust(digits, "0"))


@functools.lru_cache(maxsize=4_096)
def display(minor: int, currency: str, locale: str = "en_US") -> str:
    """The amount as people of the locale write it: 31000 USD is "$310.00"."""
    digits = exponent(currency)
    text: str = _pattern(locale, digits).apply(
        Decimal(minor).scaleb(-digits), _locale(locale), currency=currency, currency_digits=False
    )
    return _LETTER_THEN_DIGIT.sub("\N{NO-BREAK SPACE}", text)


def split(amount: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Share an amount by weights so that the parts add up to it: the largest remainders get more.

    Raises:
        ValueError: a weight is negative, or there is none above zero.
    """
    total = sum(weights)
    if total <= 0 or min(weights) < 0:
        raise ValueError("weights must be zero or more, and one of them above zero")
    sign, size = (-1 if amount < 0 else 1), abs(amount)
    shares = [size * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(size * weights[i] % total), i))
    for i in by_remainder[: size - sum(shares)]:
        shares[i] += 1
    return tuple(sign * share for share in shares)


def _bare(text: str, currency: str) -> str:
    """The text without the currency's own code or symbol, and without spaces and apostrophes."""
    kept = re.sub(r"[\s'\N{RIGHT SINGLE QUOTATION MARK}]", "", text)
    narrow = get_currency_symbol(currency, "en_US")
    for mark in (currency, narrow, narrow[-1]):
        bare = re.sub(rf"^([+-]?){re.escape(mark)}|{re.escape(mark)}$", r"\1", kept)
        if bare != kept and not mark.isdigit():
            return bare
    return kept


def _read(number: str, digits: int, text: str) -> tuple[str, str]:
    """Whole and fractional digits, once it is certain which separator is which."""
    last = max(number.rfind("."), number.rfind(","))
    if last < 0:
        return number, ""
    head, mark, tail = number[:last], number[last], number[last + 1 :]
    other = "," if mark == "." else "."
    if mark in head:
        if _GROUPED[mark].fullmatch(number):
            return number.replace(mark, ""), ""
        raise ValueError(_unclear(text, digits))
    if other in head:
        if _GROUPED[other].fullmatch(head):
            return head.replace(other, ""), tail
        raise ValueError(_unclear(text, digits))
    return _read_single(number, mark, digits, text)


def _read_single(number: str, mark: str, digits: int, text: str) -> tuple[str, str]:
    """One separator: "1.5" and "1,50" are decimals; three digits after it need care."""
    head, tail = number.split(mark)
    looks_grouped = _GROUPED[mark].fullmatch(number) is not None
    if not looks_grouped or (mark == "." and digits == 3):
        return head, tail
    if mark == "," and digits < 3:
        return head + tail, ""
    raise ValueError(_unclear(text, digits))


def _unclear(text: str, digits: int) -> str:
    return f"`{text}` can be read in two ways; write it like {_example(digits)}, without grouping"


def _example(digits: int) -> str:
    return f"{1234 + Decimal(5).scaleb(-1):.{digits}f}" if digits else "1234"


@functools.cache
def _locale(name: str) -> Locale:
    return Locale.parse(name)


@functools.cache
def _pattern(locale: str, digits: int) -> NumberPattern:
    pattern: NumberPattern = copy.copy(_locale(locale).currency_formats["standard"])
    pattern.frac_prec = (digits, digits)
    return pattern
