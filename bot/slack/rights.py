"""What does compliance see of somebody who asks about their data?"""

from sqlmodel import Session

from billing import spelling, vault
from billing.models import Client, RightsRequest
from bot.slack import blocks
from bot.slack.escalations import Card
from comms.models import Message
from comms.office import Office

_ASKED = {"access": "what we hold of them", "erasure": "that we erase what we hold of them"}


def compose(session: Session, _office: Office, message: Message) -> Card:
    """By when they must be answered, and how."""
    request = session.get_one(RightsRequest, message.subject_id)
    client = session.get_one(Client, request.client_id)
    name = f"Client {client.id}" if client.name == vault.ERASED else blocks.inline(client.name)
    what = f"{name} asked {_ASKED[request.kind]}"
    received = spelling.day(request.received_on)
    due = f"Answer by *{spelling.day(request.due_on)}* (received {received})."
    if request.state == "closed":
        due = f"Answered: {request.outcome}."
    body = [
        blocks.section(f"*{what}*. {due}"),
        blocks.context(f"Case {request.id}: `counterfoil rights list` on the machine."),
    ]
    return Card(what, body)
