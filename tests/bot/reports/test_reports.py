"""Does every report answer a person, a script and a spreadsheet, and say how it reckons?"""

import csv
import datetime as dt
import io
import json
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import structlog
from PIL import Image
from typer.testing import CliRunner, Result

from billing import shipped
from billing.keyring import new_master_key
from billing.metrics import Period
from billing.metrics.receivables import Leakage
from billing.store import Store
from bot import cli
from bot.reports import page
from bot.reports.answer import Number
from bot.reports.board import Board, Measure
from bot.reports.catalogue import BOARD, REPORTS, Entry
from tests.bot.reports import year

Run = Callable[..., Result]
ROOT = Path(__file__).parents[3]
NAMES = [*REPORTS, "board"]
AS_OF = ("--as-of", "2025-12-31")


def runner(environ: Mapping[str, str]) -> Run:
    def run(*args: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli.app, list(args), env=environ)
        structlog.reset_defaults()
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Path:
    """An empty store and its keys."""
    folder = tmp_path_factory.mktemp("reports")
    shutil.copy(sqlite_template, folder / "cf.db")
    new_master_key(folder / "cf.key")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, place: Path) -> Run:
    """Commands over the year that is known by hand."""
    folder = tmp_path_factory.mktemp("year")
    for file in ("cf.db", "cf.key"):
        shutil.copy(place / file, folder / file)
    with closing(Store(f"sqlite:///{folder / 'cf.db'}")) as store:
        store.write_now(year.tell)
    return runner({"COUNTERFOIL_DATABASE_URL": f"sqlite:///{folder / 'cf.db'}"})


@pytest.fixture
def empty(place: Path) -> Run:
    return runner({"COUNTERFOIL_DATABASE_URL": f"sqlite:///{place / 'cf.db'}"})


def said(result: Result) -> Any:
    return json.loads(result.stdout)


def figures(answer: Any, currency: str | None = "USD") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for section in answer["sections"]:
        if section["currency"] == currency:
            found |= section["figures"]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_report_answers_in_every_form(run: Run, tmp_path: Path, name: str) -> None:
    png = tmp_path / "drawn.png"
    answer = said(run("report", name, *AS_OF, "--json", "--png", str(png)))
    assert (answer["report"], answer["as_of"]) == (name, "2025-12-31")
    assert answer["sections"]
    assert answer["definitions"]
    with Image.open(png) as image:
        assert image.format == "PNG"


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_store_says_so(empty: Run, name: str) -> None:
    assert "nothing in the books yet" in run_words(empty("report", name))
    assert said(empty("report", name, "--json"))["sections"] == []


def run_words(result: Result) -> str:
    return " ".join(result.stdout.split())


def test_the_year_comes_to_what_is_known_by_hand(run: Run) -> None:
    """Days late 10; the 5 bills of spring to autumn that were late are paid; NRR 112 of 107."""
    dso = figures(said(run("report", "dso", *AS_OF, "--json")))
    assert (dso["receivable"]["minor"], dso["sales"]["minor"]) == (942_000, 917_000)
    assert dso["dso"]["value"] == round(942 / 917 * 90, 4)
    assert dso["best_possible_dso"]["value"] == round(386 / 917 * 90, 4)
    late = figures(said(run("report", "days-late", *AS_OF, "--days", "365", "--json")))
    assert (late["simple"]["value"], late["weighted"]["value"]) == (10, 10)
    kept = figures(said(run("report", "promises", *AS_OF, "--json")))
    assert (kept["by_amount"]["value"], kept["standing"]["minor"]) == (50, 70_000)
    billed = figures(said(run("report", "time-to-invoice", *AS_OF, "--json")), None)
    assert (billed["median"]["value"], billed["unknown"]) == (2, 1)
    wrong = figures(said(run("report", "billing-errors", *AS_OF, "--json")), None)
    assert [wrong[key] for key in ("duplicates", "incorrect", "missed")] == [1, 1, 1]
    retained = figures(said(run("report", "retention", *AS_OF, "--json")))
    assert retained["nrr"]["value"] == round(112 / 107 * 100, 4)
    assert retained["grr"]["value"] == round(100 / 107 * 100, 4)
    leaks = figures(said(run("report", "leakage", *AS_OF, "--json")))
    assert [leaks[key]["minor"] for key in ("written_off", "uncollected", "missed")] == [
        40_000,
        25_000,
        60_000,
    ]
    waits = figures(said(run("report", "response-times", *AS_OF, "--json")), None)
    assert (waits["first_median"]["value"], waits["waiting"]) == (4, 1)
    work = figures(said(run("report", "hours", *AS_OF, "--json")), None)
    assert work["hours"]["value"] == 9 * (6 + 1 + 2 + 1) / 60
    touched = figures(said(run("report", "touches", *AS_OF, "--days", "365", "--json")), None)
    assert (touched["invoices"], touched["untouched"]) == (27, 0)


def test_aging_is_by_client_and_adds_up(run: Run) -> None:
    (usd,) = [
        one
        for one in said(run("report", "aging", *AS_OF, "--json"))["sections"]
        if one["currency"] == "USD"
    ]
    assert [row["client"] for row in usd["rows"]] == ["Southgate Zoë", "Northwind Trading"]
    assert sum(row["open"]["minor"] for row in usd["rows"]) == usd["figures"]["open"]["minor"]
    assert usd["figures"]["open"]["written"] == "$9,420.00"


