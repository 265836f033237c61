"""Which ladder does a client or an invoice have, and what is sent once more?"""

from pydantic import BaseModel, ConfigDict
from sqlmodel import Session

from billing import dunning
from billing.models import Client, Invoice
from billing.policy.ladders import DEFAULT
from bot import subjects
from bot.app import App
from bot.report import DONE, NO, Args, Progress, Report, Wrong
from comms import outreach


class Choosing(BaseModel):
    """The arguments of `counterfoil ladder`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str
    name: str = ""
    by: str = "cli"


class Repeating(BaseModel):
    """The arguments of `counterfoil again`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client: str
    by: str = "cli"


async def choose(app: App, args: Args, _progress: Progress) -> Report:
    """Give a client or an invoice a ladder of its own, or take it away; it is looked at at once.

    Raises:
        Wrong: there is no such client, invoice or ladder.
    """
    asked = Choosing.model_validate(args)
    names = [DEFAULT, *(name for name, _ in app.rules.ladders.by_name)]
    if asked.name and asked.name not in names:
        raise Wrong(f"The policy has no ladder {asked.name}; there are {', '.join(names)}.")
    with app.store.read() as session:
        found = subjects.find(session, asked.subject)
        if found.kind == "message":
            raise Wrong("A message has no ladder; name a client or an invoice.")
        row = _row(session, found)
        client_id = row.client_id if isinstance(row, Invoice) else row.id

    def give(session: Session) -> Report:
        row = _row(session, found)
        before, row.ladder = row.ladder, asked.name or None
        session.flush()
        outreach.advance_client(session, app.office(), client_id)
        called = row.number if isinstance(row, Invoice) else row.name
        has = f"has the ladder {row.ladder}" if row.ladder else "has no ladder of its own"
        data = {"subject": called, "kind": found.kind, "ladder": row.ladder, "before": before}
        return Report(data, [f"{called} {has}."])

    report = await app.store.write(give, clients=[client_id])
    app.wake.set()
    return report


def _row(session: Session, found: subjects.Subject) -> Client | Invoice:
    if found.kind == "invoice":
        return session.get_one(Invoice, found.id)
    return session.get_one(Client, found.id)


async def again(app: App, args: Args, _progress: Progress) -> Report:
    """Send the last reminder of each account of a client once more; the door judges it as ever.

    Raises:
        Wrong: there is no such client.
    """
    asked = Repeating.model_validate(args)
    with app.store.read() as session:
        client = subjects.client(session, asked.client)

    def repeat(session: Session) -> Report:
        decided = outreach.again(session, app.office(), client.id, asked.by)
        sent = [one for one in decided if isinstance(one, dunning.Send)]
        said = [one.reason for one in decided] or ["Nothing was ever billed."]
        told = [{"rule": one.rule, "reason": one.reason} for one in decided]
        return Report({"queued": len(sent), "accounts": told}, said, code=DONE if sent else NO)

    report = await app.store.write(repeat, clients=[client.id])
    app.wake.set()
    return report
