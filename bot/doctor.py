"""What keeps this installation from doing its work, and what is to be done about it?

Each examination looks at one thing and goes on to the next, so that one visit finds everything.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from sqlalchemy import ColumnElement, func
from sqlmodel import Session, col, select

from billing import policy as policies
from billing.keyring import Keyring
from billing.models import Client, Enrolment, LegalEntity, Role, Staff, StaffRole
from billing.policy import PolicyError
from billing.store import Store
from bot import app as root
from bot import errors, schema, switch
from bot import settings as read
from bot.models import Incoming, IncomingState
from bot.report import DONE, NO, Report, Table
from bot.settings import Settings, SettingsMissing
from comms import template_lint, timeline
from comms.models import Audience, ChainHead, Message, State

MOST = 100
"""Breaks of chains that are named."""
_NEEDED = {
    "postal_address": "no mail may leave without it",
    "from_address": "no mail can leave without it",
    "pay_link": "no reminder may leave without it",
    "phone": "no text can leave without it",
}
_SETTINGS = ("master_key", *root.CHANNEL_SETTINGS)
_SOUGHT = (Role.ADMIN, Role.FINANCE, Role.COMPLIANCE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: well, worth knowing, or wrong and then what to do."""

    what: str
    state: str
    said: str


def examine() -> Report:
    """Look at everything that can be looked at without the network."""
    try:
        given = read.read()
    except SettingsMissing as error:
        return _report([Finding("settings", "wrong", str(error))])
    found = [*_settings(given), *_policy(given), *_templates(given)]
    with ExitStack() as stack:
        store = _store(given, found, stack)
        _keys(given, found, stack)
        if store is not None:
            for look in (_tables, _firm, _people, _queues):
                found.extend(_careful(look, store))
    return _report(found)


def _report(found: list[Finding]) -> Report:
    wrong = sum(one.state == "wrong" for one in found)
    rows = [[one.what, one.state, one.said] for one in found]
    many = "1 thing is" if wrong == 1 else f"{wrong} things are"
    line = f"{many} wrong." if wrong else "All is well."
    data = {"well": not wrong, "findings": [asdict(one) for one in found]}
    return Report(data, [line], [Table("", ["what", "state", "said"], rows)], NO if wrong else DONE)


def _careful(look: Callable[[Store], Iterator[Finding]], store: Store) -> list[Finding]:
    """What an examination found; where it cannot be made, that."""
    try:
        return list(look(store))
    except Exception as error:  # noqa: BLE001 - a finding like any other; the next one is made
        said = errors.sentence(error) or f"could not be examined: {type(error).__name__}"
        return [Finding(look.__name__.strip("_"), "wrong", said)]


# --- what the environment says --------------------------------------------------------------------


def _settings(given: Settings) -> Iterator[Finding]:
    missing = [said for name in _SETTINGS if (said := _missing(given.need, name))]
    if apart := _missing(given.need_apart):
        missing.append(apart)
    for said in missing:
        yield Finding("settings", "wrong", said)
    if not missing:
        yield Finding("settings", "well", "everything that `serve` needs is there")
    for sentence in read.unknown():
        yield Finding("settings", "wrong", sentence)
    if given.public_url and not given.public_url.startswith("https://"):
        said = "COUNTERFOIL_PUBLIC_URL is not https; Twilio and Slack call over the open network"
        yield Finding("public_url", "note", said)
    yield from _key_file(given)


def _missing(need: Callable[..., None], *names: str) -> str:
    """What is missing, or nothing."""
    try:
        need(*names)
    except SettingsMissing as error:
        return str(error)
    return ""


def _key_file(given: Settings) -> Iterator[Finding]:
    path = given.master_key_file
    if given.master_key is None and path is not None and path.exists():
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            said = f"others may read {path} (mode {mode:o}): chmod 600 {path}"
            yield Finding("master_key", "wrong", said)


