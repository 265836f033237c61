"""Where does each message stand, and who may move it?

Only this file changes a message's state. Every move names the state that it starts from, so a lost
race changes nothing: two workers, a STOP and a claim, a late report and a settlement may all meet
here. Moves run under the lock of the message's client. What a move brings about is in ``delivery``.
"""

import datetime as dt
import functools
import json
import secrets
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import (
    ColumnElement,
    Executable,
    and_,
    bindparam,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from billing import bulk, store, vault
from billing.keyring import Keyring
from comms import attempts, moves
from comms.door import Finding
from comms.models import UNSENT, Audience, Message, State
from comms.moves import MESSAGES
from comms.office import Office
from comms.ports import Attachment, Outgoing, Sent

LEASE = dt.timedelta(minutes=2)
"""Wall time for rendering and one try on the wire; longer, and somebody else looks."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this worker, and nobody else, may hand to its channel."""

    message_id: int
    lease_id: str
    channel: str
    client_id: int | None
    outgoing: Outgoing
    key: str = ""


_DUE = (
    select(MESSAGES.c.id, MESSAGES.c.client_id)
    .where(
        MESSAGES.c.state == State.QUEUED,
        MESSAGES.c.channel == bindparam("channel"),
        MESSAGES.c.send_after <= bindparam("now"),
    )
    .order_by(MESSAGES.c.send_after, MESSAGES.c.id)
    .limit(bindparam("limit"))
)


def queue(session: Session, message: Message) -> int | None:
    """Put a message in the outbox; None where one with its key was there before."""
    message.reference = message.reference or secrets.token_urlsafe(12)
    values = message.model_dump(exclude={"id"})
    query = _adding(session.get_bind().dialect.name)
    return store.below(session).execute(query, values).scalar_one_or_none()


def queue_all(session: Session, messages: Sequence[Message]) -> None:
    """The same for many; those that were there before are left alone."""
    rows = []
    for message in messages:
        message.reference = message.reference or secrets.token_urlsafe(12)
        rows.append(message.model_dump(exclude={"id"}))
    bulk.insert(session, MESSAGES, rows, once="key")


@functools.cache
def _adding(dialect: str) -> Executable:
    """Made once: building a statement costs more than SQLite takes to carry it out."""
    new = sqlite.insert(MESSAGES).on_conflict_do_nothing(index_elements=["key"])
    if dialect == "postgresql":
        return (
            postgresql.insert(MESSAGES)
            .on_conflict_do_nothing(index_elements=["key"])
            .returning(MESSAGES.c.id)
        )
    return new.returning(MESSAGES.c.id)


def due(
    session: Session, channel: str, now: dt.datetime, limit: int
) -> list[tuple[int, int | None]]:
    """Message and client ids of what may go, the oldest first."""
    asked = {"channel": channel, "now": now, "limit": limit}
    return [(row.id, row.client_id) for row in session.connection().execute(_DUE, asked)]


Ready = tuple[Message, Outgoing, str]
"""A message, what it says, and the owner of the key that keeps it."""


def claim_all(session: Session, office: Office, ready: Sequence[Ready]) -> list[Claim]:
    """Keep what was rendered and lease the messages; without those that are no longer queued."""
    if not ready:
        return []
    kept = _keep(session, office, ready)
    lease_id = secrets.token_hex(8)
    rows = [
        {
            "id": message.id,
            "state": State.CLAIMED,
            "body_id": kept[message.id],
            "lease_id": lease_id,
            "lease_until": office.wall + LEASE,
            "claimed_at": office.now,
            "rule": "",
            "reason": "",
            "wake_at": None,
            "wake_on_client": False,
        }
        for message, _, _ in ready
    ]
    won = moves.all_of(session, rows, (State.QUEUED,))
    return [
        Claim(message.id, lease_id, message.channel, message.client_id, outgoing, message.key)
        for message, outgoing, _ in ready
        if message.id in won
    ]


def _keep(session: Session, office: Office, ready: Sequence[Ready]) -> dict[int, int]:
    """What was rendered, sealed; the vault id by message.

    What belongs to no client ends when what strangers wrote does, for it may show that.
    """
    end = office.now + dt.timedelta(days=office.policy.vault.unmatched_days)
    ours = [one for one in ready if one[0].client_id is None]
    theirs = [one for one in ready if one[0].client_id is not None]
    found: dict[int, int] = {}
    for some, expires_at in ((theirs, None), (ours, end)):
        bodies = [(owner, json.dumps(asdict(out), default=_plain)) for _, out, owner in some]
        kept = vault.put_all(session, office.keyring, bodies, office.now, expires_at)
        found |= {one[0].id: body.vault_id for one, body in zip(some, kept, strict=True)}
    return found


def rendered(session: Session, keyring: Keyring, message: Message) -> Outgoing | None:
    """What was last rendered for a message; None where nothing was, or it is erased."""
    text = vault.text(session, keyring, message.body_id)
    if not text or text == vault.ERASED:
        return None
    fields = json.loads(text)
    fields["attachments"] = tuple(
        Attachment(item["name"], item["content_type"], bytes.fromhex(item["content"]))
        for item in fields["attachments"]
    )
    return Outgoing(**{**fields, "blocks": tuple(fields["blocks"])})


def begin_all(session: Session, claims: Sequence[Claim], wall: dt.datetime) -> list[Claim]:
    """Note that bytes are about to be written; without claims that were lost meanwhile."""
    if not claims:
        return []
    asked = {
        "ids": [one.message_id for one in claims],
        "leases": list({one.lease_id for one in claims}),
        "until": wall + LEASE,
        "wall": wall,
    }
    begun = store.below(session).execute(moves.BEGIN, asked)
    mine = {(row.id, row.lease_id) for row in begun}
    store.forget(session, Message)
    won = [one for one in claims if (one.message_id, one.lease_id) in mine]
    attempts.begin(session, [one.message_id for one in won], wall)
    return won


def sent_all(session: Session, answers: Sequence[tuple[int, Sent]], now: dt.datetime) -> list[int]:
    """The provider took them; the ids of those that moved.

    A report may have said so before, then this changes nothing.
    """
    rows = [
        {
            "id": message_id,
            "state": State.SENT,
            "provider_id": answer.provider_id,
            "sent_at": now,
            "lease_id": None,
            "lease_until": None,
            "wake_at": None,
            "rule": "",
            "reason": "",
        }
        for message_id, answer in answers
    ]
    return sorted(moves.all_of(session, rows, moves.SENDABLE))


def delivered(session: Session, message_id: int, now: dt.datetime) -> bool:
    """The provider says that it arrived."""
    return moves.where(
        session,
        (MESSAGES.c.id == message_id) & (MESSAGES.c.state == State.SENT),
        state=State.DELIVERED,
        delivered_at=now,
    )


def failed(session: Session, message_id: int, rule: str, sentence: str) -> bool:
    """It will not arrive: the provider refused, or gave up after it had taken it."""
    return moves.where(
        session,
        (MESSAGES.c.id == message_id)
        & MESSAGES.c.state.in_((State.SENDING, State.SENT, State.IN_DOUBT)),
        state=State.FAILED,
        rule=rule,
        reason=sentence,
        lease_id=None,
        lease_until=None,
        wake_at=None,
    )


def again(
    session: Session, claim_: Claim, send_after: dt.datetime, *, rule: str, attempt: bool
) -> bool:
    """It did not go and may go later; ``attempt`` False where the provider asked us to wait."""
    return moves.where(
        session,
        _mine(claim_, State.SENDING),
        state=State.QUEUED,
        send_after=send_after,
        rule=rule,
        attempts=MESSAGES.c.attempts - (0 if attempt else 1),
        lease_id=None,
        lease_until=None,
    )


def put_off(session: Session, message_id: int, send_after: dt.datetime) -> bool:
    """It could not even be judged: later, so that it is not the first in every pass."""
    queued = (MESSAGES.c.id == message_id) & (MESSAGES.c.state == State.QUEUED)
    return moves.where(session, queued, send_after=send_after, rule="error")


def doubt(session: Session, message_id: int, look_at: dt.datetime, sentence: str) -> bool:
    """It may have gone: nobody sends it again before there is evidence."""
    return moves.where(
        session,
        (MESSAGES.c.id == message_id) & (MESSAGES.c.state == State.SENDING),
        state=State.IN_DOUBT,
        wake_at=look_at,
        rule="in_doubt",
        reason=sentence,
        lease_id=None,
        lease_until=None,
    )


def look_later(session: Session, message_id: int, look_at: dt.datetime | None) -> bool:
    """When the evidence is looked for next; None where it is a person's turn."""
    return moves.where(
        session,
        (MESSAGES.c.id == message_id) & (MESSAGES.c.state == State.IN_DOUBT),
        wake_at=look_at,
    )


def requeue(session: Session, message_id: int, now: dt.datetime) -> bool:
    """A person, or evidence, says that a message in doubt did not go."""
    return moves.where(
        session,
        (MESSAGES.c.id == message_id) & (MESSAGES.c.state == State.IN_DOUBT),
        state=State.QUEUED,
        send_after=now,
        wake_at=None,
        rule="",
        reason="",
    )


def release(session: Session, message_id: int, now: dt.datetime) -> bool:
    """Somebody who may has said that it goes: it is judged anew."""
    return moves.where(
        session,
        (MESSAGES.c.id == message_id) & (MESSAGES.c.state == State.AWAITING),
        state=State.QUEUED,
        send_after=now,
        rule="",
        reason="",
    )


def refuse(session: Session, message_id: int, finding: Finding, state: State) -> bool:
    """What the door decided: held until a moment or an event, awaiting, withheld or cancelled."""
    return moves.where(
        session,
        (MESSAGES.c.id == message_id) & MESSAGES.c.state.in_((State.QUEUED, State.HELD)),
        state=state,
        rule=finding.rule,
        reason=finding.reason,
        wake_at=finding.until,
        wake_on_client=finding.wake_on_client,
    )


def hold_all(session: Session, held: Sequence[tuple[int, Finding]]) -> None:
    """What the door put off, each until its moment or its event."""
    rows = [
        {
            "id": message_id,
            "state": State.HELD,
            "rule": finding.rule,
            "reason": finding.reason,
            "wake_at": finding.until,
            "wake_on_client": finding.wake_on_client,
        }
        for message_id, finding in held
    ]
    if rows:
        moves.all_of(session, rows, (State.QUEUED, State.HELD))


def cancel(
    session: Session,
    which: ColumnElement[bool],
    rule: str,
    reason: str,
    state: State = State.CANCELLED,
) -> list[int]:
    """Cancel, or withhold, whatever of ``which`` has not left yet, claimed or not; the ids."""
    query = (
        update(MESSAGES)
        .where(which, MESSAGES.c.state.in_(UNSENT))
        .values(state=state, rule=rule, reason=reason, lease_id=None, lease_until=None)
        .returning(MESSAGES.c.id)
    )
    return sorted(session.execute(query).scalars())


def to_address(
    address_id: int, clients: Collection[int] = (), purposes: Collection[str] = ()
) -> ColumnElement[bool]:
    """Everything that is meant for a client at this address, of all or of some, of all kinds."""
    which = and_(MESSAGES.c.address_id == address_id, MESSAGES.c.audience == Audience.CLIENT)
    which = and_(which, MESSAGES.c.client_id.in_(clients)) if clients else which
    return and_(which, MESSAGES.c.purpose.in_(purposes)) if purposes else which


def about(kind: str, subject_id: int, audience: Audience = Audience.CLIENT) -> ColumnElement[bool]:
    """Everything for clients, or for somebody else, that is about one subject."""
    return and_(
        MESSAGES.c.subject_kind == kind,
        MESSAGES.c.subject_id == subject_id,
        MESSAGES.c.audience == audience,
    )


def wake_clients(session: Session, clients: Collection[int], now: dt.datetime) -> None:
    """Something about these clients changed: what is held or claimed is judged anew, now."""
    moves.where(
        session,
        and_(
            MESSAGES.c.client_id.in_(clients),
            MESSAGES.c.audience == Audience.CLIENT,
            MESSAGES.c.state.in_((State.HELD, State.CLAIMED)),
        ),
        state=State.QUEUED,
        send_after=now,
        lease_id=None,
        lease_until=None,
    )


def wake_rule(session: Session, rule: str, now: dt.datetime, client_id: int | None = None) -> None:
    """What a rule held is judged anew: the switch that held it was turned."""
    held = and_(MESSAGES.c.state == State.HELD, MESSAGES.c.rule == rule)
    if client_id is not None:
        held = and_(held, MESSAGES.c.client_id == client_id)
    moves.where(session, held, state=State.QUEUED, send_after=now)


def wake_due(session: Session, now: dt.datetime) -> None:
    """What was held until a moment that has come is judged anew."""
    moves.where(
        session,
        and_(MESSAGES.c.state == State.HELD, MESSAGES.c.wake_at <= now),
        state=State.QUEUED,
        send_after=now,
        wake_at=None,
    )


def stale(session: Session, wall: dt.datetime, limit: int = 100) -> list[tuple[int, int | None]]:
    """Message and client ids of leases that ran out: their worker is gone."""
    query = select(MESSAGES.c.id, MESSAGES.c.client_id).where(
        MESSAGES.c.lease_until <= wall,
        MESSAGES.c.state.in_((State.CLAIMED, State.SENDING)),
    )
    return [(row.id, row.client_id) for row in session.execute(query.limit(limit))]


def recover(session: Session, message_id: int, wall: dt.datetime, look_at: dt.datetime) -> State:
    """Take a message back from a worker that is gone; say what became of it."""
    over = (MESSAGES.c.id == message_id) & (MESSAGES.c.lease_until <= wall)
    released = {"lease_id": None, "lease_until": None}
    if moves.where(
        session, over & (MESSAGES.c.state == State.CLAIMED), state=State.QUEUED, **released
    ):
        return State.QUEUED
    sentence = "The process ended while this message was on the wire."
    in_doubt = {"state": State.IN_DOUBT, "rule": "in_doubt", "reason": sentence, "wake_at": look_at}
    if moves.where(session, over & (MESSAGES.c.state == State.SENDING), **in_doubt, **released):
        attempts.end(session, message_id, "in_doubt", wall)
        return State.IN_DOUBT
    return State(session.get_one(Message, message_id).state)


def doubtful(session: Session, now: dt.datetime, limit: int = 100) -> Sequence[Message]:
    """Messages in doubt whose evidence is due for a look."""
    query = (
        select(Message)
        .where(MESSAGES.c.state == State.IN_DOUBT, MESSAGES.c.wake_at <= now)
        .order_by(MESSAGES.c.wake_at)
        .limit(limit)
    )
    return list(session.execute(query).scalars())


def _mine(claim_: Claim, state: State) -> ColumnElement[bool]:
    return and_(
        MESSAGES.c.id == claim_.message_id,
        MESSAGES.c.state == state,
        MESSAGES.c.lease_id == claim_.lease_id,
    )


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} cannot be kept")
