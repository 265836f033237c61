import datetime as dt
import io
from dataclasses import replace

import pytest
from PIL import Image

from bot import charts
from bot.charts import Columns, Weeks

WEEKS = Weeks(
    title="A firm",
    first=dt.date(2026, 1, 5),
    last=dt.date(2026, 3, 29),
    cash={"USD": {"2026-01-06": 10_000, "2026-01-07": 5_000, "2026-03-01": 2_500}},
    notices={"default": {"2026-02-03": {1: 3}, "2026-02-18": {1: 1, 2: 2}}},
    steps={1: "30 days", 2: "45 days"},
)


def opened(picture: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(picture))
    image.load()
    return image


def colours(picture: bytes) -> set[str]:
    image = opened(picture).convert("RGB")
    found = image.getcolors(image.width * image.height) or []
    return {"#{:02x}{:02x}{:02x}".format(*colour) for _, colour in found}  # type: ignore[misc]


def test_money_and_every_step_have_a_colour_of_their_own() -> None:
    drawn = colours(charts.history(WEEKS))
    assert {"#2f6f6b", "#e9b44c", "#d9772b"} <= drawn
    assert "#a8323e" not in drawn


def test_a_second_policy_is_a_panel_more() -> None:
    two = replace(WEEKS, notices={"default": {}, "later.toml": {}})
    difference = opened(charts.history(two)).height - opened(charts.history(WEEKS)).height
    assert difference > charts.PANEL


@pytest.mark.parametrize(
    "weeks",
    [
        pytest.param(replace(WEEKS, cash={}, notices={"default": {}}), id="nothing happened"),
        pytest.param(replace(WEEKS, last=WEEKS.first), id="one day"),
        pytest.param(replace(WEEKS, first=dt.date(2016, 1, 4)), id="ten years"),
        pytest.param(replace(WEEKS, cash={"JPY": {"2026-01-06": 10**15}}), id="large"),
        pytest.param(replace(WEEKS, cash={**WEEKS.cash, "EUR": {}}), id="two currencies"),
    ],
)
def test_every_history_can_be_drawn(weeks: Weeks) -> None:
    assert opened(charts.history(weeks)).width == charts.WIDTH


def test_the_same_figures_make_the_same_picture() -> None:
    assert charts.history(WEEKS) == charts.history(WEEKS)


@pytest.mark.parametrize(
    ("most", "ticks"),
    [(0, [0, 1]), (3, [0, 1, 2, 3]), (10, [0, 5, 10]), (2356, [0, 1000, 2000, 3000])],
)
def test_the_axis_has_a_few_whole_round_numbers(most: float, ticks: list[float]) -> None:
    assert charts._ticks(most) == ticks


@pytest.mark.parametrize(
    "panels",
    [
        pytest.param([], id="nothing"),
        pytest.param([Columns("Open", [])], id="an empty panel"),
        pytest.param([Columns("Open", [("current", (0.0, 0.0))], ("own", "others"))], id="zero"),
        pytest.param([Columns("Days", [("a", (-3.0,)), ("b", (2.5,))], digits=1)], id="negative"),
        pytest.param([Columns("Open", [(str(n), (n * 1e9,)) for n in range(90)])] * 3, id="much"),
    ],
)
def test_every_figure_can_be_drawn(panels: list[Columns]) -> None:
    assert opened(charts.columns("Report", "as of today", panels)).width == charts.WIDTH


def test_what_is_stacked_has_a_colour_of_its_own() -> None:
    panel = Columns("Open", [("current", (3.0, 2.0))], ("own", "others"))
    assert {"#2f6f6b", "#e9b44c"} <= colours(charts.columns("Aging", "today", [panel]))
