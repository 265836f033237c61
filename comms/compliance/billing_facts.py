"""Which one sentence of a sealed message may still be logged?

Only what a bookkeeper needs: that something was paid, received, approved or signed. The sentence is
cut out by rule, and holds nothing that is labelled.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from comms.compliance.labels import Span
from comms.compliance.material import Content
from comms.compliance.patterns import Where
from comms.compliance.places import overlaps

# A number is part of a fact, a name or a word is not: it may be the client's secret.
_MONTH: Final = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december)"
)
_THING: Final = (
    rf"(?:(?:the|your|our|my|this|that|last|both|all|{_MONTH})\s){{0,3}}"
    r"(?:invoices?|inv\b\.?|bill|retainer|statement|fees?|po|purchase order)"
    r"(?:\s(?:no\.?|number|#))?(?:\s?[-#]?\s?[a-z]{0,6}-?\d[\w-]{0,16})?"
)
_INVOICE: Final = rf"(?:{_THING}|inv-?\d[\w-]{{0,20}}|po \d[\w-]{{0,20}})"
_AMOUNT: Final = r"(?:(?:usd|eur|gbp)?\s?[$€£]?\d[\d,.]{0,12}\d?\s?(?:usd|eur|gbp|k)?)"
_WEEKDAY: Final = r"(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
_WHEN: Final = (
    r"(?:\s(?:today|yesterday|this morning|tonight|tomorrow|already|in full|for payment"
    r"|by (?:wire|card|ach|cheque|check|bank transfer|transfer)|at the desk"
    rf"|on (?:the )?\d{{1,2}}(?:st|nd|rd|th)?(?: of)?(?: {_MONTH})?|on {_MONTH} \d{{1,2}}"
    rf"|(?:on |this |next |last )?{_WEEKDAY}|by the \d{{1,2}}(?:st|nd|rd|th)"
    r"|\(\W{0,3}\d[\d.,/ -]{0,18}\)))"
)
_FACTS: Final = tuple(
    Where(pattern)
    for pattern in (
        (
            rf"\b{_INVOICE}\s(?:is|are|was|were|has been|have been)?\s?(?:now |hereby |all "
            rf"|fully )?(?:approved|authori[sz]ed"
            rf"|paid|settled|received|cleared|ok(?:ay)? to pay|fine|issued|signed|accepted"
            rf"|acknowledged)\b{_WHEN}{{0,3}}(?: for (?:the )?(?:{_MONTH} )?invoice)?"
        ),
        (
            rf"\b{_INVOICE}\s(?:will be|is being|gets|goes out|is going to be|to be)\s(?:paid"
            rf"|settled|sent|in)?\b{_WHEN}{{0,3}}"
        ),
        (
            rf"\b(?:(?:i|we)(?:'ve| have| did| just|'ll| will)?\s(?:just |already |also "
            rf"|now )?)?(?:paid|pay|sent|wired|mailed|posted|transferred|approved|approve"
            rf"|received|receive|acknowledge|settled)\s(?:{_AMOUNT}\s(?:for|on|towards?"
            rf"|against)\s)?{_INVOICE}(?:\s\({_AMOUNT}(?: total)?\))?{_WHEN}{{0,3}}"
        ),
        (
            rf"\bpayment (?:of {_AMOUNT} )?(?:for|on|of) {_INVOICE} (?:was|is|has been|went"
            rf"|will be)\s?(?:sent|made|out|received|confirmed|wired|approved)?\b{_WHEN}{{0,3}}"
        ),
        (
            r"\b(?:(?:i|we)(?:'ve| have)? )?(?:signed|executed|countersigned) (?:the |your "
            r"|our )?(?:attached )?engagement letter\b"
        ),
        (
            r"\b(?:the |your |our )?(?:signed |executed |countersigned )?engagement letter (?:is "
            r"|was |has been )?(?:signed|attached|executed|countersigned|enclosed|returned)\b"
        ),
        r"\brenewal of the [\w ]{1,40} (?:is )?(?:ok|okay|approved|confirmed|fine)\b",
        rf"\bapproved(?: for payment)?[:,]? {_INVOICE}",
    )
)


def billing_fact(content: Content, spans: Sequence[Span]) -> str | None:
    """The first such sentence that touches nothing labelled."""
    within = overlaps((span.start, span.end) for span in spans if span.part == "body")
    facts = sorted(_facts(content.body), key=lambda place: place[0])
    for start, end in facts:
        if not within(start, end):
            return re.sub(r"\s+", " ", content.body[start:end]).strip()
    return None


def _facts(text: str) -> Iterator[tuple[int, int]]:
    for pattern in _FACTS:
        for start, end in pattern(text):
            if re.search(r"\d|engagement|renewal|retainer|invoice", text[start:end], re.IGNORECASE):
                yield start, end
