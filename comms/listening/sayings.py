"""A client said something and somebody tells us what was meant: what follows?

The pure part is ``intents``; here it is done, once for each saying. Whoever understands a reply,
another system or a classifier of our own, ends here, so that the same words have the same effect.
"""

import datetime as dt
import json
from collections.abc import Sequence

from sqlmodel import Session, col, select

from billing import accounts, aliases, arrears, facts, ledger, references, vault
from billing.calendar import local_date
from billing.ledger import Applied, Contradiction
from billing.models import (
    Address,
    Client,
    Contact,
    ContactAddress,
    LegalEntity,
    Verification,
)
from comms import consent, outbox, timeline
from comms.addresses import agreed, closing, optouts
from comms.duties import tasks
from comms.duties.tasks import Wanted
from comms.facts import ClientSaid, ConsentStated, Heard, ReplyHandled
from comms.intents import EFFECTS, Debt, Effect, Meaning, Speaker, billing_facts
from comms.law import counsel, enforcement
from comms.listening import pledges, screening
from comms.models import ConsentEvent, Saying, Task, TaskKind, Touchpoint
from comms.office import Office

MISDIRECTED = "Who reads there says that they are somebody else."
_TASKS = {
    Effect.CLAIM: TaskKind.CLAIM,
    Effect.PLAN: TaskKind.PLAN,
    Effect.DISPUTE: TaskKind.DISPUTE,
    Effect.CARE: TaskKind.CARE,
    Effect.MISDIRECTED: TaskKind.ADDRESS,
}
"""What a person is asked for, beside what follows by itself."""


def touchpoint_of(session: Session, incoming_id: int) -> Touchpoint | None:
    """The touchpoint of a delivery: what a client wrote, where we know whose it is."""
    query = select(Touchpoint).where(Touchpoint.incoming_id == incoming_id)
    return session.exec(query.where(Touchpoint.direction == "in")).first()


def clients_of(session: Session, heard: Heard, about: Touchpoint | None) -> set[int]:
    """Whom it may touch: to be locked before it is taken."""
    found: set[int] = set()
    if about is not None:
        found.add(about.client_id)
    if heard.client_external_id is not None:
        client_id = references.find_client(session, heard.source, heard.client_external_id)
        found |= {client_id} if client_id is not None else set()
    found |= {one for client in found for one in aliases.group(session, client)}
    if isinstance(heard, ClientSaid):
        for address in _addresses(session, heard, about):
            found |= set(consent.clients_of(session, address.id))
    if isinstance(heard, ConsentStated):
        for address in agreed.addresses_of(session, heard):
            found |= set(consent.clients_of(session, address.id))
    return found


def take(session: Session, office: Office, heard: Heard, about: Touchpoint | None) -> Applied:
    """Do what follows; ``about`` is the touchpoint of the message that it names.

    Raises:
        Unknown: its client or invoice was never described.
        Contradiction: the message is another client's.
    """
    match heard:
        case ReplyHandled():
            return _handled(session, office, heard)
        case ConsentStated():
            return agreed.take(session, office, heard)
        case ClientSaid():
            return _said(session, office, heard, about)


def _handled(session: Session, office: Office, heard: ReplyHandled) -> Applied:
    client_id = references.client_of(session, heard.source, heard.client_external_id)
    waiting = [
        task
        for task in tasks.of_clients(session, aliases.group(session, client_id), TaskKind.REPLY)
        if _last_word(session, task) <= heard.handled_at
    ]
    for task in waiting:
        tasks.close(session, office, task, "handled", heard.source)
    return Applied(client_id, changed=bool(waiting))


def _last_word(session: Session, task: Task) -> dt.datetime:
    said = session.get(Touchpoint, task.touchpoint_id) if task.touchpoint_id else None
    return said.recorded_at if said else task.opened_at


def _said(session: Session, office: Office, said: ClientSaid, about: Touchpoint | None) -> Applied:
    client_id = _client_of(session, said, about)
    query = select(Saying.id).where(Saying.source == said.source, Saying.external_id == said.key)
    if session.exec(query).first() is not None:
        return Applied(client_id, changed=False)
    client = aliases.master(session, session.get_one(Client, client_id))
    touchpoint = about or _write_down(session, office, said, client)
    if about is not None and said.note:
        _write_down(session, office, said, client, "internal")
    task = _follow(session, office, said, client, touchpoint)
    session.add(
        Saying(
            source=said.source, external_id=said.key, client_id=client.id,
            touchpoint_id=touchpoint.id, task_id=task.id if task else None, intent=said.intent,
            said_at=said.said_at, recorded_at=office.now,
        )
    )  # fmt: skip
    return Applied(client_id)


def _client_of(session: Session, said: ClientSaid, about: Touchpoint | None) -> int:
    if said.message is not None and about is None:
        raise references.Unknown(f"message {said.message} of a client is not known; leave it out")
    if said.client_external_id is None and about is not None:
        return about.client_id
    named = references.client_of(session, said.source, said.client_external_id or "")
    kin = aliases.of(session, [named, about.client_id]) if about else {}
    if about is not None and kin[named] != kin[about.client_id]:
        raise Contradiction(
            f"message {said.message} is not {said.client_external_id}'s; name one of the two"
        )
    return named


