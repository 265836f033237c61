"""What stands on a paper?  Frozen values; amounts in minor units of the paper's currency."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from billing.settlement import InstalmentKind, PostingKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """The legal entity whose paper it is; ``logo`` is a PNG."""

    name: str
    address: str = ""
    email: str = ""
    phone: str = ""
    pay_link: str = ""
    country: str = "US"
    logo: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Whom it is for, and how people there write amounts and days."""

    name: str
    lines: tuple[str, ...] = ()
    locale: str = "en_US"
    """Of amounts."""
    day_locale: str = "en_US"
    """Of days, whose months are English words as the rest of the paper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: ``amount`` after the discount, with ``tax`` inside where ``inclusive``."""

    description: str = ""
    quantity: str = ""
    amount: int
    discount: int = 0
    tax: int = 0
    rate: Decimal = Decimal(0)
    code: str = ""
    jurisdiction: str = ""
    inclusive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An instalment, or a charge; ``open`` whoever owes it."""

    due_on: dt.date
    amount: int
    open: int
    kind: str = InstalmentKind.PRINCIPAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """A bill as it was issued, and what became of it until ``as_of``."""

    issuer: Issuer
    to: Party
    as_of: dt.date
    number: str
    currency: str
    state: str = "issued"
    issued_on: dt.date
    due_on: dt.date
    amount: int
    terms: str = ""
    po_number: str = ""
    matter: str = ""
    service_type: str = ""
    lines: tuple[Line, ...] = ()
    parts: tuple[Part, ...] = ()
    moves: Mapping[PostingKind, int] = field(default_factory=dict)
    """What was posted on it after it was issued."""
    payers: tuple[tuple[str, int], ...] = ()
    """Who else owes of what is open, and how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something open, the client's own."""

    number: str
    issued_on: dt.date
    due_on: dt.date
    amount: int
    open: int
    in_query: int = 0
    kind: str = InstalmentKind.PRINCIPAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """Money that came; ``amount`` without what went back of it."""

    received_on: dt.date
    reference: str
    method: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A client's account with one legal entity in one currency."""

    issuer: Issuer
    currency: str
    items: tuple[Item, ...] = ()
    unapplied: int = 0
    under_way: int = 0
    came: tuple[Came, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Where a client's accounts stand on a day, and what came ``since``."""

    to: Party
    as_of: dt.date
    since: dt.date
    accounts: tuple[Account, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A payment, what it paid, and what is left of it on account."""

    issuer: Issuer
    to: Party
    paid_by: str
    reference: str
    method: str
    received_on: dt.date
    currency: str
    amount: int
    went_back: int = 0
    paid: tuple[tuple[str, int], ...] = ()
    """Invoice and amount."""
    left: int = 0
