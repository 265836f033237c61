"""Which message follows from the state of a sequence? The only place where that happens.

``advance`` looks at one enrolment, asks the pure rule, and writes down what it said: a step taken
and its message queued, a case for the owner, or only when to look again.
"""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from sqlalchemy import func
from sqlmodel import Session, col, select

from billing import accounts, dunning, renewals
from billing.calendar import local_date, midnight
from billing.models import (
    Address,
    Agreement,
    AgreementState,
    Client,
    Contact,
    ContactAddress,
    Enrolment,
    EnrolmentState,
    EscalationCase,
    Health,
    PrimaryRecipient,
    StepListed,
    StepTaken,
    Verification,
)
from billing.models import Sequence as Ladder
from comms import consent, outbox, staff, timeline
from comms.models import UNSENT, Audience, Decision, Message, Purpose
from comms.office import Office

_SWEEP = dt.timedelta(minutes=15)
_ROUNDS = 12
"""More answers than any account gives in one look: a rule that never settles is a bug."""


def advance(session: Session, office: Office, enrolment: Enrolment) -> None:
    """Bring one enrolment to where it should stand now, its client being locked."""
    client = session.get_one(Client, enrolment.client_id)
    step = _dunning if enrolment.sequence == Ladder.DUNNING else _renewal
    enrolment.next_due_at = None
    for _ in range(_ROUNDS):
        if step(session, office, enrolment, client):
            return
    raise RuntimeError(f"enrolment {enrolment.id} does not settle")


def advance_client(session: Session, office: Office, client_id: int) -> None:
    """The same for every sequence of a client, and what waits for the client is judged anew."""
    for enrolment in session.exec(select(Enrolment).where(Enrolment.client_id == client_id)).all():
        advance(session, office, enrolment)
    outbox.wake_client(session, client_id, office.now)


# --- dunning --------------------------------------------------------------------------------------


def _dunning(session: Session, office: Office, enrolment: Enrolment, client: Client) -> bool:
    """One answer of the rule, written down; True when there is no more to ask now."""
    account = accounts.in_dunning(session, enrolment, client)
    decision = dunning.decide(account, office.now, office.policy)
    _note(session, office, enrolment, client, decision)
    match decision:
        case dunning.Cured():
            _close_case(session, office, enrolment, "paid")
            enrolment.episode += 1
            enrolment.state = EnrolmentState.ACTIVE
            return False
        case dunning.Credit(steps=steps):
            for credited in steps:
                taken = Taking(credited.step, "imported", sorted(credited.listed), credited.on)
                _take(session, office, enrolment, client, taken)
            return False
        case dunning.Send():
            _remind(session, office, enrolment, client, decision)
            return False
        case dunning.Escalate():
            _escalate(session, office, enrolment, client, decision)
            return False
        case dunning.Wait() | dunning.Held() | dunning.Idle() | dunning.Exhausted():
            # A step that waits at the door wakes its sequence itself, when it has left or failed.
            waits = decision.rule == "step_queued"
            enrolment.next_due_at = None if waits else decision.look_again
            return True
    assert_never(decision)


def _remind(
    session: Session, office: Office, enrolment: Enrolment, client: Client, decision: dunning.Send
) -> None:
    taken = Taking(decision.step, "queued", [instalment.id for instalment in decision.listed])
    step = _take(session, office, enrolment, client, taken)
    contact = recipient(session, client.id, "billing")
    channel, address = reachable(session, office, contact, decision.channels)
    message = _reminder(office, enrolment, step, (contact, channel, address))
    message.template = decision.template
    outbox.queue(session, message)


def _escalate(
    session: Session, office: Office, enrolment: Enrolment, client: Client,
    decision: dunning.Escalate,
) -> None:  # fmt: skip
    taken = Taking(decision.step, "escalated", [instalment.id for instalment in decision.listed])
    _take(session, office, enrolment, client, taken)
    enrolment.state = EnrolmentState.ESCALATED
    case = EscalationCase(
        enrolment_id=enrolment.id,
        episode=enrolment.episode,
        client_id=client.id,
        owner_id=client.owner_id,
        opened_at=office.now,
    )
    session.add(case)
    session.flush()
    if _imported(office, client) and _listed(session, office, client):
        return
    staff.tell(
        session,
        office,
        staff.Notice(
            key=f"escalation:{case.id}:{case.revision}",
            purpose=Purpose.ESCALATION,
            template="escalation",
            to=staff.desk_of(session, office, client.owner_id),
            client_id=client.id,
            subject=("case", case.id),
        ),
    )


def _imported(office: Office, client: Client) -> bool:
    today = local_date(office.now, client.timezone)
    return client.imported_on is not None and client.imported_on >= today - dt.timedelta(days=1)


