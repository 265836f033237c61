"""What was caught, what was missed and what was wrongly sealed; and what did that teach?

Counts and codes: nothing here repeats a word of anybody. Signals stand in no column; they are read
anew from what is kept, by the machine alone.
"""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session, col, select

from billing import policy
from billing.models import Client, Counsel, Side
from billing.policy import counsel as places
from bot import subjects
from bot.access import Action
from bot.app import App
from bot.custody import custodians
from bot.report import NO, Args, Progress, Report, Table, Wrong
from comms.compliance.labels import SEALING, Label
from comms.law import counsel
from comms.models import Access, Touchpoint
from comms.office import Office

_READ = 5_000
"""So many sealed messages are opened for their signals at most, the newest."""
_EFFECT = {
    "opened": "takes more to seal what they write with no other signal",
    "closed": "takes less to seal what they write with the same signals",
}


class Asked(BaseModel):
    """The arguments of `counterfoil privilege counsel`."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    change: Literal["add", "confirm", "refuse", "end"]
    rows: tuple["Named", ...] = ()
    id: int = 0
    by: str = "cli"


class Named(BaseModel):
    """Somebody who is counsel: of one client, of one matter of theirs, or for everybody."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    value: str
    side: Side = Side.OURS
    client: str = ""
    matter: str = Field(default="", max_length=200)
    name: str = Field(default="", max_length=200)


# --- what was sealed ------------------------------------------------------------------------------


def report(session: Session, office: Office, since: dt.date | None = None) -> Report:
    """By label: what the detectors sealed, what people added, what people took off, and rates."""
    every = _said(session, since)
    rows = [_of_label(label, every) for label in Label if label in SEALING]
    signals = _signals(session, office, every)
    columns = ["label", "found", "missed", "wrong", "missed_rate", "wrong_rate"]
    shown = [[_cell(row[name]) for name in columns] for row in rows]
    tables = [Table("Sealed", columns, shown)]
    if signals:
        head = ["signal", "found", "wrong", "missed"]
        tables.append(Table("Signals of legal advice", head, [[*map(str, one)] for one in signals]))
    said = (
        f"{len(every):,} messages. missed: a person sealed what no detector had seen. wrong: a "
        "person took off the seal of a detector. What nobody has looked at counts as right."
    )
    names = ("signal", "found", "wrong", "missed")
    data: dict[str, object] = {
        "messages": len(every),
        "labels": rows,
        "signals": [dict(zip(names, one, strict=True)) for one in signals],
    }
    return Report(data, [said], tables)


_Story = tuple[Touchpoint, Sequence[Access]]


def _said(session: Session, since: dt.date | None) -> list[_Story]:
    """Every message of a client's, with what people said of its seal."""
    query = select(Touchpoint).order_by(col(Touchpoint.id))
    ruled = select(Access).where(
        col(Access.touchpoint_id).is_not(None), col(Access.change).in_(("sealed", "unsealed"))
    )
    if since is not None:
        start = dt.datetime.combine(since, dt.time(), dt.UTC)
        query = query.where(col(Touchpoint.recorded_at) >= start)
    said: dict[int, list[Access]] = {}
    for ruling in session.exec(ruled.order_by(col(Access.id))):
        said.setdefault(ruling.touchpoint_id or 0, []).append(ruling)
    looked = (Touchpoint.direction == "in") | (Touchpoint.labels != "")
    return [(one, said.get(one.id, ())) for one in session.exec(query.where(looked))]


def _fate(label: Label, story: _Story) -> str:
    """``found``, ``wrong`` (found, and taken off), ``missed`` (put on by a person), or nothing."""
    touchpoint, rulings = story
    by_rule, now = label in touchpoint.labels.split(), label in touchpoint.labels.split()
    for ruling in rulings:
        if ruling.change == "unsealed":
            now = False
        elif ruling.label == label:
            now = True
    if by_rule:
        return "found" if now else "wrong"
    return "missed" if now else ""


def _of_label(label: Label, every: Sequence[_Story]) -> dict[str, object]:
    fates = Counter(_fate(label, one) for one in every)
    right, wrong, missed = fates["found"], fates["wrong"], fates["missed"]
    return {
        "label": label.value,
        "found": right + wrong,
        "missed": missed,
        "wrong": wrong,
        "missed_rate": _rate(missed, right + missed),
        "wrong_rate": _rate(wrong, len(every) - right - missed),
    }


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1%}"
    return "" if value is None else str(value)


def _signals(
    session: Session, office: Office, every: Sequence[_Story]
) -> list[tuple[str, int, int, int]]:
    """Each signal in what was sealed as legal advice, found, wrong and missed."""
    told = [(one, fate) for one in every if (fate := _fate(Label.PRIVILEGED, one))][-_READ:]
    tally: dict[str, Counter[str]] = {}
    for (touchpoint, _), fate in told:
        for name in counsel.signals_of(session, office, touchpoint):
            tally.setdefault(name, Counter())[fate] += 1
    return [
        (name, one["found"] + one["wrong"], one["wrong"], one["missed"])
        for name, one in sorted(tally.items(), key=lambda row: (-row[1].total(), row[0]))
    ]


# --- what it taught -------------------------------------------------------------------------------


