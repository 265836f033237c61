"""What does the page show of the one client that is selected: phone, mailbox, record, invoices?"""

import datetime as dt
from collections.abc import Iterable
from email import message_from_bytes, policy
from email.utils import parseaddr
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import case, func
from sqlmodel import Session, col, select

from billing import calendar, money
from billing.models import (
    OPEN_DISPUTES,
    Address,
    Client,
    Contact,
    ContactAddress,
    Instalment,
    Invoice,
    InvoiceDispute,
    InvoiceState,
    LegalEntity,
    Payment,
    PaymentState,
    Posting,
)
from bot.reasons import against
from bot.reasons.naming import decided, way
from bot.sandbox import dealings
from bot.sandbox.snapshot import Json, titled
from bot.sandbox.world import World
from comms.channels.mime import message_id
from comms.models import Decision, Message, Touchpoint

ROWS = 150
_MONEY = {
    PaymentState.INITIATED: "payment meant",
    PaymentState.REQUIRES_ACTION: "payment meant",
    PaymentState.PROCESSING: "under way",
    PaymentState.FAILED: "bounced",
    PaymentState.CANCELLED: "cancelled",
}
_WROTE = {"message": "client wrote", "automatic": "automatic reply"}


def portrait(session: Session, world: World, client: Client) -> Json:
    """Everything that the page shows of a client, but for what is held for them."""
    addresses = _addresses(session, client.id)
    phone, mailbox = addresses.get("sms"), addresses.get("email")
    return {
        "client": client.name,
        "phone": {"number": phone, "texts": _texts(session, world, phone) if phone else []},
        "mailbox": {"address": mailbox, "mails": _mails(session, world, mailbox)},
        "timeline": _timeline(session, client),
        "invoices": _invoices(session, world, client),
        "asked": dealings.asked(session, world.app.office(), client),
        "against": _against(session, world, client),
    }


def _addresses(session: Session, client_id: int) -> dict[str, str]:
    query = (
        select(Address.kind, Address.value)
        .join(ContactAddress, col(ContactAddress.address_id) == Address.id)
        .join(Contact, col(Contact.id) == ContactAddress.contact_id)
        .where(Contact.client_id == client_id)
        .order_by(col(ContactAddress.position).desc(), col(Address.id).desc())
    )
    return dict(session.exec(query).all())


def _texts(session: Session, world: World, phone: str) -> list[Json]:
    """What stands on the phone, with the message of ours behind it."""
    shown = world.twilio.phones[phone]
    sids = [text.sid for text in shown if text.sid]
    query = select(Message).where(col(Message.provider_id).in_(sids), Message.channel == "sms")
    ours = {message.provider_id: message for message in session.exec(query)}
    found = []
    for number, text in enumerate(shown):
        message = ours.get(text.sid)
        out = "carrier" if text.status == "carrier" else "out"
        found.append({
            "id": text.sid or f"{phone}-{number}",
            "direction": "in" if text.direction == "out" else out,
            "body": text.body, "at": text.at.isoformat(),
            "status": message.state if message else text.status,
            "message_id": str(message.id) if message else None,
        })  # fmt: skip
    return found


def _mails(session: Session, world: World, mailbox: str | None) -> list[Json]:
    """What lies in the mailbox and what was written from it, the oldest first."""
    if mailbox is None:
        return []
    ours = _by_message_id(session, mailbox)
    found = []
    for letter in world.mail.mailboxes[mailbox]:
        message = ours.get(letter.message_id)
        found.append({
            "id": letter.message_id, "direction": "out", "subject": letter.subject,
            "from": letter.headers.get("from", letter.sender), "to": mailbox,
            "text": letter.text, "html": letter.html or None, "at": letter.at.isoformat(),
            "status": message.state if message else "sent",
            "message_id": str(message.id) if message else None, "rfc_id": letter.message_id,
        })  # fmt: skip
    written = [mail for raw in world.mail.written if (mail := _written(raw))["from"] == mailbox]
    return sorted([*found, *written], key=lambda mail: str(mail["at"]))


