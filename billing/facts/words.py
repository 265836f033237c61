"""Which words, numbers and names does a fact take, and in which form are they kept?

Each of these either returns the one form that is stored or says in a sentence what to write.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache
from typing import Annotated
from urllib.parse import quote
from zoneinfo import available_timezones

import phonenumbers
from babel import Locale, UnknownLocaleError, localedata
from babel.numbers import list_currencies
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from billing import mailboxes

OURSELVES = "counterfoil"
"""The source of facts that follow from what we know: it calls a client by the row's own id."""
BIGGEST = 10**15
"""More than any bill; sums of thousands of these still fit 64 bits."""
EARLIEST, LATEST = 1970, 2199
"""Years of what is told: beyond them is a slip, or "never", after which no day can be reckoned."""
_LONGEST_ID = 200
_REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")


def text(value: str, longest: int) -> str:
    """The text without outer blanks.

    Raises:
        ValueError: it is too long, or has characters that no name or number has.
    """
    trimmed = value.strip()
    if len(trimmed) > longest:
        raise ValueError(f"is {len(trimmed)} characters long; at most {longest} are allowed")
    if not trimmed.isprintable():
        for sign in trimmed:
            if sign in _TURNING or unicodedata.category(sign) in _REFUSED:
                raise ValueError(f"contains the control character U+{ord(sign):04X}; remove it")
    return trimmed


def some(value: str, longest: int) -> str:
    """Text that says something.

    Raises:
        ValueError: it is empty, or no ``text``.
    """
    trimmed = text(value, longest)
    if not trimmed:
        raise ValueError("is empty; fill it in")
    return trimmed


def mailbox(value: str) -> str:
    """One mailbox that can be reached from anywhere, in lower case.

    Raises:
        ValueError: it is none, more than one, or has a display name.
    """
    lowered = mailboxes.exact(text(value, mailboxes.LONGEST)).lower()
    local, _, domain = lowered.partition("@")
    if not (_LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain)):
        raise ValueError("is not an email address; write one such as ann@client.example")
    return lowered


@lru_cache(maxsize=65_536)
def phone(value: str, region: str | None = None) -> str:
    """The number in E.164; ``region`` is the country that a number without + belongs to.

    A number of the right shape in a range that nobody has assigned yet passes: our copy of the
    numbering plan ages, and the carrier's answer 21211 is the better judge. An extension is
    refused: a text would reach the switchboard. So is a colon, which the parser would skip, with
    the name of another network before it (whatsapp:+1…).

    Raises:
        ValueError: no such number can exist, or it is not told whole.
    """
    trimmed = text(value, 40)
    try:
        number = None if ":" in trimmed else phonenumbers.parse(trimmed, region)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or number.extension or not _is_whole(number):
        raise ValueError("is not a phone number; write it with its country: +1 212 555 0123")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _is_whole(number: phonenumbers.PhoneNumber) -> bool:
    """With its area code: a local number is one of each area, and so of somebody else."""
    judged = phonenumbers.is_possible_number_with_reason(number)
    return bool(judged == phonenumbers.ValidationResult.IS_POSSIBLE)


@cache
def _currencies() -> frozenset[str]:
    return frozenset(list_currencies())


@cache
def _countries() -> frozenset[str]:
    codes = map(str, Locale("en").territories)
    groups = {"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"}
    return frozenset(code for code in codes if len(code) == 2 and code.isalpha()) - groups


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())


def currency(value: str) -> str:
    """An ISO 4217 code, in capitals.

    Raises:
        ValueError: there is no such currency.
    """
    code = text(value, 12).upper()
    if code not in _currencies():
        raise ValueError(f"`{code}` is not a currency; write its three letters, such as USD")
    return code


def country(value: str) -> str:
    """An ISO 3166 code, in capitals.

    Raises:
        ValueError: there is no such country.
    """
    code = text(value, 60).upper()
    if code not in _countries():
        raise ValueError(f"`{code}` is not a country; write its two letters, such as US")
    return code


def timezone(value: str) -> str:
    """A name of the IANA time zone database.

    Raises:
        ValueError: there is no such zone.
    """
    name = text(value, 60)
    if name not in _timezones():
        raise ValueError(f"`{name}` is not a time zone; write one such as America/New_York")
    return name


@lru_cache(maxsize=1024)
def language(value: str) -> str:
    """A language tag such as en, de or pt-BR.

    Raises:
        ValueError: there is no such language.
    """
    tag = text(value, 35).replace("_", "-")
    try:
        known = Locale.parse(tag, sep="-")
    except (ValueError, TypeError, UnknownLocaleError):
        known = None
    if known is None or not localedata.exists(known.language):
        raise ValueError(f"`{tag}` is not a language; write one such as en or de")
    return "-".join(part for part in (known.language, known.script, known.territory) if part)


def joined(*parts: str) -> str:
    """One bounded id of several: no two different lists give the same."""
    whole = "/".join(quote(part, safe=" ") for part in parts)
    if len(whole) <= _LONGEST_ID:
        return whole
    return f"{whole[:120]}~{hashlib.sha256(whole.encode()).hexdigest()}"


def _told_day(value: date) -> date:
    if not EARLIEST <= value.year <= LATEST:
        raise ValueError(f"is not between {EARLIEST} and {LATEST}; correct it, or leave it out")
    return value


def _source(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_.-]{0,39}", value):
        raise ValueError("must be a short lower-case name such as csv or stripe")
    return value


Source = Annotated[str, AfterValidator(_source)]
Reference = Annotated[str, AfterValidator(lambda value: some(value, _LONGEST_ID))]
PaymentReference = Annotated[str, AfterValidator(lambda value: some(value, 300))]
Name = Annotated[str, AfterValidator(lambda value: some(value, 200))]
Words = Annotated[str, AfterValidator(lambda value: text(value, 200))]
Reason = Annotated[str, AfterValidator(lambda value: text(value, 1000))]
Mailbox = Annotated[str, AfterValidator(mailbox)]
Phone = Annotated[str, AfterValidator(phone)]
Currency = Annotated[str, AfterValidator(currency)]
Country = Annotated[str, AfterValidator(country)]
Timezone = Annotated[str, AfterValidator(timezone)]
Language = Annotated[str, AfterValidator(language)]
Amount = Annotated[int, Field(gt=0, le=BIGGEST, strict=True)]
AmountOrNone = Annotated[int, Field(ge=0, le=BIGGEST, strict=True)]
Percent = Annotated[Decimal, Field(ge=0, le=100, decimal_places=4)]
Day = Annotated[date, AfterValidator(_told_day)]
Happened = Annotated[AwareDatetime, AfterValidator(_told_day)]


class Told(BaseModel):
    """What every fact has: who says so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Source
