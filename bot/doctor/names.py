"""What does the DNS say?"""

from collections.abc import Sequence

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.rdatatype
import dns.resolver

from bot.doctor.wire import Unreachable

_LIFETIME = 5.0
"""Seconds for one question; a check asks several, one after another."""


class Names:
    """A resolver: the machine's own, or the one that ``COUNTERFOIL_DNS_SERVER`` names."""

    def __init__(self, server: tuple[str, int] | None = None) -> None:
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=server is None)
        except dns.resolver.NoResolverConfiguration:
            self._resolver = dns.asyncresolver.Resolver(configure=False)
        if server is not None:
            self._resolver.nameservers = [server[0]]
            self._resolver.port = server[1]
        self._resolver.lifetime = _LIFETIME
        self._resolver.timeout = _LIFETIME / 2
        self._resolver.cache = dns.resolver.Cache()

    async def texts(self, name: str) -> list[str]:
        """TXT records, their pieces joined as SPF and DKIM want it.

        Raises:
            Unreachable: the DNS did not answer.
        """
        found = await self._ask(name, "TXT")
        return [b"".join(one.strings).decode("utf-8", "replace") for one in found]

    async def addresses(self, name: str) -> list[str]:
        """A and AAAA records.

        Raises:
            Unreachable: the DNS did not answer.
        """
        found = [*await self._ask(name, "A"), *await self._ask(name, "AAAA")]
        return [str(one.address) for one in found]

    async def exchangers(self, name: str) -> list[str]:
        """MX hosts, the preferred first; "." is the null MX of RFC 7505.

        Raises:
            Unreachable: the DNS did not answer.
        """
        found = sorted(await self._ask(name, "MX"), key=lambda one: one.preference)
        return [str(one.exchange).rstrip(".").lower() or "." for one in found]

    async def _ask(self, name: str, kind: str) -> Sequence[dns.resolver.Answer]:
        try:
            answer = await self._resolver.resolve(f"{name.rstrip('.')}.", kind, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError, ValueError) as error:
            said = f"The DNS does not answer for {name} ({type(error).__name__})"
            advice = "See that this machine can ask it, or name one with COUNTERFOIL_DNS_SERVER."
            raise Unreachable(said, advice) from error
        return list(answer)
