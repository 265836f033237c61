"""Which columns say who a client is, and what stands there when they are erased?

What a person wrote lies in the vault, and dies with the key. Here is the rest: names, addresses,
what other systems call them, what they are found by. What stays is a skeleton of ids, codes, days
and amounts; ``KEPT`` says which columns of it hold text, and why no person is in them. A test sees
that every column of text stands in one of the two.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from sqlalchemy import (
    ColumnElement,
    String,
    Table,
    cast,
    delete,
    func,
    literal,
    select,
    update,
)
from sqlmodel import Session

from billing.models import Standing
from bot import schema
from bot.custody import belongings
from bot.custody.belongings import Found
from comms import consent, outbox
from comms.consent import Standing as Said

ERASED: Final = "(erased)"
RULE: Final = "erased"
_TOLD_BY: Final = ("email", "twilio.sms")
"""What these sources call a request is a mailbox's or a carrier's own name of it."""

WIPED: Final[Mapping[str, Mapping[str, str | None]]] = {
    "client": {
        "name": ERASED, "region": "", "city": "", "postal_code": "", "tax_number": "",
        "segment": None,
    },
    "contact": {"name": ERASED},
    "agreement": {"name": ERASED},
    "invoice": {"po_number": "", "matter": ""},
    "counsel": {"matter": "", "name": ""},
    "legal_hold": {"matter": ERASED},
    "attribution": {"matter": "", "among": "[]"},
    "message": {"attachments": None, "reason": ""},
}  # fmt: skip
"""What stands there afterwards, the same for everybody."""
NUMBERED: Final = {
    "address": "value",
    "counsel": "value",
    "legal_state": "told_as",
    "stated_preference": "told_as",
    "saying": "external_id",
}
"""What must stay unique becomes the row's own number."""
GONE: Final = ("client_key", "contact_address")
"""Rows that are nothing but a way to find somebody."""

MAYBE: Final = {"payment": "reference", "chargeback": "reference", "credit_note": "number"}
"""A file that has no name for its money makes one of what it calls the client."""

KEPT: Final[Mapping[str, str]] = {
    "the key of a keyring, random": "client.key_id erasure.key_id",
    "where they are, as coarse as a country": "client.timezone client.country client.language",
    "how the firm bills": (
        "agreement.currency agreement.service_type agreement.rate_card agreement.payment_terms "
        "agreement.ladder client.ladder invoice.currency invoice.service_type invoice.terms "
        "invoice.ladder payment.currency promise.currency credit_note.currency "
        "enrolment.currency enrolment.policy_version renewal_charge.policy_version "
        "invoice_line.quantity invoice_line.tax_code "
        "invoice_line.jurisdiction promise_scope.invoice_number offer_made.discount_code "
        "offer_made.percent offer_made.currency posting.currency step_taken.ladder"
    ),
    "who of the firm did it": (
        "alias_event.by duplicate.decided_by erasure.erased_by gate_override.revoked_by "
        "legal_hold.placed_by legal_hold.released_by live_switch.changed_by access.by "
        "rights_request.opened_by rights_request.closed_by hold.placed_by hold.released_by "
        "stated_preference.placed_by stated_preference.ended_by escalation_case.closed_by "
        "legal_state.placed_by legal_state.lifted_by legal_state.notice_by task.closed_by "
        "counsel.said_by counsel.settled_by attribution.by incident.read_by incident.closed_by"
    ),
    "an address of the firm's own": "live_switch.redirect_to message.destination recall.place",
    "said without a name, which is checked": "erasure.reason",
    "gone where it holds what they are called": (
        "external_ref.system external_ref.kind external_ref.external_id"
    ),
    "codes, numbers and moments": (
        "decision.inputs decision.reason_digest duplicate.reasons duplicate.against "
        "incoming.problem contact_role.role primary_recipient.topic escalation_case.outcome "
        "escalation_case.proposal message.subject_kind message.rule message.lease_id "
        "incoming.labels incident.kind incident.channel incident.labels recall.channel "
        "recall.change recall.state recall.outcome recall.problem attempt.code thread.family "
        "touchpoint.body_digest touchpoint.labels task.outcome"
    ),
    "what a provider calls it, random": (
        "message.provider_id attempt.provider_id recall.key recall.provider_id"
    ),
    "wiped where it holds what they are called": "credit_note.number",
    "wiped where a mailbox or a carrier named it": "incoming.external_id incoming.named",
}


@dataclass(frozen=True, slots=True)
class Wiped:
    """What went, and what had to stay."""

    bodies: int
    cancelled: int
    refused: tuple[int, ...]
    """Addresses that stay because who reads there said no: it must stay known."""
    shared: tuple[int, ...]
    """Addresses that somebody else has as well."""


def identity(found: Found) -> frozenset[str]:
    """The words by which a person would be known in a text: names, addresses, tax numbers."""
    said = {row["value"].removeprefix("+") for row in found["address"]}
    said |= {row["tax_number"] for row in found["client"]}
    names = {row["name"] for table in ("client", "contact") for row in found[table]}
    said |= {name for name in names if " " in name.strip() or len(name) >= _TELLING}
    return frozenset(word.casefold() for word in said if word and word != ERASED)


_TELLING = 10
"""Letters of a single word that is hardly anybody else's."""


