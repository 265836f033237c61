"""Commands that make a store, fill it, and look whether all is well."""

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.commands import flags, terminal
from bot.commands.terminal import command
from bot.report import NO, Report, Wrong

if TYPE_CHECKING:
    from bot.app import App
    from bot.backup import Place
    from bot.settings import Settings


@command
def migrate() -> Report:
    """Make the store, its keys and its tables, or bring them to this version."""
    from billing.clock import SystemClock
    from bot import masterkeys, schema
    from bot import settings as read
    from bot.custody import lines as files
    from bot.custody import strictures

    given = terminal.settings()
    made = _make_key(given)
    given = read.read() if made else given
    given.need("master_key")
    given.need_apart()
    masterkeys.valid(given)
    revision = schema.upgrade(given.database_url)
    with closing(masterkeys.ring(given)) as ring:
        ring.make([strictures.OWNER], SystemClock().now())  # the first copy of the keys has it
    if (log := given.erasures_file) is not None:
        files.begin(log)
    if given.strictures_file is not None:
        strictures.begin(given.database_url, given.strictures_file)
    lines = [f"The store is at revision {revision}."]
    if made:
        lines.insert(
            0,
            f"A new master key is in {made}. Keep a copy apart from every backup of the store: "
            "without it nothing that clients wrote can be read.",
        )
    return Report({"revision": revision, "key_file": str(made) if made else None}, lines)


def _make_key(given: "Settings") -> Path | None:
    """A master key for a new store; never a second one for keys that another one wraps.

    Raises:
        Wrong: the key of a keyring that is in use is missing.
    """
    from billing.keyring import new_master_key

    if given.master_key is not None or given.master_key_command:
        return None
    path = given.master_key_file or given.key_file
    if path is None or path.exists():
        return None
    if _has_keys(given.keyring_url):
        raise Wrong(
            f"The keyring has keys, but their master key is not at {path}; put it back, or name it "
            "with COUNTERFOIL_MASTER_KEY_FILE."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    new_master_key(path)
    return path.absolute()


def _has_keys(url: str) -> bool:
    from sqlalchemy import create_engine, inspect, text

    if not url or (url.startswith("sqlite") and not Path(url.removeprefix("sqlite:///")).exists()):
        return False
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("wrapped_key"):
                return False
            return connection.execute(text("SELECT 1 FROM wrapped_key")).first() is not None
    finally:
        engine.dispose()


@command
def doctor(
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask nobody: look at what is on this machine.")
    ] = False,
    data: Annotated[
        bool, typer.Option("--data", help="Only: is what we hold complete and consistent?")
    ] = False,
) -> Report:
    """Look for everything that would keep this installation from doing its work.

    Slack, Twilio, the relay, the DNS and our own public address are asked; nothing is sent.
    """
    from bot import doctor as looking
    from bot.watching import logs

    logs.quiet()
    if data:
        return looking.examine_data()
    with terminal.bar("asking") as progress:
        return looking.examine(offline=offline, progress=progress)


@command
def import_(  # noqa: PLR0913 - each is a flag
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="One row per invoice.")],
    *,
    source: Annotated[str, typer.Option(help="Where the file's client ids come from.")] = "csv",
    map_: flags.Columns = [],  # noqa: B006 - typer copies it
    date_format: flags.DateFormat = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check, and store nothing.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Store the good rows.")] = False,
    correct: Annotated[
        bool, typer.Option("--correct", help="Post changed amounts and due dates.")
    ] = False,
    agreements: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="What clients have agreed to.")
    ] = None,
    firm: flags.Firm = None,
    default_currency: flags.Unnamed = "USD",
    default_timezone: flags.UnnamedZone = None,
    default_country: flags.Unnamed = "US",
) -> Report:
    """Import invoices, payments and clients from a CSV file; the same file twice changes nothing.

    Required columns: client, invoice, issued, due, amount.

    Optional: client_name, contact_name, email, phone, sms_consent, timezone,
    country, region, language, owner, currency, paid, paid_amount, disputed,
    legal_entity, matter, service_type, terms, po_number, segment, ladder.

    Where yours are called otherwise, as often as needed:

    counterfoil import ar.csv --map client=customerID --map due=DueDate
    """
    asked = terminal.given(
        file=flags.whole(file),
        source=source,
        mapping=flags.mapping(map_),
        date_format=date_format,
        dry_run=dry_run,
        skip_bad=skip_bad,
        correct=correct,
        agreements=flags.whole(agreements) if agreements else None,
        firm=flags.whole(firm) if firm else None,
        default_currency=default_currency,
        default_timezone=default_timezone,
        default_country=default_country,
    )
    return terminal.writing("import", asked, watch=True)


