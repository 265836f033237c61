"""May this leave now, as far as money is concerned? Asked when deciding and again at the door."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from billing import arrears, calendar, money, spelling
from billing.arrears import Account, OpenInstalment
from billing.policy import Policy


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: until a moment, or until the client's facts change, or for good (``final``)."""

    rule: str
    reason: str
    until: dt.datetime | None = None
    wake_on_change: bool = False
    final: bool = False


@dataclass(frozen=True, slots=True)
class Override:
    """A person let a client's renewals and offers pass its overdue balance, until a moment."""

    id: int
    by: str
    until: dt.datetime


def passing(
    refusal: Refusal | None, overrides: Iterable[Override], now: dt.datetime
) -> Override | None:
    """Whose word lets a message pass that an overdue balance would hold; the one that lasts."""
    if refusal is None or refusal.rule != "overdue":
        return None
    valid = [one for one in overrides if one.until > now]
    return max(valid, key=lambda one: (one.until, one.id), default=None)


def passed(refusal: Refusal, override: Override) -> str:
    """The sentence for it: what would hold it, who let it pass, and until when."""
    until = spelling.moment(override.until)
    return f"{refusal.reason}; {override.by} lets it pass until {until} (override {override.id})"


def dunning_refusal(account: Account, now: dt.datetime, policy: Policy) -> Refusal | None:
    """What keeps a queued dunning message from leaving; None lets it go.

    Raises:
        ValueError: the client's time zone is unknown.
    """
    today = calendar.local_date(now, account.timezone)
    stands = arrears.standing(account, now, policy)
    policy = arrears.ruled(stands, today, policy)
    if not stands.instalments or arrears.is_settled(account, policy):
        return Refusal("paid", "What the message asks for is settled.", final=True)
    hold = arrears.strongest_hold(stands)
    if hold is not None:
        reason = f"The client is on hold: {hold.why}."
        return Refusal("held", reason, until=hold.until, wake_on_change=True)
    if not arrears.overdue(stands, today, policy):
        return _nothing_to_chase(stands, today, policy)
    rule, reason = arrears.shortfall(stands, today, policy)
    return Refusal(rule, reason, final=True) if rule else None


def notice_refusal(account: Account, step: int, now: dt.datetime, policy: Policy) -> Refusal | None:
    """What keeps a notice before the due day from leaving; None lets it go."""
    today = calendar.local_date(now, account.timezone)
    stands = arrears.standing(account, now, policy)
    hold = arrears.strongest_hold(stands)
    if hold is not None:
        reason = f"The client is on hold: {hold.why}."
        return Refusal("held", reason, until=hold.until, wake_on_change=True)
    if arrears.overdue(stands, today, arrears.ruled(stands, today, policy)):
        return Refusal("overdue", "Something is overdue; it is asked for instead.", final=True)
    if arrears.coming(stands, step, today)[1] <= policy.dunning.tolerance.of(account.currency):
        return Refusal(
            "paid", "What the notice is about is settled or cannot be asked for.", final=True
        )
    return None


def sync_refusal(*, unresolved: bool) -> Refusal | None:
    """What keeps news of a client from other systems: it may be one that they know otherwise.

    What is told of two as long as they may be one makes two there as well.
    """
    if not unresolved:
        return None
    reason = "This client may be one that we know twice; `counterfoil duplicates` asks a person."
    return Refusal("unresolved_duplicate", reason, wake_on_change=True)


def outreach_refusal(
    overdue: Iterable[OpenInstalment], today: dt.date, policy: Policy
) -> Refusal | None:
    """What keeps everything but dunning from a client: any overdue balance above the tolerance.

    ``overdue`` may hold all that the client has open, with every entity and in every currency;
    ``today`` is the client's day. Money on account and under way counts as not received.
    """
    late = [i for i in overdue if arrears.is_overdue(i, today, policy.dunning.grace_days)]
    sums: dict[str, int] = {}
    for instalment in late:
        balance = _balance(instalment, policy)
        sums[instalment.currency] = sums.get(instalment.currency, 0) + balance
    tolerance = policy.renewal.tolerance
    holding = sorted(
        (
            instalment
            for instalment in late
            if _balance(instalment, policy) > 0
            and sums[instalment.currency] > tolerance.of(instalment.currency)
        ),
        key=lambda i: (i.due_on, i.id),
    )
    if not holding:
        return None
    return Refusal("overdue", _named(holding, today, policy), wake_on_change=True)


def renewal_refusal(
    entity: str,
    renews_on: dt.date,
    overdue: Iterable[OpenInstalment],
    today: dt.date,
    policy: Policy,
) -> Refusal | None:
    """What keeps a queued renewal notice from leaving: it is too late, or the client overdue."""
    if not policy.renewal.renews(entity):
        reason = f"Nothing is renewed by {entity}: the policy says so."
        return Refusal("renewals_disabled", reason, final=True)
    if today > renews_on:
        reason = f"The renewal date, {spelling.day(renews_on)}, has passed."
        return Refusal("renewal_date_passed", reason, final=True)
    return outreach_refusal(overdue, today, policy)


def _nothing_to_chase(stands: Account, today: dt.date, policy: Policy) -> Refusal:
    grace = policy.dunning.grace_days
    late = [i for i in stands.instalments if arrears.is_overdue(i, today, grace)]
    if not late:
        return Refusal("not_overdue", "Nothing is overdue any more.", final=True)
    first = min(late, key=lambda i: (arrears.counted_from(i, policy), i.due_on, i.id))
    rule = arrears.fence(first)
    reason = f"{first.number} is {arrears.FENCES[rule]}."
    ends = [hold.until for hold in stands.holds if hold.until is not None]
    ends += [end for end in (stands.promised_until, stands.rested_until) if end is not None]
    if rule == "excluded":
        return Refusal(rule, reason, final=True)  # let in again, it is looked at from the start
    return Refusal(rule, reason, until=min(ends, default=None), wake_on_change=True)


def _balance(instalment: OpenInstalment, policy: Policy) -> int:
    """What counts as overdue for the gate."""
    disputed = instalment.disputed if policy.renewal.exclude_disputed else 0
    promised = instalment.promised if policy.renewal.exclude_promised else 0
    return max(0, instalment.open - disputed - promised)


def _named(holding: list[OpenInstalment], today: dt.date, policy: Policy) -> str:
    """As people read it: "INV-204 is 12 days overdue, $310.00, and 2 more"."""
    first = holding[0]
    late = arrears.overdue_for((today - first.due_on).days)
    amount = money.display(_balance(first, policy), first.currency)
    others = f", and {len(holding) - 1} more" if len(holding) > 1 else ""
    return f"{first.number} is {late}, {amount}{others}"
