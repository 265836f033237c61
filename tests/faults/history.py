"""What happens to the firm of a seed while things go wrong: who owes, who pays, who answers?"""

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass

from billing.facts import (
    AgreementDescribed,
    ClientDescribed,
    Fact,
    InvoiceDisputed,
    InvoiceIssued,
    PaymentSettled,
)
from tests.faults.plan import Plan

START = dt.datetime(2026, 1, 5, 6, tzinfo=dt.UTC)
"""A Monday, before anybody's office opens."""
SOURCE = "csv"
_ZONES = ("America/New_York", "America/New_York", "America/Chicago", "Europe/London")
STOP, QUESTION = "STOP", "When does the next one go out?"
WORDS = ("We pay on Friday.", QUESTION, "Please send the invoice again.")


@dataclass(frozen=True, slots=True)
class Event:
    """Something becomes known, or somebody writes, at a moment."""

    at: dt.datetime
    facts: tuple[Fact, ...] = ()
    channel: str = ""
    sender: str = ""
    words: str = ""


def phone_of(number: int) -> str:
    """The phone of a client; the first two share one."""
    return f"+1212555{100 + max(number, 1):04}"


def mailbox_of(number: int) -> str:
    return f"ap{number}@client{number}.example"


def history(plan: Plan) -> list[Event]:
    """Everything of a seed in its order."""
    dice = random.Random(f"history {plan.seed}")
    events = [
        event for number in range(plan.clients) for event in _of_client(dice, number, plan.days)
    ]
    events.append(Event(_on(dice.randint(2, 20), 15), (), "sms", "+12125559999", "wrong number?"))
    return sorted(events, key=lambda event: (event.at, event.sender))


def _on(day: int, hour: int, minute: int = 0) -> dt.datetime:
    midnight = START.replace(hour=0)
    return midnight + dt.timedelta(days=day, hours=hour, minutes=minute)


def _of_client(dice: random.Random, number: int, days: int) -> Iterator[Event]:
    yield Event(START, (_described(dice, number),))
    for place in range(dice.randint(1, 2)):
        yield from _of_invoice(dice, (number, place), days)
    if dice.random() < 0.5:
        yield Event(START, (_agreement(dice, number),))
    if dice.random() < 0.35:
        channel = dice.choice(("sms", "email"))
        sender = phone_of(number) if channel == "sms" else mailbox_of(number)
        words = STOP if channel == "sms" and dice.random() < 0.5 else dice.choice(WORDS)
        yield Event(_on(dice.randint(3, days - 4), dice.randint(8, 20)), (), channel, sender, words)


def _described(dice: random.Random, number: int) -> Fact:
    has_phone = dice.random() < 0.75 or number < 2
    return ClientDescribed(
        source=SOURCE,
        external_id=f"C{number}",
        name=f"Client {number}",
        timezone=dice.choice(_ZONES),
        email=mailbox_of(number),
        phone=phone_of(number) if has_phone else None,
        sms_consent=(has_phone and dice.random() < 0.85) or None,
        contact_name=f"Person {number}",
    )


def _of_invoice(dice: random.Random, which: tuple[int, int], days: int) -> Iterator[Event]:
    number, place = which
    age = dice.randint(-5, 44)
    amount = 10_000 + number * 1_000 + place * 137 + dice.randint(0, 99)
    issued = START.date() - dt.timedelta(days=age)
    invoice = InvoiceIssued(
        source=SOURCE,
        client_external_id=f"C{number}",
        number=f"INV-{number}-{place}",
        amount=amount,
        currency="USD",
        issued_on=issued,
        due_on=issued + dt.timedelta(days=dice.choice((7, 14, 21))),
    )
    told = max(0, -age)
    yield Event(START if age >= 0 else _on(told, 9), (invoice,))
    if dice.random() < 0.6:
        day = dice.randint(told + 1, days - 1)
        part = amount if dice.random() < 0.8 else amount // 2
        paid = PaymentSettled(
            source=SOURCE,
            external_id=f"P-{number}-{place}",
            client_external_id=f"C{number}",
            amount=part,
            currency="USD",
            received_on=_on(day, 0).date(),
            invoice_number=invoice.number if dice.random() < 0.7 else None,
        )
        yield Event(_on(day, dice.choice((5, 13))), (paid,))
    elif dice.random() < 0.2:
        day = dice.randint(told + 1, days - 1)
        disputed = InvoiceDisputed(
            source=SOURCE,
            client_external_id=f"C{number}",
            invoice_number=invoice.number,
            opened_on=_on(day, 0).date(),
        )
        yield Event(_on(day, 9), (disputed,))


def _agreement(dice: random.Random, number: int) -> Fact:
    return AgreementDescribed(
        source=SOURCE,
        client_external_id=f"C{number}",
        external_id=f"A{number}",
        kind="subscription",
        name=f"Support {number}",
        amount=50_000 + number,
        currency="USD",
        renews_on=START.date() + dt.timedelta(days=dice.randint(9, 90)),
    )
