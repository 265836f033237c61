"""The search finds a needle in whatever shape it lies somewhere; else it would prove nothing."""

import base64
import gzip
import quopri
import zlib
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.canary import needles
from tests.canary.needles import Kind, Needle, Search

CARD = needles.card("a test")
NEEDLES = [
    CARD,
    needles.ssn("a test"),
    needles.iban("a test"),
    needles.account("a test"),
    needles.password("a test"),
    needles.word("a test"),
]
SHAPES: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "capitals": lambda text: text.upper().encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16 big end first": lambda text: text.encode("utf-16-be"),
    "base64, begun 0 off": lambda text: base64.b64encode(f"{text} and on".encode()),
    "base64, begun 1 off": lambda text: base64.b64encode(f"x{text} and on".encode()),
    "base64, begun 2 off": lambda text: base64.b64encode(f"xy{text} and on".encode()),
    "base64 in lines": lambda text: base64.encodebytes(f"{'long ' * 9}{text}{'!' * 90}".encode()),
    "url-safe base64": lambda text: base64.urlsafe_b64encode(f"??>{text}~~".encode()),
    "quoted-printable": lambda text: quopri.encodestring(f"{'long ' * 13}{text} é".encode()),
    "hexadecimal": lambda text: text.encode().hex().encode(),
    "in an address": lambda text: quote(f"note={text}&x").encode(),
    "gzip": lambda text: b"head" + gzip.compress(f"some {text} more".encode()) + b"tail",
    "zlib": lambda text: b"head" + zlib.compress(f"some {text} more".encode()) + b"tail",
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("needle", NEEDLES, ids=["card", "ssn", "iban", "account", "pass", "word"])
def test_a_needle_is_found_in_any_shape(needle: Needle, shape: str) -> None:
    found = Search(NEEDLES).find("here", b"before " + SHAPES[shape](needle.text) + b" after")
    assert [one.needle for one in found] == [needle]


@pytest.mark.parametrize("between", [" ", "-", ".", "\n", "\r\n> "])
def test_a_card_is_found_in_groups_of_four(between: str) -> None:
    groups = between.join(CARD.text[at : at + 4] for at in range(0, 16, 4))
    assert [one.needle for one in Search([CARD]).find("here", groups)] == [CARD]


def test_the_end_of_a_card_may_be_shown_and_no_more() -> None:
    search = Search([CARD])
    assert not list(search.find("here", f"card ****{CARD.text[-4:]}"))
    assert list(search.find("here", CARD.text[:12]))


def test_where_there_is_none_nothing_is_found() -> None:
    blob = b"".join(str(number).encode() for number in range(20_000))
    assert not list(Search(NEEDLES).find("here", blob))


def test_needles_of_different_ways_differ() -> None:
    ways = [f"way {number}" for number in range(300)]
    makers = (needles.card, needles.ssn, needles.iban, needles.account, needles.word)
    made = [make(way).text for make in makers for way in ways]
    assert len(set(made)) == len(made)
    assert needles.word("a", Kind.PLAIN).text != needles.word("a").text
