"""May this message leave, now, to this address?

One ordered list of places, each a pure question about the facts of this moment. The first hard
refusal decides; where there is none, the first place that asks to wait decides; every place that
did not pass is recorded. A message that waited is judged again from the start.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from billing.calendar import NeverOpen, next_open, zone
from billing.gates import Refusal
from billing.models import Health, Verification
from billing.policy import Policy
from comms.consent import Consent, Standing
from comms.models import Audience, Purpose


class Verdict(StrEnum):
    """What becomes of a message at the door."""

    ALLOW = "allow"
    DEFER = "defer"
    REVIEW = "review"
    WITHHOLD = "withhold"
    CANCEL = "cancel"


HARD = (Verdict.WITHHOLD, Verdict.CANCEL)
ABOUT_THE_DEBT = (Purpose.DUNNING, Purpose.RECEIPT, Purpose.ANSWER, Purpose.OPT_OUT)
BUDGETED = (Purpose.DUNNING, Purpose.RENEWAL, Purpose.OFFER, Purpose.STAFF_TEXT)
ANY_HOUR = (Purpose.OPT_OUT, Purpose.ANSWER)
"""The client wrote a moment ago: the answer to it wakes nobody."""


@dataclass(frozen=True, slots=True)
class Live:
    """The go-live switch as it stands for this client."""

    open: bool = False
    cap_left: int | None = None
    """How many more messages may leave today; None where there is no cap."""
    redirect_to: str = ""
    next_day: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Recipient:
    """The address a message would go to."""

    kind: str
    value: str
    verification: str = Verification.ASSERTED
    health: str = Health.OK
    consent: Consent = field(default_factory=Consent)
    zones: tuple[str, ...] = ("UTC",)
    """Every time zone in which the person may be."""
    country: str = "US"
    region: str = ""


@dataclass(frozen=True, slots=True)
class Sender:
    """The legal entity that writes; what it lacks keeps its messages in."""

    name: str
    postal_address: str
    address: str
    """Its mailbox for email, its phone for SMS."""
    pay_link: str


@dataclass(frozen=True, slots=True)
class Spent:
    """What the person has got: the moments of the messages that count, the oldest first."""

    budgeted: tuple[dt.datetime, ...] = ()
    automatic: tuple[dt.datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that the door asks about."""

    audience: str
    purpose: str
    channel: str
    now: dt.datetime
    expires_at: dt.datetime | None = None
    live: Live = field(default_factory=Live)
    recipient: Recipient | None = None
    sender: Sender | None = None
    billing: Refusal | None = None
    sync: Refusal | None = None
    """For another system: why it is not told of this client yet."""
    spent: Spent = field(default_factory=Spent)
    written_by_person: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What one place said."""

    place: str
    verdict: Verdict
    rule: str = ""
    reason: str = ""
    until: dt.datetime | None = None
    wake_on_client: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """The finding that decides, and all places in their order."""

    decisive: Finding
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """What becomes of the message."""
        return self.decisive.verdict

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """Every place that did not pass."""
        return tuple(found for found in self.findings if found.verdict is not Verdict.ALLOW)


Place = Callable[[Case, Policy], Finding | None]


def judge(case: Case, policy: Policy) -> Judgement:
    """Ask every place that this message must pass."""
    findings = tuple(
        place(case, policy) or Finding(name, Verdict.ALLOW)
        for name, place in PLACES
        if _must_pass(name, case)
    )
    refused = [found for found in findings if found.verdict is not Verdict.ALLOW]
    hard = [found for found in refused if found.verdict in HARD]
    return Judgement((hard or refused or [Finding("send", Verdict.ALLOW)])[0], findings)


def _must_pass(place: str, case: Case) -> bool:
    if case.audience != Audience.CLIENT:
        return place in {"expiry", "content", "preflight"}
    if case.purpose == Purpose.OPT_OUT:
        return place not in {"go_live", "consent", "billing", "budget", "hours"}
    return True


def _expiry(case: Case, _policy: Policy) -> Finding | None:
    if case.expires_at is None or case.now < case.expires_at:
        return None
    reason = "Its time has passed: sent now, it would say something that is no longer so."
    return Finding("expiry", Verdict.WITHHOLD, "too_late", reason)


def _go_live(case: Case, _policy: Policy) -> Finding | None:
    if not case.live.open:
        reason = "This installation does not write to clients yet; `counterfoil golive` opens it."
        return Finding("go_live", Verdict.DEFER, "not_live", reason)
    elsewhere = case.live.redirect_to
    if elsewhere and ("@" in elsewhere) != (case.channel == "email"):
        reason = (
            f"Messages are redirected to one test address, and this one goes by {case.channel}."
        )
        return Finding("go_live", Verdict.DEFER, "not_live", reason)
    if case.live.cap_left is not None and case.live.cap_left <= 0:
        reason = "The daily cap of the go-live switch is used up."
        return Finding("go_live", Verdict.DEFER, "daily_cap", reason, until=case.live.next_day)
    return None


def _identity(case: Case, _policy: Policy) -> Finding | None:
    to = case.recipient
    if to is None:
        reason = f"There is no {case.channel} address to write to."
        return Finding("identity", Verdict.WITHHOLD, "no_address", reason)
    if to.verification in (Verification.VERIFIED, Verification.ASSERTED):
        return None
    reason = f"The {case.channel} address is {to.verification}; nobody has said it is theirs."
    return Finding("identity", Verdict.WITHHOLD, f"address_{to.verification}", reason)


def _empty(_case: Case, _policy: Policy) -> Finding | None:
    return None


def _consent(case: Case, policy: Policy) -> Finding | None:
    if case.recipient is None:
        return None
    held = case.recipient.consent
    if held.standing is Standing.REVOKED:
        when = f" on {held.since:%-d %b %Y}" if held.since else ""
        reason = f"They asked us to stop{when} ({held.method or 'unstated'})."
        return Finding("consent", Verdict.WITHHOLD, "opted_out", reason)
    provided = policy.consent.sms_basis == "provided_number"
    answering = case.purpose == Purpose.ANSWER
    if case.channel != "sms" or provided or answering or held.standing is not Standing.UNKNOWN:
        return None
    reason = "Nobody has agreed to text messages at this number."
    return Finding("consent", Verdict.WITHHOLD, "no_sms_consent", reason)


def _health(case: Case, _policy: Policy) -> Finding | None:
    if case.recipient is None or case.recipient.health != Health.DEAD:
        return None
    reason = f"Messages to this {case.channel} address do not arrive."
    return Finding("health", Verdict.WITHHOLD, "address_dead", reason)


def _billing(case: Case, _policy: Policy) -> Finding | None:
    found = case.billing
    if found is None:
        return None
    verdict = Verdict.CANCEL if found.final else Verdict.DEFER
    return Finding("billing", verdict, found.rule, found.reason, found.until, found.wake_on_change)


def _budget(case: Case, policy: Policy) -> Finding | None:
    limits: list[tuple[str, tuple[dt.datetime, ...], int, dt.timedelta]] = []
    if case.purpose in BUDGETED:
        day, week = dt.timedelta(days=1), dt.timedelta(days=7)
        limits.append(("budget_day", case.spent.budgeted, policy.budget.per_day, day))
        limits.append(("budget_week", case.spent.budgeted, policy.budget.per_week, week))
    if not case.written_by_person:
        brake, day = policy.budget.automatic_per_day, dt.timedelta(days=1)
        limits.append(("loop_brake", case.spent.automatic, brake, day))
    waits = [
        (frees, rule, limit)
        for rule, moments, limit, span in limits
        if (frees := _frees_at(moments, limit, span, case.now)) is not None
    ]
    if not waits:
        return None
    until, rule, limit = max(waits)
    reason = f"This person has had {limit} from us; the next may go {until:%-d %b, %H:%M} UTC."
    return Finding("budget", Verdict.DEFER, rule, reason, until=until)


def _frees_at(
    moments: tuple[dt.datetime, ...], limit: int, span: dt.timedelta, now: dt.datetime
) -> dt.datetime | None:
    """When one more fits into the window, or None where it fits now."""
    recent = [moment for moment in moments if moment > now - span]
    if len(recent) < limit:
        return None
    return sorted(recent)[len(recent) - limit] + span if limit else now + span


def _hours(case: Case, policy: Policy) -> Finding | None:
    to = case.recipient
    if to is None or case.purpose in ANY_HOUR:
        return None
    hours = policy.hours.of(case.channel)
    try:
        opens = next_open(case.now, hours, to.zones, to.country, to.region)
    except NeverOpen as error:
        return Finding("hours", Verdict.REVIEW, "never_open", str(error))
    if opens == case.now:
        return None
    where, told = f"{len(to.zones)} possible time zones", f"{opens:%-d %b, %H:%M} UTC"
    if len(to.zones) == 1:
        where, told = to.zones[0], f"{opens.astimezone(zone(to.zones[0])):%-d %b, %H:%M} there"
    reason = f"It is not a convenient hour in {where}; the next one is {told}."
    return Finding("hours", Verdict.DEFER, "quiet_hours", reason, until=opens)


def _preflight(case: Case, _policy: Policy) -> Finding | None:
    by = case.sender
    if case.audience == Audience.SYSTEM and case.sync is not None:
        waits = case.sync
        return Finding(
            "preflight", Verdict.DEFER, waits.rule, waits.reason, waits.until, waits.wake_on_change
        )
    if case.audience != Audience.CLIENT:
        return None
    needed: dict[str, object] = {
        "a name": by and by.name,
        f"an address for {case.channel}": by and by.address,
    }
    if case.channel == "email":
        needed["a postal address"] = by and by.postal_address
    if case.purpose == Purpose.DUNNING:
        needed["a pay link"] = by and by.pay_link
    missing = [what for what, value in needed.items() if not value]
    if not missing:
        return None
    reason = f"The legal entity that writes lacks {' and '.join(missing)}."
    return Finding("preflight", Verdict.WITHHOLD, "sender_incomplete", reason)


PLACES: tuple[tuple[str, Place], ...] = (
    ("expiry", _expiry),
    ("go_live", _go_live),
    ("identity", _identity),
    ("legal", _empty),
    ("consent", _consent),
    ("health", _health),
    ("billing", _billing),
    ("content", _empty),
    ("budget", _budget),
    ("hours", _hours),
    ("preflight", _preflight),
)
"""This is the only order. ``legal`` and ``content`` are places with no rule yet."""

EMPTY = tuple(name for name, place in PLACES if place is _empty)
"""The places that say nothing yet; whoever shows a judgement says so."""
