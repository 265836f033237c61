"""What does Twilio tell us: what a person wrote, or what became of a text; and is it Twilio?"""

import functools
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from pydantic import ValidationError
from twilio.request_validator import RequestValidator, get_signature_algorithm

from comms.addresses import phones
from comms.channels import refusals
from comms.facts import DeliveryReport, Enclosed, InboundMessage, Standing

_MOST_FIELDS = 500
WRITTEN_AT = "X-Written-At"
"""Our own field in the form of a text that Twilio's list told of: when it was written."""
STANDINGS = {
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
            sender=phones.normalise(sender) or sender,
            sender_name=params.get("ProfileName", ""),
            recipient=phones.normalise(recipient) or recipient,
            body=body,
            visible=body.strip(),
            opt_out_type=params.get("OptOutType", "").upper(),
            media=media,
            # They lie at Twilio, behind our password, and are not fetched.
            enclosed=tuple(Enclosed(name=name, unread="elsewhere") for name in media),
            occurred_at=params.get(WRITTEN_AT),
        )
    except ValidationError as error:
        raise Malformed("a field of the text has the wrong type") from error


def read_status(params: Mapping[str, str], query: Mapping[str, str]) -> DeliveryReport | None:
    """Twilio's word on a text of ours; None for a status that changes nothing.

    Raises:
        Malformed: there is no SID, or a field has the wrong type.
    """
    status = _status(params)
    standing = STANDINGS.get(status)
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
