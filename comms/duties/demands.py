"""Somebody demands that evidence is preserved: who must decide, and is it known in time?

A hold is proposed to compliance and to the owner of the client, in the transaction in which the
letter is taken in; whether it is placed they say (FRCP 37(e)). Where everything of the client is
held already nothing needs to be decided.
"""

from sqlmodel import Session

from billing import aliases
from billing.models import Client, Role
from comms import staff
from comms.compliance.preservation import demands_preservation
from comms.duties import tasks
from comms.duties.tasks import Wanted
from comms.facts import InboundMessage
from comms.law import preservation
from comms.models import Purpose, TaskKind, Touchpoint
from comms.office import Office


def notice(
    session: Session,
    office: Office,
    client: Client,
    touchpoint: Touchpoint,
    message: InboundMessage,
) -> None:
    """Propose a hold for what a client, or counsel at one of their addresses, demands."""
    group = aliases.group(session, client.id)
    if not _demands(message) or preservation.standing(session, client.id):
        return
    if not tasks.of_clients(session, group, TaskKind.PRESERVE):
        wanted = Wanted(kind=TaskKind.PRESERVE, touchpoint_id=touchpoint.id)
        tasks.open_task(session, office, client, wanted)


def of_stranger(
    session: Session, office: Office, message: InboundMessage, incoming_id: int
) -> None:
    """Of somebody whom nobody knows compliance hears as well: they find out whom it is about."""
    if not _demands(message):
        return
    for desk in staff.desks_with(session, office, Role.COMPLIANCE):
        told = staff.Notice(
            key=f"alert:demand:{incoming_id}:{desk}",
            purpose=Purpose.ALERT,
            template="demand",
            to=desk,
            subject=("incoming", incoming_id),
        )
        staff.tell(session, office, told)


def _demands(message: InboundMessage) -> bool:
    return demands_preservation(f"{message.subject}.\n{message.body}")
