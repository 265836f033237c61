"""Somebody outside hears of us every minute, but only while the work goes on."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot import schedule
from bot.inbox import Parcel
from bot.intake import Fact
from bot.sandbox import loopback
from bot.spool import Spool
from bot.watching import heartbeat
from bot.watching.heartbeat import STILL, Pulse
from comms.models import State
from tests import factories


def well() -> Pulse:
    pulse = Pulse()
    pulse.went_round()
    return pulse


class Watcher:
    """Counts the calls, and answers as it is told."""

    def __init__(self) -> None:
        self.heard = 0
        self.status = 200
        self.url = ""

    async def answer(self, _request: Request) -> Response:
        self.heard += 1
        return Response(status_code=self.status)


@pytest.fixture
async def watcher() -> AsyncIterator[Watcher]:
    watcher = Watcher()
    site = Starlette(routes=[Route("/ping", watcher.answer)])
    async with loopback.serve(site) as url:
        watcher.url = f"{url}/ping"
        yield watcher


async def test_the_watcher_hears_while_all_is_well(watcher: Watcher) -> None:
    assert await heartbeat.beat(well(), watcher.url)
    assert watcher.heard == 1


@pytest.mark.parametrize(
    ("trouble", "pulse"),
    [
        ("worker_still", Pulse()),
        ("worker_still", Pulse(last_round=time.monotonic() - STILL - 1)),
        ("pass_failed", Pulse(last_round=float("inf"), failed=True)),
        ("audit", Pulse(last_round=float("inf"), severe=1)),
    ],
    ids=["never worked", "stopped working", "failed", "audit"],
)
async def test_the_watcher_hears_nothing_in_trouble(
    watcher: Watcher, trouble: str, pulse: Pulse
) -> None:
    assert pulse.trouble == trouble
    assert not await heartbeat.beat(pulse, watcher.url)
    assert watcher.heard == 0


async def test_a_refusal_disturbs_nothing(watcher: Watcher) -> None:
    watcher.status = 500
    assert not await heartbeat.beat(well(), watcher.url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/ping", "http://[::1]:1/", "http://127.0.0.1:"])
async def test_a_watcher_that_is_not_there_disturbs_nothing(url: str) -> None:
    assert not await asyncio.wait_for(heartbeat.beat(well(), url), 15)


async def test_a_pass_that_fails_silences_it_and_the_next_one_gives_it_back(
    sqlite_database: Any, tmp_path: Path
) -> None:
    async with factories.product(sqlite_database, tmp_path) as product:
        readers = {"email": _explode}
        broken = replace(product.app, readers=readers)
        now = product.clock.now()
        await broken.inbox.receive(Parcel("email", "m1", b"x"), now)
        await schedule.once(broken)
        assert broken.pulse.trouble == "pass_failed"
        await schedule.once(broken)
        assert broken.pulse.trouble == ""


async def test_a_spool_that_cannot_be_read_keeps_nothing_else_from_its_work(
    sqlite_database: Any, tmp_path: Path
) -> None:
    async with factories.product(sqlite_database, tmp_path) as product:
        message = product.note(product.known())
        (tmp_path / "no spool").mkdir()
        broken = replace(product.app, spool=Spool(tmp_path / "no spool", bytes(32)))
        await schedule.once(broken)
        assert broken.pulse.trouble == "pass_failed"
        assert product.state(message) != State.QUEUED


async def test_what_serves_calls_the_watcher_and_looks_for_itself(
    sqlite_database: Any, tmp_path: Path, watcher: Watcher
) -> None:
    async with factories.product(sqlite_database, tmp_path) as product:
        always = {"work", "tidy", "audit", "checkpoint", "strictures", "missed"}
        settings = product.app.settings.model_copy(update={"heartbeat_url": watcher.url})
        timers = schedule.timers(replace(product.app, settings=settings))
        assert {job.id for job in timers.get_jobs()} == {*always, "heartbeat"}
        without = schedule.timers(product.app)
        assert {job.id for job in without.get_jobs()} == always


@pytest.mark.parametrize("name", ["tidy", "checkpoint", "audit", "strictures"])
async def test_a_job_that_fails_is_told_by_its_kind_alone(
    sqlite_database: Any, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with factories.product(sqlite_database, tmp_path) as product:
        job = schedule.timers(product.app).get_job(name)
        await job.func("no product", *job.args[1:])
        assert f"{name}_failed" in capsys.readouterr().out


def _explode(_parcel: Parcel) -> list[Fact]:
    raise RuntimeError("nobody foresaw this")
