"""Which payments crossed a reminder on its way?

A payment crosses a reminder where it pays what the reminder listed, within the hours that the
policy names after that left. The reminder is then followed by one "received, please disregard", and
by no second however the money comes in parts.
"""

import datetime as dt
from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import bindparam
from sqlalchemy import select as core_select
from sqlmodel import Session, col

from billing import store
from billing.models import Posting, StepListed
from comms.models import Message, Purpose, State
from comms.office import Office

_LEFT = (State.SENDING, State.SENT, State.DELIVERED, State.IN_DOUBT)
_CROSSED = (
    core_select(
        col(Posting.payment_id),
        col(Message.id),
        col(Message.contact_id),
        col(Message.channel),
        col(Message.address_id),
    )
    .join(StepListed, col(StepListed.instalment_id) == col(Posting.instalment_id))
    .join(Message, col(Message.step_id) == col(StepListed.step_taken_id))
    .where(
        col(Posting.payment_id).in_(bindparam("payments", expanding=True)),
        col(Message.purpose) == Purpose.DUNNING,
        col(Message.state).in_(_LEFT),
        col(Message.claimed_at) > bindparam("since"),
    )
    .order_by(col(Message.id))
)
_TOLD = core_select(col(Message.key)).where(col(Message.key).in_(bindparam("keys", expanding=True)))


class Crossing(NamedTuple):
    """The reminder that a payment crossed, and where that went."""

    reminder_id: int
    contact_id: int
    channel: str
    address_id: int

    @property
    def key(self) -> str:
        """Of the one message that follows."""
        return f"crossed:{self.reminder_id}"


def of_payments(session: Session, office: Office, payments: Collection[int]) -> dict[int, Crossing]:
    """By payment, the last reminder that it crossed and that nothing was said of yet."""
    hours = office.policy.dunning.crossing_hours
    if not payments or not hours:
        return {}
    asked = {"payments": list(payments), "since": office.now - dt.timedelta(hours=hours)}
    rows = store.below(session).execute(_CROSSED, asked).all()
    found = {
        row.payment_id: Crossing(row.id, row.contact_id, row.channel, row.address_id)
        for row in rows
        if row.contact_id is not None and row.address_id is not None
    }
    keys = {"keys": [one.key for one in found.values()]}
    told = set(session.connection().execute(_TOLD, keys).scalars()) if found else set()
    once: dict[str, int] = {}
    for payment_id, one in sorted(found.items()):
        if one.key not in told:
            once.setdefault(one.key, payment_id)
    return {payment_id: found[payment_id] for payment_id in once.values()}
