"""A client wrote: whom is it from, what does it ask of us at once, and who is shown it?

Keeps and shows everything; acts by itself only on what a carrier's keyword or a plain request to be
left alone says. After anything else that a person wrote, reminders wait until one of ours has read
it. The sender of an unknown address stays unmatched, visible to staff, and expires.
"""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from billing import aliases, rules, vault
from billing.models import Address, Client, Contact, ContactAddress, LegalEntity, Verification
from comms import consent, delivery, enclosures, outbox, replies, staff, timeline
from comms.addresses import optouts, whose
from comms.compliance import orders
from comms.compliance.labels import Label
from comms.consent import Standing
from comms.duties import demands, tasks
from comms.facts import InboundMessage
from comms.law import attributions, stops
from comms.listening import quoting, screening
from comms.listening.screening import PURGED
from comms.models import Audience, ConsentEvent, Message, Purpose, State, Touchpoint
from comms.office import Office

IN_TIME = dt.timedelta(minutes=rules.named("us_confirmation").minutes)
"""An answer that comes later is no answer (47 CFR 64.1200(a)(12) says five minutes)."""
WHO_WE_ARE = "who_we_are"
SAFE_PAYMENT = "safe_payment"
"""Tells who sent a card number how to pay instead (PCI DSS 4.0.1, 4.2.2)."""


@dataclass(frozen=True, slots=True)
class Letter:
    """An inbound message with the rows that keep it: its Incoming, and its raw body."""

    message: InboundMessage
    incoming_id: int
    body_id: int


def clients_of(session: Session, message: InboundMessage) -> list[int]:
    """Everyone whom this message may touch: to be locked before it is received."""
    address = consent.find_address(session, message.channel, message.sender)
    if address is None:
        named = stops.client_of_counsel(session, message)
        return aliases.group(session, named) if named else []
    if _asked(message) is replies.Keyword.STOP:
        return optouts.clients_of(session, address.id)
    return consent.clients_of(session, address.id)


def receive(session: Session, office: Office, letter: Letter) -> int | None:
    """Take a client's message in; return the client, or None where nobody knows the sender."""
    message = letter.message
    address = consent.find_address(session, message.channel, message.sender)
    if address is None and _asked(message) is replies.Keyword.STOP:
        address = _stranger(session, office, message)
    client = _client_at(session, address) or _of_counsel(session, message)
    said = _act(session, office, letter, address) if address else ""
    if client is None:
        demands.of_stranger(session, office, message, letter.incoming_id)
        staff.tell(
            session,
            office,
            staff.Notice(
                key=f"unmatched:{letter.incoming_id}",
                purpose=Purpose.INBOUND,
                template="unmatched",
                to=office.clients,
                subject=("incoming", letter.incoming_id),
            ),
        )
        return None
    vault.hand_over(session, office.keyring, letter.body_id, client.key_id)
    law = stops.heard(session, office, client, message, letter.incoming_id)
    said = "; ".join(filter(None, (said, law, orders.noted(message.body))))
    touchpoint = _keep(session, office, letter, client, address, said)
    attributions.keep(session, office, touchpoint, message)
    if address is not None and not message.automatic and not PURGED.isdisjoint(message.labels):
        _answer(session, office, letter, address, SAFE_PAYMENT, Purpose.ANSWER)
    demands.notice(session, office, client, touchpoint, message)
    if _needs_somebody(message, said):
        tasks.open_reply(session, office, client, touchpoint.id)
    root_id = staff.thread_of(session, office, client, message.channel)
    staff.tell(
        session,
        office,
        staff.Notice(
            key=f"inbound:{letter.incoming_id}",
            purpose=Purpose.INBOUND,
            template="inbound",
            to=office.clients,
            client_id=client.id,
            subject=("touchpoint", touchpoint.id),
            thread_id=root_id,
        ),
    )
    return client.id


def _of_counsel(session: Session, message: InboundMessage) -> Client | None:
    """Counsel against us writes for their client: the thread and the timeline are that client's."""
    found = stops.client_of_counsel(session, message)
    return aliases.master(session, session.get_one(Client, found)) if found else None


def _stranger(session: Session, office: Office, message: InboundMessage) -> Address:
    """An address that asked us to stop before we knew whose it is: so it stays for its client."""
    address = Address(
        kind=message.channel,
        value=message.sender,
        verification=Verification.UNVERIFIED,
        created_at=office.now,
    )
    session.add(address)
    session.flush()
    return address


