"""What stays of a name, a mailbox or a tax number when the ways of writing it are taken away?

Pure. Two systems write one client differently: case, accents, punctuation, legal forms in any
language, plus-addresses, dots of Gmail, the country before a VAT number.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_FORMS = {
    "inc": ("inc", "incorporated", "corp", "corporation"),
    "llc": ("llc", "lc", "pllc"),
    "llp": ("llp", "lp"),
    "ltd": ("ltd", "limited", "pty ltd", "pty limited", "pvt ltd", "private limited"),
    "plc": ("plc",),
    "pc": ("pc", "pa", "apc"),
    "gmbh": ("gmbh", "mbh", "gesmbh", "ug", "ug haftungsbeschrankt"),
    "gmbhkg": ("gmbh co kg", "gmbh und co kg", "gmbh kg"),
    "ag": ("ag", "aktiengesellschaft"),
    "kg": ("kg", "ohg", "gbr", "ek"),
    "sa": ("sa", "societe anonyme", "sociedad anonima", "sas", "sasu"),
    "sarl": ("sarl", "eurl", "sl", "srl", "srls", "lda", "ltda", "sagl"),
    "spa": ("spa",),
    "bv": ("bv", "besloten vennootschap"),
    "nv": ("nv",),
    "ab": ("ab", "aktiebolag"),
    "as": ("as", "asa", "aps"),
    "oy": ("oy", "oyj"),
    "kft": ("kft", "zrt"),
    "spzoo": ("sp z o o", "sp z oo", "sp zoo", "spolka z o o"),
    "sro": ("sro", "s r o"),
    "kk": ("kk", "kabushiki kaisha", "株式会社"),
    "ooo": ("ооо", "зао", "оао"),  # noqa: RUF001 - Cyrillic is meant
}
_FORM_OF = {tuple(said.split()): form for form, ways in _FORMS.items() for said in ways}
_LONGEST_FORM = max(map(len, _FORM_OF))
_SAID_SHORT = {
    "assoc": "associates",
    "assocs": "associates",
    "bros": "brothers",
    "centre": "center",
    "ctr": "center",
    "dept": "department",
    "grp": "group",
    "hldgs": "holdings",
    "intl": "international",
    "mfg": "manufacturing",
    "mgmt": "management",
    "natl": "national",
    "saint": "st",
    "svc": "services",
    "svcs": "services",
    "tech": "technology",
    "technologies": "technology",
    "univ": "university",
    "vet": "veterinary",
}
_SAYS_NOTHING = frozenset({"the", "and", "und", "et", "y", "e", "co", "company", "cie", "of"})
_ORDERS = frozenset({"jr", "sr", "junior", "senior", "i", "ii", "iii", "iv", "v"})
_LETTERS = str.maketrans(
    {"ø": "o", "œ": "oe", "æ": "ae", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}  # noqa: RUF001
)
_DOTTED = re.compile(r"\b(?:[^\W\d_]\.){2,}[^\W\d_]?(?=\W|$)")
_WORD = re.compile(r"[^\W_]+")
_UMLAUT = re.compile(r"([aou])e")
_FREE = frozenset(
    """
    126.com 163.com aim.com aol.com att.net bellsouth.net bigpond.com bluewin.ch btinternet.com
    charter.net comcast.net cox.net earthlink.net email.com fastmail.com free.fr freenet.de
    gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net hey.com hotmail.co.uk hotmail.com hotmail.de
    hotmail.es hotmail.fr hotmail.it icloud.com laposte.net libero.it live.co.uk live.com live.fr
    live.nl mac.com mail.com mail.ru me.com msn.com optonline.net orange.fr outlook.com outlook.de
    outlook.es outlook.fr pm.me posteo.de proton.me protonmail.com qq.com rocketmail.com
    sbcglobal.net seznam.cz sfr.fr shaw.ca sky.com sympatico.ca t-online.de telus.net tiscali.it
    tutanota.com verizon.net virgilio.it wanadoo.fr web.de wp.pl yahoo.ca yahoo.co.in yahoo.co.jp
    yahoo.co.uk yahoo.com yahoo.de yahoo.es yahoo.fr yahoo.it yandex.com yandex.ru ymail.com
    zoho.com
    """.split()  # noqa: SIM905 - words in lines are read and kept in order more easily
)
_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gov", "ltd", "me", "net", "org", "plc"})
_ELSEWHERE = {"EL": "GR", "UK": "GB", "XI": "GB"}


@dataclass(frozen=True, slots=True)
class Name:
    """A name without its ways of writing.

    ``words`` are what it is called by, in order; ``forms`` its legal forms; ``marks`` the numbers
    and orders (Store 12, Jr, II) that tell apart who is called the same otherwise.
    """

    words: tuple[str, ...]
    forms: frozenset[str] = frozenset()
    marks: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """The same for the same words in any order."""
        return " ".join(sorted({*self.words, *self.marks}))


@lru_cache(maxsize=65_536)
def name(said: str) -> Name:
    """What a name says."""
    words = _plain(_flipped(said))
    forms: set[str] = set()
    kept: list[str] = []
    at = 0
    while at < len(words):
        size = next((n for n in range(_LONGEST_FORM, 0, -1) if _form(words, at, n)), 0)
        # What begins a name is part of it: AB Volvo is rare, A.S. Roma and SA Power are not.
        if size and at:
            forms.add(_FORM_OF[tuple(words[at : at + size])])
            at += size
            continue
        kept.append(_SAID_SHORT.get(words[at], words[at]))
        at += 1
    telling = [word for word in kept if word not in _SAYS_NOTHING] or kept
    marks = {word for word in telling[1:] if word in _ORDERS or word.isdigit()}
    called = tuple(word for word in telling if word not in marks)
    return Name(called, frozenset(forms), frozenset(marks))


def _form(words: list[str], at: int, size: int) -> bool:
    return at + size <= len(words) and tuple(words[at : at + size]) in _FORM_OF


def _flipped(said: str) -> str:
    """``Smith, John`` as ``John Smith``; what follows another comma is a legal form."""
    last, comma, first = said.partition(",")
    words = _plain(first)
    if not comma or "," in first or len(words) > 2 or tuple(words) in _FORM_OF:
        return said
    return f"{first} {last}"


def _plain(said: str) -> list[str]:
    """Lower-case words without accents; S.A. and A.G. are words."""
    joined = _DOTTED.sub(lambda found: found[0].replace(".", ""), said)
    lowered = joined.replace("'", "").replace("\u2019", "").casefold().translate(_LETTERS)
    spread = unicodedata.normalize("NFKD", lowered)
    bare = "".join(sign for sign in spread if not unicodedata.combining(sign))
    return [_UMLAUT.sub(r"\1", word) for word in _WORD.findall(bare)]


@lru_cache(maxsize=65_536)
def mailbox(value: str) -> str:
    """Where a mailbox delivers to: without its plus-part, and without the dots of Gmail."""
    local, _, domain = value.strip().lower().rpartition("@")
    domain = {"googlemail.com": "gmail.com"}.get(domain, domain)
    local = local.partition("+")[0] or local
    if domain == "gmail.com":
        local = local.replace(".", "")
    return f"{local}@{domain}"


@lru_cache(maxsize=65_536)
def business_domain(value: str) -> str:
    """The domain that a firm owns, of a mailbox; "" where anybody may have a mailbox there."""
    labels = value.strip().lower().rpartition("@")[2].split(".")
    country_code = len(labels[-1]) == 2
    depth = 3 if country_code and len(labels) > 2 and labels[-2] in _SECOND_LEVEL else 2
    domain = ".".join(labels[-depth:])
    return "" if domain in _FREE or domain == "googlemail.com" else domain


def tax_number(value: str, country: str) -> str:
    """Letters and digits after the country that gave it; "" where there is none."""
    bare = "".join(sign for sign in value.upper() if sign.isascii() and sign.isalnum())
    if not any(sign.isdigit() for sign in bare):
        return ""
    prefix = bare[:2]
    if prefix.isalpha():
        given = _ELSEWHERE.get(prefix, prefix)
        if given == country or prefix in _VAT:
            return f"{given}:{bare[2:]}"
    return f"{country}:{bare}"


_VAT = frozenset(
    """
    AT BE BG CH CY CZ DE DK EE EL ES FI FR GB GR HR HU IE IT LT LU LV MT NL NO PL PT RO SE SI SK XI
    """.split()  # noqa: SIM905 - as above
)


def reference(value: str) -> str:
    """An id of another system, where it is long enough to be nobody else's; else ""."""
    bare = "".join(sign for sign in value.casefold() if sign.isalnum())
    return bare if len(bare) >= 8 and any(sign.isdigit() for sign in bare) else ""
