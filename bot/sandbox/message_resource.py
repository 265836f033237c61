"""How does Twilio show a message: in its API, in a list, and in a webhook?  Pure."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import format_datetime
from urllib.parse import quote, urlencode

from bot.sandbox.carrier import segments, sentence

BASE = "/2010-04-01/Accounts/{account}"
_PAGE_LIMIT = 1000


@dataclass(slots=True)
class Text:
    """One text on a phone's screen. ``direction`` is the phone's: ``in`` came to it."""

    direction: str
    other: str
    body: str
    at: dt.datetime
    sid: str = ""
    status: str = ""


@dataclass(slots=True)
class Record:
    """A message resource, with what its creator asked for."""

    sid: str
    to: str
    sender: str
    body: str
    direction: str
    status: str
    created: dt.datetime
    asked: dict[str, str] = field(default_factory=dict)
    service: str = ""
    sent: dt.datetime | None = None
    error: int = 0
    num_media: int = 0
    media: dict[str, str] = field(default_factory=dict)
    """The content type of each file that came with it, by its SID."""

    @property
    def day(self) -> dt.datetime:
        """The moment by which the list is filtered."""
        return self.sent or self.created


def shown(account: str, record: Record) -> dict[str, object]:
    """The JSON of one message."""
    uri = f"{BASE.format(account=account)}/Messages/{record.sid}"
    unassigned = record.status == "accepted"
    return {
        "account_sid": account,
        "api_version": "2010-04-01",
        "body": record.body,
        "date_created": format_datetime(record.created),
        "date_sent": format_datetime(record.sent) if record.sent else None,
        "date_updated": format_datetime(record.day),
        "direction": record.direction,
        "error_code": record.error or None,
        "error_message": sentence(record.error) if record.error else None,
        "from": None if unassigned else record.sender,
        "messaging_service_sid": record.service or None,
        "num_media": str(record.num_media),
        "num_segments": "0" if unassigned else str(segments(record.body)),
        "price": None,
        "price_unit": "USD",
        "sid": record.sid,
        "status": record.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": record.to,
        "uri": f"{uri}.json",
    }


def media(account: str, record: Record) -> dict[str, object]:
    """The files that came with a message, as one page."""
    path = f"{BASE.format(account=account)}/Messages/{record.sid}/Media"
    uri = f"{path}.json?PageSize=50&Page=0"
    return {
        "media_list": [
            {
                "account_sid": account,
                "content_type": kind,
                "date_created": format_datetime(record.created),
                "date_updated": format_datetime(record.created),
                "parent_sid": record.sid,
                "sid": sid,
                "uri": f"{path}/{sid}.json",
            }
            for sid, kind in record.media.items()
        ],
        "page": 0,
        "page_size": 50,
        "start": 0,
        "end": max(len(record.media) - 1, 0),
        "uri": uri,
        "first_page_uri": uri,
        "previous_page_uri": None,
        "next_page_uri": None,
    }


def page(account: str, found: Sequence[Record], asked: Mapping[str, str]) -> dict[str, object]:
    """One page of a list, the newest first, with the links that the SDK follows."""
    size = max(1, min(int(asked.get("PageSize") or 50), _PAGE_LIMIT))
    number = int(asked.get("Page") or 0)
    visible = found[number * size : (number + 1) * size]

    def uri(at: int) -> str:
        query = dict(asked) | {"PageSize": str(size), "Page": str(at)}
        path = f"{BASE.format(account=account)}/Messages.json"
        return f"{path}?{urlencode(query, quote_via=quote)}"

    return {
        "messages": [shown(account, record) for record in visible],
        "page": number,
        "page_size": size,
        "start": number * size,
        "end": number * size + max(len(visible) - 1, 0),
        "uri": uri(number),
        "first_page_uri": uri(0),
        "previous_page_uri": uri(number - 1) if number else None,
        "next_page_uri": uri(number + 1) if (number + 1) * size < len(found) else None,
    }


def matches(record: Record, asked: Mapping[str, str]) -> bool:
    """Does the list with these filters show this message?"""
    if asked.get("To", record.to) != record.to or asked.get("From", record.sender) != record.sender:
        return False
    on, since, until = (asked.get(name) for name in ("DateSent", "DateSent>", "DateSent<"))
    if on and record.day.date() != dt.date.fromisoformat(on[:10]):
        return False
    return not (since and record.day < _moment(since)) and not (
        until and record.day > _moment(until)
    )


def received(account: str, record: Record, media: Sequence[tuple[str, str]]) -> dict[str, str]:
    """What the webhook says of a text that a phone sent; media are (url, content type)."""
    params = _named(account, record) | {
        "SmsMessageSid": record.sid,
        "SmsStatus": "received",
        "Body": record.body,
        "NumMedia": str(len(media)),
        "NumSegments": str(segments(record.body)),
        "FromCity": "",
        "FromCountry": "US",
        "ToCountry": "US",
    }
    for index, (url, content_type) in enumerate(media):
        params |= {f"MediaUrl{index}": url, f"MediaContentType{index}": content_type}
    return params


def reported(account: str, record: Record) -> dict[str, str]:
    """What the status callback says of a text of ours, as it stands now."""
    params = _named(account, record) | {"MessageStatus": record.status, "SmsStatus": record.status}
    if record.service:
        params["MessagingServiceSid"] = record.service
    if record.error:
        params |= {"ErrorCode": str(record.error), "ErrorMessage": sentence(record.error)}
    return params


def _named(account: str, record: Record) -> dict[str, str]:
    return {
        "MessageSid": record.sid,
        "SmsSid": record.sid,
        "AccountSid": account,
        "From": record.sender,
        "To": record.to,
        "ApiVersion": "2010-04-01",
    }


def _moment(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment
