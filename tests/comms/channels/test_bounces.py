"""What mail servers write when a mail comes back, in the manner of each."""

import pytest

from comms.channels import bounces
from comms.facts import Standing

OURS = "Yk3v-Q0aZ_7wPbhc"
HEADER = f"Message-ID: <{OURS}@harrow.example>\nSubject: Reminder\nFrom: accounts@harrow.example\n"
BLOCKS = """Reporting-MTA: dns; mx.client.example
Arrival-Date: Tue, 6 Jan 2026 12:00:00 +0000

Final-Recipient: rfc822; ap@client.example
Original-Recipient: rfc822;ap@client.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; inbound.client.example
Diagnostic-Code: smtp; 550 5.1.1 <ap@client.example>: Recipient address rejected
"""


def returned(blocks: str = BLOCKS, header: str = HEADER, kind: str = "message/rfc822") -> bytes:
    """A report with the mail that came back, or its header alone."""
    letter = f"{header}\nPlease pay.\n" if kind == "message/rfc822" else header
    return (
        "From: MAILER-DAEMON@mx.client.example\nTo: accounts@harrow.example\n"
        "Subject: Undelivered Mail Returned to Sender\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b1"\n\n'
        "--b1\nContent-Type: text/plain\n\nI am sorry to have to inform you.\n\n"
        f"--b1\nContent-Type: message/delivery-status\n\n{blocks}\n"
        f"--b1\nContent-Type: {kind}\n\n{letter}\n--b1--\n"
    ).encode()


@pytest.mark.parametrize("kind", ["message/rfc822", "text/rfc822-headers"])
def test_a_failed_delivery_names_our_mail_its_reader_and_the_reason(kind: str) -> None:
    (found,) = bounces.reports(returned(kind=kind))
    assert (found.reference, found.recipient) == (OURS, "ap@client.example")
    assert (found.standing, found.code) == (Standing.FAILED, "5.1.1")
    assert found.sentence
    assert "client.example" not in found.sentence


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        (BLOCKS.replace("failed", "delayed"), []),
        (BLOCKS.replace("failed", "relayed"), []),
        (BLOCKS.replace("failed", "delivered"), [(Standing.DELIVERED, "")]),
        (BLOCKS.replace("Action: failed", "ACTION:  Failed (no such user)"), []),
        (BLOCKS.replace("Action: failed", "action:FAILED"), [(Standing.FAILED, "5.1.1")]),
        (BLOCKS.replace("Status: 5.1.1", "Status: 4.4.7 (expired)"), [(Standing.FAILED, "4.4.7")]),
        (BLOCKS.replace("Status: 5.1.1\n", ""), [(Standing.FAILED, "5.0.0")]),
        (BLOCKS.replace("\n", "\r\n"), [(Standing.FAILED, "5.1.1")]),
        ("", []),
        ("\n\n\n", []),
        ("Action: failed\n" * 3, [(Standing.FAILED, "5.0.0")]),
    ],
    ids=[
        "delayed", "relayed", "delivered", "an action that is none", "odd case", "expired",
        "without a status", "carriage returns", "nothing", "empty lines", "no recipient",
    ],
)  # fmt: skip
def test_only_an_end_is_reported(blocks: str, expected: list[tuple[Standing, str]]) -> None:
    found = bounces.reports(returned(blocks))
    assert [(one.standing, one.code) for one in found] == expected


def test_many_recipients_are_bounded() -> None:
    one = BLOCKS.partition("\n\n")[2]
    assert len(bounces.reports(returned("\n".join([one] * 60)))) == 20


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\x00multipart/report", b"Subject: hello\n\nmultipart/report is a word\n",
        returned(header="Subject: no id\n"), returned(header="Message-ID: <a b@c>\n"),
        returned(header="Message-ID: <>\n"), returned().replace(b"delivery-status", b"other"),
    ],
    ids=["nothing", "rubbish", "a word", "no id", "a broken id", "an empty id", "another report"],
)  # fmt: skip
def test_what_is_no_report_on_one_of_ours_says_nothing(raw: bytes) -> None:
    assert bounces.reports(raw) == []
