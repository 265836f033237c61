"""What does each method of Slack's Web API do in the local workspace?

One function is one method: the workspace and the caller's arguments in, the answer out, or a
``Refusal`` with Slack's own error word.
"""

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from email.utils import format_datetime
from typing import Any

from bot.sandbox import blockkit
from bot.sandbox.workspace import (
    Channel,
    Json,
    Post,
    Refusal,
    View,
    Workspace,
    invalid,
    show_channel,
    show_post,
    show_user,
)

Args = Mapping[str, Any]
Method = Callable[[Workspace, Args], Json]
TEXT_LIMIT = 40_000
SCOPES = (
    "channels:read", "chat:write", "commands", "groups:read", "im:write", "metadata.message:read",
    "reactions:read", "users:read",
)  # fmt: skip
"""What an app made from our manifest is granted."""


def headers(scopes: Sequence[str], now: dt.datetime) -> dict[str, str]:
    """What stands above an answer: what the token may do, and Slack's own time."""
    return {"X-OAuth-Scopes": ",".join(scopes), "Date": format_datetime(now, usegmt=True)}


def api_test(_team: Workspace, args: Args) -> Json:
    """Echo, or the error that was asked for."""
    if "error" in args:
        raise Refusal(str(args["error"]), args=dict(args))
    return {"args": dict(args)}


def auth_test(team: Workspace, _args: Args) -> Json:
    """Who is this token?"""
    return {
        "url": f"https://{team.domain}.slack.com/",
        "team": team.domain,
        "team_id": team.team_id,
        "user": team.users[team.bot_user].name,
        "user_id": team.bot_user,
        "bot_id": team.bot_id,
        "is_enterprise_install": False,
    }


def post_message(team: Workspace, args: Args) -> Json:
    """chat.postMessage."""
    channel = team.writable(_need(args, "channel", "channel_not_found"))
    post = _composed(team, args)
    post.thread_ts = _thread(team, channel, args)
    post.broadcast = bool(post.thread_ts and _flag(args, "reply_broadcast"))
    team.post(channel, post)
    return {"channel": channel.id, "ts": post.ts, "message": show_post(post)}


def post_ephemeral(team: Workspace, args: Args) -> Json:
    """chat.postEphemeral: one person sees it, nobody can find it later."""
    channel = team.writable(_need(args, "channel", "channel_not_found"))
    user = _need(args, "user", "no_user")
    if user not in channel.members:
        raise Refusal("user_not_in_channel")
    post = _composed(team, args)
    post.ephemeral_to = user
    post.thread_ts = str(args.get("thread_ts") or "")
    team.post(channel, post)
    return {"message_ts": post.ts}


def update(team: Workspace, args: Args) -> Json:
    """chat.update: what is not given stays, but new text alone drops the blocks."""
    channel = team.channel(_need(args, "channel", "channel_not_found"))
    post = team.find(channel, _need(args, "ts", "message_not_found"))
    if post.bot_id != team.bot_id:
        raise Refusal("cant_update_message")
    fresh = _composed(team, args)
    post.text, post.blocks, post.edited = fresh.text, fresh.blocks, fresh.ts
    if fresh.metadata is not None:
        post.metadata = fresh.metadata
    shown = show_post(post)
    return {"channel": channel.id, "ts": post.ts, "text": post.text, "message": shown}


def delete(team: Workspace, args: Args) -> Json:
    """chat.delete: only what the bot wrote."""
    channel = team.channel(_need(args, "channel", "channel_not_found"))
    post = team.find(channel, _need(args, "ts", "message_not_found"))
    if post.bot_id != team.bot_id:
        raise Refusal("cant_delete_message")
    channel.messages.remove(post)
    return {"channel": channel.id, "ts": post.ts}


def conversation_open(team: Workspace, args: Args) -> Json:
    """conversations.open with one person."""
    users = str(args.get("users") or "")
    if not users:
        raise Refusal("users_list_not_supplied")
    if "," in users:
        raise Refusal("method_not_supported_for_channel_type")
    channel = team.im(users)
    return {"channel": {"id": channel.id, **show_channel(channel, team.bot_user)}}


