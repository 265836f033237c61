"""What does a client owe, and where do its sequences stand, as facts that a decision can take?

Reads rows, decides nothing. Amounts are minor units of the account's currency and are never added
across currencies or legal entities.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import bindparam, func
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from billing import (
    aliases,
    arrears,
    books,
    contests,
    fences,
    overrides,
    promises,
    publication,
    renewals,
)
from billing.aliases import Kin
from billing.calendar import local_date
from billing.contests import Contested
from billing.models import (
    Agreement,
    Client,
    Enrolment,
    EnrolmentState,
    Hold,
    Instalment,
    Invoice,
    InvoiceState,
    LegalEntity,
    Posting,
    StepListed,
    StepTaken,
)
from billing.policy import Policy
from billing.store import table_of

# Statements are made once: building one costs more than SQLite takes to answer it.
_STILL_OPEN = func.sum(col(Posting.amount))
_OPEN = (
    core_select(
        col(Instalment.id),
        col(Instalment.client_id),
        col(Instalment.invoice_id),
        col(Instalment.due_on),
        col(Instalment.amount),
        col(Instalment.kind),
        col(Invoice.number),
        col(Invoice.currency),
        col(Invoice.legal_entity_id),
        col(Invoice.issued_on),
        col(Invoice.ladder),
        col(Invoice.matter),
        _STILL_OPEN.label("open"),
    )
    .join(Invoice, col(Invoice.id) == col(Instalment.invoice_id))
    .join(Posting, col(Posting.instalment_id) == col(Instalment.id))
    .where(
        col(Instalment.client_id).in_(bindparam("clients", expanding=True)),
        col(Invoice.state) == InvoiceState.ISSUED,
        col(Posting.payer_id).is_(None),
    )
    .group_by(col(Instalment.id), col(Invoice.id))
    .having(_STILL_OPEN > 0)
    .order_by(col(Instalment.due_on), col(Instalment.id))
)
_HOLDS = (
    core_select(
        col(Hold.id), col(Hold.client_id), col(Hold.reason), col(Hold.until), col(Hold.invoice_id)
    )
    .where(
        col(Hold.client_id).in_(bindparam("clients", expanding=True)),
        col(Hold.released_at).is_(None),
    )
    .order_by(col(Hold.id))
)
_STEPS = (
    core_select(*table_of(StepTaken).c)
    .where(
        col(StepTaken.enrolment_id).in_(bindparam("enrolments", expanding=True)),
        col(StepTaken.how) != "cancelled",
    )
    .order_by(col(StepTaken.enrolment_id), col(StepTaken.step), col(StepTaken.round))
)
_SCOPED = core_select(
    col(Enrolment.client_id),
    col(Enrolment.legal_entity_id),
    col(Enrolment.currency),
    col(Enrolment.scope),
).where(
    col(Enrolment.client_id).in_(bindparam("clients", expanding=True)),
    col(Enrolment.scope) != "",
    col(Enrolment.state) != EnrolmentState.ENDED,
)
_LISTED = core_select(col(StepListed.step_taken_id), col(StepListed.instalment_id)).where(
    col(StepListed.step_taken_id).in_(bindparam("steps", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Balance:
    """What one account of a client comes to."""

    legal_entity_id: int
    currency: str
    open: int
    overdue: int
    unapplied: int


@dataclass(frozen=True, slots=True)
class Owed:
    """An open instalment, and the account it belongs to."""

    legal_entity_id: int
    currency: str
    instalment: arrears.OpenInstalment


def owed(
    session: Session, client_id: int, legal_entity_id: int | None = None, currency: str = ""
) -> list[Owed]:
    """All that is open, the oldest due first; of one account where its entity is given."""
    found = owed_by(session, [client_id]).get(client_id, [])
    if legal_entity_id is None:
        return found
    account = (legal_entity_id, currency)
    return [debt for debt in found if (debt.legal_entity_id, debt.currency) == account]


def owed_by(
    session: Session, clients: Sequence[int], kin: Kin | None = None
) -> dict[int, list[Owed]]:
    """The same for many clients at once; without those who owe nothing.

    Clients that are one owe together. ``kin`` is theirs where the caller has it.
    """
    kin = aliases.of(session, clients) if kin is None else kin
    rows = session.execute(_OPEN, {"clients": list(kin)}).all()
    disputed = contests.by_invoice(session, list(kin)) if rows else {}
    found: dict[int, list[Owed]] = {}
    for row in rows:
        found.setdefault(kin[row.client_id], []).append(_owed(row, disputed))
    for payments in fences.under_way(session, kin) if found else ():
        speaker = kin[payments[0].client_id]
        found[speaker] = _fenced(found.get(speaker, []), payments)
    return {one: found[speaker] for one, speaker in kin.items() if speaker in found}


def _fenced(debts: Sequence[Owed], payments: Sequence[fences.UnderWay]) -> list[Owed]:
    """What is owed, with the money that is on its way: to what it names, then to the oldest."""
    covered = dict.fromkeys((debt.instalment.id for debt in debts), 0)
    for payment in payments:
        left = payment.amount
        mine = [debt for debt in debts if (debt.legal_entity_id, debt.currency) == payment.account]
        for debt in sorted(mine, key=lambda one: one.instalment.number not in payment.names):
            share = min(left, debt.instalment.open - covered[debt.instalment.id])
            covered[debt.instalment.id] += share
            left -= share
    return [
        replace(debt, instalment=replace(debt.instalment, in_flight=covered[debt.instalment.id]))
        for debt in debts
    ]


def _owed(row: Any, disputed: dict[int, Contested]) -> Owed:
    open_ = int(row.open)
    contested = disputed.get(row.invoice_id)
    share, vain = contested.take(open_) if contested else (0, 0)
    return Owed(
        row.legal_entity_id,
        row.currency,
        arrears.OpenInstalment(
            id=row.id,
            invoice_id=row.invoice_id,
            number=row.number,
            currency=row.currency,
            issued_on=row.issued_on,
            due_on=row.due_on,
            amount=row.amount,
            open=open_,
            kind=row.kind,
            disputed=share,
            ladder=row.ladder or "",
            matter=row.matter,
            rejected=vain,
            rejected_at=contested.rejected_at if contested and vain else None,
        ),
    )


def balances(session: Session, client_id: int, today: dt.date) -> list[Balance]:
    """The client's accounts that are not at zero; ``today`` is the client's own day."""
    rows = session.exec(
        select(
            Posting.legal_entity_id,
            Posting.currency,
            func.sum(Posting.amount).filter(col(Posting.instalment_id).is_not(None)),
            func.sum(Posting.amount).filter(col(Posting.instalment_id).is_(None)),
        )
        .where(
            col(Posting.client_id).in_(aliases.group(session, client_id)),
            col(Posting.payer_id).is_(None),
        )
        .group_by(col(Posting.legal_entity_id), col(Posting.currency))
        .order_by(col(Posting.legal_entity_id), col(Posting.currency))
    ).all()
    late: dict[tuple[int, str], int] = {}
    for debt in owed(session, client_id):
        if arrears.is_overdue(debt.instalment, today, 0):
            account = (debt.legal_entity_id, debt.currency)
            late[account] = late.get(account, 0) + debt.instalment.open
    found = [
        Balance(entity, currency, int(debt or 0), late.get((entity, currency), 0), -int(cash or 0))
        for entity, currency, debt, cash in rows
    ]
    return [balance for balance in found if balance.open or balance.unapplied]


def overdue(
    session: Session, client: Client, now: dt.datetime, policy: Policy
) -> tuple[arrears.OpenInstalment, ...]:
    """Everything overdue of a client, in any entity and currency: what the outreach gate asks."""
    today = local_date(now, client.timezone)
    debts = promised(session, client, owed(session, client.id), now, policy)
    instalments = (debt.instalment for debt in debts)
    return tuple(found for found in instalments if arrears.is_overdue(found, today, 0))


def promised(
    session: Session, client: Client, debts: Sequence[Owed], now: dt.datetime, policy: Policy
) -> list[Owed]:
    """A client's debts with what is promised of each, where policy lets the gate overlook that."""
    if not debts or not policy.renewal.exclude_promised:
        return list(debts)
    place = arrears.place_of(client, policy)
    found: dict[int, int] = {}
    for account, made in fences.promises_of(session, aliases.of(session, [client.id])).items():
        mine = [one for one in debts if (one.legal_entity_id, one.currency) == account[1:]]
        stands = [(one, promises.standing(one, now, place)) for one in made]
        found |= arrears.promised_of([debt.instalment for debt in mine], stands)
    return [
        replace(one, instalment=replace(one.instalment, promised=found.get(one.instalment.id, 0)))
        for one in debts
    ]


