"""Does nothing that is labelled get out, whatever happens on the way?"""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comms.compliance import numbers
from comms.compliance.detectors import DETECTORS, Detector
from comms.compliance.labels import Label, Span
from comms.compliance.masking import SEALED
from comms.compliance.material import Content, Material
from comms.compliance.screening import LONGEST, Screen, parts, screen

_PREFIXES = {"4": 16, "51": 16, "55": 16, "2221": 16, "34": 15, "37": 15, "6011": 16, "65": 16,
             "36": 14, "3530": 16, "62": 16}  # fmt: skip
_BETWEEN = ("", " ", "-", ".", "\u00a0", "\u200b", "  ", "\n")


@st.composite
def written_cards(draw: st.DrawFn) -> tuple[str, str]:
    """A valid number, and how somebody writes it."""
    prefix = draw(st.sampled_from(sorted(_PREFIXES)))
    size = _PREFIXES[prefix] - len(prefix) - 1
    body = prefix + draw(st.text("0123456789", min_size=size, max_size=size))
    number = next(body + digit for digit in "0123456789" if numbers.luhn(body + digit))
    gap = draw(st.sampled_from(_BETWEEN))
    groups = (4, 10, 15) if len(number) == 15 else (4, 8, 12, 16)
    cuts = [0, *(cut for cut in groups if cut < len(number)), len(number)]
    return number, gap.join(number[a:b] for a, b in pairwise(cuts))


@pytest.mark.parametrize("body", ["", " \n", "Thanks", "Hi all,\n\nAnn"])
@pytest.mark.parametrize(
    ("subject", "label"),
    [
        ("Our lawyer advises us to settle the Bram suit before trial", Label.PRIVILEGED),
        ("PRIVILEGED AND CONFIDENTIAL ATTORNEY CLIENT COMMUNICATION", Label.PRIVILEGED),
        ("My oncologist found a lump in my breast", Label.PHI),
        ("Attorney fees, invoice 5512", Label.NONE),
    ],
)
def test_a_subject_without_a_letter_is_the_letter(body: str, subject: str, label: Label) -> None:
    found = screen(Content(body, "ann@x.example", "email", subject))
    assert found.labels == (label,)
    assert found.masked_subject == (subject if label is Label.NONE else SEALED)


@given(written_cards(), st.sampled_from(["use {} please", "{}", "card:{}", "({})", "> {}\nok"]))
@settings(max_examples=60, deadline=None)
def test_a_valid_card_is_masked_in_any_form(card: tuple[str, str], around: str) -> None:
    number, written = card
    content = Content(around.format(written), "client", "sms")
    screened = screen(content)
    assert Label.PAN in screened.labels
    assert (Label.PAN, written) in list(parts(content, screened))
    assert number[:-4] not in "".join(filter(str.isdigit, screened.masked))
    assert screen(Content(screened.masked, "client", "sms")).labels == (Label.NONE,)


@given(st.text(max_size=200))
@settings(max_examples=50, deadline=None)
def test_any_text_is_answered_with_its_own_characters(body: str) -> None:
    content = Content(body, "client", "email")
    screened = screen(content)
    assert not screened.failed
    assert all(0 <= span.start < span.end <= len(body) for span in screened.spans)
    if screened.labels == (Label.NONE,):
        assert screened.masked == body


def _crashes(_material: Material) -> Iterator[Span]:
    raise RuntimeError("out of order")


@pytest.mark.parametrize("place", [0, len(DETECTORS)], ids=["first", "last"])
def test_a_detector_that_crashes_seals_the_message(place: int) -> None:
    broken = [*DETECTORS]
    broken.insert(place, Detector("broken", lambda _material: True, _crashes))
    screened = Screen(broken)(Content("see you at ten", "client", subject="lunch"))
    assert screened.sealed
    assert screened.labels == (Label.UNSCREENED,)
    assert screened.failed == ("broken",)
    assert (screened.masked, screened.masked_subject) == (SEALED, SEALED)
    assert screened.billing_fact is None


def _crashes_at_once(_material: Material) -> bool:
    raise KeyError("broken")


def test_a_cue_that_crashes_seals_the_message() -> None:
    broken = Detector("broken", _crashes_at_once, lambda _material: ())
    assert Screen([broken])(Content("see you at ten")).sealed


def test_a_message_that_takes_too_long_is_sealed() -> None:
    screened = screen(Content("see you at ten"), spent=lambda: True)
    assert screened.sealed
    assert screened.failed


def test_a_message_too_long_to_read_is_sealed() -> None:
    screened = screen(Content("x" * (LONGEST + 1)))
    assert screened.failed == ("length",)


def test_a_value_is_covered_wherever_it_is_written_again() -> None:
    body = "password is Rainy-Tuesday-4, yes Rainy-Tuesday-4. SSN 111-22-3333, again 111223333."
    masked = screen(Content(body, "client", "sms")).masked
    assert "Tuesday" not in masked
    assert "111" not in masked
    assert "[ssn ****3333]" in masked


def test_a_security_code_and_a_birthday_leave_nothing() -> None:
    masked = screen(Content("4242424242424242 12/28 cvv 905, dob 04/17/1962", "client")).masked
    assert masked == "[card ****4242] 12/28 cvv [***], dob [date]"


def test_labels_of_quoted_words_count() -> None:
    body = "ok thanks\n\nOn Friday Ann wrote:\n> my card is 4242 4242 4242 4242\n> bye"
    assert screen(Content(body)).labels == (Label.PAN,)


FACTS = {
    "approval": (
        (
            "Counselor, our exposure in the Hartwell case is about $200k. Also, invoice 5512 is"
            " approved for payment."
        ),
        "invoice 5512 is approved for payment",
    ),
    "payment": (
        (
            "Paid INV-2087 this morning by wire. Should I tell the insurer about the first leak"
            " or am I liable then?"
        ),
        "Paid INV-2087 this morning by wire",
    ),
    "engagement letter": (
        "We signed the engagement letter. Now, can my landlord evict me without a court order?",
        "We signed the engagement letter",
    ),
    "none": ("Can my landlord evict me without a court order?", None),
}


@pytest.mark.parametrize(("body", "fact"), FACTS.values(), ids=FACTS)
def test_only_the_billing_fact_of_a_sealed_message_is_told(body: str, fact: str | None) -> None:
    screened = screen(Content(body, "client"))
    assert screened.sealed
    assert screened.masked == SEALED
    assert screened.billing_fact == fact


def test_a_fact_that_holds_a_number_to_hide_is_not_told() -> None:
    body = "Paid invoice 4242424242424242 today. Can my landlord evict me without a court order?"
    fact = screen(Content(body, "client")).billing_fact
    assert fact is None or "4242424242424242" in fact
    assert screen(Content(fact or "", "staff")).labels == (Label.NONE,)
