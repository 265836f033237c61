"""Why does a client, an invoice or a message stand where it stands?

Assembled from rows alone: what was decided, by which rule, on which facts, what would have to
change, and when it is looked at next.
"""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlmodel import Session, col, select

from billing import accounts, aliases, books, duplicates, matching, money, spelling, vault
from billing.calendar import local_date
from billing.models import (
    Address,
    Client,
    Enrolment,
    Instalment,
    Invoice,
    LegalEntity,
    Staff,
    StepListed,
    StepTaken,
)
from billing.models import Sequence as Ladder
from bot.reasons import against, naming, standings, turns
from bot.reasons.explanation import Explanation, Fact, Made, Place, Related
from bot.reasons.remedies import remedy
from bot.report import Wrong
from bot.staff import declarations
from comms import door, outbox
from comms.duties import notes, tasks
from comms.models import Audience, Decision, Message, State
from comms.office import Office

MOST = 20
"""Decisions and messages in one answer."""
_AT_THE_DOOR = {
    "allow": "pass",
    "defer": "defer",
    "review": "review",
    "withhold": "refuse",
    "cancel": "refuse",
    "empty": "empty",
}
ANYTHING = "at once when anything about the client changes"
"""Every fact that touches a client is followed in its own transaction."""
_PASSED = ("allow", "empty")
_GONE = (State.SENT, State.DELIVERED)
_OPEN = (State.QUEUED, State.HELD, State.AWAITING, State.CLAIMED, State.SENDING, State.IN_DOUBT)


def of(session: Session, office: Office, kind: str, id_: int) -> Explanation:
    """Why this client, invoice, message or decision stands where it stands.

    Raises:
        Wrong: there is no such thing.
    """
    match kind:
        case "client":
            return _client(session, office, _row(session, Client, id_))
        case "invoice":
            return _invoice(session, office, _row(session, Invoice, id_))
        case "message":
            return _message(session, office, _row(session, Message, id_))
        case "decision":
            return _decision(session, office, _row(session, Decision, id_))
        case _:
            raise Wrong(f"Nobody can say why about a {kind}; ask about a client or a message.")


def _row(session: Session, model: Any, id_: int) -> Any:
    found = session.get(model, id_)
    if found is None:
        raise Wrong(f"There is no {model.__name__.lower()} {id_}.")
    return found


# --- a client -------------------------------------------------------------------------------------


def _client(session: Session, office: Office, client: Client) -> Explanation:
    client = aliases.master(session, client)
    kin = aliases.among(session, [client])
    aliases.remember(session, kin)
    together = sorted(kin, key=lambda one: (one != client.id, one))
    enrolments = _enrolments(session, together)
    latest = [_latest(session, "enrolment", one.id) for one in enrolments]
    first = next((one for one in latest if one is not None), None)
    waiting = _waiting(session, together)
    rules = [one.rule for one in latest if one] + [one.rule for one in waiting]
    looks = [one.next_due_at for one in enrolments] + [_next_look(one) for one in waiting]
    return Explanation(
        kind="client",
        id=str(client.id),
        title=client.name,
        verdict=first.verdict if first else "nothing yet",
        rule=first.rule if first else None,
        reason=_reason(session, office, first) if first else _unseen(enrolments),
        facts=tuple(_client_facts(session, office, client, together)),
        would_change=_remedies(rules),
        next_look=_first(looks),
        next_event=ANYTHING if enrolments or waiting else "",
        related=tuple(_related_messages(waiting)),
        decisions=_made(session, office, col(Decision.client_id).in_(together)),
    )


def _unseen(enrolments: Sequence[Enrolment]) -> str:
    if enrolments:
        return "Nothing was decided yet; `counterfoil serve` or `counterfoil tick` looks at it."
    return "There is nothing to chase and nothing to renew."


