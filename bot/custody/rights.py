"""Who asked what we hold of them, or to erase it, and by when must they have an answer?"""

import datetime as dt
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session, col, select

from billing import aliases, obligations, spelling, vault
from billing.calendar import local_date
from billing.models import Client, RequestKind, RightsRequest
from bot.access import Action
from bot.app import App
from bot.custody import copies, custodians
from bot.report import NO, Args, Progress, Report, Table, Wrong
from comms.duties import custody, notes
from comms.law import preservation
from comms.office import Office, Word


class Opened(BaseModel):
    """The arguments of `counterfoil rights open`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client: str
    kind: RequestKind
    received: dt.date
    by: str = "cli"


class Going(BaseModel):
    """The arguments of `counterfoil rights extend` and `close`."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    request: int
    reason: str = Field(default="", max_length=2000)
    outcome: Literal["granted", "partly", "refused"] = "granted"
    by: str = "cli"


class Exported(BaseModel):
    """The arguments of `counterfoil rights export`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client: str
    by: str = "cli"


async def open_(app: App, args: Args, _progress: Progress) -> Report:
    """Begin a case; the clock runs from the day on which the request was received.

    Raises:
        Wrong: there is no such client, who asks may not, or the day has not come yet.
    """
    asked = Opened.model_validate(args)
    client = custodians.client(app, asked.client, asked.by, Action.ANSWER)
    now = app.clock.now()
    if asked.received > local_date(now, client.timezone):
        raise Wrong(f"--received {asked.received} has not come yet; say when the request came in.")

    def begin(session: Session) -> Report:
        request = custody.begin(session, app.office(), client, asked.kind, asked.received, asked.by)
        by = spelling.day(request.due_on)
        said = f"Case {request.id}: {client.name} must have an answer by {by}."
        then = f"`counterfoil rights export client:{client.id} --to FOLDER`"
        if asked.kind is RequestKind.ERASURE:
            then = f"`counterfoil erase client:{client.id} --reason …`"
        data = {"request": request.id, "client": client.id, "due": f"{request.due_on}"}
        return Report(data, [said, f"Then: {then}, and `counterfoil rights close {request.id}`."])

    return await app.store.write(begin, clients=[client.id])


async def extend(app: App, args: Args, _progress: Progress) -> Report:
    """Take longer, once; the person is told why before the first day has passed.

    Raises:
        Wrong: there is no such case, it was extended before, or its day has passed.
    """
    asked = Going.model_validate(args)
    if not asked.reason:
        raise Wrong("Say with --reason what the person was told; they must know it in time.")
    now = app.clock.now()

    def longer(session: Session) -> Report:
        request, client = _open(session, asked)
        today = local_date(now, client.timezone)
        if request.extended_on is not None:
            day = spelling.day(request.extended_on)
            raise Wrong(f"Case {request.id} was extended on {day}; once is all.")
        if today > request.due_on:
            day = spelling.day(request.due_on)
            raise Wrong(f"Case {request.id} was due on {day}; answer it now.")
        request.extended_on = today
        request.due_on = obligations.due(request.received_on, _place(client), extended=True)
        _note(session, app.office(), request, client, asked.reason)
        session.add(request)
        by = spelling.day(request.due_on)
        said = f"Case {request.id} is due on {by}; the person must be told by now."
        return Report({"request": request.id, "due": f"{request.due_on}"}, [said])

    return await app.store.write(longer)


async def close(app: App, args: Args, _progress: Progress) -> Report:
    """Say that the person has their answer.

    Raises:
        Wrong: there is no such case, or it was refused without a reason.
    """
    asked = Going.model_validate(args)
    if asked.outcome != "granted" and not asked.reason:
        raise Wrong("Say with --reason what the person was told.")

    def end(session: Session) -> Report:
        request, client = _open(session, asked)
        request.state, request.outcome = "closed", asked.outcome
        request.closed_at, request.closed_by = app.clock.now(), asked.by
        if asked.reason:
            _note(session, app.office(), request, client, asked.reason)
        session.add(request)
        said = f"Case {request.id} is closed: {asked.outcome}."
        return Report({"request": request.id, "outcome": asked.outcome}, [said])

    return await app.store.write(end)


async def exported(app: App, args: Args, _progress: Progress) -> Report:
    """Write down that all of a client is taken out, before it is shown.

    Raises:
        Wrong: there is no such client, or who asks may not.
    """
    asked = Exported.model_validate(args)
    client = custodians.client(app, asked.client, asked.by, Action.ANSWER)

    said = Word(asked.by, "")

    def note(session: Session) -> Report:
        for one in custodians.group(client.id)(session):
            preservation.record(session, app.office(), one, "exported", said)
        return Report({"client": client.id})

    return await app.store.write(note, clients=custodians.group(client.id))


def listed(session: Session, office: Office, *, closed: bool = False) -> Report:
    """Every open case, the next due first; late ones make the answer no."""
    query = select(RightsRequest, Client).join(Client, col(Client.id) == RightsRequest.client_id)
    if not closed:
        query = query.where(RightsRequest.state == "open")
    found = session.exec(query.order_by(col(RightsRequest.due_on), col(RightsRequest.id))).all()
    rows = [_row(session, office, request, client) for request, client in found]
    late = any(
        one.state == "open" and custody.days_left(one, who, office.now) < 0 for one, who in found
    )
    columns = [
        "case", "client", "name", "kind", "received", "due", "left", "state", "outcome", "copies",
    ]  # fmt: skip
    table = Table("", columns, [[str(row[name]) for name in columns] for row in rows])
    lines = [] if rows else ["Nobody waits for an answer about their data."]
    return Report({"cases": rows}, lines, [table] if rows else [], NO if late else 0)


def _row(
    session: Session, office: Office, request: RightsRequest, client: Client
) -> dict[str, object]:
    return {
        "case": request.id,
        "client": f"client:{client.id}",
        "name": client.name,
        "kind": request.kind,
        "received": f"{request.received_on}",
        "due": f"{request.due_on}",
        "left": custody.days_left(request, client, office.now),
        "extended": f"{request.extended_on}" if request.extended_on else "",
        "state": request.state,
        "outcome": request.outcome,
        "copies": copies.said(copies.standing(session, aliases.group(session, client.id))),
        "note": notes.read(session, office, request.note_id),
    }


def _open(session: Session, asked: Going) -> tuple[RightsRequest, Client]:
    custodians.check(session, asked.by, Action.ANSWER)
    request = session.get(RightsRequest, asked.request)
    if request is None or request.state != "open":
        raise Wrong(f"No case {asked.request} is open; `counterfoil rights list` shows them.")
    return request, session.get_one(Client, request.client_id)


def _note(
    session: Session, office: Office, request: RightsRequest, client: Client, reason: str
) -> None:
    """What the person was told, below what they were told before."""
    before = vault.text(session, office.keyring, request.note_id)
    if before not in ("", vault.ERASED):
        reason = f"{before}\n{reason}"
    request.note_id = vault.put(session, office.keyring, client.key_id, reason, office.now)


def _place(client: Client) -> str:
    return f"{client.country}-{client.region}" if client.region else client.country
