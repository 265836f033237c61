"""How does the sandbox's page see and move the world?

Everything that a person does at the page goes through the wire, as in life: a text through the
carrier, a mail through the mail server, a click through Slack. One thing is done at a time.
"""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import unquote

from sqlmodel import Session, select

from billing import accounts, calendar
from billing.facts import PaymentSettled, joined
from billing.models import Client, ExternalRef, LegalEntity, Staff
from bot.custody import privilege
from bot.report import Wrong, silent
from bot.sandbox import almanac, portrait, snapshot, why
from bot.sandbox.chronicle import ROUTINE, Chronicle
from bot.sandbox.loopback import Answer as Wire
from bot.sandbox.page import Answer, Refused, Unknown
from bot.sandbox.workspace import Refusal
from bot.sandbox.world import SOURCE, World, slack_id

STEPS: Final = {
    "hour": dt.timedelta(hours=1),
    "day": dt.timedelta(days=1),
    "week": dt.timedelta(days=7),
}
FURTHEST: Final = dt.timedelta(days=400)
VIEWER: Final = slack_id("ruth")
"""Who sits before Slack at first: the administrator."""
ON_THE_WIRE: Final = "Something is on the wire; turn the clock again when it has landed."


class SandboxDesk:
    """The page's desk over a running world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._started = world.clock.now()
        self._lock = asyncio.Lock()
        self._chronicle = Chronicle(world.app)
        self._chronicle.skip_history()
        self._picture = snapshot.Picture(-1)
        self._seen: dict[int, int] = {}
        self._read: dict[str, int] = {}
        self._paid = 0
        self._viewer = VIEWER
        self._almanac: tuple[tuple[int, dt.datetime, int], Answer] | None = None

    # --- looking ----------------------------------------------------------------------------------

    def snapshot(self, client: str | None) -> Answer:
        """See ``page.Desk``."""
        world = self._world
        revision = world.revision
        with world.app.store.read() as session:
            if self._picture.revision != revision:
                self._picture = snapshot.picture(session, world)
                self._chronicle.read()
            found = self._picture
            chosen = self._chosen(session, client)
            selected = portrait.portrait(session, world, chosen) if chosen else None
            unread = snapshot.unread(session, self._seen)
        if selected is not None and chosen is not None:
            selected["held"] = [one for one in found.held if one["client"] == chosen.name]
        return {
            "revision": revision,
            "clock": snapshot.clock(world, found, busy=self._lock.locked(), started=self._started),
            "live": found.live,
            "clients": [one | {"unread": unread[found.ids[one["id"]]]} for one in found.clients],
            "selected": selected,
            "slack": snapshot.slack(world, self._viewer, found, self._read),
            "held": found.held,
            "sealed": found.sealed,
            "story": self._story(),
            "totals": found.totals,
        }

    def _chosen(self, session: Session, name: str | None) -> Client | None:
        """The client of this name, or the one with the most overdue; looking is reading."""
        found = self._picture
        if not found.clients:
            return None
        if name is None:
            fair = max(found.clients, key=_overdue)
            return session.get_one(Client, found.ids[fair["id"]])
        client = session.get_one(Client, self._id(name))
        self._seen[client.id] = portrait.last_word(session, client.id)
        return client

    def _id(self, name: str) -> int:
        if name not in self._picture.ids:
            raise Unknown(f"There is no client called {name}.")
        return self._picture.ids[name]

    def _story(self) -> list[dict[str, object]]:
        lines = [line for line in self._chronicle.lines if line.rule not in ROUTINE]
        return [
            {"at": line.at.isoformat(), "line": line.sentence, "kind": line.kind}
            for line in lines[-snapshot.STORY :]
        ]

    async def why(self, kind: str, id: str) -> Answer:  # noqa: A002 - the protocol's word
        """See ``page.Desk``."""
        with self._world.app.store.read() as session:
            found = why.told(session, self._world.app, kind, id)
        if found is None:
            raise Unknown(f"There is no {kind} called {id}.")
        return found

    async def calendar(self, days: int) -> Answer:
        """See ``page.Desk``: the days are lived through on another thread, once for a revision."""
        asked = self._world.revision, self._world.clock.now(), days
        if self._almanac is None or self._almanac[0] != asked:
            found = await asyncio.to_thread(almanac.almanac, self._world.app, days)
            self._almanac = asked, found | {"revision": asked[0]}
        return self._almanac[1]

    def changed(self) -> AsyncIterator[int]:
        """See ``page.Desk``."""
        return self._world.changes()

    # --- moving -----------------------------------------------------------------------------------

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[World]:
        """One action at a time; whatever it did, everybody looks again."""
        async with self._lock:
            channels = self._world.slack.workspace.channels.values()
            self._read = {channel.id: len(channel.messages) for channel in channels}
            try:
                yield self._world
            finally:
                await self._world.settle()
                self._world.changed()

    async def turn(self, to: str) -> Answer:
        """See ``page.Desk``."""
        if self._lock.locked():
            raise Refused(ON_THE_WIRE)
        async with self._alone() as world:
            before = world.revision
            await world.turn(self._until(to))
            return {"moment": world.clock.now().isoformat(), "news": world.revision - before}

    def _until(self, to: str) -> dt.datetime:
        now = self._world.clock.now()
        if to == "next":
            moment = self._world.next_moment()
            if moment is None:
                raise Refused("Nothing is due any more: write something, or pay something.")
            return max(moment, now)
        if to in STEPS:
            return now + STEPS[to]
        moment = dt.datetime.fromisoformat(to)
        if moment < now:
            raise Refused(f"The clock stands at {now:%-d %b %Y, %H:%M} UTC and cannot go back.")
        if moment - now > FURTHEST:
            raise Refused(f"Turn it by at most {FURTHEST.days} days at once.")
        return moment

    async def golive(self, open_: bool) -> Answer:  # noqa: FBT001 - the protocol's switch
        """See ``page.Desk``."""
        async with self._alone() as world:
            await world.golive(open_=open_, by="Ruth")
        return {}

    async def text(self, phone: str, body: str) -> Answer:
        """See ``page.Desk``."""
        async with self._alone() as world:
            _taken(await world.texts(phone, body))
        return {}

    async def mail(self, mailbox: str, subject: str, body: str, in_reply_to: str | None) -> Answer:
        """See ``page.Desk``."""
        async with self._alone() as world:
            _taken(await world.mails(mailbox, subject, body, in_reply_to))
        return {}

    async def say(self, channel: str, text: str, thread: str | None) -> Answer:
        """See ``page.Desk``."""
        async with self._alone() as world:
            user = self._actor(channel)
            if text.startswith("/"):
                word, _, rest = text.partition(" ")
                _answered(await world.slack.command(user, channel, word, rest.strip()))
            else:
                await world.slack.say(user, channel, text, thread)
        return {}

    async def click(self, channel: str, ts: str, action_id: str, value: str) -> Answer:
        """See ``page.Desk``."""
        async with self._alone() as world:
            try:
                if channel == "view":
                    user = self._viewing(ts)
                    answer = await world.slack.click_view(user, ts, action_id, value)
                else:
                    user = self._actor(channel)
                    answer = await world.slack.click(user, channel, ts, action_id, value)
            except LookupError as error:
                raise Refused("That button is not there any more.") from error
            _answered(answer)
        return {}

    async def become(self, user: str) -> Answer:
        """See ``page.Desk``."""
        if user not in {one["id"] for one in self._picture.people}:
            raise Unknown("Nobody of the firm has that account.")
        self._viewer = user
        self._world.changed()
        return {}

    async def react(self, channel: str, ts: str, emoji: str) -> Answer:
        """See ``page.Desk``."""
        async with self._alone() as world:
            user, team = self._actor(channel), world.slack.workspace
            try:
                if not team.unreact(user, channel, ts, emoji):
                    await world.slack.react(user, channel, ts, emoji)
            except Refusal as error:
                raise Refused("Only messages that everybody sees can have an emoji.") from error
        return {}

    async def shortcut(self, channel: str, ts: str, callback_id: str) -> Answer:
        """See ``page.Desk``."""
        async with self._alone() as world:
            try:
                asked = world.slack.shortcut(self._actor(channel), channel, ts, callback_id)
                _answered(await asked)
            except Refusal as error:
                raise Refused("Only messages that everybody sees have that menu.") from error
        return {}

    async def read(self, touchpoint: int) -> Answer:
        """See ``page.Desk``: what `counterfoil privilege read` does."""
        async with self._alone() as world:
            with world.app.store.read() as session:
                who = select(Staff.email).where(Staff.slack_user == self._viewer)
                asked = {"touchpoint": touchpoint, "by": session.exec(who).one()}
            try:
                found = await privilege.read(world.app, asked, silent)
            except Wrong as error:
                raise Refused(str(error)) from error
        return {"lines": list(found.lines)}

    async def submit(self, view_id: str, values: Mapping[str, object]) -> Answer:
        """See ``page.Desk``."""
        async with self._alone() as world:
            typed: Any = values
            try:
                answer = await world.slack.submit(self._viewing(view_id), view_id, typed)
            except LookupError as error:
                raise Refused("That form is not open any more.") from error
            except ValueError as error:
                raise Refused(f"Slack does not send the form yet: {error}.") from error
            _answered(answer)
        said = json.loads(answer.body) if answer.body.strip().startswith("{") else {}
        return {"errors": said["errors"]} if said.get("response_action") == "errors" else {}

    async def dismiss(self, view_id: str) -> Answer:
        """See ``page.Desk``."""
        async with self._alone() as world:
            await world.slack.dismiss(self._viewing(view_id), view_id)
        return {}

    async def pay(self, client: str, invoice: str | None) -> Answer:
        """See ``page.Desk``."""
        async with self._alone() as world:
            with world.app.store.read() as session:
                payments = self._payments(session, self._id(client), invoice)
            if not payments:
                raise Refused("Nothing of that is open.")
            await world.tell(*payments)
        return {}

    def _payments(
        self, session: Session, client_id: int, number: str | None
    ) -> list[PaymentSettled]:
        """One payment for each open instalment that is meant."""
        client = session.get_one(Client, client_id)
        today = calendar.local_date(self._world.clock.now(), client.timezone)
        return [
            self._payment(session, client_id, debt, today)
            for debt in accounts.owed(session, client_id)
            if number in (None, debt.instalment.number)
        ]

    def _payment(
        self, session: Session, client_id: int, debt: accounts.Owed, today: dt.date
    ) -> PaymentSettled:
        self._paid += 1
        named = select(ExternalRef.external_id).where(
            ExternalRef.kind == "client",
            ExternalRef.target_id == client_id,
            ExternalRef.system == SOURCE,
        )
        key = session.exec(named).first() or ""
        return PaymentSettled(
            source=SOURCE,
            external_id=f"page-{self._paid}",
            client_external_id=unquote(key.removeprefix(joined(SOURCE, "client", ""))),
            legal_entity=session.get_one(LegalEntity, debt.legal_entity_id).name,
            amount=debt.instalment.open,
            currency=debt.currency,
            received_on=today,
            invoice_number=debt.instalment.number,
        )

    def _actor(self, channel: str) -> str:
        """Who acts in a channel: in a direct message whoever reads it, else the viewer."""
        place = self._world.slack.workspace.channels.get(channel)
        if place is None:
            raise Unknown("There is no such channel.")
        return place.im_with or self._viewer

    def _viewing(self, view_id: str) -> str:
        view = self._world.slack.workspace.views.get(view_id)
        if view is None:
            raise Unknown("That form is not open any more.")
        return view.user


def _overdue(client: Mapping[str, Any]) -> int:
    return sum(balance["overdue"] for balance in client["balances"])


def _taken(status: int) -> None:
    """A hook of the product answered this to what a client wrote."""
    if not 200 <= status < 300:
        raise Refused(f"The product did not take it: its hook answered {status or 'nothing'}.")


def _answered(answer: Wire) -> None:
    """The product answered this to Slack."""
    if not answer.accepted:
        raise Refused(f"Slack had no answer from the product ({answer.status or answer.body}).")