def conversation_info(team: Workspace, args: Args) -> Json:
    """conversations.info."""
    channel = team.channel(_need(args, "channel", "channel_not_found"))
    return {"channel": show_channel(channel, team.bot_user)}


def conversation_members(team: Workspace, args: Args) -> Json:
    """conversations.members: who is in a channel, the bot as well."""
    channel = team.channel(_need(args, "channel", "channel_not_found"))
    return _paged("members", sorted(channel.members), args)


def conversation_list(team: Workspace, args: Args) -> Json:
    """conversations.list: channels of the asked types that the bot can see."""
    kinds = set(str(args.get("types") or "public_channel").split(","))
    found = [
        show_channel(one, team.bot_user)
        for one in team.channels.values()
        if _kind(one) in kinds
        and (not one.is_private or team.bot_user in one.members)
        and not (one.is_archived and _flag(args, "exclude_archived"))
    ]
    return _paged("channels", found, args)


def history(team: Workspace, args: Args) -> Json:
    """conversations.history: the newest first, without replies."""
    channel = _readable(team, args)
    oldest, latest = str(args.get("oldest") or "0"), str(args.get("latest") or "9" * 12)
    edges = _flag(args, "inclusive")
    shown = [
        show_post(post, with_metadata=_flag(args, "include_all_metadata"))
        for post in reversed(channel.messages)
        if not post.ephemeral_to
        and (not post.thread_ts or post.thread_ts == post.ts or post.broadcast)
        and (oldest < post.ts < latest or (edges and post.ts in {oldest, latest}))
    ]
    return _paged("messages", shown, args)


def replies(team: Workspace, args: Args) -> Json:
    """conversations.replies: the first message, then the answers to it."""
    channel = _readable(team, args)
    root = _need(args, "ts", "thread_not_found")
    found = [
        show_post(post, with_metadata=_flag(args, "include_all_metadata"))
        for post in channel.messages
        if not post.ephemeral_to and root in {post.ts, post.thread_ts}
    ]
    if not found:
        raise Refusal("thread_not_found")
    return _paged("messages", found, args)


def user_info(team: Workspace, args: Args) -> Json:
    """users.info."""
    user = team.user(_need(args, "user", "user_not_found"))
    return {"user": show_user(team.team_id, user)}


def user_list(team: Workspace, args: Args) -> Json:
    """users.list."""
    found = [show_user(team.team_id, user) for user in team.users.values()]
    return _paged("members", found, args)


def lookup_by_email(team: Workspace, args: Args) -> Json:
    """users.lookupByEmail."""
    email = _need(args, "email", "users_not_found").casefold()
    for user in team.users.values():
        if user.email.casefold() == email and not user.deleted:
            return {"user": show_user(team.team_id, user)}
    raise Refusal("users_not_found")


def view_open(team: Workspace, args: Args) -> Json:
    """views.open, within three seconds of the trigger."""
    content = _view(args, "modal")
    user = team.pull(_need(args, "trigger_id", "invalid_trigger_id"))
    return {"view": team.show_view(team.open_view(user, content))}


def view_update(team: Workspace, args: Args) -> Json:
    """views.update by view_id or external_id, guarded by hash."""
    view = _open_view(team, args)
    if args.get("hash") and args["hash"] != view.hash:
        raise Refusal("hash_conflict")
    team.change_view(view, _view(args, "modal"))
    return {"view": team.show_view(view)}


def view_publish(team: Workspace, args: Args) -> Json:
    """views.publish: a user's home tab."""
    user = team.user(_need(args, "user_id", "invalid_arguments"))
    content = _view(args, "home")
    view = team.homes.get(user.id)
    if view is None:
        return {"view": team.show_view(team.open_view(user.id, content))}
    if args.get("hash") and args["hash"] != view.hash:
        raise Refusal("hash_conflict")
    team.change_view(view, content)
    return {"view": team.show_view(view)}


def add_reaction(team: Workspace, args: Args) -> Json:
    """reactions.add."""
    channel = team.writable(_need(args, "channel", "channel_not_found"))
    post = team.find(channel, _need(args, "timestamp", "no_item_specified"))
    name = _need(args, "name", "invalid_name").strip(":")
    if team.bot_user in post.reactions.setdefault(name, []):
        raise Refusal("already_reacted")
    post.reactions[name].append(team.bot_user)
    return {}


