"""What did a member of staff tell us to do, and what follows?

An instruction may be carried out twice and says the same both times. Everything here runs in one
transaction under the locks of ``clients_of``; whether the person may ask it is ``bot/access``.
"""

import datetime as dt
from typing import assert_never

from sqlmodel import Session, col, select

from billing import aliases, spelling, vault
from billing.calendar import local_date, midnight
from billing.models import Client, EscalationCase, Hold, Invoice, Staff
from comms import delivery, merging, outbox, seals, staff
from comms.duties import custody, escalations, matters, overrides, tasks, verdicts
from comms.duties.orders import (
    LONGEST,
    AssignCase,
    CloseCase,
    Decide,
    EndHold,
    HandleTask,
    Instruction,
    KeepApart,
    LetPass,
    Merge,
    OpenRights,
    Order,
    Pause,
    PlaceHold,
    Repeat,
    ResolveDoubt,
    Resume,
    RuleOnDraft,
    SayMatter,
    SealCard,
    SealWords,
    UnsealWords,
    WriteText,
)
from comms.listening import strangers
from comms.models import UNSENT, Message, Purpose, State, Task, Touchpoint
from comms.office import Office, Word
from comms.ports import Sent
from comms.writing import drafts

__all__ = [
    "LONGEST",
    "PAUSED",
    "AssignCase",
    "CloseCase",
    "Decide",
    "EndHold",
    "HandleTask",
    "Instruction",
    "KeepApart",
    "LetPass",
    "Merge",
    "OpenRights",
    "Order",
    "Pause",
    "PlaceHold",
    "Repeat",
    "ResolveDoubt",
    "Resume",
    "RuleOnDraft",
    "SayMatter",
    "SealCard",
    "SealWords",
    "UnsealWords",
    "WriteText",
    "carry_out",
    "clients_of",
    "holds",
]
PAUSED = "paused"
"""The reason of a hold that a person placed; what they wrote beside it is in the vault."""


def clients_of(session: Session, instruction: Instruction) -> list[int]:
    """The clients that it touches: to be locked before it is carried out."""
    match instruction:
        case Pause() | Resume() | LetPass() | Repeat():
            return [instruction.client_id]
        case PlaceHold() | EndHold() | OpenRights():
            return custody.clients_of(session, instruction)
        case CloseCase() | AssignCase() | Decide():
            case = session.get(EscalationCase, instruction.case_id)
            return [case.client_id] if case else []
        case ResolveDoubt() | SealCard():
            message = session.get(Message, instruction.message_id)
            return [message.client_id] if message and message.client_id is not None else []
        case HandleTask() | SealWords() | UnsealWords() | SayMatter() | WriteText() | RuleOnDraft():
            client_id = _whose(session, instruction)
            return aliases.group(session, client_id) if client_id else []
        case Merge() | KeepApart():
            return _both(instruction)
    assert_never(instruction)


def carry_out(session: Session, office: Office, instruction: Instruction) -> str:
    """Do it, once; the sentence is for the person who asked."""
    match instruction:
        case Pause() | Resume():
            return _of_pause(session, office, instruction)
        case CloseCase() | AssignCase() | Decide():
            return _of_case(session, office, instruction)
        case ResolveDoubt():
            return _resolve(session, office, instruction)
        case HandleTask() | SealWords() | UnsealWords() | SayMatter() | SealCard():
            return _of_words(session, office, instruction)
        case LetPass() | WriteText() | RuleOnDraft() | Repeat():
            return _of_outreach(session, office, instruction)
        case Merge() | KeepApart() | PlaceHold() | EndHold() | OpenRights():
            return _of_clients(session, office, instruction)
    assert_never(instruction)


# --- what a client wrote --------------------------------------------------------------------------


_OfWords = HandleTask | SealWords | UnsealWords | SayMatter


def _whose(session: Session, asked: _OfWords | WriteText | RuleOnDraft) -> int | None:
    if isinstance(asked, WriteText):
        return asked.client_id
    if isinstance(asked, RuleOnDraft):
        message = session.get(Message, asked.message_id)
        return message.client_id if message else None
    if isinstance(asked, HandleTask):
        task = session.get(Task, asked.task_id)
        return task.client_id if task else None
    touchpoint = session.get(Touchpoint, asked.touchpoint_id)
    return touchpoint.client_id if touchpoint else None


def _of_words(session: Session, office: Office, asked: _OfWords | SealCard) -> str:
    by, why = _signed(session, asked.by), "said in Slack"
    match asked:
        case HandleTask():
            return tasks.handle(session, office, asked.task_id, asked.outcome, by, asked.seen)
        case SealWords():
            word = seals.Word("sealed", by, why, asked.label, asked.said_at)
            return seals.say(session, office, asked.touchpoint_id, word)
        case UnsealWords():
            word = seals.Word("unsealed", by, why, said_at=asked.said_at)
            return seals.say(session, office, asked.touchpoint_id, word, asked.cleared)
        case SayMatter():
            return matters.say(session, office, asked, by)
        case SealCard():
            return strangers.seal(session, office, asked.message_id, asked.label)
    assert_never(asked)


