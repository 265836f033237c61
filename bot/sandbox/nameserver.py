"""What does the DNS say of the names that a story or a test uses?

A name server at the wire, over UDP on loopback: any resolver that is pointed at it asks it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from typing_extensions import override

_TTL = 60
_PIECE = 255


class Nameserver:
    """``records`` maps (name, type) to values: ``("example.com", "TXT"): ["v=spf1 -all"]``.

    Names in ``dead`` get SERVFAIL, names in ``silent`` no answer at all.
    """

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], Sequence[str]] = {}
        self.dead: set[str] = set()
        self.silent: set[str] = set()
        self.asked: list[tuple[str, str]] = []

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Serve on 127.0.0.1; yields the port."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Line(self), local_addr=("127.0.0.1", 0)
        )
        try:
            yield int(transport.get_extra_info("sockname")[1])
        finally:
            transport.close()

    def answer(self, query: dns.message.Message) -> dns.message.Message | None:
        """What comes back for one question."""
        (question,) = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        answer = dns.message.make_response(query, recursion_available=True)
        if name in self.dead:
            answer.set_rcode(dns.rcode.SERVFAIL)
            return answer
        found = self.records.get((name, kind), ())
        if found:
            values = [_quoted(one) if kind == "TXT" else one for one in found]
            answer.answer.append(dns.rrset.from_text(question.name, _TTL, "IN", kind, *values))
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer


class _Line(asyncio.DatagramProtocol):
    def __init__(self, server: Nameserver) -> None:
        self._server = server
        self._transport: Any = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    @override
    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        answer = self._server.answer(dns.message.from_wire(data))
        if answer is not None:
            self._transport.sendto(answer.to_wire(max_size=4096), addr)


def _quoted(text: str) -> str:
    """In pieces of 255 octets, as long records are published."""
    pieces = [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)] or [""]
    return " ".join('"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"' for one in pieces)
