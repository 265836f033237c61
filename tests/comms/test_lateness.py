"""What does being late bring about: promises judged by cash, fees and interest by policy?"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import Session, col, select

from billing import accounts, arrears, charges, facts, gates, ledger, policy
from billing.keyring import Keyring
from billing.models import Client, Enrolment, Instalment, Promise
from billing.policy import Amounts, Charges, Policy
from billing.promises import Part, Place, outcome, standing
from billing.promises import Promise as Promised
from billing.store import Store
from comms import delivery, outbox, outreach
from comms.models import Message, Purpose, State
from comms.ports import Sent
from tests import factories
from tests.factories import NOON, Known

DAY = dt.timedelta(days=1)
DEFAULT = policy.default()
CHARGING = replace(
    policy.default(),
    charges=Charges(steps=(1,), interest_percent=Decimal(8), late_fee=Amounts((("USD", 2_500),))),
)
HERE = Place(timezone="America/New_York", country="US", region="", bank_days=2)
FRIDAY = dt.date(2026, 1, 9)


@dataclass
class Desk:
    store: Store
    keyring: Keyring
    known: Known
    policy: Policy = DEFAULT
    now: dt.datetime = NOON

    @property
    def office(self) -> Any:
        return replace(factories.office(self.keyring, self.now, self.now), policy=self.policy)

    def act(self, fn: Callable[[Session], Any]) -> Any:
        return self.store.write_now(fn, clients=[self.known.client_id])

    def tell(self, fact: facts.Fact) -> None:
        self.act(lambda s: ledger.apply(s, fact, self.now, iter(())))
        self.look()

    def look(self) -> None:
        self.act(lambda s: outreach.advance_client(s, self.office, self.known.client_id))

    def owes(self, **more: Any) -> None:
        self.act(lambda s: factories.owes(s, self.known, self.now, **more))

    def promises(self, *parts: tuple[dt.date, int], name: str = "one") -> None:
        told = [facts.PlanPart(due_on=day, amount=amount) for day, amount in parts]
        self.tell(
            facts.PromiseMade(
                source="test", external_id=name, client_external_id=self.known.name,
                currency="USD", parts=tuple(told), made_at=self.now,
            )
        )  # fmt: skip

    def pays(self, amount: int) -> None:
        self.tell(factories.paid(self.known, self.now, amount))

    def reminders(self) -> list[Message]:
        return factories.messages(self.store, purpose=Purpose.DUNNING)

    def outcome(self) -> str:
        with self.store.read() as session:
            return session.exec(select(Promise.outcome)).one()

    def send(self) -> None:
        """The reminder that waits leaves."""
        [waiting] = [one for one in self.reminders() if one.state == State.QUEUED]
        claimed = self.act(lambda s: factories.claim(s, self.office, waiting.id))
        assert claimed is not None
        assert self.act(lambda s: outbox.begin_all(s, [claimed], self.now))
        self.act(lambda s: delivery.went(s, self.office, waiting.id, Sent("m-1")))

    def charged(self) -> list[tuple[str, int]]:
        with self.store.read() as session:
            rows = session.exec(
                select(Instalment)
                .where(Instalment.kind != "principal")
                .order_by(col(Instalment.id))
            )
            return [(row.kind, row.amount) for row in rows]

    def open(self) -> int:
        with self.store.read() as session:
            return sum(one.instalment.open for one in accounts.owed(session, self.known.client_id))


@pytest.fixture
def desk(store: Store, keyring: Keyring) -> Desk:
    store.write_now(lambda session: factories.firm(session, NOON))
    keyring.make([f"inbox:{NOON:%Y-%m-%d}"], NOON)
    known = store.write_now(lambda session: factories.client(session, keyring, NOON))
    return Desk(store, keyring, known)


# --- promises -------------------------------------------------------------------------------------


def test_what_is_promised_is_not_asked_for_until_its_day_and_the_bank_days(desk: Desk) -> None:
    desk.owes()
    desk.promises((FRIDAY, 31_000))
    assert desk.reminders() == []
    desk.now = dt.datetime(2026, 1, 13, 23, 0, tzinfo=dt.UTC)  # Tuesday evening in New York
    desk.look()
    assert desk.reminders() == []
    desk.now = dt.datetime(2026, 1, 14, 5, 0, tzinfo=dt.UTC)  # Wednesday, at its first moment
    desk.look()
    assert len(desk.reminders()) == 1
    assert desk.outcome() == "broken"


def test_the_account_is_looked_at_when_the_promise_ends(desk: Desk) -> None:
    desk.owes()
    desk.promises((FRIDAY, 31_000))
    with desk.store.read() as session:
        due = session.exec(select(Enrolment.next_due_at)).one()
    assert due == dt.datetime(2026, 1, 14, 5, 0, tzinfo=dt.UTC)


def test_a_kept_promise_is_kept(desk: Desk) -> None:
    desk.owes()
    desk.promises((FRIDAY, 31_000))
    desk.now += DAY
    desk.pays(31_000)
    assert desk.outcome() == "kept"
    assert desk.reminders() == []


def test_money_that_was_here_before_keeps_no_promise(desk: Desk) -> None:
    desk.owes()
    desk.pays(10_000)
    desk.now += dt.timedelta(minutes=1)
    desk.promises((FRIDAY, 21_000))
    desk.now += 30 * DAY
    desk.look()
    assert desk.outcome() == "broken"


def test_the_owner_hears_once_of_a_promise_that_is_broken(desk: Desk) -> None:
    desk.owes()
    desk.promises((FRIDAY, 31_000))
    desk.now += 10 * DAY
    for _ in range(3):
        desk.look()
    assert len(factories.messages(desk.store, template="promise")) == 1


def test_of_a_plan_only_the_part_that_is_late_is_asked_for(desk: Desk) -> None:
    desk.owes()
    desk.promises((FRIDAY, 10_000), (FRIDAY + 30 * DAY, 21_000))
    desk.now += 10 * DAY
    desk.look()
    assert len(desk.reminders()) == 1
    with desk.store.read() as session:
        enrolment = session.exec(select(Enrolment)).one()
        client = session.get_one(Client, desk.known.client_id)
        account = accounts.in_dunning(session, enrolment, client)
    stands = arrears.standing(account, desk.now, desk.policy)
    assert [(one.open, one.promised) for one in stands.instalments] == [(31_000, 21_000)]


def test_what_is_promised_for_one_invoice_leaves_the_other(desk: Desk) -> None:
    desk.owes()
    desk.owes(number="INV-2", amount=5_000)
    desk.tell(
        facts.PromiseMade(
            source="test", external_id="one", client_external_id=desk.known.name, currency="USD",
            parts=(facts.PlanPart(due_on=FRIDAY, amount=31_000),), invoices=("INV-1",),
            made_at=desk.now,
        )
    )  # fmt: skip
    assert len(desk.reminders()) == 1


@pytest.mark.parametrize(
    ("paid", "days", "expected"),
    [
        (0, 0, ""),
        (0, 40, "broken"),
        (30, 40, "partially_kept"),
        (100, 0, "kept"),
        (100, 40, "kept"),
    ],
)
def test_cash_says_what_became_of_a_promise(paid: int, days: int, expected: str) -> None:
    parts = (Part(due_on=FRIDAY, amount=60), Part(due_on=FRIDAY + 7 * DAY, amount=40))
    made = Promised(id=1, made_on=NOON.date(), parts=parts, paid=paid)
    assert outcome(made, NOON + days * DAY, HERE) == expected


def test_money_fulfils_the_earliest_part_first() -> None:
    parts = (Part(due_on=FRIDAY, amount=60), Part(due_on=FRIDAY + 7 * DAY, amount=40))
    made = Promised(id=1, made_on=NOON.date(), parts=parts, paid=70)
    assert standing(made, NOON, HERE).amount == 30


# --- fees and interest ----------------------------------------------------------------------------


def test_nothing_is_charged_where_policy_says_nothing(desk: Desk) -> None:
    desk.owes()
    desk.look()
    desk.send()
    assert desk.charged() == []


def test_a_step_is_charged_once_its_notice_has_left_and_only_once(desk: Desk) -> None:
    desk.policy = CHARGING
    desk.owes()
    desk.look()
    assert desk.charged() == []
    desk.send()
    # 310.00 at 8 % for the 24 days since it was due.
    assert desk.charged() == [("late_fee", 2_500), ("interest", 163)]
    assert desk.open() == 31_000 + 2_500 + 163
    for hour in range(24):
        desk.now = NOON + dt.timedelta(hours=hour)
        desk.look()
    assert len(desk.charged()) == 2


def test_every_late_part_of_a_bill_bears_interest(desk: Desk) -> None:
    """The interest on the first part was taken for what the others had been charged until."""
    desk.policy = CHARGING
    parts = [facts.Part(due_on=NOON.date() - days * DAY, amount=15_500) for days in (24, 12)]
    bill = facts.InvoiceIssued(
        source="test", client_external_id=desk.known.name, number="INV-1", amount=31_000,
        currency="USD", issued_on=NOON.date() - 31 * DAY, due_on=parts[1].due_on,
        instalments=tuple(parts),
    )  # fmt: skip
    desk.tell(bill)
    desk.send()
    # 155.00 at 8 % for 24 days, and for 12.
    assert desk.charged() == [("late_fee", 2_500), ("interest", 82), ("interest", 41)]


def test_what_is_paid_pays_the_bill_before_its_charges(desk: Desk) -> None:
    desk.policy = CHARGING
    desk.owes()
    desk.look()
    desk.send()
    desk.pays(31_000)
    with desk.store.read() as session:
        left = [one.instalment.kind for one in accounts.owed(session, desk.known.client_id)]
    assert sorted(left) == ["interest", "late_fee"]


def test_interest_is_simple_and_rounded_once() -> None:
    assert charges.interest(1_000_000, Decimal(8), 30) == 6_575
    assert charges.interest(1, Decimal(8), 30) == 0
    assert charges.interest(2**60, Decimal("9.27"), 365) == (2**60 * 927 + 5_000) // 10_000


@pytest.mark.parametrize("overlooked", [False, True])
def test_the_gate_overlooks_a_promise_only_where_policy_says_so(
    desk: Desk, *, overlooked: bool
) -> None:
    renewal = replace(DEFAULT.renewal, exclude_promised=overlooked)
    desk.policy = replace(DEFAULT, renewal=renewal)
    desk.owes()
    desk.promises((FRIDAY, 31_000))
    with desk.store.read() as session:
        client = session.get_one(Client, desk.known.client_id)
        late = accounts.overdue(session, client, desk.now, desk.policy)
    refused = gates.outreach_refusal(late, NOON.date(), desk.policy)
    assert (refused is None) is overlooked
