"""Where does what a person asked for wait while the store cannot be written?

An encrypted line in a file, synced to disk before the person is told "working on it". It becomes an
``Incoming`` row as soon as the store writes again; the row's key keeps it from happening twice.
"""

import base64
import json
import os
from pathlib import Path

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

log = structlog.get_logger("spool")


class Spool:
    """Lines of (source, external id, body), sealed with a key that follows from the master key."""

    def __init__(self, path: Path, master_key: bytes) -> None:
        self._path = path
        derived = HKDF(SHA256(), 32, None, b"counterfoil spool").derive(master_key)
        self._key = AESGCM(derived)

    def append(self, source: str, external_id: str, body: str) -> None:
        """Keep a line; it is on disk when this returns."""
        nonce = os.urandom(12)
        sealed = self._key.encrypt(nonce, json.dumps([source, external_id, body]).encode(), b"")
        line = base64.b64encode(nonce + sealed) + b"\n"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def lines(self) -> list[tuple[str, str, str]]:
        """What waits, the oldest first; a line cut short by a crash was never acknowledged."""
        if not self._path.exists():
            return []
        return [found for raw in self._path.read_bytes().splitlines() if (found := self._open(raw))]

    def empty(self, taken: int) -> None:
        """Drop the first ``taken`` lines, which are rows of the store now."""
        rest = self._path.read_bytes().splitlines(keepends=True)[taken:] if taken else []
        beside = self._path.with_name(self._path.name + ".new")
        beside.write_bytes(b"".join(rest))
        beside.replace(self._path)

    def _open(self, raw: bytes) -> tuple[str, str, str] | None:
        try:
            sealed = base64.b64decode(raw, validate=True)
            source, external_id, body = json.loads(self._key.decrypt(sealed[:12], sealed[12:], b""))
        except (ValueError, InvalidTag):
            log.warning("spool_line_unreadable")
            return None
        return source, external_id, body
