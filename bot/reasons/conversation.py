"""What was said between a client and us, as a table?"""

from collections.abc import Mapping

from sqlmodel import Session

from billing import spelling
from billing.models import Client
from bot.report import Report, Table
from comms import seals
from comms.compliance.clearance import Reader, Sink
from comms.models import Message, Touchpoint
from comms.office import Office
from comms.timeline import latest, messages

_TERMINAL = Reader(Sink.PERSON)
"""Whoever sits there: what is sealed is read by name, with ``counterfoil privilege read``."""


def timeline(
    session: Session, office: Office, client: Client, limit: int, *, words: bool
) -> Report:
    """The newest touchpoints of a client."""
    said = latest(session, client.id, limit)
    ours = messages(session, said)
    rows = [
        _touch(session, office, one, ours.get(one.message_id or 0), words=words) for one in said
    ]
    columns = ["id", "when", "direction", "channel", "kind", "state"] + (["words"] if words else [])
    table = Table("", columns, [[str(row[name]) for name in columns] for row in rows])
    lines = [] if rows else [f"Nothing was said between {client.name} and us yet."]
    return Report({"client": client.name, "touchpoints": rows}, lines, [table] if rows else [])


def _touch(
    session: Session,
    office: Office,
    touchpoint: Touchpoint,
    message: Message | None,
    *,
    words: bool,
) -> Mapping[str, object]:
    row: dict[str, object] = {
        "id": touchpoint.id,
        "seq": touchpoint.seq,
        "when": spelling.moment(touchpoint.occurred_at),
        "direction": touchpoint.direction,
        "channel": touchpoint.channel,
        "kind": touchpoint.kind,
        "state": message.state if message else "",
        "message": message.id if message else None,
    }
    return row | ({"words": _words(session, office, touchpoint)} if words else {})


def _words(session: Session, office: Office, touchpoint: Touchpoint) -> str:
    """What was written: ours as it was rendered, theirs as it was read; sealed words stay so."""
    said = seals.words(session, office, touchpoint, _TERMINAL)
    parts = (said.get("sealed"), said.get("subject"), said.get("visible"))
    return "\n".join(part for part in parts if part)