METHODS: Mapping[str, Method] = {
    "api.test": api_test,
    "auth.test": auth_test,
    "chat.postMessage": post_message,
    "chat.postEphemeral": post_ephemeral,
    "chat.update": update,
    "chat.delete": delete,
    "conversations.open": conversation_open,
    "conversations.info": conversation_info,
    "conversations.list": conversation_list,
    "conversations.members": conversation_members,
    "conversations.history": history,
    "conversations.replies": replies,
    "users.info": user_info,
    "users.list": user_list,
    "users.lookupByEmail": lookup_by_email,
    "views.open": view_open,
    "views.update": view_update,
    "views.publish": view_publish,
    "reactions.add": add_reaction,
}


def checked(args: Args) -> tuple[str, list[Json], Json | None]:
    """Text, blocks and metadata of a message that Slack would take.

    Raises:
        Refusal: it would not.
    """
    text = str(args.get("text") or "")
    blocks = _decoded(args, "blocks", "invalid_blocks_format") or []
    metadata = _decoded(args, "metadata", "invalid_metadata_format")
    if not text and not blocks:
        raise Refusal("no_text")
    if len(text) > TEXT_LIMIT:
        raise Refusal("msg_too_long")
    problems = blockkit.message_problems(blocks)
    if problems:
        raise invalid("invalid_blocks", problems)
    if blockkit.text_total(blocks) > blockkit.TOTAL_TEXT:
        raise Refusal("msg_blocks_too_long")
    if metadata is not None and not _is_metadata(metadata):
        raise Refusal("invalid_metadata_format")
    return text, blocks, metadata


def _composed(team: Workspace, args: Args) -> Post:
    text, blocks, metadata = checked(args)
    ts = team.next_ts()
    return Post(ts, text, team.bot_user, blocks, bot_id=team.bot_id, metadata=metadata)


def _is_metadata(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("event_type"), str)
        and isinstance(value.get("event_payload"), dict)
        and len(json.dumps(value)) <= 16_000
    )


def _thread(team: Workspace, channel: Channel, args: Args) -> str:
    """The thread of a reply: its first message, which becomes a thread by being answered."""
    asked = str(args.get("thread_ts") or "")
    if not asked:
        return ""
    try:
        parent = team.find(channel, asked)
    except Refusal:
        raise Refusal("thread_not_found") from None
    parent.thread_ts = parent.thread_ts or parent.ts
    return parent.thread_ts


def _view(args: Args, kind: str) -> Json:
    view = _decoded(args, "view", "invalid_arguments")
    problems = blockkit.view_problems(view)
    if not problems and view["type"] != kind:
        problems = [f"[ERROR] must be of type {kind} [json-pointer:/view/type]"]
    if problems:
        raise invalid("invalid_arguments", problems)
    return dict(view)


def _open_view(team: Workspace, args: Args) -> View:
    for view in team.views.values():
        named = view.content.get("external_id")
        if view.id == args.get("view_id") or (named and named == args.get("external_id")):
            return view
    raise Refusal("not_found")


def _readable(team: Workspace, args: Args) -> Channel:
    channel = team.channel(_need(args, "channel", "channel_not_found"))
    if team.bot_user not in channel.members:
        raise Refusal("not_in_channel")
    return channel


def _kind(channel: Channel) -> str:
    if channel.im_with:
        return "im"
    return "private_channel" if channel.is_private else "public_channel"


def _paged(name: str, found: Sequence[Json | str], args: Args) -> Json:
    size = min(int(args.get("limit") or 100), 1000)
    start = int(args.get("cursor") or 0)
    more = start + size < len(found)
    return {
        name: list(found[start : start + size]),
        "has_more": more,
        "response_metadata": {"next_cursor": str(start + size) if more else ""},
    }


def _need(args: Args, name: str, error: str) -> str:
    value = str(args.get(name) or "")
    if not value:
        raise Refusal(error)
    return value


def _flag(args: Args, name: str) -> bool:
    return str(args.get(name, "")).lower() in {"1", "true"}


def _decoded(args: Args, name: str, error: str) -> Any:
    value = args.get(name)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise Refusal(error) from None
