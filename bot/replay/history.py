"""What happened on which day, as the file of a history tells it?

Every row becomes facts, each with the moment at which the firm learns of it: an invoice at nine in
the client's morning, with the dispute of its file; a payment at the first moment of its day, so
that it precedes every step of that day.

Grouped by invoice, each invoice is a client of its own, under a reference made of the client, the
legal entity and the number: so no other debt of the client changes when its notices go.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from billing import calendar, facts
from billing.facts import ClientDescribed, Fact, InvoiceDisputed, InvoiceIssued, PaymentSettled
from billing.portfolio import Portfolio, PortfolioRow, Problem, to_facts
from bot import zones

MORNING = dt.time(9)


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """A fact, and the moment at which it becomes known."""

    at: dt.datetime
    order: int
    day: dt.date = field(compare=False)
    """The client's day."""
    fact: Fact = field(compare=False)


@dataclass(frozen=True, slots=True)
class History:
    """Who the clients are, and what happened, the oldest first."""

    clients: tuple[ClientDescribed, ...]
    events: tuple[Event, ...]
    first: dt.date
    last: dt.date
    """The last day of which the file tells anything."""
    invoices: int
    undated: int
    """Invoices that are said to be paid, but not when: they are left out."""
    reachable: int
    """Clients to whom the file gives an address."""

    @property
    def zones(self) -> set[str]:
        """Where the clients are."""
        return {client.timezone or "UTC" for client in self.clients}


def collisions(told: Portfolio, biller: str) -> list[Problem]:
    """Rows whose number the same legal entity has given to another client, or bill.

    ``biller`` is the one that bills what names no legal entity.
    """
    before: dict[tuple[str, str], PortfolioRow] = {}
    found: list[Problem] = []
    for row in told.rows:
        first = before.setdefault((row.legal_entity or biller, row.invoice), row)
        other = first.client.external_id != row.client.external_id
        if other or first.legal_entity != row.legal_entity:
            whose = "for another client" if other else f"and {biller} bills both"
            sentence = f"{row.invoice} is on line {first.line} too, {whose}; correct one"
            found.append(Problem(row.line, "invoice", sentence))
    return found


def tell(rows: Sequence[PortfolioRow], *, by_invoice: bool, bare: bool) -> History:
    """The history of good rows; ``bare`` leaves disputes out, and gives all a mailbox.

    Where no client of the file has an address, all get a mailbox too: else nothing could be sent.
    """
    dated = [row for row in rows if not (row.paid and row.paid_on is None)]
    reachable = len({row.client.external_id for row in dated if _reached(row.client)})
    mailbox = bare or not reachable
    clients: dict[str, ClientDescribed] = {}
    events: list[Event] = []
    for row in dated:
        told = _as_own_client(row) if by_invoice else row
        client = clients.get(told.client.external_id)
        if client is None:
            client = _placed(told.client, len(clients) + 1, mailbox=mailbox)
            clients[client.external_id] = client
        events.extend(_events(replace(told, client=client), len(events), bare=bare))
    days = [day for row in dated for day in (row.issued, row.paid_on) if day is not None]
    return History(
        clients=tuple(clients.values()),
        events=tuple(sorted(events)),
        first=min(days, default=dt.date.min),
        last=max(days, default=dt.date.min),
        invoices=len(dated),
        undated=len(rows) - len(dated),
        reachable=reachable,
    )


def _reached(client: ClientDescribed) -> bool:
    return bool(client.email or client.phone)


def _as_own_client(row: PortfolioRow) -> PortfolioRow:
    name = facts.joined(row.client.external_id, row.legal_entity, row.invoice)
    return replace(row, client=row.client.model_copy(update={"external_id": name}))


def _placed(client: ClientDescribed, number: int, *, mailbox: bool) -> ClientDescribed:
    """The client in the one zone of its place where none is named, and with its own mailbox."""
    zone = client.timezone or zones.only_zone(client.country or "", client.region or "") or "UTC"
    paper = {"email": f"client-{number}@paper.example", "phone": None} if mailbox else {}
    return client.model_copy(update={"timezone": zone, **paper})


def _events(row: PortfolioRow, order: int, *, bare: bool) -> list[Event]:
    """The facts of a row in their order; what is disputed is disputed from its issue on."""
    zone = row.client.timezone or "UTC"
    found: list[Event] = []
    for fact in to_facts(row, row.issued):
        match fact:
            case InvoiceIssued():
                day, time = fact.issued_on, MORNING
            case InvoiceDisputed() if not bare:
                day, time = fact.opened_on, MORNING
            case PaymentSettled():
                # On the day of its issue it cannot come before the invoice.
                day = fact.received_on
                time = MORNING if day == row.issued else dt.time.min
            case _:
                continue
        found.append(Event(_at(day, time, zone), order + len(found), day, fact))
    return found


def _at(day: dt.date, time: dt.time, zone: str) -> dt.datetime:
    if time == dt.time.min:
        return calendar.midnight(day, zone)  # which a change of the clock may skip
    return dt.datetime.combine(day, time, calendar.zone(zone)).astimezone(dt.UTC)
