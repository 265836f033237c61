"""What stands against what a client owes, in the words that the card, the page and `explain` share?

Money on its way, disputes, promises and plans, the shares of other payers, money that the bank took
back, what was given up: each is a line with its invoice or its day. The amounts are facts about
money and nothing else; what anybody wrote is not in them.
"""

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select

from billing import aliases, arrears, fences, money, promises, spelling
from billing.models import (
    OPEN_DISPUTES,
    Chargeback,
    Client,
    Instalment,
    Invoice,
    InvoiceDispute,
    Payer,
    Payment,
    Posting,
    PostingKind,
    Share,
)
from comms.office import Office


class Line(NamedTuple):
    """What it is, in a word or two, and what there is to say of it."""

    kind: str
    text: str


def lines(session: Session, office: Office, client: Client) -> list[Line]:
    """All that stands against the client's debts today, what concerns most of it first."""
    group = aliases.group(session, client.id)
    return [
        *_under_way(session, group),
        *_disputes(session, group),
        *_promises(session, office, client),
        *_shares(session, group),
        *_taken_back(session, group),
        *_given_up(session, group),
    ]


def _under_way(session: Session, group: list[int]) -> Iterator[Line]:
    for payments in fences.under_way(session, aliases.of(session, group)):
        for one in payments:
            names = ", ".join(sorted(one.names))
            what = f" for {names}" if names else ""
            amount = money.display(one.amount, one.account[1])
            yield Line("on its way", f"{amount}{what}; it is not asked for meanwhile")


def _disputes(session: Session, group: list[int]) -> Iterator[Line]:
    rows = session.exec(
        select(InvoiceDispute, Invoice)
        .join(Invoice, col(Invoice.id) == InvoiceDispute.invoice_id)
        .where(
            col(InvoiceDispute.client_id).in_(group), col(InvoiceDispute.state).in_(OPEN_DISPUTES)
        )
        .order_by(col(InvoiceDispute.id))
    )
    for dispute, invoice in rows:
        amount = money.display(dispute.amount, invoice.currency) if dispute.amount else "all of it"
        answer = (
            f", to be answered by {spelling.day(dispute.respond_by)}" if dispute.respond_by else ""
        )
        text = f"{amount} of {invoice.number} since {spelling.day(dispute.opened_on)}{answer}"
        yield Line("disputed", text)


def _promises(session: Session, office: Office, client: Client) -> Iterator[Line]:
    place = arrears.place_of(client, office.policy)
    for account, made in fences.promises_of(session, aliases.of(session, [client.id])).items():
        for one in made:
            yield Line("plan" if len(one.parts) > 1 else "promised", _told(one, account[2]))
            part = promises.missed(one, office.now, place)
            if part:
                late = one.parts[part - 1]
                amount = money.display(late.amount, account[2])
                yield Line("missed", f"{amount} that was promised for {spelling.day(late.due_on)}")


def _told(promise: promises.Promise, currency: str) -> str:
    parts = ", ".join(
        f"{money.display(part.amount, currency)} by {spelling.day(part.due_on)}"
        for part in promise.parts
    )
    paid = f"; {money.display(promise.paid, currency)} came so far" if promise.paid else ""
    scope = f" for {', '.join(sorted(promise.scope))}" if promise.scope else ""
    return f"{parts}{scope}{paid}"


def _shares(session: Session, group: list[int]) -> Iterator[Line]:
    """What other payers still owe, which the client is not asked for."""
    open_ = func.sum(Posting.amount)
    rows = session.exec(
        select(Invoice, Payer, Share, open_)
        .join(Instalment, col(Instalment.id) == Posting.instalment_id)
        .join(Invoice, col(Invoice.id) == Instalment.invoice_id)
        .join(Payer, col(Payer.id) == Posting.payer_id)
        .join(Share, (col(Share.invoice_id) == Invoice.id) & (col(Share.payer_id) == Payer.id))
        .where(col(Posting.client_id).in_(group))
        .group_by(col(Invoice.id), col(Payer.id), col(Share.invoice_id), col(Share.payer_id))
        .having(open_ > 0)
        .order_by(col(Invoice.id))
    )
    for invoice, payer, share, amount in rows:
        answer = f", answer due by {spelling.day(share.respond_by)}" if share.respond_by else ""
        written = money.display(int(amount), invoice.currency)
        waits = "waits for" if share.state == "waiting" else "is to be paid by"
        yield Line("share", f"{written} of {invoice.number} {waits} {payer.name}{answer}")


def _taken_back(session: Session, group: list[int]) -> Iterator[Line]:
    rows = session.exec(
        select(Chargeback, Payment)
        .join(Payment, col(Payment.id) == Chargeback.payment_id)
        .where(col(Payment.client_id).in_(group))
        .order_by(col(Chargeback.id))
    )
    words = {
        "withdrawn": "taken back by the bank; whether it comes again is open",
        "won": "taken back by the bank and given again",
        "lost": "taken back by the bank for good",
    }
    for chargeback, payment in rows:
        amount = money.display(chargeback.amount, payment.currency)
        yield Line("chargeback", f"{amount} {words[chargeback.outcome]}")


def _given_up(session: Session, group: list[int]) -> Iterator[Line]:
    total = func.sum(Posting.amount)
    rows = session.exec(
        select(Invoice.number, Posting.currency, total)
        .join(Instalment, col(Instalment.id) == Posting.instalment_id)
        .join(Invoice, col(Invoice.id) == Instalment.invoice_id)
        .where(col(Posting.client_id).in_(group), Posting.kind == PostingKind.WRITE_OFF)
        .group_by(col(Invoice.number), col(Posting.currency))
        .having(total != 0)
    )
    for number, currency, amount in rows:
        written = money.display(-int(amount), currency)
        yield Line("written off", f"{written} of {number}: still owed, and nobody asks for it")


def of_instalment(instalment: arrears.OpenInstalment, day: dt.date) -> str:
    """An open instalment in one line: its amount, its age, and what is not asked for of it."""
    late = (day - instalment.due_on).days
    when = arrears.overdue_for(late) if late > 0 else f"due {spelling.day(instalment.due_on)}"
    kind = {"late_fee": "late fee, ", "interest": "interest, "}.get(instalment.kind, "")
    fenced = [
        f"{money.display(amount, instalment.currency)} {word}"
        for word, amount in (
            ("disputed", instalment.disputed),
            ("on its way", instalment.in_flight),
            ("promised", instalment.promised),
        )
        if amount
    ]
    amount = money.display(instalment.open, instalment.currency)
    return ", ".join([f"{kind}{amount} open", when, *fenced])
