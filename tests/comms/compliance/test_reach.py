"""Is a passage that is thought to be far from its label ever near it?"""

import pytest

from benchmarks.score import read
from comms.compliance import health, privilege
from comms.compliance.likeness import Likeness
from comms.compliance.material import Content, Material
from tests.comms.compliance.said import SAID

_KNOWN = {
    "privilege": (privilege.passages, privilege.REACH),
    "health": (health.passages, health.REACH),
}
_FAR = "Invoice 4410 for the seats of last year was paid by wire on Monday. " * 12


def _long_texts() -> list[str]:
    """What people say of their troubles, between what they say of invoices."""
    rows = [str(row["body"]) for file in sorted(SAID.glob("*.jsonl")) for row in read(file)]
    return ["\n".join([*rows[at::40][:12], _FAR]) for at in range(40)]


@pytest.mark.parametrize("role", ["client", "unknown", "counsel"])
@pytest.mark.parametrize("kind", sorted(_KNOWN))
def test_a_passage_is_never_likelier_than_it_was_thought(kind: str, role: str) -> None:
    passages, reach = _KNOWN[kind]
    likeness, far = Likeness(kind), 0
    for text in _long_texts()[:12]:
        material = Material.of(Content(text, role))
        found, texts = passages(material), _own(kind, material)
        for least in (-0.5, 0.0):
            near = {one.at: one.near for one in reach(texts, role, least)}
            assert all(near[one.at] or likeness(one.traits) < least for one in found)
            far += list(near.values()).count(False)
    assert far, "nothing was spared"


def _own(kind: str, material: Material) -> list[str]:
    own = health.own(material.body) if kind == "health" else privilege.own(material)
    return [one.text for one in own]
