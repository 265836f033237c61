"""How is a client erased, so that no copy of anything brings them back?

A line in the log outside the database, then the rows, then the key. Whoever is cut off in
between is told so when the product starts, and ``replay`` does the rest; so it does in a copy that
was made before. What stays is a skeleton without a name, and the chain, which still holds.
"""

import asyncio
import datetime as dt
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cryptography.exceptions import InvalidTag
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete, func, update
from sqlmodel import Session, col, select

from billing import accounts, aliases, money, obligations, spelling, vault
from billing.keyring import KeyGone, Keyring
from billing.models import (
    Client,
    Enrolment,
    Erasure,
    EscalationCase,
    LegalHold,
    StepTaken,
    Vault,
)
from bot.access import Action
from bot.app import App
from bot.custody import (
    belongings,
    copies,
    custodians,
    erasurelog,
    processors,
    restated,
    showing,
    tombstones,
)
from bot.custody.erasurelog import Line
from bot.custody.tombstones import Wiped
from bot.factsheet import WAITING
from bot.models import Incoming
from bot.report import NO, Args, Progress, Report, Wrong
from bot.settings import PREFIX, Settings, SettingsMissing
from comms import timeline
from comms.law import preservation
from comms.models import Access, Task, Touchpoint

_SOME = 200
_SCRUBBED = 256 * 1024 * 1024
"""Bytes of a file that is written anew while others wait: a second or two."""
_SCRAPS = (
    "Free pages of the file may hold scraps of them: stop the service when you can, and run "
    "`sqlite3 FILE VACUUM`."
)
REPLAYED = "replayed from the log"


