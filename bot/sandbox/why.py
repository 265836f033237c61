"""Why does a message, a decision, a client or an invoice stand where it stands?

Assembled for the sandbox's page from what was written down when it was decided: the decision with
its reason, what each place of the door said, and the numbers it was made from.
"""

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from billing import accounts, calendar, money, vault
from billing.models import (
    Address,
    Client,
    Enrolment,
    Instalment,
    Invoice,
    Payment,
    Posting,
    Staff,
    StepListed,
    StepTaken,
)
from bot.app import App
from bot.sandbox.portrait import standing
from bot.sandbox.snapshot import Json, latest_decisions, titled
from comms import door, outbox
from comms.models import UNSENT, Attempt, Decision, Message, Touchpoint

_DOOR = {"allow": "pass", "defer": "defer", "review": "review", "empty": "empty"}
_VERDICTS = {
    "send": "send", "held": "hold", "escalate": "escalate", "late": "escalate",
    "allow": "send", "defer": "hold", "review": "review", "withhold": "refuse", "cancel": "refuse",
}  # fmt: skip
_CHANGES = {
    "not_live": "Somebody opens the door: the switch at the top of this page.",
    "overdue": "What is overdue is paid: then it leaves by itself.",
    "quiet_hours": "The next open hour comes.",
    "budget_day": "A day has passed since the last message to this person.",
    "budget_week": "The week's messages to this person have grown older.",
    "opted_out": "They write START, or agree again.",
    "no_sms_consent": "They agree to text messages.",
    "paid": "Nothing: it is settled.",
    "held": "The pause ends, or somebody resumes with /acct resume.",
    "disputed": "The dispute is settled.",
    "step_not_due": "The day comes, or the money does.",
    "step_queued": "The message that is on its way arrives, fails or is cancelled.",
    "in_doubt": "The provider's list or a report shows it, or a person says what happened.",
    "nothing_open": "A new invoice is issued.",
    "nothing_overdue": "An invoice becomes overdue.",
    "superseded": "Nothing: a later message says it.",
}
_UNITS = {"total"}


def explain(session: Session, app: App, kind: str, id_: str) -> Json | None:
    """The page's answer to why; None where there is no such thing."""
    if kind == "client":
        client = session.exec(select(Client).where(Client.name == id_)).first()
        return _client(session, app, client) if client else None
    if kind == "invoice":
        invoice = session.exec(select(Invoice).where(Invoice.number == id_)).first()
        return _invoice(session, app, invoice) if invoice else None
    if kind == "message":
        message = session.get(Message, int(id_)) if id_.isdigit() else None
        return _message(session, app, message) if message else None
    return _row(session, app, id_)


def _row(session: Session, app: App, id_: str) -> Json | None:
    """Why of a row of the timeline: a decision, or what an invoice or a payment led to."""
    letter, number = id_[:1], id_[1:]
    if not number.isdigit():
        return None
    if letter == "d":
        decision = session.get(Decision, int(number))
        return _decision(session, app, decision, id_) if decision else None
    if letter == "i":
        invoice = session.get(Invoice, int(number))
        return _invoice(session, app, invoice) if invoice else None
    return _event(session, app, letter, int(number))


def _event(session: Session, app: App, letter: str, number: int) -> Json | None:
    """A payment or a client's words decide nothing by themselves: how the client stands says it."""
    row = session.get(Payment if letter == "p" else Touchpoint, number)
    if row is None or letter not in ("p", "t"):
        return None
    return _client(session, app, session.get_one(Client, row.client_id))


def _answer(kind: str, id_: str, title: str, **more: Any) -> Json:
    empty: Json = {
        "kind": kind, "id": id_, "title": title, "verdict": "nothing", "rule": None, "reason": "",
        "text": None, "facts": [], "door": [], "would_change": [], "next_look": None,
        "related": [],
    }  # fmt: skip
    return empty | more


def _fact(name: str, value: object) -> Json:
    return {"name": name, "value": str(value)}


def _link(kind: str, id_: str, label: str) -> Json:
    return {"kind": kind, "id": id_, "label": label}


