import json
import os
import re
import resource
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as driver
import pytest
import structlog
from typer.testing import CliRunner, Result

from billing.portfolio import columns
from bot import cli, schema
from bot.commands import terminal
from bot.report import Table

Run = Callable[..., Result]
HEADER = "client,invoice,issued,due,amount,client_name,timezone\n"
ROW = "a1,INV-1,2026-01-15,2026-02-15,100.00,Northwind Trading,America/New_York\n"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", f"sqlite:///{tmp_path / 'cf.db'}")
    yield tmp_path / "cf.db"
    structlog.reset_defaults()


@pytest.fixture
def run(store: Path) -> Run:
    def invoke(*args: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli.app, list(args))
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return invoke


@pytest.fixture
def migrated(run: Run, store: Path) -> Run:
    schema.lay(f"sqlite:///{store}")
    run("migrate")
    return run


@pytest.fixture
def imported(migrated: Run, tmp_path: Path) -> Run:
    file = tmp_path / "ar.csv"
    file.write_text(HEADER + ROW)
    migrated("import", str(file))
    return migrated


def said(result: Result) -> Any:
    return json.loads(result.stdout)


def test_migrate_makes_a_key_that_only_its_owner_may_read(run: Run, store: Path) -> None:
    assert str(store.with_suffix(".key")) in run("migrate").stdout
    assert stat.S_IMODE(store.with_suffix(".key").stat().st_mode) == 0o600


def test_migrate_twice_makes_no_second_key(run: Run, store: Path) -> None:
    run("migrate")
    key = store.with_suffix(".key").read_text()
    assert said(run("migrate", "--json"))["key_file"] is None
    assert store.with_suffix(".key").read_text() == key


def test_a_lost_key_is_never_replaced(imported: Run, store: Path) -> None:
    store.with_suffix(".key").unlink()
    assert "put it back" in imported("migrate", code=2).stderr


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(("import", "nowhere.csv"), id="no file"),
        pytest.param(("golive",), id="no key"),
        pytest.param(("timeline", "a1"), id="no key to read"),
        pytest.param(("policy", "check", "nowhere.toml"), id="no policy"),
        pytest.param(("import", __file__, "--map", "client"), id="half a mapping"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(run: Run, args: tuple[str, ...]) -> None:
    sentence = run(*args, code=2).stderr.strip()
    assert len(sentence.splitlines()) == 1
    assert sentence.endswith(".")


def test_a_store_that_is_not_there_is_not_made(run: Run, store: Path) -> None:
    run("migrate")
    store.unlink()
    assert "counterfoil migrate" in run("golive", "--status", code=2).stderr
    assert not store.exists()


def test_a_store_of_another_time_is_not_touched(migrated: Run, store: Path) -> None:
    connection = driver.connect(str(store))
    connection.execute("UPDATE alembic_version SET version_num = '9999_later'")
    connection.commit()
    connection.close()
    assert "does not know" in migrated("golive", code=2).stderr


def test_a_wrong_master_key_is_named(imported: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_MASTER_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    assert "does not open this keyring" in imported("timeline", "a1", code=2).stderr


def test_an_import_tells_its_totals(migrated: Run, tmp_path: Path) -> None:
    file = tmp_path / "ar.csv"
    file.write_text(HEADER.replace("client_name", "nickname") + ROW)
    out = migrated("import", str(file)).stdout
    assert "Columns that are ignored: nickname." in out
    assert "$100.00" in out
    assert "Nothing changed." in migrated("import", str(file)).stdout


def test_an_import_of_bad_rows_exits_with_2(migrated: Run, tmp_path: Path) -> None:
    file = tmp_path / "ar.csv"
    file.write_text(HEADER + ROW.replace("100.00", "lots"))
    result = migrated("import", str(file), code=2)
    assert "line 2, amount" in result.stdout
    assert said(migrated("import", str(file), "--json", code=2))["stored"] is False


def test_an_import_maps_their_columns(migrated: Run, tmp_path: Path) -> None:
    file = tmp_path / "ar.csv"
    file.write_text(HEADER.replace("client,", "customerID,").replace("amount", "Total") + ROW)
    asked = ("import", str(file), "--map", "client=customerID", "--map", "amount=Total", "--json")
    assert said(migrated(*asked))["booked"]["invoices"] == 1


def test_the_switch_says_how_many_wait(imported: Run) -> None:
    assert said(imported("golive", "--status", "--json"))["live"] == "closed"
    assert said(imported("golive", "--client", "a1", "--json"))["client"] == "Northwind Trading"
    assert "at most 3 a day" in imported("golive", "--daily-cap", "3").stdout
    assert said(imported("golive", "--status", "--json"))["live"] == "open"
    assert said(imported("stop", "--json"))["live"] == "closed"


@pytest.mark.parametrize("args", [("--redirect", "me"), ("--client", "zz"), ("--daily-cap", "0")])
def test_the_switch_refuses_what_makes_no_sense(imported: Run, args: tuple[str, ...]) -> None:
    imported("golive", *args, code=2)


def test_roles_are_given_shown_and_taken(migrated: Run) -> None:
    migrated("access", "grant", "Ruth@x.example", "admin", "finance", "--slack", "U1")
    (ruth,) = said(migrated("access", "list", "--json"))["staff"]
    assert (ruth["roles"], ruth["slack"]) == (["admin", "finance"], "U1")
    assert said(migrated("access", "revoke", "ruth@x.example", "admin", "--json"))["left"] == [
        "finance"
    ]
    migrated("access", "revoke", "ruth@x.example", "admin", code=1)
    migrated("access", "revoke", "ruth@x.example")
    (ruth,) = said(migrated("access", "list", "--json"))["staff"]
    assert (ruth["roles"], ruth["active"]) == ([], False)


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(("grant", "nobody", "admin"), id="no email"),
        pytest.param(("grant", "a@x.example", "boss"), id="no such role"),
        pytest.param(("grant", "b@x.example", "admin", "--slack", "U1"), id="another's Slack"),
        pytest.param(("revoke", "zz@x.example"), id="nobody has it"),
    ],
)
def test_access_refuses_what_makes_no_sense(migrated: Run, args: tuple[str, ...]) -> None:
    migrated("access", "grant", "ruth@x.example", "admin", "--slack", "U1")
    assert len(migrated("access", *args, code=2).stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(("timeline", "M\udcfcller"), id="Latin-1"),
        pytest.param(("privilege", "counsel", "add", "\udcff"), id="half a sign"),
        pytest.param(("timeline", "a1", "--limit", "9" * 30), id="limit"),
        pytest.param(("privilege", "read", "9" * 30, "--as", "a@x.example"), id="touchpoint"),
        pytest.param(("privilege", "counsel", "end", "9" * 30), id="counsel"),
        pytest.param(("incidents", "done", "9" * 30, "--as", "a@x.example"), id="incident"),
        pytest.param(("rights", "close", "9" * 30), id="case"),
        pytest.param(("golive", "--daily-cap", "9" * 30), id="cap"),
        pytest.param(("report", "dso", "--days", "1000000"), id="period"),
        pytest.param(("report", "hours", "--as-of", "9999-12-31"), id="last day"),
        pytest.param(("report", "aging", "--as-of", "0001-01-01"), id="first day"),
        pytest.param(("report", "board", "--baseline", "0001-01-01"), id="first baseline"),
    ],
)
def test_what_is_out_of_range_is_told_and_no_traceback(
    migrated: Run, args: tuple[str, ...]
) -> None:
    assert migrated(*args, code=2).stderr.strip()


