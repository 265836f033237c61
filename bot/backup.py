"""How is a copy made that can be trusted, and how does it come back?

The rows and the keys that open them are two copies in two folders, to be kept in two places: who
finds one of them can read nothing, and a client whose key was destroyed does not return with an old
copy of the rows. Each folder holds the copy and a manifest, which is written last.
"""

import datetime as dt
import hashlib
import json
import os
import shutil
import subprocess
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from sqlalchemy import inspect, make_url

from billing.store import Store
from bot import schema
from comms import timeline

Kind = Literal["rows", "keys"]
MANIFEST = "manifest.json"
_NAMED = 5
"""So many breaks of a chain are named; one is enough to refuse."""


class BackupRefused(Exception):
    """Nothing was written; the sentence says why, and what to do."""


class BackupDamaged(Exception):
    """The copy is not what was written; nothing of it was put in place on SQLite."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rows and the keys live."""

    database_url: str
    keyring_url: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a copy is: ``revision`` is that of the rows' schema, "" for keys.

    ``erasures`` is where it was written down who was erased, and is still.
    """

    kind: Kind
    file: str
    revision: str
    sha256: str
    created_at: str
    erasures: str = ""


def backup(
    place: Place, rows: Path, keys: Path, now: dt.datetime, erasures: Path | None = None
) -> tuple[Manifest, Manifest]:
    """Copy the rows and the keys, each into a folder of its own; a running process may go on.

    The log of erasures is not copied: a copy of it would be as old as the rest.

    The rows come first: a client's key is made before the client, so that every key that the copy
    needs is in the copy of the keys, unless it was destroyed meanwhile.

    Raises:
        BackupRefused: the folders are not two, one of them is in use, or a tool is missing.
    """
    _refuse_together(rows, keys)
    for folder in (rows, keys):
        if folder.exists() and any(folder.iterdir()):
            raise BackupRefused(f"{folder} is not empty; name a new folder for this copy")
    found = schema.current(place.database_url)
    if found is None:
        raise BackupRefused("there is no migrated database to copy; set COUNTERFOIL_DATABASE_URL")
    return (
        _copy("rows", place.database_url, rows, (now, found, erasures)),
        _copy("keys", place.keyring_url, keys, (now, "", None)),
    )


def restore(rows: Path, keys: Path, to: Place) -> tuple[Manifest, Manifest]:
    """Put both copies in place, where nothing may be yet; every chain is walked on the way.

    Raises:
        BackupRefused: something is there already, or a newer version made the copy.
        BackupDamaged: a copy was changed since, or a chain in it does not hold.
    """
    both = read(rows, "rows"), read(keys, "keys")
    if not schema.is_known(both[0].revision):
        raise BackupRefused(
            f"the copy is at {both[0].revision}, which this version does not know; "
            "install the version that made it, or a newer one"
        )
    for url in (to.database_url, to.keyring_url):
        _refuse_existing(url)
    if _file(to.database_url) is not None:
        _check(f"sqlite:///{rows / both[0].file}")
    _put(rows / both[0].file, to.database_url)
    _put(keys / both[1].file, to.keyring_url)
    if _file(to.database_url) is None:
        _check(to.database_url)
    return both


def _refuse_together(rows: Path, keys: Path) -> None:
    one, two = rows.resolve(), keys.resolve()
    if one == two or one in two.parents or two in one.parents:
        raise BackupRefused(
            f"{keys} and {rows} would travel together; keep the keys in a place of their own"
        )


def _copy(
    kind: Kind, url: str, folder: Path, about: tuple[dt.datetime, str, Path | None]
) -> Manifest:
    now, revision, erasures = about
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    source = _file(url)
    target = folder / f"{kind}.{'db' if source else 'dump'}"
    target.touch(mode=0o600)
    if source:
        _copy_sqlite(source, target)
    else:
        _run("pg_dump", url, "--format=custom", "--no-owner", f"--file={target}")
    _sync(target)
    moment = now.astimezone(dt.UTC).isoformat(timespec="seconds")
    log = str(erasures.absolute()) if erasures else ""
    manifest = Manifest(kind, target.name, revision, _digest(target), moment, log)
    written = folder / MANIFEST
    written.write_text(json.dumps(asdict(manifest), indent=2) + "\n")
    _sync(written)
    return manifest


def _copy_sqlite(source: Path, target: Path) -> None:
    """One snapshot, which no writer waits for, without the pages that rows have left.

    What was deleted or written over still stands in free pages of the live file; it must not
    travel in a copy.
    """
    import pysqlite3.dbapi2 as driver

    uri = f"{source.resolve().as_uri()}?mode=ro"
    with closing(driver.connect(uri, uri=True, isolation_level=None)) as live:
        live.execute("VACUUM INTO ?", [str(target)])
    with closing(driver.connect(str(target))) as copy:
        [(said,)] = copy.execute("PRAGMA quick_check(1)").fetchall()
        if said != "ok":
            raise BackupDamaged(f"the database itself is damaged: {said}")


def read(folder: Path, kind: Kind) -> Manifest:
    """The manifest of a folder, once the copy beside it is what the manifest says.

    Raises:
        BackupRefused: there is no copy of that kind.
        BackupDamaged: it was changed.
    """
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError):
        raise BackupRefused(f"{folder} holds no finished copy; name a folder that does") from None
    if manifest.kind != kind:
        raise BackupRefused(f"{folder} holds the {manifest.kind}, not the {kind}; change them over")
    file = folder / Path(manifest.file).name
    if not file.exists() or _digest(file) != manifest.sha256:
        raise BackupDamaged(f"{file} is not what was written; take an older copy")
    return manifest


def _refuse_existing(url: str) -> None:
    file = _file(url)
    if file is not None:
        if file.exists():
            raise BackupRefused(f"{file} exists; move it away first, it will not be overwritten")
        return
    with closing(Store(url, writable=False)) as store:
        if inspect(store.engine).get_table_names():
            raise BackupRefused("the database has tables already; name an empty one")


def _check(url: str) -> None:
    """Walk every chain.

    Raises:
        BackupDamaged: one does not hold, or the triggers that guard them are gone.
    """
    with closing(Store(url, writable=False)) as store:
        if missing := schema.missing_triggers(store.engine):
            raise BackupDamaged(f"the copy lacks {', '.join(missing)}; take an older copy")
        with store.read() as session:
            broken = list(islice(timeline.verify(session), _NAMED))
    if broken:
        places = "; ".join(f"client {one.client_id} at {one.seq}: {one.what}" for one in broken)
        raise BackupDamaged(f"the timeline in this copy does not hold ({places})")


def _put(copy: Path, url: str) -> None:
    target = _file(url)
    if target is None:
        _run("pg_restore", url, "--no-owner", "--exit-on-error", "--single-transaction", str(copy))
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    shutil.copyfile(copy, partial)
    partial.chmod(0o600)
    _sync(partial)
    try:
        os.link(partial, target)  # unlike a rename, it never replaces
    finally:
        partial.unlink()


def _run(tool: str, url: str, *arguments: str) -> None:
    """Run one of PostgreSQL's own tools; the password travels in its environment."""
    found = shutil.which(tool)
    if found is None:
        raise BackupRefused(f"{tool} is not installed; install PostgreSQL's client programs")
    place = make_url(url)
    password = {"PGPASSWORD": str(place.password)} if place.password else {}
    target = place.set(drivername="postgresql", password=None).render_as_string()
    done = subprocess.run(  # noqa: S603 - a tool of PostgreSQL, no shell
        [found, f"--dbname={target}", *arguments],
        env=os.environ | password,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it did not say why"]
        raise BackupRefused(f"{tool} could not do it: {said[0]}")


def _file(url: str) -> Path | None:
    place = make_url(url)
    return Path(str(place.database)) if place.get_backend_name() == "sqlite" else None


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
