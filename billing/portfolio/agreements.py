"""Which agreements does a CSV file tell us of: subscriptions, retainers and terms?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from billing import facts
from billing.facts import AgreementDescribed
from billing.portfolio import columns, days, table
from billing.portfolio.rows import Cells, Dates, Problem, positive, reference, words
from billing.portfolio.sheet import Content
from billing.portfolio.table import Refused


@dataclass(frozen=True, slots=True)
class Agreements:
    """The agreements of the good rows, and every problem of the others."""

    facts: tuple[AgreementDescribed, ...] = ()
    problems: tuple[Problem, ...] = ()


def read(
    content: Content | str,
    *,
    date_format: str | None = None,
    source: str = "csv",
    default_currency: str = "USD",
) -> Agreements:
    """The agreements in a file (a path), in bytes, or in lines."""
    try:
        settled = table.given(date_format)
        opened = table.opened(content, {}, columns.AGREEMENT, columns.AGREEMENT_OPTIONAL)
        evidence = days.Evidence()
        for cells in opened.lines():
            if not cells.problems:
                table.see_dates(evidence, cells, ("renews",))
        dates = table.judged(evidence, settled)
        return _taken(list(opened.lines()), dates, source, default_currency)
    except Refused as refused:
        return Agreements(problems=refused.problems)


def _taken(lines: list[Cells], dates: Dates, source: str, default_currency: str) -> Agreements:
    seen: dict[str, tuple[int, AgreementDescribed]] = {}
    problems: list[Problem] = []
    for cells in lines:
        fact = None if cells.problems else _agreement(cells, dates, source, default_currency)
        if fact is not None:
            line, before = seen.setdefault(fact.external_id, (cells.line, fact))
            if before != fact:
                cells.fault("agreement", f"is on line {line} too, with other data; correct one")
        problems.extend(cells.problems)
    return Agreements(tuple(fact for _, fact in seen.values()), tuple(problems))


def _agreement(
    cells: Cells, dates: Dates, source: str, default_currency: str
) -> AgreementDescribed | None:
    client = cells.take("client", reference, "")
    external_id = cells.take("agreement", reference, "")
    name = cells.take("name", reference, "")
    kind = cells.take("kind", _kind, "term")
    renews = cells.take("renews", dates.read, date.min)
    legal_entity = cells.take("legal_entity", words, "")
    currency = cells.take("currency", lambda cell: facts.currency(cell or default_currency), "USD")
    amount = cells.take("amount", lambda cell: positive(cell, currency), 1)
    if cells.problems:
        return None
    return AgreementDescribed(
        source=source,
        client_external_id=client,
        external_id=external_id,
        kind=kind,
        name=name,
        amount=amount,
        currency=currency,
        renews_on=renews,
        legal_entity=legal_entity,
    )


def _kind(written: str) -> Literal["subscription", "retainer", "term"]:
    word = written.casefold()
    if word == "subscription":
        return "subscription"
    if word == "retainer":
        return "retainer"
    if word == "term":
        return "term"
    raise ValueError(f"`{written[:40]}` is no kind; write subscription, retainer or term")
