"""How does a command open the product, say what came of it, and end?

Nothing heavy is imported before a command runs, so that ``--help`` is there at once.
"""

import asyncio
import functools
import inspect
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, ParamSpec, TypeVar

import typer

from bot.report import WRONG, Args, Operation, Progress, Report, Table, Wrong, silent

if TYPE_CHECKING:
    from billing.policy import Policy
    from bot.app import App
    from bot.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
_WIDE = 200
"""Columns where nobody's terminal says how many it has, nor COLUMNS."""
_WORD = 36
"""Longer words, such as addresses of pages, may be cut in two."""
_AMOUNT = re.compile(r"|-|[^\w\s]{0,2}\d[\d,.]*%?")
"""Numbers stand under numbers."""


def command(fn: Callable[P, Report]) -> Callable[..., None]:
    """A function that answers with a report, as a command with ``--json``."""
    answered = plain_command(fn)

    @functools.wraps(fn)
    def run(*args: Any, as_json: bool = False, **kwargs: Any) -> None:
        report = answered(*args, **kwargs)
        _print(report, as_json=as_json)
        if report.code:
            raise typer.Exit(report.code)

    keyword = inspect.Parameter.KEYWORD_ONLY
    flag = inspect.Parameter("as_json", keyword, default=False, annotation=Json)
    asked = inspect.signature(fn).parameters.values()
    run.__signature__ = inspect.Signature([*asked, flag])  # type: ignore[attr-defined]
    run.__annotations__ = {**fn.__annotations__, "as_json": Json}
    return run


def plain_command(fn: Callable[P, T]) -> Callable[P, T]:
    """A function as a command: an error that is expected is one sentence, and no traceback."""

    @functools.wraps(fn)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            _read(*args, *kwargs.values())
            return fn(*args, **kwargs)
        except Wrong as wrong:
            raise _end(str(wrong)) from None
        except (KeyboardInterrupt, typer.Exit, typer.Abort):
            raise
        except Exception as error:
            from bot import errors

            sentence = errors.sentence(error)
            if not sentence:
                raise
            raise _end(sentence) from None

    return run


def _read(*typed: object) -> None:
    """Whether all that was typed is text.

    Raises:
        Wrong: the terminal wrote it in another way.
    """
    for one in typed:
        for word in one if isinstance(one, list) else [one]:
            try:
                isinstance(word, str) and word.encode()
            except UnicodeEncodeError:
                shown = str(word).encode(errors="replace").decode()
                raise Wrong(f"{shown} is not UTF-8; use a terminal that writes UTF-8.") from None


def width() -> int | None:
    """Columns of whoever reads along; none where it goes into a file or another program."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def settings() -> "Settings":
    """The settings of this process, and a quiet log."""
    from bot import settings as read
    from bot.watching import logs

    logs.quiet()
    return read.read()


@contextmanager
def reading() -> Iterator["App"]:
    """The product for a command that only reads; beside a running ``serve`` as well."""
    from bot.app import books

    with _closed_after(books(_there(settings()), writable=False)) as app:
        yield app


def rules(given: "Settings") -> "Policy":
    """The policy that holds; where there is no store yet, the one that is given."""
    from billing import policy as policies

    if _missing(given):
        return policies.load(given.policy_file) if given.policy_file else policies.default()
    with reading() as app:
        return app.rules


def writing(name: str, args: Args, *, watch: bool = False) -> Report:
    """Run an operation here, or in the process that serves the store.

    Raises:
        Wrong: neither is possible.
    """
    if not watch:
        return asyncio.run(_write(name, args, silent))
    with bar("booking") as progress:
        return asyncio.run(_write(name, args, progress))


async def _write(name: str, args: Args, progress: Progress) -> Report:
    from billing.store import StoreBusy
    from bot import console
    from bot.app import books, live
    from bot.operations import OPERATIONS

    given = _there(settings())
    opened = live if name == "tick" else books
    try:
        app = opened(given)
    except StoreBusy as busy:
        place = console.place(given)
        if place is None:
            raise
        try:
            return await console.ask(place, name, args, progress)
        except console.Nobody:
            raise Wrong(f"{busy}; nobody answers at {place}.") from None
    return await _here(app, OPERATIONS[name], args, progress)


async def _here(app: "App", operation: Operation, args: Args, progress: Progress) -> Report:
    try:
        return await operation(app, args, progress)
    finally:
        await app.close()


def _there(given: "Settings") -> "Settings":
    """SQLite would make an empty file of a name that was mistyped."""
    given.need("master_key")
    if _missing(given):
        raise Wrong(
            "There is no store at COUNTERFOIL_DATABASE_URL; `counterfoil migrate` makes it."
        )
    return given


def _missing(given: "Settings") -> bool:
    url = given.database_url
    return url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists()


@contextmanager
def _closed_after(app: "App") -> Iterator["App"]:
    try:
        yield app
    finally:
        asyncio.run(app.close())


def _end(sentence: str) -> typer.Exit:
    from comms.writing import covering

    typer.echo(_plain(covering.line(sentence)), err=True)
    return typer.Exit(WRONG)


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report.data, ensure_ascii=False, indent=2, default=str))
        return
    for line in report.lines:
        typer.echo(_plain(line))
    for table in report.tables:
        show(table)


def show(table: Table) -> None:
    """Print a table as wide as the terminal, or as COLUMNS says."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as Grid
    from rich.text import Text

    room = shutil.get_terminal_size((_WIDE, 0)).columns
    screen = Console(file=sys.stdout, width=room, highlight=False)
    grid = Grid(
        box=box.SIMPLE_HEAD,
        title=table.title or None,
        title_justify="left",
        min_width=len(table.title),
        show_header=any(table.columns),
    )
    rows = [[_plain(cell) for cell in row] for row in table.rows]
    names = [name.replace("_", " ") for name in table.columns]
    columns = list(zip(names, *rows, strict=True))
    for column, wide in zip(columns, _widths(columns, room), strict=True):
        right = any(column[1:]) and all(map(_AMOUNT.fullmatch, column[1:]))
        justify: Literal["left", "right"] = "right" if right else "left"
        grid.add_column(Text(column[0]), overflow="fold", width=wide, justify=justify)
    for row in rows:
        grid.add_row(*map(Text, row))
    screen.print(grid)


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int | None]:
    """How wide each column is: no word is cut in two, or where that cannot be, the longest ones."""
    from rich.cells import cell_len

    room -= 3 * len(columns) + 1
    most = [max(cell_len(line) for cell in one for line in cell.split("\n")) for one in columns]
    words = [[cell_len(word) for cell in one for word in cell.split()] for one in columns]
    for longest in range(_WORD, 0, -1):
        least = [max((word for word in one if word <= longest), default=1) for one in words]
        if sum(least) <= room:
            break
    else:
        return [None] * len(columns)
    level = max(most, default=0)
    while True:
        wide = [max(few, min(many, level)) for few, many in zip(least, most, strict=True)]
        if sum(wide) <= room:
            return [*wide]
        level -= 1


def _plain(text: str) -> str:
    """Without what would steer the terminal: clients choose some of these words."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "�" for sign in text)


@contextmanager
def bar(what: str) -> Iterator[Progress]:
    """A bar on a terminal; nothing in a log."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    screen = Console(stderr=True)
    with Bar(*columns, TimeRemainingColumn(), console=screen, transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, whole: shown.update(task, completed=done, total=whole)


def by() -> str:
    """Who turned the switch or gave the role: the account on this machine."""
    import getpass

    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"


def given(**values: Any) -> dict[str, Any]:
    """Arguments without those that nobody gave."""
    return {key: value for key, value in values.items() if value is not None}
