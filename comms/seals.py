"""What is sealed of what was said, and who said so?

What was found on arrival is part of the touchpoint and never changes. A person with the role may
put a seal on or take it off; what holds is a fold over what was found and what people said.
"""

import datetime as dt
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal

from sqlalchemy import ColumnElement, bindparam
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from billing import aliases, vault
from billing.models import Client
from comms import staff, timeline
from comms.compliance import clearance
from comms.compliance.clearance import Content, Form, Reader
from comms.compliance.labels import SEALING, Label
from comms.law import counsel
from comms.models import Access, Audience, Message, Touchpoint
from comms.office import Office

_TOLD = ("subject", "from", "did", "doubtful", "enclosed")
_RULINGS = (
    core_select(col(Access.touchpoint_id), col(Access.change), col(Access.label))
    .where(
        col(Access.touchpoint_id).in_(bindparam("touchpoints", expanding=True)),
        col(Access.change).in_(("sealed", "unsealed")),  # who reads it takes no seal off
    )
    .order_by(col(Access.touchpoint_id), col(Access.id))
)


def labels_of(session: Session, touchpoints: Collection[Touchpoint]) -> dict[int, frozenset[Label]]:
    """The labels that hold for each, by its id."""
    rows = session.execute(_RULINGS, {"touchpoints": [one.id for one in touchpoints]})
    said = {key: list(found) for key, found in groupby(rows, key=lambda row: row.touchpoint_id)}
    return {
        one.id: clearance.effective(map(Label, one.labels.split()), said.get(one.id, ()))
        for one in touchpoints
    }


def words(
    session: Session, office: Office, touchpoint: Touchpoint, reader: Reader
) -> Mapping[str, str]:
    """What a reader gets of it: ``subject``, ``visible``, ``from``, ``did`` and ``doubtful``.

    Where it is sealed for them: ``sealed`` says as what, and ``visible`` is the billing fact in it.
    """
    text = vault.text(session, office.keyring, touchpoint.body_id)
    if not text or text == vault.ERASED:
        return {"visible": text} if text else {}
    kept = json.loads(text)
    said = {key: str(kept[key]) for key in _TOLD if kept.get(key)}
    own = str(kept.get("visible") or kept.get("text") or "")
    labels = labels_of(session, [touchpoint])[touchpoint.id]
    released = clearance.release(Content(own, labels, str(kept.get("fact") or "")), reader)
    if released.form in (Form.FULL, Form.MASKED):
        return said | {"visible": released.text}
    for name in ("subject", "enclosed"):
        said.pop(name, None)
    return said | {"visible": released.text, "sealed": released.reason}


@dataclass(frozen=True, slots=True)
class Word:
    """What a person says of a touchpoint, and why; ``label`` is as what they seal it."""

    change: Literal["sealed", "unsealed", "forgotten"]
    by: str
    reason: str
    label: Label = Label.PRIVILEGED
    said_at: dt.datetime | None = None
    """When they said so, where that is known: what comes late does not undo what was said since."""


def say(
    session: Session,
    office: Office,
    touchpoint_id: int,
    word: Word,
    cleared: Collection[Label] = (),
) -> str:
    """Carry out a person's word, once; the sentence is for them, and the client is locked.

    ``cleared`` is what they were cleared for when they asked: what was sealed since stays sealed.
    """
    touchpoint = session.get(Touchpoint, touchpoint_id)
    if touchpoint is None:
        return "That message is no longer there."
    if kept := _unchanged(session, touchpoint, word, cleared):
        return kept
    redraw(session, office, touchpoint, rule(session, office, touchpoint, word))
    if word.change == "unsealed":
        return "Not sealed any more: everybody who may see this client's words reads it."
    said = _SEALED.format(clearance.named([word.label]))
    if word.label is not Label.PRIVILEGED:
        return said
    row = counsel.propose(session, office, touchpoint, word.by)
    ask = f" Is {row.value} counsel? `counterfoil privilege learned` asks." if row else ""
    return said + ask


