"""What does a person see who asked? Ephemeral cards of one client, made from its rows."""

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from billing import aliases
from billing.models import Client, Enrolment, EscalationCase, Invoice, LegalEntity
from bot import access
from bot.reasons import explain, explanation, naming
from bot.slack import blocks, escalations, forms, people, records
from bot.slack.blocks import Block
from bot.slack.people import Person
from comms.duties import instructions, tasks, verdicts
from comms.models import Decision, Message, TaskKind
from comms.office import Office
from comms.timeline import latest

PAGE = 10
_WHY = 12
_EXCERPT = 200
_TYPE = "What you can type"


@dataclass(frozen=True, slots=True)
class Reply:
    """What only the person who asked sees."""

    text: str
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """A modal to open."""

    view: Mapping[str, Any]


def say(text: str) -> Reply:
    """A sentence, without any formatting of its own."""
    return Reply(text, (blocks.section(text),))


def card(session: Session, office: Office, client: Client) -> Reply:
    """How a client stands: money, what was said, what comes next and why."""
    name = blocks.inline(client.name)
    held = records.holds(session, office, client)
    disputes = records.disputes(session, client)
    waiting = records.waiting(session, client)
    flags = records.flags([("on hold", held), ("disputed", disputes), ("waiting", waiting)])
    said = records.touch_lines(session, client, latest(session, client.id, 5))
    local = office.now.astimezone(dt.UTC)
    body = [
        blocks.header(client.name),
        blocks.section("\n".join(records.balances(session, office, client))),
        *blocks.lines("Overdue by age", records.buckets(session, office, client)),
        *blocks.lines("What stands against it", records.against(session, office, client)),
        *([blocks.section(f"*Flags*: {flags}")] if flags else []),
        *blocks.lines("Waits for a person", records.turns_of(session, client)),
        *blocks.lines("Next", records.next_steps(session, office, client)),
        *blocks.lines("Waiting to leave", waiting),
        *blocks.lines("Stops reminders", held),
        *blocks.lines("Contested", disputes),
        *blocks.lines("Last said", said),
        *blocks.lines("Renewals", records.renewals(session, client)),
        *blocks.lines("May we write?", records.addresses(session, client)),
        blocks.context(
            f"Looked after by {records.owner(session, client)} · {client.timezone} · as of "
            f"{blocks.moment(local)}"
        ),
    ]
    more = f"`/acct timeline {name}` shows the rest."
    return Reply(f"{name}", blocks.fit(body, _buttons(session, office, client), more))


def _buttons(session: Session, office: Office, client: Client) -> list[Block]:
    value = {"c": client.id}
    holds = instructions.holds(session, office, client.id)
    paused = any(hold.reason == instructions.PAUSED for hold in holds)
    switch = ("Resume", "client.resume") if paused else ("Pause", "client.pause")
    named = (switch, ("Timeline", "client.timeline"), ("Why", "client.why"))
    row = [blocks.button(text, action, value) for text, action in named]
    replies = tasks.of_clients(session, aliases.group(session, client.id), TaskKind.REPLY)
    row += [
        blocks.button("Reply handled", "task.done", {"task": one.id, "t": one.touchpoint_id})
        for one in replies
    ]
    if step_id := verdicts.repeatable(session, office, client):
        repeat = {"c": client.id, "s": step_id}
        row.append(blocks.button("Send last reminder again", "client.again", repeat))
    # What came with the import has no card of its own, so its case is dealt with here.
    query = select(EscalationCase.id).where(
        col(EscalationCase.client_id).in_(aliases.group(session, client.id)),
        EscalationCase.state == "open",
    )
    case_id = session.exec(query.order_by(col(EscalationCase.id))).first()
    if case_id is not None:
        row.append(blocks.button("Mark case handled", "case.close", {"case": case_id}))
        row.append(blocks.button("Assign case to me", "case.assign", {"case": case_id}))
        row += [escalations.ending(case_id, one) for one in verdicts.WORDS]
    return blocks.actions(row)


