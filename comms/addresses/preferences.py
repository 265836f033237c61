"""What did a person ask for: which channels only, and between which hours?

A wish is a person's, or one address's; the latest of each counts, and both bind. It is data here:
who reads it out of a reply is elsewhere.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, or_
from sqlalchemy import select as core_select
from sqlmodel import Session, col

from billing import store
from billing.models import StatedPreference
from billing.store import table_of
from comms.door import Preference

_ROWS = (
    core_select(*table_of(StatedPreference).c)
    .where(
        col(StatedPreference.ended_at).is_(None),
        or_(
            col(StatedPreference.contact_id).in_(bindparam("contacts", expanding=True)),
            col(StatedPreference.address_id).in_(bindparam("addresses", expanding=True)),
        ),
    )
    .order_by(col(StatedPreference.id))
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the people and addresses of a batch asked for."""

    people: Mapping[int, Preference]
    places: Mapping[int, Preference]

    def of(self, contact_id: int | None, address_id: int | None) -> tuple[Preference, ...]:
        """What binds a message to this person at this address."""
        found = (self.people.get(contact_id or 0), self.places.get(address_id or 0))
        return tuple(one for one in found if one is not None)

    def allow(self, contact_id: int | None, address_id: int | None, channel: str) -> bool:
        """Whether the person may be written to there by this channel at all."""
        wishes = self.of(contact_id, address_id)
        return all(not wish.channels or channel in wish.channels for wish in wishes)


def of(session: Session, contacts: Collection[int], addresses: Collection[int]) -> Wishes:
    """What these people asked for, and what was asked of these addresses."""
    if not contacts and not addresses:
        return Wishes({}, {})
    asked = {"contacts": list(contacts), "addresses": list(addresses)}
    people: dict[int, Preference] = {}
    places: dict[int, Preference] = {}
    for row in store.below(session).execute(_ROWS, asked):
        wish = Preference(
            tuple(row.channels.split()), _time(row.not_before), _time(row.not_after), row.timezone
        )
        if row.address_id is not None:
            places[row.address_id] = wish
        elif row.contact_id is not None:
            people[row.contact_id] = wish
    return Wishes(people, places)


def _time(written: str) -> dt.time | None:
    return dt.time.fromisoformat(written) if written else None
