"""An installation that is complete, and everybody whom doctor asks."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from billing.keyring import new_master_key
from billing.store import Store
from bot import firm
from tests.bot.doctor.town import ACCOUNT, FIRM, PHONE, SECRETS, Town, authority, town
from tests.factories import NOON


@pytest.fixture(scope="session")
def installed(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a firm in it, to be copied."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "firm.toml").write_text(FIRM)
    url = f"sqlite:///{folder / 'cf.db'}"
    shutil.copy(sqlite_template, folder / "cf.db")
    store = Store(url)
    store.write_now(lambda s: firm.establish(s, firm.read(folder / "firm.toml"), NOON, "test"))
    store.close()
    authority(folder)
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing(
    installed: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """One town for all tests of a file."""
    folder = tmp_path_factory.mktemp("town")
    for name in ("cf.db", "authority.key", "authority.pem"):
        shutil.copy(installed / name, folder / name)
    (folder / "cf.db").chmod(0o600)
    (folder / "cf-keyring.db").touch(0o600)
    (folder / "keys").mkdir()
    new_master_key(folder / "keys" / "master.key")
    told = SECRETS | {
        "DATABASE_URL": f"sqlite:///{folder / 'cf.db'}",
        "MASTER_KEY_FILE": str(folder / "keys" / "master.key"),
        "ERASURE_LOG": str(folder / "keys" / "erasures"),
        "CHECKPOINT_FILE": str(folder / "keys" / "checkpoints"),
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_FROM": PHONE,
        "SLACK_FINANCE_CHANNEL": "C0FINANCE",
        "SLACK_CLIENTS_CHANNEL": "C0CLIENTS",
        "DKIM_SELECTOR": "s1",
        "EMAIL_HOST": "mx.harrow.example",
    }
    async with town(folder, told) as there:
        yield there


@pytest.fixture
def around(standing: Town, monkeypatch: pytest.MonkeyPatch) -> Town:
    monkeypatch.setenv("SSL_CERT_FILE", str(standing.folder / "authority.pem"))
    return standing.content()