class Asked(BaseModel):
    """The arguments of `counterfoil erase`."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    client: str
    reason: str = Field(min_length=1, max_length=200)
    by: str = "cli"


@dataclass(frozen=True, slots=True)
class Word:
    """Who erases, why and when; ``replayed``: it was done before, elsewhere."""

    by: str
    reason: str
    now: dt.datetime
    replayed: bool = False


def log_of(settings: Settings) -> Path:
    """Where erasures are written down.

    Raises:
        SettingsMissing: with PostgreSQL nobody has said it.
    """
    if settings.erasures_file is None:
        raise SettingsMissing(
            f"{PREFIX}ERASURE_LOG is missing: name a file outside the database, that no restored "
            "copy of it takes back."
        )
    return settings.erasures_file


async def erase(app: App, args: Args, _progress: Progress) -> Report:
    """Destroy a client's key, and take out what identifies them and whoever is one with them.

    Raises:
        Wrong: there is no such client, who asks may not, or the reason names the client.
    """
    asked = Asked.model_validate(args)
    log = log_of(app.settings)
    client = custodians.client(app, asked.client, asked.by, Action.ERASE)
    known = processors.register(app.settings)
    with app.store.read() as session:
        if why := refusal(session, app, client.id):
            return Report({"erased": False, "why": why}, [why], code=NO)
    word = Word(asked.by, asked.reason, app.clock.now())
    owners = _new_owners(app.keyring, _group(app, client.id), word.now)

    def work(session: Session) -> tuple[Report, Collection[str]]:
        if why := refusal(session, app, client.id):
            return Report({"erased": False, "why": why}, [why], code=NO), ()
        group = aliases.group(session, client.id)
        found = belongings.of(session, group)
        _check_reason(asked.reason, tombstones.identity(found))
        keys = [row["key_id"] for row in found["client"]]
        held = processors.holdings(known, found)
        wiped = _carry_out(session, app.keyring, found, owners, word)
        erasurelog.append(log, keys, word.now)  # the last thing before the commit
        return _told(client.id, wiped, held, copies.standing(session, group)), keys

    report, gone = await app.store.write(work, clients=custodians.group(client.id))
    if gone and not await asyncio.to_thread(_destroy, app, gone):
        return replace(report, lines=[*report.lines, _SCRAPS])
    return report


def _destroy(app: App, gone: Collection[str], most: int | None = _SCRUBBED) -> bool:
    """Whether no scraps of them are left in the files.

    The keys go last: whoever is cut off before is told when the product starts, and goes on here.
    """
    rows = erasurelog.scrub(app.settings.database_url, most)
    keys = erasurelog.scrub(app.settings.keyring_url, most)
    for key_id in gone:
        app.keyring.destroy(key_id)
    return rows and keys


def refusal(session: Session, app: App, client_id: int) -> str:
    """Why this client may not be erased now; nothing where they may."""
    if holds := preservation.standing(session, client_id):
        matters = ", ".join(dict.fromkeys(one.matter for one in holds))
        return (
            f"Nothing was erased: everything of them is kept as evidence for {matters}, since "
            f"{spelling.day(holds[0].placed_at)}. A legal hold comes before erasure, retention and "
            "the destruction of keys; `counterfoil legal-hold release` ends it."
        )
    kept = obligations.keeps(app.rules.packs(), _last_activity(session, client_id))
    if kept is not None and kept[1] > app.clock.now().date():
        return (
            f"Nothing was erased: kept until {spelling.day(kept[1])} is {kept[0].cited}. The "
            "person may be told so (GDPR Art. 17(3)(b)); ask again then."
        )
    return ""


def warning(session: Session, app: App, client_id: int) -> str:
    """What somebody should know before they say yes."""
    today = app.clock.now().date()
    owed = [
        money.display(one.open, one.currency)
        for one in accounts.balances(session, client_id, today)
        if one.open > 0
    ]
    if not owed:
        return ""
    return f"They owe {' and '.join(owed)}, and nobody could be asked for it afterwards. "


def _last_activity(session: Session, client_id: int) -> dt.date | None:
    """When collecting from them last did anything; None where it never did."""
    group = aliases.group(session, client_id)
    steps = (
        select(func.max(StepTaken.taken_at))
        .join(Enrolment, col(Enrolment.id) == StepTaken.enrolment_id)
        .where(col(Enrolment.client_id).in_(group), Enrolment.sequence == "dunning")
    )
    if session.exec(steps).one() is None:
        return None
    said = select(func.max(Touchpoint.occurred_at)).where(col(Touchpoint.client_id).in_(group))
    found: list[dt.datetime | None] = [session.exec(steps).one(), session.exec(said).one()]
    return max(one for one in found if one is not None).date()


def _check_reason(reason: str, identity: Collection[str]) -> None:
    if any(word in reason.casefold() for word in identity):
        raise Wrong("The reason stays when the client is gone; say it without naming them.")


def _group(app: App, client_id: int) -> list[int]:
    with app.store.read() as session:
        return aliases.group(session, client_id)


def _new_owners(keyring: Keyring, clients: Collection[int], now: dt.datetime) -> dict[int, str]:
    """A fresh key for each skeleton: what a bank or a carrier still tells of it has its place."""
    owners = {one: f"client:{os.urandom(12).hex()}" for one in clients}
    keyring.make(owners.values(), now)
    return owners


def _carry_out(
    session: Session,
    keyring: Keyring,
    found: belongings.Found,
    owners: dict[int, str],
    word: Word,
) -> Wiped:
    """Everything in the database; all clients are locked."""
    clients = [row["id"] for row in found["client"]]
    if set(clients) - set(owners):
        raise Wrong("They have just been merged with somebody; ask again.")
    bodies = _that_name(session, keyring, tombstones.identity(found), clients)
    asked = copies.of_erased(found, _strangers(session, bodies), word.now)
    cards = showing.without(session, showing.naming(session, found, bodies), clients, word.now)
    copies.ask(session, [*asked, *copies.of_cards(cards, min(clients), word.now)])
    wiped = tombstones.wipe(session, clients, found)
    _forget(session, bodies)
    _let_rest(session, clients, word)
    for row in found["client"]:
        client = session.get_one(Client, row["id"], populate_existing=True)
        client.key_id = owners[client.id]
        session.add(client)
        session.add(_erased(row["id"], row["key_id"], word))
        entry = Access(
            client_id=client.id, change="erased", by=word.by,
            occurred_at=word.now, recorded_at=word.now,
        )  # fmt: skip
        timeline.link(session, client.id, entry)
    session.flush()
    return wiped


def _let_rest(session: Session, clients: Collection[int], word: Word) -> None:
    """What waited for a person waits no more: nobody could say of whom it is, or what it was."""
    done = {
        "state": "closed", "outcome": tombstones.RULE, "closed_at": word.now, "closed_by": word.by,
    }  # fmt: skip
    for model, more in ((Task, {"look_at": None}), (EscalationCase, {})):
        theirs = (col(model.client_id).in_(clients), col(model.state) == "open")
        session.execute(update(model).where(*theirs).values(**done, **more))


def _erased(client_id: int, key_id: str, word: Word) -> Erasure:
    return Erasure(
        client_id=client_id,
        key_id=key_id,
        reason=word.reason,
        erased_by=word.by,
        erased_at=word.now,
        replayed=word.replayed,
    )


def _that_name(
    session: Session, keyring: Keyring, identity: Collection[str], clients: Collection[int]
) -> list[int]:
    """Bodies under the keys of days that name the person: what is nobody's yet, lists for staff."""
    found: list[int] = []
    after = 0
    inbox = col(Vault.owner).startswith("inbox:", autoescape=True)
    query = select(Vault.id).where(inbox).order_by(col(Vault.id)).limit(_SOME)
    while ids := session.exec(query.where(Vault.id > after)).all():
        named = [one for one in ids if _names(session, keyring, one, identity)]
        found += sorted(set(named) - _of_others(session, named, clients))
        after = ids[-1]
    return found


