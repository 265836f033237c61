"""Which facts stand on a paper of an invoice, a client or a payment?

Reads rows, decides nothing. What a line is for lies in the vault; where the client's key is gone it
says "(erased)", and so does the client's name.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from babel import Locale, localedata
from sqlalchemy import func, select
from sqlmodel import Session, col

from billing import accounts, aliases, calendar, references, spelling, vault
from billing.arrears import OpenInstalment
from billing.keyring import Keyring
from billing.models import (
    Chargeback,
    ChargebackOutcome,
    Client,
    Instalment,
    Invoice,
    InvoiceLine,
    LegalEntity,
    Payer,
    Payment,
    PaymentState,
    Posting,
)
from billing.settlement import PostingKind
from bot.papers import facts, logos
from bot.report import Wrong

_MILLIONTHS_PER_PERCENT = 10_000
_SINCE = dt.timedelta(days=30)
_REGION_LAST = frozenset({"US", "CA", "AU"})
"""Where one writes the town, the state and then the code."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What papers are made with: the keys, the moment, and the logo of each legal entity."""

    keyring: Keyring
    now: dt.datetime
    logos: Mapping[str, bytes]
    """By how it is ``logos.called``; "" for every other."""

    def today(self, client: Client) -> dt.date:
        """The client's own day."""
        return calendar.local_date(self.now, client.timezone)


def invoice(session: Session, desk: Desk, invoice_id: int) -> facts.Invoice:
    """A bill as it was issued, and what became of it."""
    row = session.get_one(Invoice, invoice_id)
    client = session.get_one(Client, row.client_id)
    posted = _posted(session, invoice_id)
    open_by: dict[int, int] = {}
    payers: dict[int, int] = {}
    moves: dict[PostingKind, int] = {}
    for kind, part_id, payer_id, amount in posted:
        open_by[part_id] = open_by.get(part_id, 0) + amount
        if payer_id is not None:
            payers[payer_id] = payers.get(payer_id, 0) + amount
        if kind not in (PostingKind.ISSUE, PostingKind.SHARE):
            moves[PostingKind(kind)] = moves.get(PostingKind(kind), 0) + amount
    names = {one: session.get_one(Payer, one).name for one in payers}
    return facts.Invoice(
        issuer=_issuer(session, desk, row.legal_entity_id),
        to=_party(desk, client),
        as_of=desk.today(client),
        number=row.number,
        currency=row.currency,
        state=row.state,
        issued_on=row.issued_on,
        due_on=row.due_on,
        amount=row.amount,
        terms=row.terms,
        po_number=row.po_number,
        matter=row.matter,
        service_type=row.service_type,
        lines=_lines(session, desk, invoice_id),
        parts=_parts(session, invoice_id, open_by),
        moves=moves,
        payers=tuple((names[one], amount) for one, amount in sorted(payers.items()) if amount),
    )


def _posted(session: Session, invoice_id: int) -> list[Any]:
    query = (
        select(
            col(Posting.kind),
            col(Posting.instalment_id),
            col(Posting.payer_id),
            func.sum(col(Posting.amount)),
        )
        .join(Instalment, col(Instalment.id) == col(Posting.instalment_id))
        .where(col(Instalment.invoice_id) == invoice_id)
        .group_by(col(Posting.kind), col(Posting.instalment_id), col(Posting.payer_id))
        .order_by(col(Posting.instalment_id), col(Posting.kind))
    )
    return [(row[0], row[1], row[2], int(row[3])) for row in session.execute(query)]


def _lines(session: Session, desk: Desk, invoice_id: int) -> tuple[facts.Line, ...]:
    query = select(InvoiceLine).where(col(InvoiceLine.invoice_id) == invoice_id)
    return tuple(
        facts.Line(
            description=vault.text(session, desk.keyring, row.description_id),
            quantity=row.quantity,
            amount=row.amount,
            discount=row.discount,
            tax=row.tax,
            rate=Decimal(row.tax_rate) / _MILLIONTHS_PER_PERCENT,
            code=row.tax_code,
            jurisdiction=row.jurisdiction,
            inclusive=row.inclusive,
        )
        for row in session.execute(query.order_by(col(InvoiceLine.position))).scalars()
    )


