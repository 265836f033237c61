"""How does a text leave through Twilio, and what does Twilio tell us back?

Twilio's create call has no idempotency key, so this file never sends twice: it says what is known
of a broken call (it did not go; it may have gone), and ``find`` looks in Twilio's own list. Our
reference travels in the StatusCallback URL, so that a report finds its message even when the
answer with the SID was lost.
"""

import asyncio
import base64
import datetime as dt
import functools
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import aiohttp
from pydantic import ValidationError
from twilio.base.exceptions import TwilioException
from twilio.http.response import Response
from twilio.request_validator import RequestValidator, get_signature_algorithm
from twilio.rest import Client

from comms.addresses import phones
from comms.channels import refusals
from comms.facts import DeliveryReport, Enclosed, InboundMessage, Standing
from comms.ports import (
    Change,
    Copy,
    DeliveryError,
    Found,
    Outgoing,
    Sent,
    Throttled,
    Uncertain,
)

STATUS_PATH = "/hooks/twilio/status"
_SKEW = dt.timedelta(minutes=5)
_LONGEST_VALIDITY = 36_000
_MOST_FIELDS = 500
_MOST_AT_ONCE = 100
_MOST_MEDIA = 50
_NOT_FINAL = "20009"
"""A message cannot be changed before it is sent, or has failed."""
_STANDINGS = {
    "accepted": Standing.ACCEPTED,
    "queued": Standing.ACCEPTED,
    "sending": Standing.ACCEPTED,
    "sent": Standing.SENT,
    "delivered": Standing.DELIVERED,
    "read": Standing.DELIVERED,
    "undelivered": Standing.FAILED,
    "failed": Standing.FAILED,
    "canceled": Standing.FAILED,
}


class Malformed(ValueError):
    """The request is signed, but is not what Twilio sends: answer 400, or mark the row."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose account sends, as whom, and where Twilio reaches us back.

    ``sender`` is a number in E.164 or the SID of a messaging service. ``validity`` is in seconds:
    how long Twilio may keep a text before it gives up. ``timeout`` is in seconds, per read.
    """

    sid: str
    token: str = field(repr=False)
    public_url: str
    sender: str = ""
    validity: int = 14_400
    base_url: str = "https://api.twilio.com"
    timeout: float = 20.0


class Sms:
    """Texts by Twilio's SDK.

    A message's own sender wins over the account's, and its header ``Validity-Period`` over the
    account's validity (so that a late text cannot land in the night).
    """

    name = "sms"

    def __init__(self, account: Account) -> None:
        self._account = account
        self._wire = _Wire(account.base_url, account.timeout)
        self._client = Client(account.sid, account.token, http_client=self._wire)

    async def send(self, message: Outgoing) -> Sent:
        """Create the message at Twilio, once.

        Raises:
            DeliveryError: see comms.ports.
        """
        try:
            made = await self._client.messages.create_async(**self._request(message))
        except TwilioException as error:
            raise _refused(error) from error
        status = str(made.status or "accepted")
        if _STANDINGS.get(status) is Standing.FAILED:
            refusal = refusals.of_twilio(str(made.error_code or status))
            raise DeliveryError(refusal.sentence, permanent=refusal.permanent, code=refusal.code)
        return Sent(provider_id=str(made.sid), status=status)

    async def find(self, message: Outgoing, since: dt.datetime) -> Found | None:
        """Look for the text in Twilio's list: same recipient, same words, not before ``since``.

        Two texts with the same words cannot be told apart: the caller refuses a SID that another
        message of ours already has.

        Raises:
            DeliveryError: Twilio could not be asked.
        """
        earliest = since.astimezone(dt.UTC) - _SKEW
        try:
            listed = await self._client.messages.list_async(
                to=message.to, date_sent_after=earliest, limit=200
            )
        except TwilioException as error:
            raise _refused(error) from error
        ours = [one for one in listed if _matches(one, message, earliest)]
        if not ours:
            return None
        first = min(ours, key=_made_at)
        return Found(str(first.sid), str(first.status), first.date_sent or first.date_created)

    async def recall(self, copy: Copy) -> bool:
        """Take words back at Twilio: of a message, of its media, or the message itself.

        Raises:
            DeliveryError: see comms.ports. A message that is still on its way is asked for again.
        """
        kept = self._client.messages(copy.provider_id)
        try:
            match copy.change:
                case Change.REDACT:
                    await kept.update_async(body="")
                case Change.MEDIA:
                    for one in await kept.media.list_async(limit=_MOST_MEDIA):
                        await kept.media(str(one.sid)).delete_async()
                case Change.DELETE:
                    await kept.delete_async()
        except TwilioException as error:
            if getattr(error, "status", 0) == 404:
                return False
            raise _not_recalled(error) from error
        return True

    async def close(self) -> None:
        """Give the connections back."""
        await self._wire.close()

    def _request(self, message: Outgoing) -> dict[str, object]:
        account = self._account
        sender = message.sender or account.sender
        by = "messaging_service_sid" if sender.startswith("MG") else "from_"
        reference = quote(message.reference, safe="")
        return {
            "to": message.to,
            "body": message.text,
            by: sender,
            "status_callback": f"{account.public_url.rstrip('/')}{STATUS_PATH}?ref={reference}",
            "validity_period": _validity(message.headers.get("Validity-Period"), account.validity),
        }


