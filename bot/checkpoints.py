"""Where is the end of every chain written down, so that nobody can cut it off unseen?

Once a night, and when asked, the ends of all chains become a link of the firm's chain. The link is
signed and appended to a file outside the database, one line of JSON each, and logged. Put the file
where whoever can write the database cannot write: that is what makes it a proof.
"""

import asyncio
import fcntl
import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlmodel import Session

from billing.keyring import Keyring
from bot.app import App
from bot.report import Args, Progress, Report
from comms import checkpoints
from comms.models import Checkpoint
from comms.timeline import Break

OWNER = "checkpoints"
"""Whose key signs, in the keyring: it stays the same when the master key changes."""
log = structlog.get_logger("checkpoints")


class Line(BaseModel):
    """A checkpoint as it is kept outside: ``key`` is the public key (Ed25519) that signed it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    checkpoint: int
    taken_at: str
    heads: int
    root: str
    previous: str
    hash: str
    key: str
    signature: str


async def run(app: App, _args: Args | None = None, _progress: Progress | None = None) -> Report:
    """Write down the ends of the chains that moved, and every link that the file lacks."""
    taken = await take(app)
    path = app.settings.checkpoints_file
    lines = await asyncio.to_thread(_publish, app, path) if path else []
    for line in lines:
        log.info("checkpoint", number=line.checkpoint, hash=line.hash, heads=line.heads)
    return _report(app, taken, path)


async def take(app: App) -> int:
    """Links for all that moved, a few thousand chains in each; how many ends were written."""
    taken, after = 0, 0
    while True:
        with app.store.read() as session:
            ends, last = checkpoints.moved(session, after), checkpoints.latest(session)
        if not ends:
            return taken
        seen = last.id if last else 0
        write = partial(checkpoints.write, ends=ends, now=app.clock.now(), seen=seen)
        if await app.store.write(write) is None:
            continue  # another process was faster, with some of these or all
        taken, after = taken + len(ends), ends[-1].client_id


def _publish(app: App, path: Path) -> list[Line]:
    """Append what the file lacks; on disk when this returns. Of two processes one waits."""
    path.touch(0o600)
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return _lacking(app, path)


def _lacking(app: App, path: Path) -> list[Line]:
    """By their hashes: a number may be forged, or be of a chain that a restored copy has not."""
    ours = _public(app.keyring)
    known = {line.hash for line, _ in _lines(path) if line and ours and _holds(line, ours)}
    with app.store.read() as session:
        links = [link for link in checkpoints.links(session) if link.hash not in known]
    if not links:
        return []
    app.keyring.make([OWNER], app.clock.now())
    signer = Ed25519PrivateKey.from_private_bytes(app.keyring.key(OWNER))
    lines = [_signed(link, signer) for link in links]
    _append(path, lines)
    return lines


def _signed(link: Checkpoint, signer: Ed25519PrivateKey) -> Line:
    key = signer.public_key().public_bytes_raw().hex()
    return Line(
        checkpoint=link.id,
        taken_at=link.taken_at.isoformat(timespec="seconds"),
        heads=link.heads,
        root=link.root,
        previous=link.previous,
        hash=link.hash,
        key=key,
        signature=signer.sign(link.hash.encode()).hex(),
    )


def _append(path: Path, lines: Iterable[Line]) -> None:
    if path.exists() and (torn := len(path.read_bytes().rpartition(b"\n")[2])):
        os.truncate(path, path.stat().st_size - torn)  # what a crash cut short comes again
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        file.write("".join(line.model_dump_json() + "\n" for line in lines).encode())
        file.flush()
        os.fsync(file.fileno())


# --- is what stands outside still so here? --------------------------------------------------------


def verify(session: Session, path: Path | None, keyring: Keyring) -> Iterator[Break]:
    """Every place where the ends of the chains are not what was written down of them.

    A file that belongs to others (an auditor's copy) is judged by its own public key if this
    installation has never signed.
    """
    known: list[tuple[int, str]] = []
    ours = _public(keyring)
    for line, number in _lines(path) if path else ():
        if line is None or not _holds(line, ours):
            yield Break(0, number, "the line of the checkpoint file was not signed here")
        else:
            known.append((line.checkpoint, line.hash))
    yield from checkpoints.verify(session, known)


def _public(keyring: Keyring) -> str:
    if not keyring.has(OWNER):
        return ""
    signer = Ed25519PrivateKey.from_private_bytes(keyring.key(OWNER))
    return signer.public_key().public_bytes_raw().hex()


def _holds(line: Line, ours: str) -> bool:
    if ours and line.key != ours:
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(line.key))
        key.verify(bytes.fromhex(line.signature), line.hash.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _lines(path: Path) -> Iterator[tuple[Line | None, int]]:
    """Each line with its number; None for what is none. A torn end is no line."""
    if path.exists():
        for number, raw in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
            yield _line(raw), number


def _line(raw: bytes) -> Line | None:
    try:
        return Line.model_validate_json(raw)
    except ValidationError:
        return None


def _report(app: App, taken: int, path: Path | None) -> Report:
    with app.store.read() as session:
        last = checkpoints.latest(session)
    data = {
        "ends": taken,
        "checkpoint": last.id if last else None,
        "hash": last.hash if last else None,
        "file": str(path) if path else None,
    }
    if last is None:
        return Report(data, ["There is nothing to write down yet: no chain has an entry."])
    said = f"No chain has moved since checkpoint {last.id}."
    if taken:
        chains = "1 chain has" if taken == 1 else f"{taken:,} chains have"
        said = f"Checkpoint {last.id}: {chains} moved."
    said += f" Its hash is {last.hash}."
    where = f"It stands in {path}." if path else (
        "Nothing keeps it elsewhere: name a file with COUNTERFOIL_CHECKPOINT_FILE."
    )  # fmt: skip
    return Report(data, [said, where])