def _client_facts(
    session: Session, office: Office, client: Client, together: Sequence[int]
) -> Iterator[Fact]:
    today = local_date(office.now, client.timezone)
    owner = session.get(Staff, client.owner_id) if client.owner_id else None
    yield Fact("owner", f"{owner.name} ({owner.email})" if owner else "nobody")
    yield Fact("time zone", client.timezone)
    for name, asked in declarations.told(session, client.id):
        yield Fact(name, asked)
    for one in together[1:]:
        yield Fact("also", f"{session.get_one(Client, one).name} (client:{one}, merged)")
    for pair in duplicates.waiting(session, [client.id]):
        other = pair.second_id if pair.first_id == client.id else pair.first_id
        why = matching.words(pair.reasons.split())
        yield Fact("may be", f"{session.get_one(Client, other).name} (client:{other}): {why}")
    for balance in accounts.balances(session, client.id, today):
        entity = session.get_one(LegalEntity, balance.legal_entity_id)
        parts = [
            f"{money.display(amount, balance.currency)} {what}"
            for what, amount in (
                ("open", balance.open),
                ("overdue", balance.overdue),
                ("on account", balance.unapplied),
            )
            if amount
        ]
        yield Fact(f"{entity.name}, {balance.currency}", ", ".join(parts))
    for debt in accounts.owed(session, client.id)[:MOST]:
        yield Fact(debt.instalment.number, against.of_instalment(debt.instalment, today))
    for line in against.lines(session, office, client):
        yield Fact(*line)
    for said in standings.lines(session, office, client):
        yield Fact(*said)
    for task in tasks.of_clients(session, together):
        yield Fact("a person's turn", f"{turns.line(session, task)} (task:{task.id})")
    for hold in accounts.holds(session, client.id):
        until = f" until {spelling.moment(hold.until)}" if hold.until else " until it is released"
        yield Fact("hold", f"{hold.reason}{until}")
    yield from _ruled_by(office, _enrolments(session, together))


def _ruled_by(office: Office, enrolments: Sequence[Enrolment]) -> Iterator[Fact]:
    """Under which version of the policy a sequence runs, where that is not the one that holds."""
    for one in enrolments:
        if one.policy_version and one.policy_version != office.policy.version:
            holds = f"{one.policy_version}, with which it began; {office.policy.version} holds now"
            yield Fact(f"policy of the {_sequence(one)}", holds)


# --- an invoice -----------------------------------------------------------------------------------


def _invoice(session: Session, office: Office, invoice: Invoice) -> Explanation:
    client = session.get_one(Client, invoice.client_id)
    enrolment = _asking_for(session, invoice, client)
    latest = _latest(session, "enrolment", enrolment.id) if enrolment else None
    open_, messages = books.open_of(session, invoice.id), _about_invoice(session, invoice)
    debts = [debt for debt in accounts.owed(session, client.id) if _is(debt, invoice)]
    disputed = any(debt.instalment.disputed for debt in debts)
    verdict = "disputed" if disputed else "open" if open_ > 0 else "paid"
    unsent = [one for one in messages if one.state in _OPEN]
    rules = [latest.rule] if latest and open_ > 0 else []
    looks = [enrolment.next_due_at if enrolment else None, *map(_next_look, unsent)]
    return Explanation(
        kind="invoice",
        id=str(invoice.id),
        title=f"{invoice.number} of {client.name}",
        verdict=verdict,
        rule=latest.rule if latest and open_ > 0 else None,
        reason=_reason(session, office, latest) if latest and open_ > 0 else "",
        facts=tuple(_invoice_facts(session, office, invoice, client, open_)),
        would_change=_remedies([*rules, *(one.rule for one in unsent)]),
        next_look=_first(looks) if open_ > 0 else None,
        next_event=ANYTHING if open_ > 0 else "",
        related=(Related("client", str(client.id), client.name), *_related_messages(messages)),
        decisions=_about(session, office, "enrolment", enrolment.id) if enrolment else (),
    )


def _asking_for(session: Session, invoice: Invoice, client: Client) -> Enrolment | None:
    """The sequence that asks for an invoice: one of its own, of its matter, or of its account."""
    kin = aliases.among(session, [client])
    found = session.exec(
        select(Enrolment).where(
            Enrolment.sequence == Ladder.DUNNING,
            col(Enrolment.client_id).in_(kin),
            Enrolment.legal_entity_id == invoice.legal_entity_id,
            Enrolment.currency == invoice.currency,
        )
    ).all()
    scopes = (f"invoice:{invoice.id}", f"matter:{invoice.matter}", "")
    speaking = sorted(found, key=lambda one: (one.client_id != kin[client.id], one.id))
    mine = [one for scope in scopes for one in speaking if one.scope == scope]
    return mine[0] if mine else None


