"""Commands about what is sealed."""

import csv
from pathlib import Path
from typing import Annotated

import typer

from bot.commands import flags, terminal
from bot.commands.flags import As, By
from bot.commands.terminal import command
from bot.report import Report, Wrong

privilege = typer.Typer(no_args_is_help=True, help="What is sealed, and who has read it.")
counsel = typer.Typer(no_args_is_help=True, help="Who is counsel, ours and theirs.")
privilege.add_typer(counsel, name="counsel")
_TOUCHPOINT = typer.Argument(
    metavar="TOUCHPOINT", help="As `counterfoil timeline` numbers it.", max=flags.LARGEST
)
_ID = typer.Argument(metavar="ID", max=flags.LARGEST)
_WHY = typer.Option("--reason", help="Why; kept, encrypted.")
_FIELDS = ("value", "side", "client", "matter", "name")


@privilege.command()
@command
def log(
    *,
    client: Annotated[str | None, typer.Option(help="Only of this client.")] = None,
    matter: Annotated[str, typer.Option(help="Only what is about this matter.")] = "",
    out: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write it there as well.")
    ] = None,
) -> Report:
    """The privilege log: what is withheld as legal advice, without what it says."""
    from bot import subjects
    from bot.custody import privilegelog

    with terminal.reading() as app, app.store.read() as session:
        found = subjects.client(session, client) if client else None
        report = privilegelog.log(session, app.office(), found, matter)
    if out is not None:
        out.write_text(privilegelog.as_csv(report), encoding="utf-8")
    return report


@privilege.command("report")
@command
def report_(
    *,
    since: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="What came from then on.")] = "",
) -> Report:
    """What was sealed by rule, what people had to seal, and what was wrongly sealed."""
    from bot.custody import learning

    day = flags.day("--since", since)
    with terminal.reading() as app, app.store.read() as session:
        return learning.report(session, app.office(), day)


@privilege.command()
@command
def seal(
    touchpoint: Annotated[int, _TOUCHPOINT],
    *,
    who: As,
    reason: Annotated[str, _WHY],
    label: Annotated[str, typer.Option(help="privileged or phi.")] = "privileged",
) -> Report:
    """Hide what was said from everybody who is not cleared for it."""
    asked = {"touchpoint": touchpoint, "by": who, "reason": reason, "label": label}
    return terminal.writing("seal", asked)


@privilege.command()
@command
def unseal(
    touchpoint: Annotated[int, _TOUCHPOINT],
    *,
    who: As,
    reason: Annotated[str, _WHY],
) -> Report:
    """Show again what was sealed; only who is cleared for it may do this."""
    return terminal.writing("unseal", {"touchpoint": touchpoint, "by": who, "reason": reason})


@privilege.command()
@command
def read(touchpoint: Annotated[int, _TOUCHPOINT], *, who: As) -> Report:
    """Read what is sealed; that you did is a link of the client's chain."""
    return terminal.writing("read_sealed", {"touchpoint": touchpoint, "by": who})


@privilege.command()
@command
def matter(
    touchpoint: Annotated[int, _TOUCHPOINT],
    name: Annotated[str, typer.Argument(metavar="MATTER", help="As bills name it.")],
    *,
    who: As,
    reason: Annotated[str, _WHY],
) -> Report:
    """Say which matter a message is about; it is a link of the client's chain."""
    asked = {"touchpoint": touchpoint, "matter": name, "by": who, "reason": reason}
    return terminal.writing("attribute", asked)


@privilege.command()
@command
def learned() -> Report:
    """What people's seals taught, rule by rule, and who may be counsel."""
    from bot.custody import learning

    with terminal.reading() as app, app.store.read() as session:
        return learning.learned(session, app.office())


@privilege.command()
@command
def forget(
    touchpoint: Annotated[
        int, typer.Argument(metavar="ID", help="As `learned` numbers it.", max=flags.LARGEST)
    ],
    *,
    who: As,
    reason: Annotated[str, _WHY] = "",
) -> Report:
    """Take back what was learned from a message; the message stays sealed, or not."""
    return terminal.writing("forget", {"touchpoint": touchpoint, "by": who, "reason": reason})


@counsel.command("list")
@command
def list_(
    client: Annotated[str, typer.Argument(help="Only theirs, and everybody's.")] = "",
) -> Report:
    """Everybody who is counsel, or may be."""
    from bot.custody import learning

    with terminal.reading() as app, app.store.read() as session:
        return learning.known(session, app.rules, client)


@counsel.command()
@command
def add(
    value: Annotated[str, typer.Argument(metavar="ADDRESS", help="Or a domain, or a CSV file.")],
    *,
    side: Annotated[str, typer.Option(help="ours or opposing.")] = "ours",
    client: Annotated[str, typer.Option(help="Of this client alone; else of everybody.")] = "",
    matter: Annotated[str, typer.Option(help="For this matter.")] = "",
    name: Annotated[str, typer.Option(help="As people write it.")] = "",
    by: By = "",
) -> Report:
    """Say who is counsel; a file has the columns value, side, client, matter and name."""
    row = {"value": value, "side": side, "client": client, "matter": matter, "name": name}
    rows = _rows(Path(value)) if value.endswith(".csv") else [row]
    return terminal.writing("counsel", {"change": "add", "rows": rows, "by": by or terminal.by()})


@counsel.command()
@command
def confirm(id_: Annotated[int, _ID], *, by: By = "") -> Report:
    """Yes: that sender is counsel."""
    return terminal.writing("counsel", {"change": "confirm", "id": id_, "by": by or terminal.by()})


@counsel.command()
@command
def refuse(id_: Annotated[int, _ID], *, by: By = "") -> Report:
    """No: that sender is not counsel; it is not asked again."""
    return terminal.writing("counsel", {"change": "refuse", "id": id_, "by": by or terminal.by()})


@counsel.command()
@command
def end(id_: Annotated[int, _ID], *, by: By = "") -> Report:
    """They are counsel no more."""
    return terminal.writing("counsel", {"change": "end", "id": id_, "by": by or terminal.by()})


def _rows(file: Path) -> list[dict[str, str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            found = list(csv.DictReader(text))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Wrong(f"{file} cannot be read ({type(error).__name__}).") from error
    if not found or "value" not in found[0]:
        raise Wrong(f"{file} has no column `value`; it needs one, with an address or a domain.")
    return [{key: (row.get(key) or "").strip() for key in _FIELDS if row.get(key)} for row in found]
