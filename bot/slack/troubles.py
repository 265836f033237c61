"""What does finance see when something came in, or should go on, and cannot?

These cards ask for a person: what they are about moves no further by itself.
"""

from dataclasses import replace

from sqlmodel import Session, col, select

from billing import money, spelling, vault
from billing.keyring import KeyGone
from billing.models import Client, Enrolment, LegalEntity, Promise, PromisePart
from bot import factsheet, inbox
from bot.models import Incoming
from bot.slack import blocks, records
from bot.slack.escalations import Card
from bot.watching import standstills
from comms.facts import Tellable
from comms.models import Message
from comms.office import Office
from comms.ports import Outgoing
from comms.rendering import TemplateMistake

_SOURCES = {
    "email": "A mail",
    "twilio.sms": "A text",
    "twilio.status": "A delivery report of Twilio",
    "slack.instruction": "Something that was asked for in Slack",
    factsheet.TOLD: "A delivery of facts",
}
_REASONS = 10


def unreadable(session: Session, _office: Office, message: Message) -> Card:
    """It arrived, and no machine can read it."""
    row = session.get_one(Incoming, message.subject_id)
    what = f"{_named(row)} cannot be read"
    body = [
        blocks.section(f"*{what}*, so nobody has seen what it says. It is kept sealed."),
        blocks.context(
            "Who may see what nobody has screened looks at it on the machine: `counterfoil "
            "incidents list`. Else ask the sender to write it again."
        ),
    ]
    return Card(what, body)


def demand(session: Session, office: Office, message: Message) -> Card:
    """Somebody unknown demands that evidence is preserved."""
    row = session.get_one(Incoming, message.subject_id)
    what = f"{_named(row)}, from somebody whom we do not know, demands that evidence is preserved"
    days = office.policy.vault.unmatched_days
    body = [
        blocks.section(f"*{what}.* Find out whom it is about: `/acct hold NAME` places a hold."),
        blocks.context(
            f"The letter itself stands in the channel for clients; here it is kept {days} days, "
            "because it belongs to no client. Keep a copy."
        ),
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


def promise(session: Session, office: Office, message: Message) -> Card:
    """A promised day has passed without the money."""
    row = session.get_one(Promise, message.subject_id)
    client = session.get_one(Client, row.client_id)
    query = select(PromisePart).where(PromisePart.promise_id == row.id)
    parts = session.exec(query.order_by(col(PromisePart.position))).all()
    name = blocks.inline(client.name)
    what = f"{name} has not paid what was promised"
    items = [
        f"{money.display(part.amount, row.currency)} by {spelling.day(part.due_on)}"
        for part in parts
    ]
    body = [
        blocks.section(f"*{what}*. It is asked for again from now on."),
        *blocks.lines("", items),
        blocks.section("\n".join(records.balances(session, office, client))),
    ]
    button = blocks.button("Card", "client.card", {"c": client.id})
    return Card(what, body, blocks.actions([button]))


def fact_unknown(session: Session, office: Office, message: Message) -> Card:
    """Another system told of something whose client or invoice nobody has told of for a day."""
    advice = "Send what is missing, and then these again; what is known already changes nothing."
    return _told(session, office, message, ("waited for a day and cannot be booked", advice))


def fact_refused(session: Session, office: Office, message: Message) -> Card:
    """Another system told otherwise than we hold."""
    advice = "What we hold stays as it is. Correct it where it comes from, and send it again."
    return _told(session, office, message, ("contradicts what we hold and was not booked", advice))


def _told(session: Session, office: Office, message: Message, words: tuple[str, str]) -> Card:
    row = session.get_one(Incoming, message.subject_id)
    told, reasons = _reread(session, office, row)
    sources = ", ".join(sorted({blocks.inline(fact.source) for fact in told})) or "another system"
    kinds = ", ".join(sorted({factsheet.type_of(fact).replace("_", " ") for fact in told}))
    many = f"{len(told)} facts" if len(told) > 1 else "A fact"
    happened, advice = words
    what = f"{many} of {sources} {happened}"
    items = [blocks.inline(reason, 300) for reason in reasons[:_REASONS]]
    if len(reasons) > _REASONS:
        items.append(f"and {len(reasons) - _REASONS} more")
    body = [
        blocks.section(f"*{what}* ({kinds or 'no longer kept'})."),
        *blocks.lines("", items),
        blocks.context(advice),
    ]
    return Card(what, body)


def _reread(session: Session, office: Office, row: Incoming) -> tuple[list[Tellable], list[str]]:
    """What was told, and why it could not be booked; nothing where it has expired."""
    try:
        packed = vault.get(session, office.keyring, inbox.body_of(row))
        parcel = inbox.unpacked(row.source, row.external_id, packed)
        return factsheet.read(parcel.body), parcel.query.splitlines()
    except (KeyGone, ValueError):
        return [], []


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