def _write_down(
    session: Session, office: Office, said: ClientSaid, client: Client, direction: str = "in"
) -> Touchpoint:
    """What was said elsewhere is in the timeline as well, in the words of whoever tells it.

    So is what they note beside a message of the client's own.
    """
    note, labels, fact = screening.covered(
        said.note, parties=counsel.about(session, office, client.id)
    )
    words = {"visible": note, "did": said.intent.replace("_", " "), "fact": fact}
    owner = client.key_id
    return timeline.append(
        session,
        Touchpoint(
            client_id=client.id,
            channel=said.channel,
            direction=direction,
            kind="said",
            labels=" ".join(labels),
            body_id=vault.put(session, office.keyring, owner, json.dumps(words), office.now),
            occurred_at=said.said_at,
            recorded_at=office.now,
        ),
    )


# --- what follows ---------------------------------------------------------------------------------


def _follow(
    session: Session, office: Office, said: ClientSaid, client: Client, touchpoint: Touchpoint
) -> Task | None:
    """Do it; the task of the person who has to look at it, if any."""
    effect = EFFECTS[said.intent]
    told = billing_facts(_meaning(said), speaker(session, office, client), said.key, office.policy)
    if effect is Effect.READ or (not told and effect in _ABOUT_MONEY):
        return tasks.open_reply(session, office, client, touchpoint.id)
    for fact in told:
        ledger.apply(session, fact, office.now, iter(()), office.keyring)
    pledges.review(session, office, told)
    enforcement.after(session, office, told, [client.id])
    _address(session, office, said, client, touchpoint)
    for reply in tasks.of_clients(session, aliases.group(session, client.id), TaskKind.REPLY):
        if reply.touchpoint_id == touchpoint.id:
            tasks.close(session, office, reply, said.intent, said.source)
    if effect not in _TASKS:
        return None
    held = [
        references.known(session, facts.OURSELVES, "hold", fact.key)
        for fact in told
        if isinstance(fact, facts.HoldPlaced)
    ]
    wanted = Wanted(
        kind=_TASKS[effect], hold_id=held[0] if held else None, touchpoint_id=touchpoint.id
    )
    return tasks.open_task(session, office, client, wanted)


_ABOUT_MONEY = (Effect.CLAIM, Effect.PROMISE, Effect.PLAN, Effect.DISPUTE, Effect.CARE)


def _meaning(said: ClientSaid) -> Meaning:
    return Meaning(
        intent=said.intent,
        said_at=said.said_at,
        date=said.date,
        amount=said.amount,
        currency=said.currency or "",
        method=said.method,
        invoice_number=said.invoice_number or "",
        legal_entity=said.legal_entity,
    )


def speaker(session: Session, office: Office, client: Client) -> Speaker:
    """The client as whoever judges their words needs them: where they live, what they owe."""
    today = local_date(office.now, client.timezone)
    owed = accounts.owed(session, client.id)
    names = {one.id: one.name for one in session.exec(select(LegalEntity))}
    return Speaker(
        client_id=client.id,
        timezone=client.timezone,
        country=client.country,
        region=client.region,
        debts=tuple(
            Debt(
                legal_entity=names[debt.legal_entity_id],
                currency=debt.currency,
                number=debt.instalment.number,
                open=debt.instalment.open,
                overdue=debt.instalment.open
                if arrears.is_overdue(debt.instalment, today, 0)
                else 0,
            )
            for debt in owed
        ),
    )


# --- addresses ------------------------------------------------------------------------------------


def _addresses(session: Session, said: ClientSaid, about: Touchpoint | None) -> Sequence[Address]:
    """Those that it was said at, or about."""
    found = session.get(Address, about.address_id) if about and about.address_id else None
    named = [
        consent.find_address(session, kind, value)
        for kind, value in (("email", said.email), ("sms", said.phone))
        if value
    ]
    return [one for one in (named or [found]) if one is not None]


def _address(
    session: Session, office: Office, said: ClientSaid, client: Client, touchpoint: Touchpoint
) -> None:
    """Nothing more goes there, or something may again."""
    for address in _addresses(session, said, touchpoint):
        match EFFECTS[said.intent]:
            case Effect.STOP:
                no = optouts.No(address, "", "words", said.source, said.said_at)
                optouts.take(session, office, no)
            case Effect.START:
                _agree(session, office, said, client, address)
            case Effect.MISDIRECTED:
                _part(session, office, client, address)
            case _:
                return


def _agree(
    session: Session, office: Office, said: ClientSaid, client: Client, address: Address
) -> None:
    """A yes is for one's own address: whoever may speak of one client opens no other's."""
    group = aliases.group(session, client.id)
    if set(group).isdisjoint(consent.clients_of(session, address.id)):
        raise Contradiction(f"{client.name} does not read there; name an address of theirs")
    event = ConsentEvent(
        address_id=address.id, change="granted", method="words", source=said.source,
        occurred_at=said.said_at, recorded_at=office.now,
    )  # fmt: skip
    consent.record(session, event)


def _part(session: Session, office: Office, client: Client, address: Address) -> None:
    """The address is not theirs: nothing more goes there for this client, nor counts as theirs."""
    group = aliases.group(session, client.id)
    theirs = select(Contact.id).where(col(Contact.client_id).in_(group))
    links = session.exec(
        select(ContactAddress).where(
            ContactAddress.address_id == address.id, col(ContactAddress.contact_id).in_(theirs)
        )
    ).all()
    for link in links:
        link.wrong_since = link.wrong_since or office.now
    session.flush()
    if not consent.read_by(session, address.id):
        address.verification = Verification.WRONG
    which = outbox.to_address(address.id, group)
    closing.cancel_at(session, office, which, "address_wrong", MISDIRECTED)
