"""Who else holds something of our clients, and what have they signed?"""

import datetime as dt
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from billing import shipped
from bot.belongings import Found
from bot.report import Table, Wrong


class Processor(BaseModel):
    """One that we hand something to; ``channel`` is by which of ours, or nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    channel: str = ""
    holds: str
    keeps: str
    todo: str
    signed: tuple[str, ...] = ()
    source: str = ""
    as_of: dt.date


@dataclass(frozen=True, slots=True)
class Holding:
    """What a processor has of somebody: by its own names of the messages, which are random."""

    processor: str
    holds: str
    keeps: str
    todo: str
    signed: tuple[str, ...]
    messages: tuple[str, ...]


def register(file: Path | None) -> dict[str, Processor]:
    """Every processor by its key: those that ship, and what the firm says of them or adds.

    Raises:
        Wrong: the firm's file cannot be used.
    """
    shipped_ones = _read(shipped.path("rules", "processors.toml"))
    told = _read(file) if file else {}
    both = {key: {**shipped_ones.get(key, {}), **row} for key, row in told.items()}
    try:
        return {key: Processor(**row) for key, row in (shipped_ones | both).items()}
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise Wrong(f"{file} cannot be used: {where}: {fault['msg']}.") from None


def holdings(processors: Mapping[str, Processor], found: Found) -> list[Holding]:
    """What each has of the client whose rows these are; those that have nothing are left out."""
    by_channel: dict[str, list[str]] = {}
    for row in found["message"]:
        if row["provider_id"]:
            where = f"{row['destination']} " if row["channel"] == "slack" else ""
            by_channel.setdefault(row["channel"], []).append(f"{where}{row['provider_id']}")
    return [
        Holding(
            one.name, one.holds, one.keeps, one.todo, one.signed,
            tuple(by_channel.get(one.channel, ())),
        )
        for one in processors.values()
        if not one.channel or one.channel in by_channel
    ]  # fmt: skip


def table(held: Sequence[Holding]) -> Table:
    """For a person to write to each of them."""
    rows = [
        [one.processor, one.holds, f"{len(one.messages):,}", one.keeps, one.todo,
         ", ".join(one.signed) or "none on record"]
        for one in held
    ]  # fmt: skip
    columns = ["processor", "holds", "messages", "keeps_it", "do", "signed"]
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
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Wrong(f"{path} cannot be used: {error}.") from None
    found = said.get("processors")
    if not isinstance(found, dict) or not all(isinstance(row, dict) for row in found.values()):
        raise Wrong(f"{path} cannot be used: write tables like [processors.slack].")
    return found
