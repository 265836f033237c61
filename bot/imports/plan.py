"""What does a file say that the store does not know yet, and where do the two contradict?

One pass of reading, before anything is written: every contradiction is named with its line.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sqlmodel import Session

from billing import facts, money, spelling
from billing.calendar import local_date
from billing.facts import (
    AgreementDescribed,
    ClientDescribed,
    Fact,
    InvoiceCorrected,
    InvoiceIssued,
    PaymentSettled,
)
from billing.portfolio import Agreements, Portfolio, PortfolioRow, Problem, to_facts
from bot import zones
from bot.firm import Firm
from bot.imports import shelves
from bot.imports.shelves import Held, Shelf

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
    described: bool = False
    """Whether the store has all that the file says of the client itself."""
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
    shelf = shelves.fill(session, portfolio.rows, told)
    if firm is not None:
        shelf.staff |= {person.email for person in firm.staff}
        for entity in firm.legal_entity:  # behind those that are there: the first of them bills
            shelf.entities.setdefault(entity.name, 0)
    shelf.biller = next(iter(shelf.entities), _first_named(portfolio.rows))
    groups: dict[str, Group] = {}
    taken: dict[tuple[str, str], int] = {}
    for row, happened in zip(portfolio.rows, told, strict=True):
        against = [*_early(row, shelf, now), *_number_taken(row, happened, shelf, taken)]
        correct_at = now if correct else None
        line = None if against else _compared(row, happened, shelf, plan, correct_at)
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
    zone = row.client.timezone or (shelf.described[known].timezone if known else None) or "UTC"
    today = local_date(now, zone)
    for column, day in (("issued", row.issued), ("paid", row.paid_on)):
        if day is not None and day > today:
            sentence = (
                f"{spelling.day(day)} is after today, {spelling.day(today)} in {zone}; "
                "correct it, or import it that day"
            )
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


def _first_named(rows: Sequence[PortfolioRow]) -> str:
    """Who bills in a store that has no legal entity yet: whoever is booked first."""
    return next((row.legal_entity for row in rows), "") or "Our firm"


def _entity_name(name: str, shelf: Shelf) -> str:
    return name or shelf.biller


def _compared(
    row: PortfolioRow,
    happened: tuple[Fact, ...],
    shelf: Shelf,
    plan: Plan,
    correct_at: dt.datetime | None,
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
        if correct_at is None or held.currency != row.currency:
            plan.problems.append(_changed(row, held))
            return None
        news.append(_correction(issued, correct_at))
    if held is not None and held.issued_on != row.issued:
        plan.notes.append(
            f"line {row.line}: {row.invoice} stays issued on {spelling.day(held.issued_on)}; "
            f"an issue date is never corrected, so {spelling.day(row.issued)} is ignored"
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
    was = f"{money.display(held.amount, held.currency)} due {spelling.day(held.due_on)}"
    now = f"{money.display(row.amount, row.currency)} due {spelling.day(row.due)}"
    column = "amount" if held.amount != row.amount else "due"
    sentence = f"{row.invoice} was issued with {was}, and now says {now}; --correct posts that"
    return Problem(row.line, column, sentence)


def _correction(issued: InvoiceIssued, now: dt.datetime) -> InvoiceCorrected:
    kept = issued.model_dump(include=InvoiceCorrected.model_fields.keys() - {"issued_on"})
    return InvoiceCorrected(**kept, corrected_at=now)


# --- clients, entities and agreements -------------------------------------------------------------


def _group(client: ClientDescribed, shelf: Shelf) -> Group:
    """A client that is new gets the one zone of its place, where there is one."""
    known = shelf.clients.get(client.external_id)
    if known is None and client.timezone is None:
        zone = zones.only_zone(client.country or "US", client.region or "")
        client = client.model_copy(update={"timezone": zone})
    described = known is not None and shelf.described[known].holds(client)
    return Group(client, known, described)


def _name_entity(plan: Plan, name: str, currency: str) -> None:
    if not any(name == known for known, _ in plan.entities):
        plan.entities.append((name, currency))


def _take_agreements(
    session: Session, plan: Plan, agreements: Agreements, groups: dict[str, Group]
) -> None:
    for fact in agreements.facts:
        here = fact.client_external_id in groups
        if not here and not shelves.clients(session, fact.source, [fact.client_external_id]):
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
        many = spelling.counted(without, "client has", "clients have")
        plan.notes.append(
            f"{many} no time zone and stay in UTC; give a timezone column or "
            "--default-timezone, or their hours will be wrong"
        )
    owners = {group.client.owner_email for group in plan.groups} - {None}
    for owner in sorted(str(one) for one in owners - shelf.staff):
        plan.notes.append(
            f"{owner} owns clients but has no role: `counterfoil access grant {owner} "
            "account_manager`"
        )
    for called in dict.fromkeys(_entity_name(name, shelf) for name, _ in plan.entities):
        if called not in shelf.entities:
            plan.notes.append(
                f"the legal entity {called} is new and sends nothing until it has its addresses: "
                "give them with --firm"
            )
