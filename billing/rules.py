"""Which rules of law ship with the product, from which source, and has counsel signed them?

Data files under ``rules/``. A row holds for one jurisdiction (a country, or a state of it), for
some channels and in some packs; a pack is what kind of firm the policy says we are. It says where
it is enforced, or that it is a person's duty. Pure.
"""

import datetime as dt
import functools
import hashlib
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from billing import shipped
from billing.calendar import WEEKDAYS, Hours

Pack = Literal["b2b_first_party", "consumer_first_party", "third_party_collector"]
PACKS: tuple[Pack, ...] = get_args(Pack)
AddOn = Literal["law_firm", "healthcare", "eu"]
ADD_ONS: tuple[AddOn, ...] = get_args(AddOn)
LAW = ("us_calling.toml", "us_consent.toml")
FILES = (*LAW, "packs/every.toml", *(f"packs/{name}.toml" for name in (*PACKS, *ADD_ONS)))
_PLACES = "us_places.toml"
_PREFIX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row: what it says, where and for whom it holds, and who says so."""

    id: str
    number: str
    """Its place in our table of the law: C-07."""
    says: str
    jurisdiction: str
    channels: tuple[str, ...]
    packs: tuple[str, ...]
    source: str
    as_of: dt.date
    verified: bool
    open: tuple[Hours, ...] = ()
    """The only hours; none where the rule is not about hours."""
    most: int | None = None
    """At most so many in ``hours``."""
    hours: int = 0
    applies_from: dt.date | None = None
    minutes: int = 0
    sets: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What of ``billing.packs.Terms`` it makes stricter."""
    enforced: tuple[str, ...] = ()
    """Where, as ``package.module:function``."""
    duty: str = ""
    """What a person must do, where nothing here does it."""

    @property
    def country(self) -> str:
        """The country of the jurisdiction."""
        return self.jurisdiction.partition("-")[0]

    @property
    def region(self) -> str:
        """Its state; nothing where the rule is the whole country's."""
        return self.jurisdiction.partition("-")[2]

    @property
    def span(self) -> dt.timedelta:
        """The window in which ``most`` are counted."""
        return dt.timedelta(hours=self.hours)

    @property
    def cited(self) -> str:
        """The rule as a person reads it, with its source, and that nobody has signed it yet."""
        signed = "" if self.verified else ", not yet confirmed by counsel"
        return f"{self.jurisdiction}: {self.says} ({self.source}{signed})"


@dataclass(frozen=True, slots=True)
class Somewhere:
    """Where somebody may be: states, and time zones."""

    states: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()


def of_pack(pack: str) -> tuple[Rule, ...]:
    """Every rule that holds for such a firm."""
    return tuple(rule for rule in every() if pack in rule.packs)


@functools.lru_cache(maxsize=4096)
def calling(pack: str, channel: str, country: str, states: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules about hours and about how often, for somebody who may be in any of these states.

    Only states of the United States are known, and their phones are carried anywhere.
    """
    places = {country, *("US" for _ in states[:1]), *(f"US-{state}" for state in states)}
    return tuple(
        rule
        for rule in of_pack(pack)
        if rule.jurisdiction in places
        and channel in rule.channels
        and (rule.open or rule.most is not None)
    )


def named(id_: str) -> Rule:
    """The rule of that name.

    Raises:
        KeyError: there is none.
    """
    return _by_id()[id_]


@functools.cache
def every() -> tuple[Rule, ...]:
    """Every rule of every file, in their order."""
    return (*law(), *(rule for file in FILES[len(LAW) :] for rule in _rules(file)))


@functools.cache
def law() -> tuple[Rule, ...]:
    """Those about whom we write to, when and how often, which hold for a kind of firm at most."""
    return tuple(rule for file in LAW for rule in _rules(file))


@functools.cache
def said_of(pack: str) -> str:
    """What kind of firm a pack is for."""
    return str(tomllib.loads(_text(f"packs/{pack}.toml"))["says"])


@functools.cache
def version() -> str:
    """Twelve characters that change when a rule does: decisions carry them."""
    whole = "".join(_text(file) for file in (*FILES, _PLACES))
    return hashlib.sha256(whole.encode()).hexdigest()[:12]


# --- places ---------------------------------------------------------------------------------------


def of_postal_code(country: str, written: str) -> Somewhere:
    """Where a postal code lies; nowhere where it says nothing."""
    code = re.fullmatch(r"(\d{5})(-?\d{4})?", written.strip())
    if country != "US" or code is None:
        return Somewhere()
    return _postal().get(code[1][:_PREFIX], Somewhere())


def of_state(country: str, region: str) -> Somewhere:
    """Where a state lies; nowhere where we do not know it."""
    state = region.strip().upper().removeprefix("US-")
    zones = _states().get(state) if country == "US" else None
    return Somewhere((state,), zones) if zones else Somewhere()


def state_named(name: str) -> str:
    """The state of a name as phone numbering plans write it: "New York, NY", "Texas"."""
    town, _, short = name.rpartition(", ")
    if town and short in _states():
        return short
    return _names().get(name, "")


@functools.cache
def _states() -> Mapping[str, tuple[str, ...]]:
    return {state: tuple(row["zones"]) for state, row in _places()["states"].items()}


@functools.cache
def _names() -> Mapping[str, str]:
    return {row["name"]: state for state, row in _places()["states"].items()}


@functools.cache
def _postal() -> Mapping[str, Somewhere]:
    found: dict[str, Somewhere] = {}
    for row in _places()["postal"]:
        where = Somewhere(tuple(row["states"]), tuple(row["zones"]))
        for part in row["prefixes"].split():
            first, _, last = part.partition("-")
            for number in range(int(first), int(last or first) + 1):
                found[f"{number:03}"] = where
    return found


# --- reading --------------------------------------------------------------------------------------


_ENFORCED = {"open": "comms.door.times:hours", "most": "comms.door.times:budget"}
"""Where the door asks for the rules that are about hours, and about how often."""


def _rules(file: str) -> list[Rule]:
    return [_rule(row, file) for row in tomllib.loads(_text(file)).get("rule", ())]


def _rule(row: Mapping[str, Any], file: str) -> Rule:
    pack = file.removeprefix("packs/").removesuffix(".toml")
    told = {"number": str(row["id"]).partition(".")[0], **row}
    told["channels"] = tuple(told.get("channels", ()))
    told["packs"] = (pack,) if pack in (*PACKS, *ADD_ONS) else tuple(told.get("packs", PACKS))
    told["enforced"] = tuple(
        told.get("enforced", [_ENFORCED[key] for key in _ENFORCED if key in told])
    )
    told["open"] = tuple(map(_hours, told.get("open", ())))
    return Rule(**told)


def _hours(row: Mapping[str, Any]) -> Hours:
    days: Collection[str] = row.get("weekdays", WEEKDAYS)
    weekdays = frozenset(map(WEEKDAYS.index, days))
    return Hours(row["start"], row["end"], weekdays, row.get("holidays", True))


@functools.cache
def _by_id() -> Mapping[str, Rule]:
    return {rule.id: rule for rule in every()}


@functools.cache
def _places() -> Mapping[str, Any]:
    return tomllib.loads(_text(_PLACES))


def _text(file: str) -> str:
    return shipped.path("rules", file).read_text(encoding="utf-8")
