"""One client, whatever system names it: proposed, settled by a person, there and back."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import Session, col, select

from billing import accounts, aliases, duplicates, facts, ledger, references
from billing.clock import TurnedClock
from billing.keyring import Keyring
from billing.models import ClientKey, Duplicate, Invoice, Staff, StaffRole
from billing.store import Store
from bot import imports, subjects
from bot.app import App, books
from bot.report import DONE, NO, Wrong, silent
from bot.sandbox import blockkit
from bot.settings import Settings
from bot.slack import actions, cards
from bot.staff import duplicates as surface
from comms import cases, door, merging, outbox
from comms.door import Case, Verdict
from comms.duties import instructions
from comms.models import Audience, Message, Purpose
from comms.ports import Outgoing
from tests import factories
from tests.bot.staff.pairs import look, merged
from tests.conftest import Database
from tests.factories import NOON, Known

MASTER_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


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
        factories.claim(session, office, message_id)
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
