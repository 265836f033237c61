"""Who else holds something of our clients, and what have they signed?"""

import datetime as dt
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from billing import shipped
from billing.policy import Policy
from bot.custody.belongings import Found
from bot.report import DONE, NO, Report, Table, Wrong
from bot.settings import Settings
from comms import processors
from comms.processors import SLACK, Processors

Agreement = Literal["BAA", "DPA"]


class Processor(BaseModel):
    """One that we hand something to; ``channel`` is by which of ours, or nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    channel: str = ""
    holds: str
    keeps: str
    ask: str
    """What of it, when somebody is erased."""
    signed: dict[Agreement, dt.date | None] = {}
    never: tuple[Agreement, ...] = ()
    plan: str = ""
    plans: dict[Agreement, str] = {}
    hosts: tuple[str, ...] = ()
    """Mail relays that are its own."""
    used: bool = True
    source: str = ""
    as_of: dt.date

    @field_validator("signed", mode="before")
    @classmethod
    def _undated(cls, value: object) -> object:
        """A list of names says that nobody knows when."""
        if isinstance(value, list):
            return dict.fromkeys(value)
        if isinstance(value, dict) and not all(type(day) is dt.date for day in value.values()):
            raise ValueError("say on which day, as in { BAA = 2026-03-01 }")
        return value

    @property
    def agreed(self) -> tuple[str, ...]:
        """What it has signed, and when, as people read it."""
        return tuple(f"{name} ({day})" if day else name for name, day in self.signed.items())

    @property
    def party(self) -> processors.Processor:
        """What the door asks of it."""
        return processors.Processor(
            name=self.name,
            signed={str(name): day for name, day in self.signed.items()},
            never=self.never,
            plan=self.plan,
            plans={str(name): plan for name, plan in self.plans.items()},
        )


@dataclass(frozen=True, slots=True)
class Holding:
    """What a processor has of somebody: by its own names of the messages, which are random."""

    processor: str
    holds: str
    keeps: str
    ask: str
    signed: tuple[str, ...]
    messages: tuple[str, ...]


def register(given: Settings) -> dict[str, Processor]:
    """Every processor in use by its key: as they ship, and what the firm says of them or adds.

    Raises:
        Wrong: the firm's file cannot be used.
    """
    file = given.processors_file
    shipped_ones = _read(shipped.path("rules", "processors.toml"))
    told = _read(file) if file else {}
    named = {key: _merged(shipped_ones.get(key, {}), told[key]) for key in told}
    try:
        every = {key: Processor(**row) for key, row in (shipped_ones | named).items()}
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"]))
        said = str(fault["msg"]).removeprefix("Value error, ")
        raise Wrong(f"{file} cannot be used: {where}: {said}.") from None
    return {key: one for key, one in every.items() if _in_use(key, one, every, given)}


_OURS = ("never", "plans", "hosts")
"""What a vendor is not eligible for is no matter of what a firm says."""


def _merged(ships: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    return {**ships, "used": True, **told, **{key: ships[key] for key in _OURS if key in ships}}


def _in_use(key: str, one: Processor, every: Mapping[str, Processor], given: Settings) -> bool:
    """Of two that share a channel, the one that this installation hands it to."""
    by_whatsapp = given.twilio_from.startswith("whatsapp:")
    at = urlsplit(given.smtp_url).hostname or ""
    if key in ("twilio", "whatsapp"):
        return (key == "whatsapp") == by_whatsapp
    if one.hosts or key == "relay":
        chosen = next((name for name, other in every.items() if _is_at(at, other)), "relay")
        return key == chosen
    return one.used or (key == "stripe" and given.stripe_api_key is not None)


def _is_at(host: str, one: Processor) -> bool:
    return any(host == name or host.endswith(f".{name}") for name in one.hosts)


def parties(known: Mapping[str, Processor]) -> Processors:
    """By the channel that leads to them, what the door asks of each."""
    found: dict[str, tuple[processors.Processor, ...]] = {}
    for key, one in known.items():
        channel = one.channel or key
        found[channel] = (*found.get(channel, ()), one.party)
    return found


# --- what is missing ------------------------------------------------------------------------------


def refused(known: Processors, policy: Policy, today: dt.date) -> dict[str, str]:
    """The channels by which nothing of some legal entity may go, and why."""
    found: dict[str, str] = {}
    kinds = {policy.packs(""), *(one.packs for one in policy.entity_packs)}
    for channel in known:
        # A card in Slack is of no entity in particular: then all packs hold together.
        asked = sorted(kinds) if channel in ("sms", "email") else [policy.packs()]
        whys = [why for one in asked if (why := processors.refusal(known, channel, one, today))]
        if whys:
            found[channel] = whys[0]
    return found


def listed(known: Mapping[str, Processor], policy: Policy, today: dt.date) -> Report:
    """All of them, with what they signed and what our packs miss; the answer is no where one is."""
    shut = refused(parties(known), policy, today)
    neutral = processors.is_neutral(parties(known), policy.packs(), today)
    asked = policy.terms().agreements
    rows = [
        {
            "processor": one.name,
            "by": one.channel or key,
            "signed": list(one.agreed),
            "missing": list(one.party.lacks(asked, today)),
            "refused": shut.get(one.channel or key, ""),
            "holds": one.holds,
            "source": one.source,
            "as_of": one.as_of.isoformat(),
        }
        for key, one in known.items()
    ]
    lines = [f"The packs {', '.join(policy.packs())} ask everybody for: {_all(asked)}."]
    lines += list(shut.values())
    lines += [_NEUTRAL] if neutral else []
    columns = ["processor", "by", "signed", "missing", "holds", "source", "as_of"]
    shown = [
        [_all(row[column]) if isinstance(row[column], list) else str(row[column])
         for column in columns]
        for row in rows
    ]  # fmt: skip
    data = {"packs": policy.packs(), "asked": asked, "neutral_slack": neutral, "processors": rows}
    return Report(data, lines, [Table("", columns, shown)], NO if shut else DONE)


_NEUTRAL = "In Slack no name and no word of a client is shown, until its BAA is on record (C-21.3)."


class Concern(NamedTuple):
    """What doctor says of a channel, and whether nothing goes by it."""

    channel: str
    said: str
    shut: bool


def concerns(known: Processors, policy: Policy, today: dt.date) -> Iterator[Concern]:
    """What those who handle content have not signed, and what follows."""
    for channel, why in refused(known, policy, today).items():
        yield Concern(channel, why, shut=True)
    if processors.is_neutral(known, policy.packs(), today):
        yield Concern(SLACK, _NEUTRAL, shut=False)


def _all(words: Any) -> str:
    return ", ".join(words) or "nothing"


# --- who has something of somebody ----------------------------------------------------------------


def holdings(known: Mapping[str, Processor], found: Found) -> list[Holding]:
    """What each has of the client whose rows these are; those that have nothing are left out."""
    by_channel: dict[str, list[str]] = {}
    for row in found["message"]:
        if row["provider_id"]:
            where = f"{row['destination']} " if row["channel"] == "slack" else ""
            by_channel.setdefault(row["channel"], []).append(f"{where}{row['provider_id']}")
    return [
        Holding(
            one.name, one.holds, one.keeps, one.ask, one.agreed,
            tuple(by_channel.get(one.channel, ())),
        )
        for one in known.values()
        if not one.channel or one.channel in by_channel
    ]  # fmt: skip


def table(held: Sequence[Holding]) -> Table:
    """For a person to write to each of them."""
    rows = [
        [one.processor, one.holds, f"{len(one.messages):,}", one.keeps, one.ask,
         ", ".join(one.signed) or "none on record"]
        for one in held
    ]  # fmt: skip
    columns = ["processor", "holds", "messages", "keeps_it", "ask", "signed"]
    return Table("Who else has something of them", columns, rows)


def holdings_of(exported: Mapping[str, Any]) -> list[Holding]:
    """Those that an export names."""
    return [Holding(**one) for one in exported["processors"]]


def data(held: Sequence[Holding]) -> list[dict[str, Any]]:
    """The same for a program."""
    return [asdict(one) for one in held]


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
        raise Wrong(f"{path} cannot be used: {error}.") from None
    found = said.get("processors")
    if not isinstance(found, dict) or not all(isinstance(row, dict) for row in found.values()):
        raise Wrong(f"{path} cannot be used: write tables like [processors.slack].")
    return found
