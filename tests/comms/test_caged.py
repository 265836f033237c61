"""Whatever people pack words into is opened; what it is called is not believed."""

import base64
import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable

import pytest

from comms import enclosures
from comms.caged import outlook, reading, verdicts
from comms.channels import inbound_mail
from comms.enclosures import File
from comms.facts import InboundMessage
from comms.listening.screening import screened
from tests.comms import boxes
from tests.comms.test_enclosures import CARD, a_document, a_mail, a_page, a_pdf

PICTURE = b"\x89PNG\r\n\x1a\n\0" + bytes(range(256))


def zipped(*files: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for title, content in files:
            archive.writestr(title, content)
    return made.getvalue()


def tarred(*files: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for title, content in files:
            one = tarfile.TarInfo(title)
            one.size = len(content)
            archive.addfile(one, io.BytesIO(content))
    return made.getvalue()


def mailed(*files: bytes, words: str = "see the file") -> bytes:
    mail = a_mail(words)
    for one in files:
        mail.add_attachment(one, maintype="application", subtype="x", filename="f.bin")
    return mail.as_bytes()


def with_a_file(pdf: bytes, content: bytes) -> bytes:
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf)))
    writer.add_attachment("inside.bin", content)
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "zip": lambda one: zipped(("a.txt", b"x"), ("b.bin", one)),
    "zip in zip": lambda one: zipped(("in.zip", zipped(("a", one)))),
    "mail": mailed,
    "mail in zip": lambda one: zipped(("old.eml", mailed(one))),
    "zip in mail in zip": lambda one: zipped(("m", mailed(zipped(("a", one))))),
    "gzip": gzip.compress,
    "tar": lambda one: tarred(("../../a", one)),
    "tar in gzip": lambda one: gzip.compress(tarred(("/etc/a", one))),
    "outlook": lambda one: boxes.msg("Re: invoice", "see the file", one),
    "winmail": lambda one: boxes.tnef("Re: invoice", one),
    "pdf": lambda one: with_a_file(a_pdf("see the file"), one),
}
WRITTEN: dict[str, bytes] = {
    "text": f"card {CARD}".encode(),
    "json": b'{"card": "5555 5555 5555 \\u0034\\u0034\\u0034\\u0034"}',
    "calendar": b"BEGIN:VCALENDAR\r\nDESCRIPTION:card 5555 5555 55\r\n 55 4444\\, ok\r\n",
    "an old address card": b"BEGIN:VCARD\r\nNOTE;ENCODING=QUOTED-PRINTABLE:card=20=\r\n"
    b"=35555 5555 5555=20=34444\r\nEND:VCARD\r\n",
    "an address card": b"BEGIN:VCARD\r\nPHOTO;ENCODING=b:/9j/4AAQ\r\nNOTE;ENCODING=b:"
    + base64.b64encode(f"card {CARD}".encode())
    + b"\r\nEND:VCARD\r\n",
    "html": f"<p>card {CARD}</p>".encode(),
    "csv": f"what,number\r\ncard,{CARD}\r\n".encode(),
    "pdf": a_pdf(f"card {CARD}"),
    "document": a_document(f"card {CARD}"),
    "rtf": rb"{\rtf1\ansi{\footnote card 5555 5555 5555 4444}\par see below}",
    "old document": boxes.doc(f"my card is {CARD} thank you"),
    "old slides": boxes.ppt(f"card {CARD}"),
    "old workbook": boxes.xls("card", 5555555555554444.0),
    "outlook": boxes.msg(f"card {CARD}", "nothing"),
    "winmail": boxes.tnef(f"card {CARD}"),
}


def digits(said: str) -> str:
    return "".join(filter(str.isdigit, said))


@pytest.mark.parametrize("name", WRITTEN)
def test_each_kind_of_file_is_read(name: str) -> None:
    said, why = reading.words(WRITTEN[name])
    assert "5555555555554444" in digits(said)
    assert why == verdicts.WHOLE


