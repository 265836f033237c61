"""Money truth, thresholds and currencies, as the acceptance scenarios tell them, by their numbers.

Facts are told over HTTP with a token, time passes on the turned clock, and what came of it is read
where people read it: in ``explain``, in the client's mailbox and in the outbox. One product runs
for all of them, every scenario with clients of its own; some of it is played on PostgreSQL as well.
"""

import datetime as dt
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlmodel import col, select

from billing import spelling
from billing.calendar import local_date
from billing.models import Client, Instalment, Invoice, Payment, Posting, PostingKind
from bot import subjects
from bot.reasons import explain, explanation
from comms.models import Message, Purpose
from tests import factories
from tests.bot import telling
from tests.conftest import Database
from tests.factories import Product

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]
DAY = dt.timedelta(days=1)
ENTITY = "Harrow Law"
NBSP = "\N{NO-BREAK SPACE}"
POLICY = """
[rates]
base = "EUR"
USD = "1.10"
JPY = "162.57"
[dunning.tolerance]
EUR = "5.00"
[dunning.minimum]
USD = "100"
JPY = "0"
EUR = "150"
GBP = "500"
[charges]
steps = [2]
interest_percent = "8"
[charges.late_fee]
CHF = "25.00"
[renewal.tolerance]
USD = "1.00"
"""


@dataclass
class Stage:
    """The running product, and how the world tells it something and looks at what came of it."""

    product: Product
    token: str

    async def tell(self, *told: Mapping[str, Any]) -> list[bool]:
        """Whether each fact changed anything; what follows from them has then happened."""
        whole = [{"source": "crm", **fact} for fact in told]
        status, found, _ = await telling.post(self.product, self.token, telling.body(*whole))
        assert status == 200, found
        await self.product.settle()
        return [result["applied"] for result in found.get("results", [found])]

    async def refused(self, fact: Mapping[str, Any]) -> str:
        """The sentence with which a fact is refused."""
        raw = telling.body({"source": "crm", **fact})
        status, found, _ = await telling.post(self.product, self.token, raw)
        assert status == 422, found
        return str(found["results"][0]["error"]["message"])

    async def pass_days(self, days: int) -> None:
        """Noon by noon, as a worker would see them."""
        for _ in range(days):
            await self.product.later(days=1)

    @property
    def today(self) -> dt.date:
        return local_date(self.product.clock.now(), "America/New_York")

    def ago(self, days: int) -> str:
        return str(self.today - days * DAY)

    def written(self, days: int) -> str:
        """The same as people read it."""
        return spelling.day(self.today - days * DAY)

    def moment(self, days: float = 0) -> str:
        """So many days ago."""
        return (self.product.clock.now() - days * DAY).isoformat()

    # --- what came of it --------------------------------------------------------------------------

    def why(self, subject: str) -> dict[str, Any]:
        """The answer of ``counterfoil explain --json``."""
        with self.product.store.read() as session:
            found = subjects.find(session, subject)
            return explanation.plain(
                explain.of(session, self.product.app.office(), found.kind, found.id)
            )

    def owes(self, name: str, currency: str = "USD") -> str:
        """ "$30.00 open, $30.00 overdue" as people are told it; nothing where nothing is open."""
        facts = {fact["name"]: fact["value"] for fact in self.why(name)["facts"]}
        return str(facts.get(f"{ENTITY}, {currency}", ""))

    def is_open(self, number: str) -> str:
        facts = {fact["name"]: fact["value"] for fact in self.why(number)["facts"]}
        return str(facts["open"])

    def messages(self, name: str, purpose: Purpose) -> list[Message]:
        with self.product.store.read() as session:
            client_id = session.exec(select(Client.id).where(Client.name == name)).one()
        return factories.messages(self.product.store, client_id=client_id, purpose=purpose)

    def reminders(self, name: str) -> list[str]:
        """The reminders that left, by their templates."""
        gone = self.messages(name, Purpose.DUNNING)
        return [one.template for one in gone if one.state in {"sent", "delivered"}]

    def escalations(self, name: str) -> int:
        return len(self.messages(name, Purpose.ESCALATION))

    def letters(self, name: str, word: str) -> list[str]:
        """What lies in the client's mailbox with a word in its subject."""
        box = self.product.mail.mailboxes[address(name)]
        return [one.text for one in box if word in one.subject]


