"""What cells does a CSV file hold, line by line, whoever wrote it?

Encodings: UTF-8 with or without a mark, UTF-16 with one. Everything else is refused with the line
that shows it: guessing a code page would write a wrong name on a letter.
"""

from __future__ import annotations

import csv
import io
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO, TypeAlias

Content: TypeAlias = Path | bytes | Sequence[str]

_LONGEST_LINE = 1_000_000
_DELIMITERS = ",;\t"
_DECLARED = frozenset({"sep=,", "sep=;", "sep=|"})
"""What Excel writes above the header."""


class Unreadable(Exception):
    """The file cannot be read at all, and why: ``line`` and a sentence."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Record:
    """The cells that begin on ``line``; ``fault`` says why they cannot be trusted."""

    line: int
    cells: Sequence[str]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A CSV file that can be walked more than once without being held in memory."""

    content: Content
    encoding: str
    delimiter: str
    header_line: int
    header: tuple[str, ...]

    def records(self) -> Iterator[Record]:
        """Every row below the header that says anything.

        Raises:
            Unreadable: the rest of the file makes no sense.
        """
        width = len(self.header)
        for record in _records(self.content, self.encoding, self.delimiter, self.header_line + 1):
            if record.fault or any(record.cells):
                yield _fitted(record, width)


def opened(content: Content) -> Sheet:
    """The file's encoding, delimiter and header.

    Raises:
        Unreadable: there is no header to be found.
    """
    encoding = _encoding(content)
    skipped, line = _first_line(content, encoding)
    declared = line.strip().lower()
    if declared in _DECLARED:
        delimiter, after = declared[4:], skipped + 1
    else:
        delimiter, after = max(_DELIMITERS, key=lambda sign: len(_cells(line, sign))), skipped
    for record in _records(content, encoding, delimiter, after + 1):
        if record.fault:
            raise Unreadable(record.line, f"the header {record.fault}")
        if any(cell.strip() for cell in record.cells):
            header = tuple(cell.strip().removeprefix("\ufeff") for cell in record.cells)
            return Sheet(content, encoding, delimiter, record.line, header)
    raise Unreadable(1, "the file is empty; it needs a header and a row per invoice")


def _fitted(record: Record, width: int) -> Record:
    if record.fault or len(record.cells) == width:
        return record
    if len(record.cells) > width and not any(record.cells[width:]):
        return Record(record.line, record.cells[:width])
    sentence = f"has {len(record.cells)} cells where the header has {width}; quote or remove some"
    return Record(record.line, record.cells, sentence)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _encoding(content: Content) -> str:
    if not isinstance(content, Path | bytes):
        return "utf-8"
    with _binary(content) as stream:
        start = stream.read(512)
    if start.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in start:
        raise Unreadable(1, "the file is not text; save it as CSV in UTF-8")
    return "utf-8-sig"


def _binary(content: Path | bytes) -> BinaryIO:
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def _first_line(content: Content, encoding: str) -> tuple[int, str]:
    for number, line in enumerate(_lines(content, encoding)):
        if line.strip():
            return number, line
    return 0, ""


def _lines(content: Content, encoding: str) -> Iterator[str]:
    if not isinstance(content, Path | bytes):
        yield from content
        return
    with io.TextIOWrapper(_binary(content), encoding=encoding, newline="") as stream:
        try:
            yield from _bounded(stream)
        except UnicodeError as error:
            raise _undecodable(content, encoding) from error


def _bounded(stream: TextIO) -> Iterator[str]:
    number = 0
    while line := stream.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            raise Unreadable(number, "the line is longer than 1,000,000 characters; split the file")
        yield line


def _undecodable(content: Path | bytes, encoding: str) -> Unreadable:
    if encoding == "utf-16":
        return Unreadable(1, "the file is damaged UTF-16; save it as CSV in UTF-8")
    with _binary(content) as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = line[error.start]
                sentence = (
                    f"byte 0x{byte:02X} (the {error.start + 1}th of the line) is not UTF-8; save "
                    "the file as “CSV UTF-8”, or: iconv -f WINDOWS-1252 -t UTF-8 old.csv > new.csv"
                )
                return Unreadable(number, sentence)
    return Unreadable(1, "the file is not UTF-8; save it as “CSV UTF-8”")


def _records(content: Content, encoding: str, delimiter: str, first: int) -> Iterator[Record]:
    """Every record that begins on line ``first`` or later; a bad one carries its fault."""
    reader = csv.reader(_lines(content, encoding), delimiter=delimiter, strict=True)
    begins = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            said = str(error)
            if reader.line_num > begins or "limit" in said or "unexpected end" in said:
                raise Unreadable(begins, _open_quote(begins, reader.line_num)) from error
            if begins >= first:
                yield Record(begins, (), "has a quote or a line break inside a cell; quote it all")
        else:
            if begins >= first:
                yield Record(begins, cells)
        begins = reader.line_num + 1


def _open_quote(begins: int, ends: int) -> str:
    return (
        f"a quoted cell that begins on line {begins} does not end properly by line {ends} "
        "(or is longer than 131,072 characters); close its quote"
    )
