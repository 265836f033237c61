"""Which files lie in an archive or in a mail that was kept as a file? Nothing is ever unpacked.

Each is taken out into memory, within limits; its name is a line to be read and never a path.
"""

import binascii
import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from email.message import Message

from comms.caged import office, plain
from comms.caged.verdicts import BROKEN, LARGE, LARGEST, LOCKED, MANY, UNKNOWN, Found, Inner, Unread
from comms.channels import mail_parts

_MOST = 200
"""Files of one archive."""
_LISTED = 20_000


def of_zip(content: bytes) -> Iterator[Found]:
    """The files of an archive, or the words of an office program's file.

    Raises:
        Unread: it has more files than are read.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        members = packed.infolist()
        if len(members) > _LISTED:
            raise Unread(MANY)
        if office.is_office(one.filename for one in members):
            yield from office.words(packed)
            return
        if packed.comment:
            yield packed.comment.decode("cp437")
        files = [one for one in members if not one.is_dir()]
        yield "\n".join(one.filename for one in files[_MOST:])
        for one in files[:_MOST]:
            yield _member(packed, one)
        if len(files) > _MOST:
            raise Unread(MANY)


def _member(packed: zipfile.ZipFile, one: zipfile.ZipInfo) -> Inner:
    if one.flag_bits & 1:
        return Inner(one.filename, unread=LOCKED)
    if one.file_size > LARGEST:  # no more than that is ever taken out
        return Inner(one.filename, unread=LARGE)
    try:
        with packed.open(one) as file:
            return Inner(one.filename, file.read())
    except NotImplementedError:
        return Inner(one.filename, unread=UNKNOWN)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError):
        return Inner(one.filename, unread=BROKEN)


def of_gzip(content: bytes) -> Iterator[Found]:
    """The one file in it."""
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
        content = packed.read(LARGEST + 1)
    yield Inner("", content) if len(content) <= LARGEST else Inner("", unread=LARGE)


def of_tar(content: bytes) -> Iterator[Found]:
    """Its files; of a link the name and where it points to are words, and nothing is followed.

    Raises:
        Unread: it has more files than are read.
    """
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as packed:
        for at, one in enumerate(packed):
            if at >= _MOST:
                raise Unread(MANY)
            if not one.isreg() or one.issparse():
                yield f"{one.name} {one.linkname}"
                continue
            file = packed.extractfile(one) if one.size <= LARGEST else None
            yield Inner(one.name, file.read(LARGEST)) if file else Inner(one.name, unread=LARGE)


def of_mail(content: bytes) -> Iterator[Found]:
    """The head, the words and the files of a mail.

    Raises:
        Unread: it is beyond the limits of any mail.
    """
    try:
        mail = mail_parts.parsed(content)
    except mail_parts.Unreadable as error:
        raise Unread(BROKEN) from error
    for part in mail.walk():
        yield from _head(part)
        if not part.is_multipart():
            yield from _part(part)
        elif mail_parts.field(part, "Content-Transfer-Encoding").strip().lower() == "base64":
            yield Inner("", _unwrapped(part))
        else:
            yield f"{part.preamble or ''}\n{part.epilogue or ''}"


def _unwrapped(part: Message) -> bytes:
    """A mail that was encoded as a whole, which no mail may be, and some are."""
    inside = [one for one in part.walk() if one is not part]
    return binascii.a2b_base64(inside[0].as_bytes()) if inside else b""


_HEAD = ("From", "To", "Cc", "Subject")


def _head(part: Message) -> Iterator[str]:
    said = [f"{name}: {mail_parts.line(part, name, 998)}" for name in _HEAD if part[name]]
    if said:
        yield "\n".join(said)


def _part(part: Message) -> Iterator[Found]:
    name, content = mail_parts.filename(part), mail_parts.payload(part)
    yield name
    if part.get_content_maintype() == "text" and not plain.packed(content):
        yield plain.unwrapped(mail_parts.text(part, LARGEST))
    else:
        yield Inner("", content)
