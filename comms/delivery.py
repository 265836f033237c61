"""What becomes of a message at the door and on the wire, and what follows from it?

``outbox`` moves the states; here are the consequences: the decision written down, the touchpoint,
the step of the sequence, the address that is dead, the other channel, and the alert to finance.
Every function runs in one transaction under the lock of the message's client.
"""

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

from sqlalchemy import bindparam
from sqlalchemy import select as core_select
from sqlmodel import Session, select

from billing import ledger, rules, store, vault
from billing.aliases import Kin
from billing.bulk import Values
from billing.models import Client
from comms import attempts, cases, consent, door, outbox, outreach, staff, steps, timeline
from comms.addresses import closing
from comms.cases import Known
from comms.compliance import disclosure
from comms.compliance.disclosure import Names
from comms.compliance.labels import SEALING
from comms.door import Case, Finding, Judgement, Verdict
from comms.models import Audience, Decision, Message, Purpose, State, Touchpoint
from comms.moves import MESSAGES
from comms.office import Office
from comms.outbox import Claim
from comms.ports import DeliveryError, Outgoing, Sent, Throttled, Uncertain
from comms.rendering import TemplateMistake, Templates
from comms.writing import drafts, letters, wording
from comms.writing.letters import Letter

Cards = Callable[[Session, Office, Message], Outgoing | None]
"""Makes what staff see; None while the thread that a card belongs to has not begun."""

TRIES = 6
GIVE_UP = dt.timedelta(hours=24)
LOOKS = tuple(dt.timedelta(minutes=minutes) for minutes in (1, 5, 15))
"""When the provider's own list is asked about a message in doubt; then it is a person's turn."""
_QUEUED = (
    core_select(*MESSAGES.c)
    .where(
        MESSAGES.c.id.in_(bindparam("ids", expanding=True)),
        MESSAGES.c.state == State.QUEUED,
        MESSAGES.c.send_after <= bindparam("now"),
    )
    .order_by(MESSAGES.c.id)
    .with_for_update()
)
DOUBT = "in_doubt"
"""The card that asks whether a message went."""
_UNREACHED = ("no_address", "address_", "opted_out", "no_sms_consent", "never_open")
"""Rules by which no address of a client may be used."""
_STATES = {
    Verdict.DEFER: State.HELD,
    Verdict.REVIEW: State.AWAITING,
    Verdict.WITHHOLD: State.WITHHELD,
    Verdict.CANCEL: State.CANCELLED,
}


# --- at the door ----------------------------------------------------------------------------------


def claim_all(
    session: Session, office: Office, templates: Templates, cards: Cards, ids: Sequence[int]
) -> list[Claim]:
    """Judge queued messages on the facts of this moment; claim those that may go.

    One person gets one message of a batch; the next waits for another.
    """
    messages = _each_person_once(_queued(session, office, ids))
    judged, known = cases.build_all(session, office, messages)
    if known.merged or any(case.live.cap_left is not None for case in judged):
        # A cap is counted over everybody, a budget over all who are one: one message at a time.
        messages, judged = messages[:1], judged[:1]
    owners = _owners(session, office, messages, known)
    judgements = [door.judge(case, office.policy) for case in judged]
    judged_all = list(zip(messages, judged, judgements, strict=True))
    _write_down(session, office, judged_all, owners, known.kin)
    threads = letters.threads(session, messages)
    called = wording.names(session, known.kin, messages)
    ready: list[tuple[Message, Outgoing, str]] = []
    refused: list[tuple[Message, Finding]] = []
    named: list[Values] = []
    for message, case, judgement in judged_all:
        if judgement.verdict is not Verdict.ALLOW:
            refused.append((message, judgement.decisive))
            continue
        letter = None
        try:
            if message.audience == Audience.CLIENT:
                letter = _letter(office, known, message, threads.get(message.id, ()), case)
                said = letters.compose(session, office, templates, letter)
                own = partial(_own_words, session, office, templates, letter)
                found = wording.refusal(office, letter, said, called.get(message.id, Names()), own)
                outgoing: Outgoing | None = said
            else:
                outgoing, found = cards(session, office, message), None
        except TemplateMistake as mistake:
            outgoing, found = None, Finding("content", Verdict.WITHHOLD, "template", str(mistake))
        if found is not None:
            late = Judgement(found, (*judgement.findings, found))
            _write_down(session, office, [(message, case, late)], owners, known.kin)
            refused.append((message, found))
        elif outgoing is None:
            outbox.refuse(session, message.id, _soon(office), State.HELD)
        else:
            ready.append((message, outgoing, owners[message.id]))
            if letter is not None:
                named += steps.unlisted(message, known.steps, letter.account, letter.named)
    refuse_all(session, office, refused)
    steps.list_also(session, named)
    return outbox.claim_all(session, office, ready)