@dataclass(frozen=True, slots=True)
class Cut:
    """Which part of a timeline is shown; small enough for a button's value."""

    days: int | None = None
    channel: str = ""
    offset: int = 0


def timeline(session: Session, office: Office, client: Client, person: Person, cut: Cut) -> Reply:
    """Ten touchpoints, the newest first, with the client's words for whoever may read them."""
    since = office.now - dt.timedelta(days=cut.days) if cut.days is not None else None
    touches = latest(
        session, client.id, PAGE + 1, offset=cut.offset, since=since, channel=cut.channel
    )
    name = blocks.inline(client.name)
    owns = client.owner_id == person.id
    reads = person.refusal(access.Action.SEE_WORDS, owns=owns) is None
    body: list[Block] = [blocks.section(f"*{name}*, the newest first{_limits(cut)}")]
    shown = touches[:PAGE]
    for line, touch in zip(records.touch_lines(session, client, shown), shown, strict=True):
        body.append(blocks.section(line))
        said = records.spoken(session, office, touch) if reads else {}
        if "sealed" in said:
            body += records.sealed(said)
        elif said.get("visible"):
            body.append(blocks.words(said["visible"], _EXCERPT))
    if not touches:
        body.append(blocks.section("Nothing was said that this asks for."))
    tail: list[Block] = []
    if len(touches) > PAGE:
        value = {"c": client.id, "d": cut.days, "ch": cut.channel, "o": cut.offset + PAGE}
        tail = blocks.actions([blocks.button("More", "timeline.more", value)])
    return Reply(f"Timeline of {name}", blocks.fit(body, tail))


def _limits(cut: Cut) -> str:
    parts = [f"of {cut.days} days"] if cut.days is not None else []
    parts += [f"by {naming.way(cut.channel)}"] if cut.channel else []
    parts += [f"from number {cut.offset + 1}"] if cut.offset else []
    return ", " + ", ".join(parts) if parts else ""


def why(session: Session, office: Office, client: Client) -> Reply:
    """The newest decisions about a client: of its sequences, and at the door."""
    found = records.decisions(session, client.id, limit=_WHY)
    stands = explain.of(session, office, "client", client.id)
    return _reasons(session, office, client, found, stands)


def why_invoice(session: Session, office: Office, invoice: Invoice) -> Reply:
    """The newest decisions about the account that an invoice belongs to."""
    client = session.get_one(Client, invoice.client_id)
    together = aliases.group(session, client.id)
    enrolments = session.exec(
        select(Enrolment.id).where(
            col(Enrolment.client_id).in_(together),
            Enrolment.legal_entity_id == invoice.legal_entity_id,
            Enrolment.currency == invoice.currency,
        )
    ).all()
    about = (Message.subject_kind == "enrolment", col(Message.subject_id).in_(enrolments))
    mine = col(Message.client_id).in_(together)
    messages = session.exec(select(Message.id).where(mine, *about)).all()
    of = {("enrolment", one) for one in enrolments} | {("message", one) for one in messages}
    found = [
        one
        for one in records.decisions(session, client.id, limit=10 * _WHY)
        if (one.subject_kind, one.subject_id) in of
    ]
    stands = explain.of(session, office, "invoice", invoice.id)
    return _reasons(session, office, client, found[:_WHY], stands)


def _reasons(
    session: Session,
    office: Office,
    client: Client,
    found: Sequence[Decision],
    stands: explanation.Explanation,
) -> Reply:
    shown = blocks.inline(stands.title)
    body = [
        blocks.section(f"*Why, for {shown}*, the newest first"),
        *_standing(stands),
        *(blocks.section(_reason(session, office, client, one)) for one in found),
    ]
    if not found:
        body.append(blocks.section("Nothing was decided yet."))
    return Reply(f"Why, for {shown}", blocks.fit(body))


