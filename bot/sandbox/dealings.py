"""What became of money, disputes, shares and promises since we last looked, and what is asked now?

Read from the rows as they stand: a line for each that moved, and after it what is asked for of the
client now and what is not, with the reason.
"""

import datetime as dt
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple

from sqlmodel import Session, col, func, select

from billing import accounts, aliases, arrears, fences, money, promises
from billing.calendar import local_date
from billing.models import (
    Chargeback,
    Client,
    Instalment,
    Invoice,
    InvoiceDispute,
    Payer,
    Payment,
    PaymentState,
    Posting,
    Promise,
    PromisePart,
    Share,
)
from billing.policy import Policy
from comms.office import Office


class News(NamedTuple):
    """Something that moved; ``asks`` where it has to be told what is asked for now."""

    at: dt.datetime
    kind: str
    client_id: int
    what: str
    asks: bool = True


Standing = tuple[Hashable, Hashable]
"""The id of something, and how it stands."""


class Dealings:
    """How everything stood when we last looked; ``read`` tells what is different."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, Hashable], Hashable] = {}

    def read(self, session: Session, office: Office) -> list[News]:
        """What moved, the first first, and then, for each client, what is asked for now."""
        told: list[News] = []
        for name, (look, tell) in _LOOKS.items():
            for id_, standing in look(session, office):
                if self._held.get((name, id_)) != standing:
                    self._held[name, id_] = standing
                    told += tell(session, office, id_)
        told.sort(key=lambda news: news.at)
        return [*told, *_now(session, office, told)]


def _day(day: dt.date) -> str:
    return f"{day:%-d %b}"


# --- money ----------------------------------------------------------------------------------------


def _payments(session: Session, _office: Office) -> Iterable[Standing]:
    query = select(Payment.id, Payment.state, Payment.amount).order_by(col(Payment.id))
    return [(id_, (state, amount)) for id_, state, amount in session.exec(query)]


def _payment(session: Session, _office: Office, id_: Hashable) -> Iterator[News]:
    payment = session.get_one(Payment, id_)
    amount = money.display(payment.amount, payment.currency)
    match payment.state:
        case PaymentState.SUCCEEDED:
            payer = session.get_one(Payer, payment.payer_id).name if payment.payer_id else ""
            what = f"{amount} received{' from ' if payer else ''}{payer}"
            asks = bool(payer) or _leaves(session, payment)
            # What was told while it was on its way arrived later than we heard of it first.
            settled = payment.settled_at if payment.started_at else None
            at = max(payment.recorded_at, settled or payment.recorded_at)
            yield News(at, "paid", payment.client_id, what, asks)
        case PaymentState.PROCESSING:
            at = payment.started_at or payment.recorded_at
            by = f" by {payment.method.replace('_', ' ')}" if payment.method else ""
            yield News(at, "under way", payment.client_id, f"{amount}{by}")
        case PaymentState.FAILED | PaymentState.CANCELLED:
            at = payment.failed_at or payment.recorded_at
            before = ", after it had arrived" if payment.settled_at else ""
            what = f"{amount} did not go through{before}: owed again"
            yield News(at, "bounced", payment.client_id, what)
        case _:
            return


def _leaves(session: Session, payment: Payment) -> bool:
    """Whether something is left open of what it was put on."""
    put_on = select(Posting.instalment_id).where(
        Posting.payment_id == payment.id, col(Posting.instalment_id).is_not(None)
    )
    left = func.sum(Posting.amount)
    query = select(Posting.instalment_id).where(col(Posting.instalment_id).in_(put_on))
    query = query.group_by(col(Posting.instalment_id)).having(left > 0)
    return session.exec(query.limit(1)).first() is not None


def _chargebacks(session: Session, _office: Office) -> Iterable[Standing]:
    return session.exec(select(Chargeback.id, Chargeback.outcome).order_by(col(Chargeback.id)))


def _chargeback(session: Session, _office: Office, id_: Hashable) -> Iterator[News]:
    row = session.get_one(Chargeback, id_)
    payment = session.get_one(Payment, row.payment_id)
    amount = money.display(row.amount, payment.currency)
    kind, what = {
        "withdrawn": ("took back", f"the bank took {amount} back, which had been paid"),
        "won": ("gave back", f"the bank gave {amount} again: the chargeback is won"),
        "lost": ("took back", f"the bank keeps {amount}: the chargeback is lost"),
    }[row.outcome]
    yield News(row.happened_at, kind, payment.client_id, what)


# --- disputes and shares --------------------------------------------------------------------------


def _disputes(session: Session, _office: Office) -> Iterable[Standing]:
    query = select(InvoiceDispute.id, InvoiceDispute.state).order_by(col(InvoiceDispute.id))
    return session.exec(query)


def _dispute(session: Session, _office: Office, id_: Hashable) -> Iterator[News]:
    row = session.get_one(InvoiceDispute, id_)
    invoice = session.get_one(Invoice, row.invoice_id)
    amount = money.display(row.amount, invoice.currency) if row.amount else "all"
    if row.closed_at is None:
        about = "" if row.reason == "unstated" else f" ({row.reason})"
        until = f", to be answered by {_day(row.respond_by)}" if row.respond_by else ""
        what = f"{amount} of {invoice.number}{about}{until}"
        yield News(row.recorded_at, "disputed", row.client_id, what)
        return
    granted = f": {money.display(row.granted, invoice.currency)} is credited" if row.granted else ""
    what = f"the dispute about {invoice.number} is {row.state}{granted}"
    yield News(row.closed_at, "answered", row.client_id, what)


def _shares(session: Session, _office: Office) -> Iterable[Standing]:
    query = select(Share.invoice_id, Share.payer_id, Share.state, Share.amount)
    rows = session.exec(query.order_by(col(Share.invoice_id), col(Share.payer_id)))
    return [((invoice, payer), (state, amount)) for invoice, payer, state, amount in rows]


def _share(session: Session, _office: Office, id_: Hashable) -> Iterator[News]:
    row = session.get_one(Share, id_)
    invoice, payer = session.get_one(Invoice, row.invoice_id), session.get_one(Payer, row.payer_id)
    amount = money.display(row.amount, invoice.currency)
    what = {
        "waiting": f"{payer.name} is asked for {amount} of {invoice.number}",
        "settled": f"{payer.name} agrees to {amount} of {invoice.number}",
        "denied": f"{payer.name} pays nothing of {invoice.number}",
    }[row.state]
    yield News(row.told_at, "share", invoice.client_id, what)


# --- promises -------------------------------------------------------------------------------------


def _promises(session: Session, _office: Office) -> Iterable[Standing]:
    rows = session.exec(select(Promise.id, Promise.withdrawn_at).order_by(col(Promise.id)))
    return [(id_, gone is not None) for id_, gone in rows]


def _promise(session: Session, _office: Office, id_: Hashable) -> Iterator[News]:
    row = session.get_one(Promise, id_)
    if row.withdrawn_at is not None:
        what = "what was promised does not hold any more"
        yield News(row.withdrawn_at, "withdrawn", row.client_id, what)
        return
    query = select(PromisePart).where(PromisePart.promise_id == row.id)
    parts = session.exec(query.order_by(col(PromisePart.position))).all()
    whole = money.display(sum(part.amount for part in parts), row.currency)
    days = ", ".join(_day(part.due_on) for part in parts)
    kind, what = ("plan", "in parts by ") if len(parts) > 1 else ("promised", "by ")
    yield News(row.made_at, kind, row.client_id, f"{whole} {what}{days}")


def _missed(session: Session, office: Office) -> Iterable[Standing]:
    """Promises with a part whose day has passed in vain."""
    for one, place, _ in _standing_promises(session, office):
        part = promises.missed(one, office.now, place)
        if part:
            yield one.id, part


def _miss(session: Session, office: Office, id_: Hashable) -> Iterator[News]:
    for one, place, (client_id, _, currency) in _standing_promises(session, office):
        part = promises.missed(one, office.now, place)
        if one.id == id_ and part:
            late = one.parts[part - 1]
            what = f"{money.display(late.amount, currency)} promised for {_day(late.due_on)}"
            yield News(promises.ends_at(late, place), "missed", client_id, f"{what} did not come")


def _standing_promises(
    session: Session, office: Office
) -> Iterator[tuple[promises.Promise, promises.Place, tuple[int, int, str]]]:
    clients = sorted(set(session.exec(select(Promise.client_id))))
    kin = aliases.of(session, clients)
    for account, made in fences.promises_of(session, kin).items():
        client = session.get_one(Client, account[0])
        place = promises.Place(
            timezone=client.timezone,
            country=client.country,
            region=client.region,
            bank_days=office.policy.holds.promise_bank_days,
        )
        yield from ((one, place, account) for one in made)


Look = Callable[[Session, Office], Iterable[Standing]]
Tell = Callable[[Session, Office, Hashable], Iterator[News]]
_LOOKS: dict[str, tuple[Look, Tell]] = {
    "payment": (_payments, _payment),
    "chargeback": (_chargebacks, _chargeback),
    "dispute": (_disputes, _dispute),
    "share": (_shares, _share),
    "promise": (_promises, _promise),
    "missed": (_missed, _miss),
}


# --- what is asked for now ------------------------------------------------------------------------


def _now(session: Session, office: Office, told: Sequence[News]) -> Iterator[News]:
    moved = {news.client_id: news.at for news in told if news.asks}
    for client_id, at in moved.items():
        client = session.get_one(Client, client_id)
        yield News(at, "now", client_id, asked(session, office, client))


def asked(session: Session, office: Office, client: Client) -> str:
    """What is asked for of a client now, and what is not, and why."""
    today = local_date(office.now, client.timezone)
    found = [*_accounts(session, office, client)]
    asks = [words for one in found if (words := _asks(one, today, office.policy))]
    nots = [words for one in found for words in _nots(one)]
    nots += _of_payers(session, client)
    first = f"asked for: {' and '.join(asks) or 'nothing'}"
    return "; ".join([first, *nots] if found or nots else [first, "all of it is settled"])


def _accounts(session: Session, office: Office, client: Client) -> Iterator[arrears.Account]:
    """The client's accounts with something open, as they stand."""
    kin = aliases.of(session, [client.id])
    promised = fences.promises_of(session, kin)
    owed = accounts.owed(session, client.id)
    for entity, currency in dict.fromkeys((one.legal_entity_id, one.currency) for one in owed):
        mine = [one for one in owed if (one.legal_entity_id, one.currency) == (entity, currency)]
        account = arrears.Account(
            client_id=client.id,
            legal_entity_id=entity,
            currency=currency,
            timezone=client.timezone,
            country=client.country,
            region=client.region,
            instalments=tuple(one.instalment for one in mine),
            unapplied=accounts.unapplied(session, client.id, entity, currency),
            holds=accounts.holds(session, client.id),
            taken=(),
            imported_on=None,
            segment=client.segment or "",
            ladder=client.ladder or "",
            promises=tuple(promised.get((kin[client.id], entity, currency), ())),
        )
        yield arrears.standing(account, office.now, office.policy)


