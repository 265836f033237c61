"""What must hold of all rows together, looked at every day and when everything has come to rest?"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from sqlmodel import select

from billing import reckoning, vault
from bot import audit, factsheet, inbox
from bot.app import App
from bot.models import Incoming
from comms import timeline
from tests.simulation.carrier import Post
from tests.simulation.firm import DESKS
from tests.simulation.people import FINANCE
from tests.simulation.rows import ENTITIES, ERASED, Rows, client_of, moment
from tests.simulation.world import OURS, World

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
_OPEN = """
    SELECT i.number, sum(p.amount) FILTER (WHERE p.payer_id IS NULL) AS amount,
           sum(p.amount) FILTER (WHERE p.payer_id IS NOT NULL) AS theirs FROM posting p
    JOIN instalment t ON t.id = p.instalment_id JOIN invoice i ON i.id = t.invoice_id
    GROUP BY i.id
"""
_SPARE = """
    SELECT c.name AS client, p.legal_entity_id AS entity, p.currency, -sum(p.amount) AS amount,
           p.payer_id IS NOT NULL AS theirs
    FROM posting p JOIN client c ON c.id = p.client_id
    WHERE p.instalment_id IS NULL
    GROUP BY c.id, p.legal_entity_id, p.currency, p.payer_id IS NOT NULL
"""
_UNSENT = """
    SELECT m.id, m.key, m.state, m.rule, m.wake_at, m.wake_on_client, m.send_after, m.lease_until,
           m.audience, m.purpose, m.attempts, c.name AS client,
           EXISTS (SELECT 1 FROM decision d WHERE d.subject_kind = 'message'
                   AND d.subject_id = m.id) AS decided,
           EXISTS (SELECT 1 FROM message q WHERE q.subject_kind = 'message'
                   AND q.subject_id = m.id AND q.audience = 'staff'
                   AND q.state NOT IN ('failed', 'withheld', 'cancelled')) AS asked
    FROM message m LEFT JOIN client c ON c.id = m.client_id
    WHERE m.state NOT IN ('sent', 'delivered')
"""
_CASES = """
    SELECT k.id, k.owner_id, k.opened_at, c.name AS client, s.email, s.active,
           EXISTS (SELECT 1 FROM message m WHERE m.subject_kind = 'case' AND m.subject_id = k.id
                   AND m.state IN ('sent', 'delivered')) AS shown
    FROM escalation_case k JOIN client c ON c.id = k.client_id
    LEFT JOIN staff s ON s.id = k.owner_id
    WHERE k.state = 'open'
"""
_LISTED = """
    SELECT 1 FROM message WHERE template = 'imported_cases' AND destination = ?
    AND state IN ('sent', 'delivered')
"""
_LADDERS = """
    SELECT e.id, e.next_due_at, e.state, c.name AS client,
           EXISTS (SELECT 1 FROM decision d WHERE d.subject_kind = 'enrolment'
                   AND d.subject_id = e.id) AS decided
    FROM enrolment e JOIN client c ON c.id = e.client_id
"""
_SENT = """
    SELECT m.reference, m.key, m.state, c.name AS client FROM message m
    JOIN client c ON c.id = m.client_id WHERE m.audience = 'client'
