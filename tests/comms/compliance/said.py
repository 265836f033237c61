"""What do people say in the labelled sentences, and what is found in them?"""

from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.learn import WHOLE
from benchmarks.score import held_back, read
from comms.compliance.labels import Label
from comms.compliance.material import Content
from comms.compliance.screening import screen

SAID = Path(__file__).parents[3] / "benchmarks" / "said"
Row = dict[str, Any]


@cache
def found(file: str) -> tuple[tuple[Row, frozenset[Label]], ...]:
    """The rows of a file, each with the labels it got."""
    rows = read(SAID / f"{file}.jsonl")
    return tuple((row, _labels(row["body"], row["from"], row["channel"])) for row in rows)


def _labels(body: str, sender: str, channel: str) -> frozenset[Label]:
    return frozenset(screen(Content(body, sender, channel)).labels)


def labels(sender: str, channel: str, body: str, subject: str | None = None) -> set[Label]:
    """What a single message is."""
    return set(screen(Content(body, sender, channel, subject)).labels)


def share(label: Label, *files: str, held: bool) -> float:
    """Of the rows that were (not) held back from all tuning, how many got the label."""
    rows = [
        label in got
        for file in files
        for row, got in found(file)
        if row["id"].split("-")[1] not in WHOLE and held_back(row["id"]) == held
    ]
    return sum(rows) / len(rows)


def tuned(label: Label, file: str) -> list[tuple[str, bool]]:
    """The rows that the rules were made with, and whether each got the label."""
    return [(row["body"], label in got) for row, got in found(file) if "-first-" in row["id"]]
