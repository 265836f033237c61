"""What does the receipt of a payment look like?"""

from collections.abc import Iterator
from dataclasses import replace

from reportlab.platypus import Flowable

from bot.papers import sheet, totals
from bot.papers.facts import Receipt
from bot.papers.sheet import Column, Pen, Section
from bot.papers.statement import METHODS


def pdf(paper: Receipt) -> bytes:
    """The receipt as a PDF file.

    Raises:
        Undrawable: a letter on it cannot be drawn with the fonts of this machine.
    """
    name = f"Receipt for payment {paper.reference}"

    def compose(pen: Pen) -> bytes:
        written = replace(pen, currency=paper.currency)
        section = Section(paper.issuer, name, list(_story(written, paper)))
        return sheet.bind(written, [section], name)

    return sheet.drawn(paper.to, compose)


def _story(pen: Pen, paper: Receipt) -> Iterator[Flowable]:
    yield sheet.title(pen, "Receipt")
    pairs = [
        ("Received", pen.day(paper.received_on)),
        ("Reference", paper.reference),
        ("How", METHODS.get(paper.method, "")),
        ("Paid by", paper.paid_by if paper.paid_by != paper.to.name else ""),
        ("Currency", paper.currency),
    ]
    yield sheet.parties(pen, paper.issuer, "For", pairs)
    yield sheet.space(7)
    kept = pen.money(paper.amount - paper.went_back)
    said = pen.strong(f"Thank you. We received {kept}.", 10.5)
    yield sheet.boxed(paper.issuer, [said])
    if paper.paid:
        yield sheet.room()
        yield sheet.heading(pen, "What it paid")
        columns = [Column("Invoice", right=False, words=1), Column("Amount")]
        rows = [[number, pen.money(amount)] for number, amount in paper.paid]
        yield sheet.grid(pen, paper.issuer, columns, rows)
    yield sheet.space(3)
    yield sheet.sums(pen, paper.issuer, _sums(paper))


def _sums(paper: Receipt) -> list[totals.Row]:
    """The invoices one by one stand in the table already."""
    rows = totals.received(paper)
    listed = rows[-1 - len(paper.paid) : -1]
    applied = [totals.Row("Paid on invoices", sum(row.amount for row in listed))] if listed else []
    return [*rows[: len(rows) - 1 - len(listed)], *applied, rows[-1]]
