"""Something is known from outside: what does it change?

One ``match`` over everything, whoever told it. It runs in one transaction under the locks that
``clients_of`` names. A new kind of billing fact needs no line here: ``ledger.apply`` learns of it.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence

from sqlmodel import Session, col, select

from billing import batches, facts, ledger, references
from billing.calendar import local_date
from billing.facts import ClientDescribed, PaymentSettled
from billing.ledger import Applied
from billing.models import Client
from bot import bookings, consents
from bot.bookings import Outcome
from bot.slack import marks, postings
from bot.slack.marks import Mark
from bot.slack.postings import Posted
from comms import delivery, inbound, outreach, receipts
from comms.addresses import complaints
from comms.duties import instructions, tasks
from comms.duties.instructions import Instruction
from comms.duties.orders import Order
from comms.facts import (
    ClientSaid,
    ConsentStated,
    DeliveryReport,
    InboundMessage,
    MailRefused,
    ReplyHandled,
    Tellable,
)
from comms.inbound import Letter
from comms.law import enforcement
from comms.listening import pledges, reported, sayings
from comms.office import Office
from comms.outreach import offers

Fact = Tellable | InboundMessage | DeliveryReport | MailRefused | Instruction | Mark | Posted
SETTLING = (
    PaymentSettled,
    facts.CreditNoteIssued,
    facts.CreditApplied,
    facts.DisputeClosed,
    facts.PromiseWithdrawn,
)
"""Facts that may close a task that waits for a person."""
NEWS = dt.timedelta(days=7)
"""A payment told of later than this is history: nobody is thanked for it any more."""


def clients_of(fact: Fact) -> Callable[[Session], Collection[int]]:
    """Looks up the clients that the fact may touch; an unidentified fact locks none."""

    def look(session: Session) -> Collection[int]:
        match fact:
            case InboundMessage():
                return inbound.clients_of(session, fact)
            case DeliveryReport() | MailRefused() | Posted():
                return _reported_of(session, fact)
            case Order():
                return instructions.clients_of(session, fact)
            case Mark():
                return marks.client_of(session, fact)
            case ClientSaid() | ReplyHandled() | ConsentStated():
                return sayings.clients_of(session, fact, bookings.written(session, fact))
            case _:
                return _known(session, fact)

    return look


def _known(session: Session, fact: facts.Fact) -> set[int]:
    """Every client that a billing fact names, as far as we know them."""
    names = {value for name, value in fact if name.endswith("client_external_id")}
    sharing: set[int] = set()
    if isinstance(fact, ClientDescribed):
        names = {fact.external_id}
        # What the firm says of consent stands in the chain of everybody who reads there.
        sharing = consents.clients_at(session, [fact])
    found = [references.find_client(session, fact.source, name) for name in names if name]
    return sharing.union(one for one in found if one is not None)


def take_in(session: Session, office: Office, fact: Fact, keys: Iterator[str]) -> int | None:
    """Book a fact and all that follows from it; return the client it was about."""
    match fact:
        case ClientDescribed():
            return _describe(session, office, fact, keys)
        case InboundMessage():
            raise TypeError("a client's message needs the row that keeps it: take_letter")
        case DeliveryReport() | MailRefused() | Posted():
            return _reported(session, office, fact)
        case Order():
            instructions.carry_out(session, office, fact)
            return None
        case Mark():
            return marks.take(session, office, fact)
        case ClientSaid() | ReplyHandled() | ConsentStated():
            (outcome,) = take_told(session, office, [fact], [])
            return outcome.applied.client_id if outcome.applied else None
        case _:
            return _book(session, office, fact, keys)


def _reported_of(session: Session, fact: DeliveryReport | MailRefused | Posted) -> Collection[int]:
    if isinstance(fact, MailRefused):
        return complaints.clients_of(session, fact)
    if isinstance(fact, Posted):
        return postings.clients_of(session, fact)
    message = reported.message(session, fact)
    return delivery.concerned(session, message.id) if message else []


def _reported(
    session: Session, office: Office, fact: DeliveryReport | MailRefused | Posted
) -> int | None:
    if isinstance(fact, MailRefused):
        return complaints.take(session, office, fact)
    if isinstance(fact, Posted):
        return postings.take(session, office, fact)
    message = reported.message(session, fact)
    reported.take(session, office, fact)
    return message.client_id if message else None


def take_in_all(
    session: Session, office: Office, told: Sequence[facts.Fact], keys: Iterator[str]
) -> None:
    """The facts of one moment: all are booked before anything follows from any of them.

    So two payments of a day are both there when the ladder is looked at, and each client is looked
    at once.
    """
    applied = [one for one in batches.apply_all(session, told, office.now, keys) if one.changed]
    described = [fact for fact in told if isinstance(fact, ClientDescribed)]
    consents.assert_all(session, office, described)
    pledges.review(session, office, told)
    news = [one for one in applied if one.received]
    _follow(session, office, told, {one.client_id for one in applied}, news)


def take_told(
    session: Session, office: Office, told: Sequence[Tellable], keys: Sequence[str]
) -> list[Outcome]:
    """The facts that another system told, in its order; one that is wrong stops no other.

    All that can be booked is, before anything follows from it. A client who is new with them may
    have a history: the steps whose day has passed count as taken, as after an import.
    """
    outcomes = bookings.book(session, office, told, list(keys))
    done = [(one.fact, one.applied) for one in outcomes if one.applied is not None]
    described = {fact: one for fact, one in done if isinstance(fact, ClientDescribed)}
    consents.assert_all(session, office, list(described))
    _begin(session, office, [one.client_id for one in described.values()])
    changed = [(fact, one) for fact, one in done if one.changed]
    clients = {one.client_id for _, one in changed}
    news = [one for fact, one in changed if _is_news(office, fact, one)]
    _follow(session, office, [fact for fact, _ in changed], clients, news)
    return outcomes


def _follow(
    session: Session,
    office: Office,
    told: Sequence[Tellable],
    clients: Collection[int],
    news: Sequence[Applied],
) -> None:
    """What waits for these clients is judged anew, and who paid is thanked, once."""
    if any(isinstance(fact, SETTLING) for fact in told):
        tasks.settle(session, office, clients)
    enforcement.after(session, office, told, clients)
    outreach.advance_clients(session, office, clients)
    if news:
        receipts.thank(session, office, news)
        offers.after(session, office, news)


def _is_news(office: Office, fact: Tellable, applied: Applied) -> bool:
    """Money that came in, and lately."""
    day = fact.received_on if isinstance(fact, PaymentSettled) else office.now.date()
    return applied.received > 0 and office.now.date() - day <= NEWS


def take_letter(session: Session, office: Office, letter: Letter) -> int | None:
    """Receive a client's message; return the client, or None where nobody knows the sender."""
    return inbound.receive(session, office, letter)


