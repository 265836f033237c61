"""Do clients stay, do they grow, and what is one worth?"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from billing.cycles import MONTHS
from billing.metrics import percent, ratio

_BY_KIND = {"subscription": 1, "retainer": 1, "term": 12}


def monthly(amount: int, kind: str, cycle: str) -> Fraction | None:
    """What an agreement comes to in a month; None where it does not recur."""
    months = MONTHS.get(cycle) if cycle else _BY_KIND.get(kind)
    return Fraction(amount, months) if months else None


class Base(NamedTuple):
    """What the agreements of one client came to in a month, at the start and at the end."""

    start: Fraction
    end: Fraction


@dataclass(frozen=True, slots=True)
class Recurring:
    """Monthly amounts of the clients that were there at the start; the rates are in per cent."""

    clients: int
    lost: int
    start: Fraction
    expansion: Fraction
    contraction: Fraction
    churn: Fraction

    @property
    def end(self) -> Fraction:
        """What those clients came to at the end."""
        return self.start + self.expansion - self.contraction - self.churn


def recurring(bases: Iterable[Base]) -> Recurring:
    """What became of the clients that had agreements at the start; new clients are left out."""
    expansion = contraction = churn = start = Fraction(0)
    clients = lost = 0
    for base in bases:
        if not base.start:
            continue
        clients += 1
        start += base.start
        if not base.end:
            lost += 1
            churn += base.start
        elif base.end < base.start:
            contraction += base.start - base.end
        else:
            expansion += base.end - base.start
    return Recurring(clients, lost, start, expansion, contraction, churn)


def net_retention(found: Recurring) -> Fraction | None:
    """NRR, net revenue retention: what the clients of the start are worth at the end.

    Formula: (start + expansion - contraction - churn) / start · 100, by client, of what agreements
    come to in a month: monthly as it is, quarterly / 3, yearly / 12; without a stated cycle,
    subscriptions and retainers are monthly and terms yearly. Milestones and single bills do not
    recur and are left out. New clients are left out.

    Churn: all agreements of the client have ended; less of them is contraction.

    Unapplied and disputed money: no different; this is what was agreed, not what was paid.

    Foreign money: never converted; one figure per currency.

    Source: the usual definition of subscription businesses.
    """
    return percent(found.end, found.start)


def gross_retention(found: Recurring) -> Fraction | None:
    """GRR, gross revenue retention: the same without what clients agreed to on top.

    Formula: (start - contraction - churn) / start · 100; at most 100.

    Foreign money: never converted; one figure per currency.

    Source: the usual definition of subscription businesses.
    """
    return percent(found.start - found.contraction - found.churn, found.start)


@dataclass(frozen=True, slots=True)
class LifetimeValue:
    """What a client brought so far, and what one will bring; in minor units."""

    clients: int
    received: int
    so_far: Fraction | None
    lifetime: Fraction | None


def lifetime_value(clients: int, received: int, found: Recurring, months: int) -> LifetimeValue:
    """Lifetime value: what a client brings, so far and over the time that clients stay.

    Formula: so far is money received (less what went back) / clients that were ever billed. Over a
    lifetime is the average monthly amount of the agreements at the start of the period / the
    monthly rate at which those clients left (clients lost / clients at the start / months); where
    nobody left, there is no such figure.

    Margin: revenue, not profit; costs are not known here.

    Unapplied: received, so included.

    Foreign money: never converted; one figure per currency.

    Source: average revenue per account / churn rate.
    """
    churn = ratio(found.lost, found.clients * months)
    average = ratio(found.start, found.clients)
    lifetime = average / churn if churn and average is not None else None
    return LifetimeValue(clients, received, ratio(received, clients), lifetime)
