"""Does every page, command and sweep stay quick when a large firm has had its year?

A firm of ``benchmarks.firm``: a hundred thousand rows, or ten million with ``--full``. Each reading
is of another client, so few pages are warm; what would write is rolled back. Beside the timeline
stands the bare query. ``python -m benchmarks.tenmillion --url URL --keys URL`` measures a firm that
is there already.
"""

import argparse
import datetime as dt
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from sqlalchemy import func, text
from sqlmodel import Session, col, select

from benchmarks import firm, stores
from benchmarks.figures import Figure, Scale
from billing import policy, vault
from billing.keyring import Keyring
from billing.models import Address, Client, Enrolment, Invoice
from billing.store import Store
from bot import audit, inbox, intake, schema, subjects, worker
from bot.custody import retention
from bot.doctor import rows as doctor
from bot.reasons import conversation, explain
from bot.slack import answers, people
from bot.spool import Spool
from bot.watching import metrics
from comms import outbox, outreach, timeline
from comms.facts import InboundMessage
from comms.inbound import Letter
from comms.models import Message
from comms.office import Office

ROWS = {Scale.SMALL: 100_000, Scale.FULL: 10_000_000}
_TIMES = {Scale.SMALL: 60, Scale.FULL: 300}
_WARM = 3
"""Askings that do not count: what is imported and compiled once."""
_SEED = 7
_CHANNELS = ("email", "sms", "slack")
_PAGE, _SWEEP = 50.0, 25.0
_MOMENT = audit.Moment(firm.END, firm.END)


class _UndoneError(Exception):
    """Nothing of it is kept."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is asked, of a client; by how many milliseconds it must be answered."""

    name: str
    ask: Callable[["Firm", Session, Client], object]
    goal: float
    writes: bool = False
    share: int = 1
    """Asked this much more seldom, because it takes longer."""


