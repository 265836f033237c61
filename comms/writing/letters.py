"""What does a message to a client say? Its facts, read at the door, become the data of a template.

The text is made in the transaction that claims the message, so a payment, a dispute or a partial
payment of a moment ago is in it.
"""

import datetime as dt
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from babel import localedata
from sqlalchemy import bindparam
from sqlalchemy import select as core_select
from sqlmodel import Session, col

from billing import accounts, agreements, arrears, store, vault
from billing.calendar import local_date
from billing.models import (
    Address,
    Agreement,
    Client,
    Contact,
    Instalment,
    Invoice,
    LegalEntity,
    OfferMade,
    Payment,
    Posting,
)
from comms.channels.mime import message_id
from comms.compliance import disclosure
from comms.compliance.disclosure import Profile
from comms.models import Message, Purpose, State
from comms.office import Office
from comms.ports import Attachment, Outgoing
from comms.rendering import Rendered, Templates

_EARLIER = (
    core_select(
        col(Message.contact_id),
        col(Message.legal_entity_id),
        col(Message.purpose),
        col(Message.reference),
    )
    .where(
        col(Message.contact_id).in_(bindparam("contacts", expanding=True)),
        col(Message.channel) == "email",
        col(Message.purpose).in_(bindparam("purposes", expanding=True)),
        col(Message.state).in_((State.SENT, State.DELIVERED)),
    )
    .order_by(col(Message.id).desc())
)
_IN_THREADS = (Purpose.DUNNING, Purpose.RENEWAL)
_NAMED = 5
"""Mails of its thread that a mail refers to."""
_PAID_INVOICES = (
    core_select(col(Invoice.number))
    .join(Instalment, col(Instalment.invoice_id) == col(Invoice.id))
    .join(Posting, col(Posting.instalment_id) == col(Instalment.id))
    .where(col(Posting.payment_id) == bindparam("payment_id"))
    .distinct()
    .order_by(col(Invoice.number))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message to a client, and what was read for it at the door."""

    message: Message
    client: Client
    contact: Contact
    address: Address
    entity: LegalEntity
    earlier: Sequence[str] = ()
    """The references of the mails that went before it in its thread, the newest first."""
    account: arrears.Account | None = None
    """What a reminder is about."""
    step: int = 0
    named: tuple[arrears.OpenInstalment, ...] = ()
    """What a reminder names at this moment, which may be more than when it was decided."""
    total: int = 0
    redirect_to: str = ""
    warned: bool = False
    """Whoever reads there wants papers although mail is not encrypted."""


def threads(session: Session, messages: Sequence[Message]) -> dict[int, list[str]]:
    """One thread per contact, entity and subject: what went before each mail, the newest first."""
    mails = [one for one in messages if one.channel == "email" and one.purpose in _IN_THREADS]
    if not mails:
        return {}
    asked = {"contacts": [one.contact_id for one in mails], "purposes": _IN_THREADS}
    found: dict[tuple[int, int, str], list[str]] = {}
    for row in store.below(session).execute(_EARLIER, asked):
        place = (row.contact_id, row.legal_entity_id, row.purpose)
        found.setdefault(place, []).append(row.reference)
    return {
        one.id: found.get((one.contact_id or 0, one.legal_entity_id or 0, one.purpose), [])[:_NAMED]
        for one in mails
    }


def compose(session: Session, office: Office, templates: Templates, letter: Letter) -> Outgoing:
    """Render a message to a client as it stands now.

    Raises:
        TemplateMistake: the template cannot say it.
    """
    message, entity = letter.message, letter.entity
    by = disclosure.profile(message.channel, office.policy.packs(entity.name))
    rendered = read(session, office, templates, letter, by)
    link = _unsubscribe(office, templates, message)
    return Outgoing(
        reference=message.reference,
        to=letter.redirect_to or letter.address.value,
        sender=_from(entity) if message.channel == "email" else entity.phone,
        text=rendered.text,
        subject=rendered.subject,
        html=rendered.html,
        headers=_threading(letter) | _one_click(link, entity),
        attachments=_enclosed(session, office, letter),
    )


def read(
    session: Session, office: Office, templates: Templates, letter: Letter, by: Profile
) -> Rendered:
    """What the template says with the data that a profile lets it have.

    Raises:
        TemplateMistake: the template cannot say it.
    """
    message = letter.message
    context = _common(letter) | _about(session, office, letter)
    packs = office.policy.packs(letter.entity.name)
    context |= {
        "opt_out_notice": disclosure.notice(message.channel, packs),
        "unsubscribe_link": _unsubscribe(office, templates, message),
    }
    return templates.render(message.template, message.channel, disclosure.reduced(context, by))


def _unsubscribe(office: Office, templates: Templates, message: Message) -> str:
    """What sells, whatever else it is about, says how to hear no more of it (15 USC 7704)."""
    if message.channel != "email" or office.unsubscribe is None:
        return ""
    sells = message.purpose == Purpose.OFFER or templates.sells(message.template, "email")
    return office.unsubscribe(message.reference) if sells else ""


def _one_click(link: str, entity: LegalEntity) -> dict[str, str]:
    """A mailbox's own button (RFC 8058): it posts to the link, and asks nothing of anybody."""
    if not link:
        return {}
    mailbox = quote(entity.from_address, safe="@.+-_")
    return {
        "List-Unsubscribe": f"<{link}>, <mailto:{mailbox}?subject=unsubscribe>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def _from(entity: LegalEntity) -> str:
    quoted = entity.from_name.replace("\\", "").replace('"', "")
    return f'"{quoted}" <{entity.from_address}>' if quoted else entity.from_address


def _common(letter: Letter) -> dict[str, object]:
    client, contact, entity = letter.client, letter.contact, letter.entity
    return {
        "firm": {
            "name": entity.from_name or entity.name,
            "postal_address": entity.postal_address,
            "from_name": entity.from_name,
            "phone": entity.phone,
            "pay_link": entity.pay_link,
        },
        "client": {"name": client.name},
        "contact": {"first_name": contact.name.partition(" ")[0], "name": contact.name},
        "locale": _locale(client.country),
        "pay_link": entity.pay_link,
    }


@functools.cache
def _locale(country: str) -> str:
    """How amounts and days are written where the client is; our templates are in English."""
    local = f"en_{country}"
    return local if localedata.exists(local) else "en_US"


def _about(session: Session, office: Office, letter: Letter) -> dict[str, object]:
    message = letter.message
    match Purpose(message.purpose):
        case Purpose.DUNNING if letter.account is not None:
            return _debt(office, letter.account, letter)
        case Purpose.DUNNING if message.subject_kind == "payment":
            return _failed(session, office, letter)
        case Purpose.RECEIPT | Purpose.RENEWAL | Purpose.OFFER:
            return _news(session, office, letter)
        case Purpose.STAFF_TEXT:
            body = vault.text(session, office.keyring, message.draft_id)
            return {"body": body, "subject": "A message about your account"}
        case _:
            return {}


def _news(session: Session, office: Office, letter: Letter) -> dict[str, object]:
    """What is not about a debt: money that came, an agreement, an offer."""
    message = letter.message
    if message.purpose == Purpose.OFFER:
        return _offer(session, message)
    if message.purpose == Purpose.RENEWAL:
        agreement = session.get_one(Agreement, message.subject_id)
        return {"payment": None} | _agreement(session, office, letter, agreement)
    renewed = agreements.of_payment(session, message.subject_id or 0)
    about = _agreement(session, office, letter, renewed) if renewed else {}
    return about | _payment(session, message)


def _enclosed(session: Session, office: Office, letter: Letter) -> tuple[Attachment, ...]:
    """The papers that the policy wants with a mail, of what it names."""
    message, account = letter.message, letter.account
    if not message.attachments or message.channel != "email" or account is None:
        return ()
    if office.papers is None:
        return ()
    terms = office.policy.terms(letter.entity.name)
    if terms.warned_first and not letter.warned:
        return ()
    invoices = [one.invoice_id for one in letter.named]
    names = [one for one in message.attachments.split() if one not in terms.kept_papers]
    return office.papers(session, office.now, letter.client.id, names, invoices)


def _debt(office: Office, account: arrears.Account, letter: Letter) -> dict[str, object]:
    step = letter.step
    today = local_date(office.now, account.timezone)
    rungs = arrears.ruled(account, today, office.policy).dunning.steps
    return {
        "currency": account.currency,
        "total": letter.total,
        "step": step,
        "tone": rungs[step - 1].tone if 0 < step <= len(rungs) else "",
        "invoices": [_line(instalment, today) for instalment in letter.named],
    }


def named_in(
    office: Office, account: arrears.Account, step: int
) -> tuple[Sequence[arrears.OpenInstalment], int]:
    """Everything of the account that may be chased today, also what came after the decision.

    Of a notice before the due day: what it named and is still to come. And what it comes to.
    """
    stands = arrears.standing(account, office.now, office.policy)
    today = local_date(office.now, account.timezone)
    if step < 0:
        return arrears.coming(stands, step, today)
    rules = arrears.ruled(stands, today, office.policy)
    return arrears.overdue(stands, today, rules), arrears.collectible(stands, today, rules)


_CHARGES = {"late_fee": " (late fee)", "interest": " (interest)"}


def _line(instalment: arrears.OpenInstalment, today: dt.date) -> dict[str, object]:
    return {
        "number": instalment.number + _CHARGES.get(instalment.kind, ""),
        "issued_on": instalment.issued_on,
        "due_on": instalment.due_on,
        "days_overdue": (today - instalment.due_on).days,
        "open": arrears.chaseable(instalment),
        "amount": instalment.amount,
        "disputed": instalment.disputed > 0,
    }


def _payment(session: Session, message: Message) -> dict[str, object]:
    payment = session.get_one(Payment, message.subject_id)
    reminder = session.get(Message, message.thread_id) if message.thread_id else None
    numbers = session.execute(_PAID_INVOICES, {"payment_id": payment.id}).scalars()
    account = (payment.client_id, payment.legal_entity_id, payment.currency)
    still = sum(debt.instalment.open for debt in accounts.owed(session, *account))
    return {
        "currency": payment.currency,
        "payment": {
            "amount": payment.amount,
            "received_on": payment.received_on,
            "currency": payment.currency,
            "invoices": list(numbers),
            "remaining": max(0, still - accounts.unapplied(session, *account)),
            "reminded_on": reminder and (reminder.claimed_at or reminder.created_at).date(),
        },
    }


def _agreement(
    session: Session, office: Office, letter: Letter, agreement: Agreement
) -> dict[str, object]:
    """The agreement, what it costs from its renewal on, and by when it can be ended."""
    today = local_date(office.now, letter.client.timezone)
    price = agreements.price(session, agreement)
    notice = agreement.notice_days
    last = None if notice is None else agreement.renews_on - dt.timedelta(days=notice)
    return {
        "days_before": (agreement.renews_on - today).days,
        "agreement": {
            "name": agreement.name,
            "kind": agreement.kind,
            "renews_on": agreement.renews_on,
            "amount": price.amount,
            "old_amount": price.before,
            "new_from": price.since,
            "currency": agreement.currency,
            "end_by": last,
            "can_end": last is None or today <= last,
        },
    }


def _failed(session: Session, office: Office, letter: Letter) -> dict[str, object]:
    """A charge that did not go through, and for what it was."""
    payment = session.get_one(Payment, letter.message.subject_id)
    agreement = agreements.of_payment(session, payment.id)
    about = _agreement(session, office, letter, agreement) if agreement else {}
    return about | {
        "currency": payment.currency,
        "payment": {"amount": payment.amount, "currency": payment.currency},
    }


def _offer(session: Session, message: Message) -> dict[str, object]:
    made = session.get_one(OfferMade, message.subject_id)
    return {
        "offer": {
            "name": made.name.replace("_", " "),
            "code": made.discount_code,
            "percent": made.percent,
            "amount": made.amount,
            "currency": made.currency,
            "valid_until": made.valid_until,
        }
    }


def _threading(letter: Letter) -> dict[str, str]:
    """The last mail that we sent them about it, and those before."""
    if not letter.earlier:
        return {}
    ids = [message_id(reference, letter.entity.from_address) for reference in letter.earlier]
    return {"In-Reply-To": ids[0], "References": " ".join(reversed(ids))}
