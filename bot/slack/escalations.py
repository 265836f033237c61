"""A debt has become a person's turn: what must they see to act on it without asking anybody?"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, func
from sqlmodel import Session, col, select

from billing import accounts, aliases, arrears, money, spelling
from billing.calendar import local_date
from billing.models import Client, Enrolment, EscalationCase, LegalEntity, Staff
from bot.reasons import naming
from bot.slack import blocks, records
from bot.slack.blocks import Block
from comms import timeline
from comms.models import Message, State, Touchpoint
from comms.office import Office

PAUSE_DAYS = 14
_TOUCHES = 40
_DECISIONS = 8


@dataclass(frozen=True, slots=True)
class Card:
    """A text for notifications, what is shown, and the buttons that must not be cut off."""

    text: str
    body: Sequence[Block]
    tail: Sequence[Block] = field(default=())


@dataclass(frozen=True, slots=True)
class Debt:
    """What a case is about, as it stands today."""

    debts: tuple[accounts.Owed, ...]
    written: str
    days: int
    """Of the oldest that is overdue; 0 where none is."""


def debt_of(session: Session, office: Office, case: EscalationCase, client: Client) -> Debt:
    """The open instalments of the case's account, and what is overdue of them."""
    enrolment = session.get_one(Enrolment, case.enrolment_id)
    found = accounts.owed(session, client.id, enrolment.legal_entity_id, enrolment.currency)
    day = records.today(office, client)
    late = [debt.instalment for debt in found if arrears.is_overdue(debt.instalment, day, 0)]
    written = money.display(sum(one.open for one in late), enrolment.currency)
    days = max(((day - one.due_on).days for one in late), default=0)
    return Debt(tuple(found), written, days)


def compose(session: Session, office: Office, message: Message) -> Card:
    """The card of a case: the debt, its whole history, the client's last words, what to do."""
    case = session.get_one(EscalationCase, message.subject_id)
    client = session.get_one(Client, case.client_id)
    debt = debt_of(session, office, case, client)
    if case.state != "open":
        return _closed(session, office, case, client)
    title = f"{client.name}: {debt.written}, {arrears.overdue_for(debt.days)}"
    body = [
        blocks.header(title),
        blocks.section(_turn(session, case)),
        *blocks.lines("What is open", records.aging(debt.debts, records.today(office, client))),
        *blocks.lines("Stops reminders", records.holds(session, office, client)),
        *blocks.lines("Contested", records.disputes(session, client)),
        *_last_words(session, office, client),
        blocks.section(f"*Suggested*: {_suggestion(session, client, debt)}"),
        *_proposal(case),
        *_history(session, office, case, client),
    ]
    return Card(f"Your turn: {blocks.inline(title)}", body, _buttons(case))


def _turn(session: Session, case: EscalationCase) -> str:
    enrolment = session.get_one(Enrolment, case.enrolment_id)
    entity = session.get_one(LegalEntity, enrolment.legal_entity_id)
    person = session.get(Staff, case.owner_id) if case.owner_id else None
    whose = "Nobody's yet: take it over."
    if person is not None:
        name = f"<@{person.slack_user}>" if person.slack_user else blocks.inline(person.name)
        whose = f"{name}, this is yours." if person.active else f"{name} has left: take it over."
    return f"{whose} No more reminders about {blocks.inline(entity.name)}'s invoices go out."


def _last_words(session: Session, office: Office, client: Client) -> list[Block]:
    touchpoint = records.last_word(session, client.id)
    if touchpoint is None:
        return [blocks.section("*Their last words*: they have not written.")]
    said = records.spoken(session, office, touchpoint)
    when = spelling.weekday(local_date(touchpoint.occurred_at, client.timezone))
    title = blocks.section(f"*Their last words*, {when} by {naming.way(touchpoint.channel)}:")
    if "sealed" in said:
        return [title, *records.sealed(said)]
    return [title, blocks.words(said.get("visible", "") or "(no words of their own)")]


