"""What does the sandbox's page show? One picture of the store and of the world around it.

A handful of queries for the whole firm, whatever the number of clients, and a few more for the one
that is selected. Nothing is decided here and nothing is written.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from billing import calendar, money
from billing.models import (
    OPEN_DISPUTES,
    Address,
    Client,
    Contact,
    ContactAddress,
    Enrolment,
    EscalationCase,
    Health,
    Hold,
    Instalment,
    Invoice,
    InvoiceDispute,
    InvoiceState,
    LiveSwitch,
    Posting,
    Staff,
    StaffRole,
)
from billing.models import Sequence as Ladder
from bot.reasons.naming import called, sent
from bot.sandbox import sealed
from bot.sandbox.workspace import Post
from bot.sandbox.world import World
from comms.consent import Standing, fold
from comms.models import Audience, ConsentEvent, Message, Purpose, State, Touchpoint

Json = dict[str, Any]
HELD = (State.HELD, State.AWAITING)
STORY = 400


@dataclass
class Picture:
    """What does not depend on who is selected; good for one revision."""

    revision: int
    clients: list[Json] = field(default_factory=list)
    held: list[Json] = field(default_factory=list)
    totals: Json = field(default_factory=dict)
    live: Json = field(default_factory=dict)
    next_event: Json | None = None
    ids: dict[str, int] = field(default_factory=dict)
    """The row of a client by the id that the page knows."""
    posted: dict[str, int] = field(default_factory=dict)
    """The message behind a Slack post."""
    people: list[Json] = field(default_factory=list)
    """Who may sit before Slack, and with which roles."""
    sealed: list[Json] = field(default_factory=list)
    said: dict[str, Json] = field(default_factory=dict)
    """The client's words behind a Slack post, and whether they are sealed."""


def picture(session: Session, world: World) -> Picture:
    """Look at the whole firm."""
    clients = session.exec(
        select(Client).where(col(Client.merged_into_id).is_(None)).order_by(col(Client.name))
    ).all()
    now = world.clock.now()
    today = {client.id: calendar.local_date(now, client.timezone) for client in clients}
    staff = {person.id: person for person in session.exec(select(Staff))}
    money_of, next_of, flags_of = _balances(session, today), _nexts(session), _flags(session, now)
    found = Picture(world.revision, ids={client.name: client.id for client in clients})
    for client in clients:
        local = now.astimezone(calendar.zone(client.timezone))
        owner = staff.get(client.owner_id or 0)
        flags = flags_of[client.id]
        if owner is None or not owner.active:
            flags.append("no owner")
        found.clients.append({
            "id": client.name, "name": client.name, "owner": owner.name if owner else "nobody",
            "timezone": client.timezone, "local_time": f"{local:%H:%M %Z}",
            "balances": money_of[client.id], "next": next_of.get(client.id), "flags": flags,
        })  # fmt: skip
    found.held = _held(session, {client.id: client.name for client in clients})
    found.totals = _totals(session)
    found.live = _live(session)
    found.next_event = _next_event(session, found.clients, world.next_moment())
    staffed = select(Message.id, Message.provider_id).where(Message.audience == Audience.STAFF)
    drawn = session.exec(staffed.order_by(col(Message.id)))  # a card drawn anew has the same name
    found.posted = {ts: one for one, ts in drawn if ts}
    found.people = _people(session, staff.values())
    found.sealed = sealed.rows(session, world.app.office())
    found.said = sealed.said(session, found.posted)
    return found


def _people(session: Session, staff: Iterable[Staff]) -> list[Json]:
    """Whoever is still with the firm, with their roles in words."""
    roles: defaultdict[int, list[str]] = defaultdict(list)
    for row in session.exec(select(StaffRole).order_by(col(StaffRole.role))):
        roles[row.staff_id].append(row.role.replace("_", " "))
    return [
        {"id": one.slack_user, "name": one.name, "roles": roles[one.id]}
        for one in staff
        if one.active and one.slack_user
    ]


