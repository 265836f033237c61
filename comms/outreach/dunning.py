"""What follows from the dunning rule's word about an account?"""

from collections.abc import Sequence
from typing import assert_never

from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import Session

from billing import accounts, aliases, arrears, bulk, dunning, promises
from billing.arrears import How
from billing.bulk import Values
from billing.models import Client, Enrolment, EnrolmentState, Promise
from comms import outbox, staff
from comms.addresses import recipients
from comms.duties import escalations
from comms.models import Message, Purpose
from comms.office import Office
from comms.outreach import parts, taking
from comms.outreach.taking import Pair, Taking


def advance(session: Session, office: Office, pairs: Sequence[Pair]) -> list[Pair]:
    """Ask the rule about every account and do what it says; return those to ask once more."""
    pairs, facts = parts.facts(session, office, pairs)
    for pair, account in zip(pairs, facts, strict=True):
        _judge_promises(session, office, pair, account)
    decided = [dunning.decide(account, office.now, office.policy) for account in facts]
    holds = office.policy.version
    versions = [
        holds if account.pinned is None else pair[0].policy_version
        for pair, account in zip(pairs, facts, strict=True)
    ]
    taking.note(session, office, list(zip(pairs, decided, strict=True)), versions)
    _look_again(session, list(zip([one for one, _ in pairs], decided, strict=True)))
    again: list[Pair] = []
    silent: list[Taking] = []
    handed: list[tuple[Enrolment, Client, str]] = []
    reminders: list[tuple[Taking, dunning.Send | dunning.Notify]] = []
    for pair, decision, version in zip(pairs, decided, versions, strict=True):
        match decision:
            case dunning.Send() | dunning.Notify():
                reminders.append((_taking(pair, decision, version, "queued"), decision))
            case dunning.Escalate():
                silent.append(_taking(pair, decision, version, "escalated"))
                handed.append((*pair, decision.proposal))
            case dunning.Cured():
                for ended in _same_account(session, *pair):
                    escalations.settle(session, office, ended, "paid")
                    ended.episode += 1
                    ended.state = EnrolmentState.ACTIVE
                again.append(pair)
            case dunning.Credit():
                silent += _credited(pair, decision, version)
                again.append(pair)
            case dunning.Wait() | dunning.Held() | dunning.Idle() | dunning.Exhausted():
                pass
            case _:
                assert_never(decision)
    escalations.open_cases(session, office, handed)
    if silent:
        taking.take(session, office, silent)
    _remind(session, office, reminders)
    return again


def again(
    session: Session, office: Office, pairs: Sequence[Pair], by: str
) -> list[dunning.Decision]:
    """What was sent last, once more for each account, because a person wishes it."""
    found = accounts.in_dunning_all(session, pairs)
    decided = [dunning.again(account, office.now, office.policy) for account in found]
    wished = [
        (_taking(pair, decision, pair[0].policy_version, "queued"), decision)
        for pair, decision in zip(pairs, decided, strict=True)
        if isinstance(decision, dunning.Send)
    ]
    taking.note(session, office, [(one.of, decision) for one, decision in wished], by=by)
    _remind(session, office, wished)
    return decided


def _taking(
    pair: Pair, decision: dunning.Send | dunning.Notify | dunning.Escalate, version: str, how: How
) -> Taking:
    listed = [instalment.id for instalment in decision.listed]
    return Taking(pair, decision.step, how, listed, ladder=decision.ladder, version=version)


def _credited(pair: Pair, decision: dunning.Credit, version: str) -> list[Taking]:
    return [
        Taking(pair, one.step, "imported", sorted(one.listed), one.on, decision.ladder, version)
        for one in decision.steps
    ]


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
    session: Session,
    office: Office,
    reminders: Sequence[tuple[Taking, dunning.Send | dunning.Notify]],
) -> None:
    """Take the steps and queue their messages; each wakes its sequence when it has left."""
    if not reminders:
        return
    steps = taking.take(session, office, [one for one, _ in reminders])
    clients = [one.of[1].id for one, _ in reminders]
    reach = recipients.of_clients(session, office.policy, clients, "billing")
    messages: list[Message] = []
    for (one, decision), step in zip(reminders, steps, strict=True):
        enrolment, client = one.of
        reached = recipients.choose(reach.get(client.id), decision.channels)
        message = taking.reminder(office, (enrolment, client.id), step, reached)
        message.template = decision.template
        message.attachments = " ".join(decision.attachments) or None
        if isinstance(decision, dunning.Notify):
            message.expires_at = decision.until
        messages.append(message)
    outbox.queue_all(session, messages)


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
