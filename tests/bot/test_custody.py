"""Evidence, erasure and rights on the command line; nobody who was erased is served."""

from contextlib import closing
from pathlib import Path

import pytest
from sqlmodel import Session
from typer.testing import CliRunner

from billing.models import Client
from bot import app as root
from bot import cli
from bot.custody import erasurelog
from bot.custody.erasurelog import NotReplayed
from comms.law import preservation
from comms.office import Word
from tests import factories
from tests.bot.canary import CANARIES, Run, beside, fill, opened
from tests.conftest import Database
from tests.factories import NOON


@pytest.fixture
def run(sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    return beside(sqlite_database, tmp_path, monkeypatch)


WHO = "Quillfeather Holdings"
WHY = ("--reason", "asked in March")


def test_a_copy_is_brought_back_without_who_was_erased_since(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, keys = str(tmp_path / "rows"), str(tmp_path / "keys")
    run("backup", rows, "--keys", keys)
    run("legal-hold", "place", WHO, "--matter", "Roe", *WHY)
    assert "Roe" in run("erase", WHO, *WHY, "--yes", code=1)["why"]
    run("legal-hold", "release", WHO, *WHY)
    assert run("erase", WHO, *WHY, "--yes")["erased"]
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", f"sqlite:///{tmp_path / 'new.db'}")
    monkeypatch.setenv("COUNTERFOIL_KEYRING_URL", f"sqlite:///{tmp_path / 'new-keys.db'}")
    monkeypatch.delenv("COUNTERFOIL_ERASURE_LOG")  # the log of the original is found by itself
    assert run("restore", rows, "--keys", keys)["replayed"] == 1
    said = b"".join(file.read_bytes() for file in tmp_path.glob("new*")).lower()
    assert [one for one in CANARIES if one.encode() in said] == []
    assert run("erase", "--replay") == {"replayed": 0}
    assert run("audit", "verify")


def test_a_copy_is_not_brought_back_without_the_log_of_erasures(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, keys = str(tmp_path / "rows"), str(tmp_path / "keys")
    run("backup", rows, "--keys", keys)
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", f"sqlite:///{tmp_path / 'new.db'}")
    monkeypatch.setenv("COUNTERFOIL_KEYRING_URL", f"sqlite:///{tmp_path / 'new-keys.db'}")
    assert "--nobody-erased" in run("restore", rows, "--keys", keys, code=2)
    assert not (tmp_path / "new.db").exists()
    assert run("restore", rows, "--keys", keys, "--nobody-erased")["replayed"] == 0


def test_a_person_is_answered(run: Run, tmp_path: Path) -> None:
    begun = run("rights", "open", WHO, "--kind", "access", "--received", "2026-01-02")
    assert begun["due"] == "2026-02-02"
    late = run("rights", "list", code=1)["cases"]
    assert [(one["case"], one["kind"]) for one in late] == [(1, "access")]
    files = run("rights", "export", WHO, "--to", str(tmp_path / "out"))["files"]
    assert [Path(file).name for file in files] == ["client-2.json", "client-2.html"]
    assert run("rights", "close", "1")["outcome"] == "granted"
    assert run("rights", "list")["cases"] == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("erase",), "Name the client"),
        (("erase", WHO, *WHY), "--yes"),
        (("erase", "Nobody Ltd", *WHY, "--yes"), "nothing called"),
        (("legal-hold", "place", WHO, "--matter", " ", *WHY), "--matter"),
        (("rights", "open", WHO, "--kind", "acces", "--received", "2026-01-02"), "kind"),
        (("rights", "open", WHO, "--kind", "access", "--received", "2999-01-02"), "not come yet"),
        (("rights", "close", "7"), "rights list"),
        (("erase", WHO, *WHY, "--yes", "--by", "nobody@harrow.example"), "access list"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(run: Run, args: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(cli.app, list(args), input="n\n")
    assert result.exit_code == 2
    assert said in result.stderr


async def test_the_product_does_not_start_while_somebody_erased_is_there(
    sqlite_database: Database, tmp_path: Path
) -> None:
    async with factories.product(sqlite_database, tmp_path) as running:
        running.write(lambda session: factories.client(session, running.app.keyring, NOON))
        settings = running.app.settings
    log = settings.erasures_file
    assert log is not None
    await root.live(settings).close()
    erasurelog.append(log, ["client:Northwind Trading"], NOON)
    with pytest.raises(NotReplayed, match="counterfoil erase --replay"):
        root.live(settings)


def test_a_hold_covers_whoever_becomes_one_with_the_client(
    sqlite_database: Database, tmp_path: Path
) -> None:
    app = opened(sqlite_database.url, sqlite_database.keyring_url, tmp_path)

    def work(session: Session) -> None:
        fill(session, app)
        word = Word("cli", "letter")
        assert preservation.preserved(session, [1, 2]) == set()
        preservation.place(session, app.office(), 2, "Roe", word)
        assert preservation.preserved(session, [1, 2]) == {2}
        session.get_one(Client, 1).merged_into_id = 2
        session.get_one(Client, 2).speaks_since = NOON
        session.flush()
        assert preservation.preserved(session, [1]) == {1}
        assert len(preservation.standing(session, 1)) == 1

    with closing(app.store), closing(app.keyring):
        app.store.write_now(work)
