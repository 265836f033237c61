"""Does what the README says to type do what it says, on the machine of somebody new?"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from billing import shipped
from bot import schema
from bot.cli import app

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BILLS = """client,invoice,issued,due,amount,client_name,timezone,email
a1,INV-1,2026-01-15,2026-02-15,100.00,Northwind Heating,America/Denver,ada@northwind.example
"""
FILES = {
    "invoices.csv": BILLS,
    "history.csv": BILLS,
    "ours.toml": "[budget]\nper_day = 2\n",
    "messages.jsonl": '{"id": "1", "channel": "sms", "from": "+12125550123", "body": "I pay"}\n',
}
ELSEWHERE = {
    "serve": "it goes on until it is told to end: tests/bot/slack/test_socket.py",
    "remittance": "it needs a payer's share: tests/bot/test_remittances.py",
    "doctor": "it asks the network: tests/bot/doctor; but not for --data",
}


def typed() -> Iterator[list[str]]:
    """Each command under "Use it", as a shell splits it."""
    told = README.partition("## Use it")[2].partition("```console\n")[2].partition("```")[0]
    for line in told.splitlines():
        words = shlex.split(line, comments=True)
        if words and (words[1] not in ELSEWHERE or "--data" in words):
            yield words[1:]


def test_what_the_readme_says_to_type_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "firm.toml").write_bytes(shipped.path("examples", "firm.toml").read_bytes())
    schema.lay(f"sqlite:///{tmp_path / 'counterfoil.db'}")  # as `migrate` would, and sooner
    for words in typed():
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, (words, result.output, result.exception)
    structlog.reset_defaults()
    assert {"northwind.pdf", "board.pdf", "counterfoil.db"} <= {
        path.name for path in tmp_path.iterdir()
    }


def test_the_pictures_of_the_readme_are_there() -> None:
    for link in re.findall(r'(?:src|srcset)="([^"]+)"|!\[[^\]]*\]\(([^)]+)\)', README):
        path = Path(__file__).parents[1] / next(filter(None, link))
        assert path.is_file(), path
