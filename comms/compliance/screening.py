"""What is in a message that not everybody may see?

One pass of RE2 over the text says which detectors have anything to look at; they look, and what
they find is told in the characters that came. A detector that fails or comes too late gives no
answer, and a message without an answer is sealed: nobody knows what is in it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from comms.compliance import billing_facts, masking
from comms.compliance.detectors import DETECTORS, Detector
from comms.compliance.labels import SEALING, Label, Span
from comms.compliance.material import Content, Material

LONGEST: Final = 8_000_000
"""Characters. What is longer is no message, and is sealed unread."""


_FEW: Final = 12
"""Words of a body that is a greeting, a name, or nothing."""


@dataclass(frozen=True, slots=True)
class Screened:
    """What was found, and what may be shown of it."""

    labels: tuple[Label, ...]
    spans: tuple[Span, ...]
    masked: str
    masked_subject: str | None
    billing_fact: str | None
    failed: tuple[str, ...] = ()
    """Names of detectors that gave no answer."""

    @property
    def sealed(self) -> bool:
        """Whether the text as a whole is hidden, not only masked in places."""
        return not SEALING.isdisjoint(self.labels)


Spent = Callable[[], bool]
"""Whether the time for this message is over; the caller has the clock."""


class Screen:
    """Some detectors, and what they say together."""

    def __init__(self, detectors: Sequence[Detector] = DETECTORS) -> None:
        self._detectors = tuple(detectors)

    def __call__(self, content: Content, spent: Spent = lambda: False) -> Screened:
        """Label a message; never raises for what is in it."""
        spans, failed = _found(content, self._detectors, spent)
        if not failed and content.subject and len(content.body.split(maxsplit=_FEW)) < _FEW:
            more, failed = self._by_subject(content, content.subject, spent)
            spans = _settled([*spans, *more])
        if failed:
            return _unscreened(content, failed)
        labels = _labels(spans)
        if labels == (Label.NONE,):
            return Screened(labels, (), content.body, content.subject, None)
        try:
            return self._told(content, labels, spans)
        except Exception:  # noqa: BLE001 - whatever it was, the text is not shown
            return _unscreened(content, ("masking",))

    def _by_subject(
        self, content: Content, subject: str, spent: Spent
    ) -> tuple[list[Span], tuple[str, ...]]:
        """What the subject says by itself: to a body of a few words it is the letter."""
        alone = Content(subject, content.sender, content.channel, None, content.parties)
        sealing = [one for one in self._detectors if one.seals]
        spans, failed = _found(alone, sealing, spent)
        return [replace(span, part="subject") for span in spans], failed

    def _told(
        self, content: Content, labels: tuple[Label, ...], spans: tuple[Span, ...]
    ) -> Screened:
        sealed = not SEALING.isdisjoint(labels)
        masked, subject = masking.masked(content, spans)
        if not sealed:
            masked, subject = self._clean(content, masked, subject)
        else:
            masked, subject = masking.SEALED, masking.SEALED if content.subject else None
        fact = billing_facts.billing_fact(content, spans)
        return Screened(labels, spans, masked, subject, fact)

    def _clean(self, content: Content, masked: str, subject: str | None) -> tuple[str, str | None]:
        """Masked until nothing more is found; what cannot be got clean is not shown."""
        covering = [one for one in self._detectors if not one.seals]
        for _ in range(3):
            again = Content(masked, content.sender, content.channel, subject, content.parties)
            spans, failed = _found(again, covering, lambda: False)
            if failed:
                break
            if not spans:
                return masked, subject
            masked, subject = masking.masked(again, spans)
        return masking.SEALED, masking.SEALED if content.subject else None


def _found(
    content: Content, detectors: Sequence[Detector], spent: Spent
) -> tuple[tuple[Span, ...], tuple[str, ...]]:
    if len(content.body) + len(content.subject or "") > LONGEST:
        return (), ("length",)
    try:
        material = Material.of(content)
    except Exception:  # noqa: BLE001 - a text that cannot be read is sealed
        return (), ("reading",)
    found: list[Span] = []
    failed: list[str] = []
    for detector in detectors:
        try:
            if detector.concerns(material):
                found += detector.find(material)
        except Exception:  # noqa: BLE001 - its failure is its answer: sealed
            failed.append(detector.name)
        if spent():
            failed.append(detector.name)
            break
    return _settled(found), tuple(failed)


def _labels(spans: Sequence[Span]) -> tuple[Label, ...]:
    if not spans:
        return (Label.NONE,)
    there = {span.label for span in spans}
    return tuple(label for label in Label if label in there)


def _settled(spans: Sequence[Span]) -> tuple[Span, ...]:
    """In their order, each once."""
    return tuple(sorted(set(spans), key=lambda span: (span.part, span.start, span.end, span.label)))


def _unscreened(content: Content, failed: tuple[str, ...]) -> Screened:
    whole = Span(0, len(content.body), Label.UNSCREENED)
    subject = masking.SEALED if content.subject else None
    return Screened((Label.UNSCREENED,), (whole,), masking.SEALED, subject, None, failed)


def parts(content: Content, screened: Screened) -> Iterator[tuple[Label, str]]:
    """The characters of each span, as they came."""
    for span in screened.spans:
        text = content.body if span.part == "body" else content.subject or ""
        yield span.label, text[span.start : span.end]


screen: Final = Screen()
