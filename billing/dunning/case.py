"""How does an account stand on a day, and what follows from both?"""

import datetime as dt
import functools
from collections.abc import Iterator
from dataclasses import dataclass

from billing import calendar, money, spelling
from billing.arrears import (
    Account,
    OpenInstalment,
    Taken,
    chaseable,
    collectible,
    counted_from,
    is_overdue,
    overdue,
    overdue_for,
)
from billing.policy import Dunning, Policy, Step

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Case:
    """An account as it stands at a moment, with the policy that rules it."""

    account: Account
    now: dt.datetime
    today: dt.date
    """The client's own day."""
    policy: Policy

    @property
    def ladder(self) -> Dunning:
        """That of the account's anchor."""
        return self.policy.dunning

    @functools.cached_property
    def late(self) -> tuple[OpenInstalment, ...]:
        """What is overdue and may be chased, oldest first."""
        return overdue(self.account, self.today, self.policy)

    @functools.cached_property
    def anchor(self) -> OpenInstalment:
        """The oldest, but a remainder within the tolerance does not carry the ladder."""
        tolerance = self.ladder.tolerance.of(self.account.currency)
        return next((i for i in self.late if chaseable(i) > tolerance), self.late[0])

    @functools.cached_property
    def total(self) -> int:
        """What may be asked for, net of money on account."""
        return collectible(self.account, self.today, self.policy)

    @functools.cached_property
    def taken(self) -> tuple[Taken, ...]:
        """The steps that named something that may be chased today."""
        late = {instalment.id for instalment in self.late}
        return tuple(t for t in self.account.taken if not t.listed or t.listed & late)

    @functools.cached_property
    def level(self) -> int:
        """The highest step, as far as it named the anchor; else no more than the anchor's age.

        What was not named with it has a step of its own to come, as its age asks for.
        """
        gone = [taken for taken in self.taken if taken.how != "failed"]
        highest = max((taken.step for taken in gone), default=0)
        if not highest:
            return 0
        named = (t.step for t in gone if not t.listed or self.anchor.id in t.listed)
        level = max(max(named, default=0), min(highest, self._age - 1))
        return min(level, self._age) if self.ladder.new_anchor == "restart" else level

    @functools.cached_property
    def _age(self) -> int:
        """How many steps the anchor is old enough for."""
        return sum(self.reached_on(self.anchor, step) <= self.today for step in self.ladder.steps)

    def reached_on(self, instalment: OpenInstalment, step: Step) -> dt.date:
        """The day an instalment is old enough for a step, and overdue."""
        start = calendar.add_months(counted_from(instalment, self.policy), step.months)
        old = self.after(start, step.offset)
        return self._working(max(old, self.overdue_on(instalment)))

    def overdue_on(self, instalment: OpenInstalment) -> dt.date:
        """The first day on which it is overdue, with grace."""
        return instalment.due_on + (self.ladder.grace_days + 1) * _DAY

    def after(self, day: dt.date, days: int) -> dt.date:
        """So many days later, as the ladder counts them."""
        if self.ladder.days == "calendar":
            return day + days * _DAY
        country, region = self.account.country, self.account.region
        return self._working(calendar.add_business_days(day, days, country, region))

    def _working(self, day: dt.date) -> dt.date:
        """The day, or where the ladder counts business days, the next one of them."""
        if self.ladder.days == "business":
            while not calendar.is_business_day(day, self.account.country, self.account.region):
                day += _DAY
        return day

    def at(self, day: dt.date) -> dt.datetime:
        """When the client's day begins."""
        return calendar.midnight(day, self.account.timezone)

    def at_the_hour_of(self, moment: dt.datetime, day: dt.date) -> dt.datetime:
        """On the day, at the time on the wall that a moment had."""
        place = calendar.zone(self.account.timezone)
        time = moment.astimezone(place).time()
        return dt.datetime.combine(day, time, place).astimezone(dt.UTC)

    def written(self, amount: int) -> str:
        """An amount of the account, as people read it."""
        return money.display(amount, self.account.currency)

    @property
    def age(self) -> str:
        """How old the anchor is, in words."""
        late = overdue_for((self.today - self.anchor.due_on).days)
        return f"{self.anchor.number}, issued on {spelling.day(self.anchor.issued_on)}, is {late}"

    @property
    def coming(self) -> Iterator[OpenInstalment]:
        """What may be chased once it is overdue."""
        for instalment in self.account.instalments:
            if not is_overdue(instalment, self.today, self.ladder.grace_days) and chaseable(
                instalment
            ):
                yield instalment

    @property
    def ends(self) -> Iterator[dt.datetime]:
        """When something that stands against an amount ends by itself."""
        yield from (hold.until for hold in self.account.holds if hold.until is not None)
        others = (self.account.promised_until, self.account.rested_until)
        yield from (until for until in others if until is not None)
