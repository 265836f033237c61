"""What waits for a person; who is asked again, and what follows when they say that it is done?"""

import datetime as dt
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from billing import aliases, references
from billing.models import Client
from bot import subjects
from bot.app import App
from bot.reasons import turns
from bot.report import Args, Progress, Report, Table, Wrong
from comms.duties import tasks
from comms.models import Task, TaskKind
from comms.office import Office

BATCH = 200


async def ask(app: App) -> int:
    """Ask again for what nobody has done by its moment."""
    with app.store.read() as session:
        due = tasks.due(session, app.clock.now(), BATCH)
    errors: list[Exception] = []
    for task_id, client_id in due:
        try:
            await _ask(app, task_id, client_id)
        except OperationalError as error:
            raise ExceptionGroup("ask", [error]) from None
        except Exception as error:  # noqa: BLE001 - put off, and raised with what else was met
            await _put_off(app, task_id)
            errors.append(error)
    if errors:
        raise ExceptionGroup("ask", errors)
    return len(due)


async def _ask(app: App, task_id: int, client_id: int) -> None:
    await app.store.write(
        lambda session: tasks.look(session, app.office(), task_id),
        clients=lambda session: aliases.group(session, client_id),
    )


async def _put_off(app: App, task_id: int) -> None:
    later = app.clock.now() + dt.timedelta(hours=1)
    await app.store.write(lambda session: tasks.put_off(session, task_id, later))


class Asked(BaseModel):
    """The arguments of `counterfoil handled`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    outcome: str = "handled"
    by: str = "cli"


async def handled(app: App, args: Args, _progress: Progress) -> Report:
    """Say that a task is done, or that what a client wrote is read.

    Raises:
        Wrong: there is no such task, or nothing of that client waits.
    """
    asked = Asked.model_validate(args)
    with app.store.read() as session:
        wanted = [_checked(one, asked.outcome) for one in _meant(session, asked.what)]
        clients = {other for one in wanted for other in aliases.group(session, one.client_id)}

    def work(session: Session) -> Report:
        office = app.office()
        said = [tasks.handle(session, office, one.id, asked.outcome, asked.by) for one in wanted]
        return Report({"tasks": [one.id for one in wanted], "said": said}, said)

    return await app.store.write(work, clients=clients)


def _meant(session: Session, what: str) -> Sequence[Task]:
    if (number := references.numbered(what, "task")) is not None:
        found = session.get(Task, number)
        if found is None:
            raise Wrong(f"There is no {what}; `counterfoil tasks` lists what waits.")
        return [found]
    client = subjects.client(session, what)
    group = aliases.group(session, client.id)
    waiting = tasks.of_clients(session, group, TaskKind.REPLY)
    if not waiting:
        raise Wrong(f"No reply of {client.name} waits; `counterfoil tasks` lists what does.")
    return waiting


def _checked(task: Task, outcome: str) -> Task:
    decided = task.kind in turns.DECIDED
    if decided and outcome == "handled":
        raise Wrong(f"task:{task.id} is a promise; say `--accept` or `--refuse`.")
    if not decided and outcome != "handled":
        raise Wrong(f"task:{task.id} is nothing to take or refuse; leave the option out.")
    return task


def listed(session: Session, office: Office, named: str = "") -> Report:
    """Everything that waits for a person, the oldest first.

    Raises:
        Wrong: there is no such client.
    """
    found = tasks.waiting(session)
    if named:
        group = aliases.group(session, subjects.client(session, named).id)
        found = [one for one in found if one.client_id in group]
    if not found:
        return Report({"tasks": []}, ["Nothing waits for anybody."])
    rows = [_row(session, one) for one in found]
    shown = [
        [f"task:{one.id}", str(row["client_name"]), turns.WHAT[one.kind], _since(office, one),
         str(row["owner"])]
        for one, row in zip(found, rows, strict=True)
    ]  # fmt: skip
    how = "`counterfoil handled task:N` says that it is done; `handled CLIENT`, that it is read."
    columns = ["task", "client", "what", "waits", "owner"]
    return Report({"tasks": rows}, [how], [Table("", columns, shown)])


def _since(office: Office, task: Task) -> str:
    days = (office.now - task.opened_at) // dt.timedelta(days=1)
    return f"{days} day{'' if days == 1 else 's'}"


def _row(session: Session, task: Task) -> dict[str, object]:
    return {
        "task": task.id,
        "kind": task.kind,
        "client": task.client_id,
        "client_name": session.get_one(Client, task.client_id).name,
        "owner": turns.owner(session, task),
        "opened_at": task.opened_at.isoformat(),
        "look_at": task.look_at.isoformat() if task.look_at else None,
        "asked": task.asked,
    }
