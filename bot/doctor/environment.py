"""Is what the environment says complete, known, and safe?"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from billing import policy as policies
from billing.policy import Policy, PolicyError
from bot import app as root
from bot import errors, lawbook
from bot import settings as read
from bot.custody import processors
from bot.doctor.finding import Finding, ok, warning, wrong
from bot.report import Wrong
from bot.settings import Settings, SettingsMissing
from comms.writing import template_lint

_SETTINGS = ("master_key", *root.CHANNEL_SETTINGS)
_LOCAL = ("127.0.0.1", "localhost", "::1")
_SHORTEST = 4
"""Characters of a secret that is searched for in what is said; less would hide ordinary words."""


def look(given: Settings) -> Iterator[Finding]:
    """Settings, the policy and the firm's own templates."""
    yield from _settings(given)
    yield from _dangers(given)
    yield from _policy(given)
    yield from _templates(given)


def secrets(given: Settings) -> list[str]:
    """Every secret of the settings, as it may stand in somebody's answer."""
    found = [
        value.get_secret_value()
        for name in Settings.model_fields
        if isinstance(value := getattr(given, name), SecretStr)
    ]
    for url in (given.smtp_url, given.database_url, given.keyring_url):
        password = urlsplit(url).password
        found += [password, unquote(password)] if password else []
    return [one for one in found if len(one) >= _SHORTEST]


def _settings(given: Settings) -> Iterator[Finding]:
    missing = [said for name in _SETTINGS if (said := _missing(given.need, name))]
    if apart := _missing(given.need_apart):
        missing.append(apart)
    for said in missing:
        sentence, _, hint = said.rstrip(".").partition(": ")
        yield wrong("settings", f"{sentence}.", _capital(hint))
    if not missing:
        yield ok("settings", "Everything that `serve` needs is there.")
    for sentence in read.unknown():
        said, _, hint = sentence.partition("; ")
        yield wrong("settings", f"{said}.", _capital(hint))


def _missing(need: Callable[..., None], *names: str) -> str:
    """What is missing, or nothing."""
    try:
        need(*names)
    except SettingsMissing as error:
        return str(error)
    return ""


def _capital(words: str) -> str:
    words = words[:1].upper() + words[1:]
    return words if not words or words.endswith((".", "?")) else f"{words}."


def _dangers(given: Settings) -> Iterator[Finding]:
    if given.trusted_hosts:
        said = (
            f"The way to {given.trusted_hosts} need not be encrypted (COUNTERFOIL_TRUSTED_HOSTS)."
        )
        advice = "See that a tunnel or a network of this machine leads there, and nothing else."
        yield warning("trusted_hosts", said, advice)
    if given.host not in _LOCAL:
        said = f"COUNTERFOIL_HOST is {given.host}, so whoever reaches it can read /metrics."
        yield warning("host", said, "Set it to 127.0.0.1, or let a firewall keep others away.")
    if given.email_hook_secret and not given.email_host:
        said = "COUNTERFOIL_EMAIL_HOST is not set, so nobody's word on who wrote a mail is taken."
        advice = "Set it to the name with which your mail server begins its Authentication-Results."
        yield warning("email_host", said, advice)
    yield from _key_file(given)
    yield from _open_files(given)


def _key_file(given: Settings) -> Iterator[Finding]:
    path = given.master_key_file
    if given.master_key is not None or path is None or not path.exists():
        return
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        said = f"Others may read {path} (mode {mode:o})."
        yield wrong("master_key", said, f"chmod 600 {path}")
    rows = given.database_url.removeprefix("sqlite:///")
    if rows != given.database_url and Path(rows).resolve().parent == path.resolve().parent:
        said = f"{path.name} lies in the folder of the rows, so a copy of that folder opens them."
        advice = "Move it elsewhere, and name it with COUNTERFOIL_MASTER_KEY_FILE."
        yield warning("master_key", said, advice)


