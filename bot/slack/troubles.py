"""What does finance see when something came in, or should go on, and cannot?

These cards ask for a person: what they are about moves no further by itself.
"""

from dataclasses import replace

from sqlmodel import Session, col, select

from billing.models import Client, Enrolment, LegalEntity
from bot import standstills
from bot.models import Incoming
from bot.slack import blocks
from bot.slack.escalations import Card
from comms.models import Message
from comms.office import Office
from comms.ports import Outgoing
from comms.rendering import TemplateMistake

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


def standstill(_session: Session, _office: Office, message: Message) -> Card:
    """The audit found rows that no longer move."""
    kind, count = message.subject_kind.removeprefix("audit."), message.subject_id or 0
    what = standstills.said(kind, count)
    body = [
        blocks.section(f"*{what}*"),
        blocks.section(standstills.KINDS[kind].remedy),
        blocks.context("`counterfoil audit moving` names them. This comes once a day at most."),
    ]
    return Card(what, body)


def by_mail(session: Session, message: Message, card: Outgoing) -> Outgoing:
    """A standstill for those who may not hear of it in Slack; plain, and without any name.

    Raises:
        TemplateMistake: this card does not go by mail, or no legal entity has a from-address.
    """
    sender = session.exec(
        select(LegalEntity.from_address)
        .where(LegalEntity.from_address != "")
        .order_by(col(LegalEntity.id))
    ).first()
    if message.template != "standstill" or not sender:
        raise TemplateMistake(message.template, 0, "this card cannot go by mail; report it")
    kind = message.subject_kind.removeprefix("audit.")
    remedy = standstills.KINDS[kind].remedy.replace("`", "")
    text = f"{card.text}\n\n{remedy}\n\ncounterfoil audit moving names them.\n"
    subject = f"Counterfoil: {card.text}"
    return replace(card, sender=sender, subject=subject, text=text, blocks=())


def _named(row: Incoming) -> str:
    source = _SOURCES.get(row.source, f"Something from {blocks.inline(row.source)}")
    return f"{source} of {blocks.moment(row.received_at)}"
