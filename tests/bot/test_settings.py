import pytest

from bot import settings
from bot.settings import SettingsMissing
from comms.writing import covering

TOKEN = "k3Jf92LmQx81Zp0aVb7TnR5y"


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith(settings.PREFIX)]:
        monkeypatch.delenv(name)


def given(monkeypatch: pytest.MonkeyPatch, **values: str) -> settings.Settings:
    for name, value in values.items():
        monkeypatch.setenv(settings.PREFIX + name.upper(), value)
    return settings.read()


def test_nothing_is_needed_to_begin() -> None:
    found = settings.read()
    assert found.database_url == "sqlite:///counterfoil.db"
    assert found.keyring_url == "sqlite:///counterfoil-keyring.db"
    assert (found.host, found.port, found.log_level) == ("127.0.0.1", 8000, "info")


@pytest.mark.parametrize(
    ("database", "keyring"),
    [
        ("sqlite:////var/lib/firm.sqlite", "sqlite:////var/lib/firm-keyring.sqlite"),
        ("sqlite:////srv/a.b/firm", "sqlite:////srv/a.b/firm-keyring.db"),
        ("sqlite://", "sqlite://"),
        ("postgresql+psycopg://u:p@localhost/firm", ""),
    ],
)
def test_the_keys_lie_beside_the_store(
    monkeypatch: pytest.MonkeyPatch, database: str, keyring: str
) -> None:
    assert given(monkeypatch, database_url=database).keyring_url == keyring


def test_the_keys_never_share_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql+psycopg://u:topsecret@localhost/firm"
    with pytest.raises(SettingsMissing, match="store of their own") as caught:
        given(monkeypatch, database_url=url, keyring_url=url)
    assert "topsecret" not in str(caught.value)


def test_postgresql_refuses_keys_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    found = given(
        monkeypatch, database_url="postgresql+psycopg://localhost/a", keyring_url="sqlite:///k"
    )
    with pytest.raises(SettingsMissing, match="COUNTERFOIL_KEYRING_URL"):
        found.need_apart()
    given(monkeypatch, keyring_url="postgresql+psycopg://localhost/keys").need_apart()


def test_a_command_asks_only_for_what_it_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    found = given(monkeypatch, master_key=TOKEN)
    found.need("database_url", "keyring_url", "master_key")
    with pytest.raises(SettingsMissing) as caught:
        found.need("slack_bot_token", "smtp_url", "master_key")
    assert "COUNTERFOIL_SLACK_BOT_TOKEN is missing" in str(caught.value)
    assert "COUNTERFOIL_SMTP_URL is missing" in str(caught.value)
    assert "MASTER_KEY" not in str(caught.value)


def test_what_is_missing_is_said_in_words_that_a_terminal_shows_whole() -> None:
    """A terminal covers what looks like a password, also in our own example of one."""
    with pytest.raises(SettingsMissing) as caught:
        settings.read().need(*sorted(settings.Settings.model_fields))
    assert "smtp://host:587" in str(caught.value)
    assert covering.line(str(caught.value)) == str(caught.value)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        *(("smtp_url", one) for one in ("mail.example:587", "smtp://a:no", "smtp://[a", "smtp://")),
        *(("public_url", one) for one in ("https://a.example:no", "https://[a", "a.example")),
        ("heartbeat_url", "https://a.example:99999"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, address: str
) -> None:
    """A port that is none was a traceback, when the first mail was sent."""
    with pytest.raises(SettingsMissing, match=f"COUNTERFOIL_{name.upper()}"):
        given(monkeypatch, **{name: address})


def test_either_of_two_settings_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"master_key_file": "/etc/key", "twilio_messaging_service_sid": "MG1"}
    given(monkeypatch, **values).need("master_key", "twilio_from")


@pytest.mark.parametrize(
    "weak", ["changeme", "secret", "short", "change-me-please-now", "a" * 32, "<your token here>"]
)
def test_a_default_secret_is_named(monkeypatch: pytest.MonkeyPatch, weak: str) -> None:
    found = given(monkeypatch, slack_signing_secret=weak)
    with pytest.raises(SettingsMissing, match="COUNTERFOIL_SLACK_SIGNING_SECRET is a default"):
        found.need("slack_signing_secret")


def test_two_secrets_hold_while_rotating(monkeypatch: pytest.MonkeyPatch) -> None:
    found = given(monkeypatch, email_hook_secret=TOKEN, email_hook_secret_previous="old" + TOKEN)
    assert found.valid("email_hook_secret") == (TOKEN, "old" + TOKEN)
    assert found.valid("slack_signing_secret") == ()


def test_nothing_secret_is_ever_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    found = given(
        monkeypatch,
        master_key=TOKEN,
        twilio_auth_token=TOKEN,
        database_url=f"postgresql+psycopg://u:{TOKEN}@localhost/a",
        keyring_url=f"postgresql+psycopg://u:{TOKEN}@localhost/b",
        smtp_url=f"smtp://u:{TOKEN}@mail",
    )
    assert TOKEN not in repr(found)
    assert TOKEN not in str(found)


def test_settings_cannot_change(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings.read().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "0"),
        ("port", "many"),
        ("log_level", "loud"),
        ("public_url", "example.com"),
        ("public_url", "https://user:hunter2@example.com"),
    ],
)
def test_a_bad_value_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(SettingsMissing, match=f"^COUNTERFOIL_{name.upper()}: ") as caught:
        given(monkeypatch, **{name: value})
    assert "hunter2" not in str(caught.value)


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(monkeypatch, port="", log_level="WARNING").port == 8000