def address(name: str) -> str:
    return f"{name.lower().replace(' ', '.')}@client.example"


async def raise_stage(database: Database, folder: Path) -> AsyncIterator[Stage]:
    file = folder / "policy.toml"
    file.write_text(POLICY)
    async with telling.listening(database, folder, policy_file=file) as product:
        yield Stage(product, await telling.token(product))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("money")
    shutil.copy(sqlite_template, folder / "store.db")
    database = Database(f"sqlite:///{folder / 'store.db'}", f"sqlite:///{folder / 'keys.db'}")
    async for stage in raise_stage(database, folder):
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def stage(shared: Stage) -> Stage:
    """The shared product on a Tuesday at noon, when a mail may leave."""
    clock = shared.product.clock
    ahead = (1 - clock.now().weekday()) % 7
    await shared.product.later(days=ahead)
    return shared


@pytest_asyncio.fixture(loop_scope="module")
async def postgres(postgres_database: Database, tmp_path: Path) -> AsyncIterator[Stage]:
    async for stage in raise_stage(postgres_database, tmp_path):
        yield stage


# --- facts ----------------------------------------------------------------------------------------


def client(name: str, **more: Any) -> dict[str, Any]:
    told = {
        "type": "client_described", "external_id": name, "name": name, "email": address(name),
        "timezone": "America/New_York",
    }  # fmt: skip
    return told | more


def bill(
    stage: Stage, name: str, number: str, amount: int, days: int = 31, **more: Any
) -> dict[str, Any]:
    """Issued so many days ago and due a week later."""
    told = {
        "type": "invoice_issued", "client_external_id": name, "number": number, "amount": amount,
        "currency": "USD", "issued_on": stage.ago(days), "due_on": stage.ago(days - 7),
    }  # fmt: skip
    return told | more


def of_payment(name: str, reference: str, amount: int, **more: Any) -> dict[str, Any]:
    told = {
        "external_id": reference, "client_external_id": name, "amount": amount, "currency": "USD",
    }  # fmt: skip
    return told | more


def paid(
    stage: Stage, name: str, reference: str, amount: int, days: int = 0, **more: Any
) -> dict[str, Any]:
    told = {"type": "payment_settled", "received_on": stage.ago(days)}
    return of_payment(name, reference, amount) | told | more


def refund(stage: Stage, name: str, reference: str, amount: int, refunded: int) -> dict[str, Any]:
    """``refunded`` is all that went back by now."""
    told = {"type": "payment_refunded", "refunded": refunded, "refunded_on": stage.ago(0)}
    return of_payment(name, reference, amount) | told


def chargeback(
    stage: Stage, name: str, reference: str, amount: int, outcome: str = "withdrawn", **more: Any
) -> dict[str, Any]:
    told = {
        "type": "payment_charged_back", "chargeback": f"cb-{reference}", "outcome": outcome,
        "withdrawn": amount, "happened_at": stage.moment(),
    }  # fmt: skip
    return of_payment(name, reference, amount) | told | more


def failed(stage: Stage, name: str, reference: str, amount: int, days: float) -> dict[str, Any]:
    told = {"type": "payment_failed", "happened_at": stage.moment(days)}
    return of_payment(name, reference, amount) | told


def credit(stage: Stage, name: str, note: str, kind: str, amount: int, **more: Any) -> Any:
    told = {
        "type": "credit_note_issued", "external_id": note, "client_external_id": name,
        "kind": kind, "amount": amount, "currency": "USD", "issued_on": stage.ago(0),
    }  # fmt: skip
    return told | more


def void_credit(stage: Stage, name: str, note: str) -> dict[str, Any]:
    told = {"external_id": note, "client_external_id": name, "voided_on": stage.ago(0)}
    return {"type": "credit_note_voided", **told}


# --- money truth ----------------------------------------------------------------------------------


