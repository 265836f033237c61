"""What does somebody see who may let a colleague's words go, and who hears that offers stop?"""

from sqlmodel import Session

from billing.models import Address, Client, Staff
from bot.reasons import naming
from bot.slack import blocks, records
from bot.slack.blocks import Block
from bot.slack.escalations import Card
from comms.addresses import complaints
from comms.compliance import clearance
from comms.compliance.labels import SEALING
from comms.models import Message, State
from comms.office import Office
from comms.writing import drafts


def asked(session: Session, office: Office, message: Message) -> Card:
    """May these words go? Not the words themselves: who may reads them by the button."""
    draft = session.get_one(Message, message.subject_id)
    client = session.get_one(Client, draft.client_id)
    name, way = blocks.inline(client.name), naming.way(draft.channel)
    if draft.state != State.AWAITING:
        said = f"Decided: what was written to {name} {_fate(draft)}."
        return Card(said, [blocks.section(said)])
    by = session.get(Staff, draft.subject_id) if draft.subject_kind == "staff" else None
    found = drafts.of(session, office, draft)
    why = clearance.named(found.labels & SEALING) or " ".join(found.untold)
    what = f"{blocks.inline(by.name) if by else 'Somebody'} asks whether this may go"
    body = [
        blocks.section(f"*{what}*: to {name} by {way} {_place(session, draft)}".rstrip()),
        blocks.section(f"What is in it: {blocks.inline(why, 600)}"),
        blocks.context("Reading it, and what you say, is written on the client's chain."),
    ]
    value = {"m": draft.id}
    row = [
        blocks.button("Read it", "draft.read", value),
        blocks.button("Let it go once", "draft.release", value),
        blocks.button("It does not go", "draft.refuse", value),
    ]
    return Card(f"{what}: to {name}", body, blocks.actions(row))


def _fate(draft: Message) -> str:
    return "does not go" if draft.rule == "content_refused" else f"is {records.fate(draft)}"


def _place(session: Session, draft: Message) -> str:
    address = session.get(Address, draft.address_id) if draft.address_id else None
    return blocks.inline(blocks.mask(address.kind, address.value)) if address else ""


def stopped(session: Session, office: Office, _message: Message) -> Card:
    """Too many called an offer of ours spam."""
    found = complaints.pause(session, office)
    what = "Offers by mail have stopped" if found else "Offers by mail go on"
    why = found.reason if found else "Fewer complaints lie within the days that count."
    body: list[Block] = [
        blocks.section(f"*{what}.* {blocks.inline(why, 900)}"),
        blocks.context(
            "They go on by themselves once the days have passed. Look at whom you write to, and at "
            "Google Postmaster Tools; invoices, reminders and receipts are not touched."
        ),
    ]
    return Card(what, body)