def _listed(session: Session, office: Office, client: Client) -> bool:
    """What was old before we came arrives as one list per desk, not as a burst of cards.

    The list waits until the sweep after the import is through; a case that comes after it has left
    gets a card of its own.
    """
    desk = staff.desk_of(session, office, client.owner_id)
    notice = staff.Notice(
        key=f"imported:{desk}:{client.imported_on}",
        purpose=Purpose.ESCALATION,
        template="imported_cases",
        to=desk,
        subject=("owner", client.owner_id),
    )
    staff.tell(session, office, notice, office.now + _SWEEP)
    state = session.exec(select(Message.state).where(Message.key == notice.key)).one()
    return state in UNSENT


def _close_case(session: Session, office: Office, enrolment: Enrolment, outcome: str) -> None:
    case = session.exec(
        select(EscalationCase).where(
            EscalationCase.enrolment_id == enrolment.id,
            EscalationCase.episode == enrolment.episode,
            EscalationCase.state == "open",
        )
    ).first()
    if case is not None:
        close_case(session, office, case, outcome, "")


def close_case(
    session: Session, office: Office, case: EscalationCase, outcome: str, by: str
) -> None:
    """End a case; the card that announced it is updated in place."""
    case.state, case.outcome, case.closed_at, case.closed_by = "closed", outcome, office.now, by
    refresh_case(session, office, case)


def refresh_case(session: Session, office: Office, case: EscalationCase) -> None:
    """Show the case anew where it was shown before."""
    first = session.exec(
        select(Message).where(Message.subject_kind == "case", Message.subject_id == case.id)
        .order_by(col(Message.id))
    ).first()  # fmt: skip
    case.revision += 1
    session.add(case)
    if first is not None:
        staff.tell(
            session,
            office,
            staff.Notice(
                key=f"escalation:{case.id}:{case.revision}",
                purpose=Purpose.ESCALATION,
                template="escalation",
                to=first.destination,
                client_id=case.client_id,
                subject=("case", case.id),
                updates_id=first.id,
            ),
        )


# --- renewal --------------------------------------------------------------------------------------


def _renewal(session: Session, office: Office, enrolment: Enrolment, client: Client) -> bool:
    fact = accounts.in_renewal(session, enrolment)
    today = local_date(office.now, client.timezone)
    late = accounts.overdue(session, client.id, today)
    decision = renewals.decide(fact, late, office.now, office.policy, client.timezone)
    _note(session, office, enrolment, client, decision)
    match decision:
        case renewals.Send(step=number) | renewals.Held(step=number):
            # A notice that must wait is queued as well: the door holds it, where people see it.
            _give_notice(session, office, enrolment, client, number)
            return False
        case renewals.Late():
            _lapse(session, office, enrolment, client)
            return True
        case renewals.Wait() | renewals.Idle():
            enrolment.next_due_at = decision.look_again
            return True
    assert_never(decision)


def _give_notice(
    session: Session, office: Office, enrolment: Enrolment, client: Client, number: int
) -> None:
    """Queue a notice; one that was held until now is superseded, so that no burst follows."""
    rung = office.policy.renewal.steps[number - 1]
    agreement = session.get_one(Agreement, enrolment.agreement_id)
    superseded = outbox.about("agreement", agreement.id)
    outbox.cancel(session, superseded, "superseded", "A later notice takes its place.")
    step = _take(session, office, enrolment, client, Taking(number, "queued"))
    contact = recipient(session, client.id, "renewal")
    channel, address = reachable(session, office, contact, rung.channels)
    message = _reminder(office, enrolment, step, (contact, channel, address))
    message.purpose = Purpose.RENEWAL
    message.template = rung.template
    message.subject_kind, message.subject_id = "agreement", agreement.id
    message.expires_at = midnight(agreement.renews_on, client.timezone)
    outbox.queue(session, message)


def _lapse(session: Session, office: Office, enrolment: Enrolment, client: Client) -> None:
    """The day has passed without a renewal: the owner is told, the client hears nothing late."""
    agreement = session.get_one(Agreement, enrolment.agreement_id)
    agreement.state = AgreementState.LAPSED
    enrolment.state = EnrolmentState.ENDED
    staff.tell(
        session,
        office,
        staff.Notice(
            key=f"renewal_late:{enrolment.id}:{agreement.renews_on}",
            purpose=Purpose.ALERT,
            template="renewal_late",
            to=staff.desk_of(session, office, client.owner_id),
            client_id=client.id,
            subject=("agreement", agreement.id),
        ),
    )


# --- what both need -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taking:
    """A step that is being taken: which, how, what it names, and its day if not today."""

    step: int
    how: str
    listed: Sequence[int] = ()
    on: dt.date | None = None


def _take(
    session: Session, office: Office, enrolment: Enrolment, client: Client, taking: Taking
) -> StepTaken:
    """Write the step down, as the next round of its number in this episode."""
    rounds = session.exec(
        select(func.coalesce(func.max(StepTaken.round), 0)).where(
            StepTaken.enrolment_id == enrolment.id,
            StepTaken.episode == enrolment.episode,
            StepTaken.step == taking.step,
        )
    ).one()
    step = StepTaken(
        enrolment_id=enrolment.id,
        episode=enrolment.episode,
        step=taking.step,
        round=rounds + 1,
        how=taking.how,
        taken_on=taking.on or local_date(office.now, client.timezone),
        taken_at=office.now,
    )
    session.add(step)
    session.flush()
    for instalment_id in taking.listed:
        session.add(StepListed(step_taken_id=step.id, instalment_id=instalment_id))
    enrolment.policy_version = office.policy.version
    session.flush()
    return step


