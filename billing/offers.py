"""Is there something to offer to a client now, and why, or why not?

An offer follows a payment that settles everything, or a renewal: never a client who owes anything
that is overdue, never two at once, and none more often than it says.
"""

import datetime as dt
from dataclasses import dataclass

from billing import calendar, gates, spelling
from billing.arrears import OpenInstalment
from billing.policy import Offer, Policy
from billing.policy.offers import Trigger

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Made:
    """An offer that was made to the client before."""

    name: str
    offered_at: dt.datetime
    waiting: bool = False
    """Its message has not left yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """A client as its offers see it; ``owed`` is all that is open, in every account."""

    timezone: str
    currency: str
    segment: str = ""
    services: frozenset[str] = frozenset()
    owed: tuple[OpenInstalment, ...] = ()
    made: tuple[Made, ...] = ()
    overrides: tuple[gates.Override, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Make:
    """Make this offer; its message may leave from ``send_after`` on, until ``expires_at``."""

    rule: str
    reason: str
    offer: Offer
    amount: int | None
    """The discount in minor units of the client's currency, where it is an amount."""
    send_after: dt.datetime
    expires_at: dt.datetime
    valid_until: dt.date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Nothing is offered."""

    rule: str
    reason: str


def decide(trigger: Trigger, client: Audience, now: dt.datetime, policy: Policy) -> Make | Skip:
    """The first offer for a trigger that fits the client.

    Raises:
        ValueError: the client's time zone is unknown.
    """
    offers = [one for one in policy.offers if one.trigger == trigger]
    if not offers:
        return Skip(rule="no_offer", reason="The policy has no offer for this.")
    today = calendar.local_date(now, client.timezone)
    refusal = gates.outreach_refusal(client.owed, today, policy)
    if refusal is not None and gates.passing(refusal, client.overrides, now) is None:
        return Skip(rule="overdue", reason=f"Nothing is offered: {refusal.reason}.")
    if trigger == "paid" and client.owed:
        return Skip(rule="still_open", reason="Nothing is offered before all is paid.")
    if any(one.waiting for one in client.made):
        return Skip(rule="offer_waiting", reason="Another offer has not left yet.")
    refused = [(one, _unfit(one, client, now)) for one in offers]
    fitting = next((one for one, why in refused if why is None), None)
    if fitting is None:
        return next(why for _, why in refused if why is not None)
    return _make(fitting, client, now)


def _unfit(offer: Offer, client: Audience, now: dt.datetime) -> Skip | None:
    if offer.segments and client.segment not in offer.segments:
        return Skip(rule="other_audience", reason=f"{offer.name} is for other segments.")
    if offer.service_types and not client.services & set(offer.service_types):
        return Skip(rule="other_audience", reason=f"{offer.name} is for other services.")
    if offer.discount.by_currency and not offer.discount.of(client.currency):
        return Skip(
            rule="other_currency", reason=f"{offer.name} has no discount in {client.currency}."
        )
    lately = [one.offered_at for one in client.made if one.name == offer.name]
    if lately and max(lately) > now - offer.every_days * _DAY:
        day = spelling.day(max(lately))
        reason = f"{offer.name} was offered on {day}; once in {offer.every_days} days."
        return Skip(rule="offered_lately", reason=reason)
    return None


def _make(offer: Offer, client: Audience, now: dt.datetime) -> Make:
    send_after = now + offer.delay_days * _DAY
    first = calendar.local_date(send_after, client.timezone)
    because = {"paid": "Everything is paid", "renewed": "An agreement is renewed"}[offer.trigger]
    return Make(
        rule="offer_due",
        reason=f"{because}; {offer.name} is offered from {spelling.day(first)} on.",
        offer=offer,
        amount=offer.discount.of(client.currency) or None,
        send_after=send_after,
        expires_at=send_after + offer.expires_days * _DAY,
        valid_until=first + offer.valid_days * _DAY if offer.valid_days else None,
    )
