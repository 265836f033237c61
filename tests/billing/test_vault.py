import datetime as dt
import hashlib
import threading
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlmodel import Session

from billing import vault
from billing.keyring import KeyGone, Keyring
from billing.models import Vault
from billing.store import Store

NOW = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)
INBOX = "inbox:2026-01-05"
LATER = NOW + dt.timedelta(days=30)


@pytest.fixture
def keys(keyring: Keyring) -> Keyring:
    keyring.make(["client:1", "client:2", INBOX], NOW)
    return keyring


def put(store: Store, keys: Keyring, body: str | bytes = "I paid on Friday", **more: Any) -> int:
    owner = more.pop("owner", "client:1")
    return store.write_now(lambda session: vault.put(session, keys, owner, body, NOW, **more))


def get(store: Store, keys: Keyring, vault_id: int) -> bytes:
    with store.read() as session:
        return vault.get(session, keys, vault_id)


def row(store: Store, vault_id: int) -> Vault:
    with store.read() as session:
        return session.get_one(Vault, vault_id)


def change(store: Store, statement: str, **values: object) -> None:
    store.write_now(lambda session: session.execute(text(statement), values))


@given(body=st.binary(max_size=3000) | st.text(max_size=500))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_body_comes_back_as_it_was(store: Store, keys: Keyring, body: str | bytes) -> None:
    wanted = body.encode() if isinstance(body, str) else body
    assert get(store, keys, put(store, keys, body)) == wanted


def test_a_body_lies_nowhere_in_the_clear(store: Store, keys: Keyring) -> None:
    found = row(store, put(store, keys, "I paid on Friday"))
    assert b"Friday" not in found.ciphertext + found.wrapped_key


def test_the_same_words_twice_look_different(store: Store, keys: Keyring) -> None:
    one, two = row(store, put(store, keys)), row(store, put(store, keys))
    assert one.ciphertext != two.ciphertext


def test_the_digest_is_of_the_ciphertext(store: Store, keys: Keyring) -> None:
    vault_id = put(store, keys)
    found = row(store, vault_id)
    with store.read() as session:
        assert vault.digest(session, vault_id) == found.digest
        assert vault.digest(session, None) == ""
    assert found.digest == hashlib.sha256(found.ciphertext).hexdigest()


@pytest.mark.parametrize("column", ["ciphertext", "wrapped_key"])
def test_a_changed_body_does_not_open(store: Store, keys: Keyring, column: str) -> None:
    vault_id = put(store, keys)
    sealed = bytearray(getattr(row(store, vault_id), column))
    sealed[-1] ^= 1
    change(store, f"UPDATE vault SET {column} = :it WHERE id = :id", it=bytes(sealed), id=vault_id)
    with pytest.raises(InvalidTag):
        get(store, keys, vault_id)


def test_a_body_moved_to_another_row_does_not_open(store: Store, keys: Keyring) -> None:
    one, two = put(store, keys, "I will pay"), put(store, keys, "I will not pay")
    source = row(store, one)
    change(
        store,
        "UPDATE vault SET ciphertext = :body, wrapped_key = :key WHERE id = :id",
        body=source.ciphertext,
        key=source.wrapped_key,
        id=two,
    )
    with pytest.raises(InvalidTag):
        get(store, keys, two)


def test_a_body_does_not_open_with_another_clients_key(store: Store, keys: Keyring) -> None:
    vault_id = put(store, keys)
    change(store, "UPDATE vault SET owner = 'client:2'")
    with pytest.raises(InvalidTag):
        get(store, keys, vault_id)


def test_a_body_is_put_under_no_key_that_is_gone(store: Store, keys: Keyring) -> None:
    with pytest.raises(KeyGone):
        put(store, keys, owner="client:9")


def test_a_known_sender_takes_the_body_over(store: Store, keys: Keyring) -> None:
    vault_id = put(store, keys, owner=INBOX, expires_at=LATER)
    before = row(store, vault_id)
    store.write_now(lambda session: vault.hand_over(session, keys, vault_id, "client:2"))
    keys.destroy(INBOX)
    after = row(store, vault_id)
    assert get(store, keys, vault_id) == b"I paid on Friday"
    assert (after.owner, after.expires_at) == ("client:2", None)
    assert (after.ciphertext, after.digest) == (before.ciphertext, before.digest)


def test_what_nobody_claimed_expires_on_its_day(store: Store, keys: Keyring) -> None:
    unmatched = put(store, keys, owner=INBOX, expires_at=LATER)
    kept = put(store, keys)
    almost = LATER - dt.timedelta(microseconds=1)
    assert store.write_now(lambda session: vault.expire(session, almost)) == 0
    assert store.write_now(lambda session: vault.expire(session, LATER)) == 1
    assert get(store, keys, kept) == b"I paid on Friday"
    with pytest.raises(KeyGone, match="has expired"):
        get(store, keys, unmatched)


def test_only_an_inbox_that_wraps_nothing_is_idle(store: Store, keys: Keyring) -> None:
    put(store, keys, owner=INBOX, expires_at=LATER)
    put(store, keys)
    owners = ["client:1", "client:2", INBOX, "inbox:2026-01-04"]
    with store.read() as session:
        assert vault.idle_inboxes(session, owners) == ["inbox:2026-01-04"]
    store.write_now(lambda session: vault.expire(session, LATER))
    with store.read() as session:
        assert vault.idle_inboxes(session, owners) == [INBOX, "inbox:2026-01-04"]


def test_erasing_a_client_leaves_the_row_and_its_digest(store: Store, keys: Keyring) -> None:
    vault_id = put(store, keys)
    before = row(store, vault_id)
    keys.destroy("client:1")
    with pytest.raises(KeyGone):
        get(store, keys, vault_id)
    with store.read() as session:
        assert vault.text(session, keys, vault_id) == vault.ERASED
        assert vault.digest(session, vault_id) == before.digest


def test_erasing_a_client_leaves_the_others_readable(store: Store, keys: Keyring) -> None:
    other = put(store, keys, owner="client:2")
    keys.destroy("client:1")
    assert get(store, keys, other) == b"I paid on Friday"


def test_no_body_is_no_text(store: Store, keys: Keyring) -> None:
    with store.read() as session:
        assert vault.text(session, keys, None) == ""


def test_bodies_of_one_moment_have_ids_of_their_own(store: Store, keys: Keyring) -> None:
    def many(session: Session) -> list[int]:
        return [vault.put(session, keys, "client:1", "x", NOW) for _ in range(300)]

    found = store.write_now(many)
    assert found == sorted(set(found))


@pytest.mark.parametrize("year", [1999, 2026, 2040, 2088])
def test_an_id_fits_64_bits_for_a_long_time(year: int) -> None:
    fresh = vault._Ids().next(dt.datetime(year, 12, 31, tzinfo=dt.UTC))
    assert 0 <= fresh < 2**63


def test_threads_never_share_an_id() -> None:
    ids, found = vault._Ids(), list[int]()

    def take() -> None:
        found.extend([ids.next(NOW) for _ in range(500)])

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(set(found)) == 2000
