"""Two things happen to one client in the same moment: whoever comes second sees the first."""

import datetime as dt
import itertools
import random
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from billing import policy
from billing.keyring import Keyring
from billing.models import Client
from billing.store import Store
from bot import intake
from bot.models import Incoming
from bot.staff import switch
from comms import consent, delivery, outbox, timeline
from comms.duties import instructions
from comms.duties.instructions import Pause
from comms.facts import InboundMessage
from comms.inbound import Letter
from comms.models import ChainEntry, Decision, State
from comms.office import Office
from comms.outbox import Claim
from comms.ports import DeliveryError, Sent, Throttled
from tests import factories
from tests.factories import NOON, Known

PATIENCE = 100
_SUBJECTS = itertools.count(1)
T = TypeVar("T")
Look = Callable[[Session], Collection[int]]


@dataclass(frozen=True)
class Move:
    """One transaction: what it does, and whose rows it locks."""

    do: Callable[[Session], Any]
    clients: Collection[int] | Look


@dataclass
class Firm:
    """A store with our firm in it, and what comms need to work there."""

    store: Store
    keyring: Keyring
    office: Office

    def write(self, fn: Callable[[Session], T]) -> T:
        return self.store.write_now(fn)

    def known(self, name: str = "Northwind Trading", **addresses: Any) -> Known:
        return self.write(lambda s: factories.client(s, self.keyring, NOON, name, **addresses))

    def note(self, known: Known, **given: Any) -> int:
        return self.write(lambda s: factories.note(s, self.keyring, known, NOON, **given))

    def reminder(self, known: Known) -> int:
        return self.write(lambda s: factories.reminder(s, self.office, known))

    def at(self, message_id: int) -> str:
        return factories.message(self.store, message_id).state

    def claim(self, message_id: int, known: Known) -> Move:
        return Move(lambda s: factories.claim(s, self.office, message_id), [known.client_id])

    def begin(self, claimed: Claim) -> Move:
        wall = self.office.wall
        return Move(lambda s: outbox.begin_all(s, [claimed], wall), [claimed.client_id or 0])

    def stop(self, known: Known) -> Move:
        """The phone says STOP."""
        return self.text(known, "STOP")

    def text(self, known: Known, words: str) -> Move:
        """The phone says something."""
        message = InboundMessage(
            channel="sms", external_id="SM1", sender=known.phone, recipient=factories.SENDER,
            body=words, visible=words,
        )  # fmt: skip

        def receive(session: Session) -> int | None:
            body = factories.sealed(session, self.keyring, words, NOON)
            row = Incoming(source="twilio.sms", external_id="SM1", received_at=NOON, body_id=body)
            session.add(row)
            session.flush()
            return intake.take_letter(session, self.office, Letter(message, row.id, body))

        return Move(receive, intake.clients_of(message))

    def payment(self, known: Known) -> Move:
        fact = factories.paid(known, NOON)
        return Move(
            lambda s: intake.take_in(s, self.office, fact, iter(())), intake.clients_of(fact)
        )

    def pause(self, known: Known) -> Move:
        asked = Pause(client_id=known.client_id, days=3, reason="They called.", by_staff_id=1)
        return Move(lambda s: instructions.carry_out(s, self.office, asked), [known.client_id])

    def close(self) -> Move:
        """`counterfoil stop`."""

        def turn(session: Session) -> None:
            switch._turn(session, switch.Asked(), "closed", NOON, None, "")
            switch._unclaim(session)

        return Move(turn, [])

    def refused(self, claimed: Claim, error: DeliveryError) -> Move:
        return Move(
            lambda s: delivery.did_not_go(s, self.office, claimed, error),
            partial(delivery.concerned, message_id=claimed.message_id),
        )

    def went(self, claimed: Claim) -> Move:
        sent = Sent(f"SM{claimed.message_id}")
        return Move(
            lambda s: delivery.went(s, self.office, claimed.message_id, sent),
            [claimed.client_id or 0],
        )

    def linked(self, clients: Collection[int]) -> Move:
        """Another link in the chains of clients."""
        return Move(partial(self._link, clients), clients)

    def _link(self, clients: Collection[int], session: Session) -> None:
        for client_id in clients:
            reason = Decision(
                client_id=client_id, subject_kind="enrolment", subject_id=next(_SUBJECTS),
                verdict="wait", rule="", inputs="{}", decided_at=NOON,
            )  # fmt: skip
            owner = session.get_one(Client, client_id).key_id
            timeline.decide(session, self.keyring, owner, reason, "So it is.")

    def now(self, move: Move) -> Any:
        return self.store.write_now(move.do, clients=move.clients)

    def chains_hold(self) -> None:
        with self.store.read() as session:
            assert list(timeline.verify(session)) == []


