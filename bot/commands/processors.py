"""A command about who else holds something of clients, and what they have signed."""

from bot.commands import terminal
from bot.commands.terminal import command
from bot.report import Report


@command
def processors() -> Report:
    """Who handles what of clients for you, what they signed, and what your packs miss."""
    from bot import processors as register

    with terminal.reading() as app:
        known = register.register(app.settings)
        return register.listed(known, app.rules, app.clock.now().date())
