"""How does each trouble of a plan come true, and did the product feel it?"""

import asyncio
import contextlib
import datetime as dt
import functools
import os
import random
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import urlencode

from bot.sandbox import loopback
from bot.sandbox.faults import Fault, Faults
from tests.faults.history import Event, phone_of
from tests.faults.ordeal import HOUR, Ordeal
from tests.faults.plan import Trouble

Befall = Callable[[Ordeal, Trouble], Awaitable[None]]
SHORT = 0.06
"""Seconds that a provider stays silent before its connection breaks; the product would wait 20."""
BAD_AFTER = 8192
"""Bytes of a file on a bad disk that can be written; SQLite meets an I/O error beyond them."""


async def befall(ordeal: Ordeal, trouble: Trouble) -> None:
    """What the plan says comes true."""
    ordeal.met[trouble.what] += 1
    await _KINDS[trouble.what](ordeal, trouble)


def reckon(ordeal: Ordeal) -> None:
    """Count what went wrong at the wire, now that nothing more shall."""
    for name, planned, times in ordeal.wrong:
        struck = times - max(planned.left, 0)
        ordeal.bites[name] += struck
        ordeal.met["fault that met nothing"] += times - struck


# --- the process ----------------------------------------------------------------------------------


async def _kill(ordeal: Ordeal, trouble: Trouble) -> None:
    """At a point of its work that the plan names."""
    ordeal.doom = (trouble.get("point"), trouble.get("nth"))
    ordeal.lease_over = trouble.get("lease_over")


async def _shot(ordeal: Ordeal, trouble: Trouble) -> None:
    """At any moment, wherever it is."""
    ordeal.lease_over = trouble.get("lease_over")
    ordeal.during.append(functools.partial(_shooting, ordeal, trouble.get("after")))


@contextlib.asynccontextmanager
async def _shooting(ordeal: Ordeal, after: float) -> AsyncIterator[None]:
    async def shoot() -> None:
        await asyncio.sleep(after)
        ordeal.blame = "shot"
        with contextlib.suppress(ProcessLookupError):
            os.kill(ordeal.pid, signal.SIGKILL)

    shooting = asyncio.create_task(shoot())
    yield
    await shooting


# --- the wire -------------------------------------------------------------------------------------


async def _sms(ordeal: Ordeal, trouble: Trouble) -> None:
    _go_wrong(ordeal, ordeal.around.twilio.faults, "send", trouble)


async def _sms_list(ordeal: Ordeal, trouble: Trouble) -> None:
    _go_wrong(ordeal, ordeal.around.twilio.faults, "list", trouble)


async def _slack(ordeal: Ordeal, trouble: Trouble) -> None:
    _go_wrong(ordeal, ordeal.around.slack.faults, "chat.postMessage", trouble)


async def _mail(ordeal: Ordeal, trouble: Trouble) -> None:
    _go_wrong(ordeal, ordeal.around.mail.faults, trouble.get("command"), trouble)


async def _report(ordeal: Ordeal, trouble: Trouble) -> None:
    _go_wrong(ordeal, ordeal.around.twilio.faults, "status", trouble)
    if not ordeal.met["asked for help"]:  # so one text is sure to be sent, and reported
        ordeal.met["asked for help"] += 1
        ordeal.happen(Event(ordeal.now, (), "sms", phone_of(0), "HELP"))


def _go_wrong(ordeal: Ordeal, faults: Faults, endpoint: str, trouble: Trouble) -> None:
    fault, times = trouble.get("fault"), trouble.get("times")
    seconds = 2 if fault is Fault.RATE_LIMIT else SHORT
    faults.plan(endpoint, fault, times=times, seconds=seconds)
    ordeal.wrong.append((f"{trouble.what}: {fault}", faults._queues[endpoint][-1], times))


async def _hooks_again(ordeal: Ordeal, trouble: Trouble) -> None:
    """Hooks of the past come again, in another order."""
    dice = random.Random(f"{ordeal.plan.seed} {ordeal.now}")
    around = ordeal.around
    old = [one for one in around.twilio.hooks if one.answer.accepted]
    for hook in dice.sample(old, min(trouble.get("hooks"), len(old))):
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": around.twilio.signature(hook.url, hook.params),
        }
        answer = await loopback.post(hook.url, urlencode(hook.params).encode(), headers)
        ordeal.bites["hooks again"] += answer.accepted
    mails = list(around.mail.written)
    for raw in dice.sample(mails, min(2, len(mails))):
        await around.mail.deliver_raw(raw)
        ordeal.bites["mail again"] += 1


# --- the clock ------------------------------------------------------------------------------------


async def _jump(ordeal: Ordeal, trouble: Trouble) -> None:
    hour = dt.timedelta(hours=trouble.get("hours"))
    clock = ordeal.around.clock
    if trouble.get("clock") == "business":
        clock.turn(clock.now() + hour)
    else:
        clock.ahead += hour if trouble.get("clock") == "wall" else -hour
    ordeal.bites[f"jump: {trouble.get('clock')}"] += 1


async def _far_jump(ordeal: Ordeal, trouble: Trouble) -> None:
    clock = ordeal.around.clock
    clock.turn(clock.now() + dt.timedelta(days=trouble.get("days")))
    ordeal.bites["far jump"] += 1


