"""What is kept of which matter a message is about, and who said so?

A rule finds it when the message comes; a person may say otherwise, and the youngest word holds.
What nothing was kept of, because it went out or came before, is told by the bills that it lists.
"""

import json
from collections.abc import Collection, Sequence
from typing import cast

from sqlalchemy import bindparam
from sqlalchemy import select as core_select
from sqlmodel import Session, col, or_, select

from billing import accounts, aliases, vault
from billing.models import (
    Client,
    Counsel,
    Instalment,
    Invoice,
    LegalHold,
    MatterWall,
    StepListed,
)
from comms import timeline
from comms.facts import InboundMessage
from comms.law import counsel
from comms.law.matters import Attribution, Heard, How, Matter, attributed, unnamed
from comms.models import Access, Message, Touchpoint
from comms.models import Attribution as Row
from comms.office import Office, Word

_NUMBERS = (
    core_select(col(Invoice.matter), col(Invoice.number))
    .where(
        col(Invoice.client_id).in_(bindparam("clients", expanding=True)), col(Invoice.matter) != ""
    )
    .order_by(col(Invoice.id).desc())
    .limit(20_000)
)
_LISTED = (
    core_select(col(Message.id), col(Invoice.matter))
    .join(StepListed, col(StepListed.step_taken_id) == col(Message.step_id))
    .join(Instalment, col(Instalment.id) == col(StepListed.instalment_id))
    .join(Invoice, col(Invoice.id) == col(Instalment.invoice_id))
    .where(col(Message.id).in_(bindparam("messages", expanding=True)), col(Invoice.matter) != "")
    .distinct()
)


def keep(
    session: Session, office: Office, touchpoint: Touchpoint, message: InboundMessage
) -> Row | None:
    """What a message that came is about, as far as anything tells."""
    clients = aliases.group(session, touchpoint.client_id)
    matters = known(session, clients)
    if not matters:
        return None
    files = (text for one in message.enclosed for text in (one.name, one.said))
    heard = Heard(
        own=f"{message.subject}\n{message.visible}",
        whole="\n".join((message.subject, message.body, *files)),
        answers=_answered(session, clients, message.in_reply_to),
        counsel=_as_counsel(session, clients, message.sender),
    )
    found = attributed(heard, matters)
    return _kept(session, office, touchpoint, found) if found else None


def known(session: Session, clients: Sequence[int]) -> list[Matter]:
    """The matters of a client's bills; and those of holds and walls, which count where named."""
    numbers: dict[str, set[str]] = {}
    for name, number in session.execute(_NUMBERS, {"clients": clients}):
        numbers.setdefault(name, set()).add(number)
    open_ = _open(session, clients) if len(numbers) > 1 else set()
    billed = [Matter(name, frozenset(of), name in open_) for name, of in numbers.items()]
    besides = {
        *session.exec(select(LegalHold.matter).where(col(LegalHold.client_id).in_(clients))),
        *session.exec(select(Counsel.matter).where(col(Counsel.client_id).in_(clients))),
        *session.exec(select(MatterWall.matter).where(col(MatterWall.lifted_at).is_(None))),
    } - {"", *numbers}
    return billed + [Matter(name, billed=False) for name in sorted(besides)]


def _open(session: Session, clients: Sequence[int]) -> set[str]:
    debts = accounts.owed_by(session, clients[:1]).get(clients[0], ())
    return {debt.instalment.matter for debt in debts}


def _answered(
    session: Session, clients: Sequence[int], references: Sequence[str]
) -> frozenset[str]:
    """The matters that our letters listed which this one answers."""
    names = [one.strip("<>").partition("@")[0] for one in references]
    if not names:
        return frozenset()
    ours = select(Message.id).where(
        col(Message.reference).in_(names), col(Message.client_id).in_(clients)
    )
    listed = _listed(session, session.exec(ours).all())
    return frozenset(name for found in listed.values() for name in found)


def _listed(session: Session, messages: Collection[int]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    if messages:
        for message_id, name in session.execute(_LISTED, {"messages": list(messages)}):
            found.setdefault(message_id, set()).add(name)
    return found


def _as_counsel(session: Session, clients: Sequence[int], sender: str) -> frozenset[str]:
    query = select(Counsel.matter).where(
        col(Counsel.value).in_({sender.lower(), counsel.domain_of(sender)} - {""}),
        or_(col(Counsel.client_id).is_(None), col(Counsel.client_id).in_(clients)),
        Counsel.state == "known",
        Counsel.matter != "",
    )
    return frozenset(session.exec(query))


def _kept(
    session: Session, office: Office, touchpoint: Touchpoint, found: Attribution, by: str = ""
) -> Row:
    row = Row(
        client_id=touchpoint.client_id,
        touchpoint_id=touchpoint.id,
        matter=found.matter,
        among=json.dumps(found.among),
        how=found.how,
        by=by,
        said_at=office.now,
    )
    session.add(row)
    session.flush()
    return row


def of(session: Session, touchpoints: Collection[Touchpoint]) -> dict[int, Attribution]:
    """What each is about, by its id; of a client without matters nothing."""
    rows = select(Row).where(col(Row.touchpoint_id).in_([one.id for one in touchpoints]))
    kept = {row.touchpoint_id: row for row in session.exec(rows.order_by(col(Row.id)))}
    listed = _listed(session, {one.message_id for one in touchpoints if one.message_id})
    billed: dict[int, list[Matter]] = {}
    found: dict[int, Attribution] = {}
    for one in touchpoints:
        if one.client_id not in billed:
            matters = known(session, aliases.group(session, one.client_id))
            billed[one.client_id] = [matter for matter in matters if matter.billed]
        row, names = kept.get(one.id), listed.get(one.message_id or 0, set())
        told = _read(row, billed[one.client_id]) if row else _unkept(names, billed[one.client_id])
        if told:
            found[one.id] = told
    return found


def _unkept(listed: Collection[str], billed: Sequence[Matter]) -> Attribution | None:
    if listed:
        one = next(iter(listed)) if len(listed) == 1 else ""
        return Attribution(one, tuple(sorted(listed)), "listed" if one else "several")
    return unnamed(billed)


def _read(row: Row, billed: Sequence[Matter]) -> Attribution:
    """Where nothing named it, it may as well be about a matter that came since."""
    among = set(json.loads(row.among))
    if row.how in ("only", "only_open", "several"):
        among |= {one.name for one in billed}
    return Attribution(row.matter, tuple(sorted(among)), cast("How", row.how))


def say(session: Session, office: Office, touchpoint: Touchpoint, matter: str, word: Word) -> None:
    """A person says what it is about, and why; the client is locked, and it is on the chain."""
    client = session.get_one(Client, touchpoint.client_id)
    _kept(session, office, touchpoint, Attribution(matter, (matter,), "said"), word.by)
    why = vault.put(session, office.keyring, client.key_id, f"{matter}: {word.reason}", office.now)
    ruling = Access(
        client_id=client.id,
        touchpoint_id=touchpoint.id,
        change="attributed",
        by=word.by,
        reason_id=why,
        occurred_at=office.now,
        recorded_at=office.now,
    )
    timeline.link(session, client.id, ruling)
