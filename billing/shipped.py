"""Where are the files that ship with the product: templates, examples, policy, page assets?

From a checkout they lie at its top; a wheel carries them inside ``billing/_shipped`` (see
``force-include`` in pyproject.toml). One resolver, so that what works from one works from both.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def path(*parts: str) -> Path:
    """The path of a shipped file or folder.

    Raises:
        FileNotFoundError: it is in neither place; the installation is damaged.
    """
    for root in (_PACKAGE / "_shipped", _PACKAGE.parent):
        found = root.joinpath(*parts)
        if found.exists():
            return found
    message = f"{'/'.join(parts)} is missing from this installation; install counterfoil again"
    raise FileNotFoundError(message)