def _policy(given: Settings) -> Iterator[Finding]:
    path = given.policy_file
    if path is None:
        version = policies.default().version
        yield Finding("policy", "well", f"as shipped, version {version}")
        return
    mistakes = policy_mistakes(path)
    for key, reason in mistakes:
        yield Finding("policy", "wrong", f"{path.name}: {key}: {reason}")
    if not mistakes:
        yield Finding("policy", "well", f"{path.name}, version {policies.load(path).version}")


def policy_mistakes(path: Path) -> list[tuple[str, str]]:
    """Every mistake in a policy file, by its key."""
    try:
        policies.load(path)
    except PolicyError as error:
        return [(mistake.key, mistake.reason) for mistake in error.mistakes]
    except (OSError, UnicodeError) as error:
        return [("", errors.sentence(error) or "it is not UTF-8; save it as UTF-8")]
    return []


def _templates(given: Settings) -> Iterator[Finding]:
    folder = given.templates_dir
    if folder is None:
        yield Finding("templates", "well", "as shipped")
        return
    mistakes = template_mistakes(folder)
    for file, line, sentence in mistakes:
        yield Finding("templates", "wrong", f"{file}, line {line}: {sentence}")
    if not mistakes:
        yield Finding("templates", "well", str(folder))


def template_mistakes(folder: Path) -> list[tuple[str, str, str]]:
    """Every mistake in the firm's own templates: file, line and what is wrong."""
    if not folder.is_dir():
        return [(str(folder), "", "COUNTERFOIL_TEMPLATES_DIR is no folder; correct or remove it")]
    return [(one.file, str(one.line), one.sentence) for one in template_lint.lint(folder)]


# --- the store and its keys -----------------------------------------------------------------------


def _store(given: Settings, found: list[Finding], stack: ExitStack) -> Store | None:
    """The store, opened beside whoever writes it; None where it cannot be used."""
    url = given.database_url
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        found.append(Finding("database", "wrong", "there is none yet: run `counterfoil migrate`"))
        return None
    try:
        store = Store(url, writable=False)
        stack.callback(store.close)
        schema.need_head(store.engine)
    except Exception as error:  # noqa: BLE001 - whatever it is, the database cannot be used
        said = errors.sentence(error) or type(error).__name__
        found.append(Finding("database", "wrong", said))
        return None
    found.append(Finding("database", "well", f"at revision {schema.head()}"))
    return store


def _keys(given: Settings, found: list[Finding], stack: ExitStack) -> None:
    try:
        given.need("master_key")
        keyring = Keyring(given.keyring_url, root.master_key(given))
    except Exception as error:  # noqa: BLE001 - whatever it is, no key can be used
        found.append(Finding("keyring", "wrong", errors.sentence(error) or type(error).__name__))
        return
    stack.callback(keyring.close)
    found.append(Finding("keyring", "well", f"the master key opens {len(keyring.owners()):,} keys"))


def _tables(store: Store) -> Iterator[Finding]:
    missing = schema.missing_triggers(store.engine)
    if missing:
        said = f"{', '.join(missing)} are gone, so records could be changed unseen; restore a copy"
        yield Finding("triggers", "wrong", said)
    if schema.differences(store.engine):
        said = "the tables are not those of this version; run `counterfoil migrate`"
        yield Finding("tables", "wrong", said)
    if not missing:
        yield Finding("triggers", "well", "what was recorded cannot be changed or deleted")


def chains(store: Store, session: Session, client_id: int | None) -> Report:
    """Every place at which a chain does not hold, of one client or of all."""
    found = list(islice(timeline.verify(session, client_id), MOST + 1))
    gone = schema.missing_triggers(store.engine)
    walked = session.exec(select(func.count()).select_from(ChainHead)).one()
    rows = [[str(one.client_id), str(one.seq), one.what] for one in found[:MOST]]
    lines = [f"The trigger {name} is gone: records can be changed unseen." for name in gone]
    lines += [f"More than {MOST} places do not hold."] if len(found) > MOST else []
    whole = "1 chain holds" if client_id else f"{walked:,} chains hold"
    lines += [] if found or gone else [f"{whole}: nothing was changed, removed or put in."]
    table = [Table("", ["client", "entry", "what"], rows)] if rows else []
    data = {
        "holds": not (found or gone),
        "chains": 1 if client_id else walked,
        "breaks": [asdict(one) for one in found],
        "missing_triggers": gone,
    }
    return Report(data, lines, table, NO if found or gone else DONE)