def test_explain_and_timeline_answer_by_name_and_number(imported: Run) -> None:
    assert said(imported("explain", "northwind", "--json"))["kind"] == "client"
    assert "INV-1 of Northwind Trading: open" in imported("explain", "INV-1").stdout
    assert said(imported("timeline", "a1", "--words", "--json"))["touchpoints"] == []
    imported("explain", "nobody at all", code=2)


def test_the_chains_hold_until_somebody_changes_them(imported: Run, store: Path) -> None:
    assert said(imported("audit", "verify", "--json"))["holds"] is True
    connection = driver.connect(str(store))
    connection.execute("INSERT INTO chain_head (client_id, seq, hash) VALUES (1, 7, 'x')")
    connection.commit()
    connection.close()
    result = imported("audit", "verify", "--json", code=1)
    assert said(result)["breaks"][0]["client_id"] == 1
    assert "its head says 7" in imported("audit", "verify", "--client", "a1", code=1).stdout


def test_an_invoice_that_somebody_changed_is_named(imported: Run, store: Path) -> None:
    assert said(imported("audit", "books", "--json"))["agree"] is True
    with closing(driver.connect(str(store))) as rows, rows:
        rows.execute("UPDATE invoice SET amount = amount + 100 WHERE id = 1")
    result = imported("audit", "books", "--json", code=1)
    assert "its parts are of" in said(result)["differences"][0]["sentence"]
    assert "beside the ledger" in imported("audit", "books", code=1).stdout


def test_what_stands_still_ends_with_one(migrated: Run, store: Path) -> None:
    assert said(migrated("audit", "moving", "--json"))["moving"] is True
    with closing(driver.connect(str(store))) as rows, rows:
        rows.execute(
            "INSERT INTO incoming (source, external_id, state, received_at, attempts, problem) "
            "VALUES ('email', 'x', 'pending', '2026-01-01 00:00:00.000000', 0, '')"
        )
    assert "incoming_late" in migrated("audit", "moving", code=1).stdout


