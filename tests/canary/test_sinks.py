"""Every sink there is, every label, and whoever reads there: nothing comes but by ``release``.

One client writes a message of each label; then everything that each sink shows is gathered through
its own way in, and held against one table. A new member of ``Sink`` needs a line here.
"""

import asyncio
import io
import json
from collections.abc import Mapping
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlmodel import Session, col, select

from billing.models import Role, Staff, StaffRole
from billing.store import Store
from bot.custody import export, privilege, privilegelog, processors
from bot.reasons import conversation, explain
from bot.report import Wrong, silent
from bot.watching import logs
from bot.watching.metrics import Scrape
from comms.compliance import clearance
from comms.compliance.clearance import Content, Form, Reader, Sink
from comms.compliance.labels import SEALING, Label
from comms.models import Touchpoint
from tests import factories
from tests.canary.cargo import CONTENTS, ordinary
from tests.conftest import Database
from tests.factories import CLIENTS, FINANCE, MAIL_SECRET, MAILBOX, PHONE, Product

ROOT = Path(__file__).parents[2]
ADVICE, HEALTH, NUMBERS, PLAIN = "advice", "health", "numbers", "plain"
NAME = "Northwind Trading"
PEOPLE = {
    "clerk": Role.ACCOUNT_MANAGER,
    "omar": Role.COMPLIANCE,
    "counsel": Role.PRIVILEGED,
    "ada": Role.ADMIN,
}

SEEN: Mapping[str, set[str]] = {
    "a channel of ours": {PLAIN},
    "a channel shared with others": set(),
    "what only the asker sees: a clerk": set(),  # not their client
    "what only the asker sees: an administrator": {PLAIN},
    "what only the asker sees: a guest": set(),
    "what only the asker sees: a stranger": set(),
    "read by name: a clerk": {PLAIN},
    "read by name: an administrator": {PLAIN},
    "read by name: compliance": {HEALTH, PLAIN},
    "read by name: counsel": {ADVICE, HEALTH, PLAIN},
    "the terminal's timeline": {PLAIN},
    "the terminal's explanation": set(),
    "the privilege log": set(),
    "an export of their rights": {PLAIN},
    "mail": set(),
    "texts": set(),
    "the log": set(),
    "metrics": set(),
    "rows": set(),
}
"""What of each kind is read in its own words; numbers are read nowhere at all."""
BUILT = {
    Sink.PERSON: "what only the asker sees: a clerk",
    Sink.CHANNEL: "a channel of ours",
    Sink.CLIENT: "mail",
    Sink.EXPORT: "an export of their rights",
    Sink.LOG: "the log",
    Sink.METRIC: "metrics",
}
NOT_BUILT = {Sink.CRM, Sink.MODEL, Sink.SEARCH}
"""Nothing goes there yet: whoever builds one adds it to the walk."""


def hire(session: Session) -> None:
    for name, role in PEOPLE.items():
        person = Staff(name=name, email=f"{name}@harrow.example", slack_user=f"U0{name.upper()}")
        session.add(person)
        session.flush()
        session.add(StaffRole(staff_id=person.id, role=role, granted_at=factories.NOON))


async def walked(database: Database, folder: Path) -> dict[str, str]:
    """Everything that each sink shows."""
    async with factories.product(database, folder) as product:
        product.write(hire)
        for name in PEOPLE:
            user = f"U0{name.upper()}"
            product.slack.add_user(user, name, f"{name}@harrow.example")
            product.slack.workspace.channels[CLIENTS].members.add(user)
        product.slack.add_user("U0GUEST", "guest", "guest@harrow.example", restricted=True)
        product.slack.add_user("U0NOBODY", "nobody", "nobody@elsewhere.example")
        product.known()
        for kind, make in {**CONTENTS, PLAIN: ordinary}.items():
            raw = f"From: {MAILBOX}\r\nSubject: A word\r\nMessage-ID: <{kind}@c>\r\n\r\n"
            secret = {"Authorization": f"Bearer {MAIL_SECRET}"}
            mail = f"{raw}{make(f'walk {kind}').text}\r\n".encode()
            assert await product.post("/hooks/email", mail, secret) == 200
            await product.settle()
        return await gathered(product)


async def gathered(product: Product) -> dict[str, str]:
    scrape = Scrape(product.app.meters, product.store, product.app.spool, product.app.channels)
    found = {
        "a channel of ours": posts(product, CLIENTS) + posts(product, FINANCE),
        "mail": repr([letter.raw for letter in product.mail.letters]),
        "texts": repr(product.twilio.phones[PHONE]),
        "metrics": scrape.text(product.clock.now()).decode(),
        "rows": rows(product.store),
    }
    for who, user in (("a clerk", "U0CLERK"), ("an administrator", "U0ADA"),
                      ("a guest", "U0GUEST"), ("a stranger", "U0NOBODY")):  # fmt: skip
        found[f"what only the asker sees: {who}"] = await asked(product, user)
    for who, name in (("a clerk", "clerk"), ("an administrator", "ada"), ("compliance", "omar"),
                      ("counsel", "counsel")):  # fmt: skip
        found[f"read by name: {who}"] = await by_name(product, f"{name}@harrow.example")
    with product.store.read() as session:
        found |= at_the_terminal(session, product)
    product.slack.workspace.channels[CLIENTS].is_ext_shared = True
    found["a channel shared with others"] = await asked(product, "U0CLERK")
    return found


def posts(product: Product, room: str) -> str:
    return repr([(one.text, one.blocks) for one in product.slack.messages(room)])


