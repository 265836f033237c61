"""How many megabytes of mail are screened a second, with all rules on, and is every number found?

Beside ours stand Presidio's pattern recognisers for the same numbers (cards, IBAN, SSN, routing and
bank accounts; no rules for privilege, health, secrets), on the same texts in the same run. They
need an environment of their own: ``PRESIDIO_PYTHON`` names its Python; without it ours stand alone.
``SCREEN_MAIL`` names a file of JSON lines with a ``body`` each, whose speed is measured as well.
Half of each set warms both up, and the other half, which neither has seen, is measured: an
automaton is built as texts need it, so that a text seen before is several times cheaper. Seconds
are those of the processor.
"""

import json
import os
import random
import subprocess
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from time import process_time
from typing import Any

from benchmarks.figures import Figure, Scale
from comms.compliance import numbers
from comms.compliance.detectors import DETECTORS
from comms.compliance.labels import Label
from comms.compliance.material import Content
from comms.compliance.screening import Screen, parts, screen

_MANY = {Scale.SMALL: 400, Scale.FULL: 4000}
_NUMBERS_ALONE = Screen([one for one in DETECTORS if one.name in {"money", "identity"}])
"""What the other looks for: cards, IBAN, accounts and social security numbers."""
_SENTENCES = 26
_KINDS = {Label.PAN, Label.IBAN, Label.SSN, Label.BANK_ACCOUNT}
_RIVAL = Path(__file__).with_name("rival_screen.py")
_ORDINARY = (
    "Hi {name}, invoice INV-{a} for ${b}.00 was paid by wire this morning. Best, Ann",
    "Can you resend invoice {a}? The PDF never arrived, and our AP run is on Friday.",
    "Your parcel 9400 1118 9922 {d} {e} 77 arrives today by 8pm.",
    "We received the goods for PO {a}. Two of {b} boxes were damaged, please issue a credit note.",
    "ok will pay on the 15th, sorry for the delay",
    "Please change our billing address to {b} Harbour Street from next month on.",
    "The meeting moved to Tuesday at 10, room {b}. Dial in: 800-555-{e}, then #{b}.",
    "Approved. Please send the renewal for {b} seats to {name} and keep the price of last year.",
    "Order {a}{d} shipped; tracking 1Z999AA101{d}{e}. Expect it within three days.",
    "Our records show {b} open items over 60 days, total ${a}.50. Which of them do you dispute?",
)
_PLANTED = (
    ("pan", "please charge {card} for the renewal"),
    ("pan", "card {card} exp 09/28, thanks {name}"),
    ("ssn", "my SSN is {ssn} for the W-9"),
    ("iban", "please refund to {iban}, ref INV-{a}"),
)
_IBANS = ("GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "NL91 ABNA 0417 1643 00")


def figures(scale: Scale) -> Iterator[Figure]:
    """Speed on short messages and on letters, and the recall on the numbers planted in them."""
    mail = list(_mail(_MANY[scale]))
    texts = [text for text, _ in mail]
    rival = _rival([], texts)
    for name, some in _sets(texts, _MANY[scale] // 2):
        before, unseen = some[: len(some) // 2], some[len(some) // 2 :]
        theirs = _rival(before, unseen)
        yield _speed(f"{name}, all rules", before, unseen, theirs, screen)
        yield _speed(f"{name}, numbers alone", before, unseen, theirs, _NUMBERS_ALONE)
    ours = [_numbers(body) for body in texts]
    known = [[hit[1] for hit in hits] for hits in rival["found"]] if rival else None
    yield Figure(
        name="numbers planted in them that are found",
        database="",
        ours=_recall(mail, ours),
        bare=_recall(mail, known) if known else None,
        unit="%",
        better="more",
        goal="at least 100 %",
    )
    yield Figure(
        name="messages without one in which a number is seen",
        database="",
        ours=_false(mail, ours),
        bare=_false(mail, known) if known else None,
        unit="%",
        better="less",
        goal="at most 0 %",
    )
    whole = ("\n\n".join(texts) * 100)[:1_000_000]
    yield Figure(
        name="one message of a megabyte",
        database="",
        ours=_screened([whole]),
        bare=None,
        unit="s",
        better="less",
        goal="at most 1 s",
    )


def _sets(texts: Sequence[str], many: int) -> Iterator[tuple[str, Sequence[str]]]:
    yield f"{len(texts):,} messages of a line", texts
    letters = list(_letters(texts))
    yield f"{len(letters):,} letters of 2 kB", letters
    if os.environ.get("SCREEN_MAIL"):
        mails = list(_real(Path(os.environ["SCREEN_MAIL"]), many))
        yield f"{len(mails):,} mails of SCREEN_MAIL", mails


def _speed(
    name: str,
    before: Sequence[str],
    unseen: Sequence[str],
    rival: dict[str, Any] | None,
    by: Screen,
) -> Figure:
    size = sum(len(text.encode()) for text in unseen) / 1e6
    _screened(before, by)
    return Figure(
        name=name,
        database="",
        ours=size / _screened(unseen, by),
        bare=size / rival["seconds"] if rival else None,
        unit="MB/s",
        better="more",
        goal="at least 100 of bare",
        note="bare: Presidio's recognisers of numbers alone" if rival else "no PRESIDIO_PYTHON",
    )


def _letters(texts: Sequence[str]) -> Iterator[str]:
    """The same sentences in letters: a greeting, some paragraphs, what was written before."""
    for at in range(0, len(texts) - _SENTENCES, _SENTENCES):
        said = texts[at : at + _SENTENCES]
        own, before = "\n\n".join(said[: _SENTENCES // 2]), said[_SENTENCES // 2 :]
        quoted = "\n".join(f"> {line}" for line in before)
        yield f"Hi all,\n\n{own}\n\nBest\nAnn\n\nOn Monday Omar wrote:\n{quoted}\n"


def _real(file: Path, many: int) -> Iterator[str]:
    with file.open(encoding="utf-8") as lines:
        for line in islice(lines, many):
            yield json.loads(line)["body"]


def _mail(many: int) -> Iterator[tuple[str, str]]:
    """Messages, one in ten with a number; and the number, or nothing."""
    chance = random.Random(20260303)
    for index in range(many):
        filling = {
            "name": chance.choice(("Dana", "Omar", "Kim")),
            "a": chance.randint(1000, 9999),
            "b": chance.randint(2, 99),
            "d": chance.randint(1000, 9999),
            "e": chance.randint(1000, 9999),
            "card": _card(chance),
            "ssn": f"{chance.randint(101, 665)}-{chance.randint(10, 99)}-{chance.randint(1, 9)}234",
            "iban": chance.choice(_IBANS),
        }
        if index % 10:
            yield chance.choice(_ORDINARY).format(**filling), ""
        else:
            kind, form = chance.choice(_PLANTED)
            yield form.format(**filling), str(filling["card" if kind == "pan" else kind])


def _card(chance: random.Random) -> str:
    body = chance.choice(("4", "51", "6011"))
    body += "".join(str(chance.randint(0, 9)) for _ in range(15 - len(body)))
    number = next(body + digit for digit in "0123456789" if numbers.luhn(body + digit))
    gap = chance.choice(("", " ", "-"))
    return gap.join(number[at : at + 4] for at in range(0, 16, 4))


def _numbers(body: str) -> list[str]:
    """What is found of the kinds that the other looks for as well."""
    content = Content(body)
    return [text for label, text in parts(content, screen(content)) if label in _KINDS]


def _screened(texts: Sequence[str], by: Screen = screen) -> float:
    began = process_time()
    for text in texts:
        by(Content(text))
    return process_time() - began


def _rival(before: Sequence[str], texts: Sequence[str]) -> dict[str, Any] | None:
    python = os.environ.get("PRESIDIO_PYTHON")
    if not python:
        return None
    asked = json.dumps([list(before), list(texts)])
    done = subprocess.run(
        [python, str(_RIVAL)], input=asked, capture_output=True, text=True, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _recall(mail: Sequence[tuple[str, str]], found: Sequence[Sequence[str]]) -> float:
    planted = [(number, hits) for (_, number), hits in zip(mail, found, strict=True) if number]
    return 100 * sum(number in hits for number, hits in planted) / len(planted)


def _false(mail: Sequence[tuple[str, str]], found: Sequence[Sequence[str]]) -> float:
    clean = [hits for (_, number), hits in zip(mail, found, strict=True) if not number]
    return 100 * sum(bool(hits) for hits in clean) / len(clean)