@pytest.fixture
def firm(store: Store, keyring: Keyring) -> Firm:
    office = Office(
        keyring=keyring, policy=policy.default(), now=NOON, wall=NOON, finance="C0FINANCE",
        clients="C0CLIENTS",
    )  # fmt: skip
    keyring.make([f"inbox:{NOON:%Y-%m-%d}"], NOON)
    store.write_now(lambda session: factories.firm(session, NOON))
    return Firm(store, keyring, office)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def meet(firm: Firm, pool: ThreadPoolExecutor, first: Move, second: Move) -> tuple[Any, Any]:
    """``first`` stands before its commit while ``second`` comes, and waits or runs past it."""
    done, release = threading.Event(), threading.Event()

    def held(session: Session) -> Any:
        result = first.do(session)
        session.flush()
        done.set()
        assert release.wait(PATIENCE)
        return result

    one = pool.submit(firm.store.write_now, held, clients=first.clients)
    try:
        _until(lambda: done.is_set() or one.done())
        two = pool.submit(firm.store.write_now, second.do, clients=second.clients)
        if not firm.store.sqlite:
            _until(lambda: two.done() or _somebody_waits(firm.store))
    finally:
        release.set()
    return one.result(PATIENCE), two.result(PATIENCE)


def _until(true: Callable[[], bool]) -> None:
    """Looks; what it waits for decides, not how long it took."""
    for _ in range(PATIENCE * 1000):
        if true():
            return
        threading.Event().wait(0.001)
    raise TimeoutError("what was waited for did not happen")


def _somebody_waits(store: Store) -> bool:
    waiting = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with store.engine.connect() as connection:
        return bool(connection.execute(text(waiting)).scalar_one())


# --- STOP -----------------------------------------------------------------------------------------


def test_a_stop_behind_a_claim_takes_the_message_back(firm: Firm, pool: ThreadPoolExecutor) -> None:
    known = firm.known()
    message_id = firm.note(known)
    claimed, _ = meet(firm, pool, firm.claim(message_id, known), firm.stop(known))
    assert claimed is not None
    assert not firm.now(firm.begin(claimed))
    assert firm.at(message_id) == State.CANCELLED


def test_a_claim_behind_a_stop_finds_it(firm: Firm, pool: ThreadPoolExecutor) -> None:
    known = firm.known()
    message_id = firm.note(known)
    _, claimed = meet(firm, pool, firm.stop(known), firm.claim(message_id, known))
    assert claimed is None
    assert firm.at(message_id) == State.CANCELLED


def test_nothing_goes_on_the_wire_behind_a_stop(firm: Firm, pool: ThreadPoolExecutor) -> None:
    known = firm.known()
    message_id = firm.note(known)
    claimed = firm.now(firm.claim(message_id, known))
    _, began = meet(firm, pool, firm.stop(known), firm.begin(claimed))
    assert not began
    assert firm.at(message_id) == State.CANCELLED


