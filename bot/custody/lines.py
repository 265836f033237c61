"""How is a line kept in a file outside the database, so that it is there or was never there?"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def begin(path: Path) -> None:
    """Make the file where there is none: one that is missing later was lost."""
    with held(path):
        pass


def append(file: BinaryIO, lines: Iterable[bytes]) -> None:
    """Add lines to a file that is held; on disk when this returns."""
    _cut(file)
    file.write(b"".join(line + b"\n" for line in lines))
    file.flush()
    os.fsync(file.fileno())


def read(path: Path) -> list[bytes]:
    """Every whole line, none where there is no file; what a crash cut short was never acted on."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def _cut(file: BinaryIO) -> None:
    """Away with a line that a crash cut short."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    whole = file.read().rfind(b"\n") + 1
    if whole != size:
        file.truncate(whole)
    file.seek(0, os.SEEK_END)


@contextmanager
def held(path: Path) -> Iterator[BinaryIO]:
    """The file, while no other process of ours writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if new:
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        yield file
