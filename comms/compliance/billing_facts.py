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
# Not called an invoice, so only where it is paid or may be: a case has a number like that as well.
_NUMBER: Final = r"(?-i:[A-Z]{2,5}-\d{3,10}(?:-\d{1,6})?)"
_NUMBERED: Final = rf"(?:{_NUMBER}(?:(?:,| and|, and| &) {_NUMBER}){{0,3}})"
_PAYABLE: Final = rf"(?:{_INVOICE}|{_NUMBERED})"
_AMOUNT: Final = r"(?:(?:usd|eur|gbp)?\s?[$€£]?\d[\d,.]{0,12}\d?\s?(?:usd|eur|gbp|k)?)"
_WEEKDAY: Final = r"(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
_WHEN: Final = (
    r"(?:\s(?:today|yesterday|this morning|tonight|tomorrow|already|in full|for payment"
    r"|by (?:wire|card|ach|cheque|check|bank transfer|transfer)|at the desk"
    rf"|on (?:the )?\d{{1,2}}(?:st|nd|rd|th)?(?: of)?(?: {_MONTH})?|on {_MONTH} \d{{1,2}}"
    rf"|(?:on |this |next |last |by )?{_WEEKDAY}|by the \d{{1,2}}(?:st|nd|rd|th)"
    rf"|in (?:the |our )?(?:next|{_WEEKDAY}'s|today's|tomorrow's|this week's|next week's) "
    r"(?:payment )?run"
    r"|\(\W{0,3}\d[\d.,/ -]{0,18}\)))"
)
_FACTS: Final = tuple(
    Where(pattern)
    for pattern in (
        (
            rf"\b{_INVOICE}\s(?:is|are|was|were|has been|have been)?\s?(?:now |hereby |all "
            rf"|fully )?(?:approved|authori[sz]ed|released|signed off|good to go|scheduled|queued"
            rf"|paid|settled|received|cleared|ok(?:ay)?(?: to pay)?|fine|issued|signed|accepted"
            rf"|acknowledged)\b{_WHEN}{{0,3}}(?: for (?:the )?(?:{_MONTH} )?invoice)?"
        ),
        (
            rf"\b{_INVOICE}\s(?:(?:will be|is being|gets|is going to be|to be|can be|may be)\s"
            rf"(?:paid|settled|sent|wired|released)|(?:can |may )?go(?:es)? out)\b{_WHEN}{{0,3}}"
        ),
        (
            rf"\b(?:(?:i|we)(?:'ve| have| did| just|'ll| will)?\s(?:just |already |also "
            rf"|now )?)?(?:received|receive|acknowledge|settled|got|confirm(?:ed)? receipt of"
            rf"|signed off on|no objections? to|paid|pay|sent|wired|mailed|posted"
            rf"|transferred|approved?|authori[sz]ed?|released?)\s(?:{_AMOUNT}\s(?:for|on"
            rf"|towards?|against)\s)?{_INVOICE}(?:\s\({_AMOUNT}(?: total)?\))?{_WHEN}{{0,3}}"
        ),
        (
            rf"\b{_NUMBERED}:?\s(?:(?:is|are|was|were|has been|have been)\s)?(?:now |hereby )?"
            rf"(?:approved|authori[sz]ed|paid|(?:released|cleared|fine|ok(?:ay)?|good) (?:to pay"
            rf"|to go|for payment))\b{_WHEN}{{0,3}}"
        ),
        (
            rf"\b(?:i|we)(?:'ve| have|'ll| will)?\s(?:paid|pay|wired|approved?|authori[sz]ed?)\s"
            rf"{_NUMBERED}{_WHEN}{{0,3}}|\bapproved {_NUMBERED} for payment{_WHEN}{{0,3}}"
        ),
        (
            rf"\bpayment (?:of {_AMOUNT} )?(?:for|on|of) {_PAYABLE} (?:was|is|has been|went"
            rf"|will be)\s?(?:sent|made|out|received|confirmed|wired|approved|authori[sz]ed"
            rf"|released)?\b{_WHEN}{{0,3}}"
        ),
        (
            rf"\b(?:ok(?:ay)?|fine|free|happy|authori[sz]ed|approved|you (?:can|may)|go ahead and"
            rf"|please|pls)\s(?:to\s)?(?:pay|release|process)\s{_PAYABLE}{_WHEN}{{0,3}}"
        ),
        rf"\b(?:approve|authori[sz]e|release) (?:the )?payment (?:of|for|on) {_PAYABLE}",
        (
            r"\b(?:die |la |le )?(?:rechnung|factura|facture)(?: nr\.?| n[o°º]\.?)?"
            r" [a-z]{0,5}-?\d[\d-]{0,12} (?:ist|wurde|wird|está|fue|est|a été) "
            r"(?:zur zahlung )?(?:freigegeben|bezahlt|überwiesen|beglichen|aprobada|pagada"
            r"|autorizada|approuvée|payée|réglée|validée)\b"
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
        rf"\bapproved(?: for payment[:,]?|[:,]) {_NUMBERED}",
    )
)
_SAYS: Final = re.compile(
    r"\d|engagement|renewal|retainer|invoice|rechnung|factur[ae]", re.IGNORECASE
)
_UNSAID: Final = re.compile(
    r"(?:\b(?:not|never|cannot|if|unless|until|till|once|whether|before|when|should|shall|could"
    r"|would|may|refuse[sd]?|stop(?:ped)?|nicht|wenn|falls|si)\b|n't)"
    r"(?:\s[\w']{1,12}){0,3}\s$",
    re.IGNORECASE,
)
"""Right before it: what is denied, asked or only possible is no fact."""
_ASKED: Final = re.compile(r"[^.!?\n,;:]{0,60}\?")
_BEFORE: Final = 60


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
            if _SAYS.search(text[start:end]) and _stated(text, start, end):
                yield start, end


def _stated(text: str, start: int, end: int) -> bool:
    """Whether it says that something is so; a question and a condition say nothing."""
    clause = re.split(r"[.!?\n,;:]", text[max(0, start - _BEFORE) : start])[-1]
    return not _UNSAID.search(clause) and not _ASKED.match(text, end)
