"""Which invoices can a payer mean, by what they wrote with the money?

Only codes are taken from it: runs of letters and digits with a digit in them, as an invoice number
has. Two neighbours, the first of letters, also count together: "INV 1042" is INV1042.
"""

import re
from itertools import pairwise

MOST = 20
"""Codes of one payment that are looked at; nobody names more by hand."""
_WORD = re.compile(r"[^\s,;:|()\[\]]+")
_YEAR = re.compile(r"(19|20)\d\d")


def code(number: str) -> str:
    """The letters and digits of an invoice number, in capitals."""
    return "".join(sign for sign in number if sign.isalnum()).upper()


def codes(text: str) -> tuple[str, ...]:
    """The codes in a text, in its order, each once."""
    words = [found for word in _WORD.findall(text[:1000]) if (found := code(word))]
    pairs = [""] + [
        first + second if first.isalpha() and not second.isalpha() else ""
        for first, second in pairwise(words)
    ]
    both = (one for pair_and_word in zip(pairs, words, strict=False) for one in pair_and_word)
    return tuple(dict.fromkeys(one for one in both if _says(one)))[:MOST]


def _says(word: str) -> bool:
    has_digit = any(sign.isdigit() for sign in word)
    return has_digit and 3 <= len(word) <= 40 and not _YEAR.fullmatch(word)
