"""What wraps the keys of clients, so that only who holds it can use them?

A port with two verbs, so that it can be a key in this process or a service elsewhere that never
gives its key away. What it wrapped begins with its name: while it is being changed, each row says
under which of two it is.
"""

import base64
import binascii
import os
import secrets
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NAMED = 8
"""Bytes of a name."""


class WrongMasterKey(Exception):
    """The master key does not open this keyring."""


class MasterKey(Protocol):
    """Wraps keys of 32 bytes."""

    @property
    def name(self) -> bytes:
        """Eight bytes that are no other master key's, and that tell nothing about it."""

    def wrap(self, key: bytes, owner: str) -> bytes:
        """The key as it may be kept, bound to its owner."""

    def unwrap(self, wrapped: bytes, owner: str) -> bytes:
        """The key.

        Raises:
            WrongMasterKey: it was wrapped by another, or for another owner.
        """


class LocalMasterKey:
    """32 bytes in this process: AES-256-GCM."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self.name = HKDF(SHA256(), NAMED, None, b"counterfoil master key name").derive(key)

    def wrap(self, key: bytes, owner: str) -> bytes:
        """The key as it may be kept, bound to its owner."""
        nonce = os.urandom(12)
        return nonce + self._cipher.encrypt(nonce, key, owner.encode())

    def unwrap(self, wrapped: bytes, owner: str) -> bytes:
        """The key.

        Raises:
            WrongMasterKey: it was wrapped by another, or for another owner.
        """
        try:
            return self._cipher.decrypt(wrapped[:12], wrapped[12:], owner.encode())
        except InvalidTag:
            raise WrongMasterKey(
                "the master key does not open this keyring; "
                "set COUNTERFOIL_MASTER_KEY_FILE to the key it was made with"
            ) from None


def new_master_key(path: Path) -> None:
    """Write a fresh master key to ``path``, readable by its owner only; never over another."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(base64.b64encode(secrets.token_bytes(32)).decode() + "\n")


def read_master_key(text: str) -> bytes:
    """32 bytes from base64.

    Raises:
        ValueError: it is something else.
    """
    try:
        found = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != 32:
        raise ValueError(
            "the master key must be 32 bytes in base64; `counterfoil migrate` makes one"
        )
    return found
