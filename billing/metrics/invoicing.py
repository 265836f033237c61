"""How long until work is billed, and how often is a bill wrong?"""

import datetime as dt
import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from billing.metrics import Spread, percent, spread

APART = 28
"""Days from which two bills of one amount are a monthly bill, and no duplicate."""
MISSED_AFTER = 14
"""Days after which work that could be billed, and is not, is missed."""


class Billed(NamedTuple):
    """An issued invoice."""

    id: int
    client_id: int
    legal_entity_id: int
    currency: str
    amount: int
    issued_on: dt.date
    ready_on: dt.date | None = None
    service: str = ""
    """The kind of service and the matter: two bills for different ones are no duplicates."""


class Wait(NamedTuple):
    """Work that could be billed on a day, and the day on which it was, if it was."""

    currency: str
    amount: int
    ready_on: dt.date
    billed_on: dt.date | None


class Change(NamedTuple):
    """A correction, void or credit note of an invoice, and its day."""

    invoice_id: int
    on: dt.date


@dataclass(frozen=True, slots=True)
class TimeToInvoice:
    """Days from what could be billed to the bill."""

    days: Spread
    unknown: int
    """Invoices of which nobody told when they could be billed."""


def time_to_invoice(invoices: Iterable[Billed]) -> TimeToInvoice:
    """Time-to-invoice: days from the delivery, or what triggered the bill, to the bill.

    Formula: issued on - ready on, of the invoices issued in the period; the median (of two middle
    ones their mean) and the 90th percentile (nearest rank). Billed in advance is 0 days.

    Left out: invoices of which nobody told when they could be billed; their number is beside it.

    Unapplied, disputed and foreign money: no amounts are added, so all invoices count the same.

    Source: Counterfoil's own.
    """
    known: list[int] = []
    unknown = 0
    for one in invoices:
        if one.ready_on is None:
            unknown += 1
        else:
            known.append(max(0, (one.issued_on - one.ready_on).days))
    return TimeToInvoice(spread(known), unknown)


@dataclass(frozen=True, slots=True)
class Errors:
    """Bills that were wrong, by how; one that is wrong in two ways counts once in the rate."""

    issued: int
    duplicates: int
    incorrect: int
    missed: int
    corrections: int
    rate: Fraction | None
    per_hundred: Fraction | None


def billing_errors(
    issued: Sequence[Billed], before: Sequence[Billed], corrected: Sequence[int], missed: int
) -> Errors:
    """Billing error rate: bills that were duplicate, incorrect or missed, of all that were due.

    Formula: (possible duplicates + incorrect, each invoice once, + missed) / (issued + missed) ·
    100. Possible duplicate: the same client, legal entity, currency, amount, service and matter as
    a bill less than 28 days before (28 and more is a monthly bill). Incorrect: issued in the period
    and since corrected, voided or credited. Missed: could be billed 14 days before the end of the
    period, or earlier, and was not billed by then. Corrections per 100 invoices: corrections, voids
    and credit notes of those invoices / issued · 100.

    Unapplied and disputed money: no different; a dispute is an error once it is credited.

    Foreign money: invoices are counted, not added, so all currencies count together.

    Source: Counterfoil's own.
    """
    ids = {one.id for one in issued}
    double = duplicates([*before, *issued]) & ids
    wrong = set(corrected) & ids
    return Errors(
        issued=len(issued),
        duplicates=len(double),
        incorrect=len(wrong),
        missed=missed,
        corrections=sum(one in ids for one in corrected),
        rate=percent(len(double | wrong) + missed, len(issued) + missed),
        per_hundred=percent(sum(one in ids for one in corrected), len(issued)),
    )


def missed(waits: Iterable[Wait], last: dt.date) -> list[Wait]:
    """What waited for 14 days or more at the end of a day."""
    latest = last - dt.timedelta(days=MISSED_AFTER)
    return [
        one
        for one in waits
        if one.ready_on <= latest and (one.billed_on is None or one.billed_on > last)
    ]


def duplicates(invoices: Iterable[Billed]) -> set[int]:
    """Those that look like one before them; of two on the same day, the later one."""
    alike: defaultdict[tuple[object, ...], list[Billed]] = defaultdict(list)
    for one in invoices:
        same = one.client_id, one.legal_entity_id, one.currency, one.amount, one.service
        alike[same].append(one)
    found: set[int] = set()
    for several in alike.values():
        several.sort(key=lambda one: (one.issued_on, one.id))
        for earlier, later in itertools.pairwise(several):
            if (later.issued_on - earlier.issued_on).days < APART:
                found.add(later.id)
    return found
