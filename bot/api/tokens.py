"""Which other systems may tell us facts or read from us, and who let them?

A token is ``cfl_HANDLE_SECRET``. The row is found by its handle, and what is compared, in constant
time, is a hash: whoever reads the store cannot ask with what they find.
"""

import datetime as dt
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlmodel import Session, col, select

from billing import facts
from bot import access
from bot.app import App
from bot.models import ApiToken
from bot.report import DONE, NO, Args, Progress, Report, Table, Wrong

PREFIX = "cfl_"
_NOBODY = hashlib.sha256(secrets.token_bytes(32)).hexdigest()


class Making(BaseModel):
    """The arguments of `counterfoil access token create`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: facts.Name
    scopes: tuple[Annotated[str, AfterValidator(access.scope)], ...] = Field(min_length=1)
    days: int | None = Field(default=None, ge=1, le=3660)
    by: str = "cli"


class Revoking(BaseModel):
    """The arguments of `counterfoil access token revoke`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    by: str = "cli"


async def make(app: App, args: Args, _progress: Progress) -> Report:
    """Make a token; the only moment at which anybody sees it.

    Raises:
        Wrong: there was one of this name.
    """
    asked = Making.model_validate(args)
    now = app.clock.now()
    handle = secrets.token_hex(6)
    token = f"{PREFIX}{handle}_{secrets.token_urlsafe(32)}"
    row = ApiToken(
        handle=handle, name=asked.name, digest=_digest(token),
        scopes=" ".join(dict.fromkeys(asked.scopes)), created_at=now, created_by=asked.by,
        expires_at=now + dt.timedelta(days=asked.days) if asked.days else None,
    )  # fmt: skip

    def add(session: Session) -> Report:
        if session.exec(select(ApiToken.id).where(ApiToken.name == asked.name)).first():
            raise Wrong(f"There is or was a token {asked.name}; give this one another name.")
        session.add(row)
        session.flush()
        lines = [
            token,
            "This is the only time that it is shown; keep it where secrets are kept.",
            f"{row.name} may {row.scopes}; {_end(row, now)}.",
        ]
        return Report({"token": token} | _shown(row, now), lines)

    return await app.store.write(add)


async def revoke(app: App, args: Args, _progress: Progress) -> Report:
    """End a token, by its name or its handle: from the next request on it opens nothing.

    Raises:
        Wrong: there is none.
    """
    asked = Revoking.model_validate(args)
    now = app.clock.now()

    def end(session: Session) -> Report:
        handle = asked.name.removeprefix(PREFIX).partition("_")[0]
        which = (ApiToken.name == asked.name) | (ApiToken.handle == handle)
        row = session.exec(select(ApiToken).where(which)).first()
        if row is None:
            raise Wrong("There is no such token; `counterfoil access token list` shows all.")
        if row.revoked_at is not None:
            return Report(_shown(row, now), [f"{row.name} was revoked already."], code=NO)
        row.revoked_at, row.revoked_by = now, asked.by
        session.flush()
        return Report(_shown(row, now), [f"{row.name} opens nothing any more."], code=DONE)

    return await app.store.write(end)


def listed(session: Session, now: dt.datetime) -> Report:
    """Every token there was, what it may do, and whether it is used."""
    rows = session.exec(select(ApiToken).order_by(col(ApiToken.id))).all()
    lines = [] if rows else ["No other system has a token: `counterfoil access token create`."]
    columns = ["name", "token", "scopes", "made", "state", "last_used"]
    shown = [
        [row.name, f"{PREFIX}{row.handle}_…", row.scopes, _begun(row), _end(row, now),
         str(row.last_used_on or "never")]
        for row in rows
    ]  # fmt: skip
    table = Table("", columns, shown)
    return Report({"tokens": [_shown(row, now) for row in rows]}, lines, [table] if rows else [])


def find(session: Session, authorization: str, now: dt.datetime) -> ApiToken | None:
    """Whose ``Authorization`` header this is; None for a wrong, ended or malformed one."""
    scheme, _, token = authorization.strip().partition(" ")
    token = token.strip()
    handle = token.removeprefix(PREFIX).partition("_")[0]
    if scheme.lower() != "bearer" or not (token.startswith(PREFIX) and token.isascii()):
        return None
    row = session.exec(select(ApiToken).where(ApiToken.handle == handle)).first()
    same = hmac.compare_digest(_digest(token), row.digest if row else _NOBODY)
    return row if row is not None and same and state_of(row, now) == "valid" else None


def scopes_of(row: ApiToken) -> Sequence[str]:
    """What the token may do."""
    return row.scopes.split()


def use(session: Session, token_id: int, now: dt.datetime) -> bool:
    """Note that it was used today; False where it was ended a moment ago."""
    row = session.get_one(ApiToken, token_id)
    if state_of(row, now) != "valid":
        return False
    if row.last_used_on != now.date():
        row.last_used_on = now.date()
    return True


def state_of(row: ApiToken, now: dt.datetime) -> str:
    """Whether it opens anything: ``valid``, ``revoked`` or ``expired``."""
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "valid"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _begun(row: ApiToken) -> str:
    return f"{row.created_at:%Y-%m-%d} by {row.created_by}"


def _end(row: ApiToken, now: dt.datetime) -> str:
    if row.revoked_at is not None:
        return f"revoked on {row.revoked_at:%Y-%m-%d} by {row.revoked_by}"
    if row.expires_at is None:
        return "valid until it is revoked"
    word = "expired on" if row.expires_at <= now else "valid until"
    return f"{word} {row.expires_at:%Y-%m-%d}"


def _shown(row: ApiToken, now: dt.datetime) -> dict[str, object]:
    told = row.model_dump(mode="json", exclude={"id", "digest", "scopes"})
    return told | {"scopes": row.scopes.split(), "state": state_of(row, now)}
