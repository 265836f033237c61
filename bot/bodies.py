"""How much of a request is read, for how long is it waited for, and what if there is more?"""

import asyncio

from starlette.requests import Request

LARGEST = 1_000_000
"""Bytes of everything that is no mail."""


PATIENCE, A_SECOND = 20.0, 100_000
"""Seconds for any body, and bytes a second of a large one: whoever sends less holds a line open."""


class TooLarge(Exception):
    """The body is larger than this address takes."""


class TooSlow(Exception):
    """The body did not come in time; most are there at once."""


async def body_of(request: Request, largest: int = LARGEST, patience: float = PATIENCE) -> bytes:
    """The raw body, never more of it in memory than the limit.

    Raises:
        TooLarge: it has more bytes than ``largest``.
        TooSlow: it has not ended in time.
    """
    try:
        async with asyncio.timeout(patience + largest / A_SECOND):
            return await _read(request, largest)
    except TimeoutError as error:
        raise TooSlow("the body did not come in time; send it again") from error


async def _read(request: Request, largest: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > largest:
        raise TooLarge(f"at most {largest} bytes are taken here")
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > largest:
            raise TooLarge(f"at most {largest} bytes are taken here")
        parts.append(part)
    return b"".join(parts)
