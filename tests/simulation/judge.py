"""What must hold whenever a message leaves? Each check is by a person who stands outside.

It looks at what was told, what was said and what the carrier took, reckons hours with ``zoneinfo``
and money with its own books. Of the rows it reads whom a message is for, what it is about and which
step it is.
"""

import datetime as dt
import functools
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

import holidays

from billing import facts
from tests.simulation.books import Key
from tests.simulation.carrier import Taken
from tests.simulation.people import Person, Place, local, states_of, zones_of
from tests.simulation.world import World

LEASE = dt.timedelta(minutes=2)
"""So long may a message take from the door to the wire."""
ABOUT_THE_DEBT = ("dunning", "receipt", "answer", "opt_out", "staff_text")
BUDGETED = ("dunning", "renewal", "offer", "staff_text")
ANY_HOUR = ("opt_out", "answer")
_BILL = re.compile(r"INV-\d+-\d{6}-\d+")
_PLAN = re.compile(r"Care-Plan-\d+")
DAY, WEEK = dt.timedelta(days=1), dt.timedelta(days=7)


@dataclass(frozen=True)
class Leaving:
    """A message that is on its way, and how everything stood when it was let out."""

    reference: str
    key: str
    channel: str
    purpose: str
    client: str
    reader: str
    """Whose contact it is written to: of merged clients that may be the other."""
    to: str
    step: int
    ladder: tuple[int, int]
    """Enrolment and episode."""
    may_name: frozenset[str]
    owes: bool

    @property
    def declined(self) -> bool:
        """It says that a charge for a renewal failed; it asks for no debt of theirs."""
        return self.key.startswith("past_due:")


@dataclass(frozen=True)
class Rules:
    """What a policy of the firm says of hours and budgets, as the firm meant it."""

    mail: tuple[int, int] = (8, 18)
    per_day: int = 1
    per_week: int = 3
    brake: int = 3


