"""Which parts of an account are asked for alone, each invoice or each matter?

The account's own sequence makes one for each part that its ladder asks for alone, as long as it has
taken no step itself; a part that is not asked for alone any more goes back to it, as soon as it has
nothing begun.
"""

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import bindparam
from sqlalchemy import select as core_select
from sqlmodel import Session, col

from billing import accounts, arrears
from billing.arrears import Account
from billing.models import Enrolment, EnrolmentState
from billing.models import Sequence as Ladder
from billing.policy import Policy
from comms.office import Office
from comms.outreach.taking import Pair

_SIBLINGS = core_select(Enrolment).where(
    col(Enrolment.client_id) == bindparam("client"),
    col(Enrolment.legal_entity_id) == bindparam("entity"),
    col(Enrolment.currency) == bindparam("currency"),
    col(Enrolment.sequence) == Ladder.DUNNING,
)


def facts(
    session: Session, office: Office, pairs: Sequence[Pair]
) -> tuple[list[Pair], list[Account]]:
    """What each sequence is about, with those that have become necessary."""
    found = accounts.in_dunning_all(session, pairs)
    if not _needed(office.policy, pairs):
        return list(pairs), found
    more: list[Pair] = []
    changed = False
    for pair, account in zip(pairs, found, strict=True):
        if account.taken:
            continue
        if pair[0].scope:
            changed |= _give_back(session, office, pair[0], account)
        else:
            more += [(one, pair[1]) for one in _part(session, office, pair[0], account)]
    known = {one.id for one, _ in pairs}
    every = [*pairs, *(pair for pair in more if pair[0].id not in known)]
    return every, accounts.in_dunning_all(session, every) if more or changed else found


def _needed(policy: Policy, pairs: Sequence[Pair]) -> bool:
    ladders = (policy.dunning, *(ladder for _, ladder in policy.ladders.by_name))
    alone = any(ladder.grouping != "account" for ladder in ladders)
    return alone or any(enrolment.scope for enrolment, _ in pairs)


def _scopes(account: Account, policy: Policy) -> set[str]:
    return {
        arrears.scope_of(one, arrears.ladder_of(one, account, policy).grouping)
        for one in account.instalments
    }


def _part(
    session: Session, office: Office, enrolment: Enrolment, account: Account
) -> Iterator[Enrolment]:
    """The sequences of the parts, made or begun anew."""
    wanted = _scopes(account, office.policy) - {""}
    there = {one.scope: one for one in _siblings(session, enrolment)} if wanted else {}
    for scope in sorted(wanted):
        part = there.get(scope) or Enrolment(
            sequence=Ladder.DUNNING,
            client_id=enrolment.client_id,
            legal_entity_id=enrolment.legal_entity_id,
            currency=enrolment.currency,
            scope=scope,
            created_at=office.now,
        )
        part.state = EnrolmentState.ACTIVE
        session.add(part)
        session.flush()
        yield part


def _give_back(session: Session, office: Office, part: Enrolment, account: Account) -> bool:
    """A part that is not asked for alone ends; its account is looked at."""
    if part.state == EnrolmentState.ENDED or part.scope in _scopes(account, office.policy):
        return False
    if not account.instalments:
        return False
    part.state = EnrolmentState.ENDED
    for one in _siblings(session, part):
        if not one.scope:
            one.next_due_at = office.now
    session.flush()
    return True


def _siblings(session: Session, enrolment: Enrolment) -> Collection[Enrolment]:
    asked = {
        "client": enrolment.client_id,
        "entity": enrolment.legal_entity_id,
        "currency": enrolment.currency,
    }
    return session.execute(_SIBLINGS, asked).scalars().all()
