"""How do weeks of money and messages, and the figures of a report, look as a picture?

Pure: figures in, a PNG out. ``history`` draws panels over one axis of weeks: cash that came in
above, notices that went out below, one colour per step, and a panel more where a second policy is
compared. ``columns`` draws a panel of named columns for each currency, or each figure.
"""

import datetime as dt
import io
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from PIL import Image, ImageDraw, ImageFont

from billing import money

Cash = Mapping[str, Mapping[str, int]]
"""Minor units by currency and ISO day."""
Notices = Mapping[str, Mapping[int, int]]
"""How often each step was taken, by ISO day."""

WIDTH, PANEL = 1400, 300
_HEAD, _GAP, _FOOT = 100, 74, 56
_LEFT, _RIGHT = 110, 40
_SCALE = 2
"""Drawn larger and reduced, so that edges are smooth."""
_INK, _QUIET, _LINE, _PAPER = "#1d2733", "#66758a", "#e4e8ee", "#ffffff"
_CASH = "#2f6f6b"
_STEPS = ("#e9b44c", "#d9772b", "#a8323e", "#5b3a8c", "#33658a", "#6b8f47")


@dataclass(frozen=True, slots=True)
class Weeks:
    """What is drawn, from the first day to the last."""

    title: str
    first: dt.date
    last: dt.date
    cash: Cash
    notices: Mapping[str, Notices]
    """By the name of the policy."""
    steps: Mapping[int, str] = field(default_factory=dict)
    """What each step is called in the legend."""


@dataclass(frozen=True, slots=True)
class _Bar:
    """A week: its stack of values, the lowest first, each with its colour."""

    parts: tuple[tuple[float, str], ...]

    @property
    def height(self) -> float:
        return sum(value for value, _ in self.parts)


@dataclass(frozen=True, slots=True)
class _Panel:
    """A title, a bar for each week, and what the axis says of a value."""

    title: str
    bars: Sequence[_Bar]
    legend: tuple[tuple[str, str], ...] = ()


def history(weeks: Weeks) -> bytes:
    """The picture as PNG."""
    panels = [_cash_panel(weeks), *_notice_panels(weeks)]
    height = _HEAD + len(panels) * (PANEL + _GAP) + _FOOT - _GAP // 2
    image = Image.new("RGB", (WIDTH * _SCALE, height * _SCALE), _PAPER)
    canvas = _Canvas(image)
    canvas.text(_LEFT, 26, weeks.title, 26, _INK)
    canvas.text(_LEFT, 62, f"{weeks.first:%-d %B %Y} to {weeks.last:%-d %B %Y}, by week", 15)
    for number, panel in enumerate(panels):
        top = _HEAD + 30 + number * (PANEL + _GAP)
        _draw(canvas, panel, top, weeks)
    return _png(image, height)


@dataclass(frozen=True, slots=True)
class Columns:
    """A panel of named columns, each a stack of values; ``parts`` names what is stacked."""

    title: str
    columns: Sequence[tuple[str, tuple[float, ...]]]
    parts: tuple[str, ...] = ()
    digits: int = 0


def columns(title: str, below: str, panels: Sequence[Columns]) -> bytes:
    """Named columns as PNG, a panel below the other."""
    height = _HEAD + max(1, len(panels)) * (PANEL + _GAP) + _FOOT - _GAP // 2
    image = Image.new("RGB", (WIDTH * _SCALE, height * _SCALE), _PAPER)
    canvas = _Canvas(image)
    canvas.text(_LEFT, 26, title, 26, _INK)
    canvas.text(_LEFT, 62, below, 15)
    if not panels:
        canvas.text(_LEFT, _HEAD + 30, "There is nothing to draw yet.", 17)
    for number, panel in enumerate(panels):
        _draw_columns(canvas, panel, _HEAD + 30 + number * (PANEL + _GAP))
    return _png(image, height)


def _png(image: Image.Image, height: int) -> bytes:
    small = image.resize((WIDTH, height), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, "PNG", optimize=True)
    return file.getvalue()


def _draw_columns(canvas: "_Canvas", panel: Columns, top: int) -> None:
    colours = (_CASH, *_STEPS)
    legend = tuple(zip(panel.parts, colours, strict=False))
    bars = [_Bar(tuple(zip(stack, colours, strict=False))) for _, stack in panel.columns]
    canvas.text(_LEFT, top - 34, panel.title, 17, _INK)
    _draw_legend(canvas, _Panel(panel.title, bars, legend), top)
    ticks = _ticks(max((bar.height for bar in bars), default=0))
    bottom, scale = top + PANEL - 30, (PANEL - 60) / (ticks[-1] or 1)
    for tick in ticks:
        y = bottom - tick * scale
        canvas.line(_LEFT, y, WIDTH - _RIGHT, y)
        canvas.text(_LEFT - 12, y - 9, f"{tick:,.0f}", 14, anchor="ra")
    wide = (WIDTH - _LEFT - _RIGHT) / max(1, len(bars))
    every = math.ceil(len(bars) / 14)
    for number, (bar, (label, _)) in enumerate(zip(bars, panel.columns, strict=True)):
        middle, low = _LEFT + (number + 0.5) * wide, float(bottom)
        half = min(wide * 0.38, 60)
        for value, colour in bar.parts:
            canvas.box(middle - half, low - value * scale, middle + half, low, colour)
            low -= max(0, value) * scale
        if number % every == 0:
            canvas.text(middle, bottom + 9, label, 14, anchor="ma")
            if bar.height:
                canvas.text(middle, low - 8, f"{bar.height:,.{panel.digits}f}", 14, _INK, "ms")


