"""Others told us facts: which are booked, which wait for another, and which must a person look at?

Facts may come in any order. One that speaks of a client or an invoice that nobody has told of yet
waits in a row of its own, together with the others of that client in its delivery; it is tried
again as soon as something of that client is booked, and ever more rarely for a day. One that
contradicts what we hold is kept as it is. Of both finance hears, with the sentence that says why.
"""

import datetime as dt
import hashlib
import os
from collections.abc import Sequence
from itertools import groupby

from sqlalchemy import func, update
from sqlmodel import Session, col

from billing import facts, references
from billing.ledger import Contradiction
from bot import factsheet, inbox, intake
from bot.app import App
from bot.bookings import Outcome
from bot.factsheet import REFUSED, WAITING
from bot.inbox import Parcel
from bot.models import Incoming
from comms import staff
from comms.facts import Tellable
from comms.office import Office

PATIENCE = dt.timedelta(days=1)
_SOON, _RARELY = dt.timedelta(seconds=5), dt.timedelta(hours=1)
_DIGITS = 32


def spare_keys(app: App, told: Sequence[object]) -> list[str]:
    """Keys for the clients that these facts make, committed before their rows."""
    some = (fact for fact in told if isinstance(fact, facts.ClientDescribed))
    described = {(fact.source, fact.external_id): fact for fact in some}
    if not described:
        return []
    with app.store.read() as session:
        new = [
            fact
            for fact in described.values()
            if references.find_client(session, fact.source, fact.external_id) is None
        ]
    owners = [f"client:{os.urandom(12).hex()}" for _ in new]
    app.keyring.make(owners, app.clock.now())
    return owners


def take(
    session: Session, app: App, row: Incoming, told: Sequence[Tellable], keys: Sequence[str]
) -> list[Outcome]:
    """Book what a row tells; what cannot be booked yet, or at all, gets a row that says so."""
    office = app.office()
    outcomes = intake.take_told(session, office, told, keys)
    waiting = [one for one in outcomes if isinstance(one.error, references.Unknown)]
    _refuse(session, app, row, [one for one in outcomes if isinstance(one.error, Contradiction)])
    if row.source == WAITING and waiting:
        _wait_on(session, app, row, waiting)
    else:
        _wait(session, app, row, waiting)
        inbox.settle(row, "done", office.now, _whose(outcomes))
    wake(session, outcomes, office.now)
    return outcomes


def _whose(outcomes: Sequence[Outcome]) -> int | None:
    """The one client of all that was told; nobody's where anything may be of another."""
    clients = {one.applied.client_id if one.applied else None for one in outcomes}
    return clients.pop() if len(clients) == 1 else None


def wake(session: Session, outcomes: Sequence[Outcome], now: dt.datetime) -> None:
    """What waits for something of these clients, or of nobody in particular, is tried again."""
    changed = [one.fact for one in outcomes if one.applied is not None and one.applied.changed]
    marks = {_mark(fact.source, name) for fact in changed for name in ("", _client(fact))}
    if marks:
        session.execute(
            update(Incoming)
            .where(
                col(Incoming.state) == "pending",
                col(Incoming.source) == WAITING,
                func.substr(col(Incoming.external_id), 1, _DIGITS).in_(sorted(marks)),
            )
            .values(next_attempt_at=now)
            .execution_options(synchronize_session=False)
        )


def _client(fact: Tellable) -> str:
    """What the source calls the client of a fact; nothing where the fact names none."""
    if isinstance(fact, facts.ClientDescribed):
        return fact.external_id
    return str(getattr(fact, "client_external_id", None) or "")


def _mark(source: str, client: str) -> str:
    """Of one length, so that a query can compare it with the beginning of a row's id."""
    return hashlib.sha256(facts.joined(source, client).encode()).hexdigest()[:_DIGITS]


def _parcel(source: str, external_id: str, outcomes: Sequence[Outcome]) -> Parcel:
    reasons = dict.fromkeys(str(one.error) for one in outcomes)
    body = factsheet.write([one.fact for one in outcomes])
    return Parcel(source, external_id, body, "\n".join(reasons))


def _wait(session: Session, app: App, row: Incoming, waiting: Sequence[Outcome]) -> None:
    """What waits, a row for each client; their order stays."""
    now = app.clock.now()

    def mark(one: Outcome) -> str:
        return _mark(one.fact.source, _client(one.fact))

    for name, some in groupby(sorted(waiting, key=mark), mark):
        parcel = _parcel(WAITING, f"{name}/{row.id}", list(some))
        app.inbox.keep(session, parcel, now)
        kept = inbox.find(session, WAITING, parcel.external_id)
        if kept is not None:
            _later(kept, now)


def _wait_on(session: Session, app: App, row: Incoming, waiting: Sequence[Outcome]) -> None:
    """It still waits, or what is left of it; after a day finance hears of it."""
    office = app.office()
    row.body_id = app.inbox.seal(session, _parcel(WAITING, row.external_id, waiting), office.now)
    if office.now - row.received_at < PATIENCE:
        _later(row, office.now)
        return
    row.problem = "Unknown"
    inbox.settle(row, "failed", office.now)
    _tell(session, office, row, "fact_unknown")


def _later(row: Incoming, now: dt.datetime) -> None:
    """Again after as long as it has waited already."""
    row.problem = "Unknown"
    waited = now - row.received_at
    row.next_attempt_at = now + min(max(waited, _SOON), _RARELY)


def _refuse(session: Session, app: App, row: Incoming, refused: Sequence[Outcome]) -> None:
    if not refused:
        return
    office = app.office()
    parcel = _parcel(REFUSED, f"{row.id}.{row.body_id}", refused)
    app.inbox.keep(session, parcel, office.now, state="failed")
    kept = inbox.find(session, REFUSED, parcel.external_id)
    if kept is not None:
        kept.problem = "Contradiction"
        _tell(session, office, kept, "fact_refused")


def _tell(session: Session, office: Office, row: Incoming, template: str) -> None:
    key = f"{template}:{row.id}"
    staff.alert(session, office, key=key, template=template, subject=("incoming", row.id))