async def test_01_a_full_chargeback_reopens_the_invoice(stage: Stage) -> None:
    name, pay = "Ash", paid(stage, "Ash", "p01", 24_995, days=20)
    await stage.tell(client(name), bill(stage, name, "M01", 24_995), pay)
    assert (stage.owes(name), stage.why("M01")["verdict"]) == ("", "paid")
    back = chargeback(stage, name, "p01", 24_995)
    assert await stage.tell(back) == [True]
    assert stage.owes(name) == "$249.95 open, $249.95 overdue"
    assert stage.reminders(name) == ["first_reminder"]
    assert await stage.tell(back, back, pay) == [False, False, False]
    assert stage.owes(name) == "$249.95 open, $249.95 overdue"
    assert stage.reminders(name) == ["first_reminder"]


async def test_02_a_partial_refund_leaves_its_amount_due(stage: Stage) -> None:
    name = "Birch"
    await stage.tell(client(name), bill(stage, name, "M02", 5_000), paid(stage, name, "p02", 5_000))
    assert await stage.tell(refund(stage, name, "p02", 5_000, 1_000)) == [True]
    assert stage.is_open("M02") == "$10.00"
    with stage.product.store.read() as session:
        query = select(Payment.state).where(Payment.reference == "p02")
        assert session.exec(query).one() == "succeeded"
    assert await stage.tell(refund(stage, name, "p02", 5_000, 5_000)) == [True]
    assert stage.is_open("M02") == "$50.00"
    assert await stage.tell(refund(stage, name, "p02", 5_000, 1_000)) == [False]
    assert stage.is_open("M02") == "$50.00"


async def test_03_what_was_refunded_can_be_paid_anew(stage: Stage) -> None:
    name = "Cedar"
    await stage.tell(
        client(name), bill(stage, name, "M03", 5_000), paid(stage, name, "p03", 5_000),
        refund(stage, name, "p03", 5_000, 1_000),
    )  # fmt: skip
    assert await stage.tell(paid(stage, name, "p03b", 1_000)) == [True]
    assert (stage.owes(name), stage.why("M03")["verdict"]) == ("", "paid")


async def test_04_a_chargeback_that_is_won_pays_again(stage: Stage) -> None:
    name = "Dogwood"
    await stage.tell(
        client(name), bill(stage, name, "M04", 1_000), paid(stage, name, "p04", 1_000),
        chargeback(stage, name, "p04", 1_000, happened_at=stage.moment(2)),
    )  # fmt: skip
    assert stage.is_open("M04") == "$10.00"
    won = chargeback(stage, name, "p04", 1_000, "won", happened_at=stage.moment(1))
    assert await stage.tell(won) == [True]
    assert stage.owes(name) == ""
    again = chargeback(stage, name, "p04", 1_000, happened_at=stage.moment(2))
    assert await stage.tell(won, again) == [False, False]
    assert stage.owes(name) == ""


async def test_07_a_stale_failure_is_ignored_and_a_later_success_wins(stage: Stage) -> None:
    name, moment = "Elm", stage.moment(1)
    await stage.tell(
        client(name), bill(stage, name, "M07", 1_000), bill(stage, name, "M07b", 2_000),
        paid(stage, name, "p07", 1_000, invoice_number="M07", happened_at=moment),
    )  # fmt: skip
    await stage.tell(failed(stage, name, "p07", 1_000, days=2))
    assert stage.why("M07")["verdict"] == "paid"
    await stage.tell(failed(stage, name, "p07b", 2_000, days=0.1))
    assert stage.is_open("M07b") == "$20.00"
    # A retry that arrived on the day of the failure, told without its hour.
    await stage.tell(paid(stage, name, "p07b", 2_000))
    assert stage.owes(name) == ""


async def test_08_a_debit_under_way_is_waited_for_and_its_failure_goes_on_there(
    stage: Stage,
) -> None:
    name = "Fir"
    started = {"type": "payment_started", "state": "processing"}
    await stage.tell(client(name), bill(stage, name, "M08", 50_000, days=30))
    assert stage.reminders(name) == ["first_reminder"]
    await stage.pass_days(13)
    under_way = of_payment(name, "p08", 50_000, happened_at=stage.moment()) | started
    await stage.tell(under_way)
    await stage.pass_days(4)
    assert stage.reminders(name) == ["first_reminder"]
    assert "M08 is covered by a payment under way" in stage.why(name)["reason"]
    await stage.tell(failed(stage, name, "p08", 50_000, days=0))
    await stage.pass_days(4)
    assert stage.reminders(name) == ["first_reminder", "firmer_reminder"]


