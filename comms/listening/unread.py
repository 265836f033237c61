"""Has a client written something that nobody of ours has read yet?"""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from billing import aliases
from billing.gates import Refusal
from billing.models import Hold
from comms.office import Office

REPLY = "reply"
"""The reason of a hold that ends when a person has read what the client wrote."""


def refusals(session: Session, office: Office, clients: Sequence[int]) -> dict[int, Refusal]:
    """Why renewals and offers wait, by client; nothing where the policy holds only reminders."""
    if office.policy.replies.hold != "everything":
        return {}
    held = {one: _hold(session, office, one) for one in clients}
    why = "They wrote, and nobody has read it yet."
    return {
        one: Refusal("reply", why, hold.until, wake_on_change=True)
        for one, hold in held.items()
        if hold is not None
    }


def _hold(session: Session, office: Office, client_id: int) -> Hold | None:
    query = select(Hold).where(
        col(Hold.client_id).in_(aliases.group(session, client_id)),
        Hold.reason == REPLY,
        col(Hold.released_at).is_(None),
        col(Hold.until) > office.now,
    )
    return session.exec(query.limit(1)).first()