def _is(debt: accounts.Owed, invoice: Invoice) -> bool:
    return debt.instalment.invoice_id == invoice.id


def _invoice_facts(
    session: Session, office: Office, invoice: Invoice, client: Client, open_: int
) -> Iterator[Fact]:
    whole = books.invoiced(session, invoice.id)
    today = local_date(office.now, client.timezone)
    late = (today - invoice.due_on).days
    yield Fact("issued", f"{spelling.day(invoice.issued_on)} by {_entity(session, invoice)}")
    yield Fact(
        "due", spelling.day(invoice.due_on) + (f", {late} days ago" if late > 0 and open_ else "")
    )
    yield Fact("amount", money.display(whole, invoice.currency))
    yield Fact("open", money.display(open_, invoice.currency))


def _entity(session: Session, invoice: Invoice) -> str:
    return session.get_one(LegalEntity, invoice.legal_entity_id).name


def _about_invoice(session: Session, invoice: Invoice) -> list[Message]:
    """The messages that named it, the newest first."""
    query = (
        select(Message)
        .join(StepTaken, col(StepTaken.id) == Message.step_id)
        .join(StepListed, col(StepListed.step_taken_id) == StepTaken.id)
        .join(Instalment, col(Instalment.id) == StepListed.instalment_id)
        .where(Instalment.invoice_id == invoice.id)
        .order_by(col(Message.id).desc())
        .limit(MOST)
        .distinct()
    )
    return list(session.exec(query))


# --- a message ------------------------------------------------------------------------------------


def _message(session: Session, office: Office, message: Message) -> Explanation:
    latest = _latest(session, "message", message.id)
    client = session.get(Client, message.client_id) if message.client_id else None
    said = outbox.rendered(session, office.keyring, message)
    related = [Related("client", str(client.id), client.name)] if client else []
    return Explanation(
        kind="message",
        id=str(message.id),
        title=_titled(message, client),
        verdict=message.state,
        rule=message.rule or (latest.rule if latest else None),
        reason=message.reason or (_reason(session, office, latest) if latest else ""),
        text=notes.sent(session, said.text, message) if said else None,
        facts=tuple(_message_facts(session, message)),
        door=_door(latest, message),
        would_change=_remedies(_rules(message, latest)) if message.state not in _GONE else (),
        next_look=_next_look(message),
        next_event=ANYTHING if message.state in _OPEN and client else "",
        related=tuple(related),
        decisions=_about(session, office, "message", message.id),
    )


def _rules(message: Message, latest: Decision | None) -> list[str]:
    """The rule that keeps it back, and after it every other that the door would have named."""
    said = _places(latest) if latest is not None and latest.rule == message.rule else []
    return [message.rule, *(rule for _, verdict, rule in said if verdict not in _PASSED)]


def _next_look(message: Message) -> dt.datetime | None:
    """When a message is judged next, if no event comes before."""
    return message.send_after if message.state == State.QUEUED else message.wake_at


def _first(moments: Sequence[dt.datetime | None]) -> dt.datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _titled(message: Message, client: Client | None) -> str:
    whom = client.name if client else message.destination
    return f"{naming.called(message)} to {whom} by {naming.way(message.channel)}"


def _message_facts(session: Session, message: Message) -> Iterator[Fact]:
    address = session.get(Address, message.address_id) if message.address_id else None
    step = session.get(StepTaken, message.step_id) if message.step_id else None
    yield Fact("reference", message.reference)
    yield Fact("to", address.value if address else message.destination or "no address")
    for line in standings.offer(session, message):
        yield Fact(*line)
    if step is not None:
        yield Fact("step", f"{step.step}, round {step.round}, taken {spelling.day(step.taken_on)}")
    for name, moment in (
        ("queued", message.created_at),
        ("last claimed", message.claimed_at),
        ("sent", message.sent_at),
        ("delivered", message.delivered_at),
    ):
        if moment is not None:
            yield Fact(name, spelling.moment(moment))
    if message.attempts:
        yield Fact("tries", str(message.attempts))


