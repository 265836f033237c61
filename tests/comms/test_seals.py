import pytest
from sqlmodel import Session, select

from billing import vault
from billing.store import Store
from comms import seals, timeline
from comms.compliance.labels import Label
from comms.models import Access, Touchpoint
from comms.office import Office
from tests import factories


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_reading_what_is_sealed_does_not_unseal_it(store: Store, office: Office) -> None:
    def read_it(session: Session) -> None:
        known = factories.client(session, office.keyring, office.now)
        body = vault.put(session, office.keyring, f"client:{known.name}", "advice", office.now)
        said = Touchpoint(
            client_id=known.client_id, channel="email", direction="in", kind="reply",
            body_id=body, labels="privileged", occurred_at=office.now, recorded_at=office.now,
        )  # fmt: skip
        timeline.append(session, said)
        seals.looked(session, said, "compliance@harrow.example", office.now)
        assert seals.labels_of(session, [said])[said.id] == {Label.PRIVILEGED}
        assert session.exec(select(Access.change)).all() == ["read"]
        assert list(timeline.verify(session)) == []

    store.write_now(read_it)
