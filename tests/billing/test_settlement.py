"""Does money stand where it should, whatever was told and in whatever order?"""

import datetime as dt
import random
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import remittance, settlement
from billing.settlement import Account, Bill, Credit, Money, Name, Part, PostingKind, Spot

JAN, FEB, MAR = (dt.date(2026, month, 1) for month in (1, 2, 3))
HUGE = 2**40
"""More than 32 bits hold."""


def bill(number: int, amount: int, due_on: dt.date = JAN, **told: Any) -> Bill:
    part = Part(id=number, due_on=due_on, amount=amount)
    return replace(Bill(id=number, client_id=1, number=f"INV-{number}", parts=(part,)), **told)


def money(number: int, received: int, *names: str, **told: Any) -> Money:
    made = Money(
        id=number,
        client_id=1,
        reference=f"p{number}",
        received_on=FEB,
        received=received,
        names=tuple(Name(one) for one in names),
    )
    return replace(made, **told)


def credit(amount: int, kind: str, invoice_id: int | None = None, **told: Any) -> Credit:
    made = Credit(id=1, client_id=1, kind=kind, amount=amount, invoice_id=invoice_id)
    return replace(made, **told)


def open_by(found: dict[Spot, int]) -> dict[int | None, int]:
    """What is open by instalment, whoever owes it; under None the money on account."""
    sums: dict[int | None, int] = defaultdict(int)
    for spot, amount in found.items():
        sums[spot.instalment_id] += amount
    return {key: amount for key, amount in sums.items() if amount}


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        pytest.param(Account((bill(1, 100),)), {1: 100}, id="what is billed is open"),
        pytest.param(
            Account((bill(1, 100), bill(2, 50, FEB)), (money(1, 120),)), {2: 30}, id="oldest first"
        ),
        pytest.param(
            Account((bill(1, 100), bill(2, 50, FEB)), (money(1, 200),)),
            {None: -50},
            id="what is too much stays on account",
        ),
        pytest.param(
            Account((bill(1, 100), bill(2, 50, FEB)), (money(1, 50, "INV-2"),)),
            {1: 100},
            id="named first",
        ),
        pytest.param(
            Account((bill(1, 100),), (money(1, 100, refunded=40),)), {1: 40}, id="a partial refund"
        ),
        pytest.param(
            Account((bill(1, 100),), (money(1, 100, withdrawn=100),)), {1: 100}, id="a chargeback"
        ),
        pytest.param(
            Account((bill(1, 100),), (money(1, 100, refunded=70, withdrawn=70),)),
            {1: 100},
            id="no more goes back than came",
        ),
        pytest.param(
            Account((bill(1, 100),), (), (credit(40, "debt_cancellation", 1),)),
            {1: 60},
            id="a debt is cancelled",
        ),
        pytest.param(
            Account((bill(1, 100),), (money(1, 100),), (credit(40, "debt_cancellation", 1),)),
            {None: -40},
            id="a credit frees the money that came before it",
        ),
        pytest.param(
            Account((bill(1, 100), bill(2, 50, FEB)), (money(1, 100),), (credit(40, "refund", 1),)),
            {None: -40, 2: 50},
            id="what goes back pays nothing else meanwhile",
        ),
        pytest.param(
            Account(
                (bill(1, 100), bill(2, 50, FEB)),
                (money(1, 100, refunded=40),),
                (credit(40, "refund", 1),),
            ),
            {2: 50},
            id="a refund that went back",
        ),
        pytest.param(
            Account((bill(1, 100),), (), (credit(40, "credit_to_balance"),)),
            {1: 100, None: -40},
            id="money on account from a credit waits to be applied",
        ),
        pytest.param(
            Account((bill(1, 100),), (), (credit(40, "credit_to_balance", applied=((1, 30),)),)),
            {1: 70, None: -10},
            id="and is applied as far as somebody said",
        ),
        pytest.param(Account((bill(1, 100, void=True),), (money(1, 60),)), {None: -60}, id="void"),
        pytest.param(
            Account((bill(1, 100, written_off=True),), (money(1, 60, "INV-1"),)),
            {},
            id="what is written off takes the money that names it",
        ),
        pytest.param(
            Account((bill(1, 100, written_off=True), bill(2, 50, FEB)), (money(1, 60),)),
            {None: -10},
            id="and no other",
        ),
        pytest.param(Account((bill(1, 100, corrected=130),), (money(1, 100),)), {1: 30}, id="more"),
        pytest.param(
            Account((bill(1, 100, corrected=80),), (money(1, 100),)), {None: -20}, id="less"
        ),
        pytest.param(
            Account((bill(1, 3 * HUGE),), (money(1, HUGE),)), {1: 2 * HUGE}, id="beyond 32 bits"
        ),
    ],
)
def test_money_stands_where_it_should(account: Account, expected: dict[int | None, int]) -> None:
    assert open_by(settlement.positions(account)) == expected


def test_a_share_is_the_payers_and_only_the_payer_pays_it() -> None:
    shared = bill(1, 100, shares=((7, 80),))
    found = settlement.positions(Account((shared,), (money(1, 100), money(2, 90, payer_id=7))))
    owed: dict[tuple[int | None, int | None], int] = defaultdict(int)
    for spot, amount in found.items():
        owed[spot.instalment_id, spot.payer_id] += amount
    assert {key: amount for key, amount in owed.items() if amount} == {
        (None, None): -80,
        (None, 7): -10,
    }


