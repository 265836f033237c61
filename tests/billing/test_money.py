from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import money

CURRENCIES = ("USD", "EUR", "JPY", "KWD", "RSD", "CHF")


@pytest.mark.parametrize(
    ("currency", "digits"), [("USD", 2), ("EUR", 2), ("JPY", 0), ("KWD", 3), ("IQD", 3), ("RSD", 2)]
)
def test_a_currency_knows_its_exponent(currency: str, digits: int) -> None:
    assert money.exponent(currency) == digits


@pytest.mark.parametrize("currency", ["", "usd", "XYZ", "Dollar"])
def test_an_unknown_currency_is_refused(currency: str) -> None:
    with pytest.raises(ValueError, match="ISO 4217"):
        money.exponent(currency)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        pytest.param("310", "USD", 31000, id="whole"),
        pytest.param("310.5", "USD", 31050, id="one decimal"),
        pytest.param("1,234.56", "USD", 123456, id="english"),
        pytest.param("1.234,56", "EUR", 123456, id="german"),
        pytest.param("1 234,56", "EUR", 123456, id="french"),
        pytest.param("1'234.56", "CHF", 123456, id="swiss"),
        pytest.param("1,234,567.89", "USD", 123456789, id="long"),
        pytest.param("1.234.567", "EUR", 123456700, id="two dots group"),
        pytest.param("1,234", "USD", 123400, id="comma groups where cents are two"),
        pytest.param("12,34", "EUR", 1234, id="decimal comma"),
        pytest.param("$1,200.00", "USD", 120000, id="symbol"),
        pytest.param("-$5", "USD", -500, id="minus before symbol"),
        pytest.param("1200 EUR", "EUR", 120000, id="code"),
        pytest.param("€ 3", "EUR", 300, id="euro sign"),
        pytest.param("1234", "JPY", 1234, id="yen"),
        pytest.param("1,234", "JPY", 1234, id="yen grouped"),
        pytest.param("500.00", "JPY", 500, id="yen from a spreadsheet"),
        pytest.param("1.250", "KWD", 1250, id="dinar"),
        pytest.param("1,250.005", "KWD", 1250005, id="dinar grouped"),
        pytest.param("-0.01", "USD", -1, id="minus a cent"),
    ],
)
def test_an_amount_is_read(text: str, currency: str, minor: int) -> None:
    assert money.parse(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "why"),
    [
        pytest.param("1.234", "USD", "two ways", id="a thousand or too fine"),
        pytest.param("1,234", "KWD", "two ways", id="dinar comma"),
        pytest.param("1.000", "JPY", "two ways", id="yen dot"),
        pytest.param("1,23,456.00", "USD", "two ways", id="uneven groups"),
        pytest.param("12.34.56", "USD", "two ways", id="a date"),
        pytest.param("0.001", "USD", "more decimals", id="tenth of a cent"),
        pytest.param("0,123", "EUR", "more decimals", id="nothing groups after zero"),
        pytest.param("10.50", "JPY", "more decimals", id="half a yen"),
        pytest.param("", "USD", "not an amount", id="empty"),
        pytest.param("ten", "USD", "not an amount", id="words"),
        pytest.param("€5", "USD", "not an amount", id="another currency's sign"),
        pytest.param("1e3", "USD", "not an amount", id="exponent"),
        pytest.param("(5.00)", "USD", "not an amount", id="accountant's minus"),
        pytest.param("5-", "USD", "not an amount", id="trailing minus"),
    ],
)
def test_an_unclear_amount_is_refused(text: str, currency: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        money.parse(text, currency)


@pytest.mark.parametrize(
    ("minor", "currency", "locale", "text"),
    [
        (31000, "USD", "en_US", "$310.00"),
        (-500, "USD", "en_US", "-$5.00"),
        (123456789, "USD", "en_US", "$1,234,567.89"),
        (1234, "JPY", "en_US", "¥1,234"),
        (1250, "KWD", "en_US", "KWD\N{NO-BREAK SPACE}1.250"),
        (31050, "RSD", "en_US", "RSD\N{NO-BREAK SPACE}310.50"),
        (123456, "EUR", "de_DE", "1.234,56\N{NO-BREAK SPACE}€"),
    ],
)
def test_an_amount_is_written_as_the_locale_does(
    minor: int, currency: str, locale: str, text: str
) -> None:
    assert money.display(minor, currency, locale) == text


@given(st.integers(-(10**15), 10**15), st.sampled_from(CURRENCIES))
def test_what_is_displayed_reads_back(minor: int, currency: str) -> None:
    assert money.parse(money.display(minor, currency), currency) == minor


@given(st.integers(-(10**15), 10**15), st.sampled_from(CURRENCIES))
def test_a_plain_decimal_reads_back(minor: int, currency: str) -> None:
    text = f"{Decimal(minor).scaleb(-money.exponent(currency)):f}"
    assert money.parse(text, currency) == minor


def test_a_hundred_dollars_in_three_lose_no_cent() -> None:
    assert money.split(10000, (1, 1, 1)) == (3334, 3333, 3333)


@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(lambda w: sum(w) > 0),
)
def test_shares_add_up_and_stay_within_one(amount: int, weights: list[int]) -> None:
    shares = money.split(amount, weights)
    assert sum(shares) == amount
    assert all(
        abs(share * sum(weights) - amount * weight) < sum(weights)
        for share, weight in zip(shares, weights, strict=True)
    )


@pytest.mark.parametrize("weights", [(), (0, 0), (2, -1)], ids=["none", "zero", "negative"])
def test_weights_that_share_nothing_are_refused(weights: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="weights"):
        money.split(100, weights)
