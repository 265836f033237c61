"""Is what we hold of clients, agreements and invoices complete and free of contradictions?

Asked before anything is automated. Judges counts; ``holdings`` reads them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing import money, spelling
from billing.store import Store
from bot.doctor import holdings, plausible
from bot.doctor.finding import Finding, ok, warning
from bot.doctor.holdings import Counts, Holdings, Known
from bot.report import DONE, NO, Report, Table

_MOST = 20
"""Clients that are named in the table; JSON has all of them."""
_BAR = 10
_TODO = "Run `counterfoil doctor --data`: it names the clients."


@dataclass(frozen=True, slots=True)
class Share:
    """How many have a field, what its gaps keep from working, and whose they are, with how many.

    ``stops``: clients who owe something and cannot be asked for it without.
    """

    field: str
    of: str
    have: int
    whole: int
    keeps: str
    gaps: dict[int, int]
    stops: tuple[int, ...] = ()

    @property
    def missing(self) -> int:
        """How many lack it."""
        return self.whole - self.have


@dataclass(frozen=True, slots=True)
class Check:
    """Two things that must agree: how often that could be judged, and where they do not."""

    name: str
    judged: int
    means: str
    against: tuple[tuple[int | None, str], ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """All that was found; the clients with a gap or a contradiction, the largest debt first."""

    shares: tuple[Share, ...]
    checks: tuple[Check, ...]
    clients: tuple[Known, ...]
    issuers: tuple[str, ...]
    """Legal entities that lack what every reminder needs, each with what."""

    @property
    def well(self) -> bool:
        """Nothing that is missing keeps a reminder from leaving."""
        return not self.issuers and not any(share.stops for share in self.shares)


def look(store: Store) -> Iterator[Finding]:
    """What a visit to the whole installation says of the data, in a line or two."""
    found = audit(store)
    for share in found.shares:
        if share.stops:
            words = "client who owes has none", "clients who owe have none"
            said = f"{spelling.counted(len(share.stops), *words)}: {share.keeps}."
            yield warning(share.field, said, _TODO)
    against = [check for check in found.checks if check.against]
    for check in against:
        said = f"{len(check.against):,} of {check.judged:,} disagree: {check.means}."
        yield warning(check.name, said, _TODO)
    if found.well and not against:
        yield ok("data", "Whoever owes can be written to, and nothing contradicts itself.")


def audit(store: Store) -> Audit:
    """Count, and judge the counts."""
    with store.read() as session:
        held = holdings.read(session)
    return judged(held)


def judged(held: Holdings) -> Audit:
    """The counts, judged.  Pure."""
    shares, checks = tuple(_shares(held)), tuple(_checks(held))
    named = {one for share in shares for one in share.gaps}
    named |= {one for check in checks for one, _ in check.against if one is not None}
    clients = sorted((held.clients[one] for one in named), key=_largest_first)
    return Audit(shares, checks, tuple(clients), tuple(_issuers(held)))


def _largest_first(client: Known) -> tuple[Decimal, int]:
    """By the largest amount in one currency: they are not added to one another."""
    units = [Decimal(sum_).scaleb(-money.exponent(code)) for code, sum_ in client.open]
    return -max(units, default=Decimal(0)), client.id


# --- complete? ------------------------------------------------------------------------------------

_AGREEMENTS = {
    "service_type": "its renewals cannot be reported, nor offers fitted to it",
    "rate_card": "nobody can check whether the agreed price was billed",
    "billing_cycle": "a bill that should have gone out is not missed",
    "payment_terms": "a due day that is not the agreed one goes unseen",
    "contract_value": "what a renewal is worth cannot be ranked or forecast",
}
_INVOICES = {
    "service_type": "work cannot be told apart in reports and in disputes",
    "terms": "the due day rests on the sender's word alone",
    "tax_code": "an invoice or statement cannot show its tax, nor can it be checked",
}
_SAID = {"terms": "payment terms", "tax_code": "tax code on each line"}


def _shares(held: Holdings) -> Iterator[Share]:
    yield _of_clients(
        held, "person to write to", "without a recipient of bills nobody is asked", _has_contact
    )
    yield _of_clients(
        held, "usable address", "without a usable address no reminder can leave", _has_address
    )
    yield _of_clients(
        held, "owner", "escalations go to the finance channel, not to who knows the client", _owned
    )
    keeps = "two records of one client are hard to tell, and tax cannot be checked"
    yield _of_clients(held, "tax number", keeps, _has_tax_number)
    for name, keeps in _AGREEMENTS.items():
        yield _of_rows(name, "agreements", keeps, held.agreements[name])
    for name, keeps in _INVOICES.items():
        yield _of_rows(name, "invoices", keeps, held.invoices[name])


def _has_contact(client: Known) -> bool:
    return client.contact


def _has_address(client: Known) -> bool:
    return client.usable


def _owned(client: Known) -> bool:
    return client.owned


def _has_tax_number(client: Known) -> bool:
    return bool(client.tax_number)


def _of_clients(held: Holdings, field: str, keeps: str, has: Callable[[Known], bool]) -> Share:
    gaps = {one.id: 1 for one in held.clients.values() if not has(one)}
    whole = len(held.clients)
    needed = has in (_has_contact, _has_address)
    owing = (one for one in gaps if any(sum_ > 0 for _, sum_ in held.clients[one].open))
    stops = tuple(owing) if needed else ()
    return Share(field, "clients", whole - len(gaps), whole, keeps, gaps, stops)


def _of_rows(name: str, of: str, keeps: str, counts: Counts) -> Share:
    have = sum(having for having, _ in counts.values())
    whole = sum(all_ for _, all_ in counts.values())
    gaps = {one: all_ - having for one, (having, all_) in counts.items() if all_ > having}
    return Share(_SAID.get(name, name.replace("_", " ")), of, have, whole, keeps, gaps)


_LETTERHEAD = ("postal_address", "from_address", "pay_link")


def _issuers(held: Holdings) -> Iterator[str]:
    for entity in held.entities:
        lacking = [name for name in _LETTERHEAD if not getattr(entity, name)]
        if lacking:
            listed = " and ".join(name.replace("_", " ") for name in lacking)
            yield f"{entity.name} has no {listed}: no reminder of its invoices can leave."


# --- consistent? ----------------------------------------------------------------------------------


def _checks(held: Holdings) -> Iterator[Check]:
    yield _check(
        held, "payment terms and due days", "reminders come earlier or later than was agreed",
        held.terms, _terms,
    )  # fmt: skip
    yield _check(
        held, "currency of agreements", "renewals come in a currency that the entity does not keep",
        held.currencies, _currency,
    )  # fmt: skip
    yield _check(
        held, "billing cycle and invoices", "bills are missing, or the cycle is another",
        held.cycles, _cycle,
    )  # fmt: skip
    yield _check(
        held, "tax number and country", "letters keep the hours and holidays of a wrong country",
        list(held.clients.values()), _tax_number,
    )  # fmt: skip
    countries = {one: client.country for one, client in held.clients.items()}
    yield _check(
        held, "tax on lines and country", "the invoice may carry another country's tax",
        held.taxes, lambda row: _tax(row, countries[held.heads[row.client_id]]),
    )  # fmt: skip
    yield _spellings(held.service_types)


Judge = Callable[[Any], tuple[bool | None, int, str]]
"""Whether a row agrees with itself (None: nobody can tell), for how many it stands, and how not."""


def _check(held: Holdings, name: str, means: str, rows: Sequence[Any], judge: Judge) -> Check:
    count, against = 0, []
    for row in rows:
        agrees, many, said = judge(row)
        count += 0 if agrees is None else many
        if agrees is False:
            client_id = row.id if isinstance(row, Known) else held.heads[row.client_id]
            against.append((client_id, said))
    return Check(name, count, means, tuple(against))


def _terms(row: Any) -> tuple[bool | None, int, str]:
    agrees = plausible.keeps_terms(row.terms, row.days)
    days = spelling.counted(row.days, "day")
    said = f"{_invoices(row)}: “{row.terms}”, but due after {days}"
    return agrees, row.count, said


def _currency(row: Any) -> tuple[bool | None, int, str]:
    said = f"{row.name} is in {row.currency}, its legal entity bills in {row.own}"
    return row.currency == row.own, 1, said


def _cycle(row: Any) -> tuple[bool | None, int, str]:
    agrees = plausible.keeps_cycle(row.billing_cycle, row.bills, row.first, row.last)
    every = (row.last - row.first).days / max(1, row.bills - 1)
    said = f"{row.name} is {row.billing_cycle}, but a bill came every {every:.0f} days"
    return agrees, 1, said


def _tax_number(client: Known) -> tuple[bool | None, int, str]:
    country = plausible.country_of_tax_number(client.tax_number)
    said = f"{client.tax_number} is of {country}, the client is kept in {client.country}"
    return None if country is None else country == client.country, 1, said


def _tax(row: Any, country: str) -> tuple[bool | None, int, str]:
    """Tax of the client's country, or of ours, is as it should be."""
    taxed = plausible.country_of_tax(row.tax_code, row.jurisdiction, country)
    mark = row.jurisdiction or row.tax_code
    said = f"{row.number} has tax of {mark}, the client is in {country} and we in {row.own}"
    return None if taxed is None else taxed in (country, row.own), row.count, said


