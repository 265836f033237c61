"""Does every rule say what would have to change? The rules are read from the code that names them.

So a rule that is added without its sentence fails here by name.
"""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from billing import arrears
from billing.models import AgreementState, LegalKind, Verification
from bot.reasons import remedies

ROOT = Path(__file__).parents[3]
WHERE = (
    *("billing/gates.py", "billing/arrears.py", "billing/renewals.py", "billing/dunning/*.py"),
    *("billing/retries.py", "comms/*.py", "comms/door/*.py", "comms/outreach/*.py"),
    "bot/custody/tombstones.py",
)
CODE = re.compile(r"[a-z]+(_[a-z]+)*")
AT = {"Finding": 2, "Refusal": 0, "cancel": 2, "cancel_at": 3, "_escalate": 2}
"""Which argument of a call names a rule."""
FAMILIES = {
    **{f"legal_{kind}": "a legal state" for kind in LegalKind},
    **{
        f"address_{one}": "an address"
        for one in Verification
        if one not in ("verified", "asserted")
    },
    **dict.fromkeys(arrears.FENCES, "a fence"),
    **dict.fromkeys(("in_credit", "within_tolerance", "below_minimum"), "too little to ask for"),
    **dict.fromkeys(("budget_day", "budget_week", "loop_brake"), "a budget"),
    **{str(one): "an agreement" for one in AgreementState if one != "active"},
}
"""Rules whose names are put together, or stand in a table."""


def codes(node: ast.expr) -> Iterator[str]:
    for one in ast.walk(node):
        said = one.value if isinstance(one, ast.Constant) else None
        if isinstance(said, str) and CODE.fullmatch(said):
            yield said


def named_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            place = AT.get(called)
            if place is not None and len(node.args) > place:
                argument = node.args[place]
                if not isinstance(argument, ast.JoinedStr):
                    yield from codes(argument)
            for keyword in node.keywords:
                if keyword.arg == "rule":
                    yield from codes(keyword.value)


@functools.cache
def rules() -> dict[str, str]:
    found = dict(FAMILIES)
    for pattern in WHERE:
        for path in sorted(ROOT.glob(pattern)):
            for rule in named_in(ast.parse(path.read_text())):
                found.setdefault(rule, str(path.relative_to(ROOT)))
    return found


def test_the_rules_are_found_where_they_are_named() -> None:
    assert rules().keys() >= {
        *("not_live", "quiet_hours", "overdue", "step_not_due", "escalation_due", "superseded"),
        *("legal_bankruptcy", "address_wrong", "disputed", "legal_hours", "renewal_date_passed"),
    }
    assert len(rules()) > 60


def test_every_rule_says_what_would_have_to_change() -> None:
    silent = {rule: where for rule, where in rules().items() if not remedies.remedy(rule)}
    assert {rule: where for rule, where in silent.items() if rule not in remedies.PASSES} == {}


def test_what_lets_things_pass_needs_no_remedy() -> None:
    assert not [rule for rule in remedies.PASSES if remedies.remedy(rule)]
    assert rules().keys() >= remedies.PASSES


@pytest.mark.parametrize("rule", sorted(rules()))
def test_a_remedy_is_a_sentence(rule: str) -> None:
    said = remedies.remedy(rule)
    assert not said or re.fullmatch(r"[A-Z`].*\.", said)


def test_a_sentence_names_only_commands_that_there_are() -> None:
    from typer.main import get_command

    from bot import cli

    commands = get_command(cli.app).commands  # type: ignore[attr-defined]
    for rule in rules():
        for words in re.findall(r"`counterfoil ([a-z -]+)", remedies.remedy(rule)):
            first, *rest = words.split()
            assert first in commands, rule
            inner = getattr(commands[first], "commands", None)
            assert inner is None or not rest or rest[0] in inner, rule
