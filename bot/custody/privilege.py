"""What is sealed, who says so, who reads it, and what follows from what people said of it?"""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session, col, select

from billing import aliases
from billing.models import Staff, StaffRole
from bot import access
from bot.access import Action
from bot.app import App
from bot.report import NO, Args, Progress, Report, Wrong
from comms import seals
from comms.compliance import clearance
from comms.compliance.clearance import Reader, Sink
from comms.compliance.labels import SEALING, Label
from comms.law import attributions, counsel, walls
from comms.models import Touchpoint
from comms.office import Word


class Asked(BaseModel):
    """The arguments of `counterfoil privilege seal`, `unseal`, `read` and `forget`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    touchpoint: int
    by: str
    """The email of the member of staff who asks."""
    reason: str = ""
    label: Literal["privileged", "phi"] = "privileged"
    matter: str = Field(default="", max_length=200)


async def seal(app: App, args: Args, _progress: Progress) -> Report:
    """Seal what was said; whoever has a role here may do it, for it shows nobody more.

    Raises:
        Wrong: it is not there, or they may not.
    """
    asked = Asked.model_validate(args)
    return await _ruled(
        app, asked, seals.Word("sealed", asked.by, asked.reason, Label(asked.label))
    )


async def unseal(app: App, args: Args, _progress: Progress) -> Report:
    """Take every seal off; only who is cleared for what is there may do it.

    Raises:
        Wrong: it is not there, or they may not.
    """
    asked = Asked.model_validate(args)
    return await _ruled(app, asked, seals.Word("unsealed", asked.by, asked.reason))


async def read(app: App, args: Args, _progress: Progress) -> Report:
    """Show what is sealed to somebody who is cleared for it; the look is on the chain first.

    Raises:
        Wrong: it is not there, or they are not cleared.
    """
    asked = Asked.model_validate(args)
    with app.store.read() as session:
        found = _found(session, asked.touchpoint)
        _must_be_cleared(session, asked.by, found)

    def look(session: Session) -> None:
        seals.looked(session, _found(session, asked.touchpoint), asked.by, app.clock.now())

    await app.store.write(look, clients=[found.client_id])
    with app.store.read() as session:
        reader = Reader(Sink.PERSON, access.cleared(_person(session, asked.by)[1]))
        said = seals.words(session, app.office(), _found(session, asked.touchpoint), reader)
    lines = [said[name] for name in ("sealed", "subject", "visible") if said.get(name)]
    return Report(
        {"touchpoint": asked.touchpoint, **said}, lines, code=NO if "sealed" in said else 0
    )


async def forget(app: App, args: Args, _progress: Progress) -> Report:
    """What people said of a message teaches nothing any more; it stays sealed, or not.

    Raises:
        Wrong: it is not there, it teaches nothing, or they may not.
    """
    asked = Asked.model_validate(args)
    with app.store.read() as session:
        found = _found(session, asked.touchpoint)
        _must(session, asked.by, Action.COUNSEL)

    def write(session: Session) -> Report:
        touchpoint = _found(session, asked.touchpoint)
        every = counsel.taught(session, [touchpoint.client_id], touchpoint.address_id)
        if touchpoint.id not in {one.touchpoint.id for one in every}:
            raise Wrong(
                f"Nothing was learned from touchpoint {asked.touchpoint}; `counterfoil privilege "
                "learned` shows what was."
            )
        word = seals.Word("forgotten", asked.by, asked.reason or "taken back")
        seals.rule(session, app.office(), touchpoint, word)
        said = f"Touchpoint {touchpoint.id} teaches nothing any more; what it is stays as it is."
        return Report({"touchpoint": touchpoint.id, "forgotten": True}, [said])

    return await app.store.write(write, clients=[found.client_id])


async def attribute(app: App, args: Args, _progress: Progress) -> Report:
    """Say which matter a message is about; who may not read it may not say so.

    Raises:
        Wrong: it is not there, nobody knows the matter, or they may not.
    """
    asked = Asked.model_validate(args)
    if not asked.reason.strip():
        raise Wrong("Say why with --reason: it is kept, and others ask later.")
    with app.store.read() as session:
        found = _found(session, asked.touchpoint)
        _must(session, asked.by, Action.SEAL)
        _must_be_cleared(session, asked.by, found)
        matter = _matter(session, found, asked.matter)

    def write(session: Session) -> Report:
        touchpoint = _found(session, asked.touchpoint)
        attributions.say(session, app.office(), touchpoint, matter, Word(asked.by, asked.reason))
        said = f"Touchpoint {touchpoint.id} is about {matter} from now on."
        return Report({"touchpoint": touchpoint.id, "matter": matter}, [said])

    return await app.store.write(write, clients=[found.client_id])


def _matter(session: Session, touchpoint: Touchpoint, name: str) -> str:
    """As bills, holds and walls name it."""
    group = aliases.group(session, touchpoint.client_id)
    names = [one.name for one in attributions.known(session, group)]
    for one in names:
        if one.casefold() == name.strip().casefold():
            return one
    listed = ", ".join(f'"{one}"' for one in names[:20]) or "none"
    raise Wrong(f'No bill, hold or wall names a matter "{name}"; known here: {listed}.')


async def _ruled(app: App, asked: Asked, word: seals.Word) -> Report:
    if not asked.reason.strip():
        raise Wrong("Say why with --reason: it is kept, and others ask later.")
    with app.store.read() as session:
        found = _found(session, asked.touchpoint)
        if word.change == "unsealed":
            _must_be_cleared(session, asked.by, found)
        else:
            _must(session, asked.by, Action.SEAL)
        cleared = access.cleared(_person(session, asked.by)[1])

    def write(session: Session) -> Report:
        said = seals.say(session, app.office(), asked.touchpoint, word, cleared)
        labels = seals.labels_of(session, [_found(session, asked.touchpoint)])[asked.touchpoint]
        done = bool(labels & SEALING) == (word.change == "sealed")
        data = {"touchpoint": asked.touchpoint, "labels": sorted(labels)}
        return Report(data, [f"Touchpoint {asked.touchpoint}: {said}"], code=0 if done else NO)

    return await app.store.write(write, clients=[found.client_id])


def _found(session: Session, touchpoint_id: int) -> Touchpoint:
    found = session.get(Touchpoint, touchpoint_id)
    if found is None:
        raise Wrong(f"There is no touchpoint {touchpoint_id}; `counterfoil timeline` names them.")
    return found


def _person(session: Session, email: str) -> tuple[int | None, Sequence[str]]:
    """Who that is, and their roles; nobody where they have left or never were here."""
    found = select(Staff.id).where(Staff.email == email, col(Staff.active).is_(True))
    staff_id = session.exec(found).first()
    roles = session.exec(select(StaffRole.role).where(StaffRole.staff_id == staff_id)).all()
    return staff_id, roles


def _must(session: Session, email: str, action: Action) -> None:
    if why := access.refusal(_person(session, email)[1], action, owns=False, email=email):
        raise Wrong(why)


def _must_be_cleared(session: Session, email: str, touchpoint: Touchpoint) -> None:
    """Cleared for what is there, and inside the walls of the client's matters."""
    staff_id, roles = _person(session, email)
    labels = seals.labels_of(session, [touchpoint])[touchpoint.id] & SEALING
    if missing := labels - access.cleared(roles):
        raise Wrong(
            f"{email} is not cleared for {clearance.named(missing)}. An administrator gives the "
            f"role: `counterfoil access grant {email} privileged`."
        )
    if labels and (why := walls.refusal(session, touchpoint, staff_id)):
        raise Wrong(why)
