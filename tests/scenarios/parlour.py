"""A firm whose clients write back, with a member of staff who reads it: for the scenarios."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlmodel import col, select

from billing.models import Promise, Role, Staff, StaffRole
from bot.report import silent
from bot.sandbox.workspace import Post
from bot.staff import tasks
from comms.models import Message, Purpose, State, Task, Touchpoint
from tests import factories
from tests.bot import telling
from tests.conftest import Database
from tests.factories import CLIENTS, FINANCE, SENDER
from tests.scenarios.test_money import Stage, address, bill, client

ADA, FINN = "U0ADA", "U0FINN"
OWNER = "ada@harrow.example"
STAFF = (
    (ADA, "Ada Moss", OWNER, Role.ACCOUNT_MANAGER),
    (FINN, "Finn Reed", "finn@harrow.example", Role.FINANCE),
)
GONE = (State.SENT, State.DELIVERED)


@dataclass
class Parlour(Stage):
    """The stage of the scenarios, with phones, mailboxes and Slack."""

    async def jump(self, days: int) -> None:
        """That much later, at noon: what was due on the way is done now."""
        await self.product.later(days=days)

    async def billed(
        self, name: str, number: str, amount: int = 500_000, days: int = 30, **more: Any
    ) -> None:
        """A client of Ada's with an invoice issued so many days ago."""
        await self.tell(
            client(name, owner_email=OWNER, **more), bill(self, name, number, amount, days=days)
        )

    async def texts(self, phone: str, words: str) -> str:
        """A phone writes to us; the carrier's id of the text."""
        before = set(self.product.twilio.messages)
        assert await self.product.twilio.text(phone, SENDER, words) == 200
        await self.product.settle()
        texts = self.product.twilio.messages
        (sid,) = [one for one in set(texts) - before if texts[one].direction == "inbound"]
        return sid

    async def mails(self, name: str, words: str) -> None:
        """A client's mailbox answers."""
        status = await self.product.mail.write(
            address(name), "accounts@harrow.example", "Re: Reminder", words
        )
        assert status == 200
        await self.product.settle()

    async def says(self, name: str, intent: str, **more: Any) -> list[bool]:
        """Another system tells what a client meant."""
        told = {
            "type": "client_said", "external_id": f"{name}-{intent}-{self.moment()}",
            "intent": intent, "said_at": self.moment(),
        }  # fmt: skip
        who = {} if "message" in more else {"client_external_id": name}
        return await self.tell(told | who | more)

    async def clicks(self, room: str, words: str, action: str, user: str = ADA) -> str:
        """Somebody presses a button of the newest card with these words; what they then read."""
        post = [one for one in self.cards(room) if words in one.text and action in str(one)][-1]
        before = len(self.product.slack.messages(room))
        answer = await self.product.slack.click(user, room, post.ts, action)
        assert answer.status == 200, answer
        await self.product.settle()
        fresh = self.product.slack.messages(room)[before:]
        return " ".join(one.text for one in fresh if one.ephemeral_to == user)

    async def handled(self, what: str, outcome: str = "handled") -> list[str]:
        """``counterfoil handled``."""
        asked = {"what": what, "outcome": outcome, "by": "cli"}
        report = await tasks.handled(self.product.app, asked, silent)
        await self.product.settle()
        return list(report.lines)

    def cards(self, room: str) -> list[Post]:
        return list(self.product.slack.messages(room))

    @property
    def desk(self) -> str:
        """Where Ada reads."""
        return self.product.slack.workspace.im(ADA).id

    def gone(self, name: str) -> list[tuple[str, str]]:
        """The reminders that left, and by which way."""
        found = self.messages(name, Purpose.DUNNING)
        return [(one.template, one.channel) for one in found if one.state in GONE]

    def states(self, name: str, purpose: Purpose = Purpose.DUNNING) -> list[str]:
        return [one.state for one in self.messages(name, purpose)]

    def waiting(self, name: str) -> list[str]:
        """What waits for a person about a client."""
        with self.product.store.read() as session:
            found = tasks.listed(session, self.product.app.office(), name).data["tasks"]
        return [str(one["kind"]) for one in found]

    def task(self, name: str) -> Task:
        """The newest task of a client, done or not."""
        client_id = int(self.why(name)["id"])
        with self.product.store.read() as session:
            query = select(Task).where(Task.client_id == client_id).order_by(col(Task.id).desc())
            return session.exec(query).first()  # type: ignore[return-value]

    def outcomes(self, name: str) -> list[str]:
        """What became of a client's promises."""
        client_id = int(self.why(name)["id"])
        with self.product.store.read() as session:
            query = select(Promise.outcome).where(Promise.client_id == client_id)
            return list(session.exec(query.order_by(col(Promise.id))))

    def timeline(self, name: str) -> list[tuple[str, str, str]]:
        """Way, channel and kind of all that was said, in its order."""
        client_id = int(self.why(name)["id"])
        with self.product.store.read() as session:
            query = select(Touchpoint).where(Touchpoint.client_id == client_id)
            found = session.exec(query.order_by(col(Touchpoint.seq))).all()
        return [(one.direction, one.channel, one.kind) for one in found]

    def texts_at(self, phone: str) -> list[str]:
        """What lies on a phone."""
        return [one.body for one in self.product.twilio.phones[phone] if one.direction == "in"]

    def message(self, message_id: int) -> Message:
        return factories.message(self.product.store, message_id)


def database_in(folder: Path, template: Path) -> Database:
    """A migrated SQLite store of a module's own."""
    shutil.copy(template, folder / "store.db")
    return Database(f"sqlite:///{folder / 'store.db'}", f"sqlite:///{folder / 'keys.db'}")


async def open_parlour(
    database: Database, folder: Path, policy: str = ""
) -> AsyncIterator[Parlour]:
    """The running product, on a Tuesday at noon."""
    file = folder / "policy.toml"
    file.write_text(policy)
    async with telling.listening(database, folder, policy_file=file) as product:
        for user, name, email, _ in STAFF:
            product.slack.add_user(user, name, email)
            for room in (CLIENTS, FINANCE):
                product.slack.workspace.channels[room].members.add(user)
        now = product.clock.now()

        def hire(session: Any) -> None:
            for user, name, email, role in STAFF:
                person = Staff(name=name, email=email, slack_user=user)
                session.add(person)
                session.flush()
                session.add(StaffRole(staff_id=person.id, role=role, granted_at=now))

        product.write(hire)
        yield Parlour(product, await telling.token(product))
