"""What waits for a person, whose is it, and when are they asked again?

A reply that nobody has read, money that is said to be paid, a promise that needs a yes. A task may
have a hold, so that nothing is asked for meanwhile; no hold is without an end, and where nobody has
come by then, the policy says whether it waits as long again. Everything here runs in one
transaction under the lock of the client.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from billing import accounts, aliases, arrears, spelling
from billing.calendar import add_business_days, local_date, midnight
from billing.models import (
    OPEN_DISPUTES,
    Client,
    Hold,
    InvoiceDispute,
    Payment,
    Promise,
    Role,
)
from comms import delivery, staff
from comms.law import preservation
from comms.listening import unread
from comms.models import Message, Purpose, Task, TaskKind, Touchpoint
from comms.office import Office, Word

SLACK = dt.timedelta(days=1)
"""A hold that waits as long again must not end before anybody has looked at its task."""
_TO_FINANCE = (TaskKind.CLAIM,)


def of_clients(session: Session, clients: Collection[int], *kinds: TaskKind) -> list[Task]:
    """What waits for a person about these clients, the oldest first."""
    query = select(Task).where(col(Task.client_id).in_(clients), Task.state == "open")
    if kinds:
        query = query.where(col(Task.kind).in_(kinds))
    return list(session.exec(query.order_by(col(Task.id))))


def waiting(session: Session) -> list[Task]:
    """Everything that waits for a person, the oldest first."""
    return list(session.exec(select(Task).where(Task.state == "open").order_by(col(Task.id))))


# --- a reply --------------------------------------------------------------------------------------


def open_reply(session: Session, office: Office, client: Client, touchpoint_id: int) -> Task:
    """The client wrote: from this transaction on reminders wait until somebody has read it."""
    running = of_clients(session, aliases.group(session, client.id), TaskKind.REPLY)
    if running:
        running[0].touchpoint_id = max(touchpoint_id, running[0].touchpoint_id or 0)
        return running[0]
    end = _rest(office, client)
    hold = Hold(
        client_id=client.id,
        reason=unread.REPLY,
        owner_id=client.owner_id,
        placed_at=office.now,
        until=_hold_end(office, end),
    )
    session.add(hold)
    session.flush()
    task = _add(session, office, client, TaskKind.REPLY, end)
    task.hold_id, task.touchpoint_id = hold.id, touchpoint_id
    session.flush()
    delivery.touch(session, office, client.id)
    return task


def _rest(office: Office, client: Client) -> dt.datetime:
    today = local_date(office.now, client.timezone)
    days = office.policy.replies.business_days
    last = add_business_days(today, days, client.country, client.region)
    return midnight(last + dt.timedelta(days=1), client.timezone)


def _hold_end(office: Office, end: dt.datetime) -> dt.datetime:
    return end + SLACK if office.policy.replies.when_ignored == "ask_again" else end


# --- every task -----------------------------------------------------------------------------------


def _add(
    session: Session, office: Office, client: Client, kind: TaskKind, look_at: dt.datetime | None
) -> Task:
    task = Task(
        kind=kind,
        client_id=client.id,
        owner_id=client.owner_id,
        opened_at=office.now,
        look_at=look_at,
    )
    session.add(task)
    session.flush()
    return task


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person is asked for, and which rows it is about."""

    kind: TaskKind
    hold_id: int | None = None
    promise_id: int | None = None
    touchpoint_id: int | None = None


def open_task(session: Session, office: Office, client: Client, wanted: Wanted) -> Task:
    """Ask a person for something; they are asked once more when its hold ends."""
    hold = session.get(Hold, wanted.hold_id) if wanted.hold_id else None
    look_at = hold.until if hold else None
    if wanted.kind == TaskKind.PRESERVE:
        look_at = _rest(office, client)
    task = _add(session, office, client, wanted.kind, look_at)
    task.hold_id, task.promise_id = wanted.hold_id, wanted.promise_id
    task.touchpoint_id = wanted.touchpoint_id
    session.flush()
    for desk in _desks(session, office, task):
        _tell(session, office, task, desk)
    return task


