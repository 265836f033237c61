"""How does the board's page look on paper? Pure: figures in, one page of A4 out.

Vera, which ReportLab brings, is embedded: it has Latin-1, and more. A sign that it lacks is written
without its accent, or as a question mark, so nothing prints as an empty box.
"""

import functools
import io
import unicodedata
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

from billing import spelling
from billing.metrics import Definition
from billing.metrics.receivables import Leakage
from bot.reports.answer import Amount, Number, rounded, written
from bot.reports.board import Board, Measure, remarks

_INK, _QUIET, _LINE, _BAND = "#1d2733", "#66758a", "#d9dfe7", "#f3f6f8"
_CASH, _SOFT, _BETTER, _WORSE = "#2f6f6b", "#a9c6c3", "#2f6f6b", "#a8323e"
_TEXT, _BOLD = "CounterfoilVera", "CounterfoilVera-Bold"
_WIDTH, _HEIGHT = A4
_MARGIN = 42
_RIGHT = _WIDTH - _MARGIN
_TOP, _ROW, _CHART = _HEIGHT - 116, 91, 256
_COLUMN = 50
"""The height of the highest."""
_PRINT = (36, 144)
"""The small print: above the edge of the page, and how high."""


def draw(board: Board, definitions: Sequence[Definition]) -> bytes:
    """The page as PDF."""
    _register()
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4, invariant=1)
    canvas.setTitle("Board report")
    canvas.setAuthor("Counterfoil")
    _head(canvas, board)
    for number, measure in enumerate(board.measures):
        _measure(canvas, measure, _TOP - number * _ROW)
    _leakage(canvas, board, _TOP - len(board.measures) * _ROW - 4)
    _small_print(canvas, board, definitions)
    canvas.showPage()
    canvas.save()
    return file.getvalue()


@functools.cache
def _register() -> None:
    pdfmetrics.registerFont(TTFont(_TEXT, "Vera.ttf"))
    pdfmetrics.registerFont(TTFont(_BOLD, "VeraBd.ttf"))
    pdfmetrics.registerFontFamily(_TEXT, normal=_TEXT, bold=_BOLD, italic=_TEXT, boldItalic=_BOLD)


def _printable(text: str) -> str:
    """With no sign that the font lacks."""
    glyphs = pdfmetrics.getFont(_TEXT).face.charToGlyph
    return "".join(sign if ord(sign) in glyphs else _nearest(sign, glyphs) for sign in text)


def _nearest(sign: str, glyphs: Any) -> str:
    bare = "".join(one for one in unicodedata.normalize("NFKD", sign) if ord(one) in glyphs)
    return bare or "?"


class _Ink(NamedTuple):
    """How something is written."""

    size: float
    colour: str = _INK
    font: str = _TEXT


def _say(canvas: Any, x: float, y: float, text: str, ink: _Ink) -> float:
    """Write a line; return where it ends."""
    said = _printable(text)
    canvas.setFillColor(HexColor(ink.colour))
    canvas.setFont(ink.font, ink.size)
    canvas.drawString(x, y, said)
    return x + float(pdfmetrics.stringWidth(said, ink.font, ink.size))


def _fit(text: str, ink: _Ink, width: float) -> str:
    """As much of a line as there is room for."""
    said = _printable(text)
    while said and pdfmetrics.stringWidth(said, ink.font, ink.size) > width:
        said = said[:-2].rstrip() + "…"
    return said


def _broken(text: str, ink: _Ink, width: float) -> list[str]:
    """A text in two lines at most; what does not fit the second is cut."""
    words, first = _printable(text).split(), ""
    while words:
        longer = f"{first} {words[0]}".strip()
        if first and pdfmetrics.stringWidth(longer, ink.font, ink.size) > width:
            break
        first = longer
        words.pop(0)
    return [first, _fit(" ".join(words), ink, width)] if words else [first]


def _rule(canvas: Any, y: float) -> None:
    canvas.setStrokeColor(HexColor(_LINE))
    canvas.setLineWidth(0.6)
    canvas.line(_MARGIN, y, _RIGHT, y)


# --- head -----------------------------------------------------------------------------------------


