"""How does a message reach staff in Slack, and what do we know when it may not have?

Delivery to staff is at least once: after ``Uncertain`` the caller posts again, and our reference
in the metadata tells a reader of the history that both are one.
"""

import asyncio
import datetime as dt
import logging
import re
import time
from collections.abc import Awaitable, Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack import EVENT_TYPE
from bot.slack.readership import Readership
from comms.ports import Copy, DeliveryError, Found, Outgoing, Sent, Throttled, Uncertain

_CHANNEL = re.compile(r"[CDG][A-Z0-9]{2,30}")
_STAMP = re.compile(r"[0-9]{1,10}\.[0-9]{1,6}")
_USER = re.compile(r"[UW][A-Z0-9]{2,30}")
_REINSTALL = (
    "Slack does not accept our token; install the app again and set COUNTERFOIL_SLACK_BOT_TOKEN."
)
_SHAPE = "Slack does not accept the layout of the message; this is a fault of ours, report it."
_PERMANENT = {
    "account_inactive": _REINSTALL,
    "cannot_reply_to_message": "The message to answer takes no answers; post a new one.",
    "cant_delete_message": "Only our own messages can be deleted; a person must do it.",
    "cant_update_message": "Only our own messages can be changed; post a new one.",
    "channel_not_found": "The channel does not exist or is private; invite the bot into it.",
    "edit_window_closed": "The message can no longer be changed; post a new one.",
    "invalid_auth": _REINSTALL,
    "invalid_blocks": _SHAPE,
    "invalid_blocks_format": _SHAPE,
    "is_archived": "The channel is archived; choose another one in the settings.",
    "message_not_found": "The message was deleted; post a new one.",
    "missing_scope": "The app lacks a permission; add the scope it names and install it again.",
    "msg_blocks_too_long": _SHAPE,
    "msg_too_long": "The message is over 40,000 characters; shorten it.",
    "no_permission": "The app may not write there; ask an administrator of the workspace.",
    "no_text": "The message is empty; give it a text.",
    "not_authed": _REINSTALL,
    "not_in_channel": "The bot is not in the channel; invite it with /invite.",
    "restricted_action": "The workspace forbids the app to write there; ask an administrator.",
    "thread_not_found": "The thread was deleted; post in the channel.",
    "token_expired": _REINSTALL,
    "token_revoked": _REINSTALL,
    "user_disabled": "The person's Slack account is switched off; choose somebody else.",
    "user_not_found": "Slack knows no such person; run counterfoil access list.",
}
_GONE = "message_not_found"
_UNCLEAR = frozenset({"fatal_error", "internal_error"})
"""Slack says of these that part of the work may have been done."""

_READS = frozenset(
    {
        "conversations.history", "conversations.info", "conversations.members",
        "conversations.replies", "users.info",
    }
)  # fmt: skip
_SHARED = "The channel is shared with another organisation; choose an internal one in the settings."
_GUEST = (
    "A guest of the workspace would read it; take them out of the channel, or choose another one in"
    " the settings. It is tried again."
)
_HAS_GUEST = "guest_reads"
_PENDING = "is_pending_ext_shared"
_KEPT = 60.0
"""Seconds for which a channel counts as seen."""
_NO_ANSWER = (
    aiohttp.ClientError,
    OSError,
    ValueError,
    SlackClientError,
    AttributeError,  # the SDK asks a plain-text 200 for its "ok"
)


