"""Words that come in otherwise than in a client's message hold no number when they are kept."""

import json

import pytest

from bot import factsheet
from comms.compliance.clearance import Reader, Sink
from comms.compliance.labels import SEALING
from comms.duties import notes
from comms.listening import quoting
from comms.writing import covering

CARD = "4532015112830366"
ADVICE = "Our lawyer advises us to settle the Bram suit before trial and to say nothing."


@pytest.mark.parametrize(
    "text",
    [
        f"Take it from {CARD}",
        f"card {' '.join(CARD)}",
        "my SSN is 207-62-8664",
        "password: Kq7bad9Zx",
    ],
)
def test_a_line_that_staff_type_is_kept_without_its_number(text: str) -> None:
    assert covering.line(text) != text
    assert CARD not in covering.line(text).replace(" ", "")


@pytest.mark.parametrize(
    "text", ["Asked to wait until Friday", "Invoice INV-2026-0417", "late since 2026-01-06", ""]
)
def test_a_line_without_one_stays_as_it_is(text: str) -> None:
    assert covering.line(text) == text


def test_a_fact_keeps_its_names_of_things_and_no_number_in_its_words() -> None:
    fact = {
        "type": "client_described", "source": "crm", "external_id": f"c-{CARD}",
        "name": f"It {CARD}", "city": "Albany",
    }  # fmt: skip
    kept = json.loads(factsheet.covered(json.dumps({"facts": [fact]}).encode()))["facts"][0]
    assert kept["external_id"] == fact["external_id"]
    assert kept["name"] == f"It [card ****{CARD[-4:]}]"
    assert kept["city"] == "Albany"


@pytest.mark.parametrize(
    "body", [b'{"facts": [ {"name": "Ann"} ]}', b"no json", b"\xff", b"[" * 9000]
)
def test_a_body_without_one_is_kept_byte_for_byte(body: bytes) -> None:
    assert factsheet.covered(body) == body


@pytest.mark.parametrize("mailbox", ["ann@client.example", "no address"])
def test_an_address_is_shown_as_it_is(mailbox: str) -> None:
    assert covering.address(mailbox) == mailbox


def test_a_mailbox_that_is_called_like_a_card_is_not() -> None:
    assert covering.address(f"{CARD}@stranger.example") == "[card ****0366]@stranger.example"


def test_what_counsel_told_a_colleague_is_shown_to_those_alone_who_are_cleared() -> None:
    assert "Bram" not in notes.shown(ADVICE)
    assert notes.shown(ADVICE).startswith("Sealed: legal advice")
    assert notes.shown(ADVICE, Reader(Sink.PERSON, SEALING)) == ADVICE
    assert notes.shown("They asked for a few days") == "They asked for a few days"


@pytest.mark.parametrize(
    ("text", "again"),
    [
        (ADVICE, True),
        (f"> {ADVICE.upper()}", True),
        ("As he said, settle the Bram\n> suit before trial, and to say nothing!", True),
        ("Our lawyer advises us to pay.", False),
        ("", False),
    ],
)
def test_words_that_say_it_again_are_told_from_others(text: str, *, again: bool) -> None:
    assert quoting.repeats(text, ADVICE) is again


def test_of_a_word_or_two_nothing_can_be_told() -> None:
    assert not quoting.repeats("Yes, thanks. We agree.", "Yes, thanks.")