@dataclass
class Judge:
    """Everything that left, and what must be so of it."""

    world: World
    rules: list[tuple[dt.datetime, Rules]] = field(default_factory=list)
    """What the firm has published, and when; what was replaced a moment ago may still rule."""
    on_the_way: dict[str, Leaving] = field(default_factory=dict)
    levels: dict[tuple[int, int], int] = field(default_factory=dict)
    got: dict[str, list[tuple[dt.datetime, str]]] = field(default_factory=lambda: defaultdict(list))
    """By address and by client: when they got something, and what it was about."""
    by_kin: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    arrived: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    keys: dict[str, str] = field(default_factory=dict)
    checked: int = 0
    left: Counter[str] = field(default_factory=Counter)

    def tally(self) -> Counter[str]:
        """How many were judged, and how many of each kind left."""
        left = {f"{purpose} left": many for purpose, many in self.left.items()}
        return Counter({"messages judged": self.checked, **left})

    # --- at the door ------------------------------------------------------------------------------

    def leaves(self, row: Any, imported: int, today_zone: str) -> None:
        """A message is about to go on the wire; nothing stands between any more."""
        world, client = self.world, row["client"]
        kin = world.one_with(client)
        zones = {world.people[one].place.zone for one in kin} if len(kin) > 1 else {today_zone}
        today = min(local(world.now, zone).date() for zone in zones)
        late = {
            number: left
            for key in world.books.accounts(kin)
            for number, left in world.books.stand(kin, key).late(today).items()
        }
        leaving = Leaving(
            reference=row["reference"], key=row["key"], channel=row["channel"],
            purpose=row["purpose"], client=client, reader=row["reader"], to=row["to"],
            step=row["step"] or 0,
            ladder=(row["enrolment"] or 0, row["episode"] or 0),
            may_name=frozenset(), owes=bool(late),
        )  # fmt: skip
        self.checked += 1
        world.note(client, f"leaves: {leaving.purpose} by {leaving.channel}, {leaving.key}")
        self._no_stop(leaving)
        self._hours(leaving, [world.people[one] for one in kin])
        self._asked(leaving, kin)
        if late and leaving.purpose not in ABOUT_THE_DEBT:
            world.break_(client, "renewals_wait", f"{leaving.key} leaves while {late} is overdue")
        if leaving.declined:
            self._still_declined(leaving, kin)
        elif leaving.purpose == "dunning":
            leaving = self._a_debt(leaving, row["account"], kin, today)
            self._one_step(leaving, imported)
        self.on_the_way[leaving.reference] = leaving

    def _no_stop(self, leaving: Leaving) -> None:
        since = self.world.stopped.get(leaving.to)
        if since and leaving.purpose != "opt_out":
            said = f"{leaving.key} leaves for {leaving.to}, which was closed {since}"
            self.world.break_(leaving.client, "stop_is_kept", said)

    @property
    def ruling(self) -> list[Rules]:
        """The rules that a message which leaves now may have been judged by."""
        recent = [one for at, one in self.rules if at > self.world.now - 5 * LEASE]
        before = [one for at, one in self.rules if at <= self.world.now - 5 * LEASE]
        return [*recent, *(before[-1:] or [Rules()])]

    def _asked(self, leaving: Leaving, kin: frozenset[str]) -> None:
        """The law, and what they asked for, let it go."""
        if leaving.purpose == "opt_out":
            return
        if states := [name for name, whose in self.world.legal.items() if whose in kin]:
            said = f"{leaving.key} leaves in spite of {states}"
            self.world.break_(leaving.client, "the_law_is_kept", said)
        # A wish is a person's: who was merged with them may have asked for something else.
        wishes = [one for one in self.world.wishes.values() if _is_of(one, leaving.reader)]
        if wishes and leaving.purpose not in ANY_HOUR:
            wish, moments = wishes[-1], (self.world.now, self.world.now - LEASE)
            zone = wish.timezone or self.world.people[leaving.reader].place.zone
            if not any(_as_wished(local(one, zone), leaving.channel, wish) for one in moments):
                said = f"{leaving.key} leaves by {leaving.channel}, and they asked {wish}"
                self.world.break_(leaving.client, "wishes_are_kept", said)

    def _hours(self, leaving: Leaving, people: list[Person]) -> None:
        if leaving.purpose in ANY_HOUR:
            return
        moments = (self.world.now, self.world.now - LEASE)
        if not any(
            _open(moment, leaving, person, rules)
            for moment in moments
            for person in people
            for rules in self.ruling
        ):
            there = local(self.world.now, people[0].place.zone)
            said = f"{leaving.key} leaves by {leaving.channel} to {leaving.to} at {there:%a %x %X}"
            self.world.break_(leaving.client, "hours_are_kept", said)

    def _a_debt(self, leaving: Leaving, key: Key, kin: frozenset[str], today: dt.date) -> Leaving:
        """There is something overdue that may be asked for, and nobody asked us to wait."""
        world = self.world
        if world.books.held(kin, world.now):
            world.break_(leaving.client, "holds_hold", f"{leaving.key} leaves during a hold")
        stand = world.books.stand(kin, key)
        fenced = world.books.fenced(kin, key, world.now, today)
        late = {number: left for number, left in stand.late(today).items() if number not in fenced}
        if sum(late.values()) - stand.spare <= 0:
            said = (
                f"{leaving.key} leaves, and nothing may be asked for: overdue {stand.late(today)}, "
                f"spoken for {sorted(fenced)}, on account {stand.spare}"
            )
            world.break_(leaving.client, "paid_is_paid", said)
        return replace(leaving, may_name=frozenset(late))

    def _still_declined(self, leaving: Leaving, kin: frozenset[str]) -> None:
        """A charge for their renewal failed, and nobody has paid since what it was for."""
        if not self.world.books.declined(kin):
            said = f"{leaving.key} leaves, and no charge of theirs is declined and open"
            self.world.break_(leaving.client, "paid_is_paid", said)

    def _one_step(self, leaving: Leaving, imported: int) -> None:
        kin = self.world.one_with(leaving.client)
        known = [self.by_kin[one] for one in kin if one in self.by_kin] if len(kin) > 1 else []
        level = max(self.levels.get(leaving.ladder, 0), imported, *known, 0)
        if leaving.step > level + 1:
            said = f"{leaving.key} is step {leaving.step} after step {level}"
            self.world.break_(leaving.client, "one_step_at_a_time", said)

    # --- at the other end -------------------------------------------------------------------------

    def arrives(self, taken: Taken) -> None:
        """The carrier took it: the client will read it."""
        leaving = self.on_the_way.get(taken.message.reference)
        if taken.channel == "slack":
            return
        if leaving is None:
            said = f"{taken.message.to} got {taken.message.text[:60]!r}, which nobody let out"
            self.world.break_("the firm", "the_door_is_the_way", said)
            return
        self._once(leaving)
        self.left["declined charge" if leaving.declined else leaving.purpose] += 1
        self._words(leaving, taken)
        if not taken.lost:
            self._budget(leaving)
        self.levels[leaving.ladder] = max(self.levels.get(leaving.ladder, 0), leaving.step)
        if leaving.purpose == "dunning":
            self.by_kin[leaving.client] = max(self.by_kin[leaving.client], leaving.step)
            self.world.reminded[leaving.client] = self.world.now
        self.world.note(leaving.client, f"arrived: {leaving.purpose} by {leaving.channel}")

    def _once(self, leaving: Leaving) -> None:
        self.arrived[leaving.reference] += 1
        again = leaving.channel == "email" and leaving.purpose in ("receipt", "opt_out")
        if self.arrived[leaving.reference] > 1 and not again:
            said = f"{leaving.key} arrived {self.arrived[leaving.reference]} times"
            self.world.break_(leaving.client, "nothing_twice", said)
        if self.keys.setdefault(leaving.key, leaving.reference) != leaving.reference:
            said = f"{leaving.key} arrived as two messages"
            self.world.break_(leaving.client, "nothing_twice", said)

    def _words(self, leaving: Leaving, taken: Taken) -> None:
        """Whatever our rows call it: what does it say?"""
        words = f"{taken.message.subject}\n{taken.message.text}\n{taken.message.html}"
        if taken.message.to != leaving.to:
            said = f"{leaving.key} is for {leaving.to} and went to {taken.message.to}"
            self.world.break_(leaving.client, "the_right_person", said)
        plans = set(_PLAN.findall(words))
        about_it = leaving.declined or leaving.purpose == "receipt"  # what they pay for it
        if plans and leaving.owes and not about_it:
            said = f"{leaving.key} speaks of {sorted(plans)} while something is overdue"
            self.world.break_(leaving.client, "renewals_wait", said)
        named = set(_BILL.findall(words))
        if leaving.purpose == "dunning" and not named <= leaving.may_name:
            said = f"{leaving.key} asks for {sorted(named - leaving.may_name)}"
            self.world.break_(leaving.client, "paid_is_paid", said)

    def _budget(self, leaving: Leaving) -> None:
        """At most so many in a day and a week, to a person and to an address."""
        now = self.world.now
        if self.arrived[leaving.reference] > 1:
            return
        for whose in {leaving.to, *self.world.one_with(leaving.client)}:
            self.got[whose].append((now, leaving.purpose))
            week = [one for one in self.got[whose] if one[0] > now - WEEK]
            self.got[whose] = week
            rules = self.ruling
            counts = leaving.purpose in BUDGETED
            limits = (
                (max(one.per_day for one in rules), DAY, counts, BUDGETED),
                (max(one.per_week for one in rules), WEEK, counts, BUDGETED),
                (max(one.brake for one in rules), DAY, leaving.purpose != "opt_out", _AUTOMATIC),
            )
            for most, span, counts, kinds in limits:
                since = now - span + LEASE
                many = sum(at > since and kind in kinds for at, kind in week)
                if counts and many > most:
                    said = f"{leaving.key} is number {many} for {whose} within {span}"
                    self.world.break_(leaving.client, "budget_is_kept", said)


