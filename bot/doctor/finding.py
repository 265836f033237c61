"""What does doctor say of one thing that it looked at?  Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from bot.report import DONE, NO, Report, Table

HIDDEN = "•••"


class Verdict(StrEnum):
    """How a thing stands."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what was seen, and what to do about it where that is needed."""

    what: str
    verdict: Verdict
    said: str
    advice: str = ""

    @property
    def bad(self) -> bool:
        """Something does not work, or will not."""
        return self.verdict is Verdict.WRONG


def ok(what: str, said: str) -> Finding:
    """It is as it should be."""
    return Finding(what, Verdict.OK, said)


def warning(what: str, said: str, advice: str) -> Finding:
    """It works, but somebody should know."""
    return Finding(what, Verdict.WARNING, said, advice)


def wrong(what: str, said: str, advice: str) -> Finding:
    """It keeps the installation from doing its work."""
    return Finding(what, Verdict.WRONG, said, advice)


def skipped(what: str, said: str) -> Finding:
    """It was not looked at, and why."""
    return Finding(what, Verdict.SKIPPED, said)


def hushed(found: Iterable[Finding], secrets: Sequence[str]) -> list[Finding]:
    """The findings without a secret that a server may have repeated to us."""
    told = list(found)
    for secret in sorted(secrets, key=len, reverse=True):
        told = [
            replace(
                one,
                what=one.what.replace(secret, HIDDEN),
                said=one.said.replace(secret, HIDDEN),
                advice=one.advice.replace(secret, HIDDEN),
            )
            for one in told
        ]
    return told


def report(found: Sequence[Finding]) -> Report:
    """All findings for people and programs; the answer is no where something is wrong."""
    bad = sum(one.bad for one in found)
    notable = sum(one.verdict is Verdict.WARNING for one in found)
    line = f"{_many(bad)} wrong." if bad else "All is well."
    if notable:
        line += f" {_many(notable)} worth a look."
    rows = [[one.what, one.verdict, f"{one.said} {one.advice}".rstrip()] for one in found]
    data = {
        "well": not bad,
        "wrong": bad,
        "warnings": notable,
        "findings": [
            {("do" if key == "advice" else key): value for key, value in asdict(one).items()}
            for one in found
        ],
    }
    table = Table("", ["what", "verdict", "said, and what to do"], rows)
    return Report(data, [line], [table], NO if bad else DONE)


def _many(count: int) -> str:
    return "1 thing is" if count == 1 else f"{count} things are"