def _suggestion(session: Session, client: Client, debt: Debt) -> str:
    """The one thing that a careful collections manager would do first."""
    disputed = next((one.instalment for one in debt.debts if one.instalment.disputed), None)
    if disputed is not None:
        return (
            f"settle what they contest on {blocks.inline(disputed.number)}, then ask for the rest."
        )
    word, reminder = records.last_word(session, client.id), _last_reminder(session, client)
    if word is not None and (reminder is None or word.occurred_at > reminder.occurred_at):
        return "answer what they wrote; no reminder has gone out since."
    if reminder is None:
        return "call them: nothing that we sent has reached them."
    if word is None:
        return "call them: they have answered nothing so far."
    return "call them and agree on a day, then pause until that day."


_PROPOSALS = {
    "write_off_proposal": "write it off",
    "agency": "hand it to an agency",
    "legal": "hand it to counsel",
}
_ENDS = {
    "write_off": ("Write it off", "All that is overdue here stays owed, and nobody collects it."),
    "agency": ("To an agency", "The case is closed; no reminder of ours follows."),
    "legal": ("To counsel", "The case is closed; no reminder of ours follows."),
}


def _proposal(case: EscalationCase) -> list[Block]:
    """What the policy proposes at the end of the ladder; it does nothing by itself."""
    proposed = _PROPOSALS.get(case.proposal or "")
    if not proposed:
        return []
    return [blocks.section(f"*By policy, if nothing else helps*: {proposed}. You decide.")]


def _last_reminder(session: Session, client: Client) -> Touchpoint | None:
    arrived = col(Message.state).in_((State.SENT, State.DELIVERED))
    query = (
        select(Touchpoint)
        .join(Message, col(Message.id) == col(Touchpoint.message_id))
        .where(_of_theirs(session, client), Touchpoint.kind == "dunning", arrived)
        .order_by(col(Touchpoint.occurred_at).desc())
        .limit(1)
    )
    return session.exec(query).first()


def _of_theirs(session: Session, client: Client) -> ColumnElement[bool]:
    """What was said with the client, under whatever name it had before it was merged."""
    return col(Touchpoint.client_id).in_(aliases.group(session, client.id))


def _history(session: Session, office: Office, case: EscalationCase, client: Client) -> list[Block]:
    touches = timeline.latest(session, client.id, _TOUCHES)
    count = select(func.count()).where(_of_theirs(session, client))
    earlier = session.exec(count).one() - len(touches)
    said = records.touch_lines(session, client, touches)
    if earlier > 0:
        said.append(f"{earlier} earlier: `/acct timeline {blocks.inline(client.name)}`")
    made = records.decisions(
        session, client.id, limit=_DECISIONS, kind="enrolment", subject=case.enrolment_id
    )
    lines = [records.decision_line(session, office, client, one) for one in made]
    return [
        blocks.divider(),
        *blocks.lines("History, the newest first", said or ["nothing was said yet"]),
        *blocks.lines("Decisions", lines),
    ]


def _buttons(case: EscalationCase) -> list[Block]:
    value = {"case": case.id}
    return blocks.actions(
        [
            blocks.button("Mark handled", "case.close", value, style="primary"),
            blocks.button(f"Pause {PAUSE_DAYS} days", "case.pause", value),
            blocks.button("Assign to me", "case.assign", value),
        ]
    ) + blocks.actions([ending(case.id, decision) for decision in _ENDS])


def ending(case_id: int, decision: str) -> Block:
    """A button with which somebody decides how a debt ends; it asks once more."""
    name, follows = _ENDS[decision]
    button = blocks.button(name, f"case.{decision}", {"case": case_id})
    return blocks.sure(button, f"{name}?", follows)


def _closed(session: Session, office: Office, case: EscalationCase, client: Client) -> Card:
    """What became of it, who said so, and no buttons."""
    at = case.closed_at or office.now
    when = spelling.weekday(local_date(at, client.timezone))
    outcome = blocks.inline(case.outcome.replace("_", " ")) or "closed"
    by = f" by {records.signed(session, case.closed_by)}" if case.closed_by else ""
    opened = spelling.weekday(local_date(case.opened_at, client.timezone))
    body = [
        blocks.section(f"*{blocks.inline(client.name)}*: closed on {when}{by}, *{outcome}*."),
        blocks.section("\n".join(records.balances(session, office, client))),
        blocks.context(f"Opened on {opened}. `/acct timeline {blocks.inline(client.name)}`"),
    ]
    return Card(f"{blocks.inline(client.name)}: closed, {outcome}", body)