def holds(session: Session, client_id: int) -> tuple[arrears.HoldFact, ...]:
    """The client's holds that nobody has released; the decision looks at their ends."""
    return _holds_by(session, aliases.of(session, [client_id])).get(client_id, ())


def _holds_by(session: Session, kin: Kin) -> dict[int, tuple[arrears.HoldFact, ...]]:
    found: dict[int, tuple[arrears.HoldFact, ...]] = {}
    for row in session.execute(_HOLDS, {"clients": list(kin)}):
        hold = arrears.HoldFact(
            id=row.id, reason=row.reason, until=row.until, invoice_id=row.invoice_id
        )
        speaker = kin[row.client_id]
        found[speaker] = (*found.get(speaker, ()), hold)
    return {one: found[speaker] for one, speaker in kin.items() if speaker in found}


def unapplied(session: Session, client_id: int, legal_entity_id: int, currency: str) -> int:
    """Money of an account, and of those that are one with it, that is on no instalment."""
    kin = aliases.of(session, [client_id])
    return _cash_by(session, kin).get((kin[client_id], legal_entity_id, currency), 0)


def _cash_by(session: Session, kin: Kin) -> dict[books.Key, int]:
    """By the account of the client that speaks."""
    found: dict[books.Key, int] = {}
    for (client_id, entity_id, currency), amount in books.unapplied_by(session, list(kin)).items():
        place = (kin[client_id], entity_id, currency)
        found[place] = found.get(place, 0) + amount
    return found