def test_a_stop_leaves_what_is_on_the_wire_alone(firm: Firm, pool: ThreadPoolExecutor) -> None:
    known = firm.known()
    message_id = firm.note(known)
    claimed = firm.now(firm.claim(message_id, known))
    began, _ = meet(firm, pool, firm.begin(claimed), firm.stop(known))
    assert began
    assert firm.at(message_id) == State.SENDING
    firm.now(firm.went(claimed))
    assert firm.at(message_id) == State.SENT


def test_what_the_provider_put_off_does_not_go_again_after_a_stop(
    firm: Firm, pool: ThreadPoolExecutor
) -> None:
    known = firm.known()
    message_id = firm.note(known)
    claimed = firm.now(firm.claim(message_id, known))
    firm.now(firm.begin(claimed))
    throttled = firm.refused(claimed, Throttled("Slow down.", retry_after=1))
    meet(firm, pool, firm.stop(known), throttled)
    firm.office = replace(firm.office, now=NOON + dt.timedelta(minutes=1))
    assert firm.now(firm.claim(message_id, known)) is None
    assert firm.at(message_id) == State.WITHHELD


def test_a_stop_reaches_both_clients_of_a_phone(firm: Firm, pool: ThreadPoolExecutor) -> None:
    ann, bob = firm.known("Ann", email=None), firm.known("Bob", email=None)
    first, second = firm.note(ann), firm.note(bob)
    claimed, _ = meet(firm, pool, firm.claim(second, bob), firm.stop(ann))
    assert claimed is not None
    assert not firm.now(firm.begin(claimed))
    assert [firm.at(first), firm.at(second)] == [State.CANCELLED] * 2
    firm.chains_hold()


# --- money ----------------------------------------------------------------------------------------


def test_a_payment_behind_a_claim_takes_the_reminder_back(
    firm: Firm, pool: ThreadPoolExecutor
) -> None:
    known = firm.known()
    message_id = firm.reminder(known)
    claimed, _ = meet(firm, pool, firm.claim(message_id, known), firm.payment(known))
    assert claimed is not None
    assert not firm.now(firm.begin(claimed))
    assert firm.now(firm.claim(message_id, known)) is None
    assert firm.at(message_id) == State.CANCELLED


def test_a_claim_behind_a_payment_finds_it(firm: Firm, pool: ThreadPoolExecutor) -> None:
    known = firm.known()
    message_id = firm.reminder(known)
    _, claimed = meet(firm, pool, firm.payment(known), firm.claim(message_id, known))
    assert claimed is None
    assert firm.at(message_id) == State.CANCELLED


def test_no_reminder_goes_on_the_wire_behind_a_payment(
    firm: Firm, pool: ThreadPoolExecutor
) -> None:
    known = firm.known()
    claimed = firm.now(firm.claim(firm.reminder(known), known))
    _, began = meet(firm, pool, firm.payment(known), firm.begin(claimed))
    assert not began


def test_a_pause_behind_a_claim_takes_the_reminder_back(
    firm: Firm, pool: ThreadPoolExecutor
) -> None:
    known = firm.known()
    message_id = firm.reminder(known)
    claimed, _ = meet(firm, pool, firm.claim(message_id, known), firm.pause(known))
    assert claimed is not None
    assert not firm.now(firm.begin(claimed))
    assert firm.now(firm.claim(message_id, known)) is None
    assert firm.at(message_id) == State.HELD


def test_a_claim_behind_a_pause_finds_it(firm: Firm, pool: ThreadPoolExecutor) -> None:
    known = firm.known()
    message_id = firm.reminder(known)
    _, claimed = meet(firm, pool, firm.pause(known), firm.claim(message_id, known))
    assert claimed is None
    assert firm.at(message_id) == State.HELD


# --- a reply --------------------------------------------------------------------------------------


