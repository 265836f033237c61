"""What follows when a member of staff says which matter a message is about?"""

from sqlmodel import Session

from comms import seals
from comms.compliance import clearance
from comms.compliance.labels import SEALING
from comms.duties.orders import SayMatter
from comms.law import attributions, walls
from comms.models import Touchpoint
from comms.office import Office, Word


def say(session: Session, office: Office, asked: SayMatter, by: str) -> str:
    """Keep it, once, with its reason; what was sealed since they asked is looked at again."""
    touchpoint = session.get(Touchpoint, asked.touchpoint_id)
    if touchpoint is None:
        return "That message is no longer there."
    sealed = seals.labels_of(session, [touchpoint])[touchpoint.id] & SEALING
    if left := sealed - set(asked.cleared):
        named = clearance.named(left)
        return f"Nothing was changed: it is sealed ({named}), and you are not cleared for that."
    if sealed and (why := walls.refusal(session, touchpoint, asked.by)):
        return why
    found = attributions.of(session, [touchpoint]).get(touchpoint.id)
    if found is None or (found.matter, found.how) != (asked.matter, "said"):
        attributions.say(session, office, touchpoint, asked.matter, Word(by, asked.reason))
    return f"It is about {asked.matter} from now on."
