"""Is every enrolment moving, every message settled, every feed alive?

A second look at what the worker should have done, over rows alone: what it finds should not be
there. Each kind becomes one alert to finance a day; a severe one goes by mail as well, because it
may be Slack that stands still.
"""

import asyncio
import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import structlog
from sqlalchemy import ColumnElement, and_, exists, func, literal, or_
from sqlalchemy import select as core_select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from billing import accounts, aliases, dunning, reckoning, renewals
from billing.models import (
    Agreement,
    AgreementState,
    Client,
    Enrolment,
    EnrolmentState,
    Hold,
    Instalment,
    LegalEntity,
    Posting,
    Role,
    Staff,
    StaffRole,
    StepTaken,
)
from billing.models import Sequence as Ladder
from billing.policy import Policy
from bot.app import App
from bot.factsheet import WAITING
from bot.models import Incoming, IncomingState
from bot.report import NO, Report, Table
from bot.watching.standstills import KINDS, NAMED, Finding
from comms import delivery, outbox, staff
from comms.models import UNSENT, Audience, Message, Purpose, State

LATE = dt.timedelta(minutes=15)
FORGOTTEN = dt.timedelta(hours=1)
RECENT = {"staff_failed": dt.timedelta(days=1), "incoming_failed": dt.timedelta(days=7)}
ENDLESS = dt.timedelta(days=30)
MOST = 10_000
"""Rows of a kind that are counted."""
BATCH = 500
_SWITCHED = ("not_live", "daily_cap")
"""What a person's switch holds, the switch frees."""
_OPEN = (*UNSENT, State.SENDING, State.IN_DOUBT)
log = structlog.get_logger("audit")


@dataclass(frozen=True, slots=True)
class Moment:
    """When the audit looks: ``now`` is business time, ``wall`` the machine's, for leases."""

    now: dt.datetime
    wall: dt.datetime


async def run(app: App) -> list[Finding]:
    """Look, tell finance what stands still, and let whoever measures us know."""
    found = await asyncio.to_thread(look, app)
    for kind in KINDS:
        app.meters.findings.labels(kind).set(sum(one.count for one in found if one.kind == kind))
    app.meters.audited.set(app.clock.wall().timestamp())
    app.pulse.severe = sum(one.severe for one in found)
    for one in found:
        log.warning("standstill", kind=one.kind, count=one.count, severe=one.severe)
    if found:
        await app.store.write(lambda session: tell(session, app, found))
        app.wake.set()
    return found


def look(app: App) -> list[Finding]:
    """Everything that stands still at this moment."""
    at = Moment(app.clock.now(), app.clock.wall())
    with app.store.read() as session:
        found = list(standing(session, at, app.rules))
    since = app.spool.since()
    if since is not None and at.wall.timestamp() - since > LATE.total_seconds():
        found.append(Finding("spool_late", 1, "spool"))
    return found


def standing(session: Session, at: Moment, policy: Policy) -> Iterator[Finding]:
    """What stands still among the rows, one finding for each kind."""
    yield from _some(session, "look_late", "enrolment", Enrolment.id, _look_late(at))
    yield from _ladders(session, at, policy)
    for kind, which in _messages(at).items():
        yield from _some(session, kind, "message", Message.id, which)
    for kind, which in _deliveries(at).items():
        yield from _some(session, kind, "incoming", Incoming.id, which)
    yield from _some(session, "hold_endless", "hold", Hold.id, _endless(at))


def report(found: Sequence[Finding]) -> Report:
    """The answer of ``counterfoil audit moving``."""
    data = {
        "moving": not found,
        "findings": [asdict(one) | {"severe": one.severe, "said": one.sentence} for one in found],
    }
    if not found:
        return Report(data, ["Everything moves: nothing is late, lost or forgotten."])
    rows = [[one.kind, f"{one.count:,}", _named(one), one.sentence] for one in found]
    lines = [f"{KINDS[one.kind].remedy}" for one in found]
    columns = ["kind", "count", "which", "said"]
    return Report(data, list(dict.fromkeys(lines)), [Table("", columns, rows)], NO)


def books(session: Session) -> Report:
    """The answer of ``counterfoil audit books``: does every posting follow from what was told?"""
    found = sorted(reckoning.disagreements(session), key=lambda one: one.client_id)
    if not found:
        return Report({"agree": True, "differences": []}, ["What is posted is what was told."])
    query = select(Client.id, Client.name)
    named = query.where(col(Client.id).in_({one.client_id for one in found}))
    names = dict(session.exec(named).all())
    rows = [[names[one.client_id], one.sentence] for one in found]
    lines = ["Somebody changed rows beside the ledger. Compare with your billing system or a copy."]
    data = {"agree": False, "differences": [asdict(one) for one in found]}
    return Report(data, lines, [Table("", ["client", "difference"], rows)], NO)


