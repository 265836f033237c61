"""Which clients may be one and the same, and what speaks for and against it?

Pure, symmetric and deterministic. A pair is proposed where what speaks for it outweighs what speaks
against it; only a person merges. Whoever must never be one (another tax number in the same country,
another number in the name) is not proposed at any weight.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import combinations

from billing import names

PROPOSED = 50
"""What a pair must weigh to be shown to a person."""
MOST_SHARED = 40
"""Clients behind one key: what more of them share tells nobody apart."""
Key = tuple[str, str]
"""Kind and value of something that two clients may have in common."""
Pair = tuple[int, int]

_ALIKE = 0.86
_FOR = {
    "same_tax_number": (120, "they have the same tax number"),
    "same_mailbox": (55, "they read the same mailbox"),
    "same_reference": (45, "two systems know them by the same reference"),
    "same_phone": (30, "they have the same phone number"),
    "same_name": (40, "they are called the same"),
    "similar_name": (25, "they are called nearly the same"),
    "shorter_name": (20, "one name is the other one, shortened"),
    "same_domain": (25, "their mail is at the same domain of a firm"),
    "mailbox_names_both": (30, "the mailbox carries both names"),
    "same_person": (20, "the same person speaks for both"),
    "same_form": (5, "they have the same legal form"),
    "same_postcode": (15, "they have the same postcode"),
    "names_a_firm": (10, "the name is a firm's, not a person's"),
}
_AGAINST = {
    "other_form": (40, "their legal forms differ"),
    "other_name": (35, "they are called differently"),
    "other_domain": (30, "their mail is at different domains of firms"),
    "other_country": (25, "they are in different countries"),
    "other_city": (25, "they are in different cities"),
    "other_region": (15, "they are in different regions"),
    "other_phone": (5, "they have different phone numbers"),
    "other_mailbox": (10, "they read different mailboxes"),
    "one_system": (10, "one system keeps them as two"),
}
_NEVER = {
    "other_tax_number": "they have different tax numbers of one country",
    "other_mark": "a number or an order in their names differs",
    "decided": "somebody has decided that they are different",
}
_OF_A_FIRM = frozenset(
    """
    advisors agency architects associates bakery bank brothers builders capital care center cafe
    church clinic college consulting construction dental design development electric energy
    engineering enterprises farms foods foundation freight group health holdings hospital hotel
    industries insurance international labs law legal logistics management manufacturing marine
    marketing media medical motors museum partners pharmacy plumbing printing productions properties
    realty restaurant school services software solutions spa studio studios supplies supply systems
    technology trading transport travel trust university ventures veterinary wines works
    """.split()  # noqa: SIM905 - words in lines are read and kept in order more easily
)


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """What is known of a client that may tell it from another, as its sources wrote it."""

    id: int
    name: str
    country: str = ""
    region: str = ""
    city: str = ""
    postcode: str = ""
    mailboxes: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    """E.164."""
    people: frozenset[str] = frozenset()
    tax_numbers: frozenset[str] = frozenset()
    references: frozenset[tuple[str, str]] = frozenset()
    """System, and what it calls the client."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Two clients that may be one: ``pair`` ascending, ``score`` in percent, codes in words."""

    pair: Pair
    score: int
    reasons: tuple[str, ...]
    against: tuple[str, ...]


def words(codes: Iterable[str]) -> str:
    """What codes of reasons say, as one sentence without its full stop."""
    known = {code: said for code, (_, said) in (_FOR | _AGAINST).items()} | _NEVER
    return "; ".join(known.get(code, code.replace("_", " ")) for code in codes)


def keys(client: ClientFacts) -> frozenset[Key]:
    """Everything by which a client may be found that is the same one."""
    found = {("mailbox", names.mailbox(one)) for one in client.mailboxes}
    found |= {("domain", names.business_domain(one)) for one in client.mailboxes}
    found |= {("phone", one) for one in client.phones}
    found |= {("tax", names.tax_number(one, client.country)) for one in client.tax_numbers}
    found |= {("reference", names.reference(one)) for _, one in client.references}
    found.add(("name", names.name(client.name).key))
    return frozenset(key for key in found if key[1])


def pairs(shared: Mapping[Key, Collection[int]]) -> set[Pair]:
    """The pairs of clients behind the same key."""
    return {
        pair
        for ids in shared.values()
        if 1 < len(ids) <= MOST_SHARED
        for pair in combinations(sorted(set(ids)), 2)
    }


def compare(one: ClientFacts, other: ClientFacts) -> Proposal | None:
    """What speaks for these two being one; None where it is not enough, or forbidden."""
    first, second = sorted((one, other), key=lambda client: client.id)
    if first.id == second.id or vetoes(first, second):
        return None
    reasons, against = _weigh(first, second)
    score = sum(_FOR[code][0] for code in reasons) - sum(_AGAINST[code][0] for code in against)
    if score < PROPOSED:
        return None
    return Proposal((first.id, second.id), min(score, 100), tuple(reasons), tuple(against))


def vetoes(first: ClientFacts, second: ClientFacts) -> list[str]:
    """What forbids that they are one, whatever else they have in common."""
    return [
        *(["other_tax_number"] if _other_tax_number(first, second) else []),
        *(["other_mark"] if names.name(first.name).marks != names.name(second.name).marks else []),
    ]


