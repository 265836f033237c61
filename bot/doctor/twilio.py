"""Does Twilio know us, may our numbers send, and do their answers reach us?"""

import asyncio
import base64
import json
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import phonenumbers
from twilio.http.response import Response
from twilio.rest import Client

from bot.doctor.finding import Finding, ok, skipped, warning, wrong
from bot.doctor.wire import Unreachable, Wire
from bot.settings import Settings

T = TypeVar("T")
INBOUND = "/hooks/twilio/sms"
_NOT_OURS = "https://demo.twilio.com/"
_MOST_SERVICES = 20
_CREDENTIALS = "Copy COUNTERFOIL_TWILIO_ACCOUNT_SID and the primary auth token from the console."
_CAMPAIGNS = {
    "PENDING": "is under review",
    "IN_PROGRESS": "is under review",
    "FAILED": "was rejected",
    "SUSPENDED": "is suspended",
}
_TOLL_FREE = {
    "PENDING_REVIEW": "waits for review",
    "IN_REVIEW": "is under review",
    "TWILIO_REJECTED": "was rejected",
}


class Refused(Exception):
    """Twilio's own no: its HTTP status, its error code, its words."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class _Line:
    """The SDK's HTTP client, by its documented seam: every answer passes doctor's wire."""

    is_async = True

    def __init__(self, base: str, wire: Wire) -> None:
        self._base = urlsplit(base)
        self._wire = wire

    async def request(self, method: str, uri: str, **call: Any) -> Response:
        """One call of the SDK.

        Raises:
            Refused: Twilio said no.
            Unreachable: Twilio said nothing.
        """
        headers = dict(call["headers"])
        pair = ":".join(call["auth"]).encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        asked = {key: value for key, value in (call.get("params") or {}).items() if value}
        query = urlsplit(uri).query or urlencode(asked)
        url = f"{self._place(uri)}{f'?{query}' if query else ''}"
        answer = await self._wire.ask(method, url, headers=headers, who="Twilio")
        if answer.status >= 400:
            raise _refusal(answer.status, answer.text)
        return Response(answer.status, answer.text, answer.headers)

    def _place(self, uri: str) -> str:
        """Twilio's products have hosts of their own; a stand-in or a proxy has one for all."""
        asked, base = urlsplit(uri), self._base
        host = base.netloc
        if host.startswith("api.") and host.endswith("twilio.com"):
            product = asked.netloc.partition(".")[0]
            host = f"{product}.{host.partition('.')[2]}"
        return f"{base.scheme}://{host}{base.path.rstrip('/')}{asked.path}"


def _refusal(status: int, text: str) -> Exception:
    try:
        said = json.loads(text)
        refused = Refused(status, int(said["code"]), str(said["message"]))
    except (ValueError, KeyError, TypeError):
        said = f"Twilio answers {status} without a reason"
        return Unreachable(said, "Look at COUNTERFOIL_TWILIO_BASE_URL and at status.twilio.com.")
    if status == 429 or status >= 500:
        said = f"Twilio cannot say now: {refused.code} {refused.message}"
        return Unreachable(said, "Look at status.twilio.com, and again in a quarter of an hour.")
    return refused


@dataclass(frozen=True, slots=True)
class Pool:
    """A messaging service: what it does with answers, its numbers, and its campaigns' states."""

    sid: str
    name: str
    inbound: str
    method: str
    asks_number: bool
    numbers: frozenset[str] = frozenset()
    campaigns: Sequence[str] = ()


