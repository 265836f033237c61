"""May the domains that we send from send, and does what clients answer come back?"""

import asyncio
import ipaddress
from collections.abc import Sequence
from contextlib import suppress

from bot.doctor import dkim, dmarc, spf
from bot.doctor.finding import Finding, Verdict, ok, warning, wrong
from bot.doctor.names import Names
from bot.doctor.wire import Unreachable


async def look(names: Names, domain: str, relay: str, selector: str) -> list[Finding]:
    """SPF, DKIM, DMARC and MX of one domain."""
    try:
        zone, key, (place, records), answers = await asyncio.gather(
            spf.gather(names, domain),
            dkim.look(names, domain, selector),
            dmarc.look(names, domain),
            route(names, domain),
        )
        addresses = await _addresses(names, relay)
    except Unreachable as error:
        return [wrong(f"dns {domain}", f"{error.said}.", error.advice)]
    sending = spf.judge_spf(domain, zone, relay, addresses)
    judged = dmarc.judge_dmarc(
        domain, place, records, spf=not sending.bad, dkim=key.verdict is Verdict.OK
    )
    return [sending, key, judged, answers]


async def _addresses(names: Names, relay: str) -> list[str]:
    """Those of the relay; none of one on this machine, whose address outside is not known here."""
    if not relay or relay == "localhost":
        return []
    with suppress(ValueError):
        return [str(ipaddress.ip_address(relay))]
    return await names.addresses(relay)


async def route(names: Names, domain: str) -> Finding:
    """Where mail to this domain arrives.

    Raises:
        Unreachable: the DNS did not answer.
    """
    exchangers = await names.exchangers(domain)
    reached = {one: bool(await names.addresses(one)) for one in exchangers if one != "."}
    bare = bool(await names.addresses(domain)) if not exchangers else False
    return judge_route(domain, exchangers, reached, bare=bare)


def judge_route(
    domain: str, exchangers: Sequence[str], reached: dict[str, bool], *, bare: bool
) -> Finding:
    """Does what a client answers to our sender address arrive anywhere?"""
    what = f"mx {domain}"
    advice = f"Add the MX record of the server that receives mail for {domain}."
    if exchangers == ["."]:
        said = f"{domain} says that it takes no mail, so what clients answer bounces."
        return wrong(what, said, advice)
    if not exchangers and not bare:
        said = f"{domain} has no MX record, so what clients answer bounces."
        return wrong(what, said, advice)
    if not exchangers:
        said = f"{domain} has no MX record; answers go to the machine of that name."
        return warning(what, said, advice)
    dead = [one for one in exchangers if not reached.get(one)]
    if len(dead) == len(exchangers):
        said = f"None of the mail servers of {domain} has an address ({', '.join(dead)})."
        return wrong(what, said, "Correct the MX record.")
    if dead:
        said = f"A mail server of {domain} has no address ({', '.join(dead)})."
        return warning(what, said, "Correct or remove that MX record.")
    return ok(what, f"Answers arrive at {', '.join(exchangers[:3])}.")
