"""What keeps others from hearing us, and us from hearing them?

Every check is asked at once, each with a time of its own; whoever does not answer is a finding.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import aiohttp

from billing.clock import Clock
from bot.doctor import domains, smtp
from bot.doctor.clock import judge_clock
from bot.doctor.finding import Finding, skipped, wrong
from bot.doctor.names import Names
from bot.doctor.public import Public
from bot.doctor.slack import CHANNELS, Slack, named
from bot.doctor.twilio import Twilio
from bot.doctor.wire import PATIENCE, Unreachable, Wire, secure
from bot.report import Progress
from bot.settings import Settings

_GOODBYE = 0.25
"""Seconds in which TLS takes its leave (aiohttp, "Graceful Shutdown"), before the loop ends."""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What the checks need to know of it. ``patience`` is in seconds, for each check."""

    settings: Settings
    clock: Clock
    carrier_answers_stop: bool = True
    from_addresses: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    patience: float = PATIENCE


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to ask about."""

    what: str
    ask: Callable[[], Awaitable[list[Finding]]]


def asked(here: Installation, progress: Progress) -> list[Finding]:
    """Ask everybody, in a loop of its own."""
    return asyncio.run(_asked(here, progress))


async def _asked(here: Installation, progress: Progress) -> list[Finding]:
    found = await look(here, progress)
    await asyncio.sleep(_GOODBYE)
    return found


async def look(here: Installation, progress: Progress) -> list[Finding]:
    """Ask everybody at once, in the order in which an installation is set up."""
    timeout = aiohttp.ClientTimeout(total=None)  # every check has its own
    connector = aiohttp.TCPConnector(ssl=secure(), force_close=True)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as pool:
        wire = Wire(pool, here.clock)
        asked = checks(here, wire)
        tally = _Tally(progress, len(asked))
        found = await asyncio.gather(*(_bounded(one, here.patience, tally) for one in asked))
    return [finding for one in found for finding in one] + [judge_clock(wire.heard)]


def checks(here: Installation, wire: Wire) -> list[Check]:
    """Everything that is asked about."""
    given = here.settings
    slack = Slack(given, wire)
    twilio = Twilio(given, wire, here.carrier_answers_stop)
    public = Public(given, wire)
    asked = [
        Check("service", public.local),
        Check("public address", public.look),
        Check("slack", slack.token),
        *(Check(named(one), partial(slack.channel, one)) for one in CHANNELS),
        Check("slack socket", slack.socket),
        Check("twilio", twilio.account),
        Check("twilio numbers", partial(twilio.senders, here.phones)),
        Check("smtp", partial(smtp.look, given.smtp_url, here.from_addresses)),
    ]
    return asked + _names(here)


def _names(here: Installation) -> list[Check]:
    found = sorted({one.rpartition("@")[2].lower() for one in here.from_addresses} - {""})
    if not found:
        said = "No legal entity has an address to send from."
        return [Check("dns", partial(_skip, skipped("dns", said)))]
    names = Names(here.settings.dns_address)
    relay = smtp.relay_of(here.settings.smtp_url)
    host, selector = relay.host if relay else "", here.settings.dkim_selector
    return [Check(f"dns {one}", partial(domains.look, names, one, host, selector)) for one in found]


async def _skip(finding: Finding) -> list[Finding]:
    return [finding]


@dataclass(slots=True)
class _Tally:
    progress: Progress
    whole: int
    done: int = field(default=0)

    def count(self) -> None:
        self.done += 1
        self.progress(self.done, self.whole)


async def _bounded(check: Check, patience: float, tally: _Tally) -> list[Finding]:
    try:
        async with asyncio.timeout(patience):
            return await check.ask()
    except Unreachable as error:
        return [wrong(check.what, f"{error.said}.", error.advice)]
    except TimeoutError:
        said = f"No answer within {patience:g} seconds."
        return [wrong(check.what, said, "See whether a firewall keeps us apart; then look again.")]
    except Exception as error:  # noqa: BLE001 - a finding like any other; the others are made
        said = f"It could not be examined: {type(error).__name__}."
        return [wrong(check.what, said, "This is a fault of ours; report it.")]
    finally:
        tally.count()
