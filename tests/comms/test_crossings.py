"""A reminder and a payment cross on their way: nobody is left with both."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import pytest

from billing.facts import PaymentSettled
from billing.store import Store
from comms.models import Message, Purpose, State
from tests import factories
from tests.comms.desk import SHIPPED, Desk, opened
from tests.conftest import Database

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def desk(sqlite_store: Store, sqlite_database: Database) -> Iterator[Desk]:
    with opened(sqlite_store, sqlite_database) as desk:
        yield desk


def pays(desk: Desk, amount: int = 31_000, reference: str = "P1") -> None:
    paid = factories.paid(desk.known, desk.now, amount)
    desk.told(PaymentSettled(**{**paid.model_dump(), "external_id": reference}))


def receipts(desk: Desk) -> list[Message]:
    return factories.messages(desk.store, purpose=Purpose.RECEIPT)


def test_a_reminder_that_crosses_a_payment_is_taken_back_once(desk: Desk) -> None:
    reminder = desk.reminder()
    desk.send(reminder)
    desk.now += 2 * HOUR
    pays(desk)
    (crossed,) = receipts(desk)
    assert (crossed.template, crossed.channel) == ("crossed", desk.at(reminder).channel)
    said = desk.send(crossed.id).outgoing
    assert "isregard" in said.text
    assert "remains open" not in said.text.replace("nothing remains open", "")


@pytest.mark.parametrize(("later", "template"), [(71, "crossed"), (72, "receipt")])
def test_the_policy_says_how_long_a_reminder_is_on_its_way(
    desk: Desk, later: int, template: str
) -> None:
    desk.send(desk.reminder())
    desk.now += later * HOUR
    pays(desk)
    assert [one.template for one in receipts(desk)] == [template]


def test_with_no_hours_a_receipt_is_plain(desk: Desk) -> None:
    desk.policy = replace(SHIPPED, dunning=replace(SHIPPED.dunning, crossing_hours=0))
    desk.send(desk.reminder())
    pays(desk)
    assert [one.template for one in receipts(desk)] == ["receipt"]


def test_a_reminder_that_has_not_left_crosses_nothing(desk: Desk) -> None:
    reminder = desk.reminder()
    desk.claim(reminder)
    pays(desk)
    assert desk.at(reminder).state not in (State.SENDING, State.SENT)
    assert [one.template for one in receipts(desk)] == ["receipt"]


def test_of_two_parts_the_first_takes_the_reminder_back_and_says_what_is_left(desk: Desk) -> None:
    desk.send(desk.reminder())
    desk.now += HOUR
    pays(desk, 10_000)
    desk.now += HOUR
    pays(desk, 21_000, "P2")
    first, second = receipts(desk)
    assert [first.template, second.template] == ["crossed", "receipt"]


def test_the_same_payment_told_twice_takes_nothing_back_twice(desk: Desk) -> None:
    desk.send(desk.reminder())
    for _ in range(2):
        pays(desk)
    assert len(receipts(desk)) == 1


def test_what_is_left_after_a_part_is_said(desk: Desk) -> None:
    desk.send(desk.reminder())
    pays(desk, 10_000)
    (crossed,) = receipts(desk)
    assert "$210.00 remains open" in desk.send(crossed.id).outgoing.text