@pytest.mark.parametrize("name", PACKED)
def test_a_file_is_read_whatever_it_lies_in(name: str) -> None:
    said, why = reading.words(PACKED[name](WRITTEN["pdf"]))
    assert CARD in said
    assert why == verdicts.WHOLE


@pytest.mark.parametrize("name", PACKED)
def test_what_cannot_be_read_is_told_whatever_it_lies_in(name: str) -> None:
    said, why = reading.words(PACKED[name](PICTURE))
    assert why == verdicts.PICTURE
    assert name in ("gzip", "tar in gzip") or said.strip()  # what lies beside it is read


def test_pressed_rtf_is_read_as_its_writer_meant_it() -> None:
    """The two examples of [MS-OXRTFCP], 4.1 and 4.2."""
    one = "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542"
    one += "320af32068656c090020627705b06c647d0a800fa0"
    two = "1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0"
    assert (
        outlook.unpressed(bytes.fromhex(one))
        == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    )
    assert outlook.unpressed(bytes.fromhex(two)) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"


def a_locked_zip() -> bytes:
    """The mark of encryption in both heads of the first member."""
    made = bytearray(zipped(("secret.txt", b"x"), ("open.txt", f"card {CARD}".encode())))
    made[6] |= 1
    made[made.index(b"PK\x01\x02") + 8] |= 1
    return bytes(made)


def a_bomb(levels: int, width: int) -> bytes:
    made = zipped(("blank", b" " * 9_000_000))
    for _ in range(levels):
        made = zipped(*((f"{n}", made) for n in range(width)))
    return made


def a_russian_doll(levels: int) -> bytes:
    made = f"card {CARD}".encode()
    for _ in range(levels):
        made = zipped(("in.zip", made))
    return made


def with_a_link() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            one = tarfile.TarInfo("link")
            one.type, one.linkname = kind, "/etc/passwd"
            archive.addfile(one)
    return made.getvalue()


def zip_with_a_link() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        one = zipfile.ZipInfo("link")
        one.external_attr = 0o120777 << 16
        archive.writestr(one, "/etc/passwd")
    return made.getvalue()


def with_broken_sum() -> bytes:
    made = bytearray(zipped(("a", b"some words " * 9), ("b", f"card {CARD}".encode())))
    made[35] ^= 255
    return bytes(made)


def many(count: int, content: bytes = b"x") -> bytes:
    return zipped(*((f"{n}.txt", content) for n in range(count)))


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "a locked archive": (a_locked_zip, verdicts.LOCKED),
    "a locked document": (lambda: boxes.doc("x", locked=True), verdicts.LOCKED),
    "a locked workbook": (lambda: boxes.ole({"EncryptedPackage": b"x"}), verdicts.LOCKED),
    "a bomb": (lambda: a_bomb(1, 8), verdicts.LARGE),
    "a bomb of bombs": (lambda: a_bomb(2, 3), verdicts.LARGE),
    "a file of a gigabyte": (lambda: gzip.compress(bytes(30_000_000), 1), verdicts.LARGE),
    "packed very deep": (lambda: a_russian_doll(9), verdicts.DEEP),
    "a thousand files": (lambda: many(1_000), verdicts.MANY),
    "files in files in files": (lambda: zipped(*((f"{n}", many(60)) for n in range(9))),
                                verdicts.MANY),
    "a wrong sum": (with_broken_sum, verdicts.BROKEN),
    "half an archive": (lambda: many(5)[:200], verdicts.BROKEN),
    "half a compound file": (lambda: boxes.doc("x" * 999)[:1500], verdicts.BROKEN),
    "half a winmail": (lambda: boxes.tnef("x", b"y" * 99)[:-50], verdicts.BROKEN),
    "winmail that counts wrong": (
        lambda: b"\x78\x9f\x3e\x22\x01\x00" + boxes._attribute(0x69003, b"\xff" * 12),
        verdicts.BROKEN,
    ),
    "a mail nested fifty deep": (
        lambda: b"From: a\r\n" + b"Content-Type: message/rfc822\r\n\r\n" * 50, verdicts.BROKEN,
    ),
    "an object in RTF": (lambda: rb"{\rtf1 x{\object{\*\objdata 0105}}}", verdicts.WITHIN),
    "RTF without a floor": (lambda: rb"{\rtf1 " + b"{" * 50_000, verdicts.WHOLE),
    "JSON without a floor": (lambda: b"[" * 500_000 + b"\\", verdicts.WHOLE),
    "JSON of a name repeated": (
        lambda: b'{"a\\n":' * 900 + b"[" + b"1," * 99_999 + b"1]" + b"}" * 900, verdicts.WHOLE,
    ),
    "a scan in a mail in an archive": (
        lambda: zipped(("m.eml", mailed(a_page(b"9 w")))), verdicts.PICTURE,
    ),
    "a program": (lambda: b"\x7fELF" + bytes(range(256)) * 9, verdicts.UNKNOWN),
    "an unknown archive": (lambda: b"7z\xbc\xaf\x27\x1c" + bytes(range(256)), verdicts.UNKNOWN),
    "links": (with_a_link, verdicts.WHOLE),
    "a link in an archive": (zip_with_a_link, verdicts.WHOLE),
    "paths out of here": (
        lambda: zipped(("../../../etc/cron.d/x", b"y"), ("/root/.ssh/a", b"z"), ("C:\\a", b"q")),
        verdicts.WHOLE,
    ),
    "half a name": (lambda: zipped(("=?utf-8?b?w6", b"x"), ("\ud7ff\x00\r\n.txt", b"y")),
                    verdicts.WHOLE),
    "an empty archive": (zipped, verdicts.WHOLE),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_ends_with_a_word_on_why(name: str) -> None:
    content, why = HOSTILE[name]
    said, found = reading.words(content())
    assert found == why
    assert "root:" not in said
    assert len(said) <= verdicts.LONGEST + verdicts.LONGEST // 10


