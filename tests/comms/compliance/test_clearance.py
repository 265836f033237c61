from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.models import Role
from bot import access
from comms.compliance import clearance
from comms.compliance.clearance import Content, Form, Reader, Sink, release
from comms.compliance.labels import SEALING, Label

ADVICE = Content("Counsel says: settle.", frozenset({Label.PRIVILEGED}), "INV-7 approved.")
LABELS = st.frozensets(st.sampled_from([one for one in Label if one is not Label.NONE]))
READERS = st.builds(Reader, st.sampled_from(Sink), LABELS, st.booleans())
CONTENTS = st.builds(Content, st.just("the words"), LABELS, st.sampled_from(["", "the fact"]))


@dataclass
class Ruling:
    change: str
    label: str


@pytest.mark.parametrize(
    ("reader", "form", "text"),
    [
        (Reader(Sink.CHANNEL), Form.FACT, "INV-7 approved."),
        (Reader(Sink.PERSON, access.cleared([Role.ACCOUNT_MANAGER])), Form.FACT, "INV-7 approved."),
        (Reader(Sink.PERSON, access.cleared([Role.COMPLIANCE])), Form.FACT, "INV-7 approved."),
        (
            Reader(Sink.PERSON, access.cleared([Role.PRIVILEGED])),
            Form.FULL,
            "Counsel says: settle.",
        ),
        (Reader(Sink.CHANNEL, frozenset(Label), outside=True), Form.NOTHING, ""),
        (Reader(Sink.CRM), Form.FACT, "INV-7 approved."),
        (Reader(Sink.MODEL, frozenset(Label)), Form.NOTHING, ""),
        (Reader(Sink.SEARCH, frozenset(Label)), Form.NOTHING, ""),
        (Reader(Sink.LOG, frozenset(Label)), Form.NOTHING, ""),
        (Reader(Sink.METRIC, frozenset(Label)), Form.NOTHING, ""),
    ],
    ids=[
        "channel",
        "account manager",
        "compliance",
        "privileged",
        "shared channel",
        "crm",
        "model",
        "search",
        "log",
        "metric",
    ],
)
def test_advice_of_counsel_goes_to_whom_it_is_for(reader: Reader, form: Form, text: str) -> None:
    released = release(ADVICE, reader)
    assert (released.form, released.text) == (form, text)


@given(content=CONTENTS, reader=READERS)
def test_nobody_gets_words_that_they_are_not_cleared_for(content: Content, reader: Reader) -> None:
    released = release(content, reader)
    if (content.labels & SEALING) - reader.cleared or reader.outside:
        assert "words" not in released.text
    if released.form is not Form.FULL:
        assert released.reason


@given(parts=st.lists(CONTENTS, min_size=1), reader=READERS)
def test_what_is_made_from_texts_is_as_closed_as_the_most_closed_of_them(
    parts: list[Content], reader: Reader
) -> None:
    whole = Content("the words", clearance.together(parts))
    open_ = {Form.FULL, Form.MASKED}
    forms = {release(part, reader).form for part in parts}
    assert (release(whole, reader).form in open_) == (forms <= open_)


def test_a_masked_number_does_not_hide_the_rest() -> None:
    told = Content("Card ending 4444, paid.", frozenset({Label.PAN}))
    released = release(told, Reader(Sink.CHANNEL))
    assert (released.form, released.text) == (Form.MASKED, "Card ending 4444, paid.")
    assert released.reason == "Masked: a card number."


def test_the_last_word_of_a_person_counts() -> None:
    sealed, opened = Ruling("sealed", "privileged"), Ruling("unsealed", "")
    assert clearance.effective([Label.NONE], [sealed]) == {Label.PRIVILEGED}
    assert clearance.effective([Label.PRIVILEGED, Label.PHI], [opened]) == frozenset()
    assert clearance.effective([], [opened, sealed]) == {Label.PRIVILEGED}
    one = Ruling("unsealed", "privileged")
    assert clearance.effective([Label.PRIVILEGED, Label.PHI], [one]) == {Label.PHI}


def test_nobody_can_unmask_a_card() -> None:
    for label in ("", "pan"):
        opened = Ruling("unsealed", label)
        assert Label.PAN in clearance.effective([Label.PAN], [opened])
