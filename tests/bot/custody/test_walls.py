import asyncio
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import Session, col

from billing.clock import TurnedClock
from billing.models import Staff
from billing.store import Store
from bot.custody import walls
from bot.report import Report, Wrong, silent
from tests.conftest import Database

ADA, BEA = "ada@firm.example", "bea@firm.example"


def _people(session: Session) -> None:
    session.add_all([Staff(name=one, email=one) for one in (ADA, BEA)])


@pytest.fixture
def change(sqlite_store: Store, clock: TurnedClock) -> Any:
    sqlite_store.write_now(_people)
    app: Any = SimpleNamespace(store=sqlite_store, clock=clock)

    def asked(**more: Any) -> Report:
        return asyncio.run(walls.change(app, {"matter": "Bram suit", **more}, silent))

    return asked


def test_a_wall_around_a_matter_that_no_bill_names_says_so(change: Any) -> None:
    assert "No bill names the matter Bram suit" in " ".join(change(add=(ADA,)).lines)


@pytest.mark.parametrize("more", [{}, {"add": (ADA,)}], ids=["out", "in and out"])
def test_a_wall_falls_by_no_way_but_being_taken_down(change: Any, more: dict[str, Any]) -> None:
    change(add=(ADA,))
    with pytest.raises(Wrong, match="Nobody would be left inside"):
        change(remove=(ADA,), **more)
    assert [row["email"] for row in change(add=(BEA,)).data["walls"]] == [ADA, BEA]
    assert change(down=True).data["walls"] == []


def test_who_has_left_the_firm_is_taken_out_and_keeps_no_wall_standing(
    change: Any, sqlite_store: Store
) -> None:
    change(add=(ADA, BEA))
    leave = update(Staff).where(col(Staff.email) == ADA).values(active=False)
    sqlite_store.write_now(lambda session: session.execute(leave))
    with pytest.raises(Wrong, match="Nobody would be left inside"):
        change(remove=(BEA,))
    assert [row["email"] for row in change(remove=(ADA,)).data["walls"]] == [BEA]


def test_two_who_are_let_out_at_once_do_not_bring_the_wall_down(
    postgres_database: Database, clock: TurnedClock
) -> None:
    with closing(Store(postgres_database.url)) as store:
        app: Any = SimpleNamespace(store=store, clock=clock)
        matter = {"matter": "Bram suit"}
        store.write_now(_people)
        asyncio.run(walls.change(app, matter | {"add": (ADA, BEA)}, silent))
        asking = ThreadPoolExecutor(1)
        with Session(store.engine) as first, asking:
            walls.changed(first, walls.Asked(**matter, remove=(ADA,)), clock.now())
            out = walls.change(app, matter | {"remove": (BEA,)}, silent)
            second = asking.submit(asyncio.run, out)
            wait([second], timeout=0.2)  # it must wait as well
            first.commit()
            with pytest.raises(Wrong, match="Nobody would be left inside"):
                second.result()
