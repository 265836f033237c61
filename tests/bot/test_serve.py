"""How the process stops: what ended it is said, whatever else had to be cut off."""

import asyncio

import pytest

from bot import serve


async def test_what_ended_the_process_is_not_hidden_by_what_was_cut_off() -> None:
    async def fails() -> None:
        raise RuntimeError("the worker died")

    async def lingers() -> None:
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(fails()), asyncio.create_task(lingers())]
    with pytest.raises(RuntimeError, match="the worker died"):
        await serve.ended(tasks, grace=0.01)
    assert tasks[1].cancelled()
