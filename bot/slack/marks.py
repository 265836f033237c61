"""What does a person say of a card: by a shortcut of its menu, or a lock set beside it?"""

import datetime as dt
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from sqlmodel import Session, col, func, select

from billing import aliases
from billing.models import Client
from bot import access
from bot.access import Action
from bot.inbox import Parcel
from bot.slack import blocks, people
from bot.slack.escalations import Card
from bot.slack.people import Person
from comms import seals, staff
from comms.compliance import clearance
from comms.compliance.labels import SEALING, Label
from comms.duties import instructions
from comms.duties.instructions import SealCard, SealWords, UnsealWords
from comms.law import walls
from comms.listening import strangers
from comms.models import Audience, Message, Purpose, Task, Touchpoint
from comms.office import Office

Meaning = Literal["privileged", "phi", "unseal"]
SHORTCUTS: Final[Mapping[str, Meaning]] = {
    "seal_privileged": "privileged",
    "seal_phi": "phi",
    "unseal": "unseal",
}
"""By the ``callback_id`` of the manifest."""
EMOJI: Final[Mapping[str, Meaning]] = {"lock": "privileged", "unlock": "unseal"}
NO_CARD = "This is no card of what a client wrote; use it on one that is."


@dataclass(frozen=True, slots=True)
class Spot:
    """Somebody is at a message of a channel."""

    user: str
    channel: str
    ts: str


@dataclass(frozen=True, slots=True)
class Mark(Spot):
    """They marked it; ``at`` is Slack's moment, where it says one."""

    means: Meaning
    at: dt.datetime | None = None
    event_id: str = ""


def read(parcel: Parcel) -> list[Mark]:
    """The lock that an event of Slack's tells of; nothing of every other event.

    Nothing either of somebody of another workspace, or of a channel shared with one.

    Raises:
        ValueError: it is no event.
    """
    told = json.loads(parcel.body)
    event = told.get("event") if isinstance(told, dict) else None
    if not isinstance(event, dict) or event.get("type") != "reaction_added":
        return []
    item, means = event.get("item"), EMOJI.get(str(event.get("reaction")))
    if means is None or not isinstance(item, dict) or item.get("type") != "message":
        return []
    foreign = {event.get("user_team"), event.get("source_team")} - {None, told.get("team_id")}
    if foreign or told.get("is_ext_shared_channel"):
        return []
    at = dt.datetime.fromtimestamp(float(event["event_ts"]), dt.UTC)
    place = str(item["channel"]), str(item["ts"])
    return [Mark(str(event["user"]), *place, means, at, str(told.get("event_id")))]


def decide(session: Session, mark: Mark) -> str | SealWords | UnsealWords | SealCard:
    """What is to be done, or why this person may not say so."""
    person = people.person_of(session, mark.user)
    if person is None:
        return access.unknown_person(mark.user)
    card = _card(session, mark)
    if card is not None and card.template == strangers.CARD:
        return _of_stranger(person, card, mark.means)
    touchpoint = touchpoint_of(session, mark)
    if touchpoint is None:
        return NO_CARD
    return of_words(session, person, touchpoint, mark.means, mark.at)


def of_words(
    session: Session,
    person: Person,
    touchpoint: Touchpoint,
    means: Meaning,
    at: dt.datetime | None = None,
) -> str | SealWords | UnsealWords:
    """The same of what a client wrote, whichever way it was said: an emoji, a menu, a button."""
    if refused := _refusal(session, person, touchpoint, means):
        return refused
    if means == "unseal":
        cleared = tuple(sorted(access.cleared(person.roles)))
        return UnsealWords(touchpoint_id=touchpoint.id, cleared=cleared, said_at=at, by=person.id)
    label = Label.PRIVILEGED if means == "privileged" else Label.PHI
    return SealWords(touchpoint_id=touchpoint.id, label=label, said_at=at, by=person.id)


def _of_stranger(person: Person, card: Message, means: Meaning) -> str | SealCard:
    """No client is theirs, so no chain and no wall: the role alone decides."""
    if means != "unseal":
        refused = person.refusal(Action.SEAL, owns=False)
        label = Label.PRIVILEGED if means == "privileged" else Label.PHI
        return refused or SealCard(message_id=card.id, label=label, by=person.id)
    if missing := SEALING - access.cleared(person.roles):
        return _uncleared(person, missing)
    return SealCard(message_id=card.id, by=person.id)


