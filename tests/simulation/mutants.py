"""Would anybody notice? The product broken on purpose, one line at a time, in a copy.

``make simulate-mutants`` copies the source, breaks a line, and plays seeds until one fails. A
mutant that survives means that an invariant cannot fail, or that nothing in the stories meets it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.cores import say

ROOT = Path(__file__).parents[2]
_PARTS = ("billing", "comms", "bot", "templates", "rules", "examples", "tests", "policy.toml")


@dataclass(frozen=True)
class Mutant:
    """One line of the product, and what it is broken into."""

    says: str
    file: str
    right: str
    broken: str
    breaks: tuple[str, ...]
    """The invariants of which one must notice."""


MUTANTS = (
    Mutant(
        "renewals do not ask whether anything is overdue", "comms/gatekeeping.py",
        "GATED = (Purpose.RENEWAL, Purpose.OFFER)", "GATED = (Purpose.OFFER,)",
        ("renewals_wait",),
    ),
    Mutant(
        "offers do not ask whether anything is overdue", "comms/gatekeeping.py",
        "GATED = (Purpose.RENEWAL, Purpose.OFFER)", "GATED = (Purpose.RENEWAL,)",
        ("renewals_wait",),
    ),
    Mutant(
        "what an insurer owes is asked of the client as well", "billing/settlement.py",
        "self._add(PostingKind.SHARE, bill, part, -amount)",
        "self._add(PostingKind.SHARE, bill, part, 0)",
        ("books_balance", "paid_is_paid"),
    ),
    Mutant(
        "the door lets pass what somebody said no to", "comms/door/person.py",
        "held = case.recipient.consent.about(topic_of(case.purpose))", "held = Consent()",
        ("stop_is_kept",),
    ),
    Mutant(
        "the law does not stop anything", "comms/door/person.py",
        'yield Finding("legal", Verdict.WITHHOLD,', 'yield Finding("legal", Verdict.ALLOW,',
        ("the_law_is_kept",),
    ),
    Mutant(
        "every hour is convenient", "comms/door/times.py",
        "    if opens == case.now:", "    if opens >= case.now:",
        ("hours_are_kept", "wishes_are_kept"),
    ),
    Mutant(
        "the budget is one more than it says", "comms/door/times.py",
        "if len(recent) < limit:", "if len(recent) <= limit:",
        ("budget_is_kept",),
    ),
    Mutant(
        "a claim holds for ever", "comms/moves.py",
        '        MESSAGES.c.lease_until > bindparam("wall"),\n', "",
        ("hours_are_kept",),
    ),
    Mutant(
        "what a dead worker had on the wire is queued again", "comms/outbox.py",
        'in_doubt = {"state": State.IN_DOUBT, "rule"', 'in_doubt = {"state": State.QUEUED, "rule"',
        ("nothing_twice",),
    ),
    Mutant(
        "a lost answer is a retry, no doubt", "comms/delivery.py",
        "    elif isinstance(error, Uncertain):", "    elif isinstance(error, KeyError):",
        ("nothing_twice",),
    ),
    Mutant(
        "what is disputed, promised or under way is asked for", "billing/arrears.py",
        "fenced = instalment.disputed + instalment.in_flight + instalment.promised", "fenced = 0",
        ("paid_is_paid",),
    ),
    Mutant(
        "holds hold nothing", "billing/arrears.py",
        "whole = [hold for hold in account.holds if hold.invoice_id is None]",
        "whole: list[HoldFact] = []",
        ("holds_hold",),
    ),
    Mutant(
        "a refund is not booked", "billing/settlement.py",
        "(PostingKind.REFUND, refunded),", "(PostingKind.REFUND, 0),",
        ("books_balance",),
    ),
    Mutant(
        "the ladder leaves out a step", "billing/dunning/ladder.py",
        "return _next(case, case.level + 1)", "return _next(case, min(3, case.level + 2))",
        ("one_step_at_a_time",),
    ),
    Mutant(
        "a case is opened and nobody is told", "comms/duties/escalations.py",
        "    staff.tell(session, office, _card(case, staff.desk_of(session, office, "
        "client.owner_id)))",
        "    _card(case, staff.desk_of(session, office, client.owner_id))",
        ("every_escalation_has_an_owner",),
    ),
    Mutant(
        "a charge that failed stays so though it is paid", "billing/retries.py",
        "return not is_clear(item) and bool(_failures(item))", "return bool(_failures(item))",
        ("paid_is_paid",),
    ),
    Mutant(
        "who is erased keeps the key", "bot/custody/erasure.py",
        "        app.keyring.destroy(key_id)\n", "        app.keyring.has(key_id)\n",
        ("who_asks_is_forgotten",),
    ),
    Mutant(
        "what staff should read is given up after six tries", "comms/delivery.py",
        "few = message.attempts < TRIES or message.audience != Audience.CLIENT",
        "few = message.attempts < TRIES",
        ("every_non_send_is_explained",),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """Whether a mutant was caught, by which invariant, and after how many seconds."""

    mutant: Mutant
    by: str
    seed: str
    seconds: float


def judge(mutant: Mutant, seeds: str, jobs: int) -> Verdict:
    """Break a copy, and play until something is wrong."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        for part in _PARTS:
            _copied(ROOT / part, copy / part)
        _break(copy, mutant)
        asked = [
            "--clients",
            "5",
            "--days",
            "24",
            "--seeds",
            seeds,
            "--jobs",
            str(jobs),
            "--shrink",
            "0",
            "--first",
        ]
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "tests.simulation", *asked],
            cwd=copy, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(copy)},
        )  # fmt: skip
    words = next((line for line in done.stdout.splitlines() if " broke " in line), "").split()
    by, seed = (words[3], words[1]) if words else ("", "")
    if not words and done.returncode:
        by = "it does not run: " + (done.stderr.strip().splitlines() or ["?"])[-1]
    return Verdict(mutant, by, seed, time.monotonic() - began)


def _copied(here: Path, there: Path) -> None:
    if here.is_dir():
        shutil.copytree(here, there, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(here, there)


def _break(copy: Path, mutant: Mutant) -> None:
    file = copy / mutant.file
    text = file.read_text()
    if text.count(mutant.right) != 1:
        raise SystemExit(f"{mutant.says}: {mutant.file} has {mutant.right!r} not exactly once")
    file.write_text(text.replace(mutant.right, mutant.broken))


def main() -> int:
    asked = argparse.ArgumentParser(prog="simulate-mutants", description=__doc__)
    asked.add_argument("--seeds", default="1-40")
    asked.add_argument("--only", default="", help="words of the mutants to try")
    asked.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = asked.parse_args()
    survived = 0
    for mutant in MUTANTS:
        if given.only not in mutant.says:
            continue
        found = judge(mutant, given.seeds, given.jobs)
        caught = found.by in mutant.breaks
        survived += not caught
        word = f"caught by {found.by}, seed {found.seed}" if caught else f"SURVIVED {found.by}"
        say(f"{mutant.says}: {word} ({found.seconds:.0f} s)")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
