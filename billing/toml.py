"""What does a TOML file say, and what is wrong with it? Reading that notes every mistake."""

import datetime as dt
import difflib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import NamedTuple, TypeVar

from billing import money

_Name = TypeVar("_Name", bound=str)


class Mistake(NamedTuple):
    """Where in the file, as ``dunning.steps[1].offset`` (counted from 0), and what is wrong."""

    key: str
    reason: str


class Table:
    """One table being read: a wrong value is noted and read as something harmless."""

    def __init__(self, raw: Mapping[str, object], where: str, mistakes: list[Mistake]) -> None:
        self.raw, self.where, self.mistakes = raw, where, mistakes
        self.asked: list[str] = []

    def wrong(self, key: str, reason: str) -> None:
        """Note a mistake about a key of this table."""
        self.mistakes.append(Mistake(f"{self.where}{key}", reason))

    def get(self, key: str) -> object:
        """The raw value, which from now on counts as known."""
        self.asked.append(key)
        return self.raw.get(key)

    def whole(self, key: str, least: int = 0) -> int:
        """A whole number of at least so much."""
        value = self.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= 36500:
            return value
        self.wrong(key, f"must be a whole number from {least} to 36500{_not(value)}")
        return least

    def days_kept(self, key: str, least: int) -> int:
        """A whole number of days, or 0 for "forever"."""
        value = self.get(key)
        if value == "forever" or (value == 0 and value is not False):
            return 0
        if isinstance(value, str):
            self.wrong(key, f'must be "forever" or days from {least} to 36500{_not(value)}')
            return 0
        return self.whole(key, least)

    def wholes(self, key: str, least: int = 0) -> tuple[int, ...]:
        """Whole numbers of at least so much, in their order, each once."""
        value = self.get(key)
        if isinstance(value, list) and all(type(one) is int and one >= least for one in value):
            return tuple(sorted(set(value)))
        self.wrong(key, f"must be a list of whole numbers from {least}, as in [2, 3]{_not(value)}")
        return ()

    def percent(self, key: str) -> Decimal:
        """Percent, from 0 to 100."""
        value = self.get(key)
        read = _decimal(value)
        if read is not None and 0 <= read <= 100:
            return read
        self.wrong(key, f'must be percent from 0 to 100, as in "8.5"{_not(value)}')
        return Decimal(0)

    def rate(self, currency: str) -> Decimal:
        """What one unit of another currency is worth in this one, more than zero."""
        value = self.get(currency)
        try:
            money.exponent(currency)
        except ValueError as unknown:
            self.wrong(currency, str(unknown))
            return Decimal(1)
        read = _decimal(value)
        if read is not None and read > 0:
            return read
        self.wrong(currency, f'must be a rate above zero, as in "1.10"{_not(value)}')
        return Decimal(1)

    def currency(self, key: str) -> str:
        """An ISO 4217 code, or nothing."""
        value = self.get(key)
        try:
            if value:
                money.exponent(str(value))
        except ValueError as unknown:
            self.wrong(key, str(unknown))
            return ""
        return str(value or "")

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self.get(key)
        if isinstance(value, bool):
            return value
        self.wrong(key, f"must be true or false{_not(value)}")
        return False

    def choice(self, key: str, allowed: tuple[_Name, ...]) -> _Name:
        """One of the allowed words."""
        value = self.get(key)
        for name in allowed:
            if name == value:
                return name
        self.wrong(key, f"must be {_either(allowed)}{_not(value)}{_hint(value, allowed)}")
        return allowed[0]

    def text(self, key: str) -> str:
        """A word that must be there."""
        value = self.get(key)
        if isinstance(value, str) and value.strip():
            return value
        self.wrong(key, f"must be a name in quotes{_not(value)}")
        return ""

    def names(self, key: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
        """One or more of the allowed words, each once."""
        value = self.get(key)
        if not isinstance(value, list) or not value:
            self.wrong(key, f"must be a list of {_either(allowed)}{_not(value)}")
            return ()
        for i, name in enumerate(value):
            if name not in allowed:
                hint = _hint(name, allowed)
                self.wrong(f"{key}[{i}]", f"must be {_either(allowed)}{_not(name)}{hint}")
            elif name in value[:i]:
                self.wrong(f"{key}[{i}]", f"names {name!r} a second time")
        return tuple(name for name in value if name in allowed)

    def words(self, key: str, example: str) -> tuple[str, ...]:
        """Any words, in their order and without outer blanks; there may be none."""
        value = self.get(key)
        if isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value):
            return tuple(one.strip() for one in value)
        self.wrong(key, f'must be a list of words in quotes, as in ["{example}"]{_not(value)}')
        return ()

    def time(self, key: str) -> dt.time:
        """A time of day, as TOML has it or as "08:00"."""
        value = self.get(key)
        try:
            return value if isinstance(value, dt.time) else dt.time.fromisoformat(str(value))
        except ValueError:
            self.wrong(key, f'must be a time of day like "08:00"{_not(value)}')
            return dt.time.min

    def amounts(self, key: str) -> tuple[tuple[str, int], ...]:
        """Minor units by currency."""
        table = self.table(key)
        return tuple(sorted((name, table.amount(name)) for name in table.raw))

    def amount(self, currency: str) -> int:
        """An amount of zero or more, in minor units."""
        value = self.get(currency)
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            self.wrong(currency, f'must be an amount like "5.00"{_not(value)}')
            return 0
        try:
            minor = money.parse(str(value), currency)
        except ValueError as error:
            self.wrong(currency, str(error))
            return 0
        if minor < 0:
            self.wrong(currency, "must not be below zero")
        return minor

    def table(self, key: str) -> "Table":
        """A table inside this one."""
        value = self.get(key)
        if not isinstance(value, dict):
            self.wrong(key, f"must be a table, [{self.where}{key}]{_not(value)}")
            return Table({}, f"{self.where}{key}.", [])
        return Table(value, f"{self.where}{key}.", self.mistakes)

    def tables(self, key: str) -> list["Table"]:
        """A list of tables inside this one."""
        value = self.get(key)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.wrong(key, f"must be a list of tables, [[{self.where}{key}]]{_not(value)}")
            return []
        where = f"{self.where}{key}"
        return [Table(raw, f"{where}[{i}].", self.mistakes) for i, raw in enumerate(value)]

    def close(self) -> None:
        """Name every key that nothing reads."""
        for key in self.raw:
            if key not in self.asked:
                known = f"; known here: {', '.join(self.asked)}"
                self.wrong(key, f"is not known{_hint(key, tuple(self.asked)) or known}")


def laid(base: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    """One table over another, key by key, and so the tables in them; a list replaces the list."""
    merged = dict(base)
    for key, value in over.items():
        below = base.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = laid(below, value) if both else value  # type: ignore[arg-type]
    return merged


def _decimal(value: object) -> Decimal | None:
    """A number, with however many decimals; TOML writes ``nan`` and ``inf`` as well."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        read = Decimal(value)
    except InvalidOperation:
        return None
    return read if read.is_finite() else None


def _not(value: object) -> str:
    if value is None:
        return "; it is missing"
    shown = f'"{value}"' if isinstance(value, str) else str(value).replace("True", "true")
    return f", not {shown}"


def _either(allowed: tuple[str, ...]) -> str:
    return " or ".join(f'"{name}"' for name in allowed)


def _hint(value: object, allowed: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(str(value), allowed, n=1)
    return f'; did you mean "{near[0]}"?' if near else ""
