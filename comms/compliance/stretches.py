"""Which stretches of a text could say enough to be worth reading sentence by sentence?

Cut only where a sentence ends for certain, so that the sentences of the stretches are those of the
text. What no stretch has together with its neighbour, no two sentences near each other have.
"""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

from comms.compliance.patterns import Which
from comms.compliance.places import Place

_CUT: Final = re.compile(r"\n|[?!;](?=\s)|[a-z]{7}\.(?=\s)")
_SIZE: Final = 200

Worth = Callable[[frozenset[str]], bool]
"""Whether signals could be enough; what is enough must stay so when there are more of them."""


def worthwhile(text: str, which: Which, worth: Worth) -> Iterator[Place]:
    """The stretches that are worth it alone or with their neighbour; neighbours are one."""
    cut = list(_cuts(text))
    had = [which(text[start:end]) for start, end in cut]
    alone = [worth(one) for one in had]
    kept = [
        one or other or worth(had[at] | had[at + 1])
        for at, (one, other) in enumerate(pairwise(alone))
    ]
    first: int | None = None
    for at, (start, end) in enumerate(cut):
        if alone[at] or (at < len(kept) and kept[at]):
            first = start if first is None else first
        if first is not None and not (at < len(kept) and kept[at]):
            yield first, end
            first = None


def _cuts(text: str) -> Iterator[Place]:
    start = 0
    while start < len(text):
        found = _CUT.search(text, start + _SIZE)
        end = found.end() if found else len(text)
        yield start, end
        start = end
