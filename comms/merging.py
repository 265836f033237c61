"""Two descriptions of one client become one, and may become two again: what follows from either?

A merge moves no row. The alias points at its master, and everything asks for both; to undo it, the
pointer goes. What was to leave meanwhile is judged anew. All of it runs under the locks of both.
"""

import datetime as dt
from collections.abc import Collection

from sqlalchemy import ColumnElement, func, select, update
from sqlmodel import Session, col

from billing import aliases, duplicates, ledger, matching
from billing.models import AliasEvent, Client, Contact, Duplicate, Standing, StepTaken
from comms import outbox, outreach, staff, timeline
from comms.models import Audience, Message, Purpose, State
from comms.office import Office

UNRESOLVED = "unresolved_duplicate"
"""The rule that holds what would sync outwards."""
FEW = 5
"""Pairs of an hour that get a card each; more come as one list."""
_HOUR = dt.timedelta(hours=1)
_LIST_AFTER = dt.timedelta(minutes=15)


def propose(session: Session, office: Office, most: int) -> int:
    """Look for duplicates of what was described anew, and tell finance; how many were looked at."""
    looked, found = duplicates.propose(session, office.now, most)
    if found:
        _tell(session, office, found)
    _free(session, office, looked)
    return len(looked)


def _free(session: Session, office: Office, clients: Collection[int]) -> None:
    """What other systems are told of them waited for the look, and may have to wait no longer."""
    held = (col(Message.state) == State.HELD) & (col(Message.rule) == UNRESOLVED)
    waits = select(col(Message.client_id)).where(held, col(Message.client_id).in_(clients))
    for client_id in session.execute(waits.distinct()).scalars().all() if clients else ():
        outbox.wake_rule(session, UNRESOLVED, office.now, client_id)


def _tell(session: Session, office: Office, found: list[int]) -> None:
    recent = select(func.count()).where(col(Duplicate.proposed_at) > office.now - _HOUR)
    if session.execute(recent).scalar_one() <= FEW:
        for duplicate_id in found:
            staff.tell(session, office, _card(office, duplicate_id))
        return
    listed = staff.Notice(
        key=f"alert:duplicates:{office.now:%Y-%m-%d}",
        purpose=Purpose.ALERT,
        template="duplicates",
        to=office.finance,
    )
    staff.tell(session, office, listed, office.now + _LIST_AFTER)


def _card(office: Office, duplicate_id: int) -> staff.Notice:
    return staff.Notice(
        key=f"alert:duplicate:{duplicate_id}",
        purpose=Purpose.ALERT,
        template="duplicate",
        to=office.finance,
        subject=("duplicate", duplicate_id),
    )


# --- merged ---------------------------------------------------------------------------------------


def merge(session: Session, office: Office, keep_id: int, alias_id: int, by: str) -> str:
    """From now on ``alias_id`` is another name of ``keep_id``; the sentence is for who asked."""
    keep, alias = session.get(Client, keep_id), session.get(Client, alias_id)
    if keep is None or alias is None:
        return "There is no such client any more; look it up again."
    keep = aliases.master(session, keep)
    if keep.id in (alias.merged_into_id, alias.id):
        return f"{alias.name} and {keep.name} are one client already."
    refused = _refusal(session, keep, alias)
    if refused:
        return refused
    _supersede(session, col(Message.client_id) == alias.id)
    alias.merged_into_id = keep.id
    keep.speaks_since = keep.speaks_since or office.now
    session.flush()
    ledger.resettle(session, keep.id, office.now)
    _decide(session, office, (keep.id, alias.id), Standing.MERGED, by)
    _write_down(session, office, (keep.id, alias.id), "merged", by)
    _judge_anew(session, office, [keep.id])
    return f"{alias.name} is {keep.name} from now on; `counterfoil unmerge` undoes it."


def _refusal(session: Session, keep: Client, alias: Client) -> str:
    if alias.merged_into_id is not None:
        into = aliases.master(session, alias)
        return f"{alias.name} is merged into {into.name}; undo that first."
    if alias.speaks_since is not None:
        return f"Others are merged into {alias.name}; merge {keep.name} into it instead."
    facts = duplicates.facts_of(session, [keep.id, alias.id])
    if "other_tax_number" in matching.vetoes(*facts):
        return f"{keep.name} and {alias.name} have different tax numbers, so they are not one."
    return ""


