"""Does our clock go right, by the clocks of those who answered?  Pure."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from statistics import median

from bot.doctor.finding import Finding, ok, skipped, wrong

MOST = 30.0
"""Seconds; Slack refuses a signature of more than 300, and a drifting clock gets there."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Whose ``Date`` header said what, and what our clock said then."""

    who: str
    date: str
    ours: dt.datetime


def judge_clock(heard: Sequence[Heard]) -> Finding:
    """The median of what was heard, so that one wrong clock elsewhere does not count as ours."""
    seen = [(one.who, skew) for one in heard if (skew := _skew(one)) is not None]
    if not seen:
        return skipped("clock", "Nobody whose clock could be read has answered.")
    off = median(skew for _, skew in seen)
    by = ", ".join(sorted({who for who, _ in seen}))
    if abs(off) <= MOST:
        return ok("clock", f"Within {MOST:.0f} seconds of {by}.")
    way = "ahead of" if off > 0 else "behind"
    said = f"Our clock is {abs(off):,.0f} seconds {way} {by}, so signatures fail."
    return wrong("clock", said, "Let the machine set its clock: timedatectl set-ntp true")


def _skew(one: Heard) -> float | None:
    try:
        theirs = parsedate_to_datetime(one.date)
    except ValueError:
        return None
    if theirs.tzinfo is None:
        return None
    return (one.ours - theirs).total_seconds()
