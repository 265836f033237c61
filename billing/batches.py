"""How are the facts of one moment booked together?

What ``ledger.apply`` would post for each, in a few statements for all, as far as they are plain:
new invoices, and new payments that each pay at most all of the one invoice they name, on accounts
without money unapplied, of clients that are one with no other. All else is the ledger's, one fact
after the other.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Select, bindparam, func, select, update
from sqlmodel import Session

from billing import books, facts, ledger, opening, references
from billing.facts import Fact, InvoiceIssued, PaymentSettled
from billing.ledger import Applied
from billing.models import (
    Client,
    Enrolment,
    ExternalRef,
    Instalment,
    Invoice,
    InvoiceState,
    Posting,
)
from billing.opening import Opening, Settlement
from billing.store import table_of

_CLIENT, _REF, _INVOICE = table_of(Client), table_of(ExternalRef), table_of(Invoice)
_INSTALMENT, _POSTING, _ENROLMENT = table_of(Instalment), table_of(Posting), table_of(Enrolment)
_CLIENTS: Select[Any] = (
    select(
        _REF.c.external_id,
        _CLIENT.c.id,
        (_CLIENT.c.merged_into_id.is_not(None) | _CLIENT.c.speaks_since.is_not(None)).label("kin"),
    )
    .join(_CLIENT, _CLIENT.c.id == _REF.c.target_id)
    .where(
        _REF.c.system == bindparam("source"),
        _REF.c.kind == "client",
        _REF.c.external_id.in_(bindparam("keys", expanding=True)),
    )
)
_TOLD: Select[Any] = select(_REF.c.external_id).where(
    _REF.c.system == bindparam("source"),
    _REF.c.kind == bindparam("kind"),
    _REF.c.external_id.in_(bindparam("keys", expanding=True)),
)
_NUMBERS: Select[Any] = select(_INVOICE.c.legal_entity_id, _INVOICE.c.number).where(
    _INVOICE.c.number.in_(bindparam("numbers", expanding=True))
)
_OPEN: Select[Any] = (
    select(
        _INVOICE.c.client_id,
        _INVOICE.c.number,
        _INVOICE.c.legal_entity_id,
        _INVOICE.c.currency,
        _INSTALMENT.c.id,
        func.sum(_POSTING.c.amount).label("open"),
    )
    .join(_INSTALMENT, _INSTALMENT.c.invoice_id == _INVOICE.c.id)
    .join(_POSTING, _POSTING.c.instalment_id == _INSTALMENT.c.id)
    .where(
        _INVOICE.c.client_id.in_(bindparam("clients", expanding=True)),
        _INVOICE.c.number.in_(bindparam("numbers", expanding=True)),
        _INVOICE.c.state == InvoiceState.ISSUED.value,
        _POSTING.c.payer_id.is_(None),
    )
    .group_by(_INVOICE.c.id, _INSTALMENT.c.id)
)
_TOUCH = (
    update(_ENROLMENT)
    .where(_ENROLMENT.c.client_id.in_(bindparam("clients", expanding=True)))
    .values(next_due_at=bindparam("now"))
)


def apply_all(
    session: Session, told: Sequence[Fact], now: dt.datetime, keys: Iterator[str]
) -> list[Applied]:
    """Book facts in their order; what each changed, in an order of its own.

    Raises:
        Contradiction, Unknown: see ``ledger.apply``.
    """
    applied: list[Applied] = []
    for (kind, source), run in groupby(told, lambda fact: (type(fact), fact.source)):
        rest = list(run)
        if kind in (InvoiceIssued, PaymentSettled):
            news = _News.of(session, source, rest)
            done = (
                _issue(session, news, now) if kind is InvoiceIssued else _settle(session, news, now)
            )
            applied.extend(done.values())
            rest = [fact for fact in rest if fact.key not in done]
        applied.extend(ledger.apply(session, fact, now, keys) for fact in rest)
    return applied


@dataclass(frozen=True, slots=True)
class _News:
    """Facts of one kind and source, and what is known of their clients."""

    source: str
    told: Sequence[Any]
    clients: dict[str, int]
    others: set[int]
    """Who has money on account, or is one with somebody who may have."""

    @classmethod
    def of(cls, session: Session, source: str, told: Sequence[Any]) -> _News:
        names = {facts.joined(source, "client", one.client_external_id) for one in told}
        asked = {"source": source, "keys": sorted(names)}
        rows = session.connection().execute(_CLIENTS, asked).all()
        clients = {row.external_id: row.id for row in rows}
        cash = books.unapplied_by(session, sorted(set(clients.values())))
        kin = {row.id for row in rows if row.kin}
        return cls(source, told, clients, kin | {client for client, _, _ in cash})

    def client(self, fact: Any) -> int:
        """The client of a fact; 0 where nobody described it."""
        return self.clients.get(facts.joined(self.source, "client", fact.client_external_id), 0)

    def fresh(self, session: Session, kind: str) -> list[Any]:
        """Facts that nobody told before, one each, of known clients that are plain."""
        often = Counter(fact.key for fact in self.told)
        asked = {"source": self.source, "kind": kind, "keys": sorted(often)}
        known = set(session.connection().execute(_TOLD, asked).scalars())
        return [
            fact
            for fact in self.told
            if often[fact.key] == 1
            and fact.key not in known
            and _is_plain(fact)
            and (client := self.client(fact))
            and client not in self.others
        ]


def _is_plain(fact: Any) -> bool:
    """One instalment without lines; or money of the client's own for one invoice."""
    if isinstance(fact, InvoiceIssued):
        return not fact.lines and not fact.instalments
    return not fact.allocations and fact.payer is None and fact.renewal_of is None


