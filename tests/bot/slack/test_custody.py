"""What Slack shows of holds and of the law fits into it, and counts and asks for what is meant."""

import json
from typing import Any

import pytest
from sqlmodel import Session, select

from billing.facts import InvoiceIssued
from billing.models import Client, LegalEntity, LegalState
from bot.sandbox import blockkit
from bot.slack import actions, commands, custody, lawful
from bot.slack.answers import Reply
from bot.slack.people import Person
from comms.law import preservation
from comms.models import Message
from comms.office import Word
from tests.bot.slack.conftest import ADA, Firm

COUNSEL = Person(1, "Cora Lane", "cora@firm.example", frozenset({"compliance"}))
LONGEST_EMOJI = "\N{SCALES}\N{CROSSED SWORDS}\N{GRINNING FACE}\N{GRINNING FACE}" * 50


def hold(firm: Firm, matters: list[str]) -> None:
    word = Word("cora@firm.example", "a letter")

    def place(session: Session) -> None:
        for matter in matters:
            preservation.place(session, firm.office, firm.client().id, matter, word)

    firm.write(place)


def asked(firm: Firm, matter: str) -> Reply:
    with firm.store.read() as session:
        return custody.holds(session, firm.client(), COUNSEL, matter)


def said(reply: Any) -> str:
    return json.dumps(reply.blocks, ensure_ascii=False)


def test_more_holds_than_slack_shows_are_cut_with_the_way_to_all(firm: Firm) -> None:
    hold(firm, [f"Matter {number}" for number in range(40)])
    reply = asked(firm, "One more")
    assert blockkit.message_problems(list(reply.blocks)) == []
    assert "`counterfoil legal-hold list NAME` on the machine shows all." in said(reply)
    assert "Place the hold" in said(reply)


@pytest.mark.parametrize("matter", [LONGEST_EMOJI, '"' * 200, "\\" * 200], ids=["signs", '"', "\\"])
def test_a_long_matter_fits_into_its_button(firm: Firm, matter: str) -> None:
    reply = asked(firm, matter)
    assert blockkit.message_problems(list(reply.blocks)) == []
    [button] = [one for _, one in blockkit.elements(list(reply.blocks))]
    assert json.loads(button["value"])["m"] == matter


def test_a_matter_is_never_cut_without_a_word(firm: Firm) -> None:
    reply = asked(firm, "x" * 201)
    assert "has 200 characters at most, this one 201. Nothing was placed." in said(reply)
    assert "hold.set" not in said(reply)


def test_of_two_entities_with_the_same_number_it_is_asked_which(firm: Firm) -> None:
    firm.write(lambda session: session.add(LegalEntity(name="Harrow Tax")))
    firm.describe("southwind", "Southwind Trading")
    firm.apply(
        InvoiceIssued(
            source="csv", client_external_id="southwind", number="INV-1", amount=100,
            currency="USD", issued_on=firm.office.now.date(), due_on=firm.office.now.date(),
            legal_entity="Harrow Tax",
        )
    )  # fmt: skip
    with firm.store.read() as session:
        which = commands.answer(session, firm.office, ADA, "why inv-1")
        assert isinstance(which, Reply)
        assert "Northwind Trading, from Harrow Law" in said(which)
        assert "Southwind Trading, from Harrow Tax" in said(which)
        assert blockkit.message_problems(list(which.blocks)) == []
        [_, chosen] = [one for _, one in blockkit.elements(list(which.blocks))]
        reply = actions.decide(session, firm.office, ADA, chosen["action_id"], chosen["value"])
        assert isinstance(reply, Reply)
        assert "INV-1" in said(reply)
        assert "Southwind Trading" in said(reply)
        gone = actions.decide(session, firm.office, ADA, "invoice.why", '{"i":99}')
        assert "no longer there" in said(gone)


def test_what_was_withheld_is_counted_over_everybody_who_is_one_with_them(firm: Firm) -> None:
    firm.describe("southwind", "Southwind Trading")
    now, ours = firm.office.now, firm.client().id

    def write(session: Session) -> None:
        other = session.exec(select(Client).where(Client.name == "Southwind Trading")).one()
        other.merged_into_id = ours
        session.get_one(Client, ours).speaks_since = now
        session.add(LegalState(client_id=ours, kind="cease", told_as="x", placed_at=now))
        for number, client_id in enumerate((ours, other.id)):
            session.add(
                Message(
                    key=f"m{number}", reference=f"m{number}", audience="client", channel="email",
                    purpose="dunning", template="dunning", client_id=client_id, state="withheld",
                    rule="legal_cease", send_after=now, created_at=now,
                )
            )  # fmt: skip

    firm.write(write)
    with firm.store.read() as session:
        told = Message(subject_kind="legal_state", subject_id=1)
        assert "2 messages withheld" in json.dumps(lawful.compose(session, firm.office, told).body)
