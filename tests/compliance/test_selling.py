"""C-18 and C-19: commercial mail says where it is from, ends by one click, and stops by itself."""

from pathlib import Path

import aiohttp
import pytest
from sqlmodel import Session, select
from yarl import URL

from bot.sandbox import loopback
from bot.unsubscribe import Links
from comms import consent
from comms.channels import feedback
from comms.compliance import disclosure
from comms.models import ConsentEvent, State
from comms.rendering import Templates
from comms.writing import template_lint
from tests.compliance.house import House
from tests.factories import FINANCE

REPORT = """From: fbl@mailbox.example\r
To: accounts@harrow.example\r
Subject: Complaint\r
Message-ID: <{number}@mailbox.example>\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r
\r
--b\r
Content-Type: text/plain\r
\r
Somebody called this spam.\r
--b\r
Content-Type: message/feedback-report\r
\r
Feedback-Type: {kind}\r
User-Agent: Mailbox/1.0\r
Version: 1\r
\r
--b\r
Content-Type: {part}\r
\r
From: accounts@harrow.example\r
Subject: Something more\r
Message-ID: <{reference}@harrow.example>\r
\r
Words.\r
--b--\r
"""


def link_of(headers: object) -> str:
    return str(headers["list-unsubscribe"]).partition(">")[0].strip("<")  # type: ignore[index]


def wants_offers(house: House) -> bool:
    with house.product.store.read() as session:
        held = consent.of_address(session, house.known.email_id or 0)
    return held.about(consent.MARKETING).standing is not consent.Standing.REVOKED


async def offered(house: House) -> str:
    """An offer left; its link."""
    house.offer()
    await house.product.settle()
    return link_of(house.mails()[-1].headers)


async def opened(link: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as person, person.get(URL(link, encoded=True)) as answer:
        return answer.status, await answer.text()


async def post(house: House, link: str, body: bytes = b"List-Unsubscribe=One-Click") -> int:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await loopback.post(link, body, kind)
    await house.product.settle()
    return answer.status


async def test_c18_an_offer_has_an_address_and_a_way_to_say_no(house: House) -> None:
    link = await offered(house)
    (mail,) = house.mails()
    assert mail.headers["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    assert link.startswith(f"{house.product.url}/unsubscribe/")
    for words in ("12 Tanner Row, Albany", link):
        assert words in mail.text
        assert words in mail.html


async def test_c18_what_is_about_the_account_has_neither(house: House) -> None:
    house.product.reminder(house.known)
    await house.product.settle()
    (mail,) = house.mails()
    assert "list-unsubscribe" not in mail.headers
    assert "unsubscribe" not in mail.text


def upselling(folder: Path, footer: str) -> Path:
    """A receipt of the firm's own, with something to buy below it."""
    words = f"Thank you. Upgrade to our yearly plan, 20 % off.\n{footer}"
    made = folder / "receipt"
    made.mkdir(parents=True)
    for part in ("subject.txt.j2", "email.txt.j2", "email.html.j2", "sms.txt.j2"):
        text = "Thank you" if part[0] == "s" else words
        (made / part).write_text(text)
    return folder


def test_c18_an_upsell_makes_a_receipt_commercial(tmp_path: Path) -> None:
    assert Templates().sells("receipt", "email") == ""
    assert Templates([upselling(tmp_path, "")]).sells("receipt", "email") == "Upgrade to"


def test_c18_what_sells_needs_its_footer(tmp_path: Path) -> None:
    bare = template_lint.lint(upselling(tmp_path / "bare", ""))
    assert {one.file for one in bare} == {"receipt/email.txt.j2", "receipt/email.html.j2"}
    assert all("{{ firm.postal_address }} and {{ unsubscribe_link }}" in m.sentence for m in bare)
    footer = "{{ firm.postal_address }} {{ unsubscribe_link }}"
    assert template_lint.lint(upselling(tmp_path / "whole", footer)) == []


async def test_c19_opening_the_link_again_and_again_changes_nothing(house: House) -> None:
    link = await offered(house)
    for _ in range(20):
        status, page = await opened(link)
        assert (status, "<form" in page) == (200, True)
    await house.product.settle()
    assert wants_offers(house)


async def test_c19_one_click_ends_offers_and_nothing_else(house: House) -> None:
    link = await offered(house)
    waiting = house.offer()
    assert await post(house, link) == 200
    assert not wants_offers(house)
    assert house.messages(id=waiting)[0].state == State.CANCELLED
    reminder = house.product.reminder(house.known)
    await house.product.later(days=1)
    assert house.messages(id=reminder)[0].state in {State.SENT, State.DELIVERED}


async def test_c19_a_click_twice_is_one_no(house: House) -> None:
    link = await offered(house)
    assert [await post(house, link), await post(house, link, b"")] == [200, 200]
    await house.product.later(minutes=2)
    assert await post(house, link) == 200
    with house.product.store.read() as session:
        assert len(consent_events(session)) == 1


def consent_events(session: Session) -> list[ConsentEvent]:
    query = select(ConsentEvent).where(ConsentEvent.topic == consent.MARKETING)
    return list(session.exec(query))


LINKS = Links("https://cf.example", [bytes(range(32)), bytes(32)])
LINK = LINKS.of("Jx0-_9aZ7Kd92xQb").rpartition("/")[2]


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(LINK[:-1], id="cut off"),
        pytest.param(LINK[:-4] + "AAAA", id="another signature"),
        pytest.param("x" + LINK, id="another mail"),
        pytest.param(LINK.replace("Jx0", "jx0"), id="another case"),
        pytest.param("%00.%F0", id="rubbish"),
        pytest.param("é.é", id="not ASCII"),
        pytest.param(".", id="nothing"),
        pytest.param("a" * 100_000, id="long"),
        pytest.param(Links("", [bytes(31) + b"x"]).of("Jx0").rpartition("/")[2], id="other key"),
    ],
)
def test_c19_a_link_that_is_not_ours_names_no_mail(token: str) -> None:
    assert LINKS.reference(token) is None


