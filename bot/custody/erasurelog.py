"""Who was erased, so that no restored copy of the database can forget it?

A file outside the database, one line of JSON for each key that was destroyed: the key's name,
which is random, and a moment; nothing of the person. A copy from before knows nothing of it, so
what stands here is done again there before it may serve.
"""

import datetime as dt
import json
from collections.abc import Collection
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlmodel import Session, col, select

from billing.keyring import Keyring
from billing.models import Client, Erasure
from billing.store import Store
from bot.custody import lines
from comms.law import preservation

_SOME = 500


class LogDamaged(Exception):
    """The log cannot be read; the sentence says where."""


class NotReplayed(Exception):
    """Somebody who was erased is still, or again, in this database."""


@dataclass(frozen=True, slots=True)
class Line:
    """One key that was destroyed."""

    key_id: str
    at: str

    @property
    def moment(self) -> dt.datetime:
        """When."""
        return dt.datetime.fromisoformat(self.at)


def append(path: Path, keys: Collection[str], now: dt.datetime) -> None:
    """Write down which keys are destroyed, each once; on disk when this returns."""
    at = now.astimezone(dt.UTC).isoformat(timespec="seconds")
    with lines.held(path) as file:
        known = {line.key_id for line in read(path)}  # of one that was cut off and asked for again
        new = [Line(key_id, at) for key_id in keys if key_id not in known]
        lines.append(file, (json.dumps(asdict(line)).encode() for line in new))


def adopt(original: Path, path: Path) -> None:
    """Take over what another log says, so that both know it."""
    known = {line.key_id for line in read(path)}
    missing = [line for line in read(original) if line.key_id not in known]
    lines.begin(path)
    for line in missing:
        append(path, [line.key_id], line.moment)


def read(path: Path) -> list[Line]:
    """Everybody, in their order; nobody where there is no file.

    Raises:
        LogDamaged: a line is no line of it.
    """
    return [_line(path, number, raw) for number, raw in enumerate(lines.read(path), 1)]


def pending(logged: Collection[Line], store: Store, keyring: Keyring) -> list[Line]:
    """Those whose key is there, or whose client is still called by their name.

    Who was put under a legal hold after an erasure that was cut off is kept until the hold ends.
    """
    keys = [line.key_id for line in logged]
    left = keyring.held(keys)
    with store.read() as session:
        clients = dict[str, int]()
        for first in range(0, len(keys), _SOME):
            named = col(Client.key_id).in_(keys[first : first + _SOME])
            clients |= session.exec(select(Client.key_id, Client.id).where(named)).all()
        left |= clients.keys()
        return [
            line
            for line in logged
            if line.key_id in left and not _held_since(session, clients.get(line.key_id), line)
        ]


def _held_since(session: Session, client_id: int | None, line: Line) -> bool:
    """A hold from before, in an old copy, has ended: else they would not have been erased."""
    found = preservation.standing(session, client_id) if client_id is not None else ()
    return any(hold.placed_at >= line.moment for hold in found)


def need_replayed(path: Path | None, store: Store, keyring: Keyring) -> None:
    """Check before serving that nobody who was erased is here.

    Raises:
        NotReplayed: somebody is, or the log has lost somebody of whom the database knows.
        LogDamaged: nobody can say.
    """
    logged = read(path) if path else []
    if left := pending(logged, store, keyring):
        raise NotReplayed(
            f"{len(left)} clients were erased and are in this database; "
            "run `counterfoil erase --replay` before it serves"
        )
    if lost := unlogged(logged, store):
        raise NotReplayed(
            f"{lost} erasures that this database knows are not in the log {path or ''}; put the "
            "log back, or name it with COUNTERFOIL_ERASURE_LOG"
        )


def unlogged(logged: Collection[Line], store: Store) -> int:
    """How many erasures the database knows and the log does not: it is another one, or was cut."""
    known = {line.key_id for line in logged}
    with store.read() as session:
        return sum(key_id not in known for key_id in session.exec(select(Erasure.key_id)))


def scrub(database_url: str, most: int | None = None) -> bool:
    """Overwrite the free pages of a SQLite file, where scraps of what was deleted stand.

    Others may read and write meanwhile, and wait for as long as it takes: False, and it was not
    done, where somebody never let go of the file, or it has more bytes than ``most``. Then its log
    is emptied all the same.
    """
    import pysqlite3.dbapi2 as driver

    file = Path(database_url.removeprefix("sqlite:///"))
    if str(file) == database_url or not file.exists():
        return True
    small = most is None or file.stat().st_size <= most
    with closing(driver.connect(str(file), isolation_level=None, timeout=30)) as connection:
        try:
            if small:
                connection.execute("VACUUM")
            [(busy, *_)] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except driver.OperationalError:
            return False
    return small and not busy


def _line(path: Path, number: int, raw: bytes) -> Line:
    try:
        line = Line(**json.loads(raw))
        _ = line.moment
    except (ValueError, TypeError):
        raise LogDamaged(
            f"line {number} of the erasure log {path} cannot be read; put a good copy of it back"
        ) from None
    return line
