"""What a pack sets takes effect where a message is claimed. C-20, C-21 and C-23."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import Session

from billing import policy, vault
from billing.store import Store
from comms import consent
from comms.facts import ConsentStated
from comms.models import Decision, Message, State
from comms.outbox import Claim
from comms.ports import Attachment
from comms.processors import Processor
from tests import factories
from tests.comms.desk import Desk, opened
from tests.conftest import Database
from tests.factories import NOON

ALL_SIGNED: Any = {
    channel: (Processor(name=channel, signed={"BAA": NOON.date(), "DPA": NOON.date()}),)
    for channel in ("sms", "email", "slack")
}


def laid(*add_ons: str) -> policy.Policy:
    named = ", ".join(f'"{one}"' for one in add_ons)
    return policy.parse(f"[pack]\nadd_ons = [{named}]\n[retention]\ndecisions = 2192\n")


@pytest.fixture
def desk(sqlite_store: Store, sqlite_database: Database) -> Iterator[Desk]:
    with opened(sqlite_store, sqlite_database) as desk:
        yield desk


def claim(desk: Desk, message_id: int, **more: Any) -> Claim | None:
    office = replace(desk.office, **more)
    return desk.act(lambda s: factories.claim(s, office, message_id))


@pytest.mark.parametrize(
    ("add_ons", "known", "rule"),
    [
        ((), {}, ""),
        (("law_firm",), {}, ""),
        (("healthcare",), {}, "agreement_missing"),
        (("eu",), {}, "agreement_missing"),
        (("healthcare", "eu"), ALL_SIGNED, ""),
    ],
)
def test_c21_nothing_leaves_by_whom_an_agreement_is_missing(
    desk: Desk, add_ons: tuple[str, ...], known: Any, rule: str
) -> None:
    desk.policy = laid(*add_ons)
    message_id = desk.reminder()
    claimed = claim(desk, message_id, processors=known)
    assert (claimed is None) == bool(rule)
    assert desk.at(message_id).rule == rule
    if rule:
        assert desk.at(message_id).state == State.WITHHELD
        (why,) = [one for one in desk.rows(Decision) if one.subject_kind == "message"]
        assert why.rule == rule
        with desk.store.read() as session:
            told = vault.text(session, desk.keyring, why.reason_id)
        assert "not yet confirmed by counsel" in told


def typed(desk: Desk, words: str) -> int:
    """What a member of staff wrote to the client."""
    return desk.note(channel="email", words=words)


def warn(desk: Desk, *, agreed: bool, name: str) -> None:
    (outcome,) = desk.told(
        ConsentStated(
            source="test", external_id=name, client_external_id=desk.known.name,
            email=desk.known.email, agreed=agreed, topic="unencrypted", method="form",
            given_at=desk.now,
        )
    )  # fmt: skip
    assert outcome.error is None


def test_c21_words_go_only_to_who_was_warned(desk: Desk) -> None:
    desk.policy = laid("healthcare")
    first = typed(desk, "Thank you for your call.")
    assert claim(desk, first, processors=ALL_SIGNED) is None
    assert desk.at(first).rule == "not_warned"
    warn(desk, agreed=True, name="W1")
    assert claim(desk, typed(desk, "Thank you for it."), processors=ALL_SIGNED)
    warn(desk, agreed=False, name="W2")
    third = typed(desk, "Thank you again.")
    assert claim(desk, third, processors=ALL_SIGNED) is None
    assert desk.at(third).rule == "not_warned"


def test_c21_a_no_to_details_is_no_no_to_mail(desk: Desk) -> None:
    warn(desk, agreed=False, name="W1")
    assert desk.held("email").about(consent.BILLING).standing is not consent.Standing.REVOKED
    assert claim(desk, typed(desk, "Thank you for your call."))


# --- what a mail encloses -------------------------------------------------------------------------


class Maker:
    """Makes papers of these names."""

    def __call__(
        self, _session: Session, _now: dt.datetime, _client: int, names: Any, _invoices: Any
    ) -> tuple[Attachment, ...]:
        return tuple(Attachment(f"{name}.pdf", "application/pdf", b"%PDF") for name in names)


@pytest.mark.parametrize(
    ("add_ons", "warned", "enclosed"),
    [
        ((), False, ["invoice.pdf", "statement.pdf"]),
        (("law_firm",), False, ["statement.pdf"]),
        (("healthcare",), False, []),
        (("healthcare",), True, ["invoice.pdf", "statement.pdf"]),
        (("healthcare", "law_firm"), True, ["statement.pdf"]),
    ],
)
def test_c23_what_a_mail_encloses_is_up_to_the_packs(
    desk: Desk,
    add_ons: tuple[str, ...],
    warned: bool,  # noqa: FBT001
    enclosed: list[str],
) -> None:
    desk.policy = laid(*add_ons)
    if warned:
        warn(desk, agreed=True, name="W1")
    message_id = desk.reminder()

    def dress(session: Session) -> None:
        message = session.get_one(Message, message_id)
        message.channel, message.attachments = "email", "invoice statement"
        message.address_id = desk.known.address("email")

    desk.act(dress)
    claimed = claim(desk, message_id, processors=ALL_SIGNED, papers=Maker())
    assert claimed is not None, desk.at(message_id).reason
    assert [one.name for one in claimed.outgoing.attachments] == enclosed


@pytest.mark.parametrize("channel", ["sms", "email"])
def test_c21_a_reminder_says_amount_day_and_link(desk: Desk, channel: str) -> None:
    desk.policy = laid("healthcare")
    message_id = desk.reminder()

    def turn(session: Session) -> None:
        message = session.get_one(Message, message_id)
        message.channel, message.address_id = channel, desk.known.address(channel)

    desk.act(turn)
    claimed = claim(desk, message_id, processors=ALL_SIGNED)
    assert claimed is not None, (desk.at(message_id).rule, desk.at(message_id).reason)
    said = f"{claimed.outgoing.subject} {claimed.outgoing.text} {claimed.outgoing.html}"
    assert "$" in said
    assert desk.known.name not in said
    assert "INV" not in said
