"""Where does what people wrote and read lie?"""

import datetime as dt

from sqlmodel import SQLModel

from billing.models.columns import binary, code, key, moment


class Vault(SQLModel, table=True):
    """An encrypted body.

    ``owner`` names the key in the keyring that wraps this row's own key; ``digest`` is the SHA-256
    of the ciphertext, in hex.
    """

    id: int = key()
    owner: str = code(index=True)
    wrapped_key: bytes = binary()
    ciphertext: bytes = binary()
    digest: str = code()
    created_at: dt.datetime = moment()
    expires_at: dt.datetime | None = moment(nullable=True, index=True)
