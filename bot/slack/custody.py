"""Must all of a client's be kept, and did they ask about their data? Asked with ``/acct``."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session, col, select

from billing import aliases, spelling
from billing.models import Client, LegalHold, RequestKind, RightsRequest
from bot.access import Action
from bot.slack import answers, blocks, records
from bot.slack.answers import Reply
from bot.slack.blocks import Block
from bot.slack.people import Person
from comms.duties import custody
from comms.duties.orders import EndHold, OpenRights, PlaceHold
from comms.law import preservation
from comms.office import Office

LONGEST = 200
_MORE = "`counterfoil legal-hold list NAME` on the machine shows all."
_KEPT = "Nothing of theirs is erased, expires or loses its key while a hold stands."
_ON_THE_MACHINE = (
    "What is held of them is exported, and erased, on the machine alone: `counterfoil rights "
    "export` and `counterfoil erase`. Neither is done by a click."
)
_ASKED = {"access": "what we hold of them", "erasure": "to be erased"}
Value = Mapping[str, Any]


def holds(session: Session, client: Client, person: Person, matter: str) -> Reply:
    """What holds them, with a way to end it; and a question, where a matter was named."""
    if refused := person.refusal(Action.HOLD, owns=False):
        return answers.say(refused)
    name = blocks.inline(client.name)
    standing = preservation.standing(session, client.id)
    what = f"{name} is under legal hold" if standing else f"Nothing of {name} is under legal hold"
    body: list[Block] = [blocks.section(f"*{what}.*")]
    for matter_, hold in {one.matter: one for one in standing}.items():
        by = records.signed(session, hold.placed_by)
        said = f"{blocks.inline(matter_)}, since {spelling.day(hold.placed_at)}, by {by}"
        body += [
            blocks.section(said),
            *blocks.actions([blocks.button("Release…", "hold.release", {"h": hold.id})]),
        ]
    return Reply(what, blocks.fit(body, _question(name, client, matter.strip()), _MORE))


def _question(name: str, client: Client, matter: str) -> Sequence[Block]:
    """How a hold is placed; and whether they mean it, where they named a matter."""
    if not matter:
        return [blocks.context(f"`/acct hold {name}: MATTER` places one. {_KEPT}")]
    if len(matter) > LONGEST:
        said = f"The name of a matter has {LONGEST} characters at most, this one {len(matter)}."
        return [blocks.section(f"{said} Nothing was placed.")]
    ask = f"Place a legal hold on everything of *{name}* for *{blocks.inline(matter)}*? {_KEPT}"
    value = {"c": client.id, "m": matter}
    button = blocks.button("Place the hold", "hold.set", value, style="primary")
    return [blocks.section(ask), *blocks.actions([button])]


def place(person: Person, client: Client, value: Value) -> Reply | PlaceHold:
    """They pressed the button."""
    if refused := person.refusal(Action.HOLD, owns=False):
        return answers.say(refused)
    matter = str(value.get("m") or "").strip()[:LONGEST]
    if not matter:
        return answers.say("Name the matter: `/acct hold NAME: MATTER`.")
    return PlaceHold(client_id=client.id, matter=matter, by=person.id)


def release(session: Session, person: Person, value: Value, *, sure: bool) -> Reply | EndHold:
    """Asked once whether they mean it, then done."""
    if refused := person.refusal(Action.HOLD, owns=False):
        return answers.say(refused)
    hold = session.get(LegalHold, value["h"]) if isinstance(value.get("h"), int) else None
    if hold is None or hold.released_at is not None:
        return answers.say("That hold has ended already.")
    if sure:
        return EndHold(hold_id=hold.id, by=person.id)
    name = blocks.inline(session.get_one(Client, hold.client_id).name)
    ask = (
        f"Release {name} from the hold for *{blocks.inline(hold.matter)}*? What it kept may be "
        "erased and expires as policy says."
    )
    buttons = [blocks.button("Release the hold", "hold.end", {"h": hold.id}, style="danger")]
    return Reply("Release the hold?", (blocks.section(ask), *blocks.actions(buttons)))


def rights(session: Session, office: Office, client: Client, person: Person) -> Reply:
    """Who waits for an answer about their data, and how a case begins."""
    if refused := person.refusal(Action.ANSWER, owns=False):
        return answers.say(refused)
    name = blocks.inline(client.name)
    query = select(RightsRequest).where(
        col(RightsRequest.client_id).in_(aliases.group(session, client.id)),
        RightsRequest.state == "open",
    )
    found = session.exec(query.order_by(col(RightsRequest.due_on))).all()
    lines = [
        f"Case {one.id}: they asked {_ASKED[one.kind]}; due {spelling.day(one.due_on)}, "
        f"{custody.days_left(one, client, office.now)} days left"
        for one in found
    ]
    title = f"What {name} asked about their data"
    buttons = [
        blocks.button("They ask what we hold", "rights.access", {"c": client.id}),
        blocks.button("They ask to be erased", "rights.erasure", {"c": client.id}),
    ]
    body = [
        blocks.header(title),
        *blocks.lines("Open", lines or ["nothing"]),
        blocks.section("A case that you open now counts as received today. Check who asks first."),
        blocks.context(_ON_THE_MACHINE),
    ]
    return Reply(title, (*body, *blocks.actions(buttons)))


def open_rights(person: Person, client: Client, kind: RequestKind) -> Reply | OpenRights:
    """They pressed one of the buttons."""
    if refused := person.refusal(Action.ANSWER, owns=False):
        return answers.say(refused)
    return OpenRights(client_id=client.id, kind=kind, by=person.id)
