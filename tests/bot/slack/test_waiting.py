"""What a person sees of a task, what they may press, and what became of it."""

import dataclasses
import datetime as dt
import json
from typing import Any

import pytest
from sqlmodel import Session, select

from billing import policy
from billing.models import Client, Hold
from bot.sandbox import blockkit
from bot.slack import actions, answers, cards, waiting
from comms import gatekeeping
from comms.duties import instructions, tasks
from comms.duties.instructions import HandleTask
from comms.duties.tasks import Wanted
from comms.models import Message, Purpose, Task, TaskKind, Touchpoint

ADA, FINN, NOBODY = "U0ADA", "U0FINN", "U0NOBODY"


@pytest.fixture
def reply(firm: Any) -> int:
    """Northwind wrote a text; the task."""
    touchpoint = firm.wrote("Which hours are these?")

    def opened(session: Session) -> int:
        client = session.get_one(Client, firm.client().id)
        return tasks.open_reply(session, firm.office, client, touchpoint).id

    return int(firm.write(opened))


def task(firm: Any, task_id: int) -> Task:
    with firm.store.read() as session:
        return session.get_one(Task, task_id)  # type: ignore[no-any-return]


def hold(firm: Any, task_id: int) -> Hold:
    with firm.store.read() as session:
        return session.get_one(Hold, task(firm, task_id).hold_id)  # type: ignore[no-any-return]


def look(firm: Any, task_id: int, days: int) -> None:
    """Time passes, and the worker looks."""
    office = firm.at(days)
    firm.write(lambda session: tasks.look(session, office, task_id))


def told(firm: Any) -> list[Message]:
    with firm.store.read() as session:
        return list(session.exec(select(Message).where(Message.template == "task")))


def shown(firm: Any, message: Message) -> str:
    with firm.store.read() as session:
        row = session.get_one(Message, message.id)
        outgoing = cards.compose(session, firm.office, row)
    assert outgoing is not None
    assert blockkit.message_problems(list(outgoing.blocks)) == []
    return json.dumps(outgoing.blocks)


def clicked(firm: Any, user: str, action: str, task_id: int) -> Any:
    with firm.store.read() as session:
        packed = json.dumps({"task": task_id})
        return actions.decide(session, firm.office, user, action, packed)


def test_a_hold_for_a_reply_has_an_owner_and_an_end(firm: Any, reply: int) -> None:
    held = hold(firm, reply)
    assert held.owner_id == firm.person(ADA)
    assert held.until is not None
    assert task(firm, reply).look_at == held.until - tasks.SLACK


def test_nobody_is_asked_before_the_days_have_passed(firm: Any, reply: int) -> None:
    look(firm, reply, 2)
    assert told(firm) == []


def test_who_does_not_come_is_asked_again_and_then_finance_too(firm: Any, reply: int) -> None:
    first = hold(firm, reply).until
    look(firm, reply, 4)
    second = hold(firm, reply).until
    assert first is not None
    assert second is not None
    assert second > first
    assert [one.destination for one in told(firm)] == [ADA]
    look(firm, reply, 6)
    assert [one.destination for one in told(firm)] == [ADA, ADA, "C-FINANCE"]
    text = shown(firm, told(firm)[-1])
    assert "Which hours are these?" in text
    assert "task.done" in text


def test_where_the_policy_says_so_reminders_go_on_by_themselves(firm: Any) -> None:
    firm.office = dataclasses.replace(
        firm.office, policy=policy.parse('[replies]\nwhen_ignored = "go_on"')
    )
    touchpoint = firm.wrote("Hello?")

    def opened(session: Session) -> int:
        client = session.get_one(Client, firm.client().id)
        return tasks.open_reply(session, firm.office, client, touchpoint).id

    task_id = firm.write(opened)
    end = hold(firm, task_id).until
    assert end == task(firm, task_id).look_at
    look(firm, task_id, 6)
    assert hold(firm, task_id).until == end
    assert "do not wait for it any longer" in shown(firm, told(firm)[0])


def test_a_second_reply_waits_with_the_first(firm: Any, reply: int) -> None:
    later = firm.wrote("And another thing.")

    def again(session: Session) -> int:
        client = session.get_one(Client, firm.client().id)
        return tasks.open_reply(session, firm.office, client, later).id

    assert firm.write(again) == reply
    assert task(firm, reply).touchpoint_id == later


