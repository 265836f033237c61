"""What could a firm be told in its life? Facts of every kind, drawn by Hypothesis.

No two moments of a life are the same; amounts go beyond 32 bits.
"""

import datetime as dt
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from billing import facts, money

NOW = dt.datetime(2026, 3, 2, 15, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
HUGE = 2**40
CLIENTS = ("ada", "bo")
CURRENCIES = ("USD", "EUR", "JPY", "KWD")
ENTITIES = ("", "Second LLP")
PAYERS = ("acme-health", "ppo")
NUMBERS = tuple(f"INV-{n}" for n in range(1, 7))


@dataclass(frozen=True)
class Life:
    """Facts in their order; after each stretch one that is judged by what stands at that moment."""

    stretches: tuple[tuple[facts.Fact, ...], ...]
    judged: tuple[facts.Fact, ...]


@dataclass
class Teller:
    """Draws facts of one life; no two of its moments are the same."""

    draw: st.DrawFn
    moments: Iterator[int] = field(default_factory=itertools.count)

    def of(self, *some: Any) -> Any:
        return self.draw(st.sampled_from(some))

    def moment(self) -> dt.datetime:
        minutes = 1000 * self.draw(st.integers(0, 40)) + next(self.moments)
        return NOW - 30 * DAY + dt.timedelta(minutes=minutes)

    def day(self) -> dt.date:
        return self.moment().date()

    def amount(self) -> int:
        return int(self.draw(st.integers(1, 60)) * self.of(1, 7, 100, HUGE))

    def several(self, make: Any, most: int = 2) -> Iterator[facts.Fact]:
        for number in range(self.draw(st.integers(0, most))):
            yield make(number)

    def invoice(self, number: str) -> Iterator[facts.Fact]:
        client, entity, currency = self.of(*CLIENTS), self.of(*ENTITIES), self.of(*CURRENCIES)
        amount, due = self.amount() + 10, self.day()
        about: dict[str, Any] = {
            "source": "s", "client_external_id": client, "legal_entity": entity,
        }  # fmt: skip
        parts: tuple[facts.Part, ...] = ()
        if self.of(False, False, True):
            first, second = money.split(amount, (2, 1))
            parts = (
                facts.Part(due_on=due, amount=first),
                facts.Part(due_on=due + 30 * DAY, amount=second),
            )
        bill = {
            **about, "number": number, "amount": amount, "currency": currency, "due_on": due,
        }  # fmt: skip
        for state in self.of((), (), ("draft",), ("draft", "approved")):
            yield facts.InvoiceDrafted(state=state, drafted_on=due, instalments=parts, **bill)
        yield facts.InvoiceIssued(issued_on=due - 30 * DAY, instalments=parts, **bill)
        yield from self.restated(bill)
        yield from self.after(about | {"invoice_number": number}, amount)

    def restated(self, bill: dict[str, Any]) -> Iterator[facts.Fact]:
        yield from self.several(
            lambda _: facts.InvoiceCorrected(
                **bill
                | {
                    "amount": max(1, bill["amount"] * self.of(50, 100, 130) // 100),
                    "due_on": bill["due_on"] + self.of(0, 3) * DAY,
                    "corrected_at": self.moment(),
                }
            )
        )

    def after(self, about: dict[str, Any], amount: int) -> Iterator[facts.Fact]:
        number = about["invoice_number"]
        small = 1 + amount // 10
        if self.of(False, False, True):
            yield facts.InvoiceWrittenOff(happened_at=self.moment(), **about)
            yield from self.several(
                lambda _: facts.InvoiceWrittenOff(
                    happened_at=self.moment(), undone=self.of(True, False), **about
                )
            )
        yield from self.several(
            lambda _: facts.ShareDescribed(
                payer=(payer := self.of(*PAYERS)), payer_name=payer, told_at=self.moment(),
                state=self.of("waiting", "settled", "denied"), amount=self.amount(), **about,
            )
        )  # fmt: skip
        for one in range(self.draw(st.integers(0, 2))):
            yield facts.ChargeAdded(
                external_id=f"{number}/{one}", kind=self.of("late_fee", "interest"), amount=small,
                charged_on=self.of(NOW.date(), self.day()), **about,
            )  # fmt: skip
            if self.of(False, True):
                yield facts.ChargeWaived(
                    source="s", external_id=f"{number}/{one}", waived_on=self.day(),
                    client_external_id=about["client_external_id"],
                )  # fmt: skip
        if self.of(False, True):
            yield facts.InvoiceDisputed(amount=small, opened_on=self.day(), **about)
            yield from self.several(
                lambda _: facts.DisputeClosed(
                    outcome=self.of("accepted", "rejected", "withdrawn"), amount=self.of(1, small),
                    closed_at=self.moment(), **about,
                )
            )  # fmt: skip

    def payment(self, reference: str) -> Iterator[facts.Fact]:
        amount = self.amount()
        about: dict[str, Any] = {
            "source": "s", "external_id": reference, "client_external_id": self.of(*CLIENTS),
            "legal_entity": self.of(*ENTITIES), "currency": self.of(*CURRENCIES),
            "payer": self.of(None, None, *PAYERS), "amount": amount,
        }  # fmt: skip
        if self.of(False, True):
            about["allocations"] = tuple(
                facts.Allocated(invoice_number=self.of(*NUMBERS), amount=self.of(None, 1, amount))
                for _ in range(self.draw(st.integers(1, 2)))
            )
        yield from self.several(
            lambda _: facts.PaymentStarted(
                state=self.of("initiated", "requires_action", "processing"),
                happened_at=self.moment(), **about,
            ),
            1,
        )  # fmt: skip
        yield from self.several(
            lambda _: facts.PaymentFailed(
                outcome=self.of("failed", "cancelled"), happened_at=self.moment(), **about
            ),
            1,
        )
        yield from self.several(lambda _: self.settled(about), 2)
        yield from self.several(
            lambda _: facts.PaymentRefunded(
                refunded=self.of(0, 1, amount // 2, amount, 2 * amount),
                refunded_on=self.day(), **about,
            )
        )  # fmt: skip
        yield from self.several(
            lambda _: facts.PaymentChargedBack(
                chargeback=self.of("c1", "c2"), outcome=self.of("withdrawn", "won", "lost"),
                withdrawn=self.of(1, amount), happened_at=self.moment(), **about,
            )
        )  # fmt: skip

    def settled(self, about: dict[str, Any]) -> facts.PaymentSettled:
        happened_at = self.moment()
        more = {"amount": about["amount"] * self.of(1, 2)}
        if self.of(False, True):
            more["allocations"] = (facts.Allocated(invoice_number=self.of(*NUMBERS)),)
        return facts.PaymentSettled(happened_at=happened_at, received_on=self.day(), **about | more)

    def on_account(self, name: str) -> Iterator[facts.Fact]:
        """A credit to the balance, and where it went."""
        client, entity = self.of(*CLIENTS), self.of(*ENTITIES)
        yield facts.CreditNoteIssued(
            source="s", external_id=name, client_external_id=client, legal_entity=entity,
            kind="credit_to_balance", amount=self.amount(), currency="USD", issued_on=self.day(),
        )  # fmt: skip
        if self.of(False, True):
            yield facts.CreditNoteVoided(
                source="s", external_id=name, client_external_id=client, voided_on=self.day()
            )

    def promise(self, name: str) -> Iterator[facts.Fact]:
        about = {"source": "s", "external_id": name, "client_external_id": self.of(*CLIENTS)}
        yield facts.PromiseMade(
            currency=self.of(*CURRENCIES), made_at=self.moment(),
            parts=(facts.PlanPart(due_on=NOW.date(), amount=self.amount()),), **about,
        )  # fmt: skip
        if self.of(False, True):
            yield facts.PromiseWithdrawn(withdrawn_at=self.moment(), **about)

    def hold(self, name: str) -> Iterator[facts.Fact]:
        about = {"source": "s", "external_id": name, "client_external_id": self.of(*CLIENTS)}
        for _ in range(self.draw(st.integers(1, 2))):
            placed = self.moment()
            yield facts.HoldPlaced(
                reason="requested", placed_at=placed, until=placed + self.of(3, 9) * DAY, **about
            )
        if self.of(False, True):
            yield facts.HoldReleased(released_at=self.moment(), **about)

    def judged(self, name: str) -> facts.Fact:
        """What is taken or refused by what stands when it is told."""
        about: dict[str, Any] = {
            "source": "s", "client_external_id": self.of(*CLIENTS),
            "invoice_number": self.of(*NUMBERS),
        }  # fmt: skip
        if self.of(False, True):
            return facts.InvoiceVoided(voided_on=self.day(), **about)
        return facts.CreditNoteIssued(
            external_id=name, amount=self.amount(), issued_on=self.day(),
            currency=self.of(*CURRENCIES), legal_entity=self.of(*ENTITIES),
            kind=self.of("debt_cancellation", "refund", "credit_to_balance"), **about,
        )  # fmt: skip


@st.composite
def lives(draw: st.DrawFn) -> Life:
    teller = Teller(draw)
    numbers = NUMBERS[: draw(st.integers(1, len(NUMBERS)))]
    stories = [list(teller.invoice(number)) for number in numbers]
    stories += [list(teller.payment(f"P-{n}")) for n in range(draw(st.integers(0, 5)))]
    for make, name in ((teller.on_account, "B"), (teller.promise, "Z"), (teller.hold, "H")):
        if draw(st.booleans()):
            stories.append(list(make(name)))
    told = [fact for story in draw(st.permutations(stories)) for fact in story]
    judged = tuple(teller.judged(f"J-{n}") for n in range(draw(st.integers(0, 2))))
    cuts = sorted(draw(st.integers(0, len(told))) for _ in judged)
    bounds = itertools.pairwise([0, *cuts, len(told)])
    return Life(tuple(tuple(told[start:end]) for start, end in bounds), judged)
