"""Many workers claim at once on PostgreSQL: what is counted is counted exactly."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlmodel import Session

from billing import policy
from billing.keyring import Keyring
from billing.policy import Policy
from billing.store import Store
from comms import delivery, outbox
from comms.models import State
from comms.rendering import Templates
from tests import factories
from tests.conftest import MASTER_KEY, Database
from tests.factories import NOON, PHONE, Known

WORKERS = 6
SHIPPED = policy.default()
NO_CARDS: Any = lambda *_: None  # noqa: E731


@dataclass
class Firm:
    """A store with our firm in it, and workers that begin together."""

    store: Store
    keyring: Keyring
    policy: Policy = SHIPPED

    def write(self, fn: Callable[[Session], Any], clients: Sequence[int] = ()) -> Any:
        return self.store.write_now(fn, clients=clients)

    def client(self, name: str, **addresses: Any) -> Known:
        found: Known = self.write(
            lambda s: factories.client(s, self.keyring, NOON, name, email=None, **addresses)
        )
        return found

    def note(self, known: Known) -> int:
        made: int = self.write(lambda s: factories.note(s, self.keyring, known, NOON))
        return made

    def claim_all(self, wanted: Sequence[tuple[Known, int]]) -> list[int]:
        """Each message has a worker of its own; the ids of what they got, in any order."""
        office = replace(factories.office(self.keyring), policy=self.policy)
        together = threading.Barrier(len(wanted), timeout=100)

        def work(known: Known, message_id: int) -> list[int]:
            together.wait()
            claims = self.write(
                lambda s: delivery.claim_all(s, office, Templates(), NO_CARDS, [message_id]),
                [known.client_id],
            )
            begun = self.write(
                lambda s: outbox.begin_all(s, claims, office.wall), [known.client_id]
            )
            return [claim.message_id for claim in begun]

        with ThreadPoolExecutor(len(wanted)) as pool:
            results = [pool.submit(work, *one) for one in wanted]
            return [one for result in results for one in result.result(30)]

    def rules(self, ids: Sequence[int]) -> list[str]:
        return sorted(factories.message(self.store, one).rule for one in ids)


@pytest.fixture
def firm(postgres_store: Store, postgres_database: Database) -> Iterator[Firm]:
    with closing(Keyring(postgres_database.keyring_url, MASTER_KEY)) as keyring:
        postgres_store.write_now(lambda session: factories.firm(session, NOON))
        yield Firm(postgres_store, keyring)


@pytest.mark.parametrize("allowed", [1, 2])
def test_a_shared_phone_gets_as_many_as_the_budget_says(firm: Firm, allowed: int) -> None:
    budget = replace(SHIPPED.budget, per_day=allowed)
    firm.policy = replace(SHIPPED, budget=budget)
    people = [firm.client(f"Client {n}", phone=PHONE) for n in range(WORKERS)]
    wanted = [(known, firm.note(known)) for known in people]
    got = firm.claim_all(wanted)
    assert len(got) == allowed
    left = [one for _, one in wanted if one not in got]
    assert firm.rules(left) == ["budget_day"] * (WORKERS - allowed)


def test_one_person_gets_one_of_many(firm: Firm) -> None:
    known = firm.client("Northwind")
    wanted = [(known, firm.note(known)) for _ in range(WORKERS)]
    got = firm.claim_all(wanted)
    assert len(got) == 1
    assert firm.rules([one for _, one in wanted if one not in got]) == ["budget_day"] * (
        WORKERS - 1
    )


def test_the_law_counts_texts_of_all_clients_of_a_phone(firm: Firm) -> None:
    budget = replace(SHIPPED.budget, per_day=9, per_week=9, automatic_per_day=9)
    firm.policy = replace(SHIPPED, budget=budget)
    miami = "+13055550123"
    people = [firm.client(f"Client {n}", phone=miami) for n in range(WORKERS)]
    wanted = [(known, firm.note(known)) for known in people]
    got = firm.claim_all(wanted)
    assert len(got) == 3
    assert firm.rules([one for _, one in wanted if one not in got]) == ["legal_cap"] * 3


@pytest.mark.parametrize("cap", [1, 3])
def test_a_daily_cap_is_exact_over_all_clients(firm: Firm, cap: int) -> None:
    firm.write(lambda s: factories.switch(s, NOON, daily_cap=cap))
    people = [firm.client(f"Client {n}", phone=f"+1212555010{n}") for n in range(WORKERS)]
    wanted = [(known, firm.note(known)) for known in people]
    got = firm.claim_all(wanted)
    assert len(got) == cap
    left = [one for _, one in wanted if one not in got]
    assert firm.rules(left) == ["daily_cap"] * (WORKERS - cap)
    assert {factories.message(firm.store, one).state for one in left} == {State.HELD}
