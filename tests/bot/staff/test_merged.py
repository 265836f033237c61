"""What is asked for, paid, held and written once two clients are one, and after they are not?"""

import datetime as dt
import functools

import pytest
from sqlalchemy import text
from sqlmodel import Session, col, select

from billing import accounts, aliases, duplicates, facts, ledger
from billing.keyring import Keyring
from billing.models import AliasEvent, Client, ClientKey, Enrolment, Hold, StepTaken
from billing.store import Store
from bot import audit
from bot.slack import people
from comms import consent, delivery, inbound, outreach, timeline
from comms.addresses import recipients
from comms.facts import InboundMessage
from comms.models import Audience, ChainEntry, Message, Purpose, Touchpoint
from comms.ports import Sent
from comms.rendering import Templates
from tests import factories
from tests.bot.staff.pairs import apart, look, merged, owes, standing
from tests.conftest import Database
from tests.factories import NOON, Known

# --- merged ---------------------------------------------------------------------------------------


def test_what_both_owe_is_chased_in_one_reminder(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    owes(store, pair[0], "INV-1")
    owes(store, pair[1], "INV-2", days=40)
    merged(store, keyring, pair)
    with store.read() as session:
        [message] = session.exec(select(Message).where(Message.purpose == Purpose.DUNNING))
        assert (message.client_id, message.contact_id) == (pair[0].client_id, pair[0].contact_id)
        for known in pair:
            owed = accounts.owed(session, known.client_id)
            assert [debt.instalment.number for debt in owed] == ["INV-2", "INV-1"]


def test_a_step_that_one_has_taken_is_not_taken_for_the_other(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    office = factories.office(keyring)
    message_id = store.write_now(lambda session: factories.reminder(session, office, pair[1]))
    store.write_now(lambda session: delivery.went(session, office, message_id, Sent("p-1")))
    merged(store, keyring, pair)
    with store.read() as session:
        assert len(session.exec(select(StepTaken)).all()) == 1
        assert len(session.exec(select(Message).where(Message.purpose == "dunning")).all()) == 1


def test_a_reminder_that_waited_is_decided_anew(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    office = factories.office(keyring)
    store.write_now(lambda session: factories.reminder(session, office, pair[1]))
    owes(store, pair[0], "INV-2")
    merged(store, keyring, pair)
    with store.read() as session:
        found = session.exec(select(Message).where(Message.purpose == "dunning")).all()
        assert [(one.client_id, one.state) for one in found] == [
            (pair[1].client_id, "cancelled"),
            (pair[0].client_id, "queued"),
        ]


def test_what_rests_while_merged_does_not_count_as_standing_still(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    owes(store, pair[0], "INV-1", days=5)
    owes(store, pair[1], "INV-2", days=6)
    merged(store, keyring, pair)
    with store.read() as session:
        days = session.exec(select(Enrolment.next_due_at).order_by(col(Enrolment.id))).all()
        assert [day is None for day in days] == [False, True]
        at = audit.Moment(NOON, NOON)
        assert list(audit._ladders(session, at, factories.office(keyring).policy)) == []


def test_money_that_came_before_a_merge_pays_from_then_on(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    """Found by the simulation: it lay on account until somebody told another fact."""
    keep, alias = pair
    owes(store, keep, "INV-1", amount=1000)
    store.write_now(
        lambda s: ledger.apply(s, factories.paid(alias, NOON, amount=1000), NOON, iter(()))
    )

    def still_open() -> int:
        with store.read() as session:
            return sum(debt.instalment.open for debt in accounts.owed(session, keep.client_id))

    assert still_open() == 1000
    merged(store, keyring, pair)
    assert still_open() == 0


def test_a_payment_of_the_alias_pays_the_masters_invoice(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    owes(store, pair[0], "INV-1")
    merged(store, keyring, pair)

    def pay(session: Session) -> None:
        ledger.apply(session, factories.paid(pair[1], NOON), NOON, iter(()))

    store.write_now(pay)
    with store.read() as session:
        assert accounts.owed(session, pair[0].client_id) == []
        assert accounts.balances(session, pair[0].client_id, NOON.date()) == []
    apart(store, keyring, pair[1])
    with store.read() as session:
        for known in pair:
            assert accounts.balances(session, known.client_id, NOON.date()) == []


def test_a_hold_of_one_holds_both(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    owes(store, pair[0], "INV-1")
    store.write_now(
        lambda session: session.add(
            Hold(client_id=pair[1].client_id, reason="paused", placed_at=NOON)
        )
    )
    merged(store, keyring, pair)
    with store.read() as session:
        assert [hold.reason for hold in accounts.holds(session, pair[0].client_id)] == ["paused"]
        assert session.exec(select(Message).where(Message.purpose == "dunning")).all() == []


def test_a_stop_of_one_is_kept_for_both(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    office = factories.office(keyring)
    assert pair[1].email_id is not None
    stopped = pair[1].email_id
    store.write_now(lambda session: factories.agree(session, stopped, NOON, "revoked"))
    message_id = store.write_now(lambda session: factories.reminder(session, office, pair[0]))
    merged(store, keyring, pair)

    def judge(session: Session) -> list[str]:
        factories.claim(session, office, message_id)
        return [
            one.rule
            for one in session.exec(select(Message).where(Message.audience == Audience.CLIENT))
        ]

    assert store.write_now(judge) == ["opted_out"]


def test_whoever_has_an_address_is_reached(store: Store, keyring: Keyring) -> None:
    def make(session: Session) -> tuple[Known, Known]:
        factories.firm(session, NOON)
        books_ = factories.client(session, keyring, NOON, "Cobalt Inc", phone=None, email=None)
        crm = factories.client(session, keyring, NOON, "Cobalt", phone=None)
        return books_, crm

    pair = store.write_now(make)
    merged(store, keyring, pair)
    with store.read() as session:
        policy = factories.office(keyring).policy
        reached = recipients.to(session, policy, pair[0].client_id, "billing", "email")
        assert reached == (pair[1].contact_id, "email", pair[1].email_id)


def test_what_the_alias_writes_is_the_masters_past(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    merged(store, keyring, pair)
    office = factories.office(keyring)
    keyring.make(["inbox:2026-01-06"], NOON)

    def receive(session: Session) -> int | None:
        from billing import vault

        body = vault.put(session, keyring, "inbox:2026-01-06", "Hello", NOON)
        message = InboundMessage(
            channel="email", external_id="m-1", sender=pair[1].email, recipient="r@harrow.example",
            body="Hello", visible="Hello",
        )  # fmt: skip
        return inbound.receive(session, office, inbound.Letter(message, 1, body))

    assert store.write_now(receive) == pair[0].client_id
    with store.read() as session:
        [touch] = session.exec(select(Touchpoint))
        assert (touch.client_id, touch.contact_id) == (pair[0].client_id, pair[1].contact_id)
        assert timeline.latest(session, pair[1].client_id) == [touch]


def test_one_person_has_one_budget(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    merged(store, keyring, pair)
    office = factories.office(keyring)

    def write(session: Session) -> list[str]:
        ids = [factories.note(session, keyring, known, NOON, channel="email") for known in pair]
        for _ in pair:
            delivery.claim_all(session, office, Templates(), lambda *_: None, ids)
        query = select(Message).where(col(Message.id).in_(ids)).order_by(col(Message.id))
        return [f"{one.state} {one.rule}".strip() for one in session.exec(query)]

    assert store.write_now(write) == ["claimed", "held budget_day"]


def test_a_card_says_each_time_what_was_decided_last(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    look(store, keyring)
    merged(store, keyring, pair)
    apart(store, keyring, pair[1])
    merged(store, keyring, pair)
    with store.read() as session:
        query = select(Message).where(Message.template == "duplicate").order_by(col(Message.id))
        first, *anew = session.exec(query)
        assert [one.updates_id for one in anew] == [first.id] * 3


def test_a_merge_is_written_into_both_chains(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    merged(store, keyring, pair)
    apart(store, keyring, pair[1])
    with store.read() as session:
        corrections = session.exec(select(ChainEntry).where(ChainEntry.kind == "correction")).all()
        assert sorted(one.client_id for one in corrections) == sorted(
            2 * [one.client_id for one in pair]
        )
        assert [one.change for one in session.exec(select(AliasEvent))] == ["merged", "unmerged"]
        assert list(timeline.verify(session)) == []


def test_what_is_told_of_place_and_tax_tells_apart(store: Store, keyring: Keyring) -> None:
    def make(session: Session) -> None:
        for number, (city, tax) in enumerate((("Albany", "12-3"), ("Boston", ""), ("", "123"))):
            told = facts.ClientDescribed(
                source=f"s{number}", external_id="1", name="Cobalt Dental LLC", country="US",
                city=city, tax_number=tax,
            )  # fmt: skip
            keyring.make([f"k{number}"], NOON)
            ledger.apply(session, told, NOON, iter([f"k{number}"]))

    store.write_now(make)
    look(store, keyring)
    with store.read() as session:
        found = {(one.first_id, one.second_id): one for one in duplicates.waiting(session)}
        assert set(found) == {(1, 3), (2, 3)}
        assert "same_tax_number" in found[1, 3].reasons.split()


@pytest.mark.parametrize("case", ["again", "backwards", "chain", "tax"])
def test_what_cannot_be_merged_says_why(
    store: Store, keyring: Keyring, pair: tuple[Known, Known], case: str
) -> None:
    third = store.write_now(
        lambda session: factories.client(session, keyring, NOON, "Third", email=None, phone=None)
    )
    if case == "tax":
        for number, known in zip(("US:123456789", "US:987654321"), pair, strict=True):
            key = ClientKey(kind="tax", value=number, client_id=known.client_id)
            store.write_now(functools.partial(Session.add, instance=key))
    else:
        merged(store, keyring, pair)
    asked = {
        "again": (pair, "one client already"),
        "backwards": (pair[::-1], "one client already"),
        "chain": ((third, pair[0]), "into it instead"),
        "tax": (pair, "different tax numbers"),
    }[case]
    assert asked[1] in merged(store, keyring, asked[0])


# --- and undone -----------------------------------------------------------------------------------


def test_undone_everything_is_as_it_was(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    owes(store, pair[0], "INV-1", days=5)
    owes(store, pair[1], "INV-2", days=6)
    office = factories.office(keyring)

    def settle(session: Session) -> None:
        for known in pair:
            outreach.advance_client(session, office, known.client_id)

    store.write_now(settle)
    before = standing(store)
    merged(store, keyring, pair)
    assert standing(store) != before
    apart(store, keyring, pair[1])
    assert standing(store) == before


def test_what_came_in_between_stays_with_whom_it_named(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    merged(store, keyring, pair)
    owes(store, pair[1], "INV-9", days=5)
    with store.read() as session:
        assert len(accounts.owed(session, pair[0].client_id)) == 1
    apart(store, keyring, pair[1])
    with store.read() as session:
        assert accounts.owed(session, pair[0].client_id) == []
        assert len(accounts.owed(session, pair[1].client_id)) == 1


def test_a_message_to_the_other_does_not_leave_after_all(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    owes(store, pair[0], "INV-1")
    owes(store, pair[1], "INV-2")
    merged(store, keyring, pair)
    apart(store, keyring, pair[1])
    with store.read() as session:
        waits = session.exec(
            select(Message).where(Message.purpose == "dunning", Message.state == "queued")
        ).all()
        assert [(one.client_id, one.contact_id) for one in waits] == [
            (one.client_id, one.contact_id) for one in pair
        ]


def test_where_nobody_is_merged_nobody_asks(sqlite_store: Store) -> None:
    alone = Client(id=7, key_id="k", name="N", created_at=NOON)
    with sqlite_store.read() as session:
        assert aliases.among(session, [alone]) == {7: 7}
        assert not session.in_transaction()


def test_a_lock_takes_the_whole_group(postgres_store: Store, postgres_database: Database) -> None:
    def make(session: Session) -> None:
        for number in range(1, 5):
            session.add(Client(id=number, key_id=f"k{number}", name="N", created_at=NOON))
            session.flush()
        session.execute(text("UPDATE client SET merged_into_id = 2 WHERE id IN (1, 4)"))

    postgres_store.write_now(make)
    from billing.store import lock

    for one in (1, 2, 4):
        found = postgres_store.write_now(functools.partial(lock, clients=[one]))
        assert found == {1: 2, 2: 2, 4: 2}
    assert postgres_store.write_now(lambda session: lock(session, [3])) == {3: 3}


def test_the_name_of_an_alias_leads_to_who_speaks_for_it(store: Store, keyring: Keyring) -> None:
    def make(session: Session) -> tuple[Known, Known]:
        factories.firm(session, NOON)
        one = factories.client(session, keyring, NOON, "Cobalt Freight")
        return one, factories.client(session, keyring, NOON, "Kobalt Cargo", email=None)

    pair = store.write_now(make)
    merged(store, keyring, pair)
    with store.read() as session:
        assert [one.id for one in people.named(session, "kobalt cargo")] == [pair[0].client_id]


def test_consent_is_kept_where_it_was_given(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    merged(store, keyring, pair)
    with store.read() as session:
        assert pair[1].email_id is not None
        assert consent.clients_of(session, pair[1].email_id) == [pair[1].client_id]
    assert NOON.tzinfo is dt.UTC