def rows(store: Store) -> str:
    from tests.canary import sinks

    return repr([blob for _, blob in sinks.rows("store", store)])


async def asked(product: Product, user: str) -> str:
    """What somebody reads who asks for everything of the client."""
    answers = [
        await product.slack.command(user, CLIENTS, "/acct", typed)
        for typed in (NAME, f"timeline {NAME}", f"why {NAME}")
    ]
    return repr([one.body for one in answers])


async def by_name(product: Product, email: str) -> str:
    """What somebody gets who names each sealed message."""
    with product.store.read() as session:
        said = session.exec(select(Touchpoint.id).order_by(col(Touchpoint.id))).all()
    read = []
    for one in said:
        try:
            shown = await privilege.read(product.app, {"touchpoint": one, "by": email}, silent)
            read.append(repr((shown.lines, shown.data)))
        except Wrong as wrong:
            read.append(str(wrong))
    return "\n".join(read)


def at_the_terminal(session: Session, product: Product) -> dict[str, str]:
    office, client = product.app.office(), factories.the_client(session)
    register = processors.register(product.app.settings)
    whole = export.gather(session, office, client, register)
    told = conversation.timeline(session, office, client, 50, words=True)
    return {
        "the terminal's timeline": json.dumps(told.data),
        "the terminal's explanation": repr(explain.of(session, office, "client", client.id)),
        "the privilege log": repr(privilegelog.log(session, product.app.office(), None, "")),
        "an export of their rights": json.dumps(whole, default=str),
    }


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> dict[str, str]:
    from tests.scenarios.parlour import database_in

    folder, heard = tmp_path_factory.mktemp("walk"), io.StringIO()
    with redirect_stderr(heard):
        logs.json_lines("debug")
        try:
            found = asyncio.run(walked(database_in(folder, sqlite_template), folder))
        finally:
            structlog.reset_defaults()
    return found | {"the log": heard.getvalue()}


@pytest.mark.parametrize("sink", SEEN)
def test_a_sink_shows_what_may_be_read_there_and_nothing_else(
    shown: dict[str, str], sink: str
) -> None:
    kinds = {**CONTENTS, PLAIN: ordinary}
    read = {
        kind
        for kind, make in kinds.items()
        if any(needle.text in shown[sink] for needle in make(f"walk {kind}").needles)
    }
    assert read == SEEN[sink]


def test_numbers_are_read_nowhere(shown: dict[str, str]) -> None:
    hidden = [needle.text for needle in CONTENTS[NUMBERS](f"walk {NUMBERS}").needles]
    assert not [sink for sink, said in shown.items() if any(one in said for one in hidden)]


def test_what_may_be_logged_of_sealed_words_is_shown_in_their_place(shown: dict[str, str]) -> None:
    assert "INV-5512 is approved for payment" in shown["a channel of ours"]
    assert "Sealed: legal advice" in shown["the terminal's timeline"]


def test_no_sink_is_left_out_of_the_walk() -> None:
    assert BUILT.keys() | NOT_BUILT == set(Sink)
    assert set(BUILT.values()) <= SEEN.keys()
    used = "".join(
        path.read_text()
        for floor in ("billing", "comms", "bot")
        for path in (ROOT / floor).rglob("*.py")
        if path.name != "clearance.py"
    )
    assert [one for one in NOT_BUILT if f"Sink.{one.name}" in used] == []


# --- the rule itself ------------------------------------------------------------------------------

READERS: Mapping[str, Reader] = {
    "a channel": Reader(Sink.CHANNEL),
    "compliance": Reader(Sink.PERSON, frozenset({Label.PHI, Label.UNSCREENED})),
    "counsel": Reader(Sink.PERSON, SEALING),
    "a shared channel": Reader(Sink.CHANNEL, outside=True),
    "cleared outsiders": Reader(Sink.PERSON, SEALING, outside=True),
    "a client": Reader(Sink.CLIENT),
    "an export": Reader(Sink.EXPORT),
    "a crm": Reader(Sink.CRM),
    "a model": Reader(Sink.MODEL),
    "a search": Reader(Sink.SEARCH),
    "a log": Reader(Sink.LOG),
    "a metric": Reader(Sink.METRIC),
}
# Who gets a text of: no label, a number in it, legal advice, health, not screened.
GETS: Mapping[str, str] = {
    "a channel": "all masked fact fact fact",
    "compliance": "all masked fact all all",
    "counsel": "all masked all all all",
    "a shared channel": "- - - - -",
    "cleared outsiders": "- - - - -",
    "a client": "all masked fact fact fact",
    "an export": "all masked fact fact fact",
    "a crm": "all masked fact fact fact",
    "a model": "all - - - -",
    "a search": "all - - - -",
    "a log": "- - - - -",
    "a metric": "- - - - -",
}
_FORMS = {"all": Form.FULL, "masked": Form.MASKED, "fact": Form.FACT, "-": Form.NOTHING}


@pytest.mark.parametrize("who", READERS)
def test_each_reader_gets_of_each_label_what_the_table_says(who: str) -> None:
    labels: list[set[Label]] = [
        set(), {Label.PAN}, {Label.PRIVILEGED}, {Label.PHI}, {Label.UNSCREENED},
    ]  # fmt: skip
    got: list[Any] = []
    for one in labels:
        content = Content("the whole of it", frozenset(one), "the fact")
        released = clearance.release(content, READERS[who])
        got.append(released.form)
        assert ("whole" in released.text) is (released.form in (Form.FULL, Form.MASKED))
        assert bool(released.reason) is (released.form is not Form.FULL)
    assert got == [_FORMS[word] for word in GETS[who].split()]
