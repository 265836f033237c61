import pytest

from comms.compliance.labels import Label
from comms.facts import InboundMessage
from comms.listening import seams
from comms.listening.screening import screened

SPLIT = {
    "card in two halves": ("5555 5555", "5555 4444", Label.PAN),
    "card in four texts": ("5555\n5555\n5555", "4444", Label.PAN),
    "card with its date": ("card: 5555 5555 55", "55 4444 exp 12/27", Label.PAN),
    "social security number": ("my social is 219-09", "9999", Label.SSN),
    "a number by its name alone": ("my social security number is", "219099999", Label.SSN),
    "a password": ("password is", "Tr0ub4dor&3", Label.SECRET),
}


@pytest.mark.parametrize("name", SPLIT)
def test_what_completes_a_number_that_was_begun_before_is_found(name: str) -> None:
    before, text, label = SPLIT[name]
    [span] = seams.continued(before, text)
    assert (span.label, span.start) == (label, 0)


@pytest.mark.parametrize(
    ("before", "text"),
    [("see you at 5", "6 would be better"), ("Order 12345678", "87654321 is another"), ("", "913")],
)
def test_digits_after_digits_are_no_number_by_themselves(before: str, text: str) -> None:
    assert seams.continued(before, text) == []


@pytest.mark.parametrize(
    "text",
    ["913", "12/27 913", "913 12/27", "exp 12/27 and code 913", "the back says 9134."],
)
def test_after_a_card_the_digits_of_a_text_of_hardly_anything_else_are_its_code(text: str) -> None:
    said = closed(text, card=True)
    assert "913" not in said.body
    assert said.labels == ("cvv",)
    assert closed(text, card=False).body == text


@pytest.mark.parametrize(
    "text",
    ["12/27", "INV-913", "pay $500", "500 dollars", "invoice 913", "on 2 March", "I owe 300 still"],
)
def test_after_a_card_other_digits_stay(text: str) -> None:
    assert closed(text, card=True).body == text


def closed(text: str, *, card: bool) -> InboundMessage:
    message = InboundMessage(
        channel="sms", external_id="SM1", sender="+12125550123", recipient="+15005550006",
        body=text, visible=text,
    )  # fmt: skip
    return seams.closed(message, ["hello"], card=card)


def test_what_completes_a_number_is_covered_above_what_a_mail_quotes() -> None:
    mail = InboundMessage(
        channel="email", external_id="m1", sender="ann@client.example", recipient="",
        body="and the rest: 1111 1111\n\n> hello", visible="and the rest: 1111 1111",
    )  # fmt: skip
    said = seams.closed(mail, ["take it from 4111 1111"], card=False)
    assert "pan" in said.labels
    assert said.body.endswith("> hello")
    assert "1111" not in said.visible.replace("[card ****1111]", "")


def test_a_number_that_begins_in_the_subject_of_a_mail_is_not_shown() -> None:
    body = "1111 1111 is my card"
    mail = InboundMessage(
        channel="email", external_id="m1", sender="ann@client.example", recipient="",
        subject="take it from 4111 1111", body=body, visible=body,
    )  # fmt: skip
    said = screened(mail)
    assert said.labels == ("pan",)
    assert "1111" not in said.body + said.visible
