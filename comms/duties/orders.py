"""What may a member of staff tell us to do? Ids, and words of their own; all else is read anew."""

import datetime as dt
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from billing.models import RequestKind
from comms.compliance.labels import Label
from comms.duties import overrides

LONGEST = 366
"""Days of a pause."""


class Order(BaseModel):
    """What somebody of ours asked for; ``by`` is the row of who asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Pause(Order):
    """Chase nobody for this until a day: of the whole client, or of one invoice.

    The day is ``until``, or ``days`` from the client's today, or as the policy says.
    """

    client_id: int
    until: dt.date | None = None
    days: int | None = Field(default=None, ge=1, le=LONGEST)
    reason: str = Field(min_length=1, max_length=2000)
    invoice_id: int | None = None
    by_staff_id: int
    """Not ``by``: a ``LetPass`` that waited in the spool would be read as a pause."""


class Resume(Order):
    """End every pause of a client; other holds stay."""

    client_id: int
    by: int


class CloseCase(Order):
    """A person has dealt with it; ``outcome`` is a short code such as "handled"."""

    case_id: int
    outcome: str = Field(default="handled", pattern="^[a-z_]{1,40}$")
    by: int


class Decide(Order):
    """How a debt ends whose ladder has: the case is closed with it."""

    case_id: int
    decision: Literal["write_off", "agency", "legal"]
    by: int


class Repeat(Order):
    """The last reminder once more; ``step_id`` is the last step that they were shown."""

    client_id: int
    step_id: int
    by: int


class AssignCase(Order):
    """The case is this person's from now on."""

    case_id: int
    to_staff_id: int
    by: int


class ResolveDoubt(Order):
    """A person knows whether a message went that we are in doubt about."""

    message_id: int
    went: bool
    by: int


class HandleTask(Order):
    """A person has done what waited for them, or takes or refuses what was proposed."""

    task_id: int
    outcome: Literal["handled", "accepted", "refused"] = "handled"
    seen: int | None = None
    """The touchpoint that they were shown."""
    by: int


class LetPass(Order):
    """Let the renewals and offers of a client pass its overdue balance for some days."""

    client_id: int
    days: int = Field(default=7, ge=0, le=overrides.LONGEST)
    reason: str = Field(min_length=1, max_length=2000)
    by: int


class SealWords(Order):
    """What a client wrote is legal advice: nobody sees it any more who is not cleared for it."""

    touchpoint_id: int
    label: Literal[Label.PRIVILEGED, Label.PHI] = Label.PRIVILEGED
    said_at: AwareDatetime | None = None
    by: int


class UnsealWords(Order):
    """What is sealed needs no seal; ``cleared`` is what they may read of it who say so."""

    touchpoint_id: int
    cleared: tuple[Label, ...]
    said_at: AwareDatetime | None = None
    by: int


class SayMatter(Order):
    """Which matter a message is about; ``cleared`` is what they may read of it who say so."""

    touchpoint_id: int
    matter: str = Field(min_length=1)
    reason: str = Field(min_length=1, max_length=2000)
    cleared: tuple[Label, ...]
    by: int


class SealCard(Order):
    """What somebody wrote whom nobody knows stays off its card; without a label it comes back."""

    message_id: int
    label: Literal[Label.PRIVILEGED, Label.PHI] | None = None
    by: int


class WriteText(Order):
    """A member of staff writes to a client; the door and its filter judge it."""

    client_id: int
    channel: Literal["sms", "email"]
    words: str = Field(min_length=1, max_length=20_000)
    key: str
    """Of the interaction: what makes it one message."""
    by: int


class RuleOnDraft(Order):
    """Ask whether a colleague's words may go, read them, let them go once, or not."""

    message_id: int
    ruling: Literal["asked", "read", "released", "refused"]
    by: int


class Merge(Order):
    """Two clients are one; ``keep_id`` is the one that stays."""

    keep_id: int
    alias_id: int
    by: int


class KeepApart(Order):
    """Two clients are called alike and are not one."""

    one_id: int
    other_id: int
    by: int


class PlaceHold(Order):
    """Keep everything of a client for a matter: nothing is erased, expires or loses its key."""

    client_id: int
    matter: str = Field(min_length=1, max_length=200)
    by: int


class EndHold(Order):
    """What was kept for a matter goes on as policy says."""

    hold_id: int
    by: int


class OpenRights(Order):
    """A person asks what we hold of them, or that it is erased: they must have an answer."""

    client_id: int
    kind: RequestKind
    by: int


Instruction = (
    Pause
    | Resume
    | CloseCase
    | Decide
    | Repeat
    | AssignCase
    | ResolveDoubt
    | HandleTask
    | LetPass
    | SealWords
    | UnsealWords
    | SayMatter
    | SealCard
    | Merge
    | KeepApart
    | WriteText
    | RuleOnDraft
    | PlaceHold
    | EndHold
    | OpenRights
)
