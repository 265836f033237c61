"""What does a delivery say? Read again what was kept, and take in what it means.

One transaction for each; one that cannot be taken in is put off, and does not stop the others.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog
from sqlmodel import Session
from structlog.contextvars import bound_contextvars

from billing import vault
from bot import access, factsheet, hearsay, inbox, intake
from bot.app import App
from bot.custody import earlier, incidents, redaction
from bot.inbox import Parcel
from bot.models import Incoming
from bot.slack.marks import Mark
from bot.watching.logs import carried
from comms import staff
from comms.compliance.labels import Label
from comms.facts import DeliveryReport, InboundMessage, Standing
from comms.inbound import Letter

BATCH = 64
log = structlog.get_logger("worker")


class Unseen(LookupError):
    """Slack does not say who somebody is, or who else reads in a channel."""


async def understand(app: App) -> int:
    """Read what arrived and take in what it says, in the order in which it came."""
    with app.store.read() as session:
        waiting = inbox.pending(session, app.clock.now(), BATCH)
    errors: list[Exception] = []
    for incoming_id in waiting:
        if app.ending.is_set():
            break
        try:
            await _understand_one(app, incoming_id)
        except Exception as error:  # noqa: BLE001 - stored on the row, and raised below
            await _put_off(app, incoming_id, error)
            errors.append(error)
    if errors:
        said = f"{len(errors)} deliveries could not be understood"
        raise ExceptionGroup(said, errors)
    return len(waiting)


async def _understand_one(app: App, incoming_id: int) -> None:
    with app.store.read() as session:
        row = session.get_one(Incoming, incoming_id)
        packed = vault.get(session, app.keyring, inbox.body_of(row))
        parcel = inbox.unpacked(row.source, row.external_id, packed)
    trace = inbox.trace_of(row.source, row.external_id)
    span = app.tracing.span("understand", trace, incoming=incoming_id)
    with bound_contextvars(incoming=incoming_id, trace=trace), span:
        await _read_and_take(app, incoming_id, parcel)


async def _read_and_take(app: App, incoming_id: int, parcel: Parcel) -> None:
    try:
        # A hostile mail may take seconds to parse; meanwhile hooks are answered.
        found = await asyncio.to_thread(app.readers[parcel.source], parcel)
    except ValueError as error:
        problem = type(error).__name__
        log.warning("unreadable", source=parcel.source, problem=problem)
        await _set_aside(app, incoming_id, parcel, problem)
        return
    if not found:
        await app.store.write(lambda session: _ignore(session, app, incoming_id))
        return
    if not await _welcome(app, found):
        await app.store.write(lambda session: _ignore(session, app, incoming_id))
        return
    with app.store.read() as session:
        told = earlier.joined(session, app.keyring, incoming_id, parcel, found)
    covered = await _covered(app, parcel, told, goes_on=told != found)
    found = told
    keys = hearsay.spare_keys(app, found)
    app.inbox.open_day(app.clock.now())

    def take(session: Session) -> None:
        row = session.get_one(Incoming, incoming_id, with_for_update=True)
        if row.state == "pending":
            if covered is not None:
                app.inbox.replace(session, row, covered, app.clock.now())
            _take(session, app, row, found, keys)

    await app.store.write(
        carried(take),
        clients=lambda session: {
            client for fact in found for client in intake.clients_of(fact)(session)
        },
    )
    for fact in found:
        if isinstance(fact, InboundMessage):
            app.meters.screened(fact.labels)
        if isinstance(fact, DeliveryReport) and fact.standing is Standing.FAILED:
            app.meters.refused(fact.channel, fact.code)


async def _welcome(app: App, found: Sequence[intake.Fact]) -> bool:
    """Guests, and a channel shared with others, have no say in Slack.

    Raises:
        Unseen: Slack does not tell; it is asked again.
    """
    for one in found:
        if isinstance(one, Mark) and app.places is not None:
            refused = await app.places.refusal(one.user, one.channel)
            if refused == access.place_refusal(unseen=True):
                raise Unseen(refused)
            if refused:
                log.info("unwelcome", source="slack.event")
                return False
    return True


async def _covered(
    app: App, parcel: Parcel, found: Sequence[intake.Fact], *, goes_on: bool
) -> Parcel | None:
    """Without what nobody may see, where it has any: then its raw form is not kept either.

    ``goes_on``: it completes a number, so that nothing in it alone tells what to cover.
    """
    read = app.readers[parcel.source]
    for one in found:
        if isinstance(one, InboundMessage):
            if goes_on and one.channel == "email":
                return redaction.plain(parcel, one)
            return await asyncio.to_thread(redaction.kept, parcel, one, read)
    return None


def _take(
    session: Session,
    app: App,
    row: Incoming,
    found: Sequence[intake.Fact],
    keys: Sequence[str],
) -> None:
    """What a parcel says and its row's new state, in one transaction."""
    if row.source in factsheet.ROWS:
        told: Any = found
        outcomes = hearsay.take(session, app, row, told, keys)
        log.info("told", source=row.source, facts=len(outcomes), client=row.client_id)
        return
    for fact in found:
        whose = _take_one(session, app, row, fact)
        if isinstance(fact, DeliveryReport) and whose is not None:
            return  # the mail that it came in says no more