def _of_others(session: Session, bodies: Collection[int], clients: Collection[int]) -> set[int]:
    """Those that stay: another client's request is theirs.

    One that nobody has read yet may be a STOP, or a hundred facts. When it is read, they are a
    stranger.
    """
    if not bodies:
        return set()
    unread = (col(Incoming.state) == "pending") & (col(Incoming.source) != WAITING)
    query = select(col(Incoming.body_id)).where(
        col(Incoming.body_id).in_(bodies), unread | col(Incoming.client_id).not_in(clients)
    )
    return {one for one in session.exec(query) if one is not None}


def _names(session: Session, keyring: Keyring, body_id: int, identity: Collection[str]) -> bool:
    try:
        text = vault.get(session, keyring, body_id).decode(errors="replace").casefold()
    except (KeyGone, InvalidTag):
        return False
    return any(word in text for word in identity)


def _strangers(session: Session, bodies: Collection[int]) -> list[Incoming]:
    """Requests of nobody that name the person: the carrier has them too."""
    found: list[Incoming] = []
    for first in range(0, len(bodies), _SOME):
        some = list(bodies)[first : first + _SOME]
        found += session.exec(select(Incoming).where(col(Incoming.body_id).in_(some))).all()
    return found


def _forget(session: Session, bodies: Collection[int]) -> None:
    for first in range(0, len(bodies), _SOME):
        some = list(bodies)[first : first + _SOME]
        theirs = update(Incoming).where(col(Incoming.body_id).in_(some))
        waiting = col(Incoming.state) == "pending"
        session.execute(theirs.where(waiting).values(state="ignored", next_attempt_at=None))
        session.execute(theirs.values(body_id=None))
        session.execute(delete(Vault).where(col(Vault.id).in_(some)))


def _told(
    client_id: int,
    wiped: Wiped,
    held: list[processors.Holding],
    asked: Mapping[str, Mapping[str, int]],
) -> Report:
    gone = (
        f"Erased: client:{client_id} has no name, address or words any more; in backups neither, "
        "once the last copy of the keys from before is gone. Bills, payments and the chain stay, "
        "without a name."
    )
    lines = [gone, f"{wiped.bodies:,} bodies are gone, {wiped.cancelled:,} messages cancelled."]
    if wiped.refused:
        lines.append(f"{len(wiped.refused):,} addresses stay, because who reads there said no.")
    if wiped.shared:
        lines.append(f"{len(wiped.shared):,} addresses stay: other clients have them as well.")
    if asked:
        lines.append(
            f"Their copies are asked back while the product serves: {copies.said(asked)}. "
            "`counterfoil rights list` says how far that is."
        )
    if held:
        lines.append("Others still have something of them; what is left there, ask them for:")
    data = {
        "erased": True,
        "client": client_id,
        "bodies": wiped.bodies,
        "cancelled": wiped.cancelled,
        "kept_addresses": {"refused": list(wiped.refused), "shared": list(wiped.shared)},
        "processors": processors.data(held),
        "copies": {channel: dict(states) for channel, states in asked.items()},
    }
    return Report(data, lines, [processors.table(held)] if held else [])


# --- again, in a copy -----------------------------------------------------------------------------


async def replay(app: App, _args: Args, progress: Progress) -> Report:
    """Do again what the log says, in a copy from before, or where an erasure was cut off."""
    log = log_of(app.settings)
    restated.bring_up(app, app.settings.strictures_file)  # a no outlives who said it
    done = await asyncio.to_thread(again, app, log, progress)
    lines = [f"{done:,} erasures were replayed." if done else "Nobody who was erased is here."]
    return Report({"replayed": done}, lines)


def again(app: App, log: Path, progress: Progress, most: int | None = _SCRUBBED) -> int:
    """Erase whoever the log names and who is here; how many. Nobody waits where ``most`` is None.

    A legal hold in the copy has ended since: it would not have been erased otherwise.

    Raises:
        erasurelog.LogDamaged: the log cannot be read.
    """
    left = erasurelog.pending(erasurelog.read(log), app.store, app.keyring)
    for number, line in enumerate(left, 1):
        _again(app, line)
        progress(number, len(left))
    if left:
        _destroy(app, [line.key_id for line in left], most)
    return len(left)


def _again(app: App, line: Line) -> None:
    with app.store.read() as session:
        client = session.exec(select(Client).where(Client.key_id == line.key_id)).first()
    if client is not None:
        now = app.clock.now()
        owners = _new_owners(app.keyring, [client.id], now)
        word = Word("erasure log", REPLAYED, now, replayed=True)
        work = partial(
            _one_again, keyring=app.keyring, client_id=client.id, owners=owners, word=word
        )
        app.store.write_now(work, clients=[client.id])


def _one_again(
    session: Session, keyring: Keyring, client_id: int, owners: dict[int, str], word: Word
) -> None:
    open_ = select(LegalHold).where(LegalHold.client_id == client_id)
    for hold in session.exec(open_.where(col(LegalHold.released_at).is_(None))):
        hold.released_at, hold.released_by = word.now, word.by
        session.add(hold)
    session.flush()
    _carry_out(session, keyring, belongings.of(session, [client_id]), owners, word)