def _open_files(given: Settings) -> Iterator[Finding]:
    """Files that a version before this one made, or that somebody copied."""
    for name, url in (("database_url", given.database_url), ("keyring_url", given.keyring_url)):
        path = Path(url.removeprefix("sqlite:///"))
        if url.startswith("sqlite:///") and path.exists() and path.stat().st_mode & 0o077:
            said = f"Others on this machine may read {path} (mode {path.stat().st_mode & 0o777:o})."
            yield warning(name, said, f"chmod 600 {path}*")


def _policy(given: Settings) -> Iterator[Finding]:
    path = given.policy_file
    if path is None:
        yield ok("policy", f"As shipped, version {policies.default().version}.")
        return
    mistakes, _ = read_policy(path)
    for key, reason in mistakes:
        yield wrong("policy", f"{path.name}: {key}: {reason}", "Correct it there.")
    if not mistakes:
        yield ok("policy", f"{path.name}, version {policies.load(path).version}.")


def law(holds: Policy, today: dt.date) -> Iterator[Finding]:
    """Whether the policy relies on a waiver that ends soon, or has ended."""
    if sentence := lawbook.flip(holds, today):
        advice = "Set consent.revoke_scope to all_nonessential_for_business; ask your counsel."
        yield warning("law", sentence, advice)


def agreements(
    given: Settings, holds: Policy, entities: Collection[str], today: dt.date
) -> Iterator[Finding]:
    """What our packs miss of those who handle content, and entities that nobody knows."""
    try:
        known = processors.parties(processors.register(given))
    except Wrong as error:
        yield wrong("processors", str(error), "Correct it there.")
        return
    advice = "Put what was signed on record in COUNTERFOIL_PROCESSORS_FILE, and restart."
    concerns = tuple(processors.concerns(known, holds, today))
    for concern in concerns:
        said_of = wrong if concern.shut else warning
        yield said_of(f"processor of {concern.channel}", concern.said, advice)
    for one in holds.entity_packs:
        if one.entity not in entities:
            said = f"[pack.entities] names {one.entity}, and no legal entity has that name."
            yield wrong("packs", said, "Write the name as `counterfoil import` has it.")
    if not concerns and holds.terms().agreements:
        yield ok("processors", f"All have signed: {', '.join(holds.terms().agreements)}.")


def read_policy(path: Path) -> tuple[list[tuple[str, str]], Policy]:
    """Every mistake in a policy file, by its key; and what could be read of it, else as shipped."""
    try:
        return [], policies.load(path)
    except PolicyError as error:
        found = [(mistake.key, mistake.reason) for mistake in error.mistakes]
        return found, error.read or policies.default()
    except (OSError, UnicodeError) as error:
        sentence = errors.sentence(error) or "it is not UTF-8; save it as UTF-8"
        return [("", sentence)], policies.default()


def _templates(given: Settings) -> Iterator[Finding]:
    folder = given.templates_dir
    if folder is None:
        yield ok("templates", "As shipped.")
        return
    mistakes = template_mistakes(folder, _packs(given.policy_file))
    for file, line, sentence in mistakes:
        yield wrong("templates", f"{file}, line {line}: {sentence}", "Correct it there.")
    if not mistakes:
        yield ok("templates", f"{folder}.")


def _packs(path: Path | None) -> tuple[str, ...]:
    """What the firm goes by, as far as its policy can be read."""
    readable = path is not None and not read_policy(path)[0]
    return (policies.load(path) if path and readable else policies.default()).packs()


def template_mistakes(folder: Path, packs: tuple[str, ...] = ()) -> list[tuple[str, str, str]]:
    """Every mistake in the firm's own templates: file, line and what is wrong."""
    if not folder.is_dir():
        return [(str(folder), "", "COUNTERFOIL_TEMPLATES_DIR is no folder; correct or remove it")]
    return [(one.file, str(one.line), one.sentence) for one in template_lint.lint(folder, packs)]
