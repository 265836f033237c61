"""Does the house stand as it was drawn: one direction, pure rules, colours that do not run?"""

import ast
import functools
import graphlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from importlinter.application import use_cases
from importlinter.cli import lint_imports as _register  # noqa: F401 - it configures importlinter

ROOT = Path(__file__).parents[1]
FLOORS = ("billing", "comms", "bot")
PRODUCT = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef
MAY_PRINT = ("bot/cli", "bot/commands", "bot/sandbox/story")
MAY_ASK_THE_TIME = "billing/clock.py"
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "localtime", "gmtime"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@functools.cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """All of a file; many look at the same one."""
    return tuple(ast.walk(tree))


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in nodes(tree) if isinstance(node, Function))


def takes_a_session(function: Function) -> bool:
    arguments = function.args
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    return any(one.annotation and "Session" in _words(one.annotation) for one in every)


def _words(annotation: ast.expr) -> set[str]:
    """The names in an annotation, but not those of what a callable takes."""
    if isinstance(annotation, ast.Subscript):
        outer = _words(annotation.value)
        return outer if "Callable" in outer else outer | _words(annotation.slice)
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return _words(ast.parse(annotation.value, mode="eval").body)
    if isinstance(annotation, ast.BinOp):
        return _words(annotation.left) | _words(annotation.right)
    return {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)} | {
        node.attr for node in ast.walk(annotation) if isinstance(node, ast.Attribute)
    }


def found(wrong: str) -> ast.Module:
    return ast.parse(wrong)


def coloured(tree: ast.AST) -> list[str]:
    """Functions that hold a session and may wait for a network."""
    return [
        function.name
        for function in functions(tree)
        if takes_a_session(function)
        and (
            isinstance(function, ast.AsyncFunctionDef)
            or any(isinstance(node, ast.Await) for node in ast.walk(function))
        )
    ]


def asks_the_time(tree: ast.AST) -> list[str]:
    """Calls that read the machine's clock; ``monotonic`` measures and decides nothing."""
    return [
        ast.unparse(node)
        for node in nodes(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CLOCKS
        and ast.unparse(node.func.value).rpartition(".")[2] in {"datetime", "date", "time"}
    ]


def imported(tree: ast.AST) -> set[str]:
    modules = {
        alias.name for node in nodes(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    return modules | {
        f"{node.module}.{alias.name}"
        for node in nodes(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def prints(tree: ast.AST) -> list[int]:
    return [
        node.lineno
        for node in nodes(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]


@functools.cache
def product() -> dict[str, ast.Module]:
    """Every file of the product, read once."""
    return {name_of(path): ast.parse(path.read_text()) for path in PRODUCT}


def offenders(rule: Callable[[ast.Module], object], allowed: str | tuple[str, ...] = ()) -> Any:
    """The files that break a rule, with what they do."""
    wrong = {name: rule(tree) for name, tree in product().items() if not name.startswith(allowed)}
    return {name: done for name, done in wrong.items() if done}


def test_the_floors_import_one_another_as_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    kept = use_cases.lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None)
    assert kept is use_cases.SUCCESS, capsys.readouterr().out


def test_no_module_needs_itself_in_the_end() -> None:
    modules = {module_of(name): tree for name, tree in product().items()}
    needs = {
        module: {one if one in modules else one.rpartition(".")[0] for one in imported(tree)}
        for module, tree in modules.items()
    }
    graphlib.TopologicalSorter(needs).prepare()  # it says which, where there is a circle


def test_nothing_waits_while_it_holds_a_session() -> None:
    assert offenders(coloured) == {}


def test_only_the_clock_asks_the_time() -> None:
    assert offenders(asks_the_time, MAY_ASK_THE_TIME) == {}


def test_only_commands_print() -> None:
    assert offenders(prints, MAY_PRINT) == {}


def test_every_file_says_which_question_it_answers() -> None:
    assert offenders(lambda tree: not ast.get_docstring(tree)) == {}


def test_every_file_is_looked_at() -> None:
    assert len(product()) == len(PRODUCT) > 400


def test_no_test_replaces_a_part_of_the_product() -> None:
    patched = [
        name_of(path)
        for path in (*PRODUCT, *TESTS)
        if "mock" in (text := path.read_text())
        and any(
            module.startswith(("unittest.mock", "mock.")) for module in imported(ast.parse(text))
        )
    ]
    assert patched == []


def test_no_test_folder_shadows_the_product() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


# The rules above find what they look for.


@pytest.mark.parametrize(
    "wrong",
    [
        "async def f(session: Session): ...",
        "async def f(a: int, *, session: 'Session'): ...",
        "async def f(session: Session | None): ...",
        "async def f(session: sqlmodel.Session): ...",
        "def f(session: Session):\n    async def g():\n        await h()\n",
    ],
)
def test_a_coloured_function_is_found(wrong: str) -> None:
    assert coloured(found(wrong)) == ["f"]


@pytest.mark.parametrize(
    "right",
    [
        "def f(session: Session): ...",
        "async def f(fn: Callable[[Session], T]): ...",
        "async def f(store: Store):\n    await store.write(g)\n",
    ],
)
def test_a_function_of_one_colour_is_let_be(right: str) -> None:
    assert coloured(found(right)) == []


@pytest.mark.parametrize(
    "wrong",
    ["dt.datetime.now(dt.UTC)", "datetime.utcnow()", "date.today()", "time.time()"],
)
def test_a_look_at_the_clock_is_found(wrong: str) -> None:
    assert asks_the_time(found(wrong)) == [wrong]


@pytest.mark.parametrize("right", ["clock.now()", "time.monotonic()", "dt.datetime.combine(a, b)"])
def test_asking_our_clock_is_let_be(right: str) -> None:
    assert asks_the_time(found(right)) == []


def test_a_print_is_found() -> None:
    assert prints(found("x = 1\nprint(x)")) == [2]