class Firm:
    """A firm that is there, and what the product is given to work with it."""

    def __init__(self, store: Store, keyring: Keyring, spool: Spool) -> None:
        self.store = store
        self.office = Office(
            keyring, policy.default(), firm.END, firm.END, "C0FINANCE", "C0CLIENTS"
        )
        self.spool = spool
        self.scrape = metrics.Scrape(metrics.Meters(), store, spool, _CHANNELS)
        with store.read() as session:
            self.clients = session.exec(select(func.max(Client.id))).one() or 0
            self.person = people.person_of(session, "U00000002")

    def measure(self, reading: Reading, times: int) -> list[float]:
        """Milliseconds of each asking, the quickest first."""
        chance, took = random.Random(reading.name), []
        for _ in range(_WARM + max(3, times // reading.share)):
            with self.store.read() as session:
                client = session.get_one(Client, chance.randint(1, self.clients))
                session.expunge_all()
            began = perf_counter()
            if reading.writes:
                self._undone(reading, client)
            else:
                with self.store.read() as session:
                    reading.ask(self, session, client)
            took.append((perf_counter() - began) * 1000)
        return sorted(took[_WARM:])

    def _undone(self, reading: Reading, client: Client) -> None:
        def work(session: Session) -> None:
            reading.ask(self, session, client)
            session.flush()
            raise _UndoneError

        try:
            self.store.write_now(work, clients=[client.id])
        except _UndoneError:
            return


# --- what is asked --------------------------------------------------------------------------------


def _card(of: Firm, session: Session, client: Client) -> object:
    return answers.card(session, of.office, client)


def _said(of: Firm, session: Session, client: Client) -> object:
    assert of.person is not None
    return answers.timeline(session, of.office, client, of.person, answers.Cut())


def _why(of: Firm, session: Session, client: Client) -> object:
    return answers.why(session, of.office, client)


def _command(of: Firm, session: Session, client: Client) -> object:
    return conversation.timeline(session, of.office, client, 50, words=False)


def _words(of: Firm, session: Session, client: Client) -> object:
    return conversation.timeline(session, of.office, client, 50, words=True)


def _explained(kind: str, model: Any) -> Callable[[Firm, Session, Client], object]:
    def ask(of: Firm, session: Session, client: Client) -> object:
        owner = model.id if model is Client else model.client_id
        found = session.exec(select(model.id).where(owner == client.id).limit(1)).first()
        return found and explain.of(session, of.office, kind, found)

    return ask


def _named(_of: Firm, session: Session, client: Client) -> object:
    return subjects.find(session, client.name.lower())


def _misspelt(_of: Firm, session: Session, client: Client) -> object:
    wrong = client.name[:-2] + "xx"
    return people.named(session, wrong) or people.nearest(session, wrong)


def _verified(_of: Firm, session: Session, client: Client) -> object:
    return list(timeline.verify(session, client.id))


def _scraped(of: Firm, _session: Session, _client: Client) -> object:
    return metrics.Scrape(metrics.Meters(), of.store, of.spool, _CHANNELS).text(firm.END)


def _ready(of: Firm, _session: Session, _client: Client) -> None:
    schema.need_head(of.store.engine)


def _idle(_of: Firm, session: Session, _client: Client) -> object:
    return worker.next_due(session)


def _due(_of: Firm, session: Session, _client: Client) -> object:
    return [outbox.due(session, name, firm.END, worker.BATCH) for name in _CHANNELS]


def _recovered(_of: Firm, session: Session, _client: Client) -> object:
    return outbox.stale(session, firm.END), outbox.doubtful(session, firm.END)


def _received(_of: Firm, session: Session, _client: Client) -> object:
    return inbox.pending(session, firm.END, worker.BATCH)


def _advanced(of: Firm, session: Session, client: Client) -> None:
    near = col(Enrolment.id).between(client.id, client.id + 99)
    outreach.advance(session, of.office, session.exec(select(Enrolment).where(near)).all())


def _heard(of: Firm, session: Session, client: Client) -> object:
    phone = session.exec(
        select(Address.value).where(Address.id == 2 * client.id, Address.kind == "sms")
    ).one()
    told = InboundMessage(
        channel="sms", external_id="SM1", sender=phone, recipient="+15005550006",
        body="We will pay on Friday", visible="We will pay on Friday",
    )  # fmt: skip
    body = vault.put(session, of.office.keyring, client.key_id, told.body, firm.END)
    return intake.take_letter(session, of.office, Letter(told, 0, body))


def _expired(_of: Firm, session: Session, _client: Client) -> object:
    """A batch of decisions that are more than ten months old."""
    [kind] = [one for one in retention.KINDS if one.name == "decisions"]
    before = firm.END - dt.timedelta(days=300)
    asked = {"id": 0, "at": before, "limit": retention.ROWS}
    found = session.execute(kind.window(), asked).all()
    free = [row.id for row in found if row.free and row.at < before]
    return retention.remove(kind, free, (before, firm.END), retention.nobody, session)


def _standing(of: Firm, session: Session, _client: Client) -> object:
    return list(audit.standing(session, _MOMENT, of.office.policy))


def _examined(of: Firm, _session: Session, _client: Client) -> object:
    return list(doctor.look(of.store))


READINGS = (
    Reading("/acct: a client's card", _card, _PAGE),
    Reading("/acct timeline: ten with words", _said, _PAGE),
    Reading("/acct why: twelve decisions", _why, _PAGE),
    Reading("counterfoil timeline: fifty", _command, _PAGE),
    Reading("counterfoil timeline --words", _words, _PAGE),
    Reading("explain and the page's why: client", _explained("client", Client), _PAGE),
    Reading("explain and the page's why: invoice", _explained("invoice", Invoice), _PAGE),
    Reading("explain and the page's why: message", _explained("message", Message), _PAGE),
    Reading("whom a name means", _named, _PAGE),
    Reading("whom a misspelt name may mean", _misspelt, _PAGE),
    Reading("audit verify of one client", _verified, 100.0),
    Reading("/metrics, the first scrape", _scraped, _PAGE),
    Reading("/ready", _ready, _PAGE),
    Reading("the worker's idle round", _idle, _SWEEP),
    Reading("what is due to leave, every channel", _due, _SWEEP),
    Reading("what has to be recovered", _recovered, _SWEEP),
    Reading("what has to be understood", _received, _SWEEP),
    Reading("a text of a client taken in", _heard, _PAGE, writes=True),
    Reading("a hundred accounts looked at", _advanced, 500.0, writes=True, share=6),
    Reading("500 old decisions expire", _expired, 250.0, writes=True, share=6),
    Reading("audit moving, once an hour", _standing, 1000.0, share=30),
    Reading("doctor, what it asks of the rows", _examined, 2000.0, share=30),
)


def figures(scale: Scale) -> Iterator[Figure]:
    """p99 of everything that is read and swept; p50 stands in the note."""
    with _sqlite(ROWS[scale]) as (url, keys):
        yield from measured("sqlite", url, keys, _TIMES[scale])
    with stores.fresh("postgresql") as place:
        firm.make(place.url, place.keyring_url, ROWS[scale], _SEED)
        yield from measured("postgresql", place.url, place.keyring_url, _TIMES[scale])


@contextmanager
def _sqlite(rows: int) -> Iterator[tuple[str, str]]:
    """The firm of that size, kept once it was made."""
    stored = stores.FOLDER / f"firm-{rows}-{_SEED}.db"
    url = f"sqlite:///{stored}"
    if not stored.exists():
        stores.FOLDER.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=stores.FOLDER) as folder:
            made = Path(folder) / stored.name
            firm.make(f"sqlite:///{made}", firm.keys_beside(url), rows, _SEED)
            made.rename(stored)
    schema.upgrade(url)
    yield url, firm.keys_beside(url)


def measured(database: str, url: str, keys: str, times: int) -> Iterator[Figure]:
    """Every reading of a firm that is there."""
    with (
        TemporaryDirectory() as folder,
        closing(Store(url)) as store,
        closing(Keyring(keys, firm.MASTER_KEY)) as keyring,
    ):
        asked = Firm(store, keyring, Spool(Path(folder) / "spool", bytes(32)))
        for reading in READINGS:
            yield _figure(database, reading, asked.measure(reading, times))
        yield _latest(database, asked, times)


def _figure(database: str, reading: Reading, took: Sequence[float]) -> Figure:
    return Figure(
        name=reading.name,
        database=database,
        ours=_at(took, 0.99),
        bare=None,
        unit="ms",
        better="less",
        goal=f"at most {reading.goal:.0f} ms",
        note=f"p99 of {len(took)}; p50 {_at(took, 0.5):.1f} ms",
    )


def _latest(database: str, asked: Firm, times: int) -> Figure:
    ours = asked.measure(
        Reading("latest", lambda _, session, client: timeline.latest(session, client.id), 0), times
    )
    bare = asked.measure(Reading("latest", _bare_latest, 0), times)
    return Figure(
        name="the latest fifty of a timeline, as rows",
        database=database,
        ours=_at(ours, 0.5),
        bare=_at(bare, 0.5),
        unit="ms",
        better="less",
        goal="at least 0.2 of bare",
        note=f"p50; p99 {_at(ours, 0.99):.1f} ms; bare: one query of text, nothing mapped",
    )


def _bare_latest(_of: Firm, session: Session, client: Client) -> object:
    return session.connection().execute(_FIFTY, {"of": client.id}).all()


_FIFTY = text(
    "SELECT * FROM touchpoint WHERE client_id = :of ORDER BY occurred_at DESC, id DESC LIMIT 50"
)


def _at(took: Sequence[float], share: float) -> float:
    return took[min(len(took) - 1, int(len(took) * share))]


def main() -> None:
    """Measure a firm that is there, as lines of a table."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks.tenmillion", description=__doc__)
    asked.add_argument("--url", required=True)
    asked.add_argument("--keys", required=True)
    asked.add_argument("--times", type=int, default=300)
    given = asked.parse_args()
    database = "sqlite" if given.url.startswith("sqlite") else "postgresql"
    for one in measured(database, given.url, given.keys, given.times):
        print(f"| {one.name} | {one.ours:.1f} ms | {one.goal} | {one.note} |", flush=True)


if __name__ == "__main__":
    main()