def _spellings(said: Sequence[tuple[str, int]]) -> Check:
    ways: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for word, count in said:
        ways[plausible.folded(word)].append((word, count))
    against = tuple(
        (None, " and ".join(f"“{word}” ({count:,})" for word, count in same))
        for same in ways.values()
        if len(same) > 1
    )
    means = "one kind of work is two in every report"
    return Check("spelling of service types", len(ways), means, against)


def _invoices(row: Any) -> str:
    return row.number if row.count == 1 else f"{row.number} and {row.count - 1:,} more"


# --- told -----------------------------------------------------------------------------------------


def report(found: Audit) -> Report:
    """The audit for people and programs; the answer is no where a reminder cannot leave."""
    lines = ["Nothing that is missing keeps a reminder from leaving."] if found.well else []
    lines += found.issuers
    lines += [
        f"{spelling.counted(len(one.stops), 'client')} with open amounts: {one.keeps}."
        for one in found.shares
        if one.stops
    ]
    tables = [_complete(found), *_consistent(found), *_clients(found)]
    return Report(_data(found), lines, tables, DONE if found.well else NO)


def _complete(found: Audit) -> Table:
    rows = [
        [one.of, one.field, bar(one.have, one.whole), f"{one.have:,} of {one.whole:,}",
         one.keeps if one.missing else ""]
        for one in found.shares
    ]  # fmt: skip
    return Table("", ["of", "field", "filled", "have it", "what its gaps keep from working"], rows)


