"""Does a replay do what the product does? Counted beside it from the CSV alone, by nobody else."""

import asyncio
import csv
import datetime as dt
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from billing import policy, shipped
from bot import cli, replay
from bot.replay import Asked
from bot.report import Report, silent

REAL = Path(__file__).parents[3] / "shared" / "data" / "accounts_receivable.csv"
THEIRS = {
    "client": "customerID",
    "invoice": "invoiceNumber",
    "issued": "InvoiceDate",
    "due": "DueDate",
    "amount": "InvoiceAmount",
    "disputed": "Disputed",
    "paid": "SettledDate",
}
OURS = {name: name for name in THEIRS}
WHOLE = bool(os.environ.get("WHOLE_HISTORY"))
DAY = dt.timedelta(days=1)
LADDER = (30, 45, 60)
HEADER = "client,invoice,issued,due,amount,paid,paid_amount,disputed,email,timezone"
Count = dict[str, Any]


def replayed(file: Path, **flags: Any) -> Report:
    return asyncio.run(replay.run(Asked(file=file, **flags), silent))


def told(report: Report) -> dict[str, Any]:
    """What a program reads, through JSON."""
    found: dict[str, Any] = json.loads(json.dumps(report.data, default=str))
    return found


def history(folder: Path, *rows: str) -> Path:
    file = folder / "history.csv"
    file.write_text("\n".join([HEADER, *rows]) + "\n")
    return file


# --- an independent count -------------------------------------------------------------------------


def day(written: str) -> dt.date | None:
    if "/" in written:
        month, day_, year = map(int, written.split("/"))
        return dt.date(year, month, day_)
    return dt.date.fromisoformat(written) if written else None


def by_hand(file: Path, names: Mapping[str, str], count_from: str = "issued") -> Count:
    """Each invoice by itself: what the ladder does to it, from the rows of the file alone."""
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    days = [day(row[names[one]]) for row in rows for one in ("issued", "paid")]
    last = max(one for one in days if one is not None)
    notices: Counter[int] = Counter()
    by_day: Counter[tuple[str, int]] = Counter()
    reminders: Counter[int] = Counter()
    waited: list[int] = []
    cash: Counter[tuple[str, str]] = Counter()
    for row in rows:
        issued, due, paid = (day(row[names[one]]) for one in ("issued", "due", "paid"))
        assert issued is not None
        assert due is not None
        minor = 1 if row.get("currency") == "JPY" else 100
        amount = round(float(row[names["amount"]]) * minor)
        part = row.get("paid_amount") or ""
        received = round(float(part) * minor) if part else amount
        settled = paid if paid is not None and received >= amount else None
        if paid is not None:
            cash[row.get("currency") or "USD", str(paid)] += received
        taken, before = 0, None
        for step, offset in enumerate(LADDER, 1):
            counted = issued if count_from == "issued" else due
            on = max(counted + offset * DAY, due + DAY)
            if before is not None:
                on = max(on, before + (offset - LADDER[step - 2]) * DAY)
            if on > last or (settled is not None and settled <= on):
                break
            notices[step] += 1
            by_day[str(on), step] += 1
            taken, before = step, on
        if settled is not None:
            reminders[min(taken, 2)] += 1
            waited.append((settled - issued).days)
    return {
        "notices": {step: notices[step] for step in (1, 2, 3)},
        "by_day": by_day,
        "reminders": dict(reminders),
        "mean": round(sum(waited) / len(waited), 2),
        "cash": dict(cash),
    }


def from_report(report: Report) -> Count:
    data = told(report)
    return {
        "notices": {one["step"]: one["notices"] for one in data["steps"]},
        "by_day": Counter(
            {
                (on, int(step)): number
                for on, steps in data["notices_by_day"].items()
                for step, number in steps.items()
            }
        ),
        "reminders": {int(one): n for one, n in data["reminders_per_paid_invoice"].items()},
        "mean": data["days_to_pay"]["mean"],
        "cash": {
            (currency, on): amount
            for currency, days in data["cash_by_day"].items()
            for on, amount in days.items()
        },
    }


