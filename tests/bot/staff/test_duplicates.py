"""One client, whatever system names it: proposed, merged, asked for as one, and undone."""

import asyncio
import datetime as dt
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlmodel import Session, col, select

from billing import accounts, aliases, duplicates, facts, ledger, references
from billing.clock import TurnedClock
from billing.keyring import Keyring
from billing.models import (
    AliasEvent,
    Client,
    ClientKey,
    Duplicate,
    Enrolment,
    Hold,
    Invoice,
    Staff,
    StaffRole,
    StepTaken,
)
from billing.store import Store
from bot import audit, imports, subjects
from bot.app import App, books
from bot.report import DONE, NO, Wrong, silent
from bot.sandbox import blockkit
from bot.settings import Settings
from bot.slack import actions, cards, people
from bot.staff import duplicates as surface
from comms import cases, consent, delivery, door, inbound, merging, outbox, outreach, timeline
from comms.addresses import recipients
from comms.door import Case, Verdict
from comms.duties import instructions
from comms.facts import InboundMessage
from comms.models import Audience, ChainEntry, Message, Purpose, Touchpoint
from comms.ports import Outgoing, Sent
from comms.rendering import Templates
from tests import factories
from tests.conftest import Database
from tests.factories import NOON, Known

MASTER_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


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


# --- proposed -------------------------------------------------------------------------------------


