import base64
import quopri
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.custody.redaction import needed, redacted, scrubbed
from bot.inbox import Parcel
from comms.channels import inbound_mail
from comms.facts import InboundMessage
from comms.listening.screening import MASKED, screened

CARD = "5555555555554444"
MAILS = {
    "plain": f"Subject: card {CARD}\r\n\r\npay {CARD} please",
    "no charset": f"Content-Type: text/plain; charset=nope\r\n\r\n{CARD}\xff",
    "broken head": f"X-From: \xff\xfe@b\r\nSubject: \xe4 {CARD}\r\n\r\n{CARD}\xff",
    "two lines of subject": f"Subject: a\r\n b {CARD}\r\n\r\n{CARD}",
    "no boundary": f"Content-Type: multipart/mixed\r\n\r\n\x93 {CARD}",
    "a mail in it": f"Content-Type: message/rfc822\r\n\r\nSubject: in {CARD}\r\n\r\n{CARD}",
    "in base64": "Content-Transfer-Encoding: base64\r\n\r\nNTU1NTU1NTU1NTU1NDQ0NA",
    "html": f"Content-Type: text/html\r\n\r\n<b>{CARD}</b>",
}


def read(parcel: Parcel) -> list[InboundMessage]:
    return [screened(inbound_mail.read(parcel.body, our_host="firm.example"))]


def kept(raw: bytes) -> Parcel:
    parcel = Parcel("email", "m1", b"From: ann@client.example\r\n" + raw)
    return redacted(parcel, read(parcel)[0], read)


@pytest.mark.parametrize("name", MAILS)
def test_of_a_mail_with_a_card_nothing_is_kept_that_shows_it(name: str) -> None:
    parcel = kept(MAILS[name].encode("latin-1"))
    [again] = read(parcel)
    assert CARD not in f"{again.subject}{again.visible}{again.body}"
    assert CARD.encode() not in parcel.body
    assert "pan" not in again.labels


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(MAILS)), seed=st.integers(0, 10_000))
def test_a_mail_however_broken_is_kept_in_some_form(name: str, seed: int) -> None:
    dice, raw = random.Random(seed), bytearray(MAILS[name].encode("latin-1"))
    for _ in range(6):
        raw[dice.randrange(len(raw))] = dice.randrange(256)
    try:
        [again] = read(kept(bytes(raw)))
    except inbound_mail.Unreadable:
        return
    assert not MASKED & set(again.labels)


def test_a_mail_keeps_its_attachments() -> None:
    parts = (
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
        f"--x\r\nContent-Type: text/plain\r\n\r\n{CARD}\r\n"
        "--x\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\n%PDF-1\r\n--x--\r\n"
    )
    parcel = kept(parts.encode())
    assert b"%PDF-1" in parcel.body
    assert CARD.encode() not in parcel.body


NUMBERS = {
    "ssn": "my social is 219-09-9999",
    "iban": "pay to DE89 3704 0044 0532 0130 00",
    "account": "routing 021000021 account 123456789012",
    "secret": "the password is hunter2-Xy9!",
    "birth": "date of birth 04/12/1984",
}


@pytest.mark.parametrize("name", NUMBERS)
def test_of_no_number_that_is_covered_the_raw_form_is_kept(name: str) -> None:
    number = NUMBERS[name][-8:]
    parcel = kept(f"Subject: hello\r\n\r\nthe roof leaks. {NUMBERS[name]}".encode())
    assert b"the roof leaks" in parcel.body
    assert number.encode() not in parcel.body
    assert not MASKED & set(read(parcel)[0].labels)


def test_a_letter_that_no_detector_answered_for_keeps_no_card() -> None:
    parcel = Parcel("email", "m1", f"From: a@b.example\r\n\r\nroof, {CARD}".encode())
    [message] = read(parcel)
    message = message.model_copy(update={"labels": ("unscreened",)})
    body = redacted(parcel, message, read).body
    assert b"roof" in body
    assert CARD.encode() not in body


WRAPPED = {
    "plain": f"x {CARD} y".encode(),
    "over lines": f"x {CARD[:8]}=\r\n{CARD[8:]} y".encode(),
    "quoted": b"x " + b"".join(b"=%02X" % sign for sign in CARD.encode()) + b" y",
    "base64": b"x\r\n\r\n" + base64.encodebytes(f"my card is {CARD} ok".encode()) + b"\r\ny",
    "base64 after something": b"x: QUJD" + base64.b64encode(f"my card {CARD}".encode()) + b" y",
    "a form": f"Body=x+{'+'.join([CARD[:4], CARD[4:8], CARD[8:12], CARD[12:]])}+y".encode(),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_bytes_that_nobody_can_read_keep_no_card(name: str) -> None:
    left = scrubbed(WRAPPED[name])
    assert b"x" in left
    assert left.endswith(b"y")
    assert CARD[-4:].encode() not in quopri.decodestring(left)
    assert b"NTU1" not in left


HIDDEN = {
    "the subject once more": "Subject: hi\r\nThread-Topic: my card {card}\r\n\r\nhello",
    "an encoded field": "X-Note: =?utf-8?b?Y2FyZCA1NTU1NTU1NTU1NTU0NDQ0?=\r\n\r\nhello",
    "a name beside a copy": 'Cc: "card {card}" <b@x.example>\r\n\r\nhello',
    "a description of a file": (
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: image/png\r\n'
        "Content-Description: card {card}\r\n\r\nx\r\n--b--\r\n"
    ),
    "the sender of a mail passed on": (
        'Content-Type: message/rfc822\r\n\r\nFrom: "card {card}" <b@y.example>\r\n\r\nhi'
    ),
    "a comment": "Content-Type: text/html\r\n\r\n<p>hi<!-- {card} --></p>",
    "an attribute": 'Content-Type: text/html\r\n\r\n<p data-card="{card}">hi</p>',
    "a link": 'Content-Type: text/html\r\n\r\n<a href="https://x.example/?n={card}">hi</a>',
    "a title": "Content-Type: text/html\r\n\r\n<title>{card}</title><p>hi</p>",
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_number_is_not_kept_where_nobody_would_read_it(name: str) -> None:
    raw = b"From: ann@client.example\r\n" + HIDDEN[name].format(card=CARD).encode()
    parcel = Parcel("email", "m1", raw)
    [message] = read(parcel)
    assert needed(parcel, message)
    body = redacted(parcel, message, read).body
    assert CARD.encode() not in body
    assert b"NTU1NTU1NTU1NTU0NDQ0" not in body
    assert b"ann@client.example" in body
    assert not needed(Parcel("email", "m1", body), read(Parcel("email", "m1", body))[0])


def test_an_ordinary_mail_is_kept_as_it_came() -> None:
    raw = (
        b'From: Ann Lee <ann@client.example>\r\nTo: "Harrow" <accounts@harrow.example>\r\n'
        b"Thread-Topic: INV-5512\r\nX-Id: 20260106-4711\r\nContent-Type: text/html\r\n\r\n"
        b'<p style="width:600px">Paid INV-5512 on <a href="https://x.example/4711">Monday</a></p>'
    )
    parcel = Parcel("email", "m1", raw)
    assert not needed(parcel, read(parcel)[0])
