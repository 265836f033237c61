import base64
import datetime as dt
import os
import stat
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from typing_extensions import override

from billing import keyring as keyring_module
from billing.keyring import (
    KeyGone,
    Keyring,
    WrongMasterKey,
    new_master_key,
    read_master_key,
)
from billing.masterkeys import LocalMasterKey

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


def test_a_key_that_another_process_destroyed_opens_nothing_here(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was kept open until the process ended: what was erased could be read there for weeks."""
    monkeypatch.setattr(keyring_module, "AGAIN", 0)
    with (
        closing(Keyring(database.keyring_url, MASTER_KEY)) as one,
        closing(Keyring(database.keyring_url, MASTER_KEY)) as other,
    ):
        for owner in ("client:1", "client:2"):
            one.make(["client:1", "client:2"], NOW)
            other.key("client:1")
            kept = other.key("client:2")
            one.destroy(owner)
            assert not other.has(owner)
        other.make(["client:2"], NOW)
        assert other.key("client:2") != kept


def test_a_key_that_is_open_costs_no_statement(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring_module, "AGAIN", float("inf"))
    keyring.make(["client:1"], NOW)
    keyring.key("client:1")
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert len({keyring.key("client:1") for _ in range(9)}) == 1
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert asked == []


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


# --- another master key ---------------------------------------------------------------------------

OTHER_KEY = bytes(range(32, 64))


def standing(keyring: Keyring) -> dict[str, int]:
    return {one.standing: one.keys for one in keyring.under()}


def owners(count: int) -> list[str]:
    return [f"client:{number:05}" for number in range(count)]


def test_every_key_is_the_same_under_another_master_key(database: Any) -> None:
    with closing(Keyring(database.keyring_url, MASTER_KEY)) as keyring:
        keyring.make(owners(3), NOW)
        before = keyring.keys(owners(3))
    with closing(Keyring(database.keyring_url, OTHER_KEY, MASTER_KEY)) as keyring:
        assert list(keyring.rewrap()) == [3]
        assert standing(keyring) == {"in use": 3}
    with closing(Keyring(database.keyring_url, OTHER_KEY)) as keyring:
        assert keyring.keys(owners(3)) == before
    with pytest.raises(WrongMasterKey):
        Keyring(database.keyring_url, MASTER_KEY)


def test_a_change_of_the_master_key_that_was_killed_half_way_goes_on(database: Any) -> None:
    many = owners(1100)
    with closing(Keyring(database.keyring_url, MASTER_KEY)) as keyring:
        keyring.make(many, NOW)
        before = keyring.keys(many)
    with closing(Keyring(database.keyring_url, OTHER_KEY, MASTER_KEY)) as keyring:
        assert next(keyring.rewrap()) == 500  # and nobody asks for more
        assert standing(keyring) == {"in use": 500, "valid": 600}
    with closing(Keyring(database.keyring_url, OTHER_KEY, MASTER_KEY)) as keyring:
        assert keyring.keys(many) == before
        assert list(keyring.rewrap()) == [500, 600]
        assert list(keyring.rewrap()) == []
        assert standing(keyring) == {"in use": 1100}


@pytest.mark.parametrize("alone", [MASTER_KEY, OTHER_KEY], ids=["previous", "new"])
def test_half_way_neither_master_key_is_enough(database: Any, alone: bytes) -> None:
    with closing(Keyring(database.keyring_url, MASTER_KEY)) as keyring:
        keyring.make(owners(600), NOW)
    with closing(Keyring(database.keyring_url, OTHER_KEY, MASTER_KEY)) as keyring:
        next(keyring.rewrap())
    with pytest.raises(WrongMasterKey):
        Keyring(database.keyring_url, alone)


def test_who_does_not_know_the_new_master_key_yet_can_be_told_of_it_first(database: Any) -> None:
    with (
        closing(Keyring(database.keyring_url, MASTER_KEY, OTHER_KEY)) as before,
        closing(Keyring(database.keyring_url, OTHER_KEY, MASTER_KEY)) as after,
    ):
        after.make(["client:1"], NOW)
        before.make(["client:2"], NOW)
        assert before.key("client:1") == after.key("client:1")
        assert before.key("client:2") == after.key("client:2")


def test_a_key_that_is_destroyed_meanwhile_does_not_come_back(database: Any) -> None:
    class Interrupted(LocalMasterKey):
        @override
        def wrap(self, key: bytes, owner: str) -> bytes:
            other.destroy(owner)
            return super().wrap(key, owner)

    with closing(Keyring(database.keyring_url, MASTER_KEY)) as other:
        other.make(["client:1"], NOW)
        with closing(Keyring(database.keyring_url, Interrupted(OTHER_KEY), MASTER_KEY)) as keyring:
            list(keyring.rewrap())
        assert other.owners() == []


def test_keys_from_before_master_keys_had_names_are_opened_and_named(keyring: Keyring) -> None:
    wrapped = LocalMasterKey(MASTER_KEY).wrap(bytes(32), "client:old")
    row = {"owner": "client:old", "wrapped": wrapped, "at": NOW}
    add = text(
        "INSERT INTO wrapped_key (owner, wrapped, created_at) VALUES (:owner, :wrapped, :at)"
    )
    keyring.store.write_now(lambda session: session.execute(add, row))
    assert keyring.key("client:old") == bytes(32)
    assert standing(keyring) == {"in use": 0, "nameless": 1}
    list(keyring.rewrap())
    assert standing(keyring) == {"in use": 1}


def test_keys_under_a_master_key_that_is_not_named_are_counted(database: Any) -> None:
    with closing(Keyring(database.keyring_url, MASTER_KEY)) as keyring:
        keyring.make(["client:1", "client:2", "client:3"], NOW)
        with closing(Keyring(database.keyring_url, OTHER_KEY, MASTER_KEY)) as other:
            list(other.rewrap())
        keyring.make(["client:4"], NOW)
        assert standing(keyring) == {"in use": 1, "unknown": 3}


def test_no_file_holds_a_key_that_was_destroyed_or_wrapped_anew(tmp_path: Path) -> None:
    def left() -> int:
        written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        return sum(row[-40:] in written for row in kept)

    url = f"sqlite:///{tmp_path / 'keys.db'}"
    with closing(Keyring(url, MASTER_KEY)) as keyring:
        keyring.make(owners(300), NOW)
        with keyring.store.read() as session:
            kept = session.execute(text("SELECT wrapped FROM wrapped_key")).scalars().all()
        assert left() == 300
        for owner in owners(300)[:100]:
            keyring.destroy(owner)
        assert left() == 200
    with closing(Keyring(url, OTHER_KEY, MASTER_KEY)) as keyring:
        list(keyring.rewrap())
        assert left() == 0


def test_the_name_of_a_master_key_tells_nothing_about_it() -> None:
    name = LocalMasterKey(MASTER_KEY).name
    assert name not in MASTER_KEY
    assert name != LocalMasterKey(OTHER_KEY).name
