"""Who are the clients of this file, and does it contradict itself about them?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import partial

from billing import calendar, facts
from billing.facts import ClientDescribed
from billing.portfolio.rows import Cells, reference, yes

_name = partial(facts.text, longest=200)

_DETAILS: dict[str, Callable[[str], str | bool | None]] = {
    "client_name": _name,
    "email": facts.mailbox,
    "sms_consent": yes,
    "timezone": facts.timezone,
    "language": facts.language,
    "owner": facts.mailbox,
    "country": facts.country,
    "region": _name,
    "contact_name": _name,
    "segment": _name,
}
_FIELDS = {"client_name": "name", "owner": "owner_email"}


@dataclass(frozen=True, slots=True)
class Defaults:
    """What is true of a client where the file says nothing."""

    source: str = "csv"
    timezone: str | None = "UTC"
    country: str = "US"


@dataclass(slots=True)
class Directory:
    """What the lines seen so far say about each client. An empty cell says nothing."""

    defaults: Defaults
    said: dict[str, dict[str, tuple[str | bool, int]]] = field(default_factory=dict)

    def see(self, cells: Cells) -> None:
        """Take one line into account; contradictions become problems of it."""
        try:
            client = reference(cells.raw("client"))
        except ValueError:
            return
        known = self.said.setdefault(client, {})
        for column, make in _DETAILS.items():
            if cells.raw(column):
                _learn(known, cells, column, make)
        if cells.raw("phone"):
            region = cells.raw("country").upper() or self.defaults.country
            _learn(known, cells, "phone", partial(facts.phone, region=region))
        if cells.raw("country") or cells.raw("region"):
            self._place(known, cells)

    def _place(self, known: dict[str, tuple[str | bool, int]], cells: Cells) -> None:
        """Deadlines are judged by holidays, so its place must be one that has them."""
        country, _ = known.get("country", (self.defaults.country, 0))
        region, _ = known.get("region", ("", 0))
        try:
            calendar.is_holiday(date(2026, 1, 1), str(country), str(region))
        except ValueError as error:
            column = "region" if region else "country"
            known.pop(column, None)
            cells.fault(column, str(error))

    def all(self) -> dict[str, ClientDescribed]:
        """Every client as one fact, by id."""
        return {client: self._described(client) for client in self.said}

    def _described(self, client: str) -> ClientDescribed:
        told: dict[str, str | bool | None] = {
            "source": self.defaults.source,
            "external_id": client,
            "name": client,
            "timezone": self.defaults.timezone,
            "country": self.defaults.country,
        }
        for column, (value, _) in self.said[client].items():
            told[_FIELDS.get(column, column)] = value
        return ClientDescribed.model_validate(told)


def _learn(
    known: dict[str, tuple[str | bool, int]],
    cells: Cells,
    column: str,
    make: Callable[[str], str | bool | None],
) -> None:
    value = cells.take(column, make, None)
    if value is None:
        return
    before, line = known.setdefault(column, (value, cells.line))
    if before != value:
        shown = "yes" if before is True else "no" if before is False else before
        cells.fault(column, f"contradicts line {line}, which says {shown}; make them agree")
