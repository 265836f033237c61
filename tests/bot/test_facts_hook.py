"""Anybody who holds the secret tells facts: what is answered, and what becomes of them?"""

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select
from standardwebhooks import Webhook

from billing import ledger
from billing.facts import ClientDescribed
from billing.keyring import Keyring
from billing.models import (
    Address,
    Client,
    Contact,
    ContactAddress,
    Invoice,
    InvoiceDispute,
    Payment,
)
from billing.store import Store
from bot import audit, intake, signature, understanding
from bot.factsheet import KINDS
from bot.sandbox import loopback
from comms.models import Message
from tests import factories
from tests.bot import telling
from tests.bot.telling import (
    CLIENT,
    DEARER,
    DISPUTED,
    INVOICE,
    PAID,
    body,
    hook,
    rows,
    states,
    tell,
)
from tests.factories import FINANCE, Known, Product


@pytest.fixture
async def product(database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    async with telling.listening(database, tmp_path) as running:
        yield running


@pytest.fixture
async def one(sqlite_database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    async with telling.listening(sqlite_database, tmp_path) as running:
        yield running


def finance(product: Product) -> str:
    """What the finance channel shows."""
    return "".join(str(post) for post in product.slack.messages(FINANCE))


# --- who tells? -----------------------------------------------------------------------------------


async def test_a_signed_delivery_is_kept_before_it_is_answered(one: Product) -> None:
    for name, secret in (("now", telling.SECRET), ("before", telling.OLD_SECRET)):
        answer = await hook(one, body(CLIENT, INVOICE), name, secret=secret)
        assert (answer.status, json.loads(answer.body)) == (200, {"kept": 2})
    assert [(row.source, row.external_id, row.state) for row in rows(one)] == [
        ("facts", "now", "pending"),
        ("facts", "before", "pending"),
    ]


async def test_a_signature_is_good_for_five_minutes(one: Product) -> None:
    for age, status in ((290, 200), (310, 401), (-290, 200), (-310, 401)):
        assert (await hook(one, body(CLIENT), age=age)).status == status, age


FORGED: tuple[dict[str, str], ...] = (
    {"webhook-signature": ""},
    {"webhook-signature": "v1"},
    {"webhook-signature": "v1,"},
    {"webhook-signature": "v1,####"},
    {"webhook-signature": "v1,é"},
    {"webhook-signature": "v1," + "A" * 43 + "="},
    {"webhook-signature": "v1a,AAAA v2,BBBB"},
    {"webhook-signature": ", " * 500},
    {"webhook-timestamp": ""},
    {"webhook-timestamp": "nan"},
    {"webhook-timestamp": "1e9"},
    {"webhook-timestamp": "-1"},
    {"webhook-timestamp": "9" * 30},
    {"webhook-timestamp": "١٢٣"},
    {"webhook-id": ""},
    {"webhook-id": "msg_2"},
    {"webhook-id": "é"},
)


async def test_what_nobody_signed_is_refused(one: Product) -> None:
    raw = body(CLIENT)
    good = telling.signed(one, raw)
    url = f"{one.url}/hooks/facts"
    for wrong in FORGED:
        assert (await loopback.post(url, raw, good | wrong)).status == 401, wrong
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        without = {key: value for key, value in good.items() if key != name}
        assert (await loopback.post(url, raw, without)).status == 401, name
    assert (await loopback.post(url, raw + b" ", good)).status == 401
    assert (await hook(one, raw, secret="whsec_" + "QUJD" * 8)).status == 401
    assert rows(one) == []


async def test_one_of_several_signatures_is_enough(one: Product) -> None:
    raw = body(CLIENT)
    headers = telling.signed(one, raw)
    both = f"v1a,xyz v1,AAAA {headers['webhook-signature']}"
    answer = await loopback.post(
        f"{one.url}/hooks/facts", raw, headers | {"webhook-signature": both}
    )
    assert answer.status == 200


async def test_without_a_secret_nobody_may_tell(sqlite_database: Any, tmp_path: Path) -> None:
    none = {"facts_hook_secret": None, "facts_hook_secret_previous": None}
    async with telling.listening(sqlite_database, tmp_path, **none) as product:
        assert (await hook(product, body(CLIENT))).status == 401


def test_the_signature_is_that_of_the_reference_library() -> None:
    import datetime as dt

    moment = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    sign = Webhook(telling.SECRET).sign("msg_1", moment, "{}")
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(moment.timestamp()))}
    headers["Webhook-Signature"] = sign
    assert signature.verify(b"{}", headers, [telling.SECRET], moment.timestamp())
    assert not signature.verify(b"{}", headers, [telling.OLD_SECRET], moment.timestamp())


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_QUJD", "not base64 at all!", "é" * 40])
def test_a_secret_that_is_none_is_said_at_the_start(secret: str) -> None:
    with pytest.raises(ValueError, match="16 bytes in base64"):
        signature.key_of(secret)


