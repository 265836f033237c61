"""How does the story of a seed go while its plan of faults comes true?"""

import datetime as dt
import itertools

from sqlmodel import col, select

from comms.models import Message, State
from comms.outbox import LEASE
from tests.faults.history import START, Event, history
from tests.faults.ordeal import HOUR, Ordeal
from tests.faults.plan import Trouble
from tests.faults.troubles import befall, reckon

_DOUBTFUL = select(Message).where(Message.state == State.IN_DOUBT, col(Message.wake_at).is_(None))


async def play(ordeal: Ordeal) -> None:
    """The whole story, then a quiet end in which everything can come to rest."""
    if ordeal.now < START:
        ordeal.around.clock.turn(START)
    await ordeal.born()
    await ordeal.surely("establish")
    moments: list[tuple[dt.datetime, int, Event | Trouble]] = [
        (event.at, place, event) for place, event in enumerate(history(ordeal.plan))
    ]
    moments += [(_moment(one), -1, one) for one in ordeal.plan.troubles]
    moments.sort(key=lambda one: one[:2])
    for at, group in itertools.groupby(moments, key=lambda one: one[0]):
        await ordeal.turn(at)
        for _, _, what in group:
            if isinstance(what, Trouble):
                await befall(ordeal, what)
            else:
                ordeal.happen(what)
        await ordeal.settle()
    await ordeal.turn(START + dt.timedelta(days=ordeal.plan.days))
    await _rest(ordeal)


async def _rest(ordeal: Ordeal) -> None:
    """Nothing goes wrong any more; people decide what only they can."""
    around = ordeal.around
    around.clock.ahead += 2 * LEASE + len(ordeal.plan.troubles) * HOUR
    reckon(ordeal)
    for one in (around.twilio, around.slack, around.mail):
        one.faults.clear()
    ordeal.during.clear()
    ordeal.doom = None
    await ordeal.heal()
    await ordeal.kill()
    await ordeal.born()
    await ordeal.turn(ordeal.now + dt.timedelta(days=2))
    await _decide(ordeal)
    await ordeal.turn(ordeal.now + dt.timedelta(days=3))
    ordeal.found = (await ordeal.surely("audit"))["found"]
    await ordeal.ask("stop")
    await ordeal.gone()


async def _decide(ordeal: Ordeal) -> None:
    """Finance answers every card that asks whether a message went, and knows it."""
    for message in ordeal.rows(lambda s: s.exec(_DOUBTFUL).all()):
        went = message.reference in ordeal.arrived()
        ordeal.met[f"a person said {'it went' if went else 'it did not go'}"] += 1
        key = f"answer:{message.id}:{message.attempts}"
        await ordeal.surely("resolve", message=message.id, went=went, key=key)
    await ordeal.settle()


def _moment(trouble: Trouble) -> dt.datetime:
    midnight = START.replace(hour=0)
    return midnight + dt.timedelta(days=trouble.day, hours=trouble.hour, minutes=trouble.minute)
