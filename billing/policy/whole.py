"""How is all of a policy written down, read again, and walked through?"""

import dataclasses
import functools
import json
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from billing import policy as policies
from billing.policy import Policy
from billing.toml import laid


def dumped(policy: Policy) -> str:
    """All that a policy says, as JSON that ``restored`` reads."""
    return _adapter().dump_json(policy).decode()


def restored(said: str) -> Policy:
    """The policy of which this is all; a key that was unheard of then is as shipped."""
    shipped = json.loads(dumped(policies.default()))
    return _adapter().validate_python(laid(shipped, json.loads(said)))


@functools.cache
def _adapter() -> TypeAdapter[Policy]:
    return TypeAdapter(Policy)


def named_templates(policy: Policy) -> Iterator[tuple[str, str, str]]:
    """Where each template is named, its name, and a channel on which it may be sent."""
    yield from _templates_in(dataclasses.asdict(policy), "")


def _templates_in(said: Any, where: str) -> Iterator[tuple[str, str, str]]:
    match said:
        case {"template": str(name), "channels": channels} if name:
            yield from ((f"{where}.template", name, channel) for channel in channels)
        case dict():
            for key, value in said.items():
                yield from _templates_in(value, f"{where}.{key}" if where else str(key))
        case (str(key), dict() as value):
            yield from _templates_in(value, f"{where}.{key}")
        case tuple():
            for place, value in enumerate(said):
                pair = isinstance(value, tuple)
                yield from _templates_in(value, where if pair else f"{where}[{place}]")
        case _:
            pass
