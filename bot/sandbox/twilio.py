"""What does Twilio answer, call back and show on a client's phone?

A stand-in at the wire: the official SDK runs unmodified against ``Twilio.app`` by base URL, and
status callbacks and inbound texts arrive at the product signed as Twilio signs them. Dates that a
person sees are business time.
"""

import asyncio
import base64
import hmac
import secrets
from collections import defaultdict
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urldefrag, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from billing.clock import Clock
from bot.sandbox import carrier, loopback
from bot.sandbox import message_resource as resources
from bot.sandbox.account_resource import Account, Holdings
from bot.sandbox.carrier import Keyword, Refused
from bot.sandbox.faults import (
    AFTER_ACCEPT,
    BEFORE_ACCEPT,
    WIRE,
    Fault,
    Faults,
    Planned,
    broken_answer,
)
from bot.sandbox.message_resource import Record, Text

_STATUS_FAULTS = {
    Fault.REPEAT_CALLBACKS,
    Fault.REORDER_CALLBACKS,
    Fault.LOSE_CALLBACKS,
    Fault.UNDELIVERED,
    Fault.FAILED,
}
_FINAL = {"delivered", "undelivered", "failed", "received"}


@dataclass(frozen=True, slots=True)
class Hook:
    """One call of a webhook, and what the product answered."""

    url: str
    params: Mapping[str, str]
    token: str
    answer: loopback.Answer


