"""What came of the days that were lived through on the copy?

Read from the rows that the production code left there: the messages that went, and the decisions
that it wrote down whenever an answer changed.
"""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from billing import vault
from billing.arrears import FENCES
from billing.calendar import local_date
from billing.keyring import Keyring
from billing.models import (
    OPEN_DISPUTES,
    Agreement,
    Client,
    Enrolment,
    Instalment,
    InvoiceDispute,
    Posting,
    Staff,
    StepListed,
    StepTaken,
)
from billing.models import Sequence as Ladder
from billing.store import table_of
from bot.preview.entry import Entry, What
from comms.models import Audience, Decision, Message, Purpose, State

Place = tuple[int, int, int]
"""An enrolment, its episode, and a step."""

HELD = ("held", "defer", "review")
_WHAT = {
    **dict.fromkeys(HELD, What.HOLD),
    **dict.fromkeys(("escalate", "late"), What.ESCALATION),
    **dict.fromkeys(("withhold", "cancel"), What.REFUSAL),
}
"""By verdict; of all others there is nothing to tell."""
FENCED = ("idle", tuple(FENCES))
"""Nothing is asked for as long as all of it is disputed, promised, under way: that is a hold."""
_NEVER = (State.WITHHELD, State.CANCELLED, State.FAILED)


@dataclass(frozen=True, slots=True)
class Began:
    """How the copy stood when its clock was at the first moment."""

    at: dt.datetime
    last_decision: int
    held: Sequence[Entry]
    gone: frozenset[int] = frozenset()
    """Messages that were on their way already."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What all entries are told with, read once."""

    clients: Mapping[int, Client]
    owners: Mapping[int, str]
    enrolments: Mapping[int, Enrolment]
    agreements: Mapping[int, Agreement]
    messages: Mapping[int, Message]
    steps: Mapping[int, StepTaken]
    totals: Mapping[int, int]
    """What a step asks for."""
    contested: frozenset[int]

    def of(self, client_id: int, what: What, at: dt.datetime, **more: Any) -> Entry:
        """An entry about a client, with what is known of it."""
        client = self.clients[client_id]
        return Entry(
            at=at,
            day=local_date(at, client.timezone),
            what=what,
            client_id=client.id,
            client=client.name,
            timezone=client.timezone,
            owner=self.owners.get(client.owner_id or 0, ""),
            disputed=client.id in self.contested,
            **more,
        )

    def about(self, message: Message) -> dict[str, Any]:
        """What a message is."""
        step = self.steps.get(message.step_id or 0)
        currency, amount = self._asked(message, step)
        return {
            "purpose": str(message.purpose),
            "template": message.template,
            "channel": message.channel,
            "step": step.step if step else None,
            "currency": currency,
            "amount": amount,
        }

    def _asked(self, message: Message, step: StepTaken | None) -> tuple[str, int | None]:
        """The amount that it is about, where it is about one."""
        agreement = self.agreements.get(message.subject_id or 0)
        if agreement is not None and message.subject_kind == "agreement":
            return agreement.currency, agreement.amount
        if step is None or message.purpose != Purpose.DUNNING:
            return "", None
        return self.enrolments[step.enrolment_id].currency or "", self.totals.get(step.id)


def began(session: Session, keyring: Keyring, at: dt.datetime) -> Began:
    """How it stands now, with what is held at this moment and why."""
    known = _know(session)
    held = [
        known.of(
            one.client_id or 0, What.HOLD, at,
            rule=one.rule, reason=one.reason, until=one.wake_at, **known.about(one),
        )
        for one in known.messages.values()
        if one.state in (State.HELD, State.AWAITING)
    ]  # fmt: skip
    held += _of_sequences(session, keyring, known, 0)
    standing = [replace(one, at=at, day=local_date(at, known.clients[one.client_id].timezone),
                        standing=True)
                for one in _each_once(held) if one.what is What.HOLD]  # fmt: skip
    last = session.exec(select(func.max(Decision.id))).one()
    return Began(at, last or 0, standing)


def read(session: Session, keyring: Keyring, since: Began) -> list[Entry]:
    """Everything that came since, the earliest first."""
    known = _know(session)
    found = [
        *_gone(known, since),
        *_at_the_door(session, keyring, known, since.last_decision),
        *_of_sequences(session, keyring, known, since.last_decision),
        *_unsayable(known),
    ]
    return sorted([*since.held, *_each_once(found)], key=lambda one: one.order)


def _know(session: Session) -> _Known:
    contested = select(InvoiceDispute.client_id).where(col(InvoiceDispute.state).in_(OPEN_DISPUTES))
    steps = _by_id(session, StepTaken)
    return _Known(
        clients=_by_id(session, Client),
        owners={id_: one.name for id_, one in _by_id(session, Staff).items()},
        enrolments=_by_id(session, Enrolment),
        agreements=_by_id(session, Agreement),
        messages=_by_id(session, Message, col(Message.audience) == Audience.CLIENT),
        steps=steps,
        totals=_totals(session, list(steps.values())),
        contested=frozenset(session.exec(contested)),
    )


def _by_id(session: Session, model: Any, *which: ColumnElement[bool]) -> dict[int, Any]:
    """Rows to be looked at only: as they are, for half the cost of objects."""
    rows = session.connection().execute(core_select(*table_of(model).c).where(*which))
    return {row.id: row for row in rows}


