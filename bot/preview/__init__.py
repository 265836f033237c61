"""What will go, what is held, and who will be asked, on the days to come?

The production code lives through those days on a copy of the rows, in memory, with channels that
take everything: see ``course``. The store of this installation is only read.
"""

import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from billing import aliases
from bot import subjects
from bot.app import App
from bot.preview import copying, course, crowd, telling
from bot.report import Progress, Report
from bot.staff import switch

MOST_DAYS = 400


class Asked(BaseModel):
    """The flags of `counterfoil preview`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: int = Field(default=14, ge=1, le=MOST_DAYS)
    client: str | None = None
    as_if_live: bool = False
    csv: Path | None = None


def run(app: App, asked: Asked, progress: Progress) -> Report:
    """Look ahead, and say what was seen.

    Raises:
        Wrong: there is no such client, or the file cannot be written.
    """
    began = time.monotonic()
    ahead = course.Asked(app.clock.now(), asked.days, asked.as_if_live)
    with app.store.read() as session:
        live = str(switch.status(session).data["live"])
        mine: set[int] = set()
        if asked.client is not None:
            mine |= {*aliases.group(session, subjects.client(session, asked.client).id)}
        families = copying.families(session)
    if asked.client is not None:
        # Whoever shares an address with the client spends the same budget.
        near = [family for family in families if not mine.isdisjoint(family)]
        found = _of(crowd.lived(app, ahead, near or [sorted(mine)], progress), mine)
    else:
        found = crowd.lived(app, ahead, families, progress)
        mine = {one for family in families for one in family}
    if asked.csv:
        telling.write(asked.csv, found.entries)
    seconds = time.monotonic() - began
    return telling.report(telling.Seen(ahead, app.rules.version, found, live, len(mine), seconds))


def _of(found: course.Coming, clients: set[int]) -> course.Coming:
    """What came of these alone."""
    mine = [one for one in found.entries if one.client_id in clients]
    return course.Coming(mine, found.problems)
