"""Who opens what lies in the vault? A short list by name; each releases it, or says why not."""

import ast
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OPENS = {("vault", "text"), ("vault", "texts"), ("vault", "get"), ("outbox", "rendered")}
RELEASES = {
    ("seals", "words"),
    ("clearance", "release"),
    ("notes", "read"),
    ("notes", "shown"),
    ("notes", "sent"),
}

OPENERS: Mapping[str, str] = {
    # These hand what they opened to a reader, and only as far as ``release`` lets them.
    "comms/seals.py": "releases",
    "comms/duties/notes.py": "releases",
    # These show nobody anything: what they read is read again, judged, rendered or written anew.
    "bot/understanding.py": "reads a request again, and screens it on the way",
    "bot/custody/earlier.py": "compares words with what the same phone or client wrote just before",
    "bot/inbox.py": "compares a delivery with the one that was kept",
    "bot/custody/rights.py": "keeps why a case takes longer beside why it was closed",
    "bot/custody/strictures.py": "keeps why something was sealed or held, under the same key",
    "bot/custody/erasure.py": "looks for the names of whoever is to be erased",
    "bot/preview/copying.py": "copies drafts into memory, where the door judges them",
    "bot/worker.py": "asks the provider whether a message of ours arrived",
    "comms/outbox.py": "hands a channel what it is to send",
    "comms/writing/letters.py": "renders what a person typed, which the door has judged",
    "comms/writing/drafts.py": "judges what a person typed, and asks those who are cleared for it",
    "comms/listening/quoting.py": "compares words with what is sealed, and gives labels alone",
    "comms/law/counsel.py": "reads what was taught: an address or a domain, no message",
    "billing/ledger/invoices.py": "compares the lines of a draft with those that are told anew",
    "comms/writing/wording.py": "reads the lines of bills, to keep them out of what is sent",
    # These hold no words of people: sentences that rules of ours have made, or facts of bills.
    "bot/reasons/explain.py": "releases",
    "bot/preview/gathering.py": "reasons of decisions",
    "bot/papers/reading.py": "the lines of a bill, for the client's own paper",
    "bot/slack/remittances.py": "lines of an insurer's file that matched nothing",
    "bot/slack/troubles.py": "facts that could not be booked; shows their kinds and our sentences",
    # The card of a stranger's message is released in ``records.of_stranger``.
    "bot/slack/letters.py": "reads a stranger's request again, screened, for a card that releases",
    "bot/slack/records.py": "releases",
    "bot/sandbox/chronicle.py": "releases",
    "bot/custody/export.py": "releases",
    "bot/custody/privilegelog.py": "whom a sealed mail went to, for the log that courts ask for",
    "bot/custody/unscreened.py": "what no detector could read, for who is cleared and asks",
}  # fmt: skip


def calls(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.value.id, node.attr
        if isinstance(node, ast.ImportFrom) and node.module:
            last = node.module.rpartition(".")[2]
            yield from ((last, name.name) for name in node.names)


@functools.cache
def openers() -> Mapping[str, set[tuple[str, str]]]:
    found = {}
    for floor in ("billing", "comms", "bot"):
        for path in sorted((ROOT / floor).rglob("*.py")):
            used = set(calls(ast.parse(path.read_text())))
            if used & OPENS:
                found[path.relative_to(ROOT).as_posix()] = used
    return found


def test_who_opens_the_vault_is_known_by_name() -> None:
    assert sorted(openers()) == sorted(OPENERS)


@pytest.mark.parametrize("name", [one for one, why in OPENERS.items() if why == "releases"])
def test_who_shows_what_was_opened_releases_it(name: str) -> None:
    assert openers()[name] & RELEASES


def test_each_other_says_why_it_may() -> None:
    assert all(len(why.split()) > 2 for why in OPENERS.values() if why != "releases")


@pytest.mark.parametrize(
    "wrong",
    [
        "def show(s, o, one):\n    return vault.text(s, o.keyring, one.body_id)",
        "from billing.vault import get",
        "open_it = vault.get",
    ],
)
def test_another_way_in_would_be_noticed(wrong: str) -> None:
    assert set(calls(ast.parse(wrong))) & OPENS