def test_52_a_reply_behind_a_claim_takes_the_reminder_back(
    firm: Firm, pool: ThreadPoolExecutor
) -> None:
    known = firm.known()
    message_id = firm.reminder(known)
    reply = firm.text(known, "Which invoice is this?")
    claimed, _ = meet(firm, pool, firm.claim(message_id, known), reply)
    assert claimed is not None
    assert not firm.now(firm.begin(claimed))
    assert firm.now(firm.claim(message_id, known)) is None
    assert firm.at(message_id) == State.HELD


def test_52_a_claim_behind_a_reply_finds_it(firm: Firm, pool: ThreadPoolExecutor) -> None:
    known = firm.known()
    message_id = firm.reminder(known)
    reply = firm.text(known, "Which invoice is this?")
    _, claimed = meet(firm, pool, reply, firm.claim(message_id, known))
    assert claimed is None
    assert firm.at(message_id) == State.HELD


# --- the switch -----------------------------------------------------------------------------------


def test_closing_the_switch_behind_a_claim_takes_the_message_back(
    firm: Firm, pool: ThreadPoolExecutor
) -> None:
    known = firm.known()
    message_id = firm.note(known)
    claimed, _ = meet(firm, pool, firm.claim(message_id, known), firm.close())
    assert claimed is not None
    assert not firm.now(firm.begin(claimed))
    assert firm.now(firm.claim(message_id, known)) is None
    assert factories.message(firm.store, message_id).rule == "not_live"


def test_a_claim_behind_a_closing_switch_finds_it_closed(
    firm: Firm, pool: ThreadPoolExecutor
) -> None:
    known = firm.known()
    message_id = firm.note(known)
    _, claimed = meet(firm, pool, firm.close(), firm.claim(message_id, known))
    assert claimed is None
    assert factories.message(firm.store, message_id).rule == "not_live"


# --- two workers, two budgets ---------------------------------------------------------------------


def test_two_workers_get_one_claim(firm: Firm, pool: ThreadPoolExecutor) -> None:
    known = firm.known()
    claim = firm.claim(firm.note(known), known)
    one, two = meet(firm, pool, claim, claim)
    assert [one is None, two is None] == [False, True]


def test_two_workers_get_one_claim_of_a_message_to_staff(
    firm: Firm, pool: ThreadPoolExecutor
) -> None:
    known = firm.known()
    told = {"audience": "staff", "channel": "slack", "client_id": None, "destination": "C0FINANCE"}
    message_id = firm.note(known, **told, purpose="alert", template="alert")
    outgoing = factories.outgoing()
    claim = Move(lambda s: factories.claim(s, firm.office, message_id, outgoing), [])
    one, two = meet(firm, pool, claim, claim)
    assert [one is None, two is None] == [False, True]


def test_two_messages_to_one_person_share_a_budget(firm: Firm, pool: ThreadPoolExecutor) -> None:
    known = firm.known()
    by_sms, by_mail = firm.note(known), firm.note(known, channel="email")
    one, two = meet(firm, pool, firm.claim(by_sms, known), firm.claim(by_mail, known))
    assert [one is None, two is None] == [False, True]
    assert factories.message(firm.store, by_mail).rule == "budget_day"


def test_two_clients_with_one_phone_share_a_budget(firm: Firm, pool: ThreadPoolExecutor) -> None:
    ann, bob = firm.known("Ann", email=None), firm.known("Bob", email=None)
    first, second = firm.note(ann), firm.note(bob)
    one, two = meet(firm, pool, firm.claim(first, ann), firm.claim(second, bob))
    assert [one is None, two is None] == [False, True]
    assert factories.message(firm.store, second).rule == "budget_day"


def test_a_daily_cap_is_counted_once_for_all_clients(firm: Firm, pool: ThreadPoolExecutor) -> None:
    firm.write(lambda s: factories.switch(s, NOON, daily_cap=1))
    ann = firm.known("Ann", phone="+12125550101", email=None)
    bob = firm.known("Bob", phone="+12125550102", email=None)
    first, second = firm.note(ann), firm.note(bob)
    one, two = meet(firm, pool, firm.claim(first, ann), firm.claim(second, bob))
    assert [one is None, two is None] == [False, True]
    assert factories.message(firm.store, second).rule == "daily_cap"


