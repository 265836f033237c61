"""Aging, DSO in its kinds, CEI and leakage: what do the books say on a day?"""

from collections import defaultdict
from collections.abc import Sequence

from sqlmodel import Session

from billing import history
from billing.history import invoicing as bills
from billing.history import receivables as read
from billing.metrics import Period, invoicing
from billing.metrics import receivables as metrics
from billing.metrics.receivables import BUCKETS
from bot.charts import Columns
from bot.reports.answer import (
    Amount,
    Answer,
    Asked,
    Cell,
    Figure,
    Number,
    Section,
    bar_height,
    scaled,
)


def aging(session: Session, asked: Asked) -> Answer:
    """What is open, by client and by how late it is."""
    by_client = _by_client(session, asked)
    names = history.client_names(session)
    sections, panels = [], []
    for currency, clients in sorted(by_client.items()):
        whole = metrics.together(clients.values())
        sections.append(
            Section(
                currency,
                _aging_figures(whole, currency),
                ("client", *BUCKETS, "others' shares", "open", "disputed", "unapplied"),
                _clients(clients, names, currency),
            )
        )
        stacks = zip(BUCKETS, whole.own, whole.payers, strict=True)
        columns = [(b, (scaled(o, currency), scaled(p, currency))) for b, o, p in stacks]
        panels.append(Columns(f"Open, {currency}", columns, ("clients", "others' shares")))
    return Answer(
        "aging",
        "Aging",
        asked.scope.today,
        sections,
        panels=panels,
    )


def _aging_figures(whole: metrics.Aging, currency: str) -> list[Figure]:
    late = zip(BUCKETS, whole.own, whole.payers, strict=True)
    return [
        Figure("open", "open", Amount(whole.receivable, currency)),
        *(
            Figure(
                name.replace(" ", "_").replace("-", "_to_"), f"  {name}", Amount(a + b, currency)
            )
            for name, a, b in late
        ),
        Figure("overdue", "overdue", Amount(whole.overdue, currency)),
        Figure("of_payers", "of it, others' shares", Amount(sum(whole.payers), currency)),
        Figure("disputed", "of it, disputed", Amount(whole.disputed, currency)),
        Figure("unapplied", "unapplied, not deducted", Amount(whole.unapplied, currency)),
        Figure("balance", "open less unapplied", Amount(whole.balance, currency)),
        Figure("at_risk", "over 90 days late", Number(metrics.at_risk(whole), "%")),
    ]


def _by_client(session: Session, asked: Asked) -> dict[str, dict[int, metrics.Aging]]:
    """Who owes anything, or has money on account, by currency."""
    debts: defaultdict[tuple[str, int], list[metrics.Debt]] = defaultdict(list)
    for row in read.owed(session, asked.scope):
        debts[row.currency, row.client_id].append(row.debt)
    cash = read.unapplied(session, asked.scope)
    found: defaultdict[str, dict[int, metrics.Aging]] = defaultdict(dict)
    for currency, client in {**debts, **cash}:
        account = currency, client
        found[currency][client] = metrics.aging(debts.get(account, ()), cash.get(account, 0))
    return dict(found)


def _clients(
    aged: dict[int, metrics.Aging], names: dict[int, str], currency: str
) -> list[Sequence[Cell]]:
    """A row for each client, who owes most that is late first."""
    ranked = sorted(aged, key=lambda one: (-aged[one].overdue, -aged[one].receivable, names[one]))
    nothing = Amount(0, currency)  # Most buckets of most clients: one object for a million cells.
    found: list[Sequence[Cell]] = []
    for client in ranked:
        one = aged[client]
        amounts = (*one.own, sum(one.payers), one.receivable, one.disputed, one.unapplied)
        cells = [Amount(amount, currency) if amount else nothing for amount in amounts]
        found.append([names[client], *cells])
    return found


def dso(session: Session, asked: Asked) -> Answer:
    """Days sales outstanding, simple, counted back and best possible, and the delay."""
    moved, sold = read.receivable(session, asked.scope), read.sales(session, asked.scope)
    rows = read.owed(session, asked.scope)
    cash = read.unapplied(session, asked.scope)
    sections, panels = [], []
    for currency in sorted({*moved, *sold}):
        free = sum(sum_ for (of, _), sum_ in cash.items() if of == currency)
        aged = metrics.aging(read.debts(rows, currency), free)
        open_ = metrics.up_to(moved.get(currency, {}), asked.scope.horizon)
        days = _days(open_, aged, sold.get(currency, {}), asked.period)
        amounts = (
            ("receivable", "receivables", open_),
            ("sales", "sales of the period", metrics.within(sold.get(currency, {}), asked.period)),
            ("unapplied", "unapplied, not deducted", free),
            ("disputed", "disputed, included", aged.disputed),
        )
        figures = [Figure(key, label, Amount(sum_, currency)) for key, label, sum_ in amounts]
        sections.append(Section(currency, [*days, *figures]))
        columns = [
            (one.label, (bar_height(one.value.value),))
            for one in days
            if isinstance(one.value, Number)
        ]
        panels.append(Columns(f"Days sales outstanding, {currency}", columns, digits=1))
    return Answer(
        "dso",
        "Days sales outstanding",
        asked.scope.today,
        sections,
        period=asked.period,
        panels=panels,
    )