def _parts(session: Session, invoice_id: int, open_by: Mapping[int, int]) -> tuple[facts.Part, ...]:
    query = select(Instalment).where(
        col(Instalment.invoice_id) == invoice_id, col(Instalment.waived_on).is_(None)
    )
    return tuple(
        facts.Part(due_on=row.due_on, amount=row.amount, open=open_by.get(row.id, 0), kind=row.kind)
        for row in session.execute(
            query.order_by(col(Instalment.due_on), col(Instalment.position))
        ).scalars()
    )


def statement(
    session: Session, desk: Desk, client: Client, since: dt.date | None = None
) -> facts.Statement:
    """Where the accounts of a client, and of those that are one with it, stand today.

    Raises:
        Wrong: nothing is open, and nothing came since then.
    """
    today = desk.today(client)
    since = since or today - _SINCE
    group = aliases.group(session, client.id)
    items: dict[tuple[int, str], list[facts.Item]] = {}
    under_way: dict[tuple[int, str], int] = {}
    for debt in accounts.owed(session, client.id):
        key, one = (debt.legal_entity_id, debt.currency), debt.instalment
        under_way[key] = under_way.get(key, 0) + one.in_flight
        items.setdefault(key, []).append(_item(one))
    cash = {
        (one.legal_entity_id, one.currency): one.unapplied
        for one in accounts.balances(session, client.id, today)
    }
    came = _came(session, group, since, today)
    keys = sorted({*items, *came, *(key for key, amount in cash.items() if amount)})
    if not keys:
        raise Wrong(f"{client.name} owes nothing and has paid nothing since {spelling.day(since)}.")
    return facts.Statement(
        to=_party(desk, client),
        as_of=today,
        since=since,
        accounts=tuple(
            facts.Account(
                issuer=_issuer(session, desk, key[0]),
                currency=key[1],
                items=tuple(items.get(key, ())),
                unapplied=cash.get(key, 0),
                under_way=under_way.get(key, 0),
                came=tuple(came.get(key, ())),
            )
            for key in keys
        ),
    )


def _item(one: OpenInstalment) -> facts.Item:
    return facts.Item(
        number=one.number,
        issued_on=one.issued_on,
        due_on=one.due_on,
        amount=one.amount,
        open=one.open,
        in_query=one.disputed,
        kind=one.kind,
    )


def _came(
    session: Session, group: list[int], since: dt.date, today: dt.date
) -> dict[tuple[int, str], list[facts.Came]]:
    """What the client paid; what other payers paid of its bills is theirs."""
    query = (
        select(Payment)
        .where(
            col(Payment.client_id).in_(group),
            col(Payment.payer_id).is_(None),
            col(Payment.state) == PaymentState.SUCCEEDED,
            col(Payment.received_on).between(since, today),
        )
        .order_by(col(Payment.received_on), col(Payment.id))
    )
    found: dict[tuple[int, str], list[facts.Came]] = {}
    for row in session.execute(query).scalars():
        kept = row.amount - row.refunded - _withdrawn(session, row.id)
        one = facts.Came(
            received_on=row.received_on, reference=row.reference, method=row.method, amount=kept
        )
        found.setdefault((row.legal_entity_id, row.currency), []).append(one)
    return found


def _withdrawn(session: Session, payment_id: int) -> int:
    query = select(func.coalesce(func.sum(col(Chargeback.amount)), 0)).where(
        col(Chargeback.payment_id) == payment_id, col(Chargeback.outcome) != ChargebackOutcome.WON
    )
    return int(session.execute(query).scalar_one())


