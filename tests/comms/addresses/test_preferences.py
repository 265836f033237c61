"""C-09: what a person asked for binds that person, or that address, and only so far."""

import datetime as dt
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing import facts
from billing.ledger import Contradiction
from billing.store import Store
from comms.models import State
from tests import factories
from tests.comms.desk import Desk, opened
from tests.conftest import Database
from tests.factories import NOON

PACIFIC = "America/Los_Angeles"


@pytest.fixture
def desk(sqlite_store: Store, sqlite_database: Database) -> Iterator[Desk]:
    with opened(sqlite_store, sqlite_database) as desk:
        yield desk


def prefers(desk: Desk, external_id: str = "W1", **asked: Any) -> Any:
    (outcome,) = desk.told(
        facts.PreferenceStated(
            source="test", external_id=external_id, client_external_id=desk.known.name,
            stated_at=desk.now, **asked,
        )
    )  # fmt: skip
    return outcome.error


def test_c09_only_email_not_before_ten_pacific(desk: Desk) -> None:
    assert prefers(desk, channels=("email",), not_before="10:00", timezone=PACIFIC) is None
    text, mail = desk.note(), desk.note(channel="email")
    assert desk.claim(text) is None
    assert (desk.at(text).state, desk.at(text).rule) == (State.WITHHELD, "channel_not_preferred")
    assert desk.claim(mail) is None
    ten = dt.datetime(2026, 1, 6, 10, tzinfo=ZoneInfo(PACIFIC)).astimezone(dt.UTC)
    assert (desk.at(mail).rule, desk.at(mail).wake_at) == ("preferred_hours", ten)


def test_c09_a_reminder_goes_by_the_way_that_they_want(desk: Desk) -> None:
    prefers(desk, channels=("sms",))
    assert desk.at(desk.reminder()).channel == "sms"


def test_c09_a_reminder_under_way_turns_to_the_way_that_they_want(desk: Desk) -> None:
    by_mail = desk.reminder()
    assert desk.at(by_mail).channel == "email"
    prefers(desk, channels=("sms",))
    assert desk.claim(by_mail) is None
    again = desk.at(by_mail + 1)
    assert (again.channel, again.step_id) == ("sms", desk.at(by_mail).step_id)


def test_c09_what_is_asked_of_one_address_leaves_the_other_alone(desk: Desk) -> None:
    prefers(desk, not_before="13:00", email=desk.known.email)
    text, mail = desk.note(), desk.note(channel="email")
    assert desk.claim(mail) is None
    assert desk.at(mail).rule == "preferred_hours"
    assert desk.claim(text) is not None


def test_c09_the_last_word_counts_and_may_be_taken_back(desk: Desk) -> None:
    prefers(desk, channels=("email",))
    prefers(desk, "W2", not_before="08:00")
    assert desk.claim(desk.note()) is not None
    prefers(desk, "W3", channels=("email",))
    ended = facts.PreferenceEnded(
        source="test", external_id="W3", client_external_id=desk.known.name, ended_at=desk.now
    )
    desk.told(ended)
    desk.now = NOON + dt.timedelta(days=1)
    assert desk.claim(desk.note()) is not None


def test_c09_an_answer_to_them_goes_by_the_way_they_asked(desk: Desk) -> None:
    prefers(desk, channels=("email",), not_before="23:00")
    desk.hears("HELP")
    (answer,) = factories.messages(desk.store, template="help_reply")
    assert desk.claim(answer.id) is not None


@pytest.mark.parametrize(
    "asked", [{}, {"not_before": "17:00", "not_after": "10:00"}, {"not_before": "25:00"}]
)
def test_what_cannot_be_asked_for_is_refused(asked: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"asks for nothing|leaves no hour|time of day"):
        facts.PreferenceStated(
            source="test", external_id="W1", client_external_id="C1", stated_at=NOON, **asked
        )


def test_a_wish_for_an_address_of_nobody_is_refused(desk: Desk) -> None:
    assert isinstance(prefers(desk, not_before="10:00", email="b@example.com"), Contradiction)
