"""What does the telephone network do with a text: parts, stop words, refusals?  Pure."""

import re
from enum import StrEnum

import phonenumbers

LONGEST = 1600
GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENDED = frozenset("^{}\\[~]|€\f")

MESSAGES = {
    20003: (401, "Authenticate"),
    20009: (400, "Cannot change this resource before it is in a final state"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    20503: (503, "Service unavailable"),
    21211: (400, "The 'To' number is not a valid phone number."),
    21408: (
        400,
        "Permission to send an SMS has not been enabled for the region of the 'To' number",
    ),
    21602: (400, "Message body is required."),
    21603: (400, "A 'From' phone number is required."),
    21604: (400, "A 'To' phone number is required."),
    21606: (400, "The 'From' phone number is not a valid, SMS-capable inbound phone number."),
    21609: (400, "The 'StatusCallback' URL is not valid: the sandbox calls loopback only."),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21612: (400, "The 'To' phone number is not currently reachable using the 'From' number."),
    21614: (400, "'To' number is not a valid mobile number"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    21635: (400, "'To' number cannot be a landline"),
    21659: (400, "'From' is not a phone number or short code of this account."),
    21705: (400, "The Messaging Service Sid is invalid"),
    30003: (0, "Unreachable destination handset"),
    30004: (0, "Message blocked"),
    30005: (0, "Unknown destination handset"),
    30006: (0, "Landline or unreachable carrier"),
    30007: (0, "Message filtered"),
    30008: (0, "Unknown error"),
    30034: (0, "Message from an unregistered number"),
}
"""Error code to HTTP status and sentence; status 0: it shows only in a delivery report."""


class Keyword(StrEnum):
    """What the carrier itself understands, as OptOutType says it."""

    STOP = "STOP"
    START = "START"
    HELP = "HELP"


_KEYWORDS = {
    Keyword.STOP: {
        *("STOP", "STOPALL", "UNSUBSCRIBE", "END", "QUIT", "REVOKE", "OPTOUT", "CANCEL"),
    },
    Keyword.START: {"START", "UNSTOP", "YES"},
    Keyword.HELP: {"HELP", "INFO"},
}
REPLIES = {
    Keyword.STOP: "You have successfully been unsubscribed. You will not receive any more "
    "messages from this number. Reply START to resubscribe.",
    Keyword.START: "You have successfully been re-subscribed to messages from this number. "
    "Reply HELP for help. Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
    Keyword.HELP: "Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
}


class Refused(Exception):
    """Twilio's answer to a request that it does not take."""

    def __init__(self, code: int, status: int = 0, reason: str = "") -> None:
        super().__init__(code, status, reason)
        self.code = code
        self.status = status
        self.reason = reason

    def payload(self) -> dict[str, object]:
        """The JSON body."""
        status, words = MESSAGES.get(self.code, (400, "Refused"))
        return {
            "code": self.code,
            "message": self.reason or words,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status or status or 400,
        }


def keyword(body: str) -> Keyword | None:
    """The word that the carrier acts on: the whole body, whatever its case."""
    word = body.strip().upper()
    return next((kind for kind, words in _KEYWORDS.items() if word in words), None)


def segments(body: str) -> int:
    """In how many parts a text travels (GSM-7 160/153, UCS-2 70/67)."""
    if all(letter in GSM_BASIC or letter in GSM_EXTENDED for letter in body):
        return _parts(sum(2 if letter in GSM_EXTENDED else 1 for letter in body), 160, 153)
    return _parts(len(body.encode("utf-16-be")) // 2, 70, 67)


def sentence(code: int) -> str:
    """What Twilio says of an error code."""
    return MESSAGES.get(code, (0, "Unknown error"))[1]


def e164(number: str) -> str | None:
    """The number as the network writes it; None where no phone can have it."""
    if re.fullmatch(r"\+[\d\s().-]{7,24}", number) is None:
        return None
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def _parts(units: int, single: int, each: int) -> int:
    return 1 if units <= single else -(-units // each)
