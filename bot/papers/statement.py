"""What does a statement of a client's accounts look like?"""

from collections.abc import Iterator
from dataclasses import replace

from reportlab.platypus import Flowable, KeepTogether

from billing.settlement import InstalmentKind
from bot.papers import sheet, totals
from bot.papers.facts import Account, Item, Statement
from bot.papers.sheet import Column, Pen, Section

_KINDS = {InstalmentKind.LATE_FEE: " late fee", InstalmentKind.INTEREST: " interest"}
METHODS = {
    "bank_transfer": "bank transfer", "debit": "direct debit", "card": "card",
    "cheque": "cheque", "cash": "cash", "other": "",
}  # fmt: skip


def pdf(paper: Statement) -> bytes:
    """The statement as a PDF file; each legal entity and currency begins on a page of its own.

    Raises:
        Undrawable: a letter on it cannot be drawn with the fonts of this machine.
    """

    def compose(pen: Pen) -> bytes:
        name = f"Statement of account, {pen.day(paper.as_of)}"
        sections = [
            Section(account.issuer, name, list(_story(_with(pen, account), paper, account)))
            for account in paper.accounts
        ]
        return sheet.bind(pen, sections, name)

    return sheet.drawn(paper.to, compose)


def _with(pen: Pen, account: Account) -> Pen:
    return replace(pen, currency=account.currency)


def _story(pen: Pen, paper: Statement, account: Account) -> Iterator[Flowable]:
    yield sheet.title(pen, "Statement of account")
    pairs = [
        ("As of", pen.day(paper.as_of)),
        ("With", account.issuer.name),
        ("Currency", account.currency),
    ]
    yield sheet.parties(pen, account.issuer, "For", pairs)
    yield sheet.room()
    yield sheet.heading(pen, "Open invoices")
    yield _items(pen, paper, account) if account.items else pen.text("Nothing is open.")
    yield sheet.space(2)
    yield sheet.sums(pen, account.issuer, totals.standing(account))
    yield from _notes(pen, account)
    if account.items:
        yield KeepTogether([sheet.heading(pen, "By age"), _aging(pen, paper, account)])
    yield sheet.room()
    yield sheet.heading(pen, f"Payments since {pen.day(paper.since)}")
    yield _came(pen, account) if account.came else pen.text("None.")
    balance = totals.standing(account)[-1].amount
    if balance > 0 and account.issuer.pay_link:
        said = pen.strong(f"Balance: {pen.money(balance)}")
        box = sheet.boxed(account.issuer, [said, pen.link(account.issuer.pay_link)])
        yield KeepTogether([sheet.space(7), box])


def _items(pen: Pen, paper: Statement, account: Account) -> Flowable:
    columns = [
        Column("Invoice", right=False, words=1),
        Column("Issued", right=False),
        Column("Due", right=False),
        Column("Days overdue"),
        Column("Amount"),
        Column("In query"),
        Column("Open"),
    ]
    rows = [
        [
            item.number + _KINDS.get(InstalmentKind(item.kind), ""),
            pen.day(item.issued_on),
            pen.day(item.due_on),
            str(late) if (late := (paper.as_of - item.due_on).days) > 0 else "",
            pen.money(item.amount),
            pen.money(item.in_query) if item.in_query else "",
            pen.money(item.open),
        ]
        for item in sorted(account.items, key=_oldest_first)
    ]
    return sheet.grid(pen, account.issuer, columns, rows)


def _oldest_first(item: Item) -> tuple[object, ...]:
    return item.due_on, item.issued_on, item.number


def _notes(pen: Pen, account: Account) -> Iterator[Flowable]:
    in_query = sum(item.in_query for item in account.items)
    if in_query:
        yield pen.soft(
            f"Of this, {pen.money(in_query)} is in query: we are looking into what you told us."
        )
    if account.under_way:
        yield pen.soft(f"{pen.money(account.under_way)} is on its way to us and not yet counted.")


def _aging(pen: Pen, paper: Statement, account: Account) -> Flowable:
    amounts = totals.aging(account.items, paper.as_of)
    columns = [Column(age) for age in totals.AGES]
    return sheet.grid(pen, account.issuer, columns, [[pen.money(one) for one in amounts]])


def _came(pen: Pen, account: Account) -> Flowable:
    columns = [
        Column("Received", right=False),
        Column("Reference", right=False, words=1),
        Column("How", right=False),
        Column("Amount"),
    ]
    rows = [
        [
            pen.day(one.received_on),
            one.reference,
            METHODS.get(one.method, ""),
            pen.money(one.amount),
        ]
        for one in account.came
    ]
    return sheet.grid(pen, account.issuer, columns, rows)