def _soon(office: Office) -> Finding:
    """The card's thread begins in a moment."""
    soon = office.now + dt.timedelta(seconds=5)
    return Finding("preflight", Verdict.DEFER, "thread_pending", "", until=soon)


def _own_words(session: Session, office: Office, templates: Templates, letter: Letter) -> str:
    """What a template says to everybody, without names."""
    nameless = disclosure.nameless(letter.message.channel)
    read = letters.read(session, office, templates, letter, nameless)
    return f"{read.subject}\n\n{read.text}"


def _queued(session: Session, office: Office, ids: Sequence[int]) -> list[Message]:
    """Those that are still to be judged now, locked: messages to staff belong to no client."""
    asked = {"ids": list(ids), "now": office.now}
    return [cast("Message", row) for row in store.below(session).execute(_QUEUED, asked)]


def _letter(
    office: Office, known: Known, message: Message, earlier: Sequence[str], case: Case
) -> Letter:
    step, account = known.steps.get(message.step_id or 0), known.accounts.get(message.id)
    number = step.step if step else 0
    named, total = letters.named_in(office, account, number) if account else ((), 0)
    return Letter(
        message=message,
        client=known.clients[message.client_id or 0],
        contact=known.contacts[message.contact_id or 0],
        address=known.addresses[message.address_id or 0],
        entity=known.entities[message.legal_entity_id or 0],
        earlier=earlier,
        account=account,
        step=number,
        named=tuple(named),
        total=total,
        redirect_to=case.live.redirect_to,
        warned=case.recipient is not None and case.recipient.consent.warned,
    )


def _each_person_once(messages: Sequence[Message]) -> list[Message]:
    """Budgets are counted before a batch is claimed, so nobody may be in it twice."""
    people: set[int] = set()
    places: set[int] = set()
    chosen: list[Message] = []
    for message in messages:
        if message.audience == Audience.CLIENT:
            contact, place = message.contact_id or 0, message.address_id or 0
            if (contact and contact in people) or (place and place in places):
                continue
            people.add(contact)
            places.add(place)
        chosen.append(message)
    return chosen


def refuse_all(
    session: Session, office: Office, refused: Sequence[tuple[Message, Finding]]
) -> None:
    """The same for many: nothing follows from a wait, so those are written down together."""
    put_off = [one for one in refused if one[1].verdict is Verdict.DEFER]
    outbox.hold_all(session, [(one[0].id, _ending(*one)) for one in put_off])
    for message, finding in refused:
        if finding.verdict is not Verdict.DEFER:
            refuse(session, office, message, finding)


def refuse(session: Session, office: Office, message: Message, finding: Finding) -> None:
    """Hold, withhold or cancel a message, and let its sequence know."""
    if not outbox.refuse(session, message.id, _ending(message, finding), _STATES[finding.verdict]):
        return
    if finding.verdict is Verdict.CANCEL:
        steps.follow(session, office, [message], "cancelled")
    elif finding.verdict is Verdict.REVIEW and finding.place == "content":
        drafts.ask(session, office, message)
    elif finding.verdict is Verdict.WITHHOLD:
        if finding.rule == wording.RULE and message.client_id:
            wording.ask_for(session, office, session.get_one(Client, message.client_id))
        _lost(session, office, message)


def _ending(message: Message, finding: Finding) -> Finding:
    """What waits for an event waits no longer than it is worth sending."""
    if finding.verdict is Verdict.DEFER and finding.until is None and message.expires_at:
        return replace(finding, until=message.expires_at)
    return finding


def _write_down(
    session: Session,
    office: Office,
    judged: Sequence[tuple[Message, Case, Judgement]],
    owners: Mapping[int, str],
    kin: Kin,
) -> None:
    """Every failing place goes into the record, the decisive one names it."""
    rulings = [
        timeline.Ruling(
            _decision(office, message, case, judgement, kin),
            owners[message.id],
            judgement.decisive.reason or "Every place of the door let it pass.",
        )
        for message, case, judgement in judged
        if message.audience == Audience.CLIENT and message.client_id is not None
    ]
    timeline.decide_all(session, office.keyring, rulings)


