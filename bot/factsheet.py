"""Which facts does a JSON body tell, and where is it wrong?

Pure. ``{"type": "payment_settled", …}``, a list of such under ``facts``, or ``[…]``: the type is
the name of a class of ``comms.facts.Tellable`` in snake case, so a new one is understood without a
line here. Nothing is guessed: an unknown field, a number in quotes, a fraction, a name that stands
twice are mistakes, and each is named with what to write instead. What was sent is never repeated.
"""

import datetime as dt
import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from typing_extensions import override

from billing import facts
from comms.facts import Tellable
from comms.writing import covering

TOLD, WAITING, REFUSED, ASKED = "facts", "facts.waiting", "facts.refused", "facts.api"
ROWS = (TOLD, WAITING, REFUSED, ASKED)
"""The sources of ``Incoming`` rows that hold such a body: as it came over the hook, what waits for
something unknown, what contradicts what we hold, and what was booked while the caller waited."""
MOST = 1_000
"""Facts of one body."""
_NAMED = 20
"""Mistakes that are named; the others are likely the same."""


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


KINDS: Mapping[str, type[facts.Told]] = {_snake(kind.__name__): kind for kind in get_args(Tellable)}
"""Every kind of fact by the ``type`` of its JSON."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a fact: its place in the body, the field, and what to write."""

    index: int | None
    field: str
    sentence: str

    @override
    def __str__(self) -> str:
        """As a person reads it."""
        place = "the body" if self.index is None else f"fact {self.index}"
        return (
            f"{place}: {self.field}: {self.sentence}" if self.field else f"{place} {self.sentence}"
        )


class Misread(ValueError):
    """The body tells no facts, or wrong ones; ``mistakes`` says where."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("; ".join(map(str, mistakes)))
        self.mistakes = tuple(mistakes)


def type_of(fact: Tellable) -> str:
    """The ``type`` of a fact's JSON."""
    return _snake(type(fact).__name__)


def read(body: bytes) -> list[Tellable]:
    """The facts of a body, in its order.

    Raises:
        Misread: it is not JSON, or a fact is wrong; all mistakes at once.
    """
    told: list[Tellable] = []
    mistakes: list[Mistake] = []
    for index, item in enumerate(_items(_parsed(body))):
        try:
            told.append(_fact(index, item))
        except Misread as error:
            mistakes.extend(error.mistakes)
    if mistakes:
        raise Misread(mistakes[:_NAMED])
    return told


def covered(body: bytes) -> bytes:
    """The body without the numbers that nobody may see; what is no JSON stays as it is."""
    try:
        parsed = json.loads(body, object_pairs_hook=_object)  # of a name twice none may be lost
    except (ValueError, RecursionError):
        return body
    clean = covering.told(parsed)
    return body if clean == parsed else json.dumps(clean).encode()


def write(told: Sequence[Tellable]) -> bytes:
    """The body that ``read`` takes."""
    # What a fact leaves out stays left out: it means "as it was".
    items = [
        {"type": type_of(fact)} | fact.model_dump(mode="json", exclude_unset=True) for fact in told
    ]
    return json.dumps({"facts": items}).encode()


# --- JSON -----------------------------------------------------------------------------------------


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_constant)
    except UnicodeDecodeError:
        sentence = "is not UTF-8; send JSON in UTF-8, without compression"
    except RecursionError:
        sentence = "is nested too deeply; a fact is one flat object"
    except json.JSONDecodeError as error:
        sentence = f"is not JSON from character {error.pos} on: {error.msg}"
    except ValueError as error:
        sentence = _own(error)
    raise Misread([Mistake(None, "", sentence)])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("!has an object with the same name twice; write each name once")
    return found


def _constant(_name: str) -> Any:
    raise ValueError("!has NaN or Infinity, which JSON has not; write a whole number")


def _own(error: ValueError) -> str:
    said = str(error)
    return said[1:] if said.startswith("!") else "has a number that is too long"