class Twilio:
    """One account: its senders, its messages, and the phones that it reaches.

    ``senders`` are our numbers; ``services`` maps a MessagingServiceSid to its numbers.
    ``refused`` (number to code at create) and ``undeliverable`` (number to code of the delivery
    report) are rules that stay; passing trouble is planned in ``faults`` for the endpoints
    ``send``, ``fetch``, ``list``, ``change`` and ``status`` (the callbacks).
    """

    def __init__(self, account_sid: str, auth_token: str, clock: Clock) -> None:
        self.account_sid = account_sid
        self.auth_token = auth_token
        self.inbound_url = ""
        self.advanced_opt_out = True
        self.stop_filter = True
        self.webhook_seconds = 15.0
        self.senders: set[str] = set()
        self.voice_only: set[str] = set()
        self.services: dict[str, list[str]] = {}
        self.holdings = Holdings()
        self.refused: dict[str, int] = {}
        self.undeliverable: dict[str, int] = {}
        self.suppressed: set[tuple[str, str]] = set()
        self.messages: dict[str, Record] = {}
        self.phones: defaultdict[str, list[Text]] = defaultdict(list)
        self.hooks: list[Hook] = []
        self.faults = Faults(
            {"list": WIRE | {Fault.EMPTY}, "status": _STATUS_FAULTS}
            | dict.fromkeys(("send", "fetch", "change"), WIRE)
        )
        self._clock = clock
        self._moving: set[asyncio.Task[None]] = set()
        self.app: ASGIApp = Starlette(routes=self._routes(), exception_handlers={Refused: _refusal})

    def landline(self, number: str) -> None:
        """This number is a landline from now on: Twilio refuses it with 21614."""
        self.refused[number] = 21614

    async def settle(self) -> None:
        """Wait until every text has arrived and every callback was answered."""
        while self._moving:
            await asyncio.gather(*self._moving)

    async def text(
        self, from_: str, to: str, body: str, media: Sequence[tuple[str, str]] = ()
    ) -> int:
        """A client's phone sends a text to one of our numbers; media are (url, content type).

        Returns the webhook's HTTP status; 502 where nobody answered (Twilio's 11200).
        """
        now = self._clock.now()
        record = Record(_sid("SM"), to, from_, body, "inbound", "received", now, sent=now)
        record.num_media = len(media)
        record.media = {_sid("ME"): kind for _, kind in media}
        self.messages[record.sid] = record
        self.phones[from_].append(Text("out", to, body, now, record.sid, "delivered"))
        params = resources.received(self.account_sid, record, media)
        if (service := self._scope(to)) in self.services:
            params["MessagingServiceSid"] = service
        word = carrier.keyword(body) if self.stop_filter else None
        if word is not None:
            self._obey(word, from_, to)
            if self.advanced_opt_out:
                params["OptOutType"] = word.value
        answer = await self._call(self.inbound_url, params)
        return answer.status or 502

    def signature(self, url: str, params: Mapping[str, str]) -> str:
        """X-Twilio-Signature: HMAC-SHA1 over the exact URL and the sorted parameters."""
        signed = url + "".join(name + params[name] for name in sorted(params))
        digest = hmac.digest(self.auth_token.encode(), signed.encode(), "sha1")
        return base64.b64encode(digest).decode()

    def _routes(self) -> list[Route]:
        messages, one = f"{resources.BASE}/Messages", f"{resources.BASE}/Messages/{{sid}}"
        return [
            Route(f"{messages}.json", self._create, methods=["POST"]),
            Route(f"{messages}.json", self._list, methods=["GET"]),
            Route(f"{one}.json", self._fetch, methods=["GET"]),
            Route(f"{one}.json", self._change, methods=["POST", "DELETE"]),
            Route(f"{one}/Media.json", self._media, methods=["GET"]),
            Route(f"{one}/Media/{{media}}.json", self._drop_media, methods=["DELETE"]),
            Route("/{path:path}", self._account, methods=["GET", "POST", "PUT", "DELETE"]),
        ]

    async def _create(self, request: Request) -> ASGIApp:
        asked = await self._admit(request)
        planned = self.faults.take("send", asked)
        if broken := await broken_answer(planned, BEFORE_ACCEPT, _planned_refusal):
            return broken
        record = self._accept(asked)
        self._start(self._carry(record))
        if broken := await broken_answer(planned, AFTER_ACCEPT, _planned_refusal):
            return broken
        return JSONResponse(resources.shown(self.account_sid, record), 201)

    async def _fetch(self, request: Request) -> ASGIApp:
        await self._admit(request)
        record = self._find(request)
        broken = await broken_answer(
            self.faults.take("fetch", {"sid": record.sid}), WIRE, _planned_refusal
        )
        return broken or JSONResponse(resources.shown(self.account_sid, record))

    async def _change(self, request: Request) -> ASGIApp:
        asked = await self._admit(request)
        record = self._find(request)
        planned = self.faults.take("change", asked | {"sid": record.sid})
        if broken := await broken_answer(planned, BEFORE_ACCEPT, _planned_refusal):
            return broken
        if record.status not in _FINAL:
            raise Refused(20009)
        if request.method == "DELETE":
            del self.messages[record.sid]
            return await broken_answer(planned, AFTER_ACCEPT, _planned_refusal) or Response(
                status_code=204
            )
        if asked.get("Body") != "":
            raise Refused(20009, reason="Only an empty Body, which redacts the message, is taken")
        record.body = ""
        return await broken_answer(planned, AFTER_ACCEPT, _planned_refusal) or JSONResponse(
            resources.shown(self.account_sid, record)
        )

    async def _media(self, request: Request) -> ASGIApp:
        """What came with a message."""
        await self._admit(request)
        record = self._find(request)
        broken = await broken_answer(
            self.faults.take("fetch", {"sid": record.sid}), WIRE, _planned_refusal
        )
        return broken or JSONResponse(resources.media(self.account_sid, record))

    async def _drop_media(self, request: Request) -> ASGIApp:
        """A file goes; the message stays."""
        asked = await self._admit(request)
        record = self._find(request)
        planned = self.faults.take("change", asked | {"sid": record.sid})
        if broken := await broken_answer(planned, BEFORE_ACCEPT, _planned_refusal):
            return broken
        if record.media.pop(request.path_params["media"], None) is None:
            raise Refused(20404)
        return await broken_answer(planned, AFTER_ACCEPT, _planned_refusal) or Response(
            status_code=204
        )

    async def _list(self, request: Request) -> ASGIApp:
        asked = await self._admit(request)
        planned = self.faults.take("list", asked)
        if broken := await broken_answer(planned, WIRE, _planned_refusal):
            return broken
        found = [one for one in reversed(self.messages.values()) if resources.matches(one, asked)]
        if planned is not None and planned.fault is Fault.EMPTY:
            found = []
        return JSONResponse(resources.page(self.account_sid, found, asked))

    async def _account(self, request: Request) -> ASGIApp:
        """What the account has, for whoever asks; it cannot be changed from here."""
        asked = await self._admit(request)
        account = Account(
            sid=self.account_sid,
            token=self.auth_token,
            inbound_url=self.inbound_url,
            numbers=sorted(self.senders | self.voice_only),
            voice_only=frozenset(self.voice_only),
            services=self.services,
            holdings=self.holdings,
        )
        found = account.answer(request.url.path, asked) if request.method == "GET" else None
        if found is None:
            raise Refused(20404)
        date = format_datetime(self._clock.wall(), usegmt=True)
        return JSONResponse(found, headers={"Date": date})

    async def _admit(self, request: Request) -> dict[str, str]:
        """The request's parameters, once its caller has shown the account's token."""
        expected = base64.b64encode(f"{self.account_sid}:{self.auth_token}".encode()).decode()
        shown = request.headers.get("authorization", "")
        if not hmac.compare_digest(shown.encode(), f"Basic {expected}".encode()):
            raise Refused(20003)
        if request.path_params.get("account", self.account_sid) != self.account_sid:
            raise Refused(20404)
        body = (await request.body()).decode() if request.method == "POST" else ""
        return dict(request.query_params) | dict(parse_qsl(body, keep_blank_values=True))

    def _find(self, request: Request) -> Record:
        record = self.messages.get(request.path_params["sid"])
        if record is None:
            raise Refused(20404)
        return record

    def _accept(self, asked: Mapping[str, str]) -> Record:
        """A message that Twilio takes becomes a resource.

        Raises:
            Refused: it does not.
        """
        to = self._recipient(asked)
        service, sender = self._sender(asked)
        if not asked.get("Body"):
            raise Refused(21602)
        if len(asked["Body"]) > carrier.LONGEST:
            raise Refused(21617)
        callback = asked.get("StatusCallback", "")
        if callback and not loopback.is_loopback(callback):
            raise Refused(21609)
        if to in self.refused:
            raise Refused(self.refused[to])
        if (to, self._scope(sender)) in self.suppressed:
            raise Refused(21610)
        record = Record(
            sid=_sid("SM"),
            to=to,
            sender=sender,
            body=asked["Body"],
            direction="outbound-api",
            status="accepted" if service else "queued",
            created=self._clock.now(),
            asked=dict(asked),
            service=service,
        )
        self.messages[record.sid] = record
        return record

    def _recipient(self, asked: Mapping[str, str]) -> str:
        if not asked.get("To"):
            raise Refused(21604)
        number = carrier.e164(asked["To"])
        if number is None:
            raise Refused(21211, reason=f"The 'To' number {asked['To']} is not valid.")
        return number

    def _sender(self, asked: Mapping[str, str]) -> tuple[str, str]:
        """The messaging service, or "", and the number from which the text goes."""
        service = asked.get("MessagingServiceSid", "")
        if service:
            numbers = self.services.get(service)
            if not numbers:
                raise Refused(21705)
            return service, asked.get("From") or numbers[0]
        sender = asked.get("From", "")
        if not sender:
            raise Refused(21603)
        if sender in self.voice_only:
            raise Refused(21606)
        if sender not in self.senders:
            raise Refused(21659)
        return "", sender

    def _scope(self, sender: str) -> str:
        """STOP holds for one number, or for a whole messaging service."""
        return next((sid for sid, pool in self.services.items() if sender in pool), sender)

    def _obey(self, word: Keyword, phone: str, number: str) -> None:
        """The carrier acts on its own words, and answers when something changed."""
        pair = (phone, self._scope(number))
        if word is Keyword.STOP and pair not in self.suppressed:
            self.suppressed.add(pair)
        elif word is Keyword.START and pair in self.suppressed:
            self.suppressed.remove(pair)
        elif word is not Keyword.HELP:
            return
        reply = Text("in", number, carrier.REPLIES[word], self._clock.now(), status="carrier")
        self.phones[phone].append(reply)

    async def _carry(self, record: Record) -> None:
        """A taken message moves to the phone, and the callbacks tell of it."""
        planned = self.faults.take("status", record.asked)
        steps = self._steps(record, planned)
        reports = [self._move(record, status, code) for status, code in steps]
        url = record.asked.get("StatusCallback", "")
        if not url:
            return
        for params in _as_planned(reports, planned):
            await self._call(url, params)

    def _steps(self, record: Record, planned: Planned | None) -> list[tuple[str, int]]:
        fault = planned.fault if planned else None
        code = planned.code if planned else 0
        if fault is Fault.FAILED:
            return [("failed", code or 30008)]
        if fault is Fault.UNDELIVERED:
            return [("sent", 0), ("undelivered", code or 30003)]
        if record.to in self.undeliverable:
            return [("sent", 0), ("undelivered", self.undeliverable[record.to])]
        return [("sent", 0), ("delivered", 0)]

    def _move(self, record: Record, status: str, code: int) -> dict[str, str]:
        record.status, record.error = status, code
        now = self._clock.now()
        if status == "sent":
            record.sent = now
        if status == "delivered":
            shown = Text("in", record.sender, record.body, now, record.sid, status)
            self.phones[record.to].append(shown)
        return resources.reported(self.account_sid, record)

    async def _call(self, url: str, params: dict[str, str]) -> loopback.Answer:
        """POST a signed webhook; again as its fragment says, or once where nobody was there.

        Twilio's own default is ``#rc=1&rp=ct``: after a 5xx, or no answer in time, it never comes
        again.
        """
        target, overrides = urldefrag(url)
        said = dict(parse_qsl(overrides))
        policy = {"ct", "rt", "5xx"} if said.get("rp") == "all" else said.get("rp", "ct").split(",")
        token = secrets.token_hex(16)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "User-Agent": "TwilioProxy/1.1",
            "X-Twilio-Signature": self.signature(target, params),
            "I-Twilio-Idempotency-Token": token,
        }
        body = urlencode(params).encode()
        answer = loopback.Answer(0)
        for _attempt in range(1 + int(said.get("rc", "1"))):
            answer = await loopback.post(target, body, headers, self.webhook_seconds)
            self.hooks.append(Hook(target, params, token, answer))
            if _trouble(answer) not in policy:
                break
        return answer

    def _start(self, journey: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(journey)
        self._moving.add(task)
        task.add_done_callback(self._moving.discard)


def _planned_refusal(planned: Planned) -> Response:
    limited = planned.fault is Fault.RATE_LIMIT
    refused = Refused(planned.code or (20429 if limited else 20503), planned.status, planned.reason)
    answer = _refusal(None, refused)
    if limited:
        answer.headers["Retry-After"] = str(int(planned.seconds))
    return answer


def _refusal(_request: Request | None, error: Exception) -> Response:
    assert isinstance(error, Refused)
    payload = error.payload()
    headers = {"Twilio-Request-Id": _sid("RQ"), "X-Rejected-By": "sandbox"}
    return JSONResponse(payload, int(str(payload["status"])), headers=headers)


def _as_planned(
    reports: Sequence[dict[str, str]], planned: Planned | None
) -> Sequence[dict[str, str]]:
    match planned.fault if planned else None:
        case Fault.REPEAT_CALLBACKS:
            return [report for report in reports for _twice in range(2)]
        case Fault.REORDER_CALLBACKS:
            return list(reversed(reports))
        case Fault.LOSE_CALLBACKS:
            return []
        case _:
            return reports


def _trouble(answer: loopback.Answer) -> str:
    """The word of a retry policy for what happened."""
    if answer.status:
        return "5xx" if answer.status >= 500 else ""
    return "rt" if answer.body == "timeout" else "ct"


def _sid(kind: str) -> str:
    return kind + secrets.token_hex(16)
