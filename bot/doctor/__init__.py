"""What keeps this installation from doing its work, and what is to be done about it?

Each examination looks at one thing and goes on to the next, so that one visit finds everything.
Nothing is written, nothing is sent, and no secret is said.
"""

from collections.abc import Sequence
from contextlib import ExitStack

from billing import policy as policies
from billing.clock import Clock, SystemClock
from billing.models import LegalEntity
from billing.policy import Policy, PolicyError
from billing.store import Store
from bot import settings as read
from bot.doctor import data, environment, finding, rows
from bot.doctor.chains import chains
from bot.doctor.environment import read_policy, template_mistakes
from bot.doctor.finding import Finding
from bot.report import Progress, Report, silent
from bot.settings import Settings, SettingsMissing

__all__ = ["chains", "examine", "examine_data", "read_policy", "template_mistakes"]


def examine(
    *, offline: bool = False, clock: Clock | None = None, progress: Progress = silent
) -> Report:
    """Look at everything; ``offline`` leaves out what others must be asked."""
    try:
        given = read.read()
    except SettingsMissing as error:
        advice = "Correct it in the environment of this command."
        return finding.report([finding.wrong("settings", str(error), advice)])
    clock = clock or SystemClock()
    found = list(environment.look(given))
    with ExitStack() as stack:
        store = rows.store_of(given, found, stack)
        rows.look_at_keys(given, found, stack, store)
        if store is not None:
            found += rows.look(store)
            found += rows.careful(data.look, store)
            found += rows.look_at_checkpoints(given)
        holds = _rules(given, store, found)
        found += environment.law(holds, clock.now().date())
        bills = rows.entities(store) if store is not None else []
        named = {one.name for one in bills}
        found += environment.agreements(given, holds, named, clock.now().date())
    if offline:
        found.append(finding.skipped("network", "Nobody was asked (--offline)."))
    else:
        found += _asked(given, holds, bills, clock, progress)
    return finding.report(finding.hushed(found, environment.secrets(given)))


def examine_data() -> Report:
    """Look only at what is held of clients, agreements and invoices."""
    given = read.read()
    found: list[Finding] = []
    with ExitStack() as stack:
        store = rows.store_of(given, found, stack)
        return finding.report(found) if store is None else data.report(data.audit(store))


def _asked(
    given: Settings,
    holds: Policy,
    bills: Sequence[LegalEntity],
    clock: Clock,
    progress: Progress,
) -> list[Finding]:
    from bot.doctor import network

    here = network.Installation(
        settings=given,
        clock=clock,
        carrier_answers_stop=holds.consent.carrier_answers_stop,
        from_addresses=tuple(sorted({one.from_address for one in bills if one.from_address})),
        phones=tuple(sorted({one.phone for one in bills if one.phone})),
    )
    return network.asked(here, progress)


def _rules(given: Settings, store: Store | None, found: list[Finding]) -> Policy:
    """The policy that holds; of one with mistakes, which is a finding already, the default."""
    try:
        file = policies.load(given.policy_file) if given.policy_file else policies.default()
    except (PolicyError, OSError, UnicodeError):
        file = policies.default()
    last = rows.published(store) if store is not None else None
    if last is None:
        return file
    found += rows.look_at_policy(last, file if given.policy_file else None)
    return last
