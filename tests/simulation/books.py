"""What does each client owe, reckoned from nothing but what was told? A second opinion on money.

It shares no line with the product: what it says of a client is compared with the product's own sums
and decides what the product should not have sent. Amounts are minor units.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

from billing import facts
from billing.facts import Fact

DAY = dt.timedelta(days=1)
_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)
Key = tuple[str, str]
"""A legal entity and a currency: amounts of two such are never added."""


@dataclass
class Bill:
    client: str
    key: Key
    number: str
    issued_on: dt.date
    parts: list[tuple[dt.date, int]]
    corrected: tuple[dt.datetime, int, dt.date] | None = None
    void: bool = False
    written_off: dt.datetime | None = None
    taken_back: dt.datetime | None = None
    shares: dict[str, tuple[dt.datetime, int, str]] = field(default_factory=dict)
    """By payer, the last word: when, how much, and whether it is waiting, settled or denied."""

    @property
    def given_up(self) -> bool:
        return self.written_off is not None and self.written_off > (self.taken_back or _NEVER)

    def owed(self) -> list[int]:
        """What each part comes to, before anybody paid: more on the last, less from the last."""
        amounts = [0 if self.void else amount for _, amount in self.parts]
        if self.corrected is None or self.void:
            return amounts
        left = self.corrected[1] - sum(amounts)
        for place in reversed(range(len(amounts))):
            step = max(left, -amounts[place])
            amounts[place] += step
            left -= step
        return amounts

    def handed(self, owed: list[int]) -> dict[str, list[int]]:
        """What each payer owes of it, which the client then does not: what is agreed goes first."""
        line = sorted(
            (state, at, amount, payer) for payer, (at, amount, state) in self.shares.items()
        )
        found = {}
        for state, _, amount, payer in line:
            wanted = 0 if state == "denied" else amount
            found[payer] = [wanted - _off(owed, wanted)]
        return found


@dataclass
class Paid:
    client: str
    key: Key
    reference: str
    amount: int = 0
    received_on: dt.date = dt.date.max
    started: tuple[dt.datetime, str] | None = None
    settled: dt.datetime = _NEVER
    failed: dt.datetime = _NEVER
    refunded: int = 0
    backs: dict[str, tuple[bool, int]] = field(default_factory=dict)
    """By the bank's number: whether it is ours again, and how much it is about."""
    names: tuple[str, ...] = ()
    payer: str = ""
    """Whose money it is, where it is not the client's."""
    renews: bool = False
    """It is charged for the next term of an agreement."""

    @property
    def arrived(self) -> int:
        return self.amount if self.settled > self.failed else 0

    @property
    def left(self) -> int:
        taken = sum(amount for won, amount in self.backs.values() if not won)
        return max(0, self.arrived - self.refunded - taken)

    @property
    def under_way(self) -> bool:
        if self.started is None or self.settled > self.failed:
            return False
        return self.started[1] == "processing" and self.failed < self.started[0]


@dataclass
class Dispute:
    number: str
    amount: int | None
    open: bool = True
    closed_at: dt.datetime = _NEVER
    granted: int = 0


@dataclass
class Promise:
    client: str
    key: Key
    parts: tuple[tuple[dt.date, int], ...]
    invoices: tuple[str, ...]
    made_at: dt.datetime
    withdrawn: bool = False


@dataclass
class Hold:
    client: str
    number: str | None
    placed_at: dt.datetime
    until: dt.datetime | None
    released: bool = False

    def stands(self, now: dt.datetime) -> bool:
        return not self.released and (self.until is None or self.until > now)


@dataclass(frozen=True)
class Stand:
    """What is open of every part of every bill, and the money that is on none of them."""

    open: dict[str, list[tuple[dt.date, int]]]
    spare: int
    theirs: dict[str, int]
    """By number, what others owe; and their money that is on none."""
    theirs_spare: int

    @property
    def total(self) -> int:
        return sum(left for parts in self.open.values() for _, left in parts) - self.spare

    def of(self, number: str) -> int:
        return sum(left for _, left in self.open.get(number, ()))

    def late(self, today: dt.date) -> dict[str, int]:
        """By number, what is overdue: due today is not."""
        found = {
            number: sum(left for due, left in parts if due < today)
            for number, parts in self.open.items()
        }
        return {number: left for number, left in found.items() if left > 0}


