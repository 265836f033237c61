"""What does one row of a portfolio say, and which facts is that?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import TypeVar

from typing_extensions import override

from billing import facts, money, spelling
from billing.facts import ClientDescribed, Fact, InvoiceDisputed, InvoiceIssued, PaymentSettled
from billing.facts.words import BIGGEST
from billing.portfolio import days

_T = TypeVar("_T")

_YES = frozenset({"yes", "y", "true", "1"})
_NO = frozenset({"no", "n", "false", "0"})


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Why a line cannot be taken; ``fatal`` = the file as a whole cannot be."""

    line: int
    column: str
    reason: str
    fatal: bool = False

    @override
    def __str__(self) -> str:
        """The problem as one line for a person."""
        if not self.line:
            return self.reason
        where = f"line {self.line}, {self.column}" if self.column else f"line {self.line}"
        return f"{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class PortfolioRow:
    """One invoice of the file. ``paid_on`` None with a ``paid`` amount = by the day of import."""

    line: int = field(compare=False)
    client: ClientDescribed
    invoice: str
    issued: date
    due: date
    amount: int
    currency: str
    paid: int
    paid_on: date | None
    disputed: bool
    service_type: str
    terms: str
    po_number: str
    legal_entity: str
    matter: str
    ladder: str

    @property
    def open(self) -> int:
        """What is still owed of it, in minor units."""
        return max(0, self.amount - self.paid)


@dataclass(frozen=True, slots=True)
class Dates:
    """How the dates of this file are read."""

    order: days.Order
    given: days.Order | None = None

    def read(self, written: str) -> date:
        """The day that a cell means; ValueError says what is wrong with it."""
        return days.parse(facts.some(written, 60), self.order, self.given)


@dataclass(slots=True)
class Cells:
    """The cells of one line by our names; ``take`` notes what is wrong and goes on."""

    line: int
    cells: Sequence[str]
    at: Mapping[str, int]
    problems: list[Problem] = field(default_factory=list)

    def raw(self, column: str) -> str:
        """The cell as written, trimmed; empty where the file has no such column."""
        place = self.at.get(column)
        return "" if place is None else self.cells[place].strip()

    def take(self, column: str, make: Callable[[str], _T], otherwise: _T) -> _T:
        """What ``make`` makes of the cell; ``otherwise`` where it cannot, and a problem."""
        try:
            return make(self.raw(column))
        except ValueError as error:
            self.fault(column, str(error))
            return otherwise

    def fault(self, column: str, reason: str) -> None:
        """Note a problem of this line."""
        self.problems.append(Problem(self.line, column, reason))


def yes(written: str) -> bool | None:
    """Yes, no, or None for an empty cell.

    Raises:
        ValueError: it is none of them.
    """
    word = written.strip().casefold()
    if word in _YES:
        return True
    if word in _NO:
        return False
    if not word:
        return None
    raise ValueError(f"`{written[:40]}` is neither yes nor no; write one of them")


def is_word(written: str) -> bool:
    """Whether a ``paid`` cell is yes, no or empty, and so no date."""
    word = written.strip().casefold()
    return not word or word in _YES or word in _NO


def row(
    cells: Cells, clients: Mapping[str, ClientDescribed], dates: Dates, default_currency: str
) -> PortfolioRow | None:
    """The invoice of one line, or None with the reasons left in ``cells.problems``."""
    client = clients.get(cells.take("client", reference, ""))
    invoice = cells.take("invoice", reference, "")
    issued = cells.take("issued", dates.read, date.min)
    due = cells.take("due", dates.read, date.max)
    if due < issued:
        cells.fault("due", _before(due, issued))
    known = len(cells.problems)
    currency = cells.take("currency", lambda cell: facts.currency(cell or default_currency), "")
    if len(cells.problems) > known:
        return None
    amount = cells.take("amount", lambda cell: positive(cell, currency), 1)
    paid, paid_on = _paid(cells, amount, currency, dates)
    if paid_on is not None and paid_on < issued:
        cells.fault("paid", _before(paid_on, issued))
    disputed = cells.take("disputed", yes, None)
    said = [cells.take(column, words, "") for column in _WORDS]
    if cells.problems or client is None:
        return None
    money_of = (amount, currency, paid, paid_on, disputed is True)
    return PortfolioRow(cells.line, client, invoice, issued, due, *money_of, *said)


