"""What our people say of the law and of wishes on the command line; what holds in which pack."""

import datetime as dt
import functools
import importlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from billing import obligations, packs, policy, rules
from bot import cli, lawbook, schema
from bot.doctor import environment
from comms.compliance import disclosure

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

    schema.lay(f"sqlite:///{tmp_path / 'cf.db'}")
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


@pytest.mark.parametrize(
    ("before", "content", "after"),
    [
        pytest.param(
            ("legal-state", "notice", "Northwind"),
            b"\xff",
            ("--approved-by", "c@h.example"),
            id="a notice",
        ),
        pytest.param(("privilege", "counsel", "add"), b"value\n\xff", (), id="counsel"),
        pytest.param(("privilege", "counsel", "add"), b"value\n" + b"a" * 140_000, (), id="no CSV"),
        pytest.param(("policy", "publish"), b"\xff", (), id="a policy"),
        pytest.param(("policy", "diff"), b"\xff", (), id="a policy to compare"),
        pytest.param(("replay", "ar.csv", "--firm"), b"\xff", (), id="a firm"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(
    run: Run, tmp_path: Path, before: tuple[str, ...], content: bytes, after: tuple[str, ...]
) -> None:
    file = tmp_path / "given.csv"
    file.write_bytes(content)
    asked = [one.replace("ar.csv", str(tmp_path / "ar.csv")) for one in before]
    result = run(*asked, str(file), *after, code=2)
    assert "given.csv" in result.stderr
    assert "Traceback" not in result.stderr


# --- every rule, and what sees to it --------------------------------------------------------------

EVERY = (*rules.PACKS, *rules.ADD_ONS)
SHOWN = {one.rule: one for pack in EVERY for one in lawbook.of_pack(pack)}
ROOT = PAGE.parents[1]


@functools.cache
def source() -> str:
    """All of the product's code."""
    files = [path for room in ("billing", "comms", "bot") for path in (ROOT / room).rglob("*.py")]
    return "\n".join(path.read_text() for path in sorted(files))


@functools.cache
def words() -> Counter[str]:
    """How often the code says each word; to look for one in all of it takes 70 ms."""
    return Counter(re.findall(r"\w+", source()))


@pytest.mark.parametrize("rule", SHOWN.values(), ids=list(SHOWN))
def test_every_rule_shown_is_enforced_somewhere_or_said_to_be_a_duty(rule: lawbook.Shown) -> None:
    assert bool(rule.enforced) != bool(rule.duty), "say where it is enforced, or whose duty it is"
    for place in rule.enforced:
        module, _, named = place.partition(":")
        found: Any = importlib.import_module(module)
        for name in named.split("."):
            found = getattr(found, name)
        assert words()[named.rpartition(".")[2]] > 1, f"{place} is idle"
    assert rule.source
    assert not rule.sets or rule.enforced
    assert rule.verified is False


def test_everything_that_a_pack_sets_is_set_by_a_rule_that_is_shown_and_asked_by_the_code() -> None:
    names = {field.name for field in fields(packs.Terms)}
    assert {name for rule in SHOWN.values() for name in rule.sets} == names
    for name in names:
        assert re.search(rf"\.{name}\b|\"{name}\"", source()), f"nothing asks for {name}"


def test_every_rule_that_the_code_names_is_shown() -> None:
    named = set(re.findall(r"\bC-\d\d\.\d+", source()))
    named |= set(re.findall(r"rules\.named\(\"(\w+)\"\)", source()))
    assert {"C-20.5", "C-21.3", "us_confirmation"} <= named
    assert named <= SHOWN.keys()


def test_no_row_of_any_file_of_rules_is_left_out() -> None:
    rows = {one.id for one in (*rules.every(), *obligations.every())}
    rows |= {one.id for pack in EVERY for one in disclosure.profiles((pack,))}
    assert rows <= SHOWN.keys()


def test_no_two_rows_have_one_name() -> None:
    ids = [one.id for one in (*rules.every(), *obligations.every())]
    assert len(ids) == len(set(ids))


def test_each_pack_is_explained_with_source_day_and_what_sees_to_it(run: Run) -> None:
    for pack in EVERY:
        told = said(run("policy", "explain-pack", pack, "--json"))
        assert told["packs"] == [pack]
        assert {one["rule"] for one in told["rules"]} == {one.rule for one in lawbook.of_pack(pack)}
        for one in told["rules"]:
            assert dt.date.fromisoformat(one["as_of"]) <= dt.date(2026, 11, 22)
            assert one["source"]
            assert one["number"].startswith("C-")
    table = run("policy", "explain-pack", "healthcare").stdout
    assert "0 of them confirmed by counsel" in table
    assert "a person's duty" in table


def test_without_a_name_it_is_the_policys_own_with_its_entities(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(
        '[pack]\nadd_ons = ["eu"]\n[pack.entities."Harrow Law"]\nadd_ons = ["law_firm"]'
    )
    monkeypatch.setenv("COUNTERFOIL_POLICY_FILE", str(file))
    told = said(run("policy", "explain-pack", "--json"))
    assert told["packs"] == ["b2b_first_party", "eu", "law_firm"]
    assert told["entities"] == {"Harrow Law": ["b2b_first_party", "law_firm"]}
    assert {"us_hours", "C-20.2", "C-23.2"} <= {one["rule"] for one in told["rules"]}
    assert "Harrow Law goes by b2b_first_party, law_firm." in run("policy", "explain-pack").stdout


@pytest.mark.parametrize(
    ("page", "write"), [("door.md", lawbook.page), ("policy.md", lawbook.packs_page)]
)
def test_the_tables_in_the_documents_are_those_of_the_rules(
    page: str, write: Callable[[str], str]
) -> None:
    text = (ROOT / "docs" / page).read_text()
    assert lawbook.BEGIN in text
    assert write(text) == text, "run python -m bot.lawbook"


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


@pytest.mark.parametrize(
    "asked", [("policy", "explain-pack", "law_firm"), ("processors",)], ids=str
)
def test_whoever_weighs_a_pack_needs_no_store(
    asked: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answered = CliRunner().invoke(cli.app, asked)
    assert answered.exit_code == 0, answered.output
    assert "counsel" in answered.output.lower() or "Slack" in answered.output
    assert list(tmp_path.iterdir()) == []
