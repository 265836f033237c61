"""How well does the product label a set of labelled messages?

``python -m benchmarks.score screen FILE [--only held|open] [--json]`` reads JSON lines with the
fields of ``counterfoil screen`` and the labels that people gave, and prints precision and recall
by label, the confusion, and how many of the spans were found to the character. ``--only`` takes the
third of the set that is held back (by the hash of the id), or the rest.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comms.compliance.labels import Label
from comms.compliance.material import Content
from comms.compliance.screening import parts, screen

NONE = Label.NONE.value
_TO_THE_CHARACTER = {"pan", "cvv", "ssn", "iban", "dob", "password_or_secret"}


@dataclass
class Score:
    """What was right and what was not, label by label."""

    messages: int = 0
    right: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    spans: Counter[str] = field(default_factory=Counter)
    exact: Counter[str] = field(default_factory=Counter)

    def recall(self, label: str) -> float:
        return _share(self.right[label], self.right[label] + self.missed[label])

    def precision(self, label: str) -> float:
        return _share(self.right[label], self.right[label] + self.false[label])

    def sealed_wrongly(self, label: str) -> float:
        """Of the messages without this label, the share that got it."""
        others = self.messages - self.right[label] - self.missed[label]
        return _share(self.false[label], others)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def held_back(name: str) -> bool:
    """Whether a message belongs to the third that nobody looks at while building."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 3 == 0


def score(messages: Iterable[dict[str, Any]]) -> Score:
    """Screen each message, and compare with what people said."""
    found = Score()
    for message in messages:
        _count(found, message)
    return found


def _count(found: Score, message: dict[str, Any]) -> None:
    content = Content(message["body"], message["from"], message["channel"], message.get("subject"))
    screened = screen(content)
    wanted = set(message["labels"]) or {NONE}
    got = {label.value for label in screened.labels}
    found.messages += 1
    found.right.update(wanted & got)
    found.missed.update(wanted - got)
    found.false.update(got - wanted)
    found.confusion.update((one, other) for one in wanted - got for other in got - wanted)
    texts = {(label.value, text) for label, text in parts(content, screened)}
    for span in message.get("spans", ()):
        if span["label"] in _TO_THE_CHARACTER:
            found.spans[span["label"]] += 1
            found.exact[span["label"]] += (span["label"], span["text"]) in texts


def read(file: Path, only: str | None = None) -> Iterator[dict[str, Any]]:
    """The messages of a file; only those held back, or only the open ones."""
    for line in file.read_text(encoding="utf-8").splitlines():
        message = json.loads(line)
        if only is None or held_back(str(message["id"])) == (only == "held"):
            yield message


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.score", description=__doc__)
    parser.add_argument("what", choices=["screen"])
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--only", choices=["held", "open"])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    found = score(read(asked.file, asked.only))
    if asked.json:
        print(json.dumps(_plain(found)))
    else:
        _show(found)
    return 0


def _labels(found: Score) -> list[str]:
    there = found.right.keys() | found.missed.keys() | found.false.keys()
    return [label.value for label in Label if label.value in there]


def _plain(found: Score) -> dict[str, Any]:
    return {
        "messages": found.messages,
        "labels": {
            label: {
                "right": found.right[label],
                "missed": found.missed[label],
                "false": found.false[label],
                "spans": found.spans[label],
                "exact": found.exact[label],
            }
            for label in _labels(found)
        },
        "confusion": [[*pair, many] for pair, many in found.confusion.most_common()],
    }


def _show(found: Score) -> None:
    print(f"{found.messages} messages")
    print(
        f"{'':20}{'right':>7}{'missed':>8}{'false':>7}{'recall':>8}{'prec.':>7}{'others':>8}  spans"
    )
    for label in _labels(found):
        spans = f"{found.exact[label]}/{found.spans[label]}" if found.spans[label] else ""
        print(
            f"{label:20}{found.right[label]:>7}{found.missed[label]:>8}{found.false[label]:>7}"
            f"{found.recall(label):>8.1%}{found.precision(label):>7.0%}"
            f"{found.sealed_wrongly(label):>8.1%}  {spans}"
        )
    for (wanted, got), many in found.confusion.most_common():
        print(f"  {wanted} taken for {got}: {many}")


if __name__ == "__main__":
    sys.exit(main())
