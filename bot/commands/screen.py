"""The command that says of each message what must not be seen: JSON lines in, JSON lines out."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from bot.commands.terminal import plain_command
from bot.report import NO, Wrong

if TYPE_CHECKING:
    from comms.compliance.material import Content
    from comms.compliance.screening import Screened

_ROLES = "counsel, client, staff, third_party or an address"


class _Bad(Exception):
    """A line that is no message; the sentence says why."""


@plain_command
def screen(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="JSON lines; else standard input.")
    ] = None,
    *,
    why: Annotated[
        bool, typer.Option("--why", help="Say what spoke for legal advice and health, and against.")
    ] = False,
) -> None:
    """Label each message: privileged, health, cards, accounts, secrets; and mask it.

    Reads {"id", "channel", "from", "subject"?, "body", "context"?} and writes {"id", "labels",
    "spans", "masked", "billing_fact"?}. A bad line is told with its number; the others are
    answered all the same, and the exit code is 1.
    """
    from comms.compliance.screening import screen as screened

    bad = False
    with _lines(file) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                given, content = _content(line)
            except _Bad as wrong:
                bad = True
                typer.echo(f"line {number}: {wrong}", err=True)
                continue
            answer = _answer(given, content, screened(content))
            _say(answer | {"why": _why(content)} if why else answer)
    if bad:
        raise typer.Exit(NO)


@contextmanager
def _lines(file: Path | None) -> Iterator[TextIO]:
    """The lines to read; what is no UTF-8 spoils its own line only."""
    if file is None:
        if isinstance(sys.stdin, TextIOWrapper):
            sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")
        yield sys.stdin
        return
    try:
        opened = file.open(encoding="utf-8", errors="surrogateescape", newline="\n")
    except OSError as error:
        reason = error.strerror or error
        raise Wrong(f"{file} cannot be read ({reason}); name a file of JSON lines.") from None
    with opened:
        yield opened


def _content(line: str) -> "tuple[Mapping[str, Any], Content]":
    """The message of a line.

    Raises:
        _Bad: it is none.
    """
    from comms.compliance.material import Content

    try:
        given = json.loads(line.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        raise _Bad("this is no JSON; write one object on each line.") from None
    if not isinstance(given, dict) or "id" not in given:
        raise _Bad('write an object with "id", "channel", "from" and "body".')
    for name, what in (("channel", "email, sms, slack or another"), ("from", _ROLES), ("body", "")):
        if not isinstance(given.get(name), str):
            raise _Bad(f'"{name}" must be a text{": " + what if what else ""}.')
    subject = given.get("subject")
    if subject is not None and not isinstance(subject, str):
        raise _Bad('"subject" must be a text, or be left out.')
    parties = _parties(given.get("context"))
    return given, Content(given["body"], given["from"], given["channel"], subject, parties)


def _parties(context: object) -> Any:
    """Whom the firm knows as counsel, where a line says so."""
    from comms.compliance.material import Parties

    if context is None:
        return Parties()
    if not isinstance(context, dict):
        raise _Bad('"context" must be an object with lists "counsel" and "opposing".')
    lists = [context.get(name, []) for name in ("counsel", "opposing")]
    for each in lists:
        if not isinstance(each, list) or not all(isinstance(one, str) for one in each):
            raise _Bad('"counsel" and "opposing" must be lists of addresses or domains.')
    counsel, opposing = (frozenset(one.lower() for one in each) for each in lists)
    return Parties(counsel, opposing)


def _answer(given: Mapping[str, Any], content: "Content", screened: "Screened") -> dict[str, Any]:
    from comms.compliance.screening import parts

    answer: dict[str, Any] = {
        "id": given["id"],
        "labels": [label.value for label in screened.labels],
        "spans": [{"label": label.value, "text": text} for label, text in parts(content, screened)],
        "masked": screened.masked,
    }
    if screened.masked_subject != content.subject:
        answer["masked_subject"] = screened.masked_subject
    if screened.billing_fact:
        answer["billing_fact"] = screened.billing_fact
    if screened.failed:
        answer["failed"] = list(screened.failed)
    return answer


def _why(content: "Content") -> list[dict[str, Any]]:
    """What weighed most in each passage that is sealed as advice or health, or in the likeliest."""
    from comms.compliance.material import Material
    from comms.compliance.reasons import reasons

    return [
        {
            "label": one.label.value,
            "likeness": one.likeness,
            "sealed_from": one.likely,
            "rule": one.rule,
            "for": list(one.speaking_for),
            "against": list(one.speaking_against),
        }
        for one in reasons(Material.of(content))
    ]


def _say(answer: Mapping[str, Any]) -> None:
    """One line; half a character, which UTF-8 cannot write, is written as JSON's escape."""
    line = json.dumps(answer, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        line = json.dumps(answer)
    typer.echo(line)
