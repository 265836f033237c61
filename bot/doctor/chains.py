"""Does every client's timeline still hold, from its first entry to its last?"""

from collections.abc import Iterable
from dataclasses import asdict
from itertools import chain, islice

from sqlmodel import Session, func, select

from billing.store import Store
from bot import schema
from bot.report import DONE, NO, Report, Table
from comms import timeline
from comms.models import ChainHead
from comms.timeline import Break

MOST = 100
"""Breaks of chains that are named."""


def chains(
    store: Store, session: Session, client_id: int | None, ends: Iterable[Break] = ()
) -> Report:
    """Every place at which a chain does not hold, of one client or of all.

    ``ends`` are those where what was written down of the ends of chains is not so.
    """
    found = list(islice(chain(timeline.verify(session, client_id), ends), MOST + 1))
    gone = schema.missing_triggers(store.engine)
    walked = session.exec(select(func.count()).select_from(ChainHead)).one()
    rows = [[str(one.client_id or "firm"), str(one.seq), one.what] for one in found[:MOST]]
    lines = [f"The trigger {name} is gone: records can be changed unseen." for name in gone]
    lines += [f"More than {MOST} places do not hold."] if len(found) > MOST else []
    whole = "1 chain holds" if client_id else f"{walked:,} chains hold"
    lines += [] if found or gone else [f"{whole}: nothing was changed, removed or put in."]
    table = [Table("", ["client", "entry", "what"], rows)] if rows else []
    data = {
        "holds": not (found or gone),
        "chains": 1 if client_id else walked,
        "breaks": [asdict(one) for one in found],
        "missing_triggers": gone,
    }
    return Report(data, lines, table, NO if found or gone else DONE)
