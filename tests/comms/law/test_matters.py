"""What names a matter decides, the nearest first; where nothing does, nobody guesses."""

from typing import Any

import pytest

from comms.law.matters import Attribution, Heard, Matter, attributed

BRAM = Matter("Bram suit", frozenset({"INV-5512", "INV-5513"}), open=True)
LEASE = Matter("2026-114", frozenset({"INV-6001"}), open=False)
CODE = Matter("1207", frozenset({"12"}))
WALLED = Matter("Project Heron", billed=False)
KNOWN = [BRAM, LEASE, CODE, WALLED]


def told(own: str, known: list[Matter] | None = None, **more: Any) -> Attribution | None:
    return attributed(Heard(own, **more), KNOWN if known is None else known)


NAMES = {
    "its name": ("About the Bram suit: no.", "Bram suit", "named"),
    "in any form": ("re BRAM\n  Suit", "Bram suit", "named"),
    "its number": ("Re: 2026-114, second draft", "2026-114", "named"),
    "a number called a matter": ("matter no. 1207: yes", "1207", "named"),
    "a matter of no bill": ("Project Heron goes on", "Project Heron", "named"),
    "a bill": ("inv-6001 is paid", "2026-114", "numbered"),
    "the name before a bill": ("Bram suit, not INV-6001", "Bram suit", "named"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_message_is_about_what_it_names(name: str) -> None:
    words, matter, how = NAMES[name]
    found = told(words)
    assert found is not None
    assert (found.matter, found.how) == (matter, how)


@pytest.mark.parametrize(
    "words", ["in 1207 words", "call 555-1207", "the Bram suits", "12 boats", "12026-1140"]
)
def test_a_number_or_a_part_of_a_word_names_nothing(words: str) -> None:
    found = told(words)
    assert found is not None
    assert (found.matter, found.how) == ("Bram suit", "only_open")


def test_the_nearest_evidence_decides_and_every_matter_counts_for_walls() -> None:
    found = told("yes to 2026-114", whole="> about Project Heron", answers=frozenset({"Bram suit"}))
    assert found == Attribution("2026-114", ("2026-114", "Bram suit", "Project Heron"), "named")


@pytest.mark.parametrize(
    ("more", "how"),
    [
        ({"answers": frozenset({"Bram suit"})}, "answered"),
        ({"counsel": frozenset({"Bram suit"})}, "counsel"),
        ({"whole": "> INV-5513"}, "quoted"),
    ],
)
def test_what_it_answers_who_writes_and_what_it_quotes_tell_it(
    more: dict[str, Any], how: str
) -> None:
    found = told("yes", **more)
    assert found == Attribution("Bram suit", ("Bram suit",), how)  # type: ignore[arg-type]


def test_a_message_that_names_two_is_of_neither() -> None:
    found = told("Bram suit and 2026-114")
    assert found == Attribution("", ("2026-114", "Bram suit"), "several")


def test_what_names_nothing_is_of_the_only_open_matter_and_behind_every_wall() -> None:
    assert told("yes") == Attribution("Bram suit", ("1207", "2026-114", "Bram suit"), "only_open")
    two = [BRAM, Matter("2026-114", open=True)]
    assert told("yes", two) == Attribution("", ("2026-114", "Bram suit"), "several")


def test_the_only_matter_is_the_matter_and_of_no_matter_nothing_is_told() -> None:
    assert told("yes", [LEASE]) == Attribution("2026-114", ("2026-114",), "only")
    assert told("yes", [WALLED]) is None
    assert told("yes", []) is None
