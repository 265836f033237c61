"""How is a column declared, so that every table says it the same way?

SQLModel's own mapping makes ``int`` 32 bits wide on PostgreSQL and lets a naive moment through;
these few functions are the only way columns of money, ids and moments are made here.
"""

from typing import Any

from sqlalchemy import CheckConstraint, LargeBinary, String
from sqlmodel import Field

from billing.store import Id, Minor, Moment


def key() -> Any:
    """The row's own id."""
    return Field(default=None, primary_key=True, sa_type=Id)


def ref(target: str, *, primary: bool = False, index: bool = False) -> Any:
    """A reference that must be there."""
    return Field(foreign_key=target, primary_key=primary, index=index, sa_type=Id)


def maybe(target: str, *, index: bool = False) -> Any:
    """A reference that may be absent."""
    return Field(default=None, foreign_key=target, nullable=True, index=index, sa_type=Id)


def body(*, nullable: bool = True) -> Any:
    """The vault id of a body, which may expire before the row that names it: no constraint."""
    return Field(default=None, nullable=nullable, sa_type=Id)


def number(*, default: int | None = None, nullable: bool = False) -> Any:
    """A 64-bit number that is neither money nor an id of ours."""
    if default is None and not nullable:
        return Field(sa_type=Minor)
    return Field(default=default, nullable=nullable, sa_type=Minor)


def minor(*, nullable: bool = False) -> Any:
    """Money in minor units."""
    return Field(default=None, nullable=True, sa_type=Minor) if nullable else Field(sa_type=Minor)


def moment(*, nullable: bool = False, index: bool = False) -> Any:
    """An aware UTC moment."""
    if nullable:
        return Field(default=None, nullable=True, index=index, sa_type=Moment)
    return Field(index=index, sa_type=Moment)


def code(*, default: str | None = None, index: bool = False, unique: bool = False) -> Any:
    """A short string from a closed set or a vendor: never what a person wrote."""
    if default is None:
        return Field(sa_type=String, index=index, unique=unique)
    return Field(default=default, sa_type=String, index=index, unique=unique)


def binary() -> Any:
    """Bytes."""
    return Field(sa_type=LargeBinary)


def one_of(table: str, column: str, values: Any) -> CheckConstraint:
    """The closed set of a code column, also for whoever writes past the models."""
    allowed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({allowed})", name=f"{table}_{column}_known")


def that(table: str, name: str, condition: str) -> CheckConstraint:
    """A condition on every row, with a name that a person understands in an error."""
    return CheckConstraint(condition, name=f"{table}_{name}")
