"""Who may ask the sandbox's page, and what may a browser do with what it gets?

It is for the person at this machine only: a foreign ``Host`` (DNS rebinding) and a foreign origin
(another site's form or script) are refused before anything is read.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE_HEADER: Final = "x-counterfoil-page"
# A srcdoc frame inherits this policy, and mail is styled inline: hence 'unsafe-inline' for styles
# alone. Frames fall under default-src: a link inside a mail cannot load a remote page into it.
CONTENT_POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SAFETY_HEADERS: Final = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def stranger(method: str, path: str, headers: Headers, allowed: Collection[str]) -> str | None:
    """Why this request does not come from our own page, in a sentence; None when it does."""
    host = headers.get("host", "")
    if host not in allowed:
        return f"This page answers at {' or '.join(sorted(allowed))} only."
    if not path.startswith("/api/"):
        return None
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site not in (None, "same-origin", "none") or origin not in (None, f"http://{host}"):
        return "Another site asked for this; only the sandbox's own page may."
    proven = site == "same-origin" or origin is not None or PAGE_HEADER in headers
    if method == "POST" and not proven:
        return f"Send the header {PAGE_HEADER}: 1, so that no other site can act here."
    return None


class Doorkeeper:
    """Turns strangers away and puts the safety headers on every answer."""

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self.app = app
        self.allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SAFETY_HEADERS)
            await send(message)

        sentence = stranger(scope["method"], scope["path"], Headers(scope=scope), self.allowed)
        answer = self.app if sentence is None else trouble(403, sentence)
        await answer(scope, receive, send_safely)


def trouble(status: int, sentence: str) -> JSONResponse:
    """A refusal, in the sentence that the page shows."""
    return JSONResponse({"error": sentence}, status_code=status)
