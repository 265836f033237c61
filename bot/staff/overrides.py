"""`counterfoil override`: let the renewals and offers of a client pass its overdue balance."""

import datetime as dt
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict
from sqlmodel import Session

from billing.models import Client
from bot import subjects
from bot.app import App
from bot.report import NO, Args, Progress, Report
from comms.duties import overrides
from comms.duties.overrides import Answer
from comms.office import Office, Word


class Asked(BaseModel):
    """The arguments of `counterfoil override`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client: str
    reason: str = ""
    until: dt.date | None = None
    by: str = "cli"


async def grant(app: App, args: Args, _progress: Progress) -> Report:
    """Let them pass until a day.

    Raises:
        Wrong: there is no such client.
    """
    asked = Asked.model_validate(args)
    until = asked.until or app.clock.now().date()

    def work(session: Session, office: Office, client: Client) -> Answer:
        return overrides.let_pass(session, office, client, until, Word(asked.by, asked.reason))

    return await _write(app, asked.client, work)


async def end(app: App, args: Args, _progress: Progress) -> Report:
    """Take it back.

    Raises:
        Wrong: there is no such client.
    """
    asked = Asked.model_validate(args)

    def work(session: Session, office: Office, client: Client) -> Answer:
        return overrides.end(session, office, client, asked.by)

    return await _write(app, asked.client, work)


async def _write(app: App, named: str, work: Callable[[Session, Office, Client], Answer]) -> Report:
    with app.store.read() as session:
        client_id = subjects.client(session, named).id

    def run(session: Session) -> Report:
        client = session.get_one(Client, client_id)
        answer = work(session, app.office(), client)
        return Report(answer._asdict(), [answer.said], code=0 if answer.done else NO)

    return await app.store.write(run, clients=[client_id])


def listed(session: Session, office: Office, named: str) -> Report:
    """What lets a client's messages pass now."""
    client = subjects.client(session, named)
    valid = overrides.of(session, client, office.now)
    rows = [
        {"override": one.id, "by": one.by, "until": one.until.isoformat(), "said": said}
        for one, said in zip(valid, overrides.lines(session, office, client), strict=True)
    ]
    lines = [f"override {row['override']} {row['said']}" for row in rows]
    return Report({"overrides": rows}, lines or [f"Nothing lets messages to {client.name} pass."])
