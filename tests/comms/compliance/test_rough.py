"""Where no detector answers, numbers are hidden all the same, and hostile texts cost no more."""

import pytest

from comms.compliance import rough
from tests.comms.compliance.work import calls

HIDDEN = {
    "card": "4242 4242 4242 4242",
    "card over lines": "5555-5555\n5555-4444",
    "glued to its expiry": "555555555555444412/27",
    "full-width": "".join(chr(0xFF10 + int(sign)) for sign in "4242424242424242"),
    "amex": "3782 822463 10005",
    "ssn": "219-09-9999",
    "iban": "GB82 WEST 1234 5698 7654 32",
    "code": "cvv: 905",
    "security code": "security code is 1234",
}


@pytest.mark.parametrize("name", HIDDEN)
def test_what_has_the_form_of_a_number_is_hidden(name: str) -> None:
    said = rough.hidden(f"hello {HIDDEN[name]} bye")
    assert rough.HIDDEN in said
    assert said.startswith("hello ")
    assert said.endswith(" bye")
    assert not any(sign.isdigit() for sign in said.replace("12/27", ""))


def test_numbers_side_by_side_are_all_hidden() -> None:
    said = rough.hidden(
        "ssn 219-09-9999 and GB82 WEST 1234 5698 7654 32 cvv: 905, then 4111 1111 1111 1111"
    )
    assert said == "ssn [number] and [number] [number], then [number]"


@pytest.mark.parametrize("plain", ["INV-5512 of 2026-03-04", "call +1 212 555 0123", "4242 4242"])
def test_what_has_no_such_form_stays(plain: str) -> None:
    assert rough.hidden(plain) == plain


@pytest.mark.parametrize("piece", ["1 ", "1        ", "=3", "ab12", "cvv ", "219-09-", "4242 "])
def test_a_hostile_text_costs_as_much_as_it_is_long(piece: str) -> None:
    few = calls(lambda: rough.hidden(piece * 300))
    many = calls(lambda: rough.hidden(piece * 1_200))
    assert many <= 5 * few + 1_000
