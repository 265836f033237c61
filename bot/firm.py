"""Who are we, as a file says it: the legal entities that bill and the people who work here?

``counterfoil import --firm FILE.toml`` reads it; the sandbox has one of its own. Loading it again
changes what differs and removes nothing.
"""

import datetime as dt
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlmodel import Session, select

from billing.facts import Country, Currency, Mailbox, Name, Phone, Words
from billing.models import LegalEntity, Role, Staff, StaffRole


class FirmError(ValueError):
    """The file cannot be used; the sentences name every mistake by its key."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Entity(_Part):
    """A legal entity; what it leaves out keeps its messages from leaving."""

    name: Name
    postal_address: Words = ""
    from_name: Words = ""
    from_address: Mailbox | None = None
    pay_link: Words = ""
    phone: Phone | None = None
    sms_unregistered: bool | None = None
    """Whether the carriers do not know ``phone`` yet; left out, it stays as it was."""
    currency: Currency = "USD"
    country: Country = "US"


class Person(_Part):
    """A member of staff."""

    name: Name
    email: Mailbox
    roles: tuple[Role, ...] = ()
    slack_user: Words = ""
    active: bool = True


class Firm(_Part):
    """All of it."""

    legal_entity: tuple[Entity, ...] = Field(min_length=1)
    staff: tuple[Person, ...] = ()
    story: dict[str, object] = Field(default_factory=dict)
    slack: dict[str, str] = Field(default_factory=dict)


def read(path: Path) -> Firm:
    """The firm of a file.

    Raises:
        FirmError: it is no TOML, or says what cannot be.
    """
    try:
        return Firm.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except UnicodeDecodeError:
        raise FirmError(f"{path.name} is not UTF-8; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise FirmError(f"{path.name} is not TOML: {error}") from error
    except ValidationError as error:
        mistakes = [
            f"{path.name}: {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
        ]
        raise FirmError("\n".join(mistakes)) from error


def establish(session: Session, firm: Firm, now: dt.datetime, by: str) -> None:
    """Make the rows of a firm, or bring them to what the file says."""
    for entity in firm.legal_entity:
        held = session.exec(select(LegalEntity).where(LegalEntity.name == entity.name)).first()
        row = held or LegalEntity(name=entity.name)
        told = entity.model_dump(exclude={"sms_unregistered"})
        row.sqlmodel_update({key: value or "" for key, value in told.items()})
        if entity.sms_unregistered is not None:
            row.sms_unregistered = entity.sms_unregistered
        session.add(row)
    for person in firm.staff:
        staff = session.exec(select(Staff).where(Staff.email == person.email)).first()
        row_ = staff or Staff(name=person.name, email=person.email)
        row_.name, row_.active = person.name, person.active
        row_.slack_user = person.slack_user or row_.slack_user
        session.add(row_)
        session.flush()
        for role in person.roles:
            grant(session, row_, role, now, by)


def grant(session: Session, staff: Staff, role: Role, now: dt.datetime, by: str) -> bool:
    """Give somebody a role; False where they had it."""
    if session.get(StaffRole, (staff.id, role.value)) is not None:
        return False
    session.add(StaffRole(staff_id=staff.id, role=role.value, granted_at=now, granted_by=by))
    return True
