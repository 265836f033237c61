import pytest
from hypothesis import given
from hypothesis import strategies as st

from comms.writing.segments import BASIC, EXTENSION, Encoding, Segments, cheapest, count, plain


@pytest.mark.parametrize(
    ("text", "encoding", "units", "parts"),
    [
        pytest.param("", Encoding.GSM7, 0, 0, id="nothing"),
        pytest.param("a" * 160, Encoding.GSM7, 160, 1, id="full single"),
        pytest.param("a" * 161, Encoding.GSM7, 161, 2, id="one more"),
        pytest.param("a" * 306, Encoding.GSM7, 306, 2, id="two full parts"),
        pytest.param("a" * 307, Encoding.GSM7, 307, 3, id="three parts"),
        pytest.param("€" * 80, Encoding.GSM7, 160, 1, id="escaped characters count twice"),
        pytest.param("€" * 81, Encoding.GSM7, 162, 2, id="81 euros"),
        pytest.param("a" * 152 + "€" + "a" * 152, Encoding.GSM7, 306, 3, id="no cut in an escape"),
        pytest.param("ж" * 70, Encoding.UCS2, 70, 1, id="ucs2 single"),
        pytest.param("ж" * 71, Encoding.UCS2, 71, 2, id="ucs2 double"),
        pytest.param("ж" * 135, Encoding.UCS2, 135, 3, id="ucs2 triple"),
        pytest.param("😀" * 35, Encoding.UCS2, 70, 1, id="surrogate pairs"),
        pytest.param("ж" * 66 + "😀" + "ж" * 66, Encoding.UCS2, 134, 3, id="no cut in a pair"),
        pytest.param("ç", Encoding.UCS2, 1, 1, id="small c cedilla is not in the alphabet"),
    ],
)
def test_parts_are_counted_as_the_network_does(
    text: str, encoding: Encoding, units: int, parts: int
) -> None:
    assert count(text) == Segments(encoding, units, parts)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("It\u2019s \u201cdue\u201d \u2014 today\u2026", 'It\'s "due" - today...'),
        ("12\u00a0480\u202f€", "12 480 €"),
        ("zero\u200bwidth", "zerowidth"),
        ("re\u0301sume\u0301", "résumé"),
        ("ação 付款 ❤", "ação 付款 ❤"),
    ],
)
def test_only_faithful_equivalents_are_put_in_place(written: str, sent: str) -> None:
    assert plain(written) == sent


def test_one_curly_quote_no_longer_costs_three_parts() -> None:
    text = "Brightfold: it\u2019s time. " + "a" * 119
    assert (count(text).parts, count(cheapest(text)).parts) == (3, 1)


def test_a_text_that_stays_in_ucs2_keeps_its_quotes() -> None:
    assert cheapest("“付款”") == "“付款”"


@given(st.text())
def test_the_cheapest_form_never_costs_more(text: str) -> None:
    assert count(cheapest(text)).parts <= count(text).parts
    assert plain(plain(text)) == plain(text)


@given(st.text(alphabet=sorted(BASIC | EXTENSION)))
def test_the_alphabet_itself_stays_gsm(text: str) -> None:
    assert count(text).encoding is Encoding.GSM7


@given(st.text(max_size=400), st.text(max_size=400))
def test_more_text_never_costs_less(one: str, more: str) -> None:
    assert count(one + more).parts >= count(one).parts
