"""Alembic's way in: it runs the scripts on the connection that ``bot.schema`` hands over."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import BigInteger, String
from sqlmodel import AutoString

from billing.store import Moment
from bot import schema


def _written(kind: str, item: Any, _autogenerate: object) -> str | Literal[False]:
    """How a new script writes our column types: frozen, so that it never imports ours."""
    if kind != "type":
        return False
    if isinstance(item, Moment):
        return "MOMENT"
    if isinstance(item, BigInteger):
        return "ID" if item._variant_mapping else "NUMBER"  # noqa: SLF001 - no public way to ask
    return "sa.String()" if isinstance(item, AutoString | String) else False


_connection: Any = context.config.attributes["connection"]

context.configure(
    connection=_connection,
    target_metadata=schema.metadata(),
    render_as_batch=_connection.dialect.name == "sqlite",
    render_item=_written,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
