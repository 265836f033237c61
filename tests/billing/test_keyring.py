import base64
import datetime as dt
import os
import stat
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from billing.keyring import (
    KeyGone,
    Keyring,
    WrongMasterKey,
    new_master_key,
    read_master_key,
)

NOW = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)
MASTER_KEY = bytes(range(32))


def test_a_key_has_32_bytes_and_is_nobody_elses(keyring: Keyring) -> None:
    keyring.make(["client:1", "client:2"], NOW)
    assert len(keyring.key("client:1")) == 32
    assert keyring.key("client:1") != keyring.key("client:2")


def test_a_key_is_the_same_after_a_restart(database: Any) -> None:
    with closing(Keyring(database.keyring_url, MASTER_KEY)) as keyring:
        keyring.make(["client:1"], NOW)
        before = keyring.key("client:1")
    with closing(Keyring(database.keyring_url, MASTER_KEY)) as keyring:
        assert keyring.key("client:1") == before


def test_making_a_key_twice_keeps_the_first(keyring: Keyring) -> None:
    keyring.make(["client:1"], NOW)
    before = keyring.key("client:1")
    keyring.make(["client:1", "client:1", "client:2"], NOW)
    assert keyring.key("client:1") == before
    assert keyring.owners() == ["client:1", "client:2"]


def test_threads_that_make_the_same_key_agree_on_it(keyring: Keyring) -> None:
    start = threading.Barrier(8)
    found: list[bytes] = []

    def make() -> None:
        start.wait(10)
        keyring.make(["client:1"], NOW)
        found.append(keyring.key("client:1"))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8
    assert len(set(found)) == 1


def test_processes_that_make_the_same_key_agree_on_it(database: Any) -> None:
    with (
        closing(Keyring(database.keyring_url, MASTER_KEY)) as one,
        closing(Keyring(database.keyring_url, MASTER_KEY)) as two,
    ):
        start = threading.Barrier(2)

        def make(keyring: Keyring) -> None:
            start.wait(10)
            keyring.make([f"client:{n}" for n in range(20)], NOW)

        threads = [threading.Thread(target=make, args=(keyring,)) for keyring in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert [one.key(owner) for owner in one.owners()] == [
            two.key(owner) for owner in one.owners()
        ]
        assert len(one.owners()) == 20


def test_a_destroyed_key_is_gone_at_once_and_after_a_restart(database: Any) -> None:
    with closing(Keyring(database.keyring_url, MASTER_KEY)) as keyring:
        keyring.make(["client:1"], NOW)
        keyring.key("client:1")
        keyring.destroy("client:1")
        assert not keyring.has("client:1")
        with pytest.raises(KeyGone, match="the key of client:1 is gone"):
            keyring.key("client:1")
    with closing(Keyring(database.keyring_url, MASTER_KEY)) as keyring:
        assert not keyring.has("client:1")


def test_a_key_made_after_one_was_destroyed_is_another(keyring: Keyring) -> None:
    keyring.make(["client:1"], NOW)
    before = keyring.key("client:1")
    keyring.destroy("client:1")
    keyring.make(["client:1"], NOW)
    assert keyring.key("client:1") != before


def test_the_wrong_master_key_is_refused_before_it_makes_keys(database: Any) -> None:
    with closing(Keyring(database.keyring_url, MASTER_KEY)) as keyring:
        keyring.make(["client:1"], NOW)
    with pytest.raises(WrongMasterKey, match="set COUNTERFOIL_MASTER_KEY_FILE to the key"):
        Keyring(database.keyring_url, bytes(32))


def test_a_wrapped_key_serves_no_other_owner(keyring: Keyring) -> None:
    keyring.make(["client:1"], NOW)
    steal = text("UPDATE wrapped_key SET owner = 'client:2'")
    keyring.store.write_now(lambda session: session.execute(steal))
    with pytest.raises(WrongMasterKey):
        keyring.key("client:2")


def test_no_key_lies_open_in_the_keyring(keyring: Keyring) -> None:
    keyring.make(["client:1"], NOW)
    key = keyring.key("client:1")
    with keyring.store.read() as session:
        wrapped = bytes(session.execute(text("SELECT wrapped FROM wrapped_key")).scalar_one())
    assert key not in wrapped


def test_a_key_file_is_for_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        new_master_key(tmp_path / "master.key")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600
    assert len(read_master_key((tmp_path / "master.key").read_text())) == 32


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    new_master_key(file)
    before = file.read_text()
    with pytest.raises(FileExistsError):
        new_master_key(file)
    assert file.read_text() == before


@pytest.mark.parametrize(
    "wrong",
    ["", "   ", "not base64!", base64.b64encode(bytes(31)).decode(), "é" * 44],
    ids=["empty", "blank", "words", "31 bytes", "letters"],
)
def test_what_is_no_master_key_is_refused_with_what_to_do(wrong: str) -> None:
    with pytest.raises(ValueError, match="`counterfoil migrate` makes one"):
        read_master_key(wrong)