def test_a_contact_in_two_systems_is_proposed_once(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    assert (look(store, keyring), look(store, keyring)) == (2, 0)
    with store.read() as session:
        [found] = duplicates.waiting(session)
        assert (found.first_id, found.second_id) == tuple(one.client_id for one in pair)
        assert {"same_mailbox", "same_name"} <= set(found.reasons.split())
        [card] = session.exec(select(Message).where(Message.template == "duplicate"))
        assert card.destination == factories.FINANCE


def test_homonyms_stay_apart(store: Store, keyring: Keyring) -> None:
    def make(session: Session) -> None:
        for number, mailbox in enumerate(("john@smithlaw.example", "js@harborfish.example")):
            told = facts.ClientDescribed(
                source=f"s{number}", external_id="1", name="John Smith", email=mailbox
            )
            keyring.make([f"k{number}"], NOON)
            ledger.apply(session, told, NOON, iter([f"k{number}"]))

    store.write_now(make)
    assert look(store, keyring) == 2
    with store.read() as session:
        assert duplicates.waiting(session) == []


def test_another_name_is_looked_for_and_the_old_one_no_more(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    told = facts.ClientDescribed(source="test", external_id=pair[1].name, name="Southwind GmbH")
    store.write_now(lambda session: ledger.apply(session, told, NOON, iter(())))
    with store.read() as session:
        mine = select(ClientKey.value).where(
            ClientKey.client_id == pair[1].client_id, ClientKey.kind == "name"
        )
        assert session.exec(mine).all() == ["southwind"]


def test_what_a_person_kept_apart_is_not_asked_again(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    one, other = (known.client_id for known in pair)
    office = factories.office(keyring)
    store.write_now(lambda session: merging.keep_apart(session, office, one, other, "fin"))
    look(store, keyring)
    with store.read() as session:
        assert duplicates.waiting(session) == []
        assert [one.state for one in session.exec(select(Duplicate))] == ["different"]


def test_many_pairs_come_as_one_list(store: Store, keyring: Keyring) -> None:
    def make(session: Session) -> None:
        factories.firm(session, NOON)
        for number in range(7):
            for form in ("LLC", ""):
                name = f"Firm{'abcdefg'[number] * 5} Trading {form}".strip()
                mailbox = f"ap@firm{number}.example"
                factories.client(session, keyring, NOON, name, phone=None, email=mailbox)

    store.write_now(make)
    look(store, keyring)
    with store.read() as session:
        assert len(duplicates.waiting(session)) == 7
        assert [one.template for one in session.exec(select(Message))] == ["duplicates"]


def test_nothing_syncs_outwards_from_a_pair_that_waits(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    ids = [one.client_id for one in pair]

    def judged() -> door.Judgement:
        def ask(session: Session) -> door.Judgement:
            push = Message(
                id=1, key="push:1", reference="r", audience=Audience.SYSTEM, channel="crm",
                purpose=Purpose.ALERT, template="push", client_id=ids[1],
                send_after=NOON, created_at=NOON,
            )  # fmt: skip
            office = factories.office(keyring)
            return door.judge(cases.build_all(session, office, [push])[0][0], office.policy)

        return store.write_now(ask)

    look(store, keyring)
    assert (judged().verdict, judged().decisive.rule) == (Verdict.DEFER, merging.UNRESOLVED)
    merged(store, keyring, pair)
    assert judged().verdict is Verdict.ALLOW


def test_a_push_waits_for_the_look_and_no_longer(store: Store, keyring: Keyring) -> None:
    office = factories.office(keyring)

    def make(session: Session) -> int:
        factories.firm(session, NOON)
        known = factories.client(session, keyring, NOON)
        push = Message(
            key="push:1", reference="r", audience=Audience.SYSTEM, channel="crm",
            purpose=Purpose.ALERT, template="push", client_id=known.client_id,
            send_after=NOON, created_at=NOON,
        )  # fmt: skip
        message_id = outbox.queue(session, push)
        assert message_id is not None
        delivery.claim(session, office, Templates(), lambda *_: None, message_id)
        return message_id

    def state(message_id: int) -> tuple[str, str]:
        with store.read() as session:
            message = session.get_one(Message, message_id)
            return message.state, message.rule

    message_id = store.write_now(make)
    assert state(message_id) == ("held", merging.UNRESOLVED)
    look(store, keyring)
    assert state(message_id)[0] == "queued"


def test_a_push_of_somebody_known_leaves(keyring: Keyring) -> None:
    push = Case(Audience.SYSTEM, Purpose.ALERT, "crm", NOON)
    policy = factories.office(keyring).policy
    assert door.judge(push, policy).verdict is Verdict.ALLOW


def test_finance_settles_a_pair_in_slack(
    store: Store, keyring: Keyring, pair: tuple[Known, Known]
) -> None:
    office = factories.office(keyring)
    look(store, keyring)

    def staffed(session: Session) -> None:
        for slack, role in (("U0FIN", "finance"), ("U0AM", "account_manager")):
            person = Staff(name=slack, email=f"{slack.lower()}@harrow.example", slack_user=slack)
            session.add(person)
            session.flush()
            session.add(StaffRole(staff_id=person.id, role=role, granted_at=NOON))

    store.write_now(staffed)

    def card(*, last: bool) -> Outgoing:
        with store.read() as session:
            query = select(Message).where(Message.template == "duplicate").order_by(col(Message.id))
            every = session.exec(query).all()
            found = cards.compose(session, office, every[-1 if last else 0])
            assert found is not None
            assert blockkit.message_problems(list(found.blocks)) == []
            return found

    buttons = {one["action_id"]: one for _, one in blockkit.elements(card(last=False).blocks)}
    assert set(buttons) == {"pair.merge", "pair.different"}
    packed = buttons["pair.merge"]["value"]
    with store.read() as session:
        refused = actions.decide(session, office, "U0AM", "pair.merge", packed)
        assert "finance or admin" in refused.text  # type: ignore[union-attr]
        asked = actions.decide(session, office, "U0FIN", "pair.merge", packed)
    assert isinstance(asked, instructions.Merge)
    store.write_now(lambda session: instructions.carry_out(session, office, asked))
    with store.read() as session:
        assert aliases.group(session, pair[1].client_id) == [one.client_id for one in pair]
        shown = session.exec(
            select(Message).where(Message.template == "duplicate", col(Message.updates_id) > 0)
        ).one()
        shown_first = session.get_one(Message, shown.updates_id)
    store.write_now(
        lambda session: session.execute(
            update(Message).where(col(Message.id) == shown_first.id).values(provider_id="1.2")
        )
    )
    assert "one client, says U0FIN" in card(last=True).text


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
        delivery.claim(session, office, Templates(), lambda *_: None, message_id)
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


# --- the whole story, as a person does it ---------------------------------------------------------


@pytest.fixture
def app(database: Database) -> Iterator[App]:
    settings = Settings(
        database_url=database.url, keyring_url=database.keyring_url, master_key=MASTER_KEY
    )
    app = books(settings, TurnedClock(NOON))
    yield app
    asyncio.run(app.close())


HEADER = "client,client_name,invoice,issued,due,amount,email\n"
CRM = "n1,Northwind Trading LLC,INV-1,2025-12-30,2026-01-30,100.00,Ann@Northwind.example\n"
STRIPE = "cus_1,Northwind Trading,S-7,2025-12-30,2026-01-30,40.00,ann+pay@northwind.example\n"


def run(app: App, name: str, **args: Any) -> Any:
    return asyncio.run(getattr(surface, name)(app, args, silent))


def test_from_two_files_to_one_client_and_back(app: App, tmp_path: Path) -> None:
    for source, rows in (("crm", CRM), ("stripe", STRIPE)):
        file = tmp_path / f"{source}.csv"
        file.write_text(HEADER + rows)
        asked = {"file": str(file), "source": source}
        assert asyncio.run(imports.run(app, asked, silent)).code == DONE
    asyncio.run(app.store.write(lambda session: merging.propose(session, app.office(), 100)))
    with app.store.read() as session:
        [found] = surface.listed(session).data["duplicates"]
        assert found["because"].startswith("they read the same mailbox; they are called the same")
    assert run(app, "merge", one="n1", other="cus_1").code == DONE
    again = asyncio.run(imports.run(app, asked, silent))
    assert "Nothing changed." in again.lines
    with app.store.read() as session:
        assert surface.listed(session).data["duplicates"] == []
        for word in ("cus_1", "n1"):
            assert subjects.client(session, word).name == "Northwind Trading LLC"
        client = subjects.client(session, "cus_1")
        assert [one.open for one in accounts.balances(session, client.id, NOON.date())] == [14000]
    assert run(app, "unmerge", one="cus_1").code == DONE
    with app.store.read() as session:
        assert subjects.client(session, "cus_1").name == "Northwind Trading"
        assert {one.client_id for one in session.exec(select(Invoice))} == {
            references.client_of(session, "crm", "n1"),
            references.client_of(session, "stripe", "cus_1"),
        }
    with pytest.raises(Wrong, match="merged into nobody"):
        run(app, "unmerge", one="cus_1")
    assert run(app, "different", one="n1", other="cus_1").code == DONE
    assert run(app, "merge", one="cus_1", other="n1").code == DONE
    assert run(app, "different", one="n1", other="cus_1").code == NO


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
