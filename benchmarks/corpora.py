"""How do public labelled sets read as lines for ``benchmarks.score``?

``python -m benchmarks.corpora NAME GIT_DIR > FILE.jsonl``; GIT_DIR is a clone (bare will do) of the
repository that is named beside the set. None of their text is committed here.
"""

import argparse
import ast
import csv
import email
import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

Row = dict[str, Any]
_ENRON: Final = "e300e4b0b2f0474458590357ea9fbfd8340ca029"
_LEGAL_ADVICE: Final = "3,10,"
_NUMBERS: Final = {"CREDIT_CARD": "pan", "IBAN_CODE": "iban", "US_SSN": "ssn"}
_UNSEEN: Final = (
    "Main-Dataset/MTS-Dialog-TestSet-1-MEDIQA-Chat-2023.csv",
    "Main-Dataset/MTS-Dialog-ValidationSet.csv",
)
_TRAINING: Final = ("Main-Dataset/MTS-Dialog-TrainingSet.csv",)


class Clone:
    """A repository as it was cloned."""

    def __init__(self, at: Path) -> None:
        self._at = at

    def _git(self, *arguments: str) -> bytes:
        return subprocess.run(
            ["git", "--git-dir", str(self._at), *arguments],
            check=True,
            capture_output=True,
        ).stdout

    def text(self, path: str) -> str:
        """A file of the newest commit."""
        return self._git("show", f"HEAD:{path}").decode("utf-8", "replace")

    def paths(self) -> list[str]:
        """Every file of the newest commit."""
        return self._git("ls-tree", "-r", "--name-only", "HEAD").decode().splitlines()

    def folder(self, commit: str, path: str) -> dict[str, bytes]:
        """The files of a folder, at a commit."""
        with tarfile.open(fileobj=io.BytesIO(self._git("archive", commit, path))) as tar:
            opened = ((member.name, tar.extractfile(member)) for member in tar)
            return {name: file.read() for name, file in opened if file}


def _row(name: str, sender: str, channel: str, body: str, label: str) -> Row:
    return {"id": name, "channel": channel, "from": sender, "body": body, "labels": [label]}


def enron(clone: Clone) -> Iterator[Row]:
    """Giskard-AI/giskard-examples: 1,702 mails, annotated at UC Berkeley; 3.10 is legal advice."""
    files = clone.folder(_ENRON, "enron_with_categories")
    for name in sorted(name for name in files if name.endswith(".cats")):
        mail = files.get(f"{name[:-5]}.txt")
        if mail is None:
            continue
        raw = mail.decode("latin-1")
        head = email.message_from_string(raw)
        legal = any(line.startswith(_LEGAL_ADVICE) for line in files[name].decode().split())
        label = "privileged" if legal else "none"
        sender = str(head.get("From", "")).strip()
        row = _row(f"enron-{Path(name).stem}", sender, "email", raw.partition("\n\n")[2], label)
        yield row | {"subject": str(head.get("Subject", "")).strip()}


def learned_hands(clone: Clone) -> Iterator[Row]:
    """HazyResearch/legalbench: requests for legal help, CC BY-NC-SA: not learned from."""
    known: set[str] = set()
    for path in clone.paths():
        if "learned_hands" in path and path.endswith("train.tsv"):
            for row in csv.DictReader(io.StringIO(clone.text(path)), delimiter="\t"):
                if row["text"] not in known:
                    known.add(row["text"])
                    yield _row(f"lh-{len(known) - 1}", "client", "email", row["text"], "privileged")


def emailsense(clone: Clone) -> Iterator[Row]:
    """ece1786-2023/EmailSense: mails to a professor; nothing in them is to be sealed."""
    for path in clone.paths():
        if path.startswith("dataset/") and path.endswith(".txt"):
            yield _row(path, "unknown", "email", clone.text(path), "none")


def _dialog(clone: Clone, paths: Sequence[str], column: str, name: str) -> Iterator[Row]:
    rows = (row for path in paths for row in csv.DictReader(io.StringIO(clone.text(path))))
    for at, row in enumerate(rows):
        yield _row(f"{name}-{at}", "staff", "call_note", row[column], "phi")


def mts_notes(clone: Clone) -> Iterator[Row]:
    """abachaa/MTS-Dialog (CC BY 4.0): 300 clinical notes of its test and validation sets."""
    return _dialog(clone, _UNSEEN, "section_text", "mts")


