"""What is sealed of what clients wrote, who said so, and who has read it since?

The page shows it as compliance would ask for it: the row of the privilege log, the one sentence
about billing that may be known, and every look, from the chain. No word of what is sealed.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlmodel import Session, col, or_, select

from billing.models import Client, Contact, Staff
from bot.custody import privilegelog
from comms import seals
from comms.compliance import clearance
from comms.compliance.clearance import Reader, Sink
from comms.compliance.labels import SEALING, Label
from comms.listening import strangers
from comms.models import Access, Message, Task, Touchpoint
from comms.office import Office

Json = dict[str, Any]
_WORDS = ("sealed", "unsealed", "read")


def rows(session: Session, office: Office) -> list[Json]:
    """Whatever is sealed, or once was, the newest first.

    ``{touchpoint, client, who, at, channel, what, sealed, fact, log, looks [{at, by, what}]}``;
    ``log`` is the row of the privilege log, null where it has none.
    """
    found = _touched(session)
    labels, looks = seals.labels_of(session, found), _looks(session, [one.id for one in found])
    logged = {row["id"]: row for row in privilegelog.log(session, office, None, "").data["rows"]}
    return [
        _row(session, office, one, labels[one.id] & SEALING)
        | {"log": logged.get(one.id), "looks": looks.get(one.id, [])}
        for one in found
    ]


def _touched(session: Session) -> list[Touchpoint]:
    """What a detector or a person has ever sealed."""
    by_rule = or_(*(col(Touchpoint.labels).contains(one.value) for one in SEALING))
    by_people = select(Access.touchpoint_id).where(Access.change == "sealed")
    query = select(Touchpoint).where(or_(by_rule, col(Touchpoint.id).in_(by_people)))
    return list(session.exec(query.order_by(col(Touchpoint.id).desc())))


def _row(session: Session, office: Office, touchpoint: Touchpoint, holds: frozenset[Label]) -> Json:
    found = frozenset(map(Label, touchpoint.labels.split())) & SEALING
    contact = session.get(Contact, touchpoint.contact_id) if touchpoint.contact_id else None
    shown = seals.words(session, office, touchpoint, Reader(Sink.CHANNEL)) if holds else {}
    client = session.get_one(Client, touchpoint.client_id).name
    return {
        "touchpoint": touchpoint.id, "client": client, "channel": touchpoint.channel,
        "who": contact.name if contact and contact.name else client,
        "at": touchpoint.occurred_at.isoformat(),
        "what": clearance.named(holds or found or {Label.PRIVILEGED}),
        "sealed": bool(holds), "fact": shown.get("visible", ""),
    }  # fmt: skip


def _looks(session: Session, touchpoints: Iterable[int]) -> dict[int, list[Json]]:
    """What people did with it, the oldest first."""
    names = dict(session.exec(select(Staff.email, Staff.name)).all())
    query = select(Access).where(
        col(Access.touchpoint_id).in_(list(touchpoints)), col(Access.change).in_(_WORDS)
    )
    found: dict[int, list[Json]] = {}
    for one in session.exec(query.order_by(col(Access.id))):
        look = {"at": one.occurred_at.isoformat(), "by": names.get(one.by, one.by)}
        found.setdefault(one.touchpoint_id or 0, []).append(look | {"what": one.change})
    return found


def said(session: Session, posted: Mapping[str, int]) -> dict[str, Json]:
    """By Slack post: which words of a client its card shows, and whether they are sealed."""
    cards = select(Message.id, Message.subject_kind, Message.subject_id).where(
        col(Message.id).in_(list(posted.values())),
        col(Message.subject_kind).in_(("touchpoint", "task")),
    )
    tasks = dict(session.exec(select(Task.id, Task.touchpoint_id)).all())
    about = {
        message: number if kind == "touchpoint" else tasks.get(number or 0)
        for message, kind, number in session.exec(cards)
    }
    wanted = {number for number in about.values() if number}
    query = select(Touchpoint).where(col(Touchpoint.id).in_(wanted), Touchpoint.direction == "in")
    held = seals.labels_of(session, session.exec(query).all())
    of_clients = {
        ts: {"touchpoint": number, "sealed": bool(held[number] & SEALING)}
        for ts, message in posted.items()
        if (number := about.get(message)) in held
    }
    return of_clients | _of_strangers(session, posted)


def _of_strangers(session: Session, posted: Mapping[str, int]) -> dict[str, Json]:
    """Nobody's record has what a stranger wrote: only its card does, under a seal or open."""
    cards = select(Message.id, Message.template).where(
        col(Message.id).in_(list(posted.values())),
        col(Message.template).in_((strangers.CARD, *strangers.SEALED)),
    )
    drawn = dict(session.exec(cards).all())
    return {
        ts: {"touchpoint": None, "sealed": drawn[message] in strangers.SEALED}
        for ts, message in posted.items()
        if message in drawn
    }
