"""Two clients may be one: what must finance see to say so, or to say that they are not?"""

from sqlmodel import Session

from billing import duplicates, matching
from billing.models import Client, Duplicate, Standing
from bot.slack import blocks, records
from bot.slack.escalations import Card
from comms.models import Message
from comms.office import Office

_LISTED = 12


def compose(session: Session, office: Office, message: Message) -> Card:
    """The card of a pair; without its buttons once somebody has spoken."""
    pair = session.get_one(Duplicate, message.subject_id)
    first, second = (session.get_one(Client, one) for one in (pair.first_id, pair.second_id))
    names = f"{blocks.inline(first.name)} and {blocks.inline(second.name)}"
    if pair.state != Standing.PROPOSED:
        by = records.signed(session, pair.decided_by)
        settled = f"{names}: {_SETTLED[Standing(pair.state)]}, says {by}."
        return Card(settled, [blocks.section(settled)])
    body = [
        blocks.section(f"*One client or two?* {names}"),
        *(blocks.section(_described(session, office, one)) for one in (first, second)),
        blocks.section(f"*For it*: {matching.words(pair.reasons.split())}."),
    ]
    if pair.against:
        body.append(blocks.section(f"*Against it*: {matching.words(pair.against.split())}."))
    body.append(blocks.context("Merged, both are asked for as one; `unmerge` undoes it."))
    buttons = [
        blocks.button("Merge", "pair.merge", {"k": first.id, "a": second.id}, style="primary"),
        blocks.button("Different", "pair.different", {"k": first.id, "a": second.id}),
    ]
    return Card(f"One client or two? {names}", body, blocks.actions(buttons))


_SETTLED = {
    Standing.PROPOSED: "nobody has said yet",
    Standing.MERGED: "one client",
    Standing.DIFFERENT: "two clients",
    Standing.UNDONE: "two clients again",
}


def _described(session: Session, office: Office, client: Client) -> str:
    balance = "; ".join(records.balances(session, office, client))
    lines = [f"*{blocks.inline(client.name)}* (client:{client.id}), {client.country}", balance]
    return "\n".join([*lines, *records.addresses(session, client)])


def listed(session: Session, _office: Office, _message: Message) -> Card:
    """Many came at once, as with an import: the surest, and how to see the rest."""
    waiting = duplicates.waiting(session)
    lines = []
    for pair in waiting[:_LISTED]:
        first, second = (session.get_one(Client, one) for one in (pair.first_id, pair.second_id))
        why = matching.words(pair.reasons.split())
        lines.append(f"*{blocks.inline(first.name)}* and *{blocks.inline(second.name)}*: {why}")
    title = f"{len(waiting)} pairs of clients may be one"
    body = [
        blocks.section(f"*{title}.* Nothing is told of them to other systems until somebody says."),
        *blocks.lines("", lines),
        blocks.context("`counterfoil duplicates` lists all; `merge` and `different` settle them."),
    ]
    return Card(title, body)
