"""What does a queued message to staff show? Made when it is claimed, from what its subject is then.

``compose`` is what ``comms.delivery`` takes as ``Cards``. A card that belongs in a thread, or that
replaces another, waits (None) while that one is still on its way, and stands alone where it failed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlmodel import Session, col, select

from billing import money, spelling
from billing.calendar import local_date
from billing.models import (
    Address,
    Agreement,
    Client,
    Contact,
    EscalationCase,
    LegalEntity,
)
from bot.reasons import naming
from bot.slack import (
    agreements,
    blocks,
    drafts,
    duplicates,
    escalations,
    incidents,
    lawful,
    marks,
    neutral,
    records,
    remittances,
    rights,
    troubles,
    waiting,
)
from bot.slack.blocks import Block
from bot.slack.escalations import Card
from comms import staff
from comms.facts import InboundMessage
from comms.listening import strangers
from comms.models import Message, State, Touchpoint
from comms.office import Office
from comms.ports import Outgoing
from comms.rendering import TemplateMistake
from comms.writing import covering

Letters = Callable[[Session, Office, int], InboundMessage | None]
"""Reads again what came in as an ``Incoming`` of this id; None where it is erased or unreadable."""

_LISTED = 50
_ENDED = (State.FAILED, State.CANCELLED, State.WITHHELD)
_REFUSED = ("no_address", "address_dead", "address_wrong", "address_reassigned", "bounced")


def compose(
    session: Session, office: Office, message: Message, letters: Letters | None = None
) -> Outgoing | None:
    """The card of a message, or None while what it hangs on has not been posted.

    Raises:
        TemplateMistake: there is no such card.
    """
    thread = _posted(session, message.thread_id)
    updates = _posted(session, message.updates_id)
    if thread is None or updates is None:
        return None
    if message.template == strangers.CARD or message.template in strangers.SEALED:
        card = _unmatched(session, office, message, letters)
    elif message.template in _CARDS:
        card = _CARDS[message.template](session, office, message)
    else:
        raise TemplateMistake(message.template, 0, "there is no card of this name; report it")
    if message.channel == "slack" and neutral.holds(office):
        card = neutral.card(session, office, message, card)
    made = Outgoing(
        reference=message.reference,
        to=message.destination,
        sender="",
        text=blocks.clip(card.text, blocks.FALLBACK),
        thread=thread,
        blocks=blocks.fit(card.body, card.tail),
        updates=updates,
    )
    return troubles.by_mail(session, message, made) if message.channel == "email" else made


def _posted(session: Session, message_id: int | None) -> str | None:
    """The name that Slack gave to another message; "" where there is none, None where not yet."""
    if message_id is None:
        return ""
    other = session.get_one(Message, message_id)
    return other.provider_id or ("" if other.state in _ENDED else None)


# --- a client's thread ----------------------------------------------------------------------------


def _thread(session: Session, office: Office, message: Message) -> Card:
    client = session.get_one(Client, message.client_id)
    balance = "\n".join(records.balances(session, office, client))
    who = records.owner(session, client)
    text = f"Conversation with {blocks.inline(client.name)}, looked after by {who}"
    return Card(
        text,
        [
            blocks.header(client.name),
            blocks.section(f"{balance}\nLooked after by {who}."),
            blocks.context(
                "What they write appears in this thread; what you write here stays here."
            ),
        ],
        blocks.actions([blocks.button("Card", "client.card", {"c": client.id})]),
    )


def _inbound(session: Session, office: Office, message: Message) -> Card:
    touchpoint = session.get_one(Touchpoint, message.subject_id)
    client = session.get_one(Client, touchpoint.client_id)
    said = records.spoken(session, office, touchpoint)
    contact = session.get(Contact, touchpoint.contact_id) if touchpoint.contact_id else None
    address = session.get(Address, touchpoint.address_id) if touchpoint.address_id else None
    name = blocks.inline(client.name)
    who = f"{blocks.inline(contact.name)}, {name}" if contact and contact.name else name
    place = blocks.inline(blocks.mask(address.kind, address.value)) if address else ""
    did = blocks.inline(said.get("did", ""))
    kind = " (automatic)" if touchpoint.kind == "automatic" else ""
    way = naming.way(touchpoint.channel)
    body = [
        blocks.section(f"*{who}* by {way} {place}{kind}".replace("  ", " ")),
        *_words(said),
        blocks.context("; ".join(records.balances(session, office, client))),
    ]
    if said.get("doubtful"):
        warning = ":warning: This mail does not prove that it is from them (SPF, DKIM, DMARC)."
        body.insert(1, blocks.section(f"{warning} Trust nothing in it about money."))
    if did:
        body.append(blocks.section(f"What we did: *{did}*."))
    text = f"{name} wrote by {way}" + (f": {did}" if did else "")
    body += waiting.of_reply(session, touchpoint)
    row = waiting.buttons_of_reply(session, touchpoint)
    named, act = (
        ("Unseal", "said.unseal") if "sealed" in said else ("Seal: legal advice", "said.seal")
    )
    row.append(blocks.button(named, act, {"t": touchpoint.id}))
    return Card(text, body, blocks.actions(row))


def _words(said: Mapping[str, str]) -> list[Block]:
    if "sealed" in said:
        return records.sealed(said)
    about = blocks.inline(said.get("subject", ""))
    subject = [blocks.context(f"Subject: {about}")] if about else []
    files = blocks.inline(said.get("enclosed", ""), 600)
    below = [blocks.context(f":paperclip: {files}")] if files else []
    return [*subject, blocks.words(said.get("visible", "") or "(no words of their own)"), *below]


def _unmatched(session: Session, office: Office, message: Message, letters: Letters | None) -> Card:
    letter = None
    if letters is not None and message.subject_id is not None:
        letter = letters(session, office, message.subject_id)
    days = office.policy.vault.unmatched_days
    keeps = f"What nobody claims can be read by nobody after {days} days."
    if letter is None:
        body = [blocks.section("Somebody whom we do not know wrote to us."), blocks.context(keeps)]
        return Card("Somebody whom we do not know wrote to us", body)
    if seal := strangers.SEALED.get(message.template):
        letter = letter.model_copy(update={"labels": (*letter.labels, seal.value), "fact": ""})
    sender, way = blocks.inline(covering.address(letter.sender)), naming.way(letter.channel)
    name = f" ({blocks.inline(covering.line(letter.sender_name))})" if letter.sender_name else ""
    body = [
        blocks.section(f"*{sender}*{name} wrote by {way}; no client has this address."),
        *_words(records.of_stranger(letter)),
        blocks.section("If you know them, add the address to the client; the next is theirs."),
        blocks.context(keeps),
    ]  # fmt: skip
    return Card(f"Unknown sender {sender} wrote by {way}", body)


# --- what did not arrive --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Subject:
    """A message to a client that staff are told about."""

    message: Message
    what: str
    whom: str
    client: Client | None


def _subject(session: Session, message: Message) -> _Subject:
    subject = session.get_one(Message, message.subject_id)
    client = session.get(Client, subject.client_id) if subject.client_id else None
    contact = session.get(Contact, subject.contact_id) if subject.contact_id else None
    address = session.get(Address, subject.address_id) if subject.address_id else None
    names = [one.name for one in (contact, client) if one is not None and one.name]
    whom = ", ".join(blocks.inline(name) for name in names) or "somebody"
    if address is not None:
        whom += f" at {blocks.inline(blocks.mask(address.kind, address.value))}"
    return _Subject(subject, naming.sent(subject), whom, client)


def _lost(session: Session, _office: Office, message: Message) -> Card:
    about = _subject(session, message)
    why = blocks.inline(about.message.reason or about.message.rule.replace("_", " "), 600)
    body = [
        blocks.section(f"*Did not arrive*: {about.what} to {about.whom}."),
        blocks.section(f"Why: {why or 'nobody said'}"),
        blocks.section(f"What happens next: {_instead(session, about.message)}"),
    ]
    text = f"Did not arrive: {about.what} to {about.whom}. {why}"
    return Card(text, body, _card_button(about.client))


def _instead(session: Session, lost: Message) -> str:
    """The next best channel, where one was found; else what a person can do."""
    if lost.step_id is not None:
        later = session.exec(
            select(Message)
            .where(Message.step_id == lost.step_id, col(Message.id) > lost.id)
            .order_by(col(Message.id))
        ).first()
        if later is not None:
            return f"it goes by {naming.way(later.channel)} instead ({records.stand(later)})."
        again = "the step is tried once more at its time, then it is a person's turn"
        if lost.rule in _REFUSED:
            return f"{again}. A working address helps: import the client with one."
        return f"{again}."
    return "nothing by itself; write or call them."


def _in_doubt(session: Session, _office: Office, message: Message) -> Card:
    about = _subject(session, message)
    subject = about.message
    if subject.state != State.IN_DOUBT:
        settled = f"{about.what} to {about.whom}: {records.fate(subject)}."
        return Card(f"Settled: {settled}", [blocks.section(f"*Settled*: {settled}")])
    tries = f"{subject.attempts} {'try' if subject.attempts == 1 else 'tries'}"
    since = subject.claimed_at or subject.created_at
    zone = about.client.timezone if about.client else "UTC"
    when = spelling.weekday(local_date(since, zone))
    body = [
        blocks.section(f"*Did it arrive?* {about.what} to {about.whom}."),
        blocks.section(
            f"{blocks.inline(subject.reason or 'No answer came.', 600)}\n"
            f"{when}, {tries}; nothing tells whether it arrived. It waits for your word."
        ),
    ]
    buttons = [
        blocks.button("It arrived", "doubt.went", {"m": subject.id}, style="primary"),
        blocks.button("Send again", "doubt.again", {"m": subject.id}),
    ]
    return Card(f"Did it arrive? {about.what} to {about.whom}", body, blocks.actions(buttons))


def _card_button(client: Client | None) -> list[Block]:
    if client is None:
        return []
    return blocks.actions([blocks.button("Card", "client.card", {"c": client.id})])


# --- lists and renewals ---------------------------------------------------------------------------


def _imported_cases(session: Session, office: Office, message: Message) -> Card:
    """Every case that the import's ages opened for whoever reads here."""
    rows = session.exec(
        select(EscalationCase, Client)
        .join(Client, col(Client.id) == EscalationCase.client_id)
        .where(EscalationCase.state == "open", col(Client.imported_on).is_not(None))
        .order_by(col(EscalationCase.opened_at), col(EscalationCase.id))
    ).all()
    mine = [
        (case, client)
        for case, client in rows
        if staff.desk_of(session, office, client.owner_id) == message.destination
        and not _has_card(session, case)
    ]
    items = [_imported(session, office, case, client) for case, client in mine[:_LISTED]]
    if len(mine) > _LISTED:
        items.append(f"and {len(mine) - _LISTED} more")
    count = "1 debt" if len(mine) == 1 else f"{len(mine)} debts"
    title = f"{count} came with the import and {'needs' if len(mine) == 1 else 'need'} a person"
    body = [
        blocks.section(f"*{title}.* They were old before we came, so nothing was sent."),
        *blocks.lines("", items),
        blocks.context("`/acct NAME` shows one of them with its history."),
    ]
    return Card(title, body)


