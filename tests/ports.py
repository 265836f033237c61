"""Which port of this machine is ours, before anybody listens on it and between two who do?

A port that was found free and let go is somebody else's a moment later: another run of the tests
looks in the same places. So it is held by a socket that listens on nothing; on Linux only who says
``SO_REUSEADDR``, as every server does, may listen beside it, and whoever looks for one does not.
"""

import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

BELOW = range(16384, 32768)
"""The kernel hands out ports from 32768 on by chance, to every connection too."""
_order = random.Random(os.getpid())


@contextmanager
def held() -> Iterator[int]:
    """A port that nobody else is given until this is over; nobody answers on it by itself."""
    with _free() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield int(holder.getsockname()[1])


def _free() -> socket.socket:
    for _ in BELOW:
        holder = socket.socket()
        with suppress(OSError):
            holder.bind(("127.0.0.1", _order.choice(BELOW)))
            return holder
        holder.close()
    raise AssertionError("no port is free: something does not stop its servers")
