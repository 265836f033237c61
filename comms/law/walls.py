"""Who may know of a matter, where the firm has put a wall around it?

What is sealed is read by those alone who stand inside the walls of every matter that it may be
about, and have the role besides.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import text
from sqlmodel import Session, col, select

from billing.models import MatterWall
from comms.law import attributions
from comms.models import Touchpoint

_ALONE = text("SELECT pg_advisory_xact_lock(7603)")


def refusal(session: Session, touchpoint: Touchpoint, staff_id: int | None) -> str:
    """Why this person does not read this where it is sealed; empty where no wall stands."""
    walls = standing(session)
    found = attributions.of(session, [touchpoint]).get(touchpoint.id) if walls else None
    theirs = set(found.among) if found else set()
    inside = {wall.matter for wall in walls if wall.staff_id == staff_id}
    return closed({wall.matter for wall in walls if wall.matter in theirs} - inside)


def closed(matters: Collection[str]) -> str:
    """The sentence for somebody who stands outside of these walls; nothing where there are none."""
    if not matters:
        return ""
    first = min(matters)
    return (
        f"There is a wall around {first}, and you do not stand inside. An administrator lets "
        f'you in: `counterfoil access wall "{first}" --add EMAIL`.'
    )


def standing(session: Session) -> Sequence[MatterWall]:
    """Who stands inside which wall."""
    return session.exec(select(MatterWall).where(col(MatterWall.lifted_at).is_(None))).all()


def lock(session: Session) -> None:
    """Nobody else changes a wall until this is committed.

    Of two who are let out at once each would count on the other to stay, and the wall would fall.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(_ALONE)
