"""How long does a replay of two years of a firm take?

The file is the public one of late payers where it lies beside this checkout, else the portfolio
that we ship. The count beside it does by hand what the ladder says, invoice by invoice, from the
rows of the file alone: it knows no clients, no hours, no door and no timeline.
"""

import asyncio
import csv
import datetime as dt
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.figures import Figure, Scale
from benchmarks.product import log_nowhere
from billing import shipped
from bot import replay
from bot.replay import Asked
from bot.report import silent

_REAL = Path(__file__).parents[2] / "shared" / "data" / "accounts_receivable.csv"
_THEIRS = {
    "client": "customerID",
    "invoice": "invoiceNumber",
    "issued": "InvoiceDate",
    "due": "DueDate",
    "amount": "InvoiceAmount",
    "disputed": "Disputed",
    "paid": "SettledDate",
}
_LADDER = (30, 45, 60)
_DAY = dt.timedelta(days=1)


def figures(scale: Scale) -> Iterator[Figure]:
    """The whole file; small, its first 300 rows."""
    file, names = (_REAL, _THEIRS) if _REAL.exists() else (_shipped(), {})
    if scale is Scale.SMALL:
        file = _head(file, 300)
    log_nowhere()
    began = time.perf_counter()
    report = asyncio.run(replay.run(Asked(file=file, mapping=names), silent))
    ours = time.perf_counter() - began
    if report.code:
        raise RuntimeError("\n".join(map(str, report.lines)))
    began = time.perf_counter()
    _count(file, {name: names.get(name, name) for name in _THEIRS})
    yield Figure(
        name=f"replay of {report.data['invoices']:,} invoices over {report.data['days']:,} days",
        database="sqlite",
        ours=ours,
        bare=time.perf_counter() - began,
        unit="s",
        better="less",
        goal="at most 60 s" if scale is Scale.FULL else "",
    )


def _shipped() -> Path:
    return next(iter(sorted(shipped.path("examples").glob("*.csv"))))


def _head(file: Path, rows: int) -> Path:
    """The first rows of a file, as a file."""
    short = Path(__file__).parents[1] / ".scratch" / "bench" / f"first-{rows}-{file.name}"
    short.parent.mkdir(parents=True, exist_ok=True)
    short.write_text("\n".join(file.read_text().splitlines()[: rows + 1]) + "\n")
    return short


def _count(file: Path, names: Mapping[str, str]) -> int:
    """Steps that the ladder takes, counted by hand."""
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    read = [
        {name: _day(row.get(names[name], "")) for name in ("issued", "due", "paid")} for row in rows
    ]
    last = max(day for row in read for day in row.values() if day is not None)
    taken = 0
    for row in read:
        issued, due, paid, before = row["issued"], row["due"], row["paid"], None
        for step, offset in enumerate(_LADDER):
            if issued is None or due is None:
                break
            on = max(issued + offset * _DAY, due + _DAY)
            if before is not None:
                on = max(on, before + (offset - _LADDER[step - 1]) * _DAY)
            if on > last or (paid is not None and paid <= on):
                break
            taken, before = taken + 1, on
    return taken


def _day(written: str) -> dt.date | None:
    if "/" in written:
        month, day, year = map(int, written.split("/"))
        return dt.date(year, month, day)
    return dt.date.fromisoformat(written) if written else None