def unmerge(session: Session, office: Office, alias_id: int, by: str) -> str:
    """The two are two again; what came in meanwhile stays with whom it named."""
    alias = session.get(Client, alias_id)
    if alias is None or alias.merged_into_id is None:
        named = alias.name if alias else "That client"
        return f"{named} is merged into nobody."
    keep = session.get_one(Client, alias.merged_into_id)
    theirs = select(col(Contact.id)).where(col(Contact.client_id) == alias.id)
    mixed = (col(Message.purpose) == Purpose.DUNNING) | col(Message.contact_id).in_(theirs)
    _supersede(session, (col(Message.client_id) == keep.id) & mixed, every=True)
    _supersede(session, col(Message.client_id) == alias.id)
    alias.merged_into_id = None
    session.flush()
    others = select(col(Client.id)).where(col(Client.merged_into_id) == keep.id).limit(1)
    if session.execute(others).first() is None:
        keep.speaks_since = None
    _decide(session, office, (keep.id, alias.id), Standing.UNDONE, by)
    _write_down(session, office, (keep.id, alias.id), "unmerged", by)
    _judge_anew(session, office, [keep.id, alias.id])
    return f"{alias.name} and {keep.name} are two clients again."


def keep_apart(session: Session, office: Office, one_id: int, other_id: int, by: str) -> str:
    """They are called alike and are not one; nobody is asked again."""
    one, other = session.get(Client, one_id), session.get(Client, other_id)
    if one is None or other is None or one.id == other.id:
        return "Name two clients that are there."
    if aliases.head(one) == aliases.head(other):
        return f"{one.name} and {other.name} are merged; `counterfoil unmerge` makes them two."
    _decide(session, office, (one.id, other.id), Standing.DIFFERENT, by)
    for client in (one, other):
        outbox.wake_rule(session, UNRESOLVED, office.now, client.id)
    return f"{one.name} and {other.name} stay two clients."


# --- what all of it needs -------------------------------------------------------------------------


def _supersede(session: Session, which: ColumnElement[bool], *, every: bool = False) -> None:
    """What was to leave was decided for another account; the next look decides what leaves."""
    wanted = which & (col(Message.audience) == Audience.CLIENT)
    if not every:
        wanted &= col(Message.purpose) == Purpose.DUNNING
    reason = "Whose account it is about has changed; it is decided anew."
    gone = outbox.cancel(session, wanted, "superseded", reason)
    steps = select(col(Message.step_id)).where(col(Message.id).in_(gone))
    taken = update(StepTaken).where(col(StepTaken.id).in_(steps), col(StepTaken.how) == "queued")
    session.execute(taken.values(how="cancelled"))


def _decide(
    session: Session, office: Office, pair: tuple[int, int], state: Standing, by: str
) -> None:
    held = duplicates.pair_of(session, *pair)
    if held is None:
        held = Duplicate(first_id=min(pair), second_id=max(pair), proposed_at=office.now)
        session.add(held)
    held.state, held.decided_at, held.decided_by = state, office.now, by
    session.flush()
    key = _card(office, held.id).key
    shown = session.execute(select(Message).where(col(Message.key) == key)).scalar()
    if shown is not None:
        drawn = select(func.count()).where(col(Message.updates_id) == shown.id)
        settled = session.execute(drawn).scalar_one()
        staff.redraw(session, shown, office.now, f"settled:{settled}")


def _write_down(
    session: Session, office: Office, pair: tuple[int, int], change: str, by: str
) -> None:
    event = AliasEvent(
        master_id=pair[0], alias_id=pair[1], change=change, by=by,
        occurred_at=office.now, recorded_at=office.now,
    )  # fmt: skip
    timeline.link_all(session, [(client_id, event) for client_id in sorted(pair)])


def _judge_anew(session: Session, office: Office, clients: list[int]) -> None:
    session.flush()
    for client_id in clients:
        ledger.touch(session, client_id, office.now)
        outreach.advance_client(session, office, client_id)
        for one in aliases.group(session, client_id):
            outbox.wake_rule(session, UNRESOLVED, office.now, one)
