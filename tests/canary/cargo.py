"""What people should not have written, and every way by which it may come in.

Each way has needles of its own, so that what is found somewhere says by which way it came.
"""

import base64
import quopri
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from email.header import Header
from typing import Any

from tests.canary import needles
from tests.canary.needles import Kind, Needle

CLIENT, MAILBOX, PHONE = "Lantern Theatre", "bruno@lantern.example", "+12125550112"
STRANGER, STRANGERS_PHONE = "somebody@stranger.example", "+12125550177"
OURS = "accounts@harrowlark.example"


@dataclass(frozen=True, slots=True)
class Words:
    """Some words, and the needles in them."""

    text: str
    needles: tuple[Needle, ...]


def numbers(way: str) -> Words:
    """All that is covered, in one message."""
    pan, social, bank = needles.card(way), needles.ssn(way), needles.iban(way)
    account, secret = needles.account(way), needles.password(way)
    text = (
        f"Please take it from my card {pan.text} exp 12/27. My SSN is {social.text}.\n"
        f"Our IBAN is {bank.text}. Routing number 021000021, account number {account.text}.\n"
        f"The password: {secret.text}"
    )
    return Words(text, (pan, social, bank, account, secret))


def only_card(way: str) -> Words:
    """A card number, as it stands alone."""
    pan = needles.card(way)
    return Words(pan.text, (pan,))


def advice(way: str) -> Words:
    """What a client and their lawyer say to each other."""
    suit = needles.word(f"advice {way}", Kind.SEALED)
    text = (
        f"Our lawyer advises us to settle the {suit.text} suit before trial and to say nothing"
        " about the second contract. INV-5512 is approved for payment."
    )
    return Words(text, (suit,))


def health(way: str) -> Words:
    """Why somebody cannot pay."""
    clinic = needles.word(f"health {way}", Kind.SEALED)
    text = (
        "My daughter was diagnosed with leukemia last month and her chemotherapy at the"
        f" {clinic.text} clinic costs all we have. We cannot pay before March."
    )
    return Words(text, (clinic,))


def ordinary(way: str) -> Words:
    """Nothing that anybody would have to hide."""
    dog = needles.word(way, Kind.PLAIN)
    return Words(f"Our dog {dog.text} ate the bill, please send it again.", (dog,))


Make = Callable[[str], Words]
CONTENTS: Mapping[str, Make] = {"numbers": numbers, "advice": advice, "health": health}


# --- mail -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it comes over the wire."""

    raw: bytes
    needles: tuple[Needle, ...]


def _wrapped(head: str, body: bytes) -> bytes:
    return head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


def _plain(text: str) -> bytes:
    return _wrapped("Content-Type: text/plain; charset=utf-8", text.encode())


def _html(text: str) -> bytes:
    body = f"<html><body><p>{text[:60]}<b>{text[60:]}</b></p></body></html>"
    return _wrapped("Content-Type: text/html; charset=utf-8", body.encode())


def _base64(text: str) -> bytes:
    head = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64"
    return _wrapped(head, base64.encodebytes(text.encode()))


def _quoted_printable(text: str) -> bytes:
    head = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable"
    return _wrapped(head, quopri.encodestring(f"Höflich: {text}".encode()))


def _wide(text: str) -> bytes:
    head = "Content-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64"
    return _wrapped(head, base64.encodebytes(text.encode("utf-16")))


def _flowed(text: str) -> bytes:
    lines = text.replace(" ", " \r\n", 12)
    return _wrapped("Content-Type: text/plain; charset=utf-8; format=flowed", lines.encode())


def _mixed(text: str) -> bytes:
    return _parts(_plain(text), _html(text), kind="alternative")


def _parts(*parts: bytes, kind: str = "mixed") -> bytes:
    inner = b"".join(b"--=_cut\r\n" + part + b"\r\n" for part in parts)
    return _wrapped(f"Content-Type: multipart/{kind}; boundary==_cut", inner + b"--=_cut--\r\n")


def _quoting(text: str) -> bytes:
    quoted = "\r\n".join(f"> {line}" for line in text.splitlines())
    return _plain(f"Yes, as he says.\r\n\r\nOn 3 Jan 2026 at 10:00, Ann wrote:\r\n{quoted}\r\n")


def _attached(text: str) -> bytes:
    head = "Content-Type: text/plain; name=note.txt\nContent-Disposition: attachment"
    return _parts(_plain("See the note."), _wrapped(head, text.encode()))


def _forwarded(text: str) -> bytes:
    inner = b"From: ann@elsewhere.example\r\nSubject: a word\r\n" + _plain(text)
    return _parts(_plain("See below."), _wrapped("Content-Type: message/rfc822", inner))


_SHAPES: Mapping[str, Callable[[str], bytes]] = {
    "plain": _plain, "html": _html, "base64": _base64, "quoted-printable": _quoted_printable,
    "utf-16": _wide, "flowed": _flowed, "alternative": _mixed, "quoting": _quoting,
    "attached text": _attached, "forwarded": _forwarded,
}  # fmt: skip


def letters() -> Iterator[Letter]:
    """Every content in every shape, and whatever else of a mail can hold words."""
    for name, make in CONTENTS.items():
        for shape, write in _SHAPES.items():
            words = make(f"mail {shape} {name}")
            yield _mail(words, write(words.text))
        for sender in (MAILBOX, STRANGER):
            words = make(f"mail subject {sender} {name}")
            line = Header(" ".join(words.text.split()), "utf-8", maxlinelen=60).encode()
            yield _mail(words, _plain("As the subject says."), subject=line, sender=sender)
        words = make(f"mail of a stranger {name}")
        yield _mail(words, _plain(words.text), sender=STRANGER)
        words = make(f"mail unreadable {name}")
        yield _mail(words, _plain(words.text), sender="", subject="nobody wrote this")
    yield from _odd_places()


