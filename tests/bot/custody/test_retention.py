"""What is old goes as policy says, in batches; what is still open stays, and chains hold."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Collection
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session, SQLModel, col

from billing import vault
from billing.models import Vault
from billing.store import Store
from bot import schema
from bot.custody import nightly, retention
from bot.custody.retention import Preserved
from bot.models import Incoming
from comms import timeline
from comms.models import Attempt, Decision, Expired, Message, State
from tests import factories
from tests.factories import NOON, Known, Product

OLD = NOON - dt.timedelta(days=2000)
YOUNG = NOON - dt.timedelta(days=20)
EVERYTHING = {"inbox_bodies": 0, "inbox": 0, "attempts": 0, "decisions": 0}


@pytest.fixture
async def product(database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(database, tmp_path) as running:
        yield running


@pytest.fixture
async def one(sqlite_database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(sqlite_database, tmp_path) as running:
        yield running


def came(
    product: Product, known: Known, number: int, at: dt.datetime, state: str = "done"
) -> Incoming:
    """A request that came in, with its body under the client's key."""

    def keep(session: Session) -> Incoming:
        body = vault.put(session, product.app.keyring, f"client:{known.name}", "a mail", at)
        row = Incoming(
            source="email", external_id=f"{number}", state=state, received_at=at, body_id=body,
            client_id=known.client_id,
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row

    return product.write(keep)


def tried(product: Product, known: Known, at: dt.datetime, state: State) -> int:
    """A message that was tried once, where it stands now; the id of the message."""
    message_id = product.note(known, state=state)
    product.write(
        lambda session: session.add(
            Attempt(message_id=message_id, number=1, outcome="sent", started_at=at, ended_at=at)
        )
    )
    return message_id


def ruled(
    product: Product, known: Known, at: dt.datetime, subject: tuple[str, int], rule: str
) -> None:
    decision = Decision(
        client_id=known.client_id, subject_kind=subject[0], subject_id=subject[1], verdict="wait",
        rule=rule, inputs="{}", decided_at=at,
    )  # fmt: skip
    owner, keyring = f"client:{known.name}", product.app.keyring
    product.write(lambda session: timeline.decide(session, keyring, owner, decision, rule))


def rules(product: Product) -> list[str]:
    with product.store.read() as session:
        return list(
            session.execute(select(col(Decision.rule)).order_by(col(Decision.id))).scalars()
        )


def count(product: Product, model: type[SQLModel]) -> int:
    with product.store.read() as session:
        return int(session.execute(select(func.count()).select_from(model)).scalar_one())


def breaks(product: Product) -> list[str]:
    with product.store.read() as session:
        return [one.what for one in timeline.verify(session)]


async def test_the_raw_request_goes_before_the_row_that_knows_of_it(product: Product) -> None:
    known = product.known()
    middle = NOON - dt.timedelta(days=500)
    for number, at in enumerate((OLD, middle, YOUNG)):
        came(product, known, number, at)
    gone = await retention.run(product.app)
    assert gone == EVERYTHING | {"inbox_bodies": 2, "inbox": 1}
    with product.store.read() as session:
        kept = session.execute(select(Incoming).order_by(col(Incoming.id))).scalars().all()
    assert [(row.external_id, row.body_id is None) for row in kept] == [("1", True), ("2", False)]
    assert count(product, Vault) == 1


@pytest.mark.parametrize("state", ["pending", "failed"])
async def test_what_was_never_taken_in_stays(one: Product, state: str) -> None:
    known = one.known()
    came(one, known, 1, OLD, state)
    came(one, known, 2, YOUNG)
    assert await retention.run(one.app) == EVERYTHING


async def test_what_a_waiting_message_is_about_stays(one: Product) -> None:
    known = one.known()
    row = came(one, known, 1, OLD)
    came(one, known, 2, YOUNG)
    waiting = one.note(known, subject_kind="incoming", subject_id=row.id, state=State.HELD)
    assert await retention.run(one.app) == EVERYTHING
    moved = text("UPDATE message SET state = 'cancelled' WHERE id = :id")
    one.write(lambda session: session.execute(moved, {"id": waiting}))
    assert (await retention.run(one.app))["inbox"] == 1


async def test_tries_go_when_their_message_has_ended(product: Product) -> None:
    known = product.known()
    ended = [tried(product, known, OLD, State.DELIVERED) for _ in range(3)]
    still = [tried(product, known, OLD, state) for state in (State.IN_DOUBT, State.QUEUED)]
    young = tried(product, known, YOUNG, State.SENT)
    assert await retention.run(product.app) == EVERYTHING | {"attempts": 3}
    with product.store.read() as session:
        kept = set(session.execute(select(col(Attempt.message_id))).scalars())
        messages = set(session.execute(select(col(Message.id))).scalars())
    assert kept == {*still, young}
    assert messages.issuperset(ended)


async def test_old_decisions_go_and_the_chain_still_holds(product: Product) -> None:
    known = product.known()
    over, open_ = (tried(product, known, YOUNG, s) for s in (State.SENT, State.HELD))
    for rule, subject in (
        ("first", ("enrolment", 1)),
        ("second", ("enrolment", 1)),
        ("sent", ("message", over)),
        ("held", ("message", open_)),
    ):
        ruled(product, known, OLD, subject, rule)
    ruled(product, known, YOUNG, ("enrolment", 2), "young")
    bodies = count(product, Vault)
    assert await retention.run(product.app) == EVERYTHING | {"decisions": 2}
    assert rules(product) == ["second", "held", "young"]
    assert count(product, Vault) == bodies - 2
    assert breaks(product) == []


async def test_a_second_run_does_nothing(product: Product) -> None:
    known = product.known()
    for number, at in enumerate((OLD, OLD, YOUNG)):
        came(product, known, number, at)
        ruled(product, known, at, ("enrolment", 1), f"rule {number}")
    first = await retention.run(product.app)
    assert first == EVERYTHING | {"inbox_bodies": 2, "inbox": 2, "decisions": 2}
    assert await retention.run(product.app) == EVERYTHING


async def test_whoever_must_keep_everything_keeps_it(one: Product) -> None:
    known, other = one.known(), one.known("Orchard", phone="+12125550124", email="o@x.example")
    for number, whose in enumerate((known, other, known)):
        came(one, whose, number, OLD)

    def held(_session: Session, clients: Collection[int]) -> Collection[int]:
        return {known.client_id} & set(clients)

    assert (await retention.run(one.app, preserved=held))["inbox_bodies"] == 1
    assert (await retention.run(one.app))["inbox_bodies"] == 1


async def test_for_ever_is_for_ever(one: Product) -> None:
    known = one.known()
    for number in range(3):
        came(one, known, number, OLD)
    kept = replace(one.app.policy.retention, inbox=0, inbox_bodies=0, attempts=0, decisions=0)
    app = replace(one.app, policy=replace(one.app.policy, retention=kept))
    assert await retention.run(app) == {}
    assert count(one, Incoming) == 3


def full(product: Product, rows: int = 2 * retention.ROWS) -> Known:
    """So many old decisions that they are more than one batch."""
    known = product.known()
    keyring, owner = product.app.keyring, f"client:{known.name}"
    for first in range(0, rows, 500):
        rulings = [
            timeline.Ruling(
                Decision(
                    client_id=known.client_id, subject_kind="enrolment", subject_id=number % 2,
                    verdict="wait", rule=f"r{number}", inputs="{}", decided_at=OLD,
                ),
                owner,
                "why",
            )
            for number in range(first, first + 500)
        ]  # fmt: skip
        product.write(partial(timeline.decide_all, keyring=keyring, rulings=rulings))
    return known


async def test_no_transaction_is_long_and_others_write_in_between(one: Product) -> None:
    known = full(one)
    sizes: list[int] = []
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def watch(session: Session, clients: Collection[int]) -> Collection[int]:
        sizes.append(session.execute(select(func.count()).select_from(Decision)).scalar_one())
        loop.call_soon_threadsafe(begun.set)
        return ()

    running = asyncio.create_task(retention.run(one.app, preserved=watch))
    await begun.wait()
    await one.app.store.write(lambda _session: sizes.append(-1), clients=[known.client_id])
    assert (await running)["decisions"] == 2 * retention.ROWS - 2
    assert sizes == [2 * retention.ROWS, -1, retention.ROWS]


class Killed(BaseException):
    """The process ended."""


@pytest.mark.parametrize("at", [1, 2])
async def test_a_run_that_is_cut_off_is_taken_up_by_the_next(product: Product, at: int) -> None:
    full(product)
    calls: list[int] = []

    def dies(_session: Session, _clients: Collection[int]) -> Collection[int]:
        calls.append(1)
        if len(calls) == at:
            raise Killed
        return ()

    dying: Preserved = dies
    with pytest.raises(Killed):
        await retention.run(product.app, preserved=dying)
    left = 2 * retention.ROWS - (at - 1) * retention.ROWS
    assert (count(product, Decision), count(product, Vault)) == (left, left)
    assert breaks(product) == []
    assert (await retention.run(product.app))["decisions"] == left - 2
    assert (count(product, Decision), count(product, Vault)) == (2, 2)


async def test_one_run_is_bounded(one: Product) -> None:
    full(one)
    assert (await retention.run(one.app, batches=1))["decisions"] == retention.ROWS


async def test_nothing_but_retention_deletes_a_decision(product: Product) -> None:
    known = product.known()
    for at, rule in ((OLD, "old"), (OLD, "newer"), (YOUNG, "young"), (NOON, "newest")):
        ruled(product, known, at, ("enrolment", 1), rule)
    with pytest.raises(DatabaseError, match="only policy lets it go"):
        product.write(lambda session: session.execute(text("DELETE FROM decision WHERE id = 1")))
    await retention.run(product.app)
    assert rules(product) == ["young", "newest"]
    for decision_id in (3, 4):
        gone = text(f"DELETE FROM decision WHERE id = {decision_id}")
        with pytest.raises(DatabaseError, match="only policy lets it go"):
            product.write(partial(Session.execute, statement=gone))


async def test_the_moment_never_moves_back(product: Product) -> None:
    known = product.known()
    for number in range(2):
        came(product, known, number, OLD)
        ruled(product, known, OLD, ("enrolment", 1), f"{number}")
    ruled(product, known, YOUNG, ("enrolment", 1), "young")
    await retention.run(product.app)
    with product.store.read() as session:
        held = session.get_one(Expired, "decisions").before
    assert held == NOON - dt.timedelta(days=1461)
    retention_ = replace(product.app.policy.retention, decisions=3000)
    longer = replace(product.app, policy=replace(product.app.policy, retention=retention_))
    await retention.run(longer)
    with product.store.read() as session:
        assert session.get_one(Expired, "decisions").before == held


async def test_the_worker_tidies_bodies_that_expired_a_thousand_at_a_time(one: Product) -> None:
    past = NOON - dt.timedelta(days=1)

    def keep(session: Session) -> None:
        one.app.keyring.make(["inbox:2026-01-01"], past)
        bodies = [("inbox:2026-01-01", "x")] * 1001
        vault.put_all(session, one.app.keyring, bodies, past, past)

    one.write(keep)
    assert one.write(lambda session: vault.expire(session, NOON)) == 1000
    assert await nightly.tidy(one.app) == 1
    assert not one.app.keyring.has("inbox:2026-01-01")


def test_the_migration_can_be_taken_back(fresh_database: Any) -> None:
    from alembic import command

    schema.upgrade(fresh_database.url)
    with closing(Store(fresh_database.url)) as store, schema._alone(store) as connection:
        command.downgrade(schema._config(connection), "0004_incoming")
    schema.upgrade(fresh_database.url)
    with closing(Store(fresh_database.url)) as store:
        assert schema.differences(store.engine) == []
        assert schema.missing_triggers(store.engine) == []
