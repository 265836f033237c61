"""Who handles content, what they signed, and who says so where a pack misses it. C-20 and C-21."""

import base64
import datetime as dt
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlmodel import select
from typer.testing import CliRunner, Result

from billing import policy
from billing.models import LegalEntity
from bot import cli
from bot.app import books
from bot.custody import processors
from bot.doctor import environment
from bot.doctor.finding import Verdict
from bot.report import Wrong
from bot.settings import Settings
from tests.conftest import MASTER_KEY

Run = Callable[..., Result]
TODAY = dt.date(2026, 11, 22)
HEALTH = '[pack]\nadd_ons = ["healthcare"]\n[retention]\ndecisions = 2192\n'
SIGNED = """
[processors.twilio]
signed = { BAA = 2026-03-01 }
[processors.relay]
signed = { BAA = 2026-03-01 }
"""
ENTERPRISE = '[processors.slack]\nsigned = { BAA = 2026-03-01 }\nplan = "Enterprise"\n'
ROWS = (
    "client,invoice,issued,due,amount,client_name,timezone,email,phone\n"
    "a1,INV-1,2026-01-15,2026-02-15,100.00,Northwind,America/New_York,ann@n.example,+12125550123\n"
)


@pytest.fixture
def run(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """The command line over a fresh store, with a healthcare policy and no agreements."""
    shutil.copy(sqlite_template, tmp_path / "cf.db")
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", f"sqlite:///{tmp_path / 'cf.db'}")
    monkeypatch.setenv("COUNTERFOIL_MASTER_KEY", base64.b64encode(MASTER_KEY).decode())
    monkeypatch.setenv("COUNTERFOIL_POLICY_FILE", str(tmp_path / "policy.toml"))
    monkeypatch.setenv("COUNTERFOIL_PROCESSORS_FILE", str(tmp_path / "processors.toml"))
    (tmp_path / "policy.toml").write_text(HEALTH)
    (tmp_path / "processors.toml").write_text("[processors]\n")

    def invoke(*args: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli.app, list(args))
        assert result.exit_code == code, (result.output, result.exception)
        return result

    yield invoke
    structlog.reset_defaults()


def said(result: Result) -> Any:
    return json.loads(result.stdout)


def register(tmp_path: Path, text: str, **given: Any) -> dict[str, processors.Processor]:
    file = tmp_path / "own.toml"
    file.write_text(text)
    return processors.register(Settings(processors_file=file, **given))


# --- the register ---------------------------------------------------------------------------------


def test_as_shipped_nobody_has_signed_and_nobody_is_asked() -> None:
    known = processors.register(Settings())
    assert list(known) == ["slack", "twilio", "relay"]
    assert not any(one.signed for one in known.values())
    assert list(processors.refused(processors.parties(known), policy.default(), TODAY)) == []


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ({"smtp_url": "smtps://u:p@smtp.sendgrid.net:465"}, ["slack", "twilio", "sendgrid"]),
        ({"smtp_url": "smtps://u:p@sendgrid.net.evil.example:465"}, ["slack", "twilio", "relay"]),
        ({"twilio_from": "whatsapp:+15005550006"}, ["slack", "relay", "whatsapp"]),
        ({"stripe_api_key": "sk_test_4eC39HqLyjWDarjt"}, ["slack", "twilio", "relay", "stripe"]),
    ],
)
def test_the_settings_say_who_is_in_use(given: dict[str, Any], used: list[str]) -> None:
    assert list(processors.register(Settings(**given))) == used


def test_a_connector_is_one_of_them_once_it_is_named(tmp_path: Path) -> None:
    known = register(tmp_path, "[processors.hubspot]\nsigned = { DPA = 2026-01-31 }\n")
    assert known["hubspot"].agreed == ("DPA (2026-01-31)",)
    assert "salesforce" not in known


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ('signed = ["BBA"]', "BAA"),
        ("signed = { BAA = true }", "on which day"),
        ('signed = { BAA = "2026-03-01" }', "on which day"),
        ("signed = 3", "signed"),
        ('never = ["XYZ"]', "never"),
    ],
)
def test_an_agreement_that_cannot_be_is_named(tmp_path: Path, written: str, word: str) -> None:
    with pytest.raises(Wrong, match=word):
        register(tmp_path, f"[processors.twilio]\n{written}\n")


def test_c21_sendgrid_and_whatsapp_are_refused_whatever_was_signed(tmp_path: Path) -> None:
    text = (
        "[processors.sendgrid]\nsigned = { BAA = 2026-01-01 }\nnever = []\n[processors.whatsapp]\n"
    )
    given = {
        "smtp_url": "smtps://u:p@smtp.sendgrid.net:465",
        "twilio_from": "whatsapp:+15005550006",
    }
    known = processors.parties(
        register(tmp_path, text + "signed = { BAA = 2026-01-01 }\n", **given)
    )
    shut = dict(processors.refused(known, policy.parse(HEALTH), TODAY))
    assert "not eligible" in shut["email"]
    assert "not eligible" in shut["sms"]


