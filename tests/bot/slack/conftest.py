"""A small firm with one client who owes, for the cards and commands of Slack."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pytest
from sqlmodel import Session, col, select

from billing import ledger, vault
from billing.facts import AgreementDescribed, ClientDescribed, Fact, InvoiceIssued
from billing.keyring import Keyring
from billing.models import (
    Address,
    Client,
    Contact,
    Enrolment,
    EscalationCase,
    LegalEntity,
    LiveSwitch,
    Role,
    Staff,
    StaffRole,
)
from billing.store import Store
from comms import outreach, staff, timeline
from comms.models import Message, Purpose, Touchpoint
from comms.office import Office

T = TypeVar("T")
ADA, FINN, NOBODY = "U0ADA", "U0FINN", "U0NOBODY"
STAFF = {
    ADA: ("Ada Moss", "ada@firm.example", (Role.ACCOUNT_MANAGER,)),
    FINN: ("Finn Reed", "finn@firm.example", (Role.FINANCE,)),
    NOBODY: ("Zoe Vale", "zoe@firm.example", ()),
}


@dataclass
class Firm:
    """Rows of one firm; ``at`` moves its office to another moment."""

    store: Store
    office: Office

    def write(self, fn: Callable[[Session], T]) -> T:
        return self.store.write_now(fn)

    def at(self, days: int) -> Office:
        self.office = replace(self.office, now=self.office.now + dt.timedelta(days=days))
        return self.office

    def person(self, slack_user: str) -> int:
        with self.store.read() as session:
            return session.exec(select(Staff.id).where(Staff.slack_user == slack_user)).one()

    def client(self, name: str = "Northwind Trading") -> Client:
        with self.store.read() as session:
            return session.exec(select(Client).where(Client.name == name)).one()

    def describe(self, external_id: str, name: str, owner: str = "ada@firm.example") -> None:
        self.apply(
            ClientDescribed(
                source="csv", external_id=external_id, name=name, timezone="America/New_York",
                owner_email=owner, email=f"pay@{external_id}.example", phone="+12125550100",
                contact_name="Nora Lund",
            )
        )  # fmt: skip

    def bill(self, external_id: str, number: str, overdue: int, amount: int = 31000) -> None:
        due = self.office.now.date() - dt.timedelta(days=overdue)
        self.apply(
            InvoiceIssued(
                source="csv", client_external_id=external_id, number=number, amount=amount,
                currency="USD", issued_on=due - dt.timedelta(days=30), due_on=due,
            )
        )  # fmt: skip

    def agree(self, external_id: str) -> None:
        self.apply(
            AgreementDescribed(
                source="csv", client_external_id=external_id, external_id="A-1", kind="retainer",
                name="Retainer 2026", amount=500000, currency="USD",
                renews_on=self.office.now.date() + dt.timedelta(days=20),
            )
        )  # fmt: skip

    def apply(self, fact: Fact) -> None:
        key = f"client:{fact.key}"
        self.office.keyring.make([key], self.office.now)
        self.write(lambda s: ledger.apply(s, fact, self.office.now, iter([key])))

    def advance(self) -> None:
        self.write(lambda s: outreach.advance_client(s, self.office, self.client().id))

    def escalate(self, name: str = "Northwind Trading") -> tuple[int, int]:
        """Open a case for the client; its id, and that of the message that shows it."""

        def opened(session: Session) -> tuple[int, int]:
            client = self.client(name)
            query = select(Enrolment).where(
                Enrolment.client_id == client.id, Enrolment.sequence == "dunning"
            )
            enrolment = session.exec(query).one()
            case = EscalationCase(
                enrolment_id=enrolment.id, episode=1, client_id=client.id,
                owner_id=client.owner_id, opened_at=self.office.now,
            )  # fmt: skip
            session.add(case)
            session.flush()
            notice = staff.Notice(
                key=f"escalation:{case.id}:1", purpose=Purpose.ESCALATION, template="escalation",
                to=ADA, client_id=client.id, subject=("case", case.id),
            )  # fmt: skip
            message_id = staff.tell(session, self.office, notice)
            assert message_id is not None
            return case.id, message_id

        return self.write(opened)

    def wrote(self, visible: str, did: str = "", subject: str = "", doubtful: str = "") -> int:
        """The client wrote by SMS; the touchpoint."""

        def kept(session: Session) -> int:
            client = session.get_one(Client, self.client().id)
            contact = session.exec(select(Contact).where(Contact.client_id == client.id)).one()
            address = session.exec(select(Address).where(Address.kind == "sms")).first()
            said = {"subject": subject, "visible": visible, "body": visible, "did": did}
            said |= {"doubtful": doubtful}
            body_id = vault.put(
                session, self.office.keyring, client.key_id, json.dumps(said), self.office.now
            )
            touchpoint = Touchpoint(
                client_id=client.id, channel="sms", direction="in", kind="message",
                contact_id=contact.id, address_id=address.id if address else None, body_id=body_id,
                occurred_at=self.office.now, recorded_at=self.office.now,
            )  # fmt: skip
            return timeline.append(session, touchpoint).id

        return self.write(kept)

    def change(self, model: type[Any], row_id: int, **values: object) -> None:
        def changed(session: Session) -> None:
            session.get_one(model, row_id).sqlmodel_update(values)

        self.write(changed)

    def told(self, template: str) -> list[Message]:
        with self.store.read() as session:
            query = select(Message).where(Message.template == template).order_by(col(Message.id))
            return list(session.exec(query))


@pytest.fixture
def firm(store: Store, keyring: Keyring, office: Office) -> Firm:
    """Northwind Trading owes INV-1 for 62 days and belongs to Ada; all is live."""
    firm = Firm(store, office)

    def establish(session: Session) -> None:
        session.add(
            LegalEntity(
                name="Harrow Law", postal_address="12 Tanner Row, Albany", phone="+15005550006",
                from_address="accounts@harrow.example", pay_link="https://pay.example/h",
            )
        )  # fmt: skip
        session.add(LiveSwitch(state="open", changed_at=office.now))
        for slack_user, (name, email, roles) in STAFF.items():
            person = Staff(name=name, email=email, slack_user=slack_user)
            session.add(person)
            session.flush()
            for role in roles:
                session.add(StaffRole(staff_id=person.id, role=role, granted_at=office.now))

    firm.write(establish)
    firm.describe("northwind", "Northwind Trading")
    firm.bill("northwind", "INV-1", overdue=62)
    return firm