def test_a_typing_error_is_pointed_out() -> None:
    environ = {
        "COUNTERFOIL_SMPT_URL": "x",
        "COUNTERFOIL_PORT": "1",
        "HOME": "/",
        "COUNTERFOIL_": "",
    }
    assert settings.unknown(environ) == [
        "COUNTERFOIL_ is not a setting; remove it.",
        "COUNTERFOIL_SMPT_URL is not a setting; did you mean COUNTERFOIL_SMTP_URL?",
    ]


@pytest.mark.parametrize("sources", ["CRM", "crm erp", "crm;erp", "crm,é"])
def test_a_source_that_is_none_is_said_at_the_start(
    sources: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERFOIL_FACTS_HOOK_SOURCES", sources)
    with pytest.raises(SettingsMissing, match="FACTS_HOOK_SOURCES: must be short lower-case"):
        settings.read()


def test_a_secret_for_facts_that_is_none_is_said_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COUNTERFOIL_FACTS_HOOK_SECRET", "not base64 at all!")
    with pytest.raises(SettingsMissing, match="FACTS_HOOK_SECRET: must be `whsec_`") as met:
        settings.read()
    assert "not base64" not in str(met.value)


OPEN = "postgresql+psycopg://u:topsecret@db.example/firm"
HERE = "postgresql+psycopg:///firm"


@pytest.mark.parametrize(
    ("name", "value", "todo"),
    [
        ("database_url", OPEN, "add ?sslmode=verify-full"),
        ("keyring_url", OPEN, "add ?sslmode=verify-full"),
        ("database_url", f"{OPEN}?sslmode=prefer", "add ?sslmode=verify-full"),
        ("database_url", f"{OPEN}?sslmode=require&sslmode=disable", "add ?sslmode=verify-full"),
        ("database_url", "postgresql+psycopg:///firm?service=far", "names a service"),
        ("database_url", "postgresql+psycopg:///firm?host=10.1.2.3", "add ?sslmode=verify-full"),
        ("database_url", "postgresql+psycopg://u@[2001:db8::1]:5432/firm", "add ?sslmode"),
        ("database_url", f"{HERE}?host=localhost&hostaddr=10.1.2.3", "the way to 10.1.2.3"),
        ("database_url", f"{HERE}?host=localhost,db.example", "the way to db.example"),
        ("smtp_url", "smtp://relay.example?starttls=never&starttls=required", "remove ?starttls"),
        ("heartbeat_url", "http://watch.example/ping/topsecret", "write https://"),
        ("otlp_url", "http://collector.example:4318/v1/traces", "write https://"),
        ("smtp_url", "smtp://u:topsecret@relay.example?starttls=never", "remove ?starttls=never"),
        ("public_url", "http://billing.example", "write https://"),
        ("twilio_base_url", "http://proxy.example", "write https://"),
    ],
)
def test_nothing_crosses_a_network_in_the_open(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, todo: str
) -> None:
    with pytest.raises(SettingsMissing) as caught:
        given(monkeypatch, **{name: value})
    assert f"COUNTERFOIL_{name.upper()}: " in str(caught.value)
    assert todo in str(caught.value)
    assert "topsecret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("variable", "value", "url", "met"),
    [
        ("PGHOST", "db.example", HERE, "the way to db.example"),
        ("PGHOST", "/run/postgresql,10.1.2.3", HERE, "the way to 10.1.2.3"),
        ("PGHOSTADDR", "10.1.2.3", "postgresql+psycopg://u@localhost/firm", "the way to 10.1.2.3"),
        ("PGSERVICE", "far", HERE, "PGSERVICE in the environment names a service"),
        ("PGHOST", "/run/postgresql", HERE, ""),
        ("PGHOST", "db.example", "postgresql+psycopg://u@localhost/firm", ""),
        ("PGHOSTADDR", "10.1.2.3", f"{OPEN}?sslmode=require", ""),
        ("PGSSLMODE", "disable", f"{OPEN}?sslmode=require", ""),
    ],
)
def test_what_the_library_reads_from_the_environment_is_judged_too(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, url: str, met: str
) -> None:
    monkeypatch.setenv(variable, value)
    if not met:
        assert given(monkeypatch, database_url=url).database_url == url
        return
    with pytest.raises(SettingsMissing, match=met):
        given(monkeypatch, database_url=url)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", f"{OPEN}?sslmode=verify-full"),
        ("database_url", f"{OPEN}?sslmode=require"),
        ("database_url", "postgresql+psycopg://u:p@127.0.0.1:5433/firm"),
        ("database_url", "postgresql+psycopg://u:p@[::1]/firm"),
        ("database_url", "postgresql+psycopg://postgres@/firm?host=/run/postgresql"),
        ("smtp_url", "smtp://relay.example"),
        ("smtp_url", "smtp://127.0.0.1:1025?starttls=never"),
        ("public_url", "http://localhost:8000"),
    ],
)
def test_loopback_and_tls_are_taken(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    assert getattr(given(monkeypatch, **{name: value}), name) == value


def test_a_host_behind_a_tunnel_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, database_url=OPEN, trusted_hosts="relay, db.example")
    with pytest.raises(SettingsMissing, match=r"other\.example"):
        given(monkeypatch, smtp_url="smtp://other.example?starttls=never")
