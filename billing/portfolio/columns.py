"""Which column of their file is which of ours, and if none is, which did they mean?"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

REQUIRED = ("client", "invoice", "issued", "due", "amount")
OPTIONAL = (
    "client_name",
    "currency",
    "email",
    "phone",
    "sms_consent",
    "timezone",
    "language",
    "owner",
    "paid",
    "paid_amount",
    "disputed",
    "service_type",
    "terms",
    "po_number",
    "legal_entity",
    "matter",
    "contact_name",
    "country",
    "region",
    "segment",
    "ladder",
)
AGREEMENT = ("client", "agreement", "kind", "name", "amount", "renews")
AGREEMENT_OPTIONAL = ("currency", "legal_entity")

_ALSO_CALLED = {
    "client": "customerid clientid customer customernumber customerno account accountid "
    "accountnumber debtor debtorid clientnumber kunde kundennummer",
    "invoice": "invoicenumber invoiceno invoiceid number documentnumber billnumber invoiceref "
    "reference rechnungsnummer belegnummer",
    "issued": "invoicedate issuedate dateissued issuedon billdate documentdate date created "
    "rechnungsdatum",
    "due": "duedate datedue dueon paymentdue payby faelligkeit",
    "amount": "invoiceamount total totalamount amountdue grandtotal amounttotal value gross betrag",
    "paid": "settleddate paiddate datepaid paidon paymentdate settled settledon cleareddate",
    "paid_amount": "amountpaid paidamount amountreceived paidtodate paymentamount",
    "disputed": "indispute dispute isdisputed",
    "sms_consent": "smsoptin smsconsent textconsent",
    "agreement": "agreementid contract contractid subscription subscriptionid",
    "renews": "renewal renewaldate renewson enddate expires",
}
_DEAR = ("paid", "paid_amount", "disputed", "sms_consent")
"""Left out by mistake, these make us write to people whom we should not."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each of our columns stands in their file, and what of theirs nobody reads."""

    at: Mapping[str, int]
    ignored: tuple[str, ...]
    hints: tuple[str, ...]


def found(
    header: tuple[str, ...],
    mapping: Mapping[str, str],
    required: tuple[str, ...] = REQUIRED,
    optional: tuple[str, ...] = OPTIONAL,
) -> Columns:
    """Our columns in their header, by name or by ``mapping`` (ours → theirs).

    Raises:
        ValueError: with one sentence per column that cannot be found, as ``args``.
    """
    places = _places(header)
    at: dict[str, int] = {}
    faults = [
        f"--map {ours}={mapping[ours]}: there is no column `{ours}`; ours are "
        + ", ".join(required + optional)
        for ours in mapping
        if ours not in required + optional
    ]
    for ours in required + optional:
        theirs = mapping.get(ours, ours)
        where = places.get(_plain(theirs), ())
        if len(where) == 1:
            at[ours] = where[0]
        elif where:
            faults.append(f"column `{theirs}` is there {len(where)} times; rename or remove one")
        elif ours in mapping:
            faults.append(f"--map {ours}={theirs}: {_no_column(theirs, header)}")
    missing = [ours for ours in required if ours not in at and ours not in mapping]
    spare = [name for place, name in enumerate(header) if name and place not in at.values()]
    if missing:
        faults.extend(_missing(missing, spare, header, mapping))
    if faults:
        raise ValueError(*faults)
    return Columns(at, tuple(spare), _hints(spare, at, optional))


def _plain(name: str) -> str:
    return name.strip().casefold()


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _places(header: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    places: dict[str, tuple[int, ...]] = {}
    for place, name in enumerate(header):
        places[_plain(name)] = (*places.get(_plain(name), ()), place)
    return places


def _no_column(theirs: str, header: tuple[str, ...]) -> str:
    return f"the file has no column `{theirs}`; it has {_listed(header)}"


def _listed(header: Iterable[str]) -> str:
    names = [name[:40] for name in header if name]
    shown = ", ".join(names[:30])
    return f"{shown} and {len(names) - 30} more" if len(names) > 30 else shown or "no names"


def _missing(
    missing: list[str], spare: list[str], header: tuple[str, ...], mapping: Mapping[str, str]
) -> list[str]:
    """What is missing, and the options that name it, where there is a guess."""
    guesses: dict[str, str] = {}
    for ours in missing:
        left = [name for name in spare if name not in guesses.values()]
        if guess := _guess(ours, left):
            guesses[ours] = guess
    names = ", ".join(f"`{ours}`" for ours in missing)
    what = f"column {names} is" if len(missing) == 1 else f"columns {names} are"
    faults = [f"{what} missing; the file has {_listed(header)}"]
    if len(guesses) < len(missing):
        found = [_map(ours, theirs) for ours, theirs in guesses.items()]
        faults += [f"did you mean {' '.join(found)}?"] if found else []
    else:
        for ours in _DEAR:
            left = [name for name in spare if name not in guesses.values()]
            if ours not in mapping and (alias := _alias(ours, left)):
                guesses[ours] = alias
        whole = " ".join(_map(ours, theirs) for ours, theirs in {**mapping, **guesses}.items())
        faults.append(f"this may be what you mean; check it: {whole}")
    return faults


def _map(ours: str, theirs: str) -> str:
    return f"--map {shlex.quote(f'{ours}={theirs}')}"


def _alias(ours: str, names: list[str]) -> str | None:
    plain = {_letters(name): name for name in reversed(names)}
    known = (_letters(ours), *_ALSO_CALLED.get(ours, "").split())
    return next((plain[alias] for alias in known if alias in plain), None)


def _guess(ours: str, names: list[str]) -> str | None:
    if alias := _alias(ours, names):
        return alias
    plain = {_letters(name): name for name in reversed(names)}
    for known in (_letters(ours), *_ALSO_CALLED.get(ours, "").split()):
        if close := get_close_matches(known, plain, n=1, cutoff=0.8):
            return plain[close[0]]
    return None


def _hints(spare: list[str], at: Mapping[str, int], optional: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        f"column `{theirs}` is ignored; did you mean {_map(ours, theirs)}?"
        for ours in _DEAR
        if ours in optional and ours not in at and (theirs := _alias(ours, spare))
    )
