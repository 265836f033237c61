"""How fast is one client's past found among everybody's: the latest fifty, and a word in all of it?

Ours is ``comms.timeline`` through ``store.read()``, with a model for every row; a search reads the
rows of one client by index, decrypts what was said and looks for a word. Beside them the same
statements on one connection that is kept open, rows as tuples. Rows lie in the order in which they
were written, so the fifty of a client are on as many pages; clients are chosen by chance.
"""

import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from time import perf_counter
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import URL, Connection, Table, create_engine, insert, make_url, text
from sqlmodel import Session

from benchmarks import stores, wire
from benchmarks.figures import Figure, Scale
from benchmarks.stores import FOLDER, MASTER_KEY, NOON, Database
from billing import vault
from billing.keyring import Keyring
from billing.models import Client, Vault
from billing.store import Store
from bot import schema
from comms import timeline

EACH = 100
"""Touchpoints of a client: two years with one a week."""
_CLIENTS = {Scale.SMALL: (200, 2_000), Scale.FULL: (2_000, 20_000, 100_000)}
_SPOKEN = 100
"""Clients whose touchpoints have words: these are searched."""
_LOOKS = {Scale.SMALL: 400, Scale.FULL: 4_000}
_WORD = "cheque"
_CLIENT: Table = Client.__table__  # type: ignore[attr-defined]
_VAULT: Table = Vault.__table__  # type: ignore[attr-defined]
_LATEST = "SELECT * FROM touchpoint WHERE client_id = :client ORDER BY occurred_at DESC, id DESC"


def figures(scale: Scale) -> Iterator[Figure]:
    """Both questions, in stores of growing size."""
    for database in stores.DATABASES:
        for clients in _CLIENTS[scale]:
            yield from _of(database, clients, _LOOKS[scale])


def _of(database: Database, clients: int, looks: int) -> Iterator[Figure]:
    chance = random.Random(clients)
    with (
        _stored(database, clients) as (url, keys),
        closing(Store(url, writable=False)) as store,
        closing(Keyring(keys, MASTER_KEY)) as keyring,
        store.engine.connect() as bare,
    ):
        of_all = [chance.randint(1, clients) for _ in range(looks)]
        of_some = [chance.randint(1, _SPOKEN) for _ in range(looks // 4)]
        ways: Sequence[tuple[str, Callable[[int], int], Callable[[int], int], list[int], str]] = (
            (
                "latest 50",
                lambda client: _latest(store, client),
                lambda client: len(bare.execute(_FIFTY, {"client": client}).all()),
                of_all,
                "at most 1 ms",
            ),
            (
                f"a word in the {EACH} of a client",
                lambda client: _search(store, keyring, client),
                lambda client: _bare_search(bare, keyring, client),
                of_some,
                "at most 10 ms",
            ),
        )
        for name, ours, other, wanted, goal in ways:
            times = [(_timed(ours, client), _timed(other, client)) for client in wanted]
            for share in (50, 99):
                yield Figure(
                    name=f"{name}, of {clients * EACH:,} touchpoints, p{share}",
                    database=database,
                    ours=1000 * wire.percentile([took for took, _ in times], share),
                    bare=1000 * wire.percentile([took for _, took in times], share),
                    unit="ms",
                    better="less",
                    goal=goal if share == 99 else "",
                )


def _timed(look: Callable[[int], int], client: int) -> float:
    began = perf_counter()
    found = look(client)
    took = perf_counter() - began
    if not found:
        raise AssertionError(f"nothing was found of client {client}")
    return took


# --- the questions --------------------------------------------------------------------------------

_FIFTY = text(f"{_LATEST} LIMIT 50")
_SAID = text(
    "SELECT vault.id, owner, wrapped_key, ciphertext FROM touchpoint"
    " JOIN vault ON vault.id = touchpoint.body_id"
    " WHERE client_id = :client ORDER BY occurred_at DESC, touchpoint.id DESC"
)


def _latest(store: Store, client: int) -> int:
    with store.read() as session:
        return len(timeline.latest(session, client, 50))


def _search(store: Store, keyring: Keyring, client: int) -> int:
    with store.read() as session:
        rows = timeline.latest(session, client, 10 * EACH)
        said = [vault.text(session, keyring, row.body_id) for row in rows]
    return sum(_WORD in words for words in said)


def _bare_search(connection: Connection, keyring: Keyring, client: int) -> int:
    """One statement; the same decryption, which nobody can do without."""
    found = 0
    for row in connection.execute(_SAID, {"client": client}):
        bound = str(row.id).encode()
        own = _open(keyring.key(row.owner), row.wrapped_key, bound)
        found += _WORD.encode() in _open(own, row.ciphertext, bound)
    return found


# --- the stores -----------------------------------------------------------------------------------

_WHEN = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%S.000000', '2024-03-01',"
    " '+' || (i * 60 / {share}) || ' seconds')",
    "postgresql": "TIMESTAMPTZ '2024-03-01 00:00+00' + (i * 60 / {share}) * INTERVAL '1 second'",
}
_BLANK = {name: field.get_default() for name, field in Client.model_fields.items()}
# The i-th thing that was said is of client 1 + i modulo the clients, so theirs lie far apart.
_TOUCHPOINT = {
    "id": "i",
    "client_id": "1 + i % :clients",
    "seq": "1 + i / :clients",
    "channel": "'email'",
    "direction": "CASE WHEN i % 3 = 0 THEN 'in' ELSE 'out' END",
    "kind": "'message'",
    "body_id": "CASE WHEN 1 + i % :clients <= :spoken THEN i END",
    "occurred_at": "{when}",
    "recorded_at": "{when}",
}
_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many)"
_WORDS = (
    "Thank you for the reminder about invoice INV-{number}. We are looking into it and will "
    "write again when our accounts department has an answer; the partner is away. {end}"
)