def test_csv_is_plain_numbers_with_their_currency(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(run("report", "aging", *AS_OF, "--csv").stdout)))
    assert [row["currency"] for row in rows] == ["EUR", "USD", "USD"]
    assert rows[1]["open"] == "4830.00"
    dso = list(csv.DictReader(io.StringIO(run("report", "dso", *AS_OF, "--csv").stdout)))
    assert {row["figure"] for row in dso} >= {"dso", "dso_countback", "add"}


@pytest.mark.parametrize("name", ["aging", "dso", "board"])
def test_one_currency_can_be_asked_for(run: Run, name: str) -> None:
    answer = said(run("report", name, *AS_OF, "--currency", "eur", "--json"))
    assert {section["currency"] for section in answer["sections"]} == {"EUR"}


@pytest.mark.parametrize(
    ("args", "names"),
    [
        pytest.param(("dos",), "dso", id="report"),
        pytest.param(("dso", "--currency", "JPY"), "EUR, USD", id="currency"),
        pytest.param(("dso", "--entity", "Nobody"), year.FIRM, id="entity"),
        pytest.param(("dso", "--as-of", "31.12."), "2026-01-31", id="day"),
        pytest.param(("aging", "--png", "/nowhere/a.png"), "another place", id="file"),
        pytest.param(("board", *AS_OF, "--baseline", "2026-02-01"), "2025-12-31", id="baseline"),
    ],
)
def test_what_is_not_there_is_one_sentence_with_what_is(
    run: Run, args: tuple[str, ...], names: str
) -> None:
    sentence = run("report", *args, code=2).stderr.strip()
    assert len(sentence.splitlines()) == 1
    assert names in sentence


def test_the_example_firm_has_a_board(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ("cf.db", "cf.key"):
        shutil.copy(place / file, tmp_path / file)
    example = runner({"COUNTERFOIL_DATABASE_URL": f"sqlite:///{tmp_path / 'cf.db'}"})
    firm = str(shipped.path("examples", "firm.toml"))
    example("import", str(shipped.path("examples", "portfolio.csv")), "--firm", firm)
    pdf = tmp_path / "board.pdf"
    result = example("report", "board", "--as-of", "2026-04-30", "--pdf", str(pdf))
    assert "USD only" in run_words(result)
    assert pdf.read_bytes().startswith(b"%PDF")
    assert len(re.findall(rb"/Type /Page\b", pdf.read_bytes())) == 1


# --- definitions: one text, in the help, beside the number and in the documentation ---------------


def documented(name: str, entry: Entry) -> str:
    """The section of the documentation for a report."""
    lines = [f"### counterfoil report {name}", "", f"{entry.line}.", ""]
    for one in entry.definitions:
        title, _, meaning = one.title.partition(": ")
        lines += [f"**{title}**: {meaning}", ""]
        lines += [f"- {head}: {text}" for head, text in one.notes]
        lines.append("")
    return "\n".join(lines)


@pytest.mark.parametrize("name", REPORTS)
def test_the_documentation_says_what_the_code_says(name: str) -> None:
    assert documented(name, REPORTS[name]) in (ROOT / "docs/reports.md").read_text() + "\n"


@pytest.mark.parametrize("name", ["dso", "board"])
def test_the_help_of_a_report_is_its_definition(empty: Run, name: str) -> None:
    entry = REPORTS.get(name, BOARD)
    shown = re.sub(r"[^\w/]+", "", empty("report", name, "--help").stdout)
    for one in entry.definitions:
        assert re.sub(r"[^\w/]+", "", one.title) in shown


@pytest.mark.parametrize("name", REPORTS)
def test_every_definition_says_what_it_does_with_odd_money(name: str) -> None:
    heads = " ".join(head for one in REPORTS[name].definitions for head, _ in one.notes).lower()
    assert "formula" in heads
    assert "source" in heads
    money = {"touches", "response-times", "hours", "time-to-invoice", "billing-errors"}
    assert name in money or "foreign money" in heads


HUGE = Number(Fraction(10**9), "hours")
NONE = Number(None, "days")
MEASURE = Measure(
    key="dso", title="DSO (countback), JPY", now=HUGE, then=NONE, better="less",
    trend=[(dt.date(2025, 1, 1), None), (dt.date(2025, 2, 1), Fraction(10**9))],
    note="a long note that goes on " * 30,
)  # fmt: skip


@pytest.mark.parametrize("then", [None, Leakage(0, 0, 0, None)])
@pytest.mark.parametrize("trend", [[], MEASURE.trend])
def test_any_board_is_one_page(then: Leakage | None, trend: Any) -> None:
    period = Period(dt.date(2025, 1, 1), dt.date(2025, 3, 31))
    measures = [replace(MEASURE, trend=trend), replace(MEASURE, now=NONE, then=HUGE)]
    board = Board(
        firm="Łódź & Sons <LLP> " * 20, currency="JPY", others=["EUR"] * 40, as_of=period.last,
        period=period, baseline=period if then else None, measures=(measures * 3)[:5],
        leakage=Leakage(10**15, 0, 0, Fraction(1)), leakage_then=then, unapplied=0, disputed=0,
    )  # fmt: skip
    drawn = page.draw(board, BOARD.definitions)
    assert len(re.findall(rb"/Type /Page\b", drawn)) == 1
    assert page.draw(board, BOARD.definitions) == drawn


def test_a_sign_that_the_font_lacks_is_never_an_empty_box() -> None:
    page._register()
    assert page._printable("Zoë, Łódź & Ǻ 株") == "Zoë, Łódz & A ?"
