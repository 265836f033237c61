"""The command that puts an invoice, a statement or a receipt on paper."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.commands import flags, terminal
from bot.commands.terminal import command
from bot.report import Report, Wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmodel import Session

    from bot.papers.reading import Desk

paper = typer.Typer(no_args_is_help=True, help="Invoices, statements and receipts as PDF files.")
Out = Annotated[Path, typer.Option("--out", metavar="FILE.pdf", help="Where it is written.")]


@paper.command()
@command
def invoice(
    number: Annotated[str, typer.Argument(help="Its number, or invoice:ID.")], *, out: Out
) -> Report:
    """An invoice: its lines, taxes and parts, what was paid on it, and what is due."""
    from bot import subjects
    from bot.papers import invoice as sheet
    from bot.papers import reading

    with _desk() as (session, desk):
        found = subjects.find(session, number)
        if found.kind != "invoice":
            raise Wrong(f"{number} is no invoice; give an invoice's number.")
        return _written(out, sheet.pdf(reading.invoice(session, desk, found.id)))


@paper.command()
@command
def statement(
    client: Annotated[str, typer.Argument(help="A name or a reference.")],
    *,
    out: Out,
    since: Annotated[
        str,
        typer.Option(metavar="YYYY-MM-DD", help="Payments from this day on; 30 days if unsaid."),
    ] = "",
) -> Report:
    """A statement: what a client owes each legal entity in each currency, the oldest first."""
    from bot import subjects
    from bot.papers import reading
    from bot.papers import statement as sheet

    with _desk() as (session, desk):
        found = subjects.client(session, client)
        begins = flags.day("--since", since)
        return _written(out, sheet.pdf(reading.statement(session, desk, found, begins)))


@paper.command()
@command
def receipt(
    payment: Annotated[str, typer.Argument(help="Its reference, or payment:ID.")], *, out: Out
) -> Report:
    """A receipt: what a payment paid, and what is left of it on account."""
    from bot.papers import reading
    from bot.papers import receipt as sheet

    with _desk() as (session, desk):
        found = reading.payment(session, payment)
        return _written(out, sheet.pdf(reading.receipt(session, desk, found)))


@contextmanager
def _desk() -> "Iterator[tuple[Session, Desk]]":
    from bot.papers import logos, reading

    with terminal.reading() as app, app.store.read() as session:
        pictures = logos.read(app.settings.logo)
        yield session, reading.Desk(app.keyring, app.clock.now(), pictures)


def _written(out: Path, pdf: bytes) -> Report:
    out.write_bytes(pdf)
    return Report({"file": str(out), "bytes": len(pdf)}, [f"{out} ({len(pdf):,} bytes)."])
