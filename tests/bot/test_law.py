"""What our people say of the law and of wishes on the command line; what holds in which pack."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from billing import policy, rules
from bot import cli, lawbook
from bot.doctor import environment

Run = Callable[..., Result]
PAGE = Path(__file__).parents[2] / "docs/door.md"
SHIPPED = policy.default()
BY_TOPIC = replace(SHIPPED, consent=replace(SHIPPED.consent, revoke_scope="topic"))
FLIP = rules.named("us_revoke_all").applies_from or dt.date.max
ROWS = (
    "client,invoice,issued,due,amount,client_name,timezone,email,phone\n"
    "a1,INV-1,2026-01-15,2026-02-15,100.00,Northwind,America/New_York,ann@n.example,+12125550123\n"
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", f"sqlite:///{tmp_path / 'cf.db'}")

    def invoke(*args: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli.app, list(args))
        assert result.exit_code == code, (result.output, result.exception)
        return result

    invoke("migrate")
    (tmp_path / "ar.csv").write_text(ROWS)
    invoke("import", str(tmp_path / "ar.csv"))
    yield invoke
    structlog.reset_defaults()


def said(result: Result) -> Any:
    return json.loads(result.stdout)


def test_a_legal_state_is_placed_listed_and_lifted(run: Run, tmp_path: Path) -> None:
    run("legal-state", "place", "Northwind", "cease", "--reason", "a letter")
    (state,) = said(run("legal-state", "list", "--json"))["legal_states"]
    assert (state["name"], state["kind"], state["person"]) == ("Northwind", "cease", "")
    again = run("legal-state", "place", "Northwind", "cease")
    assert "nothing changed" in again.stdout
    notice = tmp_path / "notice.txt"
    notice.write_text("We will not write again.")
    asked = ("legal-state", "notice", "Northwind", str(notice), "--approved-by", "cleo@h.example")
    assert "compliance role" in run(*asked, code=1).stdout
    run("access", "grant", "cleo@h.example", "compliance")
    assert said(run(*asked, "--json"))["message"]
    assert "no other may" in run(*asked, code=1).stdout
    run("legal-state", "lift", "Northwind", "cease")
    assert said(run("legal-state", "list", "--json"))["legal_states"] == []
    run("legal-state", "lift", "Northwind", "cease", code=1)


def test_a_preference_is_stated_shown_and_cleared(run: Run) -> None:
    run("prefer", "Northwind", "--only", "email", "--not-before", "10:00")
    run("prefer", "Northwind", "--not-after", "17:00", "--at", "+1 212 555 0123")
    person, phone = said(run("prefer", "Northwind", "--json"))["preferences"]
    assert (person["only"], person["not_before"]) == (["email"], "10:00")
    assert (phone["for"], phone["not_after"]) == ("+12125550123", "17:00")
    run("prefer", "Northwind", "--clear")
    assert said(run("prefer", "Northwind", "--json"))["preferences"] == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (("legal-state", "place", "Northwind", "asleep"), "asleep is no legal state"),
        (("legal-state", "place", "Northwind", "cease", "--at", "b@n.example"), "no address that"),
        (
            ("legal-state", "notice", "Northwind", "gone.txt", "--approved-by", "c@h.example"),
            "no file",
        ),
        (("prefer", "Northwind", "--not-before", "ten"), "--not-before must be a time of day"),
        (("prefer", "Northwind", "--only", "email", "--at", "home"), "home is no address"),
        (("policy", "explain-pack", "pirates"), "There is no pack pirates"),
    ],
)
def test_what_cannot_be_says_so(run: Run, wrong: tuple[str, ...], sentence: str) -> None:
    assert sentence in run(*wrong, code=2).output


def test_the_rules_of_a_pack_are_listed_with_who_signed_them(run: Run) -> None:
    told = said(run("policy", "explain-pack", "--json"))
    assert told["pack"] == "b2b_first_party"
    assert told["signed"] == 0
    assert all(rule["source"] and rule["verified"] is False for rule in told["rules"])
    more = said(run("policy", "explain-pack", "third_party_collector", "--json"))["rules"]
    added = {rule["rule"] for rule in more} - {rule["rule"] for rule in told["rules"]}
    assert added >= {"us_calls_week", "us_ma_week", "C-10.2", "us_collection_records"}


@pytest.mark.parametrize(
    ("held", "day", "word"),
    [
        (SHIPPED, FLIP, ""),
        (BY_TOPIC, FLIP - lawbook.ALARM - dt.timedelta(days=1), ""),
        (BY_TOPIC, FLIP - lawbook.ALARM, "From"),
        (BY_TOPIC, FLIP, "Since"),
    ],
)
def test_c02_whoever_relies_on_the_waiver_is_told_before_it_ends(
    held: policy.Policy, day: dt.date, word: str
) -> None:
    assert lawbook.flip(held, day).partition(" ")[0] == word


def test_c02_doctor_tells_as_well() -> None:
    (found,) = environment.law(BY_TOPIC, FLIP)
    assert found.verdict == "warning"
    assert str(FLIP) in found.said
    assert list(environment.law(BY_TOPIC, FLIP - 2 * lawbook.ALARM)) == []
    assert list(environment.law(policy.default(), FLIP)) == []


def test_the_page_lists_every_rule() -> None:
    assert lawbook.page(PAGE.read_text()) == PAGE.read_text()
