"""From what amount on does something hold, in each currency?

Money is never converted, but a firm may say its thresholds once, in its own currency, and by which
rates they hold in others. A converted threshold is rounded down to a whole minor unit, so that it
never overlooks more than was said.
"""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from billing import money
from billing.toml import Table


@dataclass(frozen=True, slots=True)
class Amounts:
    """Minor units by currency; 0 where the firm has said nothing."""

    by_currency: tuple[tuple[str, int], ...] = ()

    def of(self, currency: str) -> int:
        """The amount that holds for a currency, in its minor units."""
        return dict(self.by_currency).get(currency, 0)


@dataclass(frozen=True, slots=True)
class Rates:
    """What one unit of ``base`` is worth in others, in whole units of both."""

    base: str = ""
    by_currency: tuple[tuple[str, Decimal], ...] = ()

    def spread(self, named: Amounts) -> Amounts:
        """The amounts as named, and from that of the base currency those that are not."""
        amounts = dict(named.by_currency)
        if self.base in amounts:
            for currency, rate in self.by_currency:
                amounts.setdefault(currency, self._converted(amounts[self.base], currency, rate))
        return Amounts(tuple(sorted(amounts.items())))

    def _converted(self, minor: int, currency: str, rate: Decimal) -> int:
        shift = money.exponent(currency) - money.exponent(self.base)
        return int((minor * rate).scaleb(shift).to_integral_value(ROUND_FLOOR))


def read_amounts(table: Table, key: str) -> Amounts:
    """Amounts that hold in their own currency only."""
    return Amounts(table.amounts(key))


def read_rates(table: Table) -> Rates:
    """Read its table; what is wrong is noted there."""
    base = table.currency("base")
    others = [name for name in table.raw if name != "base"]
    rates = Rates(base, tuple(sorted((name, table.rate(name)) for name in others)))
    if others and not base:
        table.wrong("base", 'must name the currency that the rates are of, as in "EUR"')
    if base in others:
        table.wrong(base, "is the base itself; leave it out")
    table.close()
    return rates
