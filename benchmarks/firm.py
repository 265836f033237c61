"""What does a year of a large firm look like, as rows that the product might have written itself?

``python -m benchmarks.firm --rows 10000000 --seed 7 --out sqlite:///firm.db`` plays the year day by
day: invoices, reminders, payments and receipts, texts from clients and what staff are told of them,
with every decision, every body under its client's key, and chains that hold. Memory grows with the
clients, not with the rows. The same seed gives the same firm, but for keys.
"""

import argparse
import datetime as dt
import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import make_url

from benchmarks.bulk import Bulk
from benchmarks.record import Letter, Record
from billing.facts import joined
from billing.keyring import Keyring

MASTER_KEY = bytes(range(32))
"""Of every firm that is made here."""
END = dt.datetime(2026, 1, 6, 17, 0, tzinfo=dt.UTC)
"""A Tuesday, 12:00 in New York. What is due on this day is still to be done."""
DAYS = 365
ROWS_EACH = 405
"""Rows that a client comes to in a year, in all tables."""
SOURCE = "books"
_DAY = dt.timedelta(days=1)
_FIRST = ("Alder", "Bright", "Cedar", "Dover", "Elm", "Fenn", "Garnet", "Harbor", "Iris", "Juniper",
          "Kestrel", "Linden", "Maple", "North", "Orchard", "Pine", "Quill", "River", "Sable",
          "Thorn", "Upland", "Vale", "Willow", "Yarrow")  # fmt: skip
_SECOND = ("bridge", "brook", "croft", "dale", "field", "ford", "gate", "grove", "ham", "hill",
           "hurst", "land", "mead", "mere", "port", "shaw", "side", "stead", "ton", "wood",
           "worth", "wick")  # fmt: skip
_KIND = ("Dental", "Foods", "Logistics", "Clinic", "Partners", "Design", "Freight", "Tools",
         "Systems", "Press", "Estates", "Textiles", "Marine", "Optics", "Interiors", "Energy",
         "Academy", "Pharmacy", "Motors", "Studios", "Holdings", "Trading", "Labs", "Care",
         "Works")  # fmt: skip
_ZONES = ("America/New_York",) * 5 + ("America/Chicago",) * 3 + ("America/Los_Angeles",) * 2
_WRITES = (
    "We will pay this on Friday, sorry for the delay.",
    "Who is this invoice for? Please send me the details again.",
    "Paid yesterday by bank transfer.",
    "Can we have another two weeks?",
    "The amount on the last one is not what we agreed.",
    "Thanks, got it.",
    "Please call me about the matter before you bill the rest.",
)
_AGES = ((30, 1), (45, 2), (60, 3))


@dataclass(slots=True)
class Debt:
    """An instalment that is open."""

    invoice_id: int
    instalment_id: int
    number: str
    open: int
    issued: dt.date
    due: dt.date


@dataclass(slots=True)
class Account:
    """A client, and where its ladder stands."""

    id: int
    owner: str
    entity: int
    contact: int
    email: int
    phone: int
    name: str
    mailbox: str
    number: str
    every: int
    amount: int
    slow: float
    texts: bool
    seq: int = 0
    hash: str = ""
    episode: int = 1
    level: int = 0
    taken_on: dt.date | None = None
    case: int = 0
    thread: int = 0
    debts: list[Debt] = field(default_factory=list)


Happening = Callable[["Year", Account, dt.datetime], None]


