"""Who may decide whether what is kept of a client stays, goes, or is shown; and whose is it?"""

from collections.abc import Callable, Collection

from sqlmodel import Session, col, select

from billing import aliases
from billing.models import Client, Staff, StaffRole
from bot import access, subjects
from bot.access import Action
from bot.app import App
from bot.report import Wrong


def client(app: App, said: str, by: str, action: Action) -> Client:
    """The client that is meant, for somebody who may do this.

    Raises:
        Wrong: there is none, or they may not.
    """
    with app.store.read() as session:
        check(session, by, action)
        return subjects.client(session, said)


def check(session: Session, by: str, action: Action) -> None:
    """A member of staff needs the role; the account that runs this machine holds the master key.

    Raises:
        Wrong: they are nobody of ours, or lack the role.
    """
    if "@" not in by:
        return
    found = select(Staff).where(Staff.email == by, col(Staff.active).is_(True))
    person = session.exec(found).first()
    if person is None:
        raise Wrong(f"Nobody here has the email {by}; `counterfoil access list` shows all.")
    roles = session.exec(select(StaffRole.role).where(StaffRole.staff_id == person.id)).all()
    if why := access.refusal(roles, action, owns=False, email=by):
        raise Wrong(why)


def group(client_id: int) -> Callable[[Session], Collection[int]]:
    """Everybody who is one with a client, asked again under their locks."""
    return lambda session: aliases.group(session, client_id)
