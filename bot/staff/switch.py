"""May messages leave, and to whom? The go-live switch, as a person turns it."""

import datetime as dt
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, update
from sqlmodel import Session, col, select

from billing import facts, spelling
from billing.models import Client, LegalEntity, LiveSwitch
from billing.store import table_of
from bot import subjects
from bot.app import App
from bot.custody import processors
from bot.report import NO, Args, Progress, Report, Table, Wrong
from comms import cases, outbox
from comms.models import Audience, Message, State

_MESSAGES = table_of(Message)
_LACKING = ("postal_address", "from_address", "pay_link", "phone")


class Asked(BaseModel):
    """The flags of `counterfoil golive` and `counterfoil stop`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client: str | None = None
    daily_cap: int | None = Field(default=None, ge=1)
    redirect: str | None = None
    by: str = "cli"


async def golive(app: App, args: Args, _progress: Progress) -> Report:
    """Open the door to clients: whole, for one client, with a cap, or to one test address.

    Raises:
        Wrong: there is no such client, or the redirection is no address.
    """
    asked = Asked.model_validate(args)
    redirect = _address(asked.redirect) if asked.redirect else ""
    now = app.clock.now()
    shut = dict(processors.refused(app.processors, app.rules, now.date()))
    if shut.keys() >= {"email", "sms"}:
        lines = [*shut.values(), "Nothing could leave, so the door stays as it is."]
        return Report({"live": None, "refused": shut}, lines, code=NO)

    def turn(session: Session) -> Report:
        client = subjects.client(session, asked.client) if asked.client else None
        client_id = client.id if client else None
        freed = _waiting(session, "not_live", client_id)
        _turn(session, asked, "open", now, client_id, redirect)
        for rule in ("not_live", "daily_cap"):
            outbox.wake_rule(session, rule, now, client_id)
        opened = _opened(session, asked, client, redirect, freed)
        told = {**opened.data, "refused": shut}
        return replace(opened, data=told, lines=[*opened.lines, *shut.values()])

    found = await app.store.write(turn)
    app.wake.set()
    return found


async def stop(app: App, args: Args, _progress: Progress) -> Report:
    """Close the door for everybody; what was claimed and has not left is judged anew."""
    asked = Asked.model_validate(args)
    now = app.clock.now()

    def turn(session: Session) -> Report:
        _turn(session, asked, "closed", now, None, "")
        back = _unclaim(session)
        waiting = _unsent(session)
        on_wire = _in_state(session, State.SENDING)
        lines = [
            "Closed: nothing leaves for clients until `counterfoil golive`.",
            f"{waiting:,} messages wait, {back:,} of them were about to leave.",
        ]
        if on_wire:
            lines.append(f"{on_wire:,} are on the wire already and cannot be called back.")
        data = {"live": "closed", "waiting": waiting, "taken_back": back, "on_the_wire": on_wire}
        return Report(data, lines)

    return await app.store.write(turn)


def status(session: Session) -> Report:
    """How the switch stands, for the firm and for single clients."""
    turns = session.exec(select(LiveSwitch).order_by(col(LiveSwitch.id))).all()
    latest = {turn.client_id: turn for turn in turns}
    firm = latest.get(None)
    stopped = firm.id if firm and firm.state == "closed" else 0
    single = [turn for turn in latest.values() if turn.client_id and turn.id > stopped]
    names: dict[int | None, str] = {
        turn.client_id: session.get_one(Client, turn.client_id).name for turn in single
    }
    shown = [turn for turn in (firm, *single) if turn is not None]
    rows = [
        {
            "client": names.get(turn.client_id, "everybody"),
            "state": turn.state,
            "daily_cap": turn.daily_cap,
            "redirect": turn.redirect_to,
            "since": turn.changed_at.isoformat(timespec="minutes"),
            "by": turn.changed_by,
        }
        for turn in shown
    ]
    waiting, held = _unsent(session), _waiting(session, "not_live", None)
    state = firm.state if firm else "closed"
    wait = spelling.counted(waiting, "message waits", "messages wait")
    lines = [f"The door to clients is {state}; {wait}, {held:,} of them for it."]
    columns = ["client", "state", "daily_cap", "redirect", "since", "by"]
    told = [
        {**row, "since": spelling.moment(turn.changed_at)}
        for row, turn in zip(rows, shown, strict=True)
    ]
    table = Table("", columns, [["" if v is None else str(v) for v in r.values()] for r in told])
    data = {"live": state, "switches": rows, "waiting": waiting, "not_live": held}
    return Report(data, lines, [table] if rows else [])


def _address(written: str) -> str:
    for read in (facts.mailbox, facts.phone):
        try:
            return read(written)
        except ValueError:
            continue
    raise Wrong(
        f"--redirect {written} is no address; write a mailbox or a phone like +12125550123."
    )


def _turn(
    session: Session,
    asked: Asked,
    state: str,
    now: dt.datetime,
    client_id: int | None,
    redirect: str,
) -> None:
    cases.hold_switch(session, turning=True)
    session.add(
        LiveSwitch(
            client_id=client_id,
            state=state,
            daily_cap=asked.daily_cap if state == "open" else None,
            redirect_to=redirect,
            changed_at=now,
            changed_by=asked.by,
        )
    )
    session.flush()


def _opened(
    session: Session, asked: Asked, client: Client | None, redirect: str, freed: int
) -> Report:
    whom = client.name if client else "everybody"
    limits = [f"at most {asked.daily_cap} a day"] if asked.daily_cap else []
    limits += [f"all to {redirect}"] if redirect else []
    how = f" ({', '.join(limits)})" if limits else ""
    lines = [f"Open for {whom}{how}: {freed:,} messages that waited for this are judged anew."]
    for entity in session.exec(select(LegalEntity).order_by(col(LegalEntity.id))):
        lacking = [name.replace("_", " ") for name in _LACKING if not getattr(entity, name)]
        if lacking:
            lines.append(
                f"{entity.name} still lacks {', '.join(lacking)}: see `counterfoil doctor`."
            )
    data = {
        "live": "open",
        "client": client.name if client else None,
        "daily_cap": asked.daily_cap,
        "redirect": redirect,
        "freed": freed,
    }
    return Report(data, lines)


def _unclaim(session: Session) -> int:
    """What is claimed and not yet on the wire goes back, so that the door sees the switch."""
    claimed = (_MESSAGES.c.state == State.CLAIMED) & (_MESSAGES.c.audience == Audience.CLIENT)
    back = session.execute(
        update(_MESSAGES)
        .where(claimed)
        .values(state=State.QUEUED, lease_id=None, lease_until=None)
        .returning(_MESSAGES.c.id)
    )
    return len(back.all())


def _waiting(session: Session, rule: str, client_id: int | None) -> int:
    query = select(func.count()).where(Message.state == State.HELD, Message.rule == rule)
    if client_id is not None:
        query = query.where(Message.client_id == client_id)
    return session.exec(query).one()


def _unsent(session: Session) -> int:
    states = (State.QUEUED, State.HELD, State.AWAITING, State.CLAIMED)
    return session.exec(
        select(func.count()).where(
            Message.audience == Audience.CLIENT, col(Message.state).in_(states)
        )
    ).one()


def _in_state(session: Session, state: State) -> int:
    return session.exec(
        select(func.count()).where(Message.audience == Audience.CLIENT, Message.state == state)
    ).one()
