# ruff: noqa: RUF001, E501  (the digits of other scripts are meant; rows of a table)
"""Are cards, accounts and identities found in whatever form people write them, and nothing else?"""

import pytest

from comms.compliance.labels import Label
from comms.compliance.material import Content
from comms.compliance.screening import parts, screen


def found(body: str, channel: str = "sms", subject: str | None = None) -> list[tuple[str, str]]:
    content = Content(body, "client", channel, subject)
    return [(label.value, text) for label, text in parts(content, screen(content))]


CARDS = {
    "visa": "4242424242424242",
    "visa of 13": "4222222222222",
    "visa of 19": "4000000000000000006",
    "mastercard": "5555555555554444",
    "mastercard 2-series": "2223003122003222",
    "amex": "378282246310005",
    "discover": "6011111111111117",
    "discover 65": "6500000000000002",
    "diners": "30569309025904",
    "diners 36": "36227206271667",
    "jcb": "3566002020360505",
    "unionpay": "6200000000000005",
    "maestro": "6759649826438453",
    "mir": "2200000000000004",
}


@pytest.mark.parametrize("number", CARDS.values(), ids=CARDS)
def test_the_card_of_every_scheme_is_found(number: str) -> None:
    assert ("pan", number) in found(f"please charge {number} thanks")


FORMS = {
    "spaces": "4242 4242 4242 4242",
    "dashes": "4242-4242-4242-4242",
    "mixed": "4242-4242 4242 4242",
    "dots": "4242.4242.4242.4242",
    "underscores": "4242_4242_4242_4242",
    "amex groups": "3782 822463 10005",
    "single digits": "4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2",
    "two lines": "4242 4242\n4242 4242",
    "a wrapped run": "42424242\n42424242",
    "quoted lines": "4242 4242\n> 4242 4242",
    "full width": "４２４２４２４２４２４２４２４２",
    "arabic digits": "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢",
    "no-break spaces": "4242\u00a04242\u00a04242\u00a04242",
    "long dashes": "4242–4242–4242–4242",
    "zero-width signs": "4242\u200b4242\u200b4242\u200b4242",
    "tags": "\U000e0020".join("4242424242424242"),
    "selectors of variants": "\U000e0100".join("4242424242424242"),
    "signs of shorthand": "\U0001bca0".join("4242424242424242"),
    "blank Braille": "4242\u28004242\u28004242\u28004242",
    "soft hyphens": "4242\u00ad4242\u00ad4242\u00ad4242",
    "slashes": "4 2 4 2 / 4242 / 4242 / 4242",
    "words between": "4242 4242 and the rest is 4242 4242",
    "letters": "4O12 8888 8888 l88l",
    "spoken": "four two four two, four two four two, four two four two, four two four two",
    "doubled": "four two four two four two four two four two four two four two four two",
}


@pytest.mark.parametrize("written", FORMS.values(), ids=FORMS)
def test_a_card_is_found_in_its_exact_characters(written: str) -> None:
    assert ("pan", written) in found(f"my card number is {written} thanks")


def test_a_card_given_for_an_invoice_is_still_a_card() -> None:
    assert found("for invoice 77: 4242 4242 4242 4242") == [("pan", "4242 4242 4242 4242")]
    assert found("for the order: 4242 4242 4242 4242") == [("pan", "4242 4242 4242 4242")]
    assert found("tracking no. 4242 4242 4242 4242") == []


def test_entities_and_tags_of_a_mail_hide_no_card() -> None:
    body = "card: 4242&nbsp;4242&#32;<b>4242</b>&#x20;4&#50;42 please"
    assert ("pan", "4242&nbsp;4242&#32;<b>4242</b>&#x20;4&#50;42") in found(body, "email")


