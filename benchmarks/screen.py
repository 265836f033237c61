"""How many megabytes of mail are screened a second, with all rules on, and is every number found?

Beside ours stand Presidio's pattern recognisers for the same numbers (cards, IBAN, SSN, routing and
bank accounts; no rules for privilege, health, secrets), on the same texts in the same run. They
need an environment of their own: ``PRESIDIO_PYTHON`` names its Python; without it ours stand alone.
"""

import json
import os
import random
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.figures import Figure, Scale
from comms.compliance import numbers
from comms.compliance.labels import Label
from comms.compliance.material import Content
from comms.compliance.screening import parts, screen

_MANY = {Scale.SMALL: 400, Scale.FULL: 4000}
_ROUNDS = 3
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
    """Speed on mixed mail, and the recall on the numbers planted in it."""
    mail = list(_mail(_MANY[scale]))
    texts = [text for text, _ in mail]
    size = sum(len(text.encode()) for text in texts) / 1e6
    _screened(texts)  # builds the automata
    seconds = median(_screened(texts) for _ in range(_ROUNDS))
    rival = _rival(texts)
    yield Figure(
        name=f"{len(texts):,} messages screened, all rules",
        database="",
        ours=size / seconds,
        bare=size / rival["seconds"] if rival else None,
        unit="MB/s",
        better="more",
        goal="at least 100 of bare",
        note="bare: Presidio's recognisers of numbers alone" if rival else "no PRESIDIO_PYTHON",
    )
    ours = [_numbers(body) for body in texts]
    theirs = [[hit[1] for hit in hits] for hits in rival["found"]] if rival else None
    yield Figure(
        name="numbers planted in them that are found",
        database="",
        ours=_recall(mail, ours),
        bare=_recall(mail, theirs) if theirs else None,
        unit="%",
        better="more",
        goal="at least 100 %",
    )
    yield Figure(
        name="messages without one in which a number is seen",
        database="",
        ours=_false(mail, ours),
        bare=_false(mail, theirs) if theirs else None,
        unit="%",
        better="less",
        goal="at most 0 %",
    )
    whole = "\n\n".join(texts) * (1 + int(1e6 // (size * 1e6)))
    began = perf_counter()
    screen(Content(whole[:1_000_000]))
    yield Figure(
        name="one message of a megabyte",
        database="",
        ours=perf_counter() - began,
        bare=None,
        unit="s",
        better="less",
        goal="",
    )


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


def _screened(texts: Sequence[str]) -> float:
    began = perf_counter()
    for text in texts:
        screen(Content(text))
    return perf_counter() - began


def _rival(texts: Sequence[str]) -> dict[str, Any] | None:
    python = os.environ.get("PRESIDIO_PYTHON")
    if not python:
        return None
    asked = json.dumps(list(texts))
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