@contextmanager
def _stored(database: Database, clients: int) -> Iterator[tuple[str, str]]:
    """The URLs of a store with that many clients and of its keys; made where it is not there."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    name = f"history_{stores.SHAPE}_{clients}"
    keys = f"sqlite:///{FOLDER / name}-{database}-keys.db"
    if database == "sqlite":
        file, made = FOLDER / f"{name}.db", FOLDER / f"{name}-new.db"
        if not file.exists():
            made.unlink(missing_ok=True)
            _make(f"sqlite:///{made}", keys, clients)
            made.rename(file)
        yield f"sqlite:///{file}", keys
        return
    with stores.fresh("postgresql") as place:  # the server runs for as long as this is open
        url = make_url(place.url)
        server = create_engine(url, isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            known = connection.execute(text("SELECT datname FROM pg_database")).scalars().all()
            if name not in known:
                connection.execute(text(f"DROP DATABASE IF EXISTS {name}_new WITH (FORCE)"))
                connection.execute(text(f"CREATE DATABASE {name}_new"))
                _make(_told(url.set(database=f"{name}_new")), keys, clients)
                connection.execute(text(f"ALTER DATABASE {name}_new RENAME TO {name}"))
        server.dispose()
        yield _told(url.set(database=name)), keys


def _told(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _make(url: str, keys: str, clients: int) -> None:
    schema.upgrade(url)
    with closing(Store(url)) as store, closing(Keyring(keys, MASTER_KEY)) as keyring:
        keyring.make([f"client:{number}" for number in range(1, _SPOKEN + 1)], NOON)
        store.write_now(lambda session: _fill(session, keyring, clients))
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE" if store.sqlite else "VACUUM ANALYZE"))


def _fill(session: Session, keyring: Keyring, clients: int) -> None:
    connection = session.connection()
    when = _WHEN[connection.dialect.name].format(share=max(1, clients // 10))
    many = clients * EACH
    given = {"clients": clients, "spoken": _SPOKEN}
    connection.execute(insert(_CLIENT), [_client(number) for number in range(1, clients + 1)])
    told = {**stores.unsaid("touchpoint", _TOUCHPOINT), **_TOUCHPOINT}
    values = ", ".join(value.format(when=when) for value in told.values())
    adding = f"INSERT INTO touchpoint ({', '.join(told)}) {_NUMBERS} SELECT {values} FROM n"
    connection.execute(text(adding), given | {"many": many})
    rows = [
        _body(keyring, number, 1 + number % clients)
        for number in range(1, many + 1)
        if 1 + number % clients <= _SPOKEN
    ]
    connection.execute(insert(_VAULT), rows)


def _client(number: int) -> dict[str, Any]:
    told = {"id": number, "key_id": f"client:{number}", "name": f"Client {number}"}
    return _BLANK | told | {"created_at": NOON}


def _body(keyring: Keyring, number: int, client: int) -> dict[str, Any]:
    """What was said in touchpoint ``number``, sealed as ``billing.vault`` seals it."""
    end = "The cheque is in the post." if number % 7 == 0 else "Kind regards."
    own, bound = AESGCM.generate_key(256), str(number).encode()
    sealed = _seal(own, _WORDS.format(number=number, end=end).encode(), bound)
    return {
        "id": number,
        "owner": f"client:{client}",
        "wrapped_key": _seal(keyring.key(f"client:{client}"), own, bound),
        "ciphertext": sealed,
        "digest": sha256(sealed).hexdigest(),
        "created_at": NOON,
    }


def _seal(key: bytes, body: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, body, bound)


def _open(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], bound)
