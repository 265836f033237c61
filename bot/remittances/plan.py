"""Which share of which invoice does each line of a remittance pay, and what follows from it?

Reads rows and writes nothing. A line that fits no share is a task for a person, with its sentence.
"""

import datetime as dt
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from sqlalchemy import func
from sqlmodel import Session, col, select

from billing import facts, money, references
from billing.models import (
    Client,
    ExternalRef,
    Instalment,
    Invoice,
    LegalEntity,
    Payer,
    Posting,
    Share,
)
from billing.remittance import code
from bot.models import Incoming
from bot.remittances.sheet import Line
from bot.report import Wrong

BOOKED = "remittance"
"""The source of the ``Incoming`` row that each booked line leaves."""


@dataclass(frozen=True, slots=True)
class Named:
    """A payer, and what the system that told of it calls it."""

    id: int
    name: str
    kind: str
    system: str
    external_id: str


@dataclass(slots=True)
class Part:
    """A payer's share of an invoice as it stands, and what the lines so far leave of it."""

    payer: Named
    invoice: Invoice
    client: Client
    entity: str
    share: Share
    open: int
    paid: int = 0
    denied: int = 0
    rest_is_denied: bool = False

    @property
    def amount(self) -> int:
        """What the share comes to after the lines: what was paid, or what is not denied."""
        held = self.share.amount
        return held - self.open + self.paid if self.rest_is_denied else held - self.denied

    @property
    def left(self) -> int:
        """What still waits for the payer."""
        return self.amount - (self.share.amount - self.open) - self.paid


@dataclass(frozen=True, slots=True)
class Task:
    """A line that a person has to look at, and why."""

    line: Line
    sentence: str

    @property
    def said(self) -> str:
        """As people read it, with what the payer wrote."""
        amount = money.display(self.line.paid, self.line.currency)
        why = f" ({self.line.reason})" if self.line.reason else ""
        what = f"{self.line.reference}, {self.line.invoice}, {amount}{why}"
        return f"line {self.line.line}: {what}: {self.sentence}"


@dataclass(slots=True)
class Plan:
    """What can be booked, what was booked before, and what a person has to look at."""

    parts: dict[tuple[int, int], Part] = field(default_factory=dict)
    """The shares that the lines move."""
    paid: list[tuple[Line, Part]] = field(default_factory=list)
    fresh: list[tuple[Line, Part]] = field(default_factory=list)
    known: list[Line] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)

    @property
    def clients(self) -> set[int]:
        """Whose accounts it moves."""
        return {part.client.id for part in self.parts.values()}


def payers(session: Session, name: str, source: str | None) -> list[Named]:
    """Who is called so: by the id that a source uses, or by name.

    Raises:
        Wrong: nobody told of such a payer.
    """
    query = select(Payer, ExternalRef).join(ExternalRef, col(ExternalRef.target_id) == Payer.id)
    query = query.where(ExternalRef.kind == "payer").order_by(col(Payer.id))
    if source:
        query = query.where(ExternalRef.system == source)
    found = [
        Named(payer.id, payer.name, payer.kind, ref.system, _theirs(ref))
        for payer, ref in session.exec(query)
    ]
    called = [one for one in found if name.casefold() in (one.name.casefold(), one.external_id)]
    called = called or [one for one in found if name == one.external_id]
    if not called:
        known = ", ".join(sorted({one.name for one in found})[:20]) or "none yet"
        of = f" of {source}" if source else ""
        raise Wrong(
            f"No payer{of} is called {name}; those that were told of: {known}. Who pays a part of "
            "which invoice is told with `share_described` (docs/api.md)."
        )
    return called


def _theirs(ref: ExternalRef) -> str:
    return unquote(ref.external_id.removeprefix(facts.joined(ref.system, ref.kind, "")))


def make(session: Session, named: Sequence[Named], lines: Sequence[Line]) -> Plan:
    """Match every line."""
    plan = Plan()
    shelf = _Shelf(session, named, {code(line.invoice) for line in lines})
    for line in lines:
        before = _booked(session, named, line)
        if before == amounts(line):
            plan.known.append(line)
        elif before is not None:
            _ask(plan, line, "was booked before with other amounts; correct that by hand")
        else:
            _match(plan, shelf, line)
    return plan


def mark(named: Named, line: Line) -> str:
    """What a booked line is kept under, without its amounts; it says nothing by itself."""
    whole = facts.joined(named.system, named.external_id, line.mark)
    return hashlib.sha256(whole.encode()).hexdigest()


def amounts(line: Line) -> str:
    """What a booked line said."""
    denied = "" if line.denied is None else str(line.denied)
    return f"{line.currency}/{line.paid}/{denied}"


def _booked(session: Session, named: Sequence[Named], line: Line) -> str | None:
    for one in named:
        begins = f"{mark(one, line)}/"
        query = select(Incoming.external_id).where(
            Incoming.source == BOOKED, col(Incoming.external_id).startswith(begins)
        )
        found = session.exec(query).first()
        if found is not None:
            return found.removeprefix(begins)
    return None


# --- one line -------------------------------------------------------------------------------------


def _ask(plan: Plan, line: Line, sentence: str) -> None:
    plan.tasks.append(Task(line, sentence))


def _match(plan: Plan, shelf: "_Shelf", line: Line) -> None:
    fits = shelf.fitting(line)
    if len(fits) != 1:
        sentence = (
            "several invoices are called so; name the client" if fits else shelf.missing(line)
        )
        _ask(plan, line, sentence)
        return
    part = fits[0]
    reason = _refusal(part, line)
    if reason:
        _ask(plan, line, reason)
        return
    part.paid += line.paid
    part.denied += line.denied or 0
    part.rest_is_denied |= line.denied is None
    plan.parts[part.invoice.id, part.payer.id] = part
    plan.fresh.append((line, part))


