"""Which clients may be one, as a person reads it, and what did they say about it?"""

import datetime as dt
from collections.abc import Callable, Collection

from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from billing import aliases, duplicates, matching
from billing.models import Client, Duplicate
from bot import subjects
from bot.app import App
from bot.report import NO, Args, Progress, Report, Table, Wrong
from comms import merging
from comms.office import Office

MATCHED = 200
"""Clients looked at in one transaction."""


class Asked(BaseModel):
    """The arguments of `counterfoil merge`, `unmerge` and `different`, as a person says them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    one: str
    other: str = ""
    by: str = "cli"


async def merge(app: App, args: Args, _progress: Progress) -> Report:
    """Make the second an alias of the first.

    Raises:
        Wrong: one of them is not there.
    """
    asked = Asked.model_validate(args)
    pair = _pair(app, asked)

    def work(session: Session, office: Office) -> str:
        return merging.merge(session, office, *pair, asked.by)

    return await _write(app, pair, work, lambda session: _are_one(session, *pair))


async def unmerge(app: App, args: Args, _progress: Progress) -> Report:
    """Make an alias a client of its own again.

    Raises:
        Wrong: it is not there.
    """
    asked = Asked.model_validate(args)
    with app.store.read() as session:
        alias = subjects.client(session, asked.one, alias=True)
        pair = (alias.id, aliases.head(alias))
    if pair[0] == pair[1]:
        raise Wrong(f"{alias.name} is merged into nobody; `counterfoil explain` says who it is.")

    def work(session: Session, office: Office) -> str:
        return merging.unmerge(session, office, pair[0], asked.by)

    return await _write(app, pair, work, lambda session: not _are_one(session, *pair))


async def different(app: App, args: Args, _progress: Progress) -> Report:
    """Keep two that are called alike apart, and ask nobody about them again.

    Raises:
        Wrong: one of them is not there.
    """
    asked = Asked.model_validate(args)
    pair = _pair(app, asked)

    def work(session: Session, office: Office) -> str:
        return merging.keep_apart(session, office, *pair, asked.by)

    return await _write(app, pair, work, lambda session: not _are_one(session, *pair))


def _pair(app: App, asked: Asked) -> tuple[int, int]:
    with app.store.read() as session:
        one = subjects.client(session, asked.one, alias=True)
        other = subjects.client(session, asked.other, alias=True)
    if one.id == other.id:
        raise Wrong(f"Both are {one.name}; name two clients, as `client:12` and `client:34`.")
    return one.id, other.id


def _are_one(session: Session, one: int, other: int) -> bool:
    return aliases.of(session, [one])[one] == aliases.of(session, [other])[other]


async def _write(
    app: App,
    clients: Collection[int],
    work: Callable[[Session, Office], str],
    is_so: Callable[[Session], bool],
) -> Report:
    def run(session: Session) -> Report:
        said = work(session, app.office())
        session.flush()
        done = is_so(session)
        return Report({"done": done, "said": said}, [said], code=0 if done else NO)

    return await app.store.write(run, clients=clients)


def listed(session: Session) -> Report:
    """Every pair that waits for a person, the surest first."""
    pairs = [
        (one, session.get_one(Client, one.first_id), session.get_one(Client, one.second_id))
        for one in duplicates.waiting(session)
    ]
    if not pairs:
        return Report({"duplicates": []}, ["No two clients look like one."])
    rows = [_row(*pair) for pair in pairs]
    shown = [
        [
            f"client:{first.id} {first.name}",
            f"client:{second.id} {second.name}",
            f"{one.score}",
            matching.words(one.reasons.split()),
            matching.words(one.against.split()),
        ]
        for one, first, second in pairs
    ]
    how = "`counterfoil merge A B` makes B another name of A; `different A B` keeps them apart."
    columns = ["one", "other", "score", "because", "although"]
    return Report({"duplicates": rows}, [how], [Table("", columns, shown)])


def _row(one: Duplicate, first: Client, second: Client) -> dict[str, object]:
    return {
        "first": first.id,
        "first_name": first.name,
        "second": second.id,
        "second_name": second.name,
        "score": one.score,
        "reasons": one.reasons.split(),
        "against": one.against.split(),
        "because": matching.words(one.reasons.split()),
        "although": matching.words(one.against.split()),
    }


# --- looking --------------------------------------------------------------------------------------


async def match(app: App) -> int:
    """Ask of clients that were described anew who else they may be."""
    try:
        return await _match(app, MATCHED)
    except OperationalError as error:
        raise ExceptionGroup("match", [error]) from None
    except Exception:  # noqa: BLE001 - one of them; the others must not wait for it
        return await _match_first(app)


async def _match(app: App, most: int) -> int:
    return await app.store.write(lambda session: merging.propose(session, app.office(), most))


async def _match_first(app: App) -> int:
    try:
        return await _match(app, 1)
    except Exception as error:  # noqa: BLE001 - put off, and raised with what else was met
        later = app.clock.now() + dt.timedelta(hours=1)
        await app.store.write(lambda session: duplicates.put_off(session, app.clock.now(), later))
        raise ExceptionGroup("match", [error]) from None