# --- who we are -----------------------------------------------------------------------------------


def _firm(store: Store) -> Iterator[Finding]:
    with store.read() as session:
        entities = session.exec(select(LegalEntity).order_by(col(LegalEntity.id))).all()
    for entity in entities:
        lacking = [name for name in _NEEDED if not getattr(entity, name)]
        for name in lacking:
            said = f"lacks its {name.replace('_', ' ')}: {_NEEDED[name]}; give it with --firm"
            yield Finding(entity.name, "wrong", said)
        if not lacking:
            yield Finding(entity.name, "well", "complete")
    if not entities:
        said = "there is no legal entity yet: `counterfoil import FILE.csv --firm FILE.toml`"
        yield Finding("legal entities", "wrong", said)


def _people(store: Store) -> Iterator[Finding]:
    with store.read() as session:
        held, owners = _roles_held(session), _owners(session)
    for role in _SOUGHT:
        if role.value not in held:
            said = f"nobody has it: `counterfoil access grant EMAIL {role}`"
            yield Finding(f"role {role}", "wrong", said)
    for email, active, slack, count in owners:
        if not active:
            said = f"has left and owns {count:,} clients; finance hears about them: name another"
            yield Finding(email, "wrong", said)
        elif not slack:
            said = (
                f"owns {count:,} clients and has no Slack account, so finance hears about them: "
                f"`counterfoil access grant {email} account_manager --slack U123`"
            )
            yield Finding(email, "wrong", said)
    if held.issuperset(role.value for role in _SOUGHT):
        yield Finding("roles", "well", "every role that is needed is held")


def _roles_held(session: Session) -> set[str]:
    query = select(StaffRole.role).join(Staff, col(Staff.id) == StaffRole.staff_id)
    return set(session.exec(query.where(col(Staff.active).is_(True))))


def _owners(session: Session) -> list[tuple[str, bool, str | None, int]]:
    """Everybody who owns clients: email, whether they work here, Slack account, how many."""
    query = (
        select(Staff.email, Staff.active, Staff.slack_user, func.count())
        .join(Client, col(Client.owner_id) == Staff.id)
        .group_by(col(Staff.id))
        .order_by(Staff.email)
    )
    return [(email, active, slack, count) for email, active, slack, count in session.exec(query)]


# --- what waits -----------------------------------------------------------------------------------


def _queues(store: Store) -> Iterator[Finding]:
    with store.read() as session:
        live = switch.status(session)
        failed = _count(session, col(Incoming.state) == IncomingState.FAILED)
        doubt = _count(session, col(Message.state) == State.IN_DOUBT)
        utc = _count(session, col(Client.timezone) == "UTC")
        enrolled = session.exec(select(func.count()).select_from(Enrolment)).one()
        left = col(Message.state).in_((State.SENT, State.DELIVERED))
        sent = _count(session, (col(Message.audience) == Audience.CLIENT) & left)
    yield Finding("go-live", "note" if live.data["live"] == "closed" else "well", live.lines[0])
    yield Finding("work", "well", f"{enrolled:,} sequences, {sent:,} messages have left")
    if failed:
        said = f"{failed:,} deliveries could not be understood; the finance channel names them"
        yield Finding("inbox", "wrong", said)
    if doubt:
        said = f"{doubt:,} messages may or may not have arrived; finance is asked in Slack"
        yield Finding("outbox", "note", said)
    if utc:
        said = f"{utc:,} clients are kept in UTC; import them with a timezone if that is wrong"
        yield Finding("time zones", "note", said)


def _count(session: Session, which: ColumnElement[bool]) -> int:
    return int(session.exec(select(func.count()).where(which)).one())
