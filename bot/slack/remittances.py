"""What does finance see of the lines of a remittance that fit no share?"""

import json
from typing import Any

from sqlmodel import Session

from billing import vault
from billing.keyring import KeyGone
from bot import inbox
from bot.models import Incoming
from bot.slack import blocks
from bot.slack.escalations import Card
from comms.models import Message
from comms.office import Office

_LINES = 15


def compose(session: Session, office: Office, message: Message) -> Card:
    """The lines, and what to do with them."""
    told = _told(session, office, session.get_one(Incoming, message.subject_id))
    lines = told.get("lines", [])
    many = f"{len(lines)} lines" if len(lines) != 1 else "A line"
    payer = blocks.inline(told.get("payer", "a payer"))
    need = "need" if len(lines) != 1 else "needs"
    what = f"{many} of a remittance of {payer} {need} a person"
    items = [blocks.inline(line, 300) for line in lines[:_LINES]]
    if len(lines) > _LINES:
        items.append(f"and {len(lines) - _LINES} more")
    file = blocks.inline(told.get("file", "no longer kept"))
    body = [
        blocks.section(f"*{what}* ({file}). Nothing of these lines is booked."),
        *blocks.lines("", items),
        blocks.context("Correct the file, or tell the share anew, and run it again."),
    ]
    return Card(what, body)


def _told(session: Session, office: Office, row: Incoming) -> dict[str, Any]:
    """What was kept of it; nothing where it has expired."""
    try:
        packed = vault.get(session, office.keyring, inbox.body_of(row))
        found: dict[str, Any] = json.loads(inbox.unpacked(row.source, row.external_id, packed).body)
    except (KeyGone, ValueError):
        return {}
    return found
