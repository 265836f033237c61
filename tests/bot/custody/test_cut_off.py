"""Whoever is killed in the middle of an erasure finishes it: nothing is lost, nothing is double."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from billing import vault
from billing.keyring import Keyring
from billing.models import Client, Erasure, RightsRequest
from bot.app import App
from bot.custody import erasure, erasurelog, lines, rights, tombstones
from bot.custody.erasurelog import NotReplayed
from bot.report import silent
from comms import timeline
from comms.models import Access
from tests.bot.canary import ASKED, fill, opened
from tests.bot.custody.test_erasure import canaries, left_in
from tests.conftest import Database


class Killed(BaseException):
    """The process is no more."""


def never(*_args: Any, **_more: Any) -> None:
    raise Killed


def after(done: Callable[..., Any]) -> Callable[..., Any]:
    """It was done, and nothing else."""

    def run(*args: Any, **more: Any) -> None:
        done(*args, **more)
        raise Killed

    return run


def torn(file: Any, said: Any) -> None:
    """Half of what was to be written is on disk."""
    whole = b"".join(said)
    file.write(whole[: len(whole) // 2])
    raise Killed


def _rows_scrubbed(url: str, most: int | None) -> bool:
    if "keyring" in url:
        raise Killed
    return scrub(url, most)


scrub = erasurelog.scrub
POINTS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "before their new key": (erasure, "_new_owners", never),
    "after their new key": (erasure, "_new_owners", after(erasure._new_owners)),
    "amid the rows": (tombstones, "_unname", never),
    "after the rows": (tombstones, "wipe", after(tombstones.wipe)),
    "before the chain": (timeline, "link", never),
    "after the chain": (timeline, "link", after(timeline.link)),
    "before the log": (lines, "append", never),
    "in the line of the log": (lines, "append", torn),
    "between the log and the commit": (lines, "append", after(lines.append)),
    "after the commit": (erasurelog, "scrub", never),
    "between the files": (erasurelog, "scrub", _rows_scrubbed),
    "before the key": (Keyring, "destroy", never),
    "after the key": (Keyring, "destroy", after(Keyring.destroy)),
}


@pytest.mark.parametrize("point", POINTS)
def test_who_is_killed_while_erasing_finishes_it(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    place = sqlite_database.url, sqlite_database.keyring_url, tmp_path
    app = opened(*place)
    with closing(app.store), closing(app.keyring):
        app.store.write_now(lambda session: fill(session, app))
        with monkeypatch.context() as killing:
            killing.setattr(*POINTS[point])
            with pytest.raises(Killed):
                asyncio.run(erasure.erase(app, ASKED, silent))
    app = opened(*place)
    with closing(app.store), closing(app.keyring):
        asyncio.run(goes_on(app))
        assert canaries(app.store, app.keyring) == []
        assert "client:canary" not in app.keyring.owners()
        with app.store.read() as session:
            assert list(timeline.verify(session)) == []
            gone = session.exec(select(Access.change).where(Access.client_id == 2)).all()
            assert (list(gone), len(session.exec(select(Erasure)).all())) == (["erased"], 1)
    assert [one.key_id for one in erasurelog.read(tmp_path / "erasures")] == ["client:canary"]
    assert left_in(str(tmp_path / "store.db")) == []


async def goes_on(app: App) -> None:
    """As a person does: what the start of the service names, and else what they wanted."""
    log = erasure.log_of(app.settings)
    try:
        erasurelog.need_replayed(log, app.store, app.keyring)
    except NotReplayed:
        await erasure.replay(app, {}, silent)
        erasurelog.need_replayed(log, app.store, app.keyring)
    with app.store.read() as session:
        named = session.get_one(Client, 2).name != tombstones.ERASED
    if named:
        assert (await erasure.erase(app, ASKED, silent)).data["erased"]


async def test_who_is_asked_again_after_a_death_stands_in_the_log_once(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They did not wait for a restart, and asked once more."""
    app = opened(sqlite_database.url, sqlite_database.keyring_url, tmp_path)
    with closing(app.store), closing(app.keyring):
        app.store.write_now(lambda session: fill(session, app))
        with monkeypatch.context() as killing:
            killing.setattr(*POINTS["between the log and the commit"])
            with pytest.raises(Killed):
                await erasure.erase(app, ASKED, silent)
        await erasure.erase(app, ASKED, silent)
        with app.store.read() as session:
            assert session.exec(select(Erasure.reason)).all() == [ASKED["reason"]]
    assert [one.key_id for one in erasurelog.read(tmp_path / "erasures")] == ["client:canary"]


async def test_a_case_that_is_closed_after_the_erasure_keeps_its_own_word_alone(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """Before it stood a line that said no more than (erased)."""
    app = opened(sqlite_database.url, sqlite_database.keyring_url, tmp_path)
    with closing(app.store), closing(app.keyring):
        app.store.write_now(lambda session: fill(session, app))
        asked = {
            "client": ASKED["client"],
            "kind": "erasure",
            "received": "2026-01-02",
            "by": "cli",
        }
        case = {"request": (await rights.open_(app, asked, silent)).data["request"]}
        await rights.extend(app, case | {"reason": "many records"}, silent)
        await erasure.erase(app, ASKED, silent)
        await rights.close(app, case | {"reason": "done on the 6th"}, silent)
        with app.store.read() as session:
            assert noted(session, app) == "done on the 6th"


def noted(session: Session, app: App) -> str:
    request = session.exec(select(RightsRequest)).one()
    return vault.text(session, app.keyring, request.note_id)
