"""Is what is told of somebody else's document booked where it belongs, or refused?"""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import Session, col, select

from billing import accounts, aliases, batches, books, facts, ledger
from billing.models import Client, Hold, Invoice, LegalEntity, LegalState
from billing.store import Store
from tests.billing.lives import DAY, NOW

ADA, BEN = "ada", "ben"
DAY_0 = NOW.date()
BILL: dict[str, Any] = {
    "source": "s", "client_external_id": ADA, "number": "INV-1", "external_id": "1",
    "amount": 1_000, "currency": "USD", "due_on": DAY_0,
}  # fmt: skip
PAID: dict[str, Any] = {
    "source": "s", "client_external_id": ADA, "external_id": "P-1", "amount": 600,
    "currency": "USD", "received_on": DAY_0,
}  # fmt: skip
ABOUT: dict[str, Any] = {"source": "s", "client_external_id": ADA, "invoice_number": "INV-1"}
SECOND = "Second LLP"


@pytest.fixture
def session(sqlite_template: Path, tmp_path: Path) -> Iterator[Session]:
    """A store that knows two clients of a firm of two legal entities."""
    shutil.copy(sqlite_template, tmp_path / "store.db")
    with (
        closing(Store(f"sqlite:///{tmp_path / 'store.db'}", durable=False)) as store,
        Session(store.engine) as session,
    ):
        session.add_all([LegalEntity(name=name, currency="USD") for name in ("First", SECOND)])
        for name in (ADA, BEN):
            tell(session, facts.ClientDescribed(source="s", external_id=name, name=name))
        yield session


def tell(session: Session, fact: facts.Fact) -> bool:
    return ledger.apply(session, fact, NOW, iter([f"client:{fact.key}"])).changed


def owed(session: Session, name: str) -> int:
    client = session.exec(select(Client.id).where(Client.name == name)).one()
    return sum(debt.instalment.open for debt in accounts.owed(session, client))


def issued(**more: Any) -> facts.InvoiceIssued:
    return facts.InvoiceIssued(issued_on=DAY_0, **BILL | more)


def drafted(**more: Any) -> facts.InvoiceDrafted:
    return facts.InvoiceDrafted(state="draft", drafted_on=DAY_0, **BILL | more)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(issued(client_external_id=BEN), id="issued to another"),
        pytest.param(issued(legal_entity=SECOND), id="issued by another"),
        pytest.param(
            facts.InvoiceCorrected(corrected_at=NOW, **BILL | {"client_external_id": BEN}),
            id="corrected for another",
        ),
        pytest.param(
            facts.PaymentSettled(**PAID | {"client_external_id": BEN}), id="paid by another"
        ),
    ],
)
def test_what_is_told_of_another_clients_document_is_refused(
    session: Session, told: facts.Fact
) -> None:
    """It was taken for what was known already, and whoever owes was never asked."""
    tell(session, issued())
    tell(session, facts.PaymentSettled(**PAID))
    with pytest.raises(ledger.Contradiction, match="another client"):
        tell(session, told)
    assert (owed(session, ADA), owed(session, BEN)) == (400, 0)


AGREED: dict[str, Any] = {
    "source": "s", "client_external_id": ADA, "external_id": "A", "kind": "subscription",
    "name": "Care", "amount": 500, "currency": "USD", "renews_on": DAY_0,
}  # fmt: skip


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(facts.AgreementDescribed(**AGREED | {"client_external_id": BEN}), id="theirs"),
        pytest.param(
            facts.AgreementEnded(
                source="s", client_external_id=BEN, external_id="A", ended_on=DAY_0
            ),
            id="ended for another",
        ),
    ],
)
def test_an_agreement_stays_its_clients(session: Session, told: facts.Fact) -> None:
    """Its price was changed, or it ended, and who had made it went on to be written to."""
    tell(session, facts.AgreementDescribed(**AGREED))
    with pytest.raises(ledger.Contradiction, match="another client"):
        tell(session, told)


def test_clients_that_are_one_may_both_be_named(session: Session) -> None:
    tell(session, issued())
    ada, ben = session.exec(select(Client).order_by(col(Client.id))).all()
    ben.merged_into_id, ada.speaks_since = ada.id, NOW
    session.flush()
    assert aliases.group(session, ben.id) == [ada.id, ben.id]
    assert not tell(session, issued(client_external_id=BEN))


def test_money_of_a_client_that_is_the_same_pays_what_is_booked_in_a_batch(
    session: Session,
) -> None:
    """It stayed on account, and the client was asked for what was there."""
    tell(session, facts.PaymentSettled(**PAID | {"client_external_id": BEN}))
    ada, ben = session.exec(select(Client).order_by(col(Client.id))).all()
    ben.merged_into_id, ada.speaks_since = ada.id, NOW
    session.flush()
    many = [issued(number=f"INV-{n}", external_id=f"{n}", amount=200) for n in range(5)]
    batches.apply_all(session, many, NOW, iter(()))
    assert owed(session, ADA) == 400


