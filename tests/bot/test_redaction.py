import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.inbox import Parcel
from bot.redaction import redacted
from comms.channels import inbound_mail
from comms.facts import InboundMessage
from comms.screening import screened

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
    assert not {"pan", "cvv"} & set(again.labels)


def test_a_mail_keeps_its_attachments() -> None:
    parts = (
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
        f"--x\r\nContent-Type: text/plain\r\n\r\n{CARD}\r\n"
        "--x\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\n%PDF-1\r\n--x--\r\n"
    )
    parcel = kept(parts.encode())
    assert b"%PDF-1" in parcel.body
    assert CARD.encode() not in parcel.body
