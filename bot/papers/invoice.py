"""What does an invoice look like?"""

from collections.abc import Iterator
from dataclasses import replace

from babel import Locale
from reportlab.platypus import Flowable, KeepTogether

from billing.settlement import InstalmentKind
from bot.papers import sheet, totals
from bot.papers.facts import Invoice, Line
from bot.papers.sheet import Column, Pen, Section

_MARKS = {
    "draft": "Draft: nothing is owed yet.",
    "approved": "Draft: nothing is owed yet.",
    "void": "Void: nothing is owed on this invoice.",
    "uncollectible": "Written off.",
}
_KINDS = {InstalmentKind.LATE_FEE: "late fee", InstalmentKind.INTEREST: "interest"}


def pdf(paper: Invoice) -> bytes:
    """The invoice as a PDF file.

    Raises:
        Undrawable: a letter on it cannot be drawn with the fonts of this machine.
    """
    name = f"Invoice {paper.number}"

    def compose(pen: Pen) -> bytes:
        written = replace(pen, currency=paper.currency)
        story = list(_story(written, paper))
        return sheet.bind(written, [Section(paper.issuer, name, story)], name)

    return sheet.drawn(paper.to, compose)


def _story(pen: Pen, paper: Invoice) -> Iterator[Flowable]:
    yield sheet.title(pen, f"Invoice {paper.number}")
    pairs = [
        ("Issued", pen.day(paper.issued_on)),
        ("Due", pen.day(paper.due_on)),
        ("Terms", paper.terms),
        ("Your order", paper.po_number),
        ("Matter", paper.matter),
        ("Currency", _currency(paper.currency)),
    ]
    yield sheet.parties(pen, paper.issuer, "Bill to", pairs)
    if paper.state in _MARKS:
        yield sheet.heading(pen, _MARKS[paper.state])
    yield sheet.space(7)
    yield _lines(pen, paper)
    yield sheet.space(2)
    yield sheet.sums(pen, paper.issuer, totals.billed(paper))
    yield KeepTogether(list(_account(pen, paper)))


def _currency(code: str) -> str:
    name = Locale("en").currencies.get(code, "")
    return f"{code}, {name}" if name else code


def _lines(pen: Pen, paper: Invoice) -> Flowable:
    service = (paper.service_type or "Services").capitalize()
    lines = paper.lines or (Line(description=service, amount=paper.amount),)
    columns = [
        Column("Description", right=False, words=1),
        Column("Quantity", most=0.14),
        Column("Price"),
        Column("Discount"),
        Column("Tax", most=0.12),
        Column("Amount"),
    ]
    rows = [
        [
            line.description or service,
            line.quantity,
            pen.money(line.amount + line.discount) if line.discount else "",
            pen.money(-line.discount) if line.discount else "",
            _tax(line),
            pen.money(line.amount),
        ]
        for line in lines
    ]
    return sheet.grid(pen, paper.issuer, columns, rows)


def _tax(line: Line) -> str:
    if not (line.rate or line.tax):
        return line.code
    return f"{totals.percent(line.rate)} incl." if line.inclusive else totals.percent(line.rate)


def _account(pen: Pen, paper: Invoice) -> Iterator[Flowable]:
    """What became of it, in how many parts it is paid, who pays what, and how."""
    if paper.state in ("draft", "approved"):
        return
    rows = totals.since(paper)
    if len(rows) > 1 or paper.payers:
        yield sheet.heading(pen, f"As of {pen.day(paper.as_of)}")
        yield sheet.sums(pen, paper.issuer, [*rows, *totals.owed_by(paper)])
    if len(paper.parts) > 1:
        yield sheet.heading(pen, "To be paid")
        yield _parts(pen, paper)
    due = (totals.owed_by(paper) or rows)[-1].amount
    if due > 0 and paper.issuer.pay_link and paper.state == "issued":
        yield sheet.space(7)
        said = pen.strong(_request(pen, paper, due))
        yield sheet.boxed(paper.issuer, [said, pen.link(paper.issuer.pay_link)])


def _request(pen: Pen, paper: Invoice, due: int) -> str:
    when = f" by {pen.day(paper.due_on)}"
    if len(paper.parts) > 1:
        when = " in the parts above"
    elif paper.due_on < paper.as_of:
        when = f", which was due on {pen.day(paper.due_on)}"
    return f"Please pay {pen.money(due)}{when}, naming {paper.number}."


def _parts(pen: Pen, paper: Invoice) -> Flowable:
    columns = [
        Column("Due", right=False),
        Column("", right=False, words=1),
        Column("Amount"),
        Column("Open"),
    ]
    rows = [
        [
            pen.day(part.due_on),
            _KINDS.get(InstalmentKind(part.kind), ""),
            pen.money(part.amount),
            pen.money(part.open),
        ]
        for part in paper.parts
    ]
    return sheet.grid(pen, paper.issuer, columns, rows)
