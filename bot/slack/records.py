"""What do the rows say of a client, as lines that a card can show?

Reads only. Everything that came from outside passes ``blocks.inline``; amounts are shown per
currency and never added across them.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sqlmodel import Session, col, select

from billing import accounts, aliases, arrears, money, spelling, vault
from billing.calendar import local_date
from billing.models import (
    OPEN_DISPUTES,
    Address,
    Agreement,
    AgreementState,
    Client,
    Contact,
    ContactAddress,
    Enrolment,
    Health,
    Invoice,
    InvoiceDispute,
    LegalEntity,
    Staff,
)
from billing.models import Sequence as Ladder
from bot.reasons import against as stands
from bot.reasons import naming, turns
from bot.slack import blocks
from comms import consent, seals, timeline
from comms.compliance import clearance
from comms.compliance.clearance import Content, Form, Reader, Sink
from comms.compliance.labels import Label
from comms.duties import instructions, notes, tasks
from comms.facts import InboundMessage
from comms.models import Audience, Decision, Message, State, Touchpoint
from comms.office import Office

WAITING = (State.QUEUED, State.HELD, State.AWAITING, State.IN_DOUBT)
_WHERE = {"in": "from them", "out": "to them", "internal": "internal"}
_STANDINGS = {
    consent.Standing.UNKNOWN: "nobody has said",
    consent.Standing.ASSERTED: "yes, as the firm says",
    consent.Standing.GRANTED: "yes, they said so",
    consent.Standing.REVOKED: "no, they asked us to stop",
}


def today(office: Office, client: Client) -> dt.date:
    """The client's day."""
    return local_date(office.now, client.timezone)


def owner(session: Session, client: Client) -> str:
    """Who looks after the client, as people read it."""
    person = session.get(Staff, client.owner_id) if client.owner_id else None
    if person is None:
        return "nobody yet"
    return blocks.inline(person.name) + ("" if person.active else " (has left)")


def signed(session: Session, who: str) -> str:
    """The name behind the mark in ``placed_by`` and ``closed_by``; a mark of ours stays."""
    name = session.exec(select(Staff.name).where(Staff.email == who)).first() if who else None
    return blocks.inline(name or who or "Counterfoil")


def balances(session: Session, office: Office, client: Client) -> list[str]:
    """One line per legal entity and currency."""
    found = accounts.balances(session, client.id, today(office, client))
    return [_balance(session, one) for one in found] or ["Nothing is open."]


def _balance(session: Session, balance: accounts.Balance) -> str:
    entity = session.get_one(LegalEntity, balance.legal_entity_id)
    parts = [f"*{money.display(balance.open, balance.currency)}* open"]
    if balance.overdue:
        parts.append(f"*{money.display(balance.overdue, balance.currency)} overdue*")
    if balance.unapplied:
        parts.append(f"{money.display(balance.unapplied, balance.currency)} on account")
    return f"{', '.join(parts)} ({blocks.inline(entity.name)})"


def buckets(session: Session, office: Office, client: Client) -> list[str]:
    """What is overdue by age, one line per currency."""
    day = today(office, client)
    sums: dict[str, Counter[str]] = {}
    for debt in accounts.owed(session, client.id):
        if arrears.is_overdue(debt.instalment, day, 0):
            age = _bucket((day - debt.instalment.due_on).days)
            sums.setdefault(debt.currency, Counter())[age] += debt.instalment.open
    return [
        ", ".join(f"{age} days: {money.display(row[age], currency)}" for age in _AGES if row[age])
        for currency, row in sorted(sums.items())
    ]


def against(session: Session, office: Office, client: Client) -> list[str]:
    """What of it is not asked for today, and why; at most as many lines as people read."""
    found = stands.lines(session, office, client)
    return [f"{line.kind}: {blocks.inline(line.text, 300)}" for line in found[:_MOST]]


_MOST = 12
_AGES = ("1-30", "31-60", "61-90", "over 90")


