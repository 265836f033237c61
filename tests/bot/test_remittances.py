"""What an insurer pays, line by line: booked on its shares, once; what does not fit is a task."""

import asyncio
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

from billing import accounts, facts
from billing.clock import TurnedClock
from billing.models import Payment, Share
from bot import intake, remittances
from bot.app import App, books
from bot.report import DONE, NO, WRONG, Report, Wrong, silent
from bot.settings import Settings
from bot.slack import cards
from comms.models import Message
from tests import factories
from tests.conftest import Database

NOW = dt.datetime(2026, 3, 2, 15, tzinfo=dt.UTC)
MASTER_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
HEADER = "claim,invoice,client,paid,denied,adjusted,reason,date,currency\n"
PAYER = "Harbour Mutual"


@pytest.fixture
def settings(sqlite_database: Database) -> Settings:
    return Settings(
        database_url=sqlite_database.url,
        keyring_url=sqlite_database.keyring_url,
        master_key=MASTER_KEY,
    )


@pytest.fixture
def app(settings: Settings) -> Iterator[App]:
    app = opened(settings)
    yield app
    asyncio.run(app.close())


def opened(settings: Settings) -> App:
    """Two bills of 1,000.00 that an insurer owes 800.00 and 500.00 of."""
    app = books(settings, TurnedClock(NOW))
    app.keyring.make(["client:one"], NOW)
    told = [
        facts.ClientDescribed(source="pms", external_id="p-1", name="Willow Court"),
        *bill("INV-1", 80_000),
        *bill("INV-2", 50_000),
    ]
    app.store.write_now(
        lambda session: [
            factories.firm(session, NOW),
            intake.take_told(session, app.office(), told, ["client:one"]),
        ]
    )
    return app


def bill(number: str, share: int) -> list[facts.Fact]:
    about: dict[str, Any] = {"source": "pms", "client_external_id": "p-1"}
    issued = facts.InvoiceIssued(
        **about, number=number, amount=100_000, currency="USD",
        issued_on=dt.date(2026, 1, 5), due_on=dt.date(2026, 2, 4),
    )  # fmt: skip
    owed = facts.ShareDescribed(
        **about, invoice_number=number, payer="hm", payer_name=PAYER, state="waiting",
        amount=share, told_at=dt.datetime(2026, 1, 6, tzinfo=dt.UTC),
    )  # fmt: skip
    return [issued, owed]


def row(**cells: str) -> str:
    told = {"claim": "C-1", "invoice": "INV-1", "paid": "800.00", "date": "2026-03-01"} | cells
    return ",".join(told.get(name, "") for name in HEADER.strip().split(",")) + "\n"


def run(app: App, folder: Path, *rows: str, **flags: Any) -> Report:
    file = folder / "remittance.csv"
    file.write_text(HEADER + "".join(rows))
    asked = {"file": str(file), "payer": PAYER} | flags
    return asyncio.run(remittances.run(app, asked, silent))


def owed(app: App) -> dict[str, int]:
    """What is open of the client's own, by invoice."""
    with app.store.read() as session:
        client = session.exec(select(Payment.client_id)).first() or 1
        debts = accounts.owed(session, client)
        return {debt.instalment.number: debt.instalment.open for debt in debts}


def shares(app: App) -> list[tuple[str, int]]:
    with app.store.read() as session:
        rows = session.exec(select(Share).order_by(col(Share.invoice_id)))
        return [(one.state, one.amount) for one in rows]


def payments(session: Session) -> list[int]:
    return list(session.exec(select(Payment.amount).order_by(col(Payment.id))))


def all_payments(app: App) -> list[int]:
    with app.store.read() as session:
        return payments(session)


def test_what_a_payer_pays_is_booked_on_its_share(app: App, tmp_path: Path) -> None:
    report = run(app, tmp_path, row())
    assert (report.code, report.data["new"]) == (DONE, [2])
    assert report.lines == ["Booked: 1 line, $800.00 paid."]
    assert shares(app)[0] == ("settled", 80_000)
    assert owed(app) == {"INV-1": 20_000, "INV-2": 50_000}


@pytest.mark.parametrize(
    ("cells", "share", "own"),
    [
        ({"paid": "650.00"}, ("settled", 65_000), 35_000),
        ({"paid": "0", "reason": "not covered"}, ("denied", 0), 100_000),
        ({"paid": "500.00", "denied": "100.00"}, ("waiting", 70_000), 30_000),
        ({"paid": "500.00", "denied": "300.00"}, ("settled", 50_000), 50_000),
        ({"paid": "300.00", "denied": "0"}, ("waiting", 80_000), 20_000),
        ({"invoice": "inv 1"}, ("settled", 80_000), 20_000),
    ],
    ids=["less", "nothing", "some waits", "the rest is denied", "a part", "written otherwise"],
)
def test_what_is_not_paid_is_the_clients_again(
    app: App, tmp_path: Path, cells: dict[str, str], share: tuple[str, int], own: int
) -> None:
    assert run(app, tmp_path, row(**cells)).code == DONE
    assert shares(app)[0] == share
    assert owed(app)["INV-1"] == own


