"""Where every chain ended is known elsewhere, so nobody can cut one off unseen."""

import asyncio
import json
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import Session

from billing.models import Client
from billing.store import Store
from bot import checkpoints
from bot.settings import Settings
from comms import checkpoints as ends
from comms import timeline
from comms.models import Touchpoint
from tests.bot.canary import Run, beside, fill, opened
from tests.conftest import Database
from tests.factories import NOON

OTHER_KEY = "b" * 64


@pytest.fixture
def run(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    return partial(beside(database, tmp_path, monkeypatch), "audit")


def said(client_id: int, minute: int) -> Touchpoint:
    at = NOON.replace(minute=minute)
    return Touchpoint(
        client_id=client_id, channel="sms", direction="in", kind="reply",
        occurred_at=at, recorded_at=at,
    )  # fmt: skip


def write(database: Database, *words: Callable[[Session], object] | str) -> None:
    """As the product does, or as somebody with its files and a screwdriver."""

    def work(session: Session) -> None:
        if database.url.startswith("postgresql"):
            session.execute(text("SET LOCAL session_replication_role = replica"))
        for word in words:
            if callable(word):
                word(session)
            else:
                session.execute(text(word))

    with closing(Store(database.url)) as store:
        if store.sqlite:
            store.write_now(_without_triggers)
        store.write_now(work)


def _without_triggers(session: Session) -> None:
    triggers = text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    for name in list(session.execute(triggers).scalars()):
        session.execute(text(f"DROP TRIGGER {name}"))


def test_c29_an_end_that_was_cut_off_without_a_trace_is_named(run: Run, database: Database) -> None:
    write(database, lambda session: timeline.append(session, said(1, 50)))
    taken = run("checkpoint")
    assert taken["ends"] >= 1
    with closing(Store(database.url, writable=False)) as store, store.read() as session:
        (end,) = [one for one in _ends(session) if one[0] == 1]
    last = f"client_id = 1 AND seq = {end[1]}"
    before = f"SELECT hash FROM chain_entry WHERE client_id = 1 AND seq = {end[1] - 1}"
    write(
        database,
        f"DELETE FROM touchpoint WHERE {last}",
        f"DELETE FROM chain_entry WHERE {last}",
        f"UPDATE chain_head SET seq = {end[1] - 1}, hash = ({before}) WHERE client_id = 1",
    )
    found = [one for one in run("verify", code=1)["breaks"] if one["what"].startswith("the entry")]
    gone = "the entry was there at checkpoint 1, and is gone"
    assert found == [{"client_id": 1, "seq": end[1], "what": gone}]


def _ends(session: Session) -> list[tuple[int, int]]:
    return [tuple(row) for row in session.execute(text("SELECT client_id, seq FROM chain_head"))]


def test_a_checkpoint_is_taken_only_of_what_moved(run: Run, database: Database) -> None:
    first = run("checkpoint")
    assert run("checkpoint") == first | {"ends": 0}
    write(database, lambda session: timeline.append(session, said(1, 51)))
    second = run("checkpoint")
    assert (second["ends"], second["checkpoint"]) == (1, first["checkpoint"] + 1)
    assert second["hash"] != first["hash"]


def test_whoever_takes_the_checkpoints_along_is_caught_by_the_file(
    run: Run, database: Database
) -> None:
    run("checkpoint")
    write(database, "DELETE FROM checkpoint_head", "DELETE FROM checkpoint")
    (found,) = run("verify", code=1)["breaks"]
    assert (found["client_id"], found["seq"]) == (0, 1)
    assert "kept elsewhere and is not here any more" in found["what"]


@pytest.mark.parametrize(
    ("before", "after"),
    [('"signature":"', '"signature":"00'), ('"key":"', f'"key":"{OTHER_KEY}"'), ("{", "[")],
    ids=["another signature", "another key", "rubbish"],
)
def test_a_line_that_we_did_not_sign_is_named(
    run: Run, tmp_path: Path, before: str, after: str
) -> None:
    run("checkpoint")
    file = tmp_path / "ends"
    file.write_text(file.read_text().replace(before, after, 1))
    assert "not signed here" in run("verify", code=1)["breaks"][0]["what"]


def test_a_checkpoint_that_was_made_anew_is_caught_by_a_copy_elsewhere(
    run: Run, database: Database, tmp_path: Path
) -> None:
    run("checkpoint")
    copy = tmp_path / "auditor"
    copy.write_bytes((tmp_path / "ends").read_bytes())
    (tmp_path / "ends").unlink()
    write(database, "DELETE FROM checkpoint_head", "DELETE FROM checkpoint")
    write(database, lambda session: timeline.append(session, said(1, 52)))
    run("checkpoint")
    what = [one["what"] for one in run("verify", "--checkpoints", str(copy), code=1)["breaks"]]
    assert what == ["this checkpoint is another one than was kept elsewhere"]


def test_a_line_that_a_crash_cut_short_comes_again(run: Run, tmp_path: Path) -> None:
    run("checkpoint")
    file = tmp_path / "ends"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    run("checkpoint")
    assert file.read_bytes() == whole


@pytest.mark.parametrize("forged", ["key", "number"])
def test_no_forged_line_keeps_a_later_checkpoint_out_of_the_file(
    run: Run, database: Database, tmp_path: Path, forged: str
) -> None:
    run("checkpoint")
    file = tmp_path / "ends"
    line = json.loads(file.read_text()) | {"checkpoint": 10**9}
    if forged == "key":
        line |= {"key": OTHER_KEY}
    with file.open("a") as to:
        to.write(json.dumps(line) + "\n")
    write(database, lambda session: timeline.append(session, said(1, 53)))
    run("checkpoint")
    assert [json.loads(one)["checkpoint"] for one in file.read_text().splitlines()] == [1, 10**9, 2]
    assert len(run("verify", code=1)["breaks"]) == 1  # and the forged one is named


def test_after_an_older_copy_was_restored_every_checkpoint_is_written_and_the_lost_ones_named(
    run: Run, database: Database, tmp_path: Path
) -> None:
    run("checkpoint")
    write(database, lambda session: timeline.append(session, said(1, 54)))
    run("checkpoint")
    write(
        database,
        "DELETE FROM checkpoint_head WHERE checkpoint_id = 2",
        "DELETE FROM checkpoint WHERE id = 2",
        lambda session: timeline.append(session, said(1, 55)),
    )
    now = run("checkpoint")
    lines = [json.loads(one) for one in (tmp_path / "ends").read_text().splitlines()]
    assert [one["checkpoint"] for one in lines] == [1, 2, 2]
    assert lines[-1]["hash"] == now["hash"]
    what = [one["what"] for one in run("verify", code=1)["breaks"]]
    assert what == ["this checkpoint is another one than was kept elsewhere"]


def test_a_checkpoint_that_was_changed_is_named(run: Run, database: Database) -> None:
    run("checkpoint")
    write(database, "UPDATE checkpoint_head SET hash = 'x' WHERE client_id = 1")
    what = {one["what"] for one in run("verify", code=1)["breaks"]}
    assert "the checkpoint was changed" in what


def test_many_ends_are_more_than_one_link(
    run: Run, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ends, "_MOVED", ends._MOVED.limit(1))
    people = [Client(id=n, key_id=f"client:{n}", name="", created_at=NOON) for n in (71, 72)]
    write(database, lambda session: session.add_all(people))
    write(database, *(lambda s, n=n: timeline.append(s, said(n, 40)) for n in (71, 72)))
    taken = run("checkpoint")
    assert taken["checkpoint"] == taken["ends"] >= 2


def test_with_no_file_it_says_that_nothing_keeps_it(
    run: Run, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COUNTERFOIL_CHECKPOINT_FILE")
    default = Settings(database_url=database.url).checkpoints_file
    assert run("checkpoint")["file"] == (str(default) if default else None)


async def test_two_that_take_one_at_once_write_every_end_once(
    database: Database, tmp_path: Path
) -> None:
    """One waits for the other, and then finds nothing more to write down."""
    one = opened(database.url, database.keyring_url, tmp_path)
    with closing(one.store), closing(one.keyring), ExitStack() as opening:
        one.store.write_now(lambda session: fill(session, one))
        other = one.store if one.store.sqlite else opening.enter_context(another(database))
        with one.store.read() as session:
            moved = ends.moved(session)
        first, second = await asyncio.gather(
            checkpoints.take(one), checkpoints.take(replace(one, store=other))
        )
        with one.store.read() as session:
            assert list(ends.verify(session)) == []
            links = ends.links(session)
        assert first + second == len(moved) == sum(link.heads for link in links)
        late = one.store.write_now(lambda session: ends.write(session, moved, NOON, seen=0))
        assert late is None
        path = tmp_path / "ends"
        lines = await asyncio.gather(
            *(asyncio.to_thread(checkpoints._publish, one, path) for _ in range(4))
        )
        assert sum(map(len, lines)) == len(links) == len(path.read_text().splitlines())


def another(database: Database) -> closing[Store]:
    """What another process has of the same database."""
    return closing(Store(database.url))