async def test_09_a_credit_note_makes_the_debt_less_until_it_is_voided(stage: Stage) -> None:
    name = "Gorse"
    await stage.tell(
        client(name), bill(stage, name, "M09", 10_000),
        credit(stage, name, "c09", "debt_cancellation", 4_000, invoice_number="M09"),
    )  # fmt: skip
    assert stage.is_open("M09") == "$60.00"
    await stage.tell(paid(stage, name, "p09", 6_000))
    assert stage.owes(name) == ""
    void = void_credit(stage, name, "c09")
    assert await stage.tell(void, void) == [True, False]
    assert stage.is_open("M09") == "$40.00"


async def test_10_the_wrong_kind_of_credit_is_refused(stage: Stage) -> None:
    name = "Hazel"
    await stage.tell(client(name), bill(stage, name, "M10", 10_000))
    early = credit(stage, name, "c10", "credit_to_balance", 4_000, invoice_number="M10")
    assert "cancel the debt instead" in await stage.refused(early)
    await stage.tell(paid(stage, name, "p10", 10_000))
    late = credit(stage, name, "c10b", "debt_cancellation", 4_000, invoice_number="M10")
    assert "nothing is open of invoice M10" in await stage.refused(late)
    assert await stage.tell(early) == [True]
    assert stage.owes(name) == "$40.00 on account"


async def test_11_a_credit_ends_its_dunning_and_money_on_account_stops_the_asking(
    stage: Stage,
) -> None:
    ended, standalone = "Ivy", "Juniper"
    await stage.tell(client(ended), bill(stage, ended, "M11", 20_000, days=30))
    await stage.tell(client(standalone), bill(stage, standalone, "M11b", 20_000, days=30))
    await stage.tell(credit(stage, ended, "c11", "debt_cancellation", 20_000, invoice_number="M11"))
    await stage.tell(credit(stage, standalone, "c11b", "credit_to_balance", 20_000))
    await stage.pass_days(17)
    assert stage.reminders(ended) == stage.reminders(standalone) == ["first_reminder"]
    assert stage.why(ended)["rule"] == "nothing_open"
    assert stage.why(standalone)["rule"] == "in_credit"
    assert stage.owes(standalone) == "$200.00 open, $200.00 overdue, $200.00 on account"


async def test_12_money_goes_to_the_oldest_and_the_rest_waits_for_the_next(stage: Stage) -> None:
    less, more = "Kale", "Larch"
    for name, amount in ((less, 12_000), (more, 20_000)):
        await stage.tell(
            client(name), paid(stage, name, f"p12{name}", amount, days=10),
            bill(stage, name, f"M12{name}", 10_000, days=31),
            bill(stage, name, f"N12{name}", 5_000, days=30),
        )  # fmt: skip
    assert (stage.is_open("M12Kale"), stage.is_open("N12Kale")) == ("$0.00", "$30.00")
    assert stage.owes(more) == "$50.00 on account"
    assert stage.reminders(more) == []
    await stage.tell(bill(stage, more, "O12", 7_000, days=0))
    assert stage.is_open("O12") == "$20.00"
    with stage.product.store.read() as session:
        issued = session.exec(
            select(Posting)
            .join(Instalment, col(Instalment.id) == Posting.instalment_id)
            .join(Invoice, col(Invoice.id) == Instalment.invoice_id)
            .where(Invoice.number == "O12", Posting.kind == PostingKind.ISSUE)
        ).one()
        moved = session.exec(
            select(Posting).where(
                Posting.cause == issued.cause, Posting.kind == PostingKind.ALLOCATION
            )
        ).all()
    assert sorted(one.amount for one in moved) == [-5_000, 5_000]


async def firmly_asked(stage: Stage, name: str, number: str) -> None:
    """A bill of 10,000 francs is 30 days late when its second notice leaves."""
    francs: dict[str, Any] = {"currency": "CHF", "due_on": stage.ago(15)}
    await stage.tell(client(name), bill(stage, name, number, 1_000_000, days=30, **francs))
    await stage.pass_days(15)
    assert stage.reminders(name) == ["first_reminder", "firmer_reminder"]


