"""What no page shows is in no paper either: no name, no matter and no path hides in the file."""

import base64
import io
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pypdf
import pytest
from PIL import Image, PngImagePlugin

from bot import charts
from bot.papers import ink, invoice, receipt, statement
from bot.papers.facts import Account
from tests.bot.papers.test_papers import BILL, FIRM, PAID, items, spoken, told

SECRET = "/home/dana/Matter-Xenolith/logo.psd"
OURS = "Counterfoil ReportLab PDF Library - (opensource) D:20000101000000+00'00' /False for payment"


def logo() -> bytes:
    """A picture that says who drew it, and where that is kept."""
    said, out = PngImagePlugin.PngInfo(), io.BytesIO()
    for name in ("Author", "Comment", "XML:com.adobe.xmp"):
        said.add_itxt(name, SECRET)
    Image.new("RGBA", (40, 20), "navy").save(out, "PNG", pnginfo=said)
    return out.getvalue()


MARKED = replace(FIRM, logo=logo())
SHUT = replace(BILL, issuer=MARKED, lines=())
PAPERS: dict[str, Callable[[], bytes]] = {
    "invoice": lambda: invoice.pdf(SHUT),
    "receipt": lambda: receipt.pdf(replace(PAID, issuer=MARKED)),
    "statement": lambda: statement.pdf(
        told(Account(issuer=MARKED, currency="EUR", items=items(1)))
    ),
}


def inside(pdf: bytes) -> bytes:
    """Every byte of the file, and of what is packed in it."""
    streams = re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    return pdf + b"".join(_unpacked(one) for one in streams)


def _unpacked(stream: bytes) -> bytes:
    try:
        return zlib.decompress(base64.a85decode(stream.strip().removesuffix(b"~>")))
    except (ValueError, zlib.error):
        return stream


def test_the_logo_itself_does_say_it() -> None:
    assert SECRET.encode() in logo()


@pytest.mark.parametrize("paper", PAPERS)
def test_a_paper_says_about_itself_only_what_stands_on_it(paper: str) -> None:
    pdf = PAPERS[paper]()
    read = pypdf.PdfReader(io.BytesIO(pdf))
    about: dict[str, object] = dict(read.metadata or {})
    words = {word.strip(",") for said in about.values() for word in str(said).split()}
    assert words - set(f"{spoken(pdf)} {OURS}".split()) == set()
    assert read.xmp_metadata is None
    assert read.attachments == {}


@pytest.mark.parametrize("paper", PAPERS)
def test_no_paper_says_where_it_was_made(paper: str) -> None:
    said = inside(PAPERS[paper]())
    assert b"Xenolith" not in said
    for place in (Path(ink.__file__).parent, Path.home(), Path.cwd()):
        assert str(place).encode() not in said
    assert not re.findall(rb"/[\w/.-]+\.(?:ttf|otf|pfb|png)", said)


def test_a_picture_says_nothing_of_itself() -> None:
    weeks = charts.columns("Days", "below", [])
    with Image.open(io.BytesIO(weeks)) as picture:
        assert set(picture.info) <= {"dpi", "transparency", "gamma"}
