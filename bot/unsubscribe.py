"""How does somebody get no more offers by one click, of a mailbox's button or of a link?

The link carries the reference of the mail and our signature of it, and nothing else: whoever has
the mail has it. Opening the page changes nothing, for scanners open every link; the button on it,
or a mailbox's own (RFC 8058), posts, needs no login, and may post as often as it likes.
"""

import base64
import datetime as dt
import hmac
from collections.abc import Sequence
from html import escape
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from bot.bodies import body_of
from bot.inbox import Inbox, Parcel
from comms.facts import MailRefused

SOURCE: Final = "unsubscribe"
PATH: Final = "/unsubscribe"
_SIGNED: Final = 16
"""Bytes of a signature: nobody guesses one in 2^128."""
_LARGEST: Final = 10_000
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}


class Links:
    """Signed links at our public address; made with the first key, taken with each."""

    def __init__(self, public_url: str, master_keys: Sequence[bytes]) -> None:
        self._public_url = public_url
        self._keys = [_derived(key) for key in master_keys]

    def of(self, reference: str) -> str:
        """The link of a message."""
        return f"{self._public_url}{PATH}/{reference}.{_signature(self._keys[0], reference)}"

    def reference(self, token: str) -> str | None:
        """The message of a link; None where we have not made it."""
        reference, _, given = token.rpartition(".")
        if not (reference and token.isascii()):
            return None
        good = [hmac.compare_digest(_signature(key, reference), given) for key in self._keys]
        return reference if any(good) else None


def _derived(master_key: bytes) -> bytes:
    return HKDF(SHA256(), 32, None, b"counterfoil unsubscribe").derive(master_key)


def _signature(key: bytes, reference: str) -> str:
    digest = hmac.digest(key, reference.encode(), "sha256")[:_SIGNED]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def read(parcel: Parcel) -> list[MailRefused]:
    """What was posted."""
    return [MailRefused(reference=parcel.body.decode(), how="one_click")]


def parcel(reference: str, now: dt.datetime) -> Parcel:
    """The click as a row; the clicks of one minute are one, for people click twice."""
    return Parcel(SOURCE, f"{reference}:{now:%Y-%m-%dT%H:%M}", reference.encode())


class Clicks:
    """The page and its button; ``wake`` is called when there is something to understand."""

    def __init__(self, links: Links, inbox: Inbox) -> None:
        self._links = links
        self._inbox = inbox

    def ask(self, request: Request) -> Response:
        """The page, which asks once more: scanners and previews open links."""
        if self._links.reference(request.path_params["token"]) is None:
            return _unknown()
        button = '<form method="post"><button>Get no more offers</button></form>'
        return _page(
            "Offers by email", "You can end them here. Invoices and receipts go on.", button
        )

    async def take(self, request: Request, now: dt.datetime) -> tuple[Response, bool]:
        """The button, or a mailbox's; and whether there is something new to understand."""
        await body_of(request, _LARGEST)
        reference = self._links.reference(request.path_params["token"])
        if reference is None:
            return _unknown(), False
        new = await self._inbox.receive(parcel(reference, now), now)
        said = "You get no more offers from us at this address. Invoices and receipts go on."
        return _page("Done", said), new


def _unknown() -> Response:
    said = "This link is not one of ours, or it was cut off. Reply to the mail and say so instead."
    return _page("Nothing was changed", said, status=404)


def _page(title: str, said: str, more: str = "", status: int = 200) -> Response:
    whole = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>:root{{color-scheme:light dark}}"
        "body{font:17px/1.5 sans-serif;max-width:34em;margin:4em auto;padding:0 1em}"
        "button{font:inherit;padding:.6em 1.2em}</style></head>"
        f"<body><h1>{escape(title)}</h1><p>{escape(said)}</p>{more}</body></html>"
    )
    return HTMLResponse(whole, status, headers=_HEADERS)
