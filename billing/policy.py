"""What has the firm decided? policy.toml as frozen values; every mistake is named at once."""

import dataclasses
import datetime as dt
import functools
import hashlib
import itertools
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

from billing import shipped
from billing.calendar import Hours
from billing.toml import Mistake, Table

CHANNELS = ("email", "sms", "voice")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class PolicyError(ValueError):
    """The policy cannot be used; ``mistakes`` holds all of them, in the order of the file."""

    def __init__(self, name: str, mistakes: tuple[Mistake, ...]) -> None:
        lines = "\n".join(
            f"  {key}: {reason}" if key else f"  {reason}" for key, reason in mistakes
        )
        super().__init__(f"{name} cannot be used; correct this and check again:\n{lines}")
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class Amounts:
    """Minor units by currency; 0 where the firm has said nothing."""

    by_currency: tuple[tuple[str, int], ...] = ()

    def of(self, currency: str) -> int:
        """The amount that holds for a currency, in its minor units."""
        return dict(self.by_currency).get(currency, 0)


@dataclass(frozen=True, slots=True)
class Step:
    """One rung: at ``offset`` days remind the client, or hand over to the owner."""

    offset: int
    action: Literal["remind", "escalate"]
    template: str = ""
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dunning:
    """The ladder and from when, and from how much, it applies."""

    count_from: Literal["issued", "due"]
    grace_days: int
    catch_up_days: int
    rounds: int
    tolerance: Amounts
    minimum: Amounts
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Charges:
    """What is added to a late debt once the notice of a step has left."""

    steps: tuple[int, ...]
    interest_percent: Decimal
    late_fee: Amounts


@dataclass(frozen=True, slots=True)
class RenewalStep:
    """One notice, so many days before the renewal."""

    days_before: int
    template: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Renewal:
    """The notices, and what the gate on everything but dunning overlooks."""

    tolerance: Amounts
    exclude_disputed: bool
    exclude_promised: bool
    steps: tuple[RenewalStep, ...]


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
    """What permits a text message, and who answers STOP."""

    sms_basis: Literal["consent", "provided_number"]
    carrier_answers_stop: bool


@dataclass(frozen=True, slots=True)
class Vault:
    """How long what belongs to nobody is kept."""

    unmatched_days: int


