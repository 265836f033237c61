"""Who and what is in the local Slack workspace?"""

import datetime as dt
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from billing.clock import Clock
from bot.sandbox import blockkit

Json = dict[str, Any]
RESPONSE_USES = 5
RESPONSE_LIFE = dt.timedelta(minutes=30)


class Refusal(Exception):
    """Slack's ``ok: false``; ``extra`` goes beside the error."""

    def __init__(self, error: str, **extra: Any) -> None:
        super().__init__(error)
        self.error = error
        self.extra = extra


@dataclass(slots=True)
class User:
    """A person, or the bot, of the workspace."""

    id: str
    name: str
    email: str
    real_name: str = ""
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_bot: bool = False
    deleted: bool = False
    tz: str = "America/New_York"


@dataclass(slots=True)
class Post:
    """One message in a channel. ``ephemeral_to``: only that user sees it, until they leave."""

    ts: str
    text: str
    user: str
    blocks: list[Json] = field(default_factory=list)
    bot_id: str = ""
    thread_ts: str = ""
    broadcast: bool = False
    edited: str = ""
    metadata: Json | None = None
    ephemeral_to: str = ""
    reactions: dict[str, list[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Channel:
    """A channel, or (``im_with``) a conversation with one person."""

    id: str
    name: str
    members: set[str] = field(default_factory=set)
    is_ext_shared: bool = False
    is_private: bool = False
    is_archived: bool = False
    im_with: str = ""
    messages: list[Post] = field(default_factory=list)


@dataclass(slots=True)
class View:
    """An open modal, or a user's home tab."""

    id: str
    user: str
    content: Json
    hash: str
    root: str = ""


@dataclass(slots=True)
class ResponseUrl:
    """Where one interaction may be answered later: 5 times in 30 minutes."""

    channel: str
    user: str
    ts: str
    until: dt.datetime
    left: int = RESPONSE_USES


class Workspace:
    """One team: its people, its channels, what is written in them, and what stands open."""

    def __init__(self, clock: Clock) -> None:
        self.team_id = "T0COUNTER"
        self.domain = "sandbox"
        self.app_id = "A0COUNTER"
        self.bot_id = "B0COUNTER"
        self.bot_user = "U0COUNTER"
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.views: dict[str, View] = {}
        self.homes: dict[str, View] = {}
        self.clock = clock
        self._last_ts = 0
        self._triggers: dict[str, tuple[str, dt.datetime]] = {}
        self._spent: set[str] = set()
        self.users[self.bot_user] = User(self.bot_user, "counterfoil", "", is_bot=True)

    def add_user(self, user: User) -> User:
        """A person joins the team."""
        self.users[user.id] = user
        return user

    def add_channel(self, channel: Channel, *, with_bot: bool = True) -> Channel:
        """A channel is made, with the bot in it."""
        self.channels[channel.id] = channel
        if with_bot:
            channel.members.add(self.bot_user)
        return channel

    def next_ts(self) -> str:
        """A message's name: business time, always later than the one before."""
        now = int(self.clock.now().timestamp()) * 1_000_000
        self._last_ts = max(self._last_ts + 1, now)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def user(self, user_id: str, error: str = "user_not_found") -> User:
        """The user of this id, or ``Refusal(error)``."""
        if user_id not in self.users:
            raise Refusal(error)
        return self.users[user_id]

    def im(self, user_id: str) -> Channel:
        """The conversation of the bot with one person, opened where there is none."""
        self.user(user_id)
        known = next((one for one in self.channels.values() if one.im_with == user_id), None)
        if known is not None:
            return known
        name = "D" + user_id[1:]
        return self.add_channel(Channel(name, "", {user_id}, is_private=True, im_with=user_id))

    def channel(self, channel_id: str) -> Channel:
        """The channel of this id (a user's id: their conversation), as the bot sees it."""
        if channel_id in self.users:
            return self.im(channel_id)
        channel = self.channels.get(channel_id)
        if channel is None or (channel.is_private and self.bot_user not in channel.members):
            raise Refusal("channel_not_found")
        return channel

    def writable(self, channel_id: str) -> Channel:
        """A channel into which the bot may write."""
        channel = self.channel(channel_id)
        if channel.is_archived:
            raise Refusal("is_archived")
        if self.bot_user not in channel.members:
            raise Refusal("not_in_channel")
        return channel

    def post(self, channel: Channel, post: Post) -> Post:
        """Write a message."""
        name_blocks(post.blocks)
        channel.messages.append(post)
        return post

    def find(self, channel: Channel, ts: str) -> Post:
        """The stored message of this name; ephemeral ones cannot be found (as in Slack)."""
        for post in channel.messages:
            if post.ts == ts and not post.ephemeral_to:
                return post
        raise Refusal("message_not_found")

    def unreact(self, user_id: str, channel_id: str, ts: str, emoji: str) -> bool:
        """A person takes their emoji away again; False where they had set none."""
        who = self.find(self.channels[channel_id], ts).reactions.get(emoji, [])
        if user_id not in who:
            return False
        who.remove(user_id)
        return True

    def trigger(self, user_id: str) -> str:
        """A trigger_id: 3 seconds on the wall, one use."""
        trigger = f"{secrets.randbelow(10**12)}.{secrets.token_hex(8)}"
        self._triggers[trigger] = (user_id, self.clock.wall() + dt.timedelta(seconds=3))
        return trigger

    def pull(self, trigger: str) -> str:
        """Use a trigger up; whose it was."""
        if trigger in self._spent:
            raise Refusal("exchanged_trigger_id")
        user_id, until = self._triggers.pop(trigger, ("", self.clock.wall()))
        if not user_id:
            raise Refusal("invalid_trigger_id")
        self._spent.add(trigger)
        if self.clock.wall() > until:
            raise Refusal("expired_trigger_id")
        return user_id

    def open_view(self, user: str, content: Json, root: str = "") -> View:
        """Show a checked view to a user."""
        view_id = "V" + secrets.token_hex(5).upper()
        view = View(view_id, user, {}, "", root or view_id)
        self.change_view(view, content)
        store = self.homes if content["type"] == "home" else self.views
        store[user if content["type"] == "home" else view_id] = view
        return view

    def change_view(self, view: View, content: Json) -> None:
        """Put other content into a view.

        Raises:
            Refusal: Slack would not show it.
        """
        problems = blockkit.view_problems(content)
        if problems:
            raise invalid("invalid_arguments", problems)
        name_blocks(content["blocks"])
        view.content, view.hash = content, f"{self.next_ts()}.{secrets.token_hex(4)}"

    def show_view(self, view: View) -> Json:
        """A view as Slack sends it."""
        defaults = {"private_metadata": "", "callback_id": "", "external_id": "", "title": None}
        return {
            **defaults,
            "submit": None,
            "close": None,
            "state": {"values": {}},
            **view.content,
            "id": view.id,
            "hash": view.hash,
            "team_id": self.team_id,
            "app_id": self.app_id,
            "app_installed_team_id": self.team_id,
            "bot_id": self.bot_id,
            "root_view_id": view.root,
            "previous_view_id": None if view.root == view.id else view.root,
        }


def invalid(error: str, problems: Sequence[str]) -> Refusal:
    """A refusal that lists what is wrong."""
    return Refusal(error, errors=list(problems), response_metadata={"messages": list(problems)})


def name_blocks(blocks: Sequence[Json]) -> None:
    """Give a name to every block and element that has none, as Slack does."""
    for block in blocks:
        block.setdefault("block_id", secrets.token_urlsafe(4))
        inner = [block.get("accessory"), block.get("element")]
        inner.extend(block["elements"] if block["type"] == "actions" else [])
        for element in inner:
            if isinstance(element, dict) and element.get("type") != "image":
                element.setdefault("action_id", secrets.token_urlsafe(4))


def show_user(team_id: str, user: User) -> Json:
    """A user as users.info answers."""
    return {
        "id": user.id,
        "team_id": team_id,
        "name": user.name,
        "real_name": user.real_name or user.name,
        "deleted": user.deleted,
        "tz": user.tz,
        "is_bot": user.is_bot,
        "is_restricted": user.is_restricted,
        "is_ultra_restricted": user.is_ultra_restricted,
        "is_stranger": False,
        "profile": {
            "email": user.email,
            "real_name": user.real_name or user.name,
            "display_name": user.name,
        },
    }


def show_channel(channel: Channel, bot_user: str) -> Json:
    """A channel as conversations.info answers."""
    im = {"user": channel.im_with} if channel.im_with else {}
    return {
        "id": channel.id,
        "name": channel.name,
        "is_channel": not (channel.im_with or channel.is_private),
        "is_group": channel.is_private and not channel.im_with,
        "is_im": bool(channel.im_with),
        "is_private": channel.is_private,
        "is_archived": channel.is_archived,
        "is_ext_shared": channel.is_ext_shared,
        "is_shared": channel.is_ext_shared,
        "is_member": bot_user in channel.members,
        "num_members": len(channel.members),
        **im,
    }


def show_post(post: Post, *, with_metadata: bool = True) -> Json:
    """A message as Slack shows it."""
    shown: Json = {"type": "message", "ts": post.ts, "user": post.user, "text": post.text}
    if post.blocks:
        shown["blocks"] = post.blocks
    if post.bot_id:
        shown["bot_id"] = post.bot_id
    if post.thread_ts:
        shown["thread_ts"] = post.thread_ts
    if post.broadcast:
        shown["subtype"] = "thread_broadcast"
    if post.edited:
        shown["edited"] = {"user": post.user, "ts": post.edited}
    if post.metadata and with_metadata:
        shown["metadata"] = post.metadata
    if post.reactions:
        shown["reactions"] = [
            {"name": name, "users": users, "count": len(users)}
            for name, users in post.reactions.items()
        ]
    return shown
