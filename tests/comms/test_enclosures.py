"""What stands in files is read, and what would harm its reader is not."""

import base64
import io
import json
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest
from reportlab.pdfgen import canvas

from comms import enclosures
from comms.caged import reading, verdicts
from comms.channels import inbound_mail
from comms.compliance.screening import Screen
from comms.enclosures import File, cage
from comms.facts import Enclosed, InboundMessage
from comms.listening.screening import screened

CARD = "5555 5555 5555 4444"
WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
SHEET = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def a_pdf(*lines: str, locked: str | None = None) -> bytes:
    made = io.BytesIO()
    page = canvas.Canvas(made, encrypt=locked)
    for at, line in enumerate(lines):
        page.drawString(50, 750 - 20 * at, line)
    page.save()
    return made.getvalue()


def packed(**members: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, words in members.items():
            file.writestr(name.replace("__", "/") + ".xml", words)
    return made.getvalue()


def a_document(*paragraphs: str) -> bytes:
    """Each letter in a run of its own, as an office program may leave them."""
    runs = (
        "".join(f"<w:r><w:t xml:space='preserve'>{one}</w:t></w:r>" for one in said)
        for said in paragraphs
    )
    body = "".join(f"<w:p>{said}</w:p>" for said in runs)
    return packed(word__document=f"<w:document {WORD}><w:body>{body}</w:body></w:document>")


def a_workbook() -> bytes:
    strings = (
        f"<sst {SHEET}><si><t>SSN</t></si><si><r><t>219-09</t></r><r><t>-9999</t></r></si></sst>"
    )
    cells = '<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c><c><v>42</v></c></row>'
    sheet = f"<worksheet {SHEET}><sheetData>{cells}</sheetData></worksheet>"
    members = {"xl__workbook": "<a/>", "xl__sharedStrings": strings, "xl__worksheets__s1": sheet}
    return packed(**members)


END = b"trailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF\n"


def a_ring() -> bytes:
    """A PDF whose pages are their own parents."""
    return (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[2 0 R]/Count 1>>endobj\n" + END
    )


def a_page(stream: bytes) -> bytes:
    """A PDF of one page by hand, with this stream as its content once it is unpacked."""
    made = zlib.compress(stream, 9)
    head = (
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources<<>>/Contents 4 0 R>>endobj\n"
        f"4 0 obj<</Length {len(made)}/Filter/FlateDecode>>stream\n"
    )
    return head.encode() + made + b"\nendstream endobj\n" + END


def read(content: bytes, name: str = "file.bin", kind: str = "application/x") -> Enclosed:
    [told] = enclosures.read([File(name, kind, content)], lambda: 60.0)
    return told


READ = {
    "text": (b"card 5555 5555 5555 4444", "5555 5555 5555 4444"),
    "utf-16": ("Grüße".encode("utf-16"), "Grüße"),
    "latin-1": ("Grüße".encode("latin-1"), "Grüße"),
    "pdf": (a_pdf("Dear counsel,", f"card {CARD}"), CARD),
    "locked against printing only": (a_pdf("open to read", locked=""), "open to read"),
    "document": (a_document(f"card {CARD}", "two"), f"card {CARD}\ntwo"),
    "workbook": (a_workbook(), "SSN\t219-09-9999\t42"),
}


@pytest.mark.parametrize("name", READ)
def test_the_words_of_a_file_are_read(name: str) -> None:
    content, words = READ[name]
    told = read(content)
    assert words in told.said
    assert told.unread == ""


NOISE = bytes(range(128, 256)) * 20
UNREAD = {
    "a picture": (b"\x89PNG\r\n\x1a\n\0" + NOISE, "image/png", "picture"),
    "a program": (b"\x7fELF" + bytes(300) + NOISE, "", "kind"),
    "too large": (b"a" * (enclosures.LARGEST + 1), "", "large"),
    "a locked pdf": (a_pdf("x", locked="secret"), "", "locked"),
}


@pytest.mark.parametrize("name", UNREAD)
def test_what_cannot_be_read_is_told_apart_from_what_says_nothing(name: str) -> None:
    content, kind, why = UNREAD[name]
    assert read(content, kind=kind).unread == why


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "a scan": (lambda: a_page(b"9 w"), verdicts.PICTURE),
    "a broken pdf": (lambda: b"%PDF-1.7\n" + NOISE, verdicts.BROKEN),
    "a bomb of a page": (lambda: a_page(b" " * 76_000_000), verdicts.PICTURE),
    "pages in a ring": (a_ring, verdicts.BROKEN),
    "entities": (
        lambda: packed(word__document='<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'),
        verdicts.BROKEN,
    ),
    "no floor": (lambda: packed(word__document="<a>" * 200_000), verdicts.BROKEN),
    "a bomb of a document": (
        lambda: packed(word__document=f"<a>{'0' * 26_000_000}</a>"), verdicts.LARGE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_given_up_before_it_has_eaten_much(name: str) -> None:
    content, why = HOSTILE[name]
    said, found = reading.words(content())
    assert found == why
    assert len(said) <= verdicts.LONGEST + 1


PRISONERS = """
import json, os, signal, socket, sys, time
sys.path.insert(0, sys.argv[1])
from comms.caged import program, reading

def told(what, seconds=9.0):
    def reader(_):
        yield "before"
        what()
    reading.READERS["pdf"] = reader
    return program.apart(b"%PDF-1.4", seconds)

print(json.dumps({
    "wants too much memory": told(lambda: bytes(1 << 31)),
    "opens a file": told(lambda: open(sys.argv[1] + "/pyproject.toml")),
    "calls somebody": told(lambda: socket.create_connection(("127.0.0.1", 9))),
    "crashes": told(lambda: os.kill(os.getpid(), signal.SIGSEGV)),
    "waits": told(lambda: time.sleep(60), 0.1),
}))
"""
DEALT = {
    "wants too much memory": verdicts.LARGE,
    "opens a file": verdicts.BROKEN,
    "calls somebody": verdicts.BROKEN,
    "crashes": verdicts.BROKEN,
    "waits": verdicts.LATE,
}


@pytest.fixture(scope="module")
def dealt() -> dict[str, list[str]]:
    """What became of files whose readers do all this."""
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-I", "-c", PRISONERS, root], check=True, capture_output=True
    )
    told: dict[str, list[str]] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("what", DEALT)
def test_whatever_a_file_does_in_its_cage_what_it_said_before_counts(
    what: str, dealt: dict[str, list[str]]
) -> None:
    assert dealt[what] == ["before\n", DEALT[what]]


def test_files_that_take_their_time_are_given_up() -> None:
    assert cage.words([a_pdf("hello")] * 2, 8.0, 0.001) == [("", "late")] * 2
    assert cage.words([a_pdf("hello")], 8.0, -1) == [("", "late")]


def test_one_file_that_cannot_be_read_takes_nothing_from_the_others() -> None:
    contents = [a_document("one"), b"%PDF-1.7\n" + NOISE, a_document("three"), a_pdf("four")]
    told = cage.words(contents, 8.0, 60.0)
    assert [why for _, why in told] == ["", "broken", "", ""]
    assert [said.strip().split("\n")[-1] for said, _ in told] == ["one", "", "three", "four"]


def test_of_very_many_files_only_the_first_are_read() -> None:
    told = enclosures.read([File("a", "text/plain", b"x")] * 30, lambda: 60.0)
    assert [one.unread for one in told] == [""] * enclosures.MOST + ["many"] * 5


# --- what lies in a mail --------------------------------------------------------------------------


def a_mail(words: str = "see the file") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "ann@client.example", "Re: invoice"
    mail.set_content(words)
    return mail


def taken(mail: EmailMessage | bytes, screen: Screen | None = None) -> InboundMessage:
    raw = mail if isinstance(mail, bytes) else mail.as_bytes()
    message, files = inbound_mail.opened(raw)
    told = enclosures.read(files, lambda: 60.0)
    message = message.model_copy(update={"enclosed": told})
    return screened(message, screen=screen) if screen else screened(message)


def test_no_label_is_lost_by_being_attached() -> None:
    mail = a_mail()
    mail.add_attachment(a_pdf(f"card {CARD}"), maintype="application", subtype="pdf", filename="a")
    mail.add_attachment(a_workbook(), maintype="application", subtype="x", filename="b")
    mail.add_attachment("IBAN DE89 3704 0044 0532 0130 00", filename="c.csv")
    assert taken(mail).labels == ("pan", "ssn", "iban")


def test_a_mail_that_is_passed_on_is_read_however_it_is_wrapped() -> None:
    inner = a_mail(f"my card is {CARD}")
    inside = a_mail("deeper")
    inside.add_attachment(inner)
    as_part = a_mail()
    as_part.add_attachment(inside)
    as_file = a_mail()
    as_file.add_attachment(
        inside.as_bytes(), maintype="application", subtype="octet-stream", filename="fwd.eml"
    )
    wrapped = base64.encodebytes(inside.as_bytes()).decode()
    as_base64 = (
        "From: ann@client.example\r\nContent-Type: message/rfc822\r\n"
        f"Content-Transfer-Encoding: base64\r\n\r\n{wrapped}"
    )
    for mail in (as_part, as_file, as_base64.encode()):
        assert "pan" in taken(mail).labels


def test_what_the_letter_says_in_html_only_is_read() -> None:
    mail = a_mail("Please see below.")
    mail.add_alternative(f"<p>Please see below.</p><p>card {CARD}</p>", subtype="html")
    told = taken(mail)
    assert "pan" in told.labels
    assert enclosures.told(told.enclosed) == ""


def test_a_mail_in_two_forms_that_say_the_same_is_read_once() -> None:
    mail = a_mail("Hello there")
    mail.add_alternative("<p>Hello  there</p>", subtype="html")
    assert taken(mail).enclosed == ()


def test_the_name_of_a_file_is_read() -> None:
    mail = a_mail()
    mail.add_attachment(b"\x89PNG\r\n\x00", maintype="image", subtype="png", filename=f"{CARD}.png")
    told = taken(mail)
    assert "pan" in told.labels
    assert CARD not in repr(told)


def test_a_file_that_nobody_read_does_not_seal_the_letter() -> None:
    mail = a_mail("Paid today.")
    mail.add_attachment(b"\x89PNG\r\n\x00", maintype="image", subtype="png", filename="photo.png")
    told = taken(mail)
    assert (told.labels, told.visible) == ((), "Paid today.")
    assert enclosures.told(told.enclosed) == "1 attachment: photo.png; 1 not read (a picture)"


def test_a_name_that_tells_too_much_is_hidden_and_seals_nothing_else() -> None:
    mail = a_mail("Paid today.")
    name = "my chemotherapy and cancer treatment of March.png"
    mail.add_attachment(b"\x89PNG\r\n\x00", maintype="image", subtype="png", filename=name)
    told = taken(mail)
    assert (told.labels, told.media) == ((), ("[sealed]",))
    assert "chemo" not in repr(told)


def test_a_name_is_shown_as_it_is_and_not_turned_around() -> None:
    mail = a_mail()
    mail.add_attachment(b"MZ\0", maintype="application", subtype="x", filename="a\u202efdp.exe")
    assert taken(mail).media == ("afdp.exe",)


def test_a_logo_in_a_letter_is_no_attachment() -> None:
    mail = a_mail()
    mail.add_alternative("<p>see the file</p><img src='cid:logo'>", subtype="html")
    html = mail.get_payload(1)
    assert isinstance(html, EmailMessage)
    html.add_related(
        b"\x89PNG\r\n\x00", "image", "png", cid="<l>", filename="logo.png", disposition="inline"
    )
    assert enclosures.told(taken(mail).enclosed) == ""


def test_a_file_whose_screening_breaks_is_unread() -> None:
    mail = a_mail("fine")
    mail.add_attachment(f"card {CARD} cvv 905", filename="c.txt")
    message, files = inbound_mail.opened(mail.as_bytes())
    message = message.model_copy(update={"enclosed": enclosures.read(files, lambda: 60.0)})
    told = screened(message, files_spent=lambda: True)
    assert (told.labels, told.enclosed[0].unread) == ((), "late")
    assert CARD not in repr(told)


def test_mails_nested_fifty_deep_are_set_aside() -> None:
    raw = b"".join(b"Content-Type: message/rfc822\r\n\r\n" for _ in range(50))
    with pytest.raises(inbound_mail.Unreadable):
        inbound_mail.opened(b"From: a@b.example\r\n" + raw + b"x")


def test_mails_as_files_within_files_end_somewhere() -> None:
    mail = a_mail(f"card {CARD}")
    for _ in range(12):
        outer = a_mail()
        outer.add_attachment(
            mail.as_bytes(), maintype="application", subtype="octet-stream", filename="m.eml"
        )
        mail = outer
    assert {one.unread for one in taken(mail).enclosed} == {"", "deep"}
