"""Whose evidence must be kept, as a person asks for it?"""

from collections.abc import Collection
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from billing import aliases, vault
from billing.keyring import KeyGone
from billing.models import Client, LegalHold, Vault
from bot import subjects
from bot.access import Action
from bot.app import App
from bot.custody import custodians
from bot.models import Incoming
from bot.report import NO, Args, Progress, Report, Table, Wrong
from comms.duties import notes
from comms.law import preservation
from comms.office import Office, Word

_MOST = 1000
"""Bodies that are handed over in one transaction."""


class Asked(BaseModel):
    """The arguments of `counterfoil legal-hold place` and `release`."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    client: str
    matter: str = Field(default="", max_length=200)
    reason: str = Field(min_length=1, max_length=2000)
    by: str = "cli"


async def place(app: App, args: Args, _progress: Progress) -> Report:
    """Keep everything of a client: nothing is erased, expires or loses its key.

    Raises:
        Wrong: there is no such client, no matter, or who asks may not.
    """
    asked = Asked.model_validate(args)
    if not asked.matter:
        raise Wrong("Name the matter with --matter, so that it is known when the hold may end.")
    client = custodians.client(app, asked.client, asked.by, Action.HOLD)

    def keep(session: Session) -> Report:
        office = app.office()
        word = Word(asked.by, asked.reason)
        new = preservation.place(session, office, client.id, asked.matter, word)
        hand_over(session, office, aliases.group(session, client.id))
        since = "" if new else " Nothing changed: it was held for this matter already."
        said = (
            f"Everything of {client.name} is kept for {asked.matter} until it is released.{since}"
        )
        return Report({"client": client.id, "matter": asked.matter, "holds": new}, [said])

    return await app.store.write(keep, clients=custodians.group(client.id))


async def release(app: App, args: Args, _progress: Progress) -> Report:
    """End a hold; what it kept goes on as policy says.

    Raises:
        Wrong: there is no such client, or who asks may not.
    """
    asked = Asked.model_validate(args)
    client = custodians.client(app, asked.client, asked.by, Action.HOLD)

    def end(session: Session) -> Report:
        word = Word(asked.by, asked.reason)
        ended = preservation.release(session, app.office(), client.id, asked.matter, word)
        left = preservation.standing(session, client.id)
        matters = list(dict.fromkeys(one.matter for one in ended))
        lines = (
            [f"Released: {', '.join(matters)}."] if ended else [f"{client.name} is not held so."]
        )
        if left:
            still = ", ".join(dict.fromkeys(one.matter for one in left))
            lines.append(f"Still held for {still}.")
        data = {"client": client.id, "released": matters, "held": len(left)}
        return Report(data, lines, code=0 if ended else NO)

    return await app.store.write(end, clients=custodians.group(client.id))


def listed(session: Session, office: Office, client: str = "") -> Report:
    """Every hold that stands, or all that a client ever had."""
    query = select(LegalHold, Client).join(Client, col(Client.id) == LegalHold.client_id)
    if client:
        who = subjects.client(session, client)
        query = query.where(col(LegalHold.client_id).in_(aliases.group(session, who.id)))
    else:
        query = query.where(col(LegalHold.released_at).is_(None))
    rows = [
        {
            "id": hold.id,
            "client": f"client:{one.id}",
            "name": one.name,
            "matter": hold.matter,
            "reason": notes.read(session, office, hold.note_id),
            "placed": f"{hold.placed_at:%Y-%m-%d}",
            "by": hold.placed_by,
            "released": f"{hold.released_at:%Y-%m-%d}" if hold.released_at else "",
        }
        for hold, one in session.exec(query.order_by(col(LegalHold.id)))
    ]
    lines = [] if rows else ["Nothing is held."]
    columns = ["client", "name", "matter", "reason", "placed", "by", "released"]
    table = Table("", columns, [[str(row[name]) for name in columns] for row in rows])
    return Report({"holds": rows}, lines, [table] if rows else [])


async def keep_bodies(app: App) -> None:
    """Requests about a client who is held do not expire with the day on which they came."""
    while clients := _with_bodies(app):
        office = app.office()
        await app.store.write(partial(hand_over, office=office, clients=clients), clients=clients)


def _with_bodies(app: App) -> list[int]:
    """Some of the clients who are held and have something that would expire."""
    with app.store.read() as session:
        held = set(session.exec(select(LegalHold.client_id).where(_stands())))
        everybody = {one for client_id in held for one in aliases.group(session, client_id)}
        return sorted({row[1] for row in session.execute(_expiring(everybody)).all()})


def hand_over(session: Session, office: Office, clients: Collection[int]) -> None:
    """Put what would expire of these clients under their own keys; they are locked.

    What cannot be read here (a restored copy may lack the key of a day) is kept as it is.
    """
    for body_id, client_id in session.execute(_expiring(clients)).all():
        owner = session.get_one(Client, client_id).key_id
        try:
            vault.hand_over(session, office.keyring, body_id, owner)
        except KeyGone:
            vault.keep(session, body_id)


def _expiring(clients: Collection[int]) -> Any:
    return (
        select(col(Incoming.body_id), col(Incoming.client_id))
        .join(Vault, col(Vault.id) == col(Incoming.body_id))
        .where(col(Incoming.client_id).in_(clients), col(Vault.expires_at).is_not(None))
        .order_by(col(Incoming.id))
        .limit(_MOST)
    )


def _stands() -> ColumnElement[bool]:
    return col(LegalHold.released_at).is_(None)
