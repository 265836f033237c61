"""How does a plan get into the store: in which order, and how much at a time?

A client's rows go in one transaction, so an import that was killed stops between two clients; run
again, it finds what is there and books the rest.
"""

import datetime as dt
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from billing import books, facts, introductions, ledger, opening, references
from billing.facts import AgreementDescribed
from billing.introductions import Introduction
from billing.models import Client, ExternalRef, Posting
from billing.opening import Opening
from bot import consents, intake
from bot.app import App
from bot.imports import shelves
from bot.imports.plan import Group, Line, Plan
from bot.report import Progress, Wrong
from comms.office import Office

CLIENTS = 50
ROWS = 500
"""In one transaction, so that a process which serves beside it never waits long."""


@dataclass(slots=True)
class Tally:
    """What was new."""

    clients: int = 0
    invoices: int = 0
    payments: int = 0
    disputes: int = 0
    corrections: int = 0
    agreements: int = 0

    def add(self, other: "Tally") -> None:
        """Count what another transaction booked."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))

    def count(self, fact: facts.Fact) -> None:
        """Count one fact that changed something."""
        match fact:
            case facts.ClientDescribed():
                self.clients += 1
            case facts.InvoiceIssued():
                self.invoices += 1
            case facts.PaymentSettled():
                self.payments += 1
            case facts.InvoiceDisputed():
                self.disputes += 1
            case facts.InvoiceCorrected():
                self.corrections += 1
            case facts.AgreementDescribed():
                self.agreements += 1
            case _:
                raise TypeError(f"a file tells no {type(fact).__name__}")


async def book(app: App, plan: Plan, progress: Progress) -> Tally:
    """Book the whole plan; return what was new.

    Raises:
        Wrong: the store changed meanwhile and contradicts the plan; what was booked stays.
    """
    whole = Tally()
    rows = len(plan.rows)
    await app.store.write(lambda session: _entities(session, plan))
    news = [one for one in plan.groups if not one.described or any(x.news for x in one.lines)]
    done = rows - sum(len(group.lines) for group in news)
    for batch in _batches(news):
        keys = _spare_keys(app, sum(group.client_id is None for group in batch))
        whole.add(await _write(app, batch, keys))
        done += sum(len(group.lines) for group in batch)
        progress(done, rows)
    for agreement in plan.agreements:
        whole.add(await _write_agreement(app, agreement))
    app.wake.set()
    return whole


def _batches(groups: Sequence[Group]) -> Iterator[list[Group]]:
    batch: list[Group] = []
    rows = 0
    for group in groups:
        batch.append(group)
        rows += len(group.lines)
        if len(batch) >= CLIENTS or rows >= ROWS:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


def _spare_keys(app: App, count: int) -> Iterator[str]:
    """Keys for clients that are about to be made, committed before their rows."""
    owners = [f"client:{os.urandom(12).hex()}" for _ in range(count)]
    app.keyring.make(owners, app.clock.now())
    return iter(owners)


def _entities(session: Session, plan: Plan) -> None:
    """In the order of the file, so that rows which name none go to the first of the firm."""
    for name, currency in plan.entities:
        references.entity(session, name, currency)


async def _write(app: App, batch: list[Group], keys: Iterator[str]) -> Tally:
    told = [group.client for group in batch]

    def clients(session: Session) -> set[int]:
        known = shelves.clients(session, told[0].source, [one.external_id for one in told])
        return {*known.values(), *consents.clients_at(session, told)}

    try:
        return await app.store.write(
            lambda session: _book(session, app.office(), batch, keys), clients=clients
        )
    except (IntegrityError, ledger.Contradiction, references.Unknown) as error:
        raise _overtaken() from error


async def _write_agreement(app: App, fact: AgreementDescribed) -> Tally:
    def write(session: Session) -> Tally:
        tally = Tally()
        _take(session, app.office(), fact, iter(()), tally)
        return tally

    try:
        return await app.store.write(write, clients=intake.clients_of(fact))
    except (IntegrityError, references.Unknown) as error:
        raise _overtaken() from error


def _overtaken() -> Wrong:
    return Wrong(
        "Somebody else booked into the same clients meanwhile. What was imported so far stays; "
        "run the same command again and it does the rest."
    )


def _take(
    session: Session, office: Office, fact: facts.Fact, keys: Iterator[str], tally: Tally
) -> None:
    if intake.book(session, office, fact, keys):
        tally.count(fact)


def _book(session: Session, office: Office, batch: list[Group], keys: Iterator[str]) -> Tally:
    tally = Tally()
    ids = _clients(session, office, batch, keys, tally)
    told = _told(session, batch)
    numbers = [line.issued.number for group in batch for line in group.lines if line.fresh]
    cash = _with_cash(session, ids.values()) | _awaited(session, ids.values(), numbers)
    openings: list[Opening] = []
    for group in batch:
        client_id = ids[group.client.external_id]
        plain = client_id not in cash and all(_is_plain(line, told) for line in group.lines)
        for line in group.lines:
            later = line.news
            if plain and line.fresh:
                openings.append(_opening(session, client_id, line))
                tally.invoices += 1
                tally.payments += line.paid is not None
                later = tuple(fact for fact in line.news if fact not in (line.issued, line.paid))
            if later:
                openings = _posted(session, openings, office.now)
            for fact in later:
                _take(session, office, fact, keys, tally)
    _posted(session, openings, office.now)
    return tally


def _clients(
    session: Session, office: Office, batch: list[Group], keys: Iterator[str], tally: Tally
) -> dict[str, int]:
    """Make or update the clients of the batch; their ids by those of the file."""
    source = batch[0].client.source
    known = shelves.clients(session, source, [group.client.external_id for group in batch])
    new = [group.client for group in batch if group.client.external_id not in known]
    for group in batch:
        if group.client.external_id in known and not group.described:
            _take(session, office, group.client, keys, tally)
    keyed = [Introduction(*one) for one in zip(new, keys, strict=False)]
    if len(keyed) < len(new):  # somebody was known when the keys were made, and is no more
        raise references.Unknown("a client of the file is not here any more")
    made = introductions.make(session, keyed, office.now)
    tally.clients += len(made)
    consents.assert_all(session, office, new)
    return known | dict(zip([told.external_id for told in new], made, strict=True))


def _posted(session: Session, openings: list[Opening], now: dt.datetime) -> list[Opening]:
    """Post what has gathered, before the ledger is asked about it."""
    opening.post(session, openings, now)
    session.expire_all()
    return []


def _is_plain(line: Line, told: set[str]) -> bool:
    """News that may be posted at once, or none; what the ledger must look at is neither."""
    if not line.fresh:
        return not any(isinstance(fact, facts.PaymentSettled) for fact in line.news)
    overpaid = line.paid is not None and line.paid.amount > line.issued.amount
    known = line.issued.key in told or (line.paid is not None and line.paid.key in told)
    return not overpaid and not known


def _told(session: Session, batch: list[Group]) -> set[str]:
    """The keys of fresh invoices and their payments that somebody told us of meanwhile."""
    lines = [line for group in batch for line in group.lines if line.fresh]
    keys = [line.issued.key for line in lines] + [line.paid.key for line in lines if line.paid]
    query = select(ExternalRef.external_id).where(
        ExternalRef.system == batch[0].client.source,
        col(ExternalRef.kind).in_(("invoice", "payment")),
    )
    # One client may have more of them than a statement takes.
    known = col(ExternalRef.external_id)
    return set(shelves.asked(keys, lambda some: session.exec(query.where(known.in_(some)))))


def _awaited(session: Session, clients: Collection[int], numbers: Sequence[str]) -> set[int]:
    """Clients with money that names one of the invoices that the file brings."""
    return set(shelves.asked(numbers, lambda some: books.awaiting(session, clients, some)))


def _with_cash(session: Session, clients: Collection[int]) -> set[int]:
    """Clients with money that is on no instalment: the ledger puts it on the next invoice.

    So it does with that of a client who is one with them.
    """
    merged = col(Client.merged_into_id).is_not(None) | col(Client.speaks_since).is_not(None)
    kin = session.exec(select(Client.id).where(col(Client.id).in_(clients), merged))
    query = (
        select(Posting.client_id)
        .where(col(Posting.client_id).in_(clients), col(Posting.instalment_id).is_(None))
        .group_by(col(Posting.client_id), col(Posting.legal_entity_id), col(Posting.currency))
        .having(func.sum(Posting.amount) != 0)
    )
    return {*session.exec(query), *kin}


def _opening(session: Session, client_id: int, line: Line) -> Opening:
    entity = references.entity(session, line.issued.legal_entity, line.issued.currency)
    return Opening(client_id, entity.id, line.issued, line.paid)
