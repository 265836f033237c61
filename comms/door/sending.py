"""Is the message still true, may anything leave at all, and has its sender what a sender needs?"""

import datetime as dt
from collections.abc import Iterator

from billing.policy import Policy
from comms.compliance import clearance
from comms.compliance.labels import SEALING
from comms.door.case import Case, Finding, Verdict
from comms.models import Audience, Purpose
from comms.processors import UNSIGNED

_SIGNING = dt.timedelta(hours=1)
"""How soon it is looked at anew whether somebody has put the agreement on record."""


def expiry(case: Case, _policy: Policy) -> Iterator[Finding]:
    """Its time has not passed."""
    if case.expires_at is None or case.now < case.expires_at:
        return
    if case.purpose == Purpose.OPT_OUT:
        reason = "A confirmation that comes so late confirms nothing any more."
        yield Finding("expiry", Verdict.WITHHOLD, "confirmation_skipped_late", reason)
        return
    reason = "Its time has passed: sent now, it would say something that is no longer so."
    yield Finding("expiry", Verdict.WITHHOLD, "too_late", reason)


def go_live(case: Case, _policy: Policy) -> Iterator[Finding]:
    """The firm has opened the door to its clients."""
    if not case.live.open:
        reason = "This installation does not write to clients yet; `counterfoil golive` opens it."
        yield Finding("go_live", Verdict.DEFER, "not_live", reason)
        return
    elsewhere = case.live.redirect_to
    if elsewhere and ("@" in elsewhere) != (case.channel == "email"):
        reason = (
            f"Messages are redirected to one test address, and this one goes by {case.channel}."
        )
        yield Finding("go_live", Verdict.DEFER, "not_live", reason)
    elif case.live.cap_left is not None and case.live.cap_left <= 0:
        reason = "The daily cap of the go-live switch is used up."
        yield Finding("go_live", Verdict.DEFER, "daily_cap", reason, until=case.live.next_day)


def billing(case: Case, _policy: Policy) -> Iterator[Finding]:
    """What is owed at this moment lets it go."""
    found = case.billing
    if found is not None:
        verdict = Verdict.CANCEL if found.final else Verdict.DEFER
        yield Finding(
            "billing", verdict, found.rule, found.reason, found.until, found.wake_on_change
        )
    elif case.overridden:
        yield Finding("billing", Verdict.ALLOW, "gate_override", case.overridden)


def content(case: Case, _policy: Policy) -> Iterator[Finding]:
    """Nothing that a person typed must not go by this channel; templates have a lint of their own.

    A number goes to nobody by mail or text. Legal advice, health, a matter or the line of a bill
    go when somebody says so who may, this once.
    """
    if numbers := case.labels - SEALING:
        reason = f"There is {clearance.named(numbers)} in it: nobody sends that by {case.channel}."
        yield Finding("content", Verdict.WITHHOLD, "content_numbers", reason)
    sealed = case.labels & SEALING
    if case.released and (sealed or case.untold):
        yield Finding("content", Verdict.ALLOW, "content_released", case.released)
        return
    if sealed:
        reason = f"There is {clearance.named(sealed)} in it; counsel or compliance says if it goes."
        yield Finding("content", Verdict.REVIEW, "content_sealed", reason)
    if case.untold:
        reason = f"{case.untold[0]} Compliance says if it goes."
        yield Finding("content", Verdict.REVIEW, "content_untold", reason)


def preflight(case: Case, _policy: Policy) -> Iterator[Finding]:
    """Whoever writes, or hears of it, is ready."""
    if case.audience == Audience.SYSTEM and case.sync is not None:
        found = case.sync
        yield Finding(
            "preflight", Verdict.DEFER, found.rule, found.reason, found.until, found.wake_on_change
        )
    yield from _signed(case)
    if case.audience != Audience.CLIENT:
        return
    if missing := _missing(case):
        reason = f"The legal entity that writes lacks {' and '.join(missing)}."
        yield Finding("preflight", Verdict.WITHHOLD, "sender_incomplete", reason)
    if case.stream is not None:
        found = case.stream
        yield Finding("preflight", Verdict.DEFER, found.rule, found.reason, found.until)
    if case.channel == "sms" and case.sender is not None and case.sender.sms_unregistered:
        reason = "The carriers do not know our number yet (A2P 10DLC); a text would be filtered."
        yield Finding("preflight", Verdict.WITHHOLD, "sms_unregistered", reason)


def _signed(case: Case) -> Iterator[Finding]:
    """Whoever carries it has signed what our packs ask; our own people have no other way."""
    if not case.unsigned:
        return
    if case.audience == Audience.CLIENT and case.live.open:
        yield Finding("preflight", Verdict.WITHHOLD, UNSIGNED, case.unsigned)
    else:
        again = case.now + _SIGNING
        yield Finding("preflight", Verdict.DEFER, UNSIGNED, case.unsigned, until=again)


def _missing(case: Case) -> list[str]:
    by = case.sender
    needed: dict[str, object] = {
        "a name": by and by.name,
        f"an address for {case.channel}": by and by.address,
    }
    if case.channel == "email":
        needed["a postal address"] = by and by.postal_address
    if case.purpose == Purpose.DUNNING:
        needed["a pay link"] = by and by.pay_link
    return [what for what, value in needed.items() if not value]
