"""Whoever holds a token tells facts and waits for the answer."""

import asyncio
import datetime as dt
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import select
from starlette.requests import Request
from typing_extensions import override

from billing import shipped
from billing.models import Client, Invoice, Payment
from bot import api, hearsay
from bot.api import Rates, Refused, handbook, tokens
from bot.factsheet import KINDS
from bot.models import ApiToken
from bot.report import silent
from bot.sandbox import loopback
from tests.bot import telling
from tests.bot.telling import CLIENT, DEARER, DISPUTED, INVOICE, PAID, body, post, token
from tests.factories import Product


@pytest.fixture
async def product(database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    async with telling.listening(database, tmp_path) as running:
        yield running


@pytest.fixture
async def one(sqlite_database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    async with telling.listening(sqlite_database, tmp_path) as running:
        yield running


JSON = b"application/json"

# --- who may? -------------------------------------------------------------------------------------

STRANGERS = (
    "",
    "Bearer",
    "Bearer ",
    "Bearer cfl_",
    "Bearer cfl_0_0",
    "Bearer é",
    "Basic Y2ZsXzA6",
    "Bearer " + "cfl_" * 2000,
)


async def test_without_a_token_nothing_is_read(one: Product) -> None:
    good = await token(one)
    url = f"{one.url}/api/v1/facts"
    almost = (f"Bearer {good}x", f"Bearer {good[:-1]}", good, f"Bearer {good.upper()}")
    for wrong in (*STRANGERS, *almost):
        headers = {"Authorization": wrong, "Content-Type": "application/json"}
        answer = await loopback.post(url, body(CLIENT), headers)
        assert answer.status == 401, wrong
        assert json.loads(answer.body)["error"]["code"] == "unauthorized"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert (await loopback.post(url, body(CLIENT), {})).status == 401
    assert telling.count(one, Client) == 0


async def test_the_store_holds_no_secret(one: Product) -> None:
    good = await token(one)
    with one.store.read() as session:
        row = session.exec(select(ApiToken)).one()
    secret = good.rpartition("_")[2]
    assert secret not in str(row.model_dump())
    assert row.created_by == "cli"


async def test_a_token_that_was_ended_opens_nothing_at_once(product: Product) -> None:
    good = await token(product)
    assert (await post(product, good, body(CLIENT)))[0] == 200
    report = await tokens.revoke(product.app, {"name": "sync", "by": "cli:dana"}, silent)
    assert report.data["revoked_by"] == "cli:dana"
    assert (await post(product, good, body(CLIENT)))[0] == 401
    assert (await tokens.revoke(product.app, {"name": "sync"}, silent)).code == 1


async def test_a_token_ends_on_its_day(one: Product) -> None:
    good = await token(one, days=30)
    assert (await post(one, good, body(CLIENT)))[0] == 200
    one.clock.turn(one.clock.now() + dt.timedelta(days=30))
    assert (await post(one, good, body(CLIENT)))[0] == 401


async def test_the_day_of_its_last_use_is_noted(one: Product) -> None:
    good = await token(one)
    await post(one, good, body(CLIENT))
    with one.store.read() as session:
        assert session.exec(select(ApiToken)).one().last_used_on == one.clock.now().date()


LEAVE = (
    (("facts:write",), "crm", 200),
    (("facts:write",), "stripe", 403),
    (("facts:write:stripe",), "stripe", 200),
    (("facts:write:stripe",), "crm", 403),
    (("facts:write:crm", "facts:write:csv"), "csv", 200),
)


class Counting(api.Api):
    """Books nothing, and counts how many requests it is asked to book at once."""

    here = most = 0

    @override
    async def _book(self, telling: Any) -> Any:
        self.here += 1
        self.most = max(self.most, self.here)
        await asyncio.sleep(0.005)
        self.here -= 1
        return []


async def test_one_request_of_a_token_is_booked_at_a_time(one: Product) -> None:
    headers = [(b"authorization", f"Bearer {await token(one)}".encode()), (b"content-type", JSON)]

    async def told() -> Any:
        return {"type": "http.request", "body": body(CLIENT)}

    def request() -> Request:
        scope = {"type": "http", "method": "POST", "headers": headers, "query_string": b""}
        return Request(scope, told)

    counting = Counting(one.app)
    answers = await asyncio.gather(*(counting.facts(request()) for _ in range(8)))
    assert ({one.status_code for one in answers}, counting.most) == ({200}, 1)


async def test_a_token_speaks_for_its_sources_only(one: Product) -> None:
    for number, (scopes, source, status) in enumerate(LEAVE):
        good = await token(one, *scopes, name=str(number))
        told = CLIENT | {"source": source, "external_id": str(number)}
        assert (await post(one, good, body(told)))[0] == status, (scopes, source)
    assert telling.count(one, Client) == 3


def test_a_token_may_ask_so_often() -> None:
    rates = Rates(3, 2)
    for _ in range(3):
        rates.take(1, 100.0)
    with pytest.raises(Refused) as met:
        rates.take(1, 100.0)
    assert (met.value.status, met.value.headers["Retry-After"]) == (429, "1")
    rates.take(2, 100.0)
    rates.take(1, 100.5)
    with pytest.raises(Refused):
        rates.take(1, 90.0)  # a clock that was put back gives nothing away


async def test_too_many_requests_are_told_when_to_come_again(
    sqlite_database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "BURST", 2)
    async with telling.listening(sqlite_database, tmp_path) as product:
        good = await token(product)
        found = await asyncio.gather(*(post(product, good, b"{}") for _ in range(8)))
        assert {status for status, _, _ in found} == {400, 429}
        assert {headers["Retry-After"] for status, _, headers in found if status == 429} == {"1"}


# --- what is answered? ----------------------------------------------------------------------------


async def test_each_fact_is_answered_with_what_it_changed(product: Product) -> None:
    good = await token(product)
    status, first, _ = await post(product, good, body(CLIENT, INVOICE, PAID))
    assert status == 200
    assert first == {
        "results": [
            {"index": 0, "applied": True, "client": 1},
            {"index": 1, "applied": True, "client": 1, "invoice": 1},
            {"index": 2, "applied": True, "client": 1, "payment": 1},
        ]
    }
    _, again, _ = await post(product, good, body(CLIENT, INVOICE, PAID))
    assert [one["applied"] for one in again["results"]] == [False] * 3
    assert telling.states(product) == {"facts.api": "done"}
    await product.settle()
    assert telling.count(product, Payment) == 1


async def test_every_fact_there_is_can_be_told(product: Product) -> None:
    good = await token(product)
    assert (await post(product, good, body(CLIENT, INVOICE, PAID)))[0] == 200
    for told in telling.EVERY:
        status, found, _ = await post(product, good, body(told), "?partial=true")
        (result,) = found["results"]
        assert (status, result["index"]) == (200, 0)
        assert "applied" in result or result["error"]["code"] in {"unknown", "contradiction"}, told


async def test_the_example_file_tells_every_fact_and_all_of_it_is_news(one: Product) -> None:
    raw, good = shipped.path("examples", "facts.json").read_bytes(), await token(one)
    told = json.loads(raw)["facts"]
    assert {fact["type"] for fact in told} == KINDS.keys()
    status, found, _ = await post(one, good, raw)
    assert status == 200, found
    dull = [told[result["index"]] for result in found["results"] if not result["applied"]]
    assert [fact["type"] for fact in dull] == ["reply_handled"]  # nothing they wrote was waiting
    _, again, _ = await post(one, good, raw)
    assert not any(result["applied"] for result in again["results"])


@pytest.mark.parametrize(
    ("wrong", "code"), [(DEARER, "contradiction"), (DISPUTED | {"invoice_number": "?"}, "unknown")]
)
async def test_all_is_booked_or_nothing(product: Product, wrong: dict[str, Any], code: str) -> None:
    good = await token(product)
    assert (await post(product, good, body(CLIENT, INVOICE)))[0] == 200
    status, found, _ = await post(product, good, body(PAID, wrong))
    assert (status, found["error"]["code"]) == (422, code)
    assert [(one["index"], one["error"]["code"]) for one in found["results"]] == [(1, code)]
    assert telling.count(product, Payment) == 0
    status, found, _ = await post(product, good, body(PAID, wrong), "?partial=true")
    assert status == 200
    assert found["results"][0]["applied"]
    assert found["results"][1]["error"]["code"] == code
    assert telling.count(product, Payment) == 1


@pytest.mark.parametrize("number", ["12", "9" * 30, "²"])
async def test_a_message_that_is_not_here_is_unknown(one: Product, number: str) -> None:
    """No store has a row of thirty digits, and a square is a digit to Python and no number."""
    good = await token(one)
    said = {
        "type": "client_said", "source": "crm", "external_id": "s-1", "intent": "acknowledgement",
        "said_at": "2026-01-05T17:00:00Z", "message": f"touchpoint:{number}",
    }  # fmt: skip
    status, found, _ = await post(one, good, body(said))
    assert (status, found["error"]["code"]) == (422, "unknown")


async def test_what_the_hook_was_told_too_early_is_booked(product: Product) -> None:
    await telling.tell(product, "m1", PAID)
    good = await token(product)
    assert (await post(product, good, body(CLIENT, INVOICE)))[0] == 200
    await product.settle()
    assert telling.count(product, Payment) == 1


async def test_a_wrong_request_is_told_what_to_write(one: Product) -> None:
    good = await token(one)
    status, found, _ = await post(one, good, body(CLIENT, PAID | {"amount": "310.00"}))
    assert status == 400
    assert found["mistakes"][0]["index"] == 1
    assert found["mistakes"][0]["field"] == "amount"
    for raw in (b"", b"\xff", b"[" * 100_000, b'{"a": 1, "a": 1}', b"{}"):
        status, found, _ = await post(one, good, raw)
        assert (status, found["error"]["code"]) == (400, "malformed"), raw[:9]
    assert (await post(one, good, body(CLIENT), "?partial=maybe"))[0] == 400
    assert (await post(one, good, body(CLIENT), **{"Content-Type": "text/xml"}))[0] == 400
    assert (await post(one, good, b" " * 1_000_001))[0] == 413
    assert telling.count(one, Client) == 0


async def test_a_request_has_an_id(one: Product) -> None:
    good = await token(one)
    for given, kept in (("order-7:1", True), ("a b", False), ("x" * 101, False), ("é", False)):
        _, _, headers = await post(one, good, body(CLIENT), **{"X-Request-Id": given})
        assert (headers["X-Request-Id"] == given) == kept
        assert len(headers["X-Request-Id"]) >= 9
    answer = await loopback.post(f"{one.url}/api/v1/facts", b"", {"X-Request-Id": "mine"})
    assert answer.headers["X-Request-Id"] == "mine"


async def test_many_make_the_same_client_at_once(product: Product) -> None:
    good = await token(product)
    found = await asyncio.gather(*(post(product, good, body(CLIENT, INVOICE)) for _ in range(8)))
    assert {status for status, _, _ in found} <= {200, 503}
    assert sum(answer["results"][1]["applied"] for status, answer, _ in found if status == 200) == 1
    assert telling.count(product, Client) == telling.count(product, Invoice) == 1


async def test_two_sources_may_call_two_clients_the_same(one: Product) -> None:
    """One key was made for the two, and the want of the other was an error of ours."""
    good = await token(one)
    assert (await post(one, good, body(CLIENT, CLIENT | {"source": "erp"})))[0] == 200
    assert telling.count(one, Client) == 2


@pytest.mark.parametrize(
    ("name", "code"), [("SQLITE_FULL", "unavailable"), ("SQLITE_BUSY", "busy")]
)
async def test_a_store_that_cannot_be_written_is_not_called_others_at_work(
    one: Product, monkeypatch: pytest.MonkeyPatch, name: str, code: str
) -> None:
    good = await token(one)
    fault = sqlite3.OperationalError(name)
    fault.sqlite_errorname = name

    async def fail(*_args: object, **_more: object) -> None:
        raise OperationalError("INSERT", {}, fault)

    monkeypatch.setattr(one.app.store, "write", fail)
    status, found, headers = await post(one, good, body(CLIENT))
    assert (status, found["error"]["code"]) == (503, code)
    assert int(headers["Retry-After"]) > 0


async def test_a_client_who_is_gone_since_the_keys_were_made_is_told_again(
    one: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = await token(one)
    monkeypatch.setattr(hearsay, "spare_keys", lambda *_: [])
    status, found, _ = await post(one, good, body(CLIENT))
    assert (status, found["error"]["code"]) == (503, "busy")


async def test_a_thousand_facts_are_one_request(one: Product) -> None:
    good = await token(one)
    many = [INVOICE | {"number": f"INV-{number}", "amount": 100 + number} for number in range(999)]
    status, found, _ = await post(one, good, body(CLIENT, *many))
    assert status == 200
    assert all(result["applied"] for result in found["results"])
    assert (await post(one, good, body(CLIENT, *many, *many[:1])))[0] == 400


# --- its page -------------------------------------------------------------------------------------


async def test_the_page_tells_every_fact(one: Product) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{one.url}/api/v1/openapi.json") as answer:
            page = await answer.json()
        async with session.get(f"{one.url}/api/v1/docs") as answer:
            assert answer.status == 200
            shown = await answer.text()
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert [name for name in KINDS if f'id="{name}"' not in shown] == []
    assert "http" not in shown
    asked = page["paths"]["/api/v1/facts"]["post"]
    content = asked["requestBody"]["content"]["application/json"]
    assert set(content["examples"]) == set(KINDS)
    assert "$ref" not in json.dumps(content)
    assert set(asked["responses"]) >= {"200", "400", "401", "403", "413", "422", "429"}
    assert page["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_the_document_tells_every_fact_as_it_is() -> None:
    page = (Path(__file__).parents[3] / "docs/api.md").read_text()
    assert handbook.written(page) == page, "run `python -m bot.api.handbook`"
