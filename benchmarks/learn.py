"""Which weights tell privilege and health from other messages?

``python -m benchmarks.learn privilege|health [--with FILE[=SHARE]]... [--out FILE]`` learns the
weights of ``comms/compliance/likeness.py`` from ``benchmarks/said`` (own sentences, nobody's mail)
and, each passage for less, from sets of ``benchmarks.corpora``: those with the label against all
others, except the third of each that is held back. It is logistic regression that keeps only
weights worth their price; the same sentences give the same weights. ``--folds`` prints what is
caught and what is sealed wrongly at each likeness, each fifth told by the weights of the other
four. Nothing here reads ``benchmarks/said/blind``.
"""

import argparse
import hashlib
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from operator import mul
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.score import held_back, read
from comms.compliance import health, privilege
from comms.compliance.likeness import RULE, Likeness, Passage
from comms.compliance.material import Content, Material

SAID: Final = Path(__file__).with_name("said")
_KINDS: Final = {"privilege": ("privileged", privilege), "health": ("phi", health)}
_STRANGERS: Final = {"client": ("client", "unknown")}
"""Most clients write from an address of which one knows nothing: their words are learned twice."""
_ROUNDS: Final = 60
_PRICE: Final = 0.1
_SQUARE: Final = 0.1
_FOLDS: Final = 5
WHOLE: Final = ("first", "fifth", "sixth", "seventh", "eighth")
"""Written to be learned from, every one; what tests them is `said/blind`."""
_OTHERS: Final = 0.4
"""What another set counts as a whole, beside our own, unless `=SHARE` says otherwise: it is of
another world than our clients'. What a rule tells there and its people did not label is left out:
they labelled for another end."""
_SEEN_ELSEWHERE: Final = 30
_SEEN: Final = 3
"""A trait of fewer messages teaches nothing about the next."""

_COURTESIES: Final = frozenset({"hello", "hi", "hey", "dear", "greet", "regar", "cheer"})
"""Who says good day says it of everything; in few messages it looks as if it told something."""


class Example(NamedTuple):
    """The traits of a passage, whether it has the label, and how much it counts."""

    traits: list[str]
    labelled: bool
    counts: float
    size: int
    """How many traits it has, with those that nothing is learned of."""
    message: str = ""
    """Whose message it is of, where it is our own."""


def open_rows(file: Path) -> Iterator[dict[str, object]]:
    """What may be learned from: all but the held back third of what was not tuned on before."""
    for row in read(file):
        if not held_back(row["id"]) or row["id"].split("-")[-2] in WHOLE:
            yield row


def examples(kind: str, others: Sequence[str] = ()) -> list[Example]:
    """Every passage of every message, with the traits that are known well enough."""
    own = [one for file in sorted(SAID.glob("*.jsonl")) for one in _of(file, kind, 1.0)]
    found = list(own)
    for name in others:
        file, _, share = name.partition("=")
        every = _of(Path(file), kind, 1.0)
        other = [one for one in every if one.labelled or RULE not in one.traits]
        counts = float(share or _OTHERS) * len(own) / len(other)
        found += [one._replace(counts=counts) for one in other]
    seen = Counter(trait for example in found for trait in example.traits)
    ours = Counter(trait for example in own for trait in example.traits)
    known = {one for one in seen if ours[one] >= _SEEN or seen[one] >= _SEEN_ELSEWHERE}
    known -= _COURTESIES
    return [one._replace(traits=[trait for trait in one.traits if trait in known]) for one in found]


def _of(file: Path, kind: str, counts: float) -> Iterator[Example]:
    label, module = _KINDS[kind]
    ours = file.parent == SAID
    for row in _told(file):
        labelled = label in str(row["labels"])
        every = module.passages(_material(row))
        for passage in _meant(every) if labelled and ours else every:
            had = sorted(passage.traits)
            yield Example(had, labelled, counts, len(had) or 1, _name(row) if ours else "")


def _told(file: Path) -> Iterator[dict[str, object]]:
    """Each message, from everybody who may have written it."""
    for row in open_rows(file):
        for sender in _STRANGERS.get(str(row["from"]), (str(row["from"]),)):
            yield row | {"from": sender}


def _name(row: Mapping[str, object]) -> str:
    return f"{row['id']} {row['from']}"


def _meant(passages: Sequence[Passage]) -> Sequence[Passage]:
    """Those for which a message has its label: where a rule tells one, not its courtesies."""
    return [one for one in passages if RULE in one.traits] or passages


def _material(row: dict[str, object]) -> Material:
    subject = row.get("subject")
    return Material.of(
        Content(
            str(row["body"]),
            str(row["from"]),
            str(row["channel"]),
            str(subject) if subject else None,
        )
    )


def learned(examples: Sequence[Example]) -> dict[str, float]:
    """A weight for each trait that is worth one; that of no trait is where the sum begins.

    Logistic regression, with a price on each weight (most are worth none) and on its square.
    """
    rows = [["", *one.traits] for one in examples]
    parts = [[1.0] + [1 / math.sqrt(one.size)] * len(one.traits) for one in examples]
    counts = _balanced(examples)
    steps = _steps(rows, parts, counts)
    weights = dict.fromkeys(steps, 0.0)
    ahead, pace = dict(weights), 1.0
    for _ in range(_ROUNDS):
        slopes = dict.fromkeys(steps, 0.0)
        for row, part, count, one in zip(rows, parts, counts, examples, strict=True):
            total = sum(map(mul, part, map(ahead.__getitem__, row)))
            wrong = count * (1 / (1 + math.exp(-total)) - one.labelled)
            for trait, share in zip(row, part, strict=True):
                slopes[trait] += wrong * share
        before, last = weights, pace
        weights = {one: _moved(one, ahead[one], slopes[one], steps[one]) for one in steps}
        pace = (1 + math.sqrt(1 + 4 * last * last)) / 2
        swing = (last - 1) / pace
        ahead = {one: now + swing * (now - before[one]) for one, now in weights.items()}
    return {one: weight for one, weight in weights.items() if weight or not one}


