"""What do we hold of a person, all of it, for a program and for them to read?

Everything that hangs on the client, decrypted for this once. What is sealed stays sealed: whether
it is theirs to see is for counsel to say, who reads it by name.
"""

import datetime as dt
import html
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from sqlmodel import Session, col, select

from billing import aliases, money, vault
from billing.models import Client
from bot.custody import belongings, processors
from bot.report import Wrong
from comms import seals, timeline
from comms.compliance.clearance import Reader, Sink
from comms.compliance.labels import SEALING
from comms.duties import notes
from comms.models import Audience, Message, State, Touchpoint
from comms.office import Office
from comms.writing import drafts

SEALED = "(sealed; counsel or compliance says whether it is theirs to see)"
_FIRST: Mapping[str, str] = {
    "client": "Who you are to us",
    "contact": "People we know at yours",
    "address": "Where we write to you",
    "consent_event": "What you agreed to, and what you did not",
    "stated_preference": "What you asked us for",
    "agreement": "What you have agreed to",
    "invoice": "Bills",
    "invoice_line": "What the bills are for",
    "payment": "Payments",
    "promise": "What you promised to pay",
    "touchpoint": "What was said between us",
    "message": "What we wrote to you, or about you",
    "incoming": "What came in, as it came",
    "decision": "Why we wrote, or did not",
}
_NOTES = frozenset({"note_id", "release_note_id", "reason_id"})
"""What our own people wrote: counsel may have told them."""
_COUNSELS = frozenset({"legal_hold"})
"""What is kept because a lawsuit is expected: why, and for which one, is counsel's to say."""
_FILE = Reader(Sink.EXPORT)
_UNTOLD = frozenset({"chain_entry", "chain_head"})
"""Hashes: they show that the rest was not changed."""


def gather(
    session: Session, office: Office, client: Client, register: Mapping[str, processors.Processor]
) -> dict[str, Any]:
    """Everything, by the tables it is in, and who else has something of it."""
    group = aliases.group(session, client.id)
    found = belongings.of(session, group)
    sealed = _sealed(session, office, group)
    tables = {
        name: [_said(session, office, name, row, sealed) for row in rows]
        for name, rows in found.items()
        if rows and name not in _UNTOLD
    }
    broken = [one for member in group for one in timeline.verify(session, member)]
    return {
        "client": client.id,
        "name": client.name,
        "made_at": office.now.isoformat(timespec="seconds"),
        "unchanged_since_it_was_recorded": not broken,
        "processors": processors.data(processors.holdings(register, found)),
        "tables": tables,
    }


def _sealed(session: Session, office: Office, group: Sequence[int]) -> dict[str, set[int]]:
    """Touchpoints that are sealed, and the requests and messages in which they stand.

    So is what one of us typed and nobody has let go.
    """
    said = session.exec(select(Touchpoint).where(col(Touchpoint.client_id).in_(group))).all()
    labels = seals.labels_of(session, said)
    closed = [one for one in said if labels[one.id] & SEALING]
    return {
        "touchpoint": {one.id for one in closed},
        "incoming": {one.incoming_id for one in closed if one.incoming_id},
        "message": {one.message_id for one in closed if one.message_id}
        | _cards(session, group, [one.id for one in closed])
        | _kept_back(session, office, group),
    }


def _cards(session: Session, group: Sequence[int], closed: Sequence[int]) -> set[int]:
    """Messages to our own people that may show, as they were made, what is sealed by now."""
    if not closed:
        return set()
    its_own = (col(Message.subject_kind) == "touchpoint") & col(Message.subject_id).in_(closed)
    query = select(Message.id).where(
        col(Message.client_id).in_(group),
        Message.audience == Audience.STAFF,
        its_own | col(Message.subject_kind).in_(("task", "case")),
    )
    return set(session.exec(query))


def _kept_back(session: Session, office: Office, group: Sequence[int]) -> set[int]:
    """Drafts with sealed words in them that did not leave."""
    query = select(Message).where(
        col(Message.client_id).in_(group),
        col(Message.draft_id).is_not(None),
        col(Message.state).not_in((State.SENT, State.DELIVERED)),
    )
    return {
        one.id for one in session.exec(query) if drafts.of(session, office, one).labels & SEALING
    }


