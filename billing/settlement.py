"""Which amount stands where, once all that an account was told is taken together?

``positions`` is the whole rule of application, as one pure function of documents and money: the
order in which facts arrived changes nothing. The ledger posts the difference between what it
says and what is posted, so that an amount is never edited and every movement has its cause.

The order: corrections, voids and charges make what is billed; shares say who owes it; credit notes
make it less; money goes first where it was named for, in the order it came, and the rest to the
oldest due, bills before their charges; what is left of a bill that was written off is given up. A
payer's money pays that payer's shares only. Amounts are minor units of the account's currency.
"""

import datetime as dt
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from billing import money, remittance


class PostingKind(StrEnum):
    """Why an amount moved."""

    ISSUE = "issue"
    CORRECTION = "correction"
    VOID = "void"
    CHARGE = "charge"
    WAIVER = "waiver"
    SHARE = "share"
    CREDIT = "credit"
    PAYMENT = "payment"
    REFUND = "refund"
    CHARGEBACK = "chargeback"
    ALLOCATION = "allocation"
    WRITE_OFF = "write_off"


class InstalmentKind(StrEnum):
    """What an instalment is for; charges age like the rest, and are settled after it."""

    PRINCIPAL = "principal"
    LATE_FEE = "late_fee"
    INTEREST = "interest"


class CreditKind(StrEnum):
    """What a credit note does: less debt, money that goes back, or money on account."""

    DEBT_CANCELLATION = "debt_cancellation"
    REFUND = "refund"
    CREDIT_TO_BALANCE = "credit_to_balance"


