"""Does the SPF record of a domain let our relay send for it (RFC 7208)?

``gather`` asks the DNS for everything that the record names; what is judged is pure.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bot.doctor.finding import Finding, ok, warning, wrong
from bot.doctor.names import Names

MOST_LOOKUPS = 10
_MOST_NAMES = 40
_TERM = re.compile(r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?:[:](\S+?))?(/\d+)?(//\d+)?")
_MODIFIER = re.compile(r"([a-z][a-z0-9._-]*)=(\S*)")
_COUNTED = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})
_SENDS_AS = {
    "amazonaws.com": "amazonses.com",
    "gmail.com": "_spf.google.com",
    "google.com": "_spf.google.com",
    "office365.com": "spf.protection.outlook.com",
    "outlook.com": "spf.protection.outlook.com",
    "postmarkapp.com": "spf.mtasv.net",
    "mandrillapp.com": "spf.mandrillapp.com",
    "mailjet.com": "spf.mailjet.com",
    "brevo.com": "spf.brevo.com",
}
"""Relays whose sending names are not those that one submits to."""


@dataclass(frozen=True, slots=True)
class Term:
    """One mechanism, or the redirect."""

    sign: str
    kind: str
    value: str = ""
    masks: tuple[str, str] = ("", "")
    """How much around each address is meant, IPv4 and IPv6: ``/24``."""


@dataclass(frozen=True, slots=True)
class Zone:
    """What the DNS said: the TXT records and the addresses of every name that matters."""

    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    hosts: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Walk:
    """What a record comes to, with all that it includes."""

    lookups: int = 0
    included: list[str] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    end: str = ""


def of(texts: Sequence[str]) -> list[str]:
    """Those of the records that are SPF."""
    return [one for one in texts if one.lower() == "v=spf1" or one.lower().startswith("v=spf1 ")]


def terms(record: str) -> Iterator[Term | str]:
    """The terms of a record; what is none is given back as it is."""
    for word in record.split()[1:]:
        lower = word.lower()
        if found := _TERM.fullmatch(lower):
            sign, kind, value, *masks = (part or "" for part in found.groups())
            if kind in {"ip4", "ip6"}:
                value = f"{value}{masks[0]}"
                if not _is_network(value, int(kind[2])):
                    yield word
                    continue
            yield Term(sign or "+", kind, value, (masks[0], masks[1][1:]))
        elif found := _MODIFIER.fullmatch(lower):
            if found[1] == "redirect":
                yield Term("", "redirect", found[2])
        else:
            yield word


def _is_network(value: str, version: int) -> bool:
    try:
        return ipaddress.ip_network(value, strict=False).version == version
    except ValueError:
        return False


def walk(domain: str, zone: Zone, seen: frozenset[str] = frozenset()) -> Walk:
    """Follow a record as a receiver would."""
    whole = Walk()
    records = of(zone.texts.get(domain, ()))
    if len(records) != 1:
        many = "no SPF record" if not records else "more than one SPF record"
        whole.mistakes.append(f"{domain} has {many}")
        return whole
    found = list(terms(records[0]))
    strange = [one for one in found if isinstance(one, str)]
    whole.mistakes += [f"{domain} says {one!r}, which is nothing" for one in strange]
    named = [one for one in found if isinstance(one, Term)]
    # What stands behind all is never asked for, and where there is one no redirect is followed.
    for term in sorted(named, key=lambda one: one.kind == "redirect"):
        if not whole.end:
            _follow(whole, term, domain, zone, seen | {domain})
    return whole


def _follow(whole: Walk, term: Term, domain: str, zone: Zone, seen: frozenset[str]) -> None:
    whole.lookups += term.kind in _COUNTED
    place = term.value or domain
    may = term.sign in {"+", ""}
    match term.kind:
        case "all":
            whole.end = term.sign
        case "ip4" | "ip6" if may:
            whole.networks.append(term.value)
        case "a" | "mx" if may:
            hosts = zone.hosts.get(f"{term.kind}:{place}", ())
            whole.networks.extend(one + term.masks[":" in one] for one in hosts)
        case "include" | "redirect" if "%" not in place:
            whole.included += [place] * may
            if place in seen:
                whole.mistakes.append(f"{place} includes itself")
                return
            inner = walk(place, zone, seen)
            whole.lookups += inner.lookups
            whole.mistakes += inner.mistakes
            if may:
                whole.included += inner.included
                whole.networks += inner.networks
            if term.kind == "redirect" or (may and inner.end == "+"):
                whole.end = inner.end


async def gather(names: Names, domain: str) -> Zone:
    """Ask for the record and everything that it names.

    Raises:
        Unreachable: the DNS did not answer.
    """
    texts: dict[str, Sequence[str]] = {}
    hosts: dict[str, Sequence[str]] = {}
    waiting = [domain]
    while waiting and len(texts) < _MOST_NAMES:
        name = waiting.pop()
        texts[name] = await names.texts(name)
        for term in (one for record in of(texts[name]) for one in terms(record)):
            if isinstance(term, str) or "%" in term.value:
                continue
            place = term.value or name
            if term.kind in {"include", "redirect"} and place not in texts:
                waiting.append(place)
            if term.kind in {"a", "mx"}:
                hosts[f"{term.kind}:{place}"] = await _hosts(names, term.kind, place)
    return Zone(texts, hosts)


async def _hosts(names: Names, kind: str, place: str) -> list[str]:
    if kind == "a":
        return await names.addresses(place)
    exchangers = (await names.exchangers(place))[:MOST_LOOKUPS]
    return [address for one in exchangers for address in await names.addresses(one)]


def judge_spf(domain: str, zone: Zone, relay: str = "", addresses: Sequence[str] = ()) -> Finding:
    """The record of a domain, against the relay and the addresses it has."""
    what = f"spf {domain}"
    records = of(zone.texts.get(domain, ()))
    if not records:
        said = f"{domain} has no SPF record, so receivers cannot know that the relay may send."
        advice = f"Add the TXT record that your relay names: v=spf1 include:… -all, at {domain}."
        return wrong(what, said, advice)
    if len(records) > 1:
        said = f"{domain} has {len(records)} SPF records; receivers then go by none."
        return wrong(what, said, "Put them together into one.")
    whole = walk(domain, zone)
    if whole.mistakes:
        said = f"The SPF record fails: {'; '.join(dict.fromkeys(whole.mistakes))}."
        return wrong(what, said, "Correct it, or take the include out.")
    if whole.lookups > MOST_LOOKUPS:
        said = f"The SPF record needs {whole.lookups} look-ups; after 10 receivers give up."
        return wrong(what, said, "Take out includes of services that no longer send for you.")
    if whole.end == "+":
        said = "The SPF record comes to +all: anybody may send in your name."
        return wrong(what, said, "Let it, and what it includes, end with -all or ~all.")
    return _end(what, whole, relay, addresses)


def _end(what: str, whole: Walk, relay: str, addresses: Sequence[str]) -> Finding:
    if whole.end not in {"-", "~"}:
        said = "The SPF record says nothing about those who may not send."
        return warning(what, said, "Let it end with -all or ~all.")
    if not covers(whole, relay, addresses):
        said = f"The SPF record does not seem to cover {relay}."
        advice = (
            "Ask the relay which include it wants, unless it sends with a return path of its own."
        )
        return warning(what, said, advice)
    return ok(what, f"One record, {whole.lookups} of 10 look-ups, {whole.end}all.")


def covers(whole: Walk, relay: str, addresses: Sequence[str]) -> bool:
    """May the relay send, as far as it can be told from its name and its addresses?"""
    found = [ipaddress.ip_address(one) for one in addresses]
    if not relay or not found or any(one.is_private for one in found):
        return True
    if any(one in net for one in found for net in _networks(whole.networks)):
        return True
    family = ".".join(relay.lower().split(".")[-2:])
    named = {_SENDS_AS.get(family, family), family}
    return any(one == name or one.endswith(f".{name}") for one in whole.included for name in named)


def _networks(given: Sequence[str]) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for one in given:
        try:
            yield ipaddress.ip_network(one, strict=False)
        except ValueError:
            continue
