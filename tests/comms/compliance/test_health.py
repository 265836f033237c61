"""Is health told by words and a person?

The sentences are in ``benchmarks/said``. A third of them was held back from all tuning; what is
asked of it here is a little less than what was reached, see docs/screening.md.
"""

import pytest

from comms.compliance import health
from comms.compliance.labels import Label
from comms.compliance.material import Content, Material
from tests.comms.compliance.said import labels, share, tuned

OTHERS = ("nobodys_health", "ordinary", "privileged")


def test_the_health_of_a_person_is_sealed() -> None:
    assert [body for body, sealed in tuned(Label.PHI, "health") if not sealed] == []


def test_words_of_health_without_a_person_are_hardly_ever_sealed() -> None:
    rows = tuned(Label.PHI, "nobodys_health")
    assert sum(sealed for _, sealed in rows) <= len(rows) / 12


def test_health_that_no_rule_has_seen_is_mostly_told() -> None:
    assert share(Label.PHI, "health", held=True) >= 0.82


def test_of_other_mail_that_no_rule_has_seen_little_is_sealed() -> None:
    assert share(Label.PHI, *OTHERS, held=True) <= 0.06


@pytest.mark.parametrize(
    "body",
    [
        "It has come back, so I'll be in treatment until the spring.",
        "I stopped taking the Lexapro because it makes me sleepy.",
        "The claim for my wife's knee was rejected, they say the referral was missing.",
        "My daughter's speech sessions were billed twice.",
        "Ich hatte einen Herzinfarkt und bin bis August in der Reha.",
        "Tuve un accidente y me rompí la pierna, no puedo trabajar.",
        "Mon père a fait un AVC, il ne peut plus signer.",
    ],
    ids=["no name", "a medicine", "a claim", "a child", "German", "Spanish", "French"],
)
def test_health_needs_no_name_of_an_illness(body: str) -> None:
    assert Label.PHI in labels("client", "email", body)


@pytest.mark.parametrize(
    "body",
    [
        "Please book the puppy's vaccination for Monday.",
        "Our hospital would like to order 20 chairs and a reception desk.",
        "Dr. Amin's contract is up for renewal in May.",
        "5555555555554444 12/27",
    ],
    ids=["an animal", "an order", "a doctor's contract", "an expiry date"],
)
def test_what_is_of_no_patient_is_not_sealed(body: str) -> None:
    assert Label.PHI not in labels("client", "email", body)


@pytest.mark.parametrize(
    "body",
    [
        "When is my hearing?",
        "How long do I have to wait? My dad asks as well.",
        "Sorry, my wife can't come to the phone. Home tomorrow, so can it wait?",
        "fixed in 3249981a0c4e5d6f7a8b9c0d1e2f3a4b5c6d7e8f, please test",
        "Deposition prep with Ms. Okoro at 2, we were charged twice, money back please.",
    ],
    ids=["a hearing", "a wait", "an excuse", "a commit", "prep and back"],
)
@pytest.mark.parametrize("sender", ["client", "staff", "unknown"])
def test_nothing_is_health_without_a_word_of_it(body: str, sender: str) -> None:
    """However much it reads like the mail of somebody who is ill."""
    material = Material.of(Content(body, sender, "sms"))
    assert health.passages(material) == [] or not list(health.find(material))
    assert Label.PHI not in labels(sender, "sms", body)


def test_nothing_is_learned_from_a_passage_without_a_word_of_health() -> None:
    subject = "Query about an old matter, and an apology"
    told = Content("My husband was diagnosed with lymphoma.", "client", "email", subject)
    (passage,) = health.passages(Material.of(told))
    assert "lymph" in passage.traits
    assert "apolo" not in passage.traits


def test_a_doctor_who_says_hi_is_nobodys_patient() -> None:
    assert labels("client", "sms", "My doctor says hi") == {Label.NONE}
    assert labels("client", "sms", "My doctor says it is cancer") == {Label.PHI}