def _iso(moment: dt.datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _when(moment: dt.datetime | None) -> str:
    return f"{moment:%a %-d %b %Y, %H:%M} UTC" if moment else "not yet"


# --- a message ------------------------------------------------------------------------------------


def _message(session: Session, app: App, message: Message) -> Json:
    client = session.get(Client, message.client_id) if message.client_id else None
    judged = session.exec(
        select(Decision)
        .where(Decision.subject_kind == "message", Decision.subject_id == message.id)
        .order_by(col(Decision.id).desc())
    ).first()
    gone = outbox.rendered(session, app.keyring, message)
    reason = message.reason or (
        vault.text(session, app.keyring, judged.reason_id) if judged else ""
    )
    if not reason:
        reason = "A message to staff: the door asks nothing of it but its content."
    rule = message.rule or (judged.rule if judged else "")
    whom = f" to {client.name}" if client else ""
    waits = message.state in UNSENT
    return _answer(
        "message",
        str(message.id),
        f"{titled(message)} by {message.channel}{whom}",
        verdict=message.state,
        rule=rule or None,
        reason=reason,
        text="\n".join(part for part in (gone.subject, gone.text) if part) if gone else None,
        facts=_message_facts(session, message),
        door=_places(judged, reason) if judged else [],
        would_change=_changes([rule]) if waits or message.state == "in_doubt" else [],
        next_look=_iso(message.wake_at) if waits else None,
        related=_message_links(session, message, client),
    )


def _message_facts(session: Session, message: Message) -> list[Json]:
    address = session.get(Address, message.address_id) if message.address_id else None
    tries = session.exec(select(Attempt).where(Attempt.message_id == message.id)).all()
    outcomes = ", ".join(f"{one.outcome} {one.code}".strip() for one in tries)
    facts = [
        _fact("To", address.value if address else message.destination),
        _fact("Made", _when(message.created_at)),
        _fact("Left", _when(message.sent_at)),
    ]
    if message.delivered_at:
        facts.append(_fact("Arrived", _when(message.delivered_at)))
    if tries:
        facts.append(_fact("Tries", f"{len(tries)}: {outcomes}"))
    return [*facts, _fact("Key", message.key)]


def _places(judged: Decision, reason: str) -> list[Json]:
    """The door in its own order, as it was when the message was judged last."""
    written = json.loads(judged.inputs or "{}").get("places", [])
    said = {place: (verdict, rule) for place, verdict, rule in written}
    shown = []
    for place, _ in door.PLACES:
        verdict, rule = said.get(place, ("empty", ""))
        decisive = bool(rule) and rule == judged.rule
        shown.append({
            "place": place.replace("_", " "), "verdict": _DOOR.get(verdict, "refuse"),
            "rule": rule or None,
            "reason": reason if decisive else rule.replace("_", " ") or None,
        })  # fmt: skip
    return shown


def _message_links(session: Session, message: Message, client: Client | None) -> list[Json]:
    links = [_link("client", client.name, client.name)] if client else []
    numbers = _listed(session, message.step_id) if message.step_id else []
    links += [_link("invoice", number, number) for number in numbers]
    about = session.exec(
        select(Decision)
        .where(
            Decision.subject_kind == "enrolment",
            Decision.subject_id == message.subject_id,
            Decision.decided_at <= message.created_at,
        )
        .order_by(col(Decision.id).desc())
    ).first()
    if about is not None and message.subject_kind == "enrolment":
        links.append(_link("decision", f"d{about.id}", "The decision to write"))
    return links


def _listed(session: Session, step_id: int) -> Sequence[str]:
    query = (
        select(Invoice.number)
        .join(Instalment, col(Instalment.invoice_id) == Invoice.id)
        .join(StepListed, col(StepListed.instalment_id) == Instalment.id)
        .where(StepListed.step_taken_id == step_id)
        .order_by(col(Invoice.number))
    )
    return session.exec(query).all()


# --- a decision -----------------------------------------------------------------------------------


def _decision(session: Session, app: App, decision: Decision, id_: str) -> Json:
    client = session.get_one(Client, decision.client_id)
    reason = vault.text(session, app.keyring, decision.reason_id)
    inputs = json.loads(decision.inputs or "{}")
    title = f"{_what(session, decision)}, {client.name}"
    door_ = _places(decision, reason) if "places" in inputs else []
    links = [_link("client", client.name, client.name)]
    if decision.subject_kind == "message":
        links.append(_link("message", str(decision.subject_id), "The message"))
    numbers = session.exec(
        select(Invoice.number)
        .join(Instalment, col(Instalment.invoice_id) == Invoice.id)
        .where(col(Instalment.id).in_(inputs.get("instalments", [])))
    )
    links += [_link("invoice", number, number) for number in numbers]
    return _answer(
        "decision",
        id_,
        title,
        verdict=_VERDICTS.get(decision.verdict, "nothing"),
        rule=decision.rule,
        reason=reason,
        facts=[_fact("Decided", _when(decision.decided_at)), *_inputs(session, decision, inputs)],
        door=door_,
        would_change=_changes([decision.rule]),
        next_look=_iso(decision.until),
        related=links,
    )


def _what(session: Session, decision: Decision) -> str:
    if decision.subject_kind == "message":
        message = session.get(Message, decision.subject_id)
        return f"At the door: {titled(message).lower()}" if message else "At the door"
    enrolment = session.get(Enrolment, decision.subject_id)
    return "Renewal" if enrolment and enrolment.sequence == "renewal" else "Reminders"


def _inputs(session: Session, decision: Decision, inputs: Json) -> Iterable[Json]:
    """The numbers that it was made from, but for ids and the door's places."""
    enrolment = None
    if decision.subject_kind == "enrolment":
        enrolment = session.get(Enrolment, decision.subject_id)
    for name, value in inputs.items():
        if name in ("places", "instalments"):
            continue
        known = name in _UNITS and enrolment is not None
        shown = money.display(int(value), enrolment.currency) if known and enrolment else value
        yield _fact(name.capitalize(), shown)


def _changes(rules: Iterable[str]) -> list[str]:
    return [_CHANGES[rule] for rule in dict.fromkeys(rules) if rule in _CHANGES]


# --- a client and an invoice ----------------------------------------------------------------------


def _client(session: Session, app: App, client: Client) -> Json:
    """Where the client's sequences stand: the one that moves first decides what is said."""
    decisions = sorted(latest_decisions(session, [client.id]), key=_order)
    first = decisions[0] if decisions else None
    now = app.clock.now()
    today = calendar.local_date(now, client.timezone)
    owner = session.get(Staff, client.owner_id) if client.owner_id else None
    facts = [
        _fact("Their time", f"{now.astimezone(calendar.zone(client.timezone)):%a %-d %b, %H:%M}"),
        _fact("Owner", owner.name if owner else "nobody: finance takes over"),
    ]
    for one in accounts.balances(session, client.id, today):
        late = money.display(one.overdue, one.currency)
        facts.append(_fact("Open", f"{money.display(one.open, one.currency)}, {late} overdue"))
        if one.unapplied:
            facts.append(_fact("On account", money.display(one.unapplied, one.currency)))
    waiting = session.exec(
        select(Message)
        .where(Message.client_id == client.id, col(Message.state).in_(UNSENT))
        .order_by(col(Message.id))
    ).all()
    links = [_link("message", str(one.id), f"{titled(one)} ({one.state})") for one in waiting]
    labels = ((one, f"{_what(session, one)}: {one.verdict}") for one in decisions)
    links += [_link("decision", f"d{one.id}", label) for one, label in labels]
    return _answer(
        "client",
        client.name,
        client.name,
        verdict=_VERDICTS.get(first.verdict, "nothing") if first else "nothing",
        rule=first.rule if first else None,
        reason=vault.text(session, app.keyring, first.reason_id) if first else "Nothing is open.",
        facts=facts,
        would_change=_changes([one.rule for one in decisions] + [one.rule for one in waiting]),
        next_look=_iso(first.until) if first else None,
        related=links,
    )


def _order(decision: Decision) -> tuple[bool, dt.datetime]:
    """What is looked at soonest comes first; what waits for an event comes last."""
    return decision.until is None, decision.until or decision.decided_at


def _invoice(session: Session, app: App, invoice: Invoice) -> Json:
    client = session.get_one(Client, invoice.client_id)
    today = calendar.local_date(app.clock.now(), client.timezone)
    open_ = _open(session, invoice.id)
    late = (today - invoice.due_on).days if open_ > 0 else 0
    disputed = any(
        debt.instalment.disputed
        for debt in accounts.owed(session, client.id)
        if debt.instalment.invoice_id == invoice.id
    )
    state = standing(invoice, open_, late, disputed=disputed)
    enrolments = session.exec(
        select(Enrolment.id).where(
            Enrolment.client_id == client.id,
            Enrolment.legal_entity_id == invoice.legal_entity_id,
            Enrolment.currency == invoice.currency,
            Enrolment.sequence == "dunning",
        )
    ).all()
    decisions = [
        one for one in latest_decisions(session, [client.id]) if one.subject_id in enrolments
    ]
    last = decisions[0] if decisions else None
    reason = vault.text(session, app.keyring, last.reason_id) if last else ""
    facts = [
        _fact("Issued", f"{invoice.issued_on:%-d %b %Y}"),
        _fact("Due", f"{invoice.due_on:%-d %b %Y}" + (f", {late} days ago" if late > 0 else "")),
        _fact("Amount", money.display(invoice.amount, invoice.currency)),
        _fact("Open", money.display(max(0, open_), invoice.currency)),
    ]
    links = [_link("client", client.name, client.name), *_reminders(session, invoice)]
    if last is not None:
        links.append(_link("decision", f"d{last.id}", "The newest decision"))
    return _answer(
        "invoice",
        invoice.number,
        f"{invoice.number}, {client.name}",
        verdict=state,
        rule=last.rule if last and state != "paid" else None,
        reason="It is paid." if state == "paid" else reason or "Nobody has looked at it yet.",
        facts=facts,
        would_change=_changes([last.rule]) if last and state != "paid" else [],
        next_look=_iso(last.until) if last and state != "paid" else None,
        related=links,
    )


def _open(session: Session, invoice_id: int) -> int:
    query = (
        select(func.coalesce(func.sum(Posting.amount), 0))
        .join(Instalment, col(Instalment.id) == Posting.instalment_id)
        .where(Instalment.invoice_id == invoice_id)
    )
    return int(session.exec(query).one())


def _reminders(session: Session, invoice: Invoice) -> list[Json]:
    """The messages that named the invoice."""
    query = (
        select(Message)
        .join(StepTaken, col(StepTaken.id) == Message.step_id)
        .join(StepListed, col(StepListed.step_taken_id) == StepTaken.id)
        .join(Instalment, col(Instalment.id) == StepListed.instalment_id)
        .where(Instalment.invoice_id == invoice.id)
        .order_by(col(Message.id))
    )
    found = session.exec(query)
    return [_link("message", str(one.id), f"{titled(one)} ({one.state})") for one in found]