class _Wire:
    """The SDK's HTTP client, by its documented seam.

    The SDK's own ignores its time-out (a call waits for ever), hides Retry-After, logs numbers,
    and keeps the last answer in a field that concurrent calls share.
    """

    is_async = True

    def __init__(self, base_url: str, timeout: float) -> None:
        self._base = base_url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(
            total=3 * timeout, connect=timeout, sock_connect=timeout, sock_read=timeout
        )
        self._turns = asyncio.Semaphore(_MOST_AT_ONCE)
        self._pool: aiohttp.ClientSession | None = None

    async def request(self, method: str, uri: str, **call: Any) -> Response:
        """Make one call; the SDK gives params, data, headers and auth by name.

        Raises:
            DeliveryError: no usable answer; ``Uncertain`` where a text may have gone.
        """
        writes = method.upper() == "POST"
        try:
            # Our own turns, not the pool's: waiting for one must not count as unreachable.
            async with self._turns:
                status, headers, text = await self._exchange(method, uri, call)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            sentence = "Twilio cannot be reached; the text is tried again."
            raise DeliveryError(sentence, permanent=False, code="unreachable") from error
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeDecodeError) as error:
            raise _broken(writes=writes) from error
        _judge(status, headers, text, writes=writes)
        return Response(status, text, headers)

    async def _exchange(
        self, method: str, uri: str, call: Mapping[str, Any]
    ) -> tuple[int, Mapping[str, str], str]:
        target = urlsplit(uri)
        query = f"?{target.query}" if target.query else ""
        async with self._session().request(
            method,
            self._base + target.path + query,
            params=call.get("params"),
            data=urlencode(call.get("data") or {}, doseq=True).encode(),
            headers={**call["headers"], "Authorization": _basic(*call["auth"])},
            allow_redirects=False,
        ) as answer:
            return answer.status, answer.headers, await answer.text()

    def _session(self) -> aiohttp.ClientSession:
        # Made at the first call: a session belongs to the loop that runs then.
        if self._pool is None:
            self._pool = aiohttp.ClientSession(timeout=self._timeout)
        return self._pool

    async def close(self) -> None:
        """Give the connections back."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None


def _basic(sid: str, token: str) -> str:
    return "Basic " + base64.b64encode(f"{sid}:{token}".encode()).decode("ascii")


def _judge(status: int, headers: Mapping[str, str], text: str, *, writes: bool) -> None:
    """Raise for the answers that the SDK would misread: 429, a broken gateway, a lost body.

    Only a 503 in Twilio's own words is a refusal. A 500, or a gateway's empty 502 or 504, may
    come after the text was queued.
    """
    if status == 429:
        wait = _seconds(headers.get("Retry-After"))
        raise Throttled("Twilio asked us to slow down.", retry_after=wait, code="20429")
    body = _object(text)
    if status >= 500 and not (status == 503 and "code" in body):
        raise _broken(writes=writes)
    if 200 <= status < 300 and status != 204 and (not body or (writes and not body.get("sid"))):
        raise _broken(writes=writes)


def _broken(*, writes: bool) -> DeliveryError:
    if writes:
        return Uncertain("Twilio did not answer; the text may have gone.")
    sentence = "Twilio did not answer; it is asked again later."
    return DeliveryError(sentence, permanent=False, code="no_answer")


def _refused(error: TwilioException) -> DeliveryError:
    code, status = getattr(error, "code", None), getattr(error, "status", 500)
    refusal = refusals.of_twilio(str(code or status), int(status))
    if refusal.code == "20429":
        return Throttled(refusal.sentence, retry_after=1.0, code=refusal.code)
    return DeliveryError(refusal.sentence, permanent=refusal.permanent, code=refusal.code)


def _not_recalled(error: TwilioException) -> DeliveryError:
    """Only a wrong request is final: what is still on its way is not so tomorrow."""
    code, status = str(getattr(error, "code", "") or ""), int(getattr(error, "status", 500))
    if status == 429:
        return Throttled("Twilio asked us to slow down.", retry_after=1.0, code="20429")
    final = status == 400 and code != _NOT_FINAL
    sentence = "Twilio did not let its copy go; it is asked again."
    return DeliveryError(sentence, permanent=final, code=code or str(status))


def _object(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(text: str | None) -> float:
    try:
        return min(max(float(text or 1), 0.1), 3600.0)
    except ValueError:
        return 1.0


def _validity(asked: str | None, default: int) -> int:
    seconds = int(asked) if asked and asked.isascii() and asked.isdigit() else default
    return min(max(seconds, 1), _LONGEST_VALIDITY)


def _matches(one: Any, message: Outgoing, earliest: dt.datetime) -> bool:
    outbound = str(one.direction or "").startswith("outbound")
    return outbound and one.body == message.text and _made_at(one) >= earliest


def _made_at(one: Any) -> dt.datetime:
    moment = one.date_created or one.date_sent
    return moment if isinstance(moment, dt.datetime) else dt.datetime.max.replace(tzinfo=dt.UTC)


_number = functools.lru_cache(maxsize=4096)(phones.normalise)
"""The same few numbers write to us, and a text is read twice: at the hook, and by the worker."""


class _Form(dict[str, list[str]]):
    """A form with repeated keys, as the SDK's validator wants to read it."""

    def getall(self, name: str) -> list[str]:
        return self[name]


