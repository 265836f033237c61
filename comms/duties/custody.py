"""What is kept of a client, and who asked about it: what follows when staff say so in Slack?"""

import datetime as dt
from typing import Final, assert_never

from sqlmodel import Session, col, select

from billing import aliases, obligations, spelling
from billing.calendar import local_date
from billing.models import Client, LegalHold, RequestKind, RightsRequest, Role
from comms import staff
from comms.duties.orders import EndHold, OpenRights, PlaceHold
from comms.law import preservation
from comms.models import Purpose
from comms.office import Office, Word

SOON: Final = dt.timedelta(days=7)
"""So long before the day compliance is told."""
_WHY: Final = "said in Slack"


def clients_of(session: Session, asked: PlaceHold | EndHold | OpenRights) -> list[int]:
    """Everybody whom it touches: to be locked before it is carried out."""
    if isinstance(asked, EndHold):
        hold = session.get(LegalHold, asked.hold_id)
        return aliases.group(session, hold.client_id) if hold else []
    return aliases.group(session, asked.client_id)


def carry_out(
    session: Session, office: Office, asked: PlaceHold | EndHold | OpenRights, by: str
) -> str:
    """Do it, once; the sentence is for the person who asked."""
    match asked:
        case PlaceHold():
            name = session.get_one(Client, asked.client_id).name
            word = Word(by, _WHY)
            preservation.place(session, office, asked.client_id, asked.matter, word)
            return f"Everything of {name} is kept for {asked.matter} until it is released."
        case EndHold():
            return _end(session, office, asked, by)
        case OpenRights():
            return _open(session, office, asked, by)
    assert_never(asked)


def _end(session: Session, office: Office, asked: EndHold, by: str) -> str:
    hold = session.get(LegalHold, asked.hold_id)
    if hold is None or hold.released_at is not None:
        return "That hold has ended already."
    matter, name = hold.matter, session.get_one(Client, hold.client_id).name
    preservation.release(session, office, hold.client_id, matter, Word(by, _WHY))
    left = preservation.standing(session, hold.client_id)
    still = ", ".join(dict.fromkeys(one.matter for one in left))
    return f"Released: {matter}." + (f" {name} is still held for {still}." if still else "")


def _open(session: Session, office: Office, asked: OpenRights, by: str) -> str:
    client = session.get_one(Client, asked.client_id)
    query = select(RightsRequest).where(
        RightsRequest.client_id == client.id, RightsRequest.kind == asked.kind,
        RightsRequest.state == "open",
    )  # fmt: skip
    case = session.exec(query).first()
    if case is None:
        case = begin(
            session, office, client, asked.kind, local_date(office.now, client.timezone), by
        )
    return (
        f"Case {case.id}: {client.name} must have an answer by {spelling.day(case.due_on)}. "
        f"On the machine: counterfoil {_COMMANDS[asked.kind]} client:{client.id} --help."
    )


_COMMANDS = {RequestKind.ACCESS: "rights export", RequestKind.ERASURE: "erase"}


def begin(
    session: Session,
    office: Office,
    client: Client,
    kind: RequestKind,
    received: dt.date,
    by: str,
) -> RightsRequest:
    """Begin a case; the clock runs from the day on which the request was received."""
    place = f"{client.country}-{client.region}" if client.region else client.country
    request = RightsRequest(
        client_id=client.id, kind=kind, received_on=received,
        due_on=obligations.due(received, place), opened_by=by, opened_at=office.now,
    )  # fmt: skip
    session.add(request)
    session.flush()
    tell(session, office)
    return request


def days_left(request: RightsRequest, client: Client, now: dt.datetime) -> int:
    """Until the day on which it is due; below 0 where that has passed."""
    return (request.due_on - local_date(now, client.timezone)).days


def tell(session: Session, office: Office) -> int:
    """Tell compliance of each open case that is due soon, and again when its day has passed."""
    query = (
        select(RightsRequest, Client)
        .join(Client, col(Client.id) == RightsRequest.client_id)
        .where(
            RightsRequest.state == "open",
            col(RightsRequest.due_on) <= office.now.date() + SOON,
        )
    )
    told = 0
    for request, client in session.exec(query).all():
        stage = "late" if days_left(request, client, office.now) < 0 else "soon"
        for desk in staff.desks_with(session, office, Role.COMPLIANCE):
            notice = staff.Notice(
                key=f"alert:rights:{request.id}:{request.due_on}:{stage}:{desk}",
                purpose=Purpose.ALERT,
                template="rights",
                to=desk,
                client_id=client.id,
                subject=("rights_request", request.id),
            )
            told += staff.tell(session, office, notice) is not None
    return told
