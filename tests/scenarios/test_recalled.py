"""A number that should not have been sent, and a client who is erased: which copies are left?"""

import base64
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from sqlmodel import Session, col, select

from billing import vault
from billing.models import Role, Staff, StaffRole, Vault
from bot import inbox
from bot.custody import erasure, incidents, legalholds, nightly, recalls, rights, unscreened
from bot.models import Incident, Incoming, Recall
from bot.report import Wrong, silent
from bot.sandbox import loopback
from bot.sandbox.faults import Fault
from comms.models import Message
from tests import factories
from tests.comms.test_enclosures import a_pdf
from tests.conftest import Database
from tests.factories import CLIENTS, FINANCE, MAIL_SECRET, MAILBOX, PHONE, SENDER, Product

CARD = "5555555555554444"
SSN = "219-09-9999"
OFFICER, CLERK = "officer@harrow.example", "clerk@harrow.example"


@pytest_asyncio.fixture
async def product(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(sqlite_database, tmp_path) as running:
        log = running.app.settings.model_copy(update={"erasure_log": tmp_path / "erasures"})
        running.app = replace(running.app, settings=log)
        running.write(_staffed)
        running.known()
        yield running


def _staffed(session: Session) -> None:
    for email, role in ((OFFICER, Role.COMPLIANCE), (CLERK, Role.ACCOUNT_MANAGER)):
        person = Staff(name=email[:5], email=email)
        session.add(person)
        session.flush()
        session.add(
            StaffRole(staff_id=person.id, role=role, granted_at=factories.NOON, granted_by="test")
        )


async def texted(product: Product, words: str, *media: tuple[str, str]) -> str:
    """A client sends a text; its name at the carrier."""
    assert await product.twilio.text(PHONE, SENDER, words, media) == 200
    await product.settle()
    return [sid for sid, one in product.twilio.messages.items() if one.direction == "inbound"][-1]


def asked(product: Product) -> dict[str, tuple[str, str, int]]:
    """What was asked for, by its kind: where it stands, what came of it, and how many tries."""
    with product.store.read() as session:
        rows = session.exec(select(Recall).order_by(col(Recall.id))).all()
        return {row.change: (row.state, row.outcome or row.problem, row.attempts) for row in rows}


def raw(product: Product) -> str:
    """The request as it is kept."""
    with product.store.read() as session:
        [row] = session.exec(select(Incoming).where(Incoming.source != "twilio.status")).all()
        packed = vault.get(session, product.app.keyring, inbox.body_of(row))
        return inbox.unpacked(row.source, row.external_id, packed).body.decode(errors="replace")


# --- at the carrier -------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [CARD, f"my social is {SSN}"], ids=["card", "ssn"])
async def test_c22_the_carrier_loses_the_words_of_a_text_with_a_number(
    product: Product, number: str
) -> None:
    sid = await texted(product, number)
    assert product.twilio.messages[sid].body == ""
    assert asked(product) == {"redact": ("done", "", 1)}
    assert number.rpartition(" ")[2] not in raw(product)


async def test_a_text_without_a_number_stays_at_the_carrier(product: Product) -> None:
    sid = await texted(product, "I pay on Friday", ("https://x.example/1", "image/png"))
    assert product.twilio.messages[sid].body == "I pay on Friday"
    assert len(product.twilio.messages[sid].media) == 1
    assert asked(product) == {}


async def test_what_came_with_a_card_number_goes_too(product: Product) -> None:
    sid = await texted(product, CARD, ("https://x.example/1", "image/png"))
    assert product.twilio.messages[sid].media == {}
    assert asked(product)["media"] == ("done", "", 1)


async def test_the_same_text_four_times_is_taken_back_once(product: Product) -> None:
    await texted(product, CARD)
    hook = next(one for one in product.twilio.hooks if one.params.get("Body"))
    for _ in range(3):
        await product.twilio._call(hook.url, dict(hook.params))
    await product.settle()
    assert asked(product) == {"redact": ("done", "", 1)}


TROUBLES = {
    "slow down": (Fault.RATE_LIMIT, {"seconds": 30}, 1),
    "down": (Fault.UNAVAILABLE, {}, 2),
    "cut": (Fault.CUT, {}, 2),
    "done, and cut": (Fault.CUT_AFTER_ACCEPT, {}, 2),
    "still on its way": (Fault.REFUSE, {"code": 20009}, 2),
}


@pytest.mark.parametrize("name", TROUBLES)
async def test_the_carrier_is_asked_until_it_has_done_it(product: Product, name: str) -> None:
    fault, detail, tries = TROUBLES[name]
    product.twilio.faults.plan("change", fault, **detail)  # type: ignore[arg-type]
    sid = await texted(product, CARD)
    assert asked(product)["redact"][0] == "pending"
    await product.later(minutes=1)
    assert asked(product)["redact"] == ("done", "", tries)
    assert product.twilio.messages[sid].body == ""


async def test_whoever_dies_between_the_ask_and_the_answer_asks_again(product: Product) -> None:
    product.twilio.faults.plan("change", Fault.UNAVAILABLE, times=1)
    await texted(product, CARD)
    product.clock.turn(product.clock.now() + dt.timedelta(minutes=1))
    begun = product.write(lambda session: recalls._begin(session, product.app, 1))
    assert begun is not None
    assert await recalls.recall(product.app) == 0  # the one who died still has it
    await product.later(minutes=2)
    assert asked(product)["redact"] == ("done", "", 3)


async def test_a_text_that_the_carrier_no_longer_has_is_gone(product: Product) -> None:
    product.twilio.faults.plan("change", Fault.UNAVAILABLE)
    sid = await texted(product, CARD)
    del product.twilio.messages[sid]
    await product.later(minutes=1)
    assert asked(product)["redact"] == ("done", "gone", 2)


async def test_c22_compliance_hears_of_a_card_once_a_day_and_where_it_is_left(
    product: Product,
) -> None:
    product.twilio.faults.plan("change", Fault.REFUSE, code=21601, status=400)
    await texted(product, CARD)
    await texted(product, f"again: {CARD}")
    await product.later(minutes=3)
    told = [post.text for post in product.slack.messages(FINANCE)]
    cards = [repr(post.blocks) for post in product.slack.messages(FINANCE) if "card" in post.text]
    assert len(cards) == 1, told
    assert "did not let its copy go (21601)" in cards[0]
    with product.store.read() as session:
        rows = incidents.listed(session, closed=True).data["incidents"]
    assert [row["provider"][:32] for row in rows] == [
        "The carrier did not let its copy",
        "The carrier's copy was redacted ",
    ]
    assert CARD not in repr(rows) + repr(told) + repr(cards)


# --- in a mail ------------------------------------------------------------------------------------


async def mailed(product: Product, mail: EmailMessage | bytes) -> None:
    if isinstance(mail, EmailMessage):
        mail["From"], mail["Message-ID"] = MAILBOX, "<1@c>"
        mail = mail.as_bytes()
    secret = {"Authorization": f"Bearer {MAIL_SECRET}"}
    assert await product.post("/hooks/email", mail, secret) == 200
    await product.settle()


async def test_c22_a_card_in_an_attached_file_is_not_kept_and_its_words_are(
    product: Product,
) -> None:
    mail = EmailMessage()
    mail.set_content("see the file")
    content = a_pdf("The roof leaks again.", f"card {CARD} exp 12/27")
    mail.add_attachment(content, maintype="application", subtype="pdf", filename="pay.pdf")
    mail.add_attachment("a,b\n", filename="list.csv")
    await mailed(product, mail)
    kept = raw(product)
    assert "The roof leaks again." in kept
    assert "pay.pdf.txt" in kept
    assert "list.csv" in kept
    assert "%PDF" not in kept
    assert CARD not in kept
    assert "pay safely" in product.mail.letters[-1].text.lower()
    with product.store.read() as session:
        [incident] = session.exec(select(Incident)).all()
        [row] = incidents.listed(session, closed=True).data["incidents"]
    assert incident.labels.split()[0] == "pan"
    assert row["provider"] == "Mail cannot be taken back."


async def test_staff_hear_of_a_file_that_nobody_read_and_do_not_see_it(product: Product) -> None:
    mail = EmailMessage()
    mail.set_content("Paid today.")
    mail.add_attachment(b"\x89PNG\x00", maintype="image", subtype="png", filename="photo.png")
    await mailed(product, mail)
    shown = repr([post.blocks for post in product.slack.messages(CLIENTS)])
    assert "Paid today." in shown
    assert "1 attachment: photo.png; 1 not read (a picture)" in shown


async def test_what_is_sealed_in_a_file_seals_the_letter(product: Product) -> None:
    mail = EmailMessage()
    mail.set_content("Please see the file.")
    advice = "Our lawyer advises us to settle the Bram suit before trial and to say nothing."
    mail.add_attachment(advice, filename="note.txt")
    await mailed(product, mail)
    shown = repr([post.blocks for post in product.slack.messages(CLIENTS)])
    assert "Sealed: legal advice" in shown
    assert "Please see the file." not in shown
    assert "note.txt" not in shown


async def test_of_a_stranger_too_a_file_seals_the_letter(product: Product) -> None:
    mail = EmailMessage()
    mail["From"], mail["Message-ID"] = "who@knows.example", "<2@c>"
    mail.set_content("Please see the file.")
    mail.add_attachment("Our lawyer advises us to settle the Bram suit before trial.", filename="n")
    await mailed(product, mail.as_bytes())
    shown = repr([post.blocks for post in product.slack.messages(CLIENTS)])
    assert "Sealed: legal advice" in shown
    assert "Please see the file." not in shown


# --- what no machine reads ------------------------------------------------------------------------


def unreadable(card: str) -> bytes:
    deep = b"Content-Type: message/rfc822\r\n\r\n" * 50
    return b"From: a@b.example\r\n" + deep + f"my card: {card}, and a roof".encode()


async def test_what_cannot_be_read_is_kept_sealed_without_the_card_in_it(product: Product) -> None:
    await mailed(product, unreadable(CARD))
    assert CARD not in raw(product)
    assert "and a roof" in raw(product)
    with product.store.read() as session:
        row = session.exec(select(Incoming)).one()
        body = session.get_one(Vault, row.body_id)
    assert (row.state, row.labels) == ("unreadable", "unscreened")
    assert body.expires_at is not None
    told = [post.text for post in product.slack.messages(FINANCE)]
    assert any("cannot be read" in one for one in told)
    assert "roof" not in repr([post.blocks for post in product.slack.messages(FINANCE)])


async def test_who_is_cleared_reads_it_and_closes_it(product: Product) -> None:
    await mailed(product, unreadable(CARD))
    with pytest.raises(Wrong, match="may not see what nobody has screened"):
        await unscreened.read(product.app, {"incident": 1, "by": CLERK}, silent)
    report = await unscreened.read(product.app, {"incident": 1, "by": OFFICER}, silent)
    assert any("and a roof" in line for line in report.lines)
    with product.store.read() as session:
        assert session.get_one(Incident, 1).read_by == OFFICER
        assert len(incidents.listed(session).data["incidents"]) == 1
    await unscreened.close(product.app, {"incident": 1, "by": OFFICER}, silent)
    with product.store.read() as session:
        assert incidents.listed(session).data["incidents"] == []


# --- whoever is erased ----------------------------------------------------------------------------

WHO = {"client": "Northwind Trading", "reason": "Art. 17 request of March"}


async def test_c20_texts_and_cards_of_who_is_erased_go_at_their_providers(
    product: Product,
) -> None:
    known = product.known("Southgate Mills", phone="+12125550188", email="s@southgate.example")
    product.note(known, words="hello", channel="sms")
    await texted(product, "please forget me")
    await product.settle()
    assert product.slack.messages(CLIENTS)
    assert len(product.twilio.messages) == 2
    opened = {"client": WHO["client"], "kind": "erasure", "received": "2026-01-06"}
    await rights.open_(product.app, opened, silent)
    report = await erasure.erase(product.app, WHO, silent)
    assert "texts at the carrier" in "\n".join(report.lines)
    product.twilio.faults.plan("change", Fault.UNAVAILABLE)
    product.slack.faults.plan("chat.delete", Fault.CUT_AFTER_ACCEPT)
    await product.settle()
    with product.store.read() as session:
        waits = rights.listed(session, product.app.office()).data["cases"][0]["copies"]
    assert "asked for" in waits
    await product.later(minutes=2)
    with product.store.read() as session:
        gone = rights.listed(session, product.app.office()).data["cases"][0]["copies"]
    assert "asked for" not in gone
    assert [one.to for one in product.twilio.messages.values()] == ["+12125550188"]
    assert product.slack.messages(CLIENTS) == []


async def test_what_was_on_the_wire_while_its_client_was_erased_goes_as_well(
    product: Product,
) -> None:
    await texted(product, "please forget me")
    await erasure.erase(product.app, WHO, silent)
    await product.settle()
    late = await texted_by_us(product)

    def named(session: Session) -> None:
        message = session.exec(select(Message).where(Message.client_id == 1)).all()[-1]
        message.channel, message.provider_id = "sms", late
        message.sent_at = product.clock.now() + dt.timedelta(minutes=1)

    product.write(named)
    await nightly.tidy(product.app)
    await product.later(minutes=1)
    assert late not in product.twilio.messages


async def texted_by_us(product: Product) -> str:
    """A text that the carrier has, of which we have not heard yet."""
    account = product.twilio.account_sid
    body = urlencode({"To": PHONE, "From": SENDER, "Body": "hello"}).encode()
    base = product.app.settings.twilio_base_url
    secret = base64.b64encode(f"{account}:{product.twilio.auth_token}".encode()).decode()
    headers = {
        "Authorization": f"Basic {secret}", "Content-Type": "application/x-www-form-urlencoded",
    }  # fmt: skip
    url = f"{base}/2010-04-01/Accounts/{account}/Messages.json"
    assert (await loopback.post(url, body, headers)).status == 201
    await product.twilio.settle()
    return list(product.twilio.messages)[-1]


async def test_c25_evidence_at_a_provider_waits_for_the_end_of_a_hold(product: Product) -> None:
    await texted(product, "please forget me")
    await erasure.erase(product.app, WHO, silent)
    hold = {"client": "client:1", "matter": "Doe v. Roe", "reason": "counsel"}
    await legalholds.place(product.app, hold, silent)
    await product.settle()
    assert len(product.twilio.messages) == 1
    await legalholds.release(product.app, hold, silent)
    await product.later(hours=7)
    assert len(product.twilio.messages) == 0
