"""What follows from a button or a form? Its value holds ids; everything else is read anew."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

from sqlmodel import Session, select

from billing import aliases
from billing.models import Client, EscalationCase, Invoice, RequestKind
from bot import access
from bot.access import Action
from bot.slack import answers, blocks, commands, custody, marks, people, writing
from bot.slack.answers import Cut, Form, Reply
from bot.slack.commands import Answer
from bot.slack.escalations import PAUSE_DAYS
from bot.slack.people import Person
from comms.duties.instructions import (
    LONGEST,
    AssignCase,
    CloseCase,
    Decide,
    HandleTask,
    Instruction,
    KeepApart,
    LetPass,
    Merge,
    Pause,
    Repeat,
    ResolveDoubt,
    RuleOnDraft,
    SealWords,
)
from comms.models import Message, Task, TaskKind, Touchpoint
from comms.office import Office
from comms.writing import covering

PAUSE_FORM = "pause"


Value = Mapping[str, Any]
_Act = Callable[[Session, Office, Person, Value], Answer | Form]
_GONE = "That is no longer there; ask again with /acct."


def decide(
    session: Session, office: Office, slack_user: str, action_id: str, packed: str
) -> Answer | Form:
    """What to show or do for a click."""
    person = people.person_of(session, slack_user)
    if person is None:
        return answers.say(access.unknown_person(slack_user))
    refused = person.refusal(Action.SEE, owns=False)
    if refused is not None and action_id not in _FOR_COUNSEL:
        return answers.say(refused)
    act, value = _ACTS.get(action_id), _value(packed)
    if act is None or value is None:
        return answers.say("That button is from an older version; ask again with /acct.")
    return act(session, office, person, value)


def submitted(
    session: Session, slack_user: str, packed: str, given: Mapping[str, str]
) -> Answer | dict[str, str]:
    """What follows from the pause form; errors by block where it was filled in wrongly."""
    person, value = people.person_of(session, slack_user), _value(packed)
    if person is None:
        return answers.say(access.unknown_person(slack_user))
    client = session.get(Client, value.get("c")) if value and "c" in value else None
    if client is None:
        return answers.say(_GONE)
    typed, reason = given.get("days", "").strip(), given.get("reason", "")
    if not (typed.isascii() and typed.isdigit() and 1 <= int(typed[:4]) <= LONGEST):
        return {"days": f"Write a number of days between 1 and {LONGEST}."}
    if not reason.strip():
        return {"reason": "Say why, so that others know."}
    return commands.pause(person, client, int(typed), covering.line(reason))


def pause_form(client: Client, days: int) -> Mapping[str, Any]:
    """For how long, and why?"""
    return {
        "type": "modal",
        "callback_id": PAUSE_FORM,
        "private_metadata": json.dumps({"c": client.id}),
        "title": blocks.plain("Pause reminders"),
        "submit": blocks.plain("Pause"),
        "close": blocks.plain("Cancel"),
        "blocks": [
            blocks.section(f"To *{blocks.inline(client.name)}*, all invoices."),
            blocks.asking("days", "Days", blocks.field("days", 3, str(days))),
            blocks.asking(
                "reason", "Why, for your colleagues", blocks.field("reason", commands.REASON)
            ),
        ],
    }


def outcome(title: str, text: str) -> Mapping[str, Any]:
    """What a form turns into when it is done."""
    return {
        "type": "modal",
        "title": blocks.plain(title),
        "close": blocks.plain("Close"),
        "blocks": [blocks.section(text)],
    }


def _value(packed: str) -> Value | None:
    try:
        found = json.loads(packed or "{}")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


# --- clients --------------------------------------------------------------------------------------


def _of_client(
    then: Callable[[Session, Office, Person, Client, Value], Answer | Form],
) -> _Act:
    def act(session: Session, office: Office, person: Person, value: Value) -> Answer | Form:
        client = session.get(Client, value["c"]) if isinstance(value.get("c"), int) else None
        if client is None:
            return answers.say(_GONE)
        return then(session, office, person, aliases.master(session, client), value)

    return act


def _card(session: Session, office: Office, _by: Person, client: Client, _value: Value) -> Reply:
    return answers.card(session, office, client)


def _why(session: Session, office: Office, _by: Person, client: Client, _value: Value) -> Reply:
    return answers.why(session, office, client)


def _why_invoice(session: Session, office: Office, _by: Person, value: Value) -> Answer:
    given = value.get("i")
    invoice = session.get(Invoice, given) if isinstance(given, int) else None
    return answers.say(_GONE) if invoice is None else answers.why_invoice(session, office, invoice)


def _timeline(
    session: Session, office: Office, person: Person, client: Client, value: Value
) -> Reply:
    cut = Cut(value.get("d"), value.get("ch") or "", value.get("o") or 0)
    return answers.timeline(session, office, client, person, cut)


def _pause(
    _session: Session, office: Office, person: Person, client: Client, _value: Value
) -> Answer | Form:
    refused = person.refusal(Action.PAUSE, owns=client.owner_id == person.id)
    if refused is not None:
        return answers.say(refused)
    return Form(pause_form(client, office.policy.holds.pause_days))


def _resume(
    _session: Session, _office: Office, person: Person, client: Client, _value: Value
) -> Answer:
    return commands.resume(person, client)


def _let_pass(
    _session: Session, _office: Office, person: Person, client: Client, _value: Value
) -> Answer:
    refused = person.refusal(Action.OVERRIDE, owns=client.owner_id == person.id)
    if refused is not None:
        return answers.say(refused)
    reason = "Let pass from the card of a notice that an overdue balance holds."
    return LetPass(client_id=client.id, reason=reason, by=person.id)


def _again(
    _session: Session, _office: Office, person: Person, client: Client, value: Value
) -> Answer:
    refused = person.refusal(Action.REMIND, owns=client.owner_id == person.id)
    if refused is not None:
        return answers.say(refused)
    if not isinstance(value.get("s"), int):
        return answers.say(_GONE)
    return Repeat(client_id=client.id, step_id=value["s"], by=person.id)


# --- cases and doubts -----------------------------------------------------------------------------


def _of_case(action: Action, then: Callable[[Person, EscalationCase], Instruction]) -> _Act:
    def act(session: Session, _office: Office, person: Person, value: Value) -> Answer:
        given = value.get("case")
        case = session.get(EscalationCase, given) if isinstance(given, int) else None
        if case is None:
            return answers.say(_GONE)
        client = session.get_one(Client, case.client_id)
        refused = person.refusal(action, owns=person.id in (case.owner_id, client.owner_id))
        return answers.say(refused) if refused is not None else then(person, case)

    return act


def _close(person: Person, case: EscalationCase) -> Instruction:
    return CloseCase(case_id=case.id, outcome="handled", by=person.id)


def _assign(person: Person, case: EscalationCase) -> Instruction:
    return AssignCase(case_id=case.id, to_staff_id=person.id, by=person.id)


def _pause_case(person: Person, case: EscalationCase) -> Instruction:
    reason = f"Paused from the card of case {case.id}."
    return Pause(client_id=case.client_id, days=PAUSE_DAYS, reason=reason, by_staff_id=person.id)


def _decided(decision: Literal["write_off", "agency", "legal"]) -> _Act:
    def close(person: Person, case: EscalationCase) -> Instruction:
        return Decide(case_id=case.id, decision=decision, by=person.id)

    return _of_case(Action.DECIDE, close)


def _of_task(outcome: Literal["handled", "accepted", "refused"]) -> _Act:
    action = Action.HANDLE if outcome == "handled" else Action.TAKE

    def act(session: Session, _office: Office, person: Person, value: Value) -> Answer:
        given = value.get("task")
        task = session.get(Task, given) if isinstance(given, int) else None
        if task is None:
            return answers.say(_GONE)
        client = session.get_one(Client, task.client_id)
        needed = Action.HOLD if task.kind == TaskKind.PRESERVE else action
        refused = person.refusal(needed, owns=person.id in (task.owner_id, client.owner_id))
        if refused is not None:
            return answers.say(refused)
        seen = value["t"] if isinstance(value.get("t"), int) else None
        return HandleTask(task_id=task.id, outcome=outcome, seen=seen, by=person.id)

    return act


def _seal(_session: Session, _office: Office, person: Person, value: Value) -> Answer:
    refused = person.refusal(Action.SEAL, owns=False)
    if refused is not None:
        return answers.say(refused)
    if not isinstance(value.get("t"), int):
        return answers.say(_GONE)
    return SealWords(touchpoint_id=value["t"], by=person.id)


def _unseal(session: Session, _office: Office, person: Person, value: Value) -> Answer:
    found = session.get(Touchpoint, value.get("t")) if isinstance(value.get("t"), int) else None
    if found is None:
        return answers.say(_GONE)
    asked = marks.of_words(session, person, found, "unseal")
    return answers.say(asked) if isinstance(asked, str) else asked


def _of_draft(ruling: Literal["asked", "read", "released", "refused"]) -> _Act:
    def act(session: Session, office: Office, person: Person, value: Value) -> Answer:
        if isinstance(value.get("k"), str):
            which = Message.key == f"written:{value['k']}"
        else:
            which = Message.id == value.get("m")
        draft = session.exec(select(Message).where(which)).first()
        if draft is None:
            return answers.say("That is not kept yet, or no longer; click again in a moment.")
        asks = ruling == "asked"
        if not asks and (refused := writing.refusal(session, office, person, draft)):
            return answers.say(refused)
        return RuleOnDraft(message_id=draft.id, ruling=ruling, by=person.id)

    return act


def _doubt(*, went: bool) -> _Act:
    def act(_session: Session, _office: Office, person: Person, value: Value) -> Answer:
        refused = person.refusal(Action.RESOLVE_DOUBT, owns=False)
        if refused is not None:
            return answers.say(refused)
        if not isinstance(value.get("m"), int):
            return answers.say(_GONE)
        return ResolveDoubt(message_id=value["m"], went=went, by=person.id)

    return act


def _pair(then: Callable[[int, int, int], Instruction]) -> _Act:
    def act(_session: Session, _office: Office, person: Person, value: Value) -> Answer:
        refused = person.refusal(Action.MERGE, owns=False)
        if refused is not None:
            return answers.say(refused)
        one, other = value.get("k"), value.get("a")
        if not isinstance(one, int) or not isinstance(other, int):
            return answers.say(_GONE)
        return then(one, other, person.id)

    return act


_FOR_COUNSEL = frozenset(
    {"draft.read", "draft.release", "draft.refuse", "said.seal", "said.unseal"}
)
"""Counsel needs to see no client for these; they ask for the role themselves."""
_ACTS: Mapping[str, _Act] = {
    "client.card": _of_client(_card),
    "client.why": _of_client(_why),
    "invoice.why": _why_invoice,
    "client.timeline": _of_client(_timeline),
    "timeline.more": _of_client(_timeline),
    "client.pause": _of_client(_pause),
    "client.resume": _of_client(_resume),
    "client.let_pass": _of_client(_let_pass),
    "client.again": _of_client(_again),
    "case.write_off": _decided("write_off"),
    "case.agency": _decided("agency"),
    "case.legal": _decided("legal"),
    "case.close": _of_case(Action.CLOSE_CASE, _close),
    "case.pause": _of_case(Action.PAUSE, _pause_case),
    "case.assign": _of_case(Action.ASSIGN_CASE, _assign),
    "task.done": _of_task("handled"),
    "task.accept": _of_task("accepted"),
    "task.refuse": _of_task("refused"),
    "hold.set": _of_client(lambda _s, _o, by, client, value: custody.place(by, client, value)),
    "hold.release": lambda s, _o, by, value: custody.release(s, by, value, sure=False),
    "hold.end": lambda s, _o, by, value: custody.release(s, by, value, sure=True),
    "rights.access": _of_client(
        lambda _s, _o, by, client, _v: custody.open_rights(by, client, RequestKind.ACCESS)
    ),
    "rights.erasure": _of_client(
        lambda _s, _o, by, client, _v: custody.open_rights(by, client, RequestKind.ERASURE)
    ),
    "hold.place": _of_task("accepted"),
    "hold.dismiss": _of_task("refused"),
    "said.seal": _seal,
    "said.unseal": _unseal,
    "draft.ask": _of_draft("asked"),
    "draft.read": _of_draft("read"),
    "draft.release": _of_draft("released"),
    "draft.refuse": _of_draft("refused"),
    "pair.merge": _pair(lambda one, other, by: Merge(keep_id=one, alias_id=other, by=by)),
    "pair.different": _pair(lambda one, other, by: KeepApart(one_id=one, other_id=other, by=by)),
    "doubt.went": _doubt(went=True),
    "doubt.again": _doubt(went=False),
}