# --- for whom do they speak? ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sources", "heard", "unheard"),
    [("", ["crm", "erp"], ["csv", "stripe"]), ("crm,csv", ["crm", "csv"], ["erp", "stripe"])],
    ids=["any", "named"],
)
async def test_nobody_speaks_for_another(
    sources: str, heard: list[str], unheard: list[str], sqlite_database: Any, tmp_path: Path
) -> None:
    given = {"facts_hook_sources": sources}
    async with telling.listening(sqlite_database, tmp_path, **given) as product:
        for source in heard:
            assert (await hook(product, body(CLIENT | {"source": source}), source)).status == 200
        for source in unheard:
            answer = await hook(product, body(CLIENT | {"source": source}), source)
            assert answer.status == 400
            assert "you may speak for" in answer.body


# --- what is it? ----------------------------------------------------------------------------------


async def test_what_cannot_be_read_is_named_and_not_kept(one: Product) -> None:
    answer = await hook(one, body(CLIENT, PAID | {"amount": 310.0}))
    assert answer.status == 400
    (mistake,) = json.loads(answer.body)["mistakes"]
    assert (mistake["index"], mistake["field"]) == (1, "amount")
    assert "minor units" in mistake["message"]
    for raw in (b"", b"[" * 100_000, b'{"a": NaN}', b"\xef\xbb\xbf{}", b'{"a": 1, "a": 2}'):
        assert (await hook(one, raw)).status == 400, raw[:20]
    assert rows(one) == []


async def test_signed_bytes_of_any_kind_break_nothing(one: Product) -> None:
    chance = random.Random(3)
    key = signature.key_of(telling.SECRET)
    for raw in (b"\xff\xfe", "{}".encode("utf-16"), *(chance.randbytes(99) for _ in range(5))):
        headers = telling.signed(one, b"")
        text = f"msg_1.{headers['webhook-timestamp']}.".encode() + raw
        headers["webhook-signature"] = _v1(key, text)
        answer = await loopback.post(f"{one.url}/hooks/facts", raw, headers)
        assert answer.status == 400
        assert "UTF-8" in answer.body or "JSON" in answer.body
    assert rows(one) == []


def _v1(key: bytes, text: bytes) -> str:
    import base64
    import hmac

    return "v1," + base64.b64encode(hmac.digest(key, text, "sha256")).decode()


async def test_what_says_that_it_is_no_json_is_not_taken(one: Product) -> None:
    raw = body(CLIENT)
    for kind in ("", "text/plain", "application/x-www-form-urlencoded", "é"):
        headers = telling.signed(one, raw) | {"Content-Type": kind}
        assert (await loopback.post(f"{one.url}/hooks/facts", raw, headers)).status == 400, kind


async def test_what_is_too_large_is_refused(one: Product) -> None:
    raw = body(CLIENT) + b" " * 1_000_000
    assert (await hook(one, raw)).status == 413
    assert rows(one) == []


async def test_an_id_that_no_row_takes_is_refused(one: Product) -> None:
    assert (await hook(one, body(CLIENT), "x" * 501)).status == 400


# --- what becomes of it? --------------------------------------------------------------------------


