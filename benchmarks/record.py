"""Which rows does one thing that happened to a client leave behind?

What the product writes in a transaction is written here at once, with the hashes of its own
``comms.timeline`` and the encryption of its own ``billing.vault``.
"""

import datetime as dt
import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks.bulk import Bulk
from billing import policy
from billing.keyring import Keyring
from bot import inbox
from comms import door, timeline
from comms.ports import Outgoing

if TYPE_CHECKING:
    from benchmarks.firm import Account

KEPT_DAYS = 30
"""What a provider reported is readable for so long, and then expires."""
_SECONDS = dt.timedelta(seconds=1)
_EPOCH = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_PLACES = [[name, "allow", ""] for name, _ in door.PLACES]
_BLANK = asdict(Outgoing("", "", "", ""))
_FINANCE, _CLIENTS = "C0FINANCE", "C0CLIENTS"
# The one canonical form: the chain of a firm that is made here must be the product's.
_hash = timeline.hash_of


@dataclass(frozen=True, slots=True)
class Letter:
    """What a message to a client is, before it is written."""

    channel: str
    purpose: str
    template: str
    key: str
    subject: tuple[str, int]
    step: int | None = None


class Record:
    """Everything that is kept of what happens."""

    def __init__(
        self, bulk: Bulk, keyring: Keyring, chance: random.Random, end: dt.datetime
    ) -> None:
        self.bulk = bulk
        self.keyring = keyring
        self.random = chance
        self.end = end
        self.policy = policy.default().version
        self._bodies = 0
        self._days: set[str] = set()

    # --- money ------------------------------------------------------------------------------------

    def post(
        self,
        account: "Account",
        kind: str,
        amount: int,
        cause: str,
        line: int,
        at: dt.datetime,
        *,
        instalment: int | None = None,
        payment: int | None = None,
    ) -> None:
        """One movement."""
        self.bulk.add("posting", {
            "client_id": account.id, "legal_entity_id": account.entity, "currency": "USD",
            "kind": kind, "instalment_id": instalment, "payment_id": payment, "amount": amount,
            "effective_on": at.date(), "recorded_at": at, "cause": cause, "line": line,
        })  # fmt: skip

    # --- the ladder -------------------------------------------------------------------------------

    def step(self, account: "Account", listed: Sequence[int], at: dt.datetime) -> int:
        """A step is taken, and names instalments."""
        how = "escalated" if account.level == 3 else "sent"
        step = self.bulk.add("step_taken", {
            "enrolment_id": account.id, "episode": account.episode, "step": account.level,
            "how": how, "taken_on": at.date(), "taken_at": at,
        })  # fmt: skip
        for instalment in listed:
            self.bulk.add("step_listed", {"step_taken_id": step, "instalment_id": instalment})
        return step

    def escalate(self, account: "Account", at: dt.datetime) -> None:
        """The debt is a person's turn, and they are shown a card."""
        account.case = self.bulk.next_id("escalation_case")
        self.bulk.add("escalation_case", {
            "enrolment_id": account.id, "episode": account.episode, "client_id": account.id,
            "opened_at": at,
        })  # fmt: skip
        self.tell(account, "escalation", f"escalation:{account.case}:1", ("case", account.case), at)

    def close_case(self, account: "Account", at: dt.datetime) -> None:
        """It was paid after all."""
        if account.case:
            key, subject = f"escalation:{account.case}:2", ("case", account.case)
            self.tell(account, "escalation", key, subject, at)
            account.case = 0

    def decide(
        self, account: "Account", verdict: str, rule: str, facts: Mapping[str, Any], at: dt.datetime
    ) -> None:
        """What the ladder said."""
        inputs = {"episode": account.episode, "policy": self.policy, **facts}
        reason = f"{account.name}: {verdict}, because {rule.replace('_', ' ')}; {inputs}."
        self._decision(account, ("enrolment", account.id), (verdict, rule), inputs, reason, at)

    def _decision(
        self, account: "Account", subject: tuple[str, int], said: tuple[str, str],
        inputs: Mapping[str, Any], reason: str, at: dt.datetime,
    ) -> None:  # fmt: skip
        body, digest = self.keep(account.owner, reason, at)
        facts = {"verdict": said[0], "rule": said[1], "until": None,
                 "inputs": json.dumps(inputs, sort_keys=True)}  # fmt: skip
        row = {
            "client_id": account.id, "seq": account.seq + 1, "subject_kind": subject[0],
            "subject_id": subject[1], **facts, "digest": _hash(facts), "reason_id": body,
            "reason_digest": digest, "decided_at": at,
        }  # fmt: skip
        self._link(account, "decision", self.bulk.add("decision", row), row, (at, at))

    # --- what is said -----------------------------------------------------------------------------

    def send(self, account: "Account", letter: "Letter", at: dt.datetime) -> None:
        """A message to a client: past the door, on the wire, delivered or not."""
        message, channel = self.bulk.next_id("message"), letter.channel
        reference = self._reference()
        inputs = {"places": _PLACES, "policy": self.policy}
        said = "Every place of the door let it pass."
        passed = ("allow", "all_places_pass")
        self._decision(account, ("message", message), passed, inputs, said, at)
        body, digest = self._render(account, channel, letter.template, reference, at)
        bounced = self.random.random() < 0.003
        went = at + self.random.randrange(1, 20) * _SECONDS
        self.bulk.add("message", {
            "key": letter.key, "reference": reference, "audience": "client", "channel": channel,
            "purpose": letter.purpose, "template": letter.template, "client_id": account.id,
            "legal_entity_id": account.entity, "contact_id": account.contact,
            "address_id": account.phone if channel == "sms" else account.email,
            "subject_kind": letter.subject[0], "subject_id": letter.subject[1],
            "step_id": letter.step,
            "state": "failed" if bounced else "delivered" if channel == "sms" else "sent",
            "rule": "550" if bounced else "", "send_after": at, "attempts": 1, "body_id": body,
            "reason": "The mailbox does not exist." if bounced else "",
            "provider_id": f"SM{reference}", "created_at": at, "claimed_at": went,
            "sent_at": went, "delivered_at": went if channel == "sms" else None,
        })  # fmt: skip
        self._try(message, went, reference)
        purpose = letter.purpose
        self._touch(account, channel, "out", purpose, (body, digest), went, message_id=message)
        if channel == "sms":
            self._report(account, reference, went)

    def waiting(
        self, account: "Account", state: str, at: dt.datetime, until: dt.datetime | None
    ) -> None:
        """A text of staff's that has not left."""
        body, _ = self.keep(account.owner, "Your file is ready; please call us.", at)
        self.bulk.add("message", {
            "key": f"note:{self.bulk.next_id('message')}", "reference": self._reference(),
            "audience": "client", "channel": "email", "purpose": "staff_text",
            "template": "staff_text", "client_id": account.id, "legal_entity_id": account.entity,
            "contact_id": account.contact, "address_id": account.email, "state": state,
            "rule": "hours" if until else "", "reason": "It is night there." if until else "",
            "send_after": at, "wake_at": until, "draft_id": body, "created_at": at,
        })  # fmt: skip

    def tell(
        self, account: "Account", purpose: str, key: str, subject: tuple[str, int], at: dt.datetime
    ) -> int:
        """A message to staff, which Slack took."""
        reference = self._reference()
        body, _ = self._render(account, "slack", purpose, reference, at)
        message = self.bulk.add("message", {
            "key": key, "reference": reference, "audience": "staff", "channel": "slack",
            "purpose": purpose, "template": purpose, "client_id": account.id,
            "destination": _FINANCE if purpose == "escalation" else _CLIENTS,
            "subject_kind": subject[0], "subject_id": subject[1], "state": "sent",
            "thread_id": account.thread if purpose == "inbound" else None,
            "send_after": at, "attempts": 1, "body_id": body, "provider_id": f"1.{reference}",
            "created_at": at, "claimed_at": at, "sent_at": at,
        })  # fmt: skip
        self._try(message, at, reference)
        return message

    def hear(self, account: "Account", words: str, at: dt.datetime) -> None:
        """A text came from the client."""
        kept = {"subject": "", "visible": words, "body": words, "media": [],
                "from": account.number, "did": "", "doubtful": ""}  # fmt: skip
        raw, _ = self.keep(account.owner, json.dumps({"body": words, "query": ""}), at)
        incoming = self.bulk.add("incoming", {
            "source": "twilio.sms", "external_id": f"SM{self.random.getrandbits(128):032x}",
            "state": "done", "received_at": at, "body_id": raw, "client_id": account.id,
            "done_at": at,
        })  # fmt: skip
        body = self.keep(account.owner, json.dumps(kept), at)
        touchpoint = self._touch(account, "sms", "in", "message", body, at, incoming_id=incoming)
        if not account.thread:
            subject = ("client", account.id)
            account.thread = self.tell(account, "thread", f"thread:{account.id}:sms", subject, at)
            self.bulk.add("thread", {
                "client_id": account.id, "family": "sms", "root_id": account.thread
            })  # fmt: skip
        self.tell(account, "inbound", f"inbound:{incoming}", ("touchpoint", touchpoint), at)

    def consent(self, account: "Account", change: str, method: str, at: dt.datetime) -> None:
        """Somebody agreed to texts, or no longer does."""
        row = {
            "address_id": account.phone, "topic": "all", "change": change, "method": method,
            "source": "books", "incoming_id": None, "occurred_at": at, "recorded_at": at,
        }  # fmt: skip
        self._link(account, "consent", self.bulk.add("consent_event", row), row, (at, at))

    def _render(
        self, account: "Account", channel: str, template: str, reference: str, at: dt.datetime
    ) -> tuple[int, str]:
        owed = sum(debt.open for debt in account.debts)
        text = (
            f"Dear {account.name}, this is our {template.replace('_', ' ')} of {at:%d %B %Y}. "
            f"Open with us: {owed / 100:,.2f} USD. Pay at https://pay.example/h/{account.id}. "
            "Please write to us if anything is not as you expect it. "
        )
        letter = f"<html><body><p>{text}</p></body></html>" if channel == "email" else ""
        to = {"email": account.mailbox, "sms": account.number}.get(channel, _CLIENTS)
        out = _BLANK | {"reference": reference, "to": to, "text": text, "html": letter}
        return self.keep(account.owner, json.dumps(out), at)

    def _try(self, message: int, at: dt.datetime, reference: str) -> None:
        self.bulk.add("attempt", {
            "message_id": message, "number": 1, "outcome": "sent", "provider_id": f"SM{reference}",
            "started_at": at, "ended_at": at + _SECONDS,
        })  # fmt: skip

    def _touch(
        self, account: "Account", channel: str, direction: str, kind: str, body: tuple[int, str],
        at: dt.datetime, *, message_id: int | None = None, incoming_id: int | None = None,
    ) -> int:  # fmt: skip
        row = {
            "client_id": account.id, "seq": account.seq + 1, "channel": channel,
            "direction": direction, "kind": kind, "message_id": message_id,
            "incoming_id": incoming_id, "contact_id": account.contact,
            "address_id": account.phone if channel == "sms" else account.email,
            "body_id": body[0], "body_digest": body[1], "occurred_at": at, "recorded_at": at,
        }  # fmt: skip
        touchpoint = self.bulk.add("touchpoint", row)
        self._link(account, "touchpoint", touchpoint, row, (at, at))
        return touchpoint

    def _report(self, account: "Account", reference: str, at: dt.datetime) -> None:
        """The carrier says that a text arrived; its words are no client's, and expire."""
        body, expires = None, at + dt.timedelta(days=KEPT_DAYS)
        if expires > self.end:
            owner = inbox.day_key(at)
            if owner not in self._days:
                self.keyring.make([owner], at)
                self._days.add(owner)
            words = json.dumps({"body": f"MessageStatus=delivered&ref={reference}", "query": ""})
            body, _ = self.keep(owner, words, at, expires)
        self.bulk.add("incoming", {
            "source": "twilio.status", "external_id": f"SM{reference}:delivered", "state": "done",
            "received_at": at, "body_id": body or self._next_body(at), "client_id": account.id,
            "done_at": at,
        })  # fmt: skip

    # --- what all of it needs ---------------------------------------------------------------------

    def keep(
        self, owner: str, words: str, at: dt.datetime, expires_at: dt.datetime | None = None
    ) -> tuple[int, str]:
        """A body in the vault: its id, and the hash of its ciphertext."""
        vault_id = self._next_body(at)
        bound = str(vault_id).encode()
        own_key = self.random.randbytes(32)
        nonces = self.random.randbytes(24)
        ciphertext = nonces[:12] + AESGCM(own_key).encrypt(nonces[:12], words.encode(), bound)
        wrapped = AESGCM(self.keyring.key(owner)).encrypt(nonces[12:], own_key, bound)
        digest = hashlib.sha256(ciphertext).hexdigest()
        self.bulk.add("vault", {
            "id": vault_id, "owner": owner, "wrapped_key": nonces[12:] + wrapped,
            "ciphertext": ciphertext, "digest": digest, "created_at": at, "expires_at": expires_at,
        })  # fmt: skip
        return vault_id, digest

    def _next_body(self, at: dt.datetime) -> int:
        """Grows with time, as the product's own ids do."""
        self._bodies += 1
        return (at - _EPOCH) // dt.timedelta(milliseconds=1) << 22 | self._bodies & 0x3FFFFF

    def _reference(self) -> str:
        return f"{self.random.getrandbits(96):024x}"

    def _link(
        self, account: "Account", kind: str, detail: int, row: Mapping[str, Any],
        moments: tuple[dt.datetime, dt.datetime],
    ) -> None:  # fmt: skip
        """The next entry of a client's chain."""
        account.seq += 1
        entry = {
            "client_id": account.id, "seq": account.seq, "version": timeline.VERSION, "kind": kind,
            "detail_id": detail, "digest": _hash(row), "occurred_at": moments[0],
            "recorded_at": moments[1], "previous": account.hash,
        }  # fmt: skip
        account.hash = _hash(entry)
        self.bulk.add("chain_entry", entry | {"hash": account.hash})
