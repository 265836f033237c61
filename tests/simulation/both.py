"""Is the same seed the same story on PostgreSQL? ``make simulate-postgresql`` asks this of some."""

import argparse
import sys
import tempfile
import time
from contextlib import chdir, closing
from pathlib import Path

import structlog

from bot import schema
from tests.postgres import Cluster
from tests.simulation.__main__ import numbers
from tests.simulation.cores import say
from tests.simulation.play import Size, play
from tests.simulation.process import Databases


def differs(seed: int, size: Size, template: Path, databases: Databases) -> str:
    """What is wrong there, or is not as it is on SQLite; nothing where all is one story."""
    schema.upgrade(databases.rows)
    there = play(seed, size, databases)
    if there.wrong is not None:
        return str(there)
    here = play(seed, size, template)
    if (there.digest, there.met) == (here.digest, here.met):
        return ""
    counted = {name: (here.met[name], there.met[name]) for name in here.met | there.met}
    apart = {name: both for name, both in counted.items() if both[0] != both[1]}
    return f"seed {seed} is another story on PostgreSQL; counted on each: {apart}"


def main() -> int:
    asked = argparse.ArgumentParser(prog="simulate-postgresql", description=__doc__)
    asked.add_argument("--seeds", default="1-5")
    asked.add_argument("--clients", type=int, default=5)
    asked.add_argument("--days", type=int, default=24)
    given = asked.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    size, wrong = Size(given.clients, given.days), 0
    with (
        tempfile.TemporaryDirectory() as folder,
        chdir(folder),
        closing(Cluster("pg")) as pg,
    ):
        template = Path("template.db")
        schema.lay(f"sqlite:///{template}")
        for seed in numbers(given.seeds):
            began, names = time.process_time(), [pg.create(), pg.create()]
            found = differs(seed, size, template, Databases(*map(pg.url, names)))
            wrong += bool(found)
            took = f"{time.process_time() - began:.0f} s"
            say(found or f"seed {seed}: the same story on both ({took})")
            for name in names:
                pg.drop(name)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