def _refusal(part: Part, line: Line) -> str:
    """Why a person has to look at it, or nothing."""
    currency = part.invoice.currency
    if line.currency != currency:
        return f"is in {line.currency}, and {part.invoice.number} is in {currency}"
    if line.adjusted:
        return "has an adjustment, which nobody owes: credit it on the invoice first"
    room = part.open - part.paid - part.denied
    told = line.paid + (line.denied or 0)
    if told > room:
        share = money.display(max(0, room), currency)
        return f"is more than what is open of {part.payer.name}'s share, {share}"
    return ""


@dataclass(slots=True)
class _Shelf:
    """The shares of some payers in the invoices that a file names."""

    session: Session
    named: Sequence[Named]
    codes: Collection[str]
    parts: dict[str, list[Part]] = field(init=False)

    def __post_init__(self) -> None:
        self.parts = {}
        for part in _parts(self.session, self.named, self.codes):
            self.parts.setdefault(code(part.invoice.number), []).append(part)

    def fitting(self, line: Line) -> list[Part]:
        """The shares that a line can mean: by its invoice, and by the client if it is named."""
        parts = self.parts.get(code(line.invoice), [])
        exact = [part for part in parts if part.invoice.number == line.invoice] or parts
        return [part for part in exact if not line.client or self._is(part.client, line.client)]

    def missing(self, line: Line) -> str:
        """Why nothing fits."""
        if code(line.invoice) in self.parts:
            return f"{line.invoice} is not an invoice of {line.client}"
        return f"{self.named[0].name} has no share in an invoice {line.invoice}"

    def _is(self, client: Client, name: str) -> bool:
        if client.name.casefold() == name.casefold():
            return True
        return any(
            references.find_client(self.session, one.system, name) == client.id
            for one in self.named
        )


def _parts(session: Session, named: Sequence[Named], codes: Collection[str]) -> Iterator[Part]:
    """The shares, with what is open of each."""
    by_id = {one.id: one for one in named}
    query = (
        select(Share, Invoice, Client, LegalEntity.name)
        .join(Invoice, col(Invoice.id) == Share.invoice_id)
        .join(Client, col(Client.id) == Invoice.client_id)
        .join(LegalEntity, col(LegalEntity.id) == Invoice.legal_entity_id)
        .where(col(Share.payer_id).in_(by_id))
        .order_by(col(Share.invoice_id), col(Share.payer_id))
    )
    rows = [row for row in session.exec(query) if code(row[1].number) in codes]
    open_ = _open(session, [row[1].id for row in rows], by_id)
    for share, invoice, client, entity in rows:
        left = open_.get((invoice.id, share.payer_id), 0)
        yield Part(by_id[share.payer_id], invoice, client, entity, share, left)


def _open(
    session: Session, invoices: Sequence[int], payer_ids: Mapping[int, Any]
) -> dict[tuple[int, int], int]:
    query = (
        select(Instalment.invoice_id, Posting.payer_id, func.sum(Posting.amount))
        .join(Posting, col(Posting.instalment_id) == Instalment.id)
        .where(col(Instalment.invoice_id).in_(invoices), col(Posting.payer_id).in_(payer_ids))
        .group_by(col(Instalment.invoice_id), col(Posting.payer_id))
    )
    return {(invoice, payer): int(left) for invoice, payer, left in session.exec(query) if payer}


# --- what follows ---------------------------------------------------------------------------------


def told(session: Session, plan: Plan, now: dt.datetime) -> list[facts.Fact]:
    """The facts: each payment, and then how each share stands.

    Raises:
        references.Unknown: the payer's system does not know the client.
    """
    paid = [_payment(session, line, part) for line, part in plan.fresh if line.paid]
    shares = [_share(session, part, now) for part in plan.parts.values() if _moves(part)]
    return [*paid, *shares]


def _moves(part: Part) -> bool:
    state = _state(part)
    return (part.share.amount, part.share.state) != (part.amount, state)


def _state(part: Part) -> str:
    if part.left > 0:
        return "waiting"
    return "settled" if part.amount else "denied"


def _client(session: Session, part: Part) -> str:
    """What the payer's system calls the client."""
    query = select(ExternalRef).where(
        ExternalRef.kind == "client",
        ExternalRef.system == part.payer.system,
        ExternalRef.target_id == part.client.id,
    )
    ref = session.exec(query.order_by(col(ExternalRef.external_id))).first()
    if ref is None:
        raise references.Unknown(f"{part.payer.system} has no client {part.client.name}")
    return _theirs(ref)


def _payment(session: Session, line: Line, part: Part) -> facts.PaymentSettled:
    return facts.PaymentSettled(
        source=part.payer.system,
        external_id=f"{line.reference}/{part.invoice.number}/{line.date}",
        client_external_id=_client(session, part),
        legal_entity=part.entity,
        amount=line.paid,
        currency=line.currency,
        invoice_number=part.invoice.number,
        payer=part.payer.external_id,
        method="bank_transfer",
        received_on=line.date,
    )


def _share(session: Session, part: Part, now: dt.datetime) -> facts.ShareDescribed:
    state: Any = _state(part)
    return facts.ShareDescribed(
        source=part.payer.system,
        client_external_id=_client(session, part),
        invoice_number=part.invoice.number,
        legal_entity=part.entity,
        payer=part.payer.external_id,
        payer_name=part.payer.name,
        payer_kind=part.payer.kind,
        state=state,
        amount=part.amount,
        told_at=max(now, part.share.told_at + dt.timedelta(microseconds=1)),
        respond_by=part.share.respond_by if state == "waiting" else None,
    )
