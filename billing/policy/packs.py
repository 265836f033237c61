"""What kind of firm are we, and each of our legal entities?"""

from dataclasses import dataclass

from billing.policy.keeping import Retention
from billing.rules import ADD_ONS, PACKS, AddOn, Pack
from billing.toml import Table


@dataclass(frozen=True, slots=True)
class EntityPack:
    """A legal entity that is of another kind than the firm, by its name."""

    entity: str
    packs: tuple[str, ...]
    """Its base pack, then its add-ons."""


@dataclass(frozen=True, slots=True)
class Packs:
    """The base pack and the add-ons of the firm, and of the entities that differ."""

    base: Pack
    add_ons: tuple[AddOn, ...]
    entities: tuple[EntityPack, ...]


def read_packs(table: Table) -> Packs:
    """Read its table; what is wrong is noted there."""
    base, add_ons = table.choice("name", PACKS), _add_ons(table)
    entities = table.table("entities")
    found = tuple(_entity(entities, name, base) for name in entities.raw)
    table.close()
    return Packs(base, add_ons, found)


def _entity(entities: Table, name: str, base: Pack) -> EntityPack:
    """What it leaves out is as the firm has it; of add-ons it has only its own."""
    given = entities.table(name)
    own = Table({"name": base, "add_ons": [], **given.raw}, given.where, given.mistakes)
    packs = (own.choice("name", PACKS), *_add_ons(own))
    own.close()
    return EntityPack(name, packs)


def _add_ons(table: Table) -> tuple[AddOn, ...]:
    if table.raw.get("add_ons") == []:
        table.get("add_ons")
        return ()
    named = table.names("add_ons", ADD_ONS)
    return tuple(one for one in ADD_ONS if one in named)


def check_kept(table: Table, kept: Retention, *, ends: bool, decisions_days: int) -> None:
    """Note in [retention] what the packs do not let a firm set."""
    for key in ("inbox_bodies", "inbox", "attempts", "decisions"):
        if ends and not getattr(kept, key):
            table.wrong(key, "must be days: a pack of yours lets nothing be kept for ever (C-20.5)")
    if kept.decisions and kept.decisions < decisions_days:
        table.wrong(
            "decisions", f"must be at least {decisions_days}: a pack of yours asks it (C-21.10)"
        )
