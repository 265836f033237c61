"""What does a provider's refusal mean, in words, and what must happen next?

Pure tables. The sentence never repeats the provider's own words: those carry numbers and mailboxes,
and a sentence is kept where bodies are not.
"""

from dataclasses import dataclass
from enum import StrEnum


class Effect(StrEnum):
    """What the refusal asks of us beyond this one message."""

    NONE = "none"
    RETRY = "retry"
    RETRY_ONCE = "retry_once"
    """Once more after four hours, then another channel."""
    BAD_ADDRESS = "bad_address"
    SUPPRESS = "suppress"
    """The person, or the law for them, said no: no more messages on this channel."""
    OTHER_CHANNEL = "other_channel"
    STOP_TEMPLATE = "stop_template"
    STOP_CHANNEL = "stop_channel"
    """Nothing will go until an administrator acts."""
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One provider code, understood."""

    code: str
    effect: Effect
    permanent: bool
    sentence: str


_NO_MOBILE = "This number cannot receive texts (landline); use another number or email."
_GONE = "Nobody has this number any more; ask the client for another one."
_QUIET = "The carrier holds quiet hours for this number; the text goes in the next open hours."
_KEYS = (
    "Twilio refused our credentials; check COUNTERFOIL_TWILIO_ACCOUNT_SID and"
    " COUNTERFOIL_TWILIO_AUTH_TOKEN."
)
_SENDER = (
    "Twilio does not accept our sender; check COUNTERFOIL_TWILIO_FROM or"
    " COUNTERFOIL_TWILIO_MESSAGING_SERVICE_SID in the Twilio console."
)
_BUSY = "The carrier is busy; the text is tried again."

_TWILIO = (
    Refusal("20003", Effect.STOP_CHANNEL, False, _KEYS),
    Refusal("20005", Effect.STOP_CHANNEL, False, "The Twilio account is not active; renew it."),
    Refusal("20429", Effect.RETRY, False, "Twilio asked us to slow down."),
    Refusal("21211", Effect.BAD_ADDRESS, True, "This is not a phone number; correct it."),
    Refusal("21212", Effect.STOP_CHANNEL, False, _SENDER),
    Refusal(
        "21408",
        Effect.ALERT,
        True,
        "Texts to this country are switched off; allow them under Geo permissions at Twilio.",
    ),
    Refusal("21602", Effect.ALERT, True, "The text was empty; correct the template."),
    Refusal("21603", Effect.STOP_CHANNEL, False, _SENDER),
    Refusal("21606", Effect.STOP_CHANNEL, False, _SENDER),
    Refusal(
        "21608",
        Effect.STOP_CHANNEL,
        False,
        "A Twilio trial account texts verified numbers only; upgrade the account.",
    ),
    Refusal("21610", Effect.SUPPRESS, True, "This number has opted out at the carrier (STOP)."),
    Refusal(
        "21611", Effect.RETRY, False, "The queue of our number is full; the text is tried again."
    ),
    Refusal("21612", Effect.OTHER_CHANNEL, True, "No route from our number to this one; email."),
    Refusal("21614", Effect.BAD_ADDRESS, True, "This is not a mobile number; use another one."),
    Refusal("21617", Effect.STOP_TEMPLATE, True, "The text is over 1,600 characters; shorten it."),
    Refusal("21635", Effect.BAD_ADDRESS, True, _NO_MOBILE),
    Refusal("21659", Effect.STOP_CHANNEL, False, _SENDER),
    Refusal("21660", Effect.STOP_CHANNEL, False, _SENDER),
    Refusal("21703", Effect.STOP_CHANNEL, False, _SENDER),
    Refusal("30001", Effect.RETRY, False, "Twilio's queue is full; the text is tried again."),
    Refusal("30002", Effect.STOP_CHANNEL, False, "The Twilio account is suspended; contact them."),
    Refusal(
        "30003", Effect.RETRY_ONCE, False, "The phone is off or out of reach; once more, later."
    ),
    Refusal("30004", Effect.SUPPRESS, True, "The recipient or the carrier blocks our texts."),
    Refusal("30005", Effect.BAD_ADDRESS, True, _GONE),
    Refusal("30006", Effect.BAD_ADDRESS, True, _NO_MOBILE),
    Refusal(
        "30007",
        Effect.STOP_TEMPLATE,
        True,
        "The carrier filtered the text as unwanted; reword the template before it goes again.",
    ),
    Refusal("30008", Effect.RETRY, False, "The carrier failed without a reason; tried again."),
    Refusal("30022", Effect.RETRY, False, _BUSY),
    Refusal("30023", Effect.RETRY, False, "The carrier's daily limit is used up; later."),
    Refusal(
        "30032",
        Effect.STOP_CHANNEL,
        False,
        "Our toll-free number is not verified; finish its verification at Twilio.",
    ),
    Refusal(
        "30034",
        Effect.STOP_CHANNEL,
        True,
        "Our number is not registered (A2P 10DLC); all texts stop until it is, at Twilio.",
    ),
    Refusal("30036", Effect.RETRY, False, "The text waited past its validity; tried again."),
    Refusal("30047", Effect.RETRY, False, _QUIET),
    Refusal("30450", Effect.ALERT, True, "Twilio suspects message pumping; look at the recipient."),
    Refusal("30610", Effect.RETRY, False, _QUIET),
    Refusal(
        "30640", Effect.SUPPRESS, True, "The number is on a list of litigators; do not text it."
    ),
    Refusal("63014", Effect.SUPPRESS, True, "The recipient blocks this channel."),
)
_BY_CODE = {refusal.code: refusal for refusal in _TWILIO}


def of_twilio(code: str, status: int = 400) -> Refusal:
    """The refusal behind Twilio's error code, which came with this HTTP status.

    A code we do not know is final when it came as a 4xx: the same request will meet it again.
    """
    known = _BY_CODE.get(code)
    if known is not None:
        return known
    if status == 401:
        return Refusal(code, Effect.STOP_CHANNEL, False, _KEYS)
    if status == 404 or 300 <= status < 400:
        sentence = "The address of Twilio is wrong; check COUNTERFOIL_TWILIO_BASE_URL and the SID."
        return Refusal(code, Effect.STOP_CHANNEL, False, sentence)
    if status >= 500:
        return Refusal(code, Effect.RETRY, False, "Twilio is unavailable; the text goes later.")
    sentence = f"Twilio refused the text with code {code}; see twilio.com/docs/api/errors/{code}."
    return Refusal(code, Effect.ALERT, True, sentence)


_SMTP_BY_DETAIL = {
    "1.1": "This mailbox does not exist; ask the client for another address.",
    "1.2": "The domain of this address does not exist; correct the address.",
    "1.3": "This is not an email address; correct it.",
    "1.6": "The recipient has moved; ask for the new address.",
    "1.10": "The domain of this address accepts no mail; ask for another address.",
    "2.1": "This mailbox is switched off; ask the client for another address.",
    "2.2": "The mailbox is full.",
    "2.3": "The mail is too large for the recipient; send it without attachments.",
    "3.4": "The mail is too large for the mail server; send it without attachments.",
    "7.1": "The mail server refused the mail by policy; look at its log and our reputation.",
    "7.26": "Our mail is not authenticated; set up SPF, DKIM and DMARC for the sender's domain.",
}
_SMTP_BY_SUBJECT = {
    "1": "The mail server refused the address; correct it.",
    "2": "The mailbox takes no mail.",
    "3": "The mail system refused the mail.",
    "4": "The mail could not be routed.",
    "5": "The mail server did not accept how we spoke to it; check COUNTERFOIL_SMTP_URL.",
    "6": "The mail server could not carry the content of the mail.",
    "7": "The mail server refused the mail by policy or security.",
}


def of_smtp(code: int, enhanced: str) -> Refusal:
    """The refusal behind an SMTP reply; ``enhanced`` is RFC 3463 (``5.1.1``) or empty."""
    permanent = code >= 500
    _, _, detail = enhanced.partition(".")
    subject = detail.partition(".")[0]
    sentence = (
        _SMTP_BY_DETAIL.get(detail)
        or _SMTP_BY_SUBJECT.get(subject)
        or f"The mail server refused the mail (SMTP {code})."
    )
    if not permanent:
        sentence += " It is tried again."
    gone = (permanent and subject == "1") or enhanced == "5.2.1"
    effect = Effect.BAD_ADDRESS if gone else Effect.ALERT if permanent else Effect.RETRY
    return Refusal(enhanced or str(code), effect, permanent, sentence)


def effect(channel: str, code: str) -> Effect:
    """What a refusal asks of us, by the channel and the code that was kept of it."""
    if channel == "sms":
        return of_twilio(code).effect
    first, dot, _ = code.partition(".")
    if not first.isdigit():
        return Effect.ALERT
    return (of_smtp(int(first) * 100, code) if dot else of_smtp(int(first), "")).effect
