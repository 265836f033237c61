"""What is answered to who asks in a Slack that must see no names, and may they do what they ask?"""

from collections.abc import Iterator
from typing import TypeVar, cast

from sqlmodel import Session, col, select

from billing.models import Client, EscalationCase
from bot.slack import answers, neutral
from bot.slack.answers import Form, Reply
from comms.duties.instructions import Instruction, WriteText
from comms.models import Message, Task, Touchpoint
from comms.office import Office

T = TypeVar("T")
_NOT_HERE = "Slack is not for writing to patients or their families (C-21.11); nothing was sent."
_ROWS = {
    "task_id": (col(Task.id), col(Task.client_id)),
    "case_id": (col(EscalationCase.id), col(EscalationCase.client_id)),
    "message_id": (col(Message.id), col(Message.client_id)),
    "touchpoint_id": (col(Touchpoint.id), col(Touchpoint.client_id)),
}
_CLIENTS = ("client_id", "one_id", "other_id", "keep_id", "alias_id")


def found(office: Office, made: T) -> T:
    """Whatever was found for somebody who asked in Slack: what they may do they do, unseen."""
    if isinstance(made, WriteText) and office.policy.terms().neutral_slack:
        return cast("T", answers.say(_NOT_HERE))
    if neutral.holds(office) and isinstance(made, Reply | Form):
        said = f"{neutral.WHY} `counterfoil explain` and `counterfoil timeline` do."
        return cast("T", answers.say(said))
    return made


def outcome(session: Session, office: Office, asked: Instruction, said: str) -> str:
    """What came of an instruction, with a number in the place of a name."""
    if not neutral.holds(office):
        return said
    for client in _concerned(session, asked):
        said = said.replace(client.name, neutral.called(client)) if client.name else said
    return said


def _concerned(session: Session, asked: Instruction) -> Iterator[Client]:
    ids = {getattr(asked, name, None) for name in _CLIENTS}
    for name, (row_id, client_id) in _ROWS.items():
        if (named := getattr(asked, name, None)) is not None:
            ids.add(session.exec(select(client_id).where(row_id == named)).first())
    yield from session.exec(select(Client).where(col(Client.id).in_([one for one in ids if one])))