def due(session: Session, now: dt.datetime, limit: int) -> Sequence[tuple[int, int]]:
    """Task and client ids of what nobody has done by its moment."""
    query = select(Task.id, Task.client_id).where(Task.state == "open", col(Task.look_at) <= now)
    return session.exec(query.order_by(col(Task.look_at), col(Task.id)).limit(limit)).all()


def put_off(session: Session, task_id: int, later: dt.datetime) -> None:
    """It could not be looked at: later, so that it is not the first in every pass.

    What it holds stays held.
    """
    task = session.get_one(Task, task_id, with_for_update=True)
    hold = session.get(Hold, task.hold_id) if task.hold_id else None
    task.look_at = later
    if hold is not None and hold.until is not None and task.kind == TaskKind.REPLY:
        hold.until = max(hold.until, later + SLACK)


def look(session: Session, office: Office, task_id: int) -> None:
    """Nobody has come: ask its owner again, the second time finance as well.

    A reply waits for as long again, unless the policy lets reminders go on.
    """
    task = session.get_one(Task, task_id, populate_existing=True)
    if task.state != "open" or task.look_at is None or task.look_at > office.now:
        return
    if task.kind == TaskKind.CLAIM and not _owes(session, office, task):
        close(session, office, task, "paid", "")
        return
    task.asked += 1
    task.look_at = None
    hold = session.get(Hold, task.hold_id) if task.hold_id else None
    if task.kind == TaskKind.REPLY and office.policy.replies.when_ignored == "ask_again" and hold:
        task.look_at = _rest(office, session.get_one(Client, task.client_id))
        hold.until = _hold_end(office, task.look_at)
        delivery.touch(session, office, task.client_id)
    session.flush()
    desks = _desks(session, office, task)
    for desk in dict.fromkeys([*desks, office.finance] if task.asked > 1 else desks):
        _tell(session, office, task, desk)


def _desks(session: Session, office: Office, task: Task) -> list[str]:
    if task.kind in _TO_FINANCE:
        return [office.finance]
    owner = staff.desk_of(session, office, task.owner_id)
    if task.kind != TaskKind.PRESERVE:
        return [owner]
    return list(dict.fromkeys([*staff.desks_with(session, office, Role.COMPLIANCE), owner]))


def _tell(session: Session, office: Office, task: Task, desk: str) -> None:
    notice = staff.Notice(
        key=f"task:{task.id}:{task.asked}:{desk}",
        purpose=Purpose.ALERT,
        template="task",
        to=desk,
        client_id=task.client_id,
        subject=("task", task.id),
    )
    staff.tell(session, office, notice)


# --- done -----------------------------------------------------------------------------------------


def close(session: Session, office: Office, task: Task, outcome: str, by: str) -> None:
    """It is done: its hold ends, its cards say so, and everything is judged anew."""
    if task.state != "open":
        return
    task.state, task.outcome, task.look_at = "closed", outcome, None
    task.closed_at, task.closed_by = office.now, by
    hold = session.get(Hold, task.hold_id) if task.hold_id else None
    if hold is not None and hold.released_at is None:
        hold.released_at, hold.released_by = office.now, by
    session.flush()
    for card in _cards(session, task):
        _show(session, office, task, card)
    delivery.touch(session, office, task.client_id)


def _cards(session: Session, task: Task) -> list[Message]:
    """Where it was shown: cards of its own, and for a reply those of what was written."""
    about = (col(Message.subject_kind) == "task") & (col(Message.subject_id) == task.id)
    if task.kind == TaskKind.REPLY:
        since = select(Touchpoint.id).where(
            Touchpoint.client_id == task.client_id,
            Touchpoint.direction == "in",
            col(Touchpoint.recorded_at) >= task.opened_at,
        )
        written = col(Message.subject_id).in_(since)
        about |= (col(Message.template) == "inbound") & written
    query = select(Message).where(about, col(Message.updates_id).is_(None))
    return list(session.exec(query.order_by(col(Message.id))))


