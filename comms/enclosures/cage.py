"""How is a file read that may have been made to harm whoever reads it?

In a process of its own, without our settings, with little memory, and for a few seconds.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

from comms.enclosures import pages

_PROGRAM: Final = Path(pages.__file__)
_WHY: Final = {
    pages.WHOLE: "",
    pages.LOCKED: "locked",
    pages.LARGE: "large",
    pages.PICTURE: "picture",
    pages.UNKNOWN: "kind",
    pages.WITHIN: "within",
}


def words(kind: str, content: bytes, seconds: float) -> tuple[str, str]:
    """What stands in it, and in a word why that is not all of it; empty where it is."""
    if seconds <= 0:
        return "", "late"
    command = [sys.executable, "-I", str(_PROGRAM), kind]
    try:
        done = subprocess.run(  # noqa: S603 - our own program, and no shell
            command,
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", "late"
    return done.stdout.decode(errors="replace"), _WHY.get(done.returncode, "broken")
