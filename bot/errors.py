"""Which errors does whoever runs a command expect, and in which words?

Expected are those that say what to do. All else is a fault of ours and shows where it happened.
"""

from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from billing import ledger, references
from billing.keyring import KeyGone, WrongMasterKey
from billing.policy import PolicyError
from billing.store import Moved, StoreBusy, StoreClosed
from bot.custody.erasurelog import LogDamaged, NotReplayed
from bot.firm import FirmError
from bot.report import Wrong
from bot.schema import SchemaMismatch
from bot.settings import SettingsMissing

EXPECTED = (
    Wrong,
    SettingsMissing,
    PolicyError,
    StoreBusy,
    StoreClosed,
    Moved,
    SchemaMismatch,
    FirmError,
    WrongMasterKey,
    KeyGone,
    LogDamaged,
    NotReplayed,
    ledger.Contradiction,
    references.Unknown,
)


def sentence(error: BaseException) -> str:
    """What the person is told; nothing where the error is a fault of ours."""
    match error:
        case ValidationError():
            return "; ".join(_field(one["loc"], one["msg"]) for one in error.errors()) + "."
        case DBAPIError():
            said = str(error.orig).strip().splitlines()
            return f"The database cannot be used: {said[0] if said else type(error.orig).__name__}."
        case InvalidTag():
            return "A body in the store does not open with its key: the row or the key was changed."
        case OSError(filename=str(name), strerror=str(reason)):
            return f"{name}: {reason}."
        case _:
            return str(error) if isinstance(error, EXPECTED) else ""


def _field(path: Sequence[str | int], said: str) -> str:
    where, reason = ".".join(map(str, path)), said.removeprefix("Value error, ")
    return f"{where}: {reason}" if where else reason