def _head(canvas: Any, board: Board) -> None:
    _say(canvas, _MARGIN, _HEIGHT - 42, "COUNTERFOIL", _Ink(7.5, _QUIET, _BOLD))
    day = f"as of {spelling.day(board.as_of)}"
    canvas.setFont(_TEXT, 7.5)
    canvas.drawRightString(_RIGHT, _HEIGHT - 42, day)
    _say(canvas, _MARGIN, _HEIGHT - 64, "Is the system worth it?", _Ink(17, _INK, _BOLD))
    firm = _fit(board.firm, _Ink(8.5), _RIGHT - _MARGIN)
    _say(canvas, _MARGIN, _HEIGHT - 80, firm, _Ink(8.5))
    period, base = board.period, board.baseline
    against = (
        f", against the baseline {spelling.day(base.first)} to {spelling.day(base.last)}"
        if base
        else "; no baseline yet"
    )
    span = (
        f"{spelling.day(period.first)} to {spelling.day(period.last)} ({period.days} days){against}"
    )
    _say(canvas, _MARGIN, _HEIGHT - 93, span, _Ink(8.5, _QUIET))


# --- the five -------------------------------------------------------------------------------------


def _measure(canvas: Any, measure: Measure, top: float) -> None:
    _rule(canvas, top + 8)
    width = _RIGHT - _MARGIN - _CHART - 22
    _say(canvas, _MARGIN, top - 7, measure.title, _Ink(9.5, _INK, _BOLD))
    if measure.now.value is None:
        _say(canvas, _MARGIN, top - 30, "no data yet", _Ink(15, _QUIET))
    else:
        value, _, unit = written(measure.now).partition(" ")
        end = _say(canvas, _MARGIN, top - 31, value, _Ink(20, _INK, _BOLD))
        _say(canvas, end + 4, top - 31, unit, _Ink(10))
    _compared(canvas, measure, top - 45)
    for number, line in enumerate(_broken(measure.note, _Ink(6.4, _QUIET), width)):
        _say(canvas, _MARGIN, top - 56 - number * 8.6, line, _Ink(6.4, _QUIET))
    _trend(canvas, measure, _RIGHT - _CHART, top - 67)


def _compared(canvas: Any, measure: Measure, y: float) -> None:
    """The baseline, and in words as well as in colour which way it went."""
    if measure.then.value is None:
        _say(canvas, _MARGIN, y, "no baseline", _Ink(7.5, _QUIET))
        return
    end = _say(canvas, _MARGIN, y, f"baseline {written(measure.then)}", _Ink(7.5, _QUIET))
    if measure.improved is None:
        if measure.now.value is not None:
            _say(canvas, end + 8, y, "unchanged", _Ink(7.5, _QUIET))
        return
    change = measure.change
    signed = "" if change is None else f"{'+' if change > 0 else ''}{rounded(change, 0):,}% "
    word, colour = ("better", _BETTER) if measure.improved else ("worse", _WORSE)
    _say(canvas, end + 8, y, f"{signed}{word}", _Ink(7.5, colour, _BOLD))


def _trend(canvas: Any, measure: Measure, left: float, bottom: float) -> None:
    """A column for each month, its value above it, and the baseline as a dashed line behind."""
    heights = [value for _, value in measure.trend if value is not None]
    base = measure.then.value or Fraction(0)
    most = max([*heights, base])
    scale = _COLUMN / float(most) if most else 0.0
    canvas.setLineWidth(0.6)
    if base:
        canvas.setStrokeColor(HexColor(_QUIET))
        canvas.setDash(2, 2)
        canvas.line(left, bottom + float(base) * scale, _RIGHT, bottom + float(base) * scale)
        canvas.setDash()
    wide = _CHART / max(1, len(measure.trend))
    for number, (month, value) in enumerate(measure.trend):
        place = left + (number + 0.5) * wide, bottom, float(value or 0) * scale
        _column(canvas, place, value, last=number == len(measure.trend) - 1)
        label = f"{month:%b %y}" if month.month == 1 or number == 0 else f"{month:%b}"
        canvas.drawCentredString(place[0], bottom - 7.5, label)
    canvas.setStrokeColor(HexColor(_LINE))
    canvas.line(left, bottom, _RIGHT, bottom)