def _balances(session: Session, today: Mapping[int, dt.date]) -> defaultdict[int, list[Json]]:
    """Per client and currency: what is open, and what of it is overdue on the client's day."""
    still_open: Any = func.sum(Posting.amount)
    rows = session.exec(
        select(Instalment.client_id, Invoice.currency, col(Instalment.due_on), still_open)
        .join(Invoice, col(Invoice.id) == Instalment.invoice_id)
        .join(Posting, col(Posting.instalment_id) == Instalment.id)
        .where(Invoice.state == InvoiceState.ISSUED, col(Posting.payer_id).is_(None))
        .group_by(col(Instalment.id), col(Invoice.id))
        .having(still_open > 0)
    )
    sums: defaultdict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    for client_id, currency, due_on, open_ in rows:
        both = sums[client_id, currency]
        both[0] += int(open_)
        both[1] += int(open_) if client_id in today and due_on < today[client_id] else 0
    found: defaultdict[int, list[Json]] = defaultdict(list)
    for (client_id, currency), (open_, late) in sorted(sums.items()):
        found[client_id].append({
            "currency": currency, "open": open_, "overdue": late,
            "display_open": money.display(open_, currency),
            "display_overdue": money.display(late, currency),
        })  # fmt: skip
    return found


def _nexts(session: Session) -> dict[int, Json]:
    """What comes first for each client: a message that waits, or a look at a sequence."""
    moments: dict[int, tuple[dt.datetime, str]] = {}

    def offer(client_id: int, at: dt.datetime | None, what: str) -> None:
        if at is not None and (client_id not in moments or at < moments[client_id][0]):
            moments[client_id] = at, what

    waiting = select(Message).where(
        col(Message.state).in_((State.QUEUED, State.HELD)), Message.audience == Audience.CLIENT
    )
    for message in session.exec(waiting):
        at = message.send_after if message.state == State.QUEUED else message.wake_at
        offer(message.client_id or 0, at, capital(sent(message)))
    due = select(Enrolment).where(col(Enrolment.next_due_at).is_not(None))
    for enrolment in session.exec(due):
        what = "a look at reminders" if enrolment.sequence == Ladder.DUNNING else "renewal notice"
        offer(enrolment.client_id, enrolment.next_due_at, what)
    return {one: {"at": at.isoformat(), "what": what} for one, (at, what) in moments.items()}