def parse(raw_body: bytes) -> dict[str, str]:
    """The form of a webhook; of a repeated key the first value.

    Raises:
        Malformed: not UTF-8, or far too many fields.
    """
    try:
        return {name: values[0] for name, values in _form(raw_body).items()}
    except ValueError as error:
        raise Malformed("the body is not a form in UTF-8") from error


@functools.lru_cache(maxsize=1)
def _form(raw_body: bytes) -> _Form:
    """Kept for a moment: whoever verifies a request reads it next."""
    form = _Form()
    text = raw_body.decode("utf-8")
    pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    return form


def verify(raw_body: bytes, headers: Mapping[str, str], url: str, tokens: Sequence[str]) -> bool:
    """Did Twilio sign this request to ``url`` (our public URL with its query)?

    Several tokens may be valid while one is being replaced. Whatever is malformed is False.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    signature = lower.get("x-twilio-signature", "")
    algorithm = get_signature_algorithm(lower.get("x-twilio-webhooks-signature-settings"))
    if not signature or not signature.isascii():
        return False
    try:
        hashed = "bodySHA256" in dict(parse_qsl(urlsplit(url).query))
        signed: object = raw_body.decode("utf-8") if hashed else _form(raw_body)
        answers = [
            _signed(RequestValidator(token), url, signed, signature, algorithm)
            for token in tokens
            if token
        ]
    except ValueError:
        return False
    return any(answers)


def _signed(
    validator: RequestValidator, url: str, signed: object, signature: str, algorithm: str
) -> bool:
    """The SDK's judgement; it computes everything twice, so the usual case is looked at first."""
    if isinstance(signed, _Form) and hmac.compare_digest(
        validator.compute_signature(url, signed, algorithm), signature
    ):
        return True
    return bool(validator.validate(url, signed, signature, algorithm))