def _unchanged(
    session: Session, touchpoint: Touchpoint, word: Word, cleared: Collection[Label]
) -> str:
    """Why it stays as it is; empty where their word changes something."""
    sealed = labels_of(session, [touchpoint])[touchpoint.id] & SEALING
    if word.change == "sealed" and word.label in sealed & _by_people(session, touchpoint):
        return _SEALED.format(clearance.named([word.label]))
    if word.change == "unsealed" and not sealed:
        return "It is not sealed: everybody who may see this client's words reads it."
    if word.change == "unsealed" and (left := sealed - set(cleared)):
        named = clearance.named(left)
        return f"Nothing was changed: it is sealed ({named}), and you are not cleared for that."
    if _is_late(session, touchpoint, word):
        return "Nothing was changed: somebody has said something else about it since."
    return ""


_SEALED: Final = "Sealed ({}): only who is cleared for that reads it now."


def _by_people(session: Session, touchpoint: Touchpoint) -> frozenset[Label]:
    """What people have sealed it as: who seals what a rule had found, confirms it."""
    rows = session.execute(_RULINGS, {"touchpoints": [touchpoint.id]}).all()
    return clearance.effective((), rows)


def _is_late(session: Session, touchpoint: Touchpoint, word: Word) -> bool:
    """Slack brings what people did in any order; who said it last has the last word."""
    if word.said_at is None:
        return False
    said = select(Access.id).where(
        Access.touchpoint_id == touchpoint.id,
        col(Access.change).in_(("sealed", "unsealed")),
        col(Access.occurred_at) > word.said_at,
    )
    return session.exec(said.limit(1)).first() is not None


def rule(session: Session, office: Office, touchpoint: Touchpoint, word: Word) -> Access:
    """A person seals or unseals; the client is locked, and it is a link of the client's chain."""
    client = session.get_one(Client, touchpoint.client_id)
    reason_id = vault.put(session, office.keyring, client.key_id, word.reason, office.now)
    ruling = Access(
        client_id=client.id,
        touchpoint_id=touchpoint.id,
        change=word.change,
        label=word.label.value if word.change == "sealed" else "",
        by=word.by,
        reason_id=reason_id,
        occurred_at=word.said_at or office.now,
        recorded_at=office.now,
    )
    timeline.link(session, client.id, ruling)
    return ruling


def redraw(session: Session, office: Office, touchpoint: Touchpoint, ruling: Access) -> None:
    """Every card that may show its words takes the form that holds from now on.

    A task and a case show what the client wrote last when they are drawn, and are drawn anew.
    """
    group = aliases.group(session, touchpoint.client_id)
    its_own = (col(Message.subject_kind) == "touchpoint") & (Message.subject_id == touchpoint.id)
    drawn = _drawn_since(touchpoint.recorded_at)
    anew = select(Message.updates_id).where(col(Message.client_id).in_(group), drawn)
    later = (
        col(Message.subject_kind).in_(("task", "case"))
        & col(Message.client_id).in_(group)
        & (drawn | col(Message.id).in_(anew.where(col(Message.updates_id).is_not(None))))
    )
    shown = select(Message).where(
        Message.audience == Audience.STAFF, its_own | later, col(Message.updates_id).is_(None)
    )
    for card in session.exec(shown).all():
        staff.redraw(session, card, office.now, f"ruled:{ruling.id}")


def _drawn_since(moment: dt.datetime) -> ColumnElement[bool]:
    """What is made as it is sent may be older than what it shows; what waits is not made yet."""
    sent = col(Message.sent_at)
    return (col(Message.created_at) >= moment) | (sent >= moment) | sent.is_(None)


def looked(session: Session, touchpoint: Touchpoint, by: str, now: dt.datetime) -> Access:
    """Somebody with the role reads what is sealed: written down before it is shown."""
    look = Access(
        client_id=touchpoint.client_id,
        touchpoint_id=touchpoint.id,
        change="read",
        label="",
        by=by,
        occurred_at=now,
        recorded_at=now,
    )
    timeline.link(session, touchpoint.client_id, look)
    return look