def _balanced(examples: Sequence[Example]) -> list[float]:
    """What each counts: those with the label as much as all others together."""
    whole = sum(one.counts for one in examples)
    many = sum(one.counts for one in examples if one.labelled)
    share = {True: whole / 2 / many, False: whole / 2 / (whole - many)}
    return [one.counts * share[one.labelled] for one in examples]


def _steps(
    rows: Sequence[Sequence[str]], parts: Sequence[Sequence[float]], counts: Sequence[float]
) -> dict[str, float]:
    """How steep the sum of errors is at most along each weight."""
    steep: dict[str, float] = {}
    for row, part, count in zip(rows, parts, counts, strict=True):
        own = count * sum(part) / 4
        for trait, share in zip(row, part, strict=True):
            steep[trait] = steep.get(trait, _SQUARE) + own * share
    return steep


def _moved(trait: str, weight: float, slope: float, steep: float) -> float:
    if not trait:
        return weight - slope / steep
    moved = weight - (slope + _SQUARE * weight) / steep
    return math.copysign(max(0.0, abs(moved) - _PRICE / steep), moved)


def folds(kind: str, others: Sequence[str] = ()) -> Iterator[tuple[float, float, float]]:
    """At each likeness: which share of messages is caught, and of the others sealed.

    Told of own messages by weights that were learned from the other folds only. So is `likely`
    chosen; what was made from a pattern teaches and is not counted.
    """
    found, label = examples(kind, others), _KINDS[kind][0]
    best = {
        _name(row): (-math.inf, label in str(row["labels"]))
        for file in sorted(SAID.glob("*.jsonl"))
        for row in _told(file)
        if not _patterned(_name(row))
    }
    for fold in range(_FOLDS):
        weights = learned([one for one in found if not one.message or _fold(one) != fold])
        for one in found:
            if one.message and _fold(one) == fold and not _patterned(one.message):
                best[one.message] = (
                    max(best[one.message][0], _sum(weights, one)),
                    one.labelled,
                )
    caught, false = ([had for had, is_ in best.values() if is_ == want] for want in (True, False))
    for tenth in range(-10, 11):
        at = tenth / 10
        yield at, _share(caught, at), _share(false, at)


def _share(likenesses: Sequence[float], at: float) -> float:
    return sum(one >= at for one in likenesses) / len(likenesses)


def _patterned(message: str) -> bool:
    return "-sixth-" in message or "-seventh-" in message


def _fold(one: Example) -> int:
    name = one.message.partition(" ")[0]
    return int(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(), 16) % _FOLDS


def _sum(weights: dict[str, float], one: Example) -> float:
    told = sum(weights.get(trait, 0.0) for trait in one.traits)
    return weights[""] + told / math.sqrt(one.size)


def fingerprint() -> str:
    """Of the sentences that were learned from; the weights carry it."""
    read_ = b"".join(file.read_bytes() for file in sorted(SAID.glob("*.jsonl")))
    return hashlib.sha256(read_).hexdigest()


def written(asked: str, weights: dict[str, float], many: int) -> str:
    """The file of weights, with where they come from."""
    head = (
        f"# Learned by `python -m benchmarks.learn {asked}`\n"
        f"# from {many} passages; the sets are those of benchmarks/corpora.py. Not to be edited.\n"
        "# Engineering input, not legal advice; verified = false.\n"
        f"# sentences: {fingerprint()}\n"
    )
    rows = (f"{trait}\t{weight:.3f}\n" for trait, weight in sorted(weights.items()))
    return head + "".join(rows)


def _explain(kind: str, text: str, sender: str) -> int:
    """Each passage with its likeness and the traits that spoke most for it."""
    _, module = _KINDS[kind]
    known = Likeness(kind)
    for passage in module.passages(Material.of(Content(text, sender))):
        print(f"{known(passage.traits):+.2f}  {', '.join(known.reasons(passage.traits))}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.learn", description=__doc__)
    parser.add_argument("kind", choices=sorted(_KINDS))
    parser.add_argument(
        "--with", dest="others", action="append", default=[], metavar="FILE[=SHARE]"
    )
    parser.add_argument("--why", metavar="TEXT", help="what speaks for the label in a text")
    parser.add_argument("--from", dest="sender", default="client")
    parser.add_argument("--folds", action="store_true", help="what each likeness would catch")
    parser.add_argument("--out", type=Path, metavar="FILE")
    asked = parser.parse_args(arguments)
    if asked.why is not None:
        return _explain(asked.kind, asked.why, asked.sender)
    if asked.folds:
        for at, caught, false in folds(asked.kind, asked.others):
            print(f"{at:+.1f}  caught {caught:6.1%}  others sealed {false:6.1%}")
        return 0
    found = examples(asked.kind, asked.others)
    names = "".join(f" --with {Path(name).name}" for name in asked.others)
    text = written(f"{asked.kind}{names}", learned(found), len(found))
    if asked.out:
        asked.out.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