def _step_key(enrolment: Enrolment, step: StepTaken, contact: Contact | None, channel: str) -> str:
    who = contact.id if contact else 0
    return f"step:{enrolment.id}:{step.episode}:{step.step}:{step.round}:{who}:{channel}"


Reached = tuple[Contact | None, str, Address | None]
"""Whom a message is for, on which channel, and the address there."""


def _reminder(office: Office, enrolment: Enrolment, step: StepTaken, to: Reached) -> Message:
    """A step's message to the client, about the debt unless its caller says otherwise."""
    contact, channel, address = to
    return Message(
        key=_step_key(enrolment, step, contact, channel),
        reference="",
        audience=Audience.CLIENT,
        channel=channel,
        purpose=Purpose.DUNNING,
        template="",
        client_id=enrolment.client_id,
        legal_entity_id=enrolment.legal_entity_id,
        contact_id=contact.id if contact else None,
        address_id=address.id if address else None,
        subject_kind="enrolment",
        subject_id=enrolment.id,
        step_id=step.id,
        send_after=office.now,
        created_at=office.now,
    )


def elsewhere(session: Session, office: Office, message: Message) -> bool:
    """The same step on another channel of its rung, after one could not be used."""
    step = session.get_one(StepTaken, message.step_id)
    enrolment = session.get_one(Enrolment, step.enrolment_id)
    contact = session.get(Contact, message.contact_id) if message.contact_id else None
    renewal = enrolment.sequence == Ladder.RENEWAL
    rungs = office.policy.renewal.steps if renewal else office.policy.dunning.steps
    others = [one for one in rungs[step.step - 1].channels if one != message.channel]
    if not others or contact is None:
        return False
    channel, address = reachable(session, office, contact, others)
    if address is None or not _usable(session, office, address):
        return False
    again = _reminder(office, enrolment, step, (contact, channel, address))
    told = {"purpose", "template", "subject_kind", "subject_id", "expires_at"}
    again.sqlmodel_update(message.model_dump(include=told))
    return outbox.queue(session, again) is not None


def recipient(session: Session, client_id: int, topic: str) -> Contact | None:
    """The one person of a client who is written to about a topic."""
    primary = session.get(PrimaryRecipient, (client_id, topic))
    return session.get(Contact, primary.contact_id) if primary else None


def reachable(
    session: Session, office: Office, contact: Contact | None, channels: Sequence[str]
) -> tuple[str, Address | None]:
    """The first channel on which the person may be written to, and the address there.

    Where there is none, the first channel with what is known: the door then says what is wrong.
    """
    known = [(channel, _addresses(session, contact, channel)) for channel in channels]
    for channel, addresses in known:
        for address in addresses:
            if _usable(session, office, address):
                return channel, address
    channel, addresses = next((pair for pair in known if pair[1]), known[0])
    return channel, addresses[0] if addresses else None


def _addresses(session: Session, contact: Contact | None, kind: str) -> Sequence[Address]:
    if contact is None:
        return ()
    query = (
        select(Address)
        .join(ContactAddress, col(ContactAddress.address_id) == Address.id)
        .where(ContactAddress.contact_id == contact.id, Address.kind == kind)
        .order_by(col(ContactAddress.position), col(Address.id))
    )
    return session.exec(query).all()


def _usable(session: Session, office: Office, address: Address) -> bool:
    if address.health == Health.DEAD:
        return False
    if address.verification not in (Verification.VERIFIED, Verification.ASSERTED):
        return False
    held = consent.of_address(session, address.id).standing
    if held is consent.Standing.REVOKED:
        return False
    provided = office.policy.consent.sms_basis == "provided_number"
    return address.kind != "sms" or provided or held is not consent.Standing.UNKNOWN


def _note(
    session: Session,
    office: Office,
    enrolment: Enrolment,
    client: Client,
    decision: dunning.Decision | renewals.Decision,
) -> None:
    """Write the answer down, with the ids and numbers it was made from."""
    until = None if decision.rule == "step_queued" else decision.look_again
    inputs = {"episode": enrolment.episode, "policy": office.policy.version}
    if isinstance(decision, dunning.Send | dunning.Escalate):
        inputs |= {
            "step": decision.step,
            "total": decision.total,
            "instalments": [instalment.id for instalment in decision.listed],
        }
    timeline.decide(
        session,
        office.keyring,
        client.key_id,
        Decision(
            client_id=client.id,
            subject_kind="enrolment",
            subject_id=enrolment.id,
            verdict=type(decision).__name__.lower(),
            rule=decision.rule,
            until=until,
            inputs=json.dumps(inputs, sort_keys=True),
            decided_at=office.now,
        ),
        decision.reason,
    )