async def test_14_interest_and_fee_outlive_the_principal_until_they_are_waived(
    stage: Stage,
) -> None:
    name = "Lilac"
    await firmly_asked(stage, name, "M14")
    owed = 1_000_000 + 6_575 + 2_500
    assert stage.owes(name, "CHF").startswith(f"CHF{NBSP}10,090.75 open")
    await stage.tell(paid(stage, name, "p14", 1_000_000, currency="CHF"))
    assert stage.is_open("M14") == f"CHF{NBSP}90.75"
    more = {
        "type": "charge_added", "external_id": "f14", "client_external_id": name,
        "invoice_number": "M14", "kind": "late_fee", "amount": 1_000, "charged_on": stage.ago(0),
    }  # fmt: skip
    waived = {
        "type": "charge_waived", "external_id": "f14", "client_external_id": name,
        "waived_on": stage.ago(0),
    }  # fmt: skip
    await stage.tell(more)
    assert stage.is_open("M14") == f"CHF{NBSP}100.75"
    assert await stage.tell(waived, waived) == [True, False]
    assert stage.is_open("M14") == f"CHF{NBSP}90.75"
    await stage.tell(paid(stage, name, "p14b", owed - 1_000_000, currency="CHF"))
    assert stage.owes(name, "CHF") == ""


async def test_15_a_fee_is_charged_once_however_often_its_step_is_looked_at(stage: Stage) -> None:
    name = "Myrtle"
    await firmly_asked(stage, name, "M15")
    charged = stage.is_open("M15")
    for _ in range(24):
        await stage.product.later(hours=1)
    assert stage.is_open("M15") == charged == f"CHF{NBSP}10,090.75"


async def test_16_redundant_news_of_money_never_makes_it_negative(stage: Stage) -> None:
    name = "Maple"
    pay = paid(stage, name, "p16", 10_000)
    await stage.tell(client(name), bill(stage, name, "M16", 10_000))
    assert await stage.tell(pay, pay) == [True, False]
    assert stage.owes(name) == ""
    assert await stage.tell(paid(stage, name, "p16b", 10_000, invoice_number="M16")) == [True]
    assert (stage.is_open("M16"), stage.owes(name)) == ("$0.00", "$100.00 on account")
    over = (refund(stage, name, "p16", 10_000, 15_000), chargeback(stage, name, "p16", 10_000))
    await stage.tell(*over)
    assert (stage.is_open("M16"), stage.owes(name)) == ("$0.00", "")


# --- thresholds and currencies --------------------------------------------------------------------


async def test_17_each_currency_has_its_own_minimum_and_its_own_ladder(stage: Stage) -> None:
    name = "Nettle"
    euro: dict[str, Any] = {"currency": "EUR"}
    await stage.tell(
        client(name), bill(stage, name, "M17", 12_000),
        bill(stage, name, "M17e", 14_900, **euro),
    )  # fmt: skip
    assert [("M17" in one, "M17e" in one) for one in stage.letters(name, "Reminder")] == [
        (True, False)
    ]
    await stage.pass_days(7)
    await stage.tell(bill(stage, name, "M17f", 1_000, days=31, **euro))
    assert stage.reminders(name) == ["first_reminder", "first_reminder"]
    assert "€159.00" in stage.letters(name, "Reminder")[-1]
    await stage.pass_days(24)
    told = stage.reminders(name)
    assert told.count("first_reminder") == told.count("firmer_reminder") == 2
    assert stage.escalations(name) == 1
    await stage.pass_days(14)
    assert stage.reminders(name) == told
    assert stage.escalations(name) == 2


async def test_18_what_is_left_of_a_large_invoice_is_measured_not_the_invoice(
    stage: Stage,
) -> None:
    name = "Oak"
    pounds: dict[str, Any] = {"currency": "GBP"}
    await stage.tell(
        client(name), paid(stage, name, "p18", 99_000, **pounds),
        bill(stage, name, "M18", 100_000, **pounds),
    )  # fmt: skip
    await stage.pass_days(3)
    assert stage.owes(name, "GBP") == "£10.00 open, £10.00 overdue"
    assert (stage.reminders(name), stage.why(name)["rule"]) == ([], "below_minimum")


