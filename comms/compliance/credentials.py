"""Which characters does a text itself call a password, a secret or the answer to a question?"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from comms.compliance import doors, keys
from comms.compliance.keys import Search, placeholder
from comms.compliance.patterns import Pattern
from comms.compliance.places import Place
from comms.compliance.reading import Reading
from comms.compliance.words import words

_ASSIGNED: Final = Pattern(
    r"\b_{0,2}(?:[a-z0-9]{1,20}[_.\-]){0,4}(?:(?-i:[A-Z0-9]{2,20}_KEY)"
    r"|(?-i:[A-Za-z0-9]{1,30}(?:Token|Secret|Password|ApiKey|SecretKey|PrivateKey))"
    r"|pass(?:word|wd|phrase|code)?"
    r"|pwd|pw|secret(?:[_-]?key)?"
    r"|api[_-]?key|apikey|access[_-]?key|auth[_-]?token|access[_-]?token|token|private[_-]?key"
    r"|client[_-]?secret|psk)(?:[_.\-][a-z0-9]{1,20}){0,2}[\"']?\s?(?:=>|\?=|:{1,3}=|=|:)"
    r"\s?[\"']?([^\s\"',;<>]{3,200})"
)
_SAYS: Final = (
    r"\b(?:pass ?words?|p/w|pword|passw|pass ?phrase|passwd|pwd|pw|kennwort|passwort"
    r"|contraseña|clave|mot de passe"
    r"|mdp|senha|wachtwoord|parola|pass ?code|pass|login|log-?in|creds|credentials|logon"
    r"|(?:wi-?fi|network) (?:key|code)|(?:api |encryption |deploy |ssh |private |master )?key"
    r"|security (?:answer|word)"
    r"|(?:answer|response) to (?:the|my) (?:security|secret) question|(?:secret|safe"
    r"|magic|memorable) (?:word|answer)|secret(?: key)?"
    r"|(?:activation|licen[cs]e|registration|invite) (?:key|code)|credenciales|identifiants"
    r"|zugangsdaten"
    r"|mother'?s maiden name|maiden name|recovery (?:code|key|phrase)|seed phrase"
    r"|access token|token"
    r"|access (?:code|key)|(?:zip|file|files|archive|pdf|document|attachment|statement|folder"
    r"|drive|it|they|phone|laptop)\b[^.!?\n]{0,40}(?:opens?|unlocks?|decrypts?|encrypted"
    r"|protected|locked) with"
    r"(?: the)?(?: word| password| code)?)\b"
)
_SAID: Final = Pattern(
    _SAYS + r"(?: (?:for|to|of|on|with|at|del?|du|der|vom)(?: [\w.'@/-]{1,40}){1,5}?"
    r"(?=\s(?:is|was|ist|es|est|now)\b|\s?[:=]))?"
    r"(?:,? (?:has|hasn't|have|haven't|isn't|wasn't|never|not|changed|the same|yet)\b"
    r"){0,4}(?:[,;:]? (?:it's|its|it is|it was))?"
    r"(?:'s)?\s?(?P<link>(?:\s?(?:(?:is|was|will be|now|ist|lautet|es|est|still|set to"
    r"|reset to|changed to|called"
    r"|are|the word|has been)\b|:|=|->|→|-)\s?){0,4})"
)
_PAIR: Final = Pattern(
    r"\b(?:log-?in|log in|get in|credentials|creds|sign in|username|user|access|wi-?fi|vpn|ftp(?!:)"
    r"|admin|portal)\b[^\n]{0,60}?"
    r"[\w.+@-]{2,60}\s?(?:/|\||and|pw|:)\s?([^\s,;]{5,60})"
    r"|\b(?:log-?in|log in|get in|creds|sign in|portal)\b[^\n]{0,30}?"
    r"[\w.+-]{1,60}@[\w.-]{3,60}\s?[,;]\s?([^\s,;]{5,60})"
    r"|\bwi-?fi\b[^\n]{0,30}?[\w-]{2,40}\s?[,;]\s?([^\s,;]{5,60})"
    r"|[\w.+-]{1,60}@[\w.-]{3,60}\s-\s([^\s,;]{5,60})"
    r"|\badmin\s?[/:]\s?([^\s,;]{5,60})"
)
_USER_AND_PASS: Final = Pattern(
    r"\b(?:user(?:name| ?id)?|login|id|un?)\b[\s:=]{1,3}[^\s,;/]{2,60}[\s,;/]{1,3}(?:and )?"
    r"(?:pass(?:word|code)?|pwd?|p(?=:))\b[ \t:=]{1,3}([^\s,;]{3,60})"
)
_OF_LOGINS: Final = re.compile(
    r"\b(?:log-?ins?|passwords?|creds|credentials|access)\b", re.IGNORECASE
)
_LIST: Final = 300
_WORDS: Final = (
    r"(?:pass ?words?|passwd|pwd|pw|pass ?code|pass ?phrase|pass|log-?in|secret|passwort|kennwort)"
)
_NEW: Final = r"[\"'`]?([^\s,;\"'`]{4,60})"
_PUT: Final = Pattern(
    r"(?<![^\s\"'(`])[\"'`]?([^\s,;\"'`]{4,60}?)[\"'`]?\s(?:is|was|as|=)\s(?:[\w'-]{1,20}\s){0,3}"
    rf"{_WORDS}\b"
    rf"|\b(?:enter|type|use|try|put in|give)\s{_NEW}[\"'`]?\s[^.!?\n]{{0,30}}\b{_WORDS}\b"
    rf"|\b{_WORDS}\b[^.!?\n]{{0,30}}\b(?:type|enter|use|try|put in|changed?(?: it)? to|set to)"
    rf"\s{_NEW}"
    rf"|\b(?:open|unlock|decrypt|extract|unzip)(?:s|ed)?(?: it| them| this"
    rf"| the \w{{1,12}})? with\s{_NEW}"
    rf"|\b{_WORDS},\s([^\s,;]{{4,60}}),"
    rf"|\b(?:chang|reset|set|updat|switch)\w{{0,4}}\s(?:it|(?:[\w']{{1,20}}\s){{0,3}}{_WORDS})\s"
    rf"(?:back )?to\s{_NEW}"
)
_CODED: Final = re.compile(
    r"[a-z]{1,5}[-_#/]\d[\d-]*|[a-z]{1,3}\d{1,6}|v?\d[\d.,:%/-]*[a-z]{0,3}|[$€£].*", re.IGNORECASE
)
"""An invoice, a date, a version: mixed as well, but no secret."""
_ANSWERS: Final = r"(?:first (?:pet|car|school|job)|pet's name|born in|favou?rite \w{3,10})"
_PHRASE: Final = Pattern(
    r"\b(?:seed|recovery|mnemonic|back-?up|wallet) (?:phrase|words)\b[\s:=-]{0,3}"
    r"(?:(?:is|are)\b[\s:]{0,2})?((?:[a-z]{3,8}[\s,]{1,2}){11,23}[a-z]{3,8})"
    r"|\bpass ?phrase\b[^.!?\n:]{0,30}(?:\bis"
    r"|:)\s((?:[a-z]{3,12}[ -]){2,7}[a-z]{3,12})(?=[.,;!\n(]|$)"
    r"|\bpassword is (?:the )?(?:three|four|five|six) words:?\s((?:[a-z]{3,12} ){2,5}[a-z]{3,12})"
    rf"|\b{_ANSWERS}\b[^.!?\n]{{0,20}}\b(?:is|was)\s([\w'-]{{3,30}})"
    r"(?=[^\n]{0,60}\b(?:security|secret) question)"
    rf"|\b(?:security|secret) question\b[^\n]{{0,60}}\b{_ANSWERS}\b"
    r"[^.!?\n]{0,20}\b(?:is|was)\s([\w'-]{3,30})"
)
_SAID_WORDS: Final = (
    r"\b(?:pass|p/w|pword|pwd?\b|kennwort|contrase|clave|mot de passe|mdp|senha|wachtwoord|parola"
    r"|log-?in|log-?on|creds?\b|credentials|credenciales|identifiants|zugangsdaten|secret"
    r"|(?:security|safe|magic|memorable) (?:answer|word)|(?:[a-z-]{2,12} )?key\b|wi-?fi"
    r"|network code|answer to|response to|mother|maiden|recovery|seed|token|access code"
    r"|(?:activation|registration|invite|licen[cs]e) code)"
    r"|(?:opens?|unlocks?|decrypts?|encrypted|protected|locked) with"
)
_PUT_WORDS: Final = (
    r"\b(?:pass|passwd|pwd?|log-?in|secret|kennwort)\b|pass ?word|pass ?code|pass ?phrase|passwort"
    r"|\b(?:open|unlock|decrypt|extract|unzip)\w{0,3}\b[^.!?\n]{0,16} with"
    r"|(?:chang|reset|set|updat|switch)\w{0,4}\sit\s(?:back )?to"
)
_USER_WORDS: Final = r"\b(?:user(?:name| ?id)?|login|id|un?)\b[\s:=]"
_PAIR_WORDS: Final = (
    r"@[\w.-]{3,60}\s-\s|wi-?fi|log-?in|log in|get in|creds|credentials|sign in|username|\buser\b"
    r"|\baccess\b|\bvpn\b|\bftp\b|portal|\badmin\b"
)
_ASSIGNED_WORDS: Final = (
    r"(?:pass(?:word|wd|phrase|code)?|pwd?|secret|key|token|psk)(?:[_.\-][a-z0-9]{1,20}){0,2}"
    r"[\"']?\s?[?:=]"
)
_VALUE: Final = re.compile(r"[\"'`(]?([^\s\"'`]{3,100})")
_QUOTED: Final = re.compile(r"([\"'`])([^\"'`\n]{3,60})\1")
_PLAIN_WORDS: Final = words("after_a_password")
_ORDINARY: Final = re.compile(
    r"[a-z]+'?[a-z]*|\d{1,2}(?:am|pm|st|nd|rd|th)?|[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}"
    r"|(?:https?:|www\.).*"
    r"|\w+\.\w{2,4}",
    re.IGNORECASE,
)
_TRAILING: Final = ".,;:!?)]}\"'»"


def _assigned(text: str) -> Iterator[Place]:
    for found in _ASSIGNED.finditer(text):
        place = _trimmed(text, *found.span(1))
        if not placeholder(text[slice(*place)]) and _assignable(text[slice(*place)]):
            yield place


def _users(text: str) -> Iterator[Place]:
    for found in _USER_AND_PASS.finditer(text):
        place = _trimmed(text, *found.span(1))
        word = text[slice(*place)]
        if word.lower() not in _PLAIN_WORDS and (_mixed(word) or _ends_here(text, *place)):
            yield place


def _pairs(text: str) -> Iterator[Place]:
    for found in _PAIR.finditer(text):
        if (
            found[0][0] not in "lL"
            and " - " in found[0]
            and not _OF_LOGINS.search(text[max(0, found.start() - _LIST) : found.start()])
        ):
            continue
        place = _trimmed(text, *found.span(found.lastindex or 0))
        if _mixed(text[slice(*place)]):
            yield place


def _put(text: str) -> Iterator[Place]:
    """What is to be entered, or has become the password."""
    for found in _PUT.finditer(text):
        place = _trimmed(text, *found.span(found.lastindex or 0))
        word = text[slice(*place)]
        if _mixed(word) and not _CODED.fullmatch(word):
            yield place


def _phrases(text: str) -> Iterator[Place]:
    return (found.span(found.lastindex or 0) for found in _PHRASE.finditer(text))


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
    if "\n" in found[0][-2:] and not found["link"].strip():
        return
    if word.lower() in _PLAIN_WORDS or placeholder(word) or end - start < 3:
        return
    opening = re.match(r"(?i)(?:log|cred|pass$|token|secret$|clave|access)", found[0].strip())
    short = re.match(r"(?i)p/?wd?\b", found[0].strip()) is not None
    linked = (
        short
        or bool(found["link"].strip())
        or "with" in found[0].lower()
        or "by" in found[0].lower()
    )
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


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Without the punctuation of the sentence that it stands in."""
    while (
        end > start
        and text[end - 1] in _TRAILING
        and not (text[end - 1] in "!?" and end == len(text))
    ):
        end -= 1
    return start, end


SEARCHES: Final[Mapping[str, Search]] = {
    **keys.SEARCHES,
    **doors.SEARCHES,
    "assigned": Search(_ASSIGNED_WORDS, _assigned),
    "said": Search(_SAID_WORDS, _told),
    "user_and_pass": Search(_USER_WORDS, _users),
    "pair": Search(_PAIR_WORDS, _pairs),
    "put": Search(_PUT_WORDS, _put),
    "phrase": Search(_PHRASE.cue, _phrases),
}


def secrets(reading: Reading, had: frozenset[str]) -> Iterator[Place]:
    """Secrets by their shape, by the words around them, and by what is assigned to their name."""
    for name, search in SEARCHES.items():
        if name in had:
            yield from search.find(reading.text)