def test_c19_a_link_holds_while_the_master_key_is_changed() -> None:
    before = Links("https://cf.example", [bytes(32)]).of("Jx0-_9aZ7Kd92xQb")
    assert LINKS.reference(before.rpartition("/")[2]) == "Jx0-_9aZ7Kd92xQb"
    assert LINKS.reference(LINK) == "Jx0-_9aZ7Kd92xQb"


async def test_c19_a_forged_link_changes_nothing(house: House) -> None:
    link = (await offered(house))[:-4] + "AAAA"
    assert await post(house, link) == 404
    assert (await opened(link))[0] == 404
    assert wants_offers(house)


async def complain(house: House, reference: str) -> None:
    await house.raw(report(reference=reference, number=reference).decode())


async def test_c19_a_complaint_ends_offers_and_stops_the_stream(house: House) -> None:
    await offered(house)
    await complain(house, house.messages(purpose="offer")[0].reference)
    assert not wants_offers(house)
    assert "Offers by mail have stopped" in house.slack(FINANCE)
    assert "12 CFR" not in house.slack(FINANCE)
    other = house.product.known("Bramble", phone=None, email="bo@bramble.example")
    house.known = other
    waiting = house.offer()
    await house.product.later(days=1)
    held = house.messages(id=waiting)[0]
    assert (held.state, held.rule) == (State.HELD, "complaints")
    await house.product.later(days=8)
    assert house.messages(id=waiting)[0].state in {State.SENT, State.DELIVERED}


@pytest.mark.parametrize(
    ("complaints", "sent", "stops"),
    [(0, 0, False), (0, 10_000, False), (1, 1_001, False), (1, 1_000, True), (3, 1_000, True),
     (9, 10_000, False), (10, 10_000, True)],
)  # fmt: skip
def test_c19_one_in_a_thousand_is_too_much(complaints: int, sent: int, stops: bool) -> None:  # noqa: FBT001
    assert disclosure.complaints().is_too_much(complaints, sent) is stops


def report(**given: str) -> bytes:
    usual = {"reference": "AAAAAAAAAAAAAAAA", "kind": "abuse", "part": "message/rfc822"}
    return REPORT.format(**usual | {"number": "1"} | given).encode()


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "rubbish", ""])
def test_c19_what_is_no_complaint_is_none(kind: str) -> None:
    assert feedback.reports(report(kind=kind)) == []


@pytest.mark.parametrize("part", ["message/rfc822", "text/rfc822-headers"])
def test_c19_a_complaint_is_known_by_the_mail_that_came_back(part: str) -> None:
    (found,) = feedback.reports(report(part=part))
    assert (found.reference, found.how) == ("AAAAAAAAAAAAAAAA", "complaint")


async def test_c19_nobody_complains_of_a_mail_that_is_not_ours(house: House) -> None:
    await offered(house)
    await complain(house, "AAAAAAAAAAAAAAAA")
    assert wants_offers(house)
