"""What does the world knock with: facts, texts, mails, reports, and what staff clicked?

Each is a delivery as the product keeps it, in the bytes that its readers read.
"""

import datetime as dt
import hashlib
import random
from email.utils import format_datetime
from urllib.parse import urlencode

from billing.facts import Fact
from bot import factsheet
from bot.inbox import Parcel
from bot.web import mail_id
from comms.duties.instructions import Instruction
from tests.simulation.carrier import Report

OURS = ("accounts0@harrow.example", "+15005550006")
STOPS = ("STOP", "stop", "unsubscribe", "Please stop texting me.", "leave me alone", "STOPALL")
MAIL_STOPS = ("unsubscribe", "Please stop emailing me.", "Leave me alone.", "stop all of this")
STARTS = ("START", "YES")


def facts(name: str, told: tuple[Fact, ...]) -> Parcel:
    """What another system posts to the facts hook."""
    return Parcel("facts", name, factsheet.write(told))


def sid(seed: int, name: str) -> str:
    return "SM" + hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()[:32]


def text(seed: int, name: str, sender: str, words: str) -> Parcel:
    """A text from a phone to ours."""
    params = {
        "MessageSid": sid(seed, name), "From": sender, "To": OURS[1], "Body": words,
        "NumMedia": "0", "SmsStatus": "received",
    }  # fmt: skip
    return Parcel("twilio.sms", params["MessageSid"], urlencode(params).encode())


def mail(name: str, sender: str, words: str, at: dt.datetime) -> Parcel:
    """A mail from a mailbox to ours."""
    raw = (
        f"From: {sender}\r\nTo: {OURS[0]}\r\nSubject: Your message\r\n"
        f"Date: {format_datetime(at)}\r\nMessage-ID: <{name}@client.example>\r\n"
        f'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n'
        f"{words}\r\n"
    ).encode()
    return Parcel("email", mail_id(raw), raw)


def report(told: Report) -> Parcel:
    """What the carrier says of a text of ours."""
    params = {"MessageSid": told.sid, "MessageStatus": told.status}
    if told.code:
        params["ErrorCode"] = told.code
    query = urlencode({"ref": told.reference})
    return Parcel("twilio.status", f"{told.sid}:{told.status}", urlencode(params).encode(), query)


def click(name: str, instruction: Instruction) -> Parcel:
    """What a member of staff asked for, as the spool keeps it."""
    return Parcel("slack.instruction", name, instruction.model_dump_json().encode())


def again(dice: random.Random) -> list[dt.timedelta]:
    """When a delivery comes once more: mostly never, sometimes at once, sometimes in a week."""
    if dice.random() < 0.88:
        return []
    spans = ({"seconds": 1}, {"minutes": 1}, {"hours": 3}, {"days": 9})
    return [dt.timedelta(**dice.choice(spans)) for _ in range(dice.randint(1, 2))]
