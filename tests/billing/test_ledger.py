"""Does every order of the same facts, each told twice, leave the same books?

Facts of several clients, payers, entities and currencies are told once in their order to a store,
and once doubled and shuffled, what was not yet known told again until nothing changes. After each
fact the books must add up. ``COUNTERFOIL_EXAMPLES`` says how many such lives are tried.
"""

import datetime as dt
import functools
import itertools
import os
import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlmodel import Session, col

from billing import accounts, facts, ledger, money, reckoning, references
from billing.keyring import Keyring
from billing.models import (
    Client,
    Hold,
    Instalment,
    Invoice,
    InvoiceDispute,
    LegalEntity,
    Payer,
    Payment,
    Posting,
    PostingKind,
    Promise,
    Vault,
)
from billing.store import Store
from tests.billing.lives import CLIENTS, DAY, NOW, Life, lives
from tests.conftest import MASTER_KEY, Database

EXAMPLES = int(os.environ.get("COUNTERFOIL_EXAMPLES", "15"))


@pytest.fixture(scope="module")
def books(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that knows the clients; every life is rolled back."""
    file = tmp_path_factory.mktemp("books") / "store.db"
    shutil.copy(sqlite_template, file)
    with closing(Store(f"sqlite:///{file}", durable=False)) as store:
        store.write_now(_found)
        yield store


def _found(session: Session) -> None:
    session.add(LegalEntity(name="First LLP", currency="USD"))
    session.flush()
    for name in CLIENTS:
        tell(session, facts.ClientDescribed(source="s", external_id=name, name=name))


def tell(session: Session, fact: facts.Fact) -> bool:
    """Whether it changed anything."""
    return ledger.apply(session, fact, NOW, iter([f"client:{fact.key}"])).changed


class _Undo(Exception):
    pass


def undone(store: Store, fn: Any) -> Any:
    """What ``fn`` finds, in a store that is as it was afterwards."""
    found: list[Any] = []

    def write(session: Session) -> None:
        found.append(fn(session))
        raise _Undo

    with pytest.raises(_Undo):
        store.write_now(write)
    return found[0]


# --- how they are told ----------------------------------------------------------------------------


def in_order(session: Session, life: Life) -> list[Any]:
    """Every fact once, as it happened."""
    waiting: list[facts.Fact] = []
    judgements: list[str] = []
    for place, stretch in enumerate(life.stretches):
        waiting = until_nothing_changes(session, [*waiting, *stretch])
        judgements += judge(session, life.judged[place : place + 1])
    return [judgements, *state(session)]


def in_disorder(session: Session, life: Life, chance: random.Random) -> list[Any]:
    """Every fact at least twice, in any order; what was judged stays between its stretches."""
    known: list[facts.Fact] = []
    waiting: list[facts.Fact] = []
    judgements: list[str] = []
    for place, stretch in enumerate(life.stretches):
        again = chance.sample(known, len(known) // 2)
        told = [*waiting, *stretch, *stretch, *again]
        waiting = until_nothing_changes(session, chance.sample(told, len(told)))
        known += stretch
        for judged in life.judged[place : place + 1]:
            judgements += judge(session, [judged])
            if judgements[-1] == "taken":
                known.append(judged)
    return [judgements, *state(session)]


def until_nothing_changes(session: Session, told: Sequence[facts.Fact]) -> list[facts.Fact]:
    """Those that still speak of what nobody knows."""
    while True:
        unknown, changed = [], False
        for fact in told:
            try:
                changed = tell(session, fact) or changed
            except references.Unknown:
                unknown.append(fact)
            add_up(session)
        if not changed or not unknown:
            return unknown
        told = unknown


def judge(session: Session, told: Sequence[facts.Fact]) -> Iterator[str]:
    for fact in told:
        try:
            tell(session, fact)
            yield "taken"
        except ledger.Contradiction:
            yield "refused"
        except references.Unknown:
            yield "unknown"
        add_up(session)


# --- what must be true ----------------------------------------------------------------------------

SUMS = select(
    col(Posting.legal_entity_id), col(Posting.currency), col(Posting.payer_id),
    col(Posting.instalment_id), col(Posting.client_id), func.sum(col(Posting.amount)),
).group_by(
    col(Posting.legal_entity_id), col(Posting.currency), col(Posting.payer_id),
    col(Posting.instalment_id), col(Posting.client_id),
)  # fmt: skip
SOURCES = (
    select(
        col(Posting.payment_id),
        col(Payment.amount),
        func.sum(col(Posting.amount)).filter(col(Posting.instalment_id).is_(None)),
        func.sum(col(Posting.amount)).filter(col(Posting.kind) == PostingKind.ALLOCATION),
        func.count().filter(col(Posting.currency) != col(Payment.currency)),
    )
    .join(Payment, col(Payment.id) == col(Posting.payment_id))
    .group_by(col(Posting.payment_id), col(Payment.amount))
)
MIXED = (
    select(func.count())
    .select_from(Posting)
    .join(Instalment, col(Instalment.id) == col(Posting.instalment_id))
    .join(Invoice, col(Invoice.id) == col(Instalment.invoice_id))
    .where(col(Posting.currency) != col(Invoice.currency))
)
MOVED = (
    select(col(Posting.currency), func.sum(col(Posting.amount)))
    .where(col(Posting.kind).in_((PostingKind.ALLOCATION, PostingKind.SHARE)))
    .group_by(col(Posting.currency), col(Posting.kind))
)


def add_up(session: Session) -> None:
    """Nothing open is negative, no money is made, and no currency meets another."""
    rows = session.connection()
    for *_, part, _client, amount in rows.execute(SUMS):
        assert amount >= 0 if part is not None else amount <= 0
    for _payment, received, on_account, allocated, mixed in rows.execute(SOURCES):
        assert -received <= (on_account or 0) <= 0
        assert (allocated or 0) == mixed == 0
    assert rows.execute(MIXED).scalar_one() == 0
    assert all(amount == 0 for _, amount in rows.execute(MOVED))


OPEN = (
    select(
        col(Invoice.number), col(Instalment.kind), col(Instalment.due_on), col(Instalment.amount),
        col(Payer.name), func.sum(col(Posting.amount)),
    )
    .select_from(Posting)
    .join(Instalment, col(Instalment.id) == col(Posting.instalment_id))
    .join(Invoice, col(Invoice.id) == col(Instalment.invoice_id))
    .outerjoin(Payer, col(Payer.id) == col(Posting.payer_id))
    .group_by(col(Instalment.id), col(Invoice.id), col(Payer.id))
    .having(func.sum(col(Posting.amount)) != 0)
)  # fmt: skip
CAME = (
    select(
        col(Payment.reference), col(Payment.state), col(Payment.refunded), col(Payment.received_on),
        func.sum(col(Posting.amount)),
    )
    .join(Posting, col(Posting.payment_id) == col(Payment.id))
    .where(col(Posting.instalment_id).is_(None), col(Payment.state) == "succeeded")
    .group_by(col(Payment.id))
)  # fmt: skip
STANDING = (
    select(
        col(Invoice.number),
        col(Invoice.state),
        col(Invoice.due_on),
        func.coalesce(col(Invoice.corrected_amount), col(Invoice.amount)),
    ),
    select(col(Payment.reference), col(Payment.state), col(Payment.refunded)),
    select(col(InvoiceDispute.amount), col(InvoiceDispute.state), col(InvoiceDispute.granted)),
    select(col(Promise.made_at), col(Promise.withdrawn_at)),
    select(col(Hold.until), col(Hold.released_at)),
)


def state(session: Session) -> list[Any]:
    """Everything that may not depend on the order, in the words of the facts."""
    found = [sorted(map(str, session.connection().execute(one))) for one in (OPEN, CAME, *STANDING)]
    entities = select(col(LegalEntity.id), col(LegalEntity.name))
    names = {row.id: row.name for row in session.connection().execute(entities)}
    sums = sorted(
        str((names[row[0]], row[1], row[2] is not None, row[3] is not None, row[4], row[5]))
        for row in _by_client(session)
        if row[5]
    )
    for client_id in session.connection().execute(select(col(Client.id))).scalars().all():
        _as_shown(session, client_id)
    assert list(reckoning.disagreements(session)) == []
    return [*found, sums]


def _by_client(session: Session) -> list[Any]:
    return list(session.connection().execute(SUMS))


def _as_shown(session: Session, client_id: int) -> None:
    """What people are told is what is posted, with as many decimals as the currency has."""
    own = [row for row in _by_client(session) if row[4] == client_id and row[2] is None]
    for one in accounts.balances(session, client_id, NOW.date()):
        mine = [row for row in own if (row[0], row[1]) == (one.legal_entity_id, one.currency)]
        assert one.open == sum(row[5] for row in mine if row[3] is not None)
        assert one.unapplied == -sum(row[5] for row in mine if row[3] is None)
        shown = money.display(one.open, one.currency)
        assert int("".join(sign for sign in shown if sign.isdigit())) == one.open


# --- the promise ----------------------------------------------------------------------------------


@settings(
    max_examples=EXAMPLES, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(life=lives(), chance=st.randoms(use_true_random=False))
def test_facts_doubled_and_shuffled_leave_the_same_books(
    books: Store, life: Life, chance: random.Random
) -> None:
    straight = undone(books, lambda session: in_order(session, life))
    crooked = undone(books, lambda session: in_disorder(session, life, chance))
    assert crooked == straight


# --- faults that were found so --------------------------------------------------------------------

BILL: dict[str, Any] = {
    "source": "s", "client_external_id": "ada", "number": "INV-1", "amount": 1_000,
    "currency": "USD", "due_on": NOW.date(),
}  # fmt: skip
ABOUT: dict[str, Any] = {"source": "s", "client_external_id": "ada", "invoice_number": "INV-1"}
PAID: dict[str, Any] = {
    "source": "s", "client_external_id": "ada", "external_id": "P-1", "amount": 600,
    "currency": "USD",
}  # fmt: skip
ISSUED = facts.InvoiceIssued(issued_on=NOW.date(), **BILL)


def corrected(hours: int, **more: Any) -> facts.Fact:
    at = NOW + dt.timedelta(hours=hours)
    return facts.InvoiceCorrected(corrected_at=at, **BILL | more)


def settled(days: int, **more: Any) -> facts.Fact:
    day = NOW + days * DAY
    return facts.PaymentSettled(received_on=day.date(), happened_at=day, **PAID | more)


def shared(payer: str, amount: int, days: int) -> facts.Fact:
    return facts.ShareDescribed(
        payer=payer, payer_name=payer, state="waiting", amount=amount, told_at=NOW + days * DAY,
        **ABOUT,
    )  # fmt: skip


def charged(name: str, amount: int) -> facts.Fact:
    return facts.ChargeAdded(
        external_id=name, kind="late_fee", amount=amount, charged_on=NOW.date(), **ABOUT
    )


def charged_back(outcome: Any, withdrawn: int, days: int) -> facts.Fact:
    return facts.PaymentChargedBack(
        chargeback="c", outcome=outcome, withdrawn=withdrawn, happened_at=NOW + days * DAY, **PAID
    )


def held(days: int, until: int) -> facts.Fact:
    return facts.HoldPlaced(
        source="s", external_id="H", client_external_id="ada", reason="requested",
        placed_at=NOW + days * DAY, until=NOW + until * DAY,
    )  # fmt: skip


PLAN = facts.InvoiceIssued(
    issued_on=NOW.date(),
    instalments=(
        facts.Part(due_on=NOW.date(), amount=500),
        facts.Part(due_on=NOW.date() + 30 * DAY, amount=500),
    ),
    **BILL,
)
DRAFT = facts.InvoiceDrafted(state="draft", drafted_on=NOW.date(), **BILL | {"amount": 900})
OTHER = facts.InvoiceIssued(issued_on=NOW.date(), **BILL | {"number": "INV-2"})
NAMED = {"allocations": (facts.Allocated(invoice_number="INV-2"),)}


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(
            (ISSUED, shared("ppo", 900, 0), shared("acme-health", 900, 1)),
            id="two payers share more than the bill",
        ),
        pytest.param(
            (ISSUED, corrected(1, amount=800), corrected(2, amount=900), corrected(3, amount=800)),
            id="a correction goes back to what an earlier one said",
        ),
        pytest.param(
            (ISSUED, corrected(1, amount=800), corrected(2)),
            id="a correction goes back to what was billed",
        ),
        pytest.param((PLAN, corrected(1, amount=900), corrected(2)), id="a plan is corrected"),
        pytest.param((settled(0, amount=500), settled(3)), id="more of a payment comes later"),
        pytest.param(
            (ISSUED, OTHER, settled(0, invoice_number="INV-1"), settled(1, **NAMED)),
            id="a payment is moved to another bill",
        ),
        pytest.param(
            (settled(0), charged_back("withdrawn", 500, 1), charged_back("lost", 5, 2)),
            id="the end of a chargeback tells less",
        ),
        pytest.param(
            (ISSUED, settled(0, amount=1_004), charged("a", 3), charged("b", 7)),
            id="half of two charges is paid",
        ),
        pytest.param((DRAFT, ISSUED, charged("a", 3)), id="a charge overtakes its bill"),
        pytest.param(
            (DRAFT, ISSUED, facts.InvoiceWrittenOff(happened_at=NOW, **ABOUT)),
            id="a write-off overtakes its bill",
        ),
        pytest.param((held(0, 3), held(1, 9)), id="a hold is placed again"),
    ],
)
def test_a_found_fault_is_mended(books: Store, told: tuple[facts.Fact, ...]) -> None:
    straight = undone(books, lambda session: in_order(session, Life((told,), ())))
    for order in itertools.permutations(told):
        twice = Life(((*order, *reversed(order)),), ())
        assert undone(books, functools.partial(in_order, life=twice)) == straight, order


def test_who_moves_to_another_country_leaves_its_region_behind(books: Store) -> None:
    about = {"source": "s", "external_id": "moved", "name": "Moved"}
    here = facts.ClientDescribed(country="US", region="TX", city="Austin", **about)

    def region_after(session: Session, **more: str) -> tuple[str, str]:
        tell(session, here)
        tell(session, facts.ClientDescribed(**about, **more))
        client = session.execute(select(Client).where(col(Client.name) == "Moved")).scalar_one()
        return client.region, client.city

    assert undone(books, lambda s: region_after(s, country="GB")) == ("", "")
    assert undone(books, lambda s: region_after(s, country="US")) == ("TX", "Austin")
    assert undone(books, lambda s: region_after(s, country="US", region="NY"))[0] == "NY"


# --- a draft that is told again -------------------------------------------------------------------


def drafted(*lines: facts.Line, days: Sequence[int] = ()) -> facts.InvoiceDrafted:
    parts = tuple(facts.Part(due_on=NOW.date() + n * DAY, amount=500) for n in days)
    bill = BILL | {"lines": lines, "instalments": parts}
    return facts.InvoiceDrafted(state="draft", drafted_on=NOW.date(), **bill)


ADVICE = facts.Line(description="Advice", amount=1_000)


@pytest.mark.parametrize(
    ("again", "changes"),
    [
        pytest.param(drafted(ADVICE), False, id="the same"),
        pytest.param(drafted(ADVICE.model_copy(update={"tax_code": "x"})), True, id="its tax"),
        pytest.param(drafted(facts.Line(amount=600), facts.Line(amount=400)), True, id="more"),
        pytest.param(drafted(), True, id="no lines any more"),
        pytest.param(drafted(ADVICE, days=(0, 9)), True, id="in two parts"),
        pytest.param(drafted(ADVICE.model_copy(update={"description": "?"})), True, id="words"),
    ],
)
def test_a_draft_is_written_anew_where_its_lines_or_parts_are_others(
    sqlite_database: Database, again: facts.InvoiceDrafted, *, changes: bool
) -> None:
    """Only what stands at its head was compared; what it was sent for was lost."""

    def told_twice(session: Session) -> list[bool]:
        _found(session)
        return [
            ledger.apply(session, one, NOW, iter(()), keyring).changed
            for one in (drafted(ADVICE), again, again)
        ]

    with (
        closing(Keyring(sqlite_database.keyring_url, MASTER_KEY, durable=False)) as keyring,
        closing(Store(sqlite_database.url, durable=False)) as store,
    ):
        described = [facts.ClientDescribed(source="s", external_id=c, name=c) for c in CLIENTS]
        keyring.make([f"client:{one.key}" for one in described], NOW)
        assert store.write_now(told_twice) == [True, changes, False]
        with store.read() as session:
            bodies = session.execute(select(func.count()).select_from(Vault)).scalar_one()
        assert bodies == len(again.lines)
