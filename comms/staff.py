"""How do our own people hear of something? Every alert is a message with a key and a state.

What a message to staff shows is made when it is claimed (``bot/slack/cards``), from its subject;
here is decided only that there is one, where it goes and which thread it belongs to.
"""

from sqlmodel import Session, col, select

from billing.models import Client, Staff
from comms import outbox
from comms.models import Audience, Message, Purpose, State, Thread
from comms.office import Office


def desk_of(session: Session, office: Office, owner_id: int | None) -> str:
    """Where an owner reads; the finance channel where there is none, or they have left."""
    owner = session.get(Staff, owner_id) if owner_id else None
    return owner.slack_user if owner and owner.active and owner.slack_user else office.finance


def tell(
    session: Session,
    office: Office,
    *,
    key: str,
    purpose: Purpose,
    template: str,
    to: str,
    client_id: int | None = None,
    subject: tuple[str, int | None] = ("", None),
    thread_id: int | None = None,
    updates_id: int | None = None,
) -> int | None:
    """Queue a message to staff; None where this key was told before."""
    return outbox.queue(
        session,
        Message(
            key=key,
            reference="",
            audience=Audience.STAFF,
            channel="slack",
            purpose=purpose,
            template=template,
            client_id=client_id,
            destination=to,
            subject_kind=subject[0],
            subject_id=subject[1],
            thread_id=thread_id,
            updates_id=updates_id,
            send_after=office.now,
            created_at=office.now,
        ),
    )


def alert(
    session: Session, office: Office, *, key: str, template: str, subject: tuple[str, int]
) -> int | None:
    """Tell finance that something needs a person; the client is the one of the subject."""
    client_id = None
    if subject[0] == "message":
        client_id = session.get_one(Message, subject[1]).client_id
    return tell(
        session, office, key=f"alert:{key}", purpose=Purpose.ALERT, template=template,
        to=office.finance, client_id=client_id, subject=subject,
    )  # fmt: skip


def thread_of(session: Session, office: Office, client: Client, family: str) -> int:
    """The message that the client's thread hangs on; the thread begins where there is none."""
    thread = session.get(Thread, (client.id, family))
    if thread is not None:
        return thread.root_id
    root_id = tell(
        session, office, key=f"thread:{client.id}:{family}", purpose=Purpose.THREAD,
        template="thread", to=office.clients, client_id=client.id,
        subject=("client", client.id),
    )  # fmt: skip
    if root_id is None:
        key = f"thread:{client.id}:{family}"
        root_id = session.exec(select(Message.id).where(Message.key == key)).one()
    session.add(Thread(client_id=client.id, family=family, root_id=root_id))
    session.flush()
    return root_id


def threads(session: Session, provider_id: str) -> list[Thread]:
    """The client threads that hang on a Slack message."""
    query = (
        select(Thread)
        .join(Message, col(Message.id) == Thread.root_id)
        .where(
            Message.provider_id == provider_id,
            col(Message.state).in_((State.SENT, State.DELIVERED)),
        )
    )
    return list(session.exec(query))