def learned(session: Session, office: Office) -> Report:
    """Each rule that people's words made, with who, when and of which message; and proposals."""
    rules = [_rule(session, office, one) for one in counsel.taught(session)]
    query = select(Counsel).where(Counsel.state == "proposed").order_by(col(Counsel.id))
    proposed = [_counsel(session, row) for row in session.exec(query)]
    columns = ["id", "client", "effect", "signals", "by", "on"]
    tables = [_table("Learned of one sender", columns, rules)] if rules else []
    if proposed:
        tables.append(_table("Is that counsel?", _COUNSEL, proposed))
    lines = [] if tables else ["Nothing was learned: nobody has said otherwise than the detectors."]
    if rules:
        lines.append("`counterfoil privilege forget ID` takes one back.")
    if proposed:
        lines.append("`counterfoil privilege counsel confirm ID`, or `refuse ID`.")
    return Report({"rules": rules, "proposed": proposed}, lines, tables)


def _rule(session: Session, office: Office, one: counsel.Taught) -> dict[str, object]:
    return {
        "id": one.touchpoint.id,
        "client": f"client:{one.touchpoint.client_id}",
        "lesson": one.lesson,
        "effect": _EFFECT[one.lesson],
        "signals": " ".join(sorted(counsel.signals_of(session, office, one.touchpoint))),
        "by": one.last.by,
        "on": f"{one.last.occurred_at:%Y-%m-%d}",
    }


# --- who is counsel -------------------------------------------------------------------------------

_COUNSEL = ["id", "side", "value", "name", "client", "matter", "state", "by", "on"]


def known(session: Session, rules: policy.Policy, client: str = "") -> Report:
    """Who is counsel, by rows and by the policy; of one client theirs, and everybody's."""
    query = select(Counsel).where(col(Counsel.state).in_(("known", "proposed")))
    if client:
        who = subjects.client(session, client)
        query = query.where(col(Counsel.client_id).is_(None) | (Counsel.client_id == who.id))
    rows = [_counsel(session, row) for row in session.exec(query.order_by(col(Counsel.id)))]
    for side, values in ((Side.OURS, rules.counsel.ours), (Side.OPPOSING, rules.counsel.opposing)):
        rows += [
            dict.fromkeys(_COUNSEL, "")
            | {"side": side.value, "value": value, "state": "known", "by": "policy"}
            for value in values
        ]
    lines = [] if rows else ["Nobody is named as counsel; the words alone decide."]
    return Report({"counsel": rows}, lines, [_table("", _COUNSEL, rows)] if rows else [])


async def change(app: App, args: Args, _progress: Progress) -> Report:
    """Say who is counsel, answer a proposal, or end what was said.

    Raises:
        Wrong: who asks may not, a row cannot be used, or there is no such row.
    """
    asked = Asked.model_validate(args)

    def write(session: Session) -> Report:
        custodians.check(session, asked.by, Action.COUNSEL)
        now = app.clock.now()
        if asked.change == "add":
            return _added(session, asked, now)
        row = session.get(Counsel, asked.id)
        wanted = "known" if asked.change == "end" else "proposed"
        if row is None or row.state != wanted:
            raise Wrong(f"Nobody is {wanted} as {asked.id}; `counterfoil privilege counsel list`.")
        row.state = {"confirm": "known", "refuse": "refused", "end": "ended"}[asked.change]
        row.settled_by, row.settled_at = asked.by, now
        session.add(row)
        session.flush()
        return Report({"counsel": [_counsel(session, row)]}, [f"{row.value}: {row.state}."])

    return await app.store.write(write)


def _added(session: Session, asked: Asked, now: dt.datetime) -> Report:
    made = [_add(session, one, asked.by, now) for one in asked.rows]
    new = [row for row in made if row is not None]
    had = len(made) - len(new)
    said = f"{len(new)} added" + (f", {had} known already." if had else ".")
    rows = [_counsel(session, row) for row in new]
    return Report({"counsel": rows, "known": had}, [said], code=0 if new or had else NO)


def _add(session: Session, one: Named, by: str, now: dt.datetime) -> Counsel | None:
    value = one.value.lower()
    if not places.is_place(value):
        raise Wrong(f"{one.value!r} is no address and no domain; nobody was added.")
    client_id = subjects.client(session, one.client).id if one.client else None
    same = select(Counsel).where(
        Counsel.value == value, Counsel.state == "known", Counsel.matter == one.matter,
        col(Counsel.client_id).is_(None) if client_id is None else Counsel.client_id == client_id,
    )  # fmt: skip
    held = session.exec(same).first()
    if held is not None and held.side == one.side:
        return None
    if held is not None:
        raise Wrong(f"{value} is {held.side} as {held.id}; end that first. Nobody was added.")
    row = Counsel(
        client_id=client_id, matter=one.matter, side=one.side, value=value, name=one.name,
        said_by=by, said_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def _counsel(session: Session, row: Counsel) -> dict[str, Any]:
    client = session.get(Client, row.client_id) if row.client_id else None
    return {
        "id": row.id,
        "side": row.side,
        "value": row.value,
        "name": row.name,
        "client": client.name if client else "everybody",
        "matter": row.matter,
        "state": row.state,
        "touchpoint": row.touchpoint_id,
        "by": row.settled_by or row.said_by,
        "on": f"{row.settled_at or row.said_at:%Y-%m-%d}",
    }


def _table(title: str, columns: list[str], rows: Sequence[dict[str, Any]]) -> Table:
    return Table(title, columns, [[str(row[name]) for name in columns] for row in rows])
