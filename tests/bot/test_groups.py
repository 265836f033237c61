"""What comes at once is done at once; nobody pays for another's mistake."""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import closing

import pytest

from bot import serve
from bot.groups import Together


class Work:
    """Doubles numbers, and notes which came together."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.groups.append(list(numbers))
        await asyncio.sleep(0)
        if 13 in numbers:
            raise ValueError("13")
        return [2 * number for number in numbers]


async def test_everybody_gets_their_own_answer() -> None:
    together = Together(Work(), 8)
    assert await asyncio.gather(*map(together.do, range(20, 40))) == [2 * n for n in range(20, 40)]


async def test_what_comes_meanwhile_goes_together() -> None:
    work = Work()
    together = Together(work, 3)
    first = asyncio.create_task(together.do(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.gather(first, *map(together.do, (2, 3, 4, 5)))
    assert work.groups == [[1], [2, 3, 4], [5]]


async def test_one_that_fails_fails_alone() -> None:
    together = Together(Work(), 8)
    answers = await asyncio.gather(*map(together.do, (1, 13, 2)), return_exceptions=True)
    assert answers[0] == 2
    assert isinstance(answers[1], ValueError)
    assert answers[2] == 4


async def test_whoever_leaves_stops_nobody() -> None:
    together = Together(Work(), 8)
    tasks = [asyncio.create_task(together.do(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    assert await tasks[1] == 4
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]


def test_no_answer_waits_for_the_one_before_it_to_be_acknowledged() -> None:
    with closing(serve._bound("127.0.0.1", 0)) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
