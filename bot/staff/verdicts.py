"""How does somebody at the terminal say what becomes of a debt whose ladder has ended?"""

from typing import Literal

from pydantic import BaseModel, ConfigDict
from sqlmodel import Session, col, select

from billing import aliases
from billing.models import EscalationCase
from bot import subjects
from bot.app import App
from bot.report import Args, Progress, Report, Wrong
from comms.duties import verdicts


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
        group = aliases.group(session, client.id)
        open_ = select(EscalationCase).where(
            col(EscalationCase.client_id).in_(group), EscalationCase.state == "open"
        )
        cases = session.exec(open_.order_by(col(EscalationCase.id))).all()
        if not cases:
            raise Wrong(
                f"{client.name} has no open case; `counterfoil explain` says how it stands."
            )
        gone = verdicts.decide(session, app.office(), cases, asked.decision, asked.by)
        data = {"client": client.id, "decision": asked.decision, "written_off": gone}
        said = verdicts.said(client, asked.decision, gone)
        return Report(data | {"cases": len(cases)}, [said])

    report = await app.store.write(close, clients=[client.id])
    app.wake.set()
    return report
