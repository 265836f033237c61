"""Can the rows and the keys be used, is the firm complete, and does something wait in vain?"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import ColumnElement, func, text
from sqlmodel import Session, col, select

from billing import publication, spelling
from billing.keyring import Keyring
from billing.models import Client, Enrolment, Erasure, LegalEntity, Role, Staff, StaffRole
from billing.policy import Policy
from billing.store import Store
from bot import errors, masterkeys, schema
from bot.custody import erasurelog, strictures
from bot.custody.erasurelog import LogDamaged, NotReplayed
from bot.doctor.finding import Finding, ok, warning, wrong
from bot.models import Incoming, IncomingState
from bot.settings import Settings
from bot.staff import switch
from comms.models import Audience, Message, State

Look = Callable[[Store], Iterator[Finding]]
_NEEDED = {
    "postal_address": "no mail may leave without it",
    "from_address": "no mail can leave without it",
    "pay_link": "no reminder may leave without it",
    "phone": "no text can leave without it",
}
_SOUGHT = (Role.ADMIN, Role.FINANCE, Role.COMPLIANCE)
_NOT_ERASED = col(Client.id).not_in(select(Erasure.client_id))
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")


def store_of(given: Settings, found: list[Finding], stack: ExitStack) -> Store | None:
    """The store, opened beside whoever writes it; None where it cannot be used."""
    url = given.database_url
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        found.append(wrong("database", "There is none yet.", "Run `counterfoil migrate`."))
        return None
    try:
        store = Store(url, writable=False)
        stack.callback(store.close)
        schema.need_head(store.engine)
    except Exception as error:  # noqa: BLE001 - whatever it is, the database cannot be used
        said = errors.sentence(error) or f"It cannot be used: {type(error).__name__}."
        advice = "Look at COUNTERFOIL_DATABASE_URL, then run `counterfoil migrate`."
        found.append(wrong("database", said, advice))
        return None
    found.append(ok("database", f"At revision {schema.head()}."))
    return store


def look_at_keys(
    given: Settings, found: list[Finding], stack: ExitStack, store: Store | None = None
) -> None:
    """Do the master keys open the keys, which of them is under which, and is nobody erased here?"""
    try:
        keyring = masterkeys.ring(given)
        stack.callback(keyring.close)
        found += _under(keyring)
        if store is not None:
            found += look_at_erasures(given, store, keyring)
            found += look_at_strictures(given, store)
    except Exception as error:  # noqa: BLE001 - whatever it is, no key can be used
        said = errors.sentence(error) or f"It cannot be used: {type(error).__name__}."
        advice = "Put the right COUNTERFOIL_KEYRING_URL and master key back."
        found.append(wrong("keyring", said, advice))


def look_at_erasures(given: Settings, store: Store, keyring: Keyring) -> Iterator[Finding]:
    """Is everybody who was erased gone from here, and is the log where it should be?"""
    log = given.erasures_file
    if log is None:
        said = "COUNTERFOIL_ERASURE_LOG is not set, so nobody can be erased."
        yield warning(
            "erasures", said, "Name a file outside the database, on every machine the same."
        )
        return
    try:
        erasurelog.need_replayed(log, store, keyring)
    except (NotReplayed, LogDamaged) as error:
        said, _, advice = f"{error}.".partition("; ")
        yield wrong("erasures", f"{said.rstrip('.')}.", advice[:1].upper() + advice[1:])
        return
    rows = given.database_url.removeprefix("sqlite:///")
    if rows != given.database_url and Path(rows).resolve().parent == log.resolve().parent:
        said = f"{log.name} lies in the folder of the rows, and would be lost with them."
        yield warning("erasures", said, "Move it, and name it with COUNTERFOIL_ERASURE_LOG.")
        return
    yield ok("erasures", f"{len(erasurelog.read(log)):,} keys were destroyed, and none is here.")


def look_at_strictures(given: Settings, store: Store) -> Iterator[Finding]:
    """Would a restored copy know what was sealed, held, walled and refused?"""
    log = given.strictures_file
    if log is None:
        return  # the log of erasures lacks its place as well, and says so
    try:
        count = strictures.need_whole(store, log)
    except LogDamaged as error:
        said, _, advice = f"{error}.".partition("; ")
        yield wrong("strictures", f"{said[:1].upper()}{said[1:]}.", advice[:1].upper() + advice[1:])
        return
    with store.read() as session:
        lacking = count - strictures.known(session)
    if lacking:
        said = f"{lacking:,} lines of {log.name} are not known here: somebody sealed, held, walled"
        yield warning(
            "strictures",
            f"{said} or refused since.",
            "They are done again when the service starts.",
        )
        return
    yield ok("strictures", f"{count:,} seals, holds, walls and refusals are written down.")


def look_at_checkpoints(given: Settings) -> Iterator[Finding]:
    """Are the ends of the chains written down where whoever changes the rows cannot reach?"""
    file = given.checkpoints_file
    rows = Path(given.database_url.removeprefix("sqlite:///"))
    if file is None:
        said = "COUNTERFOIL_CHECKPOINT_FILE is not set: the end of a chain could be cut off unseen."
        yield warning("checkpoints", said, "Name a file on another machine or volume.")
    elif not given.on_postgresql and rows.resolve().parent == file.resolve().parent:
        said = f"{file.name} lies beside the rows: who can change the one can change the other."
        yield warning("checkpoints", said, "Move it, and name it with COUNTERFOIL_CHECKPOINT_FILE.")
    else:
        yield ok("checkpoints", f"The ends of the chains are written to {file}.")


def _under(keyring: Keyring) -> Iterator[Finding]:
    by = {one.standing: one.keys for one in keyring.under()}
    unknown = by.pop("unknown", 0)
    if unknown:
        said = f"{unknown:,} keys are under a master key that is not here."
        advice = (
            "Name it with COUNTERFOIL_MASTER_KEY_PREVIOUS_FILE, then `counterfoil keys rotate`."
        )
        yield wrong("keyring", said, advice)
    if valid := by.get("valid", 0):
        said = f"{valid:,} keys are still under the previous master key, {by['in use']:,} are not."
        yield warning("keyring", said, "Run `counterfoil keys rotate`; keep both until it is done.")
    if not unknown:
        yield ok("keyring", f"The master key opens {sum(by.values()):,} keys.")


def look(store: Store) -> Iterator[Finding]:
    """Guards, durability, the firm, its people and what waits."""
    looks: tuple[Look, ...] = (_tables, _durability, _firm, _people, _queues)
    for one in looks:
        yield from careful(one, store)


def published(store: Store) -> Policy | None:
    """The policy that was published last; none where none was, or none can be read."""
    try:
        with store.read() as session:
            last = publication.latest(session)
    except Exception:  # noqa: BLE001 - a store that cannot be read is a finding already
        return None
    return last.policy if last else None


def look_at_policy(holds: Policy, file: Policy | None) -> Iterator[Finding]:
    """Does the file that is given say what was published?"""
    if file is None or file.version == holds.version:
        yield ok("policy", f"Version {holds.version} was published, and holds.")
        return
    said = f"Version {holds.version} was published and holds; the file says {file.version}."
    advice = "See `counterfoil policy diff FILE`; if it is to hold, `counterfoil policy publish`."
    yield warning("policy", said, advice)


def careful(look: Look, store: Store) -> list[Finding]:
    """What an examination found; where it cannot be made, that."""
    try:
        return list(look(store))
    except Exception as error:  # noqa: BLE001 - a finding like any other; the next one is made
        said = errors.sentence(error) or f"It could not be examined: {type(error).__name__}."
        return [wrong(look.__name__.strip("_"), said, "See that the database answers.")]


def entities(store: Store) -> list[LegalEntity]:
    """Who bills."""
    with store.read() as session:
        return list(session.exec(select(LegalEntity).order_by(col(LegalEntity.id))).all())


def _tables(store: Store) -> Iterator[Finding]:
    missing = schema.missing_triggers(store.engine)
    if missing:
        said = f"{', '.join(missing)} are gone, so records could be changed unseen."
        yield wrong("triggers", said, "Restore a copy, and find out who removed them.")
    if schema.differences(store.engine):
        said = "The tables are not those of this version."
        yield wrong("tables", said, "Run `counterfoil migrate`.")
    if not missing:
        yield ok("triggers", "What was recorded cannot be changed or deleted.")


def _durability(store: Store) -> Iterator[Finding]:
    """SQLite we open durable ourselves; a PostgreSQL server has its own mind."""
    if store.engine.dialect.name != "postgresql":
        return
    with store.read() as session:
        off = [name for name in _DURABLE if session.execute(text(f"SHOW {name}")).scalar() == "off"]
    if off:
        said = f"The server has {' and '.join(off)} off: a power cut loses what was promised."
        yield wrong("durability", said, "Turn it on in postgresql.conf, and reload the server.")
    else:
        yield ok("durability", "The server writes before it answers.")


def _firm(store: Store) -> Iterator[Finding]:
    bills = entities(store)
    for entity in bills:
        lacking = [name for name in _NEEDED if not getattr(entity, name)]
        for name in lacking:
            said = f"It lacks its {name.replace('_', ' ')}: {_NEEDED[name]}."
            advice = (
                "Write it into the firm file, and `counterfoil import FILE.csv --firm FILE.toml`"
            )
            yield wrong(entity.name, said, f"{advice}.")
        if not lacking:
            yield ok(entity.name, "Complete.")
    if not bills:
        advice = "Run `counterfoil import FILE.csv --firm FILE.toml`."
        yield wrong("legal entities", "There is none yet.", advice)


def _people(store: Store) -> Iterator[Finding]:
    with store.read() as session:
        held, owners = _roles_held(session), _owners(session)
    for role in _SOUGHT:
        if role.value not in held:
            yield wrong(
                f"role {role}", "Nobody has it.", f"Run `counterfoil access grant EMAIL {role}`."
            )
    for email, active, slack, count in owners:
        owned = spelling.counted(count, "client")
        if not active:
            said = f"Has left and owns {owned}; finance hears instead."
            yield wrong(email, said, "Name another owner, in the column `owner` of an import.")
        elif not slack:
            said = f"Owns {owned} without a Slack account; finance hears instead."
            advice = f"Run `counterfoil access grant {email} account_manager --slack U123`."
            yield wrong(email, said, advice)
    if held.issuperset(role.value for role in _SOUGHT):
        yield ok("roles", "Every role that is needed is held.")


def _roles_held(session: Session) -> set[str]:
    query = select(StaffRole.role).join(Staff, col(Staff.id) == StaffRole.staff_id)
    return set(session.exec(query.where(col(Staff.active).is_(True))))


def _owners(session: Session) -> list[tuple[str, bool, str | None, int]]:
    """Everybody who owns clients: email, whether they work here, Slack account, how many.

    Of who was erased nobody hears any more, and no import can name another owner.
    """
    query = (
        select(Staff.email, Staff.active, Staff.slack_user, func.count())
        .join(Client, col(Client.owner_id) == Staff.id)
        .where(_NOT_ERASED)
        .group_by(col(Staff.id))
        .order_by(Staff.email)
    )
    return [(email, active, slack, count) for email, active, slack, count in session.exec(query)]


def _queues(store: Store) -> Iterator[Finding]:
    with store.read() as session:
        live = switch.status(session)
        failed = _count(session, col(Incoming.state) == IncomingState.FAILED)
        doubt = _count(session, col(Message.state) == State.IN_DOUBT)
        utc = _count(session, (col(Client.timezone) == "UTC") & _NOT_ERASED)
        enrolled = session.exec(select(func.count()).select_from(Enrolment)).one()
        left = col(Message.state).in_((State.SENT, State.DELIVERED))
        sent = _count(session, (col(Message.audience) == Audience.CLIENT) & left)
    if live.data["live"] == "closed":
        advice = "When you are ready: `counterfoil golive`."
        yield warning("go-live", live.lines[0], advice)
    else:
        yield ok("go-live", live.lines[0])
    yield ok("work", f"{enrolled:,} sequences, {sent:,} messages have left.")
    if failed:
        said = f"{failed:,} deliveries could not be understood."
        yield wrong("inbox", said, "The finance channel names them.")
    if doubt:
        said = f"{doubt:,} messages may or may not have arrived."
        yield warning("outbox", said, "Finance is asked in Slack.")
    if utc:
        said = f"{spelling.counted(utc, 'client is', 'clients are')} kept in UTC."
        yield warning("time zones", said, "Import them with a timezone if that is wrong.")


def _count(session: Session, which: ColumnElement[bool]) -> int:
    return int(session.exec(select(func.count()).where(which)).one())
