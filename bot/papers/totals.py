"""What do the amounts of a paper come to, row by row?  Pure."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing.settlement import PostingKind
from bot.papers.facts import Account, Invoice, Item, Line, Receipt

AGES = ("not yet due", "1 to 30 days", "31 to 60", "61 to 90", "over 90")
_MOVES = (
    ("Corrected", (PostingKind.CORRECTION,)),
    ("Late fees and interest", (PostingKind.CHARGE, PostingKind.WAIVER)),
    ("Credited", (PostingKind.CREDIT,)),
    ("Paid", (PostingKind.ALLOCATION, PostingKind.REFUND, PostingKind.CHARGEBACK)),
    ("Written off", (PostingKind.WRITE_OFF,)),
    ("Voided", (PostingKind.VOID,)),
)


@dataclass(frozen=True, slots=True)
class Row:
    """An amount with its words; a ``strong`` one is the sum of those above it."""

    said: str
    amount: int
    strong: bool = False
    on: int | None = None
    """Of a tax: the amount that is taxed."""


@dataclass(frozen=True, slots=True)
class Tax:
    """One tax of a bill: on how much, and what it comes to."""

    rate: Decimal
    code: str
    jurisdiction: str
    base: int
    amount: int


def taxes(lines: Sequence[Line]) -> list[Tax]:
    """The taxes per rate, code and jurisdiction, in the order of the lines."""
    found: dict[tuple[Decimal, str, str], Tax] = {}
    for line in lines:
        key = (line.rate, line.code, line.jurisdiction)
        before = found.get(key, Tax(*key, 0, 0))
        found[key] = Tax(*key, before.base + net(line), before.amount + line.tax)
    return [tax for tax in found.values() if tax.rate or tax.amount]


def net(line: Line) -> int:
    """The line without its tax."""
    return line.amount - line.tax if line.inclusive else line.amount


def billed(paper: Invoice) -> list[Row]:
    """From the lines to the total of the bill; what the tax was rounded by is a row of its own."""
    return [*_of_lines(paper), Row("Total", paper.amount, strong=True)]


def _of_lines(paper: Invoice) -> Iterator[Row]:
    lines = paper.lines or (Line(amount=paper.amount),)
    on_top = taxes(lines)
    before = sum(map(net, lines))
    rounding = paper.amount - before - sum(tax.amount for tax in on_top)
    if on_top or rounding:
        yield Row("Net", before)
    for tax in on_top:
        yield Row(tax_said(tax), tax.amount, on=tax.base)
    if rounding:
        yield Row("Rounding", rounding)


def tax_said(tax: Tax) -> str:
    """The tax in words: "Tax 19%, DE (DE19)"."""
    place = f", {tax.jurisdiction}" if tax.jurisdiction else ""
    code = f" ({tax.code})" if tax.code else ""
    return f"Tax {percent(tax.rate)}{place}{code}"


def percent(rate: Decimal) -> str:
    """The rate without idle zeros."""
    return f"{rate.normalize():f}%"


def since(paper: Invoice) -> list[Row]:
    """From the total to what is open; nothing where nothing happened."""
    rows = [
        Row(said, amount)
        for said, kinds in _MOVES
        if (amount := sum(paper.moves.get(kind, 0) for kind in kinds))
    ]
    return [*rows, Row("Balance due", paper.amount + sum(row.amount for row in rows), strong=True)]


def owed_by(paper: Invoice) -> list[Row]:
    """Who owes what is open, where it is not the client alone."""
    if not paper.payers:
        return []
    balance = since(paper)[-1].amount
    own = balance - sum(amount for _, amount in paper.payers)
    return [*(Row(f"Owed by {name}", amount) for name, amount in paper.payers), Row("You owe", own)]


def aging(items: Sequence[Item], today: dt.date) -> tuple[int, ...]:
    """What is open by how long it is overdue, as in ``AGES``."""
    found = [0] * len(AGES)
    for item in items:
        late = (today - item.due_on).days
        found[0 if late <= 0 else min(4, 1 + (late - 1) // 30)] += item.open
    return tuple(found)


def standing(account: Account) -> list[Row]:
    """From what is open to the balance."""
    open_ = sum(item.open for item in account.items)
    rows = [Row("Open invoices", open_)]
    if account.unapplied:
        rows.append(Row("Money on account", -account.unapplied))
    return [*rows, Row("Balance", open_ - account.unapplied, strong=True)]


def received(paper: Receipt) -> list[Row]:
    """From what came to what is left of it."""
    rows = [Row("Received", paper.amount)]
    if paper.went_back:
        rows.append(Row("Went back to the payer", -paper.went_back))
    rows += [Row(f"Invoice {number}", -amount) for number, amount in paper.paid]
    return [*rows, Row("Left on account", sum(row.amount for row in rows), strong=True)]
