"""What follows from the renewal rule's word about an agreement?"""

import datetime as dt
from collections.abc import Sequence
from typing import assert_never

from sqlalchemy import select as core_select
from sqlalchemy import update
from sqlmodel import Session, col

from billing import accounts, renewals
from billing.arrears import OpenInstalment
from billing.calendar import midnight
from billing.models import Agreement, AgreementState, Client, Enrolment, EnrolmentState
from comms import outbox, staff
from comms.addresses import recipients
from comms.models import Message, Purpose
from comms.moves import MESSAGES
from comms.office import Office
from comms.outreach import charging, taking
from comms.outreach.taking import Taking

_ROUNDS = 12
"""More answers than any agreement gives in one look: a rule that never settles is a bug."""
_DAY = dt.timedelta(days=1)


def advance(session: Session, office: Office, enrolment: Enrolment, client: Client) -> None:
    """Ask the rules about an agreement until they have nothing more to do now."""
    agreement = session.get_one(Agreement, enrolment.agreement_id)
    late = accounts.overdue(session, client, office.now, office.policy)
    looks = [
        _notices(session, office, (enrolment, client), late),
        _warn(session, office, (enrolment, client), late),
        charging.advance(session, office, agreement, client),
    ]
    enrolment.next_due_at = min((look for look in looks if look is not None), default=None)


def _notices(
    session: Session, office: Office, pair: taking.Pair, late: Sequence[OpenInstalment]
) -> dt.datetime | None:
    """Give the notice that is due; say when to look again."""
    enrolment, client = pair
    for _ in range(_ROUNDS):
        fact = accounts.in_renewal(session, enrolment, office.now)
        decision = renewals.decide(fact, late, office.now, office.policy, client.timezone)
        taking.note(session, office, [(pair, decision)])
        match decision:
            case renewals.Send() | renewals.Held():
                # One that must wait is queued as well: the door holds it, where people see it.
                _give_notice(session, office, pair, decision, fact)
            case renewals.Late():
                _withdraw(session, enrolment, decision.rule, decision.reason)
                _lapse(session, office, enrolment, client)
                return None
            case renewals.Idle(rule="all_steps_taken") | renewals.Wait():
                return decision.look_again
            case renewals.Idle(rule=rule, reason=reason):
                _withdraw(session, enrolment, rule, reason)
                return decision.look_again
            case _:
                assert_never(decision)
    raise RuntimeError(f"enrolment {enrolment.id} does not settle")


def _give_notice(
    session: Session,
    office: Office,
    pair: taking.Pair,
    decision: renewals.Send | renewals.Held,
    fact: renewals.RenewalFact,
) -> None:
    """Queue a notice; one that was held until now is superseded, so that no burst follows."""
    enrolment, client = pair
    agreement = session.get_one(Agreement, enrolment.agreement_id)
    _withdraw(session, enrolment, "superseded", "A later notice takes its place.")
    version = fact.pinned.version if fact.pinned else ""
    taken = Taking(pair, decision.step, "queued", version=version)
    [step] = taking.take(session, office, [taken])
    reached = recipients.to(session, office.policy, client.id, "renewal", *decision.channels)
    message = taking.reminder(office, (enrolment, client.id), step, reached)
    message.purpose = Purpose.RENEWAL
    message.template = decision.template
    message.subject_kind, message.subject_id = "agreement", agreement.id
    message.expires_at = midnight(agreement.renews_on + _DAY, client.timezone)
    outbox.queue(session, message)


def _withdraw(session: Session, enrolment: Enrolment, rule: str, reason: str) -> None:
    """Notices that have not left are not sent any more, and their steps were not taken."""
    earlier = outbox.about("agreement", enrolment.agreement_id or 0) & (
        MESSAGES.c.step_id.is_not(None)
    )
    gone = outbox.cancel(session, earlier, rule, reason)
    if gone:
        held_steps = core_select(col(Message.step_id)).where(col(Message.id).in_(gone))
        session.execute(
            update(taking.STEPS).where(taking.STEPS.c.id.in_(held_steps)).values(how="cancelled")
        )


def _lapse(session: Session, office: Office, enrolment: Enrolment, client: Client) -> None:
    """The day has passed without a renewal: the owner is told, the client hears nothing late."""
    agreement = session.get_one(Agreement, enrolment.agreement_id)
    agreement.state = AgreementState.LAPSED
    enrolment.state = EnrolmentState.ENDED
    _tell(session, office, (enrolment, client), "renewal_late", f"{agreement.renews_on}")


def _warn(
    session: Session, office: Office, pair: taking.Pair, late: Sequence[OpenInstalment]
) -> dt.datetime | None:
    """The owner hears on the last day on which a held notice is of use, and once it is over."""
    enrolment, client = pair
    agreement = session.get_one(Agreement, enrolment.agreement_id)
    if not agreement.notice_days:
        return None
    fact = accounts.in_renewal(session, enrolment, office.now)
    found = renewals.unheard(fact, late, office.now, office.policy, client.timezone)
    if found is None:
        return None
    if found.warn:
        place = f"{agreement.renews_on}:{found.warn}"
        _tell(session, office, pair, "renewal_unheard", place)
    return found.look_again


def _tell(session: Session, office: Office, pair: taking.Pair, template: str, place: str) -> None:
    enrolment, client = pair
    notice = staff.Notice(
        key=f"{template}:{enrolment.id}:{place}",
        purpose=Purpose.ALERT,
        template=template,
        to=staff.desk_of(session, office, client.owner_id),
        client_id=client.id,
        subject=("agreement", enrolment.agreement_id),
    )
    staff.tell(session, office, notice)
