"""Where do a client's agreements stand, what is charged for them, and who lets it pass?

Lines for whoever asks why, as name and value.
"""

from collections.abc import Iterator

from sqlmodel import Session, col, select

from billing import agreements, aliases, money, retries, spelling
from billing.models import Agreement, AgreementState, Client, OfferMade
from comms.duties import overrides
from comms.models import Message
from comms.office import Office

_ANYTHING = (AgreementState.ACTIVE, AgreementState.RENEWED, AgreementState.CANCELLED)


def lines(session: Session, office: Office, client: Client) -> Iterator[tuple[str, str]]:
    """Of a client: each agreement that matters, each charge that failed, each override."""
    together = aliases.group(session, client.id)
    query = select(Agreement).where(
        col(Agreement.client_id).in_(together), col(Agreement.state).in_(_ANYTHING)
    )
    running = session.exec(query.order_by(col(Agreement.renews_on), col(Agreement.id))).all()
    charged = agreements.items(session, [one.id for one in running]) if running else {}
    for one in running:
        standing = agreements.standing(session, one, office.now, office.policy, client.timezone)
        said = standing.replace("_", " ")
        yield (
            one.name,
            f"{said}, renews {spelling.day(one.renews_on)}" if standing != "ended" else said,
        )
        for item in charged.get(one.id, ()):
            if retries.is_dunned(retries.before_the_end(item, one.ended_on)):
                yield "charge", _charge(session, office, client, item)
    for said in overrides.lines(session, office, client):
        yield "override", said


def _charge(session: Session, office: Office, client: Client, item: retries.Item) -> str:
    policy = office.policy.renewal.retries
    found = retries.decide(item, agreements.cards(session, client.id), policy)
    amount = f"{money.display(item.amount, item.currency)} ({item.key}) was declined"
    end = retries.deadline(item, policy)
    if end <= office.now:
        return f"{amount}; its deadline, {spelling.day(end)}, has passed"
    if isinstance(found, retries.Next):
        return f"{amount}; the next try is due {spelling.moment(found.at)}: {found.reason}"
    return f"{amount}; {found.reason} Deadline {spelling.day(end)}."


def offer(session: Session, message: Message) -> Iterator[tuple[str, str]]:
    """Of a message that makes an offer: which, and why."""
    made = session.get(OfferMade, message.subject_id) if message.subject_kind == "offer" else None
    if made is None:
        return
    yield "offer", f"{made.name}, because the client has {made.trigger}"
    discount = f"{made.percent} %" if made.percent else ""
    if made.amount is not None:
        discount = money.display(made.amount, made.currency)
    if discount:
        code = f" with {made.discount_code}" if made.discount_code else ""
        yield "discount", f"{discount}{code}"
    if made.valid_until is not None:
        yield "valid until", spelling.day(made.valid_until)