def _door(decision: Decision | None, message: Message) -> tuple[Place, ...]:
    """Every place in the door's order; the one that decided says why."""
    if decision is None:
        return ()
    told = _places(decision)
    return tuple(
        Place(
            place,
            _AT_THE_DOOR.get(verdict, verdict),
            rule or None,
            message.reason or None if rule == decision.rule else None,
        )
        for name, _ in door.PLACES
        for place, verdict, rule in (
            [one for one in told if one[0] == name] or [[name, "empty", ""]]
        )
    )


def _places(decision: Decision) -> list[list[str]]:
    """What each place of the door said: its name, its verdict and its rule; some say twice."""
    found: list[list[str]] = json.loads(decision.inputs or "{}").get("places", [])
    return found


def _decision(session: Session, office: Office, decision: Decision) -> Explanation:
    """A decision as it was made; what it was about may have moved on since."""
    client = session.get_one(Client, decision.client_id)
    about = (
        session.get(Message, decision.subject_id) if decision.subject_kind == "message" else None
    )
    related = [Related("client", str(client.id), client.name)]
    if about is not None:
        related.append(Related("message", str(about.id), _titled(about, client)))
    inputs = json.loads(decision.inputs or "{}")
    return Explanation(
        kind="decision",
        id=str(decision.id),
        title=f"{_subject(session, decision)}, {spelling.moment(decision.decided_at)}",
        verdict=decision.verdict,
        rule=decision.rule,
        reason=_reason(session, office, decision),
        facts=tuple(
            Fact(name, str(value)) for name, value in sorted(inputs.items()) if name != "places"
        ),
        door=_door(decision, about) if about is not None else (),
        would_change=_remedies(
            [decision.rule, *(rule for _, said, rule in _places(decision) if said not in _PASSED)]
        ),
        next_look=decision.until,
        related=tuple(related),
    )


# --- decisions ------------------------------------------------------------------------------------


def _latest(session: Session, kind: str, id_: int) -> Decision | None:
    query = select(Decision).where(Decision.subject_kind == kind, Decision.subject_id == id_)
    return session.exec(query.order_by(col(Decision.id).desc()).limit(1)).first()


def _about(session: Session, office: Office, kind: str, id_: int) -> tuple[Made, ...]:
    which = (col(Decision.subject_kind) == kind) & (col(Decision.subject_id) == id_)
    return _made(session, office, which)


def _made(session: Session, office: Office, which: Any) -> tuple[Made, ...]:
    query = select(Decision).where(which).order_by(col(Decision.id).desc()).limit(MOST)
    return tuple(
        Made(
            one.decided_at,
            _subject(session, one),
            one.verdict,
            one.rule,
            _reason(session, office, one),
            one.until,
        )
        for one in session.exec(query)
    )


def _subject(session: Session, decision: Decision) -> str:
    if decision.subject_kind == "message":
        message = session.get(Message, decision.subject_id)
        return naming.sent(message) if message else "message"
    if decision.subject_kind != "enrolment":
        return decision.subject_kind.replace("_", " ")
    enrolment = session.get(Enrolment, decision.subject_id)
    return _sequence(enrolment) if enrolment else "reminders"


def _sequence(enrolment: Enrolment) -> str:
    return "renewal" if enrolment.sequence == Ladder.RENEWAL else "reminders"


def _reason(session: Session, office: Office, decision: Decision) -> str:
    return vault.text(session, office.keyring, decision.reason_id)


def _remedies(rules: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(said for rule in rules if (said := remedy(rule))))


def _enrolments(session: Session, clients: Sequence[int]) -> list[Enrolment]:
    query = select(Enrolment).where(col(Enrolment.client_id).in_(clients))
    return list(session.exec(query.order_by(col(Enrolment.next_due_at), col(Enrolment.id))))


def _waiting(session: Session, clients: Sequence[int]) -> list[Message]:
    query = select(Message).where(
        col(Message.client_id).in_(clients),
        Message.audience == Audience.CLIENT,
        col(Message.state).in_(_OPEN),
    )
    return list(session.exec(query.order_by(col(Message.id).desc()).limit(MOST)))


def _related_messages(messages: Sequence[Message]) -> Iterator[Related]:
    for message in messages:
        why = f" ({message.rule})" if message.rule else ""
        label = f"{naming.sent(message)}: {message.state}{why}"
        yield Related("message", str(message.id), label)
