"""What did a person decide about a debt whose ladder has ended?

The policy only proposes. What is written off is still owed and nobody collects it; what goes to an
agency or to court stays open here, and no reminder follows.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict
from sqlmodel import Session, col, select

from billing import accounts, aliases, arrears, facts
from billing.calendar import local_date
from billing.ledger import invoices
from billing.ledger.entry import Entry
from billing.models import Client, Enrolment, EscalationCase, Invoice
from bot import subjects
from bot.app import App
from bot.report import Args, Progress, Report, Wrong
from comms import outreach
from comms.duties import escalations
from comms.office import Office

WORDS = {
    "write_off": "written off",
    "agency": "handed to an agency",
    "legal": "handed to counsel",
}


class Asked(BaseModel):
    """The arguments of `counterfoil decide`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client: str
    decision: Literal["write_off", "agency", "legal"]
    by: str = "cli"


async def decide(app: App, args: Args, _progress: Progress) -> Report:
    """Close a client's open cases with what somebody decided.

    Raises:
        Wrong: there is no such client, or no open case.
    """
    asked = Asked.model_validate(args)
    with app.store.read() as session:
        client = subjects.client(session, asked.client)

    def close(session: Session) -> Report:
        office = app.office()
        group = aliases.group(session, client.id)
        open_ = select(EscalationCase).where(
            col(EscalationCase.client_id).in_(group), EscalationCase.state == "open"
        )
        cases = session.exec(open_.order_by(col(EscalationCase.id))).all()
        if not cases:
            raise Wrong(
                f"{client.name} has no open case; `counterfoil explain` says how it stands."
            )
        gone: list[str] = []
        for case in cases:
            escalations.close(session, office, case, asked.decision, asked.by)
            if asked.decision == "write_off":
                gone += _written_off(session, office, case, client)
        session.flush()
        outreach.advance_clients(session, office, group)
        said = f"{client.name}: {WORDS[asked.decision]}"
        said += f" ({', '.join(gone)})." if gone else "."
        data = {"client": client.id, "decision": asked.decision, "written_off": gone}
        return Report(data | {"cases": len(cases)}, [said])

    report = await app.store.write(close, clients=[client.id])
    app.wake.set()
    return report


def _written_off(
    session: Session, office: Office, case: EscalationCase, client: Client
) -> Iterator[str]:
    """Everything overdue that the case is about, by the numbers of its invoices."""
    enrolment = session.get_one(Enrolment, case.enrolment_id)
    account = accounts.in_dunning(session, enrolment, client)
    today = local_date(office.now, client.timezone)
    late = [one for one in account.instalments if arrears.is_overdue(one, today, 0)]
    entry = Entry(session, office.now, iter(()))
    for invoice_id in dict.fromkeys(one.invoice_id for one in late):
        invoice = session.get_one(Invoice, invoice_id)
        key = facts.joined("case", str(case.id), "write-off", str(invoice_id))
        invoices.give_up(entry, invoice, key)
        yield invoice.number
