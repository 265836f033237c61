"""What does finance see when the law, or a lawyer, comes between us and a client?"""

from sqlmodel import Session, col, func, select

from billing import aliases
from billing.models import Client, Contact, LegalState
from bot.slack import blocks
from bot.slack.escalations import Card
from comms.models import Message, State
from comms.office import Office

_SAID = {
    "bankruptcy": "is in bankruptcy",
    "cease": "asked in writing that we stop",
    "represented": "is represented by counsel",
    "deceased": "has died",
}


def compose(session: Session, _office: Office, message: Message) -> Card:
    """Nothing leaves any more; a lawyer or a person with the compliance role goes on."""
    state = session.get_one(LegalState, message.subject_id)
    client = session.get_one(Client, state.client_id)
    person = session.get(Contact, state.contact_id) if state.contact_id else None
    counsel = session.get(Contact, state.counsel_id) if state.counsel_id else None
    name = blocks.inline(client.name)
    who = f"{blocks.inline(person.name) or 'A person'} of {name}" if person else name
    what = f"{who} {_SAID[state.kind]}"
    gone = session.exec(
        select(func.count()).where(
            col(Message.client_id).in_(aliases.group(session, client.id)),
            Message.state == State.WITHHELD,
            Message.rule == f"legal_{state.kind}",
        )
    ).one()
    lifted = " It was lifted since." if state.lifted_at else ""
    body = [
        blocks.section(f"*{what}*: nothing leaves for them any more.{lifted}"),
        blocks.context(
            f"{gone} message{'' if gone == 1 else 's'} withheld. Placed by "
            f"{blocks.inline(state.placed_by)}. "
            + (f"Counsel: {blocks.inline(counsel.name)}. " if counsel and counsel.name else "")
            + "Give it to whoever looks after legal matters."
        ),
    ]
    button = blocks.button("Card", "client.card", {"c": client.id})
    return Card(what, body, blocks.actions([button]))