def mts_dialogues(clone: Clone) -> Iterator[Row]:
    """abachaa/MTS-Dialog: the 300 conversations that the notes were made from."""
    return _dialog(clone, _UNSEEN, "dialogue", "mtsd")


def mts_training(clone: Clone) -> Iterator[Row]:
    """abachaa/MTS-Dialog: its training set, notes and conversations, to learn from."""
    yield from _dialog(clone, _TRAINING, "section_text", "mtst")
    yield from _dialog(clone, _TRAINING, "dialogue", "mtstd")


def _presidio(clone: Clone, path: str, name: str) -> Iterator[Row]:
    for at, one in enumerate(json.loads(clone.text(path))):
        spans = [
            {"label": _NUMBERS[span["entity_type"]], "text": span["entity_value"]}
            for span in one["spans"]
            if span["entity_type"] in _NUMBERS
        ]
        labels = sorted({span["label"] for span in spans}) or ["none"]
        row = _row(f"{name}-{at}", "unknown", "email", one["full_text"], "none")
        yield row | {"labels": labels, "spans": spans}


def presidio_v2(clone: Clone) -> Iterator[Row]:
    """microsoft/presidio-research: 1,500 made sentences."""
    return _presidio(clone, "data/synth_dataset_v2.json", "presidio_v2")


def presidio_large(clone: Clone) -> Iterator[Row]:
    """microsoft/presidio-research: 2,109 made sentences."""
    return _presidio(clone, "tests/data/generated_large.json", "presidio_large")


_BLOCK: Final = re.compile(
    r"\b(tps|fps)\s*:?=\s*(?:append\(\1,|\[\]string\{)(.*?)\n\t[)}]", re.DOTALL
)
_LITERAL: Final = re.compile(
    r"^\s*(?:`([^`]+)`|\"((?:[^\"\\\\]|\\\\.)+)\"),\s*(?://.*)?$", re.MULTILINE
)
_SECRET: Final = {"tps": "password_or_secret", "fps": "none"}


def gitleaks(clone: Clone) -> Iterator[Row]:
    """gitleaks/gitleaks (MIT): what its rules must and must not find; the written-out ones."""
    seen: set[str] = set()
    for path in clone.paths():
        if not path.startswith("cmd/generate/config/rules/") or not path.endswith(".go"):
            continue
        for kind, block in _BLOCK.findall(clone.text(path)):
            for raw, quoted in _LITERAL.findall(block):
                text = raw or quoted.replace('\\"', '"').replace("\\n", "\n")
                if text not in seen:
                    seen.add(text)
                    name = f"{Path(path).stem}-{len(seen)}"
                    yield _row(name, "unknown", "email", text, _SECRET[kind])


def detect_secrets(clone: Clone) -> Iterator[Row]:
    """Yelp/detect-secrets (Apache 2.0): the lines of its tests that say whether they are found."""
    for path in clone.paths():
        if not path.startswith("tests/plugins/") or not path.endswith("_test.py"):
            continue
        for at, (line, found) in enumerate(_flagged(ast.parse(clone.text(path)))):
            label = "password_or_secret" if found else "none"
            yield _row(f"{Path(path).stem}-{at}", "unknown", "email", line, label)


def _flagged(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple) and len(node.elts) == 2:
            line, found = (getattr(one, "value", None) for one in node.elts)
            if isinstance(line, str) and isinstance(found, bool):
                yield line, found


SETS: Final[dict[str, Callable[[Clone], Iterator[Row]]]] = {
    one.__name__.replace("_", "-"): one
    for one in (
        *(enron, learned_hands, emailsense),
        *(mts_notes, mts_dialogues, mts_training),
        *(presidio_v2, presidio_large),
        *(gitleaks, detect_secrets),
    )
}


def main(arguments: Sequence[str] | None = None) -> int:
    described = "\n".join(f"  {name}: {of.__doc__}" for name, of in SETS.items())
    parser = argparse.ArgumentParser(
        "python -m benchmarks.corpora",
        description=f"{__doc__}\n{described}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=sorted(SETS))
    parser.add_argument("clone", type=Path, metavar="GIT_DIR")
    asked = parser.parse_args(arguments)
    for row in SETS[asked.name](Clone(asked.clone)):
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
