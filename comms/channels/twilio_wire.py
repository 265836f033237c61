"""What is known after one call to Twilio, above all after one that broke?

The SDK's own HTTP client ignores its time-out (a call waits for ever), hides Retry-After, logs
numbers, and keeps the last answer in a field that concurrent calls share. This one takes its place
by the SDK's documented seam.
"""

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
from twilio.http.response import Response

from comms.ports import DeliveryError, Throttled, Uncertain

_MOST_AT_ONCE = 100


class Wire:
    """The HTTP client that the SDK calls; ``timeout`` is in seconds, per read."""

    is_async = True

    def __init__(self, base_url: str, timeout: float) -> None:
        self._base = base_url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(
            total=3 * timeout, connect=timeout, sock_connect=timeout, sock_read=timeout
        )
        self._turns = asyncio.Semaphore(_MOST_AT_ONCE)
        self._pool: aiohttp.ClientSession | None = None

    async def request(self, method: str, uri: str, **call: Any) -> Response:
        """Make one call; the SDK gives params, data, headers and auth by name.

        Raises:
            DeliveryError: no usable answer; ``Uncertain`` where a text may have gone.
        """
        writes = method.upper() == "POST"
        try:
            # Our own turns, not the pool's: waiting for one must not count as unreachable.
            async with self._turns:
                status, headers, text = await self._exchange(method, uri, call)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            sentence = "Twilio cannot be reached; the text is tried again."
            raise DeliveryError(sentence, permanent=False, code="unreachable") from error
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeDecodeError) as error:
            raise _broken(writes=writes) from error
        _judge(status, headers, text, writes=writes)
        return Response(status, text, headers)

    async def _exchange(
        self, method: str, uri: str, call: Mapping[str, Any]
    ) -> tuple[int, Mapping[str, str], str]:
        target = urlsplit(uri)
        query = f"?{target.query}" if target.query else ""
        async with self._session().request(
            method,
            self._base + target.path + query,
            params=call.get("params"),
            data=urlencode(call.get("data") or {}, doseq=True).encode(),
            headers={**call["headers"], "Authorization": _basic(*call["auth"])},
            allow_redirects=False,
        ) as answer:
            return answer.status, answer.headers, await answer.text()

    def _session(self) -> aiohttp.ClientSession:
        # Made at the first call: a session belongs to the loop that runs then.
        if self._pool is None:
            self._pool = aiohttp.ClientSession(timeout=self._timeout)
        return self._pool

    async def close(self) -> None:
        """Give the connections back."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None


def _basic(sid: str, token: str) -> str:
    return "Basic " + base64.b64encode(f"{sid}:{token}".encode()).decode("ascii")


def _judge(status: int, headers: Mapping[str, str], text: str, *, writes: bool) -> None:
    """Raise for the answers that the SDK would misread: 429, a broken gateway, a lost body.

    Only a 503 in Twilio's own words is a refusal. A 500, or a gateway's empty 502 or 504, may
    come after the text was queued.
    """
    if status == 429:
        wait = _seconds(headers.get("Retry-After"))
        raise Throttled("Twilio asked us to slow down.", retry_after=wait, code="20429")
    body = _object(text)
    if status >= 500 and not (status == 503 and "code" in body):
        raise _broken(writes=writes)
    if 200 <= status < 300 and status != 204 and (not body or (writes and not body.get("sid"))):
        raise _broken(writes=writes)


def _broken(*, writes: bool) -> DeliveryError:
    if writes:
        return Uncertain("Twilio did not answer; the text may have gone.")
    sentence = "Twilio did not answer; it is asked again later."
    return DeliveryError(sentence, permanent=False, code="no_answer")


def _object(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(text: str | None) -> float:
    try:
        return min(max(float(text or 1), 0.1), 3600.0)
    except ValueError:
        return 1.0