def wipe(session: Session, clients: Collection[int], found: Found) -> Wiped:
    """Take out what identifies clients, whose locks are held; their rows stay as a skeleton."""
    cancelled = outbox.cancel(session, _theirs(clients), RULE, "")
    stays = _stays(session, clients, found)
    _end(session, found)
    for name, values in WIPED.items():
        _set(session, name, found, values)
    for name, column in NUMBERED.items():
        table = _table(name)
        kept = {one for some in stays for one in some} if name == "address" else set()
        _set(session, name, found, {column: literal("erased:") + cast(table.c.id, String)}, kept)
    _unname(session, found)
    for name in GONE:
        _delete(session, name, found[name])
    _delete(session, "external_ref", _telling_refs(found))
    _rename(session, found)
    return Wiped(_bodies(session, found), len(cancelled), *stays)


def _stays(
    session: Session, clients: Collection[int], found: Found
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Addresses that said no, and those of others as well."""
    ids = [row["id"] for row in found["address"]]
    said = consent.of_addresses(session, ids)
    shared = [one for one in ids if set(consent.clients_of(session, one)) - set(clients)]
    no = [one for one, held in said.items() if _refuses(held) and one not in shared]
    return tuple(no), tuple(shared)


def _refuses(held: consent.Consent) -> bool:
    every = (held, *held.topics.values())
    return any(one.standing is Said.REVOKED for one in every)


def _theirs(clients: Collection[int]) -> ColumnElement[bool]:
    """What is for them, and what tells staff of them: a card that is claimed holds the name."""
    return _table("message").c.client_id.in_(sorted(clients))


def _end(session: Session, found: Found) -> None:
    """Nothing is due of them any more."""
    _set(session, "enrolment", found, {"state": "ended", "next_due_at": None})
    enrolment = _table("enrolment")
    ids = [row["id"] for row in found["enrolment"] if row["scope"].startswith("matter:")]
    scope = literal("erased:") + cast(enrolment.c.id, String)
    session.execute(update(enrolment).where(enrolment.c.id.in_(ids)).values(scope=scope))
    _set(session, "contact", found, {"active": False})
    _set(session, "counsel", found, {"state": "ended"})
    duplicate = _table("duplicate")
    ids = [row["id"] for row in found["duplicate"] if row["state"] == Standing.PROPOSED]
    session.execute(delete(duplicate).where(duplicate.c.id.in_(ids)))


def _unname(session: Session, found: Found) -> None:
    """What a mailbox or a carrier called a request, and the request itself."""
    incoming = _table("incoming")
    _set(session, "incoming", found, {"body_id": None})
    told = [row["id"] for row in found["incoming"] if row["source"] in _TOLD_BY]
    name = literal("erased:") + cast(incoming.c.id, String)
    for some in _parts(told):
        wiped = update(incoming).values(external_id=name, named="")
        session.execute(wiped.where(incoming.c.id.in_(some)))


def _bodies(session: Session, found: Found) -> int:
    """Even without a key no ciphertext is left for somebody who still has an old one."""
    vault = _table("vault")
    owners = [row["key_id"] for row in found["client"]]
    counted = select(func.count()).select_from(vault).where(vault.c.owner.in_(owners))
    gone = int(session.execute(counted).scalar_one())
    session.execute(delete(vault).where(vault.c.owner.in_(owners)))
    raw = [row["body_id"] for row in found["incoming"] if row["body_id"] is not None]
    for some in _parts(raw):
        session.execute(delete(vault).where(vault.c.id.in_(some)))
    return gone


def _set(
    session: Session,
    name: str,
    found: Found,
    values: Mapping[str, Any],
    kept: Collection[int] = (),
) -> None:
    table = _table(name)
    for some in _parts([row["id"] for row in found[name] if row["id"] not in kept]):
        session.execute(update(table).where(table.c.id.in_(some)).values(**values))


def _delete(session: Session, name: str, rows: belongings.Rows) -> None:
    table = _table(name)
    for row in rows:
        key = [column == row[column.name] for column in table.primary_key.columns]
        session.execute(delete(table).where(*key))


def _telling_refs(found: Found) -> belongings.Rows:
    """What others call the client; and their bills, where that holds what they call the client."""
    called = _called(found)
    refs = found["external_ref"]
    return [row for row in refs if row["kind"] == "client" or _holds(row["external_id"], called)]


def _rename(session: Session, found: Found) -> None:
    """The same, where it is how a bank or a file calls money."""
    called = _called(found)
    for name, column in MAYBE.items():
        table = _table(name)
        ids = [row["id"] for row in found[name] if _holds(row[column], called)]
        number = literal("erased:") + cast(table.c.id, String)
        for some in _parts(ids):
            session.execute(update(table).where(table.c.id.in_(some)).values({column: number}))


def _called(found: Found) -> frozenset[str]:
    """What other systems call the client itself."""
    refs = [row["external_id"] for row in found["external_ref"] if row["kind"] == "client"]
    return frozenset(unquote(ref.rpartition("/")[2]) for ref in refs)


def _holds(external_id: str, called: frozenset[str]) -> bool:
    """Whether one of the parts that an id was made of is what they are called."""
    return not called.isdisjoint(unquote(unquote(external_id)).split("/"))


def _parts(ids: list[int]) -> list[list[int]]:
    return [ids[first : first + 500] for first in range(0, len(ids), 500)]


def _table(name: str) -> Table:
    return schema.metadata().tables[name]


def texts() -> dict[str, Collection[str]]:
    """Every column of text of what hangs on a client, by its table."""
    from sqlmodel.sql.sqltypes import AutoString

    return {
        table.name: [one.name for one in table.columns if isinstance(one.type, AutoString)]
        for table in belongings.tables()
    }
