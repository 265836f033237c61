"""Which digits open a door, a phone or a session: PINs, gate codes, codes that are sent once?"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from comms.compliance.keys import Search
from comms.compliance.patterns import Pattern
from comms.compliance.places import Place

_PIN: Final = Pattern(
    r"\b(?:pin(?:'s)?|puk|key code|pin[ -](?:code|number|no\.?)|(?:alarm|door|gate|entry"
    r"|entrance|lock ?box"
    r"|lock|safe"
    r"|building|garage|access|keypad|vault|voicemail|unlock|key ?safe|elevator|parking"
    r"|office) (?:code|pin"
    r"|combo|combination)(?:'s)?|combination|one[- ]time (?:code|password|pin)|otp|2fa(?: code)?"
    r"|mfa code|(?:verification|authentication|login|log-?in|sign-?in|auth) code|passcode"
    r"|geheimzahl"
    r"|código de (?:acceso|verificación)|türcode)\b"
    r"[\s:=#]{0,3}(?:(?:is|was|now|still|for|to|the|my|your|his|her|our|it|online|banking|app"
    r"|card|atm"
    r"|debit|front|back|side|door|gate|alarm|code|number|changed|set|use|enter|ist"
    r"|es)\b[\s:=#]{0,2}){0,7}"
    r"[#*]?(\d(?:[ -]?\d){3,7})(?!\d|[ -]\d|[.,]\d|%)"
)
_DOORS: Final = (
    r"(?:gate|door|alarm|lock ?box|lock|safe|key ?safe|garage|building|gym|locker|office|entry"
    r"|entrance|side door|back door|keypad|elevator|voicemail|phone|tablet|ipad|laptop|cabinet"
    r"|suitcase|atm|debit|porte|portone|portail|cancello|puerta|haust[üu]r|garaje|alarm[ae])"
)
_OPENS: Final = r"(\d{3,8}|\d{1,2}(?:-\d{1,2}){2,3})(?![\d-]|[.,]\d)"
_DOOR: Final = Pattern(
    rf"\b(?:code|codice|c[óo]digo|pin|combo|combination"
    rf"|passcode)\b[^.!?\n\d]{{0,30}}\b{_DOORS}\b[^.!?\n\d]{{0,20}}"
    rf"(?<![\w#.-]){_OPENS}"
    rf"|\b{_DOORS}\b[^.!?\n\d]{{0,25}}\b(?:code|pin|combo|combination|passcode|opens with)\b"
    rf"[^.!?\n\w]{{0,4}}(?:is |= ?)?[#*]?(?<![\w.-]){_OPENS}"
)
_NO_DOOR: Final = re.compile(
    r"\b(?:orders?|invoice|inv|ref|reference|ticket|part|po|ext|call|on the|model"
    r"|serial|since|until)\b[\s:.#]{0,3}(?:no|number|id)?[\s:.#]{0,3}\d+$",
    re.IGNORECASE,
)
_LOCKED: Final = Pattern(
    r"\b(?:gate|door|garage|safe|alarm|keypad|key ?safe|lock ?box|padlock)(?: code| pin| combo)?"
    r"\s?(?:is|:|=)\s?[#*]?(\d{4,6})[#*]?(?![\d%]|[-.,:/]\d|\s?(?:[ap]m|usd|eur|dollars|hours)\b)"
    r"|\b(?:keypad|key ?safe|lock ?box|padlock)\s[#*]?(\d{4,6})(?!\d|[-.,:/]\d)"
    r"|\b(?:gate|garage|(?:front|back|side|door's|gate's)(?: door)?|entrance)\s#?\s?"
    r"(?!19\d\d|20\d\d)(\d{4})(?![\d%]|[-.,:/]\d)"
    r"|\b(?:combo|combination)\b[^.!?\n\d]{0,20}(\d{1,2}(?:[-,\s]{1,2}\d{1,2}){2,3})(?![\d/])"
    r"|\b(\d{1,2} (?:left|right)(?:[\s,]{1,3}(?:then )?\d{1,2} (?:left|right)){1,3})\b"
    r"|\bunlock(?:s|ed)?(?: it| him| her)? with (\d{4,8})(?!\d)"
    r"|\b(?:press|punch|dial|enter|type|key|gate|door"
    r"|code)\b[^.!?\n\d]{0,20}[#*]?(\d{4,6})[#*](?!\d)"
    r"|\b(?:press|punch|dial|enter|type|key) (?:in )?[#*]?(\d{4,6})[#*]?(?=[^.!?\n\d]{0,30}"
    r"\b(?:gate|door|keypad|alarm|garage|lock ?box|entrance|to get in)\b)"
)
_NO_SESSION: Final = (
    r"(?<!promo )(?<!discount )(?<!coupon )(?<!zip )(?<!area )(?<!postal )(?<!country )(?<!error )"
    r"(?<!status )(?<!sort )(?<!swift )(?<!booking )(?<!product )(?<!reference )(?<!cost )"
)
_SENT: Final = r"(\d{6,8}|\d{3}[ -]\d{3}|[A-Z]-\d{6})(?![\d-]|[.,]\d)"
_ONCE: Final = Pattern(
    rf"(?<![\w.$€£#-]){_SENT} (?:is|as) (?:your|the|my|a)\b[^.!?\n\d]{{0,40}}"
    r"\b(?:code|otp|pin|passcode)\b"
    rf"|\b(?:your|the|my) (?:[\w-]{{1,20}} ){{0,3}}{_NO_SESSION}code (?:is|was|:)\s?{_SENT}"
    rf"|\b(?:security|verification|access|login|log-?in|sms|text|bank|auth\w{{0,12}}) code\b"
    rf"[^.!?\n\d]{{0,30}}{_SENT}"
    rf"|\buse (?:the )?code {_SENT}(?= (?:to|for|when|at)\b)"
    rf"|\b(?:enter|use|type) {_SENT} (?:to|as)\b[^.!?\n]{{0,20}}\b(?:verify|log|sign|continue"
    rf"|confirm|code)"
    rf"|\bcode\b[^.!?\n\d]{{0,20}}\b(?:text|sent|email|messag)\w{{0,4}}\b[^.!?\n\d]{{0,20}}{_SENT}"
    rf"|\b(?:verification|got the code|c[óo]digo)[\s:,]{{1,3}}(?:es )?{_SENT}"
    r"|\b(?:the|my|your|his|her|our) code(?:'s| is|:)\s#?(\d{4,8})(?![\d%]|[-.,:/]\d)"
    r"|(?<![\w.$€£#/-])(\d{4,8}) is (?:my|the|your|his|her|our) (?:[\w-]{1,12} ){0,2}(?:pin"
    r"|passcode)\b"
    r"|\b(?:seed|totp|2fa|authenticator|otp)\b[^.!?\n]{0,20}?\b"
    r"((?-i:[A-Z2-7]{16,64}|[A-Z2-7]{4}(?: [A-Z2-7]{4}){3,15}))\b"
    r"|\b(?:back-?up|recovery|rescue|scratch) codes?\b[\s:=-]{0,3}(?:(?:is|are)\s)?"
    r"([0-9a-z]{4,10}(?:-[0-9a-z]{4,10}){0,4}(?:[\s,]{1,2}[0-9]{4,10}(?:-[0-9a-z]{4,10}){0,4}){0,10})"
)
_CODE_WORDS: Final = (
    r"\b(?:codes?|codice|c[óo]digo|pin|combo|combination|passcode|opens with|totp|2fa|otp|seed"
    r"|authenticator|verification)\b|\b(?:enter|use|type) [0-9]|[0-9] (?:is|as) (?:my|the"
    r"|your|his|her|our|a)\b"
)


def _pins(text: str) -> Iterator[Place]:
    return (found.span(1) for found in _PIN.finditer(text))


def _doors(text: str) -> Iterator[Place]:
    for found in _DOOR.finditer(text):
        if not _NO_DOOR.search(found[0]):
            yield found.span(found.lastindex or 0)


def _locked(text: str) -> Iterator[Place]:
    return (found.span(found.lastindex or 0) for found in _LOCKED.finditer(text))


def _once(text: str) -> Iterator[Place]:
    for found in _ONCE.finditer(text):
        code = found[found.lastindex or 0]
        if any(map(str.isdigit, code)) or code.isupper():
            yield found.span(found.lastindex or 0)


SEARCHES: Final[Mapping[str, Search]] = {
    "pin": Search(_PIN.cue, _pins),
    "door": Search(_CODE_WORDS, _doors),
    "locked": Search(_LOCKED.cue, _locked),
    "once": Search(_CODE_WORDS, _once),
}
