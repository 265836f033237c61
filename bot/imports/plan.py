"""What does a file say that the store does not know yet, and where do the two contradict?

One pass of reading, before anything is written: every contradiction is named with its line.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import func
from sqlmodel import Session, col, select

from billing import facts, money
from billing.calendar import local_date
from billing.facts import (
    AgreementDescribed,
    ClientDescribed,
    Fact,
    InvoiceCorrected,
    InvoiceIssued,
    PaymentSettled,
)
from billing.models import (
    Client,
    ExternalRef,
    Instalment,
    Invoice,
    LegalEntity,
    Payment,
    Posting,
    PostingKind,
    Staff,
)
from billing.portfolio import Agreements, Portfolio, PortfolioRow, Problem, to_facts
from bot import zones
from bot.firm import Firm

AT_ONCE = 500
"""Names in one question to the database."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """A good row: what of it is news. ``fresh``: nobody told us of the invoice before."""

    row: PortfolioRow
    issued: InvoiceIssued
    paid: PaymentSettled | None
    news: tuple[Fact, ...]
    fresh: bool


@dataclass(slots=True)
class Group:
    """A client of the file, and its rows."""

    client: ClientDescribed
    client_id: int | None
    lines: list[Line] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """What would be booked, and what stands against it."""

    groups: list[Group] = field(default_factory=list)
    agreements: list[AgreementDescribed] = field(default_factory=list)
    entities: list[tuple[str, str]] = field(default_factory=list)
    """Legal entities in the order in which the file names them, each with a currency."""
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[PortfolioRow]:
        """Every good row."""
        return [line.row for group in self.groups for line in group.lines]


@dataclass(frozen=True, slots=True)
class Held:
    """An invoice as the store has it."""

    amount: int
    currency: str
    issued_on: dt.date
    due_on: dt.date


@dataclass(slots=True)
class Shelf:
    """What the store knows of the things that a file names."""

    clients: dict[str, int] = field(default_factory=dict)
    invoices: dict[str, Held] = field(default_factory=dict)
    payments: dict[str, int] = field(default_factory=dict)
    disputes: set[str] = field(default_factory=set)
    numbers: dict[tuple[int, str], str] = field(default_factory=dict)
    """Who was issued a number, by legal entity."""
    entities: dict[str, int] = field(default_factory=dict)
    zones: dict[int, str] = field(default_factory=dict)
    staff: set[str] = field(default_factory=set)


def make(
    session: Session,
    portfolio: Portfolio,
    agreements: Agreements,
    now: dt.datetime,
    firm: Firm | None = None,
    *,
    correct: bool,
) -> Plan:
    """Compare a file with the store, and with the firm that is established before it is booked."""
    plan = Plan(problems=[*portfolio.problems, *agreements.problems])
    told = [_today(row, now) for row in portfolio.rows]
    shelf = _shelf(session, portfolio.rows, told)
    if firm is not None:
        shelf.staff |= {person.email for person in firm.staff}
        shelf.entities = {entity.name: 0 for entity in firm.legal_entity} | shelf.entities
    groups: dict[str, Group] = {}
    taken: dict[tuple[str, str], int] = {}
    for row, happened in zip(portfolio.rows, told, strict=True):
        against = [*_early(row, shelf, now), *_number_taken(row, happened, shelf, taken)]
        correct_on = local_date(now, row.client.timezone or "UTC") if correct else None
        line = None if against else _compared(row, happened, shelf, plan, correct_on)
        plan.problems.extend(against)
        if line is not None:
            group = groups.setdefault(row.client.external_id, _group(row.client, shelf))
            group.lines.append(line)
            _name_entity(plan, row.legal_entity, row.currency)
    plan.groups = list(groups.values())
    _take_agreements(session, plan, agreements, groups)
    _note_clients(plan, shelf)
    plan.problems.sort(key=lambda problem: problem.line)
    return plan


def _today(row: PortfolioRow, now: dt.datetime) -> tuple[Fact, ...]:
    return to_facts(row, local_date(now, row.client.timezone or "UTC"))


def _one(happened: tuple[Fact, ...], kind: type[T]) -> T | None:
    return next((fact for fact in happened if isinstance(fact, kind)), None)


# --- what stands against a row --------------------------------------------------------------------


def _early(row: PortfolioRow, shelf: Shelf, now: dt.datetime) -> Iterator[Problem]:
    known = shelf.clients.get(row.client.external_id)
    zone = row.client.timezone or (shelf.zones.get(known) if known else None) or "UTC"
    today = local_date(now, zone)
    for column, day in (("issued", row.issued), ("paid", row.paid_on)):
        if day is not None and day > today:
            sentence = f"{day} is after today, {today} in {zone}; correct it, or import it that day"
            yield Problem(row.line, column, sentence)


def _number_taken(
    row: PortfolioRow,
    happened: tuple[Fact, ...],
    shelf: Shelf,
    taken: dict[tuple[str, str], int],
) -> Iterator[Problem]:
    """Whether the legal entity gave this number to another invoice, here or in the file."""
    issued = _one(happened, InvoiceIssued)
    if issued is None or issued.key in shelf.invoices:
        return
    entity = _entity_name(row.legal_entity, shelf)
    before = taken.setdefault((entity, row.invoice), row.line)
    if before != row.line:
        sentence = f"{row.invoice} is on line {before} too, for another client; correct one"
        yield Problem(row.line, "invoice", sentence)
    owner = shelf.numbers.get((shelf.entities.get(entity, 0), row.invoice))
    if owner is not None:
        yield Problem(
            row.line,
            "invoice",
            f"{entity} has already issued {row.invoice} to {owner}; correct the number, or give "
            "--source the name under which it was imported",
        )


def _entity_name(name: str, shelf: Shelf) -> str:
    return name or next(iter(shelf.entities), "")


def _compared(
    row: PortfolioRow,
    happened: tuple[Fact, ...],
    shelf: Shelf,
    plan: Plan,
    correct_on: dt.date | None,
) -> Line | None:
    """The row without what is known; None where it contradicts an issued invoice."""
    issued, paid = _one(happened, InvoiceIssued), _one(happened, PaymentSettled)
    if issued is None:
        return None
    news: list[Fact] = []
    held = shelf.invoices.get(issued.key)
    if held is None:
        news.append(issued)
    elif (held.amount, held.currency, held.due_on) != (row.amount, row.currency, row.due):
        if correct_on is None or held.currency != row.currency:
            plan.problems.append(_changed(row, held))
            return None
        news.append(_correction(issued, correct_on))
    if held is not None and held.issued_on != row.issued:
        plan.notes.append(
            f"line {row.line}: {row.invoice} stays issued on {held.issued_on}; an issue date is "
            f"never corrected, so {row.issued} is ignored"
        )
    disputed = _one(happened, facts.InvoiceDisputed)
    if disputed is not None and disputed.key not in shelf.disputes:
        news.append(disputed)
    if paid is not None:
        before = shelf.payments.get(paid.key, 0)
        if paid.amount > before:
            news.append(paid)
        elif paid.amount < before:
            plan.notes.append(
                f"line {row.line}: {row.invoice} was paid {money.display(before, row.currency)} "
                "before; a file takes no payment back"
            )
    return Line(row, issued, paid, tuple(news), fresh=held is None)


def _changed(row: PortfolioRow, held: Held) -> Problem:
    if held.currency != row.currency:
        sentence = (
            f"{row.invoice} was issued in {held.currency}, and now says {row.currency}; a currency "
            "never changes, so correct the file"
        )
        return Problem(row.line, "currency", sentence)
    was = f"{money.display(held.amount, held.currency)} due {held.due_on}"
    now = f"{money.display(row.amount, row.currency)} due {row.due}"
    column = "amount" if held.amount != row.amount else "due"
    sentence = f"{row.invoice} was issued with {was}, and now says {now}; --correct posts that"
    return Problem(row.line, column, sentence)


def _correction(issued: InvoiceIssued, today: dt.date) -> InvoiceCorrected:
    kept = issued.model_dump(include=InvoiceCorrected.model_fields.keys() - {"corrected_on"})
    return InvoiceCorrected(**kept, corrected_on=max(today, issued.issued_on))


# --- clients, entities and agreements -------------------------------------------------------------


def _group(client: ClientDescribed, shelf: Shelf) -> Group:
    """A client that is new gets the one zone of its place, where there is one."""
    known = shelf.clients.get(client.external_id)
    if known is None and client.timezone is None:
        zone = zones.only_zone(client.country, client.region)
        client = client.model_copy(update={"timezone": zone})
    return Group(client, known)


def _name_entity(plan: Plan, name: str, currency: str) -> None:
    if not any(name == known for known, _ in plan.entities):
        plan.entities.append((name, currency))


def _take_agreements(
    session: Session, plan: Plan, agreements: Agreements, groups: dict[str, Group]
) -> None:
    for fact in agreements.facts:
        here = fact.client_external_id in groups
        if not here and not _clients(session, fact.source, [fact.client_external_id]):
            sentence = (
                f"agreement {fact.external_id} names client {fact.client_external_id}, which is "
                "neither in the file nor in the store; import its invoices first"
            )
            plan.problems.append(Problem(0, "", sentence))
        else:
            plan.agreements.append(fact)
            _name_entity(plan, fact.legal_entity, fact.currency)


def _note_clients(plan: Plan, shelf: Shelf) -> None:
    new = [group.client for group in plan.groups if group.client_id is None]
    without = sum(client.timezone is None for client in new)
    if without:
        plan.notes.append(
            f"{without} clients have no time zone and are kept as UTC; give a timezone column or "
            "--default-timezone, or their hours will be wrong"
        )
    owners = {group.client.owner_email for group in plan.groups} - {None}
    for owner in sorted(str(one) for one in owners - shelf.staff):
        plan.notes.append(
            f"{owner} owns clients but has no role: `counterfoil access grant {owner} "
            "account_manager`"
        )
    for name, _ in plan.entities:
        if _entity_name(name, shelf) not in shelf.entities:
            called = name or "Our firm"
            plan.notes.append(
                f"the legal entity {called} is new and sends nothing until it has its addresses: "
                "give them with --firm"
            )


# --- what the store knows -------------------------------------------------------------------------


def _shelf(
    session: Session, rows: Sequence[PortfolioRow], told: Sequence[tuple[Fact, ...]]
) -> Shelf:
    shelf = Shelf(staff=set(session.exec(select(Staff.email))))
    for entity in session.exec(select(LegalEntity).order_by(col(LegalEntity.id))):
        shelf.entities[entity.name] = entity.id
    if not rows:
        return shelf
    source = rows[0].client.source
    shelf.clients = _clients(session, source, {row.client.external_id for row in rows})
    known = list(shelf.clients.values())
    zoned = select(Client.id, Client.timezone)
    in_zones = _asked(known, lambda ids: session.exec(zoned.where(col(Client.id).in_(ids))))
    shelf.zones = dict(in_zones)
    keys: dict[type[Any], list[str]] = {}
    for fact in (fact for happened in told for fact in happened):
        keys.setdefault(type(fact), []).append(fact.key)
    issued, settled = keys.get(InvoiceIssued, []), keys.get(PaymentSettled, [])
    shelf.invoices = dict(_asked(issued, lambda some: _invoices(session, source, some)))
    shelf.payments = dict(_asked(settled, lambda some: _payments(session, source, some)))
    disputed = keys.get(facts.InvoiceDisputed, [])
    shelf.disputes = set(_asked(disputed, lambda some: _refs(session, source, "dispute", some)))
    numbers = {row.invoice for row in rows}
    shelf.numbers = dict(_asked(numbers, lambda some: _numbers(session, some)))
    return shelf


def _asked(names: Collection[Any], ask: Callable[[list[Any]], Any]) -> Iterator[Any]:
    """Every answer, asked for a part of the names at a time."""
    whole = list(names)
    for start in range(0, len(whole), AT_ONCE):
        yield from ask(whole[start : start + AT_ONCE])


def _clients(session: Session, source: str, external_ids: Collection[str]) -> dict[str, int]:
    """Our client ids by theirs; a merged client leads to the one it is an alias of."""
    by_key = {facts.joined(source, "client", one): one for one in external_ids}
    query = (
        select(ExternalRef.external_id, func.coalesce(Client.merged_into_id, Client.id))
        .join(Client, col(Client.id) == ExternalRef.target_id)
        .where(ExternalRef.system == source, ExternalRef.kind == "client")
    )
    found = _asked(
        by_key, lambda keys: session.exec(query.where(col(ExternalRef.external_id).in_(keys)))
    )
    return {by_key[key]: int(target) for key, target in found}


def _refs(session: Session, source: str, kind: str, keys: list[str]) -> list[str]:
    query = select(ExternalRef.external_id).where(
        ExternalRef.system == source,
        ExternalRef.kind == kind,
        col(ExternalRef.external_id).in_(keys),
    )
    return list(session.exec(query))


def _invoices(session: Session, source: str, keys: list[str]) -> Iterator[tuple[str, Held]]:
    query = (
        select(ExternalRef.external_id, Invoice, func.sum(Posting.amount))
        .join(Invoice, col(Invoice.id) == ExternalRef.target_id)
        .join(Instalment, col(Instalment.invoice_id) == Invoice.id)
        .join(Posting, col(Posting.instalment_id) == Instalment.id)
        .where(
            ExternalRef.system == source,
            ExternalRef.kind == "invoice",
            col(ExternalRef.external_id).in_(keys),
            col(Posting.kind).in_((PostingKind.ISSUE, PostingKind.CORRECTION)),
        )
        .group_by(col(ExternalRef.external_id), col(Invoice.id))
    )
    for key, invoice, amount in session.exec(query):
        yield key, Held(int(amount), invoice.currency, invoice.issued_on, invoice.due_on)


def _payments(session: Session, source: str, keys: list[str]) -> list[tuple[str, int]]:
    query = (
        select(ExternalRef.external_id, Payment.amount)
        .join(Payment, col(Payment.id) == ExternalRef.target_id)
        .where(
            ExternalRef.system == source,
            ExternalRef.kind == "payment",
            col(ExternalRef.external_id).in_(keys),
        )
    )
    return list(session.exec(query))


def _numbers(session: Session, numbers: list[str]) -> Iterator[tuple[tuple[int, str], str]]:
    query = (
        select(Invoice.legal_entity_id, Invoice.number, Client.name)
        .join(Client, col(Client.id) == Invoice.client_id)
        .where(col(Invoice.number).in_(numbers))
    )
    for entity, number, client in session.exec(query):
        yield (entity, number), client
