"""Is privilege told by substance and relationship?

The sentences are in ``benchmarks/said``. A third of them was held back from all tuning; what is
asked of it here is a little less than what was reached, see docs/screening.md.
"""

import pytest

from comms.compliance import privilege
from comms.compliance.labels import Label
from comms.compliance.material import Content, Material, Parties, Role, role_of
from comms.compliance.screening import screen
from tests.comms.compliance.said import labels, share, tuned

OTHERS = ("ordinary", "health", "nobodys_health")


def test_legal_advice_asked_given_or_passed_on_is_privileged() -> None:
    assert [body for body, sealed in tuned(Label.PRIVILEGED, "privileged") if not sealed] == []


def test_ordinary_mail_is_hardly_ever_sealed() -> None:
    rows = tuned(Label.PRIVILEGED, "ordinary")
    assert sum(sealed for _, sealed in rows) <= len(rows) / 10


def test_advice_that_no_rule_has_seen_is_mostly_told() -> None:
    assert share(Label.PRIVILEGED, "privileged", held=True) >= 0.8


def test_of_other_mail_that_no_rule_has_seen_little_is_sealed() -> None:
    assert share(Label.PRIVILEGED, *OTHERS, held=True) <= 0.1


def test_a_header_seals_and_a_footer_does_not() -> None:
    """C-23."""
    header = "PRIVILEGED & CONFIDENTIAL\n\nSummary of Monday's talk with the warehouse team."
    footer = "Paid today, thanks.\n\nThis email may contain privileged information."
    assert labels("staff", "email", header) == {Label.PRIVILEGED}
    assert labels("client", "email", footer) == {Label.NONE}


def test_a_header_on_an_office_notice_proves_nothing() -> None:
    notice = "PRIVILEGED AND CONFIDENTIAL\n\nThe kitchen is closed on Thursday. Bring lunch."
    assert labels("staff", "email", notice, "PRIVILEGED AND CONFIDENTIAL") == {Label.NONE}


@pytest.mark.parametrize(
    "body",
    [
        "We dispute the 3.2 hours for deposition prep on invoice 4410. Send the time sheets.",
        "Please settle our account by sending the final invoice.",
        "The rate card is confidential, please do not forward it to resellers.",
        "My attorney is also my neighbor, small world! Anyway, payment goes out today.",
        "Our legal department approved the invoice, payment run is on Tuesday.",
        "Our legal department must approve the purchase first.",
        "Please find the scan attached.",
        "What are our options if we downgrade?",
    ],
    ids=[
        *("a fee", "a settlement of an invoice", "prices", "small talk", "an approval"),
        *("an approval to come", "a scan", "a smaller plan"),
    ],
)
def test_what_is_of_bills_is_no_advice(body: str) -> None:
    assert labels("client", "email", body) == {Label.NONE}


@pytest.mark.parametrize(
    ("sender", "role"),
    [
        ("counsel", Role.COUNSEL),
        ("dana@firm.example", Role.COUNSEL),
        ("ann@partner.example", Role.COUNSEL),
        ("other@harlowlaw.example", Role.COUNSEL),
        ("them@rivallaw.example", Role.THIRD_PARTY),
        ("ap@northwind.example", Role.UNKNOWN),
    ],
    ids=["named", "address", "domain", "by its name", "opposing", "stranger"],
)
def test_counsel_is_known_by_address_and_domain(sender: str, role: Role) -> None:
    parties = Parties(
        frozenset({"dana@firm.example", "partner.example"}), frozenset({"rivallaw.example"})
    )
    assert role_of(sender, parties) is role


def test_the_same_words_are_advice_from_counsel_only() -> None:
    words = "He is probably right for the accounts before 2021. I'd honour the old rate."
    assert labels("counsel", "slack", words) == {Label.PRIVILEGED}
    assert labels("third_party", "slack", words) == {Label.NONE}


def test_what_a_lawyer_says_is_told_by_her_name() -> None:
    words = "Okafor says to leave the second shipment out of it."
    known = Parties(names=frozenset({"Ada Okafor"}))
    assert set(screen(Content(words, "staff", "slack")).labels) == {Label.NONE}
    assert set(screen(Content(words, "staff", "slack", None, known)).labels) == {Label.PRIVILEGED}


def test_a_message_without_any_sign_is_not_looked_at() -> None:
    told = Material.of(Content("Is invoice 4410 paid?", "client", "sms"))
    asked = Material.of(Content("Can he fire me for that?", "client", "sms"))
    assert not privilege.possible(told)
    assert privilege.possible(asked)


_FOOTER = (
    "This message may contain privileged and confidential information. If you are not the "
    "intended recipient, delete it. Unauthorized use or disclosure is prohibited."
)


@pytest.mark.parametrize(
    ("subject", "sealed"),
    [
        ("Can my boss fire me if I refuse to sign the waiver?", True),
        ("Statement of May, 12 pages", False),
    ],
    ids=["advice", "a statement"],
)
def test_over_a_mere_disclaimer_the_subject_is_the_letter(subject: str, *, sealed: bool) -> None:
    told = privilege.find(Material.of(Content(_FOOTER, "client", "email", subject)))
    assert [(one.part, one.start) for one in told] == ([("subject", 0)] if sealed else [])
