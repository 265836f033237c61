"""Which matter is a message about? Asked in the menu of its card, answered by a form."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from sqlmodel import Session

from billing import aliases, spelling
from billing.models import Client
from bot import access
from bot.access import Action
from bot.slack import answers, blocks, commands, marks, people
from bot.slack.answers import Form, Reply
from bot.slack.marks import Spot
from bot.slack.people import Person
from comms import seals
from comms.compliance import clearance
from comms.compliance.labels import SEALING
from comms.duties.instructions import SayMatter
from comms.law import attributions, walls
from comms.models import Touchpoint
from comms.writing import covering

SHORTCUT: Final = "say_matter"
"""The ``callback_id`` of the manifest."""
FORM: Final = "matter"
_MOST = 100
"""Choices of a menu in Slack."""
_OPTION = 75
_NONE = (
    "No bill, hold or wall of this client names a matter, so there is none that this could be "
    "about. A matter is named in the column `matter` of an import, or by a legal hold."
)


def ask(session: Session, spot: Spot) -> Form | Reply:
    """The form, or why this person may not say so."""
    person = people.person_of(session, spot.user)
    if person is None:
        return answers.say(access.unknown_person(spot.user))
    touchpoint = marks.touchpoint_of(session, spot)
    if touchpoint is None:
        return answers.say(marks.NO_CARD)
    if refused := _refusal(session, person, touchpoint):
        return answers.say(refused)
    names = _offered(session, person, touchpoint)
    return Form(_form(session, touchpoint, names)) if names else answers.say(_NONE)


def submitted(
    session: Session, slack_user: str, packed: str, typed: Mapping[str, str]
) -> SayMatter | Reply | dict[str, str]:
    """What follows from the form; errors by block where it was filled in wrongly."""
    person = people.person_of(session, slack_user)
    if person is None:
        return answers.say(access.unknown_person(slack_user))
    touchpoint = session.get(Touchpoint, json.loads(packed)["t"])
    if touchpoint is None:
        return answers.say("That message is no longer there.")
    if refused := _refusal(session, person, touchpoint):  # it may have been sealed meanwhile
        return answers.say(refused)
    named = {_key(one): one for one in _offered(session, person, touchpoint)}
    if typed.get("matter", "") not in named:
        return {"matter": "Choose the matter again: this one is no longer there."}
    if not (reason := covering.line(typed.get("reason", "")).strip()):
        return {"reason": "Say why: it is kept, and others ask later."}
    return SayMatter(
        touchpoint_id=touchpoint.id,
        matter=named[typed["matter"]],
        reason=reason[: commands.REASON],
        cleared=tuple(sorted(access.cleared(person.roles))),
        by=person.id,
    )


def _refusal(session: Session, person: Person, touchpoint: Touchpoint) -> str:
    """Who may not read what is sealed may not say either what it is about."""
    if refused := person.refusal(Action.SEAL, owns=False):
        return refused
    sealed = seals.labels_of(session, [touchpoint])[touchpoint.id] & SEALING
    if missing := sealed - access.cleared(person.roles):
        return (
            f"Only who is cleared for what is sealed here ({clearance.named(missing)}) says which "
            "matter it is about. An administrator gives the role: `counterfoil access grant "
            f"{person.email} privileged`."
        )
    return walls.refusal(session, touchpoint, person.id) if sealed else ""


def _offered(session: Session, person: Person, touchpoint: Touchpoint) -> list[str]:
    """The matters of the client; behind a wall that is not theirs only what its bills name."""
    standing = walls.standing(session)
    inside = {one.matter for one in standing if one.staff_id == person.id}
    closed = {one.matter for one in standing} - inside
    known = attributions.known(session, aliases.group(session, touchpoint.client_id))
    return [one.name for one in known if one.billed or one.name not in closed][:_MOST]


def _key(matter: str) -> str:
    """Short enough for a value of a menu, whatever a matter is called."""
    return hashlib.sha256(matter.encode()).hexdigest()[:16]


def _form(session: Session, touchpoint: Touchpoint, names: list[str]) -> Mapping[str, Any]:
    name = blocks.inline(session.get_one(Client, touchpoint.client_id).name)
    way = "SMS" if touchpoint.channel == "sms" else touchpoint.channel
    said = f"What *{name}* wrote by {way} on {spelling.weekday(touchpoint.occurred_at.date())}."
    found = attributions.of(session, [touchpoint]).get(touchpoint.id)
    now = f"about *{blocks.inline(found.matter)}*" if found and found.matter else "of no matter yet"
    element: dict[str, Any] = {"type": "static_select", "action_id": "matter"}
    element["options"] = options = [
        {"text": blocks.plain(one, _OPTION), "value": _key(one)} for one in names
    ]
    if found and found.matter in names:
        element["initial_option"] = options[names.index(found.matter)]
    return {
        "type": "modal",
        "callback_id": FORM,
        "private_metadata": json.dumps({"t": touchpoint.id}),
        "title": blocks.plain("Which matter?"),
        "submit": blocks.plain("Say so"),
        "close": blocks.plain("Cancel"),
        "blocks": [
            blocks.section(f"{said} Now it is {now}."),
            blocks.asking("matter", "It is about", element),
            blocks.asking("reason", "Why, for whoever asks later", blocks.field("reason", 2000)),
            blocks.context("It is kept with your name and your reason; the latest word holds."),
        ],
    }
