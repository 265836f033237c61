"""Which characters open a door: passwords, PINs, keys, tokens, answers to security questions?"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from comms.compliance.patterns import Pattern
from comms.compliance.places import Place
from comms.compliance.reading import Reading
from comms.compliance.words import words

KEYS: Final = (
    r"\b(?:AKIA|ASIA|AROA|AGPA|AIDA)[0-9A-Z]{16}\b",
    r"\bgh[pousr]_[0-9A-Za-z]{30,255}\b",
    r"\bgithub_pat_[0-9A-Za-z_]{22,255}\b",
    r"\bglpat-[0-9A-Za-z_\-]{20,40}",
    r"\bxox[abeoprs]-[0-9A-Za-z\-]{10,250}",
    r"\bxapp-\d-[0-9A-Za-z\-]{10,250}",
    r"https://hooks\.slack\.com/(?:services|workflows)/[0-9A-Za-z/_+]{20,200}",
    r"\b(?:sk|rk)_(?:live|test)_[0-9A-Za-z]{10,200}",
    r"\bwhsec_[0-9A-Za-z+/=]{16,200}",
    r"\bsk-(?:ant-|proj-|svcacct-)?[0-9A-Za-z_\-]{20,250}",
    r"\bAIza[0-9A-Za-z_\-]{35}",
    r"\bya29\.[0-9A-Za-z_\-]{20,250}",
    r"\bGOCSPX-[0-9A-Za-z_\-]{20,40}",
    r"\beyJ[0-9A-Za-z_\-]{8,1000}\.eyJ[0-9A-Za-z_\-]{8,1000}\.[0-9A-Za-z_\-]{8,1000}",
    r"\bSG\.[0-9A-Za-z_\-]{16,64}\.[0-9A-Za-z_\-]{16,100}",
    r"\bSK[0-9a-f]{32}\b",
    r"\bkey-[0-9a-f]{32}\b",
    r"\bnpm_[0-9A-Za-z]{36}\b",
    r"\bpypi-[0-9A-Za-z_\-]{50,300}",
    r"\b(?:shpat|shpss|shpca|shppa)_[0-9a-fA-F]{32}\b",
    r"\b(?:dop|doo|dor)_v1_[0-9a-f]{64}\b",
    r"\bhf_[0-9A-Za-z]{30,50}\b",
    r"\bsq0(?:atp|csp)-[0-9A-Za-z_\-]{22,60}",
    r"\bEAAA[0-9A-Za-z_\-]{40,120}",
    r"\bdckr_pat_[0-9A-Za-z_\-]{20,60}",
    r"\bAGE-SECRET-KEY-1[0-9A-Z]{50,70}\b",
    r"\bPMAK-[0-9a-f]{24}-[0-9a-f]{34}\b",
    r"\bNRAK-[0-9A-Z]{27}\b",
    r"\bAccountKey=[0-9A-Za-z+/=]{40,120}",
)
"""Shapes that issuers gave their keys so that they can be found. Case matters."""

_KEY: Final = Pattern("|".join(f"(?:{one})" for one in KEYS), case=True)
_BLOCK: Final = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[^-]"
    r"|-(?!----END)){0,20000}(?:-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----)?"
)
_IN_URL: Final = Pattern(r"\b[a-z][a-z0-9+.\-]{1,20}://[^\s/:@]{0,80}:([^\s/@]{2,120})@")
_ASSIGNED: Final = Pattern(
    r"\b(?:[a-z0-9]{1,20}[_.\-]){0,4}(?:pass(?:word|wd|phrase|code)?|pwd|pw|secret(?:[_-]?key)?"
    r"|api[_-]?key|apikey|access[_-]?key|auth[_-]?token|access[_-]?token|token|private[_-]?key"
    r"|client[_-]?secret|psk)(?:[_.\-][a-z0-9]{1,20}){0,2}[\"']?\s?(?:=>|:=|=|:)\s?[\"']?"
    r"([^\s\"',;<>]{3,200})"
)
_SAYS: Final = (
    r"\b(?:pass ?words?|p/w|pword|passw|pass ?phrase|passwd|pwd|pw|kennwort|passwort"
    r"|contraseña|clave|mot de passe"
    r"|mdp|senha|wachtwoord|parola|pass ?code|pass|login|log-?in|creds|credentials|logon"
    r"|(?:wi-?fi|network) (?:key|code)|(?:api |encryption |deploy |ssh |private |master )?key"
    r"|secret(?: key)?|security (?:answer|word)"
    r"|(?:answer|response) to (?:the|my) (?:security|secret) question|(?:secret|safe"
    r"|magic) (?:word|answer)"
    r"|mother'?s maiden name|maiden name|recovery (?:code|key|phrase)|seed phrase"
    r"|access token|token"
    r"|access (?:code|key)|(?:zip|file|files|archive|pdf|document|attachment|statement|folder"
    r"|drive|it|they|phone|laptop)\b[^.!?\n]{0,40}(?:opens?|unlocks?|decrypts?|encrypted"
    r"|protected|locked) with"
    r"(?: the)?(?: word| password| code)?)\b"
)
_SAID: Final = Pattern(
    _SAYS + r"(?: (?:for|to|of|on) (?:[\w.'@/-]+ ){0,4}?(?=(?:is|was|=|:|ist|es|est|now)\b|[:=]))?"
    r"(?:'s)?\s?(?P<link>(?:\s?(?:(?:is|was|will be|now|ist|lautet|es|est|still|set to"
    r"|reset to|changed to|called"
    r"|are|the word|has been)\b|:|=|->|→|-)\s?){0,4})"
)
_PIN: Final = Pattern(
    r"\b(?:pin(?:'s)?|pin (?:code|number|no\.?)|(?:alarm|door|gate|entry|entrance|lock ?box"
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
_PAIR: Final = Pattern(
    r"\b(?:log-?in|credentials|creds|sign in|username|user|access|wi-?fi|vpn|ftp"
    r"|admin|portal)\b[^\n]{0,60}?"
    r"[\w.+@-]{2,60}\s?(?:/|\||and|pw|:)\s?([^\s,;]{5,60})"
)
_USER_AND_PASS: Final = Pattern(
    r"\b(?:user(?:name| ?id)?|login|id)\b[\s:=]{1,3}[^\s,;/]{2,60}[\s,;/]{1,3}(?:and )?"
    r"(?:pass(?:word|code)?|pwd?)\b[\s:=]{1,3}([^\s,;]{3,60})"
)
_VALUE: Final = re.compile(r"[\"'`(]?([^\s\"'`]{3,100})")
_QUOTED: Final = re.compile(r"([\"'`])([^\"'`\n]{3,60})\1")
_BEARER: Final = Pattern(r"\bbearer ([0-9A-Za-z._~+/-]{16,400})")
_DOORS: Final = (
    r"(?:gate|door|alarm|lock ?box|lock|safe|key ?safe|garage|building|gym|locker|office|entry"
    r"|entrance|side door|back door|keypad|elevator|voicemail|phone|tablet|ipad|laptop|cabinet"
    r"|suitcase|atm|debit)"
)
_OPENS: Final = r"(\d{3,8}|\d{1,2}(?:-\d{1,2}){2,3})(?![\d-]|[.,]\d)"
_DOOR: Final = Pattern(
    rf"\b(?:code|pin|combo|combination|passcode)\b[^.!?\n\d]{{0,30}}\b{_DOORS}\b[^.!?\n\d]{{0,20}}"
    rf"(?<![\w#.-]){_OPENS}"
    rf"|\b{_DOORS}\b[^.!?\n\d]{{0,25}}\b(?:code|pin|combo|combination|passcode|opens with)\b"
    rf"[^.!?\n\w]{{0,4}}(?:is |= ?)?[#*]?(?<![\w.-]){_OPENS}"
)
_NO_DOOR: Final = re.compile(
    r"\b(?:orders?|invoice|inv|ref|reference|ticket|part|po|ext|call|on the|model"
    r"|serial|since|until)\b[\s:.#]{0,3}(?:no|number|id)?[\s:.#]{0,3}\d+$",
    re.IGNORECASE,
)
_PLAIN_WORDS: Final = words("after_a_password")
_PLACEHOLDER: Final = re.compile(
    r"[*x•.\-_#?]{3,}|<.*|\[.*|\$?\{.*|%\w+%|\$\(.*|\$[A-Za-z_]\w*|(?:your|my)[-_ ]?\w*"
    r"|redacted|hidden|secret"
    r"|password|example|null|none|undefined|env\.\w+|process\.env.*|os\.environ.*|https?:.*",
    re.IGNORECASE,
)
_ORDINARY: Final = re.compile(
    r"[a-z]+'?[a-z]*|\d{1,2}(?:am|pm|st|nd|rd|th)?|[\w.+-]+@[\w.-]+|(?:https?:|www\.).*"
    r"|\w+\.\w{2,4}",
    re.IGNORECASE,
)
_TRAILING: Final = ".,;:!?)]}\"'»"


CUES: Final = {
    "key": _KEY.cue,
    "key_block": "PRIVATE KEY",
    "bearer": _BEARER.cue,
    "in_url": _IN_URL.cue,
    "assigned": _ASSIGNED.cue,
    "said": _SAYS,
    "user_and_pass": _USER_AND_PASS.cue,
    "pair": _PAIR.cue,
    "pin": _PIN.cue,
    "door": _DOOR.cue,
}
"""What a text must show for one of the searches to be made."""


def secrets(reading: Reading, had: frozenset[str]) -> Iterator[Place]:
    """Secrets by their shape, by the words before them, and by what is assigned to their name."""
    for name, search in _SEARCHES.items():
        if name in had:
            yield from search(reading.text)


def _keys(text: str) -> Iterator[Place]:
    return (found.span() for found in _KEY.finditer(text))


def _blocks(text: str) -> Iterator[Place]:
    return (found.span() for found in _BLOCK.finditer(text))


def _bearers(text: str) -> Iterator[Place]:
    return (found.span(1) for found in _BEARER.finditer(text))


def _in_urls(text: str) -> Iterator[Place]:
    return (found.span(1) for found in _IN_URL.finditer(text) if not _placeholder(found[1]))


def _pins(text: str) -> Iterator[Place]:
    return (found.span(1) for found in _PIN.finditer(text))


def _doors(text: str) -> Iterator[Place]:
    for found in _DOOR.finditer(text):
        if not _NO_DOOR.search(found[0]):
            yield found.span(found.lastindex or 0)


def _assigned(text: str) -> Iterator[Place]:
    for found in _ASSIGNED.finditer(text):
        place = _trimmed(text, *found.span(1))
        if not _placeholder(text[slice(*place)]) and _assignable(text[slice(*place)]):
            yield place


def _users(text: str) -> Iterator[Place]:
    for found in _USER_AND_PASS.finditer(text):
        place = _trimmed(text, *found.span(1))
        if text[slice(*place)].lower() not in _PLAIN_WORDS:
            yield place


def _pairs(text: str) -> Iterator[Place]:
    for found in _PAIR.finditer(text):
        place = _trimmed(text, *found.span(1))
        if _mixed(text[slice(*place)]):
            yield place


def _told(text: str) -> Iterator[Place]:
    for found in _SAID.finditer(text):
        yield from _said(text, found)


def _said(text: str, found: "re.Match[str]") -> Iterator[tuple[int, int]]:
    """What follows "the password is"."""
    quoted = _QUOTED.match(text, found.end())
    if quoted and found["link"].strip():
        yield quoted.span(2)
        return
    value = _VALUE.match(text, found.end())
    if value is None:
        return
    start, end = _trimmed(text, *value.span(1))
    word = text[start:end]
    if word.lower() in _PLAIN_WORDS or _placeholder(word) or end - start < 3:
        return
    opening = re.match(r"(?i)(?:log|cred|pass$|token|secret$|clave|access)", found[0].strip())
    linked = bool(found["link"].strip()) or "with" in found[0].lower() or "by" in found[0].lower()
    if _mixed(word) or (linked and not opening and _ends_here(text, start, end)):
        yield start, end


def _ends_here(text: str, start: int, end: int) -> bool:
    """A plain word is a password only where the clause ends with it, or it is quoted."""
    after = text[end : end + 6]
    quoted = start > 0 and text[start - 1] in "\"'`“"
    return (
        quoted
        or not after.strip()
        or re.match(r"[.,;!?)\n]|\s(?:\(|-|and |but |pls|ple|all |for )", after) is not None
    )


def _assignable(value: str) -> bool:
    return (
        value.lower() not in _PLAIN_WORDS
        and len(value) >= 4
        and (_mixed(value) or (value.isalnum() and len(value) >= 6))
    )


def _mixed(word: str) -> bool:
    """Whether no dictionary has it: letters with digits or signs, and not all the same."""
    core = word.rstrip("!?.")
    if not any(map(str.isalpha, core)) or _ORDINARY.fullmatch(core):
        return False
    signs = any(sign.isdigit() or sign in "!@#$%^&*_+=~?" for sign in core)
    return (signs or re.search(r"[a-z][A-Z]", core) is not None) and bits(core) * len(core) >= 10


def bits(word: str) -> float:
    """Shannon's entropy of its characters, per character."""
    many = len(word)
    return -sum(n / many * math.log2(n / many) for n in Counter(word).values())


def _placeholder(value: str) -> bool:
    return _PLACEHOLDER.fullmatch(value) is not None


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Without the punctuation of the sentence that it stands in."""
    while (
        end > start
        and text[end - 1] in _TRAILING
        and not (text[end - 1] in "!?" and end == len(text))
    ):
        end -= 1
    return start, end


_SEARCHES: Final[Mapping[str, Callable[[str], Iterator[Place]]]] = {
    "key": _keys,
    "key_block": _blocks,
    "bearer": _bearers,
    "in_url": _in_urls,
    "assigned": _assigned,
    "said": _told,
    "user_and_pass": _users,
    "pair": _pairs,
    "pin": _pins,
    "door": _doors,
}
