"""What did a person type to a client, may it go, and who has let it go all the same?

Read at the door each time. What a number is in goes to nobody. What has legal advice, health, a
matter or the line of a bill in it waits until somebody who may lets it go, once; each word on it is
a decision on the client's chain.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from sqlmodel import Session, col, select

from billing import aliases, spelling, store, vault
from billing.models import Client, Invoice, Role, Staff, StaffRole
from comms import outbox, staff, timeline
from comms.addresses import recipients
from comms.compliance import clearance
from comms.compliance.disclosure import Breach
from comms.compliance.labels import SEALING, Label
from comms.door import Verdict
from comms.law import counsel, walls
from comms.listening import quoting, screening
from comms.models import Audience, Decision, Message, Purpose, State, Touchpoint
from comms.moves import MESSAGES
from comms.office import Office
from comms.writing import wording

ASKS = "draft"
"""The card by which somebody who may is asked."""
Ruling = Literal["asked", "read", "released", "refused"]
_RULES: dict[Ruling, tuple[str, Verdict]] = {
    "asked": ("content_asked", Verdict.REVIEW),
    "read": ("content_read", Verdict.REVIEW),
    "released": ("content_released", Verdict.ALLOW),
    "refused": ("content_refused", Verdict.CANCEL),
}


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person's own words have in them, and by whose word they go."""

    labels: frozenset[Label] = frozenset()
    untold: tuple[str, ...] = ()
    released: str = ""


def of(session: Session, office: Office, message: Message) -> Draft:
    """A message's words; nothing where they come from a template."""
    if message.draft_id is None or message.client_id is None:
        return Draft()
    text = vault.text(session, office.keyring, message.draft_id)
    together = aliases.group(session, message.client_id)
    labels, found = looked_at(session, office, text, message.channel, together)
    untold = tuple(one.reason for one in found if one.kind in ("matter", "narrative"))
    return Draft(labels, untold, _released(session, office, message))


def looked_at(
    session: Session, office: Office, text: str, channel: str, together: list[int]
) -> tuple[frozenset[Label], list[Breach]]:
    """The labels of some words, and where in them is what may not go by this channel."""
    known = counsel.about(session, office, together[0])
    labels = frozenset(map(Label, screening.covered(text, channel, known)[1]))
    labels |= quoting.inherited(session, office, together, text)
    return labels, wording.typed(session, office, together, channel, text)


def _released(session: Session, office: Office, message: Message) -> str:
    rule = _RULES["released"][0]
    query = select(Decision.reason_id, Decision.decided_at).where(
        Decision.subject_kind == "message", Decision.subject_id == message.id, Decision.rule == rule
    )
    found = session.exec(query.order_by(col(Decision.id).desc())).first()
    if found is None:
        return ""
    return vault.text(session, office.keyring, found[0]) or "Somebody who may has let it go."


# --- writing --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Written:
    """What somebody wants to tell a client; ``key`` makes it one message."""

    client_id: int
    channel: str
    words: str
    key: str
    by: int


def write(session: Session, office: Office, asked: Written) -> str:
    """Put a person's words in the outbox, or say why not; what needs a yes waits for it."""
    client = aliases.master(session, session.get_one(Client, asked.client_id))
    together = aliases.group(session, client.id)
    labels, found = looked_at(session, office, asked.words, asked.channel, together)
    if numbers := labels - SEALING:
        return f"Not sent: there is {clearance.named(numbers)} in it. Write it without."
    reached = recipients.to(session, office.policy, client.id, "billing", asked.channel)
    contact_id, channel, address_id = reached
    if address_id is None or channel != asked.channel:
        return f"Not sent: {client.name} has no address for {asked.channel}."
    waits = review(labels, found)
    queued = outbox.queue(
        session,
        Message(
            key=f"written:{asked.key}",
            reference="",
            audience=Audience.CLIENT,
            channel=channel,
            purpose=Purpose.STAFF_TEXT,
            template="staff_text",
            client_id=client.id,
            legal_entity_id=recipients.written_by(session, client.id),
            contact_id=contact_id,
            address_id=address_id,
            subject_kind="staff",
            subject_id=asked.by,
            draft_id=vault.put(session, office.keyring, client.key_id, asked.words, office.now),
            state=State.AWAITING if waits else State.QUEUED,
            rule=waits[0] if waits else "",
            reason=waits[1] if waits else "",
            send_after=office.now,
            created_at=office.now,
        ),
    )
    if queued is None or not waits:
        return f"To {client.name} by {channel}: it goes once every check lets it pass."
    return f"To {client.name} by {channel}: it waits. {waits[1]}"


def review(labels: frozenset[Label], found: list[Breach]) -> tuple[str, str] | None:
    """The rule and the reason for which it waits, as the door has them."""
    if sealed := labels & SEALING:
        who = "counsel or compliance says if it goes"
        return "content_sealed", f"There is {clearance.named(sealed)} in it; {who}."
    untold = [one for one in found if one.kind in ("matter", "narrative")]
    return ("content_untold", f"{untold[0].reason} Compliance says if it goes.") if untold else None


