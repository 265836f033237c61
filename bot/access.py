"""Who may do and see what?

Pure. Nobody has a role by default, and a refusal says which role is needed and who gives it.
"""

import re
from collections.abc import Collection
from enum import StrEnum

from billing import facts
from billing.models import Role
from comms.compliance.labels import Label


class Action(StrEnum):
    """What a member of staff may ask of the bot."""

    SEE = "see client cards"
    SEE_WORDS = "read what this client wrote"
    PAUSE = "pause or resume this client"
    CLOSE_CASE = "close this case"
    DECIDE = "decide how this debt ends"
    REMIND = "send a reminder once more"
    ASSIGN_CASE = "take over a case"
    RESOLVE_DOUBT = "say whether a message arrived"
    MERGE = "say whether two clients are one"
    SEAL = "seal what a client wrote"
    OVERRIDE = "let renewals pass an overdue balance"
    HANDLE = "say that this is done"
    WRITE = "write to this client"
    TAKE = "take or refuse a promise"
    HOLD = "place or release a legal hold"
    ERASE = "erase what is kept of a client"
    ANSWER = "answer a person who asks about their data"
    WALL = "say who may know of a matter"
    COUNSEL = "say who is counsel, and what is learned of it"


_KNOWN = (Role.ACCOUNT_MANAGER, Role.FINANCE, Role.COMPLIANCE, Role.ADMIN)
_MONEY = (Role.FINANCE, Role.ADMIN)
_CUSTODY = (Role.COMPLIANCE, Role.ADMIN)
_EVERYWHERE: dict[Action, tuple[Role, ...]] = {
    Action.SEE: _KNOWN,
    Action.SEE_WORDS: (Role.FINANCE, Role.COMPLIANCE, Role.ADMIN),
    Action.PAUSE: _MONEY,
    Action.CLOSE_CASE: _MONEY,
    Action.DECIDE: _MONEY,
    Action.REMIND: _MONEY,
    Action.ASSIGN_CASE: (Role.ACCOUNT_MANAGER, *_MONEY),
    Action.RESOLVE_DOUBT: _MONEY,
    Action.MERGE: _MONEY,
    Action.SEAL: (*_KNOWN, Role.PRIVILEGED),
    Action.OVERRIDE: _MONEY,
    Action.HANDLE: _MONEY,
    Action.WRITE: (Role.FINANCE, Role.COMPLIANCE, Role.ADMIN),
    Action.TAKE: _MONEY,
    Action.HOLD: _CUSTODY,
    Action.ERASE: _CUSTODY,
    Action.ANSWER: _CUSTODY,
    Action.WALL: _CUSTODY,
    Action.COUNSEL: (Role.PRIVILEGED, *_CUSTODY),
}
"""Roles that may do it for any client."""
_OWN_ONLY = frozenset(
    {
        Action.SEE_WORDS,
        Action.PAUSE,
        Action.CLOSE_CASE,
        Action.REMIND,
        Action.HANDLE,
        Action.TAKE,
        Action.WRITE,
    }
)
"""What an account manager may do for the clients of their own portfolio."""


def refusal(
    roles: Collection[str], action: Action, *, owns: bool, email: str = "EMAIL"
) -> str | None:
    """Why this person may not do it, and what an administrator can do; None where they may."""
    everywhere = _EVERYWHERE[action]
    if any(role in roles for role in everywhere):
        return None
    manages = Role.ACCOUNT_MANAGER in roles
    if action in _OWN_ONLY and manages and owns:
        return None
    first = Role.FINANCE if action in _OWN_ONLY and manages else everywhere[0]
    needed = _either([role.value.replace("_", " ") for role in everywhere])
    theirs = " (or being the client's account manager)" if action in _OWN_ONLY else ""
    return (
        f"To {action} needs the role {needed}{theirs}. "
        f"An administrator gives it: `counterfoil access grant {email} {first}`."
    )


_CLEARED = {
    Role.PRIVILEGED: frozenset({Label.PRIVILEGED, Label.PHI, Label.UNSCREENED}),
    Role.COMPLIANCE: frozenset({Label.PHI, Label.UNSCREENED}),
}
"""Compliance decides what is sealed, but counsel's words are for those alone who have the role:
shown to others, they may lose their privilege (FRE 502)."""


def cleared(roles: Collection[str]) -> frozenset[Label]:
    """Which sealed content this person may read."""
    mine = (found for role, found in _CLEARED.items() if role in roles)
    return frozenset().union(*mine)


def unknown_person(slack_user: str) -> str:
    """For somebody whom the bot does not know."""
    return (
        f"Your Slack account {slack_user} is not linked to a member of staff. An administrator "
        f"links it: `counterfoil access grant EMAIL ROLE --slack {slack_user}`."
    )


def place_refusal(*, guest: bool = False, shared: bool = False, unseen: bool = False) -> str | None:
    """Why nothing about clients is said here, to nobody."""
    if guest:
        return "Guests of this workspace see nothing about clients; ask a full member."
    if shared:
        return (
            "This channel is shared with another organisation, which keeps its own copy of what is "
            "said here. Ask in a direct message with me or in an internal channel."
        )
    if unseen:
        return (
            "I cannot see who is in this conversation. Ask in a direct message with me, or invite "
            "me into the channel."
        )
    return None


# --- other systems --------------------------------------------------------------------------------

FACTS = "facts:write"
"""Tell facts: ``facts:write:crm`` those of one source."""
OURS = frozenset({"clio", "csv", "hubspot", "quickbooks", "salesforce", "stripe", "xero"})
"""Sources that a way of our own feeds: who may tell facts of any source does not mean these."""


def scope(written: str) -> str:
    """A scope, as a token holds it.

    Raises:
        ValueError: there is no such scope.
    """
    asked = written.strip()
    if asked == FACTS or re.fullmatch(rf"{FACTS}:[a-z][a-z0-9_.-]{{0,39}}", asked):
        return asked
    raise ValueError(f"is no scope; write {FACTS} or {FACTS}:SOURCE")


def may_tell(scopes: Collection[str], source: str) -> bool:
    """Whether these scopes let somebody speak for a source, so that none restates another's."""
    if source == facts.OURSELVES:
        return False
    return f"{FACTS}:{source}" in scopes or (FACTS in scopes and source not in OURS)


def silence(scopes: Collection[str], source: str) -> str:
    """Why they may not speak for it, and for which they may."""
    named = sorted(one.removeprefix(f"{FACTS}:") for one in scopes if one.startswith(f"{FACTS}:"))
    others = ["any source that no connector or import of ours feeds"] if FACTS in scopes else []
    mine = _either([*named, *others]) if named or others else "no source"
    return f"speaks for `{source}`, and you may speak for {mine}"


def _either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
