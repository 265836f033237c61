"""Does a history that is lived through on every core come to the same?"""

import asyncio
import datetime as dt
from pathlib import Path

from billing import policy
from billing.portfolio import read
from bot.firm import Entity, Firm
from bot.replay import crowd, history
from bot.replay.course import Setting, Span
from bot.replay.history import History
from bot.report import silent

HEAD = "client,invoice,issued,due,amount,paid,email"
ROWS = (
    "a,1,2026-01-05,2026-01-12,100.00,2026-03-10,ann@x.example",
    "b,2,2026-01-05,2026-01-12,200.00,,both@x.example",
    "c,3,2026-01-06,2026-01-13,300.00,2026-01-20,both@x.example",
    "d,4,2026-01-07,2026-01-14,400.00,,dan@x.example",
    "e,5,2026-01-08,2026-01-15,500.00,2026-02-20,eve@x.example",
)


def lived(folder: Path) -> History:
    file = folder / "history.csv"
    file.write_text("\n".join((HEAD, *ROWS)))
    return history.tell(read(file).rows, by_invoice=False, bare=False)


def test_clients_who_share_an_address_stay_together(tmp_path: Path) -> None:
    parts = crowd.apart(lived(tmp_path), 5)
    together = [{one.external_id for one in part.clients} for part in parts]
    assert sorted(map(sorted, together)) == [["a"], ["b", "c"], ["d"], ["e"]]


def test_every_fact_is_in_one_part_in_its_order(tmp_path: Path) -> None:
    whole = lived(tmp_path)
    parts = crowd.apart(whole, 2)
    assert len(parts) == 2
    assert sorted(event for part in parts for event in part.events) == list(whole.events)
    assert all(list(part.events) == sorted(part.events) for part in parts)


def test_two_processes_come_to_what_one_does(tmp_path: Path) -> None:
    whole = lived(tmp_path)
    entity = Entity(
        name="Our firm", postal_address="On paper", from_name="Our firm",
        from_address="accounts@paper.example", pay_link="https://paper.example/pay",
        phone="+15005550006", currency="USD",
    )  # fmt: skip
    span = Span(whole.first, whole.last + dt.timedelta(days=20))
    setting = Setting(whole, span, policy.default(), Firm(legal_entity=(entity,)))
    alone = asyncio.run(crowd.live(setting, silent))
    together = asyncio.run(crowd.live(setting, silent, worth=4))
    assert together == alone
    assert sum(rung.notices for rung in alone.rungs) > 0