def _client_at(session: Session, address: Address | None) -> Client | None:
    """The client of the address; where several share it, the one whom we wrote to last.

    Of clients that are one, the one that speaks.
    """
    known = _at_home(session, address.id) if address else []
    if not known or address is None:
        return None
    last = session.exec(
        select(Message.client_id)
        .where(
            Message.address_id == address.id,
            Message.audience == Audience.CLIENT,
            col(Message.state).in_((State.SENT, State.DELIVERED)),
        )
        .order_by(col(Message.sent_at).desc(), col(Message.id).desc())
        .limit(1)
    ).first()
    client = session.get_one(Client, last if last in known else known[0])
    return aliases.master(session, client)


def _at_home(session: Session, address_id: int) -> list[int]:
    """The clients of an address, without those whom nobody there knows."""
    query = (
        select(Contact.client_id)
        .join(ContactAddress, col(ContactAddress.contact_id) == Contact.id)
        .where(ContactAddress.address_id == address_id, col(ContactAddress.wrong_since).is_(None))
        .distinct()
        .order_by(col(Contact.client_id))
    )
    return list(session.exec(query))


def _keep(
    session: Session, office: Office, letter: Letter, client: Client, address: Address | None,
    said: str,
) -> Touchpoint:  # fmt: skip
    message = letter.message
    words = {
        "subject": message.subject,
        "visible": message.visible,
        "body": message.body,
        "media": message.media,
        "enclosed": enclosures.told(message.enclosed),
        "from": message.sender,
        "to": _covered(message.to),
        "cc": _covered(message.cc),
        "bcc": _covered(message.bcc),
        "did": said,
        "fact": message.fact,
        "doubtful": "yes" if message.authenticated is False else "",
    }
    contact = _contact_at(session, client.id, address) if address else None
    return timeline.append(
        session,
        Touchpoint(
            client_id=client.id,
            channel=message.channel,
            direction="in",
            kind="automatic" if message.automatic else "message",
            incoming_id=letter.incoming_id,
            contact_id=contact.id if contact else None,
            address_id=address.id if address else None,
            body_id=vault.put(
                session, office.keyring, client.key_id, json.dumps(words), office.now
            ),
            labels=" ".join(_labels(session, office, message, client)),
            occurred_at=message.occurred_at or office.now,
            recorded_at=office.now,
        ),
    )


def _labels(session: Session, office: Office, message: InboundMessage, client: Client) -> list[str]:
    """What was found in it, and what is sealed that it says again."""
    files = (one.said for one in message.enclosed)
    text = "\n".join((message.subject, message.body, *files))
    together = aliases.group(session, client.id)
    quoted = quoting.inherited(session, office, together, text)
    return [label.value for label in Label if label in quoted or label.value in message.labels]


def _covered(addresses: Sequence[str]) -> list[str]:
    """Whom a mail went to: an address may be a card number before its @."""
    return [
        screening.covered(one)[0] if sum(map(str.isdigit, one)) > _FEW else one for one in addresses
    ]


_FEW = 8
"""Digits that are no number of a card or an account."""


def _contact_at(session: Session, client_id: int, address: Address) -> Contact | None:
    return session.exec(
        select(Contact)
        .join(ContactAddress, col(ContactAddress.contact_id) == Contact.id)
        .where(
            col(Contact.client_id).in_(aliases.group(session, client_id)),
            ContactAddress.address_id == address.id,
            col(ContactAddress.wrong_since).is_(None),
        )
        .order_by(col(Contact.id))
    ).first()


def _act(session: Session, office: Office, letter: Letter, address: Address) -> str:
    """Do what the words ask; return what was done, as staff read it."""
    message = letter.message
    asked = _asked(message)
    if asked is replies.Keyword.STOP:
        return _opt_out(session, office, letter, address)
    if asked in (replies.Keyword.START, replies.Keyword.YES):
        return _opt_in(session, office, letter, address, asked)
    if asked is replies.Keyword.HELP and not message.opt_out_type:
        _answer(session, office, letter, address, "help_reply", Purpose.ANSWER)
        return "asked for help; we answered"
    return "" if message.channel != "sms" else _heard(session, office, letter, address)


def _heard(session: Session, office: Office, letter: Letter, address: Address) -> str:
    """What a text says of who reads there; who asks who we are is told that, once, and no more."""
    if not _at_home(session, address.id):
        return ""
    heard = whose.hear(letter.message.visible)
    stranger = address.verification == Verification.UNVERIFIED
    whose.learn(address, heard)
    if heard is whose.Heard.DENIES:
        return "says that it is not them; nothing more goes there until they answer as themselves"
    if heard is whose.Heard.SPEAKS:
        return ""
    _answer(session, office, letter, address, WHO_WE_ARE, Purpose.ANSWER)
    return "asked who we are" + ("" if stranger else "; we said our name, and nothing else")


