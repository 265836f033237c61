"""Is a row that somebody changed beside the ledger found, and are untouched books called right?"""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from billing import facts, ledger, reckoning
from billing.models import LegalEntity
from billing.store import Store
from tests.billing.lives import NOW

BILL: dict[str, Any] = {
    "source": "s", "client_external_id": "ada", "number": "INV-1", "amount": 100_000,
    "currency": "USD", "issued_on": NOW.date(), "due_on": NOW.date(),
}  # fmt: skip
PAID: dict[str, Any] = {
    "source": "s", "client_external_id": "ada", "external_id": "P-1", "amount": 60_000,
    "currency": "USD", "received_on": NOW.date(),
}  # fmt: skip
AWAY = "is -$10.00 away from what was told"


@pytest.fixture
def session(store: Store) -> Iterator[Session]:
    """A bill that is paid in part, in a store that no longer guards its rows."""
    with Session(store.engine) as session:
        if store.sqlite:
            query = text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for name in list(session.execute(query).scalars()):
                session.execute(text(f"DROP TRIGGER {name}"))
            session.execute(text("PRAGMA defer_foreign_keys = ON"))
        else:
            session.execute(text("SET LOCAL session_replication_role = replica"))
        session.add(LegalEntity(name="Firm", currency="USD"))
        session.flush()
        described = facts.ClientDescribed(source="s", external_id="ada", name="Ada")
        for fact in (described, facts.InvoiceIssued(**BILL), facts.PaymentSettled(**PAID)):
            assert ledger.apply(session, fact, NOW, iter(["client:1"])).changed
        yield session


def differences(session: Session) -> list[str]:
    return [one.sentence for one in reckoning.disagreements(session)]


def test_books_that_only_facts_moved_agree(session: Session) -> None:
    assert differences(session) == []


TAMPERED = {
    "a posting is less": (
        "UPDATE posting SET amount = amount - 1000 WHERE kind = 'issue'",
        [f"invoice INV-1: what is posted as issue {AWAY}"],
    ),
    "a payment's posting is gone": (
        "DELETE FROM posting WHERE kind = 'payment'",
        ["payment P-1: what is posted as payment is $600.00 away from what was told"],
    ),
    "a payment is more": (
        "UPDATE payment SET amount = amount + 1000",
        [
            f"payment P-1: what is posted as payment {AWAY.replace('-', '')}",
            f"payment P-1: what is posted as allocation {AWAY}",
            f"invoice INV-1, payment P-1: what is posted as allocation {AWAY.replace('-', '')}",
        ],
    ),
    "a payment is gone": (
        "DELETE FROM payment",
        [
            f"payment 1: what is posted as payment {AWAY.replace('10', '600')}",
            f"payment 1: what is posted as allocation {AWAY.replace('-$10', '$600')}",
            f"invoice INV-1, payment 1: what is posted as allocation {AWAY.replace('10', '600')}",
        ],
    ),
    "a bill is less": (
        "UPDATE invoice SET amount = amount - 1000",
        ["invoice INV-1 is of $990.00, and its parts are of $1,000.00"],
    ),
}


@pytest.mark.parametrize(("change", "said"), TAMPERED.values(), ids=list(TAMPERED))
def test_what_was_changed_beside_the_ledger_is_named(
    session: Session, change: str, said: list[str]
) -> None:
    session.execute(text(change))
    session.expire_all()
    assert differences(session) == said