def bar(have: int, whole: int) -> str:
    """A share as a bar with its percent; full only where nothing is missing, empty at nothing."""
    if not whole:
        return "-"
    full = _BAR if have == whole else min(_BAR - 1, max(have * _BAR // whole, have > 0))
    return "█" * full + "░" * (_BAR - full) + f" {have * 100 // whole:>3}%"


def _consistent(found: Audit) -> Iterator[Table]:
    rows = [
        [one.name, f"{one.judged:,}", f"{len(one.against):,}", one.means if one.against else "",
         one.against[0][1] if one.against else ""]
        for one in found.checks
    ]  # fmt: skip
    columns = ["what must agree", "judged", "does not", "so", "for example"]
    yield Table("", columns, rows)


def _clients(found: Audit) -> Iterator[Table]:
    if not found.clients:
        return
    lacks, against = _lacks(found), _against(found)
    rows = [
        [one.name, _written(one), ", ".join(lacks[one.id]), "; ".join(against[one.id])]
        for one in found.clients[:_MOST]
    ]
    more = len(found.clients) - len(rows)
    title = f"The {_MOST} of {len(found.clients):,} who owe most (all: --json)" if more else ""
    yield Table(title, ["client", "open", "lacks", "contradicts itself"], rows)


def _written(client: Known) -> str:
    return ", ".join(money.display(sum_, code) for code, sum_ in client.open) or "nothing"


def _lacks(found: Audit) -> dict[int, list[str]]:
    lacks: dict[int, list[str]] = defaultdict(list)
    for share in found.shares:
        for one, count in share.gaps.items():
            many = "" if share.of == "clients" else f" ({spelling.counted(count, share.of[:-1])})"
            lacks[one].append(f"{share.field}{many}")
    return lacks


def _against(found: Audit) -> dict[int, list[str]]:
    against: dict[int, list[str]] = defaultdict(list)
    for check in found.checks:
        for one, said in check.against:
            if one is not None:
                against[one].append(said)
    return against


def _data(found: Audit) -> dict[str, Any]:
    lacks, against = _lacks(found), _against(found)
    return {
        "well": found.well,
        "issuers": list(found.issuers),
        "fields": [
            {"of": one.of, "field": one.field, "have": one.have, "of_all": one.whole,
             "share": round(one.have / one.whole, 4) if one.whole else None,
             "keeps_from_working": one.keeps, "stops_reminders_of": len(one.stops)}
            for one in found.shares
        ],
        "checks": [
            {"check": one.name, "judged": one.judged, "disagree": len(one.against),
             "means": one.means, "found": [said for _, said in one.against]}
            for one in found.checks
        ],
        "clients": [
            {"client": one.id, "name": one.name, "open": dict(one.open),
             "lacks": lacks[one.id], "contradicts": against[one.id]}
            for one in found.clients
        ],
    }  # fmt: skip
