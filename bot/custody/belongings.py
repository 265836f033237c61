"""Which rows hang on a client, in every table there is?

The tables themselves say it, by their references: one that is added tomorrow is found as well. A
body that a row names lies in the vault; ``BODIES`` are the columns that name one.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Table, select
from sqlmodel import Session

from billing.models import Contact, ContactAddress
from billing.store import table_of
from bot import schema

BODIES = frozenset(
    {"body_id", "description_id", "draft_id", "note_id", "reason_id", "release_note_id"}
)
_SEVERAL = {
    "alias_event": ("master_id", "alias_id"),
    "duplicate": ("first_id", "second_id"),
    "stated_preference": ("contact_id", "address_id"),
}
"""Where more than one reference leads to a client."""
_REFERRED = {
    "client": "client", "invoice": "invoice", "payment": "payment", "agreement": "agreement",
    "dispute": "invoice_dispute", "credit_note": "credit_note", "promise": "promise",
    "credit_applied": "credit_application", "charge": "instalment", "hold": "hold",
}  # fmt: skip
"""What another system calls a row: its kind, and the table where it is."""
_SOME = 500
Rows = Sequence[Mapping[str, Any]]
Found = Mapping[str, Rows]
"""By table; a table without rows is there too."""


def tables() -> Iterator[Table]:
    """Every table of which rows hang on a client, those that others point at first."""
    reached = {"client", "address"}
    for table in schema.metadata().sorted_tables:
        if table.name in reached or _leads(table, reached):
            reached.add(table.name)
            yield table
    yield schema.metadata().tables["external_ref"]


def of(session: Session, clients: Collection[int]) -> Found:
    """The rows of some clients, as they are; all that a person is shown, or that is erased."""
    found: dict[str, Rows] = {}
    ids: dict[str, list[int]] = {"client": sorted(clients), "address": _addresses(session, clients)}
    for table in tables():
        key = [column.name for column in table.primary_key.columns]
        once = {tuple(row[name] for name in key): row for row in _rows(session, table, ids)}
        found[table.name] = rows = list(once.values())
        if "id" in table.c:
            ids.setdefault(table.name, [row["id"] for row in rows])
    return found


def _rows(session: Session, table: Table, ids: Mapping[str, list[int]]) -> Iterator[Any]:
    for column, wanted, *others in _conditions(table, ids):
        for first in range(0, len(wanted), _SOME):
            query = select(table).where(column.in_(wanted[first : first + _SOME]), *others)
            yield from session.execute(query.order_by(*table.primary_key.columns)).mappings()


def _conditions(table: Table, ids: Mapping[str, list[int]]) -> Iterator[tuple[Any, ...]]:
    """A column, its values, and what else must be so."""
    if table.name in ("client", "address"):
        yield table.c.id, ids[table.name]
    elif table.name == "external_ref":
        for kind, target in _REFERRED.items():
            yield table.c.target_id, ids[target], table.c.kind == kind
    else:
        for name, target in _leads(table, ids):
            yield table.c[name], ids[target]


def _leads(table: Table, reached: Collection[str]) -> list[tuple[str, str]]:
    """By which columns its rows hang on a client, and at which table each points."""
    if "client_id" in table.c:
        return [("client_id", "client")]
    references = [
        (key.parent.name, key.column.table.name)
        for key in sorted(table.foreign_keys, key=lambda key: list(table.c).index(key.parent))
        if key.column.table.name in reached
    ]
    several = _SEVERAL.get(table.name)
    if several is not None:
        return [(name, target) for name, target in references if name in several]
    return references[:1]


def _addresses(session: Session, clients: Collection[int]) -> list[int]:
    address, contact = table_of(ContactAddress), table_of(Contact)
    query = (
        select(address.c.address_id)
        .join(contact, contact.c.id == address.c.contact_id)
        .where(contact.c.client_id.in_(sorted(clients)))
    )
    return sorted(set(session.execute(query).scalars()))
