"""What does the page's calendar show? A preview of the days to come, in the page's own words.

Made by the engine of `counterfoil preview`, on a copy of the sandbox's rows. Where the door is
closed the calendar shows what would go once it is open, and says so.
"""

import datetime as dt
from typing import Any

from billing import money
from billing.calendar import zone
from bot.app import App
from bot.preview import copying, course, telling
from bot.preview.entry import Entry
from bot.report import silent
from bot.staff import switch

Json = dict[str, Any]


def almanac(app: App, days: int) -> Json:
    """Every message, hold and case for an owner on so many days from now on."""
    with app.store.read() as session:
        live = switch.status(session).data["live"] == "open"
        clients = [one for family in copying.families(session) for one in family]
    asked = course.Asked(app.clock.now(), days, as_if_live=not live)
    entries = course.lived(app, asked, clients, silent).entries
    return {
        "now": asked.now.isoformat(),
        "from": asked.now.date().isoformat(),
        "until": asked.until.date().isoformat(),
        "live": live,
        "assumed": telling.ASSUMED,
        "totals": telling.totals(entries),
        "clients": sorted({one.client for one in entries}),
        "owners": sorted({one.owner for one in entries if one.owner}),
        "entries": [_shown(one, asked.now) for one in entries],
    }


def _shown(entry: Entry, now: dt.datetime) -> Json:
    local = entry.at.astimezone(zone(entry.timezone))
    until = entry.until.astimezone(zone(entry.timezone)) if entry.until else None
    # What stands was there before: it belongs to the day that is now, wherever the client is.
    day = now.date() if entry.standing else entry.day
    return {
        "at": entry.at.isoformat(),
        "day": max(day, now.date()).isoformat(),
        "time": "" if entry.standing else f"{local:%H:%M}",
        "zone": entry.timezone,
        "what": str(entry.what),
        "client": entry.client,
        "title": telling.called(entry),
        "amount": "" if entry.amount is None else money.display(entry.amount, entry.currency),
        "rule": entry.rule,
        "reason": entry.reason,
        "until": f"{until:%a %-d %b, %H:%M}" if until else "",
        "owner": entry.owner,
        "standing": entry.standing,
    }
