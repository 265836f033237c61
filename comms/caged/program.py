"""The program in the cage: it reads the files of one mail, each in a process of its own.

On standard input come a line of JSON with the sizes of the files, the seconds for each, and then
their bytes. For each file a line of JSON goes out as soon as it is read. A child that was forked
for it may open no file and no socket, has little memory and little time, and ends; what it said
before it broke counts.
"""

import email
import encodings
import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
from typing import Final, NoReturn

import pypdf
import xlrd

from comms.caged.reading import Enough, Opened
from comms.caged.verdicts import BROKEN, LARGE, LATE, LONGEST, REASONS

MEMORY: Final = 768 * 1024 * 1024
CPU_SECONDS: Final = 20
_FIRST_CODE: Final = 10
_MOST_OCTETS: Final = 5 * LONGEST
_OF_TIME: Final = {signal.SIGALRM, signal.SIGXCPU, signal.SIGKILL}


def main() -> int:
    """Read all of them and end."""
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _load()
    asked = json.loads(sys.stdin.buffer.readline())
    for size in asked["sizes"]:
        said, why = apart(sys.stdin.buffer.read(size), asked["seconds"])
        sys.stdout.write(json.dumps({"said": said, "why": why}) + "\n")
        sys.stdout.flush()
    return 0


def _load() -> None:
    """Whatever is looked up by its name while a file is read: there it can be opened no more."""
    within = [
        module.name
        for library in (email, encodings, pypdf, xlrd)
        for module in pkgutil.walk_packages(library.__path__, f"{library.__name__}.")
    ]
    for name in within:
        try:
            importlib.import_module(name)
        except ImportError:
            continue  # for another system, or for what nobody installed


def apart(content: bytes, seconds: float) -> tuple[str, str]:
    """What a process of its own says of one file, and why that is not all of it."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        _read(content, seconds, into)
    os.close(into)
    with os.fdopen(out, "rb") as pipe:
        said = pipe.read(_MOST_OCTETS)
    _, status = os.waitpid(child, 0)
    return said.decode(errors="replace")[:LONGEST], _why(status)


def _why(status: int) -> str:
    if os.WIFSIGNALED(status):
        return LATE if os.WTERMSIG(status) in _OF_TIME else BROKEN
    code = os.WEXITSTATUS(status) - _FIRST_CODE
    return REASONS[code] if 0 <= code < len(REASONS) else BROKEN


def _read(content: bytes, seconds: float, into: int) -> NoReturn:
    """The child: whatever happens here, it ends here."""
    why = BROKEN
    try:
        _lock_up(seconds)
        opened = Opened()
        why = _told(opened, content, into)
    except (MemoryError, RecursionError):
        why = LARGE
    finally:
        os._exit(_FIRST_CODE + REASONS.index(why))


def _lock_up(seconds: float) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    _limit(resource.RLIMIT_AS, MEMORY)
    _limit(resource.RLIMIT_CPU, CPU_SECONDS)
    _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_NOFILE, 0)


def _limit(what: int, most: int) -> None:
    resource.setrlimit(what, (most, most))


def _told(opened: Opened, content: bytes, into: int) -> str:
    try:
        for words in opened.words(content):
            left = (words + "\n").encode(errors="replace")
            while left:
                left = left[os.write(into, left) :]
    except Enough:
        return LARGE
    return opened.why


if __name__ == "__main__":
    sys.exit(main())
