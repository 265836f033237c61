"""Which message follows from the state of a sequence? The only place where that happens.

``advance`` looks at enrolments, asks the pure rule about each, and writes down what it said: a step
taken and its message queued, a case for the owner, or only when to look again. It reads and writes
for many at once, because a sweep has many; one is a batch of one.
"""

import datetime as dt
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import assert_never

from sqlalchemy import Table, bindparam, func, update
from sqlalchemy import select as core_select
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import Session, col

from billing import accounts, aliases, arrears, bulk, dunning, promises, renewals, store
from billing.bulk import Values
from billing.calendar import local_date, midnight
from billing.models import (
    Agreement,
    AgreementState,
    Client,
    Enrolment,
    EnrolmentState,
    Promise,
    StepListed,
    StepTaken,
)
from billing.models import Sequence as Ladder
from comms import escalations, outbox, recipients, staff, timeline
from comms.models import Audience, Decision, Message, Purpose
from comms.office import Office

Pair = tuple[Enrolment, Client]
_SEQUENCES: Table = Enrolment.__table__  # type: ignore[attr-defined]
_STEPS: Table = StepTaken.__table__  # type: ignore[attr-defined]
_LISTED: Table = StepListed.__table__  # type: ignore[attr-defined]
# Statements are made once: building one costs more than SQLite takes to answer it.
_ENROLMENTS = (
    core_select(Enrolment)
    .where(col(Enrolment.client_id).in_(bindparam("clients", expanding=True)))
    .order_by(col(Enrolment.id))
)
_ROUNDS_SO_FAR = (
    core_select(_STEPS.c.enrolment_id, _STEPS.c.episode, _STEPS.c.step, func.max(_STEPS.c.round))
    .where(_STEPS.c.enrolment_id.in_(bindparam("enrolments", expanding=True)))
    .group_by(_STEPS.c.enrolment_id, _STEPS.c.episode, _STEPS.c.step)
)
_ROUNDS = 12
"""More answers than any account gives in one look: a rule that never settles is a bug."""


def advance(session: Session, office: Office, enrolments: Sequence[Enrolment]) -> None:
    """Bring enrolments to where they should stand now; their clients are all locked."""
    clients = store.by_id(session, Client, [one.client_id for one in enrolments])
    _advance(session, office, _speaking(session, enrolments, clients))


def _speaking(
    session: Session, enrolments: Sequence[Enrolment], clients: dict[int, Client]
) -> list[Pair]:
    """Each enrolment with its client; of clients that are one, the one that speaks for all."""
    kin = aliases.among(session, clients.values())
    if not aliases.is_plain(kin):
        clients |= store.by_id(session, Client, kin.values())
    ladders = aliases.ladders(session, kin, enrolments)
    pairs: dict[int, Pair] = {}
    for enrolment in enrolments:
        speaker, *others = ladders[enrolment.id]
        for resting in others:
            resting.next_due_at = None
        pairs[speaker.id] = (speaker, clients[kin[enrolment.client_id]])
    return list(pairs.values())


def _advance(session: Session, office: Office, pairs: Sequence[Pair]) -> None:
    dunned = [pair for pair in pairs if pair[0].sequence == Ladder.DUNNING]
    for _ in range(_ROUNDS):
        if not dunned:
            break
        dunned = _dunning(session, office, dunned)
    else:
        raise RuntimeError(f"enrolment {dunned[0][0].id} does not settle")
    for enrolment, client in pairs:
        if enrolment.sequence == Ladder.RENEWAL:
            _renewal(session, office, enrolment, client)


def advance_client(session: Session, office: Office, client_id: int) -> None:
    """The same for every sequence of a client, and what waits for the client is judged anew."""
    advance_clients(session, office, [client_id])


def advance_clients(session: Session, office: Office, clients: Collection[int]) -> None:
    """The same for many clients, and those that are one with them, all locked."""
    if clients:
        held = store.by_id(session, Client, clients)
        kin = aliases.among(session, held.values())
        if not aliases.is_plain(kin):
            held = store.by_id(session, Client, kin)
        found = session.execute(_ENROLMENTS, {"clients": sorted(kin)}).scalars().all()
        _advance(session, office, _speaking(session, found, held))
        outbox.wake_clients(session, kin, office.now)


# --- dunning --------------------------------------------------------------------------------------


def _dunning(session: Session, office: Office, pairs: Sequence[Pair]) -> list[Pair]:
    """Ask the rule about every account and do what it says; return those to ask once more."""
    facts = accounts.in_dunning_all(session, pairs)
    for pair, account in zip(pairs, facts, strict=True):
        _judge_promises(session, office, pair, account)
    decided = [dunning.decide(account, office.now, office.policy) for account in facts]
    _note(session, office, list(zip(pairs, decided, strict=True)))
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
                    taking = Taking((enrolment, client), one.step, "imported", listed, one.on)
                    _take(session, office, [taking])
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
    bulk.update(session, _SEQUENCES, rows)


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
    steps = _take(session, office, takings)
    clients = [client.id for (_, client), _ in reminders]
    reach = recipients.of_clients(session, office.policy, clients, "billing")
    messages: list[Message] = []
    for ((enrolment, client), decision), step in zip(reminders, steps, strict=True):
        reached = recipients.choose(reach.get(client.id), decision.channels)
        message = _reminder(office, (enrolment, client.id), step, reached)
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
    _take(session, office, [Taking((enrolment, client), decision.step, "escalated", listed)])
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


# --- renewal --------------------------------------------------------------------------------------


