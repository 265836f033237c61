"""How are files read that may have been made to harm whoever reads them?

In a process of its own, one for all files of a mail, which forks one for each: without our
settings, without files and network, with little memory, and for a few seconds.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from comms.caged import program, verdicts

_ROOT: Final = str(Path(program.__file__).parents[2])
_START: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from comms.caged import program; "
    "sys.exit(program.main())"
)


def words(contents: Sequence[bytes], each: float, together: float) -> list[tuple[str, str]]:
    """What stands in each, and in a word why that is not all of it; empty where it is.

    Args:
        contents: the bytes of the files.
        each: seconds for one of them.
        together: seconds for all; of the rest it is said that they were late.
    """
    told: list[tuple[str, str]] = []
    if contents and together > 0:
        lines = _run(contents, each, together).split(b"\n")[:-1]
        told = [(one["said"], one["why"]) for one in map(json.loads, lines)]
    return [*told, *[("", verdicts.LATE)] * (len(contents) - len(told))]


def _run(contents: Sequence[bytes], each: float, together: float) -> bytes:
    asked = {"sizes": [len(one) for one in contents], "seconds": min(each, together)}
    head = json.dumps(asked).encode() + b"\n"
    with subprocess.Popen(  # noqa: S603 - our own program, and no shell
        [sys.executable, "-I", "-c", _START, _ROOT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    ) as caged:
        try:
            return caged.communicate(b"".join([head, *contents]), together)[0]
        except subprocess.TimeoutExpired as late:
            os.killpg(caged.pid, signal.SIGKILL)  # with whatever it has forked
            return late.output or b""