def receipt(session: Session, desk: Desk, payment: Payment) -> facts.Receipt:
    """A payment, and where its money went.

    Raises:
        Wrong: no money arrived.
    """
    if payment.state != PaymentState.SUCCEEDED:
        raise Wrong(f"Payment {payment.reference} is {payment.state}; a receipt needs the money.")
    client = session.get_one(Client, payment.client_id)
    query = (
        select(col(Invoice.number), func.sum(col(Posting.amount)))
        .join(Instalment, col(Instalment.id) == col(Posting.instalment_id))
        .join(Invoice, col(Invoice.id) == col(Instalment.invoice_id))
        .where(col(Posting.payment_id) == payment.id)
        .group_by(col(Invoice.id))
        .order_by(col(Invoice.due_on), col(Invoice.id))
    )
    paid = tuple((row[0], -int(row[1])) for row in session.execute(query) if row[1])
    went_back = payment.refunded + _withdrawn(session, payment.id)
    party = _party(desk, client)
    payer = session.get_one(Payer, payment.payer_id).name if payment.payer_id else party.name
    return facts.Receipt(
        issuer=_issuer(session, desk, payment.legal_entity_id),
        to=party,
        paid_by=payer,
        reference=payment.reference,
        method=payment.method,
        received_on=payment.received_on,
        currency=payment.currency,
        amount=payment.amount,
        went_back=went_back,
        paid=paid,
        left=payment.amount - went_back - sum(amount for _, amount in paid),
    )


def payment(session: Session, said: str) -> Payment:
    """The one payment of that reference, or ``payment:ID``.

    Raises:
        Wrong: there is none, or more than one.
    """
    if (number := references.numbered(said, "payment")) is not None:
        found = [one] if (one := session.get(Payment, number)) else []
    else:
        query = select(Payment).where(col(Payment.reference) == said).order_by(col(Payment.id))
        found = list(session.execute(query.limit(8)).scalars())
    if not found:
        raise Wrong(f"There is no payment {said}; give the reference that its source has for it.")
    if len(found) > 1:
        listed = ", ".join(f"payment:{one.id}" for one in found)
        raise Wrong(f"More than one payment is called {said}; ask for one of {listed}.")
    return found[0]


# --- who ------------------------------------------------------------------------------------------


def _issuer(session: Session, desk: Desk, entity_id: int) -> facts.Issuer:
    entity = session.get_one(LegalEntity, entity_id)
    return facts.Issuer(
        name=entity.name,
        address=entity.postal_address,
        email=entity.from_address,
        phone=entity.phone,
        pay_link=entity.pay_link,
        country=entity.country,
        logo=desk.logos.get(logos.called(entity.name), desk.logos.get("", b"")),
    )


def _party(desk: Desk, client: Client) -> facts.Party:
    locale, day_locale = _locale(client), _known(f"en_{client.country}", "en_US")
    if not desk.keyring.has(client.key_id):
        return facts.Party(name=vault.ERASED, locale=locale, day_locale=day_locale)
    tax = f"Tax number {client.tax_number}" if client.tax_number else ""
    lines = [*_place(client), tax]
    return facts.Party(
        name=client.name,
        lines=tuple(one for one in lines if one),
        locale=locale,
        day_locale=day_locale,
    )


def _place(client: Client) -> list[str]:
    """Where the client is, as its country writes it; nothing where no town was told."""
    if not (client.city or client.postal_code):
        return []
    if client.country in _REGION_LAST:
        behind = f"{client.region} {client.postal_code}".strip()
        town = ", ".join(part for part in (client.city, behind) if part)
    else:
        town = f"{client.postal_code} {client.city}".strip()
    return [town, str(Locale("en").territories.get(client.country, client.country))]


def _locale(client: Client) -> str:
    """As people who speak the client's language write amounts where the client is."""
    language = client.language.replace("-", "_")
    return _known(f"{language}_{client.country}", _known(language, "en_US"))


def _known(name: str, otherwise: str) -> str:
    return name if localedata.exists(name) else otherwise