def _issue(session: Session, news: _News, now: dt.datetime) -> dict[str, Applied]:
    fresh: list[InvoiceIssued] = news.fresh(session, "invoice")
    entities = {
        (fact.legal_entity, fact.currency): references.entity(
            session, fact.legal_entity, fact.currency
        ).id
        for fact in fresh
    }
    found = {fact.key: entities[fact.legal_entity, fact.currency] for fact in fresh}
    numbers = Counter((found[fact.key], fact.number) for fact in fresh)
    asked = {"numbers": sorted({number for _, number in numbers})}
    taken = {(row[0], row[1]) for row in session.connection().execute(_NUMBERS, asked)}
    awaited = books.awaiting(session, {news.client(fact) for fact in fresh}, asked["numbers"])
    plain = [
        fact
        for fact in fresh
        if numbers[place := (found[fact.key], fact.number)] == 1
        and place not in taken
        and news.client(fact) not in awaited
    ]
    openings = [Opening(news.client(fact), found[fact.key], fact) for fact in plain]
    opening.post(session, openings, now)
    _see(session, [one.client_id for one in openings])
    return {one.issued.key: Applied(one.client_id) for one in openings}


def _settle(session: Session, news: _News, now: dt.datetime) -> dict[str, Applied]:
    fresh: list[PaymentSettled] = news.fresh(session, "payment")
    often = Counter(news.client(fact) for fact in news.told)
    asked = {
        "clients": sorted({news.client(fact) for fact in fresh}),
        "numbers": sorted({fact.invoice_number for fact in fresh if fact.invoice_number}),
    }
    rows = session.connection().execute(_OPEN, asked).all() if fresh else []
    open_ = {(row.client_id, row.number): row for row in rows}
    several = Counter((row.client_id, row.number) for row in rows)
    settlements: list[Settlement] = []
    for fact in fresh:
        place = (news.client(fact), fact.invoice_number or "")
        row = open_.get(place)
        if row is None or several[place] > 1 or not 0 < fact.amount <= row.open:
            continue
        if row.currency != fact.currency or row.legal_entity_id != _entity(session, fact):
            continue
        settlements.append(Settlement(place[0], row.legal_entity_id, fact, row.id))
    plain = _apart(settlements, often)
    payments = opening.settle(session, plain, now)
    touched = sorted({one.client_id for one in plain})
    if touched:
        session.connection().execute(_TOUCH, {"clients": touched, "now": now})
    _see(session, touched)
    return {
        one.paid.key: Applied(one.client_id, payment_id=payment, received=one.paid.amount)
        for one, payment in zip(plain, payments, strict=True)
    }


def _entity(session: Session, fact: PaymentSettled) -> int:
    return references.entity(session, fact.legal_entity, fact.currency).id


def _apart(settlements: Sequence[Settlement], often: Counter[int]) -> list[Settlement]:
    """Those of clients whose payments are all plain, each for an instalment of its own."""
    plain = Counter(one.client_id for one in settlements)
    targets = Counter(one.instalment_id for one in settlements)
    shared = {one.client_id for one in settlements if targets[one.instalment_id] > 1}
    return [
        one
        for one in settlements
        if plain[one.client_id] == often[one.client_id] and one.client_id not in shared
    ]


def _see(session: Session, clients: Collection[int]) -> None:
    """Sequences that are loaded show what was written beside them."""
    if clients:
        for loaded in list(session.identity_map.values()):
            if isinstance(loaded, Enrolment) and loaded.client_id in clients:
                session.expire(loaded)
