"""What does Slack answer to the bot, and what does it send when people type and click?

A stand-in at the wire: the official SDK runs unmodified against ``Slack.app`` by base URL, and
events, commands and interactions arrive at the product signed as Slack signs them. What people
see carries business time; signatures, triggers and response URLs hang on the wall clock.
"""

import hmac
import json
import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from billing.clock import Clock
from bot.sandbox import interaction, slackwire, webapi
from bot.sandbox.faults import (
    AFTER_ACCEPT,
    BEFORE_ACCEPT,
    WIRE,
    Fault,
    Faults,
    broken_answer,
)
from bot.sandbox.loopback import Answer, post, serve
from bot.sandbox.workspace import (
    RESPONSE_LIFE,
    Channel,
    Json,
    Post,
    Refusal,
    ResponseUrl,
    User,
    View,
    Workspace,
    show_post,
)

RETRIES = 3


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event, and the HTTP status of each time it was delivered (0: nobody answered)."""

    event_id: str
    ts: str
    statuses: Sequence[int]


class Slack:
    """One workspace with our app in it.

    ``request_url`` is the product's one address for events, commands and interactions.
    Faults are planned per method of the Web API (``"chat.postMessage"``), for ``"response_url"``,
    and for ``"event"`` (``REPEAT_CALLBACKS``: delivered again although it was taken).
    """

    def __init__(self, bot_token: str, signing_secret: str, clock: Clock) -> None:
        self.bot_token = bot_token
        self.signing_secret = signing_secret
        self.request_url = ""
        self.base_url = ""
        self.webhook_seconds = 3.0
        self.workspace = Workspace(clock)
        self.scopes = list(webapi.SCOPES)
        self.subscriptions = {"message", "app_mention", "app_home_opened", "reaction_added"}
        self.response_urls: dict[str, ResponseUrl] = {}
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.faults = Faults({"event": {Fault.REPEAT_CALLBACKS}, "*": WIRE})
        self._clock = clock
        self.app: ASGIApp = Starlette(
            routes=[
                Route("/api/{method}", self._call, methods=["GET", "POST"]),
                Route("/response/{name}", self._respond, methods=["POST"]),
            ]
        )

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[str]:
        """Serve on loopback; the SDK's base URL is what this yields with ``/api/`` after it."""
        async with serve(self.app, port) as base_url:
            self.base_url = base_url
            yield base_url

    def add_user(self, user_id: str, name: str, email: str, *, restricted: bool = False) -> User:
        """A person joins the workspace."""
        user = User(user_id, name, email, real_name=name, is_restricted=restricted)
        return self.workspace.add_user(user)

    def add_channel(
        self,
        channel_id: str,
        name: str,
        members: Collection[str] = (),
        *,
        private: bool = False,
        ext_shared: bool = False,
        with_bot: bool = True,
    ) -> Channel:
        """A channel is made."""
        channel = Channel(channel_id, name, set(members), ext_shared, private)
        return self.workspace.add_channel(channel, with_bot=with_bot)

    def messages(self, channel: str) -> list[Post]:
        """What was written in a channel, the oldest first."""
        return self.workspace.channels[channel].messages

    def headers(self, body: bytes) -> dict[str, str]:
        """The signature of a request: v0 HMAC-SHA256 over the wall clock's second and the body."""
        second = str(int(self._clock.wall().timestamp()))
        signed = b"v0:" + second.encode() + b":" + body
        digest = hmac.digest(self.signing_secret.encode(), signed, "sha256").hex()
        return {"X-Slack-Request-Timestamp": second, "X-Slack-Signature": f"v0={digest}"}

    async def command(self, user: str, channel: str, command: str, text: str = "") -> Answer:
        """A person types a slash command; a text in the answer is shown in the channel."""
        team = self.workspace
        fields = {
            "token": "sandbox",
            "team_id": team.team_id,
            "team_domain": team.domain,
            "channel_id": channel,
            "channel_name": team.channels[channel].name or "directmessage",
            "user_id": user,
            "user_name": team.users[user].name,
            "command": command,
            "text": text,
            "api_app_id": team.app_id,
            "is_enterprise_install": "false",
            "response_url": self._response_url(channel, user),
            "trigger_id": team.trigger(user),
        }
        answer = await self._send(urlencode(fields).encode(), _FORM)
        if answer.accepted and answer.body.strip():
            said = interaction.as_message(answer.body)
            self._show(ResponseUrl(channel, user, "", self._clock.wall()), said)
        return answer

    async def click(
        self, user: str, channel: str, ts: str, action_id: str, value: str = ""
    ) -> Answer:
        """A person uses a button, menu or date of a message.

        Raises:
            LookupError: there is no such thing on that message.
        """
        post_ = next((one for one in self.messages(channel) if one.ts == ts), None)
        if post_ is None or post_.ephemeral_to not in {"", user}:
            message = f"{user} sees no message {ts} in {channel}"
            raise LookupError(message)
        action = interaction.action(post_.blocks, action_id, value, self.workspace.next_ts())
        hidden = bool(post_.ephemeral_to)
        container = {"type": "message", "message_ts": ts, "channel_id": channel}
        payload = interaction.base(self.workspace, "block_actions", user) | {
            "container": container | {"is_ephemeral": hidden},
            "channel": {"id": channel, "name": self.workspace.channels[channel].name},
            "response_url": self._response_url(channel, user, ts),
            "actions": [action],
            "state": {"values": {}},
        }
        return await self._interact(payload if hidden else payload | {"message": show_post(post_)})

    async def click_view(self, user: str, view_id: str, action_id: str, value: str = "") -> Answer:
        """A person uses something in an open modal or on their home tab.

        Raises:
            LookupError: there is no such thing in that view.
        """
        view = self._view(user, view_id)
        content = view.content
        action = interaction.action(content["blocks"], action_id, value, self.workspace.next_ts())
        payload = interaction.base(self.workspace, "block_actions", user) | {
            "container": {"type": "view", "view_id": view.id},
            "view": self.workspace.show_view(view),
            "actions": [action],
        }
        return await self._interact(payload)

    async def submit(
        self, user: str, view_id: str, values: Mapping[str, Mapping[str, Any]]
    ) -> Answer:
        """A person sends a modal; ``values`` is ``{block_id: {action_id: what was typed}}``.

        What was typed is a string (a list for many), or Slack's own ``state.values`` entry. A
        modal that was taken is closed; errors leave it open, an update or push shows the next.

        Raises:
            LookupError: the view is not open, or has no such input.
            ValueError: Slack would not send it: an input that is not optional is empty.
        """
        view = self._view(user, view_id)
        shown = self.workspace.show_view(view)
        shown["state"] = {"values": interaction.state(view.content["blocks"], values)}
        shown |= {"response_urls": []}
        payload = interaction.base(self.workspace, "view_submission", user) | {
            "view": shown,
            "response_urls": [],
        }
        answer = await self._interact(payload)
        if answer.accepted:
            self._after_submit(view, answer.body)
        return answer

    async def dismiss(self, user: str, view_id: str) -> Answer | None:
        """A person closes a modal; the product hears of it if it asked to."""
        view = self._view(user, view_id)
        del self.workspace.views[view.id]
        if not view.content.get("notify_on_close"):
            return None
        shown = self.workspace.show_view(view)
        payload = interaction.base(self.workspace, "view_closed", user) | {
            "view": shown,
            "is_cleared": False,
        }
        return await self._interact(payload)

    async def say(
        self, user: str, channel: str, text: str, thread_ts: str | None = None
    ) -> Delivery:
        """A person writes a message; the bot hears it where it is a member."""
        written = Post(self.workspace.next_ts(), text, user, thread_ts=thread_ts or "")
        place = self.workspace.channels[channel]
        self.workspace.post(place, written)
        if self.workspace.bot_user not in place.members:
            return Delivery("", written.ts, ())
        event = (
            show_post(written)
            | interaction.where(self.workspace, place)
            | {"client_msg_id": secrets.token_hex(16)}
        )
        delivery = await self.event(event)
        if f"<@{self.workspace.bot_user}>" in text and not place.im_with:
            await self.event(event | {"type": "app_mention"})
        return Delivery(delivery.event_id, written.ts, delivery.statuses)

    async def react(self, user: str, channel: str, ts: str, emoji: str) -> Delivery:
        """A person sets an emoji beside a message; once each, as Slack has it."""
        place = self.workspace.channels[channel]
        post_ = self.workspace.find(place, ts)
        if user in post_.reactions.setdefault(emoji, []):
            return Delivery("", ts, ())
        post_.reactions[emoji].append(user)
        if self.workspace.bot_user not in place.members:
            return Delivery("", ts, ())
        return await self.event(interaction.reaction(self.workspace, user, place, post_, emoji))

    async def shortcut(self, user: str, channel: str, ts: str, callback_id: str) -> Answer:
        """A person chooses one of our shortcuts from the menu of a message."""
        post_ = self.workspace.find(self.workspace.channels[channel], ts)
        payload = interaction.base(self.workspace, "message_action", user) | {
            "callback_id": callback_id,
            "action_ts": self.workspace.next_ts(),
            "message_ts": ts,
            "message": show_post(post_),
            "channel": {"id": channel, "name": self.workspace.channels[channel].name},
            "response_url": self._response_url(channel, user, ts),
        }
        return await self._interact(payload)

    async def edit(self, user: str, channel: str, ts: str, text: str) -> Delivery:
        """A person changes their message: an event of subtype message_changed."""
        place = self.workspace.channels[channel]
        written = self.workspace.find(place, ts)
        before = show_post(written)
        written.text, written.edited = text, self.workspace.next_ts()
        changed = {"type": "message", "subtype": "message_changed", "hidden": True}
        event = changed | {"message": show_post(written), "previous_message": before}
        return await self.event(
            event | {"user": user, "ts": written.edited} | interaction.where(self.workspace, place)
        )

    async def say_as_bot(self, channel: str, text: str, bot_id: str = "B0OTHER") -> Delivery:
        """Another app writes a message."""
        place = self.workspace.channels[channel]
        written = Post(self.workspace.next_ts(), text, "U0OTHERBOT", bot_id=bot_id)
        self.workspace.post(place, written)
        event = (
            show_post(written)
            | {"subtype": "bot_message"}
            | interaction.where(self.workspace, place)
        )
        return await self.event(event)

    async def open_home(self, user: str, tab: str = "home") -> Delivery:
        """A person opens the app's home or messages tab."""
        channel = self.workspace.im(user).id
        event: Json = {"type": "app_home_opened", "user": user, "channel": channel, "tab": tab}
        if user in self.workspace.homes:
            event["view"] = self.workspace.show_view(self.workspace.homes[user])
        return await self.event(event | {"event_ts": self.workspace.next_ts()})

    async def event(self, event: Json, event_id: str = "") -> Delivery:
        """Deliver an event, and again up to three times while it is not taken.

        The same ``event_id`` twice is the same event delivered again by an impatient Slack.
        """
        event_id = event_id or "Ev" + secrets.token_hex(5).upper()
        ts = str(event.get("ts", ""))
        if event["type"] not in self.subscriptions:
            return Delivery(event_id, ts, ())
        body = json.dumps(interaction.envelope(self.workspace, event, event_id)).encode()
        again = self.faults.take("event", {"type": event["type"], "event_id": event_id})
        statuses: list[int] = []
        reason = ""
        while len(statuses) <= RETRIES:
            retry = {"X-Slack-Retry-Num": str(len(statuses)), "X-Slack-Retry-Reason": reason}
            answer = await self._send(body, _JSON | (retry if statuses else {}))
            statuses.append(answer.status)
            no_retry = answer.headers.get("X-Slack-No-Retry") == "1"
            if no_retry or (answer.accepted and again is None):
                break
            reason = _reason(answer)
            again = None
        return Delivery(event_id, ts, tuple(statuses))

    async def challenge(self) -> Answer:
        """Slack checks the request URL: the answer must carry the challenge."""
        word = secrets.token_urlsafe(24)
        body = {"token": "sandbox", "challenge": word, "type": "url_verification"}
        answer = await self._send(json.dumps(body).encode(), _JSON)
        lost = f"the challenge did not come back: {answer.body[:200]}"
        return answer if word in answer.body else Answer(0, lost)

    async def _call(self, request: Request) -> ASGIApp:
        method = request.path_params["method"]
        args = await slackwire.arguments(request)
        shown = request.headers.get("authorization", "").removeprefix("Bearer ")
        token = str(args.pop("token", "")) or shown
        self.calls.append((method, args))
        planned = self.faults.take(method, {name: str(value) for name, value in args.items()})
        if broken := await broken_answer(planned, BEFORE_ACCEPT, slackwire.refusal):
            return broken
        answer = await self._answer(method, token, args)
        return await broken_answer(planned, AFTER_ACCEPT, slackwire.refusal) or answer

    async def _answer(self, method: str, token: str, args: Mapping[str, Any]) -> Response:
        try:
            said = {"ok": True} | self._admit(method, token)(self.workspace, args)
            if method == "chat.postMessage" and "metadata" in args:
                await self.event(interaction.metadata_posted(self.workspace, args, said))
            return JSONResponse(said, headers=webapi.headers(self.scopes, self._clock.wall()))
        except Refusal as refusal:
            return slackwire.said({"ok": False, "error": refusal.error} | refusal.extra)

    def _admit(self, method: str, token: str) -> webapi.Method:
        if method not in webapi.METHODS:
            raise Refusal("unknown_method", req_method=method)
        known = hmac.compare_digest(token.encode(), self.bot_token.encode())
        if method != "api.test" and not known:
            raise Refusal("invalid_auth" if token else "not_authed")
        return webapi.METHODS[method]

    async def _respond(self, request: Request) -> ASGIApp:
        """A response_url was used."""
        use = self.response_urls.get(request.path_params["name"])
        args = await slackwire.arguments(request)
        planned = self.faults.take("response_url", {})
        if broken := await broken_answer(planned, BEFORE_ACCEPT, slackwire.refusal):
            return broken
        if use is None or self._clock.wall() > use.until:
            return slackwire.said({"ok": False, "error": "expired_url"}, 404)
        if use.left == 0:
            return slackwire.said({"ok": False, "error": "used_url"}, 404)
        try:
            self._show(use, args)
        except Refusal as refusal:
            return slackwire.said({"ok": False, "error": refusal.error} | refusal.extra, 400)
        use.left -= 1
        return await broken_answer(planned, AFTER_ACCEPT, slackwire.refusal) or PlainTextResponse(
            "ok"
        )

    def _show(self, use: ResponseUrl, args: Mapping[str, Any]) -> None:
        """An answer to an interaction appears, or replaces or deletes what was answered.

        Raises:
            Refusal: Slack would not show it.
        """
        place = self.workspace.channels[use.channel]
        old = next((one for one in place.messages if use.ts and one.ts == use.ts), None)
        if args.get("delete_original"):
            if old is not None:
                place.messages.remove(old)
            return
        text, blocks, metadata = webapi.checked(args)
        team = self.workspace
        if args.get("replace_original") and old is not None:
            old.text, old.blocks, old.metadata = text, blocks, metadata
            old.edited = team.next_ts()
            return
        seen_by = "" if args.get("response_type") == "in_channel" else use.user
        thread = str(args.get("thread_ts") or "")
        said = Post(team.next_ts(), text, team.bot_user, blocks, team.bot_id, thread)
        said.metadata, said.ephemeral_to = metadata, seen_by
        team.post(place, said)

    def _after_submit(self, view: View, body: str) -> None:
        action = json.loads(body) if body.strip().startswith("{") else {}
        match action.get("response_action"):
            case "errors":
                return
            case "update":
                self.workspace.change_view(view, action["view"])
            case "push":
                self.workspace.open_view(view.user, action["view"], root=view.root)
            case "clear":
                for one in [v for v in self.workspace.views.values() if v.root == view.root]:
                    del self.workspace.views[one.id]
            case _:
                self.workspace.views.pop(view.id, None)

    def _view(self, user: str, view_id: str) -> View:
        views = [*self.workspace.views.values(), *self.workspace.homes.values()]
        for view in views:
            if view.id == view_id and view.user == user:
                return view
        message = f"{user} has no open view {view_id}"
        raise LookupError(message)

    def _response_url(self, channel: str, user: str, ts: str = "") -> str:
        name = secrets.token_urlsafe(16)
        until = self._clock.wall() + RESPONSE_LIFE
        self.response_urls[name] = ResponseUrl(channel, user, ts, until)
        return f"{self.base_url}/response/{name}"

    async def _interact(self, payload: Json) -> Answer:
        return await self._send(urlencode({"payload": json.dumps(payload)}).encode(), _FORM)

    async def _send(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        signed = self.headers(body) | dict(headers)
        return await post(self.request_url, body, signed, self.webhook_seconds)


_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON = {"Content-Type": "application/json"}


def _reason(answer: Answer) -> str:
    if answer.status:
        return "http_timeout" if answer.accepted else "http_error"
    return "http_timeout" if answer.body == "timeout" else "connection_failed"
