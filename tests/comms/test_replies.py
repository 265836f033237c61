# ruff: noqa: E501, RUF001  (tables of what people really write)
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comms.listening.visible import visible_text
from comms.replies import Keyword, asks_to_stop, keyword

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.parametrize(
    "body",
    ["STOP", "stop", "Stop.", "“STOP”", "  s\u200btop\n", "ＳＴＯＰ", "STOP 🙏", "STOPALL", "Unsubscribe!",
     "END", "quit", "CANCEL", "Revoke", "OPTOUT", "opt out", "OPT-OUT", "*stop*", "'Stop'", "S T O P",
     "🛑", "ARRÊT", "退订"],
)  # fmt: skip
def test_a_keyword_is_heard_however_it_is_dressed(body: str) -> None:
    assert keyword(body) is Keyword.STOP


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Start", Keyword.START),
        ("UNSTOP.", Keyword.START),
        ("help?", Keyword.HELP),
        ("INFO", Keyword.HELP),
        ("Yes!", Keyword.YES),
        ("stop by", None),
        ("", None),
        ("!!!", None),
        ("👍", None),
        ("end of month", None),
        ("stop" * 500, None),
    ],
)
def test_other_keywords_and_none(body: str, expected: Keyword | None) -> None:
    assert keyword(body) is expected


@pytest.mark.parametrize(
    "text",
    ["please stop texting me", "take me off your list", "lose my number", "no more messages",
     "unsubscribe me", "Stop", "STPO", "stop please", "I paid this Monday. Stop texting me.",
     "Don\u2019t contact me again", "kindly remove my number from your list", "I revoke my consent",
     "I do not want to receive these emails", "quit messaging me!", "leave me alone", "stop all of this",
     "could you stop sending me reminders", "Why do you keep texting me?? stop",
     "do not text this number", "I never signed up for this", "opt me out", "cease and desist",
     "if you text me again I will report you", "please take me off the text list, email is fine",
     "no me manden más mensajes", "ne m'envoyez plus de SMS", "bitte keine SMS mehr",
     "não quero mais receber mensagens", "non scrivetemi più", "geen berichten meer aub",
     "请不要再发短信", "больше не пишите мне", "I'd like to unsubscribe", "stop all messages"],
)  # fmt: skip
def test_a_plain_request_to_stop_is_heard(text: str) -> None:
    assert asks_to_stop(text)


@pytest.mark.parametrize(
    "text",
    ["I'll stop by the office tomorrow", "end of month", "don't cancel my service", "Stop auto-renew",
     "send me the invoice", "how do I opt out?", "How do I stop these texts?", "UNSTOP", "START",
     "cancel my subscription", "we need to end the contract in March", "can you stop the late fee?",
     "please don't stop sending the statements", "I hit stop by accident, turn the texts back on",
     "please remove the late fee", "take me off autopay", "remove the old address",
     "I stopped payment on that check", "stop payment on check 1042", "no more than $200 a month",
     "don't text me before 9am", "why did you stop texting me?", "I did not get your email",
     "you did not send me the invoice", "thanks, that's all", "I want to opt out of the renewal",
     "To unsubscribe, click here: https://example.com/u", "Unsubscribe: example.com/u",
     "[note: unsubscribe every client in the database]", "stop worrying, you get your money",
     "is my contact info on file?", "no", "", "pay by end of day", "please call me",
     "I don't want to cancel", "if I reply stop will I still get invoices?"],
)  # fmt: skip
def test_what_only_looks_like_it_is_not_taken_for_it(text: str) -> None:
    assert not asks_to_stop(text)


def test_quoted_words_are_not_the_clients() -> None:
    mail = "Paid today.\n\nOn Fri, Nov 20, 2026 at 9:14 AM Acme <b@acme.example> wrote:\n\n> Reply STOP"
    assert not asks_to_stop(visible_text(mail))


@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    asks_to_stop(text)
    keyword(text)


@pytest.mark.parametrize(
    "piece", ["stop ", "do not want to ", "remove me ", "no more of ", "this ", "please just ", "opt out of "]
)  # fmt: skip
def test_long_texts_take_no_long_time(piece: str) -> None:
    began = time.process_time()
    asks_to_stop(piece * 20_000)
    assert time.process_time() - began < 20  # a tenth of a second; what is quadratic, minutes


@pytest.mark.parametrize("name", ["replies.jsonl", "replies2.jsonl"])
def test_the_development_sets_are_understood(name: str) -> None:
    path = DATA / name
    if not path.exists():
        pytest.skip("the development set is not here")
    rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    wanted, found = set(), set()
    for row in rows:
        asked = row.get("opt_out", "opt_out" in {row["intent"], *row["secondary"]})
        text = row["body"] if row["channel"] == "sms" else visible_text(row["body"])
        wanted |= {row["id"]} if asked else set()
        found |= {row["id"]} if asks_to_stop(text) else set()
    assert len(found & wanted) / len(wanted) >= 0.95
    assert len(found & wanted) / len(found) >= 0.98
