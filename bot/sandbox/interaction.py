"""How does Slack write down what a person clicked or typed?"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.sandbox.blockkit import elements
from bot.sandbox.workspace import Channel, Json, Post, Workspace

_SELECTED = {
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
    "users_select": "selected_user",
    "conversations_select": "selected_conversation",
    "channels_select": "selected_channel",
    "multi_users_select": "selected_users",
    "multi_conversations_select": "selected_conversations",
    "multi_channels_select": "selected_channels",
}
_ONE = {"static_select", "external_select", "radio_buttons", "overflow"}
_MANY = {"multi_static_select", "multi_external_select", "checkboxes"}


def as_message(body: str) -> Json:
    """The answer to a command: a JSON message, or plain text."""
    if not body.lstrip().startswith("{"):
        return {"text": body}
    return dict(json.loads(body))


def action(blocks: Sequence[Json], action_id: str, value: str, ts: str) -> Json:
    """The entry of ``actions`` for one click.

    Raises:
        LookupError: nobody can click that here.
    """
    for block_id, element in elements(blocks):
        if element["action_id"] != action_id:
            continue
        if element["type"] == "button":
            if value and element.get("value", "") != value:
                continue
            chosen = {"text": element["text"], "value": element.get("value", "")}
        else:
            chosen = _choice(element, value)
        kind = {"type": element["type"], "action_id": action_id, "block_id": block_id}
        return kind | chosen | {"action_ts": ts}
    known = [element["action_id"] for _, element in elements(blocks)]
    message = f"nothing here is called {action_id!r} with the value {value!r}; there are {known}"
    raise LookupError(message)


def state(blocks: Sequence[Json], values: Mapping[str, Mapping[str, Any]]) -> Json:
    """``view.state.values`` from what was typed.

    Raises:
        LookupError: there is no such input.
        ValueError: an input that is not optional is empty.
    """
    inputs = {(block_id, one["action_id"]): one for block_id, one in elements(blocks)}
    typed = {(block, name): value for block, row in values.items() for name, value in row.items()}
    unknown = typed.keys() - inputs.keys()
    if unknown:
        message = f"the view has no input {sorted(unknown)}; it has {sorted(inputs)}"
        raise LookupError(message)
    found: Json = {}
    for (block_id, action_id), element in inputs.items():
        if element["type"] in {"button", "overflow"}:
            continue
        given = typed.get((block_id, action_id), _initial(element))
        entry = given if isinstance(given, Mapping) else _entry(element, given)
        found.setdefault(block_id, {})[action_id] = entry
    _refuse_empty(blocks, found)
    return found


def base(team: Workspace, kind: str, user: str) -> Json:
    """What every interaction carries; its trigger is fresh."""
    person = team.users[user]
    names = {"id": user, "username": person.name, "name": person.name}
    return {
        "type": kind,
        "user": names | {"team_id": team.team_id},
        "api_app_id": team.app_id,
        "token": "sandbox",
        "trigger_id": team.trigger(user),
        "team": {"id": team.team_id, "domain": team.domain},
        "enterprise": None,
        "is_enterprise_install": False,
    }


def envelope(team: Workspace, event: Json, event_id: str) -> Json:
    """The event_callback around an event."""
    item = event.get("item") or {}
    place = team.channels.get(str(event.get("channel") or item.get("channel") or ""))
    return {
        "token": "sandbox",
        "team_id": team.team_id,
        "api_app_id": team.app_id,
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": int(team.clock.wall().timestamp()),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": team.team_id,
                "user_id": team.bot_user,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": bool(place and place.is_ext_shared),
    }


def reaction(team: Workspace, user: str, place: Channel, post: Post, emoji: str) -> Json:
    """The event of an emoji that was set beside a message."""
    return {
        "type": "reaction_added",
        "user": user,
        "reaction": emoji,
        "item_user": post.user,
        "item": {"type": "message", "channel": place.id, "ts": post.ts},
        "event_ts": team.next_ts(),
    }


def metadata_posted(team: Workspace, args: Mapping[str, Any], said: Json) -> Json:
    """The event of a message of ours that stands there, with the metadata that it was given."""
    return {
        "type": "message_metadata_posted",
        "app_id": team.app_id,
        "bot_id": team.bot_id,
        "user_id": team.bot_user,
        "team_id": team.team_id,
        "channel_id": said["channel"],
        "metadata": args["metadata"],
        "message_ts": said["ts"],
        "event_ts": said["ts"],
    }


def where(team: Workspace, place: Channel) -> Json:
    """Where an event happened."""
    kind = "im" if place.im_with else "group" if place.is_private else "channel"
    ts = {"event_ts": team.next_ts()}
    return {"channel": place.id, "channel_type": kind, "team": team.team_id} | ts


def _refuse_empty(blocks: Sequence[Json], found: Json) -> None:
    for block in blocks:
        if block["type"] != "input" or block.get("optional"):
            continue
        entry = next(iter(found[block["block_id"]].values()))
        if not any(value for name, value in entry.items() if name != "type"):
            message = f"the input {block['block_id']!r} must be filled in"
            raise ValueError(message)


def _initial(element: Mapping[str, Any]) -> Any:
    option = element.get("initial_option")
    if option:
        return option["value"]
    many = element.get("initial_options")
    if many:
        return [one["value"] for one in many]
    names = ("initial_value", "initial_date", "initial_time", "initial_date_time", "initial_user")
    return next((element[name] for name in names if name in element), None)


def _entry(element: Mapping[str, Any], value: Any) -> Json:
    kind = element["type"]
    if kind in _MANY:
        chosen = [_option(element, one) for one in value or []]
        return {"type": kind, "selected_options": chosen}
    if value is None:
        empty = "selected_option" if kind in _ONE else _SELECTED.get(kind, "value")
        return {"type": kind, empty: None}
    return {"type": kind} | _choice(element, value)


def _choice(element: Mapping[str, Any], value: Any) -> Json:
    kind = element["type"]
    if kind in _ONE:
        return {"selected_option": _option(element, value)}
    if kind in _MANY:
        return {"selected_options": [_option(element, one) for one in str(value).split(",")]}
    if kind == "datetimepicker":
        return {_SELECTED[kind]: int(value)}
    return {_SELECTED.get(kind, "value"): value}


def _option(element: Mapping[str, Any], value: str) -> Json:
    grouped = [one for group in element.get("option_groups", []) for one in group["options"]]
    for option in [*element.get("options", []), *grouped]:
        if option["value"] == value:
            return dict(option)
    if element["type"] in {"external_select", "multi_external_select"}:
        return {"text": {"type": "plain_text", "text": value}, "value": value}
    message = f"{element['action_id']!r} has no choice {value!r}"
    raise LookupError(message)