def _show(session: Session, office: Office, task: Task, card: Message) -> None:
    notice = staff.Notice(
        key=f"task:{task.id}:done:{card.id}",
        purpose=Purpose(card.purpose),
        template=card.template,
        to=card.destination,
        client_id=card.client_id,
        subject=(card.subject_kind, card.subject_id),
        thread_id=card.thread_id,
        updates_id=card.id,
    )
    staff.tell(session, office, notice)


def handle(
    session: Session, office: Office, task_id: int, outcome: str, by: str, seen: int | None = None
) -> str:  # fmt: skip
    """What a person says of a task; the sentence is for them.

    ``outcome`` is "accepted" or "refused" where there is something to take, else "handled".
    ``seen`` is the touchpoint that they were shown: what came after it nobody has read.
    """
    task = session.get(Task, task_id, populate_existing=True)
    if task is None:
        return "There is no such task any more."
    name = session.get_one(Client, task.client_id).name
    if task.state != "open":
        return f"That was already done for {name}: {task.outcome.replace('_', ' ')}."
    if task.kind == TaskKind.REPLY and seen is not None and seen < (task.touchpoint_id or 0):
        return f"{name} has written again since. Read that as well, and say there that it is done."
    if task.promise_id is not None:
        _decide(session, office, session.get_one(Promise, task.promise_id), outcome)
    close(session, office, task, outcome, by)
    if task.kind == TaskKind.PRESERVE:
        return _hold(session, office, task, name)
    left = of_clients(session, aliases.group(session, task.client_id))
    rest = f" {len(left)} more of theirs wait for somebody." if left else ""
    return f"Noted for {name}: {outcome.replace('_', ' ')}. Reminders may go on.{rest}"


def _hold(session: Session, office: Office, task: Task, name: str) -> str:
    """What they demanded is done, or it is not; a hold is for the letter, as its matter says."""
    if task.outcome != "accepted":
        return f"Noted for {name}: nothing is held because of this letter."
    matter = f"preservation demand of {spelling.day(task.opened_at)}"
    word = Word(task.closed_by, f"touchpoint {task.touchpoint_id} demands it")
    preservation.place(session, office, task.client_id, matter, word)
    return f"Everything of {name} is kept until somebody releases it ({matter})."


def _decide(session: Session, office: Office, promise: Promise, outcome: str) -> None:
    if outcome == "accepted":
        promise.awaits_since = None
    elif promise.withdrawn_at is None:
        promise.withdrawn_at = office.now
    session.flush()


def settle(session: Session, office: Office, clients: Collection[int]) -> None:
    """Close what has become needless by what was booked."""
    for task in of_clients(session, clients, TaskKind.CLAIM, TaskKind.DISPUTE, TaskKind.PROMISE):
        outcome = _needless(session, office, task)
        if outcome:
            close(session, office, task, outcome, "")


def _owes(session: Session, office: Office, task: Task) -> bool:
    """Whether anything of theirs is overdue."""
    today = local_date(office.now, session.get_one(Client, task.client_id).timezone)
    debts = (debt.instalment for debt in accounts.owed(session, task.client_id))
    return any(arrears.is_overdue(one, today, 0) for one in debts)


def _needless(session: Session, office: Office, task: Task) -> str:
    group = aliases.group(session, task.client_id)
    if task.kind == TaskKind.CLAIM:
        came = (col(Payment.client_id).in_(group), col(Payment.recorded_at) >= task.opened_at)
        paid = session.exec(select(Payment.id).where(*came).limit(1)).first() is not None
        return "paid" if paid and not _owes(session, office, task) else ""
    if task.kind == TaskKind.DISPUTE:
        query = select(InvoiceDispute.id).where(
            col(InvoiceDispute.client_id).in_(group), col(InvoiceDispute.state).in_(OPEN_DISPUTES)
        )
        return "" if session.exec(query.limit(1)).first() else "settled"
    promise = session.get(Promise, task.promise_id) if task.promise_id else None
    return "withdrawn" if promise is None or promise.withdrawn_at else ""