def _named(found: Finding) -> str:
    some = f"{found.what} {', '.join(map(str, found.ids))}" if found.ids else found.what
    return some + (" …" if found.count > len(found.ids) > 0 else "")


# --- messages and deliveries ----------------------------------------------------------------------


def _some(
    session: Session, kind: str, what: str, column: Any, which: ColumnElement[bool]
) -> Iterator[Finding]:
    # Sorted here: SQLite would walk the table in the order of its ids instead of an index.
    ids = sorted(session.exec(select(column).where(which).limit(MOST)))
    if ids:
        yield Finding(kind, len(ids), what, tuple(ids[:NAMED]))


def _messages(at: Moment) -> dict[str, ColumnElement[bool]]:
    state, wake_at = col(Message.state), col(Message.wake_at)
    lease, since = col(Message.lease_until), at.now - RECENT["staff_failed"]
    nothing_wakes = and_(wake_at.is_(None), col(Message.wake_on_client).is_(False))
    return {
        "queue_late": and_(state == State.QUEUED, col(Message.send_after) <= at.now - LATE),
        "held_forgotten": and_(
            state == State.HELD,
            or_(
                wake_at <= at.now - LATE,
                and_(nothing_wakes, col(Message.rule).not_in(_SWITCHED)),
            ),
        ),
        "lease_over": and_(
            state.in_((State.CLAIMED, State.SENDING)),
            or_(lease <= at.wall - LATE, lease.is_(None)),
        ),
        "doubt_forgotten": and_(
            state == State.IN_DOUBT,
            or_(wake_at <= at.now - FORGOTTEN, and_(wake_at.is_(None), ~_asked())),
        ),
        "staff_failed": and_(
            state == State.FAILED,
            col(Message.audience) == Audience.STAFF,
            col(Message.send_after) >= since,
        ),
    }


def _asked() -> ColumnElement[bool]:
    """Finance was asked about this try of a message, and the question is on its way or there."""
    question = aliased(Message)
    lost = (State.FAILED, State.CANCELLED, State.WITHHELD)
    there = and_(
        col(question.subject_kind) == "message",
        col(question.subject_id) == col(Message.id),
        col(question.template) == delivery.DOUBT,
        col(question.created_at) >= col(Message.claimed_at),
        col(question.state).not_in(lost),
    )
    return exists(core_select(literal(1)).select_from(question).where(there))


def _deliveries(at: Moment) -> dict[str, ColumnElement[bool]]:
    state, received = col(Incoming.state), col(Incoming.received_at)
    since = at.now - RECENT["incoming_failed"]
    return {
        "incoming_late": and_(
            state == IncomingState.PENDING,
            received <= at.now - LATE,
            col(Incoming.source) != WAITING,  # patient by nature; finance hears after a day
        ),
        "incoming_failed": and_(state == IncomingState.FAILED, received >= since),
    }


def _endless(at: Moment) -> ColumnElement[bool]:
    open_ = and_(col(Hold.released_at).is_(None), col(Hold.until).is_(None))
    return and_(open_, col(Hold.placed_at) <= at.now - ENDLESS)


# --- sequences ------------------------------------------------------------------------------------


def _look_late(at: Moment) -> ColumnElement[bool]:
    return col(Enrolment.next_due_at) <= at.now - LATE


def _ladders(session: Session, at: Moment, policy: Policy) -> Iterator[Finding]:
    """Sequences without a day: those that wait for a message, and those whose rule says more."""
    still = _renewals_still(session, at, policy)
    forgotten: list[int] = []
    after = 0
    while pairs := session.exec(_undated(after)).all():
        after = pairs[-1][0].id
        # What rests while its client is merged has no day of its own; who speaks for it has.
        kin = aliases.among(session, [client for _, client in pairs])
        ladders = aliases.ladders(session, kin, [enrolment for enrolment, _ in pairs])
        pairs = [pair for pair in pairs if ladders[pair[0].id][0] is pair[0]]
        waits = _waiting_steps(session, [one.id for same in ladders.values() for one in same])
        facts = accounts.in_dunning_all(session, pairs)
        for (enrolment, _), account in zip(pairs, facts, strict=True):
            decision = dunning.decide(account, at.now, policy)
            if decision.rule == "step_queued":
                goes = any(one.id in waits for one in ladders[enrolment.id])
                forgotten += [] if goes else [enrolment.id]
            elif decision.look_again is not None or isinstance(decision, _ACTS):
                still.append(enrolment.id)
    for kind, ids in (("ladder_still", still), ("step_forgotten", forgotten)):
        if ids:
            yield Finding(kind, len(ids), "enrolment", tuple(ids[:NAMED]))


