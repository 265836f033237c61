"""Who lets a client's renewals and offers pass its overdue balance, and what follows at once?

Every grant has a reason and an end, and stands on the client's chain; it ends by itself, or when
somebody takes it back. Whether the person may ask it is ``bot/access``.
"""

import datetime as dt
import json
from typing import NamedTuple

from sqlmodel import Session, col, select

from billing import aliases, overrides, spelling, store, vault
from billing.calendar import local_date, midnight
from billing.gates import Override
from billing.models import Client, GateOverride
from comms import delivery, timeline
from comms.duties import notes
from comms.models import Decision
from comms.office import Office, Word

SUBJECT = "override"
LONGEST = 92
"""Days: a client that is to be let pass for longer needs other terms, not an override."""


class Answer(NamedTuple):
    """Whether it was done, and what that means, for the person who asked."""

    done: bool
    said: str


def let_pass(
    session: Session, office: Office, client: Client, until: dt.date, word: Word
) -> Answer:
    """Let them pass until the end of a day."""
    client = aliases.master(session, client)
    today = local_date(office.now, client.timezone)
    if not today <= until <= today + dt.timedelta(days=LONGEST):
        last = today + dt.timedelta(days=LONGEST)
        span = f"{spelling.day(today)} to {spelling.day(last)}"
        return Answer(False, f"An override ends on a day from {span}; name such a day.")
    if not word.reason.strip():
        return Answer(False, "Say why: whoever reads the record later must understand it.")
    row = GateOverride(
        client_id=client.id,
        note_id=vault.put(session, office.keyring, client.key_id, word.reason, office.now),
        granted_by=word.by,
        granted_at=office.now,
        until=midnight(until + dt.timedelta(days=1), client.timezone),
    )
    session.add(row)
    session.flush()
    _write_down(session, office, client, row, "granted", notes.shown(word.reason))
    delivery.touch(session, office, client.id)
    return Answer(
        True,
        f"Renewals and offers to {client.name} pass its overdue balance until the end of "
        f"{spelling.day(until)} (override {row.id}); `counterfoil override --end` takes it back.",
    )


def end(session: Session, office: Office, client: Client, by: str) -> Answer:
    """Take back what holds now; what has left has left."""
    client = aliases.master(session, client)
    valid = of(session, client, office.now)
    if not valid:
        return Answer(False, f"Nothing lets messages to {client.name} pass.")
    for one in valid:
        row = session.get_one(GateOverride, one.id)
        row.revoked_at, row.revoked_by = office.now, by
        session.add(row)
        session.flush()
        _write_down(session, office, client, row, "revoked", f"Taken back by {by}.")
    delivery.touch(session, office, client.id)
    return Answer(
        True, f"Renewals and offers to {client.name} wait again while anything is overdue."
    )


def of(session: Session, client: Client, now: dt.datetime) -> tuple[Override, ...]:
    """What is valid for a client now."""
    return overrides.of(session, [client.id], now).get(client.id, ())


def lines(session: Session, office: Office, client: Client) -> list[str]:
    """For people: who lets them pass, until when, and why."""
    query = select(GateOverride).where(
        col(GateOverride.id).in_([one.id for one in of(session, client, office.now)])
    )
    return [
        f"until {spelling.moment(row.until)} by {row.granted_by}: "
        + notes.read(session, office, row.note_id)
        for row in session.exec(query.order_by(col(GateOverride.id)))
    ]


def _write_down(
    session: Session, office: Office, client: Client, row: GateOverride, verdict: str, reason: str
) -> None:
    decision = store.fresh(
        Decision,
        client_id=client.id,
        subject_kind=SUBJECT,
        subject_id=row.id,
        verdict=verdict,
        rule="gate_override",
        until=row.until if verdict == "granted" else None,
        inputs=json.dumps({"override": row.id}),
        decided_at=office.now,
    )
    timeline.decide(session, office.keyring, client.key_id, decision, reason)
