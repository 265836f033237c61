"""What was this installation told by its environment?

Read once, frozen; only the composition root looks in here. A command names what it uses with
``need``, so that an import never asks for a Slack token.
"""

import difflib
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from billing import mailboxes
from bot import access, signature, transport

STRICTURES = ".strictures"
"""The log of what was sealed, held, walled and refused is called like that of erasures, and so."""
PREFIX = "COUNTERFOIL_"
_SHORTEST_SECRET = 16
_DEFAULTS = (
    "changeme",
    "change-me",
    "change_me",
    "replace-me",
    "secret",
    "password",
    "example",
    "default",
    "insecure",
    "your-",
    "your_",
    "<",
)
_RESOLVER = re.compile(r"\[([0-9a-f:]+)\](?::(\d+))?|([0-9.]+)(?::(\d+))?|([0-9a-f:]+)")
_EITHER = {
    "master_key": ("master_key", "master_key_file", "master_key_command"),
    "twilio_from": ("twilio_from", "twilio_messaging_service_sid"),
}
_HINTS = {
    "keyring_url": "give the keys a second PostgreSQL database of their own",
    "master_key": "run counterfoil migrate, which makes a key file and says where",
    "public_url": "set it to the https address under which Twilio and Slack reach this process",
    "slack_app_token": "make an app-level token with the scope connections:write",
    "slack_clients_channel": "copy the id (C…) at the bottom of the channel's details in Slack",
    "slack_finance_channel": "copy the id (C…) at the bottom of the channel's details in Slack",
    "slack_bot_token": "copy the Bot User OAuth Token from the Slack app's page",
    "slack_signing_secret": "copy it from Basic Information on the Slack app's page",
    "smtp_url": "set it like smtp://host:587, user and password before the host",
    "twilio_account_sid": "copy it from the Twilio console",
    "twilio_auth_token": "copy it from the Twilio console",
    "twilio_from": "set our number, like +12125550100, or the SID of a messaging service",
    "email_hook_secret": "make one with: openssl rand -hex 32",
    "facts_hook_secret": "make one with: echo whsec_$(openssl rand -base64 32)",
}


class SettingsMissing(ValueError):
    """Settings are missing, defaults or unusable; the sentences say which, and what to do."""