"""
_PATIENT = ("hold_endless", "incoming_failed")
"""What the watcher may say of a story in which all is as it should be."""


def daily(rows: Rows, world: World) -> None:
    """Once a day, after a pass that went well."""
    _money(rows, world)
    _explained(rows, world)
    _shown(rows, world)


def at_rest(rows: Rows, world: World, app: App, post: Post) -> None:
    """Nothing has gone wrong for days."""
    daily(rows, world)
    _settled(rows, world)
    _known(rows, world, post)
    with app.store.read() as session:
        for broken in timeline.verify(session):
            world.break_(OURS, "chains_hold", str(broken))
        for one in reckoning.disagreements(session):
            world.break_(OURS, "books_agree", f"client {one.client_id}: {one.sentence}")
    for found in audit.look(app):
        if found.kind not in _PATIENT:
            world.break_(OURS, "the_watcher_is_content", f"{found.sentence} {found.ids}")


def _money(rows: Rows, world: World) -> None:
    """Every bill has open what our own books say, and so has what is on none of them."""
    held = {row["number"]: (row["amount"], row["theirs"] or 0) for row in rows.all(_OPEN)}
    for number, bill in world.books.bills.items():
        if bill.client in world.erased:
            continue
        stand = world.books.stand(world.one_with(bill.client), bill.key)
        said = (stand.of(number), stand.theirs[number])
        if held.get(number) != said:
            told = f"{number} has {held.get(number)} open; by what was told it is {said}"
            world.break_(bill.client, "books_balance", told)
    spare: dict[Any, int] = {}
    for row in rows.all(_SPARE):
        client = client_of(row["client"])
        if row["client"] == ERASED:
            continue
        place = (world.one_with(client), (ENTITIES[row["entity"]], row["currency"]), row["theirs"])
        spare[place] = spare.get(place, 0) + row["amount"]
    for (kin, key, theirs), amount in spare.items():
        stand = world.books.stand(kin, key)
        expected = stand.theirs_spare if theirs else stand.spare
        if amount != expected:
            told = f"{amount} is on account; by what was told it is {expected}"
            world.break_(min(kin), "books_balance", told)


def _explained(rows: Rows, world: World) -> None:
    """What does not leave says why; what waits says until when, or for whom."""
    for row in rows.all(_UNSENT):
        client = client_of(row["client"]) if row["client"] else OURS
        for said in _unexplained(row, world.now):
            name = f"message {row['id']} ({row['key']}, {row['state']}, rule {row['rule']!r})"
            world.break_(client, "every_non_send_is_explained", f"{name} {said}")
    for row in rows.all(_LADDERS):
        due = moment(row["next_due_at"]) if row["next_due_at"] else None
        client = client_of(row["client"])
        if not row["decided"] and len(world.one_with(client)) == 1:
            world.break_(client, "every_non_send_is_explained", f"ladder {row['id']} says nothing")
        if due and due < world.now - HOUR:
            world.break_(client, "everything_moves", f"ladder {row['id']} was due {due}")


def _unexplained(row: Any, now: dt.datetime) -> Iterator[str]:
    ours = row["audience"] != "client"
    yield from _unsaid(row, ours=ours)
    yield from _unmoved(row, now)
    task = not ours and row["purpose"] != "offer"  # one that nobody reads is nobody's task
    if row["state"] == "failed" and not row["asked"] and task:
        yield "failed and nobody was told"
    if row["state"] == "failed" and ours:
        yield "to staff is lost"


def _unsaid(row: Any, *, ours: bool) -> Iterator[str]:
    state = row["state"]
    if state in ("held", "awaiting", "withheld", "cancelled", "failed") and not row["rule"]:
        yield "has no rule"
    if state in ("held", "withheld", "awaiting") and not row["decided"] and not ours:
        yield "has no decision"
    if state == "awaiting" and not row["asked"]:
        yield "waits for a person whom nobody asked"


def _unmoved(row: Any, now: dt.datetime) -> Iterator[str]:
    state = row["state"]
    if state == "held" and not row["wake_at"] and not row["wake_on_client"]:
        yield "waits for nothing"
    if state in ("held", "in_doubt") and row["wake_at"] and moment(row["wake_at"]) < now - HOUR:
        yield f"should have been looked at at {row['wake_at']}"
    if state == "in_doubt" and not row["wake_at"] and not row["asked"]:
        yield "is in doubt and nobody was asked"
    if state == "queued" and moment(row["send_after"]) < now - HOUR:
        yield f"should have left at {row['send_after']}"
    if state in ("claimed", "sending") and not row["lease_until"]:
        yield "has no lease"


def _shown(rows: Rows, world: World) -> None:
    """A case has an owner who can read of it, or it is with finance; and was shown to them."""
    desks = {owner: DESKS.get(owner, FINANCE) for owner in (*DESKS, None)}
    for row in rows.all(_CASES):
        client = client_of(row["client"])
        if moment(row["opened_at"]) > world.now - DAY:
            continue
        desk = desks.get(row["email"], FINANCE)
        if not row["shown"] and rows.one(_LISTED, desk) is None:
            said = f"case {row['id']} of {row['opened_at']} was never shown to {desk}"
            world.break_(client, "every_escalation_has_an_owner", said)


def _settled(rows: Rows, world: World) -> None:
    query = "SELECT key FROM message WHERE state IN ('claimed', 'sending', 'in_doubt')"
    for row in rows.all(query):
        world.break_(OURS, "everything_ends", f"{row['key']} still moves at the end")
    query = "SELECT id, source, problem FROM incoming WHERE state = 'pending' AND received_at < ?"
    for row in rows.all(query, str((world.now - 2 * DAY).replace(tzinfo=None))):
        said = f"delivery {row['id']} of {row['source']} still waits: {row['problem']}"
        world.break_(OURS, "everything_ends", said)


def _known(rows: Rows, world: World, post: Post) -> None:
    """What arrived is known to have arrived, and the other way round."""
    arrived = {one.message.reference for one in post.taken if one.channel != "slack"}
    for row in rows.all(_SENT):
        there, said = row["reference"] in arrived, row["state"] in ("sent", "delivered")
        if there and not said and row["state"] != "failed":
            told = f"{row['key']} arrived and is {row['state']}"
        elif said and not there:
            told = f"{row['key']} is {row['state']} and never arrived"
        else:
            continue
        world.break_(client_of(row["client"]), "what_arrived_is_known", told)


# --- what was told, as the product keeps it -------------------------------------------------------


def refused(app: App, row: int) -> list[str]:
    """The facts of a delivery that contradict what is held."""
    return _kept(app, Incoming.source == factsheet.REFUSED, f"{row}.%")


def waiting(app: App, row: int) -> dict[str, list[str]]:
    """The facts of a delivery that wait for something else, by the delivery that keeps them."""
    with app.store.read() as session:
        found = session.exec(
            select(Incoming).where(
                Incoming.source == factsheet.WAITING,
                Incoming.external_id.like(f"%/{row}"),  # type: ignore[attr-defined]
                Incoming.state == "pending",
            )
        ).all()
        return {one.external_id: _facts(session, app, one) for one in found}


def _kept(app: App, which: Any, name: str) -> list[str]:
    with app.store.read() as session:
        query = select(Incoming).where(which, Incoming.external_id.like(name))  # type: ignore[attr-defined]
        return [fact for one in session.exec(query) for fact in _facts(session, app, one)]


def _facts(session: Any, app: App, row: Incoming) -> list[str]:
    packed = vault.get(session, app.keyring, inbox.body_of(row))
    body = inbox.unpacked(row.source, row.external_id, packed).body
    return [name_of(fact) for fact in factsheet.read(body)]


def kinds(error: BaseException) -> str:
    """What failed, in a line."""
    if isinstance(error, BaseExceptionGroup):
        return ", ".join(sorted({kinds(one) for one in error.exceptions}))
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def name_of(fact: Any) -> str:
    """What makes a fact the same one again."""
    return f"{type(fact).__name__} {fact.key}"
