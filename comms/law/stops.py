"""A client, or counsel of theirs, writes that the law stands between us: what stops, here and now?

In the transaction in which the words are taken in: a stop that was needless costs a person a look,
a message that left costs more (11 USC 362; 12 CFR 1006.6(b)(2), (c)). A mail that does not prove
whose it is stops nothing by itself; like every reply it waits for a person.
"""

from sqlmodel import Session, col, select

from billing import aliases, facts, ledger
from billing.models import Client, Counsel, Side
from comms import consent
from comms.compliance import lawful
from comms.facts import InboundMessage
from comms.law import enforcement
from comms.office import Office

_DID = {
    "bankruptcy": "says that they are in bankruptcy: nothing leaves until a person lifts it",
    "represented": "says that counsel speaks for them: nothing goes to them any more",
    "cease": "asks in writing that we stop: nothing leaves but one notice that compliance approves",
}


def client_of_counsel(session: Session, message: InboundMessage) -> int | None:
    """The one client for whom this sender is counsel against us."""
    if message.channel != "email" or consent.find_address(session, "email", message.sender):
        return None
    known = (message.sender, message.sender.rpartition("@")[2])
    query = select(Counsel.client_id).where(
        Counsel.side == Side.OPPOSING,
        Counsel.state == "known",
        col(Counsel.value).in_(known),
        col(Counsel.client_id).is_not(None),
    )
    found = set(session.exec(query))
    return found.pop() if len(found) == 1 else None


def heard(
    session: Session, office: Office, client: Client, message: InboundMessage, incoming_id: int
) -> str:
    """Place the state that the words tell of; what was done, as staff read it."""
    if message.automatic or message.authenticated is False:
        return ""
    counsel = client_of_counsel(session, message) is not None
    kind = lawful.state_in(f"{message.subject}\n{message.visible}", by_counsel=counsel)
    if not kind:
        return ""
    told = {
        "source": facts.OURSELVES,
        "external_id": f"incoming:{incoming_id}",
        "client_external_id": str(aliases.head(client)),
        "kind": kind,
        "placed_at": office.now,
        "reason": f"Heard by {message.channel}.",
    }
    if counsel and kind == "represented":
        told |= {"counsel_email": message.sender, "counsel_name": message.sender_name or "Counsel"}
    fact = facts.LegalStatePlaced.model_validate(told)
    ledger.apply(session, fact, office.now, iter(()), office.keyring)
    enforcement.after(session, office, [fact], [client.id])
    return _DID[kind]
