import pytest

from bot.report import harmless


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b"])
def test_no_cell_of_a_file_is_a_formula(sign: str) -> None:
    assert harmless(f"{sign}HYPERLINK(1)") == f"'{sign}HYPERLINK(1)"


def test_an_ordinary_cell_stays() -> None:
    assert harmless("Northwind - Trading = Co") == "Northwind - Trading = Co"
