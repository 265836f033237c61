"""Is exactly one mailbox taken for one, and written one way?"""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import facts, mailboxes

NASTY = st.text(st.sampled_from('ab.@,;:<>()[]\\" \r\n\t\0\u2028\uff20\uff0cü-_+'), max_size=30)


@pytest.mark.parametrize(
    "written",
    ["", "a", "@", "@b.example", "a@", "a@b.example,c@d.example", "A <a@b.example>",
     "<a@b.example>",
     "a@b.example\r\nBcc: c@d.example", "a@b.example\n", "a b@c.example", "a@b..example",
     "a@b.example.", "a@b.example;", '"a,b"@c.example', "a@b@c.example", "x" * 65 + "@b.example",
     "a@" + "b" * 64 + ".example", "a@-b.example", "a@[127.0.0.1]", "a@b\uff20c.example",
     "a@b\uff0cc.example", "a@b\u2028c.example", "a\u200b@b.example", "a\ud800@b.example",
     "a@" + "b.example" * 30],
)  # fmt: skip
def test_what_is_not_one_mailbox_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="one bare address"):
        mailboxes.exact(written)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        pytest.param(" Priya+r-X@Contoso.Example", "Priya+r-X@contoso.example", id="case"),
        pytest.param("a@München.example", "a@xn--mnchen-3ya.example", id="umlaut"),
        pytest.param("o'hara@example.org", "o'hara@example.org", id="quote"),
        pytest.param("root@localhost", "root@localhost", id="no dot"),
        pytest.param("a..b@mail_1.example", "a..b@mail_1.example", id="what others allow"),
        pytest.param("jürgen@b.example", "jürgen@b.example", id="local part beyond ASCII"),
    ],
)
def test_one_mailbox_is_written_one_way(written: str, normal: str) -> None:
    assert mailboxes.exact(written) == normal
    assert mailboxes.exact(normal) == normal


@pytest.mark.parametrize(
    "written", ["root@localhost", ".a@b.example", "a..b@b.example", "ü@b.example"]
)
def test_what_a_firm_tells_must_be_reached_from_anywhere(written: str) -> None:
    with pytest.raises(ValueError, match="is not an email address"):
        facts.mailbox(written)


@given(NASTY)
def test_no_mailbox_becomes_two(written: str) -> None:
    with contextlib.suppress(ValueError):
        found = mailboxes.exact(written)
        assert found.count("@") == 1
        assert not set(found) & set(' \t\r\n\0,;:<>()[]"\\\u2028')