# --- who says so ----------------------------------------------------------------------------------


def test_the_list_says_what_is_missing_and_answers_no(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    told = said(run("processors", "--json", code=1))
    missing = {one["by"]: one["missing"] for one in told["processors"]}
    assert missing == {"slack": ["BAA"], "sms": ["BAA"], "email": ["BAA"]}
    assert {one["by"] for one in told["processors"] if one["refused"]} == {"sms", "email"}
    assert told["neutral_slack"] is True
    (tmp_path / "processors.toml").write_text(SIGNED + ENTERPRISE)
    told = said(run("processors", "--json"))
    assert [one["missing"] for one in told["processors"]] == [[], [], []]
    assert told["neutral_slack"] is False
    assert "BAA (2026-03-01)" in run("processors").stdout


def test_golive_is_refused_where_nothing_could_leave(run: Run, tmp_path: Path) -> None:
    refused = run("golive", code=1).stdout
    assert "no BAA of Twilio is on record" in refused
    assert said(run("golive", "--status", "--json"))["live"] == "closed"
    (tmp_path / "processors.toml").write_text(SIGNED.replace("relay", "slack"))
    opened = run("golive", "--json")
    assert list(said(opened)["refused"]) == ["email"]
    assert said(run("golive", "--status", "--json"))["live"] == "open"


def test_doctor_says_it(run: Run, tmp_path: Path) -> None:
    found = said(run("doctor", "--offline", "--json", code=1))["findings"]
    told = {one["what"]: one["verdict"] for one in found if one["what"].startswith("processor")}
    assert told == {
        "processor of sms": "wrong",
        "processor of email": "wrong",
        "processor of slack": "warning",
    }
    (tmp_path / "processors.toml").write_text(SIGNED + ENTERPRISE)
    found = said(run("doctor", "--offline", "--json", code=1))["findings"]
    (one,) = [one for one in found if one["what"] == "processors"]
    assert (one["verdict"], one["said"]) == ("ok", "All have signed: BAA.")


def test_doctor_names_a_pack_of_nobody() -> None:
    held = policy.parse('[pack.entities."Harow Law"]\nadd_ons = ["eu"]\n')
    found = list(environment.agreements(Settings(), held, {"Harrow Law"}, TODAY))
    assert [one.said for one in found if one.what == "packs" and one.verdict is Verdict.WRONG] == [
        "[pack.entities] names Harow Law, and no legal entity has that name."
    ]


def test_a_policy_with_packs_for_nobody_is_not_published(run: Run, tmp_path: Path) -> None:
    (tmp_path / "ar.csv").write_text(ROWS)
    run("import", str(tmp_path / "ar.csv"))
    with books(Settings(), writable=False).store.read() as session:
        name = session.exec(select(LegalEntity.name)).one()
    file = tmp_path / "next.toml"
    file.write_text(HEALTH + f'[pack.entities."{name}x"]\n')
    assert f'did you mean "{name}"' in run("policy", "publish", str(file), code=2).output
    file.write_text(HEALTH + f'[pack.entities."{name}"]\n')
    run("policy", "publish", str(file))


def test_a_register_that_cannot_be_read_stops_the_command(run: Run, tmp_path: Path) -> None:
    (tmp_path / "processors.toml").write_text("[processors.twilio]\nsigned = [3]\n")
    assert "cannot be used" in run("golive", "--status", code=2).output


# --- who was warned -------------------------------------------------------------------------------


def test_c21_who_was_warned_is_on_record_and_can_take_it_back(run: Run, tmp_path: Path) -> None:
    (tmp_path / "ar.csv").write_text(ROWS)
    run("import", str(tmp_path / "ar.csv"))
    yes = run("unencrypted", "Northwind", "ann@n.example", "--method", "form", "--json")
    assert said(yes) == {"client": 1, "agreed": True}
    assert "wants details there" in run(
        "unencrypted", "Northwind", "+1 212 555 0123", "--method", "call"
    ).stdout  # fmt: skip
    no = run("unencrypted", "client:1", "ann@n.example", "--method", "letter", "--no")
    assert "no details there any more" in no.stdout
    assert "has no address" in run(
        "unencrypted", "Northwind", "bob@n.example", "--method", "form", code=2
    ).output  # fmt: skip
    assert "no way to say it" in run(
        "unencrypted", "Northwind", "ann@n.example", "--method", "sms", code=2
    ).output  # fmt: skip
    run("audit", "verify")
