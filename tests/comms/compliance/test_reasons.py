"""Can every trait that weighs anything be said in words?"""

import pytest

from comms.compliance.likeness import Likeness
from comms.compliance.material import Content, Material
from comms.compliance.reasons import reasons, said


@pytest.mark.parametrize("kind", ["privilege", "health"])
def test_every_sign_with_a_weight_has_words(kind: str) -> None:
    signs = [trait for trait in Likeness(kind).weights if trait[0] in "@="]
    assert len(signs) > 20
    assert all(said(trait, ()) for trait in signs)


def test_each_passage_that_is_sealed_has_its_reasons() -> None:
    filler = "The pump hums and the report is attached. " * 20
    text = f"Can my landlord evict me for that?\n{filler}\nIf he sues me, do I lose the house?"
    found = [one for one in reasons(_message(text)) if one.label == "privileged"]
    assert len(found) == 2
    assert all(one.likeness >= one.likely for one in found)
    assert all(one.speaking_for for one in found)


def test_of_what_is_not_sealed_the_likeliest_passage_is_told() -> None:
    found = reasons(_message("The pump of the clinic hums. " * 100))
    assert [one.label for one in found] == ["privileged", "phi"]
    assert all(one.likeness < one.likely for one in found)


def _message(body: str) -> Material:
    return Material.of(Content(body, "client", "email"))