class Settings(BaseSettings):
    """Every ``COUNTERFOIL_`` variable. URLs may hold passwords, so no URL of a store is shown."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    database_url: str = Field(default="sqlite:///counterfoil.db", repr=False)
    keyring_url: str = Field(default="", repr=False)
    """With SQLite by default a file beside the store; empty with PostgreSQL until it is given."""
    master_key: SecretStr | None = None
    master_key_file: Path | None = None
    master_key_command: str = Field(default="", repr=False)
    """Prints the master key, so that a key service or a vault gives it: it is run once, at start,
    without a shell."""
    master_key_previous: SecretStr | None = None
    master_key_previous_file: Path | None = None

    trusted_hosts: str = ""
    """Hosts with commas, to which the way is encrypted otherwise; all others are reached by TLS."""
    erasure_log: Path | None = None
    """Where it is written down who was erased; with SQLite by default a file beside the store."""
    checkpoint_file: Path | None = None
    """Where the ends of the chains are written down; with SQLite by default beside the store."""
    processors_file: Path | None = None
    """Who else holds something of clients, and which agreements they have signed."""

    public_url: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65_535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    policy_file: Path | None = None
    templates_dir: Path | None = None
    logo: Path | None = None
    """A PNG for the head of every paper, or a folder with one for each legal entity."""

    alert_email: str = ""
    """Hears by mail of what stands still; without it our admins do."""
    heartbeat_url: str = Field(default="", repr=False)
    """Called every minute while all is well."""
    otlp_url: str = Field(default="", repr=False)
    """A collector of OpenTelemetry, like http://127.0.0.1:4318/v1/traces."""

    twilio_account_sid: str = ""
    twilio_auth_token: SecretStr | None = None
    twilio_auth_token_previous: SecretStr | None = None
    twilio_from: str = ""
    twilio_messaging_service_sid: str = ""
    twilio_base_url: str = "https://api.twilio.com"

    slack_bot_token: SecretStr | None = None
    slack_app_token: SecretStr | None = None
    """Given, Slack's requests come through a web socket that we open (Socket Mode)."""
    slack_signing_secret: SecretStr | None = None
    slack_signing_secret_previous: SecretStr | None = None
    slack_base_url: str = "https://slack.com/api/"
    slack_finance_channel: str = ""
    slack_clients_channel: str = ""

    smtp_url: str = Field(default="", repr=False)
    email_host: str = ""
    """Our own mail exchanger, as it signs its Authentication-Results."""
    dkim_selector: str = ""
    """Under which name the relay's DKIM key is; without it `doctor` tries the usual ones."""
    dns_server: str = ""
    """Whom `doctor` asks about names, like 9.9.9.9; without it the resolver of this machine."""
    email_hook_secret: SecretStr | None = None
    email_hook_secret_previous: SecretStr | None = None

    stripe_api_key: SecretStr | None = None
    facts_hook_secret: SecretStr | None = None
    facts_hook_secret_previous: SecretStr | None = None
    facts_hook_sources: str = ""
    """The sources for which its sender may speak, with commas; empty: all that no way of our own
    feeds."""

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("public_url", "twilio_base_url", "slack_base_url")
    @classmethod
    def _web(cls, value: str) -> str:
        if value and not _leads(value, "http", "https"):
            raise ValueError("must be a web address like https://example.com")
        parts = urlsplit(value)
        if parts.query or parts.fragment or parts.username:
            raise ValueError("must be a web address without a query, fragment or user")
        return value.rstrip("/")

    @field_validator("heartbeat_url", "otlp_url")
    @classmethod
    def _called(cls, value: str) -> str:
        if value and not _leads(value, "http", "https"):
            raise ValueError("must be a web address like https://example.com/ping/123")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _relay(cls, value: str) -> str:
        if value and not _leads(value, "smtp", "smtps"):
            raise ValueError("must look like smtp://host:587 or smtps://host:465")
        return value

    @field_validator("facts_hook_secret", "facts_hook_secret_previous")
    @classmethod
    def _signing(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            signature.key_of(value.get_secret_value())
        return value

    @field_validator("facts_hook_sources")
    @classmethod
    def _sources(cls, value: str) -> str:
        names = [name.strip() for name in value.split(",") if name.strip()]
        try:
            for name in names:
                access.scope(f"{access.FACTS}:{name}")
        except ValueError:
            raise ValueError("must be short lower-case names with commas, like crm,erp") from None
        return ",".join(names)

    @field_validator("alert_email")
    @classmethod
    def _mailbox(cls, value: str) -> str:
        return mailboxes.exact(value) if value.strip() else ""

    @field_validator("dns_server")
    @classmethod
    def _resolver(cls, value: str) -> str:
        if value and _host_and_port(value) is None:
            raise ValueError("must be an address like 9.9.9.9 or 127.0.0.1:5353")
        return value

    @model_validator(mode="before")
    @classmethod
    def _beside(cls, values: dict[str, object]) -> dict[str, object]:
        if not values.get("keyring_url"):
            database = str(values.get("database_url") or "sqlite:///counterfoil.db")
            values = values | {"keyring_url": _keyring_beside(database)}
        if not any(values.get(name) for name in _EITHER["master_key"]):
            database = str(values.get("database_url") or "sqlite:///counterfoil.db")
            made = _file_beside(database, "key")
            values = values | ({"master_key_file": made} if made and made.exists() else {})
        return values

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.keyring_url == self.database_url and self.database_url != "sqlite://":
            raise ValueError("the keys need a store of their own, apart from the database")
        return self

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        trusted = [host.strip() for host in self.trusted_hosts.split(",")]
        urls = {name: str(getattr(self, name)) for name in type(self).model_fields}
        found = [
            f"{PREFIX}{name.upper()}: {said}"
            for name, said in transport.exposed(urls, trusted, os.environ)
        ]
        if found:
            raise ValueError("; ".join(found))
        return self

    @property
    def spool_file(self) -> Path:
        """Where what staff ask for waits while the store cannot be written."""
        return _file_beside(self.database_url, "spool") or Path("counterfoil.spool")

    @property
    def erasures_file(self) -> Path | None:
        """Where it is written down who was erased; None where nobody has said."""
        return self.erasure_log or _file_beside(self.database_url, "erasures")

    @property
    def strictures_file(self) -> Path | None:
        """Where it is written down what was sealed, held, walled or refused: beside erasures."""
        return self.erasures_file.with_suffix(STRICTURES) if self.erasures_file else None

    @property
    def checkpoints_file(self) -> Path | None:
        """Where the ends of the chains are written down; None where nobody has said."""
        return self.checkpoint_file or _file_beside(self.database_url, "checkpoints")

    @property
    def key_file(self) -> Path | None:
        """Where ``migrate`` makes the master key of a new SQLite store."""
        return _file_beside(self.database_url, "key")

    @property
    def dns_address(self) -> tuple[str, int] | None:
        """The address and port of the resolver that was named."""
        return _host_and_port(self.dns_server)

    @property
    def on_postgresql(self) -> bool:
        """Whether many processes may share the store."""
        return self.database_url.startswith("postgresql")

    @property
    def facts_hook_scopes(self) -> tuple[str, ...]:
        """What the sender of told facts may do, in the words of a token's scopes."""
        names = [name for name in self.facts_hook_sources.split(",") if name]
        return tuple(f"{access.FACTS}:{name}" for name in names) or (access.FACTS,)

    def need(self, *names: str) -> None:
        """Check that these settings (field names) are there and are no defaults.

        Raises:
            SettingsMissing: one sentence for each that is not.
        """
        wrong = [sentence for name in names if (sentence := self._wrong(name))]
        if wrong:
            raise SettingsMissing("\n".join(wrong))

    def need_apart(self) -> None:
        """Check that with PostgreSQL the keys are in a second database, as ``serve`` demands.

        Raises:
            SettingsMissing: they are in a file, or nowhere.
        """
        if self.on_postgresql and not self.keyring_url.startswith("postgresql"):
            hint = _HINTS["keyring_url"]
            raise SettingsMissing(f"{PREFIX}KEYRING_URL must not be a file here: {hint}.")

    def valid(self, name: str) -> tuple[str, ...]:
        """The values of a secret that are valid now: it, and while rotating the one before it."""
        both = (getattr(self, name), getattr(self, f"{name}_previous", None))
        return tuple(one.get_secret_value() for one in both if isinstance(one, SecretStr))

    def _wrong(self, name: str) -> str:
        given = [value for one in _EITHER.get(name, (name,)) if (value := getattr(self, one))]
        variable = PREFIX + name.upper()
        hint = _HINTS.get(name, "set it in the environment of this command")
        if not given:
            return f"{variable} is missing: {hint}."
        if any(isinstance(value, SecretStr) and _is_default(value) for value in given):
            return f"{variable} is a default or too short to be a secret: {hint}."
        return ""


def read() -> Settings:
    """The settings of this process's environment.

    Raises:
        SettingsMissing: a value cannot be used; the sentences name the variables, not the values.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsMissing(" ".join(map(_sentence, _faults(error)))) from None


def unknown(environ: Mapping[str, str] | None = None) -> list[str]:
    """A sentence for each ``COUNTERFOIL_`` variable that nothing reads: most are typing errors."""
    given = os.environ if environ is None else environ
    known = [name.upper() for name in Settings.model_fields]
    named = sorted(name.removeprefix(PREFIX) for name in given if name.startswith(PREFIX))
    return [_help(name, known) for name in named if name not in known]


def _help(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean {PREFIX}{near[0]}?" if near else "remove it."
    return f"{PREFIX}{name} is not a setting; {advice}"


def _faults(error: ValidationError) -> list[tuple[str, str]]:
    return [
        (str(one["loc"][0]) if one["loc"] else "", one["msg"])
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def _sentence(fault: tuple[str, str]) -> str:
    name, reason = fault
    reason = reason.removeprefix("Value error, ")
    if reason.startswith(PREFIX):
        return f"{reason}."
    return f"{PREFIX}{(name or 'keyring_url').upper()}: {reason}."


def _is_default(value: SecretStr) -> bool:
    text = value.get_secret_value().strip().lower()
    return len(text) < _SHORTEST_SECRET or text.startswith(_DEFAULTS) or len(set(text)) < 4


def _keyring_beside(database_url: str) -> str:
    if not database_url.startswith("sqlite"):
        return ""
    stem, dot, ending = database_url.rpartition(".")
    if not dot or "/" in ending:
        stem, ending = database_url, "db"
    memory = ":memory:" in database_url or database_url.endswith("://")
    return "sqlite://" if memory else f"{stem}-keyring.{ending}"


def _file_beside(database_url: str, ending: str) -> Path | None:
    """The file of that ending beside a SQLite store; None where the store is no file."""
    if not database_url.startswith("sqlite:///") or ":memory:" in database_url:
        return None
    return Path(database_url.removeprefix("sqlite:///")).with_suffix(f".{ending}")


def _leads(url: str, *schemes: str) -> bool:
    """Whether it names a host, and a port that can be one."""
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _host_and_port(text: str) -> tuple[str, int] | None:
    """Of ``9.9.9.9``, ``9.9.9.9:5353``, ``::1`` or ``[::1]:53``; None where it is none of these."""
    found = _RESOLVER.fullmatch(text)
    if found is None:
        return None
    port = int(found[2] or found[4] or 53)
    try:
        host = ipaddress.ip_address(found[1] or found[3] or found[5])
    except ValueError:
        return None
    return (str(host), port) if 0 < port <= 65_535 else None
