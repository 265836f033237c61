"""Are older policies still there, however many of them were read?"""

from dataclasses import replace

from sqlmodel import Session

from billing import policy, publication
from billing.store import Store
from tests.factories import NOON


def test_a_policy_is_not_lost_when_another_takes_its_place_among_those_read(store: Store) -> None:
    """Both were asked for, and who went on under the first went on under today's instead."""
    holds = policy.default()
    old, new = (
        replace(holds, dunning=replace(holds.dunning, grace_days=days)) for days in (91, 92)
    )

    def kept(session: Session) -> None:
        for one in (old, new):
            publication.keep(session, one, NOON)

    store.write_now(kept)
    with store.read() as session:
        assert set(publication.versions(session, [old.version])) == {old.version}
        full = {f"other {number}": holds for number in range(publication._MOST)}
        publication._read.update(full)
        wanted = {old.version, new.version}
        assert set(publication.versions(session, wanted)) == wanted
