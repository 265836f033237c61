"""How does a test wait for what another task, process or machine does?

For as long as it takes: what never happens is ended by the limit that pytest has for every test, so
no number here says how quick a machine must be.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


async def until(true: Callable[[], bool]) -> None:
    """It has happened."""
    while not true():  # noqa: ASYNC110 - it is on the other side of a wire, where no event is ours
        await asyncio.sleep(0.005)


async def unanswered(asking: Coroutine[Any, Any, Any], come: Callable[[], bool]) -> None:
    """Give up on who does not answer, but not before the question has come to what ``come`` sees.

    Raises:
        TimeoutError: always, as from a limit that ran out.
    """
    task = asyncio.create_task(asking)
    await until(lambda: come() or task.done())
    done, _ = await asyncio.wait({task}, timeout=0.05)
    assert not done, f"it was answered: {task}"
    task.cancel()
    await asyncio.wait({task})
    raise TimeoutError
