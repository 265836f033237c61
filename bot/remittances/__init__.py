"""What did an insurer or another payer pay, line by line of its remittance file?

Read, matched to the shares that it owes, and booked whole or not at all. The same file twice
changes nothing; what fits no share is a task for finance, in Slack and in the report.
"""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from sqlmodel import Session

from billing import money, references
from bot import bookings, inbox, intake
from bot.app import App
from bot.inbox import Parcel
from bot.models import Incoming
from bot.remittances import plan, sheet
from bot.remittances.plan import Plan, Task
from bot.remittances.sheet import Read
from bot.report import DONE, NO, WRONG, Args, Progress, Report, Wrong
from comms import staff

TASKS = "remittance.tasks"
"""The source of the ``Incoming`` row that keeps the lines which a person has to look at."""
MOST = 2_000
"""Lines of one file: they are booked in one transaction."""
SHOWN = 200


class Asked(BaseModel):
    """The flags of `counterfoil remittance`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path
    payer: str
    source: str | None = None
    date_format: str | None = None
    default_currency: str = "USD"
    dry_run: bool = False
    skip_bad: bool = False


@dataclass(slots=True)
class Result:
    """What was matched, and whether it was booked."""

    plan: Plan = field(default_factory=Plan)
    booked: bool = False


async def run(app: App, args: Args, _progress: Progress) -> Report:
    """Book a file.

    Raises:
        Wrong: the file cannot be opened, or nobody knows the payer.
    """
    asked = Asked.model_validate(args)
    read = await asyncio.to_thread(_read, asked)
    found = await asyncio.to_thread(_look, app, asked, read)
    if any(one.fatal for one in read.problems) or (read.problems and not asked.skip_bad):
        return _refused(asked, read)
    result = Result(found) if asked.dry_run else await _write(app, asked, read, found)
    return _said(asked, read, result)


def _read(asked: Asked) -> Read:
    try:
        read = sheet.read(asked.file, asked.date_format, asked.default_currency)
    except OSError as error:
        raise Wrong(f"{asked.file} cannot be opened: {error.strerror}.") from error
    except ValueError as error:
        raise Wrong(f"--default-currency {error}.") from error
    if len(read.lines) > MOST:
        raise Wrong(f"{asked.file.name} has {len(read.lines):,} lines; split it, {MOST:,} in each.")
    return read


def _look(app: App, asked: Asked, read: Read) -> Plan:
    with app.store.read() as session:
        return _plan(session, asked, read)


def _plan(session: Session, asked: Asked, read: Read) -> Plan:
    return plan.make(session, plan.payers(session, asked.payer, asked.source), read.lines)


# --- booking --------------------------------------------------------------------------------------


async def _write(app: App, asked: Asked, read: Read, found: Plan) -> Result:
    """Match again under the locks, and book it."""
    app.inbox.open_day(app.clock.now())

    def write(session: Session) -> Result:
        again = _plan(session, asked, read)
        if not again.clients <= found.clients:
            raise Wrong("Somebody booked into the same invoices meanwhile; run it again.")
        good = not again.tasks or asked.skip_bad
        if good and again.fresh:
            _book(session, app, again)
        if again.tasks:
            _alert(session, app, asked, again.tasks)
        return Result(again, booked=good)

    result = await app.store.write(write, clients=lambda _session: found.clients)
    app.wake.set()
    return result


def _book(session: Session, app: App, found: Plan) -> None:
    office = app.office()
    try:
        told = plan.told(session, found, office.now)
    except references.Unknown as error:
        raise Wrong(f"{error}; nothing was booked.") from error
    for one in intake.take_told(session, office, told, []):
        _sure(one)
    for line, part in found.fresh:
        session.add(
            Incoming(
                source=plan.BOOKED,
                external_id=f"{plan.mark(part.payer, line)}/{plan.amounts(line)}",
                state="done",
                received_at=office.now,
                done_at=office.now,
                client_id=part.client.id,
            )
        )


def _sure(one: bookings.Outcome) -> None:
    """All of it is booked, or nothing: what raises here takes the whole back."""
    if one.error is not None:
        raise Wrong(f"{one.error}; nothing was booked.")


def _alert(session: Session, app: App, asked: Asked, tasks: Sequence[Task]) -> None:
    """The lines to finance, once for the same lines."""
    office = app.office()
    told = {"payer": asked.payer, "file": asked.file.name, "lines": [one.said for one in tasks]}
    body = json.dumps(told).encode()
    parcel = Parcel(TASKS, hashlib.sha256(body).hexdigest(), body)
    if not app.inbox.keep(session, parcel, office.now, state="failed"):
        return
    kept = inbox.find(session, TASKS, parcel.external_id)
    if kept is not None:
        kept.problem = "Unmatched"
        key = f"remittance:{kept.id}"
        subject = ("incoming", kept.id)
        staff.alert(session, office, key=key, template="remittance", subject=subject)


# --- what is said about it ------------------------------------------------------------------------


def _refused(asked: Asked, read: Read) -> Report:
    lines = [str(one) for one in read.problems[:SHOWN]]
    more = len(read.problems) - len(lines)
    lines += [f"… and {more} more"] if more > 0 else []
    lines.append(f"Nothing of {asked.file.name} was booked. Correct it, or give --skip-bad.")
    return Report(_data(asked, read, Result()), lines, (), WRONG)


def _said(asked: Asked, read: Read, result: Result) -> Report:
    tasks = result.plan.tasks
    lines = [f"Columns that are ignored: {', '.join(read.ignored)}."] if read.ignored else []
    lines += [str(one) for one in read.problems[:SHOWN]]
    lines += [one.said for one in tasks[:SHOWN]]
    lines += [f"… and {len(tasks) - SHOWN} more"] if len(tasks) > SHOWN else []
    lines.append(_outcome(asked, result))
    return Report(_data(asked, read, result), lines, (), NO if tasks else DONE)


def _outcome(asked: Asked, result: Result) -> str:
    found = result.plan
    sums: dict[str, int] = {}
    for line, _ in found.fresh:
        sums[line.currency] = sums.get(line.currency, 0) + line.paid
    amounts = ", ".join(money.display(amount, code) for code, amount in sorted(sums.items()))
    news = f"{_lines(len(found.fresh))}, {amounts} paid" if found.fresh else "nothing new"
    ask = f"{_lines(len(found.tasks))} must be looked at by a person"
    if asked.dry_run:
        asks = f"; {ask}" if found.tasks else ""
        return f"With --dry-run nothing is booked; it would be {news}{asks}."
    if not result.booked:
        return (
            f"Nothing of {asked.file.name} was booked: {ask}, and finance is told. "
            "--skip-bad books the others."
        )
    asks = f"; {ask}, and finance is told" if found.tasks else ""
    return f"Booked: {news}{asks}."


def _lines(count: int) -> str:
    return f"{count:,} line{'' if count == 1 else 's'}"


def _data(asked: Asked, read: Read, result: Result) -> dict[str, object]:
    found = result.plan
    return {
        "file": str(asked.file),
        "payer": asked.payer,
        "booked": result.booked,
        "dry_run": asked.dry_run,
        "lines": len(read.lines),
        "new": [line.line for line, _ in found.fresh],
        "known": [line.line for line in found.known],
        "tasks": [
            {"line": one.line.line, "invoice": one.line.invoice, "reason": one.sentence}
            for one in found.tasks
        ],
        "problems": [asdict(one) for one in read.problems],
        "ignored": list(read.ignored),
    }
