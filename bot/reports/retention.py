"""Do clients stay and grow, and what is one worth?"""

from fractions import Fraction

from sqlmodel import Session

from billing.history import invoicing as read
from billing.history import receivables as money_in
from billing.metrics import receivables as sums
from billing.metrics import retention as metrics
from billing.metrics.retention import Recurring
from bot.charts import Columns
from bot.reports.answer import Amount, Answer, Asked, Cell, Figure, Number, Section, scaled

_DAYS_OF_MONTH = 30


def retention(session: Session, asked: Asked) -> Answer:
    """NRR and GRR of what was agreed."""
    sections, panels = [], []
    for currency, bases in sorted(read.bases(session, asked.scope, asked.period).items()):
        found = metrics.recurring(bases)
        sections.append(Section(currency, _figures(found, currency)))
        parts = (
            ("start", found.start),
            ("expansion", found.expansion),
            ("contraction", found.contraction),
            ("churn", found.churn),
            ("end", found.end),
        )
        columns = [(label, (scaled(sum_, currency),)) for label, sum_ in parts]
        panels.append(Columns(f"Recurring by month, {currency}", columns))
    return Answer(
        "retention",
        "Revenue retention",
        asked.scope.today,
        sections,
        period=asked.period,
        panels=panels,
    )


def _figures(found: Recurring, currency: str) -> list[Figure]:
    def amount(value: Fraction) -> Amount:
        return Amount(round(value), currency)

    return [
        Figure("nrr", "NRR", Number(metrics.net_retention(found), "%")),
        Figure("grr", "GRR", Number(metrics.gross_retention(found), "%")),
        Figure("start", "recurring by month, at the start", amount(found.start)),
        Figure("expansion", "  + expansion", amount(found.expansion)),
        Figure("contraction", "  - contraction", amount(found.contraction)),
        Figure("churn", "  - churn", amount(found.churn)),
        Figure("end", "at the end", amount(found.end)),
        Figure("clients", "clients at the start", found.clients),
        Figure("lost", "of them lost", found.lost),
    ]


def lifetime(session: Session, asked: Asked) -> Answer:
    """What a client brought so far, and brings over the time that clients stay."""
    period = asked.period
    bases = read.bases(session, asked.scope, period)
    billed = read.clients_billed(session, asked.scope)
    came = money_in.received(session, asked.scope)
    sections, panels = [], []
    for currency in sorted({*billed, *bases}):
        received = sums.up_to(came.get(currency, {}), asked.scope.horizon)
        found = metrics.lifetime_value(
            billed.get(currency, 0),
            received,
            metrics.recurring(bases.get(currency, ())),
            max(1, round(period.days / _DAYS_OF_MONTH)),
        )
        values = (
            ("so_far", "so far, per client", found.so_far),
            ("lifetime", "over a lifetime", found.lifetime),
        )
        figures = [Figure(key, label, _or_none(value, currency)) for key, label, value in values]
        figures += [
            Figure("received", "received", Amount(found.received, currency)),
            Figure("clients", "clients ever billed", found.clients),
        ]
        sections.append(Section(currency, figures))
        columns = [(label, (scaled(value or 0, currency),)) for _, label, value in values]
        panels.append(Columns(f"Value of a client, {currency}", columns))
    return Answer(
        "lifetime-value",
        "Lifetime value",
        asked.scope.today,
        sections,
        period=period,
        panels=panels,
    )


def _or_none(value: Fraction | None, currency: str) -> Cell:
    return Number(None, currency) if value is None else Amount(round(value), currency)
