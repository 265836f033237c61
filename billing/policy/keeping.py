"""How long is what is kept?"""

import dataclasses
from dataclasses import dataclass

from billing.toml import Table


@dataclass(frozen=True, slots=True)
class Vault:
    """How long what belongs to nobody is kept."""

    unmatched_days: int


@dataclass(frozen=True, slots=True)
class Retention:
    """After how many days what has become of no use is deleted; 0 keeps it for ever."""

    inbox_bodies: int
    inbox: int
    attempts: int
    decisions: int


def read_vault(table: Table) -> Vault:
    """Read its table; what is wrong is noted there."""
    vault = Vault(unmatched_days=table.whole("unmatched_days", least=1))
    table.close()
    return vault


def read_retention(table: Table) -> Retention:
    """Read its table; what is wrong is noted there."""
    kept = {
        field.name: table.days_kept(field.name, least=30) for field in dataclasses.fields(Retention)
    }
    table.close()
    if kept["inbox"] and not 0 < kept["inbox_bodies"] <= kept["inbox"]:
        table.wrong("inbox_bodies", f"must be at most inbox, {kept['inbox']}: it goes with its row")
    return Retention(**kept)