_AUTOMATIC = ("dunning", "renewal", "offer", "receipt", "answer")


def _is_of(wish: facts.PreferenceStated, client: str) -> bool:
    return wish.client_external_id == client


def _as_wished(there: dt.datetime, channel: str, wish: facts.PreferenceStated) -> bool:
    if wish.channels and channel not in wish.channels:
        return False
    return (wish.not_before or "00:00") <= f"{there:%H:%M}" < (wish.not_after or "24:00")


def _open(moment: dt.datetime, leaving: Leaving, person: Person, rules: Rules) -> bool:
    """Whether somebody may be disturbed at that moment, wherever they may be."""
    phone = leaving.to if leaving.channel == "sms" else ""
    return all(
        _open_there(local(moment, zone), leaving, person.place, rules)
        for zone in zones_of(person.place.zone, phone)
    )


TEXTS = {
    "NY": (8, 21), "FL": (8, 20), "IL": (9, 21), "TX": (9, 21), "CO": (8, 21), "AZ": (8, 21),
    "CA": (9, 21),
}  # fmt: skip
"""Hours of texts by state; in Texas not before noon on Sundays."""


def _open_there(there: dt.datetime, leaving: Leaving, place: Place, rules: Rules) -> bool:
    if leaving.channel == "sms":
        spans = [TEXTS.get(state, (8, 21)) for state in states_of(place, leaving.to)] or [(8, 21)]
        if "TX" in states_of(place, leaving.to) and there.weekday() == 6:
            spans.append((12, 21))
        return all(first <= there.hour < last for first, last in spans)
    working = there.weekday() < 5 and there.date() not in _days(place, there.year)
    return working and rules.mail[0] <= there.hour < rules.mail[1]


@functools.cache
def _days(place: Place, year: int) -> frozenset[dt.date]:
    found = holidays.country_holidays(place.country, subdiv=place.region or None, years=year)
    return frozenset(found)