def external_id(params: Mapping[str, str]) -> str:
    """What makes a webhook the same one again: the SID, for a report with its status.

    Raises:
        Malformed: there is no SID.
    """
    sid, status = _sid(params), _status(params)
    return f"{sid}:{status}" if status and status != "received" else sid


def read_inbound(params: Mapping[str, str]) -> InboundMessage:
    """A person's text.

    Raises:
        Malformed: a field that Twilio always sends is missing or unusable.
    """
    sender, recipient = _required(params, "From"), _required(params, "To")
    body, media = params.get("Body", ""), _media(params)
    try:
        return InboundMessage(
            channel="sms",
            external_id=_sid(params),
            sender=_number(sender) or sender,
            sender_name=params.get("ProfileName", ""),
            recipient=_number(recipient) or recipient,
            body=body,
            visible=body.strip(),
            opt_out_type=params.get("OptOutType", "").upper(),
            media=media,
            # They lie at Twilio, behind our password, and are not fetched.
            enclosed=tuple(Enclosed(name=name, unread="elsewhere") for name in media),
        )
    except ValidationError as error:
        raise Malformed("a field of the text has the wrong type") from error


def read_status(params: Mapping[str, str], query: Mapping[str, str]) -> DeliveryReport | None:
    """Twilio's word on a text of ours; None for a status that changes nothing.

    Raises:
        Malformed: there is no SID, or a field has the wrong type.
    """
    status = _status(params)
    standing = _STANDINGS.get(status)
    if standing is None:
        return None
    failed = standing is Standing.FAILED
    code = params.get("ErrorCode", "") if failed else ""
    try:
        return DeliveryReport(
            channel="sms",
            reference=query.get("ref", ""),
            provider_id=_sid(params),
            standing=standing,
            code=code,
            sentence=_why(code, status) if failed else "",
        )
    except ValidationError as error:
        raise Malformed("a field of the report has the wrong type") from error


def _why(code: str, status: str) -> str:
    if code.isascii() and code.isdigit():
        return refusals.of_twilio(code).sentence
    if status == "canceled":
        return "The text was cancelled at Twilio before it went."
    return "Twilio could not deliver the text and gave no reason."


def _status(params: Mapping[str, str]) -> str:
    found = params.get("MessageStatus") or params.get("SmsStatus") or ""
    return found.lower()


def _sid(params: Mapping[str, str]) -> str:
    sid = params.get("MessageSid") or params.get("SmsSid") or ""
    if not (sid.isascii() and sid.isalnum() and len(sid) <= 64):
        raise Malformed("MessageSid is missing or not a SID")
    return sid


def _required(params: Mapping[str, str], name: str) -> str:
    found = params.get(name, "").strip()
    if not found or len(found) > 100:
        raise Malformed(f"{name} is missing or too long")
    return found


def _media(params: Mapping[str, str]) -> tuple[str, ...]:
    count = params.get("NumMedia", "0")
    many = int(count) if count.isascii() and count.isdigit() and len(count) <= 2 else 0
    kinds = (params.get(f"MediaContentType{n}", "") for n in range(min(many, 10)))
    return tuple(f"media-{n}.{kind.partition('/')[2] or 'bin'}" for n, kind in enumerate(kinds, 1))
