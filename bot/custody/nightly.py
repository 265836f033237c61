"""What is done once a night with what is kept: what goes, what is asked for, and who is told?"""

import datetime as dt

from billing import vault
from bot import inbox
from bot.app import App
from bot.custody import copies, legalholds, retention, showing
from comms.duties import custody
from comms.law import preservation


async def tidy(app: App) -> int:
    """Let expire what belongs to nobody and what policy keeps no longer; destroy idle inbox keys.

    Returns how many bodies and rows went.
    """
    now = app.clock.now()
    gone = 0
    await legalholds.keep_bodies(app)
    await app.store.write(lambda session: custody.tell(session, app.office()))
    await app.store.write(lambda session: copies.ask(session, copies.left(session, now)))
    while some := await app.store.write(lambda session: vault.expire(session, now)):
        gone += some
    await app.store.write(lambda session: showing.expired(session, now))
    gone += sum((await retention.run(app, preserved=preservation.preserved)).values())
    # Not yesterday's: what was sealed a moment before midnight may not be committed yet.
    yesterday = inbox.day_key(now - dt.timedelta(days=1))
    owners = [owner for owner in app.keyring.inboxes() if owner < yesterday]
    with app.store.read() as session:
        idle = vault.idle_inboxes(session, owners)
    for owner in idle:
        app.keyring.destroy(owner)
    return gone