def some_of(whole: Path, folder: Path, every: int) -> Path:
    """A file with each so-and-so-many-th invoice; with all of them where that is asked for."""
    head, *rows = whole.read_text().splitlines()
    file = folder / whole.name
    file.write_text("\n".join([head, *rows[:: 1 if WHOLE else every]]) + "\n")
    return file


@pytest.mark.timeout(600)
@pytest.mark.skipif(not REAL.exists(), reason=f"{REAL.name} is not on this machine")
def test_two_years_of_a_real_firm_agree_with_a_count_by_hand(tmp_path: Path) -> None:
    """Every sixteenth invoice of the two years; all of them with ``make history``."""
    file = some_of(REAL, tmp_path, 16)
    bare = from_report(replayed(file, mapping=THEIRS, bare=True, group_by="invoice"))
    assert bare == by_hand(file, THEIRS)


def made_up(folder: Path, seed: int) -> Path:
    """A history with every kind of term, payment and place."""
    chance = random.Random(seed)
    zones = ("", "Pacific/Auckland", "Pacific/Honolulu")
    homes = {f"c{number}": chance.choice(zones) for number in range(6)}
    rows = []
    for number in range(20):
        client = chance.choice(list(homes))
        issued = dt.date(2025, 2, 1) + chance.randrange(60) * DAY
        due = issued + chance.choice((0, 7, 14, 29, 30, 31, 44, 45, 46, 60, 75)) * DAY
        late = chance.choice((0, 1, 29, 30, 31, 32, 45, 46, 47, 59, 60, 61, 62, 90, 200))
        paid = str(issued + late * DAY) if chance.random() < 0.8 else ""
        amount = chance.randrange(2, 1000)
        part = str(chance.randrange(1, amount)) if paid and chance.random() < 0.2 else ""
        disputed = chance.choice(("yes", "no", ""))
        cells = [client, f"I-{number}", issued, due, amount, paid, part, disputed, ""]
        rows.append(",".join(map(str, [*cells, homes[client]])))
    return history(folder, *rows)


@pytest.mark.parametrize(("seed", "count_from"), [(1, "issued"), (2, "issued"), (3, "due")])
def test_any_history_agrees_with_a_count_by_hand(
    tmp_path: Path, seed: int, count_from: str
) -> None:
    file = made_up(tmp_path, seed)
    report = replayed(file, bare=True, count_from=count_from)
    assert from_report(report) == by_hand(file, OURS, count_from)


def test_the_shipped_example_of_a_firm_agrees_with_a_count_by_hand(tmp_path: Path) -> None:
    """Every third invoice, in each of its currencies; all of them with ``make history``."""
    file = some_of(shipped.path("examples", "portfolio.csv"), tmp_path, 3)
    counted = from_report(replayed(file, bare=True))
    assert counted == by_hand(file, OURS)
    assert len({currency for currency, _ in counted["cash"]}) > 3


# --- as the firm would have lived it --------------------------------------------------------------

LATE = "a,A-1,2026-01-05,2026-02-04,100,2026-04-01,,no,a@a.example,America/New_York"


def notices(report: Report) -> list[int]:
    return [one["notices"] for one in told(report)["steps"]]


def test_debts_of_one_client_share_a_notice(tmp_path: Path) -> None:
    again = LATE.replace("A-1", "A-2")
    assert notices(replayed(history(tmp_path, LATE, again))) == [1, 1, 1]


def test_grouped_by_invoice_each_debt_has_its_own(tmp_path: Path) -> None:
    again = LATE.replace("A-1", "A-2")
    report = replayed(history(tmp_path, LATE, again), group_by="invoice")
    assert notices(report) == [2, 2, 2]
    assert told(report)["stopped"]["budget_day"] >= 1


def test_two_payments_of_a_day_are_both_there_before_its_step(tmp_path: Path) -> None:
    day_of_step = LATE.replace("2026-04-01", "2026-02-05")
    file = history(tmp_path, day_of_step, day_of_step.replace("A-1", "A-2"))
    assert notices(replayed(file)) == [0, 0, 0]


def test_what_is_disputed_is_held_and_bare_it_is_not(tmp_path: Path) -> None:
    file = history(tmp_path, LATE.replace(",no,", ",yes,"))
    held = replayed(file)
    assert notices(held) == [0, 0, 0]
    assert told(held)["stopped"]["disputed"] == 1
    assert notices(replayed(file, bare=True)) == [1, 1, 1]


