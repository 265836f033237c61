"""How does a text leave through Twilio, and how is one found, taken back or read again there?

Twilio's create call has no idempotency key, so this file never sends twice: it says what is known
of a broken call (it did not go; it may have gone), and ``find`` looks in Twilio's own list. Our
reference travels in the StatusCallback URL, so that a report finds its message even when the
answer with the SID was lost.
"""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from comms.channels import refusals
from comms.channels.twilio_hooks import STANDINGS, WRITTEN_AT
from comms.channels.twilio_wire import Wire
from comms.facts import Standing
from comms.ports import Change, Copy, DeliveryError, Found, Heard, Outgoing, Sent, Throttled

STATUS_PATH = "/hooks/twilio/status"
_SKEW = dt.timedelta(minutes=5)
_LONGEST_VALIDITY = 36_000
_MOST_MEDIA = 50
_MOST_HEARD = 5_000
_NOT_FINAL = "20009"
"""A message cannot be changed before it is sent, or has failed."""


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
        self._wire = Wire(account.base_url, account.timeout)
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
        if STANDINGS.get(status) is Standing.FAILED:
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

    async def heard(self, number: str, since: dt.datetime) -> list[Heard]:
        """What people wrote to a number of ours since then, the oldest first.

        What has no words and no files any more was taken back there, and is left out.

        Raises:
            DeliveryError: Twilio could not be asked.
        """
        try:
            listed = await self._client.messages.list_async(
                to=number, date_sent_after=since.astimezone(dt.UTC), limit=_MOST_HEARD
            )
        except TwilioException as error:
            raise _refused(error) from error
        inbound = [one for one in listed if one.direction == "inbound" and _says_something(one)]
        return [_as_told(one) for one in sorted(inbound, key=_made_at)]

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


def _says_something(one: Any) -> bool:
    return bool(one.body) or int(one.num_media or 0) > 0


def _as_told(one: Any) -> Heard:
    """A listed text in the form of the webhook that tells of it."""
    told = {
        "MessageSid": str(one.sid),
        "From": str(one.from_),
        "To": str(one.to),
        "Body": str(one.body or ""),
        "NumMedia": str(one.num_media or 0),
        "SmsStatus": "received",
        WRITTEN_AT: _made_at(one).isoformat(),
    }
    return Heard(str(one.sid), urlencode(told).encode())


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


def _validity(asked: str | None, default: int) -> int:
    seconds = int(asked) if asked and asked.isascii() and asked.isdigit() else default
    return min(max(seconds, 1), _LONGEST_VALIDITY)


def _matches(one: Any, message: Outgoing, earliest: dt.datetime) -> bool:
    outbound = str(one.direction or "").startswith("outbound")
    return outbound and one.body == message.text and _made_at(one) >= earliest


def _made_at(one: Any) -> dt.datetime:
    moment = one.date_created or one.date_sent
    return moment if isinstance(moment, dt.datetime) else dt.datetime.max.replace(tzinfo=dt.UTC)
