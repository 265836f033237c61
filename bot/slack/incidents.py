"""What does compliance see of a card number that a client sent?"""

from sqlmodel import Session

from billing.models import Client
from bot.custody import copies, incidents
from bot.models import Incoming
from bot.reasons import naming
from bot.slack import blocks
from bot.slack.escalations import Card
from comms.compliance import clearance
from comms.compliance.labels import Label
from comms.models import Message
from comms.office import Office


def compose(session: Session, _office: Office, message: Message) -> Card:
    """What came, from whom, and where it no longer is."""
    row = session.get_one(Incoming, message.subject_id)
    incident = incidents.of(session, row.id)
    client = session.get(Client, row.client_id) if row.client_id else None
    who = blocks.inline(client.name) if client else "Somebody whom we do not know"
    labels = incident.labels.split() if incident else (row.labels or "").split()
    channel = incident.channel if incident else row.source
    what = f"{who} sent {clearance.named([Label(one) for one in labels])} by {naming.way(channel)}"
    asked = copies.of_incoming(session, [row.id]).get(row.id, ())
    body = [
        blocks.section(f"*{what}*, on {blocks.moment(row.received_at)}."),
        blocks.section(
            "It was covered before anything was kept, also in the request itself. "
            f"{incidents.provider(asked, channel)}"
        ),
        blocks.context(
            "PCI DSS 4.0.1, 4.2.2. Today's others of theirs: `counterfoil incidents list --all`."
        ),
    ]
    return Card(what, body)
