import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from billing.models import Hold
from bot.desk import ALREADY, LATER, Desk, drain_spool
from bot.models import Incoming
from bot.spool import Spool
from bot.understanding import understand
from comms.duties.instructions import Pause
from tests import factories
from tests.factories import Product

KEY = bytes(range(32))
PATIENCE = 100


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", KEY)


def bodies(spool: Spool) -> list[str]:
    return [body for _, _, body in spool.read()[0]]


def test_what_was_spooled_comes_back_in_its_order(spool: Spool) -> None:
    for number in range(5):
        spool.append("slack.instruction", f"key:{number}", f'{{"n": {number}, "é": "\\n"}}')
    lines, _ = spool.read()
    assert [line[:2] for line in lines] == [("slack.instruction", f"key:{n}") for n in range(5)]
    assert bodies(spool)[4] == '{"n": 4, "é": "\\n"}'


def test_nothing_was_spooled(spool: Spool) -> None:
    assert spool.read() == ([], 0)


def test_what_was_spooled_cannot_be_read_from_the_file(spool: Spool, tmp_path: Path) -> None:
    spool.append("slack.instruction", "key", "They are in hospital.")
    assert b"hospital" not in (tmp_path / "spool").read_bytes()
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o600
    assert bodies(Spool(tmp_path / "spool", bytes(32))) == []


def test_what_was_read_is_forgotten_once(spool: Spool) -> None:
    spool.append("s", "1", "one")
    _, size = spool.read()
    spool.clear(size)
    assert spool.read() == ([], 0)


def test_what_came_after_the_reading_is_kept(spool: Spool) -> None:
    spool.append("s", "1", "one")
    _, size = spool.read()
    spool.append("s", "2", "two")
    spool.clear(size)
    assert bodies(spool) == ["one", "two"]
    spool.clear(spool.read()[1])
    assert bodies(spool) == []


def test_a_line_cut_short_takes_no_other_with_it(spool: Spool, tmp_path: Path) -> None:
    spool.append("s", "1", "one")
    file, first = tmp_path / "spool", (tmp_path / "spool").read_bytes()
    spool.append("s", "2", "two")
    whole = file.read_bytes()
    for cut in range(len(first), len(whole) - 1):
        file.write_bytes(whole[:cut])
        assert bodies(spool) == ["one"]
        spool.append("s", "3", "three")
        assert bodies(spool) == ["one", "three"]


def test_a_file_of_rubbish_does_not_stay_for_ever(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"not ours\n\xff\xfe")
    lines, size = spool.read()
    assert lines == []
    spool.clear(size)
    assert spool.read() == ([], 0)


_WRITER = """
import sys
from pathlib import Path
from bot.spool import Spool
spool = Spool(Path(sys.argv[1]), bytes(range(32)))
for number in range(10**9):
    spool.append("s", str(number), "x" * 3000)
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_a_killed_process(spool: Spool, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WRITER, str(tmp_path / "spool")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as writer:
        assert writer.stdout is not None
        for _ in range(20):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        acknowledged = 20 + len(writer.stdout.read().split())
    spool.append("s", "last", "after")
    keys = [key for _, key, _ in spool.read()[0]]
    assert keys[:acknowledged] == [str(number) for number in range(acknowledged)]
    assert keys[-1] == "last"


def test_processes_take_turns(spool: Spool, tmp_path: Path) -> None:
    others = [Spool(tmp_path / "spool", KEY) for _ in range(4)]

    def write(one: Spool, name: int) -> None:
        for number in range(25):
            one.append("s", f"{name}:{number}", "x" * 5000)

    threads = [threading.Thread(target=write, args=pair[::-1]) for pair in enumerate(others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(spool.read()[0]) == 100


# --- the desk -------------------------------------------------------------------------------------


@contextmanager
def blocked(product: Product, client_id: int) -> Iterator[None]:
    """Somebody else holds what a write about the client needs."""
    entered, release = threading.Event(), threading.Event()

    def hold(session: Session) -> None:
        session.execute(text("SELECT 1"))
        entered.set()
        assert release.wait(PATIENCE)

    write = partial(product.store.write_now, hold, clients=[client_id])
    holder = threading.Thread(target=write)
    holder.start()
    assert entered.wait(PATIENCE)
    try:
        yield
    finally:
        release.set()
        holder.join(PATIENCE)


def holds(product: Product) -> int:
    with product.store.read() as session:
        return len(session.exec(select(Hold)).all())


def pause(client_id: int) -> Pause:
    return Pause(client_id=client_id, days=3, reason="They called.", by_staff_id=1)


async def test_a_blocked_store_is_answered_soon_and_written_once(
    database: Any, tmp_path: Path
) -> None:
    async with factories.product(database, tmp_path) as product:
        known, desk = product.known(), Desk(product.app)
        with blocked(product, known.client_id):
            sentences = await asyncio.gather(
                *(desk.instruct("click:1", pause(known.client_id)) for _ in range(2))
            )
            assert holds(product) == 0
        assert set(sentences) == {LATER}
        assert desk._patience <= 0.5  # Slack gives up after three seconds
        await drain_spool(product.app)
        await understand(product.app)
        assert holds(product) == 1
        assert product.app.spool.read() == ([], 0)
        assert await desk.instruct("click:1", pause(known.client_id)) == ALREADY
        assert holds(product) == 1


async def test_what_was_spooled_happens_after_a_crash(database: Any, tmp_path: Path) -> None:
    async with factories.product(database, tmp_path) as product:
        known = product.known()
        asked = pause(known.client_id).model_dump_json()
        for _ in range(2):
            product.app.spool.append("slack.instruction", "click:1", asked)
        await drain_spool(product.app)
        await understand(product.app)
        assert holds(product) == 1
        with product.store.read() as session:
            assert [row.state for row in session.exec(select(Incoming))] == ["done"]


async def test_what_comes_at_once_is_kept_in_its_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", KEY)
    asked = [("slack.instruction", f"k{number}", "{}") for number in range(50)]
    await asyncio.gather(*(spool.keep(*line) for line in asked))
    assert spool.read()[0] == [tuple(line) for line in asked]
