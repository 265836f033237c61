"""What happens to few: do others owe a part, does a term go on or its charge fail, is it erased?"""

import datetime as dt
from collections.abc import Iterator, Mapping

from billing import facts
from tests.simulation.books import Bill
from tests.simulation.life import DAY, Day, Happening, Ordered

WAIT = 5
"""Days until what a renewal brings about may be offered."""
PAYERS = (("mutual", "insurer"), ("harbour-bank", "third_party"), ("north-life", "insurer"))


def happenings(day: Day, renewals: Mapping[str, dt.date]) -> Iterator[Happening]:
    """What of this a client's day brings; ``renewals`` says when each agreement does."""
    yield from _filed(day)
    renews = renewals.get(day.person.agreement)
    for bill in day.books.of_client.get(day.person.id, []):
        if len(bill.parts) == 1 and not bill.void and not bill.shares:
            yield from _shared(day, bill)
    if renews is not None and day.dice.random() < (0.2 if _falls_due(day) else 0.015):
        yield from _renewed(day, renews)
    elif renews is not None and day.dice.random() < 0.02:
        yield from _declined(day)


def _filed(day: Day) -> Iterator[Happening]:
    """A lawsuit is expected, and is over; or they ask to be forgotten, at times meanwhile."""
    roll = day.dice.random()
    if roll < 0.003:
        later = day.dice.randint(3, 40)
        yield Happening(day.moment(), day.person.number, Ordered("keep"))
        if day.dice.random() < 0.4:
            yield Happening(day.moment(later // 2), day.person.number, Ordered("erase"))
        yield Happening(day.moment(later), day.person.number, Ordered("let go"))
    elif roll > 0.9975:
        yield Happening(day.moment(), day.person.number, Ordered("erase"))


# --- what others owe ------------------------------------------------------------------------------


def _shared(day: Day, bill: Bill) -> Iterator[Happening]:
    """Two payers say what they take over; each agrees to some of it, or to nothing, and pays."""
    if day.dice.random() > 0.006:
        return
    whole = bill.parts[0][1]
    first = day.dice.randrange(len(PAYERS))
    for place in (first, (first + 1) % len(PAYERS)):
        wanted = max(1, whole * day.dice.choice((20, 45, 60)) // 100)
        yield day.tell(_share(day, bill, PAYERS[place], "waiting", wanted, 0))
        later = day.dice.randint(2, 20)
        if day.dice.random() < 0.25:
            yield day.tell(_share(day, bill, PAYERS[place], "denied", 0, later), later=later)
            continue
        agreed = max(1, wanted * day.dice.choice((50, 100)) // 100)
        yield day.tell(_share(day, bill, PAYERS[place], "settled", agreed, later), later=later)
        if day.dice.random() < 0.7:
            yield _paid_for(day, bill, PAYERS[place][0], agreed, later + day.dice.randint(0, 9))


def _share(
    day: Day, bill: Bill, payer: tuple[str, str], state: str, amount: int, later: int
) -> facts.Fact:
    told = {
        "payer": payer[0],
        "payer_name": payer[0].title(),
        "payer_kind": payer[1],
        "state": state,
        "amount": amount,
        "told_at": day.moment(later),
        "invoice_number": bill.number,
        "legal_entity": bill.key[0],
    }
    return facts.ShareDescribed.model_validate(day.about | told)


def _paid_for(day: Day, bill: Bill, payer: str, agreed: int, later: int) -> Happening:
    """Now and then too much, or for nothing in particular: it pays no debt of the client's."""
    amount = agreed + (agreed // 3 if day.dice.random() < 0.2 else 0)
    paid = facts.PaymentSettled(
        external_id=day.name("S"), amount=amount, currency=bill.key[1], payer=payer,
        legal_entity=bill.key[0], received_on=day.day + later * DAY,
        invoice_number=bill.number if day.dice.random() < 0.8 else None, **day.about,
    )  # fmt: skip
    return day.tell(paid, later=later)


# --- what goes on ---------------------------------------------------------------------------------


def _falls_due(day: Day) -> bool:
    """Nothing is overdue, and something will be before an offer may leave."""
    kin = frozenset({day.person.id})
    stands = [day.books.stand(kin, key) for key in day.books.accounts(kin)]
    soon = day.day + WAIT * DAY
    return not any(one.late(day.day) for one in stands) and any(one.late(soon) for one in stands)


def _renewed(day: Day, renews: dt.date) -> Iterator[Happening]:
    """By a contract, or by a charge for the next term that is billed and paid."""
    agreement = day.person.agreement
    if day.dice.random() < 0.5:
        yield day.tell(
            facts.AgreementAccepted(external_id=agreement, renews_on=renews, **day.about)
        )
        return
    entity, currency = day.person.entity, day.person.currency
    about = {**day.about, "currency": currency, "legal_entity": entity, "amount": 50_000}
    number = day.name("INV")
    yield day.tell(
        facts.InvoiceIssued(number=number, issued_on=day.day, due_on=day.day + 10 * DAY, **about),
        facts.PaymentSettled(
            external_id=day.name("P"), received_on=day.day, invoice_number=number,
            renewal_of=agreement, **about,
        ),
    )  # fmt: skip


def _declined(day: Day) -> Iterator[Happening]:
    """The charge for the next term fails: then it is paid by hand, fails again, or stays a debt."""
    number, later = day.name("INV"), day.dice.choice((0, 1, 1, 2, 5, 25))
    roll = day.dice.random()
    bill = {
        "currency": day.person.currency,
        "legal_entity": day.person.entity,
        "amount": 50_000,
        **day.about,
    }
    tried = {"invoice_number": number, "renewal_of": day.person.agreement, "method": "card", **bill}
    hard = day.dice.choice(("soft", "hard"))
    yield day.tell(
        facts.InvoiceIssued(number=number, issued_on=day.day, due_on=day.day + 10 * DAY, **bill),
        facts.PaymentFailed(
            external_id=day.name("P"), happened_at=day.moment(), decline=hard, **tried
        ),
    )
    if roll < 0.4:
        on = day.day + later * DAY
        by_hand = {"external_id": day.name("P"), "initiated_by": "customer", **tried}
        yield day.tell(facts.PaymentSettled(received_on=on, **by_hand), later=later)
    elif roll < 0.7:
        again = {"external_id": day.name("P"), "happened_at": day.moment(later), **tried}
        yield day.tell(facts.PaymentFailed(decline="soft", **again), later=later)
