"""Which seals on what was said before hold for words that say it again?

A label is not lost by being quoted, forwarded or copied: words that hold a run of eight of those
that are sealed for the same client are sealed as well, whoever sealed them.
"""

import json
import re
from collections.abc import Collection
from typing import Final

from sqlalchemy import or_
from sqlmodel import Session, col, select

from billing import vault
from comms import seals
from comms.compliance.labels import SEALING, Label
from comms.models import Access, Touchpoint
from comms.office import Office

RUN: Final = 8
"""Words in a row that two people do not write by chance."""
_LASTING: Final = SEALING - {Label.UNSCREENED}
"""What could not be screened may be by now, with the words that repeat it."""
_FEWEST: Final = 4
"""Of a message of less than this nothing can be told."""
_MOST: Final = 20
"""Sealed messages of a client that are looked at, the newest."""
_WORD: Final = re.compile(r"\w+")


def inherited(
    session: Session, office: Office, clients: Collection[int], text: str
) -> frozenset[Label]:
    """The labels of what these clients' messages say that is said in the text again."""
    earlier = _sealed(session, clients)
    if not earlier:
        return frozenset()
    labels = seals.labels_of(session, earlier)
    found: set[Label] = set()
    for one in earlier:
        mine = labels[one.id] & _LASTING
        if mine - found and repeats(text, _said(session, office, one)):
            found |= mine
    return frozenset(found)


def repeats(text: str, said: str) -> bool:
    """Whether a run of the words of what was said stands in the text."""
    words = _words(said)
    run = min(RUN, len(words))
    return run >= _FEWEST and not _runs(words, run).isdisjoint(_runs(_words(text), run))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _runs(words: list[str], length: int) -> set[tuple[str, ...]]:
    return set(zip(*(words[at:] for at in range(length)), strict=False))


def _sealed(session: Session, clients: Collection[int]) -> list[Touchpoint]:
    by_hand = select(Access.touchpoint_id).where(Access.change == "sealed")
    labelled = (col(Touchpoint.labels).contains(label.value) for label in SEALING)
    query = select(Touchpoint).where(
        col(Touchpoint.client_id).in_(clients), or_(*labelled, col(Touchpoint.id).in_(by_hand))
    )
    return list(session.exec(query.order_by(col(Touchpoint.id).desc()).limit(_MOST)))


def _said(session: Session, office: Office, touchpoint: Touchpoint) -> str:
    text = vault.text(session, office.keyring, touchpoint.body_id)
    if not text or text == vault.ERASED:
        return ""
    kept = json.loads(text)
    return str(kept.get("visible") or kept.get("text") or "")
