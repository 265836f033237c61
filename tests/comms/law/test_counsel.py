"""What do people's words on a message teach, and how far does that go?"""

import pytest

from comms.compliance import screening
from comms.compliance.material import Content, Learned, Material, Parties
from comms.compliance.privilege import signals
from comms.law import counsel
from comms.models import Access

SENDER = "ann@northwind.example"


@pytest.mark.parametrize(
    ("found", "said", "lesson"),
    [
        ("privileged", ["unsealed"], "opened"),
        ("", ["sealed"], "closed"),
        ("", ["sealed", "unsealed"], ""),
        ("privileged", ["unsealed", "sealed"], ""),
        ("privileged", ["unsealed", "forgotten"], ""),
        ("", ["sealed", "forgotten", "sealed"], "closed"),
        ("unscreened", ["unsealed"], ""),
    ],
)
def test_only_the_last_word_teaches_and_only_against_the_detector(
    found: str, said: list[str], lesson: str
) -> None:
    rulings = [
        Access(change=change, label="privileged" if change == "sealed" else "", by="x")
        for change in said
    ]
    assert counsel.lesson(found.split(), rulings) == lesson  # type: ignore[arg-type]


@pytest.mark.parametrize("way", ["opened", "closed"])
def test_a_lesson_moves_what_it_takes_by_a_bounded_weight(way: str) -> None:
    """Some texts change sides, and the plainest of either kind do not."""
    changed = {text for text in NEAR if sealed(text) != sealed(text, way)}
    assert changed
    assert all(sealed(text) is (way == "opened") for text in changed)
    assert sealed(PLAIN, "opened") is True
    assert sealed("See you at ten.", "closed") is False


NEAR = (
    "Attached is our price list for 2026, as every year. PRIVILEGED AND CONFIDENTIAL",
    "Hi, our lawyer asked me to send you the W-9.",
    "Our lawyer asked me for the tax form; where is it?",
    "Hi, our lawyer sends the signed lease.",
    "The hearing is on Tuesday; my attorney will be late.",
)
PLAIN = (
    "Our lawyer advises us to settle before trial, because the witness admitted that we are liable"
    " and the claim would cost us our license. Should we accept their settlement offer?"
)


def sealed(text: str, way: str = "") -> bool:
    plain = Content(text, SENDER, "email")
    seen = frozenset([signals(Material.of(plain))])
    taught = Learned(**{way: seen}) if way else Learned()
    whole = Content(text, SENDER, "email", None, Parties(learned=taught))
    return screening.screen(whole).sealed