@dataclass(frozen=True, slots=True)
class Retention:
    """After how many days what has become of no use is deleted; 0 keeps it for ever."""

    inbox_bodies: int
    inbox: int
    attempts: int
    decisions: int


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything the firm has decided."""

    dunning: Dunning
    charges: Charges
    renewal: Renewal
    budget: Budget
    hours: OpenHours
    holds: Holds
    consent: Consent
    vault: Vault
    retention: Retention

    @property
    def version(self) -> str:
        """Twelve characters that change when a decision does, not when a comment does."""
        return digest(self)[:12]


def default() -> Policy:
    """What a careful firm gets without writing a policy."""
    return load(shipped.path("policy.toml"))


def load(path: Path) -> Policy:
    """Read a policy file.

    Raises:
        PolicyError: it has mistakes.
        OSError: it cannot be read.
    """
    return parse(path.read_text(encoding="utf-8"), path.name)


def parse(text: str, name: str = "policy.toml") -> Policy:
    """Read a policy; what it leaves out is as shipped.

    Raises:
        PolicyError: it has mistakes.
    """
    try:
        written = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(name, (Mistake("", f"this is not TOML: {error}"),)) from error
    table = Table(_merge(_shipped(), written), "", [])
    policy = _policy(table)
    if table.mistakes:
        raise PolicyError(name, tuple(table.mistakes))
    return policy


@functools.lru_cache(maxsize=64)
def digest(policy: Policy) -> str:
    """A SHA-256 over what the policy says."""
    said = json.dumps(dataclasses.asdict(policy), sort_keys=True, default=_plain)
    return hashlib.sha256(said.encode()).hexdigest()


def _policy(table: Table) -> Policy:
    policy = Policy(
        dunning=_dunning(table.table("dunning")),
        charges=_charges(table.table("charges")),
        renewal=_renewal(table.table("renewal")),
        budget=_budget(table.table("budget")),
        hours=_open_hours(table.table("hours")),
        holds=_holds(table.table("holds")),
        consent=_consent(table.table("consent")),
        vault=_vault(table.table("vault")),
        retention=_retention(table.table("retention")),
    )
    table.close()
    return policy


def _dunning(table: Table) -> Dunning:
    dunning = Dunning(
        count_from=table.choice("count_from", ("issued", "due")),
        grace_days=table.whole("grace_days"),
        catch_up_days=table.whole("catch_up_days"),
        rounds=table.whole("rounds", least=1),
        tolerance=Amounts(table.amounts("tolerance")),
        minimum=Amounts(table.amounts("minimum")),
        steps=_steps(table.tables("steps")),
    )
    if table.raw.get("steps") == []:
        table.wrong("steps", "must have at least one step")
    table.close()
    return dunning


def _steps(tables: list[Table]) -> tuple[Step, ...]:
    steps = tuple(_step(table) for table in tables)
    for (earlier, later), table in zip(itertools.pairwise(steps), tables[1:], strict=False):
        if later.offset <= earlier.offset:
            table.wrong("offset", f"must be more than the step before, {earlier.offset}")
        if earlier.action == "escalate":
            table.wrong("action", "comes after an escalation, which ends the ladder")
    return steps


def _step(table: Table) -> Step:
    offset = table.whole("offset")
    if table.choice("action", ("remind", "escalate")) == "remind":
        step = Step(offset, "remind", table.text("template"), table.names("channels", CHANNELS))
    else:
        step = Step(offset, "escalate")
        for key in {"template", "channels"} & table.raw.keys():
            table.get(key)
            table.wrong(key, "does not belong to an escalation; it tells the owner")
    table.close()
    return step


def _charges(table: Table) -> Charges:
    charges = Charges(
        steps=table.wholes("steps", least=1),
        interest_percent=table.percent("interest_percent"),
        late_fee=Amounts(table.amounts("late_fee")),
    )
    table.close()
    return charges


def _renewal(table: Table) -> Renewal:
    tables = table.tables("steps")
    steps = tuple(_renewal_step(step) for step in tables)
    for (earlier, later), step in zip(itertools.pairwise(steps), tables[1:], strict=False):
        if later.days_before >= earlier.days_before:
            step.wrong("days_before", f"must be less than the step before, {earlier.days_before}")
    renewal = Renewal(
        tolerance=Amounts(table.amounts("tolerance")),
        exclude_disputed=table.flag("exclude_disputed"),
        exclude_promised=table.flag("exclude_promised"),
        steps=steps,
    )
    table.close()
    return renewal


def _renewal_step(table: Table) -> RenewalStep:
    step = RenewalStep(
        table.whole("days_before"), table.text("template"), table.names("channels", CHANNELS)
    )
    table.close()
    return step


def _budget(table: Table) -> Budget:
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


def _open_hours(table: Table) -> OpenHours:
    hours = OpenHours(email=_hours(table.table("email")), sms=_hours(table.table("sms")))
    table.close()
    return hours


def _hours(table: Table) -> Hours:
    start, end = table.time("start"), table.time("end")
    days = frozenset(map(_WEEKDAYS.index, table.names("weekdays", _WEEKDAYS)))
    on_holidays = table.flag("holidays")
    table.close()
    if not start < end:
        table.wrong("end", f"must be after start, {start:%H:%M}")
        start, end = dt.time.min, dt.time.max
    return Hours(start, end, days or frozenset({0}), on_holidays)


def _holds(table: Table) -> Holds:
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


def _consent(table: Table) -> Consent:
    consent = Consent(
        sms_basis=table.choice("sms_basis", ("consent", "provided_number")),
        carrier_answers_stop=table.flag("carrier_answers_stop"),
    )
    table.close()
    return consent


def _vault(table: Table) -> Vault:
    vault = Vault(unmatched_days=table.whole("unmatched_days", least=1))
    table.close()
    return vault


def _retention(table: Table) -> Retention:
    kept = {
        field.name: table.days_kept(field.name, least=30) for field in dataclasses.fields(Retention)
    }
    table.close()
    if kept["inbox"] and not 0 < kept["inbox_bodies"] <= kept["inbox"]:
        table.wrong("inbox_bodies", f"must be at most inbox, {kept['inbox']}: it goes with its row")
    return Retention(**kept)


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)


@functools.cache
def _shipped() -> dict[str, object]:
    return tomllib.loads(shipped.path("policy.toml").read_text(encoding="utf-8"))


def _merge(base: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    """Tables key by key; a list replaces the list."""
    merged = dict(base)
    for key, value in over.items():
        below = base.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _merge(below, value) if both else value  # type: ignore[arg-type]
    return merged