def _decision(
    office: Office, message: Message, case: Case, judgement: Judgement, kin: Kin
) -> Decision:
    found = judgement.decisive
    places = [[one.place, one.verdict, one.rule] for one in judgement.findings]
    inputs = {"places": places, "policy": office.policy.version, "rules": rules.version()}
    if case.recipient is not None:
        inputs["where"] = "; ".join(map(str, case.recipient.evidence))
    return store.fresh(
        Decision,
        client_id=kin[message.client_id or 0],
        subject_kind="message",
        subject_id=message.id,
        verdict=found.verdict,
        rule=found.rule or "all_places_pass",
        until=found.until,
        inputs=json.dumps(inputs, sort_keys=True),
        decided_at=office.now,
    )


def _owners(
    session: Session, office: Office, messages: Sequence[Message], known: Known
) -> dict[int, str]:
    """By message, whose key seals what it says: the client's, or for the firm's own the day's."""
    told = {one.client_id for one in messages} - {*known.clients, None}
    clients = {**known.clients, **store.by_id(session, Client, told)}
    day = f"inbox:{office.now:%Y-%m-%d}"
    if any(one.client_id is None for one in messages):
        office.keyring.make([day], office.now)
    return {
        one.id: day if one.client_id is None else clients[one.client_id].key_id for one in messages
    }


# --- on the wire ----------------------------------------------------------------------------------


def concerned(session: Session, message_id: int) -> set[int]:
    """Whom the end of a message may touch: a refusal can close an address that many share."""
    message = session.get_one(Message, message_id)
    shared = consent.clients_of(session, message.address_id) if message.address_id else []
    return {*shared} if message.client_id is None else {message.client_id, *shared}


def went(session: Session, office: Office, message_id: int, sent: Sent) -> None:
    """The provider took it."""
    went_all(session, office, [(message_id, sent)])


def went_all(session: Session, office: Office, answers: Sequence[tuple[int, Sent]]) -> None:
    """The same for many, whose clients are all locked."""
    attempts.end_all(session, answers, office.wall)
    moved = outbox.sent_all(session, answers, office.now)
    messages = list(store.by_id(session, Message, moved).values())
    steps.follow(session, office, messages, "sent")
    clients = store.by_id(session, Client, [one.client_id for one in messages])
    speakers = {one.id: one.merged_into_id or one.id for one in clients.values()}
    outward = [
        message
        for message in messages
        if message.audience == Audience.CLIENT and message.client_id is not None
    ]
    digests = vault.digests(session, [one.body_id for one in outward if one.body_id is not None])
    timeline.append_all(
        session,
        [
            store.fresh(
                Touchpoint,
                client_id=speakers[message.client_id or 0],
                channel=message.channel,
                direction="out",
                kind=message.purpose,
                message_id=message.id,
                contact_id=message.contact_id,
                address_id=message.address_id,
                body_id=message.body_id,
                body_digest=digests.get(message.body_id or 0, ""),
                labels=" ".join(sorted(drafts.of(session, office, message).labels & SEALING)),
                occurred_at=office.now,
                recorded_at=office.now,
            )
            for message in outward
        ],
    )


def did_not_go(session: Session, office: Office, claimed: Claim, error: DeliveryError) -> None:
    """The channel could not send it: later, never, or nobody knows."""
    message = session.get_one(Message, claimed.message_id, populate_existing=True)
    attempts.end(session, message.id, outcome_of(error), office.wall, code=error.code)
    if isinstance(error, Throttled):
        wait = dt.timedelta(seconds=max(1.0, error.retry_after))
        outbox.again(session, claimed, office.now + wait, rule="throttled", attempt=False)
    elif isinstance(error, Uncertain):
        doubt(session, office, message, error.sentence)
    elif not error.permanent and _goes_on(session, message, office):
        again_at = office.now + _backoff(message.attempts)
        outbox.again(session, claimed, again_at, rule="retry", attempt=True)
    else:
        gave_up(session, office, message, error.code, error.sentence)


def outcome_of(error: DeliveryError) -> str:
    """How a try that met this ended."""
    return {Uncertain: "in_doubt", Throttled: "throttled"}.get(type(error), "refused")


def _backoff(attempts: int) -> dt.timedelta:
    """Half a minute, doubled with every try, at most an hour."""
    return dt.timedelta(seconds=min(3600, 30 * 2 ** max(0, attempts - 1)))


