"""How many texts a second leave, and does each call get its own answer?

Ours is the product's SMS channel: Twilio's own SDK over our transport. Beside it aiohttp alone,
which posts the same form. The stand-in for Twilio answers in its own time and order, and every
answer carries its recipient: the SID of a text is made from the number that it went to, so one
answer in another's hands is seen. (Of the SDK's own two transports, one crosses them.)
"""

import asyncio
import hashlib
import json
import random
from collections.abc import Awaitable, Callable, Iterator
from statistics import median
from time import perf_counter
from urllib.parse import parse_qs

import aiohttp
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks import product, wire
from benchmarks.figures import Figure, Scale
from comms.channels.sms import Account, Sms
from comms.ports import Outgoing

_RATED = {Scale.SMALL: 600, Scale.FULL: 4000}
_ROUNDS = {Scale.SMALL: 3, Scale.FULL: 7}
_AT_ONCE = 64
_CROSSING = {Scale.SMALL: 5000, Scale.FULL: 100_000}
_MESSAGES = f"/2010-04-01/Accounts/{product.ACCOUNT}/Messages.json"
_CALLBACK = product.PUBLIC_URL + "/hooks/twilio/status?ref={}"


def figures(scale: Scale) -> Iterator[Figure]:
    """Texts a second, and how many of many at once got somebody else's answer."""
    with wire.serving(_twilio) as server:
        url = f"http://127.0.0.1:{server.port}"
        rates = [asyncio.run(_rates(url, _RATED[scale])) for _ in range(_ROUNDS[scale])]
        ours, bare = (median(of) for of in zip(*rates, strict=True))
        yield Figure(
            name=f"texts sent, {_AT_ONCE} at a time",
            database="",
            ours=ours,
            bare=bare,
            unit="/s",
            better="more",
            goal="at least 0.5 of bare",
            note="bare: aiohttp posts the form; the SDK makes an object of every answer",
        )
        many = _CROSSING[scale]
        began = perf_counter()
        crossed = asyncio.run(_crossed(url, many))
        yield Figure(
            name=f"answers crossed, {many:,} texts at once",
            database="",
            ours=crossed,
            bare=None,
            unit="",
            better="less",
            goal="at most 0",
            note=f"in {perf_counter() - began:.0f} s; answers come late and out of order",
        )


def number(index: int) -> str:
    """A phone number of its own."""
    return f"+1212{index:07}"


def sid_of(recipient: str) -> str:
    """The SID that the stand-in gives a text to this number."""
    return "SM" + hashlib.sha256(recipient.encode()).hexdigest()[:32]


def text(index: int) -> Outgoing:
    """A reminder to a number of its own."""
    return Outgoing(
        reference=f"r{index}",
        to=number(index),
        sender="",
        text=f"Harbour Legal: invoice INV-{index} of $412.18 is overdue. Reply STOP to opt out.",
    )


def _ours(url: str) -> Sms:
    return Sms(
        Account(
            sid=product.ACCOUNT,
            token=product.TOKEN,
            public_url=product.PUBLIC_URL,
            sender=product.SENDER,
            base_url=url,
            timeout=120.0,
        )
    )


async def _rates(url: str, many: int) -> tuple[float, float]:
    """Texts a second: ours, then aiohttp alone."""
    ours = _ours(url)
    account = aiohttp.BasicAuth(product.ACCOUNT, product.TOKEN)
    async with aiohttp.ClientSession(auth=account) as session:

        async def post(message: Outgoing) -> None:
            form = {
                "To": message.to,
                "Body": message.text,
                "From": product.SENDER,
                "StatusCallback": _CALLBACK.format(message.reference),
                "ValidityPeriod": "14400",
            }
            async with session.post(url + _MESSAGES, data=form) as answer:
                if (await answer.json())["sid"] != sid_of(message.to):
                    raise AssertionError("aiohttp got another text's answer")

        found = await _rate(ours.send, many), await _rate(post, many)
    await ours.close()
    return found


async def _rate(send: Callable[[Outgoing], Awaitable[object]], many: int) -> float:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(message: Outgoing) -> None:
        async with turns:
            await send(message)

    await asyncio.gather(*(one(text(index)) for index in range(_AT_ONCE)))  # connects
    messages = [text(index) for index in range(many)]
    began = perf_counter()
    await asyncio.gather(*map(one, messages))
    return many / (perf_counter() - began)


async def _crossed(url: str, many: int) -> int:
    """Send all of them at once, and count the answers that were another's."""
    ours = _ours(url)
    wrong = 0

    async def one(index: int) -> None:
        nonlocal wrong
        sent = await ours.send(text(index))
        wrong += sent.provider_id != sid_of(number(index))

    async with asyncio.TaskGroup() as tasks:
        for index in range(many):
            tasks.create_task(one(index))
    await ours.close()
    return wrong


def _twilio() -> ASGIApp:
    """What answers in Twilio's place: late by up to 5 ms, so that answers overtake each other."""
    delays = random.Random(20260303)

    async def answer(_scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        await asyncio.sleep(delays.uniform(0, 0.005))
        made = json.dumps(_resource(form)).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(made))]
        await send({"type": "http.response.start", "status": 201, "headers": head})
        await send({"type": "http.response.body", "body": made})

    return answer


def _resource(form: dict[str, str]) -> dict[str, object]:
    """A message as Twilio shows it."""
    sid = sid_of(form["To"])
    return {
        "account_sid": product.ACCOUNT, "api_version": "2010-04-01", "body": form["Body"],
        "date_created": "Tue, 03 Mar 2026 16:00:00 +0000", "date_sent": None,
        "date_updated": "Tue, 03 Mar 2026 16:00:00 +0000", "direction": "outbound-api",
        "error_code": None, "error_message": None, "from": form["From"],
        "messaging_service_sid": None, "num_media": "0", "num_segments": "1", "price": None,
        "price_unit": "USD", "sid": sid, "status": "queued", "subresource_uris": {},
        "to": form["To"], "uri": f"{_MESSAGES.removesuffix('.json')}/{sid}.json",
    }  # fmt: skip