def book(session: Session, office: Office, fact: facts.Fact, keys: Iterator[str]) -> bool:
    """A fact of an import: booked, its sequences left to the next sweep. Says if it was new."""
    applied = ledger.apply(session, fact, office.now, keys, office.keyring)
    if isinstance(fact, ClientDescribed):
        consents.assert_all(session, office, [fact])
        _begin(session, office, [applied.client_id])
    return applied.changed


def _begin(session: Session, office: Office, clients: Sequence[int]) -> None:
    """Clients who are new come with a past, from before our time."""
    new = select(Client).where(col(Client.id).in_(clients), Client.created_at == office.now)
    for client in session.exec(new):
        client.imported_on = local_date(office.now, client.timezone)


def _describe(session: Session, office: Office, fact: ClientDescribed, keys: Iterator[str]) -> int:
    applied = ledger.apply(session, fact, office.now, keys)
    consents.assert_all(session, office, [fact])
    return applied.client_id


def _book(session: Session, office: Office, fact: facts.Fact, keys: Iterator[str]) -> int:
    """News of a client's account."""
    applied = ledger.apply(session, fact, office.now, keys, office.keyring)
    if applied.changed:
        pledges.review(session, office, [fact])
        news = [applied] if applied.received else []
        _follow(session, office, [fact], [applied.client_id], news)
    return applied.client_id
