"""Who looks at what no machine could read, and says that it is dealt with?"""

from collections.abc import Iterator

import structlog
from pydantic import BaseModel, ConfigDict
from sqlmodel import Session, col, select

from billing import vault
from billing.keyring import KeyGone
from billing.models import Staff, StaffRole
from bot import access, inbox
from bot.app import App
from bot.models import Incident, Incoming
from bot.report import Args, Progress, Report, Wrong
from comms.compliance.labels import Label

_SHOWN = 20_000
log = structlog.get_logger("unscreened")


class Asked(BaseModel):
    """The arguments of `counterfoil incidents read` and `done`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    incident: int
    by: str


async def read(app: App, args: Args, _progress: Progress) -> Report:
    """Show what no machine could read to somebody who may see it; who looked first is kept.

    Raises:
        Wrong: there is no such incident, they may not, or it is kept no longer.
    """
    asked = Asked.model_validate(args)

    def look(session: Session) -> None:
        one = _open(session, asked)
        one.read_by = one.read_by or asked.by
        one.read_at = one.read_at or app.clock.now()

    await app.store.write(look)
    log.info("unreadable_read", incident=asked.incident)
    with app.store.read() as session:
        lines = list(_kept(session, app, _open(session, asked)))
    return Report({"incident": asked.incident, "lines": lines}, lines)


async def close(app: App, args: Args, _progress: Progress) -> Report:
    """Somebody has dealt with it.

    Raises:
        Wrong: there is no such incident, or they may not.
    """
    asked = Asked.model_validate(args)

    def end(session: Session) -> Report:
        one = _open(session, asked)
        one.closed_by, one.closed_at = asked.by, app.clock.now()
        return Report({"incident": one.id}, [f"Incident {one.id} is dealt with."])

    return await app.store.write(end)


def _open(session: Session, asked: Asked) -> Incident:
    one = session.get(Incident, asked.incident)
    if one is None or one.kind != "unreadable":
        raise Wrong(
            f"There is no incident {asked.incident} to read; see `counterfoil incidents list`."
        )
    roles = session.exec(
        select(StaffRole.role)
        .join(Staff, col(Staff.id) == StaffRole.staff_id)
        .where(Staff.email == asked.by, col(Staff.active).is_(True))
    ).all()
    if Label.UNSCREENED not in access.cleared(roles):
        raise Wrong(
            f"{asked.by} may not see what nobody has screened. An administrator gives the role: "
            f"`counterfoil access grant {asked.by} compliance`."
        )
    return one


def _kept(session: Session, app: App, one: Incident) -> Iterator[str]:
    row = session.get(Incoming, one.incoming_id)
    if row is None or row.body_id is None:
        raise Wrong("It is kept no longer: policy lets go of what belongs to nobody.")
    try:
        packed = vault.get(session, app.keyring, row.body_id)
    except KeyGone:
        raise Wrong("It is kept no longer: the key of its day is destroyed.") from None
    text = inbox.unpacked(row.source, row.external_id, packed).body.decode(errors="replace")
    yield from text[:_SHOWN].splitlines()
    if len(text) > _SHOWN:
        yield f"… and {len(text) - _SHOWN:,} characters more."
