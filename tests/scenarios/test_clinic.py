"""A clinic that has put no agreement on record, and then has. C-21, over the wire."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from comms.models import Purpose, State
from comms.processors import Processor
from tests.factories import CLIENTS, FINANCE
from tests.scenarios import parlour
from tests.scenarios.parlour import Parlour

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]
HEALTH = '[pack]\nadd_ons = ["healthcare"]\n[retention]\ndecisions = 2192\n'
PHONE = "+12125550190"
CHEMO = "Why do I owe this chemo bill? My insurance should have covered it."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clinic(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Parlour]:
    folder = tmp_path_factory.mktemp("clinic")
    database = parlour.database_in(folder, sqlite_template)
    async for room in parlour.open_parlour(database, folder, HEALTH):
        yield room


def in_slack(clinic: Parlour) -> str:
    """Everything that Slack was ever told."""
    rooms = (CLIENTS, FINANCE, clinic.desk)
    return " ".join(f"{post.text} {post.blocks}" for room in rooms for post in clinic.cards(room))


async def test_c21_without_agreements_nothing_leaves_and_explain_says_why(clinic: Parlour) -> None:
    await clinic.billed("Quillon", "C21a", phone=PHONE, sms_consent=True)
    assert clinic.gone("Quillon") == []
    refused = clinic.messages("Quillon", Purpose.DUNNING)
    assert {(one.state, one.rule) for one in refused} == {(State.WITHHELD, "agreement_missing")}
    assert "C-21.2" in refused[0].reason
    assert clinic.letters("Quillon", "") == []


async def test_c21_a_chemo_bill_reaches_slack_as_an_insurance_dispute(clinic: Parlour) -> None:
    await clinic.texts(PHONE, CHEMO)
    told = in_slack(clinic)
    assert "insurance dispute" in told
    assert not [one for one in ("Quillon", "chemo", PHONE, "C21a") if one in told]


async def test_c21_with_agreements_a_reminder_says_amount_day_and_link(clinic: Parlour) -> None:
    known = cast("dict[str, Any]", clinic.product.app.processors)
    signed = {"BAA": dt.date(2020, 1, 1)}
    known |= {one: (Processor(name=one, signed=signed),) for one in ("sms", "email")}
    await clinic.billed("Ravenel", "C21b")
    assert clinic.gone("Ravenel") == [("first_reminder", "email")]
    (letter,) = clinic.letters("Ravenel", "")
    words = str(letter)
    assert "5,000.00" in words
    assert "C21b" not in words
