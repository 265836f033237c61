"""What happens to a client on a day: who bills, who pays, who says no, who breaks a promise?

Each day of each client has dice of its own, so that a story with fewer clients or fewer days is the
same story for those who are left.
"""

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from billing import facts
from billing.facts import Fact
from tests.simulation.books import Bill, Books
from tests.simulation.hooks import MAIL_STOPS, STOPS
from tests.simulation.people import ENTITIES, PLACES, SOURCE, Person, at, local

DAY = dt.timedelta(days=1)
_EDGES = (dt.time(0, 0), dt.time(8, 0), dt.time(7, 59, 59), dt.time(18, 0), dt.time(20, 59, 59))
_WORDS = (
    "We pay on Friday.", "When does the next one go out?", "Please send the invoice again.",
    "ok", "HELP", "YES", "Already paid this last week.", "This is wrong, I never ordered it.",
    "Out of office until Monday.", "👍", "Can we pay in two parts?",
)  # fmt: skip


@dataclass(frozen=True)
class Told:
    """Another system tells facts."""

    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Said:
    """The client writes."""

    channel: str
    words: str


@dataclass(frozen=True)
class Ordered:
    """A member of staff does something about the client."""

    what: str
    days: int = 0


@dataclass(frozen=True)
class Happening:
    """Something in a client's life, and when it becomes known."""

    at: dt.datetime
    client: int
    what: Told | Said | Ordered


