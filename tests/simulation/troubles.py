"""What goes wrong with the machine of a seed, and when? Data, made from the seed alone."""

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass

_POINTS = ("before write", "after write", "before send", "after send", "read")


@dataclass(frozen=True)
class Trouble:
    """From a moment on: its kind, where or what, and how long or how often."""

    at: dt.datetime
    kind: str
    what: str = ""
    nth: int = 0
    span: dt.timedelta = dt.timedelta()


def troubles(seed: int, begins: dt.datetime, days: int) -> Iterator[Trouble]:
    """All of a seed; each day has dice of its own, so that fewer days are the same story."""
    for day in range(days):
        dice = random.Random(f"trouble {seed}/{day}")
        moment = begins + dt.timedelta(days=day, seconds=dice.randrange(86_400))
        if dice.random() < 0.35:
            # As a rule in the hours in which something leaves.
            at = begins + dt.timedelta(days=day, hours=dice.choice((2, 7, 8, 9, 10, 12)))
            yield Trouble(at, "death", dice.choice(_POINTS), dice.randint(1, 12))
        roll = dice.random()
        if roll < 0.03:
            span = dt.timedelta(minutes=dice.randint(1, 700))
            yield Trouble(moment, "down", dice.choice(("slack", "sms", "email")), span=span)
        elif roll < 0.06:
            span = dt.timedelta(minutes=dice.choice((1, 3, 30, 240, 900)))
            yield Trouble(moment, "stall", nth=dice.randint(1, 9), span=span)
        elif roll < 0.08:
            yield Trouble(moment, "off", span=dt.timedelta(hours=dice.randint(1, 60)))
        elif roll < 0.11:
            minutes = dice.choice((-60, -5, 5, 60))
            yield Trouble(moment, "wall", span=dt.timedelta(minutes=minutes))
        elif roll < 0.16:
            yield Trouble(moment, "publish", nth=dice.randrange(1000))
        elif roll < 0.19:
            yield Trouble(moment, "back", span=dt.timedelta(seconds=dice.randint(1, 90)))
