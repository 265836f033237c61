"""Which blocks and views does Slack refuse, and with which words?  Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Node = Mapping[str, Any]

BLOCKS_IN_MESSAGE = 50
BLOCKS_IN_VIEW = 100
TOTAL_TEXT = 13_200
"""All text of a message's blocks together: more is msg_blocks_too_long (bolt-js #2509)."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A text object: its longest length, and whether it must be plain."""

    longest: int
    plain: bool = False
    required: bool = True


@dataclass(frozen=True, slots=True)
class _String:
    longest: int
    required: bool = False


@dataclass(frozen=True, slots=True)
class _List:
    """``fewest`` to ``most`` items, each checked by ``check``."""

    most: int
    check: Callable[[Any, str], Iterator[str]]
    fewest: int = 1
    required: bool = True


@dataclass(frozen=True, slots=True)
class _Node:
    check: Callable[[Any, str], Iterator[str]]
    required: bool = False


Rule = _Text | _String | _List | _Node


def message_problems(blocks: Any) -> list[str]:
    """Why Slack answers invalid_blocks; empty where it takes them."""
    return list(_blocks(blocks, "/blocks", BLOCKS_IN_MESSAGE))


def view_problems(view: Any) -> list[str]:
    """Why Slack does not open this view."""
    if not isinstance(view, Mapping):
        return [_error("must be an object", "/view")]
    found = list(_fields(view, "/view", _VIEW))
    if view.get("type") not in {"modal", "home"}:
        found.append(_error("must be a valid view type", "/view/type"))
    if view.get("type") == "modal":
        found.extend(_fields(view, "/view", _MODAL))
    blocks = view.get("blocks")
    found.extend(_blocks(blocks, "/view/blocks", BLOCKS_IN_VIEW))
    inputs = [
        one for one in blocks or [] if isinstance(one, Mapping) and one.get("type") == "input"
    ]
    if view.get("type") == "modal" and inputs and "submit" not in view:
        found.append(_error("missing required field: submit", "/view/submit"))
    return found


def text_total(node: Any) -> int:
    """How many characters of text stand in these blocks."""
    if isinstance(node, Mapping):
        own = node.get("text")
        here = len(own) if isinstance(own, str) else 0
        return here + sum(text_total(value) for value in node.values())
    if isinstance(node, list):
        return sum(text_total(value) for value in node)
    return 0


def elements(blocks: Any) -> Iterator[tuple[str, Node]]:
    """Every interactive element with the id of its block."""
    for block in blocks or []:
        within = [block.get("accessory"), block.get("element")]
        if block.get("type") == "actions":
            within.extend(block["elements"])
        for element in within:
            if isinstance(element, Mapping) and "action_id" in element:
                yield str(block.get("block_id", "")), element


def _blocks(blocks: Any, at: str, most: int) -> Iterator[str]:
    if not isinstance(blocks, list):
        yield _error("must be an array", at)
        return
    if len(blocks) > most:
        yield _error(f"no more than {most} items allowed", at)
    names = [one["block_id"] for one in blocks if isinstance(one, Mapping) and "block_id" in one]
    if len(set(names)) < len(names):
        yield _error("block_id already exists", at)
    for index, block in enumerate(blocks):
        yield from _typed(block, f"{at}/{index}", _BLOCKS)


def _typed(node: Any, at: str, kinds: Mapping[str, Mapping[str, Rule]]) -> Iterator[str]:
    if not isinstance(node, Mapping):
        yield _error("must be an object", at)
        return
    kind = str(node.get("type"))
    if kind not in kinds:
        yield _error(f"unsupported type: {kind}", f"{at}/type")
        return
    yield from _fields(node, at, kinds[kind])
    if kind == "section" and not (node.get("text") or node.get("fields")):
        yield _error("missing required field: text", at)
    if kind == "button" and node.get("style", "primary") not in {"primary", "danger"}:
        yield _error("must be a valid style", f"{at}/style")
    if "option_groups" not in node and "options" not in node and kind in _CHOICES:
        yield _error("missing required field: options", at)
    inner = node.get("elements") if kind == "actions" else None
    names = [one["action_id"] for one in inner or [] if "action_id" in one]
    if len(set(names)) < len(names):
        yield _error("action_id already exists", f"{at}/elements")


def _fields(node: Node, at: str, rules: Mapping[str, Rule]) -> Iterator[str]:
    for name, rule in rules.items():
        if name not in node:
            if rule.required:
                yield _error(f"missing required field: {name}", at)
            continue
        yield from _value(node[name], f"{at}/{name}", rule)


def _value(value: Any, at: str, rule: Rule) -> Iterator[str]:
    match rule:
        case _Text():
            yield from _text(value, at, rule)
        case _String(longest):
            yield from _string(value, at, longest, fewest=0)
        case _List(most, check, fewest):
            if not isinstance(value, list):
                yield _error("must be an array", at)
                return
            if not fewest <= len(value) <= most:
                words = f"no more than {most}" if len(value) > most else f"no fewer than {fewest}"
                yield _error(f"{words} items allowed", at)
            for index, item in enumerate(value):
                yield from check(item, f"{at}/{index}")
        case _Node(check):
            yield from check(value, at)


def _text(value: Any, at: str, rule: _Text) -> Iterator[str]:
    if not isinstance(value, Mapping) or value.get("type") not in {"plain_text", "mrkdwn"}:
        yield _error("must be a text object", at)
        return
    if rule.plain and value["type"] != "plain_text":
        yield _error("must be plain_text", f"{at}/type")
    yield from _string(value.get("text"), f"{at}/text", rule.longest, fewest=1)


