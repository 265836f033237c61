"""How is a page laid out: size, margins, running head and foot, tables, and the file itself?"""

import datetime as dt
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from babel.dates import format_date
from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    Image,
    LongTable,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)
from typing_extensions import override

from billing import money
from bot.papers.facts import Issuer, Party
from bot.papers.ink import Face, Undrawable, faces
from bot.papers.totals import Row

INK, SOFT, RULE, TINT = (
    colors.HexColor(code) for code in ("#1c2733", "#66727f", "#d3dae1", "#f3f5f8")
)
_MARGIN, _FOOT, _HEAD = 20 * mm, 18 * mm, 26 * mm
_LETTER_COUNTRIES = frozenset({"US", "CA", "MX", "PH", "CL", "CO", "CR", "GT", "PA", "PR", "DO"})
_LOGO = 52 * mm, 18 * mm
_PAD = 8.0
"""Points between two columns."""
_LEAST = 0.3
"""Of the page, for words."""


@dataclass(frozen=True, slots=True)
class Section:
    """Pages of one issuer, under one title."""

    issuer: Issuer
    title: str
    story: Sequence[Flowable]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: as wide as its widest amount, or (None) what is left for words."""

    title: str
    right: bool = True
    words: float = 0.0
    """The share of what is left; 0 = as wide as what stands in it."""
    most: float = 1.0
    """Of the page: what somebody wrote is wrapped beyond it, amounts never are."""


@dataclass(frozen=True, slots=True)
class Pen:
    """Writes with one font, as people of the client's country write amounts and days."""

    face: Face
    party: Party
    currency: str = "USD"

    def text(self, said: str, size: float = 9, **style: Any) -> Paragraph:
        """Words, whoever wrote them: markup in them is words as well."""
        return self._paragraph(escape(self.face.text(said)).replace("\n", "<br/>"), size, style)

    def strong(self, said: str, size: float = 9, **style: Any) -> Paragraph:
        """The same in bold."""
        return self.text(said, size, fontName=self.face.bold, **style)

    def soft(self, said: str, size: float = 8, **style: Any) -> Paragraph:
        """The same in grey."""
        return self.text(said, size, textColor=SOFT, **style)

    def link(self, address: str, size: float = 9) -> Paragraph:
        """An address on the web that can be clicked; anything else is words."""
        said = escape(self.face.text(address))
        if not address.startswith(("https://", "http://")):
            return self._paragraph(said, size, {})
        return self._paragraph(f"<a href={quoteattr(address)}>{said}</a>", size, {})

    def amount(self, minor: int, *, size: float = 9, strong: bool = False) -> Paragraph:
        """An amount, at the right."""
        write = self.strong if strong else self.text
        return write(self.money(minor), size, alignment=TA_RIGHT)

    def money(self, minor: int) -> str:
        """An amount in words."""
        return money.display(minor, self.currency, self.party.locale)

    def day(self, day: dt.date) -> str:
        """A day in words."""
        return format_date(day, "medium", locale=self.party.day_locale)

    def _paragraph(self, marked: str, size: float, style: dict[str, Any]) -> Paragraph:
        told = {"fontName": self.face.plain, "textColor": INK, "splitLongWords": 1} | style
        return Paragraph(
            marked, ParagraphStyle("paper", fontSize=size, leading=size * 1.35, **told)
        )


def drawn(party: Party, compose: Callable[[Pen], bytes]) -> bytes:
    """The paper in the first font that has all its letters.

    Where none has the client's own way of writing amounts, they are written in English: nobody can
    write a currency's sign otherwise for them.

    Raises:
        Undrawable: none has.
    """
    refused: Undrawable | None = None
    for to in dict.fromkeys((party, replace(party, locale="en_US"))):
        for face in faces():
            try:
                return compose(Pen(face, to))
            except Undrawable as error:
                refused = error
    raise refused or Undrawable("There is no font to draw with; install reportlab again.")


def size_of(issuer: Issuer) -> tuple[float, float]:
    """US Letter where people use it, A4 elsewhere."""
    across, up = LETTER if issuer.country in _LETTER_COUNTRIES else A4
    return float(across), float(up)


def width_of(issuer: Issuer) -> float:
    """Between the margins, in points."""
    return float(size_of(issuer)[0] - 2 * _MARGIN)


# --- parts of a page ------------------------------------------------------------------------------


def letterhead(pen: Pen, issuer: Issuer) -> Flowable:
    """Who we are: the logo or the name at the left, the address at the right."""
    width = width_of(issuer)
    mark = _logo(issuer.logo) if issuer.logo else pen.strong(issuer.name, 13)
    lines = [issuer.name if issuer.logo else "", issuer.address, issuer.email, issuer.phone]
    said = "\n".join(line for line in lines if line)
    return Table(
        [[mark, pen.soft(said, 8, alignment=TA_RIGHT)]],
        colWidths=[width * 0.55, width * 0.45],
        style=[("VALIGN", (0, 0), (-1, -1), "TOP"), *_BARE],
    )