def taken(session: Session, enrolment: Enrolment) -> tuple[arrears.Taken, ...]:
    """The steps of the enrolment's current episode, and all notices before a due day, in order.

    A step whose message was cancelled was not taken: the client never heard of it.
    """
    return _taken_by(session, [enrolment]).get(enrolment.id, ())


def _taken_by(
    session: Session, enrolments: Sequence[Enrolment]
) -> dict[int, tuple[arrears.Taken, ...]]:
    episodes = {enrolment.id: enrolment.episode for enrolment in enrolments}
    rows = session.execute(_STEPS, {"enrolments": list(episodes)}).all()
    steps = [row for row in rows if row.step < 0 or row.episode == episodes[row.enrolment_id]]
    listed: dict[int, set[int]] = {}
    for row in session.execute(_LISTED, {"steps": [one.id for one in steps]}) if steps else ():
        listed.setdefault(row.step_taken_id, set()).add(row.instalment_id)
    found: dict[int, tuple[arrears.Taken, ...]] = {}
    for row in steps:
        step = arrears.Taken(
            step=row.step,
            round=row.round,
            taken_on=row.taken_on,
            how=row.how,
            listed=frozenset(listed.get(row.id, ())),
            taken_at=row.taken_at,
        )
        found[row.enrolment_id] = (*found.get(row.enrolment_id, ()), step)
    return found


def _told_by(
    session: Session, enrolments: Sequence[Enrolment], kin: Kin
) -> dict[int, tuple[arrears.Taken, ...]]:
    """The steps by enrolment, with those of the enrolments that it speaks for."""
    ladders = aliases.ladders(session, kin, enrolments)
    every = {one.id: one for same in ladders.values() for one in same}
    found = _taken_by(session, list(every.values()))
    if aliases.is_plain(kin):
        return found
    told: dict[int, tuple[arrears.Taken, ...]] = {}
    for enrolment_id, same in ladders.items():
        steps = [step for one in same for step in found.get(one.id, ())]
        told[enrolment_id] = tuple(sorted(steps, key=lambda one: (one.step, one.round)))
    return told


def in_dunning(session: Session, enrolment: Enrolment, client: Client) -> arrears.Account:
    """The account that a dunning enrolment is about."""
    return in_dunning_all(session, [(enrolment, client)])[0]


