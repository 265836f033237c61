"""Where does what a person asked for wait while the store cannot be written?

An encrypted line in a file, synced to disk before the person is told "working on it". It becomes an
``Incoming`` row as soon as the store writes again; the row's key keeps it from happening twice.
"""

import asyncio
import base64
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.groups import Together

log = structlog.get_logger("spool")
Line = tuple[str, str, str]
TOGETHER = 256
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND


class Spool:
    """Lines of (source, external id, body), sealed with a key that follows from the master key.

    What waits while the master key is changed opens with the ``others`` that are valid.
    """

    def __init__(self, path: Path, master_key: bytes, *others: bytes) -> None:
        self._path = path
        self._keys = [_derived(one) for one in (master_key, *others)]
        self._together: Together[Line, None] = Together(self._write, TOGETHER)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")

    async def keep(self, source: str, external_id: str, body: str) -> None:
        """Keep a line, with whichever others come at once; it is on disk when this returns."""
        await self._together.do((source, external_id, body))

    def append(self, source: str, external_id: str, body: str) -> None:
        """The same for a caller without an event loop."""
        self._append([(source, external_id, body)])

    async def _write(self, lines: Sequence[Line]) -> Sequence[None]:
        # A thread of its own: those that read cards may all be busy.
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._append, lines)
        return [None] * len(lines)

    def _append(self, lines: Sequence[Line]) -> None:
        with self._held() as file:
            for line in lines:
                # The first line end parts it from a line that a crash cut short.
                file.write(b"\n" + self._sealed(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _sealed(self, line: Line) -> bytes:
        nonce = os.urandom(12)
        return base64.b64encode(
            nonce + self._keys[0].encrypt(nonce, json.dumps(line).encode(), b"")
        )

    def size(self) -> int:
        """Bytes that wait; asked without holding the file."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def since(self) -> float | None:
        """When the last line came, in seconds of the wall's clock; None while nothing waits."""
        try:
            state = self._path.stat()
        except FileNotFoundError:
            return None
        return state.st_mtime if state.st_size else None

    def read(self) -> tuple[list[Line], int]:
        """What waits, the oldest first, and its size; a line cut short was never acknowledged."""
        if not self._path.exists():
            return [], 0
        with self._held() as file:
            file.seek(0)
            raw = file.read()
        lines = [self._open(sealed) for sealed in raw.splitlines() if sealed]
        return [line for line in lines if line is not None], len(raw)

    def clear(self, size: int) -> None:
        """Forget what was read, all of it a row of the store now; if more has come, all is kept."""
        with self._held() as file:
            if file.seek(0, os.SEEK_END) == size:
                file.truncate(0)

    @contextmanager
    def _held(self) -> Iterator[BinaryIO]:
        """The file, while no other process of ours reads or writes it."""
        new = not self._path.exists()
        with os.fdopen(os.open(self._path, _FLAGS, 0o600), "a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if new:
                _sync_name(self._path)
            yield file

    def _open(self, raw: bytes) -> tuple[str, str, str] | None:
        for key in self._keys:
            try:
                sealed = base64.b64decode(raw, validate=True)
                source, external_id, body = json.loads(key.decrypt(sealed[:12], sealed[12:], b""))
            except (ValueError, InvalidTag):
                continue
            return source, external_id, body
        log.warning("spool_line_unreadable")
        return None


def _derived(master_key: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, None, b"counterfoil spool").derive(master_key))


def _sync_name(path: Path) -> None:
    """A new file is on disk when its folder knows its name."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