def _standing(stands: explanation.Explanation) -> Iterator[Block]:
    """What would have to change, and when it is looked at next."""
    yield from blocks.lines("What would change it", map(blocks.inline, stands.would_change))
    if when := explanation.next_words(stands):
        yield blocks.section(f"*Looked at next*: {blocks.inline(when)}")


def _reason(session: Session, office: Office, client: Client, decision: Decision) -> str:
    line = records.decision_line(session, office, client, decision)
    if decision.subject_kind != "message":
        return line
    message = session.get(Message, decision.subject_id)
    what = naming.sent(message) if message else "a message"
    places = json.loads(decision.inputs or "{}").get("places", [])
    return f"{line}\n_At the door_, {what}. {_places(places)}".rstrip()


_SILENT = ("allow", "empty")


def _places(places: Sequence[Sequence[str]]) -> str:
    """Which places of the door did not let it pass, in their order, and how many did."""
    told = [(place, verdict, rule) for place, verdict, rule in places if verdict not in _SILENT]
    passed = sum(verdict == "allow" for _, verdict, _ in places)
    said = [
        f"_{place.replace('_', ' ')}_ {naming.decided(verdict).lower()} (`{rule}`)"
        for place, verdict, rule in told
    ]
    return f"{', '.join(said)}; {passed} other places let it pass" if said else ""


def pick(found: Sequence[Client], name: str) -> Reply:
    """Several clients go by this name: which one?"""
    shown = found[: people.MOST]
    body: list[Block] = [blocks.section(f"Several clients match *{blocks.inline(name)}*:")]
    for client in shown:
        chosen = blocks.button("Card", "client.card", {"c": client.id})
        line = f"{blocks.inline(client.name)} ({client.country}, {client.timezone})"
        body.append({**blocks.section(line), "accessory": chosen})
    if len(found) > len(shown):
        body.append(blocks.context("There are more; write a longer part of the name."))
    return Reply(f"Several clients match {blocks.inline(name)}", blocks.fit(body))


def pick_invoice(session: Session, found: Sequence[Invoice]) -> Reply:
    """Several entities have an invoice of this number: which one?"""
    said = f"Several invoices have the number *{blocks.inline(found[0].number)}*:"
    body: list[Block] = [blocks.section(said)]
    for invoice in found:
        client = aliases.master(session, session.get_one(Client, invoice.client_id))
        entity = session.get_one(LegalEntity, invoice.legal_entity_id)
        line = f"{blocks.inline(client.name)}, from {blocks.inline(entity.name)}"
        chosen = blocks.button("Why?", "invoice.why", {"i": invoice.id})
        body.append({**blocks.section(line), "accessory": chosen})
    return Reply(f"Several invoices have the number {found[0].number}", blocks.fit(body))


def nobody(session: Session, typed: str, name: str) -> Reply:
    """No client is called so: who comes close, and what can be typed."""
    close = [blocks.inline(one) for one in people.nearest(session, name)]
    guess = f" Did you mean {', '.join(close)}?" if close else ""
    text = f"No client is called {blocks.inline(name)}.{guess}"
    hint = blocks.context("A part of the name is enough. `/acct help` shows what can be typed.")
    return Reply(text, (blocks.section(text), *_forms(forms.nearest(typed), _TYPE), hint))


def unclear(typed: str) -> Reply:
    """Something is missing: the three forms that come closest."""
    text = f"`/acct {blocks.inline(typed)}` lacks something."
    return Reply(text, (blocks.section(text), *_forms(forms.nearest(typed))))


def manual() -> Reply:
    """Everything that can be typed."""
    lines = _forms(forms.FORMS.values(), _TYPE)
    quotes = 'Put a name in quotes where it is not clear where it ends: `/acct pause "Acme" 3d …`'
    return Reply("What you can type after /acct", (*lines, blocks.context(quotes)))


def _forms(found: Iterable[str], title: str = "Closest to what you typed") -> list[Block]:
    return blocks.lines(title, [f"`{form}`" for form in found])
