"""How many webhooks a second are kept for good, and how long does each wait for its 200?

The product as it serves, over loopback: Twilio's signature is checked, the request is a committed
row, then it is answered. Beside it a server that checks the same signature and keeps nothing.
Rounds of both take turns, so that a machine that is busy is busy for both, and the middle one of
the rounds counts.
"""

import asyncio
import base64
import hmac
import itertools
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from statistics import median
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import func, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp
from twilio.request_validator import RequestValidator

from benchmarks import product, stores, wire
from benchmarks.figures import Figure, Scale
from benchmarks.stores import Place
from benchmarks.wire import Load, Server
from billing.store import Store
from bot.app import live
from bot.desk import Desk
from bot.models import Incoming
from bot.slack.hook import slack_side
from bot.web import web

PATH = "/hooks/twilio/sms"
URL = product.PUBLIC_URL + PATH
_ROUNDS = {Scale.SMALL: 3, Scale.FULL: 7}
_AT_ONCE = {
    Scale.SMALL: ((1, 100), (16, 1600), (64, 3200)),
    Scale.FULL: ((1, 1000), (16, 6400), (64, 9600)),
}
_numbers = itertools.count(1)


def figures(scale: Scale) -> Iterator[Figure]:
    """Hooks a second and their p50 and p99 at each concurrency, on each database."""
    for database in stores.DATABASES:
        with stores.fresh(database) as place, ExitStack() as stack:
            keys = stack.enter_context(product.keys_apart(place))
            ours = stack.enter_context(wire.serving(_ours, place.url, keys))
            bare = stack.enter_context(wire.serving(_bare))
            sent = 0
            for at_once, size in _AT_ONCE[scale]:
                began = [one.worked() for one in (ours, bare)]
                rounds = [_round(ours, bare, at_once, size) for _ in range(_ROUNDS[scale])]
                asked = size * len(rounds)
                ended = [one.worked() for one in (ours, bare)]
                each = [1000 * (e - b) / asked for b, e in zip(began, ended, strict=True)]
                yield from _told(database, at_once, *zip(*rounds, strict=True))
                yield _work(database, at_once, *each)
                sent += asked
            yield from _sync(database)
            kept = _kept(place)
            if kept != sent:
                raise AssertionError(f"{sent} hooks were answered, {kept} rows are there")


def _round(ours: Server, bare: Server, at_once: int, size: int) -> tuple[Load, Load]:
    """The same number of requests for ours, then for the bare server."""
    return _fired(ours.port, at_once, size), _fired(bare.port, at_once, size)


def _work(database: str, at_once: int, ours: float, bare: float) -> Figure:
    return Figure(
        name=f"processor time of a hook, {at_once} at a time",
        database=database,
        ours=ours,
        bare=bare,
        unit="ms",
        better="less",
        goal="",
        note="of the serving process, all its threads; the least touched by other programs",
    )


def _sync(database: str) -> Iterator[Figure]:
    """What the disk itself takes in this very run: no commit can be faster."""
    if database != "sqlite":
        return
    times = []
    with tempfile.TemporaryFile(dir=stores.FOLDER) as file:
        for _ in range(200):
            file.write(b"x" * 4096)
            file.flush()
            began = perf_counter()
            os.fdatasync(file.fileno())
            times.append(perf_counter() - began)
    for share in (50, 99):
        yield Figure(
            name=f"4 KB synced to this disk, p{share}",
            database="",
            ours=1000 * wire.percentile(times, share),
            bare=None,
            unit="ms",
            better="less",
            goal="",
            note="nothing of ours: what every commit waits for",
        )


def _fired(port: int, at_once: int, size: int) -> Load:
    load = asyncio.run(wire.fire(port, [text(next(_numbers)) for _ in range(size)], at_once))
    if load.refused:
        raise AssertionError(f"{load.refused} of {size} hooks were not answered 200")
    return load


def _told(
    database: str, at_once: int, ours: Sequence[Load], bare: Sequence[Load]
) -> Iterator[Figure]:
    many = at_once > 1
    yield Figure(
        name=f"hooks kept, {at_once} at a time",
        database=database,
        ours=median(load.rate for load in ours),
        bare=median(load.rate for load in bare),
        unit="/s",
        better="more",
        goal="at least 0.5 of bare" if many else "",
        note="" if many else "alone, each waits for a commit of its own",
    )
    for share in (50, 99):
        yield Figure(
            name=f"a hook's answer, {at_once} at a time, p{share}",
            database=database,
            ours=1000 * median(load.percentile(share) for load in ours),
            bare=1000 * median(load.percentile(share) for load in bare),
            unit="ms",
            better="less",
            goal="at most 60 ms" if share == 99 else "",
        )


def _kept(place: Place) -> int:
    with closing(Store(place.url, writable=False)) as store, store.read() as session:
        count: int = session.execute(select(func.count()).select_from(Incoming)).scalar_one()
        return count


def text(number: int) -> bytes:
    """A person's text as Twilio brings it, with the twenty fields that it has."""
    sid = f"SM{number:032x}"
    told = {
        "ToCountry": "US", "ToState": "", "SmsMessageSid": sid, "NumMedia": "0", "ToCity": "",
        "FromZip": "10001", "SmsSid": sid, "FromState": "NY", "SmsStatus": "received",
        "FromCity": "NEW YORK", "Body": f"When is invoice INV-{number} due, please?",
        "FromCountry": "US", "To": product.SENDER, "ToZip": "", "NumSegments": "1",
        "MessageSid": sid, "AccountSid": product.ACCOUNT, "From": f"+1212555{number % 10_000:04}",
        "ApiVersion": "2010-04-01",
    }  # fmt: skip
    signed = URL + "".join(name + told[name] for name in sorted(told))
    proof = base64.b64encode(hmac.digest(product.TOKEN.encode(), signed.encode(), "sha1"))
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "User-Agent": "TwilioProxy/1.1",
        "X-Twilio-Signature": proof.decode(),
        "I-Twilio-Idempotency-Token": sid,
        "Accept": "*/*",
    }
    return wire.request(PATH, headers, urlencode(told).encode())


def _ours(url: str, keyring_url: str) -> ASGIApp:
    """The product's own web side; its log goes nowhere, but is written."""
    product.log_nowhere()
    app = live(product.settings(url, keyring_url))
    return web(app, slack_side(Desk(app)))


def _bare() -> ASGIApp:
    """Twilio's own validator behind one route."""
    validator = RequestValidator(product.TOKEN)

    async def answer(request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        shown: Any = request.headers.get("x-twilio-signature", "")
        right = validator.validate(URL, form, shown)
        return Response("<Response/>", 200 if right else 401, media_type="text/xml")

    return Starlette(routes=[Route(PATH, answer, methods=["POST"])])
