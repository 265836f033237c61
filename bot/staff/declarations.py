"""What do our own people say of a client: that the law stands between, or what somebody asked?"""

import secrets
from collections.abc import Iterator, Sequence
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlmodel import Session, col, select

from billing import aliases, facts, spelling
from billing.ledger import Contradiction, legal
from billing.models import (
    Address,
    Client,
    Contact,
    ContactAddress,
    LegalState,
    StatedPreference,
)
from bot import intake, subjects
from bot.app import App
from bot.report import DONE, NO, Args, Progress, Report, Table, Wrong
from comms import outreach
from comms.law import enforcement
from comms.law.enforcement import FinalNotice, Refused

Said = TypeVar("Said", facts.LegalStatePlaced, facts.PreferenceStated)
Kind = Literal["bankruptcy", "cease", "represented", "deceased"]


class Asked(BaseModel):
    """The arguments of `counterfoil legal-state` and `prefer`, as a person says them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client: str
    by: str = "cli"
    at: str = ""
    """A mailbox or a phone: of that person, and not of the whole client."""


class AskedState(Asked):
    """Those of `legal-state place` and `lift`."""

    kind: Kind
    reason: str = ""
    counsel_email: str | None = None
    counsel_name: str | None = None


class AskedNotice(Asked):
    """Those of `legal-state notice`."""

    text: str
    approved_by: facts.Mailbox
    channel: Literal["email", "sms"] = "email"


class AskedPreference(Asked):
    """Those of `prefer`."""

    only: tuple[Literal["email", "sms", "voice"], ...] = ()
    not_before: str | None = None
    not_after: str | None = None
    timezone: str | None = None
    clear: bool = False


async def place(app: App, args: Args, _progress: Progress) -> Report:
    """Let nothing leave for a client, or one person there, any more.

    Raises:
        Wrong: there is no such client, or nobody there reads at the address.
    """
    asked = AskedState.model_validate(args)
    client = _client(app, asked)
    fact = _fact(
        facts.LegalStatePlaced,
        client,
        asked,
        kind=asked.kind,
        reason=asked.reason,
        counsel_email=asked.counsel_email,
        counsel_name=asked.counsel_name,
        placed_at=app.clock.now(),
    )

    def write(session: Session) -> Report:
        new = _tell(session, app, fact)
        said = f"{client.name} is in the state {asked.kind}: nothing leaves any more."
        lines = [said] if new else [said, "It was before; nothing changed."]
        return Report({"client": client.id, "kind": asked.kind, "new": new}, lines)

    return await app.store.write(write, clients=_together(app, client.id))


async def lift(app: App, args: Args, _progress: Progress) -> Report:
    """Say that a legal state stands no more; the answer is no where none did."""
    asked = AskedState.model_validate(args)
    client = _client(app, asked)
    now = app.clock.now()

    def write(session: Session) -> Report:
        group = aliases.group(session, client.id)
        standing = [
            one
            for one in _standing(session, group)
            if one.kind == asked.kind and (not asked.at or _reads_at(session, one, asked.at))
        ]
        for one in standing:
            legal.let_go(session, one, now, asked.by, now)
        session.flush()
        outreach.advance_clients(session, app.office(), group)
        said = (
            f"{client.name} is no longer in the state {asked.kind}."
            if standing
            else f"{client.name} was not in the state {asked.kind}."
        )
        said += f" It was told of {len(standing)} times; all are lifted." if standing[1:] else ""
        data = {"client": client.id, "kind": asked.kind, "lifted": len(standing)}
        return Report(data, [said], code=DONE if standing else NO)

    report = await app.store.write(write, clients=_together(app, client.id))
    app.wake.set()
    return report


async def notice(app: App, args: Args, _progress: Progress) -> Report:
    """Queue the one final notice that compliance approved after a request to cease."""
    asked = AskedNotice.model_validate(args)
    client = _client(app, asked)
    given = FinalNotice(asked.text, asked.channel, asked.approved_by)

    def write(session: Session) -> Report:
        try:
            queued = enforcement.give_notice(session, app.office(), client.id, given)
        except Refused as refused:
            return Report({"client": client.id, "message": None}, [str(refused)], code=NO)
        said = f"The final notice to {client.name} waits at the door; no other may follow it."
        return Report({"client": client.id, "message": queued}, [said])

    report = await app.store.write(write, clients=_together(app, client.id))
    app.wake.set()
    return report


async def prefer(app: App, args: Args, _progress: Progress) -> Report:
    """Keep to what somebody asked for: some channels only, or some hours.

    Raises:
        Wrong: there is no such client or address, or it asks for nothing that can be.
    """
    asked = AskedPreference.model_validate(args)
    client = _client(app, asked)
    if asked.clear:
        return await _clear(app, client, asked)
    fact = _fact(
        facts.PreferenceStated,
        client,
        asked,
        channels=asked.only,
        not_before=asked.not_before,
        not_after=asked.not_after,
        timezone=asked.timezone,
        stated_at=app.clock.now(),
    )

    def write(session: Session) -> Report:
        _tell(session, app, fact)
        return wishes(session, client.id)

    report = await app.store.write(write, clients=_together(app, client.id))
    app.wake.set()
    return report


async def _clear(app: App, client: Client, asked: AskedPreference) -> Report:
    now = app.clock.now()

    def write(session: Session) -> Report:
        ended = [
            one
            for one, place in _wishes(session, client.id)
            if not asked.at or place == _address_of(asked.at)
        ]
        for one in ended:
            one.ended_at, one.ended_by = now, asked.by
            session.add(one)
        session.flush()
        outreach.advance_clients(session, app.office(), aliases.group(session, client.id))
        said = f"{client.name} asks for nothing special any more."
        return Report({"client": client.id, "ended": len(ended)}, [said])

    return await app.store.write(write, clients=_together(app, client.id))


# --- what stands ----------------------------------------------------------------------------------


def listed(session: Session, client: Client | None) -> Report:
    """Every legal state that stands, of one client or of all."""
    group = aliases.group(session, client.id) if client else None
    standing = list(_standing(session, group))
    rows = [
        {
            "client": one.client_id,
            "name": session.get_one(Client, one.client_id).name,
            "kind": one.kind,
            "person": _name(session, one.contact_id),
            "counsel": _name(session, one.counsel_id),
            "since": one.placed_at.isoformat(timespec="minutes"),
            "by": one.placed_by,
            "told_as": one.told_as,
            "final_notice": one.notice_by,
        }
        for one in standing
    ]
    if not rows:
        return Report({"legal_states": []}, ["The law stands between us and nobody."])
    columns = list(rows[0])
    told = [
        {**row, "since": spelling.moment(one.placed_at)}
        for row, one in zip(rows, standing, strict=True)
    ]
    shown = [[str(value or "") for value in row.values()] for row in told]
    return Report({"legal_states": rows}, [], [Table("", columns, shown)])


def wishes(session: Session, client_id: int) -> Report:
    """What people of a client asked for."""
    rows = [
        {
            "for": place,
            "only": one.channels.split(),
            "not_before": one.not_before,
            "not_after": one.not_after,
            "timezone": one.timezone,
            "since": one.placed_at.isoformat(timespec="minutes"),
            "by": one.placed_by,
        }
        for one, place in _wishes(session, client_id)
    ]
    name = session.get_one(Client, client_id).name
    if not rows:
        return Report({"preferences": []}, [f"{name} has asked for nothing special."])
    columns = list(rows[0])
    shown = [
        [" ".join(value) if isinstance(value, list) else str(value) for value in row.values()]
        for row in rows
    ]
    lines = [f"{name} wants to hear from us so:"]
    return Report({"preferences": rows}, lines, [Table("", columns, shown)])


def told(session: Session, client_id: int) -> Iterator[tuple[str, str]]:
    """What stands between us and a client, and what it asked for, in a line each."""
    for one in _standing(session, aliases.group(session, client_id)):
        who = f"{name}: " if (name := _name(session, one.contact_id)) else ""
        since = spelling.day(one.placed_at)
        yield "the law", f"{who}{one.kind} since {since}, placed by {one.placed_by}"
    for wish, place in _wishes(session, client_id):
        asked = [f"only {wish.channels.replace(' ', ' or ')}"] if wish.channels else []
        asked += [f"not before {wish.not_before}"] if wish.not_before else []
        asked += [f"not after {wish.not_after}"] if wish.not_after else []
        yield "asked for", f"{', '.join(asked)} ({place})"


def _standing(session: Session, clients: Sequence[int] | None) -> list[LegalState]:
    query = select(LegalState).where(col(LegalState.lifted_at).is_(None))
    if clients is not None:
        query = query.where(col(LegalState.client_id).in_(clients))
    return list(session.exec(query.order_by(col(LegalState.id))))


def _wishes(session: Session, client_id: int) -> list[tuple[StatedPreference, str]]:
    """What binds, and whom or where: a name, or an address."""
    group = aliases.group(session, client_id)
    people = session.exec(select(Contact).where(col(Contact.client_id).in_(group))).all()
    ids = [one.id for one in people]
    places = dict(
        session.exec(
            select(Address.id, Address.value)
            .join(ContactAddress, col(ContactAddress.address_id) == col(Address.id))
            .where(col(ContactAddress.contact_id).in_(ids))
        ).all()
    )
    found = session.exec(
        select(StatedPreference)
        .where(
            col(StatedPreference.ended_at).is_(None),
            col(StatedPreference.contact_id).in_(ids)
            | col(StatedPreference.address_id).in_(list(places)),
        )
        .order_by(col(StatedPreference.id))
    )
    names = {one.id: one.name or "the contact" for one in people}
    return [
        (one, places[one.address_id] if one.address_id else names[one.contact_id or 0])
        for one in found
    ]


# --- words ----------------------------------------------------------------------------------------


def _client(app: App, asked: Asked) -> Client:
    with app.store.read() as session:
        found = subjects.client(session, asked.client)
        session.expunge(found)
        return found


def _together(app: App, client_id: int) -> list[int]:
    with app.store.read() as session:
        return list(aliases.group(session, client_id))


def _fact(model: type[Said], client: Client, asked: Asked, **said: object) -> Said:
    """What they said as a fact of our own making: it goes the way of every other.

    Raises:
        Wrong: it cannot be so.
    """
    value = _address_of(asked.at) if asked.at else None
    place = {} if value is None else {"email" if "@" in value else "phone": value}
    ours = {
        "source": facts.OURSELVES,
        "external_id": secrets.token_hex(8),
        "client_external_id": str(client.id),
        "by": asked.by,
    }
    try:
        return model.model_validate(ours | place | said)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        field = "-".join(str(part) for part in fault["loc"]).replace("_", "-")
        sentence = str(fault["msg"]).removeprefix("Value error, ")
        raise Wrong(f"--{field} {sentence}." if field else f"It {sentence}.") from None


def _address_of(written: str) -> str:
    for read in (facts.mailbox, facts.phone):
        try:
            return read(written)
        except ValueError:
            continue
    raise Wrong(f"{written} is no address; write a mailbox or a phone such as +12125550123.")


def _tell(session: Session, app: App, fact: facts.Fact) -> bool:
    """Book it; say whether it was new."""
    (outcome,) = intake.take_told(session, app.office(), [fact], [])
    if isinstance(outcome.error, Contradiction):
        raise Wrong(f"{str(outcome.error)[0].upper()}{str(outcome.error)[1:]}.")
    return bool(outcome.applied and outcome.applied.changed)


def _reads_at(session: Session, state: LegalState, written: str) -> bool:
    if state.contact_id is None:
        return False
    query = (
        select(Address.value)
        .join(ContactAddress, col(ContactAddress.address_id) == col(Address.id))
        .where(ContactAddress.contact_id == state.contact_id)
    )
    return _address_of(written) in session.exec(query).all()


def _name(session: Session, contact_id: int | None) -> str:
    contact = session.get(Contact, contact_id) if contact_id else None
    return contact.name if contact else ""