def _said(
    session: Session,
    office: Office,
    table: str,
    row: Mapping[str, Any],
    sealed: Mapping[str, set[int]],
) -> dict[str, Any]:
    """A row with the words that it names, in the place of their numbers in the vault."""
    told: dict[str, Any] = {}
    closed = row.get("id") in sealed.get(table, ()) or table in _COUNSELS
    for name, value in row.items():
        if table in _COUNSELS and name == "matter":
            told[name] = SEALED
        elif name not in belongings.BODIES:
            told[name] = value.isoformat() if isinstance(value, dt.date) else value
        elif value is not None:
            words = SEALED if closed else _words(session, office, name, value)
            told[name.removesuffix("_id")] = words
    return told


def _words(session: Session, office: Office, column: str, body_id: int) -> object:
    if column in _NOTES:
        return notes.read(session, office, body_id, _FILE)
    text = vault.text(session, office.keyring, body_id, errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return text


# --- two files ------------------------------------------------------------------------------------


def write(found: Mapping[str, Any], folder: Path) -> tuple[Path, Path]:
    """One for programs and one to read, each for its owner only; both, or nothing of them.

    Raises:
        Wrong: one is there already.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    machines, people = (folder / f"client-{found['client']}.{kind}" for kind in ("json", "html"))
    made: list[Path] = []
    try:
        with _new(machines) as file:
            made.append(machines)
            file.write(json.dumps(found, ensure_ascii=False, indent=2, default=str) + "\n")
        with _new(people) as file:
            made.append(people)
            file.write("\n".join(page(found)) + "\n")
    except BaseException:
        for path in made:
            path.unlink()
        raise
    return machines, people


def _new(path: Path) -> TextIO:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Wrong(f"{path} exists; name another folder with --to.") from None
    return os.fdopen(descriptor, "w", encoding="utf-8")


def page(found: Mapping[str, Any]) -> Iterator[str]:
    """What a person reads: the known things first, then whatever else there is."""
    title = f"What we hold of {html.escape(found['name'])}"
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
    yield f"<p>Made on {html.escape(found['made_at'][:10])}.</p>"
    tables: Mapping[str, Sequence[Mapping[str, Any]]] = found["tables"]
    for name, heading in _FIRST.items():
        if name in tables:
            yield f"<h2>{html.escape(heading)}</h2>"
            yield from _grid(tables[name])
    yield "<h2>Who else has something of it</h2>"
    yield from _grid(found["processors"])
    for name, rows in tables.items():
        if name not in _FIRST:
            yield f"<details><summary>{html.escape(name.replace('_', ' '))}</summary>"
            yield from _grid(rows)
            yield "</details>"
    yield "</body></html>"


def _grid(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    used = [name for name in names if any(row.get(name) not in (None, "") for row in rows)]
    yield "<table><thead><tr>"
    yield "".join(f"<th>{html.escape(name.replace('_', ' '))}</th>" for name in used)
    yield "</tr></thead><tbody>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{_cell(_shown(row, name))}</td>' for name in used)}</tr>"
    yield "</tbody></table>"


def _shown(row: Mapping[str, Any], name: str) -> object:
    """Money as people write it."""
    value = row.get(name)
    if name in _MONEY and isinstance(value, int) and row.get("currency"):
        return money.display(value, row["currency"])
    return value


_MONEY = frozenset({"amount", "corrected_amount", "contract_value", "refunded"})


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        parts = (f"{name}: {said}" for name, said in value.items() if said not in (None, ""))
        return html.escape("\n".join(parts))
    if isinstance(value, list | tuple):
        return html.escape("\n".join(map(str, value)))
    return html.escape(str(value))


_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem}"
    "table{border-collapse:collapse;margin:.5rem 0 1.5rem;display:block;overflow-x:auto}"
    "th,td{border-bottom:1px solid #ccc;padding:.3rem .6rem;text-align:left;vertical-align:top;"
    "white-space:pre-wrap;max-width:36rem}summary{cursor:pointer;font-weight:600}"
)
