"""What does the machine that asks get: every figure beside its bare minimum and its goal.

``python -m benchmarks [NAME…] [--full] [--json]``. Each benchmark runs in a process of its own, so
that none inherits another's memory; one that fails says so and the others go on.
"""

import argparse
import ast
import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure, Measure, Scale

_FOLDER = Path(__file__).parent
_GOAL = re.compile(r"at (least|most) ([\d.,]+)(?: (of bare)|[ ]?(.+))?")
_APART = "COUNTERFOIL_BENCHMARK"
"""Set where a process of ours measures one of them."""
_FIGURE = "figure: "


def names() -> list[str]:
    """The modules of this package that measure something."""
    found = sorted(module.name for module in pkgutil.iter_modules([str(_FOLDER)]))
    return [name for name in found if "\ndef figures(" in _file(name).read_text(encoding="utf-8")]


def _file(name: str) -> Path:
    return _FOLDER / f"{name}.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for; 1 where a benchmark failed."""
    asked = _asked(arguments)
    if _APART in os.environ:
        return _measure(asked.names[0], asked.scale)
    said = Console(stderr=True)
    measured: dict[str, list[Figure]] = {}
    failed: list[str] = []
    for name in asked.names or names():
        said.print(f"[bold]{name}[/] … {question(name)}")
        began = time.monotonic()
        measured[name], code = _apart(name, asked.scale, said)
        said.print(f"[dim]{name}: {time.monotonic() - began:.0f} s[/]")
        if code:
            failed.append(name)
            said.print(f"[bold red]{name} failed[/]; python -m benchmarks {name} shows where.")
    if asked.json:
        print(json.dumps({name: [_plain(one) for one in of] for name, of in measured.items()}))
    else:
        _show(measured, failed)
    return 1 if failed else 0


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names()))
    parser.add_argument(
        "--full", dest="scale", action="store_const", const=Scale.FULL, default=Scale.SMALL,
        help="as much as what we publish was measured on: much longer",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="for machines, on standard output")
    asked = parser.parse_args(arguments)
    unknown = sorted(set(asked.names) - set(names()))
    if unknown:
        parser.error(f"{', '.join(unknown)} does not exist; there are {', '.join(names())}")
    return asked


def question(name: str) -> str:
    """The first line of what the module says of itself."""
    told = ast.get_docstring(ast.parse(_file(name).read_text(encoding="utf-8"))) or ""
    return told.partition("\n")[0]


def _apart(name: str, scale: Scale, said: Console) -> tuple[list[Figure], int]:
    """One benchmark in a process of its own; what it says is shown, its figures are kept."""
    command = [sys.executable, "-m", "benchmarks", name]
    command += ["--full"] if scale is Scale.FULL else []
    found: list[Figure] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {_APART: name}
    ) as process:
        for line in process.stdout or ():
            if line.startswith(_FIGURE):
                found.append(Figure(**json.loads(line.removeprefix(_FIGURE))))
                said.print(f"  {_line(found[-1])}", highlight=False)
            else:
                said.print(f"[dim]  {line.rstrip()}[/]")
    return found, process.returncode


def _measure(name: str, scale: Scale) -> int:
    """What runs in the process of its own."""
    measure: Measure = importlib.import_module(f"benchmarks.{name}").figures
    for figure in measure(scale):
        print(_FIGURE + json.dumps(asdict(figure)), flush=True)
    return 0


def reached(figure: Figure) -> bool | None:
    """Whether a figure is as good as its goal; None where there is none that can be counted.

    A goal is ``at least N of bare``, ``at most N of bare`` or ``at least N UNIT``, ``at most N
    UNIT``, in the figure's own unit.
    """
    goal = _GOAL.match(figure.goal)
    if goal is None:
        return None
    bound = float(goal[2].replace(",", ""))
    value = figure.ratio if goal[3] else figure.ours
    if value is None:
        return None
    return value >= bound if goal[1] == "least" else value <= bound


def _plain(figure: Figure) -> dict[str, object]:
    return asdict(figure) | {"ratio": figure.ratio, "reached": reached(figure)}


def _line(figure: Figure) -> str:
    where = f" ({figure.database})" if figure.database else ""
    bare = f", bare {_number(figure.bare)}" if figure.bare is not None else ""
    return f"{figure.name}{where}: {_number(figure.ours)} {figure.unit}{bare}"


def _show(measured: dict[str, list[Figure]], failed: Sequence[str]) -> None:
    """One table for each benchmark."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    for name, found in measured.items():
        table = Table(title=f"{name}: {question(name)}", title_justify="left", expand=True)
        for column in ("what", "database"):
            table.add_column(column, ratio=3 if column == "what" else None)
        for column in ("ours", "bare", "unit", "ours / bare"):
            justify: Literal["left", "right"] = "left" if column == "unit" else "right"
            table.add_column(column, justify=justify)
        table.add_column("goal")
        table.add_column("note", ratio=2)
        for figure in found:
            table.add_row(*_cells(figure))
        if name in failed:
            table.add_row("[red]it failed before its end[/]")
        console.print(table)


def _cells(figure: Figure) -> Iterator[str]:
    mark = {True: " [green]✓[/]", False: " [bold yellow]not reached[/]", None: ""}
    ratio = figure.ratio
    yield figure.name
    yield figure.database
    yield _number(figure.ours)
    yield "" if figure.bare is None else _number(figure.bare)
    yield figure.unit
    yield "" if ratio is None else f"{ratio:.2f}"
    yield figure.goal + mark[reached(figure)]
    yield figure.note


def _number(value: float) -> str:
    """As many digits as say something."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())
