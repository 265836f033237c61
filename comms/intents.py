"""What did a client mean, and what does that change?

Pure. ``EFFECTS`` says for every intent what follows; ``billing_facts`` writes down the part of it
that is about money. What cannot follow by itself (a promise without a day, a dispute of nobody
knows what) is read by a person.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from billing import calendar, facts
from billing.policy import Policy


class Intent(StrEnum):
    """The closed set: what a careful collections manager must act on first."""

    PAID_CLAIM = "paid_claim"
    PROMISE_TO_PAY = "promise_to_pay"
    PAYMENT_PLAN_REQUEST = "payment_plan_request"
    DISPUTE = "dispute"
    QUESTION_BALANCE = "question_balance"
    QUESTION_OTHER = "question_other"
    INVOICE_COPY_REQUEST = "invoice_copy_request"
    PAYMENT_LINK_REQUEST = "payment_link_request"
    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    HELP = "help"
    CANCEL_SERVICE = "cancel_service"
    RENEW_YES = "renew_yes"
    RENEW_NO = "renew_no"
    RENEW_CONDITIONAL = "renew_conditional"
    WRONG_PERSON = "wrong_person"
    LEFT_COMPANY = "left_company"
    HARDSHIP = "hardship"
    DECEASED = "deceased"
    DISTRESS = "distress"
    BANKRUPTCY = "bankruptcy"
    REPRESENTED_BY_COUNSEL = "represented_by_counsel"
    CEASE_CONTACT = "cease_contact"
    LEGAL_THREAT = "legal_threat"
    PRIVILEGED_CONTENT = "privileged_content"
    OUT_OF_OFFICE = "out_of_office"
    BOUNCE = "bounce"
    BANK_DETAIL_CHANGE = "bank_detail_change"
    CONTACT_PREFERENCE = "contact_preference"
    CONTACT_CHANGE = "contact_change"
    IDENTITY_QUESTION = "identity_question"
    ACKNOWLEDGEMENT = "acknowledgement"
    ABUSIVE = "abusive"
    LANGUAGE_REQUEST = "language_request"
    DATA_REQUEST = "data_request"
    LEGAL_HOLD = "legal_hold"
    INJECTION_ATTEMPT = "injection_attempt"
    OTHER = "other"


class Effect(StrEnum):
    """What follows from an intent."""

    NOTHING = "nothing"
    READ = "read"
    """A person reads it; until then reminders wait, as after any reply."""
    CLAIM = "claim"
    """Reminders wait for the money that is said to be paid, and somebody looks for it."""
    PROMISE = "promise"
    """What is promised is not asked for until its day has passed."""
    PLAN = "plan"
    """Reminders wait while a person decides about the plan."""
    DISPUTE = "dispute"
    """The questioned amount of that invoice is not asked for."""
    CARE = "care"
    """Reminders wait, and a person speaks with them."""
    AWAY = "away"
    """Reminders wait until they are back."""
    STOP = "stop"
    """Nothing more goes to this address."""
    START = "start"
    """The address may be written to again."""
    MISDIRECTED = "misdirected"
    """The address is not this person's; nothing more goes there for them."""
    LEGAL = "legal"
    """A state in law forbids to ask for the money; counsel or compliance decides."""