def _other_tax_number(first: ClientFacts, second: ClientFacts) -> bool:
    """A firm may have a number in each of several countries, but only one in each."""
    mine, theirs = _tax_numbers(first), _tax_numbers(second)
    countries = {one.partition(":")[0] for one in mine} & {one.partition(":")[0] for one in theirs}
    return bool(countries) and not mine & theirs


def _tax_numbers(client: ClientFacts) -> set[str]:
    found = {names.tax_number(one, client.country) for one in client.tax_numbers}
    return {one for one in found if one}


def _weigh(first: ClientFacts, second: ClientFacts) -> tuple[list[str], list[str]]:
    """The codes for and against, in the order in which people read them."""
    said = [*_of_ids(first, second), *_of_names(first, second), *_of_places(first, second)]
    said += _of_both(first, second, set(said))
    reasons = [code for code in _FOR if code in said]
    return reasons, [code for code in _AGAINST if code in said]


def _of_ids(first: ClientFacts, second: ClientFacts) -> Iterator[str]:
    if _tax_numbers(first) & _tax_numbers(second):
        yield "same_tax_number"
    if _references(first) & _references(second):
        yield "same_reference"
    systems = {system for system, _ in first.references} & {
        system for system, _ in second.references
    }
    if systems:
        yield "one_system"
    if first.phones and second.phones:
        yield "same_phone" if first.phones & second.phones else "other_phone"


def _references(client: ClientFacts) -> set[str]:
    return {found for _, one in client.references if (found := names.reference(one))}


def _of_names(first: ClientFacts, second: ClientFacts) -> Iterator[str]:
    mine, theirs = names.name(first.name), names.name(second.name)
    if mine.key == theirs.key:
        yield "same_name"
        if mine.forms or theirs.forms or set(mine.words) & _OF_A_FIRM:
            yield "names_a_firm"
    elif _is_part(mine.words, theirs.words):
        yield "shorter_name"
    elif _likeness(mine.key, theirs.key) >= _ALIKE:
        yield "similar_name"
    else:
        yield "other_name"
    if mine.forms and theirs.forms:
        yield "same_form" if mine.forms & theirs.forms else "other_form"
    people = ({names.name(one).key for one in client.people} for client in (first, second))
    if set.intersection(*people):
        yield "same_person"


def _is_part(mine: tuple[str, ...], theirs: tuple[str, ...]) -> bool:
    """One name begins the other, and says enough to be more than a first name."""
    short, long_ = sorted((mine, theirs), key=len)
    return bool(short) and long_[: len(short)] == short and len("".join(short)) >= 6


def _likeness(mine: str, theirs: str) -> float:
    """From 0 to 1, whichever is asked first; a matcher is not symmetric by itself."""
    one, other = sorted((mine, theirs))
    shorter = min(len(one), len(other))
    if not shorter or shorter / max(len(one), len(other)) < 0.7:
        return 0.0
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _of_places(first: ClientFacts, second: ClientFacts) -> Iterator[str]:
    if first.country and second.country and first.country != second.country:
        yield "other_country"
    elif _differ(first.city, second.city):
        yield "other_city"
    elif _differ(first.region, second.region):
        yield "other_region"
    if first.postcode and _squeezed(first.postcode) == _squeezed(second.postcode):
        yield "same_postcode"


def _differ(mine: str, theirs: str) -> bool:
    return bool(mine and theirs) and _squeezed(mine) != _squeezed(theirs)


def _squeezed(text: str) -> str:
    return "".join(sign for sign in text.casefold() if sign.isalnum())


def _of_both(first: ClientFacts, second: ClientFacts, said: set[str]) -> Iterator[str]:
    """What mailboxes say, some of it only beside what else was found."""
    mine, theirs = _mailboxes(first), _mailboxes(second)
    shared = mine & theirs
    domains = _domains(mine), _domains(theirs)
    if shared:
        yield "same_mailbox"
        if "other_name" in said and any(_carries(one, first, second) for one in shared):
            yield "mailbox_names_both"
    elif mine and theirs:
        if domains[0] & domains[1]:
            yield "same_domain"
        elif domains[0] and domains[1]:
            yield "other_domain"
        else:
            yield "other_mailbox"


def _mailboxes(client: ClientFacts) -> set[str]:
    return {names.mailbox(one) for one in client.mailboxes}


def _domains(mailboxes: Iterable[str]) -> set[str]:
    return {domain for one in mailboxes if (domain := names.business_domain(one))}


def _carries(mailbox: str, first: ClientFacts, second: ClientFacts) -> bool:
    """A mailbox is a person's and a firm's at once: ann.lee@northwind.example.

    A bookkeeper's carries neither client's name, a couple's no name that only one of them has.
    """
    local, _, domain = mailbox.partition("@")
    stem = names.business_domain(mailbox).partition(".")[0]
    text = _squeezed(f"{local}{stem or domain.partition('.')[0]}")
    mine, theirs = (set(names.name(client.name).words) for client in (first, second))
    return all(
        any(word in text for word in own if len(word) >= 3)
        for own in (mine - theirs, theirs - mine)
    )
