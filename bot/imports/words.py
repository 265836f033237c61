"""What is left of the words of a file of bills, when no number stays that nobody may see?

Such a file comes out of another system, where people type into whatever field there is.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from billing.facts import ClientDescribed
from billing.portfolio import Agreements, Portfolio, PortfolioRow, Problem
from comms.writing import covering

_OF_BILL = ("service_type", "terms", "po_number", "matter")
_OF_CLIENT = ("name", "contact_name", "city", "region", "segment", "postal_code")


def covered(told: Portfolio) -> Portfolio:
    """The file, each of its bills with its words covered where anything in them is to be."""
    clients: dict[int, ClientDescribed] = {}
    return dataclasses.replace(
        told,
        rows=tuple(_row(one, clients) for one in told.rows),
        problems=_problems(told.problems),
    )


def of_agreements(told: Agreements) -> Agreements:
    """The same of a file of agreements."""
    facts = tuple(one.model_copy(update={"name": covering.line(one.name)}) for one in told.facts)
    return dataclasses.replace(told, facts=facts, problems=_problems(told.problems))


def _row(row: PortfolioRow, clients: dict[int, ClientDescribed]) -> PortfolioRow:
    client = clients.get(id(row.client)) or _client(row.client)
    clients[id(row.client)] = client
    said = {name: getattr(row, name) for name in _OF_BILL}
    shown: dict[str, Any] = {name: covering.line(text) for name, text in said.items()}
    same = shown == said and client is row.client
    return row if same else dataclasses.replace(row, client=client, **shown)


def _client(client: ClientDescribed) -> ClientDescribed:
    said = {name: text for name in _OF_CLIENT if (text := getattr(client, name))}
    shown = {name: covering.line(text) for name, text in said.items()}
    return client if shown == said else client.model_copy(update=shown)


def _problems(found: Sequence[Problem]) -> tuple[Problem, ...]:
    """What is wrong with a line, which may quote it."""
    return tuple(dataclasses.replace(one, reason=covering.line(one.reason)) for one in found)