def channel_of(session: Session, client_id: int) -> str:
    """The way by which they wrote last, or else mail."""
    query = (
        select(Touchpoint.channel)
        .where(
            col(Touchpoint.client_id).in_(aliases.group(session, client_id)),
            Touchpoint.direction == "in",
            col(Touchpoint.channel).in_(("email", "sms")),
        )
        .order_by(col(Touchpoint.occurred_at).desc(), col(Touchpoint.id).desc())
    )
    return session.exec(query.limit(1)).first() or "email"


# --- a person's word on it ------------------------------------------------------------------------


def may(roles: Collection[str], labels: frozenset[Label]) -> bool:
    """Whether somebody with these roles may let such words go: counsel's are for counsel alone."""
    if Label.PRIVILEGED in labels:
        return Role.PRIVILEGED in roles
    return Role.PRIVILEGED in roles or Role.COMPLIANCE in roles


def walled(session: Session, message: Message, draft: Draft, staff_id: int) -> str:
    """Why somebody with the role reads none of it all the same: a wall around the client's matters.

    What is still to be said may be about any of them.
    """
    if message.client_id is None or not (draft.labels & SEALING or draft.untold):
        return ""
    together = aliases.group(session, message.client_id)
    theirs = col(Invoice.client_id).in_(together) & (col(Invoice.matter) != "")
    standing = walls.standing(session)
    inside = {one.matter for one in standing if one.staff_id == staff_id}
    shut = {one.matter for one in standing} - inside
    matters = session.exec(select(Invoice.matter).where(theirs).distinct()).all() if shut else ()
    return walls.closed(shut.intersection(matters))


def rule(session: Session, office: Office, message_id: int, ruling: Ruling, by: Staff) -> str:
    """Ask, read, let go or refuse; the sentence is for whoever did. Who may is asked before."""
    message = session.get(Message, message_id, populate_existing=True)
    if message is None or message.draft_id is None or message.client_id is None:
        return "That message is no longer there."
    if message.state != State.AWAITING:
        return f"That was decided already: the message is {message.state.replace('_', ' ')}."
    if ruling == "asked":
        return _ask(session, office, message, by)
    _write_down(session, office, message, ruling, by)
    if ruling == "read":
        return vault.text(session, office.keyring, message.draft_id)
    mine = (MESSAGES.c.id == message.id) & (MESSAGES.c.state == State.AWAITING)
    if ruling == "refused":
        outbox.cancel(session, mine, "content_refused", f"{by.name} says that it does not go.")
        said = "it does not go"
    else:
        outbox.release(session, message.id, office.now)
        said = "it goes once, when every other check lets it pass"
    _show(session, office, message)
    return f"Noted: {said}."


def _ask(session: Session, office: Office, message: Message, by: Staff) -> str:
    asked = ask(session, office, message)
    if not asked:
        return "Nobody may say: an administrator gives the role, `counterfoil access grant`."
    _write_down(session, office, message, "asked", by)
    return f"Asked: {', '.join(asked)}."


def ask(session: Session, office: Office, message: Message) -> list[str]:
    """A card for everybody who may let these words go; their names."""
    draft = of(session, office, message)
    asked = [
        one
        for one in _staffed(session)
        if may(one[1], draft.labels)
        and one[0].slack_user
        and not walled(session, message, draft, one[0].id)
    ]
    for person, _ in asked:
        notice = staff.Notice(
            key=f"draft:{message.id}:{person.id}",
            purpose=Purpose.ALERT,
            template=ASKS,
            to=person.slack_user or office.finance,
            client_id=message.client_id,
            subject=("message", message.id),
        )
        staff.tell(session, office, notice)
    return [person.name for person, _ in asked]


def _staffed(session: Session) -> list[tuple[Staff, set[str]]]:
    rows = session.exec(
        select(Staff, StaffRole.role)
        .join(StaffRole, col(StaffRole.staff_id) == col(Staff.id))
        .where(Staff.active)
        .order_by(col(Staff.id))
    ).all()
    people: dict[int, tuple[Staff, set[str]]] = {}
    for person, role in rows:
        people.setdefault(person.id, (person, set()))[1].add(role)
    return list(people.values())


def _write_down(
    session: Session, office: Office, message: Message, ruling: Ruling, by: Staff
) -> None:
    name, verdict = _RULES[ruling]
    client = session.get_one(Client, message.client_id)
    decision = store.fresh(
        Decision,
        client_id=client.id,
        subject_kind="message",
        subject_id=message.id,
        verdict=verdict,
        rule=name,
        inputs=json.dumps({"by": by.id, "at": office.now.isoformat()}, sort_keys=True),
        decided_at=office.now,
    )
    said = f"{ruling.capitalize()} by {by.name} on {spelling.day(office.now)}."
    timeline.decide_all(session, office.keyring, [timeline.Ruling(decision, client.key_id, said)])


def _show(session: Session, office: Office, message: Message) -> None:
    """The cards that asked lose their buttons."""
    asked = select(Message).where(
        Message.template == ASKS,
        Message.subject_kind == "message",
        Message.subject_id == message.id,
        col(Message.updates_id).is_(None),
    )
    for card in session.exec(asked).all():
        notice = staff.Notice(
            key=f"{card.key}:decided",
            purpose=Purpose.ALERT,
            template=ASKS,
            to=card.destination,
            client_id=card.client_id,
            subject=("message", message.id),
            updates_id=card.id,
        )
        staff.tell(session, office, notice)
