"""Which policies did the firm publish, who did, and which have ever ruled a step?"""

import datetime as dt

from sqlmodel import SQLModel

from billing.models.columns import code, key, moment


class PolicyVersion(SQLModel, table=True):
    """A policy that was published or has ruled a step: so that what runs can keep it.

    ``said`` is all of it, as JSON, with what its file left out: a newer version of the product with
    other defaults does not change it. ``text`` is the file, where it was published.
    """

    __tablename__ = "policy_version"

    id: int = key()
    version: str = code(unique=True)
    said: str
    text: str = ""
    kept_at: dt.datetime = moment()


class PolicyPublication(SQLModel, table=True):
    """Somebody made a version the one that holds; the newest row wins."""

    __tablename__ = "policy_publication"

    id: int = key()
    version: str = code()
    note: str = ""
    published_at: dt.datetime = moment()
    published_by: str
