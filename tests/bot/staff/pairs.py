"""What is done with two clients that may be one: merged, taken apart, looked at."""

from typing import Any

from sqlmodel import col, select

from billing import accounts
from billing.keyring import Keyring
from billing.models import Client, Enrolment
from billing.store import Store
from comms import merging
from tests import factories
from tests.factories import NOON, Known


def merged(store: Store, keyring: Keyring, pair: tuple[Known, Known]) -> str:
    keep, alias = (one.client_id for one in pair)
    office = factories.office(keyring)
    return store.write_now(
        lambda session: merging.merge(session, office, keep, alias, "fin@harrow.example"),
        clients=[keep, alias],
    )


def apart(store: Store, keyring: Keyring, alias: Known) -> str:
    office = factories.office(keyring)
    return store.write_now(
        lambda session: merging.unmerge(session, office, alias.client_id, "fin@harrow.example"),
        clients=[alias.client_id],
    )


def look(store: Store, keyring: Keyring) -> int:
    office = factories.office(keyring)
    return store.write_now(lambda session: merging.propose(session, office, 100))


def standing(store: Store) -> dict[int, Any]:
    """What every client owes, is held by, is enrolled in and was told."""
    with store.read() as session:
        return {
            client.id: (
                client.merged_into_id,
                client.speaks_since,
                accounts.balances(session, client.id, NOON.date()),
                accounts.holds(session, client.id),
                [
                    (one.id, one.episode, one.state, one.next_due_at)
                    for one in session.exec(
                        select(Enrolment).where(Enrolment.client_id == client.id)
                    )
                ],
            )
            for client in session.exec(select(Client).order_by(col(Client.id)))
        }


def owes(store: Store, known: Known, number: str, **more: Any) -> None:
    store.write_now(lambda session: factories.owes(session, known, NOON, number=number, **more))
