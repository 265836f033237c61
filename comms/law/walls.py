"""Who may know of a matter, where the firm has put a wall around it?

What a client with a walled matter wrote may be about that matter: it is read by those alone who
stand inside every wall of the client's, and have the role besides.
"""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from billing import aliases
from billing.models import Invoice, MatterWall


def refusal(session: Session, client_id: int, staff_id: int | None) -> str:
    """Why this person reads nothing that is sealed of a client; empty where no wall stands."""
    walls = standing(session)
    theirs = set(_matters(session, client_id)) if walls else set()
    inside = {wall.matter for wall in walls if wall.staff_id == staff_id}
    closed = sorted({wall.matter for wall in walls if wall.matter in theirs} - inside)
    if not closed:
        return ""
    return (
        f"There is a wall around {closed[0]}, and you do not stand inside. An administrator lets "
        f'you in: `counterfoil access wall "{closed[0]}" --add EMAIL`.'
    )


def standing(session: Session) -> Sequence[MatterWall]:
    """Who stands inside which wall."""
    return session.exec(select(MatterWall).where(col(MatterWall.lifted_at).is_(None))).all()


def _matters(session: Session, client_id: int) -> Sequence[str]:
    theirs = col(Invoice.client_id).in_(aliases.group(session, client_id))
    return session.exec(select(Invoice.matter).where(theirs, Invoice.matter != "").distinct()).all()