def _renewal(session: Session, office: Office, enrolment: Enrolment, client: Client) -> None:
    """Ask the rule about an agreement until it has nothing more to do now."""
    late = accounts.overdue(session, client, office.now, office.policy)
    for _ in range(_ROUNDS):
        fact = accounts.in_renewal(session, enrolment)
        decision = renewals.decide(fact, late, office.now, office.policy, client.timezone)
        _note(session, office, [((enrolment, client), decision)])
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
        session.execute(update(_STEPS).where(_STEPS.c.id.in_(held_steps)).values(how="cancelled"))
    [step] = _take(session, office, [Taking((enrolment, client), number, "queued")])
    reached = recipients.to(session, office.policy, client.id, "renewal", *rung.channels)
    message = _reminder(office, (enrolment, client.id), step, reached)
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

    of: Pair
    step: int
    how: str
    listed: Sequence[int] = ()
    on: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was written down."""

    id: int
    episode: int
    step: int
    round: int


def _take(session: Session, office: Office, takings: Sequence[Taking]) -> list[Taken]:
    """Write steps down, each as the next round of its number in its episode."""
    rounds = _rounds(session, takings)
    rows = [_step_row(office, taking, rounds) for taking in takings]
    ids = bulk.new_ids(session, _STEPS, len(rows))
    bulk.insert(session, _STEPS, [{"id": id_, **row} for id_, row in zip(ids, rows, strict=True)])
    listed = [
        {"step_taken_id": step_id, "instalment_id": instalment_id}
        for step_id, taking in zip(ids, takings, strict=True)
        for instalment_id in taking.listed
    ]
    bulk.insert(session, _LISTED, listed)
    version = office.policy.version
    by = [{"id": taking.of[0].id, "policy_version": version} for taking in takings]
    bulk.update(session, _SEQUENCES, by)
    return [
        Taken(step_id, row["episode"], row["step"], row["round"])
        for step_id, row in zip(ids, rows, strict=True)
    ]


def _rounds(session: Session, takings: Sequence[Taking]) -> dict[tuple[int, int, int], int]:
    """The highest round so far, by enrolment, episode and step."""
    asked = {"enrolments": sorted({taking.of[0].id for taking in takings})}
    rows = store.below(session).execute(_ROUNDS_SO_FAR, asked)
    return {(row[0], row[1], row[2]): row[3] for row in rows}


def _step_row(office: Office, taking: Taking, rounds: dict[tuple[int, int, int], int]) -> Values:
    enrolment, client = taking.of
    place = (enrolment.id, enrolment.episode, taking.step)
    rounds[place] = rounds.get(place, 0) + 1
    return {
        "enrolment_id": enrolment.id,
        "episode": enrolment.episode,
        "step": taking.step,
        "round": rounds[place],
        "how": taking.how,
        "taken_on": taking.on or local_date(office.now, client.timezone),
        "taken_at": office.now,
    }


def _reminder(
    office: Office, of: tuple[Enrolment, int], step: Taken, reached: recipients.Reached
) -> Message:
    """A step's message to the client, about the debt unless its caller says otherwise."""
    enrolment, client_id = of
    contact_id, channel, address_id = reached
    place = f"{enrolment.id}:{step.episode}:{step.step}:{step.round}"
    return store.fresh(
        Message,
        key=f"step:{place}:{contact_id or 0}:{channel}",
        reference="",
        audience=Audience.CLIENT,
        channel=channel,
        purpose=Purpose.DUNNING,
        template="",
        client_id=client_id,
        legal_entity_id=enrolment.legal_entity_id,
        contact_id=contact_id,
        address_id=address_id,
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
    renewal = enrolment.sequence == Ladder.RENEWAL
    rungs = office.policy.renewal.steps if renewal else office.policy.dunning.steps
    others = [one for one in rungs[step.step - 1].channels if one != message.channel]
    if not others or message.contact_id is None:
        return False
    reach = recipients.of_contacts(session, office.policy, [message.contact_id])
    reached = recipients.choose(reach[message.contact_id], others)
    if not recipients.is_usable(reach[message.contact_id], reached[2]):
        return False
    taken = Taken(step.id, step.episode, step.step, step.round)
    again = _reminder(office, (enrolment, message.client_id or 0), taken, reached)
    for name in ("purpose", "template", "subject_kind", "subject_id", "expires_at"):
        setattr(again, name, getattr(message, name))
    return outbox.queue(session, again) is not None


def _note(
    session: Session,
    office: Office,
    answers: Sequence[tuple[Pair, dunning.Decision | renewals.Decision]],
) -> None:
    """Write the answers down, with the ids and numbers they were made from."""
    rulings = [
        timeline.Ruling(_decision(office, pair, decision), pair[1].key_id, decision.reason)
        for pair, decision in answers
    ]
    timeline.decide_all(session, office.keyring, rulings)


def _decision(
    office: Office, pair: Pair, decision: dunning.Decision | renewals.Decision
) -> Decision:
    enrolment, client = pair
    inputs: dict[str, object] = {"episode": enrolment.episode, "policy": office.policy.version}
    if isinstance(decision, dunning.Send | dunning.Escalate):
        inputs |= {
            "step": decision.step,
            "total": decision.total,
            "instalments": [instalment.id for instalment in decision.listed],
        }
    return store.fresh(
        Decision,
        client_id=client.id,
        subject_kind="enrolment",
        subject_id=enrolment.id,
        verdict=type(decision).__name__.lower(),
        rule=decision.rule,
        until=None if decision.rule == "step_queued" else decision.look_again,
        inputs=json.dumps(inputs, sort_keys=True),
        decided_at=office.now,
    )