def _by_message_id(session: Session, mailbox: str) -> dict[str, Message]:
    query = (
        select(Message, LegalEntity.from_address)
        .join(LegalEntity, col(LegalEntity.id) == Message.legal_entity_id)
        .join(Address, col(Address.id) == Message.address_id)
        .where(Message.channel == "email", Address.value == mailbox)
    )
    return {message_id(one.reference, sender): one for one, sender in session.exec(query)}


@lru_cache(maxsize=500)
def _written(raw: bytes) -> Json:
    """A mail that a client sent; the cached dict is shown and never changed."""
    mail: Any = message_from_bytes(raw, policy=policy.default)
    part = mail.get_body(("plain",))
    return {
        "id": str(mail["message-id"]), "direction": "in", "subject": str(mail["subject"] or ""),
        "from": parseaddr(str(mail["from"]))[1].lower(), "to": str(mail["to"]),
        "text": part.get_content() if part is not None else "", "html": None,
        "at": mail["date"].datetime.astimezone(dt.UTC).isoformat(), "status": "received",
        "message_id": None, "rfc_id": str(mail["message-id"]),
    }  # fmt: skip


# --- the record -----------------------------------------------------------------------------------


def _timeline(session: Session, client: Client) -> list[Json]:
    """What was said, decided, issued and paid, the oldest first."""
    rows = [
        *_said(session, client.id),
        *_decided(session, client),
        *_issued(session, client),
        *_paid(session, client.id),
    ]
    rows.sort(key=lambda row: (row[0], row[1]))
    return [shown for _, _, shown in rows[-ROWS:]]


Row = tuple[dt.datetime, int, Json]
"""When, which in the client's chain (what is in none comes first), and what the page shows."""


def _row(at: dt.datetime, seq: int, id_: str, **shown: str | None) -> Row:
    empty = {"id": id_, "at": at.isoformat(), "rule": None, "message_id": None}
    return at, seq, empty | shown


def _said(session: Session, client_id: int) -> list[Row]:
    query = (
        select(Touchpoint, Message)
        .outerjoin(Message, col(Message.id) == col(Touchpoint.message_id))
        .where(Touchpoint.client_id == client_id)
        .order_by(col(Touchpoint.id).desc())
        .limit(ROWS)
    )
    found = []
    rows: Iterable[tuple[Touchpoint, Message | None]] = session.exec(query)
    for touchpoint, message in rows:
        what = titled(message) if message else _WROTE.get(touchpoint.kind, touchpoint.kind)
        state = f", {message.state.replace('_', ' ')}" if message else ""
        kind = {"in": "client wrote", "out": "sent"}.get(touchpoint.direction, "internal")
        summary = f"{what} by {way(touchpoint.channel)}{state}"
        behind = str(message.id) if message else None
        at, seq, id_ = touchpoint.occurred_at, touchpoint.seq, f"t{touchpoint.id}"
        found.append(_row(at, seq, id_, kind=kind, summary=summary, message_id=behind))
    return found


def _decided(session: Session, client: Client) -> list[Row]:
    zone = calendar.zone(client.timezone)
    query = (
        select(Decision, Message)
        .outerjoin(
            Message,
            (col(Message.id) == col(Decision.subject_id)) & (Decision.subject_kind == "message"),
        )
        .where(Decision.client_id == client.id)
        .order_by(col(Decision.id).desc())
        .limit(ROWS)
    )
    found = []
    rows: Iterable[tuple[Decision, Message | None]] = session.exec(query)
    for decision, message in rows:
        look = decision.until.astimezone(zone) if decision.until else None
        until = f", next look {look:%-d %b %H:%M}" if look else ""
        verdict = decided(decision.verdict)
        what = f"{titled(message)}: {verdict.lower()}" if message else verdict
        at, seq, id_ = decision.decided_at, decision.seq, f"d{decision.id}"
        summary = f"{what}{until}"
        found.append(_row(at, seq, id_, kind="decision", summary=summary, rule=decision.rule))
    return found