def _flags(session: Session, now: dt.datetime) -> defaultdict[int, list[str]]:
    """What somebody who writes to a client must mind."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    disputes = select(InvoiceDispute.client_id).where(col(InvoiceDispute.state).in_(OPEN_DISPUTES))
    running = col(Hold.released_at).is_(None) & (
        col(Hold.until).is_(None) | (col(Hold.until) > now)
    )
    cases = select(EscalationCase.client_id).where(EscalationCase.state == "open")
    for client_id in set(session.exec(cases)):
        found[client_id].append("a person's turn")
    for client_id in set(session.exec(disputes)):
        found[client_id].append("disputed")
    for client_id in set(session.exec(select(Hold.client_id).where(running))):
        found[client_id].append("paused")
    events: defaultdict[int, list[ConsentEvent]] = defaultdict(list)
    for event in session.exec(select(ConsentEvent).order_by(col(ConsentEvent.id))):
        events[event.address_id].append(event)
    reached = (
        select(Contact.client_id, Address)
        .join(ContactAddress, col(ContactAddress.contact_id) == Contact.id)
        .join(Address, col(Address.id) == ContactAddress.address_id)
    )
    for client_id, address in session.exec(reached):
        if fold(events[address.id]).standing is Standing.REVOKED:
            found[client_id].append(f"no {address.kind}: opted out")
        if address.health == Health.DEAD:
            found[client_id].append(f"{address.kind} does not arrive")
    return found


def _held(session: Session, names: Mapping[int, str]) -> list[Json]:
    query = (
        select(Message)
        .where(col(Message.state).in_(HELD), Message.audience == Audience.CLIENT)
        .order_by(col(Message.created_at), col(Message.id))
    )
    return [
        {
            "message_id": str(message.id),
            "client": names.get(message.client_id or 0, ""),
            "what": capital(sent(message)),
            "reason": message.reason or message.rule.replace("_", " "),
            "until": message.wake_at.isoformat() if message.wake_at else None,
        }
        for message in session.exec(query)
    ]


def _totals(session: Session) -> Json:
    """Messages to clients by where they stand, and cases that went to a person."""
    states = Counter(
        dict(
            session.exec(
                select(Message.state, func.count())
                .where(Message.audience == Audience.CLIENT)
                .group_by(Message.state)
            ).all()
        )
    )
    escalated = select(func.count()).where(
        Message.purpose == Purpose.ESCALATION, col(Message.updates_id).is_(None)
    )
    return {
        "sent": states[State.SENT] + states[State.DELIVERED],
        "held": states[State.HELD] + states[State.AWAITING],
        "withheld": states[State.WITHHELD],
        "delivered": states[State.DELIVERED],
        "failed": states[State.FAILED],
        "escalated": session.exec(escalated).one(),
    }


def _live(session: Session) -> Json:
    query = select(LiveSwitch).where(col(LiveSwitch.client_id).is_(None))
    switch = session.exec(query.order_by(col(LiveSwitch.id).desc())).first()
    if switch is None or switch.state != "open":
        note = "Nothing leaves to clients yet. Every message stops at the door, to be looked at."
        return {"open": False, "note": note}
    return {"open": True, "note": ""}


def _next_event(
    session: Session, clients: Iterable[Json], moment: dt.datetime | None
) -> Json | None:
    """What the clock would stop at first, and whose it is."""
    if moment is None:
        return None
    coming = [one for one in clients if one["next"] and one["next"]["at"] <= moment.isoformat()]
    if coming:
        what = f"{coming[0]['name']}: {coming[0]['next']['what']}"
    else:
        query = select(Message).where(
            Message.audience == Audience.STAFF,
            Message.state == State.QUEUED,
            Message.send_after <= moment,
        )
        card = session.exec(query.limit(1)).first()
        what = f"to staff: {called(card)}" if card else "news from billing"
    return {"at": moment.isoformat(), "what": what}


def titled(message: Message) -> str:
    """What a message is, as a heading."""
    return capital(called(message))


def capital(text: str) -> str:
    """The same with a capital at its beginning."""
    return f"{text[:1].upper()}{text[1:]}"


# --- Slack ----------------------------------------------------------------------------------------


def slack(world: World, viewer: str, found: Picture, seen: Mapping[str, int]) -> Json:
    """The workspace as one person sees it; the sandbox's viewer reads every direct message too."""
    team = world.slack.workspace
    channels = []
    for channel in team.channels.values():
        person = team.users.get(channel.im_with)
        name = f"{person.name} (DM)" if person else f"#{channel.name}"
        eyes = ("", viewer, channel.im_with)
        shown = [post for post in channel.messages if post.ephemeral_to in eyes]
        channels.append({
            "id": channel.id, "name": name,
            "unread": max(0, len(channel.messages) - seen.get(channel.id, 0)),
            "messages": [_post(post, world, found) for post in shown],
        })  # fmt: skip
    channels.sort(key=lambda one: (not str(one["name"]).startswith("#"), str(one["name"])))
    views = list(team.views.values())
    view = {"id": views[-1].id, **views[-1].content} if views else None
    me = next(one for one in found.people if one["id"] == viewer)
    names = {user.id: user.name for user in team.users.values()}
    people = found.people
    return {"user": me, "people": people, "users": names, "channels": channels, "view": view}


def _post(post: Post, world: World, found: Picture) -> Json:
    users = world.slack.workspace.users
    user = users.get(post.user)
    at = dt.datetime.fromtimestamp(float(post.ts), dt.UTC)
    message = found.posted.get(post.ts)
    reactions = [
        {"emoji": emoji, "users": [users[one].name for one in who]}
        for emoji, who in post.reactions.items()
        if who
    ]
    return {
        "ts": post.ts, "user": "Counterfoil" if post.bot_id else user.name if user else post.user,
        "text": post.text, "blocks": post.blocks, "thread_ts": post.thread_ts or None,
        "at": at.isoformat(), "edited": bool(post.edited), "ephemeral": bool(post.ephemeral_to),
        "message_id": str(message) if message else None,
        "reactions": reactions, "said": found.said.get(post.ts),
    }  # fmt: skip


def clock(world: World, found: Picture, *, busy: bool, started: dt.datetime) -> Json:
    """Where business time stands."""
    now = world.clock.now()
    return {
        "now": now.isoformat(),
        "label": f"{now:%a} {now.day} {now:%b %Y, %H:%M} UTC",
        "started": started.isoformat(),
        "next_event": found.next_event,
        "busy": busy,
    }


# --- one client -----------------------------------------------------------------------------------


def unread(session: Session, seen: Mapping[int, int]) -> Counter[int]:
    """How much each client wrote since somebody looked at them."""
    rows = session.exec(
        select(Touchpoint.client_id, Touchpoint.id).where(Touchpoint.direction == "in")
    )
    return Counter(client for client, number in rows if number > seen.get(client, 0))