def test_what_is_corrected_below_a_part_comes_from_the_last_parts() -> None:
    parts = tuple(Part(id=n, due_on=JAN, amount=100, position=n) for n in (1, 2, 3))
    account = Account((Bill(id=1, client_id=1, number="A", parts=parts, corrected=150),))
    assert open_by(settlement.positions(account)) == {1: 100, 2: 50}


def test_charges_are_paid_after_every_bill() -> None:
    fee = Part(id=9, due_on=JAN, amount=10, position=2, kind="late_fee")
    charged = bill(1, 100)
    charged = replace(charged, parts=(*charged.parts, fee))
    account = Account((charged, bill(2, 50, MAR)), (money(1, 155),))
    assert open_by(settlement.positions(account)) == {9: 5}


def test_what_the_payer_wrote_names_a_bill() -> None:
    read = tuple(Name(one, read=True) for one in remittance.codes("Rent, inv 2, thanks"))
    account = Account((bill(1, 100), bill(2, 50, FEB)), (money(1, 50, names=read),))
    assert open_by(settlement.positions(account)) == {1: 100}


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("INV-1042", "INV-1042"),
        ("for inv 1042 and 1043", "INV-1042"),
        ("1043;1044", "1044"),
        ("Zahlung RE/2026-007 vom 03.02.2026", "RE-2026/007"),
    ],
)
def test_a_number_is_found_in_what_a_payer_writes(written: str, number: str) -> None:
    assert remittance.code(number) in remittance.codes(written)


@pytest.mark.parametrize("written", ["2026", "thank you", "", "1 22", "\x00"])
def test_what_cannot_be_a_number_is_no_code(written: str) -> None:
    assert remittance.codes(written) == ()


def test_only_some_codes_of_an_endless_text_are_looked_at() -> None:
    endless = " ".join(f"A{number}" for number in range(100, 9_000))
    assert len(remittance.codes(endless)) == remittance.MOST


PARTS = st.lists(st.integers(1, 500), min_size=1, max_size=3)
BILLS = st.lists(
    st.tuples(
        PARTS,
        st.sampled_from((JAN, FEB, MAR)),
        st.sampled_from(("", "void", "written_off")),
        st.none() | st.integers(1, 900),
        st.lists(st.tuples(st.sampled_from((7, 8)), st.integers(0, 600)), max_size=2),
    ),
    max_size=5,
)
PAYMENTS = st.lists(
    st.tuples(
        st.integers(0, 900),
        st.integers(0, 900),
        st.integers(0, 900),
        st.sampled_from((None, None, 7)),
        st.lists(st.tuples(st.integers(1, 6), st.none() | st.integers(1, 400)), max_size=2),
    ),
    max_size=5,
)
CREDITS = st.lists(
    st.tuples(
        st.sampled_from(("debt_cancellation", "refund", "credit_to_balance")),
        st.integers(1, 600),
        st.integers(1, 5),
    ),
    max_size=3,
)


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    bills = []
    for number, (amounts, due_on, state, corrected, shares) in enumerate(draw(BILLS), 1):
        parts = tuple(
            Part(id=10 * number + place, due_on=due_on, amount=amount, position=place)
            for place, amount in enumerate(amounts)
        )
        made = Bill(
            id=number,
            client_id=1,
            number=f"INV-{number}",
            parts=parts,
            corrected=corrected,
            void=state == "void",
            written_off=state == "written_off",
            shares=tuple(dict(shares).items()),
        )
        bills.append(made)
    paid = [
        money(
            number,
            received,
            refunded=refunded,
            withdrawn=withdrawn,
            payer_id=payer,
            names=tuple(Name(f"INV-{one}", most) for one, most in names),
        )
        for number, (received, refunded, withdrawn, payer, names) in enumerate(draw(PAYMENTS), 1)
    ]
    credited = [
        Credit(
            id=number,
            client_id=1,
            kind=kind,
            amount=amount,
            invoice_id=invoice if invoice <= len(bills) else None,
        )
        for number, (kind, amount, invoice) in enumerate(draw(CREDITS), 1)
    ]
    return Account(tuple(bills), tuple(paid), tuple(credited))


@given(accounts())
def test_nothing_open_is_negative_and_no_money_is_made(account: Account) -> None:
    found = settlement.positions(account)
    by_place: dict[tuple[int | None, int | None], int] = defaultdict(int)
    for spot, amount in found.items():
        by_place[spot.instalment_id, spot.payer_id] += amount
    assert all(amount >= 0 for (part, _), amount in by_place.items() if part is not None)
    assert all(amount <= 0 for (part, _), amount in by_place.items() if part is None)
    moved = [amount for spot, amount in found.items() if spot.kind == PostingKind.ALLOCATION]
    assert sum(moved) == 0
    shared = [amount for spot, amount in found.items() if spot.kind == PostingKind.SHARE]
    assert sum(shared) == 0


@given(accounts(), st.randoms(use_true_random=False))
def test_the_order_in_which_facts_came_changes_nothing(
    account: Account, chance: random.Random
) -> None:
    shuffled = Account(
        tuple(chance.sample(account.bills, len(account.bills))),
        tuple(chance.sample(account.money, len(account.money))),
        account.credits,
    )
    assert settlement.positions(shuffled) == settlement.positions(account)
