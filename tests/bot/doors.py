"""Every hook that we have: who calls there, with which proof, and what is taken."""

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlmodel import select

from bot.models import Incoming
from tests import factories
from tests.factories import PHONE, SENDER, Product

MEGABYTE = 1_000_000
STRANGER = "+13125550199"
Headers = Mapping[str, str]


# --- how the world signs --------------------------------------------------------------------------


def text(sid: str = "SM1", **more: str) -> dict[str, str]:
    return {"MessageSid": sid, "From": PHONE, "To": SENDER, "Body": "hello"} | more


def status(sid: str, state: str, **more: str) -> dict[str, str]:
    return {"MessageSid": sid, "MessageStatus": state, "From": SENDER, "To": PHONE} | more


def mail(subject: str = "Hello", sender: str = factories.MAILBOX, number: int = 1) -> bytes:
    return (
        f"From: {sender}\r\nTo: accounts@harrow.example\r\nSubject: {subject}\r\n"
        f"Message-ID: <m{number}@client.example>\r\n\r\nWhere do I pay?\r\n"
    ).encode()


def event(event_id: str = "Ev1", **more: Any) -> dict[str, Any]:
    return {"type": "event_callback", "team_id": "T1", "event_id": event_id} | more


@dataclass(frozen=True)
class Door:
    """A hook: its path, the header that proves who calls, and a request that is taken."""

    path: str
    proof: str
    body: bytes
    sign: Callable[[Product, str, bytes], dict[str, str]]


def by_twilio(product: Product, path: str, body: bytes) -> dict[str, str]:
    params = dict(pair.split("=", 1) for pair in body.decode("latin-1").split("&") if "=" in pair)
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": twilio_signature(product, product.url + path, _decoded(params)),
    }


def _decoded(params: Mapping[str, str]) -> dict[str, str]:
    from urllib.parse import unquote_plus

    return {name: unquote_plus(value) for name, value in params.items()}


def twilio_signature(product: Product, url: str, params: Mapping[str, str]) -> str:
    return product.twilio.signature(url, params)


def by_bearer(_product: Product, _path: str, _body: bytes) -> dict[str, str]:
    return {"Authorization": f"Bearer {factories.MAIL_SECRET}", "Content-Type": "message/rfc822"}


def slack_proof(body: bytes, second: int, kind: str) -> dict[str, str]:
    signed = f"v0:{second}:".encode() + body
    digest = hmac.new(factories.SIGNING_SECRET.encode(), signed, "sha256").hexdigest()
    return {
        "Content-Type": kind,
        "X-Slack-Request-Timestamp": str(second),
        "X-Slack-Signature": f"v0={digest}",
    }


def by_event(product: Product, _path: str, body: bytes) -> dict[str, str]:
    return slack_proof(body, int(product.clock.wall().timestamp()), "application/json")


def by_command(product: Product, _path: str, body: bytes) -> dict[str, str]:
    second = int(product.clock.wall().timestamp())
    return slack_proof(body, second, "application/x-www-form-urlencoded")


COMMAND = urlencode(
    {
        "command": "/acct", "text": "help", "user_id": "U1", "team_id": "T1", "channel_id": "D1",
        "trigger_id": "1.2", "response_url": "http://127.0.0.1:9/x",
    }
).encode()  # fmt: skip
TWILIO, BEARER, SLACK = "X-Twilio-Signature", "Authorization", "X-Slack-Signature"
DOORS = {
    "sms": Door("/hooks/twilio/sms", TWILIO, urlencode(text()).encode(), by_twilio),
    "status": Door(
        "/hooks/twilio/status?ref=r1", TWILIO, urlencode(status("SM9", "sent")).encode(), by_twilio
    ),
    "email": Door("/hooks/email", BEARER, mail(), by_bearer),
    "event": Door("/hooks/slack", SLACK, json.dumps(event()).encode(), by_event),
    "command": Door("/hooks/slack", SLACK, COMMAND, by_command),
}
every_door = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)


def rows(product: Product) -> list[Incoming]:
    with product.store.read() as session:
        return list(session.exec(select(Incoming)))


async def taken(product: Product, door: Door, body: bytes) -> int:
    return await product.post(door.path, body, door.sign(product, door.path, body))