def test_who_read_one_text_has_not_read_the_one_that_came_meanwhile(firm: Any, reply: int) -> None:
    first = task(firm, reply).touchpoint_id
    later = firm.wrote("I dispute all of this.")

    def again(session: Session) -> None:
        tasks.open_reply(session, firm.office, session.get_one(Client, firm.client().id), later)

    firm.write(again)

    def press(shown: int | None) -> str:
        with firm.store.read() as session:
            (button, _) = waiting.buttons_of_reply(session, session.get_one(Touchpoint, shown))
            act: Any = actions.decide(session, firm.office, ADA, "task.done", button["value"])
        return str(firm.write(lambda s: instructions.carry_out(s, firm.office, act)))

    assert "has written again since" in press(first)
    assert task(firm, reply).state == "open"
    assert press(later).endswith("Reminders may go on.")
    assert task(firm, reply).state == "closed"


def test_what_is_understood_late_of_an_older_text_hides_no_newer_one(firm: Any, reply: int) -> None:
    first = task(firm, reply).touchpoint_id
    later = firm.wrote("I dispute all of this.")
    for shown in (later, first):
        firm.write(
            lambda s, one=shown: (
                tasks.open_reply(s, firm.office, s.get_one(Client, firm.client().id), one).id
            )
        )
    assert task(firm, reply).touchpoint_id == later


def test_an_account_manager_reads_for_their_own_clients(firm: Any, reply: int) -> None:
    asked = clicked(firm, ADA, "task.done", reply)
    assert asked == HandleTask(task_id=reply, outcome="handled", by=firm.person(ADA))
    assert isinstance(clicked(firm, FINN, "task.done", reply), HandleTask)
    refused = clicked(firm, NOBODY, "task.done", reply)
    assert "role" in refused.text


def test_what_is_done_ends_the_hold_and_says_who_did_it(firm: Any, reply: int) -> None:
    look(firm, reply, 4)
    said = firm.write(lambda s: tasks.handle(s, firm.office, reply, "handled", "ada@firm.example"))
    assert said == "Noted for Northwind Trading: handled. Reminders may go on."
    assert hold(firm, reply).released_by == "ada@firm.example"
    again = firm.write(lambda s: tasks.handle(s, firm.office, reply, "handled", "x"))
    assert again == "That was already done for Northwind Trading: handled."
    (card, update) = told(firm)
    assert update.updates_id == card.id
    assert "by Ada Moss" in shown(firm, card)


def test_a_client_card_says_what_waits_and_whose_it_is(firm: Any, reply: int) -> None:
    with firm.store.read() as session:
        client = session.get_one(Client, firm.client().id)
        text = json.dumps(answers.card(session, firm.office, client).blocks)
    assert "a reply waits to be read since" in text
    assert "Ada Moss" in text
    assert "Reply handled" in text


def test_a_promise_is_taken_or_refused_not_just_done(firm: Any) -> None:
    def opened(session: Session) -> int:
        client = session.get_one(Client, firm.client().id)
        wanted = Wanted(kind=TaskKind.PROMISE)
        return tasks.open_task(session, firm.office, client, wanted).id

    task_id = firm.write(opened)
    text = shown(firm, told(firm)[0])
    assert "task.accept" in text
    assert "task.refuse" in text
    assert "task.done" not in text
    took = clicked(firm, ADA, "task.accept", task_id)
    assert (took.task_id, took.outcome) == (task_id, "accepted")


def test_a_task_that_is_gone_is_said_to_be(firm: Any) -> None:
    assert "no longer there" in clicked(firm, ADA, "task.done", 999).text


def test_a_look_at_another_moment_changes_nothing(firm: Any, reply: int) -> None:
    before = task(firm, reply).look_at
    look(firm, reply, 0)
    assert task(firm, reply).look_at == before
    assert before is not None
    assert before - firm.office.now > dt.timedelta(days=2)


@pytest.mark.parametrize(
    ("hold", "rule"), [("reminders", None), ("everything", "reply")], ids=["default", "everything"]
)
def test_an_offer_waits_for_a_reply_only_where_the_policy_says_so(
    firm: Any, reply: int, hold: str, rule: str | None
) -> None:
    firm.office = dataclasses.replace(
        firm.office, policy=policy.parse(f'[replies]\nhold = "{hold}"')
    )

    def asked(session: Session) -> str | None:
        client = session.get_one(Client, firm.client("Southwind Traders").id)
        offer = Message(
            id=1, purpose=Purpose.OFFER, client_id=client.id, subject_kind="", subject_id=None,
            step_id=None,
        )  # fmt: skip
        known = gatekeeping.know(
            session, firm.office, [offer], {client.id: client}, {client.id: client.id}
        )
        refusal, _ = gatekeeping.answer(known, firm.office, offer, client)
        return refusal.rule if refusal else None

    firm.describe("southwind", "Southwind Traders")
    touchpoint = firm.wrote("Hello")

    def opened(session: Session) -> None:
        client = session.get_one(Client, firm.client("Southwind Traders").id)
        tasks.open_reply(session, firm.office, client, touchpoint)

    firm.write(opened)
    assert firm.write(asked) == rule
