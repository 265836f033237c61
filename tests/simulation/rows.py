"""What do the rows say, asked from beside the product with plain SQL?"""

import datetime as dt
from collections import Counter
from typing import Any

import psycopg
import pysqlite3.dbapi2 as sqlite
from psycopg.rows import dict_row
from sqlalchemy import make_url

from tests.simulation.books import Key
from tests.simulation.judge import Judge
from tests.simulation.world import OURS, World

ENTITIES = {1: "", 2: "Harrow Europe"}
ERASED = "(erased)"
"""What everybody is called who was."""
_LEAVING = """
    SELECT m.id, m.key, m.reference, m.audience, m.channel, m.purpose, m.attempts,
           c.name AS client, r.name AS reader, a.value AS "to", s.step,
           s.enrolment_id AS enrolment, s.episode,
           e.legal_entity_id, e.currency
    FROM message m
    LEFT JOIN client c ON c.id = m.client_id
    LEFT JOIN contact k ON k.id = m.contact_id
    LEFT JOIN client r ON r.id = k.client_id
    LEFT JOIN address a ON a.id = m.address_id
    LEFT JOIN step_taken s ON s.id = m.step_id
    LEFT JOIN enrolment e ON e.id = s.enrolment_id
    WHERE m.state = 'sending'
"""
_IMPORTED = """
    SELECT max(step) AS step FROM step_taken
    WHERE enrolment_id = ? AND episode = ? AND how = 'imported'
"""
_OF_KIN = """
    SELECT max(s.step) AS step FROM step_taken s JOIN enrolment e ON e.id = s.enrolment_id
    JOIN client c ON c.id = e.client_id WHERE s.how IN ('imported', 'sent') AND c.name IN ({})
"""
_DUE = """
    SELECT min(moment) AS moment FROM (
        SELECT min(next_attempt_at) AS moment FROM incoming WHERE state = 'pending'
        UNION ALL SELECT min(next_due_at) FROM enrolment
        UNION ALL SELECT min(wake_at) FROM message WHERE state IN ('held', 'in_doubt')
        UNION ALL SELECT min(send_after) FROM message WHERE state = 'queued'
        UNION ALL SELECT min(next_attempt_at) FROM recall WHERE state = 'pending'
        UNION ALL SELECT min(look_at) FROM client_key) AS due
"""
_QUESTION = """
    SELECT c.name AS client, m.id, m.reference FROM message q
    JOIN message m ON m.id = q.subject_id AND q.subject_kind = 'message'
    JOIN client c ON c.id = m.client_id
    WHERE q.reference = ? AND q.template = 'in_doubt'
"""
_LEASE = "SELECT min(lease_until) AS moment FROM message WHERE state IN ('claimed', 'sending')"


class Rows:
    """The store, read by whoever looks on; each look sees what is committed."""

    def __init__(self, url: str, world: World, judge: Judge) -> None:
        self._world = world
        self._judge = judge
        self._tries: dict[int, int] = {}
        self._sqlite = url.startswith("sqlite")
        self._connection: Any = _sqlite(url) if self._sqlite else _postgres(url)

    def close(self) -> None:
        self._connection.close()

    def all(self, query: str, *values: Any) -> list[Any]:
        return list(self._asked(query, values))

    def one(self, query: str, *values: Any) -> Any:
        return self._asked(query, values).fetchone()

    def _asked(self, query: str, values: Any) -> Any:
        written = query if self._sqlite else query.replace("?", "%s")
        return self._connection.execute(written, values)

    def incoming(self, source: str, external_id: str) -> Any:
        query = "SELECT * FROM incoming WHERE source = ? AND external_id = ?"
        return self.one(query, source, external_id)

    def next_due(self, astray: dt.timedelta) -> dt.datetime | None:
        """When the worker would look next by itself, leases included."""
        due, lease = self.one(_DUE)["moment"], self.one(_LEASE)["moment"]
        moments = [moment(due)] if due else []
        moments += [moment(lease) - astray] if lease else []
        return min(moments, default=None)

    def tally(self) -> Counter[str]:
        """What the stories should meet and only rows can say."""
        query = "SELECT count(*) AS many FROM offer_made WHERE trigger = 'renewed'"
        return Counter({"offers for a renewal": self.one(query)["many"]})

    # --- after every commit -----------------------------------------------------------------------

    def leaving(self) -> None:
        """Messages that are about to go on the wire since the last look."""
        for row in self.all(_LEAVING):
            if self._tries.get(row["id"]) == row["attempts"]:
                continue
            self._tries[row["id"]] = row["attempts"]
            if row["client"] == ERASED:
                self._world.break_(OURS, "who_asks_is_forgotten", f"{row['key']} leaves")
            if row["audience"] == "client":
                self._judge.leaves(self._told(row), self._imported(row), self._zone(row))

    def _told(self, row: Any) -> dict[str, Any]:
        entity = ENTITIES.get(row["legal_entity_id"], "")
        account: Key = (entity, row["currency"] or "")
        client = client_of(row["client"])
        reader = client_of(row["reader"]) if row["reader"] else client
        return {**dict(row), "client": client, "reader": reader, "account": account}

    def _imported(self, row: Any) -> int:
        if row["step"] is None:
            return 0
        kin = self._world.one_with(client_of(row["client"]))
        if len(kin) == 1:
            return self.one(_IMPORTED, row["enrolment"], row["episode"])["step"] or 0
        names = [self._world.people[one].name for one in kin]  # what either has had counts
        return self.one(_OF_KIN.format(", ".join("?" * len(names))), *names)["step"] or 0

    def _zone(self, row: Any) -> str:
        return self._world.people[client_of(row["client"])].place.zone

    # --- what people see --------------------------------------------------------------------------

    def client_id(self, client: str) -> int | None:
        """The id of the row of a client."""
        row = self.one("SELECT id FROM client WHERE name = ?", self._world.people[client].name)
        return int(row["id"]) if row else None

    def are_one(self, one: str, other: str) -> bool:
        """Whether they were merged."""
        query = "SELECT coalesce(merged_into_id, id) AS head FROM client WHERE id = ?"
        heads = [self.one(query, self.client_id(client)) for client in (one, other)]
        return all(heads) and heads[0]["head"] == heads[1]["head"]

    def open_case(self, client: str) -> int | None:
        """The case that a card in Slack is about."""
        query = "SELECT id FROM escalation_case WHERE client_id = ? AND state = 'open'"
        row = self.one(query, self.client_id(client))
        return int(row["id"]) if row else None

    def question(self, reference: str) -> tuple[str, int, str] | None:
        """Of a card that asks whether a message arrived: whose, which, and by what name it went."""
        row = self.one(_QUESTION, reference)
        return row and (client_of(row["client"]), row["id"], row["reference"])


def _sqlite(url: str) -> Any:
    connection = sqlite.connect(str(make_url(url).database), check_same_thread=False)
    connection.row_factory = sqlite.Row
    connection.isolation_level = None
    return connection


def _postgres(url: str) -> Any:
    plain = url.replace("+psycopg", "")
    return psycopg.connect(plain, autocommit=True, row_factory=dict_row, options="-c timezone=UTC")


def moment(value: str | dt.datetime) -> dt.datetime:
    """As SQLite keeps it, in UTC, or as PostgreSQL gives it."""
    if isinstance(value, dt.datetime):
        return value
    return dt.datetime.fromisoformat(value).replace(tzinfo=dt.UTC)


def client_of(name: str) -> str:
    """What the world calls a client of that name."""
    return f"C{name.rpartition(' ')[2]}"
