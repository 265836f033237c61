"""How do our own people hear of something? Every alert is a message with a key and a state.

What a message to staff shows is made when it is claimed (``bot/slack/cards``), from its subject;
here is decided only that there is one, where it goes and which thread it belongs to.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from billing import store
from billing.models import Client, Role, Staff, StaffRole
from comms import outbox
from comms.models import Audience, Message, Purpose, Thread
from comms.office import Office


def desk_of(session: Session, office: Office, owner_id: int | None) -> str:
    """Where an owner reads; the finance channel where there is none, or they have left."""
    owner = session.get(Staff, owner_id) if owner_id else None
    return owner.slack_user if owner and owner.active and owner.slack_user else office.finance


def desks_with(session: Session, office: Office, role: Role) -> list[str]:
    """Everybody in Slack who has a role; the finance channel where nobody is."""
    query = (
        select(Staff.slack_user)
        .join(StaffRole, col(StaffRole.staff_id) == Staff.id)
        .where(StaffRole.role == role, col(Staff.active).is_(True))
        .order_by(col(Staff.id))
    )
    return [user for user in session.exec(query) if user] or [office.finance]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that staff should hear of; ``key`` keeps it from being told twice.

    ``thread_id`` is the message it hangs on, ``updates_id`` the one whose place it takes.
    """

    key: str
    purpose: Purpose
    template: str
    to: str
    client_id: int | None = None
    subject: tuple[str, int | None] = ("", None)
    thread_id: int | None = None
    updates_id: int | None = None


def tell(
    session: Session, office: Office, notice: Notice, send_after: dt.datetime | None = None
) -> int | None:
    """Queue a message to staff; None where its key was told before."""
    return outbox.queue(session, _message(office, notice, send_after or office.now))


def tell_all(
    session: Session, office: Office, notices: Sequence[tuple[Notice, dt.datetime]]
) -> None:
    """The same for many, each not before its moment."""
    outbox.queue_all(session, [_message(office, *one) for one in notices])


def _message(office: Office, notice: Notice, send_after: dt.datetime) -> Message:
    return store.fresh(
        Message,
        key=notice.key,
        reference="",
        audience=Audience.STAFF,
        channel="slack",
        purpose=notice.purpose,
        template=notice.template,
        client_id=notice.client_id,
        destination=notice.to,
        subject_kind=notice.subject[0],
        subject_id=notice.subject[1],
        thread_id=notice.thread_id,
        updates_id=notice.updates_id,
        send_after=send_after,
        created_at=office.now,
    )


def redraw(
    session: Session, card: Message, now: dt.datetime, why: str, template: str = ""
) -> int | None:
    """Make a card anew where it was shown, once for each ``why``: as another card, where named."""
    return outbox.queue(
        session,
        Message(
            key=f"{card.key}:{why}",
            reference="",
            audience=card.audience,
            channel=card.channel,
            purpose=card.purpose,
            template=template or card.template,
            client_id=card.client_id,
            destination=card.destination,
            subject_kind=card.subject_kind,
            subject_id=card.subject_id,
            thread_id=card.thread_id,
            updates_id=card.id,
            send_after=now,
            created_at=now,
        ),
    )


def alert(
    session: Session,
    office: Office,
    *,
    key: str,
    template: str,
    subject: tuple[str, int],
    to: str = "",
) -> int | None:
    """Tell finance, or whoever else it is for, that something needs a person.

    The client is the one of the subject.
    """
    client_id = None
    if subject[0] == "message":
        client_id = session.get_one(Message, subject[1]).client_id
    notice = Notice(
        key=f"alert:{key}",
        purpose=Purpose.ALERT,
        template=template,
        to=to or office.finance,
        client_id=client_id,
        subject=subject,
    )
    return tell(session, office, notice)


def thread_of(session: Session, office: Office, client: Client, family: str) -> int:
    """The message that the client's thread hangs on; the thread begins where there is none."""
    thread = session.get(Thread, (client.id, family))
    if thread is not None:
        return thread.root_id
    notice = Notice(
        key=f"thread:{client.id}:{family}",
        purpose=Purpose.THREAD,
        template="thread",
        to=office.clients,
        client_id=client.id,
        subject=("client", client.id),
    )
    root_id = tell(session, office, notice)
    if root_id is None:
        root_id = session.exec(select(Message.id).where(Message.key == notice.key)).one()
    session.add(Thread(client_id=client.id, family=family, root_id=root_id))
    session.flush()
    return root_id
