"""Is an address the person's, as far as whoever reads there says?

What the firm told is asserted. Who agrees or answers from there verifies it; who asks who we are,
or says that it is not them, makes it unverified: nothing more goes there that tells an amount or a
reason, until they answer as themselves. Only plain words count, and one that is missed costs a
person an hour, not a secret.
"""

import re
from enum import StrEnum

from billing.models import Address, Verification

_LONGEST = 300
"""Who writes more than this has more to say than that."""
_WHO = re.compile(
    r"\bwho(?:'?s| is| dis| are| r)?(?: this| that| dis| you| u| texting| messaging)\b"
    r"|\bwho(?:'s| is) (?:texting|messaging|contacting|writing)\b|\bwho sent (?:this|me)\b"
    r"|\b(?:what|which) (?:company|firm|business) (?:is this|are you)\b|\bidentify yourself\b"
    r"|\bdo i know you\b|\bnew (?:phone|number),? who\b|\bis this (?:a )?(?:scam|spam|phishing)\b"
    r"|\bqui[eé]n es\b|\bqui est-ce\b|\bwer ist da\b",
    re.IGNORECASE,
)
_NOT_THEM = re.compile(
    r"(?<!with the )(?<!has the )\bwrong (?:number|person|guy)\b|\byou have the wrong\b"
    r"|\bnot (?:who|the (?:person|one)) you(?:'re| are)? (?:looking for|think|want)"
    r"|\bi (?:just )?(?:got|have) this (?:number|phone)\b"
    r"|\b(?:no ?(?:one|body)|nobody) (?:here )?(?:by|with|of|called|named)\b"
    r"|\b(?:that|this)(?:'s| is)(?: not|n'?t) (?:me|my)\b|\bi(?:'m| am) not (?:him|her|them|that)\b"
    r"|\bi (?:don'?t|do not) know (?:who|him|her|them|you|anyone|anybody)\b"
    r"|\bn[uú]mero equivocado\b|\bmauvais num[eé]ro\b|\bfalsche nummer\b",
    re.IGNORECASE,
)


class Heard(StrEnum):
    """What the words say of who reads there."""

    ASKS = "asks"
    DENIES = "denies"
    SPEAKS = "speaks"
    """As somebody who knows us."""


def hear(words: str) -> Heard:
    """What some words say of whoever wrote them."""
    short = words.strip().replace("\u2019", "'")[: _LONGEST + 1]
    if len(short) <= _LONGEST and _NOT_THEM.search(short):
        return Heard.DENIES
    return Heard.ASKS if len(short) <= _LONGEST and _WHO.search(short) else Heard.SPEAKS


def learn(address: Address, heard: Heard) -> None:
    """Where the address stands from now on; what was found wrong stays wrong."""
    if address.verification in (Verification.WRONG, Verification.REASSIGNED):
        return
    speaks = heard is Heard.SPEAKS
    address.verification = Verification.VERIFIED if speaks else Verification.UNVERIFIED
