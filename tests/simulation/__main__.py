"""Which seeds are played, how large, and what came of them? ``make simulate`` asks this."""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bot import schema
from tests.simulation.cores import Wanted, play_all, say, shrink
from tests.simulation.play import Outcome, Size


def main() -> int:
    asked = _arguments()
    size = Size(asked.clients, asked.days, tuple(numbers(asked.only)), asked.calm)
    with tempfile.TemporaryDirectory(prefix="simulation-") as folder:
        template = Path(folder, "template.db")
        schema.upgrade(f"sqlite:///{template}")
        wanted = [Wanted(seed, size, template, asked.loud) for seed in numbers(asked.seeds)]
        began, outcomes = time.perf_counter(), list[Outcome]()
        for outcome in play_all(wanted, asked.jobs):
            outcomes.append(outcome)
            if outcome.wrong and len(outcomes) < asked.shrink:
                say(str(shrink(outcome, template)))
            elif outcome.wrong:
                say(str(outcome))
            if outcome.wrong and asked.first:
                break
        return _tell(outcomes, time.perf_counter() - began)


def _tell(outcomes: list[Outcome], seconds: float) -> int:
    met = sum((one.met for one in outcomes), Counter[str]())
    days = sum(one.client_days for one in outcomes)
    busy = sum(one.seconds for one in outcomes)
    broken = [one for one in outcomes if one.wrong]
    for name, count in sorted(met.items()):
        say(f"{count:>10,}  {name}")
    took = f"in {seconds:.0f} s, {busy:.0f} s of processor: {days / busy:,.0f}/s"
    say(f"{len(outcomes)} seeds, {days:,} client-days {took}")
    kinds = Counter(one.wrong.invariant for one in broken if one.wrong)
    if not broken:
        say("nothing is broken")
        return 0
    say("broken: " + ", ".join(f"{kind} ({count})" for kind, count in kinds.items()))
    say("seeds: " + ",".join(str(one.seed) for one in broken))
    return 1


def numbers(text: str) -> list[int]:
    """``17``, ``1-500``, ``1..25`` and ``3,5,8-10``."""
    found: list[int] = []
    for part in filter(None, text.replace("..", "-").split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _arguments() -> argparse.Namespace:
    asked = argparse.ArgumentParser(prog="simulate", description=__doc__)
    asked.add_argument("--seeds", default="1-50")
    asked.add_argument("--clients", type=int, default=Size.clients)
    asked.add_argument("--days", type=int, default=Size.days)
    asked.add_argument("--only", default="", help="only these clients, by number")
    asked.add_argument("--calm", action="store_true", help="nothing goes wrong on the way")
    asked.add_argument("--loud", action="store_true", help="print every event")
    asked.add_argument("--shrink", type=int, default=5, help="so many that break are made smaller")
    asked.add_argument("--first", action="store_true", help="end with the first that breaks")
    asked.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return asked.parse_args()


if __name__ == "__main__":
    sys.exit(main())
