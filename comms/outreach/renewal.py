"""What follows from the renewal rule's word about an agreement?"""

from typing import assert_never

from sqlalchemy import select as core_select
from sqlalchemy import update
from sqlmodel import Session, col

from billing import accounts, renewals
from billing.calendar import midnight
from billing.models import Agreement, AgreementState, Client, Enrolment, EnrolmentState
from comms import outbox, recipients, staff
from comms.models import Message, Purpose
from comms.office import Office
from comms.outreach import taking
from comms.outreach.taking import Taking

_ROUNDS = 12
"""More answers than any agreement gives in one look: a rule that never settles is a bug."""


def advance(session: Session, office: Office, enrolment: Enrolment, client: Client) -> None:
    """Ask the rule about an agreement until it has nothing more to do now."""
    late = accounts.overdue(session, client, office.now, office.policy)
    for _ in range(_ROUNDS):
        fact = accounts.in_renewal(session, enrolment)
        decision = renewals.decide(fact, late, office.now, office.policy, client.timezone)
        taking.note(session, office, [((enrolment, client), decision)])
        enrolment.next_due_at = decision.look_again
        match decision:
            case renewals.Send(step=number) | renewals.Held(step=number):
                # One that must wait is queued as well: the door holds it, where people see it.
                _give_notice(session, office, enrolment, client, number)
            case renewals.Late():
                _lapse(session, office, enrolment, client)
                return
            case renewals.Wait() | renewals.Idle():
                return
            case _:
                assert_never(decision)


def _give_notice(
    session: Session, office: Office, enrolment: Enrolment, client: Client, number: int
) -> None:
    """Queue a notice; one that was held until now is superseded, so that no burst follows."""
    rung = office.policy.renewal.steps[number - 1]
    agreement = session.get_one(Agreement, enrolment.agreement_id)
    earlier = outbox.about("agreement", agreement.id)
    gone = outbox.cancel(session, earlier, "superseded", "A later notice takes its place.")
    if gone:
        held_steps = core_select(col(Message.step_id)).where(col(Message.id).in_(gone))
        session.execute(
            update(taking.STEPS).where(taking.STEPS.c.id.in_(held_steps)).values(how="cancelled")
        )
    [step] = taking.take(session, office, [Taking((enrolment, client), number, "queued")])
    reached = recipients.to(session, office.policy, client.id, "renewal", *rung.channels)
    message = taking.reminder(office, (enrolment, client.id), step, reached)
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
