"""An installation that is complete, and everybody whom doctor asks."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from billing.keyring import new_master_key
from billing.store import Store
from bot import firm, schema
from tests.bot.doctor.town import ACCOUNT, FIRM, PHONE, SECRETS, Town, authority, town
from tests.factories import NOON


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a firm in it, to be copied."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "firm.toml").write_text(FIRM)
    url = f"sqlite:///{folder / 'cf.db'}"
    schema.upgrade(url)
    store = Store(url)
    store.write_now(lambda s: firm.establish(s, firm.read(folder / "firm.toml"), NOON, "test"))
    store.close()
    authority(folder)
    return folder


@pytest.fixture
async def around(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Town]:
    for name in ("cf.db", "authority.key", "authority.pem"):
        shutil.copy(installed / name, tmp_path / name)
    (tmp_path / "keys").mkdir()
    new_master_key(tmp_path / "keys" / "master.key")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    told = SECRETS | {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'cf.db'}",
        "MASTER_KEY_FILE": str(tmp_path / "keys" / "master.key"),
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_FROM": PHONE,
        "SLACK_FINANCE_CHANNEL": "C0FINANCE",
        "SLACK_CLIENTS_CHANNEL": "C0CLIENTS",
        "DKIM_SELECTOR": "s1",
    }
    async with town(tmp_path, told) as there:
        yield there
