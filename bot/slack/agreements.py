"""What do our people see about an agreement: what is late, declined, over, or not used?"""

from sqlmodel import Session, select

from billing import agreements, money, renewals, retries, spelling
from billing.accounts import in_renewal
from billing.calendar import local_date
from billing.models import Agreement, Client, Enrolment, Payment
from bot.slack import blocks, records
from bot.slack.blocks import Block
from bot.slack.escalations import Card
from comms.models import Message
from comms.office import Office


def unheard(session: Session, office: Office, message: Message) -> Card:
    """A notice is held, and after the last day of its notice it is of no use."""
    agreement = session.get_one(Agreement, message.subject_id)
    client = session.get_one(Client, agreement.client_id)
    enrolment = session.exec(select(Enrolment).where(Enrolment.agreement_id == agreement.id)).one()
    last = renewals.last_day(in_renewal(session, enrolment, office.now))
    over = local_date(office.now, client.timezone) > last
    name, what = blocks.inline(client.name), blocks.inline(agreement.name)
    said = (
        f"{spelling.weekday(last)} was the last day on which they could have heard of it in time "
        "to end it, and nothing has left"
        if over
        else f"{spelling.weekday(last)} is the last day on which they can hear in time to end it"
    )
    body = [
        blocks.section(
            f"*{what}* of *{name}* renews {spelling.weekday(agreement.renews_on)}. {said}."
        ),
        blocks.section("\n".join(records.balances(session, office, client))),
        blocks.context("The notice waits because something is overdue; a payment frees it."),
    ]
    buttons = [
        blocks.button("Card", "client.card", {"c": client.id}),
        blocks.button("Let it pass for a week", "client.let_pass", {"c": client.id}),
    ]
    return Card(f"Held renewal: {what} of {name}", body, blocks.actions(buttons))


def charge_due(session: Session, office: Office, message: Message) -> Card:
    """A charge that was declined is to be tried again, by whoever charges cards."""
    item, body, title = _of_charge(session, office, message)
    cards = agreements.cards(session, message.client_id or 0)
    decided = retries.decide(item, cards, office.policy.renewal.retries)
    end = retries.deadline(item, office.policy.renewal.retries)
    body += [
        blocks.section(f"*Charge it again today.* {decided.reason}"),
        blocks.context(
            "Counterfoil charges no cards: try it where you do; what comes of it is told to us as "
            f"a payment. Deadline: {spelling.day(end)}."
        ),
    ]
    return Card(f"Charge again: {title}", body, _button(message))


def charge_over(session: Session, office: Office, message: Message) -> Card:
    """The deadline has passed; a person decides what becomes of the agreement."""
    item, body, title = _of_charge(session, office, message)
    tried = len([one for one in item.attempts if one.outcome == "failed"])
    body.append(
        blocks.section(
            f"*It was declined {tried} {'time' if tried == 1 else 'times'} and its deadline has "
            "passed.* Decide: suspend it, end it, or ask for the money by hand."
        )
    )
    return Card(f"Not renewed: {title}", body, _button(message))


def _of_charge(
    session: Session, office: Office, message: Message
) -> tuple[retries.Item, list[Block], str]:
    payment = session.get_one(Payment, message.subject_id)
    item = agreements.item_of(session, payment.id)
    agreement = agreements.of_payment(session, payment.id)
    if item is None or agreement is None:
        raise LookupError(f"payment {payment.id} was tried for no agreement")
    client = session.get_one(Client, agreement.client_id)
    name, what = blocks.inline(client.name), blocks.inline(agreement.name)
    amount = money.display(item.amount, item.currency)
    body = [
        blocks.section(f"*{what}* of *{name}*: {amount} ({blocks.inline(item.key)}) was declined."),
        blocks.section("\n".join(records.balances(session, office, client))),
    ]
    return item, body, f"{amount} for {what} of {name}"


def unused(session: Session, office: Office, message: Message) -> Card:
    """What was billed and could not be used is to be credited."""
    agreement = session.get_one(Agreement, message.subject_id)
    client = session.get_one(Client, agreement.client_id)
    today = local_date(office.now, client.timezone)
    found = agreements.unused(session, agreement, today)
    items = [_days(one, agreement) for one in found]
    name, what = blocks.inline(client.name), blocks.inline(agreement.name)
    body = [
        blocks.section(f"*{what}* of *{name}* was billed for days that could not be used."),
        *blocks.lines("", items),
        blocks.context(
            "Enter a credit note where you bill; or let the policy credit it: "
            '`unused = "credit"` in `[renewal]`.'
        ),
    ]
    return Card(f"To be credited: {what} of {name}", body, _button(message))


def _days(one: agreements.Unused, agreement: Agreement) -> str:
    count, whole = (one.gap[1] - one.gap[0]).days, (one.cycle[1] - one.cycle[0]).days
    amount = money.display(one.amount, agreement.currency)
    span = f"{spelling.day(one.gap[0])} to {spelling.day(one.gap[1])}"
    return f"{span}: {count} of {whole} days, {amount}"


def _button(message: Message) -> list[Block]:
    return blocks.actions([blocks.button("Card", "client.card", {"c": message.client_id})])