def _has_card(session: Session, case: EscalationCase) -> bool:
    about = (Message.subject_kind == "case", Message.subject_id == case.id)
    return session.exec(select(Message.id).where(*about).limit(1)).first() is not None


def _imported(session: Session, office: Office, case: EscalationCase, client: Client) -> str:
    debt = escalations.debt_of(session, office, case, client)
    days = f", oldest {debt.days} days overdue" if debt.days > 0 else ""
    return f"*{blocks.inline(client.name)}*: {debt.written}{days}"


def _renewal_late(session: Session, office: Office, message: Message) -> Card:
    agreement = session.get_one(Agreement, message.subject_id)
    client = session.get_one(Client, agreement.client_id)
    entity = session.get_one(LegalEntity, agreement.legal_entity_id)
    name, what = blocks.inline(client.name), blocks.inline(agreement.name)
    amount = money.display(agreement.amount, agreement.currency)
    body = [
        blocks.section(
            f"*{what}* of *{name}* was to renew on {spelling.weekday(agreement.renews_on)} for "
            f"{amount} ({blocks.inline(entity.name)}), and a notice had not gone out."
        ),
        blocks.section("\n".join(records.balances(session, office, client))),
        blocks.context("Suggested: call them, and enter the new date where agreements are kept."),
    ]
    return Card(f"Renewal missed: {what} of {name}", body, _card_button(client))


_Make = Callable[[Session, Office, Message], Card]
_CARDS: Mapping[str, _Make] = {
    "thread": _thread,
    "inbound": _inbound,
    "escalation": escalations.compose,
    "imported_cases": _imported_cases,
    "lost": _lost,
    "in_doubt": _in_doubt,
    "renewal_late": _renewal_late,
    "renewal_unheard": agreements.unheard,
    "charge_due": agreements.charge_due,
    "charge_over": agreements.charge_over,
    "unused": agreements.unused,
    "unreadable": troubles.unreadable,
    "incident": incidents.compose,
    "demand": troubles.demand,
    "stuck": troubles.stuck,
    "fact_unknown": troubles.fact_unknown,
    "fact_refused": troubles.fact_refused,
    "standstill": troubles.standstill,
    "promise": troubles.promise,
    "task": waiting.compose,
    "legal_state": lawful.compose,
    "remittance": remittances.compose,
    "rights": rights.compose,
    "refused_mark": marks.refused,
    "duplicate": duplicates.compose,
    "duplicates": duplicates.listed,
    "draft": drafts.asked,
    "complaints": drafts.stopped,
}
