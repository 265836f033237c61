"""What can be measured of this process, and what of its rows?

Labels are codes of ours and of providers, never a client's name, number or words. What happens in
this process is counted where it happens, in memory; what stands in rows is asked when somebody
scrapes, by statements that stop counting at ``MOST`` and are kept for five seconds, so that the
work never pays for being watched.
"""

import datetime as dt
import functools
import re
import threading
import time
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.process_collector import ProcessCollector
from sqlalchemy import and_, bindparam, func, literal, select, union_all
from sqlmodel import Session, col

from billing.models import Invoice, LiveSwitch, Payment
from billing.store import Store
from bot.factsheet import WAITING
from bot.models import Incoming, IncomingState
from bot.spool import Spool
from comms.compliance.labels import SEALING
from comms.models import Access, Decision, Expired, Message, State

MOST = 100_000
"""A count stops here: a queue longer than this is long enough to be looked at."""
FRESH = 5.0
"""Seconds for which an answer is kept."""
_RULED = 10_000
_NEW = 200_000
"""Rows written since the last scrape that one scrape counts; the next goes on from there."""
_OPEN = (
    State.QUEUED,
    State.HELD,
    State.AWAITING,
    State.CLAIMED,
    State.SENDING,
    State.IN_DOUBT,
)
_WORD = re.compile(r"(?!.*\d{7})[A-Za-z0-9_.:-]{1,40}")
_HOOK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_PASS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800)


def word(value: str) -> str:
    """A code as a label; what could be anything else is ``other``."""
    return value if _WORD.fullmatch(value) else "other" if value else ""


