"""Who was warned that mails and texts can be read on the way, and wants details in them still?"""

import secrets
from typing import Literal

from pydantic import BaseModel, ConfigDict
from sqlmodel import Session

from billing import aliases, facts
from billing.ledger import Contradiction
from bot import intake, subjects
from bot.app import App
from bot.report import Args, Progress, Report, Wrong
from comms import consent
from comms.facts import ConsentStated


class Asked(BaseModel):
    """The arguments of `counterfoil unencrypted`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client: str
    address: str
    agreed: bool
    method: Literal["form", "letter", "contract", "call"]
    wording: str = ""


async def state(app: App, args: Args, _progress: Progress) -> Report:
    """Put on record what a person said of one address, as a link of the client's chain.

    Raises:
        Wrong: there is no such client, or the address is none of theirs.
    """
    asked = Asked.model_validate(args)
    with app.store.read() as session:
        client = subjects.client(session, asked.client)
        session.expunge(client)
        group = list(aliases.group(session, client.id))
    fact = ConsentStated.model_validate(
        {
            "source": facts.OURSELVES,
            "external_id": secrets.token_hex(8),
            "client_external_id": str(client.id),
            "topic": consent.UNENCRYPTED,
            "agreed": asked.agreed,
            "method": asked.method,
            "given_at": app.clock.now(),
            "wording": asked.wording,
            **_place(asked.address),
        }
    )

    def write(session: Session) -> Report:
        (outcome,) = intake.take_told(session, app.office(), [fact], [])
        if isinstance(outcome.error, Contradiction):
            raise Wrong(f"{client.name} has no address {asked.address}; import it with one first.")
        wants = "wants details there" if asked.agreed else "wants no details there any more"
        said = f"On record: {client.name} was warned about {asked.address}, and {wants}."
        return Report({"client": client.id, "agreed": asked.agreed}, [said])

    report = await app.store.write(write, clients=group)
    app.wake.set()
    return report


def _place(written: str) -> dict[str, str]:
    for name, read in (("email", facts.mailbox), ("phone", facts.phone)):
        try:
            return {name: read(written)}
        except ValueError:
            continue
    raise Wrong(f"{written} is no address; write a mailbox or a phone such as +12125550123.")
