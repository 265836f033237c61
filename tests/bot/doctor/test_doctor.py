"""Doctor on what is on this machine: settings, files, rows and keys."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as driver
import pytest
from typer.testing import CliRunner

from billing import policy as policies
from billing import publication
from billing.clock import TurnedClock
from billing.keyring import new_master_key
from billing.models import Client, Erasure, PolicyPublication
from billing.store import Store
from bot import doctor, firm
from bot.app import books
from bot.cli import app
from bot.doctor import rows
from bot.report import DONE, NO, silent
from bot.settings import Settings
from bot.staff import grants
from tests.bot.doctor.town import findings
from tests.factories import NOON

SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
COMPLETE = """
[[legal_entity]]
name = "Harrow Law"
postal_address = "12 Tanner Row, Albany"
from_address = "accounts@harrow.example"
pay_link = "https://pay.example/h"
phone = "+15005550006"

[[staff]]
name = "Dana"
email = "dana@harrow.example"
roles = ["admin", "finance", "compliance", "account_manager"]
slack_user = "U1"
"""


@pytest.fixture
def settings(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    told = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'cf.db'}",
        "PUBLIC_URL": "https://billing.harrow.example",
        "TWILIO_ACCOUNT_SID": "AC" + "5a" * 16,
        "TWILIO_AUTH_TOKEN": SECRET,
        "TWILIO_FROM": "+15005550006",
        "SLACK_BOT_TOKEN": f"xoxb-{SECRET}",
        "SLACK_SIGNING_SECRET": SECRET,
        "SLACK_FINANCE_CHANNEL": "C0FINANCE",
        "SLACK_CLIENTS_CHANNEL": "C0CLIENTS",
        "SMTP_URL": "smtp://127.0.0.1:9",
        "EMAIL_HOOK_SECRET": SECRET,
    }
    for name, value in told.items():
        monkeypatch.setenv(f"COUNTERFOIL_{name}", value)
    new_master_key(tmp_path / "cf.key")
    shutil.copy(sqlite_template, tmp_path / "cf.db")
    return Settings()


@pytest.fixture
def complete(settings: Settings, tmp_path: Path) -> Settings:
    file = tmp_path / "firm.toml"
    file.write_text(COMPLETE)
    store = Store(settings.database_url)
    store.write_now(lambda session: firm.establish(session, firm.read(file), NOON, "test"))
    store.close()
    return settings


def wrong() -> dict[str, str]:
    report = doctor.examine(offline=True)
    found = dict(findings(report, "wrong"))
    assert report.code == (NO if found else DONE)
    assert json.dumps(report.data)
    return found


def write(settings: Settings, fn: Any) -> None:
    store = Store(settings.database_url)
    store.write_now(fn)
    store.close()


def test_a_complete_installation_is_well(complete: Settings) -> None:
    assert wrong() == {}


def test_everything_that_is_missing_is_named_at_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COUNTERFOIL_SMTP_URL")
    monkeypatch.setenv("COUNTERFOIL_SLACK_SIGNING_SECRET", "changeme")
    monkeypatch.setenv("COUNTERFOIL_SMPT_URL", "smtp://x")
    found = doctor.examine(offline=True).data["findings"]
    said = [one["said"] + one["do"] for one in found if one["verdict"] == "wrong"]
    for name in ("SMTP_URL is missing", "SLACK_SIGNING_SECRET is a default", "Did you mean"):
        assert any(name in one for one in said), name
    assert {"legal entities", "role admin", "role finance", "role compliance"} <= set(wrong())


@pytest.mark.parametrize("lacking", ["postal_address", "from_address", "pay_link", "phone"])
def test_a_legal_entity_that_cannot_send_is_named(
    settings: Settings, tmp_path: Path, lacking: str
) -> None:
    file = tmp_path / "firm.toml"
    lines = [line for line in COMPLETE.splitlines() if not line.startswith(lacking)]
    file.write_text("\n".join(lines))
    write(settings, lambda session: firm.establish(session, firm.read(file), NOON, "test"))
    assert lacking.replace("_", " ") in wrong()["Harrow Law"]


def test_an_owner_who_left_is_named(complete: Settings) -> None:
    write(
        complete,
        lambda session: session.add(
            Client(
                key_id="k", name="Northwind", owner_id=1, timezone="Europe/London", created_at=NOON
            )
        ),
    )
    product = books(complete, TurnedClock(NOON))
    asyncio.run(grants.revoke(product, {"email": "dana@harrow.example"}, silent))
    asyncio.run(product.close())
    assert "finance" in wrong()["dana@harrow.example"]
    erased: dict[str, Any] = {"reason": "asked", "erased_by": "cli", "erased_at": NOON}
    write(complete, lambda session: session.add(Erasure(client_id=1, key_id="k", **erased)))
    assert "dana@harrow.example" not in wrong()


def test_a_trigger_that_is_gone_is_named(complete: Settings) -> None:
    connection = driver.connect(complete.database_url.removeprefix("sqlite:///"))
    (name,) = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchone()
    connection.execute(f"DROP TRIGGER {name}")
    connection.commit()
    connection.close()
    assert name in wrong()["triggers"]


def test_a_key_that_others_may_read_is_named(complete: Settings, tmp_path: Path) -> None:
    (tmp_path / "cf.key").chmod(0o644)
    assert "chmod 600" in wrong()["master_key"]


def test_a_key_of_another_keyring_is_named(
    complete: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = books(complete, TurnedClock(NOON))
    product.keyring.make(["client:1"], NOON)
    asyncio.run(product.close())
    monkeypatch.setenv("COUNTERFOIL_MASTER_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    assert "does not open" in wrong()["keyring"]


def test_a_store_that_is_not_there_is_one_finding_among_all(
    complete: Settings, tmp_path: Path
) -> None:
    (tmp_path / "cf.db").unlink()
    assert "counterfoil migrate" in wrong()["database"]


def test_a_policy_with_mistakes_is_named(
    complete: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[budget]\nper_day = -1\n")
    monkeypatch.setenv("COUNTERFOIL_POLICY_FILE", str(file))
    assert "budget.per_day" in wrong()["policy"]


def test_a_policy_file_that_says_other_than_what_was_published_is_noted(
    complete: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[budget]\nper_day = 2\n")
    holds = policies.default()
    store = Store(complete.database_url)
    row = PolicyPublication(version=holds.version, published_at=NOON, published_by="ana")
    store.write_now(lambda session: publication.publish(session, holds, "", row))
    store.close()
    monkeypatch.setenv("COUNTERFOIL_POLICY_FILE", str(file))
    noted = dict(findings(doctor.examine(offline=True), "warning"))["policy"]
    assert f"Version {holds.version} was published and holds" in noted
    assert policies.load(file).version in noted


def test_it_looks_beside_a_process_that_writes(complete: Settings) -> None:
    held = Store(complete.database_url)
    try:
        assert wrong() == {}
    finally:
        held.close()


def test_a_key_in_the_folder_of_the_rows_is_noted(complete: Settings) -> None:
    noted = dict(findings(doctor.examine(offline=True), "warning"))
    assert "COUNTERFOIL_MASTER_KEY_FILE" in noted["master_key"]


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [("TRUSTED_HOSTS", "db,relay", "trusted_hosts"), ("HOST", "0.0.0.0", "host")],
    ids=["trusted hosts", "open to the network"],
)
def test_a_dangerous_setting_is_noted(
    complete: Settings, monkeypatch: pytest.MonkeyPatch, name: str, value: str, what: str
) -> None:
    monkeypatch.setenv(f"COUNTERFOIL_{name}", value)
    assert what in dict(findings(doctor.examine(offline=True), "warning"))


def test_a_server_that_forgets_is_named(postgres_store: Store) -> None:
    """The cluster of the tests has fsync off, which no real one may."""
    (found,) = rows._durability(postgres_store)
    assert found.bad
    assert "fsync" in found.said


def test_the_command_ends_with_1_where_something_is_wrong(settings: Settings) -> None:
    shown = CliRunner().invoke(app, ["doctor", "--offline", "--json"])
    assert shown.exit_code == NO
    found = json.loads(shown.stdout)
    assert found["well"] is False
    assert {"what", "verdict", "said", "do"} == set(found["findings"][0])
