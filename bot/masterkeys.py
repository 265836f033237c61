"""Which master keys does this installation name, and do they open its keys?"""

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr

from billing.keyring import Keyring, read_master_key
from bot.settings import PREFIX, Settings, SettingsMissing

_PATIENCE = 30
"""Seconds for a key service to answer."""


def valid(settings: Settings) -> tuple[bytes, ...]:
    """The master key in use, and then the one that is valid as well while it is being changed.

    Raises:
        SettingsMissing: one of them cannot be had; the sentence names the setting.
    """
    return (_in_use(settings), *_previous(settings))


def ring(settings: Settings) -> Keyring:
    """The keyring, opened with what is valid.

    Raises:
        SettingsMissing: see ``valid``.
        billing.keyring.WrongMasterKey: neither opens it.
    """
    settings.need("master_key")
    return Keyring(settings.keyring_url, *valid(settings))


def _in_use(settings: Settings) -> bytes:
    if settings.master_key is not None:
        return _read(settings.master_key, "MASTER_KEY")
    if settings.master_key_command:
        return _asked(settings.master_key_command)
    return _from_file(settings.master_key_file or Path(), "MASTER_KEY_FILE")


def _previous(settings: Settings) -> Iterator[bytes]:
    if settings.master_key_previous is not None:
        yield _read(settings.master_key_previous, "MASTER_KEY_PREVIOUS")
    if settings.master_key_previous_file is not None:
        yield _from_file(settings.master_key_previous_file, "MASTER_KEY_PREVIOUS_FILE")


def _read(given: SecretStr, name: str) -> bytes:
    try:
        return read_master_key(given.get_secret_value())
    except ValueError as error:
        raise SettingsMissing(f"{PREFIX}{name} cannot be used: {error}") from None


def _from_file(path: Path, name: str) -> bytes:
    try:
        return read_master_key(path.read_text())
    except (OSError, ValueError) as error:
        raise SettingsMissing(
            f"{PREFIX}{name} cannot be used ({error}); `counterfoil migrate` makes it"
        ) from None


def _asked(command: str) -> bytes:
    """What the command prints; what it complains of is not repeated, it may hold secrets."""
    name = f"{PREFIX}MASTER_KEY_COMMAND"
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command, no shell
            shlex.split(command), capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise SettingsMissing(f"{name} cannot be run ({_why(error)}); run it by hand") from None
    if done.returncode:
        raise SettingsMissing(f"{name} ended with {done.returncode}; run it by hand to see why")
    try:
        return read_master_key(done.stdout)
    except ValueError:
        raise SettingsMissing(f"{name} must print 32 bytes in base64 and nothing else") from None


def _why(error: OSError | ValueError | subprocess.TimeoutExpired) -> str:
    """Without a word of the command: it may begin with a token that was meant for a shell."""
    match error:
        case subprocess.TimeoutExpired():
            return "it took too long"
        case OSError():
            return f"its first word is the program, no shell reads it: {error.strerror}"
        case ValueError():
            return str(error)
