"""How does a client's mail program answer, and how does a mail server send a mail back?  Pure."""

import datetime as dt
from dataclasses import dataclass
from email.message import EmailMessage

_BOUNDARY = "=_sandbox_report"
_SENTENCES = {
    "5.1.1": "The email account that you tried to reach does not exist.",
    "4.2.2": "The recipient's mailbox is full.",
    "5.2.2": "The recipient's mailbox is full.",
    "5.7.1": "The message was refused by the recipient's policy.",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What a delivery status notification tells."""

    mailbox: str
    code: str
    message_id: str
    original: bytes
    server: str


def thread(mail: EmailMessage, message_id: str, references: str) -> None:
    """Make a mail the answer to another."""
    mail["In-Reply-To"] = message_id
    mail["References"] = f"{references} {message_id}".strip()


def quoted(text: str, sender: str, at: dt.datetime) -> str:
    """The original below an answer, as mail programs quote it."""
    lines = "\n".join(f"> {line}".rstrip() for line in text.rstrip().splitlines())
    return f"On {at:%a, %d %b %Y at %H:%M}, <{sender}> wrote:\n\n{lines}\n"


def delivery_status(mail: EmailMessage, report: Report) -> bytes:
    """A mail with these headers as RFC 3464 multipart/report; ``4.x.y`` codes say delayed."""
    hard = report.code.startswith("5")
    sentence = _SENTENCES.get(report.code, "The message could not be delivered.")
    number = "550" if hard else "452"
    head = report.original.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    parts = (
        (
            "text/plain; charset=utf-8",
            f"Your message to <{report.mailbox}> could not be delivered.\n{sentence}\n",
        ),
        (
            "message/delivery-status",
            (
                f"Reporting-MTA: dns; {report.server}\n"
                f"Original-Message-ID: {report.message_id}\n\n"
                f"Final-Recipient: rfc822; {report.mailbox}\n"
                f"Action: {'failed' if hard else 'delayed'}\n"
                f"Status: {report.code}\n"
                f"Diagnostic-Code: smtp; {number} {report.code} {sentence}\n"
            ),
        ),
        ("text/rfc822-headers", head.replace("\r\n", "\n") + "\n"),
    )
    body = "".join(f"--{_BOUNDARY}\nContent-Type: {what}\n\n{text}\n" for what, text in parts)
    kind = f'multipart/report; report-type=delivery-status; boundary="{_BOUNDARY}"'
    named = f"\nMIME-Version: 1.0\nContent-Type: {kind}\n\n{body}--{_BOUNDARY}--\n"
    return mail.as_bytes().rstrip(b"\r\n") + named.replace("\n", "\r\n").encode()
