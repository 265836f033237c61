"""What exactly does the client read? A message's folder of templates and plain data, made text.

The operator's folder is asked first, then ours. A name that the data lacks is an error, never an
empty space; what operators write runs in a sandbox; templates are compiled once.
"""

import functools
import re
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from babel.dates import format_date
from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, meta, pass_context
from jinja2.exceptions import TemplateNotFound, TemplateSyntaxError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import escape

from billing import money, shipped
from comms.compliance import disclosure
from comms.writing import segments

LONGEST_SUBJECT = 200
_LONGEST_MAIL = 200_000
_LOCALE = "en_US"
_MESSAGE_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}")
_WITHOUT_NOTICE = frozenset({"opt_out_confirmation"})
"""It says itself that nothing more will come."""
PARTS = {"email": ("subject.txt", "email.txt", "email.html"), "sms": ("sms.txt",)}
"""What a message needs to leave by a channel."""
_GAP = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as it leaves. SMS has no subject and no HTML."""

    subject: str
    text: str
    html: str


class TemplateMistake(Exception):
    """A template cannot be used as it is; the sentence says what to change, and where."""

    def __init__(self, file: str, line: int, sentence: str) -> None:
        super().__init__(f"{file}, line {line}: {sentence}")
        self.file = file
        self.line = line
        self.sentence = sentence


class Templates:
    """The templates of this installation: the folders in the order they are asked."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        found = [*folders, shipped.path("templates")]
        self.environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(found),
            undefined=StrictUndefined,
            autoescape=_escapes,
            auto_reload=False,
            cache_size=-1,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.filters |= {"money": _money, "day": _day}
        self._selling: dict[tuple[str, str], str] = {}

    def render(self, message: str, channel: str, context: Mapping[str, object]) -> Rendered:
        """The message for ``email``, ``sms`` or ``slack``.

        Raises:
            TemplateMistake: a part is missing, names unknown data, or is too long.
        """
        if _MESSAGE_NAME.fullmatch(message) is None:
            raise TemplateMistake("templates", 0, "a message is named in small letters")
        if channel == "email":
            return self._email(message, context)
        text = _tidy(self._part(message, f"{channel}.txt", context))
        return Rendered("", _sms(message, text, context) if channel == "sms" else text, "")

    def sells(self, message: str, channel: str) -> str:
        """Why a message is commercial, whatever else it is about: an offer, or words of selling.

        Nothing where it is about the account alone.
        """
        if (message, channel) not in self._selling:
            found = (self._part_sells(f"{message}/{part}.j2") for part in PARTS.get(channel, ()))
            self._selling[message, channel] = next(filter(None, found), "")
        return self._selling[message, channel]

    def _part_sells(self, file: str) -> str:
        try:
            source = self.environment.loader.get_source(self.environment, file)[0]  # type: ignore[union-attr]
            names = meta.find_undeclared_variables(self.environment.parse(source))
        except TemplateError:
            return ""  # its mistake shows when it is rendered
        return "offer" if "offer" in names else disclosure.sells(source)

    def _email(self, message: str, context: Mapping[str, object]) -> Rendered:
        subject = " ".join(self._part(message, "subject.txt", context).split())
        if not 0 < len(subject) <= LONGEST_SUBJECT:
            sentence = f"a subject has 1 to {LONGEST_SUBJECT} characters; this has {len(subject)}"
            raise TemplateMistake(f"{message}/subject.txt.j2", 1, sentence)
        text = _tidy(self._part(message, "email.txt", context))
        html = self._part(message, "email.html", context)
        notice = str(context.get("opt_out_notice", ""))
        for part, said in (("txt", text), ("html", html)):
            if notice not in said and str(escape(notice)) not in said:
                sentence = "the opt-out notice is missing; put {{ opt_out_notice }} in its footer"
                raise TemplateMistake(f"{message}/email.{part}.j2", 1, sentence)
        if max(len(text), len(html)) > _LONGEST_MAIL:
            raise TemplateMistake(f"{message}/email.html.j2", 1, "the mail is too long; shorten it")
        return Rendered(subject, text + "\n", html)

    def _part(self, message: str, part: str, context: Mapping[str, object]) -> str:
        file = f"{message}/{part}.j2"
        try:
            return self.environment.get_template(file).render(context)
        except TemplateNotFound as error:
            sentence = f"{error.name} does not exist; add it beside the other parts"
            raise TemplateMistake(file, 1, sentence) from error
        except TemplateSyntaxError as error:
            raise TemplateMistake(
                error.name or file, error.lineno, error.message or "is no valid template"
            ) from error
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            at, line = _place(error, file)
            raise TemplateMistake(at, line, _sentence(error)) from error


def _sms(message: str, text: str, context: Mapping[str, object]) -> str:
    """The text with our opt-out notice on it exactly once, in its cheapest form."""
    file = f"{message}/sms.txt.j2"
    said = "" if message in _WITHOUT_NOTICE else context.get("opt_out_notice", "")
    notice = str(said).strip()
    if notice and text.count(notice) > 1:
        raise TemplateMistake(file, 1, "the opt-out notice stands there twice; keep one")
    whole = text if not notice or notice in text else f"{text}\n{notice}".strip()
    cheap = segments.cheapest(whole)
    if not cheap:
        raise TemplateMistake(file, 1, "the text is empty; write one")
    if len(cheap) > segments.LONGEST:
        sentence = f"a text has at most {segments.LONGEST} characters; this has {len(cheap)}"
        raise TemplateMistake(file, 1, sentence)
    return cheap


def _escapes(name: str | None) -> bool:
    return name is not None and name.endswith(".html.j2")


def _tidy(text: str) -> str:
    lines = (line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    return _GAP.sub("\n\n", "\n".join(lines)).strip()


def _place(error: BaseException, file: str) -> tuple[str, int]:
    """Where in a template an error came from; Jinja2 rewrites tracebacks to template lines."""
    frames: Iterable[traceback.FrameSummary] = reversed(traceback.extract_tb(error.__traceback__))
    for frame in frames:
        if frame.filename.endswith(".j2"):
            return "/".join(Path(frame.filename).parts[-2:]), frame.lineno or 1
    return file, 1


def _sentence(error: Exception) -> str:
    """What went wrong, without the client's data: only Jinja2's own words are repeated."""
    if isinstance(error, TemplateError):
        return f"{error.message}; see the list of fields in the documentation"
    return "an amount, date or name is not of the kind that this place needs"


@pass_context
def _money(context: Context, minor: int, currency: str, locale: str | None = None) -> str:
    return money.display(minor, currency, _locale(context, locale))


@pass_context
def _day(context: Context, value: date, form: str = "long", locale: str | None = None) -> str:
    return _written(value, form, _locale(context, locale))


def _locale(context: Context, locale: str | None) -> str:
    return str(locale or context.get("locale") or _LOCALE)


@functools.lru_cache(maxsize=4_096)
def _written(value: date, form: str, locale: str) -> str:
    if form not in {"short", "medium", "long", "full"}:
        raise ValueError("a day is written short, medium, long or full")
    return format_date(value, form, locale=locale)
