"""What does finance see when something came in, or should go on, and cannot?

These cards ask for a person: what they are about moves no further by itself.
"""

from sqlmodel import Session

from billing.models import Client, Enrolment
from bot.models import Incoming
from bot.slack import blocks
from bot.slack.escalations import Card
from comms.models import Message
from comms.office import Office

_SOURCES = {
    "email": "A mail",
    "twilio.sms": "A text",
    "twilio.status": "A delivery report of Twilio",
    "slack.instruction": "Something that was asked for in Slack",
}


def unreadable(session: Session, _office: Office, message: Message) -> Card:
    """It arrived, and no machine can read it."""
    row = session.get_one(Incoming, message.subject_id)
    what = f"{_named(row)} cannot be read"
    body = [
        blocks.section(f"*{what}*, so nobody has seen what it says."),
        blocks.context("Look for it where it was sent, and ask the sender to write it again."),
    ]
    return Card(what, body)


def stuck(session: Session, _office: Office, message: Message) -> Card:
    """It was tried again and again."""
    if message.subject_kind == "enrolment":
        return _stuck_ladder(session, message)
    row = session.get_one(Incoming, message.subject_id)
    what = f"{_named(row)} could not be taken in"
    why = f" ({blocks.inline(row.problem)})" if row.problem else ""
    body = [
        blocks.section(f"*{what}* after {row.attempts} tries{why}: what it asks for is not done."),
        blocks.context("Tell your admin: the log of the last try says where it failed."),
    ]
    return Card(what, body)


def _stuck_ladder(session: Session, message: Message) -> Card:
    enrolment = session.get_one(Enrolment, message.subject_id)
    client = session.get_one(Client, enrolment.client_id)
    name = blocks.inline(client.name)
    what = f"The {enrolment.sequence} of {name} cannot be judged"
    body = [
        blocks.section(f"*{what}*: nothing of it goes until it can. It is tried every hour."),
        blocks.context("Tell your admin: the log of the last try says where it failed."),
    ]
    button = blocks.button("Card", "client.card", {"c": client.id})
    return Card(what, body, blocks.actions([button]))


def _named(row: Incoming) -> str:
    source = _SOURCES.get(row.source, f"Something from {blocks.inline(row.source)}")
    return f"{source} of {blocks.moment(row.received_at)}"