def _uncleared(person: Person, missing: Collection[Label]) -> str:
    return (
        f"Only who is cleared for it unseals what is sealed ({clearance.named(missing)}). An "
        f"administrator gives the role: `counterfoil access grant {person.email} privileged`."
    )


def _refusal(session: Session, person: Person, touchpoint: Touchpoint, means: Meaning) -> str:
    if means != "unseal":
        return person.refusal(Action.SEAL, owns=False) or ""
    sealed = seals.labels_of(session, [touchpoint])[touchpoint.id] & SEALING
    if missing := sealed - access.cleared(person.roles):
        return _uncleared(person, missing)
    return walls.refusal(session, touchpoint, person.id) if sealed else ""


def _card(session: Session, spot: Spot) -> Message | None:
    """The card of this place; in a direct message one that was sent to just this person."""
    query = select(Message).where(
        Message.audience == Audience.STAFF, Message.channel == "slack",
        Message.provider_id == spot.ts,
        Message.destination == (spot.user if spot.channel.startswith("D") else spot.channel),
    )  # fmt: skip
    return session.exec(query.order_by(col(Message.id)).limit(1)).first()


def touchpoint_of(session: Session, spot: Spot) -> Touchpoint | None:
    """What the card of this place shows: what a client wrote, also below a task or a case of it."""
    card = _card(session, spot)
    if card is None:
        return None
    if card.subject_kind == "case":
        return _last_word(session, card)
    if card.subject_kind == "task":
        task = session.get(Task, card.subject_id)
        return session.get(Touchpoint, task.touchpoint_id) if task and task.touchpoint_id else None
    return session.get(Touchpoint, card.subject_id) if card.subject_kind == "touchpoint" else None


def _last_word(session: Session, card: Message) -> Touchpoint | None:
    """What was the client's last word when the card of a case was drawn last."""
    mine = (col(Message.id) == card.id) | (col(Message.updates_id) == card.id)
    drawn = session.exec(select(func.max(col(Message.sent_at))).where(mine)).one()
    said = select(Touchpoint).where(
        col(Touchpoint.client_id).in_(aliases.group(session, card.client_id or 0)),
        Touchpoint.direction == "in",
        col(Touchpoint.recorded_at) <= drawn,
    )
    newest = (col(Touchpoint.occurred_at).desc(), col(Touchpoint.id).desc())
    return session.exec(said.order_by(*newest).limit(1)).first() if drawn else None


def client_of(session: Session, mark: Mark) -> list[int]:
    """Whom it touches: to be locked before it is carried out."""
    touchpoint = touchpoint_of(session, mark)
    return [touchpoint.client_id] if touchpoint else []


def take(session: Session, office: Office, mark: Mark) -> int | None:
    """Carry out what a lock says; the client, where it is set beside a card of theirs.

    Who may not say so hears of it alone; a stranger does not.
    """
    touchpoint, asked = touchpoint_of(session, mark), decide(session, mark)
    if not isinstance(asked, str):
        instructions.carry_out(session, office, asked)
    if touchpoint is None:
        return None
    if isinstance(asked, str) and people.person_of(session, mark.user) is not None:
        _tell_refusal(session, office, mark, touchpoint)
    return touchpoint.client_id


def _tell_refusal(session: Session, office: Office, mark: Mark, touchpoint: Touchpoint) -> None:
    notice = staff.Notice(
        key=f"alert:mark:{mark.event_id}",
        purpose=Purpose.ALERT,
        template="refused_mark",
        to=mark.user,
        client_id=touchpoint.client_id,
        subject=("marked", touchpoint.id),
    )
    staff.tell(session, office, notice)


def refused(session: Session, _office: Office, message: Message) -> Card:
    """A lock changed nothing: whose words it is about, and why, as it is now."""
    touchpoint = session.get_one(Touchpoint, message.subject_id)
    person = people.person_of(session, message.destination)
    tried: tuple[Meaning, Meaning] = ("privileged", "unseal")
    whys = [_refusal(session, person, touchpoint, one) for one in tried] if person else []
    name = blocks.inline(session.get_one(Client, touchpoint.client_id).name)
    what = f"The lock that you set beside what {name} wrote changed nothing"
    why = next(filter(None, whys), "Set it again: you may now.")
    return Card(what, [blocks.section(f"{what}. {blocks.inline(why, 400)}")])
