"""The law came between us and a client: what of theirs may not leave any more, and who is told?

Runs in the transaction that placed the legal state, under the lock of its client, so that nothing
that waited then can leave after it. Here too is the one notice that may follow a request to cease.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import Session, col, select

from billing import aliases, store, vault
from billing.facts import HoldPlaced, HoldReleased, LegalStateLifted, LegalStatePlaced
from billing.models import (
    Client,
    LegalKind,
    LegalState,
    Role,
    Staff,
    StaffRole,
)
from comms import door, outbox, staff, steps, timeline
from comms.addresses import recipients
from comms.law import legal
from comms.law.legal import Placed
from comms.models import Audience, Decision, Message, Purpose, State
from comms.moves import MESSAGES
from comms.office import Office


def after(
    session: Session, office: Office, told: Iterable[object], clients: Collection[int]
) -> None:
    """What follows where one of these facts of these clients is about the law."""
    if clients and any(_is_lawful(fact) for fact in told):
        enforce(session, office, clients)


def _is_lawful(fact: object) -> bool:
    if isinstance(fact, HoldPlaced):
        return fact.reason in ("bankruptcy", "cease")
    return isinstance(fact, LegalStatePlaced | LegalStateLifted | HoldReleased)


def enforce(session: Session, office: Office, clients: Collection[int]) -> None:
    """Withhold what waits for clients in a legal state, and tell finance of the state, once.

    Of several of a kind the oldest that stands is told; when it is lifted, the next.
    """
    held = store.by_id(session, Client, clients)
    kin = aliases.among(session, held.values())
    for speaker, placed in legal.of_clients(session, kin).items():
        together = [one for one, head in kin.items() if head == speaker]
        for one in placed:
            _withhold(session, office, speaker, _concerned(together, one, placed), one)
        for one in _oldest(placed):
            notice = staff.Notice(
                key=f"legal:{one.id}",
                purpose=Purpose.ALERT,
                template="legal_state",
                to=office.finance,
                client_id=speaker,
                subject=(legal.SUBJECT, one.id),
            )
            staff.tell(session, office, notice)


def _oldest(placed: Sequence[Placed]) -> Iterable[Placed]:
    """One of each kind, for each whom it concerns."""
    return {(one.kind, one.contact_id): one for one in reversed(placed)}.values()


def _withhold(
    session: Session, office: Office, client_id: int, which: ColumnElement[bool], one: Placed
) -> None:
    rule, reason = door.legal_reason(one.kind, one.since)
    gone = outbox.cancel(session, which, rule, reason, State.WITHHELD)
    messages = list(store.by_id(session, Message, gone).values())
    # A reminder was not taken: its step comes once the law lets it. A renewal's day is over.
    dunned = [message for message in messages if message.purpose == Purpose.DUNNING]
    steps.follow(session, office, dunned, "cancelled")
    steps.follow(session, office, [one for one in messages if one not in dunned], "failed")
    owner = session.get_one(Client, client_id).key_id
    rulings = [
        timeline.Ruling(_decision(office, client_id, message.id, rule), owner, reason)
        for message in messages
    ]
    timeline.decide_all(session, office.keyring, rulings)


def _concerned(
    together: Sequence[int], one: Placed, placed: Sequence[Placed]
) -> ColumnElement[bool]:
    """Everything for these clients, or for this person, but what is spared."""
    which = and_(MESSAGES.c.client_id.in_(together), MESSAGES.c.audience == Audience.CLIENT)
    if one.contact_id is not None:
        which = and_(which, MESSAGES.c.contact_id == one.contact_id)
    if one.kind is LegalKind.REPRESENTED:
        whom, spared = MESSAGES.c.contact_id, legal.counsels(placed)
        which = and_(which, or_(whom.is_(None), whom.not_in(spared)))
    if one.kind is LegalKind.CEASE:
        about, spared = MESSAGES.c.subject_id, legal.requests(placed)
        other = or_(MESSAGES.c.subject_kind != legal.SUBJECT, about.is_(None))
        which = and_(which, or_(other, about.not_in(spared)))
    return which


def _decision(office: Office, client_id: int, message_id: int, rule: str) -> Decision:
    inputs = {"places": [["legal", "withhold", rule]], "policy": office.policy.version}
    return store.fresh(
        Decision,
        client_id=client_id,
        subject_kind="message",
        subject_id=message_id,
        verdict=door.Verdict.WITHHOLD,
        rule=rule,
        inputs=json.dumps(inputs, sort_keys=True),
        decided_at=office.now,
    )


# --- the one notice after a request to cease ------------------------------------------------------


class FinalNotice(NamedTuple):
    """What compliance approved to be said, after which nothing is said any more."""

    text: str
    channel: str
    approved_by: str
    """The mailbox of a member of staff who has the compliance role."""


class Refused(ValueError):
    """The notice may not go; the sentence says why and what to do."""


def give_notice(session: Session, office: Office, client_id: int, notice: FinalNotice) -> int:
    """Queue the one final notice to a client that asked us to cease; the id of its message.

    Raises:
        Refused: nobody asked us to cease, a notice was given, or compliance did not approve it.
    """
    asked = _ceased(session, client_id)
    if not asked:
        raise Refused("Nobody has asked us to cease; `counterfoil legal-state place` says so.")
    if given := next((one.notice_by for one in asked if one.notice_by), ""):
        raise Refused(f"The one final notice was given, approved by {given}; no other may.")
    state, approver = asked[0], _compliance(session, notice.approved_by)
    reached = recipients.to(session, office.policy, client_id, "billing", notice.channel)
    contact_id, channel, address_id = reached
    client = session.get_one(Client, client_id)
    for one in asked:  # whichever is lifted, the other has had its notice
        one.notice_by = approver.email
    queued = outbox.queue(
        session,
        Message(
            key=f"final_notice:{state.id}",
            reference="",
            audience=Audience.CLIENT,
            channel=channel,
            purpose=Purpose.STAFF_TEXT,
            template="staff_text",
            client_id=client_id,
            legal_entity_id=recipients.written_by(session, client_id),
            contact_id=contact_id,
            address_id=address_id,
            subject_kind=legal.SUBJECT,
            subject_id=state.id,
            draft_id=vault.put(session, office.keyring, client.key_id, notice.text, office.now),
            send_after=office.now,
            created_at=office.now,
        ),
    )
    if queued is None:
        raise Refused("The one final notice was given already; no other may.")
    return queued


def _ceased(session: Session, client_id: int) -> Sequence[LegalState]:
    query = select(LegalState).where(
        col(LegalState.client_id).in_(aliases.group(session, client_id)),
        LegalState.kind == LegalKind.CEASE,
        col(LegalState.lifted_at).is_(None),
    )
    return session.exec(query.order_by(col(LegalState.id))).all()


def _compliance(session: Session, email: str) -> Staff:
    query = (
        select(Staff)
        .join(StaffRole, col(StaffRole.staff_id) == col(Staff.id))
        .where(Staff.email == email, Staff.active, StaffRole.role == Role.COMPLIANCE)
    )
    found = session.exec(query).first()
    if found is None:
        raise Refused(
            f"{email} has not the compliance role; somebody who has it approves the notice "
            "(`counterfoil access list`)."
        )
    return found