def _asks(account: arrears.Account, today: dt.date, policy: Policy) -> str:
    policy = arrears.ruled(account, today, policy)
    amount = arrears.collectible(account, today, policy)
    if not amount or arrears.strongest_hold(account):
        return ""
    late = arrears.overdue(account, today, policy)
    numbers = ", ".join(dict.fromkeys(one.number for one in late))
    return f"{money.display(amount, account.currency)} of {numbers}"


def _nots(account: arrears.Account) -> Iterator[str]:
    """What is owed and not asked for, by the reason."""
    if arrears.strongest_hold(account):
        yield "all of it is on hold"
    for why, amounts in (
        ("disputed", [one.disputed for one in account.instalments]),
        ("on its way", [one.in_flight for one in account.instalments]),
        ("promised", [one.promised for one in account.instalments]),
    ):
        if sum(amounts):
            yield f"{money.display(sum(amounts), account.currency)} is {why}"


def _of_payers(session: Session, client: Client) -> list[str]:
    """What others owe of the client's bills."""
    owes = func.sum(Posting.amount)
    rows = session.exec(
        select(Payer.name, Posting.currency, owes)
        .join(Posting, col(Posting.payer_id) == Payer.id)
        .join(Instalment, col(Instalment.id) == Posting.instalment_id)
        .where(col(Posting.client_id).in_(aliases.group(session, client.id)))
        .group_by(col(Payer.id), col(Posting.currency))
        .having(owes > 0)
        .order_by(col(Payer.id))
    )
    return [
        f"{money.display(int(amount), currency)} is {name}'s" for name, currency, amount in rows
    ]