def _column(
    canvas: Any, place: tuple[float, float, float], value: Fraction | None, *, last: bool
) -> None:
    """One month: where its middle is, where it stands, how high it is; the last one is darker."""
    middle, bottom, height = place
    shown = "-" if value is None else f"{rounded(value, 1 if value < 100 else 0):,}"
    half = float(pdfmetrics.stringWidth(shown, _TEXT, 5.6)) / 2 + 1
    canvas.setFillColor(HexColor("#ffffff"))
    canvas.rect(middle - half, bottom + height + 1, half * 2, 7, stroke=0, fill=1)
    canvas.setFillColor(HexColor(_CASH if last else _SOFT))
    canvas.rect(middle - 7, bottom, 14, height, stroke=0, fill=1)
    canvas.setFillColor(HexColor(_QUIET))
    canvas.setFont(_TEXT, 5.6)
    canvas.drawCentredString(middle, bottom + height + 2.5, shown)


# --- leakage, and the small print -----------------------------------------------------------------


def _leakage(canvas: Any, board: Board, top: float) -> None:
    found, then = board.leakage, board.leakage_then
    canvas.setFillColor(HexColor(_BAND))
    canvas.roundRect(_MARGIN - 8, top - 58, _RIGHT - _MARGIN + 16, 64, 4, stroke=0, fill=1)
    _say(canvas, _MARGIN, top - 8, f"Revenue leakage, {board.currency}", _Ink(9.5, _INK, _BOLD))
    amount = written(Amount(found.amount, board.currency))
    end = _say(canvas, _MARGIN, top - 31, amount, _Ink(18, _INK, _BOLD))
    share = "no sales" if found.share is None else f"{written(Number(found.share, '%'))} of sales"
    _say(canvas, end + 6, top - 31, share, _Ink(8.5))
    _say(canvas, _MARGIN, top - 46, _leaked_then(then, board.currency), _Ink(7.5, _QUIET))
    parts = (
        ("written off", found.written_off),
        ("open over 120 days late", found.uncollected),
        ("never billed", found.missed),
    )
    for number, (label, sum_) in enumerate(parts):
        y = top - 14 - number * 14
        _say(canvas, _RIGHT - _CHART + 40, y, label, _Ink(8, _QUIET))
        canvas.setFillColor(HexColor(_INK))
        canvas.setFont(_TEXT, 8)
        canvas.drawRightString(_RIGHT, y, _printable(written(Amount(sum_, board.currency))))


def _leaked_then(then: Leakage | None, currency: str) -> str:
    if then is None:
        return "no baseline"
    share = "" if then.share is None else f", {written(Number(then.share, '%'))} of sales"
    return f"baseline {written(Amount(then.amount, currency))}{share}"


def _small_print(canvas: Any, board: Board, definitions: Sequence[Definition]) -> None:
    """Definitions in two columns, in the largest type in which all of them fit."""
    bottom, height = _PRINT
    said = [_defined(one) for one in definitions]
    texts = [*said, f"<b>Amounts:</b> {escape(' '.join(remarks(board)))}"]
    gap = 18
    width = (_RIGHT - _MARGIN - gap) / 2
    columns: list[list[Any]] = []
    for size in (6.4, 6.0, 5.6, 5.2, 4.8, 4.4, 4.0):
        columns, left = _columns(texts, size, width, height)
        if not left:
            break
    for number, column in enumerate(columns):
        y = float(bottom + height)
        for paragraph in column:
            _, needs = paragraph.wrap(width, height)
            paragraph.drawOn(canvas, _MARGIN + number * (width + gap), y - needs)
            y -= needs + 2.5
    foot = "All of each definition is in the help of its report, such as: counterfoil report dso"
    _say(canvas, _MARGIN, 22, f"{foot} --help", _Ink(6, _QUIET))


def _columns(
    texts: Sequence[str], size: float, width: float, height: float
) -> tuple[list[list[Any]], int]:
    """Paragraphs in two columns, and how many there was no room for."""
    style = ParagraphStyle(
        "small", fontName=_TEXT, fontSize=size, leading=size * 1.28, textColor=HexColor(_QUIET)
    )
    rest = [Paragraph(_printable(text), style) for text in texts]
    columns: list[list[Any]] = [[], []]
    for column in columns:
        room = height
        while rest and (needs := rest[0].wrap(width, height)[1] + 2.5) <= room:
            room -= needs
            column.append(rest.pop(0))
    return columns, len(rest)


def _defined(one: Definition) -> str:
    """What it is, and how it is reckoned; the other notes are in the help."""
    formula = dict(one.notes).get("Formula", "")
    title, _, meaning = one.title.partition(": ")
    how = f"{formula[:1].upper()}{formula[1:]}"
    return f"<b>{escape(title)}:</b> {escape(meaning)} {escape(how)}"