def _asked(message: InboundMessage) -> replies.Keyword | None:
    """STOP in any words; a machine asks for nothing."""
    word = replies.keyword(message.visible) if message.channel == "sms" else None
    if message.opt_out_type:
        told = replies.Keyword(message.opt_out_type.lower())
        # To a carrier YES is START; to us it may answer anything.
        return word if (told, word) == (replies.Keyword.START, replies.Keyword.YES) else told
    if word is None and not message.automatic and replies.asks_to_stop(message.visible):
        return replies.Keyword.STOP
    return word


def _needs_somebody(message: InboundMessage, said: str) -> bool:
    """A person wrote more than a carrier's keyword: everything waits until a person has read it.

    A bare YES that opted nobody in may answer anything.
    """
    if message.automatic or message.opt_out_type:
        return False
    word = replies.keyword(message.visible) if message.channel == "sms" else None
    return word is None or (word is replies.Keyword.YES and not said)


def _opt_out(session: Session, office: Office, letter: Letter, address: Address) -> str:
    """Nothing that they closed is written to any more, from this transaction on."""
    message = letter.message
    already = consent.of_address(session, address.id).standing is Standing.REVOKED
    keyword = replies.keyword(message.visible) is replies.Keyword.STOP
    no = optouts.No(
        address=address,
        words=message.visible,
        method="carrier" if message.opt_out_type else "keyword" if keyword else "words",
        source=message.channel,
        occurred_at=office.now,
        incoming_id=letter.incoming_id,
    )
    cancelled = optouts.take(session, office, no)
    carrier = bool(message.opt_out_type) or office.policy.consent.carrier_answers_stop
    if message.channel == "sms" and not already and not carrier:
        _answer(session, office, letter, address, "opt_out_confirmation", Purpose.OPT_OUT)
    return f"opted out; {cancelled} waiting message{'' if cancelled == 1 else 's'} cancelled"


def _opt_in(
    session: Session, office: Office, letter: Letter, address: Address, word: replies.Keyword
) -> str:
    """START undoes an opt-out. YES does so only where a keyword made it: it may answer anything."""
    held = consent.of_address(session, address.id)
    if word is replies.Keyword.YES and not held.by_keyword_only:
        return ""
    message = letter.message
    event = ConsentEvent(
        address_id=address.id,
        change="granted",
        method="carrier" if message.opt_out_type else "keyword",
        source=message.channel,
        incoming_id=letter.incoming_id,
        occurred_at=_said_at(message, office),
        recorded_at=office.now,
    )
    consent.record(session, event)
    whose.learn(address, whose.Heard.SPEAKS)
    for client_id in consent.clients_of(session, address.id):
        delivery.touch(session, office, client_id)
    return "opted in again"


def _said_at(message: InboundMessage, office: Office) -> dt.datetime:
    """A text that was found late undoes no STOP after it; a mail's own date proves nothing."""
    told = message.occurred_at if message.channel == "sms" else None
    return told or office.now


def _answer(
    session: Session, office: Office, letter: Letter, address: Address, template: str,
    purpose: Purpose,
) -> None:  # fmt: skip
    """What the sender's own words call for, within minutes or not at all."""
    client = _client_at(session, address)
    contact = _contact_at(session, client.id, address) if client else None
    if client is None or contact is None:
        return
    # Of cards they hear once a day, however many they send; who we are, once.
    once = {
        SAFE_PAYMENT: f"contact:{contact.id}:{office.now:%Y-%m-%d}",
        WHO_WE_ARE: f"address:{address.id}",
    }.get(template, "")
    outbox.queue(
        session,
        Message(
            key=f"answer:{once or letter.incoming_id}:{template}",
            reference="",
            audience=Audience.CLIENT,
            channel=letter.message.channel,
            purpose=purpose,
            template=template,
            client_id=client.id,
            legal_entity_id=_entity_at(session, letter.message.recipient),
            contact_id=contact.id,
            address_id=address.id,
            subject_kind="incoming",
            subject_id=letter.incoming_id,
            send_after=office.now,
            expires_at=office.now + IN_TIME,
            created_at=office.now,
        ),
    )


def _entity_at(session: Session, number: str) -> int | None:
    """The legal entity whose number was written to, or the first."""
    query = select(LegalEntity.id).order_by(col(LegalEntity.id))
    found = session.exec(query.where(LegalEntity.phone == number)).first()
    return found or session.exec(query).first()