def _logo(png: bytes) -> Image:
    across, up = ImageReader(io.BytesIO(png)).getSize()
    scale = min(_LOGO[0] / across, _LOGO[1] / up)
    return Image(io.BytesIO(png), across * scale, up * scale, hAlign="LEFT", mask="auto")


def parties(pen: Pen, issuer: Issuer, label: str, pairs: Sequence[tuple[str, str]]) -> Flowable:
    """For whom it is at the left; what identifies it, in pairs, at the right."""
    width = width_of(issuer)
    to = [pen.soft(label), pen.strong(pen.party.name, 10)]
    to += [pen.text(line) for line in pen.party.lines]
    facts = Table(
        [[pen.soft(name, 8.5), pen.text(said)] for name, said in pairs if said],
        colWidths=[width * 0.15, width * 0.30],
        style=[("VALIGN", (0, 0), (-1, -1), "TOP"), *_BARE, ("BOTTOMPADDING", (0, 0), (-1, -1), 2)],
    )
    return Table(
        [[to, facts]],
        colWidths=[width * 0.55, width * 0.45],
        style=[("VALIGN", (0, 0), (-1, -1), "TOP"), *_BARE],
    )


_BARE: list[Any] = [
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 0),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
]


def title(pen: Pen, said: str) -> Flowable:
    """What this is."""
    return pen.strong(said, 19, spaceBefore=9 * mm, spaceAfter=5 * mm)


def heading(pen: Pen, said: str) -> Flowable:
    """Over a table."""
    return pen.strong(said, 10, spaceBefore=6 * mm, spaceAfter=2 * mm)


def room() -> Flowable:
    """A new page, where a heading with the head and a row of its table does not fit on this."""
    return CondPageBreak(32 * mm)


def space(height: float) -> Flowable:
    """Nothing, so many millimetres of it."""
    return Spacer(1, height * mm)


def grid(
    pen: Pen, issuer: Issuer, columns: Sequence[Column], rows: Sequence[Sequence[str]]
) -> Flowable:
    """A table that goes on over pages, its head on each; words are wrapped, amounts never."""
    kept = [at for at, _ in enumerate(columns) if any(row[at] for row in rows) or not at]
    columns = [columns[at] for at in kept]
    cells = [[row[at] for at in kept] for row in rows]
    widths = _widths(pen, width_of(issuer), columns, cells)
    head = [_cell(pen, column, column.title, soft=True) for column in columns]
    body = [[_cell(pen, *pair) for pair in zip(columns, row, strict=True)] for row in cells]
    style = [
        *_BARE,
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
        ("RIGHTPADDING", (0, 0), (-2, -1), _PAD),
        ("TOPPADDING", (0, 0), (-1, -1), 3.2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3.2),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, INK),
        ("LINEBELOW", (0, 1), (-1, -1), 0.35, RULE),
    ]
    return LongTable(
        [head, *body], colWidths=widths, repeatRows=1, splitInRow=1, style=TableStyle(style)
    )


def _cell(pen: Pen, column: Column, said: str, *, soft: bool = False) -> Paragraph:
    style = {"alignment": TA_RIGHT} if column.right else {}
    return pen.soft(said, 7.8, **style) if soft else pen.text(said, 8.6, **style)


def _widths(
    pen: Pen, width: float, columns: Sequence[Column], rows: Sequence[Sequence[str]]
) -> list[float]:
    """Amounts get what they need, words share what is left, but never less than they can use."""
    needs = [
        min(max(_breadth(pen, column, at, rows), 18.0), column.most * width)
        for at, column in enumerate(columns)
    ]
    shares = sum(column.words for column in columns)
    fixed = sum(need for need, column in zip(needs, columns, strict=True) if not column.words)
    left = width - fixed
    if left < _LEAST * width * bool(shares):
        tight = [
            min(need, _LEAST * width) if column.words else need
            for need, column in zip(needs, columns, strict=True)
        ]
        return [need * width / sum(tight) for need in tight]
    if not shares:
        return [need + left / len(needs) for need in needs]
    return [
        left * column.words / shares if column.words else need
        for need, column in zip(needs, columns, strict=True)
    ]


def _breadth(pen: Pen, column: Column, at: int, rows: Sequence[Sequence[str]]) -> float:
    """Of the widest that stands in a column, with its distance from the next."""
    cells = (stringWidth(pen.face.text(row[at]), pen.face.plain, 8.6) for row in rows)
    title = stringWidth(pen.face.text(column.title), pen.face.plain, 7.8)
    return float(max([*cells, title]) + _PAD + 1)