async def test_every_fact_there_is_can_be_told(product: Product) -> None:
    await tell(product, "world", CLIENT, INVOICE, PAID)
    for number, told in enumerate(telling.EVERY):
        assert (await hook(product, body(told), f"e{number}")).status == 200, told
    await product.settle()
    found = {row.external_id: row.state for row in rows(product) if row.source == "facts"}
    assert found == dict.fromkeys(found, "done")
    assert len(found) == len(KINDS) + 4


async def test_the_same_delivery_twice_has_its_effect_once(product: Product) -> None:
    for _ in range(3):
        await tell(product, "m1", CLIENT, INVOICE, PAID)
    await tell(product, "m2", PAID, INVOICE, CLIENT)
    assert telling.count(product, Payment) == telling.count(product, Invoice) == 1
    receipts = [m for m in _messages(product) if m.template == "receipt"]
    assert len(receipts) == 1


def _messages(product: Product) -> list[Message]:
    with product.store.read() as session:
        return list(session.exec(select(Message)))


async def test_an_id_is_for_one_delivery_only(product: Product) -> None:
    await tell(product, "m1", CLIENT)
    assert (await hook(product, body(CLIENT), "m1")).status == 200
    answer = await hook(product, body(INVOICE), "m1")
    assert answer.status == 400
    assert "id of its own" in answer.body


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[3::7], ids=str)
async def test_facts_may_come_in_any_order(one: Product, order: tuple[int, ...]) -> None:
    told = [CLIENT, INVOICE, PAID, DISPUTED]
    for number in order:
        await tell(one, f"m{number}", told[number])
    await one.later(minutes=1)
    assert telling.count(one, Payment) == telling.count(one, InvoiceDispute) == 1
    assert {row.state for row in rows(one)} == {"done"}


async def test_what_waits_is_booked_when_its_client_comes(product: Product) -> None:
    await tell(product, "m1", DISPUTED, PAID, INVOICE)
    assert states(product) == {"facts": "done", "facts.waiting": "pending"}
    await tell(product, "m2", CLIENT)
    assert states(product) == {"facts": "done", "facts.waiting": "done"}
    with product.store.read() as session:
        (payment,) = session.exec(select(Payment))
        assert payment.amount == 31_000
        assert len(session.exec(select(InvoiceDispute)).all()) == 1


async def test_what_waits_does_not_keep_the_others(one: Product) -> None:
    stranger = PAID | {"client_external_id": "nobody", "external_id": "x-2"}
    await tell(one, "m1", CLIENT, stranger, INVOICE, PAID)
    assert telling.count(one, Payment) == 1
    assert states(one) == {"facts": "done", "facts.waiting": "pending"}


async def test_a_delivery_about_a_client_and_somebody_unknown_is_no_ones(one: Product) -> None:
    await tell(one, "1", CLIENT)
    await tell(one, "2", INVOICE, PAID)
    await tell(one, "3", INVOICE, INVOICE | {"client_external_id": "b-1", "number": "INV-9"})
    assert [row.client_id for row in rows(one) if row.source == "facts"] == [1, 1, None]


async def test_what_waits_is_no_standstill(one: Product) -> None:
    await tell(one, "m1", PAID)
    await one.later(hours=2)
    found = [finding.kind for finding in audit.look(one.app)]
    assert [kind for kind in found if kind.startswith("incoming")] == []


async def test_after_a_day_finance_hears_what_is_missing(product: Product) -> None:
    await tell(product, "m1", PAID, PAID | {"external_id": "x-2"})
    await product.later(hours=23)
    assert "waited for a day" not in finance(product)
    await product.later(hours=1)
    await product.later(hours=1)
    assert states(product)["facts.waiting"] == "failed"
    shown = finance(product)
    assert "2 facts of crm waited for a day and cannot be booked" in shown
    assert "client a-17 of crm is not known; describe it first" in shown
    assert len(rows(product)) == 2


