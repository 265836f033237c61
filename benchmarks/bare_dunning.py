"""What does a dunning run cost at the very least?

The same rows in the same tables as the product leaves, made by hand for the one kind of account
that the world has: prepared SQL on SQLite and COPY on PostgreSQL, 1,000 accounts a transaction, the
same templates in a plain Jinja2 environment. Nothing is judged, locked, sealed or tried again: the
texts lie in the vault as they are.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Any, Protocol

import psycopg
import pysqlite3.dbapi2 as sqlite
from jinja2 import Environment, FileSystemLoader, Template
from sqlalchemy import make_url

from benchmarks.stores import NOON, Place
from billing import shipped

AT_ONCE = 1_000
_DUE = """
SELECT e.id, c.id, c.key_id, c.name, k.id, k.name, a.id, a.value, i.number, i.issued_on, i.due_on,
    i.amount, t.id, (SELECT sum(p.amount) FROM posting p WHERE p.instalment_id = t.id)
FROM enrolment e
JOIN client c ON c.id = e.client_id
JOIN primary_recipient r ON r.client_id = c.id AND r.topic = 'billing'
JOIN contact k ON k.id = r.contact_id
JOIN contact_address o ON o.contact_id = k.id
JOIN address a ON a.id = o.address_id
JOIN invoice i ON i.client_id = c.id
JOIN instalment t ON t.invoice_id = i.id
WHERE e.next_due_at <= {now}
ORDER BY e.next_due_at
LIMIT 1000
"""
_COLUMNS = {
    "step_taken": "id enrolment_id episode step round how taken_on taken_at",
    "step_listed": "step_taken_id instalment_id",
    "vault": "id owner wrapped_key ciphertext digest created_at",
    "message": (
        "id key reference audience channel purpose template client_id legal_entity_id contact_id"
        " address_id destination subject_kind subject_id step_id state rule reason send_after"
        " wake_on_client attempts body_id provider_id created_at claimed_at sent_at"
    ),
    "attempt": "id message_id number outcome code provider_id started_at ended_at",
    "decision": (
        "id client_id seq subject_kind subject_id verdict rule until inputs digest reason_id"
        " reason_digest decided_at"
    ),
    "touchpoint": (
        "id client_id seq channel direction kind message_id contact_id address_id body_id"
        " body_digest occurred_at recorded_at"
    ),
    "chain_entry": (
        "client_id seq version kind detail_id digest occurred_at recorded_at previous hash"
    ),
    "chain_head": "client_id seq hash",
}
_ADVANCE = "UPDATE enrolment SET next_due_at = {later}, policy_version = {version} WHERE id = {id}"
_LATER = NOON + dt.timedelta(days=15)
_KEY = bytes(60)
Rows = dict[str, list[tuple[Any, ...]]]


class Database(Protocol):
    """As little of a database as this needs."""

    def due(self) -> Sequence[Sequence[Any]]: ...

    def last(self, table: str) -> int: ...

    def write(self, rows: Rows, advanced: Iterable[int]) -> None: ...

    def close(self) -> None: ...


class _Sqlite:
    def __init__(self, url: str) -> None:
        self._link = sqlite.connect(make_url(url).database, isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self._link.execute(f"PRAGMA {pragma}")
        self._inserts = {
            table: f"INSERT INTO {table} ({', '.join(names.split())})"
            f" VALUES ({', '.join('?' for _ in names.split())})"
            for table, names in _COLUMNS.items()
        }

    def due(self) -> Sequence[Sequence[Any]]:
        query = _DUE.format(now=f"'{_moment(NOON)}'")
        days = (9, 10)
        return [
            [dt.date.fromisoformat(one) if at in days else one for at, one in enumerate(row)]
            for row in self._link.execute(query)
        ]

    def last(self, table: str) -> int:
        return int(self._link.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0])

    def write(self, rows: Rows, advanced: Iterable[int]) -> None:
        self._link.execute("BEGIN IMMEDIATE")
        for table, values in rows.items():
            self._link.executemany(self._inserts[table], map(_plain, values))
        update = _ADVANCE.format(later=f"'{_moment(_LATER)}'", version="'bare'", id="?")
        self._link.executemany(update, ((one,) for one in advanced))
        self._link.execute("COMMIT")

    def close(self) -> None:
        self._link.close()


def _plain(values: tuple[Any, ...]) -> list[Any]:
    return [_moment(one) if isinstance(one, dt.datetime) else one for one in values]


def _moment(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}"


class _Postgresql:
    def __init__(self, url: str) -> None:
        self._link = psycopg.connect(url.replace("+psycopg", ""))

    def due(self) -> Sequence[Sequence[Any]]:
        query = _DUE.format(now=f"'{NOON}'") + " FOR UPDATE OF e SKIP LOCKED"
        return self._link.execute(query.encode()).fetchall()

    def last(self, table: str) -> int:
        query = f"SELECT coalesce(max(id), 0) FROM {table}".encode()
        [found] = self._link.execute(query).fetchone() or [0]
        return int(found)

    def write(self, rows: Rows, advanced: Iterable[int]) -> None:
        with self._link.cursor() as cursor:
            for table, values in rows.items():
                names = ", ".join(_COLUMNS[table].split())
                with cursor.copy(f"COPY {table} ({names}) FROM STDIN".encode()) as copy:
                    for row in values:
                        copy.write_row(row)
            update = _ADVANCE.format(later="%s", version="'bare'", id="ANY(%s)")
            cursor.execute(update.encode(), (_LATER, list(advanced)))
        self._link.commit()

    def close(self) -> None:
        self._link.close()


def run(place: Place) -> int:
    """Remind everybody who is due; say how many."""
    kept = _Sqlite(place.url) if place.database == "sqlite" else _Postgresql(place.url)
    with closing(kept) as database:
        tables = ("step_taken", "message", "attempt", "decision", "touchpoint", "vault")
        ids = {table: _counted(database.last(table)) for table in tables}
        letter = _letter()
        reminders = 0
        while due := database.due():
            rows: Rows = {table: [] for table in _COLUMNS}
            for account in due:
                _remind(rows, ids, letter, account)
            database.write(rows, [account[0] for account in due])
            reminders += len(due)
        return reminders


def _counted(last: int) -> Callable[[], int]:
    numbers = iter(range(last + 1, 2**62))
    return lambda: next(numbers)


def _letter() -> Sequence[Template]:
    found = Environment(
        loader=FileSystemLoader(shipped.path("templates")),
        autoescape=lambda name: bool(name and name.endswith(".html.j2")),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["money"] = lambda minor, *_: f"${minor / 100:,.2f}"
    found.filters["day"] = lambda day, *_: f"{day:%B %-d, %Y}"
    parts = ("subject.txt", "email.txt", "email.html")
    return [found.get_template(f"first_reminder/{part}.j2") for part in parts]


def _remind(
    rows: Rows,
    ids: dict[str, Callable[[], int]],
    letter: Sequence[Template],
    account: Sequence[Any],
) -> None:
    enrolment, client, owner, name, contact, person, address, mailbox, *_ = account
    number, issued, due, amount, instalment, open_ = account[8:]
    step, message = ids["step_taken"](), ids["message"]()
    body = _rendered(letter, name, person, mailbox, (number, issued, due, amount, int(open_)))
    said = [
        f"Step 1 is due: {number} is 5 days overdue; ${open_ / 100:,.2f} in all.",
        "Every place of the door let it pass.",
        f"Step 2 is due on {_LATER:%Y-%m-%d}; {number}, issued on {issued}, is 5 days overdue.",
    ]
    kept = [(ids["vault"](), text.encode(), _hash(text)) for text in (*said, body)]
    rows["vault"].extend((key, owner, _KEY, text, end, NOON) for key, text, end in kept)
    rows["step_taken"].append((step, enrolment, 1, 1, 1, "sent", NOON.date(), NOON))
    rows["step_listed"].append((step, instalment))
    rows["message"].append(
        (message, f"step:{enrolment}:1:1:1:{contact}:email", f"bare{message:012}", "client",
         "email", "dunning", "first_reminder", client, 1, contact, address, "", "enrolment",
         enrolment, step, "sent", "", "", NOON, False, 1, kept[3][0], f"paper-{message}", NOON,
         NOON, NOON)
    )  # fmt: skip
    rows["attempt"].append((ids["attempt"](), message, 1, "sent", "", "paper", NOON, NOON))
    before, links = "", []
    for seq, kind, decided in (
        (1, "decision", 0),
        (2, "decision", 1),
        (3, "touchpoint", 3),
        (4, "decision", 2),
    ):
        key, _, end = kept[decided]
        if kind == "touchpoint":
            detail = ids["touchpoint"]()
            rows["touchpoint"].append(
                (detail, client, seq, "email", "out", "dunning", message, contact, address, key,
                 end, NOON, NOON)
            )  # fmt: skip
        else:
            detail = ids["decision"]()
            rows["decision"].append(_decision(detail, client, seq, (enrolment, message, key, end)))
        after = _hash(before + end)
        links.append((client, seq, 1, kind, detail, end, NOON, NOON, before, after))
        before = after
    rows["chain_entry"].extend(links)
    rows["chain_head"].append((client, 4, before))


def _decision(
    detail: int, client: int, seq: int, about: tuple[int, int, int, str]
) -> tuple[Any, ...]:
    enrolment, message, key, end = about
    subject = ("message", message, "allow") if seq == 2 else ("enrolment", enrolment, "send")
    inputs = json.dumps(
        {"episode": 1, "policy": "bare", "places": [[str(n)] * 3 for n in range(11)]}
    )
    return (detail, client, seq, *subject, "step_due", None, inputs, end, key, end, NOON)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _rendered(
    letter: Sequence[Template], name: str, person: str, mailbox: str, line: tuple[Any, ...]
) -> str:
    number, issued, due, amount, open_ = line
    days = (NOON.date() - due).days
    context = {
        "firm": _FIRM,
        "client": {"name": name},
        "contact": {"first_name": person.partition(" ")[0], "name": person},
        "locale": "en_US",
        "pay_link": _FIRM["pay_link"],
        "opt_out_notice": "",
        "currency": "USD",
        "total": open_,
        "step": 1,
        "invoices": [
            {"number": number, "issued_on": issued, "due_on": due, "days_overdue": days,
             "open": open_, "amount": amount, "disputed": False}
        ],
    }  # fmt: skip
    subject, text, html = (part.render(context) for part in letter)
    return json.dumps({"to": mailbox, "subject": subject, "text": text, "html": html})


_FIRM = {
    "name": "Harbour Legal",
    "postal_address": "1 Quay Street, New York, NY 10004",
    "from_name": "Harbour Legal",
    "phone": "+15005550006",
    "pay_link": "https://pay.harbour.example",
}
