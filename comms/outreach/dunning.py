"""What follows from the dunning rule's word about an account?"""

from collections.abc import Sequence
from typing import assert_never

from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import Session

from billing import accounts, aliases, arrears, bulk, dunning, promises
from billing.bulk import Values
from billing.models import Client, Enrolment, EnrolmentState, Promise
from comms import escalations, outbox, recipients, staff
from comms.models import Message, Purpose
from comms.office import Office
from comms.outreach import taking
from comms.outreach.taking import Pair, Taking


def advance(session: Session, office: Office, pairs: Sequence[Pair]) -> list[Pair]:
    """Ask the rule about every account and do what it says; return those to ask once more."""
    facts = accounts.in_dunning_all(session, pairs)
    for pair, account in zip(pairs, facts, strict=True):
        _judge_promises(session, office, pair, account)
    decided = [dunning.decide(account, office.now, office.policy) for account in facts]
    taking.note(session, office, list(zip(pairs, decided, strict=True)))
    _look_again(session, list(zip([one for one, _ in pairs], decided, strict=True)))
    again: list[Pair] = []
    reminders: list[tuple[Pair, dunning.Send]] = []
    for (enrolment, client), decision in zip(pairs, decided, strict=True):
        match decision:
            case dunning.Send():
                reminders.append(((enrolment, client), decision))
            case dunning.Escalate():
                _escalate(session, office, enrolment, client, decision)
            case dunning.Cured():
                for ended in _same_account(session, enrolment, client):
                    escalations.settle(session, office, ended, "paid")
                    ended.episode += 1
                    ended.state = EnrolmentState.ACTIVE
                again.append((enrolment, client))
            case dunning.Credit(steps=steps):
                for one in steps:
                    listed = sorted(one.listed)
                    passed = Taking((enrolment, client), one.step, "imported", listed, one.on)
                    taking.take(session, office, [passed])
                again.append((enrolment, client))
            case dunning.Wait() | dunning.Held() | dunning.Idle() | dunning.Exhausted():
                pass
            case _:
                assert_never(decision)
    _remind(session, office, reminders)
    return again


def _look_again(session: Session, decided: Sequence[tuple[Enrolment, dunning.Decision]]) -> None:
    """Write down when each is due next, below the session, which writes row by row."""
    rows: list[Values] = []
    for enrolment, decision in decided:
        # A step that waits at the door wakes its sequence itself, when it has left or failed.
        next_due_at = None if decision.rule == "step_queued" else decision.look_again
        rows.append({"id": enrolment.id, "next_due_at": next_due_at})
        set_committed_value(enrolment, "next_due_at", next_due_at)
    bulk.update(session, taking.SEQUENCES, rows)


def _same_account(session: Session, enrolment: Enrolment, client: Client) -> Sequence[Enrolment]:
    """What ends for one of clients that are one, ends for all."""
    kin = aliases.among(session, [client])
    return aliases.ladders(session, kin, [enrolment])[enrolment.id]


def _remind(
    session: Session, office: Office, reminders: Sequence[tuple[Pair, dunning.Send]]
) -> None:
    """Take the steps and queue their messages; each wakes its sequence when it has left."""
    if not reminders:
        return
    takings = [
        Taking(pair, decision.step, "queued", [one.id for one in decision.listed])
        for pair, decision in reminders
    ]
    steps = taking.take(session, office, takings)
    clients = [client.id for (_, client), _ in reminders]
    reach = recipients.of_clients(session, office.policy, clients, "billing")
    messages: list[Message] = []
    for ((enrolment, client), decision), step in zip(reminders, steps, strict=True):
        reached = recipients.choose(reach.get(client.id), decision.channels)
        message = taking.reminder(office, (enrolment, client.id), step, reached)
        message.template = decision.template
        messages.append(message)
    outbox.queue_all(session, messages)


def _escalate(
    session: Session,
    office: Office,
    enrolment: Enrolment,
    client: Client,
    decision: dunning.Escalate,
) -> None:
    listed = [instalment.id for instalment in decision.listed]
    taking.take(session, office, [Taking((enrolment, client), decision.step, "escalated", listed)])
    escalations.open_case(session, office, enrolment, client)


def _judge_promises(session: Session, office: Office, pair: Pair, account: arrears.Account) -> None:
    """Cash says what became of a promise; whoever owns the client hears of one that is broken."""
    place = arrears.place_of(account, office.policy)
    for promise in account.promises:
        outcome = promises.outcome(promise, office.now, place)
        if outcome:
            row = session.get_one(Promise, promise.id)
            row.outcome, row.judged_at = outcome, office.now
        if part := promises.missed(promise, office.now, place):
            notice = staff.Notice(
                key=f"promise:{promise.id}:{part}",
                purpose=Purpose.ALERT,
                template="promise",
                to=staff.desk_of(session, office, pair[1].owner_id),
                client_id=pair[1].id,
                subject=("promise", promise.id),
            )
            staff.tell(session, office, notice)