@dataclass
class Books:
    """Everything that was told and taken in, by what it is about."""

    bills: dict[str, Bill] = field(default_factory=dict)
    paid: dict[str, Paid] = field(default_factory=dict)
    credits: dict[str, tuple[str, Key, str, int]] = field(default_factory=dict)
    """By external id: client, account, invoice, amount."""
    disputes: dict[tuple[str, str], Dispute] = field(default_factory=dict)
    promises: dict[str, Promise] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    of_client: dict[str, list[Bill]] = field(default_factory=lambda: defaultdict(list))
    paid_by: dict[str, list[Paid]] = field(default_factory=lambda: defaultdict(list))
    _stands: dict[tuple[frozenset[str], Key], Stand] = field(default_factory=dict)

    def take(self, fact: Fact) -> None:
        """What is known from now on."""
        self._stands.clear()
        match fact:
            case facts.InvoiceIssued():
                self._issue(fact)
            case facts.InvoiceCorrected():
                bill = self.bills[fact.number]
                if bill.corrected is None or fact.corrected_at > bill.corrected[0]:
                    bill.corrected = (fact.corrected_at, fact.amount, fact.due_on)
            case facts.ShareDescribed():
                self._share(fact)
            case facts.InvoiceVoided():
                self.bills[fact.invoice_number].void = True
            case facts.InvoiceWrittenOff():
                self._write_off(fact)
            case facts.CreditNoteIssued() if fact.invoice_number:
                account = (fact.legal_entity, fact.currency)
                about = (fact.client_external_id, account, fact.invoice_number, fact.amount)
                self.credits.setdefault(fact.external_id, about)
            case facts.CreditNoteVoided():
                self.credits.pop(fact.external_id, None)
            case _ if isinstance(fact, facts.payments.OfPayment):
                self._pay(fact)
            case _:
                self._stand_against(fact)

    def forget(self) -> None:
        """What was reckoned holds no more."""
        self._stands.clear()

    def _issue(self, fact: facts.InvoiceIssued) -> None:
        if fact.number in self.bills:
            return
        parts = [(part.due_on, part.amount) for part in fact.instalments]
        account = (fact.legal_entity, fact.currency)
        bill = Bill(
            fact.client_external_id, account, fact.number, fact.issued_on,
            parts or [(fact.due_on, fact.amount)],
        )  # fmt: skip
        self.bills[fact.number] = bill
        self.of_client[bill.client].append(bill)

    def _share(self, fact: facts.ShareDescribed) -> None:
        shares, word = (
            self.bills[fact.invoice_number].shares,
            (fact.told_at, fact.amount, fact.state),
        )
        shares[fact.payer] = max(word, shares.get(fact.payer, word))

    def _write_off(self, fact: facts.InvoiceWrittenOff) -> None:
        bill = self.bills[fact.invoice_number]
        name = "taken_back" if fact.undone else "written_off"
        setattr(bill, name, max(fact.happened_at, getattr(bill, name) or _NEVER))

    def _pay(self, fact: facts.payments.OfPayment) -> None:
        account = (fact.legal_entity, fact.currency)
        new = fact.external_id not in self.paid
        blank = Paid(
            fact.client_external_id, account, fact.external_id, payer=fact.payer or ""
        )  # fmt: skip
        paid = self.paid.setdefault(fact.external_id, blank)
        if new:
            self.paid_by[paid.client].append(paid)
        named: tuple[str, ...] = (fact.invoice_number,) if fact.invoice_number else ()
        named += tuple(one.invoice_number for one in fact.allocations)
        paid.names = paid.names or named
        paid.renews = paid.renews or fact.renewal_of is not None
        match fact:
            case facts.PaymentStarted():
                paid.started = max(paid.started or (_NEVER, ""), (fact.happened_at, fact.state))
                paid.amount = paid.amount or fact.amount
            case facts.PaymentSettled():
                paid.settled = max(paid.settled, fact.at)
                paid.amount = max(paid.amount, fact.amount)
                paid.received_on = min(paid.received_on, fact.received_on)
            case facts.PaymentFailed():
                paid.failed = max(paid.failed, fact.happened_at)
            case facts.PaymentRefunded():
                paid.refunded = max(paid.refunded, fact.refunded)
            case facts.PaymentChargedBack():
                won = paid.backs.get(fact.chargeback, (False, 0))[0] or fact.outcome == "won"
                paid.backs[fact.chargeback] = (won, fact.withdrawn)
            case _:
                pass

    def _stand_against(self, fact: Fact) -> None:
        match fact:
            case facts.InvoiceDisputed():
                place = (fact.invoice_number, fact.external_id or "")
                self.disputes.setdefault(place, Dispute(fact.invoice_number, fact.amount))
            case facts.DisputeClosed():
                dispute = self.disputes[fact.invoice_number, fact.external_id or ""]
                if fact.closed_at > dispute.closed_at:
                    dispute.open, dispute.closed_at = False, fact.closed_at
                    accepted = fact.outcome == "accepted"
                    dispute.granted = (fact.amount or 0) if accepted else 0
            case facts.PromiseMade():
                parts = tuple((part.due_on, part.amount) for part in fact.parts)
                account = (fact.legal_entity, fact.currency)
                made = Promise(fact.client_external_id, account, parts, fact.invoices, fact.made_at)
                self.promises.setdefault(fact.external_id, made)
            case facts.PromiseWithdrawn():
                self.promises[fact.external_id].withdrawn = True
            case facts.HoldPlaced():
                self._hold(fact)
            case facts.HoldReleased():
                self.holds[fact.external_id].released = True
            case _:
                pass

    def _hold(self, fact: facts.HoldPlaced) -> None:
        hold = Hold(fact.client_external_id, fact.invoice_number, fact.placed_at, fact.until)
        held = self.holds.setdefault(fact.external_id, hold)
        if fact.placed_at > held.placed_at:
            held.placed_at, held.until = fact.placed_at, fact.until

    # --- what it comes to -------------------------------------------------------------------------

    def accounts(self, kin: Collection[str]) -> list[Key]:
        found = {bill.key for one in kin for bill in self.of_client.get(one, ())}
        found |= {paid.key for one in kin for paid in self.paid_by.get(one, ())}
        return sorted(found)

    def stand(self, kin: frozenset[str], key: Key) -> Stand:
        """What clients that are one owe in one account."""
        place = (kin, key)
        if place not in self._stands:
            bills = [bill for one in kin for bill in self.of_client.get(one, ()) if bill.key == key]
            money = [paid for one in kin for paid in self.paid_by.get(one, ()) if paid.key == key]
            self._stands[place] = self._reckon(bills, money)
        return self._stands[place]

    def _reckon(self, bills: Collection[Bill], money: Collection[Paid]) -> Stand:
        owed = {bill.number: bill.owed() for bill in bills}
        by_number = {bill.number: bill for bill in bills}
        debts: Debts = defaultdict(dict, {"": owed})
        for bill in bills:
            for payer, parts in bill.handed(owed[bill.number]).items():
                debts[payer][bill.number] = parts
        spare = self._credit(debts)
        left = _pay(by_number, debts, money)
        others = [of for payer, of in debts.items() if payer]
        return Stand(
            open={
                number: [
                    (due, 0 if bill.given_up else amount)
                    for (due, _), amount in zip(bill.parts, owed[number], strict=True)
                ]
                for number, bill in by_number.items()
            },
            spare=spare + sum(left[one.reference] for one in money if not one.payer),
            theirs={
                number: 0 if bill.given_up else sum(sum(of.get(number, ())) for of in others)
                for number, bill in by_number.items()
            },
            theirs_spare=sum(left[one.reference] for one in money if one.payer),
        )

    def _credit(self, debts: "Debts") -> int:
        """Less debt; what is credited beyond it is money of the client's."""
        spare = 0
        noted = [(number, amount) for _, _, number, amount in self.credits.values()]
        noted += [(one.number, one.granted) for one in self.disputes.values() if one.granted]
        for number, amount in noted:
            if number in debts[""]:
                left = amount
                for of in debts.values():  # the client's first
                    left = _off(of.get(number, []), left)
                spare += left
        return spare

    def declined(self, kin: frozenset[str]) -> set[str]:
        """Bills whose charge for a renewal failed, and that are open still, or yet to be told."""
        return {
            number
            for one in kin
            for paid in self.paid_by.get(one, ())
            for number in paid.names
            if paid.renews
            and paid.failed > paid.settled
            and (number not in self.bills or self.stand(kin, paid.key).of(number))
        }

    # --- what may not be asked for ----------------------------------------------------------------

    def held(self, kin: frozenset[str], now: dt.datetime) -> bool:
        """Whether nobody of these may be reminded of anything."""
        return any(
            hold.client in kin and hold.number is None and hold.stands(now)
            for hold in self.holds.values()
        )

    def fenced(self, kin: frozenset[str], key: Key, now: dt.datetime, today: dt.date) -> set[str]:
        """Bills that nobody may be reminded of: all that is open of them is spoken for."""
        stand = self.stand(kin, key)
        found = {
            hold.number
            for hold in self.holds.values()
            if hold.client in kin and hold.number and hold.stands(now)
        }
        for one in self.disputes.values():
            if one.open and (one.amount is None or one.amount >= stand.of(one.number)):
                found.add(one.number)
        for paid in (paid for one in kin for paid in self.paid_by.get(one, ())):
            named = sum(stand.of(number) for number in paid.names)
            if paid.payer:
                continue  # what others pay is not what the client is asked for
            if paid.under_way and paid.key == key and paid.names and paid.amount >= named:
                found |= set(paid.names)
        for promise in self.promises.values():
            first = promise.parts[0][0]
            enough = sum(a for _, a in promise.parts) >= sum(map(stand.of, promise.invoices))
            mine = promise.client in kin and promise.key == key and not promise.withdrawn
            if mine and enough and promise.invoices and today <= first:
                found |= set(promise.invoices)
        return found