def test_the_same_file_twice_changes_nothing(app: App, tmp_path: Path) -> None:
    lines = row(paid="300.00", denied="100.00"), row(claim="C-2", paid="0", denied="100.00")
    run(app, tmp_path, *lines)
    before = shares(app), owed(app), all_payments(app)
    again = run(app, tmp_path, *lines)
    assert (again.code, again.data["known"], again.data["new"]) == (DONE, [2, 3], [])
    assert (shares(app), owed(app), all_payments(app)) == before
    assert shares(app)[0] == ("waiting", 60_000)


def test_two_claims_of_one_invoice_add_up(app: App, tmp_path: Path) -> None:
    run(app, tmp_path, row(paid="300.00"), row(claim="C-2", paid="400.00"))
    assert shares(app)[0] == ("settled", 70_000)
    assert all_payments(app) == [30_000, 40_000]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"invoice": "INV-9"}, "has no share in an invoice INV-9"),
        ({"paid": "800.01"}, "more than what is open of Harbour Mutual's share, $800.00"),
        ({"currency": "EUR"}, "is in EUR, and INV-1 is in USD"),
        ({"adjusted": "10.00", "paid": "1.00"}, "credit it on the invoice first"),
        ({"client": "Somebody Else"}, "is not an invoice of Somebody Else"),
    ],
    ids=["unknown", "too much", "currency", "adjusted", "client"],
)
def test_what_does_not_fit_is_a_task_and_nothing_is_booked(
    app: App, tmp_path: Path, cells: dict[str, str], reason: str
) -> None:
    good = row(claim="C-7", invoice="INV-2", paid="500.00")
    report = run(app, tmp_path, good, row(**cells))
    assert report.code == NO
    assert reason in report.data["tasks"][0]["reason"]
    assert all_payments(app) == []
    later = run(app, tmp_path, good, row(**cells), skip_bad=True)
    assert (later.code, later.data["new"]) == (NO, [2])
    assert all_payments(app) == [50_000]


def test_other_amounts_for_a_booked_line_are_a_task(app: App, tmp_path: Path) -> None:
    run(app, tmp_path, row(paid="300.00"))
    report = run(app, tmp_path, row(paid="350.00"))
    assert "was booked before with other amounts" in report.data["tasks"][0]["reason"]
    assert all_payments(app) == [30_000]


def test_finance_sees_the_lines_once(app: App, tmp_path: Path) -> None:
    for _ in range(2):
        run(app, tmp_path, row(invoice="INV-9", reason="see letter"))
    with app.store.read() as session:
        [alert] = session.exec(select(Message).where(Message.template == "remittance"))
        card = cards.compose(session, app.office(), alert)
    assert card is not None
    assert card.text == "A line of a remittance of Harbour Mutual needs a person"
    assert "C-1, INV-9, $800.00 (see letter)" in str(card.blocks)


def test_a_dry_run_books_nothing_and_tells_nobody(app: App, tmp_path: Path) -> None:
    report = run(app, tmp_path, row(), row(invoice="INV-9"), dry_run=True)
    assert (report.code, report.data["new"]) == (NO, [2])
    assert all_payments(app) == []
    with app.store.read() as session:
        assert session.exec(select(Message).where(Message.template == "remittance")).all() == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("invoice,paid,date\nINV-1,1,2026-03-01\n", "`payer_reference` or `claim`"),
        ("claim,invoice,date\nC-1,INV-1,2026-03-01\n", "paid"),
        (HEADER + row(paid="much"), "line 2"),
        (HEADER + row() + row(), "is on line 2 too"),
        (HEADER, "no row below its header"),
    ],
    ids=["no reference", "no column", "no amount", "twice", "empty"],
)
def test_a_file_that_cannot_be_read_is_refused_whole(
    app: App, tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text)
    report = asyncio.run(remittances.run(app, {"file": str(file), "payer": PAYER}, silent))
    assert report.code == WRONG
    assert said in "\n".join(report.lines)
    assert all_payments(app) == []


def test_a_payer_nobody_told_of_is_refused_with_those_that_are_known(
    app: App, tmp_path: Path
) -> None:
    with pytest.raises(Wrong, match="No payer is called Northern; those that were told of: Harb"):
        run(app, tmp_path, row(), payer="Northern")
    assert run(app, tmp_path, row(), payer="hm", source="pms").code == DONE


def test_it_is_booked_on_postgresql(postgres_database: Database, tmp_path: Path) -> None:
    app = opened(
        Settings(
            database_url=postgres_database.url,
            keyring_url=postgres_database.keyring_url,
            master_key=MASTER_KEY,
        )
    )
    lines = row(paid="650.00"), row(claim="C-2", invoice="INV-2", paid="0", denied="500.00")
    assert run(app, tmp_path, *lines).code == DONE
    assert run(app, tmp_path, *lines).data["known"] == [2, 3]
    assert shares(app) == [("settled", 65_000), ("denied", 0)]
    assert owed(app) == {"INV-1": 35_000, "INV-2": 100_000}
    asyncio.run(app.close())
