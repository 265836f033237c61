import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.sandbox import blockkit
from bot.slack import blocks

TEXT = st.text(max_size=4000) | st.text("<&>@*_`~ here!channel\n", max_size=9000)
NAMED = st.fixed_dictionaries({"c": st.integers()})


def built(kind: int, text: str) -> list[Any]:
    makers = (
        lambda: [blocks.header(text)],
        lambda: [blocks.section(blocks.inline(text, 5000))],
        lambda: [blocks.words(text)],
        lambda: blocks.lines(blocks.inline(text), text.split("\n")),
        lambda: [blocks.context(text)],
        lambda: [blocks.divider()],
    )
    return makers[kind % len(makers)]()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), TEXT), max_size=70),
    st.lists(st.tuples(TEXT, NAMED), max_size=8),
)
def test_slack_takes_every_card(parts: list[tuple[int, str]], buttons: list[Any]) -> None:
    body = [block for kind, text in parts for block in built(kind, text)]
    row = [blocks.button(text, f"a.{place}", value) for place, (text, value) in enumerate(buttons)]
    card = blocks.fit(body, blocks.actions(row))
    assert blockkit.message_problems(list(card)) == []
    assert len(card) <= blocks.MOST_BLOCKS
    assert blocks.total(card) <= blocks.MOST_TEXT
    assert [one["action_id"] for _, one in blockkit.elements(card)] == [
        f"a.{place}" for place in range(len(row))
    ]


def test_slack_makes_no_link_of_an_address_in_somebodys_words() -> None:
    said = blocks.inline("pay at https://evil.example or #general")
    shown = [blocks.section(said), blocks.context(said), *blocks.lines("", [said])]
    texts = [one["text"] if "text" in one else one["elements"][0] for one in shown]
    assert [text["verbatim"] for text in texts] == [True] * 3


@given(TEXT)
def test_nothing_from_outside_rings_or_links(text: str) -> None:
    for shown in (blocks.inline(text), blocks.words(text)["text"]["text"]):
        assert not set("<>") & set(shown)
        assert "@here" not in shown.lower()
        assert "@channel" not in shown.lower()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Tom & Jerry <x>", "Tom &amp; Jerry &lt;x&gt;"),
        ("a\n\n> b", "a &gt; b"),
        ("*bold*", "\u2217bold\u2217"),
        ("snake_case", "snake_case"),
        ("@here now", "@\u2060here now"),
        ("x@here.example", "x@\u2060here.example"),
        ("abc\u202edef\x07", "abcdef"),
    ],
    ids=["entities", "one line", "pairs", "single mark", "mention", "in an address", "unseen"],
)
def test_a_name_from_outside_is_made_inert(text: str, shown: str) -> None:
    assert blocks.inline(text) == shown


@pytest.mark.parametrize("limit", range(1, 12))
def test_no_entity_is_cut_in_half(limit: int) -> None:
    cut = blocks.clip(blocks.escape("a&b<c>d&e"), limit)
    assert len(cut) <= limit
    assert "&" not in cut.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")


def test_a_card_that_is_too_long_says_so_and_keeps_its_buttons() -> None:
    tail = blocks.actions([blocks.button("Go", "go", {"c": 1})])
    card = blocks.fit([blocks.section("x" * 2900)] * 9, tail)
    assert card[-1] == tail[0]
    assert "parts did not fit" in json.dumps(card[-2])


def test_a_card_that_fits_is_left_alone() -> None:
    body = [blocks.section("x")] * 44
    assert blocks.fit(body) == tuple(body)


def test_a_value_that_slack_refuses_is_refused_here() -> None:
    with pytest.raises(ValueError, match="put ids in it"):
        blocks.button("Go", "go", {"text": "x" * 2000})


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("sms", "+15550100", "\N{BULLET}\N{BULLET}\N{BULLET} 0100"),
        ("email", "nora@acme.example", "n\N{BULLET}\N{BULLET}\N{BULLET}@acme.example"),
    ],
    ids=["phone", "mailbox"],
)
def test_an_address_is_recognised_but_not_given_away(kind: str, value: str, shown: str) -> None:
    assert blocks.mask(kind, value) == shown


def test_a_moment_is_written_in_the_readers_zone() -> None:
    at = dt.datetime(2026, 3, 2, 15, 4, tzinfo=dt.UTC)
    assert blocks.moment(at) == (
        f"<!date^{int(at.timestamp())}^{{date_short}}, {{time}}|Mon 2 Mar 2026, 15:04 UTC>"
    )
