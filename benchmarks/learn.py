"""Which weights tell privilege and health from other messages?

``python -m benchmarks.learn privilege|health [--with FILE]... [--out FILE]`` learns the weights of
``comms/compliance/likeness.py`` from ``benchmarks/said`` (own sentences, nobody's mail) and, each
passage for less, from sets of ``benchmarks.corpora``: those with the label against all others,
except the third of each that is held back. It is logistic regression with AdaGrad in a fixed
order, so that the same sentences give the same weights.
"""

import argparse
import hashlib
import math
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.score import held_back, read
from comms.compliance import health, privilege
from comms.compliance.likeness import RULE, Likeness
from comms.compliance.material import Content, Material

SAID: Final = Path(__file__).with_name("said")
_KINDS: Final = {"privilege": ("privileged", privilege), "health": ("phi", health)}
_STRANGERS: Final = {"client": ("client", "unknown")}
"""Most clients write from an address of which one knows nothing: their words are learned twice."""
_ROUNDS: Final = 20
_STEP: Final = 0.1
_SHRINK: Final = 1e-2
_OTHERS: Final = 0.05
"""What another set counts as a whole, beside our own: it is of another world than our clients'.
What a rule tells there and its people did not label is left out: they labelled for another end."""
_SEEN_ELSEWHERE: Final = 30
_SEEN: Final = 3
"""A trait of fewer messages teaches nothing about the next."""


class Example(NamedTuple):
    """The traits of a passage, whether it has the label, and how much it counts."""

    traits: list[str]
    labelled: bool
    counts: float


def open_rows(file: Path) -> Iterator[dict[str, object]]:
    """What may be learned from: all but the held back third of what was not tuned on before."""
    for row in read(file):
        if "-first-" in row["id"] or not held_back(row["id"]):
            yield row


def examples(kind: str, others: Sequence[Path] = ()) -> list[Example]:
    """Every passage of every message, with the traits that are known well enough."""
    own = [one for file in sorted(SAID.glob("*.jsonl")) for one in _of(file, kind, 1.0)]
    found = list(own)
    for file in others:
        other = [one for one in _of(file, kind, 1.0) if one.labelled or RULE not in one.traits]
        counts = _OTHERS * len(own) / len(other)
        found += [one._replace(counts=counts) for one in other]
    seen = Counter(trait for example in found for trait in example.traits)
    ours = Counter(trait for example in own for trait in example.traits)
    known = {one for one in seen if ours[one] >= _SEEN or seen[one] >= _SEEN_ELSEWHERE}
    return [one._replace(traits=[trait for trait in one.traits if trait in known]) for one in found]


def _of(file: Path, kind: str, counts: float) -> Iterator[Example]:
    label, module = _KINDS[kind]
    for row in open_rows(file):
        for sender in _STRANGERS.get(str(row["from"]), (str(row["from"]),)):
            for passage in module.passages(_material(row | {"from": sender})):
                yield Example(sorted(passage.traits), label in str(row["labels"]), counts)


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
    """A weight for each trait; the one of no trait is where the sum begins."""
    order = list(examples)
    whole = sum(example.counts for example in order)
    many = sum(example.counts for example in order if example.labelled)
    share = {True: whole / 2 / many, False: whole / 2 / (whole - many)}
    weights: dict[str, float] = {"": 0.0}
    slopes: dict[str, float] = {}
    shuffled = random.Random(1)
    for _ in range(_ROUNDS):
        shuffled.shuffle(order)
        for example in order:
            _step(weights, slopes, example, share[example.labelled])
    return weights


def _step(
    weights: dict[str, float], slopes: dict[str, float], example: Example, share: float
) -> None:
    part = 1 / math.sqrt(len(example.traits) or 1)
    total = weights[""] + part * sum(weights.get(trait, 0.0) for trait in example.traits)
    wrong = (1 / (1 + math.exp(-max(-30.0, min(30.0, total)))) - example.labelled) * share
    counts = example.counts
    for trait in ("", *example.traits):
        weight = weights.get(trait, 0.0)
        slope = counts * (wrong * part + _SHRINK * weight if trait else wrong)
        slopes[trait] = slopes.get(trait, 1e-8) + slope * slope
        weights[trait] = weight - _STEP * slope / math.sqrt(slopes[trait])


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
        "--with", dest="others", type=Path, action="append", default=[], metavar="FILE"
    )
    parser.add_argument("--why", metavar="TEXT", help="what speaks for the label in a text")
    parser.add_argument("--from", dest="sender", default="client")
    parser.add_argument("--out", type=Path, metavar="FILE")
    asked = parser.parse_args(arguments)
    if asked.why is not None:
        return _explain(asked.kind, asked.why, asked.sender)
    found = examples(asked.kind, asked.others)
    names = "".join(f" --with {file.name}" for file in asked.others)
    text = written(f"{asked.kind}{names}", learned(found), len(found))
    if asked.out:
        asked.out.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
