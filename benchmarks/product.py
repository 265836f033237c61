"""How is the product set up for a benchmark: which settings, and which vendors on this machine?"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import create_engine, make_url, text

from benchmarks.stores import Place
from bot.settings import Settings
from bot.watching import logs

MASTER_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
PUBLIC_URL = "https://billing.firm.example"
ACCOUNT = "AC" + "5a" * 16
TOKEN = "b9b5ad9d3ce11b6e4c1c3f36f86bf0aa"
SIGNING_SECRET = "80a1d3f0c7f1c9d1a37b2b4e8fd6c2f5"
SENDER = "+15005550006"
NOWHERE = "http://127.0.0.1:9"
"""A port on which nobody listens: what must not be called is not called in silence."""


@dataclass(frozen=True, slots=True)
class Vendors:
    """Where the vendors of this run are."""

    twilio: str = NOWHERE
    slack: str = NOWHERE
    smtp: str = "smtp://127.0.0.1:9"


def settings(url: str, keyring_url: str, vendors: Vendors | None = None) -> Settings:
    """The product on a store, its vendors where they are told to be."""
    vendors = vendors or Vendors()
    return Settings(
        database_url=url,
        keyring_url=keyring_url,
        master_key=SecretStr(MASTER_KEY),
        public_url=PUBLIC_URL,
        twilio_account_sid=ACCOUNT,
        twilio_auth_token=SecretStr(TOKEN),
        twilio_from=SENDER,
        twilio_base_url=vendors.twilio,
        slack_bot_token=SecretStr(f"xoxb-{TOKEN}"),
        slack_signing_secret=SecretStr(SIGNING_SECRET),
        slack_base_url=f"{vendors.slack}/api/",
        slack_finance_channel="C0FINANCE",
        slack_clients_channel="C0CLIENTS",
        email_hook_secret=SecretStr(TOKEN[::-1]),
        smtp_url=vendors.smtp,
    )


@contextmanager
def keys_apart(place: Place) -> Iterator[str]:
    """The URL of a keyring as the product insists on it: on PostgreSQL a database of its own."""
    if place.database == "sqlite":
        yield place.keyring_url
        return
    url = make_url(place.url)
    name = f"{url.database}_keys"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            connection.execute(text(f"CREATE DATABASE {name}"))
            yield url.set(database=name).render_as_string(hide_password=False)
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        engine.dispose()


def log_nowhere() -> None:
    """The log is written as where the product serves, and thrown away."""
    sys.stderr = Path("/dev/null").open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    logs.json_lines("info")