@dataclass(slots=True)
class Twilio:
    """Twilio as the settings know it."""

    given: Settings
    wire: Wire
    carrier_answers_stop: bool
    _client: Any = field(init=False)

    def __post_init__(self) -> None:
        token = next(iter(self.given.valid("twilio_auth_token")), "") or "-"
        line = _Line(self.given.twilio_base_url, self.wire)
        self._client = Client(self.given.twilio_account_sid or "-", token, http_client=line)

    @property
    def known(self) -> bool:
        """Whether there is anybody to ask."""
        return bool(self.given.twilio_account_sid and self.given.twilio_auth_token)

    async def account(self) -> list[Finding]:
        """Is the account ours, and open?"""
        if not self.known:
            return [skipped("twilio", "COUNTERFOIL_TWILIO_ACCOUNT_SID or its token is not set.")]
        try:
            found = await self._client.api.v2010.accounts(
                self.given.twilio_account_sid
            ).fetch_async()
        except Refused as refused:
            said = f"Twilio refuses our account or token: {refused.code} {refused.message}."
            return [wrong("twilio", said, _CREDENTIALS)]
        return [judge_account(str(found.status), str(found.type))]

    async def senders(self, phones: Sequence[str]) -> list[Finding]:
        """May each of our numbers send, and do its answers reach us?"""
        service = self.given.twilio_messaging_service_sid
        ours = sorted({*phones, self.given.twilio_from} - {""})
        if not (self.known and (ours or service)):
            return [skipped("twilio numbers", "No number is set, and no legal entity has one.")]
        try:
            pools = await self._pools(service)
            looked = await asyncio.gather(*(self._number(phone, pools) for phone in ours))
        except Refused as refused:
            if refused.status == 401:
                return [skipped("twilio numbers", "Twilio refuses our account or token.")]
            said = f"Twilio does not say: {refused.code} {refused.message}."
            return [wrong("twilio numbers", said, "See what Twilio says of this error.")]
        return self._service(service, pools) + [one for found in looked for one in found]

    def _service(self, sid: str, pools: Sequence[Pool]) -> list[Finding]:
        if not sid:
            return []
        pool = next((one for one in pools if one.sid == sid), None)
        what = "twilio service"
        if pool is None:
            said = f"The account has no messaging service {sid}."
            return [wrong(what, said, "Correct COUNTERFOIL_TWILIO_MESSAGING_SERVICE_SID.")]
        if not pool.numbers:
            said = f"{pool.name} has no number to send from."
            return [wrong(what, said, "Add one to its sender pool.")]
        found = (
            [] if pool.asks_number else [judge_webhook(what, pool.inbound, pool.method, self._ours)]
        )
        return found or [ok(what, f"{pool.name} leaves answers to its numbers.")]

    async def _number(self, phone: str, pools: Sequence[Pool]) -> list[Finding]:
        what = f"twilio {phone}"
        if not phone.startswith("+"):
            return await self._short_code(what, phone, pools)
        listed = await self._client.incoming_phone_numbers.list_async(phone_number=phone, limit=2)
        mine = next((one for one in listed if one.phone_number == phone), None)
        if mine is None:
            said = "The number is not in this account, so no text leaves from it."
            return [wrong(what, said, "Buy or move it, or name another in the firm file.")]
        if not _can_text(mine.capabilities):
            return [
                wrong(what, "The number cannot send texts.", "Take one with the SMS capability.")
            ]
        pool = next((one for one in pools if phone in one.numbers), None)
        url, method = await self._inbound(mine, pool)
        found = [judge_webhook(f"{what} webhook", url, method, self._ours)]
        found += await self._registered(what, phone, str(mine.sid), pool)
        stop = f"{what} STOP"
        return found + judge_stop(stop, self.carrier_answers_stop, short=False, pooled=bool(pool))

    async def _short_code(self, what: str, code: str, pools: Sequence[Pool]) -> list[Finding]:
        listed = await self._client.short_codes.list_async(short_code=code, limit=2)
        mine = next((one for one in listed if one.short_code == code), None)
        if mine is None:
            said = "It is neither a number like +12125550100 nor a short code of this account."
            return [wrong(what, said, "Correct COUNTERFOIL_TWILIO_FROM or the firm file.")]
        pool = next((one for one in pools if code in one.numbers), None)
        url, method = await self._inbound(mine, pool)
        found = [judge_webhook(f"{what} webhook", url, method, self._ours)]
        stop = f"{what} STOP"
        return found + judge_stop(stop, self.carrier_answers_stop, short=True, pooled=bool(pool))

    async def _inbound(self, mine: Any, pool: Pool | None) -> tuple[str, str]:
        """Where a text to this number goes: its service, its application, or its own address."""
        if pool is not None and not pool.asks_number:
            return pool.inbound, pool.method
        if application := getattr(mine, "sms_application_sid", None):  # short codes have none
            app = await self._client.applications(application).fetch_async()
            return str(app.sms_url or ""), str(app.sms_method or "POST")
        return str(mine.sms_url or ""), str(mine.sms_method or "POST")

    async def _registered(
        self, what: str, phone: str, sid: str, pool: Pool | None
    ) -> list[Finding]:
        number = phonenumbers.parse(phone)
        if phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.TOLL_FREE:
            listed = await self._client.messaging.v1.tollfree_verifications.list_async(
                tollfree_phone_number_sid=sid, limit=5
            )
            return [judge_toll_free(f"{what} toll-free", [str(one.status) for one in listed])]
        if phonenumbers.region_code_for_number(number) != "US":
            return []
        return [judge_campaign(f"{what} campaign", pool)]

    async def _pools(self, wanted: str) -> list[Pool]:
        services = self._client.messaging.v1.services
        listed = await services.list_async(limit=_MOST_SERVICES)
        if wanted and wanted not in {one.sid for one in listed}:
            named = await _or_none(services(wanted).fetch_async())
            listed = [*listed, named] if named else listed
        return await asyncio.gather(*(self._pool(one) for one in listed))

    async def _pool(self, one: Any) -> Pool:
        service = self._client.messaging.v1.services(one.sid)
        numbers, codes, campaigns = await asyncio.gather(
            service.phone_numbers.list_async(limit=400),
            service.short_codes.list_async(limit=50),
            service.us_app_to_person.list_async(limit=20),
        )
        return Pool(
            sid=str(one.sid),
            name=str(one.friendly_name or one.sid),
            inbound=str(one.inbound_request_url or ""),
            method=str(one.inbound_method or "POST"),
            asks_number=bool(one.use_inbound_webhook_on_number),
            numbers=frozenset([*(n.phone_number for n in numbers), *(c.short_code for c in codes)]),
            campaigns=tuple(str(campaign.campaign_status) for campaign in campaigns),
        )

    @property
    def _ours(self) -> str:
        return f"{self.given.public_url}{INBOUND}"


