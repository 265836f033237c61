"""A client who is full of canaries, beside one who is not."""

import datetime as dt
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select
from typer.testing import CliRunner

from billing import ledger, vault
from billing.clock import TurnedClock
from billing.facts import AgreementDescribed, ClientDescribed, InvoiceIssued, PaymentSettled
from billing.models import Address, Contact
from bot import app as root
from bot import cli
from bot.app import App
from bot.models import Incoming
from bot.settings import Settings
from comms import timeline
from comms.models import Touchpoint
from tests import factories
from tests.conftest import Database
from tests.factories import NOON

Run = Callable[..., Any]

CANARIES = (
    "quillfeather", "zephyrine", "+12125559876", "crocodile street", "de811907980",
    "matter-xenolith", "po-jabberwock", "retainer-obsidian", "the canary sings",
    "brimstone@quillfeather.example",
)  # fmt: skip
OTHERS = "Northwind Trading"
ASKED = {"client": "Quillfeather Holdings", "reason": "Art. 17 request of March"}


def opened(url: str, keyring_url: str, folder: Path) -> App:
    """The product without its channels, at noon."""
    (folder / "key").write_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
    settings = Settings(
        database_url=url,
        keyring_url=keyring_url,
        master_key_file=folder / "key",
        erasure_log=folder / "erasures",
    )
    return root.books(settings, TurnedClock(NOON))


def beside(database: Database, folder: Path, patched: pytest.MonkeyPatch) -> Run:
    """Both clients, and a terminal beside their store: what a command says there, from its JSON."""
    app = opened(database.url, database.keyring_url, folder)
    with closing(app.store), closing(app.keyring):
        app.store.write_now(lambda session: fill(session, app))
    patched.setenv("COUNTERFOIL_DATABASE_URL", database.url)
    patched.setenv("COUNTERFOIL_KEYRING_URL", database.keyring_url)
    patched.setenv("COUNTERFOIL_MASTER_KEY_FILE", str(folder / "key"))
    patched.setenv("COUNTERFOIL_CHECKPOINT_FILE", str(folder / "ends"))
    patched.setenv("COUNTERFOIL_ERASURE_LOG", str(folder / "erasures"))

    def invoke(*args: str, code: int = 0) -> Any:
        result = CliRunner().invoke(cli.app, [*args, "--json"])
        assert result.exit_code == code, (result.output, result.exception)
        return json.loads(result.stdout) if result.stdout else result.stderr

    return invoke


def fill(session: Session, app: App) -> None:
    """A firm, and both of its clients."""
    factories.firm(session, NOON)
    factories.owes(
        session, factories.client(session, app.keyring, NOON, OTHERS), NOON, number="N-1"
    )
    app.keyring.make(["client:canary", "inbox:2026-01-06"], NOON)
    told = ClientDescribed(
        source="test", external_id="quillfeather-7", name="Quillfeather Holdings",
        timezone="Europe/Berlin", country="DE", city="Crocodile Street", tax_number="DE811907980",
        phone="+12125559876", email="brimstone@quillfeather.example", contact_name="Zephyrine Vale",
    )  # fmt: skip
    client_id = ledger.apply(session, told, NOON, iter(["client:canary"])).client_id
    bill = InvoiceIssued(
        source="test", client_external_id="quillfeather-7", number="Q-1", amount=50_000,
        currency="USD", issued_on=dt.date(2025, 11, 1), due_on=dt.date(2025, 11, 8),
        matter="Matter-Xenolith", po_number="PO-Jabberwock",
    )  # fmt: skip
    ledger.apply(session, bill, NOON, iter(()))
    paid = PaymentSettled(
        source="test", external_id="quillfeather-7/Harrow Law/Q-1", amount=10_000, currency="USD",
        client_external_id="quillfeather-7", received_on=dt.date(2025, 12, 1),
    )  # fmt: skip
    ledger.apply(session, paid, NOON, iter(()))
    signed = AgreementDescribed(
        source="test", external_id="A-1", client_external_id="quillfeather-7",
        kind="retainer", name="Retainer-Obsidian", amount=1000, currency="USD",
        renews_on=dt.date(2026, 9, 1),
    )  # fmt: skip
    ledger.apply(session, signed, NOON, iter(()))
    assert client_id is not None
    _speak(session, app, client_id)


def _speak(session: Session, app: App, client_id: int) -> None:
    """Something they wrote, the request that it came in, and a list for staff that names them."""
    body = vault.put(session, app.keyring, "client:canary", "the canary sings", NOON)
    contact = session.exec(select(Contact).where(Contact.client_id == client_id)).one()
    known = factories.Known(
        "canary",
        client_id,
        contact.id,
        address(session, "email"),
        address(session, "sms"),
        "",
        "",
    )
    factories.note(session, app.keyring, known, NOON, words="the canary sings", channel="email")
    timeline.append(
        session,
        Touchpoint(
            client_id=client_id, channel="email", direction="in", kind="reply", body_id=body,
            occurred_at=NOON, recorded_at=NOON,
        ),
    )  # fmt: skip
    raw = vault.put(session, app.keyring, "client:canary", "raw: the canary sings", NOON)
    session.add(
        Incoming(
            source="email", external_id="<1@quillfeather.example>", state="done", body_id=raw,
            received_at=NOON, client_id=client_id,
        )
    )  # fmt: skip
    listed = b"cases of this week: QUILLFEATHER Holdings, Northwind"
    vault.put(session, app.keyring, "inbox:2026-01-06", listed, NOON, NOON + dt.timedelta(days=30))
    vault.put(session, app.keyring, "inbox:2026-01-06", b"nobody's", NOON, NOON)


def address(session: Session, kind: str) -> int:
    """Theirs, which is the last of its kind."""
    addresses = select(Address.id).where(Address.kind == kind).order_by(col(Address.id).desc())
    return session.exec(addresses).first() or 0
