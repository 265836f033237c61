"""What does Slack see of a client while nobody has put a BAA of its own on record?

No name, no address and no word of theirs, whatever card it is: a number, what kind of thing it is,
amounts, and the buttons. The rest is at the terminal. Made here for every card and every answer,
so that a card of tomorrow is neutral as well.
"""

import re

from sqlmodel import Session

from billing.models import Client
from bot.reasons import turns
from bot.slack import blocks, records
from bot.slack.escalations import Card
from comms import processors, seals
from comms.compliance.clearance import Reader, Sink
from comms.compliance.labels import Label
from comms.listening import strangers
from comms.models import Message, Task, Touchpoint
from comms.office import Office

WHY = (
    "Names and words of clients are not shown in this Slack: nobody has put a BAA of it on record "
    "(C-21.3)."
)
_ABOUT = re.compile(
    r"\b(insur\w*|cover(age|ed)|deductible|co-?pays?|claims?|denied|payer)\b", re.IGNORECASE
)
_SAYS = {
    "thread": "their conversation",
    "escalation": "the end of the ladder; a person decides",
    "lost": "a message to them did not arrive",
    "in_doubt": "did a message to them arrive?",
    "unmatched": "somebody whom we do not know wrote to us",
    **dict.fromkeys(strangers.SEALED, "somebody whom we do not know wrote to us, and it is sealed"),
    "imported_cases": "old debts came with the import and need a person",
    "renewal_late": "a renewal was missed",
    "standstill": "something stands still; see `counterfoil doctor`",
    "stuck": "something that came in cannot be taken in; see `counterfoil doctor`",
    "unreadable": "something that came in cannot be read; see `counterfoil doctor`",
}


def holds(office: Office) -> bool:
    """Whether Slack is told no name and no word."""
    kinds = office.policy.packs()
    return processors.is_neutral(office.processors, kinds, office.now.date())


def card(session: Session, office: Office, message: Message, made: Card) -> Card:
    """The card of any message to staff without who it is of and what they said."""
    client = session.get(Client, message.client_id) if message.client_id else None
    title = f"{called(client)}: {_what(session, office, message)}"
    body = [blocks.section(f"*{title}*")]
    if client is not None:
        body.append(blocks.section("\n".join(records.balances(session, office, client))))
        said = f"{WHY} `counterfoil timeline client:{client.id} --words` does."
        body.append(blocks.context(said))
    else:
        body.append(blocks.context(WHY))
    return Card(title, body, made.tail)


def called(client: Client | None) -> str:
    """The number in the place of a name."""
    return f"client:{client.id}" if client is not None else "Counterfoil"


def _what(session: Session, office: Office, message: Message) -> str:
    if message.subject_kind == "touchpoint" and message.subject_id:
        touchpoint = session.get(Touchpoint, message.subject_id)
        return gist(session, office, touchpoint) if touchpoint else "wrote to us"
    if message.subject_kind == "task" and message.subject_id:
        task = session.get(Task, message.subject_id)
        return turns.WHAT[task.kind] if task else "something waits"
    named = message.template or message.purpose
    return _SAYS.get(named, named.replace("_", " "))


def gist(session: Session, office: Office, touchpoint: Touchpoint) -> str:
    """What somebody wrote about, in words that tell nothing of their health."""
    labels = seals.labels_of(session, [touchpoint])[touchpoint.id]
    said = seals.words(session, office, touchpoint, _EYES)
    did = f"; what we did: {blocks.inline(said['did'])}" if said.get("did") else ""
    about = Label.PHI in labels or _ABOUT.search(said.get("visible", ""))
    return ("insurance dispute" if about else "a message about their account") + did


_EYES = Reader(Sink.PERSON, frozenset(Label))
"""Ours, of which nothing is shown but the one or the other word."""
