"""Do plain words say that the law stands between us and whoever wrote them?

Few words are enough, for to stop is safe and a person looks at it; "I owe a lawyer" is none of
them. That somebody has died is left to people: it is seldom the one who writes.
"""

import re2

_STATES = {
    "bankruptcy": re2.compile(
        r"(?i)\b(?:fil(?:ed|ing)|declar(?:ed|ing)|in|under|entered)\b[^.?!\n]{0,40}"
        r"\b(?:chapter\s*(?:7|11|12|13)\b|bankruptcy)"
        r"|\bchapter\s*(?:7|11|12|13)\s+(?:case|petition|bankruptcy|filing|trustee)"
        r"|\bautomatic stay\b|\b11 U\.?\s?S\.?\s?C\.?\s?(?:§\s?)?362\b"
        r"|\binsolvenzverfahren (?:wurde )?(?:er[oö]ffnet|[uü]ber)"
        r"|\bbankruptcy (?:petition|case|trustee|court|no\b|number)"
    ),
    "represented": re2.compile(
        r"(?i)\b(?:direct|send|address|refer)\s+(?:all|any|every)\b[^.?!\n]{0,60}"
        r"\b(?:communications?|correspondence|contacts?)\b[^.?!\n]{0,60}\bto\s+"
        r"(?:(?:our|my|his|her|their)\s+(?:attorney|lawyer|counsel)|the undersigned)\b"
        r"|\b(?:i am|i'm|we are|we're|is|are)\s+(?:now\s+)?represented by\s+(?:an?\s+)?"
        r"(?:counsel|attorneys?|lawyers?|legal)"
        r"|\b(?:this|our|my)\s+(?:office|firm|law firm)\s+(?:now\s+)?represents\b"
        r"|\b(?:contact|speak|talk|communicate|deal)\s+(?:only\s+)?(?:with\s+|to\s+)?"
        r"(?:my|our)\s+(?:attorney|lawyer|counsel)\s*(?:only|instead|from now on)"
        r"|\b(?:do not|don't|must not|may not) contact (?:my|our) client\b"
        r"|\b(?:my|our) (?:outside )?(?:attorney|lawyer|counsel) (?:now )?"
        r"(?:has|handles|is handling)"
        r" (?:this|it)(?:\s+(?:now|bill|matter|case|account|invoice)\b|\s*(?:[.,;!?\n]|$))"
    ),
    "cease": re2.compile(
        r"(?i)\bcease\s+(?:and\s+desist\s+)?(?:from\s+)?(?:all\s+|any\s+|every\s+)?(?:further\s+)?"
        r"(?:contact\w*|communicat\w+|collection)"
        r"|\bcease and desist\b"
        r"|\bstop all (?:further )?(?:contact|communications?|collection)\b"
        r"|\bdo not (?:contact|communicate with) (?:me|us) again by (?:phone|text|e-?mail|any)\b"
        r"|\bdo not (?:contact|communicate with) (?:me|us) (?:again|further|any ?more|at all)\b"
        r"[^.?!\n]{0,60}\b(?:debt|account|invoice|bill|matter)"
    ),
}
"""In the order in which they decide."""
_TO_US = re2.compile(
    r"(?i)\b(?:direct|send|address|refer)\s+(?:all|any|every)\b[^.?!\n]{0,60}"
    r"\b(?:communications?|correspondence|contacts?|inquir(?:y|ies))\b[^.?!\n]{0,60}"
    r"\bto\s+(?:our|this|my)\s+(?:law\s+)?(?:office|firm)\b"
)
"""Said by counsel it is the rule; said by a client, where their bills should go."""
_COUNSEL = re2.compile(
    r"(?i)\b(?:attorneys?|counsel|lawyers?|law (?:firm|offices?)|esq|represent\w*|our client)\b"
)
_NOT_YET = re2.compile(
    r"(?i)\b(?:may|might|could|would|will|going to|want to|have to|forced to|thinking (?:of|about)"
    r"|considering|avoid|if (?:i|we|you|this)|unless|instead of|not|never|no)\s+(?:\w+\s+){0,3}"
    r"(?:fil(?:e|ing)|declar(?:e|ing)|go(?:ing)? into|enter(?:ing)?)\b"
)
_LONGEST = 20_000


def state_in(text: str, *, by_counsel: bool = False) -> str:
    """The legal state that some words tell of; nothing where they tell of none."""
    read = text[:_LONGEST].replace("\u2019", "'")
    for kind, pattern in _STATES.items():
        if pattern.search(read) and not (kind == "bankruptcy" and _NOT_YET.search(read)):
            return kind
    if _TO_US.search(read) and (by_counsel or _COUNSEL.search(read)):
        return "represented"
    return ""
