"""What is sealed, who says so, who has read it, and what does the log for a court say?"""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict
from sqlmodel import Session, col, select

from billing import aliases
from billing.models import Address, Client, Contact, Invoice, Staff, StaffRole
from bot import access
from bot.app import App
from bot.report import NO, Args, Progress, Report, Table, Wrong
from comms import seals
from comms.compliance import clearance
from comms.compliance.clearance import Reader, Sink
from comms.compliance.labels import SEALING, Label
from comms.models import Access, Touchpoint

COLUMNS = (
    "id", "date", "from", "to", "cc", "bcc", "type", "attachments",
    "privilege", "description", "basis", "matter",
)  # fmt: skip
"""What a court asks of a privilege log (FRCP 26(b)(5)(A)); a text or mail of ours has no bcc."""


class Asked(BaseModel):
    """The arguments of `counterfoil privilege seal`, `unseal` and `read`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    touchpoint: int
    by: str
    """The email of the member of staff who asks."""
    reason: str = ""
    label: Literal["privileged", "phi"] = "privileged"


async def seal(app: App, args: Args, _progress: Progress) -> Report:
    """Seal what was said; whoever has a role here may do it, for it shows nobody more.

    Raises:
        Wrong: it is not there, or they may not.
    """
    asked = Asked.model_validate(args)
    return await _ruled(
        app, asked, seals.Word("sealed", asked.by, asked.reason, Label(asked.label))
    )


async def unseal(app: App, args: Args, _progress: Progress) -> Report:
    """Take every seal off; only who is cleared for what is there may do it.

    Raises:
        Wrong: it is not there, or they may not.
    """
    asked = Asked.model_validate(args)
    return await _ruled(app, asked, seals.Word("unsealed", asked.by, asked.reason))


async def read(app: App, args: Args, _progress: Progress) -> Report:
    """Show what is sealed to somebody who is cleared for it; the look is on the chain first.

    Raises:
        Wrong: it is not there, or they are not cleared.
    """
    asked = Asked.model_validate(args)
    with app.store.read() as session:
        found = _found(session, asked.touchpoint)
        _must_be_cleared(session, asked.by, found)

    def look(session: Session) -> None:
        seals.looked(session, _found(session, asked.touchpoint), asked.by, app.clock.now())

    await app.store.write(look, clients=[found.client_id])
    with app.store.read() as session:
        reader = Reader(Sink.PERSON, access.cleared(_roles(session, asked.by)))
        said = seals.words(session, app.office(), _found(session, asked.touchpoint), reader)
    lines = [said[name] for name in ("sealed", "subject", "visible") if said.get(name)]
    return Report(
        {"touchpoint": asked.touchpoint, **said}, lines, code=NO if "sealed" in said else 0
    )


async def _ruled(app: App, asked: Asked, word: seals.Word) -> Report:
    if not asked.reason.strip():
        raise Wrong("Say why with --reason: it is kept, and others ask later.")
    with app.store.read() as session:
        found = _found(session, asked.touchpoint)
        if word.change == "unsealed":
            _must_be_cleared(session, asked.by, found)
        elif refused := access.refusal(
            _roles(session, asked.by), access.Action.SEAL, owns=False, email=asked.by
        ):
            raise Wrong(refused)

    def write(session: Session) -> None:
        touchpoint = _found(session, asked.touchpoint)
        ruling = seals.rule(session, app.office(), touchpoint, word)
        seals.redraw(session, app.office(), touchpoint, ruling)

    await app.store.write(write, clients=[found.client_id])
    with app.store.read() as session:
        labels = seals.labels_of(session, [_found(session, asked.touchpoint)])[asked.touchpoint]
    held = clearance.named(labels & SEALING)
    said = (
        f"Touchpoint {asked.touchpoint} is sealed: {held}."
        if held
        else (f"Touchpoint {asked.touchpoint} is not sealed.")
    )
    return Report({"touchpoint": asked.touchpoint, "labels": sorted(labels)}, [said])


def _found(session: Session, touchpoint_id: int) -> Touchpoint:
    found = session.get(Touchpoint, touchpoint_id)
    if found is None:
        raise Wrong(f"There is no touchpoint {touchpoint_id}; `counterfoil timeline` names them.")
    return found


def _roles(session: Session, email: str) -> Sequence[str]:
    query = (
        select(StaffRole.role)
        .join(Staff, col(Staff.id) == StaffRole.staff_id)
        .where(Staff.email == email, col(Staff.active).is_(True))
    )
    return session.exec(query).all()


def _must_be_cleared(session: Session, email: str, touchpoint: Touchpoint) -> None:
    labels = seals.labels_of(session, [touchpoint])[touchpoint.id] & SEALING
    if missing := labels - access.cleared(_roles(session, email)):
        raise Wrong(
            f"{email} is not cleared for {clearance.named(missing)}. An administrator gives the "
            f"role: `counterfoil access grant {email} privileged`."
        )


# --- the log --------------------------------------------------------------------------------------


def log(session: Session, client: Client | None, matter: str) -> Report:
    """A row for everything that is sealed as legal advice, the oldest first, without its words."""
    rows = [_row(session, one, rulings) for one, rulings in _sealed(session, client, matter)]
    shown = [[str(row[name]) for name in COLUMNS] for row in rows]
    lines = [] if rows else ["Nothing is sealed as legal advice."]
    return Report({"rows": rows}, lines, [Table("", list(COLUMNS), shown)] if rows else [])


def _sealed(
    session: Session, client: Client | None, matter: str
) -> list[tuple[Touchpoint, list[Access]]]:
    query = (
        select(Touchpoint)
        .where(
            col(Touchpoint.labels).contains(Label.PRIVILEGED)
            | col(Touchpoint.id).in_(
                select(Access.touchpoint_id).where(Access.label == Label.PRIVILEGED)
            )
        )
        .order_by(col(Touchpoint.occurred_at), col(Touchpoint.id))
    )
    if client is not None:
        query = query.where(col(Touchpoint.client_id).in_(aliases.group(session, client.id)))
    if matter:
        whose = select(Invoice.client_id).where(Invoice.matter == matter)
        query = query.where(col(Touchpoint.client_id).in_(whose))
    found = session.exec(query).all()
    held = seals.labels_of(session, found)
    rulings: dict[int, list[Access]] = {}
    said = select(Access).where(
        col(Access.touchpoint_id).in_([one.id for one in found]), Access.change != "read"
    )
    for ruling in session.exec(said.order_by(col(Access.id))):
        rulings.setdefault(ruling.touchpoint_id or 0, []).append(ruling)
    return [(one, rulings.get(one.id, [])) for one in found if Label.PRIVILEGED in held[one.id]]


def _row(session: Session, touchpoint: Touchpoint, rulings: list[Access]) -> dict[str, object]:
    client = session.get_one(Client, touchpoint.client_id)
    contact = session.get(Contact, touchpoint.contact_id) if touchpoint.contact_id else None
    address = session.get(Address, touchpoint.address_id) if touchpoint.address_id else None
    who = contact.name if contact and contact.name else client.name
    sender = f"{who} <{address.value}>" if address else who
    matters = session.exec(
        select(Invoice.matter)
        .where(Invoice.client_id == client.id, Invoice.matter != "")
        .distinct()
        .order_by(Invoice.matter)
    ).all()
    ours = "the firm"
    inward = touchpoint.direction == "in"
    kind = {"sms": "text message", "email": "email"}.get(touchpoint.channel, touchpoint.channel)
    by = rulings[-1].by if rulings else ""
    return {
        "id": touchpoint.id,
        "date": f"{touchpoint.occurred_at:%Y-%m-%d %H:%M} UTC",
        "from": sender if inward else ours,
        "to": ours if inward else sender,
        "cc": "",
        "bcc": "",
        "type": kind,
        "attachments": "",
        "privilege": "attorney-client or work product",
        "description": f"{kind.capitalize()} seeking, giving or reflecting legal advice",
        "basis": f"sealed by {by}" if by else "found on arrival, by rule",
        "matter": ", ".join(matters),
    }