class Spot(NamedTuple):
    """What a posting moves: no instalment = money on account, no payer = the client's own."""

    kind: str
    client_id: int
    instalment_id: int | None = None
    payer_id: int | None = None
    payment_id: int | None = None
    credit_note_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An instalment of a bill, or a charge on it."""

    id: int
    due_on: dt.date
    amount: int
    position: int = 1
    kind: str = InstalmentKind.PRINCIPAL
    waived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """An issued invoice; ``corrected`` is what it comes to now, where that was told."""

    id: int
    client_id: int
    number: str
    parts: tuple[Part, ...]
    corrected: int | None = None
    void: bool = False
    written_off: bool = False
    shares: tuple[tuple[int, int], ...] = ()
    """Payer and amount."""


class Name(NamedTuple):
    """An invoice that a payment is for; ``read`` from what the payer wrote, as a code."""

    number: str
    amount: int | None = None
    read: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """A payment: what arrived of it, what went back, what the bank took, and what it is for."""

    id: int
    client_id: int
    reference: str
    received_on: dt.date
    received: int
    refunded: int = 0
    withdrawn: int = 0
    payer_id: int | None = None
    names: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """A credit note that stands, and where its money on account was applied."""

    id: int
    client_id: int
    kind: str
    amount: int
    invoice_id: int | None = None
    applied: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """All that was told of a client with one legal entity in one currency."""

    bills: tuple[Bill, ...] = ()
    money: tuple[Money, ...] = ()
    credits: tuple[Credit, ...] = ()


def positions(account: Account) -> dict[Spot, int]:
    """What every spot must come to; those at zero are left out."""
    sheet = _Sheet(account)
    for bill in account.bills:
        sheet.bill(bill)
    for credit in account.credits:
        sheet.credit(credit)
    left = {payment.id: sheet.receive(payment) for payment in sheet.in_order}
    for payment in sheet.in_order:
        left[payment.id] -= sheet.pay_named(payment, left[payment.id])
    sheet.pay_oldest(left)
    for bill in account.bills:
        if bill.written_off:
            sheet.give_up(bill)
    return {spot: amount for spot, amount in sheet.spots.items() if amount}


@dataclass(frozen=True, slots=True)
class _Debt:
    """One part of one bill; sorts by when it is paid: the oldest due first, charges last."""

    bill: Bill
    part: Part

    @property
    def order(self) -> tuple[bool, dt.date, str, int, str, int, int]:
        """The place of a charge says only when it was told, so what it is goes before it."""
        charge, part = self.part.kind != InstalmentKind.PRINCIPAL, self.part
        place = 0 if charge else part.position
        what = (place, part.kind, part.amount, self.bill.client_id)
        return charge, part.due_on, self.bill.number, *what


def _arrival(one: Money) -> tuple[dt.date, str, int, int]:
    """Two sources may call two payments the same."""
    return one.received_on, one.reference, one.received, one.id


@dataclass(slots=True)
class _Sheet:
    """Working paper: what each spot comes to so far, and who still owes what of each part."""

    account: Account
    spots: defaultdict[Spot, int] = field(default_factory=lambda: defaultdict(int))
    owed: dict[int, dict[int | None, int]] = field(default_factory=dict)
    debts: list[_Debt] = field(default_factory=list)
    by_number: defaultdict[Name, list[_Debt]] = field(default_factory=lambda: defaultdict(list))
    by_bill: dict[int, list[_Debt]] = field(default_factory=dict)
    credited_back: int = 0
    in_order: list[Money] = field(default_factory=list)

    def __post_init__(self) -> None:
        pairs = [_Debt(bill, part) for bill in self.account.bills for part in bill.parts]
        self.debts = sorted(pairs, key=lambda debt: debt.order)
        for debt in self.debts:
            number = debt.bill.number
            for name in (Name(number), Name(remittance.code(number), read=True)):
                self.by_number[name].append(debt)
            self.by_bill.setdefault(debt.bill.id, []).append(debt)
        self.in_order = sorted(self.account.money, key=_arrival)

    # --- what is billed, and who owes it ----------------------------------------------------------

    def bill(self, bill: Bill) -> None:
        principal = [part for part in bill.parts if part.kind == InstalmentKind.PRINCIPAL]
        for part in bill.parts:
            self._bill_part(bill, part)
        if bill.corrected is not None and not bill.void:
            self._correct(bill, principal, bill.corrected)
        amounts = [self.owed[part.id][None] for part in principal]
        left = sum(amounts)
        for payer_id, wanted in bill.shares:
            share = min(wanted, left)
            left -= share
            if share:
                self._share(bill, principal, payer_id, share)

    def _bill_part(self, bill: Bill, part: Part) -> None:
        is_charge = part.kind != InstalmentKind.PRINCIPAL
        self.owed[part.id] = {None: 0}
        self._add(PostingKind.CHARGE if is_charge else PostingKind.ISSUE, bill, part, part.amount)
        if bill.void:
            self._add(PostingKind.VOID, bill, part, -part.amount)
        elif part.waived:
            self._add(PostingKind.WAIVER, bill, part, -part.amount)

    def _correct(self, bill: Bill, parts: list[Part], amount: int) -> None:
        """More is added to the last part; less is taken from the last ones."""
        difference = amount - sum(part.amount for part in parts)
        for part in sorted(parts, key=lambda part: part.position, reverse=True):
            step = max(difference, -part.amount)
            if step:
                self._add(PostingKind.CORRECTION, bill, part, step)
            difference -= step

    def _share(self, bill: Bill, parts: list[Part], payer_id: int, share: int) -> None:
        weights = [self.owed[part.id][None] for part in parts]
        for part, amount in zip(parts, money.split(share, weights), strict=True):
            if amount:
                self._add(PostingKind.SHARE, bill, part, -amount)
                self._add(PostingKind.SHARE, bill, part, amount, payer_id)

    def _add(
        self, kind: PostingKind, bill: Bill, part: Part, amount: int, payer_id: int | None = None
    ) -> None:
        self.spots[Spot(kind, bill.client_id, part.id, payer_id)] += amount
        of_part = self.owed[part.id]
        of_part[payer_id] = of_part.get(payer_id, 0) + amount

    # --- what is credited -------------------------------------------------------------------------

    def credit(self, credit: Credit) -> None:
        left = credit.amount
        if credit.invoice_id is not None and credit.kind != CreditKind.CREDIT_TO_BALANCE:
            for debt, payer_id, amount in self._take(self._parts_of(credit.invoice_id), left):
                spot = Spot(
                    PostingKind.CREDIT, debt.bill.client_id, debt.part.id, payer_id, None, credit.id
                )
                self.spots[spot] -= amount
                left -= amount
            if credit.kind == CreditKind.REFUND:
                self.credited_back += credit.amount - left
        if left:
            on_account = Spot(PostingKind.CREDIT, credit.client_id, credit_note_id=credit.id)
            self.spots[on_account] -= left
        for invoice_id, wanted in credit.applied:
            for debt, _, amount in self._take(self._own(invoice_id), min(wanted, left)):
                self._move(debt, amount, None, credit.client_id, credit_note_id=credit.id)
                left -= amount

    def _parts_of(self, invoice_id: int) -> Iterator[tuple[_Debt, int | None]]:
        """The parts of a bill and who owes them, the client first."""
        debts = self.by_bill.get(invoice_id, [])
        yield from ((debt, None) for debt in debts)
        for debt in debts:
            yield from ((debt, payer) for payer in self.owed[debt.part.id] if payer is not None)

    def _own(self, invoice_id: int) -> Iterator[tuple[_Debt, int | None]]:
        return ((debt, None) for debt in self.by_bill.get(invoice_id, []))

    # --- what is paid -----------------------------------------------------------------------------

    def receive(self, payment: Money) -> int:
        """Book the money in and out; what is left of it may be applied."""
        refunded = min(payment.refunded, payment.received)
        withdrawn = min(payment.withdrawn, payment.received - refunded)
        moves = (
            (PostingKind.PAYMENT, -payment.received),
            (PostingKind.REFUND, refunded),
            (PostingKind.CHARGEBACK, withdrawn),
        )
        for kind, amount in moves:
            spot = Spot(kind, payment.client_id, None, payment.payer_id, payment.id)
            self.spots[spot] += amount
        return payment.received - refunded - withdrawn

    def pay_named(self, payment: Money, left: int) -> int:
        """Put it where it was named for; return how much that took."""
        used = 0
        for name in payment.names:
            limit = left - used if name.amount is None else min(name.amount, left - used)
            named = self.by_number.get(name._replace(amount=None), ())
            places = ((debt, payment.payer_id) for debt in named)
            used += self._pay(payment, places, limit)
        return used

    def pay_oldest(self, left: Mapping[int, int]) -> None:
        """Put the rest on what is due longest; what a credited refund waits for stays back."""
        refunded = sum(payment.refunded for payment in self.in_order)
        kept = max(0, self.credited_back - refunded)
        free = sum(left[one.id] for one in self.in_order if one.payer_id is None) - kept
        queues: dict[int | None, deque[tuple[_Debt, int | None]]] = {}
        for payment in self.in_order:
            payer_id, limit = payment.payer_id, left[payment.id]
            if payer_id not in queues:
                open_ = ((debt, payer_id) for debt in self.debts if not debt.bill.written_off)
                queues[payer_id] = deque(open_)
            if payer_id is None:
                limit = min(limit, max(0, free))
            used = self._pay(payment, self._waiting(queues[payer_id]), limit)
            free -= used if payer_id is None else 0

    def _waiting(
        self, queue: deque[tuple[_Debt, int | None]]
    ) -> Iterator[tuple[_Debt, int | None]]:
        """The first of a queue until it is paid, and so on: no debt is looked at twice in vain."""
        while queue:
            debt, payer_id = queue[0]
            if self.owed[debt.part.id].get(payer_id, 0) > 0:
                yield queue[0]
            if self.owed[debt.part.id].get(payer_id, 0) > 0:
                return
            queue.popleft()

    def _pay(self, payment: Money, places: Iterable[tuple[_Debt, int | None]], limit: int) -> int:
        used = 0
        for debt, payer_id, amount in self._take(places, limit):
            self._move(debt, amount, payer_id, payment.client_id, payment_id=payment.id)
            used += amount
        return used

    def _take(
        self, places: Iterable[tuple[_Debt, int | None]], limit: int
    ) -> Iterator[tuple[_Debt, int | None, int]]:
        """Use up what is owed at these places, in their order, up to a limit."""
        for debt, payer_id in places:
            if limit <= 0:
                return
            of_part = self.owed[debt.part.id]
            amount = min(limit, of_part.get(payer_id, 0))
            if amount > 0:
                of_part[payer_id] -= amount
                limit -= amount
                yield debt, payer_id, amount

    def _move(
        self,
        debt: _Debt,
        amount: int,
        payer_id: int | None,
        client_id: int,
        *,
        payment_id: int | None = None,
        credit_note_id: int | None = None,
    ) -> None:
        """From money on account to a part: two postings that sum to zero."""
        source = (payer_id, payment_id, credit_note_id)
        there = Spot(PostingKind.ALLOCATION, debt.bill.client_id, debt.part.id, *source)
        here = Spot(PostingKind.ALLOCATION, client_id, None, *source)
        self.spots[there] -= amount
        self.spots[here] += amount

    # --- what is given up -------------------------------------------------------------------------

    def give_up(self, bill: Bill) -> None:
        for debt in self.by_bill.get(bill.id, []):
            for payer_id, amount in list(self.owed[debt.part.id].items()):
                if amount > 0:
                    self._add(PostingKind.WRITE_OFF, bill, debt.part, -amount, payer_id)