def _string(value: Any, at: str, longest: int, fewest: int) -> Iterator[str]:
    if not isinstance(value, str):
        yield _error("must be a string", at)
    elif len(value) > longest:
        yield _error(f"must be less than {longest + 1} characters", at)
    elif len(value) < fewest:
        yield _error(f"must be more than {fewest - 1} characters", at)


def _field(value: Any, at: str) -> Iterator[str]:
    yield from _text(value, at, _Text(2000))


def _option(value: Any, at: str) -> Iterator[str]:
    yield from _object(value, at, _OPTION)


def _confirm(value: Any, at: str) -> Iterator[str]:
    yield from _object(value, at, _CONFIRM)


def _group(value: Any, at: str) -> Iterator[str]:
    yield from _object(value, at, {"label": _Text(75, plain=True), "options": _List(100, _option)})


def _object(value: Any, at: str, rules: Mapping[str, Rule]) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _fields(value, at, rules)
    else:
        yield _error("must be an object", at)


def _action(value: Any, at: str) -> Iterator[str]:
    yield from _typed(value, at, _ELEMENTS)


def _input(value: Any, at: str) -> Iterator[str]:
    yield from _typed(value, at, {**_INPUTS, **_SELECTS})


def _accessory(value: Any, at: str) -> Iterator[str]:
    yield from _typed(value, at, {**_ELEMENTS, "image": _IMAGE})


def _in_context(value: Any, at: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value.get("type") == "image":
        yield from _fields(value, at, _IMAGE)
    else:
        yield from _text(value, at, _Text(2000))


def _any(_value: Any, _at: str) -> Iterator[str]:
    yield from ()


def _error(words: str, at: str) -> str:
    return f"[ERROR] {words} [json-pointer:{at}]"


_OPTION: Mapping[str, Rule] = {
    "text": _Text(75),
    "value": _String(150, required=True),
    "description": _Text(75, plain=True, required=False),
}
_CONFIRM: Mapping[str, Rule] = {
    "title": _Text(100, plain=True),
    "text": _Text(300),
    "confirm": _Text(30, plain=True),
    "deny": _Text(30, plain=True),
}
_IMAGE: Mapping[str, Rule] = {
    "image_url": _String(3000, required=True),
    "alt_text": _String(2000, required=True),
    "title": _Text(2000, plain=True, required=False),
}
_NAMED: Mapping[str, Rule] = {
    "action_id": _String(255),
    "confirm": _Node(_confirm),
    "placeholder": _Text(150, plain=True, required=False),
}
_SELECT = {
    **_NAMED,
    "options": _List(100, _option, required=False),
    "option_groups": _List(100, _group, required=False),
    "initial_option": _Node(_option),
}
_CHOICES = {
    *("static_select", "multi_static_select", "overflow", "checkboxes", "radio_buttons"),
}
_SELECTS: Mapping[str, Mapping[str, Rule]] = {
    "static_select": _SELECT,
    "multi_static_select": _SELECT,
    **dict.fromkeys(
        (
            *("external_select", "users_select", "conversations_select", "channels_select"),
            *("multi_external_select", "multi_users_select", "multi_conversations_select"),
            *("multi_channels_select", "datepicker", "timepicker", "datetimepicker"),
        ),
        _NAMED,
    ),
    "checkboxes": {**_NAMED, "options": _List(10, _option)},
    "radio_buttons": {**_NAMED, "options": _List(10, _option)},
}
_ELEMENTS: Mapping[str, Mapping[str, Rule]] = {
    **_SELECTS,
    "button": {
        **_NAMED,
        "text": _Text(75, plain=True),
        "value": _String(2000),
        "url": _String(3000),
        "accessibility_label": _String(75),
    },
    "overflow": {**_NAMED, "options": _List(5, _option)},
}
_TYPED: Mapping[str, Rule] = {**_NAMED, "initial_value": _String(3000)}
_INPUTS: Mapping[str, Mapping[str, Rule]] = {
    "plain_text_input": _TYPED,
    "number_input": _TYPED,
    "email_text_input": _TYPED,
    "url_text_input": _TYPED,
    "rich_text_input": _NAMED,
    "file_input": _NAMED,
}
_BLOCK: Mapping[str, Rule] = {"block_id": _String(255)}
_BLOCKS: Mapping[str, Mapping[str, Rule]] = {
    "section": {
        **_BLOCK,
        "text": _Text(3000, required=False),
        "fields": _List(10, _field, required=False),
        "accessory": _Node(_accessory),
    },
    "header": {**_BLOCK, "text": _Text(150, plain=True)},
    "divider": _BLOCK,
    "image": {**_BLOCK, **_IMAGE},
    "actions": {**_BLOCK, "elements": _List(25, _action)},
    "context": {**_BLOCK, "elements": _List(10, _in_context)},
    "input": {
        **_BLOCK,
        "label": _Text(2000, plain=True),
        "hint": _Text(2000, plain=True, required=False),
        "element": _Node(_input, required=True),
    },
    "markdown": {**_BLOCK, "text": _String(12_000, required=True)},
    "rich_text": {**_BLOCK, "elements": _List(1000, _any)},
}
_VIEW: Mapping[str, Rule] = {
    "private_metadata": _String(3000),
    "callback_id": _String(255),
    "external_id": _String(255),
}
_MODAL: Mapping[str, Rule] = {
    "title": _Text(24, plain=True),
    "submit": _Text(24, plain=True, required=False),
    "close": _Text(24, plain=True, required=False),
}