def _take_one(session: Session, app: App, row: Incoming, fact: intake.Fact) -> int | None:
    """Take in one of the things that a delivery says; the client that it was about."""
    office = app.office()
    if isinstance(fact, InboundMessage):
        client_id = intake.take_letter(session, office, Letter(fact, row.id, inbox.body_of(row)))
        inbox.settle(row, "done" if client_id else "unmatched", office.now, client_id)
        row.labels = " ".join(fact.labels)
        row.named = inbox.named(fact.external_id) if fact.channel == "email" else ""
        incidents.note(session, office, row, fact)
        log.info("inbound", channel=fact.channel, client=client_id)
        return client_id
    client_id = intake.take_in(session, office, fact, iter(()))
    inbox.settle(row, "done", office.now, client_id)
    log.info("taken", source=row.source, kind=type(fact).__name__, client=client_id)
    return client_id


def _ignore(session: Session, app: App, incoming_id: int) -> None:
    """Nobody needs what was said in it: such as what staff write below a card."""
    row = session.get_one(Incoming, incoming_id)
    inbox.settle(row, "ignored", app.clock.now())
    if row.body_id is not None:
        said, row.body_id = row.body_id, None
        vault.forget(session, said)


async def _set_aside(app: App, incoming_id: int, parcel: Parcel, problem: str) -> None:
    """Nobody can read it: it is kept sealed, without what looks like a number, for a person."""
    scrubbed = await asyncio.to_thread(redaction.scrubbed, parcel.body)
    kept = replace(parcel, body=scrubbed) if scrubbed != parcel.body else None
    app.inbox.open_day(app.clock.now())

    def write(session: Session) -> None:
        office = app.office()
        row = session.get_one(Incoming, incoming_id, with_for_update=True)
        if row.state != "pending":
            return
        if kept is not None:
            app.inbox.replace(session, row, kept, office.now)
        row.problem, row.labels = problem, Label.UNSCREENED.value
        inbox.settle(row, "unreadable", office.now)
        incidents.unreadable(session, office, row)

    await app.store.write(write)


async def _put_off(app: App, incoming_id: int, error: Exception) -> None:
    def later(session: Session) -> None:
        row = session.get_one(Incoming, incoming_id)
        if inbox.postpone(row, type(error).__name__, app.clock.now()):
            staff.alert(
                session, app.office(), key=f"stuck:{row.id}", template="stuck",
                subject=("incoming", row.id),
            )  # fmt: skip

    log.warning("put_off", incoming=incoming_id, error=type(error).__name__)
    await app.store.write(later)