def _bucket(days: int) -> str:
    return _AGES[min((days - 1) // 30, 3)]


def aging(debts: Iterable[accounts.Owed], day: dt.date) -> list[str]:
    """One line for each open instalment, the oldest first."""
    return [_aging(debt.instalment, day) for debt in debts]


def _aging(instalment: arrears.OpenInstalment, day: dt.date) -> str:
    late = (day - instalment.due_on).days
    when = arrears.overdue_for(late) if late > 0 else f"due {spelling.weekday(instalment.due_on)}"
    amount = money.display(instalment.open, instalment.currency)
    parts = [f"*{blocks.inline(instalment.number)}*", amount, when]
    if instalment.disputed:
        parts.append(f"{money.display(instalment.disputed, instalment.currency)} disputed")
    return " · ".join(parts)


# --- what was said --------------------------------------------------------------------------------


def touch_lines(session: Session, client: Client, touches: Sequence[Touchpoint]) -> list[str]:
    """When, which way, on which channel, what, and what became of it: a line for each."""
    messages = timeline.messages(session, touches)
    return [_touch_line(client, one, messages.get(one.message_id or 0)) for one in touches]


def _touch_line(client: Client, touchpoint: Touchpoint, message: Message | None) -> str:
    parts = [
        spelling.weekday(local_date(touchpoint.occurred_at, client.timezone)),
        f"{naming.way(touchpoint.channel)} {_WHERE[touchpoint.direction]}",
        naming.called(message) if message else touchpoint.kind.replace("_", " "),
    ]
    if message is not None:
        parts.append(fate(message))
    return " · ".join(parts)


def fate(message: Message) -> str:
    """Where it stands, and why where that needs saying."""
    state = stand(message)
    return f"{state}: {blocks.inline(message.reason)}" if message.reason else state


def stand(message: Message) -> str:
    """How far it has come, in a word or two."""
    return _STANDS.get(message.state, message.state.replace("_", " "))


_STANDS: Mapping[str, str] = {State.CLAIMED: "on its way", State.SENDING: "on its way"}
CHANNEL = Reader(Sink.CHANNEL)
"""Everybody in a channel of the firm's own, whatever their roles."""


def spoken(
    session: Session, office: Office, touchpoint: Touchpoint, reader: Reader = CHANNEL
) -> Mapping[str, str]:
    """What the client wrote, as far as the reader gets it; empty for what is not theirs."""
    if touchpoint.direction != "in":
        return {}
    return seals.words(session, office, touchpoint, reader)


def of_stranger(letter: InboundMessage) -> Mapping[str, str]:
    """The same of somebody whom we do not know."""
    content = Content(letter.visible, frozenset(map(Label, letter.labels)), letter.fact)
    released = clearance.release(content, CHANNEL)
    if released.form in (Form.FULL, Form.MASKED):
        files = ", ".join(letter.media)
        return {"subject": letter.subject, "visible": released.text, "enclosed": files}
    return {"visible": released.text, "sealed": released.reason}


def sealed(said: Mapping[str, str]) -> list[blocks.Block]:
    """That it is sealed, as what, and the one sentence about billing in it, where there is one."""
    lock = blocks.section(f":lock: *{blocks.inline(said['sealed'])}*")
    return [lock, blocks.words(said["visible"])] if said["visible"] else [lock]


def last_word(session: Session, client_id: int) -> Touchpoint | None:
    """The newest thing that the client wrote."""
    query = (
        select(Touchpoint)
        .where(
            col(Touchpoint.client_id).in_(aliases.group(session, client_id)),
            Touchpoint.direction == "in",
        )
        .order_by(col(Touchpoint.occurred_at).desc(), col(Touchpoint.id).desc())
        .limit(1)
    )
    return session.exec(query).first()


# --- what was decided, and what waits -------------------------------------------------------------


def decisions(
    session: Session, client_id: int, *, limit: int, kind: str = "", subject: int | None = None
) -> list[Decision]:
    """The newest decisions of a client, of one kind of subject or one subject."""
    together = aliases.group(session, client_id)
    query = select(Decision).where(col(Decision.client_id).in_(together))
    if kind:
        query = query.where(Decision.subject_kind == kind)
    if subject is not None:
        query = query.where(Decision.subject_id == subject)
    return list(session.exec(query.order_by(col(Decision.id).desc()).limit(limit)))


def decision_line(session: Session, office: Office, client: Client, decision: Decision) -> str:
    """When, what, why and until when."""
    when = spelling.weekday(local_date(decision.decided_at, client.timezone))
    reason = vault.text(session, office.keyring, decision.reason_id)
    until = f" Next look {blocks.moment(decision.until)}." if decision.until else ""
    said = f"*{naming.decided(decision.verdict)}*"
    return f"{when} · {said}: {blocks.inline(reason, 600)}{until} `{decision.rule}`"


def next_steps(session: Session, office: Office, client: Client) -> list[str]:
    """For each running sequence: what comes next, when and why."""
    found = []
    together = col(Enrolment.client_id).in_(aliases.group(session, client.id))
    for enrolment in session.exec(select(Enrolment).where(together)):
        latest = decisions(session, client.id, limit=1, kind="enrolment", subject=enrolment.id)
        if latest:
            ladder = _ladder(session, enrolment)
            line = decision_line(session, office, client, latest[0])
            found.append(f"{ladder}: {line.partition(' · ')[2]}")
    return found


def _ladder(session: Session, enrolment: Enrolment) -> str:
    if enrolment.sequence == Ladder.RENEWAL:
        return (
            f"Renewal of {blocks.inline(session.get_one(Agreement, enrolment.agreement_id).name)}"
        )
    entity = session.get_one(LegalEntity, enrolment.legal_entity_id)
    return f"Reminders for {blocks.inline(entity.name)} in {enrolment.currency}"


def waiting(session: Session, client: Client, limit: int = 10) -> list[str]:
    """Messages to the client that have not left, and why."""
    query = (
        select(Message)
        .where(
            col(Message.client_id).in_(aliases.group(session, client.id)),
            Message.audience == Audience.CLIENT,
            col(Message.state).in_(WAITING),
        )
        .order_by(col(Message.id).desc())
        .limit(limit)
    )
    return [_waiting(message) for message in session.exec(query)]


def _waiting(message: Message) -> str:
    until = f" until {blocks.moment(message.wake_at)}" if message.wake_at else ""
    return f"{naming.sent(message)}: {fate(message)}{until}"


# --- what stands in the way -----------------------------------------------------------------------


def holds(session: Session, office: Office, client: Client) -> list[str]:
    """What stops reminders now, until when, by whom and in whose words."""
    found = []
    for hold in instructions.holds(session, office, client.id):
        invoice = session.get(Invoice, hold.invoice_id) if hold.invoice_id else None
        about = f" ({blocks.inline(invoice.number)} only)" if invoice else ""
        end = "until somebody releases it"
        if hold.until is not None:
            end = f"until {spelling.weekday(local_date(hold.until, client.timezone))}"
        note = notes.read(session, office, hold.note_id)
        why = f": {blocks.inline(note, 400)}" if note else ""
        by = signed(session, hold.placed_by)
        found.append(f"{hold.reason.replace('_', ' ')}{about} {end}, by {by}{why}")
    return found


def turns_of(session: Session, client: Client) -> list[str]:
    """What waits for a person, since when, and whose it is."""
    found = tasks.of_clients(session, aliases.group(session, client.id))
    return [blocks.inline(turns.line(session, one), 300) for one in found]


def disputes(session: Session, client: Client) -> list[str]:
    """What the client contests and nobody has settled."""
    query = (
        select(InvoiceDispute, Invoice)
        .join(Invoice, col(Invoice.id) == InvoiceDispute.invoice_id)
        .where(
            col(InvoiceDispute.client_id).in_(aliases.group(session, client.id)),
            col(InvoiceDispute.state).in_(OPEN_DISPUTES),
        )
        .order_by(col(InvoiceDispute.id))
    )
    return [
        f"{blocks.inline(invoice.number)}: "
        + (money.display(dispute.amount, invoice.currency) if dispute.amount else "all of it")
        + f" since {spelling.weekday(dispute.opened_on)} ({dispute.reason.replace('_', ' ')})"
        for dispute, invoice in session.exec(query)
    ]


def renewals(session: Session, client: Client) -> list[str]:
    """What will come up for renewal, and when; and what came of what has ended."""
    ours = col(Agreement.client_id).in_(aliases.group(session, client.id))
    found = session.exec(select(Agreement).where(ours).order_by(col(Agreement.renews_on))).all()
    running = [one for one in found if one.state == AgreementState.ACTIVE]
    ended = [one for one in reversed(found) if one.state != AgreementState.ACTIVE]
    return [_renewal(one) for one in (*running, *ended)[:_MOST]]


def _renewal(agreement: Agreement) -> str:
    """One agreement: what it is, when it renews or how it ended, and for how much."""
    name, day = blocks.inline(agreement.name), spelling.weekday(agreement.renews_on)
    amount = money.display(agreement.amount, agreement.currency)
    if agreement.state == AgreementState.ACTIVE:
        return f"{name} renews {day} for {amount}"
    return f"{name}: {agreement.state} (its term was to {day}, {amount})"


def addresses(session: Session, client: Client) -> list[str]:
    """Where the client may be written to, and who said so."""
    query = (
        select(Address, Contact)
        .join(ContactAddress, col(ContactAddress.address_id) == Address.id)
        .join(Contact, col(Contact.id) == ContactAddress.contact_id)
        .where(col(Contact.client_id).in_(aliases.group(session, client.id)))
        .order_by(col(Address.kind), col(ContactAddress.position), col(Address.id))
    )
    return [_address(session, address, contact) for address, contact in session.exec(query)]


def _address(session: Session, address: Address, contact: Contact) -> str:
    said = consent.of_address(session, address.id)
    who = f" ({blocks.inline(contact.name)})" if contact.name else ""
    place = blocks.inline(blocks.mask(address.kind, address.value))
    way = "SMS" if address.kind == "sms" else address.kind.capitalize()
    line = f"{way} {place}{who}: {_STANDINGS[said.standing]}"
    if address.health == Health.DEAD:
        return f"{line}; messages do not arrive there"
    return line


def flags(parts: Sequence[tuple[str, Sequence[object]]]) -> str:
    """A short line of what to mind: the names of what is not empty."""
    return " · ".join(f"{name} ({len(found)})" for name, found in parts if found)