GLUED = {
    "expiry in words": ("CARD:5200828282828210EXP0528", "5200828282828210", None),
    "expiry": ("37828224631000511/26 4-digit 7373", "378282246310005", "7373"),
    "expiry without a slash": ("42424242424242420528", "4242424242424242", None),
    "all of it": ("42424242424242420528123", "4242424242424242", "123"),
    "bare": ("4012888888881881 1228 999", "4012888888881881", "999"),
}


@pytest.mark.parametrize(("body", "number", "code"), GLUED.values(), ids=GLUED)
def test_a_card_glued_to_its_expiry_is_found(body: str, number: str, code: str | None) -> None:
    expected = [("pan", number)] + ([("cvv", code)] if code else [])
    assert found(body) == expected


def test_what_pci_dss_forbids_to_keep_is_masked() -> None:
    """C-22, word for word."""
    assert found("5555555555554444 12/27") == [("pan", "5555555555554444")]
    assert found("4111-1111 1111 1111 cvv 123") == [
        ("pan", "4111-1111 1111 1111"),
        ("cvv", "123"),
    ]
    assert found("378282246310005") == [("pan", "378282246310005")]
    assert found("9400111899223344556677") == []
    assert found("4111111111111112") == []


NO_NUMBERS = {
    "parcel": "Your parcel 9400 1118 9922 3344 5566 77 arrives today",
    "ups": "UPS 1Z999AA10123456784, two boxes",
    "fedex": "FedEx tracking 7712 3456 7890 is on its way",
    "tracking of 16": "tracking number 4242424242424242",
    "order": "order no. 4111111111111111 shipped",
    "invoice": "Ref invoice 2020051100004417, approved.",
    "invoice by luhn": "invoice #4012888888881881 is paid",
    "imei": "IMEI 490154203237518 of the phone",
    "time stamp": "job died at 1589212800123456 ns",
    "trace": "trace 4716258050958645000",
    "licence": "Licence 4111-1111-1111-1111-5555 covers ten seats",
    "product codes": "quote on GTIN 00012345600012 and 05012345678900",
    "phone": "call +49 151 2345 6789 01 or (415) 555-0132",
    "phone with plus": "ring +4915123456789 tonight",
    "two phones": "415-555-0132 and 415-555-0188",
    "amounts": "Totals by month: 4120 4380 4415 4290.",
    "masked": "the card ****4242, or 4242 42** **** 4242",
    "decimal": "ratio 0.4242424242424242",
    "hash": "commit 9f4242424242424242ab",
    "all zeros": "0000 0000 0000 0000",
    "ein": "EIN for the W-9 is 12-3456789",
    "part": "part no 219-09-9999 is out of stock",
    "never given ssn": "ssn 666-12-3456, or 000-12-3456",
    "nine hundreds": "it says 900-12-3456 there",
    "street": "Mrs. Karen Holm, Suite 680 36 4022 Oakridge Lane",
    "phone like an ssn": "phone 123-45-6789",
    "customer account": "Customer account no. 77120 has a balance of $64.10",
    "account of a utility": "our water account 4455667788, see the bill",
    "asks for bank details": "we need your IBAN and BIC, enter them in the portal",
    "broken iban": "IBAN GB83 WEST 1234 5698 7654 32",
    "founding day": "The company was founded on 04/17/1962",
    "birthday party": "the birthday party is on 04/17",
    "promo": "Use code SPRING20 for 20% off",
    "reset": "your password has expired, reset it in the portal",
    "rule": "the password must have twelve characters",
    "zip": "zip code 90210, area code 415",
    "public key": "pk_live_51HxxxxYYYYzzzz is in the page",
    "no code": "We never ask for your CVV or your password",
    "last four": "the card ending 4444 was declined",
    "commit": "see commit 3249981a0c4e5d6f7a8b9c0d1e2f3a4b5c6d7e8f on main",
    "message id": "Message-ID: <20261122.AKCp7.eyJabc@mail.example.com>",
    "order of a kind": "your order A3-2031-77 and SGP_20310 ship on Monday",
    "url with an id": "https://example.com/o/743b294a-cd03-11ec-9d64-0242ac120002?ref=EAA2031",
    "placeholder": "curl -u user:password https://example.com, or -u <user:pass>",
    "authorization": "Authorization: AUTH-2026-11-22-000123 for the card payment",
    "monkey": "Turkey: 4 kg, monkey: none, keynote = 9am",
    "voucher": "hotel voucher 8Q~ was printed badly; gsk_ and fm2_ as well",
}