@pytest.mark.parametrize("last", [drafted, issued])
def test_a_draft_goes_to_whom_it_is_written_last(session: Session, last: Any) -> None:
    tell(session, drafted())
    assert tell(session, last(client_external_id=BEN, legal_entity=SECOND))
    tell(session, issued(client_external_id=BEN))
    assert (owed(session, ADA), owed(session, BEN)) == (0, 1_000)
    assert session.exec(select(LegalEntity.name).join(Invoice)).all() == [SECOND]


def test_a_draft_gets_no_number_that_is_taken(session: Session) -> None:
    tell(session, issued(number="INV-2", external_id="2"))
    tell(session, drafted())
    with pytest.raises(ledger.Contradiction, match="INV-2 to another"):
        tell(session, issued(number="INV-2"))


def test_a_credit_note_is_of_the_legal_entity_of_its_invoice(session: Session) -> None:
    """Of the first one it was money on account, and the debt stood."""
    tell(session, issued(legal_entity=SECOND))
    credit = facts.CreditNoteIssued(
        source="s", external_id="C", client_external_id=ADA, kind="debt_cancellation", amount=300,
        currency="USD", issued_on=DAY_0, invoice_number="INV-1",
    )  # fmt: skip
    tell(session, credit)
    assert owed(session, ADA) == 700
    assert books.unapplied_by(session, [1, 2]) == {}


def test_a_number_of_two_legal_entities_names_neither(session: Session) -> None:
    tell(session, issued())
    tell(session, issued(legal_entity=SECOND, external_id="2"))
    void = facts.InvoiceVoided(voided_on=DAY_0, **ABOUT)
    with pytest.raises(ledger.Contradiction, match="name which"):
        tell(session, void)
    assert tell(session, void.model_copy(update={"legal_entity": SECOND}))


def test_a_credit_is_never_applied_to_another_clients_invoice(session: Session) -> None:
    """It said that it was, and moved nothing."""
    tell(session, issued())
    given: dict[str, Any] = {"source": "s", "client_external_id": BEN, "external_id": "C"}
    credit = {"kind": "credit_to_balance", "amount": 300, "currency": "USD", "issued_on": DAY_0}
    tell(session, facts.CreditNoteIssued(**given | credit))
    applied = facts.CreditApplied(
        external_id="A", credit_note_external_id="C", amount=300, applied_on=DAY_0, **ABOUT
    )
    with pytest.raises(ledger.Contradiction, match="another client"):
        tell(session, applied)


@pytest.mark.parametrize("reason", ["requested", "cease"])
def test_a_hold_that_is_placed_again_after_its_release_stands(
    session: Session, reason: Any
) -> None:
    """It was said to be placed, and reminders went on."""
    held: dict[str, Any] = {"source": "s", "external_id": "H", "client_external_id": ADA}

    def placed(days: int) -> facts.HoldPlaced:
        at = NOW + days * DAY
        return facts.HoldPlaced(reason=reason, placed_at=at, until=at + 9 * DAY, **held)

    def released(days: int) -> facts.HoldReleased:
        return facts.HoldReleased(released_at=NOW + days * DAY, **held)

    tell(session, placed(0))
    tell(session, released(2))
    assert not tell(session, placed(1).model_copy(update={"placed_at": NOW}))
    assert tell(session, placed(3))
    assert not tell(session, released(2))
    assert session.exec(select(Hold.released_at)).all() == [None]
    lifted = session.exec(select(LegalState.lifted_at).order_by(col(LegalState.id))).all()
    assert [at is None for at in lifted] == ([False, True] if reason == "cease" else [])
    assert tell(session, released(4))


def test_no_statement_names_every_part_of_an_invoice(session: Session) -> None:
    """PostgreSQL takes 65,535 parameters, and a bill may have as many parts."""
    parts = [facts.Part(due_on=DAY_0 + n * DAY, amount=10) for n in range(100)]
    tell(session, issued(instalments=parts))
    (invoice,) = session.exec(select(Invoice.id)).all()
    asked: list[int] = []

    def count(*call: Any) -> None:
        asked.append(len(call[3]) if not call[5] else 0)

    event.listen(session.get_bind(), "before_cursor_execute", count)
    assert books.open_of(session, invoice) == 1_000
    assert owed(session, ADA) == 1_000
    tell(session, facts.InvoiceVoided(voided_on=DAY_0, **ABOUT))
    assert max(asked) < 50
