"""Did Slack send this request, and within the last five minutes?

Pure. Bolt answers 500 to a timestamp that is no number and to a signature that is not ASCII, so
every request is judged here before Bolt sees it.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence

_WINDOW = 300


def verify(raw: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_wall: float) -> bool:
    """Slack's v0 signature over the raw body; several secrets while one is being replaced.

    ``now_wall`` is the machine's time in seconds since 1970. Whatever is malformed is False.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    stamp = lower.get("x-slack-request-timestamp", "")
    signature = lower.get("x-slack-signature", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12 and signature.isascii()):
        return False
    if abs(now_wall - int(stamp)) > _WINDOW:
        return False
    signed = b"v0:" + stamp.encode() + b":" + raw
    answers = [
        hmac.compare_digest(_v0(secret, signed), signature) for secret in secrets if secret.strip()
    ]
    return any(answers)


def _v0(secret: str, signed: bytes) -> str:
    return "v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
