"""Does anything that clients wrote, or that opens it, cross a network in the open?  Pure.

Loopback and Unix sockets are no network. A host that is named as trusted is reached by a way that
is encrypted otherwise: a tunnel, or the network of one machine's containers.
"""

import ipaddress
from collections.abc import Collection, Iterator, Mapping
from urllib.parse import SplitResult, parse_qs, urlsplit

_ENCRYPTED = frozenset({"require", "verify-ca", "verify-full"})
_WEB = ("public_url", "twilio_base_url", "slack_base_url", "heartbeat_url", "otlp_url")
_STORES = ("database_url", "keyring_url")


def exposed(
    urls: Mapping[str, str], trusted: Collection[str], environ: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """The settings of which the way is open, each with what to do about it.

    ``environ`` is where PostgreSQL's own library looks for what an address does not say.
    """
    for name in _STORES:
        if urls.get(name, "").startswith("postgresql"):
            yield from ((name, said) for said in _postgresql(urls[name], trusted, environ))
    if (said := _relay(urls.get("smtp_url", ""), trusted)) is not None:
        yield "smtp_url", said
    for name in _WEB:
        parts = urlsplit(urls.get(name, ""))
        if parts.scheme == "http" and not _safe(parts.hostname, trusted):
            yield name, f"{parts.hostname} is reached in the open; write https://"


def _postgresql(url: str, trusted: Collection[str], environ: Mapping[str, str]) -> Iterator[str]:
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    modes = set(asked.get("sslmode", []))
    if modes and modes <= _ENCRYPTED:
        return
    if "service" in asked or environ.get("PGSERVICE"):
        which = "it names" if "service" in asked else "PGSERVICE in the environment names"
        yield f"{which} a service, which may lead anywhere; add ?sslmode=verify-full to it"
        return
    for host in _hosts(parts, asked, environ):
        if not _safe(host, trusted):
            yield (
                f"the way to {host} is not encrypted; add ?sslmode=verify-full to it, or at least "
                "?sslmode=require"
            )
            return


def _hosts(
    parts: SplitResult, asked: Mapping[str, list[str]], environ: Mapping[str, str]
) -> Iterator[str]:
    """Every host that it may reach: by name, and by the address that is called in its place."""
    named = asked.get("host") or [_host_of(parts.netloc) or environ.get("PGHOST", "")]
    called = asked.get("hostaddr") or [environ.get("PGHOSTADDR", "")]
    for one in (*named, *called):
        for host in one.split(","):
            yield host.partition(":")[0] if host.count(":") == 1 else host


def _host_of(netloc: str) -> str:
    host = netloc.rpartition("@")[2]
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _relay(url: str, trusted: Collection[str]) -> str | None:
    """STARTTLS is demanded of every relay elsewhere; only ``never`` would let it be open."""
    parts = urlsplit(url)
    never = "never" in parse_qs(parts.query).get("starttls", [])
    if parts.scheme != "smtp" or not never or _safe(parts.hostname, trusted):
        return None
    return f"mail to {parts.hostname} would be readable on the way; remove ?starttls=never"


def _safe(host: str | None, trusted: Collection[str]) -> bool:
    if not host or host.startswith("/") or host == "localhost" or host in trusted:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
