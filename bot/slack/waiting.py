"""Something waits for a person: what must they see to deal with it, and what can they press?"""

from sqlmodel import Session, col, select

from billing import money, spelling
from billing.calendar import local_date
from billing.models import Client, Promise, PromisePart
from bot.reasons import turns
from bot.slack import blocks, records
from bot.slack.blocks import Block
from bot.slack.escalations import Card
from comms.models import Message, Task, TaskKind, Touchpoint
from comms.office import Office

_UNTIL_HELD = (
    "A hold keeps everything that Counterfoil has of them, and their keys; nothing is held yet. "
    "Tell whoever keeps mail, texts and Slack as well."
)


def compose(session: Session, office: Office, message: Message) -> Card:
    """The card of a task: what is asked for, what they said, and what it is about."""
    task = session.get_one(Task, message.subject_id)
    client = session.get_one(Client, task.client_id)
    name = blocks.inline(client.name)
    if task.state != "open":
        done = _done(session, task, client)
        return Card(f"{name}: {done}", [blocks.section(f"*{name}*: {done}.")])
    what = f"{name}: {turns.WHAT[task.kind]}"
    body = [
        blocks.section(f"*{what}*, since {_since(task, client)}. {_whose(session, task)}"),
        *_said(session, office, task),
        *blocks.lines("", _promised(session, task)),
        blocks.section("\n".join(records.balances(session, office, client))),
        *blocks.lines("Stops reminders", records.holds(session, office, client)),
    ]
    if task.asked:
        body.append(blocks.context(_again(task, office)))
    if task.kind == TaskKind.PRESERVE:
        body.append(blocks.context(_UNTIL_HELD))
    row = [
        *_buttons(task, task.touchpoint_id),
        blocks.button("Card", "client.card", {"c": client.id}),
    ]
    return Card(what, body, blocks.actions(row))


def of_reply(session: Session, touchpoint: Touchpoint) -> list[Block]:
    """Below what a client wrote: that reminders wait, or who has read it."""
    task = _reply(session, touchpoint)
    if task is None:
        return []
    client = session.get_one(Client, task.client_id)
    if task.state == "open":
        text = f"Reminders wait until somebody has dealt with it: {turns.owner(session, task)}."
        return [blocks.context(blocks.inline(text))]
    done = _done(session, task, client)
    return [blocks.context(f"{done[:1].upper()}{done[1:]}: reminders may go on.")]


def buttons_of_reply(session: Session, touchpoint: Touchpoint) -> list[Block]:
    """What can be pressed below it."""
    task = _reply(session, touchpoint)
    row = _buttons(task, touchpoint.id) if task is not None and task.state == "open" else []
    return [*row, blocks.button("Card", "client.card", {"c": touchpoint.client_id})]


def _reply(session: Session, touchpoint: Touchpoint) -> Task | None:
    """The task that was open when it came, or that it opened."""
    query = (
        select(Task)
        .where(
            Task.client_id == touchpoint.client_id,
            Task.kind == TaskKind.REPLY,
            col(Task.opened_at) <= touchpoint.recorded_at,
            col(Task.closed_at).is_(None) | (col(Task.closed_at) >= touchpoint.recorded_at),
        )
        .order_by(col(Task.id).desc())
    )
    return session.exec(query.limit(1)).first()


def _buttons(task: Task, shown: int | None) -> list[Block]:
    value = {"task": task.id, "t": shown}
    if task.kind == TaskKind.PRESERVE:
        return [
            blocks.button("Place a legal hold", "hold.place", value, style="primary"),
            blocks.button("Not needed", "hold.dismiss", value),
        ]
    if task.kind in turns.DECIDED:
        return [
            blocks.button("Take it", "task.accept", value, style="primary"),
            blocks.button("Refuse", "task.refuse", value),
        ]
    return [blocks.button("Handled", "task.done", value, style="primary")]


def _since(task: Task, client: Client) -> str:
    return spelling.weekday(local_date(task.opened_at, client.timezone))


def _whose(session: Session, task: Task) -> str:
    return f"Owner: {blocks.inline(turns.owner(session, task))}."


def _said(session: Session, office: Office, task: Task) -> list[Block]:
    touchpoint = session.get(Touchpoint, task.touchpoint_id) if task.touchpoint_id else None
    said = records.spoken(session, office, touchpoint) if touchpoint else {}
    if "sealed" in said:
        return records.sealed(said)
    return [blocks.words(said["visible"])] if said.get("visible") else []


def _promised(session: Session, task: Task) -> list[str]:
    promise = session.get(Promise, task.promise_id) if task.promise_id else None
    if promise is None:
        return []
    query = select(PromisePart).where(PromisePart.promise_id == promise.id)
    parts = session.exec(query.order_by(col(PromisePart.position))).all()
    return [
        f"{money.display(one.amount, promise.currency)} by {spelling.day(one.due_on)}"
        for one in parts
    ]


def _again(task: Task, office: Office) -> str:
    if task.kind == TaskKind.REPLY and office.policy.replies.when_ignored == "ask_again":
        return "Nobody has dealt with it yet: reminders wait as long again, and you are asked anew."
    return "Nobody has dealt with it yet, and reminders do not wait for it any longer."


def _done(session: Session, task: Task, client: Client) -> str:
    when = spelling.weekday(local_date(task.closed_at or task.opened_at, client.timezone))
    by = f" by {records.signed(session, task.closed_by)}" if task.closed_by else ""
    return f"{blocks.inline(task.outcome.replace('_', ' '))} on {when}{by}"