class SlackChannel:
    """Messages by Slack's SDK; ``to`` is the id of a channel, or of a person (a direct message).

    The provider id is the message's ``ts``, which is unique within its channel.
    """

    name = "slack"

    def __init__(
        self, token: str, *, base_url: str = "https://slack.com/api/", timeout: float = 20.0
    ) -> None:
        quiet = logging.getLogger("counterfoil.slack.wire")
        # The SDK writes whole messages to its log below INFO.
        quiet.setLevel(logging.INFO)
        # No handlers: the SDK's own would post again after a broken connection, unseen by us.
        self._web = AsyncWebClient(token, base_url=base_url, logger=quiet, retry_handlers=[])
        self._web.proxy = None
        self._timeout = aiohttp.ClientTimeout(
            total=3 * timeout, connect=timeout, sock_connect=timeout, sock_read=timeout
        )
        self._direct: dict[str, str] = {}
        self._ours: dict[str, float] = {}
        """Channels that were seen to be read by our own people, and until when that counts."""
        self._readers = Readership(self._look)
        self._looking = asyncio.Lock()

    async def send(self, message: Outgoing) -> Sent:
        """Post the message, or replace the one it updates, once.

        Raises:
            DeliveryError: see comms.ports.
        """
        body = _body(message)
        body["channel"] = await self._channel(message.to)
        await self._must_be_ours(body["channel"])
        if _USER.fullmatch(message.to) and await self._readers.is_guest(message.to):
            raise DeliveryError(_GUEST, permanent=False, code=_HAS_GUEST)
        if message.updates:
            answer = await self._ask("chat.update", body | {"ts": message.updates})
        else:
            answer = await self._ask("chat.postMessage", body)
        stamp = answer.get("ts")
        if not isinstance(stamp, str) or not stamp:
            raise Uncertain("Slack took the message and did not name it.")
        return Sent(provider_id=stamp)

    async def find(self, message: Outgoing, since: dt.datetime) -> Found | None:
        """Look for our reference in the channel's history; None on any doubt."""
        asked: dict[str, object] = {
            "oldest": f"{since.timestamp():.6f}",
            "include_all_metadata": True,
            "limit": 200,
        }
        method = "conversations.replies" if message.thread else "conversations.history"
        if message.thread:
            asked["ts"] = message.thread
        try:
            asked["channel"] = await self._channel(message.to)
            answer = await self._ask(method, asked)
        except DeliveryError:
            return None
        listed = answer.get("messages")
        return _ours(listed, message.reference) if isinstance(listed, list) else None

    async def recall(self, copy: Copy) -> bool:
        """Delete a message of ours; those of others cannot be.

        Raises:
            DeliveryError: see comms.ports.
        """
        try:
            channel = await self._channel(copy.place)
            await self._ask("chat.delete", {"channel": channel, "ts": copy.provider_id})
        except DeliveryError as error:
            if error.code == _GONE:
                return False
            raise
        return True

    async def close(self) -> None:
        """Give the connections back."""
        if self._web.session is not None:
            await self._web.session.close()
            self._web.session = None

    async def _channel(self, to: str) -> str:
        if _CHANNEL.fullmatch(to):
            return to
        if not _USER.fullmatch(to):
            sentence = "This is not the id of a Slack channel or person; correct it."
            raise DeliveryError(sentence, permanent=True, code="invalid_recipient")
        if to not in self._direct:
            self._direct[to] = await self._open(to)
        return self._direct[to]

    async def _must_be_ours(self, channel: object) -> None:
        """Nothing about clients goes where another organisation keeps its own copy of it."""
        name = str(channel)
        if name.startswith("D"):
            return
        async with self._looking:  # one asks, and all who wait know
            if self._ours.get(name, 0.0) > time.monotonic():
                return
            told = (await self._look("conversations.info", {"channel": name})).get("channel")
            if not isinstance(told, dict) or told.get("is_ext_shared") or told.get(_PENDING):
                raise DeliveryError(_SHARED, permanent=True, code="shared_channel")
            if await self._readers.has_guest(name):
                raise DeliveryError(_GUEST, permanent=False, code=_HAS_GUEST)
            self._ours[name] = time.monotonic() + _KEPT

    async def _look(self, method: str, body: Mapping[str, object]) -> Mapping[str, object]:
        """Ask what says nothing to anybody: without an answer it may be asked again."""
        try:
            return await self._ask(method, body)
        except Uncertain as error:
            raise DeliveryError(error.sentence, permanent=False, code=error.code) from error

    async def _open(self, person: str) -> str:
        answer = await self._look("conversations.open", {"users": person})
        opened = answer.get("channel")
        found = opened.get("id") if isinstance(opened, dict) else None
        if not isinstance(found, str):
            sentence = "Slack did not open the conversation; it is tried again."
            raise DeliveryError(sentence, permanent=False, code="no_conversation")
        return found

    async def _ask(self, method: str, body: Mapping[str, object]) -> Mapping[str, object]:
        if self._web.session is None or self._web.session.closed:
            self._web.session = aiohttp.ClientSession(timeout=self._timeout)
        reads = method in _READS
        call: dict[str, Any] = {"params": dict(body)} if reads else {"json": dict(body)}
        return await _answered(self._web.api_call(method, **call))


async def _answered(call: Awaitable[Any]) -> Mapping[str, object]:
    try:
        data = (await call).data
    except SlackApiError as error:
        raise _refused(error.response) from error
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        sentence = "Slack cannot be reached; the message is tried again."
        raise DeliveryError(sentence, permanent=False, code="unreachable") from error
    except _NO_ANSWER as error:
        raise Uncertain("Slack did not answer; the message may be there.") from error
    return data if isinstance(data, dict) else {}


def _body(message: Outgoing) -> dict[str, object]:
    text = message.text or message.subject
    if not text:
        raise DeliveryError(_PERMANENT["no_text"], permanent=True, code="no_text")
    body: dict[str, object] = {
        "text": text,
        "metadata": {
            "event_type": EVENT_TYPE,
            "event_payload": {"reference": message.reference},
        },
    }
    if message.blocks:
        body["blocks"] = [dict(block) for block in message.blocks]
    if not message.updates:
        body |= {"unfurl_links": False, "unfurl_media": False}
        if message.thread:
            body["thread_ts"] = message.thread
    return body


def _refused(response: Any) -> DeliveryError:
    status = getattr(response, "status_code", None) or getattr(response, "status", 0)
    data = getattr(response, "data", None)
    code = str(data.get("error") or "") if isinstance(data, dict) else ""
    if status == 429 or code in {"ratelimited", "rate_limited"}:
        wait = _seconds(response.headers.get("Retry-After"))
        return Throttled("Slack asked us to slow down.", retry_after=wait, code="ratelimited")
    if code in _PERMANENT:
        return DeliveryError(_PERMANENT[code], permanent=True, code=code)
    if code in _UNCLEAR or not code:
        return Uncertain("Slack failed on the way; the message may be there.")
    return DeliveryError("Slack refused the message for now; later.", permanent=False, code=code)


def _seconds(text: str | None) -> float:
    try:
        return min(max(float(text or 1), 0.1), 3600.0)
    except ValueError:
        return 1.0


def _ours(listed: list[Any], reference: str) -> Found | None:
    for one in listed:
        metadata = one.get("metadata") if isinstance(one, dict) else None
        if not isinstance(metadata, dict) or metadata.get("event_type") != EVENT_TYPE:
            continue
        payload, stamp = metadata.get("event_payload"), str(one.get("ts", ""))
        named = isinstance(payload, dict) and payload.get("reference") == reference
        if named and _STAMP.fullmatch(stamp):
            return Found(stamp, "sent", dt.datetime.fromtimestamp(float(stamp), dt.UTC))
    return None
