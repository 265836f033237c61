"""How often, when, and on whose word may a client be contacted?"""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from billing.calendar import WEEKDAYS, Hours
from billing.toml import Table


@dataclass(frozen=True, slots=True)
class Budget:
    """How many messages a person gets."""

    per_day: int
    per_week: int
    automatic_per_day: int
    reply_window_hours: int


@dataclass(frozen=True, slots=True)
class OpenHours:
    """When a client may be disturbed."""

    email: Hours
    sms: Hours

    def of(self, channel: str) -> Hours:
        """The hours of a channel; what rings follows SMS, the stricter reading."""
        return self.email if channel == "email" else self.sms


@dataclass(frozen=True, slots=True)
class Holds:
    """How long dunning rests: business days after a claim of payment, days of a pause."""

    paid_claim_days: int
    bank_transfer: int
    cheque: int
    card: int
    pause_days: int
    promise_bank_days: int

    def claim_days(self, method: str) -> int:
        """Business days for "we have paid", by the method that was named, if any."""
        by_method = {"bank_transfer": self.bank_transfer, "cheque": self.cheque, "card": self.card}
        return by_method.get(method, self.paid_claim_days)


@dataclass(frozen=True, slots=True)
class Consent:
    """What permits a text message, who answers STOP, and to how much it is a no."""

    sms_basis: Literal["consent", "provided_number"]
    carrier_answers_stop: bool
    revoke_scope: Literal["all_nonessential_for_business", "topic"]


def read_budget(table: Table) -> Budget:
    """Read its table; what is wrong is noted there."""
    budget = Budget(
        per_day=table.whole("per_day"),
        per_week=table.whole("per_week"),
        automatic_per_day=table.whole("automatic_per_day"),
        reply_window_hours=table.whole("reply_window_hours"),
    )
    if budget.per_week < budget.per_day:
        table.wrong("per_week", f"must be at least per_day, {budget.per_day}")
    table.close()
    return budget


def read_hours(table: Table) -> OpenHours:
    """Read its table; what is wrong is noted there."""
    hours = OpenHours(email=_hours(table.table("email")), sms=_hours(table.table("sms")))
    table.close()
    return hours


def _hours(table: Table) -> Hours:
    start, end = table.time("start"), table.time("end")
    days = frozenset(map(WEEKDAYS.index, table.names("weekdays", WEEKDAYS)))
    on_holidays = table.flag("holidays")
    table.close()
    if not start < end:
        table.wrong("end", f"must be after start, {start:%H:%M}")
        start, end = dt.time.min, dt.time.max
    return Hours(start, end, days or frozenset({0}), on_holidays)


def read_holds(table: Table) -> Holds:
    """Read its table; what is wrong is noted there."""
    holds = Holds(
        paid_claim_days=table.whole("paid_claim_days"),
        bank_transfer=table.whole("bank_transfer"),
        cheque=table.whole("cheque"),
        card=table.whole("card"),
        pause_days=table.whole("pause_days", least=1),
        promise_bank_days=table.whole("promise_bank_days"),
    )
    table.close()
    return holds


def read_consent(table: Table) -> Consent:
    """Read its table; what is wrong is noted there."""
    consent = Consent(
        sms_basis=table.choice("sms_basis", ("consent", "provided_number")),
        carrier_answers_stop=table.flag("carrier_answers_stop"),
        revoke_scope=table.choice("revoke_scope", ("all_nonessential_for_business", "topic")),
    )
    table.close()
    return consent
