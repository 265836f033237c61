"""What has happened since we last looked, as lines that people can read?

Read from the rows, never from what somebody meant to do: a line stands for a message that moved, a
decision, money that moved and what stands against it, a client's words, a hold or a turn of the
switch.
"""

import datetime as dt
import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import func
from sqlmodel import Session, SQLModel, col, select

from billing import vault
from billing.models import Client, Hold, Invoice, LiveSwitch, Staff
from bot.app import App
from bot.reasons.naming import called, way
from bot.sandbox.dealings import Dealings
from comms import outbox, seals
from comms.compliance.clearance import Reader, Sink
from comms.models import Access, Attempt, Audience, Decision, Message, Purpose, State, Touchpoint

ROUTINE = frozenset({"quiet_hours", "thread_pending", "throttled", "retry"})
"""Waits that end by themselves within a day; who tells a story counts them only."""
_GONE = (State.SENT, State.DELIVERED)
_LONGEST = 240
_VERDICTS = {"defer": "held", "review": "awaiting", "withhold": "withheld", "cancel": "cancelled"}
Row = TypeVar("Row", bound=SQLModel)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened; ``kind`` is a word such as sent, held, released or paid."""

    at: dt.datetime
    kind: str
    channel: str
    who: str
    what: str
    rule: str = ""
    message_id: int | None = None

    @property
    def sentence(self) -> str:
        """Where one column must do."""
        by = f" by {way(self.channel)}" if self.channel and self.kind not in _TO_STAFF else ""
        said = _SAID.get(self.kind, "{kind} for {who}{by}: {what}")
        kind = self.kind.replace("_", " ").capitalize()
        return said.format(kind=kind, who=self.who, by=by, what=self.what)


_LOOKED = {
    "read": "has read what is sealed; the look is on the chain",
    "sealed": "has sealed what they wrote",
    "unsealed": "has taken the seal off",
}
_TO_STAFF = ("escalated", "thread", "alert", "updated")
_DEALINGS = ("paid", "now", "answered", "share", "took back", "gave back", *_LOOKED)
_SAID = {
    "sent": "Sent to {who}{by}: {what}",
    "released": "Released to {who}{by}: {what}",
    "withheld": "Withheld from {who}{by}: {what}",
    "wrote": "{who} wrote{by}: {what}",
    **dict.fromkeys(_DEALINGS, "{who}: {what}"),
    "door": "{who}: {what}",
    "escalated": "Escalated to {who}: {what}",
    "thread": "In {who}: {what}",
    "alert": "Alert to {who}: {what}",
    "updated": "Card of {who} updated: {what}",
}


class Chronicle:
    """The lines of one store so far; ``read`` adds what is new."""

    def __init__(self, app: App) -> None:
        self.lines: list[Line] = []
        self._app = app
        self._last: dict[type[SQLModel], int] = {}
        self._states: dict[int, str] = {}
        self._waited: dict[int, str] = {}
        self._doubted: set[int] = set()
        self._names: dict[int, str] = {}
        self._dealings = Dealings()

    def skip_history(self) -> None:
        """What happened before the import is no news."""
        with self._app.store.read() as session:
            self._dealings.read(session, self._app.office())

    def read(self) -> Sequence[Line]:
        """Look at the rows; return the lines that are new, the oldest first."""
        with self._app.store.read() as session:
            found = [
                *self._switches(session),
                *self._dealt(session),
                *self._words(session),
                *self._decisions(session),
                *self._doubts(session),
                *self._messages(session),
                *self._holds(session),
                *self._looks(session),
            ]
        found.sort(key=lambda line: line.at)
        self.lines += found
        return found

    def _fresh(self, session: Session, model: type[Row]) -> list[Row]:
        """The rows that were not there last time; they are never removed."""
        number: Any = col(model.id)  # type: ignore[attr-defined]
        query = select(model).where(number > self._last.get(model, 0)).order_by(number)
        rows = list(session.exec(query))
        if rows:
            self._last[model] = rows[-1].id  # type: ignore[attr-defined]
        return rows

    def _name(self, session: Session, client_id: int | None) -> str:
        if client_id is None:
            return "somebody unknown"
        if client_id not in self._names:
            self._names[client_id] = session.get_one(Client, client_id).name
        return self._names[client_id]

    def _switches(self, session: Session) -> Iterator[Line]:
        for switch in self._fresh(session, LiveSwitch):
            said = "messages may leave" if switch.state == "open" else "nothing leaves any more"
            who = switch.changed_by or "Counterfoil"
            yield Line(switch.changed_at, "door", "", who, f"the door is {switch.state}: {said}")

    def _dealt(self, session: Session) -> Iterator[Line]:
        for news in self._dealings.read(session, self._app.office()):
            yield Line(news.at, news.kind, "", self._name(session, news.client_id), news.what)

    def _words(self, session: Session) -> Iterator[Line]:
        for touchpoint in self._fresh(session, Touchpoint):
            if touchpoint.direction != "in":
                continue
            said = seals.words(session, self._app.office(), touchpoint, Reader(Sink.CHANNEL))
            did = f" ({said['did']})" if said.get("did") else ""
            words = _clip(said.get("visible", ""))
            what = f"“{words}”{did}"
            if "sealed" in said:
                what = f"{said['sealed']}" + (f" May be known: “{words}”" if words else "")
            who = self._name(session, touchpoint.client_id)
            yield Line(touchpoint.recorded_at, "wrote", touchpoint.channel, who, what)

    def _decisions(self, session: Session) -> Iterator[Line]:
        """What the door held back, and why; what it let pass shows when it is sent."""
        fresh = [one for one in self._fresh(session, Decision) if one.subject_kind == "message"]
        for decision in fresh:
            if decision.verdict not in _VERDICTS:
                continue
            message = session.get_one(Message, decision.subject_id)
            if decision.rule not in ROUTINE:
                self._waited.setdefault(message.id, decision.rule)
            reason = vault.text(session, self._app.keyring, decision.reason_id)
            yield Line(
                decision.decided_at,
                _VERDICTS[decision.verdict],
                message.channel,
                self._name(session, message.client_id),
                f"{called(message)}: {_clip(reason)}",
                decision.rule,
                message.id,
            )

    def _doubts(self, session: Session) -> Iterator[Line]:
        for attempt in self._fresh(session, Attempt):
            if attempt.outcome == "started":  # on the wire just now: look at it again next time
                self._last[Attempt] = attempt.id - 1
                return
            message = session.get_one(Message, attempt.message_id)
            if attempt.outcome != "in_doubt" or message.claimed_at is None:
                continue
            self._doubted.add(message.id)
            who = self._name(session, message.client_id)
            what = f"{called(message)}: no answer came; nobody sends it again before there is proof"
            yield Line(message.claimed_at, "in_doubt", message.channel, who, what, "in_doubt")

    def _messages(self, session: Session) -> Iterator[Line]:
        """Messages that left, failed or were cancelled since the last look."""
        columns = select(Message.id, Message.state).order_by(col(Message.id))
        moved = [one for one, state in session.exec(columns) if self._states.get(one) != state]
        for start in range(0, len(moved), 500):
            query = select(Message).where(col(Message.id).in_(moved[start : start + 500]))
            for message in session.exec(query.order_by(col(Message.id))):
                before = self._states.get(message.id)
                self._states[message.id] = message.state
                line = self._moved(session, message, before)
                if line is not None:
                    yield line

    def _moved(self, session: Session, message: Message, before: str | None) -> Line | None:
        if message.state in _GONE and before not in _GONE and message.sent_at is not None:
            return self._sent(session, message, message.sent_at)
        who = self._name(session, message.client_id)
        now = self._app.clock.now()
        if message.state == State.FAILED:
            now = now if before in _GONE or message.claimed_at is None else message.claimed_at
            what = f"{called(message)}: {message.reason}"
            return Line(now, "failed", message.channel, who, what, message.rule, message.id)
        told = message.rule in ("opted_out", "superseded", "too_late")
        if message.state == State.CANCELLED and told:
            what = f"{called(message)}: {message.reason}"
            now = _successor(session, message) or now
            return Line(now, "cancelled", message.channel, who, what, message.rule, message.id)
        return None

    def _sent(self, session: Session, message: Message, at: dt.datetime) -> Line | None:
        gone = outbox.rendered(session, self._app.keyring, message)
        text = _clip((gone.subject or gone.text) if gone else called(message))
        if message.audience != Audience.CLIENT:
            if message.purpose == Purpose.THREAD:
                return None
            who = self._reader(session, message.destination)
            kind = _staff_kind(message)
            return Line(at, kind, message.channel, who, text, message.template, message.id)
        who = self._name(session, message.client_id)
        rule = self._waited.get(message.id, "")
        kind = "released" if rule else "sent"
        if message.id in self._doubted:
            kind, text = "proved", f"the provider has it, so it is not sent again: {text}"
        return Line(at, kind, message.channel, who, text, rule, message.id)

    def _reader(self, session: Session, destination: str) -> str:
        settings = self._app.settings
        rooms = {
            settings.slack_finance_channel: "#finance",
            settings.slack_clients_channel: "#clients",
        }
        if destination in rooms:
            return rooms[destination]
        name = session.exec(select(Staff.name).where(Staff.slack_user == destination)).first()
        return name or destination

    def _holds(self, session: Session) -> Iterator[Line]:
        for hold in self._fresh(session, Hold):
            who = self._name(session, hold.client_id)
            invoice = session.get(Invoice, hold.invoice_id) if hold.invoice_id else None
            about = f" about {invoice.number}" if invoice else ""
            until = f" until {hold.until:%-d %b}" if hold.until else ""
            by = session.exec(select(Staff.name).where(Staff.email == hold.placed_by)).first()
            who_says = f", says {by or hold.placed_by}" if hold.placed_by else ""
            unread = ", or until somebody has read it" if hold.reason == "reply" else ""
            what = f"no reminders{about}{until}{unread}{who_says}"
            yield Line(hold.placed_at, hold.reason, "", who, what, hold.reason)

    def _looks(self, session: Session) -> Iterator[Line]:
        """Who sealed, unsealed or read what is sealed."""
        for look in self._fresh(session, Access):
            if look.change not in _LOOKED or look.touchpoint_id is None:
                continue
            by = session.exec(select(Staff.name).where(Staff.email == look.by)).first()
            what = f"{by or look.by} {_LOOKED[look.change]}"
            yield Line(look.occurred_at, look.change, "", self._name(session, look.client_id), what)


def _successor(session: Session, message: Message) -> dt.datetime | None:
    """When the message was made that took the place of this one."""
    if message.rule != "superseded":
        return None
    query = select(func.min(Message.created_at)).where(
        Message.subject_kind == message.subject_kind,
        Message.subject_id == message.subject_id,
        col(Message.id) > message.id,
    )
    return session.exec(query).one()


def _staff_kind(message: Message) -> str:
    if message.updates_id is not None:
        return "updated"
    return {Purpose.ESCALATION: "escalated", Purpose.INBOUND: "thread"}.get(
        Purpose(message.purpose), "alert"
    )


def _clip(text: str) -> str:
    flat = " ".join(html.unescape(text).split())
    return flat if len(flat) <= _LONGEST else f"{flat[: _LONGEST - 1]}…"