def _goes_on(session: Session, message: Message, office: Office) -> bool:
    """Whether it is tried again, a day at most since the first try, however long it waited before.

    What a client does not get goes another way soon; our own people have no other.
    """
    few = message.attempts < TRIES or message.audience != Audience.CLIENT
    return few and office.wall - attempts.first(session, message.id) <= GIVE_UP


def doubt(session: Session, office: Office, message: Message, sentence: str) -> None:
    """It may have gone. Staff may read a thing twice; a client may not."""
    if outbox.doubt(session, message.id, office.now + LOOKS[0], sentence):
        settle_doubt(session, office, message)


def settle_doubt(session: Session, office: Office, message: Message) -> None:
    """Where evidence of a message in doubt will come from, by its channel and purpose."""
    repeatable = message.purpose in (Purpose.RECEIPT, Purpose.OPT_OUT)
    if message.audience == Audience.STAFF:
        outbox.requeue(session, message.id, office.now + _backoff(message.attempts))
    elif message.channel == "email" and repeatable:
        # The same Message-ID: a mailbox shows one mail, however often it comes.
        outbox.look_later(session, message.id, office.now + LOOKS[-1])
    elif message.channel == "email":
        # SMTP has no list to look into, so nothing but a report or a person can tell.
        ask_person(session, office, message)


def nothing_found(session: Session, office: Office, message: Message) -> None:
    """The provider's list does not have it (yet): absence is no proof, so look again or ask."""
    if message.channel == "email":
        outbox.requeue(session, message.id, office.now)
        return
    since = message.claimed_at or message.created_at
    later = [look for look in LOOKS if since + look > office.now]
    if later:
        outbox.look_later(session, message.id, since + later[0])
    else:
        ask_person(session, office, message)


def ask_person(session: Session, office: Office, message: Message) -> None:
    """Nobody but a person can say whether it went; finance is asked, with two buttons."""
    outbox.look_later(session, message.id, None)
    staff.alert(
        session, office, key=f"in_doubt:{message.id}:{message.attempts}", template=DOUBT,
        subject=("message", message.id),
    )  # fmt: skip


def gave_up(session: Session, office: Office, message: Message, code: str, sentence: str) -> None:
    """It will not arrive: remember what that says of the address, and go another way."""
    if not outbox.failed(session, message.id, code or "refused", sentence):
        return
    message = session.get_one(Message, message.id, populate_existing=True)
    if message.address_id is not None and not redirected(session, office, message):
        closing.learn(session, office, message, code)
    _lost(session, office, message)


def redirected(session: Session, office: Office, message: Message) -> bool:
    """Whether it went to a test address: then its fate says nothing of the client's."""
    client = session.get(Client, message.client_id) if message.client_id else None
    return client is not None and bool(cases.live(session, client, office.now).redirect_to)


def _lost(session: Session, office: Office, message: Message) -> None:
    """A message that nobody will read: its step goes another way or counts as failed."""
    if message.audience != Audience.CLIENT or message.purpose == Purpose.OFFER:
        return  # an offer that nobody reads is nobody's task
    if not (message.step_id and outreach.elsewhere(session, office, message)):
        steps.follow(session, office, [message], "failed")
    message = session.get_one(Message, message.id, populate_existing=True)
    # Whom nobody may reach is its owner's to find; a provider that fails is finance's.
    unreached = message.rule.startswith(_UNREACHED) and message.client_id
    client = session.get(Client, unreached) if unreached else None
    to = staff.desk_of(session, office, client.owner_id) if client else office.finance
    subject = ("message", message.id)
    staff.alert(session, office, key=f"lost:{message.id}", template="lost", subject=subject, to=to)


def take_back(session: Session, office: Office, message_id: int) -> None:
    """The worker that held it is gone: back to the queue, or in doubt where bytes were written."""
    state = outbox.recover(session, message_id, office.wall, office.now + LOOKS[0])
    if state is State.IN_DOUBT:
        settle_doubt(session, office, session.get_one(Message, message_id, populate_existing=True))


def belongs_to_another(session: Session, message: Message, provider_id: str) -> bool:
    """Whether the provider's entry is a twin's: two texts alike must not prove each other."""
    query = select(Message.id).where(Message.provider_id == provider_id, Message.id != message.id)
    return session.exec(query.limit(1)).first() is not None


def touch(session: Session, office: Office, client_id: int) -> None:
    """A client's facts changed: its sequences and what waits are judged anew, here and now."""
    ledger.touch(session, client_id, office.now)
    outreach.advance_client(session, office, client_id)
