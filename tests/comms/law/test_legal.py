"""C-14, C-15 and C-17: what the law, or a lawyer, keeps from a client."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlmodel import Session, col, select

from billing import facts, references
from billing.models import (
    Address,
    Client,
    Contact,
    ContactAddress,
    Enrolment,
    Hold,
    LegalState,
    Role,
    Staff,
    StaffRole,
    StepTaken,
)
from billing.store import Store
from bot.slack import cards
from comms import outreach
from comms.law import enforcement
from comms.law.enforcement import FinalNotice, Refused
from comms.models import Decision, Message, State
from tests import factories
from tests.comms.desk import Desk, opened
from tests.conftest import Database
from tests.factories import NOON

KINDS = ("bankruptcy", "cease", "represented", "deceased")


def place(
    desk: Desk, kind: str, external_id: str = "L1", *, ourselves: bool = False, **more: Any
) -> None:
    source = facts.OURSELVES if ourselves else "test"
    client = str(desk.known.client_id) if ourselves else desk.known.name
    (outcome,) = desk.told(
        facts.LegalStatePlaced(
            source=source, external_id=external_id, client_external_id=client,
            kind=kind, placed_at=desk.now, **more,
        )
    )  # fmt: skip
    if outcome.error:
        raise outcome.error


def lift(desk: Desk, external_id: str = "L1") -> Any:
    (outcome,) = desk.told(
        facts.LegalStateLifted(
            source="test", external_id=external_id, client_external_id=desk.known.name,
            lifted_at=desk.now,
        )
    )  # fmt: skip
    return outcome.error


@pytest.fixture
def desk(sqlite_store: Store, sqlite_database: Database) -> Iterator[Desk]:
    with opened(sqlite_store, sqlite_database) as desk:
        yield desk


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", [State.QUEUED, State.HELD, State.AWAITING, State.CLAIMED])
def test_c17_what_waits_is_withheld_in_the_same_transaction(
    desk: Desk, kind: str, state: State
) -> None:
    message_id = desk.note()
    if state is State.CLAIMED:
        assert desk.claim(message_id)
    else:
        desk.act(lambda s: setattr(s.get_one(Message, message_id), "state", state))
    place(desk, kind)
    found = desk.at(message_id)
    assert (found.state, found.rule) == (State.WITHHELD, f"legal_{kind}")
    assert [one.rule for one in desk.rows(Decision) if one.subject_id == message_id][
        -1
    ] == found.rule


@pytest.mark.parametrize("kind", KINDS)
def test_c17_nothing_leaves_for_a_client_in_a_legal_state(desk: Desk, kind: str) -> None:
    place(desk, kind)
    by_text, by_mail = desk.note(), desk.note(channel="email")
    assert [desk.claim(by_text), desk.claim(by_mail)] == [None, None]
    assert {desk.at(one).rule for one in (by_text, by_mail)} == {f"legal_{kind}"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_told_twice_is_one_and_finance_hears_once(desk: Desk, kind: str) -> None:
    place(desk, kind)
    place(desk, kind)
    for heard in ("incoming:1", "incoming:2"):
        place(desk, kind, heard, ourselves=True)
    assert [one.kind for one in desk.rows(LegalState)] == [kind]
    assert len(factories.messages(desk.store, template="legal_state")) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_proceedings_each_stands_until_it_is_lifted_itself(desk: Desk, kind: str) -> None:
    place(desk, kind, "L1")
    place(desk, kind, "L2")
    assert len(factories.messages(desk.store, template="legal_state")) == 1
    lift(desk, "L1")
    assert [one.lifted_at is None for one in desk.rows(LegalState)] == [False, True]
    assert [one.released_at is None for one in desk.rows(Hold)] == [False, True]
    kept = desk.note(channel="email")
    assert desk.claim(kept) is None
    assert desk.at(kept).rule == f"legal_{kind}"
    lift(desk, "L2")
    assert desk.claim(desk.note(channel="email")) is not None


def test_finance_hears_which_of_two_is_left(desk: Desk) -> None:
    place(desk, "bankruptcy", "L1")
    place(desk, "bankruptcy", "L2")
    lift(desk, "L1")
    lift(desk, "L1")
    told = factories.messages(desk.store, template="legal_state")
    assert [one.subject_id for one in told] == [one.id for one in desk.rows(LegalState)]


def test_what_we_heard_ourselves_stays_when_a_proceeding_is_lifted(desk: Desk) -> None:
    place(desk, "bankruptcy", "incoming:1", ourselves=True)
    place(desk, "bankruptcy", "L1")
    lift(desk, "L1")
    assert desk.claim(desk.note(channel="email")) is None
    assert len(factories.messages(desk.store, template="legal_state")) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_finance_reads_who_it_is_and_what_was_withheld(desk: Desk, kind: str) -> None:
    desk.note()
    place(desk, kind)
    (card,) = factories.messages(desk.store, template="legal_state")
    shown = desk.act(lambda s: cards.compose(s, desk.office, card))
    assert shown is not None
    assert shown.text.startswith("Northwind Trading ")
    assert "1 message withheld" in str(shown.blocks)


@pytest.mark.parametrize("kind", KINDS)
def test_only_bankruptcy_and_cease_hold_without_an_end(desk: Desk, kind: str) -> None:
    place(desk, kind)
    (hold,) = desk.rows(Hold)
    assert (hold.reason, hold.until is None) == (kind, kind in ("bankruptcy", "cease"))


@pytest.mark.parametrize("kind", ["bankruptcy", "cease"])
def test_a_hold_for_the_law_is_a_legal_state_and_ends_with_it(desk: Desk, kind: str) -> None:
    held = facts.HoldPlaced(
        source="test", external_id="H1", client_external_id=desk.known.name, reason=kind,
        placed_at=NOON,
    )  # fmt: skip
    message_id = desk.note(channel="email")
    desk.told(held)
    assert desk.at(message_id).rule == f"legal_{kind}"
    desk.told(
        facts.HoldReleased(
            source="test", external_id="H1", client_external_id=desk.known.name, released_at=NOON
        )
    )
    assert desk.claim(desk.note(channel="email")) is not None


def test_a_reminder_that_the_law_stopped_goes_when_it_is_lifted(desk: Desk) -> None:
    reminder = desk.reminder()
    place(desk, "bankruptcy")
    assert desk.at(reminder).rule == "legal_bankruptcy"
    assert [one.how for one in desk.rows(StepTaken)] == ["cancelled"]
    desk.act(lambda s: outreach.advance(s, desk.office, list(s.exec(select(Enrolment)))))
    assert len(factories.messages(desk.store, purpose="dunning")) == 1
    lift(desk)
    (_, again) = factories.messages(desk.store, purpose="dunning")
    assert desk.claim(again.id) is not None
    assert [one.released_at is not None for one in desk.rows(Hold)] == [True]


def test_a_state_that_nobody_placed_cannot_be_lifted(desk: Desk) -> None:
    assert isinstance(lift(desk, "L9"), references.Unknown)


# --- one person of several ------------------------------------------------------------------------


def test_a_state_of_one_person_lets_the_others_hear(desk: Desk) -> None:
    def second(session: Session) -> tuple[int, int]:
        contact = Contact(client_id=desk.known.client_id, name="Bea Roth")
        address = Address(kind="email", value="bea@northwind.example", created_at=NOON)
        session.add_all([contact, address])
        session.flush()
        session.add(ContactAddress(contact_id=contact.id, address_id=address.id))
        return contact.id, address.id

    contact_id, address_id = desk.act(second)
    place(desk, "deceased", email=desk.known.email)
    theirs = desk.note(channel="email")
    others = desk.note(channel="email")

    def to_bea(session: Session) -> None:
        message = session.get_one(Message, others)
        message.contact_id, message.address_id = contact_id, address_id

    desk.act(to_bea)
    assert desk.claim(theirs) is None
    assert desk.claim(others) is not None
    assert desk.rows(Hold) == []


def test_an_address_that_is_nobodys_there_is_refused(desk: Desk) -> None:
    with pytest.raises(ValueError, match="no address that we know"):
        place(desk, "deceased", email="stranger@example.com")


# --- counsel --------------------------------------------------------------------------------------


def test_c14_only_counsel_may_be_written_to(desk: Desk) -> None:
    waiting = desk.note(channel="email")
    place(desk, "represented", counsel_name="Cora Vance", counsel_email="cora@vance.example")
    assert desk.at(waiting).rule == "legal_represented"
    assert desk.claim(_to_counsel(desk, 0)) is not None


def test_c14_each_of_two_counsels_may_be_written_to(desk: Desk) -> None:
    place(desk, "represented", "L1", counsel_email="cora@vance.example")
    first = _to_counsel(desk, 0)
    place(desk, "represented", "L2", counsel_email="dora@brook.example")
    assert desk.claim(first) is not None
    assert desk.claim(_to_counsel(desk, 1)) is not None
    assert desk.claim(desk.note(channel="email")) is None


def _to_counsel(desk: Desk, place: int) -> int:
    message_id = desk.note(channel="email")

    def readdress(session: Session) -> None:
        state = session.exec(select(LegalState).order_by(col(LegalState.id))).all()[place]
        message = session.get_one(Message, message_id)
        message.contact_id = state.counsel_id
        message.address_id = session.exec(
            select(ContactAddress.address_id).where(ContactAddress.contact_id == state.counsel_id)
        ).one()

    desk.act(readdress)
    return message_id


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "cease", "counsel_email": "cora@vance.example"},
        {"kind": "represented", "counsel_name": "Cora Vance"},
    ],
)
def test_counsel_belongs_to_somebody_represented_and_has_a_mailbox(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="counsel"):
        facts.LegalStatePlaced(
            source="test", external_id="L1", client_external_id="C1", placed_at=NOON, **wrong
        )


# --- the one final notice -------------------------------------------------------------------------


def approver(session: Session, *roles: Role) -> str:
    person = Staff(name="Cleo", email="cleo@harrow.example")
    session.add(person)
    session.flush()
    for role in roles:
        session.add(StaffRole(staff_id=person.id, role=role, granted_at=NOON))
    return person.email


def give(desk: Desk, by: str) -> int:
    notice = FinalNotice("We will not write again.", "email", by)
    return desk.act(lambda s: enforcement.give_notice(s, desk.office, desk.known.client_id, notice))


def test_c15_one_final_notice_may_follow_and_no_second(desk: Desk) -> None:
    place(desk, "cease")
    by = desk.act(lambda s: approver(s, Role.COMPLIANCE))
    claimed = desk.claim(give(desk, by))
    assert claimed is not None
    assert "We will not write again." in claimed.outgoing.text
    with pytest.raises(Refused, match="no other may"):
        give(desk, by)
    assert desk.claim(desk.note(channel="email")) is None


def test_c15_a_final_notice_survives_a_look_at_the_state(desk: Desk) -> None:
    place(desk, "cease")
    queued = give(desk, desk.act(lambda s: approver(s, Role.COMPLIANCE)))
    desk.act(lambda s: enforcement.enforce(s, desk.office, [desk.known.client_id]))
    assert desk.at(queued).state == State.QUEUED


def test_c15_of_two_requests_to_cease_one_notice_follows_both(desk: Desk) -> None:
    place(desk, "cease", "L1")
    by = desk.act(lambda s: approver(s, Role.COMPLIANCE))
    place(desk, "cease", "L2")
    queued = give(desk, by)
    place(desk, "cease", "L3")
    assert desk.claim(queued) is not None
    lift(desk, "L1")
    with pytest.raises(Refused, match="no other may"):
        give(desk, by)


@pytest.mark.parametrize("roles", [(), (Role.FINANCE,), (Role.ADMIN,)])
def test_c15_compliance_and_nobody_else_approves_it(desk: Desk, roles: tuple[Role, ...]) -> None:
    place(desk, "cease")
    by = desk.act(lambda s: approver(s, *roles))
    with pytest.raises(Refused, match="compliance role"):
        give(desk, by)


def test_nobody_is_given_notice_who_did_not_ask_us_to_cease(desk: Desk) -> None:
    by = desk.act(lambda s: approver(s, Role.COMPLIANCE))
    with pytest.raises(Refused, match="Nobody has asked"):
        give(desk, by)


def test_c17_bankruptcy_lets_no_final_notice_out(desk: Desk) -> None:
    place(desk, "cease")
    queued = give(desk, desk.act(lambda s: approver(s, Role.COMPLIANCE)))
    place(desk, "bankruptcy", "L2")
    assert desk.at(queued).rule == "legal_bankruptcy"


def test_a_state_of_one_of_two_that_are_one_is_a_state_of_both(desk: Desk) -> None:
    other = desk.act(
        lambda s: factories.client(s, desk.keyring, NOON, "Northwind Ltd", email="n@example.com")
    )

    def merge(session: Session) -> None:
        for client in session.exec(select(Client).order_by(col(Client.id))):
            if client.id == other.client_id:
                client.merged_into_id = desk.known.client_id
            else:
                client.speaks_since = NOON

    desk.act(merge)
    place(desk, "bankruptcy")
    message_id = desk.act(lambda s: factories.note(s, desk.keyring, other, NOON, channel="email"))
    assert desk.claim(message_id) is None
    assert desk.at(message_id).rule == "legal_bankruptcy"
