"""What the same phone texted before: one body that does not open keeps no other text out."""

from urllib.parse import urlencode

from sqlmodel import Session

from billing import vault
from billing.keyring import Keyring
from billing.models import Vault
from billing.store import Store
from bot.custody import earlier
from bot.inbox import Parcel
from bot.models import Incoming
from tests.factories import NOON

PHONE = "+12125550123"


def test_a_text_whose_body_was_changed_keeps_no_other_out(store: Store, keyring: Keyring) -> None:
    keyring.make(["inbox:day"], NOON)

    def came(session: Session, name: str) -> int:
        parcel = Parcel(earlier.SOURCE, name, urlencode({"From": PHONE, "Body": name}).encode())
        body_id = vault.put(session, keyring, "inbox:day", parcel.packed(), NOON)
        row = Incoming(source=earlier.SOURCE, external_id=name, received_at=NOON, body_id=body_id)
        session.add(row)
        session.flush()
        return row.id

    def fill(session: Session) -> int:
        first, _, last = (came(session, name) for name in ("one", "two", "three"))
        body = session.get_one(Vault, session.get_one(Incoming, first).body_id)
        body.ciphertext = bytes(reversed(body.ciphertext))
        return last

    last = store.write_now(fill)
    with store.read() as session:
        assert earlier.texts(session, keyring, last, PHONE).words == {2: "two"}