@pytest.mark.parametrize("made", [a_locked_zip, with_broken_sum], ids=["locked", "broken"])
def test_what_lies_beside_an_unreadable_file_is_read(made: Callable[[], bytes]) -> None:
    assert CARD in reading.words(made())[0]


LIES = {
    "a pdf called text": ("text/plain", a_pdf(f"card {CARD}")),
    "an archive called a picture": ("image/png", zipped(("a", f"card {CARD}".encode()))),
    "a mail called nothing": (
        "application/octet-stream",
        b"X-A: b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.b64encode(f"card {CARD}".encode()),
    ),
    "RTF called text": ("text/rtf", WRITTEN["rtf"]),
    "a calendar": ("text/calendar", WRITTEN["calendar"]),
    "a pdf called a mail": ("message/x", a_pdf(f"card {CARD}")),
    "a pdf in an archive in a mail": ("x/x", mailed(zipped(("a", WRITTEN["pdf"])))),
}


def test_no_label_is_lost_by_a_lie_about_the_kind() -> None:
    files = [
        File(name=name, kind=kind, content=content, words="junk" if kind[:4] == "text" else "")
        for name, (kind, content) in LIES.items()
        if name != "a calendar"
    ]
    folded = LIES["a calendar"][1].decode()
    files.append(File("a calendar", "text/calendar", b"x", folded))
    told = enclosures.read(files, lambda: 60.0)
    message = InboundMessage(
        channel="email",
        external_id="1",
        sender="a@b.example",
        recipient="",
        body="x",
        visible="x",
        enclosed=told,
    )
    labels = {one.name: one.labels for one in screened(message).enclosed}
    assert labels == dict.fromkeys([*LIES], ("pan",))


def test_a_mail_of_hostile_files_arrives_whole_with_a_word_on_each() -> None:
    names = ["a locked archive", "half an archive", "a program", "links"]
    mail = a_mail("Paid INV-5512 today.")
    for name in names:
        made = HOSTILE[name][0]()
        mail.add_attachment(made, maintype="application", subtype="x", filename=name)
    message, files = inbound_mail.opened(mail.as_bytes())
    told = enclosures.read(files, lambda: 60.0)
    assert message.visible == "Paid INV-5512 today."
    assert [one.unread for one in told] == [HOSTILE[name][1] for name in names]
