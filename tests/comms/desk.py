"""A firm with one client on SQLite: what is told of it, what it writes, and what leaves for it."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sqlmodel import Session, select

from billing import policy
from billing.keyring import Keyring
from billing.policy import Policy
from billing.store import Store
from bot import intake
from bot.bookings import Outcome
from bot.models import Incoming
from comms import consent, delivery, outbox, timeline
from comms.consent import Consent
from comms.facts import InboundMessage, Tellable
from comms.inbound import Letter
from comms.models import Message
from comms.office import Office
from comms.outbox import Claim
from comms.ports import Sent
from tests import factories
from tests.conftest import MASTER_KEY, Database
from tests.factories import NOON, Known

T = TypeVar("T")
SHIPPED = policy.default()


@dataclass
class Desk:
    """The firm's desk at a moment; ``now`` and ``policy`` may be turned."""

    store: Store
    keyring: Keyring
    known: Known
    policy: Policy = SHIPPED
    now: dt.datetime = NOON

    @property
    def office(self) -> Office:
        found: Office = factories.office(self.keyring, self.now, self.now)
        return replace(found, policy=self.policy)

    def act(self, fn: Callable[[Session], T]) -> T:
        return self.store.write_now(fn, clients=[self.known.client_id])

    def told(self, *said: Tellable) -> list[Outcome]:
        return self.act(lambda s: list(intake.take_told(s, self.office, said, [])))

    def hears(self, words: str, channel: str = "sms", **more: Any) -> None:
        """The client writes."""
        message = InboundMessage(
            channel=channel, external_id=f"M{self.now}{words}", body=words, visible=words,
            sender=self.known.phone if channel == "sms" else self.known.email,
            recipient=factories.SENDER, **more,
        )  # fmt: skip
        self.keyring.make([f"inbox:{self.now:%Y-%m-%d}"], self.now)

        def receive(session: Session) -> int | None:
            body = factories.sealed(session, self.keyring, words, self.now)
            row = Incoming(
                source=channel, external_id=message.external_id, received_at=self.now, body_id=body
            )
            session.add(row)
            session.flush()
            return intake.take_letter(session, self.office, Letter(message, row.id, body))

        self.store.write_now(receive, clients=intake.clients_of(message))

    def note(self, **given: Any) -> int:
        """A message that waits for the client."""
        return self.act(lambda s: factories.note(s, self.keyring, self.known, self.now, **given))

    def reminder(self) -> int:
        """The same, as the step of a ladder."""
        return self.act(lambda s: factories.reminder(s, self.office, self.known))

    def at(self, message_id: int) -> Message:
        return factories.message(self.store, message_id)

    def claim(self, message_id: int) -> Claim | None:
        return self.act(lambda s: factories.claim(s, self.office, message_id))

    def send(self, message_id: int) -> Claim:
        """All the way to the provider."""
        claimed = self.claim(message_id)
        assert claimed is not None, self.at(message_id).rule
        assert self.act(lambda s: outbox.begin_all(s, [claimed], self.now))
        self.act(lambda s: delivery.went(s, self.office, message_id, Sent(f"P{message_id}")))
        return claimed

    def held(self, channel: str = "sms") -> Consent:
        """What holds for the client's phone or mailbox."""
        with self.store.read() as session:
            return consent.of_address(session, self.known.address(channel) or 0)

    def rows(self, model: type[T]) -> list[T]:
        with self.store.read() as session:
            assert list(timeline.verify(session)) == []
            return list(session.exec(select(model)))


@contextmanager
def opened(store: Store, database: Database) -> Iterator[Desk]:
    with closing(Keyring(database.keyring_url, MASTER_KEY)) as keyring:
        store.write_now(lambda session: factories.firm(session, NOON))
        keyring.make([f"inbox:{NOON:%Y-%m-%d}"], NOON)
        known = store.write_now(lambda session: factories.client(session, keyring, NOON))
        yield Desk(store, keyring, known)