def in_dunning_all(
    session: Session, pairs: Sequence[tuple[Enrolment, Client]]
) -> list[arrears.Account]:
    """The accounts of dunning enrolments with their clients, in their order, in eight queries.

    Of clients that are one: what all of them owe, have paid and were told.
    """
    kin = aliases.among(session, [client for _, client in pairs])
    debts = owed_by(session, list(kin), kin)
    cash = _cash_by(session, kin)
    held = _holds_by(session, kin)
    steps = _told_by(session, [enrolment for enrolment, _ in pairs], kin)
    promised = fences.promises_of(session, kin)
    scopes = _scopes_of(session, kin)
    pinned = publication.versions(session, {one.policy_version for one, _ in pairs})
    found: list[arrears.Account] = []
    for enrolment, client in pairs:
        account = (kin[client.id], enrolment.legal_entity_id, enrolment.currency)
        told = steps.get(enrolment.id, ())
        taken = tuple(one for one in told if one.step > 0)
        one = arrears.Account(
            client_id=client.id,
            legal_entity_id=enrolment.legal_entity_id,
            currency=enrolment.currency,
            timezone=client.timezone,
            country=client.country,
            region=client.region,
            instalments=_part(enrolment, debts.get(client.id, ()), scopes.get(account, ())),
            unapplied=cash.get(account, 0),
            holds=held.get(client.id, ()),
            taken=taken,
            noticed=tuple(one for one in told if one.step < 0),
            segment=client.segment or "",
            ladder=client.ladder or "",
            pinned=pinned.get(enrolment.policy_version) if taken else None,
            imported_on=client.imported_on,
            promises=tuple(promised.get(account, ())),
        )
        found.append(one)
    return found


def _part(
    enrolment: Enrolment, debts: Sequence[Owed], scopes: Collection[str]
) -> tuple[arrears.OpenInstalment, ...]:
    """What the enrolment is about: its part of the account, or all that has no own."""
    account = (enrolment.legal_entity_id, enrolment.currency)
    mine = [one.instalment for one in debts if (one.legal_entity_id, one.currency) == account]
    if not scopes and not enrolment.scope:
        return tuple(mine)
    return tuple(one for one in mine if _scope(one, scopes) == enrolment.scope)


def _scopes_of(session: Session, kin: Kin) -> dict[books.Key, set[str]]:
    """The parts of accounts that have a sequence of their own, by the client that speaks."""
    found: dict[books.Key, set[str]] = {}
    for row in session.connection().execute(_SCOPED, {"clients": list(kin)}):
        account = (kin[row.client_id], row.legal_entity_id, row.currency)
        found.setdefault(account, set()).add(row.scope)
    return found


def _scope(instalment: arrears.OpenInstalment, scopes: Collection[str]) -> str:
    """The part of its account to which it belongs: the rest, unless another has it."""
    if not scopes:
        return ""
    mine = (arrears.scope_of(instalment, grouping) for grouping in ("invoice", "matter"))
    return next((scope for scope in mine if scope in scopes), "")


def in_renewal(session: Session, enrolment: Enrolment, now: dt.datetime) -> renewals.RenewalFact:
    """The agreement that a renewal enrolment is about."""
    agreement = session.get_one(Agreement, enrolment.agreement_id)
    steps = taken(session, enrolment)
    version = enrolment.policy_version if steps else ""
    return renewals.RenewalFact(
        agreement_id=agreement.id,
        name=agreement.name,
        kind=agreement.kind,
        renews_on=agreement.renews_on,
        amount=agreement.amount,
        currency=agreement.currency,
        taken=tuple(step.step for step in steps),
        state=agreement.state,
        in_vain=tuple(step.step for step in steps if step.how == "failed"),
        entity=session.get_one(LegalEntity, agreement.legal_entity_id).name,
        ladder=agreement.ladder or "",
        notice_days=agreement.notice_days or 0,
        heard=any(step.how == "sent" for step in steps),
        overrides=overrides.of(session, [agreement.client_id], now).get(agreement.client_id, ()),
        pinned=publication.versions(session, [version]).get(version),
    )
