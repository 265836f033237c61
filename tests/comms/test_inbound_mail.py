# ruff: noqa: E501, FBT001  (tables of what people really write)
import base64
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comms.channels.inbound_mail import Unreadable, read
from comms.channels.mail_text import from_html, unflowed
from comms.listening.visible import visible_text

DATA = Path(__file__).parents[3] / "shared" / "data"
PLAIN = {
    "From": "Priya <Priya@Contoso.example>",
    "To": "billing@acme.example",
    "Subject": "Re: Invoice",
    "Message-ID": "<a1@contoso.example>",
}


def mail(body: str = "Paid yesterday.", **headers: str | None) -> bytes:
    fields = PLAIN | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def test_a_plain_mail_is_read() -> None:
    got = read(mail(Date="Fri, 20 Nov 2026 09:14:00 -0500"))
    assert (got.sender, got.sender_name) == ("priya@contoso.example", "Priya")
    assert (got.recipient, got.subject) == ("billing@acme.example", "Re: Invoice")
    assert got.body == got.visible == "Paid yesterday."
    assert got.external_id == "<a1@contoso.example>"
    assert got.occurred_at == datetime(2026, 11, 20, 14, 14, tzinfo=UTC)
    assert (got.automatic, got.authenticated) == (False, None)


def test_a_mail_without_an_id_gets_a_digest() -> None:
    raw = mail(Message_ID=None)
    assert read(raw).external_id == read(raw).external_id
    assert read(raw).external_id.startswith("sha256:")


def test_the_nearest_message_is_named_first() -> None:
    got = read(mail(In_Reply_To="<c@x>", References="<a@x> <b@x> <c@x>"))
    assert got.in_reply_to == ("<c@x>", "<b@x>", "<a@x>")


def test_the_address_with_a_reply_token_wins_and_keeps_its_case() -> None:
    got = read(mail(To="Boss <boss@acme.example>, billing+r-7Kd92@ACME.example"))
    assert got.recipient == "billing+r-7Kd92@acme.example"


@pytest.mark.parametrize(
    "sender",
    ["", "a@x.example, b@x.example", "group: a@x.example, b@x.example;", "no address", "a@b@c@d"],
)
def test_a_mail_from_nobody_or_many_is_refused(sender: str) -> None:
    with pytest.raises(Unreadable, match="no single sender"):
        read(mail(From=sender))


@pytest.mark.parametrize(
    ("headers", "automatic"),
    [
        ({"Auto-Submitted": "auto-replied"}, True),
        ({"Auto-Submitted": "auto-generated; type=x"}, True),
        ({"Auto-Submitted": "no"}, False),
        ({"Return-Path": "<>"}, True),
        ({"X-Autoreply": "yes"}, True),
        ({"X-Autorespond": "1"}, True),
        ({"X-MS-Exchange-Inbox-Rules-Loop": "a@b.example"}, True),
        ({"X-Auto-Response-Suppress": "All"}, False),
        ({"Precedence": "bulk"}, True),
        ({"Precedence": "auto_reply"}, True),
        ({"Subject": "Automatic reply: Invoice"}, True),
        ({"Subject": "=?utf-8?q?R=C3=A9ponse_automatique?= : x"}, True),
        ({"Subject": "Abwesenheitsnotiz: Rechnung"}, True),
        ({"Subject": "Respuesta automática: factura"}, True),
        ({"Subject": "Question about the automatic reply"}, False),
        ({"Content-Type": "multipart/report; boundary=b"}, True),
        ({}, False),
    ],
    ids=str,
)
def test_machines_are_told_from_people(headers: dict[str, str], automatic: bool) -> None:
    assert read(mail(**headers)).automatic is automatic


@pytest.mark.parametrize(
    ("result", "believed"),
    [
        ("mx.acme.example; dmarc=pass header.from=contoso.example", True),
        ("mx.acme.example; dmarc=fail (p=none dmarc=pass) header.from=contoso.example", False),
        ("mx.acme.example; spf=pass smtp.mailfrom=a@evil.example", False),
        ("mx.acme.example; spf=pass smtp.mailfrom=a@mail.contoso.example", True),
        ("mx.acme.example; dkim=pass header.d=contoso.example; spf=fail", True),
        ("mx.acme.example; dkim=pass header.d=evil.example", False),
        ('mx.acme.example; spf=fail smtp.mailfrom="a; dmarc=pass"@contoso.example', False),
        ("mx.acme.example; none", False),
        ("mx.evil.example; dmarc=pass header.from=contoso.example", None),
    ],
)
def test_only_our_own_exchanger_is_believed(result: str, believed: bool | None) -> None:
    raw = mail(Authentication_Results=result)
    assert read(raw, our_host="mx.acme.example").authenticated is believed
    assert read(raw).authenticated is None


