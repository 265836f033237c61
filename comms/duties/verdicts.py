"""What did a person decide about a debt: that its last reminder goes again, or how it ends?

The policy only proposes. What is written off is still owed and nobody collects it; what goes to an
agency or to court stays open here, and no reminder follows. Whether the person may decide it is
``bot/access``.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from billing import accounts, aliases, arrears, dunning, facts
from billing.calendar import local_date
from billing.ledger import invoices
from billing.ledger.entry import Entry
from billing.models import Client, Enrolment, EscalationCase, Invoice, StepTaken
from billing.models import Sequence as Ladder
from comms import outreach
from comms.duties import escalations
from comms.duties.orders import Decide, Repeat
from comms.office import Office

WORDS = {
    "write_off": "written off",
    "agency": "handed to an agency",
    "legal": "handed to counsel",
}


def decide(
    session: Session, office: Office, cases: Sequence[EscalationCase], decision: str, by: str
) -> list[str]:
    """Close open cases of one client with a decision; the numbers of what is written off."""
    gone: list[str] = []
    for case in cases:
        escalations.close(session, office, case, decision, by)
        if decision == "write_off":
            gone += _written_off(session, office, case)
    session.flush()
    together = {one for case in cases for one in aliases.group(session, case.client_id)}
    outreach.advance_clients(session, office, together)
    return gone


def said(client: Client, decision: str, gone: Sequence[str]) -> str:
    """What was decided, for the person who did."""
    numbers = f" ({', '.join(gone)})" if gone else ""
    return f"{client.name}: {WORDS[decision]}{numbers}."


def _written_off(session: Session, office: Office, case: EscalationCase) -> Iterator[str]:
    """Everything overdue that the case is about, by the numbers of its invoices."""
    enrolment = session.get_one(Enrolment, case.enrolment_id)
    client = aliases.master(session, session.get_one(Client, case.client_id))
    account = accounts.in_dunning(session, enrolment, client)
    today = local_date(office.now, client.timezone)
    late = [one for one in account.instalments if arrears.is_overdue(one, today, 0)]
    entry = Entry(session, office.now, iter(()))
    for invoice_id in dict.fromkeys(one.invoice_id for one in late):
        invoice = session.get_one(Invoice, invoice_id)
        key = facts.joined("case", str(case.id), "write-off", str(invoice_id))
        invoices.give_up(entry, invoice, key)
        yield invoice.number


def of_case(session: Session, office: Office, asked: Decide, by: str) -> str:
    """A decision about one case, once; the sentence is for the person who decided."""
    case = session.get(EscalationCase, asked.case_id)
    if case is None:
        return "There is no such case any more."
    client = session.get_one(Client, case.client_id)
    if case.state != "open":
        outcome = case.outcome.replace("_", " ")
        return f"The case of {client.name} is closed already: {outcome}."
    return said(client, asked.decision, decide(session, office, [case], asked.decision, by))


# --- once more ------------------------------------------------------------------------------------


def latest_step(session: Session, client_id: int) -> int:
    """The last step that was taken with a client: who asks to repeat it means this one."""
    query: Any = (
        select(func.max(col(StepTaken.id)))
        .join(Enrolment, col(Enrolment.id) == col(StepTaken.enrolment_id))
        .where(
            col(Enrolment.client_id).in_(aliases.group(session, client_id)),
            Enrolment.sequence == Ladder.DUNNING,
            col(StepTaken.how) != "cancelled",
        )
    )
    return session.exec(query).one() or 0


def repeatable(session: Session, office: Office, client: Client) -> int:
    """The step after which a reminder of theirs can go once more now; 0 where none can."""
    step_id = latest_step(session, client.id)
    if not step_id:
        return 0
    query = select(Enrolment).where(
        col(Enrolment.client_id).in_(aliases.group(session, client.id)),
        Enrolment.sequence == Ladder.DUNNING,
    )
    found = accounts.in_dunning_all(session, [(one, client) for one in session.exec(query)])
    answers = (dunning.again(one, office.now, office.policy) for one in found)
    return step_id if any(isinstance(one, dunning.Send) for one in answers) else 0


def repeat(session: Session, office: Office, asked: Repeat, by: str) -> str:
    """The last reminder once more, unless it or another has been taken since they were shown it."""
    client = session.get(Client, asked.client_id)
    if client is None:
        return "There is no such client any more; look it up again with /acct."
    if latest_step(session, client.id) != asked.step_id:
        return f"It is on its way already, or {client.name} had another reminder since; ask anew."
    decided = outreach.again(session, office, client.id, by)
    going = [one for one in decided if isinstance(one, dunning.Send)]
    if not going:
        return " ".join(one.reason for one in decided) or f"{client.name} was never billed."
    return f"To {client.name}, as soon as every check lets it pass: {going[0].reason}"
