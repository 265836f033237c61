"""At noon, with one client as the CRM and as Stripe know it."""

import pytest
from sqlmodel import Session

from billing.clock import TurnedClock
from billing.keyring import Keyring
from billing.store import Store
from tests import factories
from tests.factories import NOON, Known


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock(NOON)


@pytest.fixture
def pair(store: Store, keyring: Keyring) -> tuple[Known, Known]:
    """One client as the CRM and as Stripe know it."""

    def make(session: Session) -> tuple[Known, Known]:
        factories.firm(session, NOON)
        crm = factories.client(session, keyring, NOON, "Northwind Trading LLC", phone=None)
        stripe = factories.client(
            session, keyring, NOON, "Northwind Trading", phone=None,
            email="ann+stripe@northwind.example",
        )  # fmt: skip
        return crm, stripe

    return store.write_now(make)
