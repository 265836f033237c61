"""What happens in the 90 days of the sandbox, told without a browser?

The example firm's own facts (invoices, payments, renewals) come by themselves on their days. The
few things that only people and providers do stand in ``BEATS``: the day, the hour, and what is
done, always through the wire. The transcript is made from the rows and not from the beats.
"""

import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, func, select

from billing import money
from billing.models import Address, Client, Contact, ContactAddress, Payment, PaymentState, Staff
from bot.custody import privilege
from bot.report import silent
from bot.sandbox.chronicle import ROUTINE, Chronicle, Line
from bot.sandbox.faults import Fault
from bot.sandbox.world import World, client_named, slack_id
from bot.slack import blocks
from comms import timeline
from comms.models import Audience, ChainEntry, Message, State, Touchpoint

DAYS = 90
WIDTH = 120
_NAME = 24
_RULED = ("held", "released", "withheld", "cancelled", "failed")
Act = Callable[[World], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Beat:
    """On a day of the story, at an hour (UTC), somebody or something does this."""

    day: int
    hour: int
    what: str
    act: Act


@dataclass(frozen=True, slots=True)
class Day:
    """A day that has passed: its number, its date, and what happened."""

    number: int
    date: dt.date
    open: bool
    """Whether the door to clients was open at its end."""
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What it came to."""

    days: int
    left: Mapping[str, int]
    """Messages that left, by channel."""
    kinds: Mapping[str, int]
    """Lines of the transcript by kind."""
    released: int
    """Messages that were held for a reason and left when it was gone."""
    cash: Mapping[str, int]
    """Received, in minor units by currency."""
    clients: int
    entries: int
    breaks: int
    doubled: int

    @property
    def sound(self) -> bool:
        """Nothing was sent twice, and every chain holds."""
        return not self.breaks and not self.doubled


# --- what people and providers do -----------------------------------------------------------------


def opens_the_door() -> Act:
    """Ruth turns the go-live switch."""

    async def act(world: World) -> None:
        await world.golive(open_=True, by="Ruth")

    return act


def texts(client: str, words: str) -> Act:
    """A client's phone writes."""

    async def act(world: World) -> None:
        await world.texts(address_of(world, client, "sms"), words)

    return act


def answers(client: str, words: str) -> Act:
    """A client's mailbox answers the last mail that it got, quoting it."""

    async def act(world: World) -> None:
        mailbox = address_of(world, client, "email")
        last = world.mail.mailboxes[mailbox][-1]
        await world.mails(mailbox, f"Re: {last.subject}", words, last.message_id)

    return act


def a_stranger_texts(phone: str, words: str) -> Act:
    """Somebody writes whom no client knows."""

    async def act(world: World) -> None:
        await world.texts(phone, words)

    return act


def is_a_landline(client: str) -> Act:
    """The number that we were given cannot take texts."""

    async def act(world: World) -> None:
        world.twilio.landline(address_of(world, client, "sms"))

    return act


def loses_the_answer(client: str) -> Act:
    """Twilio takes the next text to a client, and neither its answer nor a report reaches us."""

    async def act(world: World) -> None:
        phone = address_of(world, client, "sms")

        def to_them(asked: Mapping[str, str]) -> bool:
            return asked.get("To") == phone

        faults = world.twilio.faults
        faults.plan("send", Fault.TIMEOUT_AFTER_ACCEPT, match=to_them, seconds=0.2)
        faults.plan("status", Fault.LOSE_CALLBACKS, match=to_them)

    return act


def clicks(person: str, client: str, action_id: str) -> Act:
    """Somebody uses a button of the card about a client, where they read it."""

    async def act(world: World) -> None:
        user = slack_id(person)
        room = world.slack.workspace.im(user)
        cards = [post for post in room.messages if client in post.text and post.blocks]
        card = [post for post in cards if action_id in str(post.blocks)][-1]
        await world.slack.click(user, room.id, card.ts, action_id)
        await world.settle()

    return act


def reads(person: str, client: str) -> Act:
    """Somebody deals with what a client wrote, and says so below it."""

    async def act(world: World) -> None:
        user, room = slack_id(person), world.app.settings.slack_clients_channel
        wrote = f"{blocks.inline(client)} wrote"
        cards = [post for post in world.slack.messages(room) if wrote in post.text]
        await world.slack.click(user, room, cards[-1].ts, "task.done")
        await world.settle()

    return act


def locks(person: str, client: str, emoji: str) -> Act:
    """Somebody sets a lock, open or closed, beside what a client wrote."""

    async def act(world: World) -> None:
        user, room = slack_id(person), world.app.settings.slack_clients_channel
        wrote = f"{blocks.inline(client)} wrote"
        cards = [post for post in world.slack.messages(room) if wrote in post.text]
        await world.slack.react(user, room, cards[-1].ts, emoji)
        await world.settle()

    return act


def opens_what_is_sealed(person: str, client: str) -> Act:
    """Somebody who is cleared reads it at the terminal, with `counterfoil privilege read`."""

    async def act(world: World) -> None:
        with world.app.store.read() as session:
            theirs = Touchpoint.client_id == client_named(session, client).id
            said = select(func.max(Touchpoint.id)).where(theirs, Touchpoint.direction == "in")
            who = select(Staff.email).where(Staff.slack_user == slack_id(person))
            asked = {"touchpoint": session.exec(said).one(), "by": session.exec(who).one()}
        await privilege.read(world.app, asked, silent)

    return act


BEATS = (
    Beat(1, 7, "Elmgate's number turns out to be a landline", is_a_landline("Elmgate Supply")),
    Beat(2, 15, "The door to clients is opened", opens_the_door()),
    Beat(8, 15, "Alder Street Bakery answers its reminder by mail",
         answers("Alder Street Bakery", "Thanks for the nudge. We pay this Friday.\n\nNora")),
    Beat(8, 19, "Dana answers Alder Street Bakery, and says that it is read",
         reads("dana", "Alder Street Bakery")),
    Beat(9, 16, "A stranger texts us",
         a_stranger_texts("+12125550199", "hi, is this the right number for the clinic?")),
    Beat(11, 17, "Brook & Fen Estates answers a text",
         texts("Brook & Fen Estates", "Sorry! The cheque goes out on Monday.")),
    Beat(15, 14, "Dana reads what Brook & Fen Estates wrote",
         reads("dana", "Brook & Fen Estates")),
    Beat(16, 15, "Quarry Street Barbers text a card number",
         texts("Quarry Street Barbers", "Just take it from 4242 4242 4242 4242, 04/28, cvc 737")),
    Beat(16, 16, "Priya tells them how to pay, and says that it is read",
         reads("priya", "Quarry Street Barbers")),
    Beat(17, 15, "Poplar Print asks its lawyers for advice in the answer to a reminder",
         answers("Poplar Print", "Invoice LAW-1013 is approved for payment. Between us: should we "
                 "settle the Bram claim, or does that admit liability?\n\nPia")),
    Beat(17, 16, "Mei, who is not cleared, tries to unseal it",
         locks("mei", "Poplar Print", "unlock")),
    Beat(17, 17, "Dana, who is, reads it", opens_what_is_sealed("dana", "Poplar Print")),
    Beat(17, 18, "Dana has answered Poplar Print", reads("dana", "Poplar Print")),
    Beat(18, 7, "Twilio takes a text to Hollis Marine and its answer is lost",
         loses_the_answer("Hollis Marine")),
    Beat(23, 10, "Ivy Lane Pottery says STOP while a text to it waits for the morning",
         texts("Ivy Lane Pottery", "STOP")),
    Beat(32, 15, "Tomas pauses Cobalt Cycles on its card",
         clicks("tomas", "Cobalt Cycles", "case.pause")),
)  # fmt: skip
"""The whole script; day 1 is the firm's first day, hours are UTC."""


def address_of(world: World, client: str, kind: str) -> str:
    """A client's phone number or mailbox."""
    with world.app.store.read() as session:
        query = (
            select(Address.value)
            .join(ContactAddress, col(ContactAddress.address_id) == Address.id)
            .join(Contact, col(Contact.id) == ContactAddress.contact_id)
            .where(Contact.client_id == client_named(session, client).id, Address.kind == kind)
        )
        return session.exec(query).one()


# --- playing --------------------------------------------------------------------------------------


async def days(world: World, count: int, chronicle: Chronicle) -> AsyncIterator[Day]:
    """Play day after day; each is yielded when it is over."""
    chronicle.skip_history()
    first = world.clock.now().date()
    for number in range(1, count + 1):
        date = first + dt.timedelta(days=number - 1)
        lines: list[Line] = []
        for beat in (one for one in BEATS if one.day == number):
            moment = dt.datetime.combine(date, dt.time(beat.hour), dt.UTC)
            await world.turn(max(moment, world.clock.now()))
            lines += chronicle.read()
            await beat.act(world)
            lines += chronicle.read()
        midnight = dt.datetime.combine(date + dt.timedelta(days=1), dt.time(), dt.UTC)
        await world.turn(midnight - dt.timedelta(seconds=1))
        lines += chronicle.read()
        yield Day(number, date, is_open(chronicle), lines)


def is_open(chronicle: Chronicle) -> bool:
    """Whether the last turn of the switch opened the door."""
    turns = [line for line in chronicle.lines if line.kind == "door"]
    return bool(turns) and "open" in turns[-1].what


async def play(
    world: World, days_: int = DAYS, out: Callable[[str], None] = print, width: int = WIDTH
) -> Outcome:
    """Play the story and print it, day by day, with a closing table."""
    chronicle = Chronicle(world.app)
    out("Times are UTC. A client is written to only in its own office hours.")
    async for day in days(world, days_, chronicle):
        for text in shown(day, width):
            out(text)
    outcome = reckoned(world, chronicle, days_)
    for text in closing(outcome):
        out(text)
    return outcome


async def entries(world: World, days_: int = DAYS) -> AsyncIterator[Mapping[str, object]]:
    """The same for programs: a dict for each line, and at last one of kind "outcome"."""
    chronicle = Chronicle(world.app)
    async for day in days(world, days_, chronicle):
        for line in day.lines:
            yield {
                "day": day.number, "at": line.at.isoformat(), "kind": line.kind,
                "channel": line.channel, "who": line.who, "what": line.what, "rule": line.rule,
                "message": line.message_id,
            }  # fmt: skip
    found = reckoned(world, chronicle, days_)
    yield {
        "kind": "outcome", "days": found.days, "left": found.left, "kinds": found.kinds,
        "released": found.released, "cash": found.cash, "chain_entries": found.entries,
        "chain_breaks": found.breaks, "sent_twice": found.doubled, "sound": found.sound,
    }  # fmt: skip


# --- telling --------------------------------------------------------------------------------------


def shown(day: Day, width: int = WIDTH) -> list[str]:
    """A day of the transcript; waits that end by themselves are counted, not listed."""
    told = [line for line in day.lines if not (line.kind == "held" and line.rule in ROUTINE)]
    waits = len(day.lines) - len(told)
    if not told:
        return []
    door = "" if day.open else ", nothing leaves to clients yet"
    head = f"{day.date:%a} {day.date.day} {day.date:%b %Y}, day {day.number}{door}"
    rows = [row(line, width) for line in told]
    if waits:
        rows.append(f"         {waits} more waited for office hours")
    return ["", head, *rows]


def row(line: Line, width: int = WIDTH) -> str:
    """One line, aligned; in a narrow terminal names and sentences are cut, and no line breaks."""
    rule = f" ({line.rule})" if line.rule and line.kind in _RULED else ""
    name = _NAME if width >= WIDTH else _NAME - 8
    kind, who = line.kind.replace("_", " "), line.who[:name]
    room = max(12, width - 29 - name - len(rule))
    what = line.what if len(line.what) <= room else f"{line.what[: room - 1]}…"
    return f"  {line.at:%H:%M}  {kind:<9}  {line.channel:<5}  {who:<{name}}  {what}{rule}"


def closing(found: Outcome) -> list[str]:
    """What the days came to."""
    kinds = Counter(found.kinds)
    cash = ", ".join(money.display(sum_, code) for code, sum_ in sorted(found.cash.items()))
    stopped = ", ".join(f"{kinds[kind]} {kind}" for kind in ("withheld", "cancelled", "failed"))
    table = (
        ("To clients", f"{found.left['email']} by email, {found.left['sms']} by SMS"),
        ("To staff", f"{found.left['slack']} in Slack, {kinds['escalated']} of them escalations"),
        ("From clients", f"{kinds['wrote']} messages, {kinds['paid']} payments"),
        ("Held", f"{kinds['held']} times, {found.released} released when the reason was gone"),
        ("Stopped", stopped),
        ("Cash received", cash),
        ("Chains", f"{found.entries} entries of {found.clients} clients, {found.breaks} broken"),
        ("Sent twice", str(found.doubled)),
    )
    return ["", f"After {found.days} days", *(f"  {name:<14}  {text}" for name, text in table)]


def reckoned(world: World, chronicle: Chronicle, count: int) -> Outcome:
    """Count it, from the store and from what the providers saw."""
    kinds = Counter(line.kind for line in chronicle.lines if line.rule not in ROUTINE)
    with world.app.store.read() as session:
        began = session.exec(select(func.min(Client.created_at))).one()
        left = session.exec(
            select(Message.channel, func.count())
            .where(col(Message.state).in_((State.SENT, State.DELIVERED)))
            .group_by(Message.channel)
        ).all()
        cash = session.exec(
            select(Payment.currency, func.sum(Payment.amount))
            .where(Payment.recorded_at > began, Payment.state == PaymentState.SUCCEEDED)
            .group_by(Payment.currency)
        ).all()
        return Outcome(
            days=count,
            left=Counter(dict(left)),
            kinds=kinds,
            released=sum(line.kind == "released" for line in chronicle.lines),
            cash={currency: int(amount) for currency, amount in cash},
            clients=session.exec(select(func.count()).select_from(Client)).one(),
            entries=session.exec(select(func.count()).select_from(ChainEntry)).one(),
            breaks=len(list(timeline.verify(session))),
            doubled=doubled(world, session),
        )


def doubled(world: World, session: Session) -> int:
    """How many texts and mails reached a client more often than we have a message for them."""
    texts_out = [one for one in world.twilio.messages.values() if one.direction != "inbound"]
    asked = Counter(one.asked.get("StatusCallback", one.sid) for one in texts_out)
    mails = Counter((letter.message_id, letter.recipients) for letter in world.mail.letters)
    query = select(Message.provider_id).where(
        Message.audience == Audience.CLIENT, col(Message.provider_id).is_not(None)
    )
    ours = Counter(session.exec(query))
    return sum(count - 1 for seen in (asked, mails, ours) for count in seen.values())