def test_a_reminder_waits_for_the_client_s_morning(tmp_path: Path) -> None:
    data = told(replayed(history(tmp_path, LATE)))
    assert data["stopped"]["quiet_hours"] >= 2
    assert data["messages"]["email"] == {"dunning": 2, "receipt": 1}
    assert data["escalations"] == 1
    assert data["withheld"] == {}


def test_a_client_without_an_address_is_told_apart_where_others_have_one(tmp_path: Path) -> None:
    silent_one = "b,B-1,2026-01-05,2026-02-04,100,2026-04-01,,no,,"
    data = told(replayed(history(tmp_path, LATE, silent_one)))
    assert data["withheld"]["no_address"] >= 1
    assert data["on_paper"] is False


def test_a_file_without_addresses_is_replayed_on_paper(tmp_path: Path) -> None:
    report = replayed(history(tmp_path, LATE.replace("a@a.example", "")))
    assert notices(report) == [1, 1, 1]
    assert any("mailbox on paper" in line for line in report.lines)


def test_begun_later_the_past_is_imported_and_causes_no_burst(tmp_path: Path) -> None:
    data = told(replayed(history(tmp_path, LATE), first=dt.date(2026, 2, 25)))
    assert [(one["notices"], one["credited"]) for one in data["steps"]] == [(0, 1), (1, 0), (1, 0)]
    assert data["days_to_pay"]["count"] == 1


def test_nothing_happens_after_the_last_day(tmp_path: Path) -> None:
    data = told(replayed(history(tmp_path, LATE), last=dt.date(2026, 2, 10)))
    assert [one["notices"] for one in data["steps"]] == [1, 0, 0]
    assert data["cash_by_day"] == {}


def test_two_policies_stand_side_by_side(tmp_path: Path) -> None:
    later = tmp_path / "later.toml"
    later.write_text('[dunning]\ncount_from = "due"\n')
    report = replayed(history(tmp_path, LATE), against=later)
    steps = next(table for table in report.tables if table.title == "Notices by step")
    assert steps.columns == ["", "default", "later.toml", "difference"]
    assert [list(row[1:]) for row in steps.rows] == [
        ["1", "1", "="],
        ["1", "1", "="],
        ["1", "0", "-1"],
    ]
    assert told(report)["against"]["policy"]["count_from"] == "due"


def test_no_policy_changes_what_was_paid_and_the_report_says_so(tmp_path: Path) -> None:
    later = tmp_path / "later.toml"
    later.write_text('[dunning]\ncount_from = "due"\n')
    report = replayed(history(tmp_path, LATE), against=later)
    data = told(report)
    for name in data["as_it_was"]:
        assert data[name] == data["against"][name], name
    assert any(data[name] != data["against"][name] for name in data["may_differ"])
    figures = {*data["against"]} - {"policy", "seconds"}
    assert figures == {*data["as_it_was"], *data["may_differ"]}
    assert report.lines[-1].startswith("Assumed: clients pay and dispute as they did")


def test_the_days_are_a_spreadsheet_of_cash_and_notices(tmp_path: Path) -> None:
    later, days = tmp_path / "later.toml", tmp_path / "days.csv"
    later.write_text('[dunning]\ncount_from = "due"\n')
    replayed(history(tmp_path, LATE), against=later, csv=days)
    with days.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["day", "cash USD", "notices default", "notices later.toml"]
    assert [row["cash USD"] for row in rows if row["cash USD"] != "0.00"] == ["100.00"]
    assert [
        sum(int(row[f"notices {one}"]) for row in rows) for one in ("default", "later.toml")
    ] == [
        3,
        2,
    ]