def _items(parsed: Any) -> list[Any]:
    match parsed:
        case {"facts": list(items), **more} if not more:
            pass
        case list(items):
            pass
        case {"type": _}:
            items = [parsed]
        case _:
            sentence = 'is neither a fact like {"type": "…", …} nor {"facts": […]}'
            raise Misread([Mistake(None, "", sentence)])
    if not 0 < len(items) <= MOST:
        sentence = f"has {len(items):,} facts; send 1 to {MOST:,} at a time"
        raise Misread([Mistake(None, "", sentence)])
    return items


# --- one fact -------------------------------------------------------------------------------------


def _fact(index: int, item: Any) -> Tellable:
    if not isinstance(item, dict):
        raise Misread([Mistake(index, "", "is no object; write it in braces, with its type")])
    name = item.get("type")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise Misread([Mistake(index, "type", _no_type(name))])
    given = {key: value for key, value in item.items() if key != "type"}
    try:
        # As JSON text and strict: days and moments are then text, and nothing is made to fit.
        told: Any = kind.model_validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise Misread([_mistake(index, kind, fault) for fault in faults]) from None
    numbered = [
        Mistake(index, field, "must be a day such as 2026-01-31, with its dashes")
        for field, value in told
        if isinstance(value, dt.date) and str(given.get(field, "")).isdigit()
    ]
    if numbered:  # pydantic takes seconds since 1970 for a day
        raise Misread(numbered)
    return told  # type: ignore[no-any-return]


def _no_type(name: object) -> str:
    known = ", ".join(KINDS)
    if not isinstance(name, str):
        return f"is missing; write one of {known}"
    near = difflib.get_close_matches(name[:60], KINDS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"write one of {known}"
    return f"is no kind of fact; {hint}"


def _mistake(index: int, kind: type[BaseModel], fault: Any) -> Mistake:
    field = ".".join(str(part)[:60] for part in fault["loc"])
    sentence = _sentence(kind, field, fault)
    whole = not field and fault["type"] == "value_error"
    return Mistake(index, field, f"cannot be: {sentence}" if whole else sentence)


_SENTENCES = {
    "missing": "is missing; fill it in",
    "int_type": "must be a whole number without quotes; money is in minor units: 310.00 is 31000",
    "bool_type": "must be true or false",
    "string_type": "must be text in quotes",
    "date_type": 'must be a day such as "2026-01-31"',
    "date_parsing": 'must be a day such as "2026-01-31"',
    "datetime_type": 'must be a moment with its offset, such as "2026-01-31T09:00:00Z"',
    "datetime_parsing": 'must be a moment with its offset, such as "2026-01-31T09:00:00Z"',
    "timezone_aware": 'must be a moment with its offset, such as "2026-01-31T09:00:00Z"',
    "json_invalid": "has half of a character (a lone surrogate); send whole UTF-8 text",
}


def _sentence(kind: type[BaseModel], field: str, fault: Any) -> str:
    if fault["type"] == "value_error":
        return str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(field, kind.model_fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(kind.model_fields)}"
        return f"is no field of {_snake(kind.__name__)}; {hint}"
    found = _SENTENCES.get(fault["type"])
    return found or str(fault["msg"]).replace("Input should be", "must be").lower()


# --- what may be written --------------------------------------------------------------------------


def schema(kind: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of a kind of fact, whole: nothing in it refers to elsewhere."""
    whole = kind.model_json_schema()
    parts = whole.pop("$defs", {})
    found: dict[str, Any] = _inlined(whole, parts)
    name = _snake(kind.__name__)
    found["properties"] = {"type": {"const": name, "type": "string"}} | found["properties"]
    found["required"] = ["type", *found.get("required", [])]
    return found


def _inlined(node: Any, parts: Mapping[str, Any]) -> Any:
    match node:
        case {"$ref": str(ref), **more}:
            return _inlined(parts[ref.rpartition("/")[2]], parts) | more
        case dict():
            return {key: _inlined(value, parts) for key, value in node.items()}
        case list():
            return [_inlined(value, parts) for value in node]
        case _:
            return node