# --- what staff write -----------------------------------------------------------------------------


_OfOutreach = LetPass | WriteText | RuleOnDraft | Repeat


def _of_outreach(session: Session, office: Office, asked: _OfOutreach) -> str:
    if isinstance(asked, LetPass):
        return _let_pass(session, office, asked)
    if isinstance(asked, Repeat):
        return verdicts.repeat(session, office, asked, _signed(session, asked.by))
    if isinstance(asked, WriteText):
        written = drafts.Written(asked.client_id, asked.channel, asked.words, asked.key, asked.by)
        return drafts.write(session, office, written)
    by = session.get_one(Staff, asked.by)
    return drafts.rule(session, office, asked.message_id, asked.ruling, by)


# --- pauses --------------------------------------------------------------------------------------


def _of_pause(session: Session, office: Office, asked: Pause | Resume) -> str:
    if isinstance(asked, Pause):
        return _pause(session, office, asked)
    return _resume(session, office, asked)


def _pause(session: Session, office: Office, asked: Pause) -> str:
    client = session.get(Client, asked.client_id)
    if client is None:
        return "There is no such client any more; look it up again with /acct."
    invoice = session.get(Invoice, asked.invoice_id) if asked.invoice_id is not None else None
    together = aliases.group(session, client.id)
    if asked.invoice_id is not None and (invoice is None or invoice.client_id not in together):
        return f"That invoice is not one of {client.name}'s; name one of theirs."
    today = local_date(office.now, client.timezone)
    last = today + dt.timedelta(days=asked.days or office.policy.holds.pause_days)
    day = asked.until or last
    if not today < day <= today + dt.timedelta(days=LONGEST):
        return f"A pause ends on a day after {spelling.day(today)}, within a year; name such a day."
    until = midnight(day, client.timezone)
    paused = _pauses(session, office, client.id)
    running = [hold for hold in paused if hold.invoice_id == asked.invoice_id]
    if [hold.until for hold in running] != [until]:
        _release(session, office, running, asked.by_staff_id)
        _place(session, office, client, asked, until)
        _afresh(session, office, client.id, until)
    what = f"Reminders to {client.name}" + (f" about {invoice.number}" if invoice else "")
    return f"{what} are paused until {spelling.weekday(day)}."


def _place(
    session: Session, office: Office, client: Client, asked: Pause, until: dt.datetime
) -> None:
    note_id = vault.put(session, office.keyring, client.key_id, asked.reason, office.now)
    session.add(
        Hold(
            client_id=client.id,
            invoice_id=asked.invoice_id,
            reason=PAUSED,
            note_id=note_id,
            placed_by=_signed(session, asked.by_staff_id),
            placed_at=office.now,
            until=until,
        )
    )
    session.flush()


def _resume(session: Session, office: Office, asked: Resume) -> str:
    client = session.get(Client, asked.client_id)
    if client is None:
        return "There is no such client any more; look it up again with /acct."
    running = _pauses(session, office, client.id)
    if running:
        _release(session, office, running, asked.by)
        _afresh(session, office, client.id)
    others = [hold for hold in holds(session, office, client.id) if hold.reason != PAUSED]
    if others:
        named = ", ".join(dict.fromkeys(hold.reason.replace("_", " ") for hold in others))
        return f"No pause holds {client.name} any more, but these still do: {named}."
    return f"Nothing is paused for {client.name} any more."


def holds(session: Session, office: Office, client_id: int) -> list[Hold]:
    """What stops reminders to a client at this moment, the oldest first."""
    query = (
        select(Hold)
        .where(
            col(Hold.client_id).in_(aliases.group(session, client_id)),
            col(Hold.released_at).is_(None),
            col(Hold.until).is_(None) | (col(Hold.until) > office.now),
        )
        .order_by(col(Hold.id))
    )
    return list(session.exec(query))


def _pauses(session: Session, office: Office, client_id: int) -> list[Hold]:
    return [hold for hold in holds(session, office, client_id) if hold.reason == PAUSED]


def _release(session: Session, office: Office, running: list[Hold], by: int) -> None:
    for hold in running:
        hold.released_at, hold.released_by = office.now, _signed(session, by)
        session.add(hold)
    session.flush()