EFFECTS: Mapping[Intent, Effect] = dict.fromkeys(Intent, Effect.READ) | {
    Intent.PAID_CLAIM: Effect.CLAIM,
    Intent.PROMISE_TO_PAY: Effect.PROMISE,
    Intent.PAYMENT_PLAN_REQUEST: Effect.PLAN,
    Intent.DISPUTE: Effect.DISPUTE,
    Intent.HARDSHIP: Effect.CARE,
    Intent.DISTRESS: Effect.CARE,
    Intent.OUT_OF_OFFICE: Effect.AWAY,
    Intent.OPT_OUT: Effect.STOP,
    Intent.OPT_IN: Effect.START,
    Intent.WRONG_PERSON: Effect.MISDIRECTED,
    Intent.LEFT_COMPANY: Effect.MISDIRECTED,
    Intent.CEASE_CONTACT: Effect.LEGAL,
    Intent.REPRESENTED_BY_COUNSEL: Effect.LEGAL,
    Intent.BANKRUPTCY: Effect.LEGAL,
    Intent.DECEASED: Effect.LEGAL,
    Intent.ACKNOWLEDGEMENT: Effect.NOTHING,
    Intent.BOUNCE: Effect.NOTHING,
}
"""By intent; what is not named is read by a person."""
_IN_LAW = {
    Intent.CEASE_CONTACT: "cease",
    Intent.REPRESENTED_BY_COUNSEL: "represented",
    Intent.BANKRUPTCY: "bankruptcy",
    Intent.DECEASED: "deceased",
}
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """An intent with what the client's own words name; amounts in minor units."""

    intent: Intent
    said_at: dt.datetime
    date: dt.date | None = None
    amount: int | None = None
    currency: str = ""
    method: str = ""
    invoice_number: str = ""
    legal_entity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """What a client owes on an invoice."""

    legal_entity: str
    currency: str
    number: str
    open: int
    overdue: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Who said it, where they live, and what they owe, the oldest first."""

    client_id: int
    timezone: str
    country: str
    region: str
    debts: Sequence[Debt] = ()


def billing_facts(
    meaning: Meaning, by: Speaker, name: str, policy: Policy
) -> tuple[facts.Fact, ...]:
    """What follows for money, as facts of our own with this name; none where a person must read.

    Raises:
        ValueError: the client's time zone or country is unknown.
    """
    told = _Told(meaning, by, name)
    match EFFECTS[meaning.intent]:
        case Effect.PROMISE:
            return told.promises()
        case Effect.DISPUTE:
            return told.dispute()
        case Effect.LEGAL:
            return told.legal_state()
        case Effect.CLAIM | Effect.PLAN | Effect.CARE | Effect.AWAY as effect:
            return told.hold(effect, policy)
        case _:
            return ()


@dataclass(frozen=True)
class _Told:
    """A meaning on its way to become facts."""

    meaning: Meaning
    by: Speaker
    name: str

    @property
    def today(self) -> dt.date:
        return calendar.local_date(self.meaning.said_at, self.by.timezone)

    @property
    def who(self) -> dict[str, Any]:
        return {
            "source": facts.OURSELVES,
            "external_id": self.name,
            "client_external_id": str(self.by.client_id),
        }

    def hold(self, effect: Effect, policy: Policy) -> tuple[facts.Fact, ...]:
        """Reminders rest; for how long, the policy says, or the day of their return."""
        back, today = self.meaning.date, self.today
        place = (self.by.country, self.by.region)
        claimed = policy.holds.claim_days(self.meaning.method)
        reason, last = {
            Effect.CLAIM: ("payment_claimed", calendar.add_business_days(today, claimed, *place)),
            Effect.PLAN: ("under_review", today + policy.replies.plan_days * _DAY),
            Effect.CARE: ("hardship", today + policy.replies.care_days * _DAY),
            Effect.AWAY: ("away", back or today),
        }[effect]
        if effect is Effect.AWAY and (back is None or back < today):
            return ()
        told = self.who | {
            "invoice_number": self.meaning.invoice_number or None,
            "legal_entity": self.meaning.legal_entity,
            "reason": reason,
            "placed_at": self.meaning.said_at,
            "until": calendar.midnight(last + _DAY, self.by.timezone),
        }
        return (facts.HoldPlaced.model_validate(told),)

    def legal_state(self) -> tuple[facts.Fact, ...]:
        told = self.who | {"kind": _IN_LAW[self.meaning.intent], "placed_at": self.meaning.said_at}
        return (facts.LegalStatePlaced.model_validate(told),)

    def dispute(self) -> tuple[facts.Fact, ...]:
        numbers = {debt.number for debt in self.by.debts}
        number = self.meaning.invoice_number or (numbers.pop() if len(numbers) == 1 else "")
        if not number:
            return ()
        disputed = facts.InvoiceDisputed(
            **self.who,
            invoice_number=number,
            legal_entity=self.meaning.legal_entity,
            amount=self.meaning.amount,
            opened_on=self.today,
        )
        return (disputed,)

    def promises(self) -> tuple[facts.Fact, ...]:
        """For each account that it is about; none where the day or the account is not clear."""
        day = self.meaning.date
        accounts = self._promised()
        if day is None or day < self.today or (self.meaning.amount and len(accounts) != 1):
            return ()
        several = len(accounts) > 1
        return tuple(
            facts.PromiseMade(
                **self.who
                | ({"external_id": f"{self.name}/{entity}/{currency}"} if several else {}),
                legal_entity=entity,
                currency=currency,
                parts=(facts.PlanPart(due_on=day, amount=self.meaning.amount or amount),),
                invoices=(self.meaning.invoice_number,) if self.meaning.invoice_number else (),
                made_at=self.meaning.said_at,
            )
            for (entity, currency), amount in accounts.items()
        )

    def _promised(self) -> dict[tuple[str, str], int]:
        """By account what is overdue, or all that is open where nothing is."""
        wanted = [
            debt
            for debt in self.by.debts
            if debt.number == (self.meaning.invoice_number or debt.number)
            and debt.currency == (self.meaning.currency or debt.currency)
            and debt.legal_entity == (self.meaning.legal_entity or debt.legal_entity)
        ]
        late = any(debt.overdue for debt in wanted)
        found: dict[tuple[str, str], int] = {}
        for debt in wanted:
            amount = debt.overdue if late else debt.open
            if amount:
                account = (debt.legal_entity, debt.currency)
                found[account] = found.get(account, 0) + amount
        return found
