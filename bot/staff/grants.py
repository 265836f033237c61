"""Who works here, and who gave them which role?"""

from pydantic import BaseModel, ConfigDict
from sqlmodel import Session, col, select

from billing import facts
from billing.models import Client, Role, Staff, StaffRole
from bot import firm as firms
from bot.app import App
from bot.report import NO, Args, Progress, Report, Table, Wrong


class Asked(BaseModel):
    """The arguments of `counterfoil access grant` and `revoke`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    email: facts.Mailbox
    roles: tuple[Role, ...] = ()
    name: facts.Words = ""
    slack: facts.Words = ""
    by: str = "cli"


async def grant(app: App, args: Args, _progress: Progress) -> Report:
    """Give somebody roles; one whom we do not know is made known.

    Raises:
        Wrong: the Slack account is somebody else's.
    """
    asked = Asked.model_validate(args)
    now = app.clock.now()

    def give(session: Session) -> Report:
        person = _person(session, asked)
        new = [role for role in asked.roles if firms.grant(session, person, role, now, asked.by)]
        had = [role for role in asked.roles if role not in new]
        said = f"{person.name} ({person.email}) has {_list(_roles(session, person.id))}."
        lines = [said] if new or not had else [said, "Nothing changed."]
        return Report({"email": person.email, "granted": new, "had": had}, lines)

    return await app.store.write(give)


async def revoke(app: App, args: Args, _progress: Progress) -> Report:
    """Take roles from somebody, or all of them, and with them access.

    Raises:
        Wrong: nobody has this email.
    """
    asked = Asked.model_validate(args)

    def take(session: Session) -> Report:
        person = session.exec(select(Staff).where(Staff.email == asked.email)).first()
        if person is None:
            raise Wrong(f"Nobody has the email {asked.email}; `counterfoil access list` shows all.")
        held = session.exec(select(StaffRole).where(StaffRole.staff_id == person.id)).all()
        gone = [row for row in held if not asked.roles or row.role in asked.roles]
        for row in gone:
            session.delete(row)
        if not asked.roles:
            person.active = False
        session.flush()
        left = _roles(session, person.id)
        lines = [
            f"{person.name} ({person.email}) has {_list(left)}.",
            *_left(session, person, left),
        ]
        data = {"email": person.email, "revoked": [row.role for row in gone], "left": left}
        return Report(data, lines, code=0 if gone or not asked.roles else NO)

    return await app.store.write(take)


def listed(session: Session) -> Report:
    """Everybody who works here, their roles and their Slack accounts."""
    people = session.exec(select(Staff).order_by(col(Staff.email))).all()
    rows = [
        {
            "email": person.email,
            "name": person.name,
            "roles": _roles(session, person.id),
            "slack": person.slack_user or "",
            "active": person.active,
        }
        for person in people
    ]
    shown = [
        [one.email, one.name, _list(_roles(session, one.id)), one.slack_user or "no account",
         "yes" if one.active else "left"]
        for one in people
    ]  # fmt: skip
    lines = [] if rows else ["Nobody has access yet: `counterfoil access grant EMAIL admin`."]
    table = Table("", ["email", "name", "roles", "slack", "active"], shown)
    return Report({"staff": rows}, lines, [table] if rows else [])


def _person(session: Session, asked: Asked) -> Staff:
    person = session.exec(select(Staff).where(Staff.email == asked.email)).first()
    if person is None:
        person = Staff(name=asked.email.partition("@")[0], email=asked.email)
    if asked.slack:
        _free(session, asked)
        person.slack_user = asked.slack
    person.name = asked.name or person.name
    person.active = True
    session.add(person)
    session.flush()
    return person


def _free(session: Session, asked: Asked) -> None:
    owner = session.exec(select(Staff).where(Staff.slack_user == asked.slack)).first()
    if owner is not None and owner.email != asked.email:
        raise Wrong(f"The Slack account {asked.slack} is {owner.email}'s; give another --slack.")


def _left(session: Session, person: Staff, left: list[str]) -> list[str]:
    """What goes to the finance channel now."""
    owned = session.exec(select(Client.id).where(Client.owner_id == person.id)).all()
    if left or not owned:
        return []
    return [f"{len(owned):,} clients are theirs; the finance channel hears about them from now on."]


def _roles(session: Session, staff_id: int) -> list[str]:
    query = select(StaffRole.role).where(StaffRole.staff_id == staff_id)
    return list(session.exec(query.order_by(StaffRole.role)))


def _list(roles: list[str]) -> str:
    return ", ".join(roles) or "no role"
