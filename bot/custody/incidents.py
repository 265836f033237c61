"""What came that may not lie about, what became of it everywhere, and who looked at it?

A card number that nobody asked for is an incident (PCI DSS 4.0.1, 4.2.2), and so is what no machine
could read: nobody knows what is in it, so it is kept sealed until somebody who may has looked.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session, col, select

from billing import spelling
from billing.calendar import local_date
from billing.models import Client, Role, Staff, StaffRole
from bot.custody import copies
from bot.models import Incident, Incoming, Recall, RecallState
from bot.report import Report, Table
from comms import staff
from comms.compliance import clearance
from comms.compliance.labels import Label
from comms.facts import InboundMessage
from comms.listening.screening import MASKED, PURGED
from comms.models import Purpose
from comms.office import Office

_SOON = dt.timedelta(minutes=2)
"""So long the carrier has to let its copy go before compliance is told of it."""


# --- what is put down -----------------------------------------------------------------------------


def note(session: Session, office: Office, row: Incoming, message: InboundMessage) -> None:
    """A message held a number that nobody may see: put it down, and ask the carrier for its copy.

    Of a card compliance is told, once a day for each who sends them.
    """
    found = MASKED.intersection(map(Label, message.labels))
    if not found:
        return
    _put(session, office, row, "number", [label for label in Label if label in found])
    copies.ask(session, list(copies.of_text(row, message, office.now)))
    if PURGED.isdisjoint(found):
        return
    whose = f"client:{row.client_id}" if row.client_id else f"incoming:{row.id}"
    key = f"incident:{whose}:{local_date(office.now, 'UTC')}"
    _tell(session, office, row, ("incident", key), office.now + _SOON)


def unreadable(session: Session, office: Office, row: Incoming) -> None:
    """Something came that no machine can read: whoever may look at it is asked to."""
    _put(session, office, row, "unreadable", [Label.UNSCREENED])
    _tell(session, office, row, ("unreadable", f"unreadable:{row.id}"), office.now)


def _put(
    session: Session, office: Office, row: Incoming, kind: str, labels: Sequence[Label]
) -> None:
    channel = {"twilio.sms": "sms"}.get(row.source, row.source)
    incident = Incident(
        kind=kind, incoming_id=row.id, client_id=row.client_id, channel=channel,
        labels=" ".join(labels), found_at=office.now,
    )  # fmt: skip
    if kind == "number":
        incident.closed_at = office.now
    session.add(incident)
    session.flush()


def _tell(
    session: Session, office: Office, row: Incoming, what: tuple[str, str], when: dt.datetime
) -> None:
    template, key = what
    for desk in desks(session) or [office.finance]:
        notice = staff.Notice(
            key=f"alert:{key}:{desk}",
            purpose=Purpose.ALERT,
            template=template,
            to=desk,
            client_id=row.client_id,
            subject=("incoming", row.id),
        )
        staff.tell(session, office, notice, when)


def desks(session: Session) -> Sequence[str]:
    """Everybody in Slack who may look at what nobody has screened."""
    query = (
        select(Staff.slack_user)
        .join(StaffRole, col(StaffRole.staff_id) == Staff.id)
        .where(
            col(StaffRole.role).in_((Role.COMPLIANCE, Role.PRIVILEGED)),
            col(Staff.active).is_(True),
        )
        .order_by(col(Staff.id))
    )
    return list(dict.fromkeys(user for user in session.exec(query) if user))


# --- what can be asked ----------------------------------------------------------------------------


def of(session: Session, incoming_id: int) -> Incident | None:
    """The incident of a request."""
    return session.exec(select(Incident).where(Incident.incoming_id == incoming_id)).first()


def provider(asked: Sequence[Recall], channel: str) -> str:
    """What became of the provider's copy, in a sentence."""
    if not asked:
        return "Mail cannot be taken back." if channel == "email" else "Nothing was asked for."
    if failed := [one for one in asked if one.state == RecallState.FAILED]:
        return f"The carrier did not let its copy go ({failed[0].problem}); a person must ask it."
    if waits := [one for one in asked if one.state == RecallState.PENDING]:
        again = f", tried {waits[0].attempts} times" if waits[0].attempts else ""
        return f"The carrier is asked for its copy{again}."
    when = max(one.done_at for one in asked if one.done_at is not None)
    return f"The carrier's copy was redacted on {spelling.moment(when)}."


def listed(session: Session, *, closed: bool = False) -> Report:
    """What still waits for a person; or all of it, the newest last."""
    query = select(Incident).order_by(col(Incident.id))
    if not closed:
        query = query.where(col(Incident.closed_at).is_(None))
    found = session.exec(query).all()
    asked = copies.of_incoming(session, [one.incoming_id for one in found])
    rows = [_row(session, one, asked.get(one.incoming_id, ())) for one in found]
    columns = ["incident", "found_at", "what", "by", "client", "provider", "closed_by"]
    shown = [[str(row[name]) for name in columns] for row in rows]
    lines = [] if rows else ["Nothing that came waits for a person to look at it."]
    return Report({"incidents": rows}, lines, [Table("", columns, shown)] if rows else [])


def _row(session: Session, one: Incident, asked: Sequence[Recall]) -> Mapping[str, Any]:
    client = session.get(Client, one.client_id) if one.client_id else None
    unread = one.kind == "unreadable"
    labels = [Label(name) for name in one.labels.split()]
    return {
        "incident": one.id,
        "found_at": f"{one.found_at:%Y-%m-%d %H:%M} UTC",
        "what": "cannot be read" if unread else clearance.named(labels),
        "by": one.channel,
        "client": client.name if client else "",
        "provider": "" if unread else provider(asked, one.channel),
        "read_by": one.read_by,
        "closed_by": one.closed_by,
        "labels": labels,
    }
