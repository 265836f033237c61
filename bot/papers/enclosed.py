"""Which papers go with a mail, as files? Made at the door, of the rows of that moment."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from sqlmodel import Session

from billing.keyring import Keyring
from billing.models import Client
from bot.papers.reading import Desk
from comms.ports import Attachment
from comms.rendering import TemplateMistake

MOST = 10
"""Invoices that go with one mail, the oldest first: with more of them no mailbox would take it."""


class Enclosing:
    """Makes the papers that a policy names."""

    def __init__(self, keyring: Keyring, logos: Callable[[], Mapping[str, bytes]]) -> None:
        self._keyring, self._logos = keyring, logos

    def __call__(
        self,
        session: Session,
        now: dt.datetime,
        client_id: int,
        names: Sequence[str],
        invoices: Sequence[int],
    ) -> tuple[Attachment, ...]:
        """The papers, in the order of the policy.

        Raises:
            TemplateMistake: one has letters that cannot be drawn, and no later try draws them.
        """
        from bot.papers.ink import Undrawable  # as below

        desk = Desk(self._keyring, now, self._logos())
        made: list[Attachment] = []
        for name in names:
            try:
                if name == "statement":
                    made.append(_statement(session, desk, client_id))
                elif name == "invoice":
                    made += [_invoice(session, desk, one) for one in dict.fromkeys(invoices[:MOST])]
            except Undrawable as error:
                raise TemplateMistake(name, 0, str(error)) from error
        return tuple(made)


def _invoice(session: Session, desk: Desk, invoice_id: int) -> Attachment:
    from bot.papers import invoice, reading  # the drawing is slow to import, and few mails need it

    paper = reading.invoice(session, desk, invoice_id)
    return _pdf(f"Invoice {paper.number}", invoice.pdf(paper))


def _statement(session: Session, desk: Desk, client_id: int) -> Attachment:
    from bot.papers import reading, statement

    paper = reading.statement(session, desk, session.get_one(Client, client_id))
    return _pdf("Statement", statement.pdf(paper))


def _pdf(name: str, content: bytes) -> Attachment:
    plain = "".join(sign if sign.isalnum() or sign in " -_." else "-" for sign in name)
    return Attachment(f"{plain}.pdf", "application/pdf", content)
