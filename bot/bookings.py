"""Which of many told facts can be booked, and what did each change?

All are tried together, those of one kind in a few statements for all; where that meets one that
cannot be booked, both halves are tried by themselves, so that one stops no other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlmodel import Session, col, select

from billing import batches, introductions, ledger, references
from billing.facts import ClientDescribed, InvoiceIssued, PaymentSettled
from billing.introductions import Introduction
from billing.ledger import Applied, Contradiction
from billing.models import ExternalRef
from billing.references import Unknown
from billing.store import Moved
from bot import inbox
from bot.models import Incoming
from comms.facts import ClientSaid, ConsentStated, Heard, ReplyHandled, Tellable
from comms.listening import pledges, sayings
from comms.models import Touchpoint
from comms.office import Office

_KINDS = {ClientDescribed: "client", InvoiceIssued: "invoice", PaymentSettled: "payment"}
_PARTS = ("lines", "instalments", "allocations")
_FEW = 4
"""Fewer than this are as quick one after the other."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a fact that was told: what it changed, or why it could not be booked."""

    fact: Tellable
    applied: Applied | None
    error: Contradiction | Unknown | None = None


def book(
    session: Session, office: Office, told: Sequence[Tellable], keys: list[str]
) -> list[Outcome]:
    """Book what can be booked, in its order; ``keys`` loses those that new clients took."""
    taken: list[str] = []
    try:
        with session.begin_nested():
            return _together(session, office, told, _given(keys, taken))
    except (Contradiction, Unknown) as error:
        keys.extend(taken)  # all of them were undone
        if len(told) == 1:
            return [Outcome(told[0], None, error)]
    half = len(told) // 2
    first, second = told[:half], told[half:]
    return [*book(session, office, first, keys), *book(session, office, second, keys)]


def _given(keys: list[str], taken: list[str]) -> Iterator[str]:
    while keys:
        taken.append(keys.pop())
        yield taken[-1]
    raise Moved("somebody who was known when the keys were made is gone; try again")


def _together(
    session: Session, office: Office, told: Sequence[Tellable], keys: Iterator[str]
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for (kind, source), some in groupby(told, lambda fact: (type(fact), fact.source)):
        run: list[Any] = list(some)
        name = _KINDS.get(kind)
        if not (name and _all_new(session, source, name, run)):
            outcomes += [Outcome(one, _apply(session, office, one, keys)) for one in run]
        elif kind is ClientDescribed:
            new = [Introduction(one, next(keys)) for one in run]
            made = introductions.make(session, new, office.now)
            outcomes += [
                Outcome(one, Applied(client)) for one, client in zip(run, made, strict=True)
            ]
        else:
            batches.apply_all(session, run, office.now, keys)
            outcomes += _read_back(session, source, name, run)
    return outcomes


def _apply(session: Session, office: Office, fact: Tellable, keys: Iterator[str]) -> Applied:
    if isinstance(fact, ClientSaid | ReplyHandled | ConsentStated):
        return sayings.take(session, office, fact, written(session, fact))
    applied = ledger.apply(session, fact, office.now, keys, office.keyring)
    if applied.changed:
        pledges.review(session, office, [fact])
    return applied


def written(session: Session, heard: Heard) -> Touchpoint | None:
    """The text or mail that it names: by the carrier's id, by its Message-ID, or by ours."""
    name = heard.message if isinstance(heard, ClientSaid) else None
    if name is None:
        return None
    if (number := references.numbered(name, "touchpoint")) is not None:
        found = session.get(Touchpoint, number)
        return found if found is not None and found.direction == "in" else None
    sms = (Incoming.source == "twilio.sms") & (Incoming.external_id == name)
    mail = (Incoming.source == "email") & (Incoming.named == inbox.named(name))
    query = select(Incoming.id).where(mail if "@" in name else sms).order_by(col(Incoming.id))
    named = (sayings.touchpoint_of(session, one) for one in session.exec(query).all())
    return next((one for one in named if one is not None), None)


def _all_new(session: Session, source: str, name: str, run: Sequence[Any]) -> bool:
    """Whether nobody told of any of these before, each stands here once, and none has parts."""
    keys = {fact.key for fact in run}
    whole = not any(getattr(fact, part, ()) for fact in run for part in _PARTS)
    enough = len(run) >= _FEW and len(keys) == len(run)
    return enough and whole and not _ids(session, source, name, keys)


def _ids(session: Session, source: str, name: str, keys: set[str]) -> dict[str, int]:
    query = select(ExternalRef.external_id, ExternalRef.target_id).where(
        ExternalRef.system == source,
        ExternalRef.kind == name,
        col(ExternalRef.external_id).in_(keys),
    )
    return {key: target for key, target in session.exec(query)}  # noqa: C416 - rows are no pairs


def _read_back(session: Session, source: str, name: str, run: Sequence[Any]) -> list[Outcome]:
    """What was booked in one go, fact by fact."""
    ids = _ids(session, source, name, {fact.key for fact in run})
    names = {fact.client_external_id for fact in run}
    clients = {one: references.client_of(session, source, one) for one in names}
    return [
        Outcome(
            fact,
            Applied(
                clients[fact.client_external_id],
                invoice_id=ids[fact.key] if name == "invoice" else None,
                payment_id=ids[fact.key] if name == "payment" else None,
                received=fact.amount if name == "payment" else 0,
            ),
        )
        for fact in run
    ]
