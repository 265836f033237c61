"""Which ordinary words must not be taken for a name or a password?"""

import tomllib
from pathlib import Path
from typing import Final

_WORDS: Final[dict[str, list[str]]] = tomllib.loads(
    Path(__file__).with_name("words.toml").read_text(encoding="utf-8")
)


def words(name: str) -> frozenset[str]:
    """One of the lists of ``words.toml``."""
    return frozenset(_WORDS[name])
