"""How much of a request is read, and what if there is more?"""

from starlette.requests import Request

LARGEST = 1_000_000
"""Bytes of everything that is no mail."""


class TooLarge(Exception):
    """The body is larger than this address takes."""


async def body_of(request: Request, largest: int = LARGEST) -> bytes:
    """The raw body, never more of it in memory than the limit.

    Raises:
        TooLarge: it has more bytes than ``largest``.
    """
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