# --- the disk -------------------------------------------------------------------------------------


async def _bad_disk(ordeal: Ordeal, trouble: Trouble) -> None:
    """No file grows any more: every write fails for hours."""
    ordeal.bad_until = ordeal.now + trouble.get("hours") * HOUR
    await ordeal.ask("limit", bytes=BAD_AFTER)


async def _full_disk(ordeal: Ordeal, trouble: Trouble) -> None:
    if ordeal.disk.small:
        ordeal.bad_until = ordeal.now + trouble.get("hours") * HOUR
        ordeal.disk.fill()


async def _bad_device(ordeal: Ordeal, trouble: Trouble) -> None:
    """The kernel itself answers EIO, from a call of a pass on, or once."""
    if cannot_trace() or ordeal.plan.postgres:
        return
    which = f"{trouble.get('call')}:error=EIO:when={trouble.get('when')}"
    ordeal.during.append(functools.partial(_tracing, ordeal, trouble.get("call"), which))


@functools.cache
def cannot_trace() -> str:
    """Why no system call can be made to fail here; nothing where it can."""
    if shutil.which("strace") is None:
        return "there is no strace (apt-get install strace)"
    return "" if os.geteuid() == 0 else "only root may trace a process that is not its child"


@contextlib.asynccontextmanager
async def _tracing(ordeal: Ordeal, call: str, which: str) -> AsyncIterator[None]:
    """One pass with something to do; and the next, where nothing was felt."""
    if ordeal.idle:
        ordeal.during.append(functools.partial(_tracing, ordeal, call, which))
        yield
        return
    log = ordeal.around.folder / "strace.log"
    tracer = await asyncio.create_subprocess_exec(
        "strace", "-f", "-qq", "-o", str(log), "-p", str(ordeal.pid),
        "-e", f"trace={call}", "-e", f"inject={which}",
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    traced = ordeal.pid
    while tracer.returncode is None and not _is_traced(traced):  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0.005)
    yield
    with contextlib.suppress(ProcessLookupError):
        tracer.terminate()
    await tracer.wait()
    felt = log.read_text().count("(INJECTED)")
    ordeal.bites[f"bad device: {call}"] += felt
    if not felt:
        ordeal.during.append(functools.partial(_tracing, ordeal, call, which))


def _is_traced(pid: int) -> bool:
    """Whether every thread has its tracer."""
    tasks = Path(f"/proc/{pid}/task")
    try:
        states = [(one / "status").read_text() for one in tasks.iterdir()]
    except FileNotFoundError:
        return False
    return all("TracerPid:\t0\n" not in state for state in states)


# --- PostgreSQL -----------------------------------------------------------------------------------


async def _stop_postgres(ordeal: Ordeal, trouble: Trouble) -> None:
    """At any moment of a pass."""
    ordeal.during.append(functools.partial(_stopping, ordeal, trouble.get("after")))


@contextlib.asynccontextmanager
async def _stopping(ordeal: Ordeal, after: float) -> AsyncIterator[None]:
    if ordeal.idle:
        ordeal.during.append(functools.partial(_stopping, ordeal, after))
    else:
        ordeal.tasks.append(asyncio.create_task(_pull_plug(ordeal, "stop postgres", after)))
    yield


async def _stop_postgres_sending(ordeal: Ordeal, trouble: Trouble) -> None:
    """While a message is on the wire: it was taken, and that cannot be written down."""
    around = ordeal.around
    endpoint = trouble.get("endpoint")
    faults = {"send": around.twilio.faults, "data": around.mail.faults}.get(
        endpoint, around.slack.faults
    )

    def pull(_facts: Mapping[str, str]) -> bool:
        if ordeal.plug.locked() or ordeal.pulled:
            return False
        assert ordeal.stop_postgres is not None
        ordeal.pulled = "stop postgres, sending"
        ordeal.stop_postgres()  # nothing else runs in this loop: the answer cannot be earlier
        # Not before the pass is over: a quick server would be back before anybody misses it.
        ordeal.afterwards.append(functools.partial(_start_again, ordeal))
        return True

    faults.plan(endpoint, Fault.SLOW, match=pull, seconds=SHORT)


async def _pull_plug(ordeal: Ordeal, name: str, after: float) -> None:
    await asyncio.sleep(after)
    async with ordeal.plug:
        if not ordeal.pulled:
            assert ordeal.stop_postgres is not None
            ordeal.pulled = name
            await asyncio.to_thread(ordeal.stop_postgres)
            await asyncio.sleep(0.05)
    await _start_again(ordeal)


async def _start_again(ordeal: Ordeal) -> None:
    """Harmless where it runs."""
    assert ordeal.start_postgres is not None
    async with ordeal.plug:
        await asyncio.to_thread(ordeal.start_postgres)


_KINDS: Mapping[str, Befall] = {
    "kill": _kill,
    "shot": _shot,
    "sms": _sms,
    "sms list": _sms_list,
    "slack": _slack,
    "mail": _mail,
    "report": _report,
    "hooks again": _hooks_again,
    "jump": _jump,
    "far jump": _far_jump,
    "bad disk": _bad_disk,
    "bad device": _bad_device,
    "full disk": _full_disk,
    "stop postgres": _stop_postgres,
    "stop postgres, sending": _stop_postgres_sending,
}
