"""What can a person at the sandbox's page see and do?

``Desk`` is everything that the page knows; an ``Act`` is the body of a POST, and what it asks of
the desk. Who may ask at all is ``doorkeeper``'s question, and how it travels ``page``'s.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Final, Protocol, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from typing_extensions import override

Answer: TypeAlias = dict[str, object]


class Refused(Exception):
    """The desk cannot do this now. Its text is the one sentence the page shows (409)."""


class Unknown(Refused):
    """There is no such client, message, channel or view (404)."""


class Desk(Protocol):
    """Everything the page can see and do. All methods run on the page's event loop.

    A method that cannot do what was asked raises ``Refused`` (or ``Unknown``) with one sentence
    for the person at the page. An action that changed something also yields a new revision from
    ``changed``; the page shows an action's effect only from the next snapshot, never from the
    action's answer.
    """

    def snapshot(self, client: str | None) -> Answer:
        """Everything the page shows, ready for JSON, with ``client`` (or a fair first) selected.

        ``revision``; ``clock`` {now, label, started, next_event {at, what} or null, busy};
        ``live`` {open, note}; ``clients`` [{id, name, owner, timezone, local_time, balances
        [{currency, open, overdue, display_open, display_overdue}], next {at, what} or null, flags,
        unread}]; ``selected`` {client, phone {number, texts}, mailbox {address, mails}, timeline,
        invoices, asked, against, held} (null without clients); ``slack`` {user {id, name, roles},
        people [{id, name, roles}], users {id: name}, channels [{id, name, unread, messages}],
        view}; ``held`` [{message_id, client, what, reason, until}]; ``sealed`` [what is sealed or
        was, see ``sealed.rows``]; ``story`` [{at, line, kind}]; ``totals`` {sent, held, withheld,
        delivered, failed, escalated}. Oldest first, ISO moments; ``in`` is from the client.
        """
        ...

    async def turn(self, to: str) -> Answer:
        """Turn the clock: ``hour``, ``day``, ``week``, ``next`` event, or to an ISO moment.

        Returns when all that was due has happened: ``{"moment": iso, "news": n}``.
        """
        ...

    async def golive(self, open_: bool) -> Answer:  # noqa: FBT001 (a switch is a yes or a no)
        """Open or close the door to clients."""
        ...

    async def text(self, phone: str, body: str) -> Answer:
        """The client's phone sends an SMS."""
        ...

    async def mail(self, mailbox: str, subject: str, body: str, in_reply_to: str | None) -> Answer:
        """The client's mailbox sends a mail; ``in_reply_to`` is the ``rfc_id`` it answers."""
        ...

    async def say(self, channel: str, text: str, thread: str | None) -> Answer:
        """Staff type a message or a slash command into a Slack channel or thread."""
        ...

    async def click(self, channel: str, ts: str, action_id: str, value: str) -> Answer:
        """Staff use a button, menu or date of a Slack message.

        Inside the open modal ``channel`` is ``"view"`` and ``ts`` the view's id.
        """
        ...

    async def become(self, user: str) -> Answer:
        """Somebody else of the firm sits before Slack from now on."""
        ...

    async def react(self, channel: str, ts: str, emoji: str) -> Answer:
        """Staff set an emoji beside a message, or take their own away again."""
        ...

    async def shortcut(self, channel: str, ts: str, callback_id: str) -> Answer:
        """Staff choose one of ours from the menu of a message."""
        ...

    async def read(self, touchpoint: int) -> Answer:
        """Whoever sits before Slack reads what is sealed, as at the terminal: ``{"lines"}``.

        The look is on the client's chain before they see it.
        """
        ...

    async def submit(self, view_id: str, values: Mapping[str, object]) -> Answer:
        """Staff send the open modal; ``values`` is exactly Slack's ``view.state.values``.

        Returns ``{}``, or ``{"errors": {block_id: sentence}}``: the modal stays open with them.
        """
        ...

    async def dismiss(self, view_id: str) -> Answer:
        """Staff close the open modal without sending it."""
        ...

    async def pay(self, client: str, invoice: str | None) -> Answer:
        """The client pays this invoice now, or everything that is open."""
        ...

    async def why(self, kind: str, id: str) -> Answer:  # noqa: A002 (the route's own word)
        """Why a message, decision (a timeline row's id), client or invoice stands where it stands.

        ``{kind, id, title, verdict, rule or null, reason, text or null, facts [{name, value}],
        door [{place, verdict, rule or null, reason or null}], would_change [sentence],
        next_look iso or null, related [{kind, id, label}]}``. ``verdict`` is a message state
        (``sent``, ``held``, ``withheld`` …) or a decision's (``send``, ``hold``, ``nothing`` …);
        a door place's is ``pass``, ``defer``, ``refuse``, ``review``, or ``empty`` when the place
        had nothing to judge or was not reached. The door comes in its own order.
        """
        ...

    async def calendar(self, days: int) -> Answer:
        """What will go, what is held and who will be asked on so many days, as a preview sees it.

        ``{revision, now, from, until, live, assumed, totals, clients [name], owners [name],
        entries [{at, day, time, zone, what, client, title, amount, rule, reason, until, owner,
        standing}]}``; ``what`` is ``message``, ``hold``, ``escalation`` or ``refusal``.
        """
        ...

    def changed(self) -> AsyncIterator[int]:
        """The new revision, each time something changed; it ends when the desk closes."""
        ...


