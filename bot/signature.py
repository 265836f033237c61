"""Did the holder of the secret send this, and within the last five minutes?

Pure. Standard Webhooks (https://www.standardwebhooks.com), as its reference library signs. That
library cannot verify here: it asks a clock of its own, takes only text, and fails on a signature
that is no base64; so the few lines are ours, over the raw bytes.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence

WINDOW = 300
_PREFIX = "whsec_"
_MOST = 8
"""Signatures that are looked at: while a secret is replaced there are two."""


def key_of(secret: str) -> bytes:
    """The bytes that a secret stands for.

    Raises:
        ValueError: it is no base64, or has fewer than 16 bytes.
    """
    bare = secret.strip().removeprefix(_PREFIX)
    try:
        found = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) < 16:
        raise ValueError("must be `whsec_` and at least 16 bytes in base64")
    return found


def verify(raw: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_wall: float) -> bool:
    """A v1 signature over id, time and raw body; several secrets while one is being replaced.

    ``now_wall`` is the machine's time in seconds since 1970. Whatever is malformed is False.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    name, stamp = lower.get("webhook-id", ""), lower.get("webhook-timestamp", "")
    if not (name and stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        return False
    if abs(now_wall - int(stamp)) > WINDOW:
        return False
    given = _given(lower.get("webhook-signature", ""))
    signed = b"%s.%s.%s" % (name.encode("latin-1", "replace"), stamp.encode(), raw)
    answers = [
        hmac.compare_digest(hmac.digest(key_of(secret), signed, hashlib.sha256), one)
        for secret in secrets
        for one in given
    ]
    return any(answers)


def _given(header: str) -> list[bytes]:
    """The v1 signatures of a header; what is no base64 is none."""
    found: list[bytes] = []
    for part in header.split(" ", _MOST)[:_MOST]:
        version, _, encoded = part.partition(",")
        if version != "v1":
            continue
        try:
            found.append(base64.b64decode(encoded, validate=True))
        except (binascii.Error, ValueError):
            continue
    return found
