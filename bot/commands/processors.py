"""A command about who else holds something of clients, and what they have signed."""

from bot.commands import terminal
from bot.commands.terminal import command
from bot.report import Report


@command
def processors() -> Report:
    """Who handles what of clients for you, what they signed, and what your packs miss."""
    from billing.clock import SystemClock
    from bot.custody import processors as register

    given = terminal.settings()
    known = register.register(given)
    return register.listed(known, terminal.rules(given), SystemClock().now().date())