def _days(receivable: int, aged: metrics.Aging, sold: metrics.Days, period: Period) -> list[Figure]:
    """The four figures of a currency."""
    sales = metrics.within(sold, period)
    simple = metrics.dso(receivable, sales, period.days)
    best = metrics.best_possible_dso(aged.own[0] + aged.payers[0], sales, period.days)
    late = metrics.average_days_delinquent(simple, best)
    back = metrics.countback(receivable, metrics.months_back(sold, period.last))
    counted = Number(back.days, "days", at_least=not back.complete)
    return [
        Figure("dso", "DSO, simple", Number(simple, "days")),
        Figure("dso_countback", "DSO, countback", counted),
        Figure("best_possible_dso", "best possible DSO", Number(best, "days")),
        Figure("add", "ADD", Number(late, "days")),
    ]


def cei(session: Session, asked: Asked) -> Answer:
    """How much of what could be collected was."""
    period = asked.period
    moved, sold = read.receivable(session, asked.scope), read.sales(session, asked.scope)
    rows = read.owed(session, asked.scope)
    sections, panels = [], []
    for currency in sorted({*moved, *sold}):
        aged = metrics.aging(read.debts(rows, currency))
        days = moved.get(currency, {})
        begin = metrics.up_to(days, period.before)
        end = metrics.up_to(days, asked.scope.horizon)
        sales = metrics.within(sold.get(currency, {}), period)
        current = aged.own[0] + aged.payers[0]
        value = metrics.collection_effectiveness(begin, sales, end, current)
        amounts = (
            ("begin", "receivables at the beginning", begin),
            ("sales", "sales", sales),
            ("end", "receivables at the end", end),
            ("current", "of it current", current),
            ("disputed", "of it disputed", aged.disputed),
        )
        figures = [Figure(key, label, Amount(sum_, currency)) for key, label, sum_ in amounts]
        sections.append(Section(currency, [Figure("cei", "CEI", Number(value, "%")), *figures]))
        columns = [(label, (scaled(sum_, currency),)) for _, label, sum_ in amounts]
        panels.append(Columns(f"What CEI is made of, {currency}", columns))
    return Answer(
        "cei",
        "Collection effectiveness index",
        asked.scope.today,
        sections,
        period=period,
        panels=panels,
    )


def leakage(session: Session, asked: Asked) -> Answer:
    """What was earned and is not coming in."""
    found = leaks(session, asked)
    sections, panels = [], []
    for currency, leak in sorted(found.items()):
        parts = (
            ("written_off", "written off in the period", leak.written_off),
            ("uncollected", "open over 120 days late", leak.uncollected),
            ("missed", "never billed", leak.missed),
        )
        sections.append(
            Section(
                currency,
                [
                    Figure("leakage", "revenue leakage", Amount(leak.amount, currency)),
                    Figure("share", "share of sales", Number(leak.share, "%")),
                    *(
                        Figure(key, f"  {label}", Amount(sum_, currency))
                        for key, label, sum_ in parts
                    ),
                ],
            )
        )
        columns = [(label, (scaled(sum_, currency),)) for _, label, sum_ in parts]
        panels.append(Columns(f"Revenue leakage, {currency}", columns))
    return Answer(
        "leakage",
        "Revenue leakage",
        asked.scope.today,
        sections,
        period=asked.period,
        panels=panels,
    )


def leaks(session: Session, asked: Asked) -> dict[str, metrics.Leakage]:
    """Leakage by currency."""
    period, scope = asked.period, asked.scope
    sold, gone = read.sales(session, scope), read.written_off(session, scope)
    rows = read.owed(session, scope)
    missed = invoicing.missed(bills.waits(session, scope), period.last)
    return {
        currency: metrics.leakage(
            metrics.within(gone.get(currency, {}), period),
            read.debts(rows, currency),
            sum(one.amount for one in missed if one.currency == currency),
            metrics.within(sold.get(currency, {}), period),
        )
        for currency in sorted({*sold, *gone, *(one.currency for one in missed)})
    }