@pytest.mark.parametrize("body", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_other_numbers_are_left_alone(body: str) -> None:
    assert found(body) == []


IDENTITIES = {
    "dashes": ("ssn", "SSN: 111-22-3333", "111-22-3333"),
    "dashes alone": ("ssn", "it is 123-45-6789 ok", "123-45-6789"),
    "spaces": ("ssn", "my social is 123 45 6789", "123 45 6789"),
    "dots": ("ssn", "full social for Amir, he gave 222.33.4444", "222.33.4444"),
    "bare": ("ssn", "social security # 333221111", "333221111"),
    "wrapped": ("ssn", "1099: 555-44-\n3333", "555-44-\n3333"),
    "itin": ("ssn", "my social is 912-70-1234", "912-70-1234"),
    "spaced": ("ssn", "ssn 3 3 3 2 2 1 1 1 1", "3 3 3 2 2 1 1 1 1"),
    "spoken": (
        "ssn",
        "social is one two three dash four five dash six seven eight nine",
        "one two three dash four five dash six seven eight nine",
    ),
    "british": ("iban", "GB82 WEST 1234 5698 7654 32, from June", "GB82 WEST 1234 5698 7654 32"),
    "dashed": (
        "iban",
        "devolución: ES91-2100-0418-4502-0005-1332",
        "ES91-2100-0418-4502-0005-1332",
    ),
    "wrapped iban": ("iban", "iban BE68 5390\n0754 7034 ok", "BE68 5390\n0754 7034"),
    "glued": ("iban", "it:IT60X0542811101000000123456, ok", "IT60X0542811101000000123456"),
    "label glued": ("iban", "ibanDE89370400440532013000", "DE89370400440532013000"),
    "lower case": ("iban", "nl91abna0417164300", "nl91abna0417164300"),
    "norwegian": ("iban", "NO93 8601 1117 947", "NO93 8601 1117 947"),
    "account": ("bank_account", "refund to acct 7730012298 at example credit union", "7730012298"),
    "pair": (
        "bank_account",
        "ACH: routing 110000000, account 000123456789, checking",
        "routing 110000000, account 000123456789",
    ),
    "sort code": ("bank_account", "pay me back to 20-00-00 55779911 ta", "20-00-00 55779911"),
    "dob": ("dob", "DOB 04/17/1962", "04/17/1962"),
    "born": ("dob", "he was born on the 6th of May 2011", "6th of May 2011"),
    "iso": ("dob", "date of birth: 1990-10-22", "1990-10-22"),
    "after": ("dob", "1962-04-17 is her birthday", "1962-04-17"),
    "german": ("dob", "geboren am 3. März 1971 in Ulm", "3. März 1971"),
    "cvv": ("cvv", "the cvv on the card ending 4444 is 612", "612"),
    "spoken cvv": ("cvv", "cvc five five five", "five five five"),
    "back": ("cvv", "three digits on the back: 905", "905"),
}


@pytest.mark.parametrize(("label", "body", "text"), IDENTITIES.values(), ids=IDENTITIES)
def test_identities_and_accounts_are_found(label: str, body: str, text: str) -> None:
    assert (label, text) in found(body)


SECRETS = {
    "said": ("the wifi password is marmalade9", "marmalade9"),
    "pair": ("portal login is billing@example.com / Sunflower!2020 until IT resets it", "Sunflower!2020"),
    "variable": ("SMTP_PASS=not-a-real-pass-123 goes in the env file", "not-a-real-pass-123"),
    "short": ("pw = Rainy-Tuesday-4, dont tell", "Rainy-Tuesday-4"),
    "pin": ("alarm pin's 7741 if she comes", "7741"),
    "door": ("the door code is 4471#", "4471"),
    "answer": ("my security answer is Biscuit (first dog)", "Biscuit"),
    "aws": ("key AKIAIOSFODNN7EXAMPLE leaked", "AKIAIOSFODNN7EXAMPLE"),
    "github": ("use ghp_" + "a1B2" * 9 + " today", "ghp_" + "a1B2" * 9),
    "slack": ("bot: xoxb-" + "1234567890-abcdefghij", "xoxb-1234567890-abcdefghij"),
    "jwt": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl ok", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"),
    "url": ("postgres://app:s3cr3tpw@db/app", "s3cr3tpw"),
    "unsigned jwt": ("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0. ok", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."),
    "long jwt": ("eyJhbGciOiJub25lIn0.eyJ" + "aB3" * 700 + ".c2ln", "eyJhbGciOiJub25lIn0.eyJ" + "aB3" * 700 + ".c2ln"),
    "bedrock": ("ABSK" + "aB3d" * 30 + "= is for the demo", "ABSK" + "aB3d" * 30 + "="),
    "1password": ("A3-" + "AB12CD-" * 2 + "AB12C-" * 3 + "AB12C, print it", "A3-" + "AB12CD-" * 2 + "AB12C-" * 3 + "AB12C"),
    "service account": ("ops_eyJ" + "aB3d" * 30, "ops_eyJ" + "aB3d" * 30),
    "entra": ("secret is (aB18Q~" + "aB3d-" * 6 + "aB3d)", "aB18Q~" + "aB3d-" * 6 + "aB3d"),
    "facebook page": ("EAA" + "aB3d" * 30 + " for the ads", "EAA" + "aB3d" * 30),
    "facebook app": ("1234567890123456|" + "aB3" * 9, "1234567890123456|" + "aB3" * 9),
    "tailscale": ("tskey-auth-" + "kAB12CD-" * 3, "tskey-auth-" + "kAB12CD-" * 3),
    "jfrog": ("AKCp" + "aB3d" * 17 + "a", "AKCp" + "aB3d" * 17 + "a"),
    "sourcegraph": ("sgp_local_" + "a1b2" * 10, "sgp_local_" + "a1b2" * 10),
    "brevo": ("xkeysib-" + "a1b2" * 16 + "-" + "aB3d" * 4, "xkeysib-" + "a1b2" * 16 + "-" + "aB3d" * 4),
    "curl": ("curl -k -u elastic:P@ssw0rd1 https://db.example.com", "P@ssw0rd1"),
    "curl of lines": ("curl -X POST \\\n  -u dev:yqDVtkqP https://db.example.com", "yqDVtkqP"),
    "header": ("curl -H 'X-Api-Key: 5eb4223e-5008-46e5'", "5eb4223e-5008-46e5"),
    "camel": ("oktaApiToken: 00ebObu4zSNkyc6dimLv", "00ebObu4zSNkyc6dimLv"),
    "npm": ("//npm.example.com/:_authToken=743b294a-cd03", "743b294a-cd03"),
    "makefile": ("SNYK_TOKEN ?= 743b294a-cd03", "743b294a-cd03"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "text"), SECRETS.values(), ids=SECRETS)
def test_secrets_are_found(body: str, text: str) -> None:
    assert ("password_or_secret", text) in found(body)


def test_a_private_key_is_found_as_a_whole() -> None:
    block = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----"
    assert ("password_or_secret", block) in found(f"here:\n{block}\nbye")


def test_the_subject_is_read_as_well() -> None:
    content = Content("please charge it", "client", "email", "card 4242 4242 4242 4242")
    screened = screen(content)
    assert screened.labels == (Label.PAN,)
    assert screened.masked_subject == "card [card ****4242]"
