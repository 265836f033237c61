# ruff: noqa: E501, RUF001  (the digits of other scripts are meant; rows of a table)
"""Is a number found whoever writes it, and is another number left alone whatever its digits are?"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comms.compliance import credentials, numbers
from comms.compliance.cues import cues
from comms.compliance.labels import Label
from comms.compliance.masking import masked
from comms.compliance.material import Content
from comms.compliance.screening import screen

_DIGITS: Final = "0123456789"
_WORDS: Final = dict(
    zip(
        _DIGITS,
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
        strict=True,
    )
)
_PREFIXES: Final = {"4": 16, "51": 16, "2221": 16, "34": 15, "37": 15, "6011": 16, "65": 16, "36": 14,
                    "3530": 16, "62": 16, "5018": 16}  # fmt: skip
EXAMPLES: Final = settings(max_examples=40, deadline=None, derandomize=True)


def _digits(many: int) -> st.SearchStrategy[str]:
    return st.text(_DIGITS, min_size=many, max_size=many)


@st.composite
def _cards(draw: st.DrawFn) -> str:
    prefix = draw(st.sampled_from(sorted(_PREFIXES)))
    body = prefix + draw(_digits(_PREFIXES[prefix] - len(prefix) - 1))
    return next(body + digit for digit in _DIGITS if numbers.luhn(body + digit))


@st.composite
def _routing(draw: st.DrawFn) -> str:
    body = draw(st.sampled_from(("01", "06", "11", "12", "26", "32"))) + draw(_digits(6))
    return next(body + digit for digit in _DIGITS if numbers.is_routing(body + digit))


_ssns = st.tuples(
    st.integers(1, 665).map("{:03}".format), st.integers(1, 99).map("{:02}".format), st.integers(1, 9999).map("{:04}".format)
)  # fmt: skip


def _groups(number: str) -> list[str]:
    cuts = (0, 4, 10, len(number)) if len(number) < 16 else (0, 4, 8, 12, 16)
    return [number[one:other] for one, other in pairwise(cuts)]


def _by(between: str) -> Callable[[str], str]:
    return lambda number: between.join(_groups(number))


CARD_FORMS: Final[dict[str, Callable[[str], str]]] = {
    "one run": str,
    **{
        repr(between): _by(between)
        for between in (
            " ",
            "-",
            ".",
            "_",
            "/",
            "  ",
            "\t",
            "\n",
            "\n> ",
            "\r\n>> ",
            " | ",
            " - ",
            "*",
            ":",
            "·",
            "—",
            "\u00a0",
            "\u200b",
            "\\",
            "; ",
        )
    },
    "wrapped": lambda number: f"{number[:7]}\n{number[7:]}",
    "wrapped in a quote": lambda number: f"{number[:8]}\n> {number[8:]}",
    "quoted-printable": lambda number: f"{number[:9]}=\n{number[9:]}",
    "digit by digit": " ".join,
    "in twos": lambda number: " ".join(number[at : at + 2] for at in range(0, len(number), 2)),
    "in threes": lambda number: " ".join(number[at : at + 3] for at in range(0, len(number), 3)),
    "full width": lambda number: number.translate(str.maketrans(_DIGITS, "０１２３４５６７８９")),
    "devanagari": lambda number: number.translate(str.maketrans(_DIGITS, "०१२३४५६७८९")),
    "said": lambda number: " ".join(_WORDS[digit] for digit in number),
    "two halves": lambda number: f"{number[:8]} and then {number[8:]}",
    "named halves": lambda number: f"first half {number[:8]}, second half {number[8:]}",
    "first and last": lambda number: f"{number[:-4]}, the last four are {number[-4:]}",
    "letters": lambda number: number.replace("0", "O", 2).replace("1", "l", 2),
    "entities": lambda number: "&nbsp;".join(_groups(number)),
    "cells": lambda number: f"<td>{'</td><td>'.join(_groups(number))}</td>",
    "bold": lambda number: f"{number[:6]}<b>{number[6:]}</b>",
    "and expiry": "{} 09/28".format,
    "glued to its expiry": "{}0928".format,
    "after its expiry": "0928{}".format,
    "with bars": "{}|09|2028|123".format,
    "track": "%B{}^DOE/JOHN^2809101".format,
    "json": '{{"number":"{}","cvc":"123"}}'.format,
}
CARD_CARRIERS: Final = (
    "{}", "my card is {}", "please charge {} for the renewal", "> > card {} ok", "Use {} please",
    "for invoice 5512 charge {}, thanks", "Bill it to\n{}\nThanks\nAnn", "put the order on {}",
    "CC# {}", "new card for order 88123: {}", "pls run {} today", "invoice 10023 -> {}",
    "Pay with: {}.", "tel 555-0123, card {}", "{} is my visa", "the tracking page wants my card {} again",
)  # fmt: skip


def _left(body: str, label: Label, secret: str) -> bool:
    """Whether the label is there and nothing of the secret but its last four digits is shown."""
    screened = screen(Content(body, "client"))
    shown = "".join(sign for sign in screened.masked if sign in _DIGITS)
    return label in screened.labels and secret[:-4] not in shown


@pytest.mark.parametrize("form", CARD_FORMS.values(), ids=CARD_FORMS)
@given(number=_cards(), carrier=st.sampled_from(CARD_CARRIERS))
@settings(EXAMPLES, max_examples=8)
def test_a_card_is_found_in_any_form_and_any_sentence(
    form: Callable[[str], str], number: str, carrier: str
) -> None:
    assert _left(carrier.format(form(number)), Label.PAN, number)


SSN_FORMS: Final[dict[str, Callable[[Sequence[str]], str]]] = {
    **{repr(between): between.join for between in ("-", " ", ".", "", "/", "_", " - ", "-\n", "-\n> ", "–", "·", ", ", " then ", "\u200b", "&#45;")},
    "said": lambda parts: " ".join(_WORDS[digit] for digit in "".join(parts)),
    "digit by digit": lambda parts: " ".join("".join(parts)),
    "words": lambda parts: f"{parts[0]} {parts[1]} and the last four are {parts[2]}",
    "in threes": lambda parts: " ".join("".join(parts)[at : at + 3] for at in (0, 3, 6)),
    "brackets": lambda parts: f"({parts[0]}) {parts[1]}-{parts[2]}",
}  # fmt: skip
SSN_CARRIERS: Final = (
    "SSN: {}", "my social is {}", "social security number {}", "ss# {}", "{} is my social", "ITIN {}",
    "for the W-9: SSN {}", "Soc Sec: {}", "> SSN: {}", "You asked for my social. It is {}.",
    "his social, in case you need it for the background check, is {}", "Taxpayer id: {}", "SSN\n{}",
)  # fmt: skip


@pytest.mark.parametrize("form", SSN_FORMS.values(), ids=SSN_FORMS)
@given(parts=_ssns, carrier=st.sampled_from(SSN_CARRIERS))
@settings(EXAMPLES, max_examples=8)
def test_an_ssn_that_is_called_one_is_found_in_any_form(
    form: Callable[[Sequence[str]], str], parts: tuple[str, ...], carrier: str
) -> None:
    assert _left(carrier.format(form(parts)), Label.SSN, "".join(parts))


BANKS: Final = (
    "Routing {r}, account {a}", "account {a} routing {r}", "Acct# {a}, ABA {r}", "ABA: {r}\nAcct: {a}",
    "> Routing: {r}\n> Account: {a}", "Zelle fails, use {r} / {a}", "direct deposit: {r} {a}",
    "Pay me at {a}, routing is {r}", "the routing number is {r}\nand the account number is {a}",
    "Please wire to Chase, routing {r}, acct {a}, name Joan Hill", "RTN {r} DDA {a}", "wire {r}:{a}",
    "voided check attached: {r} {a} 1021", "For the refund: {r}-{a}", "Account number (checking): {a}",
    "My Chase account is {a}", "bank acct {a}", "autopay from checking acct {a}", "bank account {a}",
    "account {a}, sort code 20-45-67", "s/c 20-45-67 a/c {a}", "my acct # at the bank is {a}",
)  # fmt: skip


@pytest.mark.parametrize("carrier", BANKS)
@given(account=st.integers(10**8, 10**12).map(str), routing=_routing())
@settings(EXAMPLES, max_examples=8)
def test_a_bank_account_is_found_in_any_order(carrier: str, account: str, routing: str) -> None:
    body = carrier.format(r=routing, a=account)
    screened = screen(Content(body, "client"))
    shown = "".join(sign for sign in screened.masked if sign in _DIGITS)
    assert {Label.BANK_ACCOUNT, Label.PAN} & set(screened.labels)
    assert account not in shown


OTHERS: Final[dict[str, st.SearchStrategy[str]]] = {
    **dict.fromkeys(
        ("Tracking number {}", "order #{}", "Your order no. {} is confirmed", "Invoice {} is due", "inv# {}",
         "purchase order {}", "PO {} approved", "device id {}", "Serial number {}", "S/N {}", "ref {}",
         "transaction ID {}", "Receipt {} for $40", "lot {}", "https://x.example/t/{}", "order id={}&x=1",
         "Msg-Id <{}@mail>", "payment reference {} please quote it"), _cards(),
    ),
    "UPS 1Z{}": _digits(16),
    "USPS {}": _digits(20).map("94{}".format),
    "FedEx {}": _digits(12),
    "IMEI {}": _digits(15),
    "ICCID 89{}": _digits(17),
    "call me at {}": _digits(10).map(lambda all_: f"({all_[:3]}) {all_[3:6]}-{all_[6:]}"),
    "phone +{}": _digits(12),
    "tel. +49 {}": _digits(11).map(lambda all_: f"{all_[:3]} {all_[3:7]} {all_[7:]}"),
    "ISBN 978{}": _digits(10),
    "Invoices {}": st.lists(_digits(4), min_size=4, max_size=4).map(", ".join),
    "part {}": _digits(9).map(lambda all_: f"{all_[:3]}-{all_[3:5]}-{all_[5:]}"),
    "EIN {}": _digits(9).map(lambda all_: f"{all_[:2]}-{all_[2:]}"),
    "customer number {}": _digits(8),
    "the card ending in {}": _digits(4),
    "confirmation code {}": _digits(8),
    "meeting id {}": _digits(11).map(lambda all_: f"{all_[:3]} {all_[3:7]} {all_[7:]}"),
    "docket {}": _digits(7).map(lambda all_: f"{all_[:2]}-{all_[2:]}"),
    "check no. {} cleared": _digits(6),
    "GL account {}": _digits(6),
    "area code {}": _digits(3),
    "The pin on the lock broke, order {}": _digits(5),
}  # fmt: skip


@pytest.mark.parametrize("carrier", OTHERS)
@given(data=st.data(), around=st.sampled_from(("{}", "Hi, {}. Thanks, Ann", "> {}")))
@settings(EXAMPLES, max_examples=8)
def test_other_numbers_are_left_alone_though_their_digits_prove_right(
    carrier: str, data: st.DataObject, around: str
) -> None:
    number = data.draw(OTHERS[carrier])
    assert screen(Content(around.format(carrier.format(number)), "client")).labels == (Label.NONE,)


SECRETS: Final[dict[str, str]] = {
    "login": "the login is ann@example.com / pw: {}",
    "temporary": "temp password is {}",
    "of the portal": "My password for the billing portal: {}",
    "before": "{} is the password",
    "use": "use {} as the password",
    "entered": "enter {} when it asks for the password",
    "asked": "if it asks for a password type {}",
    "changed": "i changed the password to {}",
    "unchanged": "password hasn't changed, it's {}",
    "user": "Username - ann@example.com\nPassword - {}",
    "listed": "Here are the logins:\nXero - ann@example.com - {}",
    "quoted": "> password: {}",
    "in quotes": 'the password is "{}"',
    "opened": "the attachment opens with {}",
    "network": "guest wifi GuestNet pass {}",
    "german": "das Passwort ist {}",
    "spanish": "la contraseña del wifi es {}",
}


@pytest.mark.parametrize("carrier", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize(
    "password", ["Sunflower!2020", "Xk29fQ7z", "hunter2", "P@ssw0rd1", "billing2026"]
)
def test_a_password_in_plain_words_is_hidden(carrier: str, password: str) -> None:
    screened = screen(Content(carrier.format(password), "client"))
    assert Label.SECRET in screened.labels
    assert password not in screened.masked


CODES: Final = (
    "gate: 4471#", "the alarm is 7741", "lockbox 4471", "keypad: 4471", "punch in 4471 at the door",
    "PIN for the debit card: 4471", "4471 is my pin", "phone unlocks with 4471", "safe is 12 left, 34 right, 5 left",
    "Your code is 482913. Don't share it", "482913 is your verification code", "use code 482913 to log in",
    "G-482913 is your Google verification code", "the code they texted is 482913", "backup codes: 8321-4412 9921-3312",
    "2FA seed JBSWY3DPEHPK3PXP", "seed phrase witch collapse practice feed shame open despair creek road again ice least",
    "secret word is Fluffy", "my first pet was Biscuit if it asks the security question",
    "passphrase: correct horse battery staple", "le code de la porte est 4471",
    "dapi12345678901234567890123456789012", "hvs.CAESIJlWh3abcdefghijklmnopqrstuvwxyz012345",
    "Authorization: Basic dXNlcjpwYXNzd29yZDEyMw==", "OPENAI_KEY=abcd1234efgh5678",
)  # fmt: skip


@pytest.mark.parametrize("body", CODES)
def test_codes_answers_and_keys_are_secrets(body: str) -> None:
    assert Label.SECRET in screen(Content(body, "client")).labels


PLAIN: Final = (
    "your password has expired, reset it in the portal", "the gate agent said 20 minutes", "promo code SAVE20 ends today",
    "area code 415, zip code 90210", "please enter 12 in the field", "the door is locked until 0800",
    "I reset it to zero", "use INV-2031 as the reference", "the key point is in section 12", "login to the portal to pay",
    "the access road to the building is closed", "our user conference, room 4471", "the code review took 3 days",
    "pass it on to Ann", "unlock value with 3 simple steps", "the combination of 3 invoices", "Dress code: business casual",
    "the token of our thanks is on its way", "Enter the building at 1400 Main Street",
)  # fmt: skip


@pytest.mark.parametrize("body", PLAIN)
def test_words_of_doors_and_passwords_alone_are_no_secret(body: str) -> None:
    assert screen(Content(body, "client")).labels == (Label.NONE,)


@pytest.mark.parametrize(
    "body", [*(one.format("Sunflower!2020") for one in SECRETS.values()), *CODES]
)
def test_whatever_is_found_shows_its_cue(body: str) -> None:
    """Else the search for it would never be made."""
    shown = cues(body)
    for name, search in credentials.SEARCHES.items():
        assert name in shown or not list(search.find(body))


CARRIED: Final = {
    "quoted": lambda body: (
        "ok\n\nOn Friday Ann wrote:\n" + "\n".join(f"> {line}" for line in body.split("\n"))
    ),
    "quoted twice": lambda body: "\n".join(f">> {line}" for line in body.split("\n")),
    "forwarded": lambda body: (
        f"FYI\n\n---------- Forwarded message ---------\nFrom: Ann\nSubject: x\n\n{body}"
    ),
    "html": lambda body: f"<html><body><div>{body.replace(chr(10), '<br>')}</div></body></html>",
    "blockquote": lambda body: (
        f"<p>see below</p><blockquote>{body.replace(chr(10), '<br/>')}</blockquote>"
    ),
    "signed": lambda body: (
        f"{body}\n\n--\nThis message may be confidential. Delete it if you are not the recipient."
    ),
    "long": lambda body: "We shipped the boxes on Monday.\n" * 40 + body + "\nSee you at ten." * 40,
}
LABELLED: Final = {
    "pan": "my card is 4242 4242\n4242 4242",
    "ssn": "my social is 123-45-\n6789",
    "iban": "refund to GB82 WEST 1234\n5698 7654 32",
    "bank_account": "bank: routing 110000000\naccount 000123456789",
    "dob": "DOB 04/17/1962",
    "cvv": "card 4242424242424242 cvv 905",
    "password_or_secret": "the portal password is Sunflower!2020",
    "privileged": "Can my landlord evict me without a court order? What are my legal options?",
    "phi": "My husband was diagnosed with leukemia last week.",
}


@pytest.mark.parametrize("carry", CARRIED.values(), ids=CARRIED)
@pytest.mark.parametrize("label", LABELLED)
def test_no_label_is_lost_by_being_carried_on(label: str, carry: Callable[[str], str]) -> None:
    body = LABELLED[label]
    assert label in screen(Content(body, "client")).labels
    assert label in screen(Content(carry(body), "client")).labels


@given(number=_cards(), form=st.sampled_from(sorted(CARD_FORMS)))
@EXAMPLES
def test_what_was_masked_stays_masked_when_masked_again(number: str, form: str) -> None:
    content = Content(f"card {CARD_FORMS[form](number)} thanks", "client")
    shown = screen(content).masked
    again = Content(shown, "client")
    assert masked(again, screen(again).spans)[0] == shown
