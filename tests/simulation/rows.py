"""What do the rows say, asked from beside the product with plain SQL?"""

import datetime as dt
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite

from tests.simulation.books import Key
from tests.simulation.judge import Judge
from tests.simulation.world import World

_ENTITIES = {1: "", 2: "Harrow Europe"}
_LEAVING = """
    SELECT m.id, m.key, m.reference, m.audience, m.channel, m.purpose, m.attempts,
           c.name AS client, a.value AS "to", s.step, s.enrolment_id AS enrolment, s.episode,
           e.legal_entity_id, e.currency
    FROM message m
    LEFT JOIN client c ON c.id = m.client_id
    LEFT JOIN address a ON a.id = m.address_id
    LEFT JOIN step_taken s ON s.id = m.step_id
    LEFT JOIN enrolment e ON e.id = s.enrolment_id
    WHERE m.state = 'sending'
"""
_IMPORTED = """
    SELECT max(step) FROM step_taken WHERE enrolment_id = ? AND episode = ? AND how = 'imported'
"""
_DUE = """
    SELECT min(moment) FROM (
        SELECT min(next_attempt_at) AS moment FROM incoming WHERE state = 'pending'
        UNION ALL SELECT min(next_due_at) FROM enrolment
        UNION ALL SELECT min(wake_at) FROM message WHERE state IN ('held', 'in_doubt')
        UNION ALL SELECT min(send_after) FROM message WHERE state = 'queued'
        UNION ALL SELECT min(look_at) FROM client_key)
"""
_LEASE = "SELECT min(lease_until) FROM message WHERE state IN ('claimed', 'sending')"
_OPEN = """
    SELECT i.number, sum(p.amount) AS amount FROM posting p
    JOIN instalment t ON t.id = p.instalment_id JOIN invoice i ON i.id = t.invoice_id
    GROUP BY i.id
"""
_SPARE = """
    SELECT c.name AS client, p.legal_entity_id AS entity, p.currency, -sum(p.amount) AS amount
    FROM posting p JOIN client c ON c.id = p.client_id
    WHERE p.instalment_id IS NULL GROUP BY p.client_id, p.legal_entity_id, p.currency
"""


class Rows:
    """The store, read by whoever looks on; each look sees what is committed."""

    def __init__(self, file: Path, world: World, judge: Judge) -> None:
        self._world = world
        self._judge = judge
        self._tries: dict[int, int] = {}
        self._connection = sqlite.connect(str(file), check_same_thread=False)
        self._connection.row_factory = sqlite.Row
        self._connection.isolation_level = None

    def close(self) -> None:
        self._connection.close()

    def all(self, query: str, *values: Any) -> list[Any]:
        return list(self._connection.execute(query, values))

    def one(self, query: str, *values: Any) -> Any:
        return self._connection.execute(query, values).fetchone()

    def incoming(self, source: str, external_id: str) -> Any:
        query = "SELECT * FROM incoming WHERE source = ? AND external_id = ?"
        return self.one(query, source, external_id)

    def next_due(self, astray: dt.timedelta) -> dt.datetime | None:
        """When the worker would look next by itself, leases included."""
        due, lease = self.one(_DUE)[0], self.one(_LEASE)[0]
        moments = [moment(due)] if due else []
        moments += [moment(lease) - astray] if lease else []
        return min(moments, default=None)

    # --- after every commit -----------------------------------------------------------------------

    def leaving(self) -> None:
        """Messages that are about to go on the wire since the last look."""
        for row in self.all(_LEAVING):
            if self._tries.get(row["id"]) == row["attempts"]:
                continue
            self._tries[row["id"]] = row["attempts"]
            if row["audience"] == "client":
                self._judge.leaves(self._told(row), self._imported(row), self._zone(row))

    def _told(self, row: Any) -> dict[str, Any]:
        entity = _ENTITIES.get(row["legal_entity_id"], "")
        account: Key = (entity, row["currency"] or "")
        return {**dict(row), "client": client_of(row["client"]), "account": account, "kin_level": 0}

    def _imported(self, row: Any) -> int:
        if row["step"] is None:
            return 0
        return self.one(_IMPORTED, row["enrolment"], row["episode"])[0] or 0

    def _zone(self, row: Any) -> str:
        return self._world.people[client_of(row["client"])].place.zone

    # --- now and then -----------------------------------------------------------------------------

    def whole(self) -> None:
        """All of the rows, once a day."""
        self._money()

    def _money(self) -> None:
        """Every bill has open what our own books say, and so has what is on none of them."""
        world = self._world
        held = {row["number"]: row["amount"] for row in self.all(_OPEN)}
        for number, bill in world.books.bills.items():
            kin = world.one_with(bill.client)
            said = world.books.stand(kin, bill.key).of(number)
            if held.get(number) != said and not world.vague & kin:
                told = f"{number} has {held.get(number)} open; by what was told it is {said}"
                world.break_(bill.client, "books_balance", told)
        for row in self.all(_SPARE):
            client = client_of(row["client"])
            kin = world.one_with(client)
            if len(kin) > 1 or world.vague & kin:
                continue
            said = world.books.stand(kin, (_ENTITIES[row["entity"]], row["currency"])).spare
            if row["amount"] != said:
                told = f"{row['amount']} is on account; by what was told it is {said}"
                world.break_(client, "books_balance", told)


def moment(value: str) -> dt.datetime:
    """As SQLite keeps it, in UTC."""
    return dt.datetime.fromisoformat(value).replace(tzinfo=dt.UTC)


def client_of(name: str) -> str:
    """What the world calls a client of that name."""
    return f"C{name.rpartition(' ')[2]}"