# --- what goes ------------------------------------------------------------------------------------


def _gone(known: _Known, since: Began) -> Iterator[Entry]:
    for one in known.messages.values():
        if one.sent_at is not None and one.sent_at >= since.at and one.id not in since.gone:
            yield known.of(one.client_id or 0, What.MESSAGE, one.sent_at, **known.about(one))


def _totals(session: Session, steps: Sequence[StepTaken]) -> dict[int, int]:
    """What steps ask for: as it was decided, or else what is open of what they name."""
    decided = _asked_for(session)
    listed = _listed(session, [one.id for one in steps if _place(one) not in decided])
    return listed | {one.id: decided[_place(one)] for one in steps if _place(one) in decided}


def _place(step: StepTaken) -> Place:
    return step.enrolment_id, step.episode, step.step


def _asked_for(session: Session) -> dict[Place, int]:
    decided = select(Decision.subject_id, Decision.inputs).where(
        Decision.subject_kind == "enrolment", Decision.verdict == "send"
    )
    found: dict[Place, int] = {}
    for enrolment_id, inputs in session.exec(decided):
        said = json.loads(inputs or "{}")
        if "total" in said:
            found[enrolment_id, said["episode"], said["step"]] = said["total"]
    return found


def _listed(session: Session, steps: Sequence[int]) -> dict[int, int]:
    query = (
        select(StepListed.step_taken_id, func.sum(Posting.amount))
        .join(Instalment, col(Instalment.id) == StepListed.instalment_id)
        .join(Posting, col(Posting.instalment_id) == Instalment.id)
        .where(col(StepListed.step_taken_id).in_(steps), col(Posting.payer_id).is_(None))
        .group_by(col(StepListed.step_taken_id))
    )
    return {row[0]: int(row[1]) for row in session.exec(query)} if steps else {}


# --- what is decided ------------------------------------------------------------------------------


def _decided(session: Session, kind: str, after: int) -> list[Decision]:
    told = or_(
        col(Decision.verdict).in_(_WHAT),
        and_(col(Decision.verdict) == FENCED[0], col(Decision.rule).in_(FENCED[1])),
    )
    query = select(Decision).where(Decision.subject_kind == kind, Decision.id > after, told)
    return list(session.exec(query.order_by(col(Decision.id))))


def _reasons(session: Session, keyring: Keyring, decided: Sequence[Decision]) -> dict[int, str]:
    ids = [one.reason_id for one in decided if one.reason_id is not None]
    return vault.texts(session, keyring, ids)


def _at_the_door(session: Session, keyring: Keyring, known: _Known, after: int) -> Iterator[Entry]:
    decided = _decided(session, "message", after)
    reasons = _reasons(session, keyring, decided)
    for one in decided:
        message = known.messages.get(one.subject_id)
        if message is not None and not _short(one, known.clients[one.client_id]):
            yield known.of(
                one.client_id, _WHAT[one.verdict], one.decided_at,
                rule=one.rule, reason=reasons.get(one.reason_id or 0, ""),
                until=one.until, **known.about(message),
            )  # fmt: skip


def _short(decision: Decision, client: Client) -> bool:
    """A wait within the client's day, as for the morning: the message tells its own hour."""
    if decision.verdict != "defer" or decision.until is None:
        return False
    days = (local_date(one, client.timezone) for one in (decision.until, decision.decided_at))
    return len(set(days)) == 1


def _of_sequences(session: Session, keyring: Keyring, known: _Known, after: int) -> Iterator[Entry]:
    decided = _decided(session, "enrolment", after)
    reasons = _reasons(session, keyring, decided)
    for one in decided:
        enrolment = known.enrolments.get(one.subject_id)
        if enrolment is None:
            continue
        said, what = json.loads(one.inputs or "{}"), _WHAT.get(one.verdict, What.HOLD)
        renewal = enrolment.sequence == Ladder.RENEWAL
        agreement = known.agreements.get(enrolment.agreement_id or 0)
        yield known.of(
            one.client_id, what, one.decided_at,
            purpose=str(Purpose.RENEWAL if renewal else Purpose.DUNNING), step=said.get("step"),
            currency=(agreement.currency if agreement else enrolment.currency) or "",
            amount=agreement.amount if agreement else said.get("total"),
            rule=one.rule, reason=reasons.get(one.reason_id or 0, ""),
            until=one.until if what is What.HOLD else None,
        )  # fmt: skip


def _unsayable(known: _Known) -> Iterator[Entry]:
    """What the door let pass and no template could say: the message alone tells of it."""
    for one in known.messages.values():
        if one.rule == "template" and one.state in _NEVER:
            yield known.of(
                one.client_id or 0, What.REFUSAL, one.send_after,
                rule=one.rule, reason=one.reason, **known.about(one),
            )  # fmt: skip


def _each_once(entries: Sequence[Entry]) -> Iterator[Entry]:
    """A sequence and its message are held by one cause: told of the message, not of both."""
    told: dict[tuple[int, str], set[str]] = defaultdict(set)
    for one in entries:
        if one.what is What.HOLD and one.channel:
            told[one.client_id, one.purpose].add(one.rule)
    for one in entries:
        of_message = one.what is not What.HOLD or one.channel
        if of_message or one.rule not in told[one.client_id, one.purpose]:
            yield one
