"""Which numbers and secrets could a text hold at all?

One pass of RE2 over the text; a detector looks only for what has its cue there. The cues are the
detectors' own patterns without what must stand around them, so that none can be missed.
"""

from typing import Final

from comms.compliance import banking, cards, codes, credentials, identity
from comms.compliance.digits import SAID
from comms.compliance.patterns import Which

_NUMBERS: Final = {
    "card": cards.CUE,
    "spoken": SAID,
    "code": codes.CUE,
    "iban": banking.IBANS,
    "account": banking.ACCOUNTS,
    "social": identity.SHAPED,
    "social_word": identity.CALLED,
    "born": identity.BORN,
}
_numbers: Final = Which(_NUMBERS)
_secrets: Final = Which({name: one.cue for name, one in credentials.SEARCHES.items()})


def cues(text: str) -> frozenset[str]:
    """What it may hold; two sets, for their automata are smaller than that of both."""
    return _numbers(text) | _secrets(text)
