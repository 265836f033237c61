"""Every setting, command, flag, path, log word and link in the documents is there."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from billing import policy, portfolio
from bot.cli import app
from bot.firm import Firm
from bot.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FILES = [*DOCUMENTS, *sorted(path for path in ROOT.glob("ops/*") if path.is_file())]
_COMMAND = re.compile(r"(?<![\w./=-])counterfoil(?:-admin)? ([a-z][a-z-]*)((?: [^\n`|;&#]+)?)")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_PLACE = re.compile(r"(?<![\w/.])((?:billing|comms|bot|tests|rules)/[\w/]+(?:\.\w+)?)(?:: (\w+))?")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(params=DOCUMENTS, ids=label)
def document(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def code(text: str) -> str:
    """What stands in fences and between backticks."""
    fenced = [found[2] for found in _FENCE.finditer(text)]
    return "\n".join([*fenced, *_SPAN.findall(_FENCE.sub("", text))])


def anchors(path: Path) -> set[str]:
    """As GitHub makes them of headings."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def asked(text: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each command line: its words and its flags."""
    for found in _COMMAND.finditer(code(text)):
        words = found[2].split()
        yield found[1], words, [word.split("=")[0] for word in words if word.startswith("--")]


@pytest.mark.parametrize("path", FILES, ids=label)
def test_every_setting_named_is_one(path: Path) -> None:
    named = set(re.findall(rf"\b{PREFIX}([A-Z][A-Z_]*[A-Z])\b", path.read_text()))
    assert named <= {name.upper() for name in Settings.model_fields}


def test_every_command_named_can_be_run(document: Path) -> None:
    root = get_command(app)
    assert isinstance(root, typer.core.TyperGroup)
    for name, rest, flags in asked(document.read_text()):
        words, command = rest, root.commands.get(name)
        assert command is not None, f"counterfoil {name}"
        while isinstance(command, typer.core.TyperGroup):
            assert words, f"counterfoil {name} needs a word"
            for word in words[0].split("/"):
                assert word in command.commands, f"counterfoil {name} {word}"
            command, words = command.commands[words[0].split("/")[0]], words[1:]
        known = {opt for one in command.params for opt in one.opts} | {"--help"}
        assert set(flags) <= known, f"counterfoil {name}"


def test_every_link_leads_somewhere(document: Path) -> None:
    for link in _LINK.findall(document.read_text()):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = link.partition("#")
        target = (document.parent / file).resolve() if file else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_reached_from_the_readme() -> None:
    reached, ahead = set[Path](), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        reached.add(page)
        links = (
            link.partition("#")[0] for link in _LINK.findall(page.read_text()) if ":" not in link
        )
        for target in ((page.parent / file).resolve() for file in links if file):
            found = sorted(target.glob("*.md")) if target.is_dir() else [target]
            ahead.extend(one for one in found if one.suffix == ".md" and one not in reached)
    assert [label(page) for page in DOCUMENTS if page not in reached] == []


def test_code_that_is_named_is_there(document: Path) -> None:
    for file, name in _PLACE.findall(code(document.read_text())):
        assert (ROOT / file).exists(), file
        assert not name or re.search(rf"\b{name}\b", (ROOT / file).read_text()), (file, name)


def test_every_hook_named_is_served(document: Path) -> None:
    served = (ROOT / "bot/web.py").read_text()
    for path in re.findall(r"/hooks/[a-z/]*[a-z]", code(document.read_text())):
        assert f'"{path}"' in served or f'"{path}/' in served, path


def test_every_log_word_named_is_written() -> None:
    table = (ROOT / "docs/operations.md").read_text().partition("| In the log |")[2]
    words = re.findall(r"^\| `(\w+)` \|", table.partition("\n\n")[0], re.MULTILINE)
    product = "".join(path.read_text() for path in (ROOT / "bot").rglob("*.py"))
    assert words
    assert [word for word in words if f'"{word}"' not in product] == []


def test_the_firm_of_the_guide_is_one() -> None:
    blocks = _FENCE.findall((ROOT / "docs/connect.md").read_text())
    (written,) = [body for kind, body in blocks if kind == "toml" and "legal_entity" in body]
    firm = Firm.model_validate(tomllib.loads(written))
    said = vars(firm.legal_entity[0])
    assert all(said[name] for name in said if name != "sms_unregistered")
    assert set(firm.staff[0].roles) == {"admin", "finance", "compliance"}


def test_the_policy_of_the_guide_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs/connect.md").read_text()
    (written,) = re.findall(r"^ *\[consent\]\n *(.+)$", text, re.MULTILINE)
    (tmp_path / "policy.toml").write_text(f"[consent]\n{written}\n")
    assert policy.load(tmp_path / "policy.toml").consent.carrier_answers_stop is False


def test_the_test_clients_of_the_guide_can_be_imported(tmp_path: Path) -> None:
    blocks = _FENCE.findall((ROOT / "docs/connect.md").read_text())
    (written,) = [body for kind, body in blocks if body.startswith("client,")]
    (tmp_path / "test.csv").write_text(written)
    read = portfolio.read(tmp_path / "test.csv")
    assert [row.invoice for row in read.rows] == ["TEST-1", "TEST-2"]
