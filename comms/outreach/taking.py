"""How is a step taken: written down, with its message, and with the decision behind it?"""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, func
from sqlalchemy import select as core_select
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import Session

from billing import accounts, bulk, dunning, publication, renewals, store
from billing.arrears import How
from billing.bulk import Values
from billing.calendar import local_date
from billing.models import Client, Enrolment, StepListed, StepTaken
from billing.models import Sequence as Ladder
from billing.policy import Dunning, PreDue, RenewalStep, Step
from billing.policy.ladders import DEFAULT
from billing.store import table_of
from comms import consent, outbox, timeline
from comms.addresses import recipients
from comms.models import Audience, Decision, Message, Purpose
from comms.office import Office

Pair = tuple[Enrolment, Client]
SEQUENCES = table_of(Enrolment)
STEPS = table_of(StepTaken)
_LISTED = table_of(StepListed)
_LOOKED_AT = ("step_queued", "renewals_disabled")
"""Rules that are asked again and again and say the same: their next look is no news."""
_SAME = ("purpose", "template", "attachments", "subject_kind", "subject_id", "expires_at")
"""What a message has on whatever channel it goes."""
# Made once: building a statement costs more than SQLite takes to answer it.
_ROUNDS_SO_FAR = (
    core_select(STEPS.c.enrolment_id, STEPS.c.episode, STEPS.c.step, func.max(STEPS.c.round))
    .where(STEPS.c.enrolment_id.in_(bindparam("enrolments", expanding=True)))
    .group_by(STEPS.c.enrolment_id, STEPS.c.episode, STEPS.c.step)
)


@dataclass(frozen=True, slots=True)
class Taking:
    """A step that is being taken: which, how, what it names, and its day if not today."""

    of: Pair
    step: int
    how: How
    listed: Sequence[int] = ()
    on: dt.date | None = None
    ladder: str | None = None
    version: str = ""
    """Of the policy that it follows; of the one that holds, where none is given."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was written down."""

    id: int
    episode: int
    step: int
    round: int


def take(session: Session, office: Office, takings: Sequence[Taking]) -> list[Taken]:
    """Write steps down, each as the next round of its number in its episode."""
    rounds = _rounds(session, takings)
    rows = [_step_row(office, taking, rounds) for taking in takings]
    ids = bulk.new_ids(session, STEPS, len(rows))
    bulk.insert(session, STEPS, [{"id": id_, **row} for id_, row in zip(ids, rows, strict=True)])
    listed = [
        {"step_taken_id": step_id, "instalment_id": instalment_id}
        for step_id, taking in zip(ids, takings, strict=True)
        for instalment_id in taking.listed
    ]
    bulk.insert(session, _LISTED, listed)
    _begin(session, office, takings)
    return [
        Taken(step_id, row["episode"], row["step"], row["round"])
        for step_id, row in zip(ids, rows, strict=True)
    ]


def _begin(session: Session, office: Office, takings: Sequence[Taking]) -> None:
    """What takes its first step begins under the policy that holds, and keeps it."""
    holds = office.policy.version
    publication.keep(session, office.policy, office.now)
    rows: list[Values] = []
    for taking in takings:
        enrolment, version = taking.of[0], taking.version or holds
        if taking.step > 0 and enrolment.policy_version != version:
            rows.append({"id": enrolment.id, "policy_version": version})
            set_committed_value(enrolment, "policy_version", version)
    bulk.update(session, SEQUENCES, rows)


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
        "ladder": taking.ladder,
        "taken_on": taking.on or local_date(office.now, client.timezone),
        "taken_at": office.now,
    }


def reminder(
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
    rungs, place = _rungs(session, office, enrolment, step), abs(step.step) - 1
    channels = rungs[place].channels if place < len(rungs) else ()
    others = [one for one in channels if one != message.channel]
    if not others or message.contact_id is None:
        return False
    topic = consent.topic_of(message.purpose)
    reach = recipients.of_contacts(session, office.policy, [message.contact_id], topic)
    reached = recipients.choose(reach[message.contact_id], others)
    if not recipients.is_usable(reach[message.contact_id], reached[2]):
        return False
    taken = Taken(step.id, step.episode, step.step, step.round)
    again = reminder(office, (enrolment, message.client_id or 0), taken, reached)
    for name in _SAME:
        setattr(again, name, getattr(message, name))
    return outbox.queue(session, again) is not None


def _rungs(
    session: Session, office: Office, enrolment: Enrolment, step: StepTaken
) -> Sequence[Step] | Sequence[PreDue] | Sequence[RenewalStep]:
    if enrolment.sequence == Ladder.RENEWAL:
        fact = accounts.in_renewal(session, enrolment, office.now)
        return renewals.ladder(fact, office.policy)
    ladder = _ladder(session, office, enrolment, step)
    return ladder.pre_due if step.step < 0 else ladder.steps


def _ladder(session: Session, office: Office, enrolment: Enrolment, step: StepTaken) -> Dunning:
    """The ladder that a step is of, as the version has it under which the episode began."""
    own = publication.versions(session, [enrolment.policy_version])
    rules = office.policy if step.step < 0 else own.get(enrolment.policy_version, office.policy)
    if step.ladder is None or step.ladder == DEFAULT:
        return rules.dunning
    return rules.ladders.of(step.ladder) or office.policy.ladders.of(step.ladder) or rules.dunning


def note(
    session: Session,
    office: Office,
    answers: Sequence[tuple[Pair, dunning.Decision | renewals.Decision]],
    versions: Sequence[str] = (),
    by: str = "",
) -> None:
    """Write the answers down, with the ids and numbers they were made from.

    ``versions`` are those of the policies behind them, where it is not the one that holds; ``by``
    is who wished it, where a person did.
    """
    behind = versions or [office.policy.version] * len(answers)
    rulings = [
        timeline.Ruling(_decision(office, pair, said, (version, by)), pair[1].key_id, said.reason)
        for (pair, said), version in zip(answers, behind, strict=True)
    ]
    timeline.decide_all(session, office.keyring, rulings)


def _decision(
    office: Office,
    pair: Pair,
    decision: dunning.Decision | renewals.Decision,
    behind: tuple[str, str],
) -> Decision:
    (enrolment, client), (version, by) = pair, behind
    inputs: dict[str, object] = {"episode": enrolment.episode, "policy": version}
    inputs |= {"by": by} if by else {}
    if isinstance(decision, dunning.Send | dunning.Escalate | dunning.Notify):
        if decision.ladder != DEFAULT:
            inputs["ladder"] = decision.ladder
        inputs |= {
            "step": decision.step,
            "total": decision.total,
            "instalments": [instalment.id for instalment in decision.listed],
        }
    if isinstance(decision, renewals.Send) and decision.override is not None:
        inputs["override"] = decision.override
    return store.fresh(
        Decision,
        client_id=client.id,
        subject_kind="enrolment",
        subject_id=enrolment.id,
        verdict=type(decision).__name__.lower(),
        rule=decision.rule,
        until=None if decision.rule in _LOOKED_AT else decision.look_again,
        inputs=json.dumps(inputs, sort_keys=True),
        decided_at=office.now,
    )
