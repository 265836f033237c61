"""How fast is a day's sweep decided, and does it cost by what is due or by what is open?

Ours is the worker's look at every account that is due: the facts read, the rule asked, the step,
its message and the decision with its reason written and chained, nothing sent. The bare minimum is
set-based SQL in one transaction, which selects who is due and inserts as many rows into the same
tables: it judges nothing, seals nothing and hashes nothing.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, col, func, select

from benchmarks import dunning as whole
from benchmarks import stores
from benchmarks.dunning import Run
from benchmarks.figures import Figure, Scale
from benchmarks.product import settings
from benchmarks.stores import NOON, Database, Place
from billing import accounts, dunning, policy
from billing.clock import TurnedClock
from billing.models import Client, Enrolment, StepTaken
from billing.store import Store
from bot import worker
from bot.app import books

_WORLDS = {
    Scale.SMALL: (1_000, (1_000, 20_000)),
    Scale.FULL: (20_000, (20_000, 1_000_000)),
}
_ROUNDS = 5
_BYTES = 100


def figures(scale: Scale) -> Iterator[Figure]:
    """Decisions a second in memory, and accounts a second through the store, beside bare SQL."""
    due, worlds = _WORLDS[scale]
    yield _decisions()
    for database in stores.DATABASES:
        runs = [_swept(database, invoices, due) for invoices in worlds]
        for invoices, (ours, bare) in zip(worlds, runs, strict=True):
            yield from _told(database, invoices, ours, bare)
        yield Figure(
            name=f"sweep, time with {worlds[-1]:,} open beside {worlds[0]:,}",
            database=database,
            ours=runs[-1][0].seconds / runs[0][0].seconds,
            bare=runs[-1][1].seconds / runs[0][1].seconds,
            unit="times",
            better="less",
            goal="at most 1.5 times",
        )


def _decisions() -> Figure:
    """The rule alone, on facts that are in memory."""
    with stores.world("sqlite", 1_000) as place, closing(Store(place.url)) as store:
        with store.read() as session:
            clients = {one.id: one for one in session.exec(select(Client))}
            pairs = [(one, clients[one.client_id]) for one in session.exec(select(Enrolment))]
            facts = accounts.in_dunning_all(session, pairs)
        rules = policy.default()
        began = time.perf_counter()
        for _ in range(_ROUNDS):
            for account in facts:
                dunning.decide(account, NOON, rules)
        seconds = time.perf_counter() - began
    return Figure(
        name="decisions of the dunning rule",
        database="",
        ours=_ROUNDS * len(facts) / seconds,
        bare=None,
        unit="decisions/s",
        better="more",
        goal="",
        note="one core, facts in memory",
    )


def _swept(database: Database, invoices: int, due: int) -> tuple[Run, Run]:
    return (
        whole.apart(_ours, database, invoices, due),
        whole.apart(partial(_bare, many=due), database, invoices, due),
    )


def _told(database: Database, invoices: int, ours: Run, bare: Run) -> Iterator[Figure]:
    run = f"sweep, {ours.reminders:,} due of {invoices:,} open"
    yield Figure(
        name=run, database=database, ours=ours.rate, bare=bare.rate, unit="accounts/s",
        better="more", goal="",
        note="bare only inserts: no rule, no key, no hash",
    )  # fmt: skip
    yield Figure(
        name=f"{run}, memory", database=database, ours=ours.grown, bare=bare.grown, unit="MB",
        better="less", goal="at most 60 MB",
    )  # fmt: skip


def _ours(place: Place) -> int:
    return asyncio.run(_sweep(place))


async def _sweep(place: Place) -> int:
    app = books(settings(place.url, place.keyring_url), TurnedClock(NOON))
    try:
        while await worker.advance(app):
            pass
        with app.store.read() as session:
            return session.exec(select(func.count(col(StepTaken.id)))).one()
    finally:
        await app.close()


# The world has one instalment and one mailbox for each account, all with one number.
_WHO = (
    "FROM enrolment e JOIN instalment t ON t.client_id = e.client_id"
    " JOIN posting p ON p.instalment_id = t.id"
    " JOIN primary_recipient r ON r.client_id = e.client_id AND r.topic = 'billing'"
    " JOIN contact_address o ON o.contact_id = r.contact_id"
    " JOIN client c ON c.id = e.client_id"
    " WHERE e.next_due_at <= {now} GROUP BY e.id, t.id, r.contact_id, o.address_id, c.key_id"
    " HAVING sum(p.amount) > 0"
)
# What is inserted into each table, and its value for each account that is due.
_ADVANCE = "UPDATE enrolment SET next_due_at = NULL WHERE next_due_at <= {now}"
_ROWS = {
    "step_taken": {
        "id": "e.id", "enrolment_id": "e.id", "episode": "1", "step": "1", "round": "1",
        "how": "'queued'", "taken_on": "{today}", "taken_at": "{now}",
    },
    "step_listed": {"step_taken_id": "e.id", "instalment_id": "t.id"},
    "message": {
        "id": "e.id", "key": "'step:' || e.id || '::1:1:1'", "reference": "'bare' || e.id",
        "audience": "'client'", "channel": "'email'", "purpose": "'dunning'",
        "template": "'first_reminder'", "client_id": "e.client_id", "legal_entity_id": "1",
        "contact_id": "r.contact_id", "address_id": "o.address_id", "destination": "''",
        "subject_kind": "'enrolment'", "subject_id": "e.id", "step_id": "e.id",
        "state": "'queued'", "rule": "''", "reason": "''", "send_after": "{now}",
        "wake_on_client": "{no}", "attempts": "0", "provider_id": "''", "created_at": "{now}",
    },
    "vault": {
        "id": "e.id", "owner": "c.key_id", "wrapped_key": "{bytes}", "ciphertext": "{bytes}",
        "digest": "{hash}", "created_at": "{now}",
    },
    "decision": {
        "id": "e.id", "client_id": "e.client_id", "seq": "1", "subject_kind": "'enrolment'",
        "subject_id": "e.id", "verdict": "'send'", "rule": "'step_due'", "inputs": "''",
        "digest": "{hash}", "reason_id": "e.id", "reason_digest": "{hash}",
        "decided_at": "{now}",
    },
    "chain_entry": {
        "client_id": "e.client_id", "seq": "1", "version": "1", "kind": "'decision'",
        "detail_id": "e.id", "digest": "{hash}", "occurred_at": "{now}",
        "recorded_at": "{now}", "previous": "''", "hash": "{hash}",
    },
    "chain_head": {"client_id": "e.client_id", "seq": "1", "hash": "{hash}"},
}  # fmt: skip


def _bare(place: Place, many: int) -> int:
    with closing(Store(place.url)) as store:
        store.write_now(lambda session: _insert(session, place))
        with store.read() as session:
            found = session.exec(select(func.count(col(StepTaken.id)))).one()
    if found != many:
        raise RuntimeError(f"{found} rows were inserted for {many} that are due")
    return found


def _insert(session: Session, place: Place) -> None:
    sqlite = place.database == "sqlite"
    moment, day = f"'{NOON:%Y-%m-%d %H:%M:%S.%f}'", f"'{NOON:%Y-%m-%d}'"
    values: dict[str, Any] = {
        "now": moment if sqlite else f"TIMESTAMPTZ {moment[:-1]}+00'",
        "today": day if sqlite else f"DATE {day}",
        "no": "0" if sqlite else "false",
        "bytes": f"zeroblob({_BYTES})" if sqlite else f"decode(repeat('00', {_BYTES}), 'hex')",
        "hash": f"'{64 * '0'}'",
    }
    who = _WHO.format(**values)
    for table, row in _ROWS.items():
        chosen = ", ".join(row.values()).format(**values)
        insert = f"INSERT INTO {table} ({', '.join(row)}) SELECT {chosen} {who}"
        session.execute(text(insert.replace(":", "\\:")))
    session.execute(text(_ADVANCE.format(**values).replace(":", "\\:")))