_ACTS = dunning.Send | dunning.Escalate | dunning.Credit | dunning.Cured


def _undated(after: int) -> Any:
    """Active dunning without a day, of accounts that owe something."""
    owed = (
        core_select(func.sum(col(Posting.amount)))
        .where(col(Posting.instalment_id) == col(Instalment.id))
        .correlate(Instalment)
        .scalar_subquery()
    )
    owes = exists(
        core_select(literal(1)).where(col(Instalment.client_id) == Enrolment.client_id, owed > 0)
    )
    return (
        select(Enrolment, Client)
        .join(Client, col(Client.id) == Enrolment.client_id)
        .where(
            col(Enrolment.next_due_at).is_(None),
            Enrolment.sequence == Ladder.DUNNING,
            Enrolment.state == EnrolmentState.ACTIVE,
            col(Enrolment.id) > after,
            owes,
        )
        .order_by(col(Enrolment.id))
        .limit(BATCH)
    )


def _waiting_steps(session: Session, enrolments: Sequence[int]) -> set[int]:
    """The enrolments of which a queued step has a message that can still leave."""
    query = (
        select(StepTaken.enrolment_id)
        .join(Message, col(Message.step_id) == StepTaken.id)
        .where(
            col(StepTaken.enrolment_id).in_(enrolments),
            StepTaken.how == "queued",
            col(Message.state).in_(_OPEN),
        )
    )
    return set(session.exec(query))


def _renewals_still(session: Session, at: Moment, policy: Policy) -> list[int]:
    """Renewals without a day, of agreements that run, whose rule says that there is one."""
    query = (
        select(Enrolment, Client)
        .join(Agreement, col(Agreement.id) == Enrolment.agreement_id)
        .join(Client, col(Client.id) == Enrolment.client_id)
        .where(
            col(Enrolment.next_due_at).is_(None),
            Enrolment.sequence == Ladder.RENEWAL,
            Enrolment.state == EnrolmentState.ACTIVE,
            Agreement.state == AgreementState.ACTIVE,
            col(Agreement.renews_on) >= at.now.date() - ENDLESS,
        )
        .order_by(col(Enrolment.id))
        .limit(MOST)
    )
    return [
        enrolment.id
        for enrolment, client in session.exec(query)
        if _renewal_still(
            accounts.in_renewal(session, enrolment, at.now), at, policy, client.timezone
        )
    ]


def _renewal_still(fact: renewals.RenewalFact, at: Moment, policy: Policy, timezone: str) -> bool:
    decision = renewals.decide(fact, (), at.now, policy, timezone)
    return decision.look_again is not None or not isinstance(decision, renewals.Idle)


# --- who is told ----------------------------------------------------------------------------------


def tell(session: Session, app: App, found: Sequence[Finding]) -> None:
    """One alert to finance for each kind and day; a severe one by mail as well."""
    office = app.office()
    day = f"{office.now:%Y-%m-%d}"
    mailed = _readers(session, app) if any(one.severe for one in found) else []
    for one in found:
        subject = (f"audit.{one.kind}", one.count)
        key = f"audit:{one.kind}:{day}"
        staff.alert(session, office, key=key, template="standstill", subject=subject)
        for place, mailbox in enumerate(mailed if one.severe else []):
            message = Message(
                key=f"alert:{key}:mail:{place}", reference="", audience=Audience.STAFF,
                channel="email", purpose=Purpose.ALERT, template="standstill",
                destination=mailbox, subject_kind=subject[0], subject_id=one.count,
                send_after=office.now, created_at=office.now,
            )  # fmt: skip
            outbox.queue(session, message)


def _readers(session: Session, app: App) -> list[str]:
    """Whoever the setting names, or else our admins; nobody while no entity can send mail."""
    can = session.exec(select(LegalEntity.id).where(LegalEntity.from_address != "").limit(1))
    if can.first() is None:
        return []
    if app.settings.alert_email:
        return [app.settings.alert_email]
    admins = (
        select(Staff.email)
        .join(StaffRole, col(StaffRole.staff_id) == Staff.id)
        .where(StaffRole.role == Role.ADMIN, col(Staff.active).is_(True))
        .order_by(col(Staff.id))
        .limit(5)
    )
    return list(session.exec(admins))
