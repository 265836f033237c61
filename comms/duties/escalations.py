"""When is a debt a person's turn, and how do they hear of it?

A case per enrolment and episode, with the account owner or, where there is none, with finance. Its
card in Slack is updated in place for as long as the case lives.
"""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import Session, col, select

from billing import bulk, store
from billing.calendar import local_date
from billing.models import Client, Enrolment, EnrolmentState, EscalationCase
from billing.store import table_of
from comms import outbox, staff
from comms.models import UNSENT, Audience, Message, Purpose
from comms.office import Office

_CASES = table_of(EscalationCase)
_SEQUENCES = table_of(Enrolment)
_SWEEP = dt.timedelta(minutes=15)
"""How long the sweep after an import may take before its list of old cases leaves."""


def open_cases(
    session: Session, office: Office, handed: Sequence[tuple[Enrolment, Client, str]]
) -> None:
    """Hand accounts over to their owners, with what the policy proposes to do about each."""
    if not handed:
        return
    ids = bulk.new_ids(session, _CASES, len(handed))
    cases = [_case(office, id_, *one) for id_, one in zip(ids, handed, strict=True)]
    bulk.insert(session, _CASES, [case.model_dump() for case in cases])
    bulk.update(
        session,
        _SEQUENCES,
        [{"id": one.id, "state": EnrolmentState.ESCALATED} for one, _, _ in handed],
    )
    owners = {client.owner_id for _, client, _ in handed}
    desks = {owner_id: staff.desk_of(session, office, owner_id) for owner_id in owners}
    lists: dict[str, bool] = {}
    cards: list[staff.Notice] = []
    for case, (enrolment, client, _) in zip(cases, handed, strict=True):
        set_committed_value(enrolment, "state", EnrolmentState.ESCALATED)
        desk = desks[client.owner_id]
        if not _imported(office, client) or not _listed(session, office, client, desk, lists):
            cards.append(_card(case, desk))
    staff.tell_all(session, office, [(card, office.now) for card in cards])


def _case(
    office: Office, id_: int, enrolment: Enrolment, client: Client, proposal: str
) -> EscalationCase:
    return store.fresh(
        EscalationCase,
        id=id_,
        enrolment_id=enrolment.id,
        episode=enrolment.episode,
        client_id=client.id,
        owner_id=client.owner_id,
        proposal=None if proposal == "owner" else proposal,
        opened_at=office.now,
    )


def _imported(office: Office, client: Client) -> bool:
    today = local_date(office.now, client.timezone)
    return client.imported_on is not None and client.imported_on >= today - dt.timedelta(days=1)


def _listed(
    session: Session, office: Office, client: Client, desk: str, lists: dict[str, bool]
) -> bool:
    """What was old before we came arrives as one list per desk, not as a burst of cards.

    The list waits until the sweep after the import is through; a case that comes after it has left
    gets a card of its own. ``lists`` remembers those that were asked about.
    """
    notice = staff.Notice(
        key=f"imported:{desk}:{client.imported_on}",
        purpose=Purpose.ESCALATION,
        template="imported_cases",
        to=desk,
        subject=("owner", client.owner_id),
    )
    if notice.key not in lists:
        staff.tell(session, office, notice, office.now + _SWEEP)
        state = session.exec(select(Message.state).where(Message.key == notice.key)).one()
        lists[notice.key] = state in UNSENT
    return lists[notice.key]


def settle(session: Session, office: Office, enrolment: Enrolment, outcome: str) -> None:
    """What the case of the current episode was about came to an end by itself."""
    case = session.exec(
        select(EscalationCase).where(
            EscalationCase.enrolment_id == enrolment.id,
            EscalationCase.episode == enrolment.episode,
            EscalationCase.state == "open",
        )
    ).first()
    if case is not None:
        close(session, office, case, outcome, "")


def close(session: Session, office: Office, case: EscalationCase, outcome: str, by: str) -> None:
    """End a case; the card that announced it is updated in place, and no reminder follows."""
    case.state, case.outcome, case.closed_at, case.closed_by = "closed", outcome, office.now, by
    remind(session, office, case, None)
    refresh(session, office, case)


def refresh(session: Session, office: Office, case: EscalationCase) -> None:
    """Show the case anew where it was shown before."""
    case.revision += 1
    session.add(case)
    for place, card in enumerate(_cards(session, case)):
        case.revision += place > 0
        staff.tell(session, office, _card(case, card.destination, updates_id=card.id))


def hand_over(session: Session, office: Office, case: EscalationCase) -> None:
    """Whose it is now sees it where they read, if it was not shown there before."""
    desk = staff.desk_of(session, office, case.owner_id)
    if desk not in {card.destination for card in _cards(session, case)}:
        case.revision += 1
        session.add(case)
        staff.tell(session, office, _card(case, desk))


def remind(session: Session, office: Office, case: EscalationCase, at: dt.datetime | None) -> None:
    """Show an open case once more, as a new card, at the end of its pause; None where it has none.

    What was to come before is not so any more.
    """
    to_come = outbox.about("case", case.id, Audience.STAFF) & (col(Message.send_after) > office.now)
    outbox.cancel(session, to_come, "superseded", "The pause ends at another time.")
    if at is None:
        return
    case.revision += 1
    session.add(case)
    cards = _cards(session, case)
    if cards:
        # Who has it now is asked again, and not everybody who had it.
        staff.tell(session, office, _card(case, cards[-1].destination), at)


def _cards(session: Session, case: EscalationCase) -> list[Message]:
    """The first card that shows it at each desk, in the order in which they saw it."""
    shown = session.exec(
        select(Message)
        .where(Message.subject_kind == "case", Message.subject_id == case.id)
        .order_by(col(Message.id))
    )
    first: dict[str, Message] = {}
    for card in shown:
        first.setdefault(card.destination, card)
    return list(first.values())


def _card(case: EscalationCase, to: str, updates_id: int | None = None) -> staff.Notice:
    return staff.Notice(
        key=f"escalation:{case.id}:{case.revision}",
        purpose=Purpose.ESCALATION,
        template="escalation",
        to=to,
        client_id=case.client_id,
        subject=("case", case.id),
        updates_id=updates_id,
    )