def sums(pen: Pen, issuer: Issuer, rows: Iterable[Row]) -> Flowable:
    """Amounts under one another at the right, each sum in bold under a rule."""
    width = width_of(issuer)
    told = list(rows)
    cells = [
        [
            "",
            (pen.strong if row.strong else pen.text)(_said(pen, row)),
            pen.amount(row.amount, strong=row.strong),
        ]
        for row in told
    ]
    style = [
        *_BARE,
        ("TOPPADDING", (0, 0), (-1, -1), 2.4),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.4),
    ]
    style += [
        ("LINEABOVE", (1, at), (-1, at), 0.8, INK) for at, row in enumerate(told) if row.strong
    ]
    style += [("VALIGN", (0, 0), (-1, -1), "TOP")]
    widest = max(stringWidth(pen.money(row.amount), pen.face.bold, 9) for row in told) + _PAD
    return Table(cells, colWidths=[width * 0.36, width * 0.64 - widest, widest], style=style)


def _said(pen: Pen, row: Row) -> str:
    return row.said if row.on is None else f"{row.said} on {pen.money(row.on)}"


def boxed(issuer: Issuer, parts: Sequence[Flowable]) -> Flowable:
    """What the reader is asked to do, on a tint."""
    style = [
        ("BACKGROUND", (0, 0), (-1, -1), TINT),
        ("LEFTPADDING", (0, 0), (-1, -1), 10),
        ("RIGHTPADDING", (0, 0), (-1, -1), 10),
        ("TOPPADDING", (0, 0), (-1, -1), 8),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 8),
    ]
    return Table([[list(parts)]], colWidths=[width_of(issuer)], style=style)


# --- the file -------------------------------------------------------------------------------------


class _Numbered(Canvas):  # type: ignore[misc]
    """Knows at the end how many pages there are, and writes it on each."""

    feet: Callable[[Canvas, int, int], None]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pages: list[dict[str, Any]] = []

    @override
    def showPage(self) -> None:
        self._pages.append(dict(self.__dict__))
        self._startPage()

    @override
    def save(self) -> None:
        for number, page in enumerate(self._pages, 1):
            self.__dict__.update(page)
            type(self).feet(self, number, len(self._pages))
            super().showPage()
        super().save()


def bind(pen: Pen, sections: Sequence[Section], name: str) -> bytes:
    """The file: each section begins on a page of its own size, under its own letterhead."""
    out = io.BytesIO()
    author = pen.face.text(sections[0].issuer.name)
    document = BaseDocTemplate(
        out,
        title=pen.face.text(name),
        author=author,
        subject=pen.face.text(f"{name} for {pen.party.name}"),
        creator="Counterfoil",
        lang="en",
        invariant=1,
        pageCompression=1,
    )
    story: list[Flowable] = []
    for at, section in enumerate(sections):
        document.addPageTemplates([_page(pen, section, at, first) for first in (True, False)])
        if at:
            story += [NextPageTemplate(f"first-{at}"), PageBreak()]
        story += [NextPageTemplate(f"later-{at}"), letterhead(pen, section.issuer), *section.story]
    canvas = type("_Feet", (_Numbered,), {"feet": staticmethod(_feet(pen))})
    document.build(story, canvasmaker=canvas)
    return out.getvalue()


def _page(pen: Pen, section: Section, at: int, first: bool) -> PageTemplate:  # noqa: FBT001
    across, up = size_of(section.issuer)
    top = _MARGIN if first else _HEAD
    frame = Frame(
        _MARGIN, _FOOT + 4 * mm, across - 2 * _MARGIN, up - top - _FOOT - 4 * mm,
        leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0,
    )  # fmt: skip
    said = pen.face.text(section.issuer.name), pen.face.text(section.title)

    def head(canvas: Canvas, _document: Any) -> None:
        canvas.setFillColor(SOFT)
        canvas.setFont(pen.face.plain, 8)
        canvas.drawString(_MARGIN, up - 17 * mm, _fitted(said[0], pen.face.plain, across * 0.4))
        canvas.drawRightString(
            across - _MARGIN, up - 17 * mm, _fitted(said[1], pen.face.plain, across * 0.38)
        )

    name = f"{'first' if first else 'later'}-{at}"
    started = (lambda _canvas, _document: None) if first else head
    return PageTemplate(name, [frame], onPage=started, pagesize=(across, up))


def _fitted(said: str, font: str, width: float) -> str:
    """A running head is one line; the whole of it stands on the first page."""
    if stringWidth(said, font, 8) <= width:
        return said
    while said and stringWidth(said + "…", font, 8) > width:
        said = said[:-1]
    return said + "…"


def _feet(pen: Pen) -> Callable[[Canvas, int, int], None]:
    def foot(canvas: Canvas, number: int, pages: int) -> None:
        across = canvas._pagesize[0]  # noqa: SLF001 - it has no other name
        canvas.setStrokeColor(RULE)
        canvas.setLineWidth(0.35)
        canvas.line(_MARGIN, _FOOT, across - _MARGIN, _FOOT)
        canvas.setFillColor(SOFT)
        canvas.setFont(pen.face.plain, 7.5)
        canvas.drawRightString(across - _MARGIN, _FOOT - 4.5 * mm, f"Page {number} of {pages}")

    return foot
