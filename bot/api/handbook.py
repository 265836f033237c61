"""How is every fact written? The pages of the API, made from the facts themselves.

``python -m bot.api.handbook`` writes the list in docs/api.md anew; a test compares.
"""

import functools
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bot import factsheet

BEGIN, END = "<!-- facts: begin -->", "<!-- facts: end -->"
_CLIENT = "a-17"
_SAMPLES: Mapping[str, Any] = {
    "source": "crm",
    "client_external_id": _CLIENT,
    "name": "Northwind Trading",
    "number": "INV-204",
    "invoice_number": "INV-204",
    "external_id": "x-1",
    "message": "SM0123456789abcdef0123456789abcdef",
    "amount": 31_000,
    "currency": "USD",
    "timezone": "America/New_York",
    "country": "US",
    "region": "NY",
    "language": "en",
    "email": "ann@northwind.example",
    "phone": "+12125550123",
    "renewal_of": "x-1",
    "notice_days": 30,
    "not_before": "10:00",
    "not_after": "17:00",
    "ip": "192.0.2.1",
}
"""What stands in examples, by the name of the field."""
_BY_FORMAT = {"date": "2026-01-05", "date-time": "2026-01-05T17:00:00Z"}
_WORDS = {
    "date": "a day, `YYYY-MM-DD`",
    "date-time": "a moment with its offset",
    "string": "text",
    "integer": "a whole number",
    "boolean": "`true` or `false`",
    "object": "an object",
}
_BY_TYPE: Mapping[str, Any] = {"integer": 31_000, "boolean": True, "string": "text", "array": []}


def example(kind: type[BaseModel], *, whole: bool = False) -> dict[str, Any]:
    """A fact that is taken: with the fields that must be there, or with all."""
    schema = factsheet.schema(kind)
    found = {name: _sample(name, field) for name, field in schema["properties"].items()}
    if found["type"] == "client_described":
        found["external_id"] = _CLIENT  # a client's own id is what other facts call it
    short = {name: value for name, value in found.items() if name in schema["required"]}
    if whole or _is_taken(short):
        return found if whole else short
    more = [short | {name: value} for name, value in found.items() if name not in short]
    return next(filter(_is_taken, more), found)


def _is_taken(told: Mapping[str, Any]) -> bool:
    try:
        factsheet.read(json.dumps(told).encode())
    except factsheet.Misread:
        return False
    return True


def _sample(name: str, field: Mapping[str, Any]) -> Any:
    match field:
        case {"const": value} | {"enum": [value, *_]}:
            found = value
        case _ if name in _SAMPLES:
            found = _SAMPLES[name]
        case {"anyOf": [first, *_]}:
            found = _sample(name, first)
        case {"type": "object"}:
            parts = field.get("properties", {})
            found = {part: _sample(part, one) for part, one in parts.items()}
        case {"type": "array", "minItems": _, "items": one}:
            found = [_sample("", one)]
        case _ if name.endswith("_email"):
            found = _SAMPLES["email"]
        case {"format": str(kind)} if kind in _BY_FORMAT:
            found = _BY_FORMAT[kind]
        case _:
            found = _BY_TYPE[field.get("type", "string")]
    return found


@functools.cache
def request() -> dict[str, Any]:
    """The body of ``POST /api/v1/facts`` for the OpenAPI page: made once, a tenth of a second."""
    kinds = [factsheet.schema(kind) for kind in factsheet.KINDS.values()]
    one = {"oneOf": kinds, "discriminator": {"propertyName": "type"}}
    many = {
        "type": "object",
        "additionalProperties": False,
        "required": ["facts"],
        "properties": {
            "facts": {"type": "array", "items": one, "minItems": 1, "maxItems": factsheet.MOST}
        },
    }
    examples = {name: {"value": example(kind)} for name, kind in factsheet.KINDS.items()}
    asked = {"schema": {"anyOf": [one, many]}, "examples": examples}
    partial = {
        "name": "partial", "in": "query", "schema": {"type": "boolean", "default": False},
        "description": "Book what can be booked; else all of the request is booked or nothing.",
    }  # fmt: skip
    return {
        "parameters": [partial],
        "requestBody": {"required": True, "content": {"application/json": asked}},
    }


def _answer(said: str, example: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": said, "content": {"application/json": {"example": example}}}


def _no(said: str, code: str) -> dict[str, Any]:
    return _answer(said, {"error": {"code": code, "message": "…"}})


ANSWERS: dict[int | str, dict[str, Any]] = {
    200: _answer(
        "Booked; `applied` is false for what was known.",
        {"results": [{"index": 0, "applied": True, "client": 12, "invoice": 204}]},
    ),
    400: _no("A fact is wrong: its index, its field, and what to write.", "malformed"),
    401: _no("No token, or one that is wrong, revoked or expired.", "unauthorized"),
    403: _no("The token may not do this, or not speak for this source.", "forbidden"),
    413: _no("More than 1 MB.", "too_large"),
    422: _no("A fact contradicts what we hold, or names what nobody told of.", "contradiction"),
    429: _no("Too many requests; `Retry-After` says when to come again.", "too_many"),
    503: _no("Others book into the same clients, or the store is down; `Retry-After`.", "busy"),
}


def facts_list() -> str:
    """Every fact with its fields, in Markdown."""
    return "\n\n".join(_section(name, kind) for name, kind in factsheet.KINDS.items())


def said(kind: type[BaseModel]) -> str:
    """What a fact says, in one sentence."""
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split())


def fields(kind: type[BaseModel]) -> list[tuple[str, str, str]]:
    """Of each field its name, what it is, and what holds where it is left out."""
    schema = factsheet.schema(kind)
    return [
        (f"`{field}`", f"{_what(one)}{_such(field)}", _must(field, one, schema))
        for field, one in schema["properties"].items()
        if field != "type"
    ]


def _section(name: str, kind: type[BaseModel]) -> str:
    rows = [f"| {' | '.join(cells)} |" for cells in fields(kind)]
    written = json.dumps(example(kind), indent=2)
    table = "\n".join(["| Field | Is | If left out |", "|---|---|---|", *rows])
    return f"### {name}\n\n{said(kind)}\n\n{table}\n\n```json\n{written}\n```"


def _what(field: Mapping[str, Any]) -> str:
    match field:
        case {"anyOf": several}:
            found = " or ".join(_what(one) for one in several if one.get("type") != "null")
        case {"const": value}:
            found = f"`{value}`"
        case {"enum": values}:
            found = ", ".join(f"`{value}`" for value in values)
        case {"type": "array"}:
            found = f"a list: {_what(field.get('items', {}))}"
        case {"type": "object", "properties": parts}:
            found = f"an object with {', '.join(f'`{name}`' for name in parts)}"
        case _:
            found = _WORDS[field.get("format") or field.get("type", "object")]
    return found


def _such(name: str) -> str:
    return f", such as `{_SAMPLES[name]}`" if name in _SAMPLES else ""


def _must(name: str, field: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if name in schema["required"]:
        return "refused"
    default = field.get("default")
    return f"`{json.dumps(default)}`" if default not in (None, "", []) else "unknown"


def written(page: str) -> str:
    """The page with its list of facts made anew.

    Raises:
        ValueError: it has no place for the list.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page needs {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{facts_list()}\n\n{END}{after}"


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/api.md")
    place.write_text(written(place.read_text()))
