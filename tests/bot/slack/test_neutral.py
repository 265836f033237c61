"""C-21: what Slack sees of a patient while nobody has put a BAA of it on record."""

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import Session, select

from billing import policy
from billing.models import Client, Enrolment
from bot.sandbox import blockkit
from bot.slack import actions, answers, cards, commands, neutral, unseen
from comms import staff
from comms.duties import tasks
from comms.duties.instructions import Pause, WriteText
from comms.models import Message, Purpose, TaskKind
from comms.office import Office
from comms.ports import Outgoing
from comms.processors import Processor

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
ADA = "U0ADA"
CLINIC = policy.parse('[pack]\nadd_ons = ["healthcare"]\n[retention]\ndecisions = 2192\n')
SIGNED = Processor(
    name="Slack",
    signed={"BAA": dt.date(2020, 1, 1)},
    plan="enterprise",
    plans={"BAA": "enterprise"},
)
SECRETS = ("Northwind", "Nora", "Lund", "chemo", "northwind.example", "5550100", "Retainer 2026")
CHEMO = "Why do I owe this chemo bill? My insurance should have covered it. Nora Lund"


@pytest.fixture
def clinic(firm: Any) -> Any:
    firm.office = replace(firm.office, policy=CLINIC)
    return firm


def with_baa(office: Office) -> Office:
    return replace(office, processors={"slack": (SIGNED,)})


def compose(firm: Any, message_id: int) -> Outgoing:
    with firm.store.read() as session:
        made = cards.compose(session, firm.office, session.get_one(Message, message_id))
    assert made is not None
    assert blockkit.message_problems(list(made.blocks)) == []
    return made


def shown(made: Outgoing) -> str:
    return made.text + json.dumps(made.blocks, ensure_ascii=False)


def inbound(firm: Any, words: str, did: str = "") -> int:
    touchpoint = firm.wrote(words, did=did)
    notice = staff.Notice(
        key=f"inbound:{touchpoint}", purpose=Purpose.ALERT, template="inbound", to="C-CLIENTS",
        client_id=firm.client().id, subject=("touchpoint", touchpoint),
    )  # fmt: skip
    message_id: int = firm.write(lambda s: staff.tell(s, firm.office, notice))
    return message_id


def test_c21_a_chemo_bill_is_an_insurance_dispute(clinic: Any) -> None:
    made = compose(clinic, inbound(clinic, CHEMO, did="asked for help; we answered"))
    assert made.text.startswith(f"client:{clinic.client().id}: insurance dispute")
    assert not [one for one in SECRETS if one.lower() in shown(made).lower()]
    assert "$310.00" in shown(made)
    assert "we answered" in shown(made)
    assert "C-21.3" in shown(made)


def test_the_buttons_stay(clinic: Any) -> None:
    made = compose(clinic, inbound(clinic, CHEMO))
    kinds = {one["action_id"] for _, one in blockkit.elements(made.blocks)}
    assert {"client.card", "said.seal"} <= kinds


@pytest.mark.parametrize("baa", [True, False])
def test_with_a_baa_the_name_is_shown(clinic: Any, baa: bool) -> None:  # noqa: FBT001
    clinic.office = with_baa(clinic.office) if baa else clinic.office
    made = compose(clinic, inbound(clinic, "I pay on Friday"))
    assert ("Northwind" in shown(made)) == baa
    assert ("I pay on Friday" in shown(made)) == baa


def test_nothing_changes_without_the_pack(firm: Any) -> None:
    made = compose(firm, inbound(firm, "I pay on Friday"))
    assert "Northwind Trading" in shown(made)
    assert "C-21" not in shown(made)


def every_card(firm: Any) -> list[int]:
    """One of each kind that a day brings, about this client."""
    client = firm.client()
    firm.agree("northwind")
    firm.advance()
    _, case = firm.escalate()

    def task(session: Session) -> None:
        wanted = tasks.Wanted(kind=TaskKind.DISPUTE)
        tasks.open_task(session, firm.office, session.get_one(Client, client.id), wanted)

    firm.write(task)
    root = firm.write(
        lambda s: staff.thread_of(s, firm.office, s.get_one(Client, client.id), "clients")
    )
    with firm.store.read() as session:
        every = session.exec(select(Message.id).where(Message.audience == "staff")).all()
        assert session.exec(select(Enrolment)).first()
    return sorted({case, root, inbound(firm, CHEMO), *every})


def test_c21_no_card_whatever_it_is_names_the_patient(clinic: Any) -> None:
    found = every_card(clinic)
    assert len(found) >= 4
    for message_id in found:
        with clinic.store.read() as session:
            made = cards.compose(session, clinic.office, session.get_one(Message, message_id))
        if made is not None:
            leaked = [one for one in SECRETS if one.lower() in shown(made).lower()]
            assert not leaked, (message_id, shown(made))


# --- who asks -------------------------------------------------------------------------------------


def asked(firm: Any, typed: str) -> Any:
    with firm.store.read() as session:
        made = commands.answer(session, firm.office, ADA, typed)
        return unseen.found(firm.office, made)


@pytest.mark.parametrize(
    "typed", ["Northwind", "timeline Northwind", "why Northwind", "Northwin", "pause Northwind"]
)
def test_c21_slack_answers_with_no_name(clinic: Any, typed: str) -> None:
    clinic.wrote(CHEMO)
    found = asked(clinic, typed)
    assert isinstance(found, answers.Reply)
    told = found.text + json.dumps(found.blocks, ensure_ascii=False)
    assert not [one for one in SECRETS if one.lower() in told.lower()]
    assert "counterfoil timeline" in told


def test_what_is_asked_for_is_done_and_told_with_a_number(clinic: Any) -> None:
    found = asked(clinic, "pause Northwind Trading 3d she is in hospital")
    assert isinstance(found, Pause)
    with clinic.store.read() as session:
        said = f"Reminders to {clinic.client().name} are paused until Friday."
        told = unseen.outcome(session, clinic.office, found, said)
    assert told == f"Reminders to client:{clinic.client().id} are paused until Friday."


def test_c21_the_form_of_a_pause_does_not_open(clinic: Any) -> None:
    form = answers.Form(actions.pause_form(clinic.client(), 14))
    assert isinstance(unseen.found(clinic.office, form), answers.Reply)


@pytest.mark.parametrize("baa", [True, False])
def test_c21_nobody_writes_to_a_patient_from_slack(clinic: Any, baa: bool) -> None:  # noqa: FBT001
    office = with_baa(clinic.office) if baa else clinic.office
    asked_for = WriteText(
        client_id=clinic.client().id, channel="sms", words="See you on Friday.", key="k", by=1
    )
    found: Any = unseen.found(office, asked_for)
    assert "C-21.11" in found.text
    assert unseen.found(replace(office, policy=policy.default()), asked_for) is asked_for


def test_a_baa_that_begins_tomorrow_does_not_hold_today(clinic: Any) -> None:
    tomorrow = clinic.office.now.date() + dt.timedelta(days=1)
    early = replace(SIGNED, signed={"BAA": tomorrow})
    assert neutral.holds(replace(clinic.office, processors={"slack": (early,)}))
    assert not neutral.holds(with_baa(clinic.office))