@command
def backup(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="For the store.")],
    *,
    keys: Annotated[Path, typer.Option("--keys", metavar="DIR", help="For the keys, elsewhere.")],
) -> Report:
    """Copy the store and, to another place, its keys."""
    from billing.clock import SystemClock
    from bot import backup as copies

    given = terminal.settings()
    try:
        now = SystemClock().now()
        made = copies.backup(_place(given), directory, keys, now, given.erasures_file)
    except (copies.BackupRefused, copies.BackupDamaged) as error:
        raise Wrong(f"{error}.") from error
    lines = [f"The rows are in {directory}, the keys in {keys}: keep them apart."]
    return Report({"copies": [asdict(one) for one in made]}, lines)


@command
def restore(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the store's copy is.")],
    *,
    keys: Annotated[Path, typer.Option("--keys", metavar="DIR", help="Where the keys' copy is.")],
    nobody_erased: Annotated[
        bool, typer.Option("--nobody-erased", help="There is no log of erasures, and never was.")
    ] = False,
) -> Report:
    """Put a copy in place, where no store is yet; its chains are verified on the way.

    Whoever was erased since it was made is erased in it again; what was sealed, held, walled or
    refused since is so again.
    """
    from bot import backup as copies

    given = terminal.settings()
    try:
        log = copies.read(directory, "rows").erasures
        _need_log(given, Path(log), nobody_erased=nobody_erased)
        put = copies.restore(directory, keys, _place(given))
    except copies.BackupRefused as error:
        raise Wrong(f"{error}.") from error
    except copies.BackupDamaged as error:
        return Report({"damaged": str(error)}, [f"{error}."], code=NO)
    replayed, restated, said = _brought_up(given)
    lines = ["Both copies are in place.", *said, "Run `counterfoil doctor` before you serve them."]
    data = {"copies": [asdict(one) for one in put], "replayed": replayed, "restated": restated}
    return Report(data, lines)


def _need_log(given: "Settings", original: Path, *, nobody_erased: bool) -> None:
    """A copy does not know who was erased since; only the log does, the original's or this one.

    Raises:
        Wrong: neither is there.
    """
    from bot.custody import erasure, erasurelog, strictures
    from bot.settings import STRICTURES

    known = given.erasures_file is not None and given.erasures_file.exists()
    if original.is_file():
        log = erasure.log_of(given)
        erasurelog.adopt(original, log)
        strictures.adopt(*(one.with_suffix(STRICTURES) for one in (original, log)))
    elif not known and not nobody_erased:
        where = f"at {given.erasures_file}" if given.erasures_file else "named"
        raise Wrong(
            f"There is no erasure log {where}: name it with COUNTERFOIL_ERASURE_LOG, or say "
            "--nobody-erased if nobody ever was."
        )


def _brought_up(given: "Settings") -> tuple[int, int, list[str]]:
    """How many were erased again in the copy that is in place, how much was said again; and how."""
    from bot import schema
    from bot.app import books

    if given.erasures_file is None:
        return 0, 0, []
    if schema.current(given.database_url) != schema.head():
        return (
            0,
            0,
            ["It is of an older version: run `counterfoil migrate`, then `erase --replay`."],
        )
    app = books(given)
    with closing(app.store), closing(app.keyring):
        restated, said = _said_again(app)
        done = _erased_again(app, given.erasures_file)
    return (
        done,
        restated,
        [f"{done:,} clients who were erased since are erased in it again.", *said],
    )


def _said_again(app: "App") -> tuple[int, list[str]]:
    """How many seals, holds, walls and refusals were said again, and what a person should know."""
    from bot.custody import restated
    from bot.custody.erasurelog import LogDamaged

    path = app.settings.strictures_file
    if path is None or not path.exists():
        return 0, [f"There is no log of strictures at {path}: {_UNDONE}"]
    try:
        with terminal.bar("saying again") as progress:
            again = restated.bring_up(app, path, progress)
    except LogDamaged as error:
        return 0, [f"{str(error).capitalize()}. Until then {_UNDONE}"]
    lines = [f"{again.done:,} seals, holds, walls and refusals from since are in it again."]
    if again.unknown:
        lines.append(f"{again.unknown:,} more could not: the copy does not know the client.")
    return again.done, lines


_UNDONE = "what was sealed, held, walled or refused since the copy is open in it."


def _erased_again(app: "App", log: Path) -> int:
    from bot.custody import erasure

    with terminal.bar("erasing") as progress:
        return erasure.again(app, log, progress, most=None)


def _place(given: "Settings") -> "Place":
    from bot.backup import Place

    return Place(given.database_url, given.keyring_url)