@pytest.mark.skipif(not REAL.exists(), reason="the real history is not here")
def test_two_policies_over_a_real_history_differ_in_what_is_sent_alone(tmp_path: Path) -> None:
    """Ten invoices of it that were paid late: the whole is a command of its own."""
    with REAL.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if 8 <= int(row["DaysLate"]) <= 14][:10]
    with (tmp_path / "real.csv").open("w", newline="") as file:
        sheet = csv.DictWriter(file, list(rows[0]))
        sheet.writeheader()
        sheet.writerows(rows)
    patient = tmp_path / "patient.toml"
    patient.write_text(
        '[[dunning.steps]]\noffset = 50\naction = "remind"\ntemplate = "first_reminder"\n'
        'channels = ["email"]\n'
    )
    data = told(replayed(tmp_path / "real.csv", mapping=THEIRS, against=patient))
    assert data["invoices"] == data["days_to_pay"]["count"] == 10
    assert data["cash_by_day"] == data["against"]["cash_by_day"]
    assert data["days_to_pay"] == data["against"]["days_to_pay"]
    sent = [sum(step["notices"] for step in one["steps"]) for one in (data, data["against"])]
    assert sent[0] > sent[1]


def test_paid_without_a_date_is_left_out_and_said(tmp_path: Path) -> None:
    undated = "b,B-1,2026-01-05,2026-02-04,100,yes,,no,b@b.example,"
    report = replayed(history(tmp_path, LATE, undated))
    assert told(report)["paid_without_a_date"] == 1
    assert told(report)["invoices"] == 1


def test_the_progress_ends_at_the_last_day(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    asked = Asked(file=history(tmp_path, LATE), against=shipped.path("policy.toml"))
    asyncio.run(replay.run(asked, lambda done, whole: seen.append((done, whole))))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


# --- on the command line --------------------------------------------------------------------------

Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)

    def invoke(*args: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli.app, ["replay", *args])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return invoke


def test_the_command_draws_and_prints_json(command: Command, tmp_path: Path) -> None:
    file = history(tmp_path, LATE)
    out = command(str(file), "--bare", "--from", "2026-01-01", "--png", "weeks.png", "--json")
    assert json.loads(out.stdout)["from"] == "2026-01-01"
    assert (tmp_path / "weeks.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_leaves_nothing_behind(command: Command, tmp_path: Path) -> None:
    command(str(history(tmp_path, LATE)))
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        pytest.param(["--from", "yesterday"], "write the day like", id="no day"),
        pytest.param(["--group-by", "owner"], "write invoice or client", id="no group"),
        pytest.param(["--count-from", "paid"], "write issued or due", id="no start"),
        pytest.param(["--to", "2020-01-01"], "before it begins", id="backwards"),
        pytest.param(["--policy", "nowhere.toml"], "no file", id="no policy"),
        pytest.param(["--png", "nowhere/weeks.png"], "cannot be written", id="no place"),
        pytest.param(["--map", "client"], "--map", id="no mapping"),
    ],
)
def test_a_wrong_flag_is_one_sentence(
    command: Command, tmp_path: Path, flags: list[str], sentence: str
) -> None:
    result = command(str(history(tmp_path, LATE)), *flags, code=2)
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_a_bad_row_is_named_and_may_be_skipped(command: Command, tmp_path: Path) -> None:
    file = history(tmp_path, LATE, "b,A-1,2026-01-05,2026-02-04,5,,,no,b@b.example,")
    assert "A-1 is on line 2 too, for another client" in command(str(file), code=2).stdout
    assert json.loads(command(str(file), "--skip-bad", "--json").stdout)["invoices"] == 1


@pytest.mark.parametrize(
    ("client", "sentence"),
    [
        pytest.param("b", "A-1 is on line 2 too, for another client", id="another client"),
        pytest.param("a", "A-1 is on line 2 too, and Acme bills both", id="the same client"),
    ],
)
def test_what_names_no_entity_is_billed_by_the_first_of_the_file(
    command: Command, tmp_path: Path, client: str, sentence: str
) -> None:
    """The two were taken for two billers, and met in the middle of the replay."""
    file = tmp_path / "history.csv"
    rows = ("client,invoice,issued,due,amount,legal_entity", "a,A-1,2026-01-05,2026-02-04,100,Acme")
    file.write_text("\n".join([*rows, f"{client},A-1,2026-01-05,2026-02-04,5,"]))
    assert sentence in command(str(file), code=2).stdout


def test_the_bare_policy_keeps_the_ladder() -> None:
    bare = replay.rules.bare(policy.default())
    assert [step.offset for step in bare.dunning.steps] == list(LADDER)
    assert bare.dunning.tolerance == policy.default().dunning.tolerance
