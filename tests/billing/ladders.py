"""Accounts and what was done about them, in days since the first."""

import datetime as dt
from dataclasses import replace

from billing import calendar, dunning, policy
from billing.arrears import How
from billing.dunning import Account, HoldFact, OpenInstalment, Taken
from billing.policy import Policy

NEW_YORK = "America/New_York"
START = dt.date(2026, 1, 1)
DEFAULT = policy.default()


def day(n: int) -> dt.date:
    return START + dt.timedelta(days=n)


def at(n: int, hour: int = 12, tz: str = NEW_YORK) -> dt.datetime:
    return calendar.midnight(day(n), tz) + dt.timedelta(hours=hour)


def owed(id_: int, issued: int = 0, due: int | None = None, **more: int | bool) -> OpenInstalment:
    open_ = int(more.pop("open", 31000))
    return OpenInstalment(
        id=id_,
        invoice_id=id_,
        number=f"INV-{200 + id_}",
        currency="USD",
        issued_on=day(issued),
        due_on=day(issued + 14 if due is None else due),
        amount=open_,
        open=open_,
        **more,  # type: ignore[arg-type]
    )


def account(*instalments: OpenInstalment, **more: object) -> Account:
    empty = Account(
        client_id=1,
        legal_entity_id=1,
        currency="USD",
        timezone=NEW_YORK,
        country="US",
        region="",
        instalments=instalments,
        unapplied=0,
        holds=(),
        taken=(),
        imported_on=None,
    )
    return replace(empty, **more)  # type: ignore[arg-type]


def took(step: int, on: int, *listed: int, how: How = "sent", round_: int = 1) -> Taken:
    return Taken(step=step, round=round_, taken_on=day(on), how=how, listed=frozenset(listed))


def hold(until: dt.datetime | None = None, invoice: int | None = None) -> HoldFact:
    return HoldFact(id=1, reason="paid claim", until=until, invoice_id=invoice)


def ladder(*offsets: int) -> Policy:
    steps = "".join(
        f'[[dunning.steps]]\noffset = {offset}\naction = "remind"\ntemplate = "t{offset}"\n'
        'channels = ["email"]\n'
        for offset in offsets
    )
    return policy.parse(steps)


def said(decision: dunning.Decision) -> tuple[str, int]:
    """The kind of decision and its step."""
    return type(decision).__name__, getattr(decision, "step", 0)


A, B = owed(1), owed(2, issued=10)
