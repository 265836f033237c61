"""What does a copy lack of the strictures that were said after it was made, and is it so again?

Each line beyond those that the database knows is done once more, in its order: with its own
moment, and unless somebody has said it, or something since, here already. A no comes back; a yes
does not, but it ends the no before it. Of whom the copy does not know at all, nothing is done.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import assert_never

from sqlmodel import Session, col, select

from billing.models import Address, Client, LegalHold, MatterWall, Staff
from bot.custody import lines, strictures
from bot.custody.strictures import Act, Held, Product, Refused, Ruled, Walled
from bot.models import Stricture
from bot.report import Progress, silent
from comms import consent, seals
from comms.compliance.labels import Label
from comms.law import attributions, preservation, walls
from comms.models import Access, ChainEntry, ConsentEvent, Touchpoint
from comms.office import Office, Word


@dataclass(frozen=True, slots=True)
class Again:
    """How many lines were done again, and of how many the copy does not know whom they are of."""

    done: int = 0
    unknown: int = 0


def bring_up(app: Product, path: Path | None, progress: Progress = silent) -> Again:
    """Do again what the log says and this database does not know.

    Raises:
        erasurelog.LogDamaged: the log lacks lines that this database knows.
    """
    if path is None or not _lacks(app, path):
        return Again()
    with lines.held(path):  # of several processes that start at once, one does it
        return _bring_up(app, path, progress)


def _lacks(app: Product, path: Path) -> int:
    """How many lines of the log this database does not know."""
    count = strictures.need_whole(app.store, path)
    with app.store.read() as session:
        return count - strictures.known(session)


def _bring_up(app: Product, path: Path, progress: Progress) -> Again:
    lacking = _lacks(app, path)
    if not lacking:
        return Again()
    raw = lines.read(path)
    said = [strictures.opened(app.keyring, one) for one in raw[-lacking:]]
    known = [one for one in said if one is not None]
    meant = _without_ended(known)
    done = 0
    for number, (owner, act) in enumerate(meant, 1):
        work = partial(_restate, office=app.office(), owner=owner, act=act)
        done += app.store.write_now(work, clients=_whom(owner, act))
        progress(number, len(meant))
    noted = Stricture(kind="log", row_id=len(raw), line=len(raw))
    app.store.write_now(lambda session: session.add(noted))
    return Again(done, len(said) - len(known))


def _without_ended(said: Sequence[tuple[str, Act]]) -> list[tuple[str, Act]]:
    """All but each yes, and each no that a later yes has ended."""
    yes = {
        _about(act): at
        for at, (_, act) in enumerate(said)
        if isinstance(act, Refused) and act.change == "granted"
    }
    return [
        one
        for at, one in enumerate(said)
        if not isinstance(one[1], Refused) or yes.get(_about(one[1]), -1) < at
    ]


def _about(act: Refused) -> tuple[str, str, str]:
    return act.kind, act.value, act.topic


def _whom(owner: str, act: Act) -> Callable[[Session], Collection[int]]:
    """The clients to lock."""

    def of(session: Session) -> Collection[int]:
        if isinstance(act, Refused):
            place = consent.find_address(session, act.kind, act.value)
            return consent.clients_of(session, place.id) if place else ()
        return session.exec(select(Client.id).where(Client.key_id == owner)).all()

    return of


def _restate(session: Session, office: Office, owner: str, act: Act) -> bool:
    """Whether it had to be done."""
    match act:
        case Walled():
            return _walled(session, act)
        case Refused():
            return _refused(session, office, act)
        case Ruled() | Held():
            client = session.exec(select(Client).where(Client.key_id == owner)).first()
            if client is None:
                return False
            if isinstance(act, Held):
                return _held(session, office, client.id, act)
            return _ruled(session, office, client.id, act)
        case _:
            assert_never(act)


def _ruled(session: Session, office: Office, client_id: int, act: Ruled) -> bool:
    touchpoint = _touchpoint(session, client_id, act)
    if touchpoint is None or _said_since(session, touchpoint, act):
        return False
    if act.change == "attributed":
        if act.matter:
            word = Word(act.by, act.reason)
            attributions.say(session, office, touchpoint, act.matter, word)
        return bool(act.matter)
    label = Label(act.label) if act.label else Label.PRIVILEGED
    word_of = seals.Word(act.change, act.by, act.reason, label, act.at)
    seals.redraw(session, office, touchpoint, seals.rule(session, office, touchpoint, word_of))
    return True


def _touchpoint(session: Session, client_id: int, act: Ruled) -> Touchpoint | None:
    """The same one: another may have its number where this is a copy."""
    link = session.get(ChainEntry, (client_id, act.seq))
    if link is None or link.hash != act.link:
        return None
    return session.get(Touchpoint, link.detail_id)


def _said_since(session: Session, touchpoint: Touchpoint, act: Ruled) -> bool:
    """Somebody said it here, or something since that it must not undo."""
    seal = ("sealed", "unsealed")
    changes = seal if act.change in seal else (act.change,)
    said = select(Access.id).where(
        Access.touchpoint_id == touchpoint.id,
        col(Access.change).in_(changes),
        col(Access.occurred_at) >= act.at,
    )
    return session.exec(said.limit(1)).first() is not None


def _held(session: Session, office: Office, client_id: int, act: Held) -> bool:
    mine = select(LegalHold.id).where(
        LegalHold.client_id == client_id, LegalHold.matter == act.matter
    )
    word = Word(act.by, act.reason, act.at)
    if act.change == "held":
        if not act.matter or session.exec(mine.where(LegalHold.placed_at >= act.at)).first():
            return False
        return bool(preservation.place(session, office, client_id, act.matter, word))
    standing = mine.where(col(LegalHold.released_at).is_(None), LegalHold.placed_at <= act.at)
    if session.exec(standing).first() is None:
        return False
    return bool(preservation.release(session, office, client_id, act.matter, word))


def _walled(session: Session, act: Walled) -> bool:
    walls.lock(session)
    person = session.exec(select(Staff).where(Staff.email == act.email)).first()
    if person is None:  # as one who left: nobody gets in by it, and the wall stands
        person = Staff(name=act.email.partition("@")[0], email=act.email, active=False)
        session.add(person)
        session.flush()
    query = select(MatterWall).where(
        MatterWall.matter == act.matter, MatterWall.staff_id == person.id
    )
    held = session.exec(query).all()
    inside = [one for one in held if one.lifted_at is None]
    if act.change == "in":
        if inside or any(one.placed_at >= act.at for one in held):
            return False
        session.add(
            MatterWall(matter=act.matter, staff_id=person.id, placed_by=act.by, placed_at=act.at)
        )
        return True
    leaving = [one for one in inside if one.placed_at <= act.at]
    for wall in leaving:
        wall.lifted_at, wall.lifted_by = act.at, act.by
        session.add(wall)
    return bool(leaving)


def _refused(session: Session, office: Office, act: Refused) -> bool:
    place = consent.find_address(session, act.kind, act.value)
    if place is None:  # whoever is told of it again is told of one who said no
        place = Address(kind=act.kind, value=act.value, created_at=office.now)
        session.add(place)
        session.flush()
    said = select(ConsentEvent.id).where(
        ConsentEvent.address_id == place.id,
        ConsentEvent.topic == act.topic,
        ConsentEvent.change != "asserted",
        col(ConsentEvent.occurred_at) >= act.at,
    )
    if session.exec(said.limit(1)).first() is not None:
        return False
    event = ConsentEvent(
        address_id=place.id, topic=act.topic, change="revoked", method=act.method,
        source=act.source, occurred_at=act.at, recorded_at=office.now,
    )  # fmt: skip
    consent.record(session, event)
    return True
