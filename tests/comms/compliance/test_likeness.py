"""Are the shipped weights those of the sentences, and does their sum explain itself?"""

import json
from pathlib import Path

import pytest

from benchmarks import learn
from benchmarks.learn import Example, fingerprint, learned
from benchmarks.score import held_back, read
from comms.compliance import health, likeness, privilege
from comms.compliance.likeness import Likeness, Told
from comms.compliance.material import Content, Material
from comms.compliance.sentences import sentences

WEIGHTS = Path(likeness.__file__).parent


@pytest.mark.parametrize("kind", ["privilege", "health"])
def test_the_weights_were_learned_from_these_sentences(kind: str) -> None:
    """Whoever changes a sentence runs ``python -m benchmarks.learn`` again."""
    assert fingerprint() in (WEIGHTS / f"{kind}.weights").read_text(encoding="utf-8")


def test_learning_the_same_gives_the_same() -> None:
    rows = [Example(["sue", "@ask"], True, 1.0, 2), Example(["pay", "@ask"], False, 1.0, 2)]
    weights = learned(rows)
    assert weights == learned(rows)
    assert weights["sue"] > 0 > weights["pay"]
    assert "@ask" not in weights


def test_the_heaviest_traits_are_the_reasons() -> None:
    passage = privilege.passages(_message("Can my boss fire me if I refuse to sign?"))[0]
    reasons = Likeness("privilege").reasons(passage.traits)
    assert reasons
    assert set(reasons) <= passage.traits
    assert Likeness("privilege")(passage.traits) > Likeness("privilege")(
        passage.traits - {*reasons}
    )


def test_a_long_text_is_read_in_stretches() -> None:
    long = "The clinic's pump hums. " * 70 + "\n\nMy knee was operated on Monday."
    read = health.passages(_message(long))
    assert len(read) > 3
    assert [passage.at.start for passage in read[1:]] == [passage.at.stop for passage in read[:-1]]
    assert "knee" in read[-1].traits
    assert not any("knee" in passage.traits for passage in read[:-1])


def test_only_the_likely_sentences_of_a_passage_are_told() -> None:
    text = "INV-7710 is fine. Can my landlord throw me out before the hearing?"
    told = [Told(one, frozenset[str]()) for one in sentences(text)]
    (passage,) = likeness.passages(told, set(), "client")
    chosen = likeness.telling(Likeness("privilege"), told, passage, set(), "client")
    assert chosen == {1}
    assert likeness.telling(Likeness("privilege"), told, passage, {0}, "client") == {0}


def test_held_back_sentences_are_not_learned_from() -> None:
    rows = [row for file in learn.SAID.glob("*.jsonl") for row in learn.open_rows(file)]
    assert rows
    names = [str(row["id"]) for row in rows]
    assert not any(held_back(one) for one in names if one.split("-")[1] not in learn.WHOLE)


@pytest.mark.parametrize("kind", ["privilege", "health"])
def test_no_message_of_the_blind_set_is_among_those_learned_from(kind: str) -> None:
    blind = (learn.SAID / "blind" / f"{kind}.jsonl").read_text(encoding="utf-8").splitlines()
    asked = {json.loads(line)["body"].casefold() for line in blind}
    taught = {
        str(row["body"]).casefold() for one in learn.SAID.glob("*.jsonl") for row in read(one)
    }
    assert len(asked) > 300
    assert not asked & taught


def test_what_weighs_nothing_has_no_weight() -> None:
    rows = [Example(["sue", "rare"], True, 1.0, 2), Example(["pay"], False, 1.0, 1)]
    rows += [Example(["sue"], True, 1.0, 1)] * 20
    assert "rare" not in learned(rows)


def _message(body: str) -> Material:
    return Material.of(Content(body, "client", "email"))
