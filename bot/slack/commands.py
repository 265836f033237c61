"""What follows from ``/acct …``: a card, or an instruction to carry out?

One read answers it: ``answer`` finds the person, the client and the right to ask in one snapshot.
"""

import secrets
from collections.abc import Sequence
from typing import Literal, assert_never

from sqlmodel import Session, col, select

from billing import aliases
from billing.models import Client, Invoice
from bot import access
from bot.access import Action
from bot.slack import answers, blocks, custody, forms, people, writing
from bot.slack.answers import Cut, Reply
from bot.slack.people import Person
from comms.duties.instructions import LONGEST, Instruction, Pause, Resume, WriteText
from comms.office import Office
from comms.writing import covering, drafts

_NAME_WORDS = 6
REASON = 2000


Answer = Reply | Instruction
"""What to show, or what this person may have carried out."""


def answer(session: Session, office: Office, slack_user: str, typed: str) -> Answer:
    """What to show or do for what somebody typed after ``/acct``."""
    person = people.person_of(session, slack_user)
    if person is None:
        return answers.say(access.unknown_person(slack_user))
    refused = person.refusal(Action.SEE, owns=False)
    if refused is not None:
        return answers.say(refused)
    raw = blocks.unescape(typed)
    letter = isinstance(forms.parse(raw), forms.Write)  # judged as it is, and refused
    return _asked(session, office, person, raw if letter else covering.line(raw))


def _asked(session: Session, office: Office, person: Person, typed: str) -> Answer:
    ask = forms.parse(typed)
    match ask:
        case forms.Help():
            return answers.manual()
        case forms.Unclear():
            return answers.unclear(ask.text)
        case forms.Write():
            return _write(session, person, ask, typed)
        case forms.Why():
            return _why(session, office, ask.what, typed)
        case forms.AskPause() if not ask.name:
            return _pause_by_words(session, person, ask, typed)
        case _:
            return _of_client(session, office, person, ask, typed)


_Named = (
    forms.ShowCard
    | forms.ShowTimeline
    | forms.AskPause
    | forms.AskResume
    | forms.AskHold
    | forms.AskRights
)


def _of_client(session: Session, office: Office, person: Person, ask: _Named, typed: str) -> Answer:
    found = _one(session, ask.name, typed)
    if isinstance(found, Reply):
        return found
    match ask:
        case forms.ShowCard():
            return answers.card(session, office, found)
        case forms.ShowTimeline():
            cut = Cut(ask.days, ask.channel)
            return answers.timeline(session, office, found, person, cut)
        case forms.AskPause():
            return pause(person, found, ask.days, ask.reason)
        case forms.AskResume():
            return resume(person, found)
        case forms.AskHold() | forms.AskRights():
            return _of_custody(session, office, person, aliases.master(session, found), ask)
    assert_never(ask)


def _of_custody(
    session: Session,
    office: Office,
    person: Person,
    client: Client,
    ask: forms.AskHold | forms.AskRights,
) -> Answer:
    if isinstance(ask, forms.AskHold):
        return custody.holds(session, client, person, ask.matter)
    return custody.rights(session, office, client, person)


def _one(session: Session, name: str, typed: str) -> Client | Reply:
    """The client of this name, or what to say where there is not exactly one."""
    found = people.named(session, name)
    if not found:
        return answers.nobody(session, typed, name)
    return found[0] if len(found) == 1 else answers.pick(found, name)


def _why(session: Session, office: Office, what: str, typed: str) -> Reply:
    number = what.strip()
    invoices = _numbered(session, number) or _numbered(session, number.upper())
    if len(invoices) > 1:
        return answers.pick_invoice(session, invoices)
    if invoices:
        return answers.why_invoice(session, office, invoices[0])
    found = _one(session, what, typed)
    return found if isinstance(found, Reply) else answers.why(session, office, found)


def _numbered(session: Session, number: str) -> Sequence[Invoice]:
    """Each entity numbers its own."""
    query = select(Invoice).where(Invoice.number == number).order_by(col(Invoice.id))
    return session.exec(query.limit(people.MOST)).all()


def _write(session: Session, person: Person, ask: forms.Write, typed: str) -> Answer:
    """Their own words to a client; a number in them goes nowhere, not even into our store."""
    found = _one(session, ask.name, typed)
    if isinstance(found, Reply):
        return found
    client = aliases.master(session, found)
    refused = person.refusal(Action.WRITE, owns=client.owner_id == person.id)
    if refused is not None:
        return answers.say(refused)
    if numbers := writing.numbers(ask.words):
        return numbers
    channel: Literal["sms", "email"] = (
        "sms" if (ask.channel or drafts.channel_of(session, client.id)) == "sms" else "email"
    )
    key = secrets.token_hex(8)
    return WriteText(client_id=client.id, channel=channel, words=ask.words, key=key, by=person.id)


def _pause_by_words(session: Session, person: Person, ask: forms.AskPause, typed: str) -> Answer:
    """The longest run of first words that names a client is the name; the rest is the reason."""
    for size in range(min(len(ask.words), _NAME_WORDS), 0, -1):
        name = " ".join(ask.words[:size])
        found = people.named(session, name)
        if len(found) > 1:
            return answers.pick(found, name)
        if found:
            return pause(person, found[0], ask.days, " ".join(ask.words[size:]))
    return answers.nobody(session, typed, ask.words[0])


def pause(person: Person, client: Client, days: int | None, reason: str) -> Answer:
    """Stop reminders to a client, if this person may and says why."""
    refused = person.refusal(Action.PAUSE, owns=client.owner_id == person.id)
    if refused is not None:
        return answers.say(refused)
    name = blocks.inline(client.name)
    if not reason.strip():
        return answers.say(f"Say why, so that others know: `/acct pause {name} 3d REASON`.")
    if days is not None and not 1 <= days <= LONGEST:
        return answers.say(f"A pause lasts between 1 and {LONGEST} days.")
    words = reason.strip()[:REASON]
    return Pause(client_id=client.id, days=days, reason=words, by_staff_id=person.id)


def resume(person: Person, client: Client) -> Answer:
    """Go on with reminders, if this person may."""
    refused = person.refusal(Action.PAUSE, owns=client.owner_id == person.id)
    if refused is not None:
        return answers.say(refused)
    return Resume(client_id=client.id, by=person.id)