def _odd_places() -> Iterator[Letter]:
    for sender in (MAILBOX, STRANGER):
        words = only_card(f"mail display name {sender}")
        yield _mail(words, _plain("Hello."), sender=f'"Bruno {words.text}" <{sender}>')
    words = only_card("mail attachment name")
    head = f"Content-Type: application/pdf\nContent-Disposition: attachment; filename={words.text}"
    yield _mail(words, _parts(_plain("The scan."), _wrapped(f"{head}.pdf", b"%PDF-1.4")))
    words = only_card("mail address")
    [address] = words.needles  # kept, so that it can be answered, and shown to nobody
    words = Words(words.text, (replace(address, proves_itself=False),))
    yield _mail(words, _plain("Hello."), sender=f"{words.text}@stranger.example")
    words = ordinary("mail")
    yield _mail(words, _plain(words.text))
    words = ordinary("mail of a stranger")
    yield _mail(words, _plain(words.text), sender=STRANGER)


def _mail(words: Words, rest: bytes, sender: str = MAILBOX, subject: str = "A word") -> Letter:
    made = needles.made_up(words.needles[0].text)
    head = f"To: {OURS}\r\nSubject: {subject}\r\nMessage-ID: <{made}@mail.example>\r\n"
    named = f"From: {sender}\r\n" if sender else ""
    raw = f"{named}{head}Date: Wed, 07 Jan 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    return Letter(raw.encode() + rest, words.needles)


# --- texts, and what other systems tell -----------------------------------------------------------


def texts() -> Iterator[tuple[str, Words]]:
    """From which phone, and what."""
    for phone in (PHONE, STRANGERS_PHONE):
        for name, make in CONTENTS.items():
            yield phone, make(f"text {phone} {name}")
        yield phone, ordinary(f"text {phone}")


def told() -> Iterator[tuple[dict[str, Any], tuple[Needle, ...]]]:
    """Facts of another system with words of people in them."""
    about = {"source": "crm", "client_external_id": "c-1"}
    names = {name: only_card(f"told {name}") for name in ("name", "contact_name", "city")}
    client = {"type": "client_described", "source": "crm", "external_id": "c-1"}
    client |= {"timezone": "America/New_York", "country": "US", "email": "c1@told.example"}
    yield client | {name: f"It {one.text}" for name, one in names.items()}, _all(names.values())
    bill = {name: only_card(f"told {name}") for name in ("matter", "po_number", "description")}
    line = [{"description": f"of {bill['description'].text}", "amount": 90_000}]
    yield about | {
        "type": "invoice_issued", "number": "CRM-1", "amount": 90_000, "currency": "USD",
        "issued_on": "2025-11-03", "due_on": "2025-12-03", "lines": line,
        "matter": f"M {bill['matter'].text}", "po_number": f"It {bill['po_number'].text}",
    }, _all(bill.values())  # fmt: skip
    for name, make in CONTENTS.items():
        words = _in_a_line(make, f"told note {name}")
        yield about | {
            "type": "client_said", "external_id": f"s-{name}", "intent": "dispute",
            "said_at": "2026-01-06T10:00:00Z", "channel": "call", "note": words.text,
            "invoice_number": "CRM-1",
        }, words.needles  # fmt: skip
        words = _in_a_line(make, f"told reason {name}")
        yield about | {
            "type": "invoice_disputed", "external_id": f"d-{name}", "invoice_number": "CRM-1",
            "opened_on": "2026-01-06", "reason": words.text, "amount": 1000,
        }, words.needles  # fmt: skip
        words = _in_a_line(make, f"told wording {name}")
        yield about | {
            "type": "consent_stated", "external_id": f"k-{name}", "email": "c1@told.example",
            "agreed": True, "method": "form", "given_at": "2026-01-06T10:00:00Z",
            "wording": words.text,
        }, words.needles  # fmt: skip
        words = _in_a_line(make, f"told remittance {name}")
        yield about | {
            "type": "payment_settled", "external_id": f"p-{name}", "amount": 1000,
            "currency": "USD", "received_on": "2026-01-06", "remittance": words.text,
        }, words.needles  # fmt: skip
        words = _in_a_line(make, f"told, of nobody {name}")
        yield {
            "type": "client_said", "source": "crm", "external_id": f"n-{name}", "intent": "dispute",
            "client_external_id": "never-told", "said_at": "2026-01-06T10:00:00Z",
            "note": words.text,
        }, words.needles  # fmt: skip
    words = ordinary("told")
    yield about | {
        "type": "client_said", "external_id": "s-plain", "intent": "dispute",
        "said_at": "2026-01-06T10:00:00Z", "channel": "call", "note": words.text,
        "invoice_number": "CRM-1",
    }, words.needles  # fmt: skip


def _in_a_line(make: Make, way: str) -> Words:
    words = make(way)
    return Words(" ".join(words.text.split()), words.needles)


def _all(words: Iterable[Words]) -> tuple[Needle, ...]:
    return tuple(needle for one in words for needle in one.needles)


def sheet() -> Words:
    """A file of bills with a card number in every column of words."""
    columns = ("client_name", "contact_name", "service_type", "terms", "po_number", "matter")
    cards = {name: only_card(f"import {name}") for name in columns}
    head = "client,invoice,issued,due,amount,currency,email,timezone," + ",".join(columns)
    row = "imp-1,IMP-1,2025-11-03,2025-12-03,900.00,USD,imp@imported.example,America/New_York,"
    told = ",".join(f"It {one.text}" for one in cards.values())
    return Words(f"{head}\n{row}{told}\n", _all(cards.values()))
