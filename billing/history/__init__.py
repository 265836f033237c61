"""Of which day, firm and currency is something asked, and which rows does that mean?

The modules beside this one read postings and what hangs on them as facts for ``billing.metrics``:
each is one or two statements over all rows, so the cost is linear. Nothing is added across
currencies here.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, func, select

from billing import calendar
from billing.models import Client, Invoice, LegalEntity, Payment, Posting

_EARLIEST_ZONE = "Pacific/Kiritimati"
"""Where a day begins first."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked about: as of a day, of one currency and legal entity, or of all.

    Without a ``day`` it is now, which is another day for clients in other time zones.
    """

    now: dt.datetime
    day: dt.date | None = None
    currency: str = ""
    entity_id: int | None = None

    @property
    def today(self) -> dt.date:
        """The day that is asked for, as the firm speaks of it."""
        return self.day or self.now.date()

    @property
    def horizon(self) -> dt.date:
        """The last day of which anything counts: today, wherever it is the latest."""
        return self.day or calendar.local_date(self.now, _EARLIEST_ZONE)

    def day_in(self, timezone: str) -> dt.date:
        """The day in a client's own calendar."""
        return self.day or calendar.local_date(self.now, timezone)

    def of(self, model: Any) -> list[ColumnElement[bool]]:
        """Conditions on a table that has a legal entity and a currency."""
        found: list[ColumnElement[bool]] = []
        if self.currency:
            found.append(col(model.currency) == self.currency)
        if self.entity_id is not None:
            found.append(col(model.legal_entity_id) == self.entity_id)
        return found


def currencies(session: Session, scope: Scope) -> dict[str, int]:
    """How many invoices and payments there are in each currency, up to the day."""
    found: dict[str, int] = {}
    for model, day in ((Invoice, Invoice.issued_on), (Payment, Payment.received_on)):
        query = (
            select(model.currency, func.count())
            .where(col(day) <= scope.horizon, *scope.of(model))
            .group_by(model.currency)
        )
        for currency, many in session.exec(query):
            found[currency] = found.get(currency, 0) + many
    return found


def entities(session: Session) -> dict[str, int]:
    """The firm's legal entities, by name."""
    query = select(LegalEntity.name, LegalEntity.id).order_by(col(LegalEntity.id))
    return {row[0]: row[1] for row in session.exec(query)}


def client_names(session: Session) -> dict[int, str]:
    """What each client is called."""
    return {row[0]: row[1] for row in session.exec(select(Client.id, Client.name))}


def first_day(session: Session, scope: Scope) -> dt.date | None:
    """The first day of which anything was posted; None in an empty store."""
    query = select(func.min(Posting.effective_on)).where(*scope.of(Posting))
    found: dt.date | None = session.exec(query).one()
    return found
