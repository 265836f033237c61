"""Who is let inside the wall around a matter, and who says so?"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session, col, select

from billing.models import Invoice, MatterWall, Staff
from bot.access import Action
from bot.app import App
from bot.custody import custodians
from bot.report import Args, Progress, Report, Table, Wrong
from comms.law import walls


class Asked(BaseModel):
    """The arguments of `counterfoil access wall`."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    matter: str = Field(min_length=1, max_length=200)
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    down: bool = False
    by: str = "cli"


async def change(app: App, args: Args, _progress: Progress) -> Report:
    """Put a wall around a matter, let people in or out, or take it down.

    Raises:
        Wrong: who asks may not, nobody has that email, or nobody would be left inside.
    """
    asked = Asked.model_validate(args)
    return await app.store.write(lambda session: changed(session, asked, app.clock.now()))


def changed(session: Session, asked: Asked, now: dt.datetime) -> Report:
    """The same in a transaction.

    Raises:
        Wrong: see ``change``.
    """
    custodians.check(session, asked.by, Action.WALL)
    walls.lock(session)
    inside = {
        wall.staff_id: wall for wall in walls.standing(session) if wall.matter == asked.matter
    }
    added = [_person(session, one) for one in asked.add]
    leaving = {_person(session, one, works_here=False).id for one in asked.remove}
    for person in added:
        if person.id not in inside:
            wall = MatterWall(
                matter=asked.matter, staff_id=person.id, placed_by=asked.by, placed_at=now
            )
            session.add(wall)
    gone = [wall for one, wall in inside.items() if asked.down or one in leaving]
    left = (inside.keys() | {one.id for one in added}) - leaving
    if gone and not asked.down and not _working(session, left):
        raise Wrong("Nobody would be left inside; add somebody, or take it down with --down.")
    for wall in gone:
        wall.lifted_at, wall.lifted_by = now, asked.by
        session.add(wall)
    session.flush()
    report = listed(session, asked.matter)
    more = [] if asked.down else _billed(session, asked.matter)
    return replace(report, lines=[*report.lines, *more])


def _billed(session: Session, matter: str) -> list[str]:
    """A matter that is written otherwise on the bills has no wall."""
    if session.exec(select(Invoice.id).where(Invoice.matter == matter).limit(1)).first():
        return []
    return [f"No bill names the matter {matter}: as long as none does, the wall keeps nothing."]


def listed(session: Session, matter: str = "") -> Report:
    """Who stands inside which wall."""
    query = (
        select(MatterWall, Staff)
        .join(Staff, col(Staff.id) == MatterWall.staff_id)
        .where(col(MatterWall.lifted_at).is_(None))
        .order_by(MatterWall.matter, Staff.email)
    )
    if matter:
        query = query.where(MatterWall.matter == matter)
    rows = [
        {"matter": wall.matter, "email": person.email, "by": wall.placed_by,
         "since": f"{wall.placed_at:%Y-%m-%d}"}
        for wall, person in session.exec(query)
    ]  # fmt: skip
    around = f"around {matter}" if matter else "around any matter"
    lines = [] if rows else [f"There is no wall {around}: the role alone decides."]
    columns = ["matter", "email", "since", "by"]
    table = Table("", columns, [[row[name] for name in columns] for row in rows])
    return Report({"walls": rows}, lines, [table] if rows else [])


def _working(session: Session, people: Collection[int]) -> Sequence[int]:
    """Those of them who have not left the firm."""
    query = select(Staff.id).where(col(Staff.id).in_(people), col(Staff.active).is_(True))
    return session.exec(query).all()


def _person(session: Session, email: str, *, works_here: bool = True) -> Staff:
    """Whoever is let in works here; whoever has left can still be taken out."""
    found = select(Staff).where(Staff.email == email)
    if works_here:
        found = found.where(col(Staff.active).is_(True))
    person = session.exec(found).first()
    if person is None:
        raise Wrong(f"Nobody here has the email {email}; `counterfoil access list` shows all.")
    return person