def _known_turn(to: str) -> str:
    if to in ("hour", "day", "week", "next"):
        return to
    with suppress(ValueError):
        if datetime.fromisoformat(to).tzinfo is not None:
            return to
    sentence = "turn to hour, day, week, next, or a moment with its offset"
    raise ValueError(sentence)


def _said(text: str) -> str:
    if not text.strip():
        sentence = "write something first"
        raise ValueError(sentence)
    return text


Words: TypeAlias = Annotated[str, AfterValidator(_said)]


class Act(BaseModel):
    """One thing a person does at the page: the body of its POST, and what it asks of the desk."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    async def upon(self, desk: Desk) -> Answer:
        """Do it."""
        raise NotImplementedError


class Turn(Act):
    """Turn the clock."""

    to: Annotated[str, AfterValidator(_known_turn)]

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.turn(self.to)


class Golive(Act):
    """Open or close the door to clients."""

    open: bool

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.golive(self.open)


class Text(Act):
    """The client texts."""

    phone: str
    body: Words

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.text(self.phone, self.body)


class Mail(Act):
    """The client mails."""

    mailbox: str
    subject: str
    body: Words
    in_reply_to: str | None = None

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.mail(self.mailbox, self.subject, self.body, self.in_reply_to)


class Say(Act):
    """Staff write in Slack."""

    channel: str
    text: Words
    thread: str | None = None

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.say(self.channel, self.text, self.thread)


class Click(Act):
    """Staff press something in Slack."""

    channel: str
    ts: str
    action_id: str
    value: str = ""

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.click(self.channel, self.ts, self.action_id, self.value)


class Become(Act):
    """Somebody else sits before Slack."""

    user: str

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.become(self.user)


class React(Act):
    """Staff set an emoji beside a message."""

    channel: str
    ts: str
    emoji: str

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.react(self.channel, self.ts, self.emoji)


class Shortcut(Act):
    """Staff choose something from the menu of a message."""

    channel: str
    ts: str
    callback_id: str

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.shortcut(self.channel, self.ts, self.callback_id)


class Read(Act):
    """Staff read what is sealed."""

    touchpoint: int

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.read(self.touchpoint)


class Submit(Act):
    """Staff send a modal."""

    view_id: str
    values: dict[str, object] = Field(default_factory=dict)

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.submit(self.view_id, self.values)


class Dismiss(Act):
    """Staff close a modal."""

    view_id: str

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.dismiss(self.view_id)


class Pay(Act):
    """The client pays."""

    client: str
    invoice: str | None = None

    @override
    async def upon(self, desk: Desk) -> Answer:
        return await desk.pay(self.client, self.invoice)


ACTS: Final[Mapping[str, type[Act]]] = {
    act.__name__.lower(): act
    for act in (
        *(Turn, Golive, Text, Mail, Say, Click, Submit, Dismiss, Pay),
        *(Become, React, Shortcut, Read),
    )
}