def multipart(*parts: str, kind: str = "mixed") -> bytes:
    body = "".join(f"--b\r\n{part}\r\n" for part in parts) + "--b--\r\n"
    return mail(body, Content_Type=f"multipart/{kind}; boundary=b", MIME_Version="1.0")


def test_the_plain_part_is_chosen_and_attachments_are_named() -> None:
    raw = multipart(
        "Content-Type: text/html\r\n\r\n<p>other</p>",
        "Content-Type: text/plain\r\n\r\nPaid.",
        'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="../../a.pdf"'
        "\r\n\r\nxx",
        "Content-Type: text/plain\r\nContent-Disposition: attachment; filename=note.txt\r\n\r\nno",
    )
    got = read(raw)
    assert (got.body.strip(), got.media) == ("Paid.", ("a.pdf", "note.txt"))


def test_html_alone_becomes_text_with_its_quotation_marked() -> None:
    html = "<p>Paid &amp; done</p><script>x()</script><blockquote>Reply <b>STOP</b></blockquote>"
    got = read(mail(html, Content_Type="text/html"))
    assert got.visible == "Paid & done"
    assert "x()" not in got.body


def test_a_forwarded_mail_inside_is_not_the_clients_words() -> None:
    raw = multipart(
        "Content-Type: text/plain\r\n\r\nSee this.",
        "Content-Type: message/rfc822\r\n\r\nFrom: x@y.example\r\n\r\nSTOP",
    )
    assert read(raw).body.strip() == "See this."


@pytest.mark.parametrize(
    ("octets", "charset", "text"),
    [
        ("é".encode(), "utf-8", "é"),
        (b"\xe9", "utf-8", "é"),
        ("“x”".encode("cp1252"), "us-ascii", "“x”"),
        ("付款".encode("gb18030"), "gb2312", "付款"),
        (b"plain", "zlib", "plain"),
        (b"plain", "no-such", "plain"),
        (b"nul\x00l", "utf-8", "null"),
    ],
    ids=["utf8", "latin sent as utf8", "cp1252 sent as ascii", "chinese", "codec", "unknown", "nul"],
)  # fmt: skip
def test_charsets_are_guessed_when_they_lie(octets: bytes, charset: str, text: str) -> None:
    body = base64.b64encode(octets).decode()
    kind = f"text/plain; charset={charset}"
    assert read(mail(body, Content_Type=kind, Content_Transfer_Encoding="base64")).body == text


def test_flowed_lines_are_joined() -> None:
    assert unflowed("This is \none line.\n> quoted \n-- \nAnna") == (
        "This is one line.\n> quoted \n-- \nAnna"
    )


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"x" * 30_000_001, id="31 MB"),
        pytest.param(mail(Subject="=?utf-8?q?" + "a" * 1_000_000 + "?="), id="1 MB subject"),
        pytest.param(mail(Subject=" ".join(["=?utf-8?q?a?="] * 70_000)), id="70,000 words"),
        pytest.param(b"A: b\r\n" * 2_000 + b"\r\n", id="2,000 headers"),
        pytest.param(
            mail("").rstrip()
            + b"".join(
                b"\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d" % (i, i)
                for i in range(2_000)
            ),
            id="2,000 deep",
        ),
        pytest.param(mail("Content-Type: message/rfc822\r\n\r\n" * 2_000), id="2,000 mails deep"),
        pytest.param(
            mail("--b\r\n\r\nx\r\n" * 3_000, Content_Type="multipart/mixed; boundary=b"),
            id="3,000 parts",
        ),
        pytest.param(mail("\n" * 1_100_000), id="a million empty lines"),
        pytest.param(mail(Content_Type="text/plain" + ";" * 200_000), id="200,000 parameters"),
        pytest.param(mail(From="(" * 7_000 + "a@b.example"), id="7,000 comments deep"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_no_person_sends_is_refused_quickly(raw: bytes) -> None:
    began = time.process_time()
    with pytest.raises(Unreadable):
        read(raw)
    assert time.process_time() - began < 20  # a tenth of a second; what is quadratic, minutes


@pytest.mark.parametrize(
    "style",
    [
        "display:none",
        "color:red; DISPLAY : none",
        "visibility:hidden",
        "font-size:0px",
        "mso-hide:all",
    ],
)
def test_what_no_reader_is_shown_does_not_stand_between_digits(style: str) -> None:
    markup = f'<p>4111 11<span style="{style}">zz</span>11 1111 1111</p>'
    assert from_html(markup) == "4111 1111 1111 1111"
    assert from_html('<p>small <span style="font-size:0.8em">print</span></p>') == "small print"


@pytest.mark.parametrize(
    "piece",
    [
        "<a display:none ",
        "<div>",
        "<blockquote>",
        "<",
        "<!--",
        "<!",
        "&",
        '<a href="',
        "<b><i><p>",
        "<table>",
        "<svg>",
    ],
)
def test_hostile_html_takes_no_long_time(piece: str) -> None:
    began = time.process_time()
    from_html((piece * 100_000)[:200_000])
    assert time.process_time() - began < 20  # a tenth of a second; what is quadratic, minutes


HEADERS = st.sampled_from(
    ["From", "To", "Subject", "Date", "Message-ID", "References", "Content-Type", "Return-Path",
     "Content-Transfer-Encoding", "Content-Disposition", "Authentication-Results", "Precedence"]
)  # fmt: skip
VALUES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"a@b.example", b"multipart/mixed; boundary=b", b"message/rfc822", b"base64", b"x-uuencode",
         b"text/plain; charset*=utf-8''%ff", b"=?utf-8?b?////?=", b"attachment; filename*0*=x''%zz",
         b"text/plain; charset=\xff; format=flowed", b"Mon, 99 Foo 99999 99:99", b"quoted-printable"]
    ),
)  # fmt: skip


