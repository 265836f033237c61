"""Does the stand-in take, refuse and answer mail as real servers and mailboxes do?"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import aiosmtplib
import pytest

from billing.clock import TurnedClock
from bot.sandbox.faults import Fault
from bot.sandbox.smtp import Letter, Mail

OURS = "billing@firm.test"
ADA = "ada@client.test"


@pytest.fixture
async def mail(clock: TurnedClock, product: Any) -> Mail:
    mail = Mail(clock)
    mail.inbound_url = f"{product.url}/hooks/email"
    mail.inbound_secret = "hook-secret"
    return mail


@pytest.fixture
async def port(mail: Mail) -> AsyncIterator[int]:
    async with mail.serving() as port:
        yield port


def _letter(**headers: str) -> EmailMessage:
    letter = EmailMessage()
    defaults = {
        "From": f"Firm <{OURS}>",
        "To": ADA,
        "Subject": "Invoice INV-7 — reminder",
        "Date": "Mon, 02 Mar 2026 15:00:00 +0000",
        "Message-ID": "<one@firm.test>",
    }
    for name, value in (defaults | headers).items():
        if value:
            letter[name] = value
    letter.set_content("Invoice INV-7 is open.\n")
    letter.add_alternative("<p>Invoice INV-7 is open.</p>", subtype="html")
    return letter


async def _send(port: int, letter: EmailMessage | None = None, *to: str) -> Any:
    return await aiosmtplib.send(
        letter or _letter(),
        sender=OURS,
        recipients=list(to or (ADA,)),
        hostname="127.0.0.1",
        port=port,
        timeout=60,
        start_tls=False,
    )


async def test_a_taken_mail_lies_in_the_mailbox(port: int, mail: Mail, clock: TurnedClock) -> None:
    _, answer = await _send(port)
    [letter] = mail.mailboxes[ADA]
    assert "queued" in answer
    assert (letter.sender, letter.recipients, letter.at) == (OURS, (ADA,), clock.now())
    assert letter.subject == "Invoice INV-7 — reminder"
    assert letter.message_id == "<one@firm.test>"
    assert letter.text.strip() == "Invoice INV-7 is open."
    assert letter.html.strip() == "<p>Invoice INV-7 is open.</p>"


async def test_more_than_one_recipient_is_seen(port: int, mail: Mail) -> None:
    await _send(port, None, ADA, "Bob@Client.test")
    assert mail.letters[0].recipients == (ADA, "Bob@Client.test")
    assert len(mail.mailboxes["bob@client.test"]) == 1


@pytest.mark.parametrize(
    ("command", "fault", "detail", "code"),
    [
        pytest.param(
            *("rcpt", Fault.REFUSE, {"status": 550, "reason": "5.1.1 User unknown"}, 550),
            id="unknown user",
        ),
        pytest.param(
            *("rcpt", Fault.REFUSE, {"status": 452, "reason": "4.2.2 Mailbox full"}, 452),
            id="mailbox full",
        ),
        pytest.param(
            *("data", Fault.REFUSE, {"status": 451, "reason": "4.7.1 Try later"}, 451),
            id="greylisted",
        ),
        pytest.param(
            *("data", Fault.REFUSE, {"status": 554, "reason": "5.7.1 Policy"}, 554), id="policy"
        ),
        pytest.param(
            *("mail", Fault.REFUSE, {"status": 421, "reason": "4.3.2 Closing"}, 421), id="closing"
        ),
    ],
)
async def test_a_planned_refusal_keeps_nothing(
    port: int, mail: Mail, command: str, fault: Fault, detail: Any, code: int
) -> None:
    mail.faults.plan(command, fault, **detail)
    with pytest.raises(aiosmtplib.SMTPException) as refusal:
        await _send(port)
    assert str(code) in str(vars(refusal.value) | {"text": str(refusal.value)})
    assert mail.letters == []
    await _send(port)
    assert len(mail.letters) == 1


@pytest.mark.parametrize(
    ("command", "fault", "detail", "kept"),
    [
        pytest.param("data", Fault.CUT, {}, 0, id="cut"),
        pytest.param("rcpt", Fault.CUT, {}, 0, id="cut at rcpt"),
        pytest.param("data", Fault.CUT_AFTER_ACCEPT, {}, 1, id="cut after accept"),
        pytest.param("data", Fault.TIMEOUT_AFTER_ACCEPT, {"seconds": 0.05}, 1, id="silent after"),
        pytest.param("data", Fault.TIMEOUT, {"seconds": 0.05}, 0, id="silent"),
    ],
)
async def test_the_wire_breaks_as_planned(
    port: int, mail: Mail, command: str, fault: Fault, detail: Any, kept: int
) -> None:
    mail.faults.plan(command, fault, **detail)
    with pytest.raises((aiosmtplib.SMTPException, OSError)):
        await _send(port)
    assert len(mail.letters) == kept


async def test_a_slow_server_still_takes_it(port: int, mail: Mail) -> None:
    mail.faults.plan("data", Fault.SLOW, seconds=0.05)
    await _send(port)
    assert len(mail.letters) == 1


async def test_a_mailbox_that_is_gone_stays_gone(port: int, mail: Mail) -> None:
    mail.refused[ADA] = "550 5.1.1 User unknown"
    for _again in range(2):
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
            await _send(port)
    await _send(port, None, "bob@client.test")


async def test_a_fault_waits_for_its_recipient(port: int, mail: Mail) -> None:
    mail.faults.plan("rcpt", Fault.REFUSE, status=550, match=lambda facts: facts["to"] == ADA)
    await _send(port, None, "bob@client.test")
    assert mail.faults.waiting() == 1


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(b"From: a@b.test\r\n\r\nHi\r\n", b"550 5.6.0", id="no Message-ID"),
        pytest.param(
            b"From: a@b.test\r\nFrom: c@d.test\r\nDate: x\r\nMessage-ID: <1@b>\r\n\r\nHi\r\n",
            b"550 5.6.0",
            id="two From",
        ),
        pytest.param(
            b"From: a@b.test\r\nDate: x\r\nMessage-ID: <1@b>\r\n\r\nHi\nthere\r\n",
            b"550 5.6.11",
            id="bare LF",
        ),
        pytest.param(
            b"From: a@b.test\r\nDate: x\r\nMessage-ID: <1@b>\r\n\r\nHi\rthere\r\n",
            b"550 5.6.11",
            id="bare CR",
        ),
        pytest.param(
            "From: é@b.test\r\nDate: x\r\nMessage-ID: <1@b>\r\n\r\nHi\r\n".encode(),
            b"554 5.6.7",
            id="raw UTF-8 header",
        ),
        pytest.param(
            b"From: a@b.test\r\nDate: x\r\nMessage-ID: <1@b>\r\n\r\n" + b"x" * 1100 + b"\r\n",
            b"500",
            id="line too long",
        ),
    ],
)
async def test_a_malformed_mail_is_refused(port: int, mail: Mail, raw: bytes, code: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    commands = b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<ada@client.test>\r\nDATA\r\n"
    writer.write(commands + raw + b".\r\nQUIT\r\n")
    heard = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert b"\r\n354 " in heard
    assert heard.partition(b"\r\n354 ")[2].splitlines()[1].startswith(code)
    assert mail.letters == []


async def test_an_answer_threads_and_quotes(port: int, mail: Mail, product: Any) -> None:
    await _send(port)
    status = await mail.write(
        f"Ada <{ADA}>", OURS, "Re: INV-7", "Paid today — thanks", mail.mailboxes[ADA][0], "<b>x</b>"
    )
    heard = product.heard[0]
    parsed: Any = message_from_bytes(heard.body, policy=policy.default)
    assert status == 200
    assert heard.headers["authorization"] == "Bearer hook-secret"
    assert (parsed["In-Reply-To"], parsed["References"]) == ("<one@firm.test>",) * 2
    assert parsed["Message-ID"].endswith("@client.test>")
    assert parsed["Authentication-Results"].startswith("mx.sandbox.test;")
    text = parsed.get_body(("plain",)).get_content()
    assert text.startswith("Paid today — thanks\r\n")
    assert "> Invoice INV-7 is open." in text
    assert parsed.get_body(("html",)).get_content().strip() == "<b>x</b>"
    assert b"\n" not in heard.body.replace(b"\r\n", b"")


async def test_a_new_mail_threads_with_nothing(mail: Mail, product: Any) -> None:
    await mail.write(ADA, OURS, "A question", "Which invoice?")
    parsed: Any = message_from_bytes(product.heard[0].body, policy=policy.default)
    assert parsed["In-Reply-To"] is None
    assert parsed["Subject"] == "A question"


async def test_an_absent_person_answers_automatically(port: int, mail: Mail, product: Any) -> None:
    await _send(port)
    await mail.out_of_office(mail.letters[0], ADA, "Back on 9 March")
    parsed: Any = message_from_bytes(product.heard[0].body, policy=policy.default)
    assert (parsed["Auto-Submitted"], parsed["Return-Path"]) == ("auto-replied", "<>")
    assert parsed["In-Reply-To"] == "<one@firm.test>"


@pytest.mark.parametrize(
    ("code", "action"), [("5.1.1", "failed"), ("4.2.2", "delayed"), ("5.7.1", "failed")]
)
async def test_a_bounce_is_a_delivery_report(
    mail: Mail, product: Any, clock: TurnedClock, code: str, action: str
) -> None:
    raw = b"Message-ID: <one@firm.test>\r\nSubject: Invoice\r\n\r\nHello\r\n"
    letter = Letter(clock.now(), OURS, (ADA,), raw, {"message-id": "<one@firm.test>"}, "", "")
    assert await mail.bounce(letter, ADA, code) == 200
    parsed: Any = message_from_bytes(product.heard[0].body, policy=policy.default)
    assert parsed.get_content_type() == "multipart/report"
    assert parsed.get_param("report-type") == "delivery-status"
    _, report, head = parsed.iter_parts()
    server, mailbox = report.get_payload()
    assert server["Original-Message-ID"] == "<one@firm.test>"
    assert (mailbox["Status"], mailbox["Action"]) == (code, action)
    assert mailbox["Final-Recipient"] == f"rfc822; {ADA}"
    assert "Message-ID: <one@firm.test>" in head.get_content()


async def test_raw_bytes_arrive_as_they_are(mail: Mail, product: Any) -> None:
    product.answers = [(401, "", {})]
    assert await mail.deliver_raw(b"From: x\n\n\xff\x00 not mail") == 401
    assert product.heard[0].body == b"From: x\n\n\xff\x00 not mail"


async def test_business_time_dates_the_mail(mail: Mail, product: Any, clock: TurnedClock) -> None:
    clock.turn(clock.now() + dt.timedelta(days=40))
    await mail.write(ADA, OURS, "Later", "x")
    parsed: Any = message_from_bytes(product.heard[0].body, policy=policy.default)
    assert parsed["Date"].datetime == clock.now()
