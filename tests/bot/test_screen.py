"""Does ``counterfoil screen`` answer every line, and tell of the bad ones?"""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app


def line(**fields: object) -> str:
    return json.dumps({"id": "a", "channel": "sms", "from": "client", "body": "hi"} | fields)


def asked(*lines: str) -> tuple[int, list[dict[str, object]], str]:
    result = CliRunner().invoke(app, ["screen"], input="\n".join(lines) + "\n")
    answers = [json.loads(each) for each in result.stdout.splitlines()]
    return result.exit_code, answers, result.stderr


def test_each_message_is_answered_in_its_order() -> None:
    code, answers, _ = asked(
        line(id=1, body="card 4242 4242 4242 4242 cvv 905"), line(id="b", body="thanks")
    )
    assert code == 0
    assert answers == [
        {
            "id": 1,
            "labels": ["pan", "cvv"],
            "spans": [
                {"label": "pan", "text": "4242 4242 4242 4242"},
                {"label": "cvv", "text": "905"},
            ],
            "masked": "card [card ****4242] cvv [***]",
        },
        {"id": "b", "labels": ["none"], "spans": [], "masked": "thanks"},
    ]


def test_a_sealed_message_tells_its_billing_fact() -> None:
    """C-24."""
    body = (
        "Counselor, as discussed our exposure in the Hartwell case is about $200k."
        " Also, invoice 5512 is approved for payment."
    )
    _, answers, _ = asked(line(body=body, channel="email"))
    assert answers[0]["labels"] == ["privileged"]
    assert answers[0]["masked"] == "[sealed]"
    assert answers[0]["billing_fact"] == "invoice 5512 is approved for payment"


BAD = {
    "no json": "card 4242",
    "no object": "[1]",
    "no id": json.dumps({"channel": "sms", "from": "client", "body": "x"}),
    "no body": json.dumps({"id": 1, "channel": "sms", "from": "client"}),
    "body is a number": line(body=4),
    "subject is a list": line(subject=[]),
    "context is a text": line(context="x"),
    "counsel is a text": line(context={"counsel": "x"}),
    "nested too deep": "[" * 100_000,
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_line_is_told_with_its_number_and_the_others_are_answered(bad: str) -> None:
    code, answers, said = asked(line(id=1), bad, line(id=3))
    assert code == 1
    assert [answer["id"] for answer in answers] == [1, 3]
    assert said.startswith("line 2: ")


def test_a_file_is_read_like_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_text("\ufeff" + line() + "\n\n" + line(id="b"), encoding="utf-8")
    result = CliRunner().invoke(app, ["screen", str(file)])
    assert [json.loads(each)["id"] for each in result.stdout.splitlines()] == ["a", "b"]


def test_a_file_that_is_not_there_is_named() -> None:
    result = CliRunner().invoke(app, ["screen", "nowhere.jsonl"])
    assert result.exit_code == 2
    assert "nowhere.jsonl cannot be read" in result.stderr


def test_counsel_may_be_told_by_address() -> None:
    words = "He is probably right, and I'd honour the old rate."
    context = {"counsel": ["partner.example"]}
    _, answers, _ = asked(
        line(body=words, **{"from": "ann@partner.example"}, context=context),
        line(body=words, **{"from": "ann@partner.example"}),
    )
    assert [answer["labels"] for answer in answers] == [["privileged"], ["none"]]


def test_why_says_what_weighed_most_in_plain_words() -> None:
    body = "Can my boss fire me if I refuse to sign the waiver for the clinic?"
    result = CliRunner().invoke(app, ["screen", "--why"], input=line(body=body) + "\n")
    advice, health = json.loads(result.stdout)["why"]
    assert (advice["label"], health["label"]) == ("privileged", "phi")
    assert advice["likeness"] >= advice["sealed_from"] > health["likeness"]
    assert advice["rule"]
    assert "is about work" in advice["for"]
    assert '"refuse"' in advice["for"]
    assert "a client wrote it" in advice["against"]


def test_nothing_is_said_of_why_where_nobody_asked() -> None:
    _, answers, _ = asked(line(body="Can my boss fire me?"))
    assert "why" not in answers[0]