async def test_19_a_tolerance_holds_by_its_rate_and_a_yen_has_no_cents(stage: Stage) -> None:
    """5.00 EUR at 1.10 are 5.50 USD: 5.20 is less; at 162.57 they are 812 yen, not 812.85."""
    within, above = "Poplar", "Quince"
    yen: dict[str, Any] = {"currency": "JPY"}
    await stage.tell(
        client(within), bill(stage, within, "M19", 520), bill(stage, within, "M19y", 812, **yen)
    )
    await stage.tell(client(above), bill(stage, above, "M19z", 813, **yen))
    await stage.pass_days(1)
    assert (stage.reminders(within), stage.why(within)["rule"]) == ([], "within_tolerance")
    assert stage.owes(within, "JPY") == "¥812 open, ¥812 overdue"
    assert stage.reminders(above) == ["first_reminder"]
    assert "¥813" in stage.letters(above, "Reminder")[0]


async def test_21_a_residual_within_the_tolerance_holds_no_renewal(stage: Stage) -> None:
    residual, late = "Rowan", "Spruce"
    for name, rest in ((residual, 10), (late, 31_000)):
        await stage.tell(
            client(name), paid(stage, name, f"p21{name}", 40_000 - rest, days=5),
            bill(stage, name, f"M21{name}", 40_000),
            {
                "type": "agreement_described", "client_external_id": name, "kind": "retainer",
                "external_id": f"a21{name}", "name": "Retainer", "amount": 50_000,
                "currency": "USD", "renews_on": stage.ago(-7),
            },
        )  # fmt: skip
    await stage.pass_days(1)
    states = {
        name: [one.state for one in stage.messages(name, Purpose.RENEWAL)]
        for name in (residual, late)
    }
    assert states == {residual: ["sent"], late: ["held"]}
    await stage.tell(bill(stage, residual, "M21next", 7_000, days=0))
    assert stage.is_open("M21next") == "$70.00"


# --- an insurer's share, where the scenario has trust ---------------------------------------------


async def test_70_a_share_is_paid_by_its_payer_only_and_never_by_more_than_there_is(
    stage: Stage,
) -> None:
    name = "Thyme"
    shares = [
        {
            "type": "share_described", "client_external_id": name, "invoice_number": number,
            "payer": payer, "payer_name": payer, "state": "waiting", "amount": 8_000,
            "told_at": stage.moment(3),
        }
        for number, payer in (("M70a", "Aetna"), ("M70b", "Cigna"))
    ]  # fmt: skip
    await stage.tell(
        client(name), bill(stage, name, "M70a", 10_000), bill(stage, name, "M70b", 10_000), *shares
    )
    assert stage.owes(name) == "$40.00 open, $40.00 overdue"
    insurer = paid(stage, name, "p70", 50_000, payer="Aetna")
    await stage.tell(insurer)
    assert stage.owes(name) == "$40.00 open, $40.00 overdue"
    assert (stage.is_open("M70a"), stage.is_open("M70b")) == ("$20.00", "$100.00")
    await stage.tell(paid(stage, name, "p70b", 50_000))
    assert stage.owes(name) == "$460.00 on account"
    assert (stage.is_open("M70a"), stage.is_open("M70b")) == ("$0.00", "$80.00")
    back = chargeback(stage, name, "p70", 90_000, payer="Aetna") | {"amount": 50_000}
    await stage.tell(back)
    assert (stage.is_open("M70a"), stage.owes(name)) == ("$80.00", "$460.00 on account")


# --- on both databases ----------------------------------------------------------------------------


async def test_money_stands_the_same_on_postgresql(postgres: Stage) -> None:
    await test_01_a_full_chargeback_reopens_the_invoice(postgres)
    await test_09_a_credit_note_makes_the_debt_less_until_it_is_voided(postgres)
    await test_12_money_goes_to_the_oldest_and_the_rest_waits_for_the_next(postgres)
    await test_70_a_share_is_paid_by_its_payer_only_and_never_by_more_than_there_is(postgres)