async def _or_none(asked: Awaitable[T]) -> T | None:
    try:
        return await asked
    except Refused as refused:
        if refused.status == 404:
            return None
        raise


def _can_text(capabilities: Mapping[str, Any] | None) -> bool:
    return any(name.lower() == "sms" and may for name, may in (capabilities or {}).items())


def judge_account(status: str, kind: str) -> Finding:
    """Active, and no trial."""
    if status != "active":
        said = f"The account is {status}: no text leaves, and none arrives."
        return wrong("twilio", said, "Settle it with Twilio, in the console.")
    if kind.lower() == "trial":
        said = (
            "A trial account sends only to numbers that you verified, with a foreword of Twilio's."
        )
        return warning("twilio", said, "Upgrade it in the console before you go live.")
    return ok("twilio", "The account is active.")


def judge_webhook(what: str, url: str, method: str, ours: str) -> Finding:
    """Do the answers of clients come to us, as POST?"""
    place = url.partition("#")[0]
    advice = f"Set where its texts arrive to POST {ours}"
    if not place or place.startswith(_NOT_OURS):
        return wrong(what, "Nobody hears what clients answer, not even STOP.", advice)
    if place.partition("?")[0] != ours:
        said = f"What clients answer goes to {_bare(place)}, not to us."
        return wrong(what, said, advice)
    if method.upper() != "POST":
        return wrong(what, f"What clients answer comes with {method}, which is refused.", advice)
    return ok(what, f"Answers go to {ours}.")


def _bare(url: str) -> str:
    """Without the password or key that an address of somebody else may carry."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def judge_campaign(what: str, pool: Pool | None) -> Finding:
    """A2P 10DLC: what a number of the United States needs to write to the United States."""
    advice = "Register brand and campaign, and add the number to the campaign's messaging service."
    if pool is None or not pool.campaigns:
        said = "No A2P 10DLC campaign covers it: texts to the United States fail with 30034."
        return wrong(what, said, advice)
    if "VERIFIED" in pool.campaigns:
        return ok(what, f"The A2P 10DLC campaign of {pool.name} is verified.")
    state = _CAMPAIGNS.get(pool.campaigns[0], f"is {pool.campaigns[0]}")
    said = f"The A2P 10DLC campaign of {pool.name} {state}: until then texts fail with 30034."
    return wrong(what, said, "See the reason in the console, under Regulatory Compliance.")


def judge_toll_free(what: str, states: Sequence[str]) -> Finding:
    """A toll-free number must be verified before it may send."""
    if "TWILIO_APPROVED" in states:
        return ok(what, "The toll-free number is verified.")
    if not states:
        said = "The toll-free number was never verified: its texts fail with 30032."
        return wrong(what, said, "Send in its toll-free verification, in the console.")
    state = _TOLL_FREE.get(states[0], f"is {states[0]}")
    said = f"The toll-free verification {state}: until it is approved its texts fail with 30032."
    return wrong(what, said, "See it in the console, under Regulatory Compliance.")


def judge_stop(what: str, policy: bool, *, short: bool, pooled: bool) -> list[Finding]:  # noqa: FBT001
    """Who answers STOP, by the kind of number, against ``carrier_answers_stop``.

    The API does not tell whether Advanced Opt-Out is on: of a service it is believed.
    """
    if short and not pooled and policy:
        said = (
            "Nobody confirms STOP: Twilio does not for a short code, and the policy says it does."
        )
        return [
            wrong(what, said, "Set carrier_answers_stop = false under [consent] in the policy.")
        ]
    if not short and not policy:
        said = "Clients get two answers to STOP: Twilio answers it, and so do we."
        advice = "Set carrier_answers_stop = true, unless Twilio switched its own off for you."
        return [warning(what, said, advice)]
    return []