class Meters:
    """What happens in this process; each app has its own."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        ProcessCollector(registry=own)
        self.hooks = Histogram(
            "counterfoil_hook_seconds", "From a request to its answer.", ["hook", "status"],
            registry=own, buckets=_HOOK,
        )  # fmt: skip
        self.passes = Histogram(
            "counterfoil_pass_seconds", "One pass over what is due.", registry=own, buckets=_PASS
        )
        self.failed_passes = Counter(
            "counterfoil_pass_failures", "Passes that met a row they could not work on.",
            registry=own,
        )  # fmt: skip
        self.last_round = Gauge(
            "counterfoil_last_round_timestamp_seconds", "When the worker last came through.",
            registry=own,
        )  # fmt: skip
        self.moved = Counter(
            "counterfoil_rows_moved", "Rows the worker moved, by kind of work.", ["kind"],
            registry=own,
        )  # fmt: skip
        self.attempts = Counter(
            "counterfoil_attempts", "Tries on the wire by how they ended.",
            ["channel", "outcome", "code"], registry=own,
        )  # fmt: skip
        self.refusals = Counter(
            "counterfoil_delivery_failures", "Reports that a message did not arrive.",
            ["channel", "code"], registry=own,
        )  # fmt: skip
        self.sealed = Counter(
            "counterfoil_sealed", "Messages of clients that a detector sealed, by label.",
            ["label"], registry=own,
        )  # fmt: skip
        self.findings = Gauge(
            "counterfoil_audit_findings", "What the last audit found standing still.", ["kind"],
            registry=own,
        )  # fmt: skip
        self.expired = Counter(
            "counterfoil_expired_rows", "Rows that policy let go, by kind.", ["kind"], registry=own
        )
        self.audited = Gauge(
            "counterfoil_audit_timestamp_seconds", "When the last audit was done.", registry=own
        )

    def tried(self, channel: str, outcome: str, code: str = "") -> None:
        """A try on the wire ended."""
        self.attempts.labels(channel, outcome, word(code)).inc()

    def screened(self, labels: Iterable[str]) -> None:
        """A message came in, and this was found in it."""
        for label in SEALING.intersection(labels):
            self.sealed.labels(label).inc()

    def refused(self, channel: str, code: str) -> None:
        """A provider says that a message will not arrive."""
        self.refusals.labels(channel, word(code)).inc()


class Scrape:
    """Answers a scrape: what this process counted, and what the rows say now."""

    def __init__(self, meters: Meters, store: Store, spool: Spool, channels: Iterable[str]) -> None:
        self._meters = meters
        self._store = store
        self._spool = spool
        self._channels = tuple(sorted(channels))
        self._decisions = Since()
        self._turn = threading.Lock()
        self._kept: tuple[float, list[Metric]] = (float("-inf"), [])

    def text(self, now: dt.datetime) -> bytes:
        """Everything, in the form in which Prometheus reads it."""
        return generate_latest(_Both(self._meters.registry, self.rows(now)))

    def rows(self, now: dt.datetime) -> list[Metric]:
        """What the rows say; what was asked a moment ago is not asked again."""
        with self._turn:
            asked, found = self._kept
            if time.monotonic() - asked >= FRESH:
                with self._store.read() as session:
                    found = list(self._ask(session, now))
                self._kept = (time.monotonic(), found)
            return found

    def _ask(self, session: Session, now: dt.datetime) -> Iterator[Metric]:
        yield from self._messages(session, now)
        yield from _incoming(session, now)
        yield self._decided(session)
        yield _silence(session, now)
        yield _expired(session)
        said = "What people said of seals: missed by the detectors, or wrongly sealed."
        ruled = [((row.change, row.label), row.many) for row in session.execute(_RULINGS)]
        yield _gauge("seal_rulings", said, ruled, ("change", "label"))
        live = session.execute(_LIVE).scalar()
        yield _gauge("live", "1 while the door to clients is open.", [((), live == "open")])
        size = self._spool.size()
        yield _gauge("spool_bytes", "What staff asked for and is not a row yet.", [((), size)])

    def _messages(self, session: Session, now: dt.datetime) -> Iterator[Metric]:
        rows = [row for row in session.execute(_queues(self._channels, MOST)) if row.many]
        counts = [((row.state, row.channel), row.many) for row in rows]
        ages = [((row.state, row.channel), _age(now, row.first)) for row in rows]
        kinds = ("state", "channel")
        yield _gauge("messages", "Messages that are not settled.", counts, kinds)
        said = "How long ago the oldest was to go; 0 while none is due."
        yield _gauge("message_oldest_seconds", said, ages, kinds)
        held = [((word(row.rule) or "none",), row.many) for row in session.execute(_HELD)]
        yield _gauge("held_messages", "Held messages by the rule that holds.", held, ("rule",))

    def _decided(self, session: Session) -> Metric:
        said = "Decisions written since this process started."
        family = CounterMetricFamily("counterfoil_decisions", said, labels=("verdict", "rule"))
        for (verdict, rule), many in sorted(self._decisions.counted(session).items()):
            family.add_metric((verdict, rule), many)
        return family


class Since:
    """Decisions by verdict and rule, written since it was made.

    Each scrape reads by primary key what was written up to the scrape before, so that whatever
    committed late meanwhile is in it; nothing is read twice, and no writer does anything for it.
    """

    def __init__(self) -> None:
        self._tally: Tally[tuple[str, str]] = Tally()
        self._done: int | None = None
        self._seen = 0

    def counted(self, session: Session) -> Tally[tuple[str, str]]:
        """The counts up to the last time that this was asked."""
        top = session.execute(select(func.max(col(Decision.id)))).scalar() or 0
        if self._done is None:
            self._done = top
        else:
            until = min(self._seen, self._done + _NEW)
            between = (col(Decision.id) > self._done) & (col(Decision.id) <= until)
            for row in session.execute(_DECIDED.where(between)):
                self._tally[word(row.verdict), word(row.rule)] += row.many
            self._done = until
        self._seen = top
        return self._tally


class _Both:
    """What ``generate_latest`` asks of a registry."""

    def __init__(self, registry: CollectorRegistry, rows: Sequence[Metric]) -> None:
        self._registry = registry
        self._rows = rows

    def collect(self) -> Iterator[Metric]:
        yield from self._registry.collect()
        yield from self._rows


# --- what is asked of the rows --------------------------------------------------------------------


@functools.cache
def _queues(channels: tuple[str, ...], most: int) -> Any:
    """How many messages of each open state and channel, and the first; from an index alone."""
    return union_all(*(_queue(state, channel, most) for state in _OPEN for channel in channels))


def _queue(state: State, channel: str, most: int) -> Any:
    first = (
        select(col(Message.send_after))
        .where(col(Message.state) == state.value, col(Message.channel) == channel)
        .order_by(col(Message.send_after))
        .limit(most)
        .subquery()
    )
    return select(
        literal(state.value).label("state"),
        literal(channel).label("channel"),
        func.count().label("many"),
        func.min(first.c.send_after).label("first"),
    ).select_from(first)


def _by(column: Any, which: Any, most: int) -> Any:
    some = select(column).where(which).limit(most).subquery()
    return select(some.c[column.key], func.count().label("many")).group_by(some.c[column.key])


_HELD = _by(col(Message.rule), col(Message.state) == State.HELD, _RULED)
_DECIDED = select(col(Decision.verdict), col(Decision.rule), func.count().label("many")).group_by(
    col(Decision.verdict), col(Decision.rule)
)
_RULED_SO = (
    select(col(Access.change), col(Access.label))
    .where(col(Access.change).in_(("sealed", "unsealed")))
    .limit(MOST)
    .subquery()
)
_RULINGS = select(_RULED_SO.c.change, _RULED_SO.c.label, func.count().label("many")).group_by(
    _RULED_SO.c.change, _RULED_SO.c.label
)
_NEXT_SOURCE = (
    select(col(Incoming.source))
    .where(col(Incoming.source) > bindparam("after"))
    .order_by(col(Incoming.source))
    .limit(1)
)
_LATEST = select(func.max(col(Incoming.received_at))).where(
    col(Incoming.source) == bindparam("source")
)
_BOOKED = {
    "books.invoices": select(col(Invoice.recorded_at)).order_by(col(Invoice.id).desc()).limit(1),
    "books.payments": select(col(Payment.recorded_at)).order_by(col(Payment.id).desc()).limit(1),
}
_LIVE = (
    select(col(LiveSwitch.state))
    .where(col(LiveSwitch.client_id).is_(None))
    .order_by(col(LiveSwitch.id).desc())
    .limit(1)
)


def _incoming(session: Session, now: dt.datetime) -> Iterator[Metric]:
    counts, ages = [], []
    for state in (IncomingState.PENDING, IncomingState.FAILED):
        mine = col(Incoming.state) == state.value
        if state is IncomingState.PENDING:  # a fact that waits for another is no delivery that does
            mine = and_(mine, col(Incoming.source) != WAITING)
        some = select(col(Incoming.received_at)).where(mine).limit(MOST).subquery()
        row = session.execute(
            select(func.count().label("many"), func.min(some.c.received_at).label("first"))
        ).one()
        counts.append(((state.value,), row.many))
        ages.append(((state.value,), _age(now, row.first)))
    yield _gauge("incoming", "Deliveries not understood yet, or not at all.", counts, ("state",))
    yield _gauge("incoming_oldest_seconds", "How long the oldest has waited.", ages, ("state",))


def _silence(session: Session, now: dt.datetime) -> Metric:
    """How long ago each source was last heard: one step in the index for each."""
    heard: dict[str, dt.datetime] = {}
    source = ""
    while (row := session.execute(_NEXT_SOURCE, {"after": source}).one_or_none()) is not None:
        source = row.source
        heard[source] = session.execute(_LATEST, {"source": source}).scalar_one()
    for name, latest in _BOOKED.items():
        if (last := session.execute(latest).scalar()) is not None:
            heard[name] = last
    said = "Seconds since something came from a source."
    ages = [((source,), _age(now, last)) for source, last in sorted(heard.items())]
    return _gauge("feed_silence_seconds", said, ages, ("source",))


def _expired(session: Session) -> Metric:
    said = "Rows of this kind from before this moment are gone, unless they are still needed."
    rows = session.execute(select(col(Expired.kind), col(Expired.before)))
    moments = [((row.kind,), row.before.timestamp()) for row in rows]
    return _gauge("expired_before_timestamp_seconds", said, moments, ("kind",))


Samples = Iterable[tuple[tuple[str, ...], float]]


def _gauge(name: str, said: str, samples: Samples, labels: Sequence[str] = ()) -> Metric:
    family = GaugeMetricFamily(f"counterfoil_{name}", said, labels=labels)
    for values, value in samples:
        family.add_metric(values, float(value))
    return family


def _age(now: dt.datetime, first: dt.datetime | None) -> float:
    return max(0.0, (now - first).total_seconds()) if first else 0.0