@settings(max_examples=150)
@given(st.lists(st.tuples(HEADERS, VALUES), max_size=8), st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(headers: list[tuple[str, bytes]], body: bytes) -> None:
    head = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers)
    for raw in (
        body,
        head + b"\r\n" + body,
        b"From: a@b.example\r\n" + head + b"\r\n--b\r\n" + body,
    ):
        try:
            got = read(raw, our_host="mx.acme.example")
        except Unreadable:
            continue
        assert "\x00" not in got.body + got.subject + got.sender_name
        assert "\n" not in got.subject
        got.model_dump_json()


@pytest.mark.parametrize(
    ("body", "visible"),
    [
        ("From: 12 Old St\nTo: 99 New Ave", "From: 12 Old St\nTo: 99 New Ave"),
        ("-Paid INV-3391\n-Dispute INV-3392", "-Paid INV-3391\n-Dispute INV-3392"),
        ("-- INV-3391 full\n-- INV-3392 on hold", "-- INV-3391 full\n-- INV-3392 on hold"),
        ("> Will you pay?\nYes, today.", "Yes, today."),
        ("Ok.\n\nVon meinem iPhone gesendet", "Ok."),
        ("Pagado.\n\nEl vie, 20 nov 2026 a las 9:14, A (<b@a.example>) escribió:\n\n> x", "Pagado."),
        ("As I wrote:\nwe paid.", "As I wrote:\nwe paid."),
        ("On Monday I wrote:\nplease call.", "On Monday I wrote:\nplease call."),
        ("> only\n> quoted", "> only\n> quoted"),
    ],
)  # fmt: skip
def test_the_clients_own_words_stay(body: str, visible: str) -> None:
    assert visible_text(body) == visible


def test_the_example_bodies_lose_no_word_and_leak_no_quotation() -> None:
    path = DATA / "email_replies.jsonl"
    if not path.exists():
        pytest.skip("the examples are not here")
    for line in path.read_text().splitlines():
        row = json.loads(line)
        got = visible_text(row["raw"]).split()
        assert not [word for word in row["visible"].split() if word not in got], row["name"]
        assert "Reply STOP" not in " ".join(got), row["name"]


@given(st.text())
def test_own_words_are_never_invented(text: str) -> None:
    assert set(visible_text(text).split()) <= set(text.replace("\r", "\n").split())


@pytest.mark.parametrize(
    "piece", ["On ", "On a\n", "-\n", "_____\n", "From: a\n", "wrote:\n", "-- \n", ">", " ", "\n"]
)
def test_hostile_bodies_take_no_long_time(piece: str) -> None:
    began = time.process_time()
    visible_text((piece * 200_000)[:200_000])
    assert time.process_time() - began < 20  # a tenth of a second; what is quadratic, minutes


def test_a_domain_beyond_ascii_is_read_as_it_is_kept_whoever_writes_it() -> None:
    found = read(
        mail(From="Jörg <Joerg@Bücher.example>", Cc="a@bücher.example, b@xn--bcher-kva.example")
    )
    assert found.sender == "joerg@xn--bcher-kva.example"
    assert found.cc == ("a@xn--bcher-kva.example", "b@xn--bcher-kva.example")
