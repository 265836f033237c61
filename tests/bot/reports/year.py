"""A year of a small firm, told to the ledger and the timeline; what it comes to is known by hand.

Bills every month for two clients in USD and one in EUR, with delivery days, corrections, promises,
a dispute, a write-off, a draft that nobody sent, and what was said.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from sqlmodel import Session

from billing import facts, ledger
from billing.facts import Fact
from comms import timeline
from comms.models import Touchpoint

DAY = dt.timedelta(days=1)
NOW = dt.datetime(2026, 1, 1, 12, 0, tzinfo=dt.UTC)
LAST = dt.date(2025, 12, 31)
FIRM = "Harrow Law"
CLIENTS = (
    ("north", "Northwind Trading", "USD"),
    ("south", "Southgate Zoë", "USD"),
    ("ost", "Ostsee", "EUR"),
)


def noon(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(12), dt.UTC)


def told() -> Iterator[Fact]:
    """The year, in the order in which it happened for each client."""
    for number, (key, name, currency) in enumerate(CLIENTS):
        yield facts.ClientDescribed(
            source="test", external_id=key, name=name, timezone="America/New_York"
        )
        for month in range(1, 13):
            yield from _month(key, currency, month, 100_000 + number * 50_000 + month * 1_000)
    yield from _odd()


def _month(client: str, currency: str, month: int, amount: int) -> Iterator[Fact]:
    """Delivered on the 3rd, billed sooner as the year goes on, paid 10 days late until autumn."""
    ready = dt.date(2025, month, 3)
    issued = ready + (13 - month) * DAY
    bill = {
        "source": "test", "client_external_id": client, "number": f"{client}-{month}",
        "currency": currency, "legal_entity": FIRM,
    }  # fmt: skip
    yield facts.InvoiceIssued(
        **bill, amount=amount, issued_on=issued, due_on=issued + 30 * DAY, ready_on=ready
    )
    if month <= 9:
        yield facts.PaymentSettled(
            source="test", external_id=f"p-{client}-{month}", client_external_id=client,
            legal_entity=FIRM, amount=amount, currency=currency, received_on=issued + 40 * DAY,
            invoice_number=f"{client}-{month}",
        )  # fmt: skip


def _odd() -> Iterator[Fact]:
    base: dict[str, Any] = {
        "source": "test", "client_external_id": "north", "legal_entity": FIRM,
    }  # fmt: skip
    yield facts.InvoiceIssued(
        **base, number="twice", amount=112_000, currency="USD", issued_on=dt.date(2025, 12, 10),
        due_on=dt.date(2026, 1, 9),
    )  # fmt: skip
    yield facts.InvoiceCorrected(
        **base, number="north-11", amount=100_000, currency="USD", due_on=dt.date(2025, 12, 5),
        corrected_at=noon(dt.date(2025, 12, 1)),
    )  # fmt: skip
    yield facts.InvoiceDisputed(
        **base, invoice_number="north-10", amount=30_000, opened_on=dt.date(2025, 12, 1)
    )
    yield facts.InvoiceIssued(
        **base, number="lost", amount=40_000, currency="USD", issued_on=dt.date(2025, 2, 1),
        due_on=dt.date(2025, 3, 1),
    )  # fmt: skip
    yield facts.InvoiceWrittenOff(
        **base, invoice_number="lost", happened_at=noon(dt.date(2025, 9, 1))
    )
    yield facts.InvoiceIssued(
        **base, number="old", amount=25_000, currency="USD", issued_on=dt.date(2025, 5, 1),
        due_on=dt.date(2025, 6, 1),
    )  # fmt: skip
    yield facts.InvoiceDrafted(
        **base, number="draft", state="draft", amount=60_000, currency="USD",
        drafted_on=dt.date(2025, 11, 1), due_on=dt.date(2025, 12, 1),
        ready_on=dt.date(2025, 11, 1),
    )  # fmt: skip
    yield facts.PromiseMade(
        source="test", external_id="kept", client_external_id="south", legal_entity=FIRM,
        currency="USD", parts=(facts.PlanPart(due_on=dt.date(2025, 10, 20), amount=50_000),),
        invoices=("south-9",), made_at=noon(dt.date(2025, 10, 1)),
    )  # fmt: skip
    yield facts.PromiseMade(
        source="test", external_id="broken", client_external_id="south", legal_entity=FIRM,
        currency="USD", parts=(facts.PlanPart(due_on=dt.date(2025, 12, 1), amount=50_000),),
        invoices=("south-10",), made_at=noon(dt.date(2025, 11, 20)),
    )  # fmt: skip
    yield facts.PromiseMade(
        source="test", external_id="standing", client_external_id="south", legal_entity=FIRM,
        currency="USD", parts=(facts.PlanPart(due_on=dt.date(2026, 1, 15), amount=70_000),),
        made_at=noon(dt.date(2025, 12, 20)),
    )  # fmt: skip
    for key, cycle, start, later in (("a", "monthly", 100_00, 112_00), ("b", "yearly", 84_00, 0)):
        agreement = {
            "source": "test", "client_external_id": "north" if key == "a" else "south",
            "external_id": key, "kind": "subscription", "name": key, "currency": "USD",
            "renews_on": dt.date(2026, 6, 1), "legal_entity": FIRM, "billing_cycle": cycle,
        }  # fmt: skip
        yield facts.AgreementDescribed(**agreement, amount=start, effective_on=dt.date(2024, 1, 1))
        if later:
            yield facts.AgreementDescribed(
                **agreement, amount=later, effective_on=dt.date(2025, 6, 1)
            )
        else:
            yield facts.AgreementEnded(
                source="test", client_external_id="south", external_id=key,
                ended_on=dt.date(2025, 8, 1),
            )  # fmt: skip


def tell(session: Session) -> None:
    """All of it, and what was said."""
    keys = iter([f"client:{key}" for key, _, _ in CLIENTS])
    clients: dict[str, int] = {}
    for fact in told():
        applied = ledger.apply(session, fact, NOW, keys)
        if isinstance(fact, facts.ClientDescribed):
            clients[fact.external_id] = applied.client_id
    session.flush()
    for client_id, at, kind, direction in said(clients):
        timeline.append(
            session,
            Touchpoint(
                client_id=client_id, channel="email", kind=kind, direction=direction,
                occurred_at=at, recorded_at=at,
            ),
        )  # fmt: skip


def said(clients: dict[str, int]) -> Iterator[tuple[int, dt.datetime, str, str]]:
    """A reminder for each bill from July on, and a question each month, answered ever sooner."""
    for month in range(1, 13):
        for number, client_id in enumerate(clients.values()):
            asked = noon(dt.date(2025, month, 10 + number))
            yield client_id, asked, "message", "in"
            if month != 12 or number:
                yield client_id, asked + dt.timedelta(hours=26 - 2 * month), "staff_text", "out"
            if month >= 7:
                yield client_id, noon(dt.date(2025, month, 24)), "dunning", "out"
                yield client_id, noon(dt.date(2025, month, 25)), "receipt", "out"
