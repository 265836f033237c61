"""A firm with the people who look after what it may say, and what can be seen of it."""

import datetime as dt
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import Session, col, select

from billing import policy
from billing.models import Client, Invoice, LegalEntity, OfferMade, Role, Staff, StaffRole
from billing.policy import Policy
from bot.sandbox.workspace import Post
from comms.models import Decision, Message, Purpose, Touchpoint
from tests import factories
from tests.bot import telling
from tests.factories import CLIENTS, FINANCE, MAIL_SECRET, MAILBOX, PHONE, SENDER, Known, Product

CLERK, CORA, CLEO = "U0CLERK", "U0CORA", "U0CLEO"
_numbers = itertools.count(1)
PEOPLE = (
    (CLERK, "Finn Clerk", "clerk@harrow.example", Role.FINANCE),
    (CORA, "Cora Counsel", "cora@harrow.example", Role.PRIVILEGED),
    (CLEO, "Cleo Rules", "cleo@harrow.example", Role.COMPLIANCE),
)


def ruled(*packs: str, base: str = "b2b_first_party") -> Policy:
    """The shipped policy with these add-ons over that pack."""
    text = f'[pack]\nname = "{base}"\nadd_ons = {json.dumps(list(packs))}\n'
    return policy.parse(text, "ours.toml")


@dataclass
class House:
    """The product with a client, staff in Slack, and everything that they can see."""

    product: Product
    known: Known

    def by(self, rules: Policy) -> None:
        self.product.app = replace(self.product.app, policy=rules)

    async def text(self, words: str, phone: str = PHONE) -> None:
        assert await self.product.twilio.text(phone, SENDER, words) == 200
        await self.product.settle()

    async def mail(self, words: str, subject: str = "Re: invoice", sender: str = MAILBOX) -> None:
        raw = (
            f"From: {sender}\r\nSubject: {subject}\r\nMessage-ID: <{words[:9]!r}@c>\r\n\r\n{words}"
        )
        await self.raw(raw)

    async def raw(self, raw: str) -> None:
        secret = {"Authorization": f"Bearer {MAIL_SECRET}"}
        assert await self.product.post("/hooks/email", raw.encode(), secret) == 200
        await self.product.settle()

    async def tell(self, *told: dict[str, Any]) -> None:
        """Another system tells facts, by the signed hook."""
        await telling.tell(self.product, f"msg_{next(_numbers)}", *told)

    async def types(self, user: str, words: str) -> Post:
        """Somebody types ``/acct …``; what only they then see."""
        await self.product.slack.command(user, FINANCE, "/acct", words)
        await self.product.settle()
        return self.seen(FINANCE, user)[-1]

    async def clicks(self, user: str, room: str, post: Post, action: str) -> str:
        before = len(self.product.slack.messages(room))
        await self.product.slack.click(user, room, post.ts, action)
        await self.product.settle()
        fresh = self.product.slack.messages(room)[before:]
        return " ".join(one.text for one in fresh if one.ephemeral_to == user)

    def seen(self, room: str, user: str) -> list[Post]:
        return [one for one in self.product.slack.messages(room) if one.ephemeral_to == user]

    def room(self, user: str) -> str:
        return self.product.slack.workspace.im(user).id

    def slack(self, room: str = CLIENTS) -> str:
        return repr([(one.text, one.blocks) for one in self.product.slack.messages(room)])

    def phone(self, number: str = PHONE) -> list[str]:
        texts = self.product.twilio.phones[number]
        return [one.body for one in texts if one.direction == "in"]

    def mails(self) -> list[Any]:
        return list(self.product.mail.mailboxes[MAILBOX])

    def messages(self, **where: object) -> list[Message]:
        return factories.messages(self.product.store, **where)

    def rules(self, message_id: int) -> list[str]:
        """What was decided of a message, in its order."""
        about = (Decision.subject_kind == "message", Decision.subject_id == message_id)
        with self.product.store.read() as session:
            query = select(Decision.rule).where(*about).order_by(col(Decision.id))
            return list(session.exec(query))

    def said(self) -> list[Touchpoint]:
        with self.product.store.read() as session:
            query = select(Touchpoint).where(Touchpoint.direction == "in")
            return list(session.exec(query.order_by(col(Touchpoint.id))))

    def client(self) -> Client:
        with self.product.store.read() as session:
            return session.get_one(Client, self.known.client_id)

    def offer(self, name: str = "offer") -> int:
        """An offer waits to go by mail; the message's id."""

        def make(session: Session) -> int:
            entity = session.exec(select(LegalEntity.id)).one()
            made = OfferMade(
                client_id=self.known.client_id, legal_entity_id=entity, name=name, trigger="hand",
                cause=f"hand:{next(_numbers)}", offered_at=self.now,
            )  # fmt: skip
            session.add(made)
            session.flush()
            keyring = self.product.app.keyring
            return factories.note(
                session, keyring, self.known, self.now, channel="email", purpose=Purpose.OFFER,
                template=name, subject_kind="offer", subject_id=made.id, draft_id=None,
            )  # fmt: skip

        return int(self.write(make))

    def matter(self, name: str) -> None:
        """The bills of the client are all about it."""

        def call(session: Session) -> None:
            for bill in session.exec(select(Invoice)):
                bill.matter = name

        self.write(call)

    def write(self, fn: Callable[[Session], Any]) -> Any:
        return self.product.write(fn)

    @property
    def now(self) -> dt.datetime:
        return self.product.clock.now()


def staffed(session: Session) -> None:
    for slack_user, name, email, role in PEOPLE:
        person = Staff(name=name, email=email, slack_user=slack_user)
        session.add(person)
        session.flush()
        session.add(
            StaffRole(staff_id=person.id, role=role, granted_at=factories.NOON, granted_by="test")
        )