@dataclass
class Day:
    """One day of one client, and what the world knows of both by then."""

    seed: int
    person: Person
    day: dt.date
    books: Books
    reminded: bool
    """Whether they heard of the debt within a week."""

    def __post_init__(self) -> None:
        self.dice = random.Random(f"{self.seed}/{self.person.number}/{self.day}")
        self.about: dict[str, Any] = {"source": SOURCE, "client_external_id": self.person.id}
        self.count = 0

    def happenings(self) -> Iterator[Happening]:
        """All of it; what takes days is told on days to come."""
        if self.dice.random() < 1 / self.person.every:
            yield self.tell(self._bill())
        for bill in self.books.of_client.get(self.person.id, []):
            if not bill.void:
                yield from self._of_bill(bill)
        yield from self._words()
        yield from self._orders()
        yield from self._asks()
        if self.dice.random() < 0.0015:
            yield self._move()
        if self.dice.random() < 0.006:
            yield self.tell(self._agreement())

    # --- when -------------------------------------------------------------------------------------

    def moment(self, later: int = 0) -> dt.datetime:
        """Some time of the day, now and then exactly when something opens or closes."""
        self.count += 1
        day = self.day + later * DAY
        time = dt.time(self.dice.randrange(24), self.dice.randrange(60), self.dice.randrange(60))
        if self.dice.random() < 0.15:
            time = self.dice.choice(_EDGES)
        return at(day, time, self.person.place.zone)

    def tell(self, *told: Fact, later: int = 0) -> Happening:
        """Now and then the news comes late, and so after younger ones."""
        moment = self.moment(later)
        for fact in told:
            for name in (
                "happened_at",
                "closed_at",
                "made_at",
                "told_at",
                "lifted_at",
                "stated_at",
                "placed_at",
                "corrected_at",
            ):
                moment = max(moment, getattr(fact, name, None) or moment)
        if self.dice.random() < 0.12:
            moment += dt.timedelta(minutes=self.dice.randint(1, 2200))
        return Happening(moment, self.person.number, Told(told))

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}-{self.person.number}-{self.day:%y%m%d}-{self.count}"

    # --- bills ------------------------------------------------------------------------------------

    def _bill(self) -> Fact:
        amount = self.dice.choice((900, 12_345, 31_000, 250_000, 2**33)) + self.dice.randrange(500)
        due = self.day + self.person.terms * DAY
        parts: tuple[facts.Part, ...] = ()
        if self.dice.random() < 0.2:
            first = amount // 3
            parts = (
                facts.Part(due_on=due, amount=first),
                facts.Part(due_on=due + 30 * DAY, amount=amount - first),
            )
        entity, currency = self.person.entity, self.person.currency
        if self.dice.random() < 0.3:
            entity, currency = self.dice.choice(ENTITIES)  # one more ladder, and one budget
        return facts.InvoiceIssued(
            number=self.name("INV"), amount=amount, currency=currency,
            issued_on=self.day, due_on=due, instalments=parts, legal_entity=entity,
            **self.about,
        )  # fmt: skip

    def _of_bill(self, bill: Bill) -> Iterator[Happening]:
        stand = self.books.stand(frozenset({self.person.id}), bill.key)
        left = stand.of(bill.number)
        if not left:
            return
        late = (self.day - bill.parts[0][0]).days
        if self.dice.random() < self._eager(late):
            yield from self._pays(bill, left)
        noes = self.dice.random() / self.person.grumbles
        about = {**self.about, "invoice_number": bill.number, "legal_entity": bill.key[0]}
        if noes < 0.003:
            yield from self._disputes(about, left)
        elif noes < 0.006 and late > 0:
            yield from self._promises(bill, left)
        elif noes < 0.012:
            yield from self._holds(about)
        elif noes < 0.016:
            yield self._restates(bill, about, left)

    def _eager(self, late: int) -> float:
        if late < -5:
            return 0.005
        asked = 3 if self.reminded else 1
        rates = {"prompt": 0.3, "late": 0.02, "parts": 0.05, "never": 0.002}
        return min(0.6, rates[self.person.pays] * (asked if late > 0 else 0.3))

    def _restates(self, bill: Bill, about: dict[str, Any], left: int) -> Happening:
        kind = self.dice.randrange(5)
        if kind == 0:
            return self.tell(facts.InvoiceVoided(voided_on=self.day, **about))
        if kind == 1:
            undone = bill.written_off is not None
            word = {"happened_at": self.moment(), "undone": undone}
            return self.tell(facts.InvoiceWrittenOff(**word, **about))
        if kind == 2:
            amount = max(1, sum(amount for _, amount in bill.parts) * self.dice.choice((60, 115)))
            return self.tell(
                facts.InvoiceCorrected(
                    number=bill.number, amount=max(1, amount // 100), currency=bill.key[1],
                    due_on=bill.parts[0][0], corrected_at=self.moment(),
                    legal_entity=bill.key[0], **self.about,
                )
            )  # fmt: skip
        return self.tell(
            facts.CreditNoteIssued(
                external_id=self.name("CN"), kind="debt_cancellation", issued_on=self.day,
                amount=max(1, left // self.dice.choice((1, 3))), currency=bill.key[1], **about,
            )
        )  # fmt: skip

    # --- money ------------------------------------------------------------------------------------

    def _pays(self, bill: Bill, left: int) -> Iterator[Happening]:
        """In one go, in parts, too much, by a debit that fails or bounces, and back again."""
        amount = max(1, left // 2) if self.person.pays == "parts" else left
        if self.dice.random() < 0.08:
            amount += amount // 7 + 1
        about: dict[str, Any] = {
            **self.about, "external_id": self.name("P"), "amount": amount,
            "currency": bill.key[1], "legal_entity": bill.key[0],
        }  # fmt: skip
        if self.dice.random() < 0.75:
            about["invoice_number"] = bill.number
        roll, wait = self.dice.random(), self.dice.randint(1, 6)
        debit = roll < 0.35
        if debit:
            begun = facts.PaymentStarted(state="processing", happened_at=self.moment(), **about)
            yield self.tell(begun)
        if roll < 0.12:
            yield self._fails(about, wait)
            return
        if not debit:
            yield self.tell(facts.PaymentSettled(received_on=self.day, **about))
        else:
            word = {"received_on": self.day + wait * DAY, "happened_at": self.moment(wait)}
            yield self.tell(facts.PaymentSettled(**word, **about), later=wait)
        if roll < 0.17:
            yield self._fails(about, wait + self.dice.randint(1, 9))
        elif roll > 0.97:
            part = self.dice.choice((amount, max(1, amount // 4)))
            later = self.dice.randint(2, 30)
            back = facts.PaymentRefunded(refunded=part, refunded_on=self.day + later * DAY, **about)
            yield self.tell(back, later=later)
        elif roll > 0.93:
            yield from self._called_back(about, amount)

    def _fails(self, about: dict[str, Any], later: int) -> Happening:
        failed = facts.PaymentFailed(happened_at=self.moment(later), **about)
        return self.tell(failed, later=later)

    def _called_back(self, about: dict[str, Any], amount: int) -> Iterator[Happening]:
        later = self.dice.randint(2, 40)
        word = {"chargeback": self.name("CB"), "withdrawn": amount, **about}
        for outcome, days in (("withdrawn", 0), (self.dice.choice(("won", "lost")), 20)):
            yield self.tell(
                facts.PaymentChargedBack(
                    outcome=outcome, happened_at=self.moment(later + days), **word
                ),
                later=later + days,
            )

    # --- what stands against it -------------------------------------------------------------------

    def _disputes(self, about: dict[str, Any], left: int) -> Iterator[Happening]:
        part = self.dice.choice((None, None, max(1, left // 2)))
        about = {**about, "external_id": self.name("D")}
        yield self.tell(facts.InvoiceDisputed(amount=part, opened_on=self.day, **about))
        if self.dice.random() < 0.8:
            later = self.dice.randint(2, 25)
            outcome = self.dice.choice(("accepted", "rejected", "rejected", "withdrawn"))
            amount = (part or max(1, left // 3)) if outcome == "accepted" else None
            closed = facts.DisputeClosed(
                outcome=outcome, amount=amount, closed_at=self.moment(later), **about
            )
            yield self.tell(closed, later=later)

    def _promises(self, bill: Bill, left: int) -> Iterator[Happening]:
        made, days = self.name("Z"), self.dice.randint(2, 15)
        yield self.tell(
            facts.PromiseMade(
                external_id=made, currency=bill.key[1], legal_entity=bill.key[0],
                parts=(facts.PlanPart(due_on=self.day + days * DAY, amount=left),),
                invoices=(bill.number,), made_at=self.moment(), **self.about,
            )
        )  # fmt: skip
        if self.dice.random() < 0.5:
            kept = facts.PaymentSettled(
                external_id=self.name("P"), amount=left, currency=bill.key[1],
                legal_entity=bill.key[0], invoice_number=bill.number,
                received_on=self.day + days * DAY, **self.about,
            )  # fmt: skip
            yield self.tell(kept, later=days)
        elif self.dice.random() < 0.3:
            gone = facts.PromiseWithdrawn(
                external_id=made, withdrawn_at=self.moment(days), **self.about
            )
            yield self.tell(gone, later=days)

    def _holds(self, about: dict[str, Any]) -> Iterator[Happening]:
        named = {"external_id": self.name("H"), **self.about}
        placed, days = self.moment(), self.dice.randint(1, 20)
        reason = self.dice.choice(("requested", "hardship", "under_review"))
        of_bill = about if self.dice.random() < 0.5 else {}
        yield self.tell(
            facts.HoldPlaced(
                reason=reason, placed_at=placed, until=placed + days * DAY, **{**of_bill, **named}
            )
        )
        if self.dice.random() < 0.3:
            later = self.dice.randint(1, days)
            released = facts.HoldReleased(released_at=self.moment(later), **named)
            yield self.tell(released, later=later)

    # --- words, orders, moves ---------------------------------------------------------------------

    def _words(self) -> Iterator[Happening]:
        person, roll = self.person, self.dice.random()
        channel = "sms" if person.phone and self.dice.random() < 0.6 else "email"
        chance = 0.05 if self.reminded else 0.012
        if roll < chance * person.grumbles * 0.4:
            words = self.dice.choice(STOPS if channel == "sms" else MAIL_STOPS)
        elif roll < chance * person.grumbles * 0.4 + 0.001:
            words = "START"
        elif roll < chance * person.grumbles + 0.004:
            words = self.dice.choice(_WORDS)
        else:
            return
        yield Happening(self.moment(), person.number, Said(channel, words))

    def _orders(self) -> Iterator[Happening]:
        roll = self.dice.random()
        if roll < 0.008:
            order = Ordered("pause", self.dice.randint(1, 20))
        elif roll < 0.009:
            order = Ordered("resume")
        elif roll < 0.016:
            order = Ordered("close case")
        elif roll < 0.018:
            order = Ordered("assign case")
        elif roll < 0.0195:
            order = Ordered("merge")
        else:
            return
        yield Happening(self.moment(), self.person.number, order)

    def _asks(self) -> Iterator[Happening]:
        """The law steps in between, or they ask to be written to in another way."""
        roll, days = self.dice.random(), self.dice.randint(3, 30)
        name = {"external_id": self.name("L"), **self.about}
        if roll < 0.0015:
            kind = self.dice.choice(("represented", "bankruptcy", "cease", "deceased"))
            placed = facts.LegalStatePlaced(kind=kind, placed_at=self.moment(), **name)
            yield self.tell(placed)
            if self.dice.random() < 0.6:
                lifted = facts.LegalStateLifted(lifted_at=self.moment(days), **name)
                yield self.tell(lifted, later=days)
        elif roll < 0.0035:
            wish = self.dice.choice(
                ({"channels": ("email",)}, {"channels": ("sms",)}, {"not_before": "10:00"},
                 {"not_after": "16:00", "timezone": "America/Los_Angeles"})
            )  # fmt: skip
            yield self.tell(facts.PreferenceStated(stated_at=self.moment(), **wish, **name))
            if self.dice.random() < 0.6:
                ended = facts.PreferenceEnded(ended_at=self.moment(days), **name)
                yield self.tell(ended, later=days)

    def _move(self) -> Happening:
        """Somewhere else, with another phone or mailbox: what was so stays so until it is told."""
        person, kind = self.person, self.dice.randrange(3)
        moved = facts.ClientDescribed(
            source=SOURCE, external_id=person.id, name=person.name,
            **self._elsewhere(kind),
        )  # fmt: skip
        return self.tell(moved)

    def _elsewhere(self, kind: int) -> dict[str, Any]:
        self.count += 1
        if kind == 0:
            place = self.dice.choice(PLACES)
            told = {"timezone": place.zone, "country": place.country}
            return told | ({"region": place.region} if place.region else {})
        if kind == 1:
            return {
                "email": f"new{self.count}.{self.day:%y%m%d}@client{self.person.number}.example"
            }
        dial = self.person.place.dial[0]
        return {"phone": f"{dial}{5000 + self.person.number:04}", "sms_consent": True}

    def old(self, ages: int) -> Fact:
        """A bill of some days ago."""
        bill = Day(self.seed, self.person, self.day - ages * DAY, self.books, reminded=False)
        return bill._bill()

    def _agreement(self) -> Fact:
        return facts.AgreementDescribed(
            external_id=self.person.agreement, kind="subscription", name=self.person.agreement,
            amount=50_000, currency=self.person.currency, legal_entity=self.person.entity,
            renews_on=self.day + self.dice.randint(10, 120) * DAY, **self.about,
        )  # fmt: skip


def beginning(seed: int, person: Person, day: dt.date) -> tuple[Fact, ...]:
    """What a client brings: bills of the last months, and what they have agreed to."""
    first = Day(seed, person, day, Books(), reminded=False)
    dice = random.Random(f"{seed}/beginning/{person.number}")
    ages = sorted({dice.randint(1, 75) for _ in range(dice.randint(0, 3))})
    bills = tuple(first.old(age) for age in ages)
    return bills + ((first._agreement(),) if dice.random() < 0.6 else ())


def today(moment: dt.datetime, person: Person) -> dt.date:
    """The day that it is where the client is."""
    return local(moment, person.place.zone).date()
