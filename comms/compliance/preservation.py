"""Does a letter demand that evidence is preserved, as is done before a lawsuit?

It only proposes: whether anything is held is a person's decision (FRCP 37(e)).
"""

import re2

_WHAT = (
    r"(?:document\w*|evidence|records?|communications?|e-?mails?|correspondence|data|files?"
    r"|materials?|information|esi|text messages?|metadata)"
)
_KEEP = r"(?:preserve|preserving|retain|safeguard|not (?:to )?(?:destroy|delete|alter|discard))"
_ASK = (
    r"(?:must|shall|please|demand\w*|request\w*|require\w*|obligat\w*|obliged|duty|hereby|instruct\w*"
    r"|you are to|ensure|take (?:all )?(?:reasonable )?steps|insist\w*|notice)"
)
_DEMANDS = re2.compile(
    rf"(?i){_ASK}[^.?!]{{0,160}}\b{_KEEP}\b[^.?!]{{0,120}}\b{_WHAT}\b"
    rf"|(?:^|[.!\n]\s*)(?:do )?{_KEEP} (?:all|any|every|the following)\b[^.?!]{{0,80}}\b{_WHAT}\b"
    r"|\b(?:litigation|legal|preservation) hold (?:notice|letter|is (?:in place|required)|applies)"
    r"|\b(?:preservation|anti-?spoliation|spoliation) (?:letter|notice|demand|request)"
    r"|\b(?:place|issue|implement|institute|put)\b[^.?!]{0,60}\b(?:litigation|legal) hold"
    r"|\bduty to preserve\b"
    r"|\b(?:unterlagen|beweismittel|dokumente|daten)\b[^.?!]{0,80}\b(?:aufzubewahren|zu sichern"
    r"|nicht (?:zu )?(?:vernichten|löschen))"
    r"|\b(?:conservar|preservar|conserver|préserver)\b[^.?!]{0,60}\b(?:documentos|pruebas|documents"
    r"|preuves)"
)
_OVER = re2.compile(
    r"(?i)\b(?:no longer (?:need|have|required|obliged)|may (?:now )?(?:destroy|delete|discard)"
    r"|(?:hold|demand) (?:is|has been|was) (?:hereby )?(?:released|lifted|withdrawn))"
)
_LONGEST = 200_000


def demands_preservation(text: str) -> bool:
    """Whether it asks for documents or data to be kept as evidence, and does not end that."""
    read = text[:_LONGEST]
    return bool(_DEMANDS.search(read)) and not _OVER.search(read)