def test_a_policy_is_checked_with_every_mistake(migrated: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    early = '[[dunning.pre_due]]\ndays_before = 3\ntemplate = "coming_deu"\nchannels = ["email"]\n'
    file.write_text(f'{early}[budget]\nper_day = "two"\n[holds]\nmaybe = 1\n')
    mistakes = said(migrated("policy", "check", str(file), "--json", code=1))["mistakes"]
    assert {one["at"] for one in mistakes} == {
        "budget.per_day", "holds.maybe", "dunning.pre_due[0].template",
    }  # fmt: skip
    assert 'did you mean "coming_due"' in mistakes[-1]["reason"]
    file.write_text("[budget]\nper_day = 2\n")
    assert "version" in migrated("policy", "check", str(file)).stdout


def test_the_firms_own_templates_are_checked(
    migrated: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = tmp_path / "templates" / "receipt"
    message.mkdir(parents=True)
    (message / "sms.txt.j2").write_text("Thanks {{ nobody.knows }}")
    monkeypatch.setenv("COUNTERFOIL_TEMPLATES_DIR", str(tmp_path / "templates"))
    mistakes = said(migrated("policy", "check", "--json", code=1))["mistakes"]
    assert mistakes[0]["file"] == "receipt/sms.txt.j2"


def test_a_copy_is_made_and_brought_back(
    imported: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, keys = str(tmp_path / "rows"), str(tmp_path / "keys")
    imported("backup", rows, "--keys", keys)
    assert imported("backup", rows, "--keys", rows, code=2).stderr
    key = (tmp_path / "cf.key").read_text().strip()
    monkeypatch.setenv("COUNTERFOIL_MASTER_KEY", key)
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", f"sqlite:///{tmp_path / 'new.db'}")
    imported("restore", rows, "--keys", keys)
    assert said(imported("explain", "INV-1", "--json"))["verdict"] == "open"


def test_words_of_a_client_do_not_steer_the_terminal(run: Run) -> None:
    from bot.commands import terminal

    assert terminal._plain("a\x1b[2Jb") == "a�[2Jb"


def test_help_is_there_at_once() -> None:
    asked = [sys.executable, "-c", "import sys; import bot.cli; print(*sys.modules)"]
    began = time.perf_counter()
    loaded = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    print(f"`counterfoil --help` is loaded in {time.perf_counter() - began:.2f} s")  # noqa: T201
    assert not {"sqlmodel", "sqlalchemy", "fastapi", "slack_sdk", "twilio"} & set(loaded)


def test_the_version_is_told(run: Run) -> None:
    assert run("--version").stdout.startswith("counterfoil ")


def test_a_thousand_idle_callers_do_not_use_up_the_files_of_the_process() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
        cli.keep_to_ourselves()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(before[1], cli.FILES)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_what_a_command_writes_is_its_owners_alone_and_no_core_is_left(tmp_path: Path) -> None:
    before, core = os.umask(0o022), resource.getrlimit(resource.RLIMIT_CORE)
    try:
        cli.keep_to_ourselves()
        (tmp_path / "report.csv").write_text("x")
        assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
    finally:
        os.umask(before)
        resource.setrlimit(resource.RLIMIT_CORE, core)
    assert (tmp_path / "report.csv").stat().st_mode & 0o777 == 0o600


def test_a_table_fits_its_terminal_without_cutting_a_word(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "64")
    said = "COUNTERFOIL_SLACK_SIGNING_SECRET is missing."
    advice = "Copy it from Basic Information on the page of the app."
    terminal.show(Table("", ["what", "said", "do"], [["settings", said, advice]]))
    lines = capsys.readouterr().out.splitlines()
    assert any("COUNTERFOIL_SLACK_SIGNING_SECRET" in line for line in lines)
    assert max(map(len, lines)) <= 64


def test_amounts_stand_under_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [["Acme", "$5,207.00"], ["Bram", "$12,514.00"], ["Coop", "-"]]
    terminal.show(Table("", ["client", "open"], rows))
    ends = [len(line.rstrip()) for line in capsys.readouterr().out.splitlines()[3:6]]
    assert len(set(ends)) == 1


def test_every_column_of_an_import_is_told_in_its_help_and_its_page(run: Run) -> None:
    help_ = run("import", "--help").stdout
    page = (Path(__file__).parents[2] / "docs" / "import.md").read_text()
    for column in (*columns.REQUIRED, *columns.OPTIONAL):
        assert re.search(rf"\b{column}\b", help_)
        assert f"`{column}`" in page