async def test_a_contradiction_goes_to_finance_with_its_sentence(product: Product) -> None:
    await tell(product, "m1", CLIENT, INVOICE)
    await tell(product, "m2", DEARER, PAID)
    assert telling.count(product, Payment) == 1
    assert states(product) == {"facts": "done", "facts.refused": "failed"}
    shown = finance(product)
    assert "A fact of crm contradicts what we hold" in shown
    assert "invoice INV-204 was issued with 31000 USD" in shown
    with product.store.read() as session:
        assert session.exec(select(Invoice.amount)).one() == 31_000


async def test_one_that_waited_may_contradict(product: Product) -> None:
    await tell(product, "m1", DEARER)
    await tell(product, "m2", CLIENT, INVOICE)
    await product.later(minutes=1)
    assert states(product)["facts.refused"] == "failed"
    assert "A fact of crm contradicts" in finance(product)


async def test_a_history_thanks_nobody_and_chases_as_an_import_does(one: Product) -> None:
    old = INVOICE | {"number": "OLD", "issued_on": "2024-01-05", "due_on": "2024-02-04"}
    paid = PAID | {"invoice_number": "OLD", "received_on": "2024-03-01"}
    await tell(one, "m1", CLIENT, old, paid, old | {"number": "OPEN"})
    assert [m.template for m in _messages(one) if m.audience == "client"] == []
    with one.store.read() as session:
        assert session.exec(select(Client)).one().imported_on is not None


# --- whatever happens -----------------------------------------------------------------------------


async def test_what_was_kept_outlives_the_process(database: Any, tmp_path: Path) -> None:
    async with telling.listening(database, tmp_path) as product:
        assert (await hook(product, body(CLIENT, INVOICE, PAID))).status == 200
    async with telling.listening(database, tmp_path) as again:
        await again.settle()
        assert telling.count(again, Payment) == 1
        assert states(again) == {"facts": "done"}


async def test_a_break_in_the_middle_leaves_nothing_half(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell(product, "m1", CLIENT)
    book = ledger.apply
    broken = iter([True])

    def apply(session: Any, fact: Any, *rest: Any) -> Any:
        if fact.key.startswith("crm/payment") and next(broken, False):
            raise RuntimeError("cut")
        return book(session, fact, *rest)

    monkeypatch.setattr(ledger, "apply", apply)
    assert (await hook(product, body(INVOICE, PAID), "m2")).status == 200
    with pytest.raises(ExceptionGroup):
        await understanding.understand(product.app)
    assert telling.count(product, Invoice) == 0
    await product.later(seconds=6)
    assert telling.count(product, Invoice) == telling.count(product, Payment) == 1


async def test_many_tell_at_once(product: Product) -> None:
    def of(number: int) -> list[dict[str, Any]]:
        name = {"client_external_id": f"c{number}"}
        return [
            CLIENT | {"external_id": f"c{number}", "email": f"c{number}@x.example"},
            INVOICE | name | {"number": f"INV-{number}"},
            PAID | name | {"external_id": f"p{number}", "invoice_number": f"INV-{number}"},
        ]

    every = [
        (f"{kind}-{number}", fact) for number in range(3) for kind, fact in enumerate(of(number))
    ]
    random.Random(5).shuffle(every)
    answers = await asyncio.gather(*(hook(product, body(fact), name) for name, fact in every * 2))
    assert {answer.status for answer in answers} == {200}
    await product.settle()
    await product.later(minutes=1)
    assert telling.count(product, Payment) == telling.count(product, Invoice) == 3


def test_who_shares_an_address_is_locked_with_whom_it_is_told_of(
    store: Store, keyring: Keyring
) -> None:
    """What the firm says of consent stands in the chains of both."""

    def shared(session: Session) -> Known:
        return factories.client(session, keyring, factories.NOON, "Northwind")

    known = store.write_now(shared)
    with store.read() as session:
        (contact,) = session.exec(select(Contact).where(Contact.client_id == known.client_id))
        mailbox = session.exec(
            select(Address.value)
            .join(ContactAddress, col(ContactAddress.address_id) == Address.id)
            .where(ContactAddress.contact_id == contact.id, Address.kind == "email")
        ).one()
        told = ClientDescribed(source="crm", external_id="new", name="Another", email=mailbox)
        assert intake.clients_of(told)(session) == {known.client_id}
