"""Is there a key with which receivers can check the relay's DKIM signature (RFC 6376)?"""

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from bot.doctor.finding import Finding, Verdict, ok, warning, wrong
from bot.doctor.names import Names

COMMON = (
    *("default", "dkim", "mail", "email", "smtp", "google", "selector1", "selector2"),
    *("s1", "s2", "k1", "k2", "k3", "pm", "mandrill", "mailjet", "resend", "mx", "zoho", "fm1"),
)
"""Selectors that relays use by default."""
_ORDER = (Verdict.OK, Verdict.WARNING, Verdict.WRONG)


async def look(names: Names, domain: str, selector: str) -> Finding:
    """The key under our selector; without one, under the usual ones.

    Raises:
        Unreachable: the DNS did not answer.
    """
    if selector:
        return judge_dkim(domain, selector, await names.texts(f"{selector}._domainkey.{domain}"))
    found = await asyncio.gather(*(names.texts(f"{one}._domainkey.{domain}") for one in COMMON))
    judged = [
        judge_dkim(domain, one, keys)
        for one, records in zip(COMMON, found, strict=True)
        if (keys := [record for record in records if "p" in tags(record)])
    ]
    if judged:  # an old key, or that of another service, says nothing where one is good
        return min(judged, key=lambda one: _ORDER.index(one.verdict))
    said = f"No DKIM key of {domain} is under the usual selectors; another may be in use."
    advice = "Set COUNTERFOIL_DKIM_SELECTOR to what stands at s= in a mail's DKIM-Signature."
    return warning(f"dkim {domain}", said, advice)


def tags(record: str) -> Mapping[str, str]:
    """``tag=value; tag=value``."""
    pairs = (part.partition("=") for part in record.split(";"))
    return {
        name.strip().lower(): "".join(value.split()) for name, _, value in pairs if name.strip()
    }


def judge_dkim(domain: str, selector: str, records: Sequence[str]) -> Finding:
    """The key record under one selector."""
    what, place = f"dkim {domain}", f"{selector}._domainkey.{domain}"
    again = f"Copy the record that your relay shows to {place}, whole."
    if not records:
        return wrong(what, f"There is no DKIM key at {place}.", again)
    if len(records) > 1:
        said = f"There are {len(records)} records at {place}; receivers may go by none."
        return wrong(what, said, "Leave the one that your relay shows.")
    given = tags(records[0])
    if given.get("v", "DKIM1").upper() != "DKIM1" or "p" not in given:
        return wrong(what, f"The record at {place} is no DKIM key.", again)
    if not given["p"]:
        said = f"The DKIM key at {place} is revoked (its p= is empty)."
        return wrong(what, said, "Publish the key that the relay signs with now.")
    if "h" in given and "sha256" not in given["h"].split(":"):
        return wrong(what, f"The DKIM key at {place} does not allow sha256.", again)
    return _judge_key(what, place, given, again)


def _judge_key(what: str, place: str, given: Mapping[str, str], again: str) -> Finding:
    bits = key_bits(given.get("k", "rsa").lower(), given["p"])
    if bits == 0:
        return wrong(what, f"The DKIM key at {place} cannot be read; a part may be lost.", again)
    if bits < 1024:
        said = f"The DKIM key at {place} has {bits} bits; receivers want 1,024 or more."
        return wrong(what, said, "Make a key of 2,048 bits at the relay.")
    if "y" in given.get("t", "").split(":"):
        said = f"The DKIM key at {place} says that it is a test (t=y)."
        return warning(what, said, "Take t=y out of it.")
    if bits < 2048:
        said = f"The DKIM key at {place} has {bits:,} bits; 2,048 are usual."
        return warning(what, said, "Make a longer one at the relay when you can.")
    return ok(what, f"A key that can be read is at {place}.")


def key_bits(kind: str, text: str) -> int:
    """How strong the key is, as RSA bits; 0 where it cannot be read. Ed25519 counts as 3,072."""
    try:
        raw = base64.b64decode(text, validate=True)
        if kind == "ed25519":
            return 3072 if len(raw) == 32 else 0
        key = load_der_public_key(raw)
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return 0
    return key.key_size if isinstance(key, RSAPublicKey) else 0
