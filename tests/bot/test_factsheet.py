import json
from typing import Any

import pytest

from billing import facts
from bot import factsheet
from bot.api import handbook
from bot.factsheet import KINDS, Misread

PAID: dict[str, Any] = {
    "type": "payment_settled",
    "source": "crm",
    "external_id": "p-1",
    "client_external_id": "a-17",
    "amount": 31_000,
    "currency": "USD",
    "received_on": "2026-01-05",
}


def wrong(body: bytes) -> str:
    with pytest.raises(Misread) as met:
        factsheet.read(body)
    return str(met.value)


def said(item: Any) -> str:
    return wrong(json.dumps(item).encode())


def test_a_number_that_is_covered_does_not_hide_a_name_that_stands_twice() -> None:
    body = b'{"type": "x", "amount": 1, "amount": 2, "reason": "4111 1111 1111 1111"}'
    assert "same name twice" in wrong(factsheet.covered(body))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("size", ["short", "whole"])
def test_every_fact_can_be_told_and_written_again(name: str, size: str) -> None:
    told = handbook.example(KINDS[name], whole=size == "whole")
    (read,) = factsheet.read(json.dumps(told).encode())
    assert type(read) is KINDS[name]
    assert factsheet.type_of(read) == name
    assert factsheet.read(factsheet.write([read])) == [read]


def test_a_fact_needs_no_list() -> None:
    (one,) = factsheet.read(json.dumps(PAID).encode())
    assert isinstance(one, facts.PaymentSettled)
    assert factsheet.read(json.dumps({"facts": [PAID, PAID]}).encode()) == [one, one]
    assert factsheet.read(json.dumps([PAID]).encode()) == [one]


WRONG: tuple[tuple[str, Any, str], ...] = (
    ("amount", 310.0, "minor units"),
    ("amount", "31000", "minor units"),
    ("amount", True, "minor units"),
    ("amount", None, "minor units"),
    ("amount", 0, "greater than 0"),
    ("amount", -1, "greater than 0"),
    ("amount", 2**63, "less than"),
    ("amount", 10**400, "less than"),
    ("currency", "DOL", "is not a currency"),
    ("currency", 5, "text in quotes"),
    ("received_on", "01/05/2026", "a day such as"),
    ("received_on", 1_767_225_600, "a day such as"),
    ("received_on", "1767225600", "a day such as"),
    ("received_on", "2026-01-05T00:00:00", "a day such as"),
    ("received_on", "2026-02-30", "a day such as"),
    ("source", "CRM", "short lower-case name"),
    ("external_id", "", "fill it in"),
    ("external_id", "x" * 301, "at most 300"),
    ("external_id", "a\x00b", "control character"),
    ("external_id", "\ud800", "lone surrogate"),
    ("external_id", {"a": 1}, "text in quotes"),
    ("ammount", 5, "did you mean amount?"),
    ("invoice", "INV-1", "is no field of payment_settled"),
    ("type", "payment_setled", "did you mean payment_settled?"),
    ("type", 5, "is missing; write one of"),
    ("type", None, "is missing; write one of"),
)


@pytest.mark.parametrize(
    "number", range(len(WRONG)), ids=lambda number: f"{number}-{WRONG[number][0]}"
)
def test_a_wrong_field_is_named_with_what_to_write(number: int) -> None:
    field, value, sentence = WRONG[number]
    found = said({"facts": [PAID, PAID | {field: value}]})
    assert "fact 1" in found
    assert sentence in found
    assert field in found or "surrogate" in found


@pytest.mark.parametrize("field", [name for name in PAID if name != "type"])
def test_a_missing_field_is_named(field: str) -> None:
    told = {name: value for name, value in PAID.items() if name != field}
    assert said(told) == f"fact 0: {field}: is missing; fill it in"


NO_FACTS = (
    (b"", "is not JSON"),
    (b"{", "is not JSON"),
    (b"null", "neither a fact"),
    (b'"x"', "neither a fact"),
    (b"{}", "neither a fact"),
    (b'{"facts": {}}', "neither a fact"),
    (b'{"facts": [], "more": 1}', "neither a fact"),
    (b'{"facts": []}', "0 facts"),
    (b'{"facts": [[]]}', "fact 0 is no object"),
    (b'{"facts": [null]}', "fact 0 is no object"),
    (b'{"facts": [' + b"0," * 1000 + b"0]}", "1,001 facts"),
    (b"\xff\xfe{}", "UTF-8"),
    ('{"type": "€'.encode()[:-1], "UTF-8"),
    ('{"a": 1}'.encode("utf-16"), "UTF-8"),
    (b"\xef\xbb\xbf{}", "is not JSON"),
    (b"[" * 100_000, "nested too deeply"),
    (b'{"a":' * 100_000, "nested too deeply"),
    (b'{"type": "x", "type": "y"}', "same name twice"),
    (b'{"facts": [{"a": {"b": 1, "b": 2}}]}', "same name twice"),
    (b'{"amount": NaN}', "NaN"),
    (b'{"amount": -Infinity}', "NaN"),
    (b'{"amount": ' + b"9" * 5000 + b"}", "too long"),
    (b'{"type": "payment_settled"} {}', "is not JSON"),
)


@pytest.mark.parametrize("number", range(len(NO_FACTS)))
def test_what_is_no_list_of_facts_is_said(number: int) -> None:
    body, sentence = NO_FACTS[number]
    assert sentence in wrong(body)


def test_deep_nesting_inside_a_fact_is_a_mistake_like_others() -> None:
    for depth in (50, 300, 700, 900):
        deep = ("[" * depth + "]" * depth).encode()
        body = json.dumps(PAID).encode()[:-1] + b', "matter": ' + deep + b"}"
        assert wrong(body)


def test_all_mistakes_are_told_at_once_and_not_without_end() -> None:
    with pytest.raises(Misread) as met:
        factsheet.read(json.dumps([PAID | {"amount": 0}] * 500).encode())
    assert [one.index for one in met.value.mistakes] == list(range(20))


def test_what_was_sent_is_not_repeated() -> None:
    assert "hunter2" not in said(PAID | {"amount": "hunter2", "currency": ["hunter2"]})