def _issued(session: Session, client: Client) -> list[Row]:
    zone = calendar.zone(client.timezone)
    query = select(Invoice).where(Invoice.client_id == client.id)
    return [
        _row(
            dt.datetime.combine(one.issued_on, dt.time(9), zone),
            0,
            f"i{one.id}",
            kind="invoice issued",
            summary=f"{one.number}, {money.display(one.amount, one.currency)}",
        )
        for one in session.exec(query)
    ]


def _paid(session: Session, client_id: int) -> list[Row]:
    query = select(Payment).where(Payment.client_id == client_id)
    return [
        _row(
            one.recorded_at,
            0,
            f"p{one.id}",
            kind=_MONEY.get(PaymentState(one.state), "paid"),
            summary=money.display(one.amount, one.currency),
        )
        for one in session.exec(query)
    ]


def _against(session: Session, world: World, client: Client) -> list[Json]:
    """What of it is not asked for, in the words of the card and of `explain`."""
    return [line._asdict() for line in against.lines(session, world.app.office(), client)]


def _invoices(session: Session, world: World, client: Client) -> list[Json]:
    """Every invoice, the oldest first, with what is open of it and how it stands."""
    today = calendar.local_date(world.clock.now(), client.timezone)
    rows = session.exec(_with_open().where(Invoice.client_id == client.id))
    contested = _contested(session, client.id)
    return [_invoice(invoice, _Open(*open_), today, contested) for invoice, *open_ in rows]


def invoice_state(session: Session, invoice_id: int, now: dt.datetime) -> str:
    """One word for how an invoice stands now."""
    query = _with_open().where(Invoice.id == invoice_id)
    invoice, *open_ = session.exec(query).one()
    client = session.get_one(Client, invoice.client_id)
    today = calendar.local_date(now, client.timezone)
    contested = _contested(session, client.id)
    return str(_invoice(invoice, _Open(*open_), today, contested)["state"])


class _Open(NamedTuple):
    """What is open of an invoice: the client's own, and all of it with what other payers owe."""

    own: int
    whole: int


def _with_open() -> Any:
    """Invoices with the sums of their postings: the client's own, and all."""
    own = func.sum(case((col(Posting.payer_id).is_(None), Posting.amount), else_=0))
    return (
        select(Invoice, own, func.sum(Posting.amount))
        .join(Instalment, col(Instalment.invoice_id) == Invoice.id)
        .join(Posting, col(Posting.instalment_id) == Instalment.id)
        .group_by(col(Invoice.id))
        .order_by(col(Invoice.issued_on), col(Invoice.id))
    )


def _contested(session: Session, client_id: int) -> set[int]:
    query = select(InvoiceDispute.invoice_id).where(
        InvoiceDispute.client_id == client_id, col(InvoiceDispute.state).in_(OPEN_DISPUTES)
    )
    return set(session.exec(query))


def _invoice(invoice: Invoice, open_: _Open, today: dt.date, contested: set[int]) -> Json:
    late = (today - invoice.due_on).days if open_.own > 0 else 0
    return {
        "number": invoice.number,
        "issued": invoice.issued_on.isoformat(),
        "due": invoice.due_on.isoformat(),
        "amount": money.display(invoice.amount, invoice.currency),
        "open": money.display(max(0, int(open_.own)), invoice.currency),
        "state": _standing(invoice, open_, late, disputed=invoice.id in contested),
        "days_overdue": max(0, late),
    }


def _standing(invoice: Invoice, open_: _Open, late: int, *, disputed: bool) -> str:
    if invoice.state != InvoiceState.ISSUED:
        return invoice.state
    if open_.own <= 0:
        return "with_payer" if open_.whole > 0 else "paid"
    if disputed:
        return "disputed"
    if late > 0:
        return "overdue"
    return "partial" if open_.whole < invoice.amount else "open"


def last_word(session: Session, client_id: int) -> int:
    """The number of the newest thing that the client wrote; 0 where there is none."""
    query = select(func.max(Touchpoint.id)).where(
        Touchpoint.client_id == client_id, Touchpoint.direction == "in"
    )
    return session.exec(query).one() or 0