def _mondays(weeks: Weeks) -> Iterator[dt.date]:
    monday = weeks.first - dt.timedelta(days=weeks.first.weekday())
    while monday <= weeks.last:
        yield monday
        monday += dt.timedelta(days=7)


def _week_of(day: str) -> dt.date:
    found = dt.date.fromisoformat(day)
    return found - dt.timedelta(days=found.weekday())


def _cash_panel(weeks: Weeks) -> _Panel:
    """Of several currencies the one with the most payments: they are never added up."""
    currency = max(weeks.cash, key=lambda one: len(weeks.cash[one]), default="")
    sums: dict[dt.date, int] = {}
    for day, amount in weeks.cash.get(currency, {}).items():
        sums[_week_of(day)] = sums.get(_week_of(day), 0) + amount
    unit = 10 ** money.exponent(currency) if currency else 1
    bars = [_Bar(((sums.get(monday, 0) / unit, _CASH),)) for monday in _mondays(weeks)]
    others = sorted(set(weeks.cash) - {currency})
    more = f"; not shown: {', '.join(others)}" if others else ""
    return _Panel(f"Cash received{f', {currency}{more}' if currency else ''}", bars)


def _notice_panels(weeks: Weeks) -> Iterator[_Panel]:
    for name, days in weeks.notices.items():
        sums: dict[tuple[dt.date, int], int] = {}
        for day, steps in days.items():
            for step, number in steps.items():
                place = (_week_of(day), step)
                sums[place] = sums.get(place, 0) + number
        bars = [
            _Bar(tuple((sums.get((monday, step), 0), _colour(step)) for step in weeks.steps))
            for monday in _mondays(weeks)
        ]
        legend = tuple((label, _colour(step)) for step, label in weeks.steps.items())
        several = f", policy {name}" if len(weeks.notices) > 1 else ""
        yield _Panel(f"Notices and escalations{several}", bars, legend=legend)


def _colour(step: int) -> str:
    return _STEPS[(step - 1) % len(_STEPS)]


def _draw(canvas: "_Canvas", panel: _Panel, top: int, weeks: Weeks) -> None:
    canvas.text(_LEFT, top - 34, panel.title, 17, _INK)
    _draw_legend(canvas, panel, top)
    ticks = _ticks(max((bar.height for bar in panel.bars), default=0))
    bottom, scale = top + PANEL - 30, (PANEL - 40) / (ticks[-1] or 1)
    for tick in ticks:
        y = bottom - tick * scale
        canvas.line(_LEFT, y, WIDTH - _RIGHT, y)
        canvas.text(_LEFT - 12, y - 9, f"{tick:,.0f}", 14, anchor="ra")
    wide = (WIDTH - _LEFT - _RIGHT) / max(1, len(panel.bars))
    for number, bar in enumerate(panel.bars):
        left = _LEFT + number * wide
        low = float(bottom)
        for value, colour in bar.parts:
            canvas.box(left + wide * 0.12, low - value * scale, left + wide * 0.88, low, colour)
            low -= value * scale
    _draw_months(canvas, bottom, wide, list(_mondays(weeks)))


def _draw_legend(canvas: "_Canvas", panel: _Panel, top: int) -> None:
    right = float(WIDTH - _RIGHT)
    for label, colour in reversed(panel.legend):
        right -= canvas.width(label, 14)
        canvas.text(right, top - 32, label, 14)
        canvas.box(right - 20, top - 28, right - 8, top - 16, colour)
        right -= 44


def _draw_months(canvas: "_Canvas", bottom: float, wide: float, mondays: list[dt.date]) -> None:
    """A mark where a month begins, named as often as there is room, January always by its year."""
    begins = [
        number
        for number, (before, monday) in enumerate(itertools.pairwise(mondays), 1)
        if before.month != monday.month
    ]
    crowd = len(begins) * 66 / (WIDTH - _LEFT - _RIGHT)
    every = next((one for one in (1, 2, 3, 4, 6, 12) if one >= crowd), 12)
    for number in begins:
        x = _LEFT + number * wide
        canvas.line(x, bottom, x, bottom + 6)
        month = mondays[number]
        if (month.month - 1) % every == 0:
            label = f"{month:%b %Y}" if month.month == 1 else f"{month:%b}"
            fits = WIDTH - 8 - canvas.width(label, 14)
            canvas.text(min(x, fits), bottom + 9, label, 14)


def _ticks(most: float) -> list[float]:
    """A few round numbers from 0 to just above the highest bar."""
    rough = max(most, 1) / 4
    power = 10 ** math.floor(math.log10(rough))
    step = max(1, next(power * one for one in (1, 2, 5, 10) if power * one >= rough))
    return [step * number for number in range(math.ceil(max(most, 1) / step) + 1)]


class _Canvas:
    """Draws in the units of the finished picture."""

    def __init__(self, image: Image.Image) -> None:
        self._draw = ImageDraw.Draw(image)

    def text(
        self, x: float, y: float, text: str, size: int, colour: str = _QUIET, anchor: str = "la"
    ) -> None:
        place = (x * _SCALE, y * _SCALE)
        self._draw.text(place, text, fill=colour, font=_font(size), anchor=anchor)

    def width(self, text: str, size: int) -> float:
        return float(self._draw.textlength(text, font=_font(size))) / _SCALE

    def line(self, x: float, y: float, to_x: float, to_y: float) -> None:
        ends = [(x * _SCALE, y * _SCALE), (to_x * _SCALE, to_y * _SCALE)]
        self._draw.line(ends, fill=_LINE, width=_SCALE)

    def box(self, left: float, top: float, right: float, bottom: float, colour: str) -> None:
        if bottom - top > 0:
            corners = (left * _SCALE, top * _SCALE, right * _SCALE, bottom * _SCALE)
            self._draw.rectangle(corners, fill=colour)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * _SCALE)