class Year:
    """The firm, the day it is, and what is still to happen."""

    def __init__(self, bulk: Bulk, keyring: Keyring, clients: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.bulk = bulk
        self.keyring = keyring
        self.record = Record(bulk, keyring, self.random, END)
        self.first = END.date() - DAYS * _DAY
        self._agenda: list[tuple[dt.datetime, int, Happening, Account]] = []
        self._order = itertools.count()
        self._invoices = itertools.count(10_001)
        self.accounts = list(self._open(clients))

    def play(self) -> None:
        """Everything that happens, in its order, until the last day begins."""
        last_day = dt.datetime.combine(END.date(), dt.time(8), dt.UTC)
        while self._agenda and self._agenda[0][0] < last_day:
            at, _, happening, account = heapq.heappop(self._agenda)
            happening(self, account, at)
        self._evening()
        for account in self.accounts:
            self._close(account)

    def plan(self, days: float, happening: Happening, account: Account, at: dt.datetime) -> None:
        """Something will happen to an account some days later, in office hours."""
        day = at.date() + round(days) * _DAY
        hour = dt.timedelta(seconds=self.random.randrange(14 * 3600, 22 * 3600))
        when = dt.datetime.combine(day, dt.time(), dt.UTC) + hour
        heapq.heappush(self._agenda, (when, next(self._order), happening, account))

    # --- how it begins and ends -------------------------------------------------------------------

    def _open(self, clients: int) -> Iterator[Account]:
        at = dt.datetime.combine(self.first, dt.time(9), dt.UTC)
        self._staff(at)
        names = [" ".join((a + b, c)) for a, b, c in itertools.product(_FIRST, _SECOND, _KIND)]
        self.random.shuffle(names)
        for first in range(1, clients + 1, 2000):
            some = range(first, min(clients + 1, first + 2000))
            self.keyring.make([f"client:{number}" for number in some], at)
            for number in some:
                turn, place = divmod(number - 1, len(names))
                account = self._client(number, names[place] + (f" {turn + 1}" if turn else ""), at)
                self.plan(self.random.randrange(account.every), bill, account, at)
                if account.texts:
                    self.plan(self.random.expovariate(1 / 120), write, account, at)
                yield account

    def _staff(self, at: dt.datetime) -> None:
        for name in ("Harrow Law", "Harrow Tax", "Harrow Estates"):
            self.bulk.add("legal_entity", {
                "name": name, "from_name": name, "postal_address": "12 Tanner Row, Albany",
                "from_address": f"accounts@{name.split()[1].lower()}.example",
                "pay_link": "https://pay.example/h", "phone": "+15005550006",
            })  # fmt: skip
        for number in range(1, 41):
            person = {"name": f"Person {number}", "email": f"p{number}@harrow.example",
                      "slack_user": f"U{number:08}"}  # fmt: skip
            self.bulk.add("staff", person)
            for role in ("admin", "finance", "compliance") if number <= 3 else ("account_manager",):
                self.bulk.add("staff_role", {"staff_id": number, "role": role, "granted_at": at})
        self.bulk.add("live_switch", {"state": "open", "changed_at": at})

    def _client(self, number: int, name: str, at: dt.datetime) -> Account:
        add, owner, slug = self.bulk.add, f"client:{number}", name.lower().replace(" ", "-")
        phone = f"+1{201 + number // 10_000 % 700}555{number % 10_000:04}"
        add("client", {
            "key_id": owner, "name": name, "timezone": self.random.choice(_ZONES),
            "owner_id": self.random.randrange(4, 41), "created_at": at,
            "imported_on": self.first,
        })  # fmt: skip
        self._refer("client", str(number), number)
        contact = add("contact", {"client_id": number, "name": f"Office of {name}"})
        add("contact_role", {"contact_id": contact, "role": "billing"})
        for topic in ("billing", "renewal"):
            add("primary_recipient", {"client_id": number, "topic": topic, "contact_id": contact})
        mailbox = f"accounts@{slug}.example"
        places = [
            add("address", {"kind": kind, "value": value, "created_at": at})
            for kind, value in (("email", mailbox), ("sms", phone))
        ]
        for address in places:
            add("contact_address", {"contact_id": contact, "address_id": address})
        every, weight = self.random.choices((7, 30, 91), (2, 8, 4))[0], self.random.random()
        account = Account(
            number, owner, self.random.choices((1, 2, 3), (6, 3, 1))[0], contact, places[0],
            places[1], name, mailbox, phone, every, round(5_000 + 400_000 * weight**3), weight**2,
            self.random.random() < 0.8,
        )  # fmt: skip
        if account.texts:
            self.record.consent(account, "granted", "form", at)
        return account

    def _refer(self, kind: str, external_id: str, target: int) -> None:
        self.bulk.add("external_ref", {
            "system": SOURCE, "kind": kind, "external_id": joined(SOURCE, kind, external_id),
            "target_id": target,
        })  # fmt: skip

    def _evening(self) -> None:
        """What is under way when the last day begins: a little of everything."""
        at = END - dt.timedelta(hours=19)
        for account in self.random.sample(self.accounts, max(1, len(self.accounts) // 100)):
            self.record.waiting(account, "held", at, END + dt.timedelta(hours=1))
        for account in self.random.sample(self.accounts, min(100, len(self.accounts) // 20)):
            self.record.waiting(account, "queued", END - dt.timedelta(minutes=5), None)

    def _close(self, account: Account) -> None:
        """The rows that hold where an account stands at the end."""
        self.bulk.add("chain_head", {
            "client_id": account.id, "seq": account.seq, "hash": account.hash
        })  # fmt: skip
        self.bulk.add("enrolment", {
            "sequence": "dunning", "client_id": account.id, "legal_entity_id": account.entity,
            "currency": "USD", "scope": "", "episode": account.episode,
            "state": "escalated" if account.case else "active",
            "next_due_at": self._next(account), "policy_version": self.record.policy,
            "created_at": dt.datetime.combine(self.first, dt.time(9), dt.UTC),
        })  # fmt: skip

    def _next(self, account: Account) -> dt.datetime | None:
        """When it is looked at next: when the oldest debt reaches the next step."""
        if account.case or not account.debts:
            return None
        reached = {level: age for age, level in _AGES}
        oldest = account.debts[0].issued + reached[min(3, account.level + 1)] * _DAY
        due = max(oldest, account.taken_on + 15 * _DAY) if account.taken_on else oldest
        return dt.datetime.combine(max(due, END.date()), dt.time(13), dt.UTC)


# --- what happens ---------------------------------------------------------------------------------


def bill(year: Year, account: Account, at: dt.datetime) -> None:
    """An invoice is issued, now and then in three instalments."""
    parts = 3 if year.random.random() < 0.04 else 1
    amount = max(parts, round(account.amount * year.random.uniform(0.6, 1.4)))
    number, issued = f"H-{next(year._invoices)}", at.date()  # noqa: SLF001 - the year's own
    invoice = year.bulk.add("invoice", {
        "client_id": account.id, "legal_entity_id": account.entity, "number": number,
        "currency": "USD", "amount": amount, "issued_on": issued, "due_on": issued + 21 * _DAY,
        "first_due_on": issued + 21 * _DAY, "matter": f"M-{account.id}", "recorded_at": at,
    })  # fmt: skip
    year._refer("invoice", number, invoice)  # noqa: SLF001 - the year's own
    cause = joined(SOURCE, "invoice", number)
    for part in range(1, parts + 1):
        share = amount // parts + (amount % parts if part == 1 else 0)
        due = issued + (21 + 30 * (part - 1)) * _DAY
        instalment = year.bulk.add("instalment", {
            "invoice_id": invoice, "client_id": account.id, "position": part, "due_on": due,
            "amount": share,
        })  # fmt: skip
        year.record.post(account, "issue", share, cause, part, at, instalment=instalment)
        account.debts.append(Debt(invoice, instalment, number, share, issued, due))
        late = year.random.expovariate(1.0) * (6 + 45 * account.slow) - 10
        if year.random.random() > 0.02 * account.slow:
            year.plan(max(3, (due - issued).days + late), pay, account, at)
    account.debts.sort(key=lambda debt: (debt.due, debt.instalment_id))
    year.record.decide(account, "idle", "nothing_overdue", {}, at)
    year.plan(30, remind, account, at)
    year.plan(max(1, account.every + year.random.uniform(-1, 1)), bill, account, at)


def pay(year: Year, account: Account, at: dt.datetime) -> None:
    """The oldest debt is paid, thanks are sent, and the ladder may end."""
    if not account.debts:
        return
    debt = account.debts[0]
    part = debt.open // 2 if debt.open > 1 and year.random.random() < 0.05 else debt.open
    number = year.bulk.next_id("payment")
    payment = year.bulk.add("payment", {
        "client_id": account.id, "legal_entity_id": account.entity, "currency": "USD",
        "amount": part, "received_on": at.date(), "recorded_at": at, "settled_at": at,
        "reference": f"P-{number}",
    })  # fmt: skip
    year._refer("payment", f"P-{payment}", payment)  # noqa: SLF001 - the year's own
    cause, of = joined(SOURCE, "payment", f"P-{payment}") + f"@{part}", {"payment": payment}
    year.record.post(account, "payment", -part, cause, 1, at, **of)
    owing = {"instalment": debt.instalment_id, **of}
    year.record.post(account, "allocation", -part, cause, 2, at, **owing)
    year.record.post(account, "allocation", part, cause, 3, at, **of)
    key = f"receipt:{payment}:{part}:{account.contact}:email"
    letter = Letter("email", "receipt", "receipt", key, ("payment", payment))
    year.record.send(account, letter, at)
    debt.open -= part
    if debt.open:
        year.plan(12, pay, account, at)
        return
    account.debts.remove(debt)
    if account.level and not _overdue(account, at.date()):
        year.record.close_case(account, at)
        account.episode, account.level, account.taken_on = account.episode + 1, 0, None
        year.record.decide(account, "cured", "paid", {}, at)


def remind(year: Year, account: Account, at: dt.datetime) -> None:
    """The next step of the ladder, where the oldest debt has reached it."""
    listed = _overdue(account, at.date())
    age = (at.date() - listed[0].issued).days if listed else 0
    reached = max((level for days, level in _AGES if age >= days), default=0)
    if reached <= account.level or account.case:
        return
    account.level, account.taken_on = account.level + 1, at.date()
    named = [debt.instalment_id for debt in listed]
    total = sum(debt.open for debt in listed)
    facts = {"step": account.level, "total": total, "instalments": named}
    verdict = "escalate" if account.level == 3 else "send"
    year.record.decide(account, verdict, "step_due", facts, at)
    step = year.record.step(account, named, at)
    if account.level == 3:
        year.record.escalate(account, at)
        return
    channel = "sms" if account.level == 2 and account.texts else "email"
    template = "firmer_reminder" if account.level == 2 else "first_reminder"
    key = f"step:{account.id}:{account.episode}:{account.level}:1:{account.contact}:{channel}"
    letter = Letter(channel, "dunning", template, key, ("enrolment", account.id), step)
    year.record.send(account, letter, at)
    year.plan(15, remind, account, at)


def write(year: Year, account: Account, at: dt.datetime) -> None:
    """The client writes a text; staff read it in the client's thread."""
    year.record.hear(account, year.random.choice(_WRITES), at)
    year.plan(1 + year.random.expovariate(1 / 120), write, account, at)


def _overdue(account: Account, day: dt.date) -> list[Debt]:
    return [debt for debt in account.debts if debt.due < day]


def make(url: str, keyring_url: str, rows: int, seed: int) -> int:
    """Fill an empty database with a firm of about so many rows; how many there are."""
    bulk = Bulk(url)
    keyring = Keyring(keyring_url, MASTER_KEY)
    try:
        Year(bulk, keyring, max(20, rows // ROWS_EACH), seed).play()
        bulk.finish()
    finally:
        keyring.close()
    return bulk.total


def keys_beside(url: str) -> str:
    """Where the keys of a firm lie: in a file beside a SQLite store."""
    place = make_url(url)
    if place.get_backend_name() != "sqlite":
        raise SystemExit("with PostgreSQL, name a second database with --keys URL")
    return f"sqlite:///{Path(str(place.database)).with_suffix('.keys.db')}"


def main() -> None:
    """What the command line asks for."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks.firm", description=__doc__)
    asked.add_argument("--rows", type=int, default=100_000, help="in all tables together, about")
    asked.add_argument("--seed", type=int, default=7)
    asked.add_argument("--out", required=True, help="URL of an empty database")
    asked.add_argument("--keys", default="", help="URL of its keyring")
    given = asked.parse_args()
    keys = given.keys or keys_beside(given.out)
    print(f"{make(given.out, keys, given.rows, given.seed):,} rows in {given.out}")


if __name__ == "__main__":
    main()