def _afresh(
    session: Session, office: Office, client_id: int, until: dt.datetime | None = None
) -> None:
    """Judge everything of the client anew; its open cases show it, and once more when it ends."""
    delivery.touch(session, office, client_id)
    query = select(EscalationCase).where(
        col(EscalationCase.client_id).in_(aliases.group(session, client_id)),
        EscalationCase.state == "open",
    )
    for case in session.exec(query).all():
        escalations.refresh(session, office, case)
        escalations.remind(session, office, case, until)


def _let_pass(session: Session, office: Office, asked: LetPass) -> str:
    client = session.get(Client, asked.client_id)
    if client is None:
        return "There is no such client any more; look it up again with /acct."
    until = local_date(office.now, client.timezone) + dt.timedelta(days=asked.days)
    word = Word(_signed(session, asked.by), asked.reason)
    return overrides.let_pass(session, office, client, until, word).said


# --- cases ---------------------------------------------------------------------------------------


def _of_case(session: Session, office: Office, asked: CloseCase | AssignCase | Decide) -> str:
    if isinstance(asked, CloseCase):
        return _close(session, office, asked)
    if isinstance(asked, Decide):
        return verdicts.of_case(session, office, asked, _signed(session, asked.by))
    return _assign(session, office, asked)


def _close(session: Session, office: Office, asked: CloseCase) -> str:
    case = session.get(EscalationCase, asked.case_id)
    if case is None:
        return "There is no such case any more."
    if case.state == "open":
        escalations.close(session, office, case, asked.outcome, _signed(session, asked.by))
    outcome = case.outcome.replace("_", " ")
    return f"The case of {_client_name(session, case)} is closed: {outcome}."


def _assign(session: Session, office: Office, asked: AssignCase) -> str:
    case = session.get(EscalationCase, asked.case_id)
    person = session.get(Staff, asked.to_staff_id)
    if case is None or person is None or not person.active:
        return "There is no such case, or nobody active to give it to."
    if case.state != "open":
        return f"The case of {_client_name(session, case)} is closed; there is nothing to assign."
    if case.owner_id != person.id:
        case.owner_id = person.id
        escalations.refresh(session, office, case)
        escalations.hand_over(session, office, case)
    return f"The case of {_client_name(session, case)} is {person.name}'s now."


def _client_name(session: Session, case: EscalationCase) -> str:
    return session.get_one(Client, case.client_id).name


# --- one client or two, and what is kept of them --------------------------------------------------


def _both(asked: Merge | KeepApart) -> list[int]:
    if isinstance(asked, Merge):
        return [asked.keep_id, asked.alias_id]
    return [asked.one_id, asked.other_id]


def _of_clients(
    session: Session,
    office: Office,
    asked: Merge | KeepApart | PlaceHold | EndHold | OpenRights,
) -> str:
    by = _signed(session, asked.by)
    if isinstance(asked, Merge):
        return merging.merge(session, office, asked.keep_id, asked.alias_id, by)
    if isinstance(asked, KeepApart):
        return merging.keep_apart(session, office, asked.one_id, asked.other_id, by)
    return custody.carry_out(session, office, asked, by)


# --- doubt ---------------------------------------------------------------------------------------


def _resolve(session: Session, office: Office, asked: ResolveDoubt) -> str:
    message = session.get(Message, asked.message_id, populate_existing=True)
    if message is None:
        return "There is no such message any more."
    if message.state == State.IN_DOUBT:
        if asked.went:
            delivery.went(session, office, message.id, Sent(message.provider_id or ""))
        else:
            outbox.requeue(session, message.id, office.now)
        _show_resolved(session, office, message.id)
        message = session.get_one(Message, message.id, populate_existing=True)
    arrived = message.state in (State.SENT, State.DELIVERED)
    if asked.went and arrived:
        return "Noted: it arrived, and it is not sent again."
    if not asked.went and message.state in (*UNSENT, State.SENDING):
        return "Noted: it did not arrive; it goes again once every check lets it pass."
    return f"Somebody was faster: the message is {message.state.replace('_', ' ')} now."


def _show_resolved(session: Session, office: Office, message_id: int) -> None:
    """The cards that asked lose their buttons."""
    asked = session.exec(
        select(Message).where(
            Message.template == "in_doubt",
            Message.subject_kind == "message",
            Message.subject_id == message_id,
            col(Message.updates_id).is_(None),
        )
    ).all()
    for card in asked:
        notice = staff.Notice(
            key=f"{card.key}:resolved",
            purpose=Purpose.ALERT,
            template="in_doubt",
            to=card.destination,
            client_id=card.client_id,
            subject=("message", message_id),
            updates_id=card.id,
        )
        staff.tell(session, office, notice)


def _signed(session: Session, staff_id: int) -> str:
    """Who did it, in a column that outlives a change of their Slack account."""
    person = session.get(Staff, staff_id)
    return person.email if person else f"staff:{staff_id}"
