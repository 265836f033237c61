"""What does the firm offer to a client, and when?"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, get_args

from billing.policy.amounts import Amounts, read_amounts
from billing.policy.ladders import CHANNELS
from billing.toml import Table

Trigger = Literal["paid", "renewed"]
"""The client owes nothing any more, or has renewed."""
TRIGGERS: tuple[Trigger, ...] = get_args(Trigger)


@dataclass(frozen=True, slots=True)
class Offer:
    """One offer: what brings it about, to whom, with which discount, and how often."""

    name: str
    trigger: Trigger
    delay_days: int
    template: str
    channels: tuple[str, ...]
    discount_percent: Decimal
    discount: Amounts
    code: str
    valid_days: int
    """From the day on which it may leave; 0: it has no end."""
    expires_days: int
    """For so long it waits to be sent; then it is dropped, it is never late."""
    service_types: tuple[str, ...]
    """Of those whose last invoice, or agreement, is of these services; none: of everybody."""
    segments: tuple[str, ...]
    """Of clients of these segments; none: of everybody."""
    every_days: int
    """At most once in so many days to one client."""


def read_offers(table: Table) -> tuple[Offer, ...]:
    """Read them in their order; what is wrong is noted there."""
    tables = table.tables("offers")
    offers = tuple(_offer(one) for one in tables)
    seen: set[str] = set()
    for offer, one in zip(offers, tables, strict=True):
        if offer.name in seen:
            one.wrong("name", f"is the name of another offer, {offer.name!r}")
        seen.add(offer.name)
    return offers


_LEFT_OUT: dict[str, object] = {
    "delay_days": 3,
    "channels": ["email"],
    "discount_percent": "0",
    "discount": {},
    "code": "",
    "valid_days": 30,
    "expires_days": 14,
    "service_types": [],
    "segments": [],
    "every_days": 180,
}


def _offer(given: Table) -> Offer:
    """A list replaces a list, so what an offer leaves out is said here."""
    table = Table({**_LEFT_OUT, **given.raw}, given.where, given.mistakes)
    offer = Offer(
        name=table.text("name"),
        trigger=table.choice("trigger", TRIGGERS),
        delay_days=table.whole("delay_days"),
        template=table.text("template"),
        channels=table.names("channels", CHANNELS),
        discount_percent=table.percent("discount_percent"),
        discount=read_amounts(table, "discount"),
        code=_code(table, "code"),
        valid_days=table.whole("valid_days"),
        expires_days=table.whole("expires_days", least=1),
        service_types=table.words("service_types", "tax"),
        segments=table.words("segments", "key"),
        every_days=table.whole("every_days", least=1),
    )
    if offer.discount_percent and offer.discount.by_currency:
        table.wrong("discount", "stands beside discount_percent; keep one of them")
    if offer.code and not (offer.discount_percent or offer.discount.by_currency):
        table.wrong("code", "is a code without a discount; say which, or leave it out")
    table.close()
    return offer


def _code(table: Table, key: str) -> str:
    value = table.get(key)
    if isinstance(value, str):
        return value.strip()
    table.wrong(key, 'must be text in quotes, as in "BACK10"')
    return ""