def test_an_address_that_dies_before_a_claim_is_seen_by_it(
    firm: Firm, pool: ThreadPoolExecutor
) -> None:
    ann, bob = firm.known("Ann", email=None), firm.known("Bob", email=None)
    first, second = firm.note(ann), firm.note(bob)
    claimed = firm.now(firm.claim(first, ann))
    firm.now(firm.begin(claimed))
    gone = DeliveryError("Nobody there.", permanent=True, code="30005")
    _, two = meet(firm, pool, firm.refused(claimed, gone), firm.claim(second, bob))
    assert two is None
    assert factories.message(firm.store, second).rule == "address_dead"


def test_a_carriers_stop_closes_the_phone_for_everybody_there(
    firm: Firm, pool: ThreadPoolExecutor
) -> None:
    ann, bob = firm.known("Ann", email=None), firm.known("Bob", email=None)
    first, second = firm.note(ann), firm.note(bob)
    claimed = firm.now(firm.claim(first, ann))
    firm.now(firm.begin(claimed))
    opted_out = DeliveryError("Opted out.", permanent=True, code="21610")
    meet(firm, pool, firm.linked([bob.client_id]), firm.refused(claimed, opted_out))
    assert [firm.at(first), firm.at(second)] == [State.FAILED, State.CANCELLED]
    with firm.store.read() as session:
        entries = session.exec(select(ChainEntry.client_id).where(ChainEntry.kind == "consent"))
        assert sorted(entries) == [ann.client_id] * 3 + [bob.client_id] * 2
    firm.chains_hold()


# --- locks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
def test_nobody_waits_in_a_circle(firm: Firm, pool: ThreadPoolExecutor, seed: int) -> None:
    """Any clients locked together, in any order, on phones that they share."""
    chance = random.Random(seed)
    phones = ["+12125550101", "+12125550102", "+12125550103"]
    known = [firm.known(f"Client {n}", phone=phones[n % 3], email=None) for n in range(6)]
    notes = [firm.note(one) for one in known]

    def agree(one: Known, session: Session) -> None:
        factories.agree(session, one.phone_id or 0, NOON)

    moves: list[Move] = []
    for _ in range(100):
        one = chance.choice(known)
        some = chance.sample([each.client_id for each in known], chance.randint(1, 4))
        where = partial(consent.clients_of, address_id=one.phone_id or 0)
        moves.append(
            chance.choice(
                [
                    firm.linked(some),
                    Move(partial(agree, one), where),
                    firm.claim(notes[known.index(one)], one),
                ]
            )
        )
    running: list[Future[Any]] = [
        pool.submit(firm.store.write_now, move.do, clients=move.clients) for move in moves
    ]
    for future in running:
        future.result(PATIENCE)
    firm.chains_hold()


def test_what_was_seen_before_the_lock_is_read_again_behind_it(
    postgres_store: Store, pool: ThreadPoolExecutor
) -> None:
    client = Client(key_id="client:a", name="Ann", created_at=NOON)
    postgres_store.write_now(lambda session: session.add(client))
    looked, renamed = threading.Event(), threading.Event()

    def look(session: Session) -> list[int]:
        found = session.exec(select(Client)).one()
        looked.set()
        assert renamed.wait(PATIENCE)
        return [found.id]

    def rename(session: Session) -> None:
        session.exec(select(Client)).one().name = "Anna"

    name = pool.submit(
        postgres_store.write_now, lambda s: s.exec(select(Client)).one().name, clients=look
    )
    assert looked.wait(PATIENCE)
    postgres_store.write_now(rename)
    renamed.set()
    assert name.result(PATIENCE) == "Anna"