Debts = defaultdict[str, dict[str, list[int]]]
"""By payer (none is the client) and number, what each part still comes to."""


def _pay(bills: dict[str, Bill], debts: Debts, money: Collection[Paid]) -> dict[str, int]:
    """First what each payment is for, then what its payer has owed the longest; what is left."""
    line = sorted(money, key=lambda one: (one.received_on, one.reference))
    left = {one.reference: one.left for one in line}
    for one in line:
        for number in one.names:
            left[one.reference] = _off(debts[one.payer].get(number, []), left[one.reference])
    for one in line:
        owed = debts[one.payer]
        for number, place in _oldest(bills, owed):
            amount = min(owed[number][place], left[one.reference])
            owed[number][place] -= amount
            left[one.reference] -= amount
    return left


def _off(parts: list[int], amount: int) -> int:
    """Take an amount off the parts, first to last; what is left of it."""
    for place, owed in enumerate(parts):
        taken = min(owed, amount)
        parts[place] -= taken
        amount -= taken
    return amount


def _oldest(bills: dict[str, Bill], owed: dict[str, list[int]]) -> list[tuple[str, int]]:
    """Every part that is still owed, the one that was due first before the others."""
    places = [
        (bill.parts[place][0], number, place)
        for number, bill in bills.items()
        if not bill.given_up
        for place, left in enumerate(owed.get(number, ()))
        if left
    ]
    return [(number, place) for _, number, place in sorted(places)]
