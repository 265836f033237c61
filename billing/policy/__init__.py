"""What has the firm decided? policy.toml as frozen values; every mistake is named at once."""

import dataclasses
import functools
import hashlib
import json
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from billing import packs as kinds
from billing import shipped
from billing.packs import Terms
from billing.policy import (
    amounts,
    answers,
    contact,
    counsel,
    keeping,
    ladders,
    offers,
    packs,
    renewals,
)
from billing.policy.amounts import Amounts, Rates
from billing.policy.answers import Promises, Replies
from billing.policy.contact import Budget, Consent, Holds, OpenHours
from billing.policy.counsel import Counsel
from billing.policy.keeping import Retention, Vault
from billing.policy.ladders import (
    CHANNELS,
    Charges,
    Dunning,
    Ladders,
    PreDue,
    Step,
)
from billing.policy.offers import Offer
from billing.policy.packs import EntityPack
from billing.policy.renewals import Renewal, RenewalStep, Retries
from billing.rules import AddOn, Pack
from billing.toml import Mistake, Table, laid

__all__ = [
    "CHANNELS",
    "Amounts",
    "Budget",
    "Charges",
    "Consent",
    "Counsel",
    "Dunning",
    "EntityPack",
    "Holds",
    "Ladders",
    "Mistake",
    "Offer",
    "OpenHours",
    "Policy",
    "PolicyError",
    "PreDue",
    "Promises",
    "Rates",
    "Renewal",
    "RenewalStep",
    "Replies",
    "Retention",
    "Retries",
    "Step",
    "Vault",
    "default",
    "digest",
    "load",
    "parse",
]


class PolicyError(ValueError):
    """The policy cannot be used; ``mistakes`` holds all of them, in the order of the file.

    ``read`` is what could be read of it, to look for more of them; nothing goes by it.
    """

    def __init__(
        self, name: str, mistakes: tuple[Mistake, ...], read: "Policy | None" = None
    ) -> None:
        lines = "\n".join(
            f"  {key}: {reason}" if key else f"  {reason}" for key, reason in mistakes
        )
        super().__init__(f"{name} cannot be used; correct this and check again:\n{lines}")
        self.mistakes, self.read = mistakes, read


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything the firm has decided."""

    dunning: Dunning
    ladders: Ladders
    charges: Charges
    renewal: Renewal
    offers: tuple[Offer, ...]
    budget: Budget
    hours: OpenHours
    holds: Holds
    replies: Replies
    promises: Promises
    consent: Consent
    pack: Pack
    add_ons: tuple[AddOn, ...]
    entity_packs: tuple[EntityPack, ...]
    """Legal entities that are of another kind than the firm."""
    counsel: Counsel
    vault: Vault
    retention: Retention

    def packs(self, entity: str | None = None) -> tuple[str, ...]:
        """The base pack and the add-ons of a legal entity; of no entity in particular: of all."""
        own = (self.pack, *self.add_ons)
        if entity is not None:
            return next((one.packs for one in self.entity_packs if one.entity == entity), own)
        every = (*own, *(pack for one in self.entity_packs for pack in one.packs))
        return tuple(dict.fromkeys(every))

    def terms(self, entity: str | None = None) -> Terms:
        """What these packs set."""
        return kinds.terms(self.packs(entity))

    @property
    def version(self) -> str:
        """Twelve characters that change when a decision does, not when a comment does."""
        return digest(self)[:12]


@functools.cache
def default() -> Policy:
    """What a careful firm gets without writing a policy."""
    return load(shipped.path("policy.toml"))


def load(path: Path) -> Policy:
    """Read a policy file.

    Raises:
        PolicyError: it has mistakes.
        OSError: it cannot be read.
    """
    return parse(text_of(path), path.name)


def text_of(path: Path) -> str:
    """What a policy file says, unread.

    Raises:
        PolicyError: it is no text.
        OSError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeError:
        raise PolicyError(path.name, (Mistake("", "this is not UTF-8; save it so"),)) from None


def parse(text: str, name: str = "policy.toml") -> Policy:
    """Read a policy; what it leaves out is as shipped.

    Raises:
        PolicyError: it has mistakes.
    """
    try:
        written = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(name, (Mistake("", f"this is not TOML: {error}"),)) from error
    table = Table(laid(_shipped(), written), "", [])
    policy = _policy(table)
    if table.mistakes:
        raise PolicyError(name, tuple(table.mistakes), policy)
    return policy


@functools.lru_cache(maxsize=64)
def digest(policy: Policy) -> str:
    """A SHA-256 over what the policy says."""
    said = json.dumps(dataclasses.asdict(policy), sort_keys=True, default=_plain)
    return hashlib.sha256(said.encode()).hexdigest()


def _policy(table: Table) -> Policy:
    rates = amounts.read_rates(table.table("rates"))
    dunning = table.table("dunning")
    retention = table.table("retention")
    kind = packs.read_packs(table.table("pack"))
    policy = Policy(
        dunning=ladders.read_dunning(dunning, rates),
        ladders=ladders.read_ladders(
            table.table("ladders"), table.table("segments"), dunning.raw, rates
        ),
        charges=ladders.read_charges(table.table("charges")),
        renewal=renewals.read_renewal(table.table("renewal"), rates),
        offers=offers.read_offers(table),
        budget=contact.read_budget(table.table("budget")),
        hours=contact.read_hours(table.table("hours")),
        holds=contact.read_holds(table.table("holds")),
        replies=answers.read_replies(table.table("replies")),
        promises=answers.read_promises(table.table("promises")),
        consent=contact.read_consent(table.table("consent")),
        pack=kind.base,
        add_ons=kind.add_ons,
        entity_packs=kind.entities,
        counsel=counsel.read_counsel(table.table("counsel")),
        vault=keeping.read_vault(table.table("vault")),
        retention=keeping.read_retention(retention),
    )
    held = policy.terms()
    packs.check_kept(
        retention, policy.retention, ends=held.retention_ends, decisions_days=held.decisions_days
    )
    table.close()
    return policy


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)


@functools.cache
def _shipped() -> dict[str, object]:
    return tomllib.loads(shipped.path("policy.toml").read_text(encoding="utf-8"))