_WORDS = ("service_type", "terms", "po_number", "legal_entity", "matter", "ladder")
words = partial(facts.text, longest=200)
reference = partial(facts.some, longest=200)


def positive(written: str, currency: str) -> int:
    """An amount above zero, in minor units.

    Raises:
        ValueError: it is no amount, or not above zero.
    """
    amount = money.parse(facts.some(written, 60), currency)
    if amount <= 0:
        raise ValueError("is not above zero; leave credit notes and empty invoices out")
    if amount > BIGGEST:
        raise ValueError("is larger than any invoice; correct it")
    return amount


def _before(day: date, issued: date) -> str:
    told = spelling.day(issued)
    return f"{spelling.day(day)} is before the invoice was issued, {told}; correct one"


def _paid(cells: Cells, amount: int, currency: str, dates: Dates) -> tuple[int, date | None]:
    """What was paid and when; None = by the day of import."""
    written = cells.raw("paid")
    part = cells.take("paid_amount", lambda cell: _part(cell, currency), None)
    if not is_word(written):
        return amount if part is None else part, cells.take("paid", dates.read, None)
    settled = yes(written)
    if settled is True:
        if part is not None and part < amount:
            cells.fault("paid", "says yes, but `paid_amount` is less than `amount`; correct one")
        return amount if part is None else part, None
    if settled is False and part:
        cells.fault("paid", "says no, but `paid_amount` is not zero; correct one")
    return part or 0, None


def _part(written: str, currency: str) -> int | None:
    if not written:
        return None
    part = money.parse(facts.text(written, 60), currency)
    if part < 0:
        raise ValueError("is below zero; leave refunds out")
    if part > BIGGEST:
        raise ValueError("is larger than any payment; correct it")
    return part


def to_facts(told: PortfolioRow, imported_on: date) -> tuple[Fact, ...]:
    """The row as facts, in the order in which they happened.

    A payment keeps its key whatever its date or amount, for a file says what was paid *to date*.
    A dispute opens on the day of import, but not before its invoice exists, and not on one that
    was paid in full by then.
    """
    client = told.client
    happened: list[Fact] = [client, _issued(told)]
    paid_on = told.paid_on or max(imported_on, told.issued)
    cured = told.open == 0 and paid_on <= imported_on
    if told.disputed and not cured:
        happened.append(
            InvoiceDisputed(
                source=client.source,
                client_external_id=client.external_id,
                invoice_number=told.invoice,
                legal_entity=told.legal_entity,
                opened_on=max(imported_on, told.issued),
                reason="marked as disputed in the imported file",
            )
        )
    if told.paid:
        happened.append(_settled(told, paid_on))
    return tuple(happened)


def _issued(told: PortfolioRow) -> InvoiceIssued:
    return InvoiceIssued(
        source=told.client.source,
        client_external_id=told.client.external_id,
        number=told.invoice,
        legal_entity=told.legal_entity,
        issued_on=told.issued,
        due_on=told.due,
        amount=told.amount,
        currency=told.currency,
        service_type=told.service_type,
        terms=told.terms,
        po_number=told.po_number,
        matter=told.matter,
        ladder=told.ladder,
    )


def _settled(told: PortfolioRow, paid_on: date) -> PaymentSettled:
    client = told.client
    return PaymentSettled(
        source=client.source,
        external_id=facts.joined(client.external_id, told.legal_entity, told.invoice),
        client_external_id=client.external_id,
        legal_entity=told.legal_entity,
        amount=told.paid,
        currency=told.currency,
        received_on=paid_on,
        invoice_number=told.invoice,
    )
