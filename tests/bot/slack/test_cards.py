import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import pytest
from sqlmodel import Session, select

from billing.models import Address, Agreement, Client, EscalationCase, LegalEntity, Staff
from bot.sandbox import blockkit
from bot.slack import cards
from comms import outreach, staff, timeline
from comms.duties.instructions import AssignCase, CloseCase, Pause, carry_out
from comms.facts import InboundMessage
from comms.models import Audience, Message, Purpose, State, Touchpoint
from comms.ports import Outgoing
from comms.rendering import TemplateMistake

ADA, FINN = "U0ADA", "U0FINN"
STRANGER = InboundMessage(
    channel="sms", external_id="SM1", sender="+15550177", recipient="+15005550006",
    body="hello <!channel>", visible="hello <!channel> @here",
)  # fmt: skip


def compose(firm: Any, message_id: int, **more: Any) -> Outgoing | None:
    with firm.store.read() as session:
        message = session.get_one(Message, message_id)
        outgoing = cards.compose(session, firm.office, message, **more)
    if outgoing is not None:
        assert blockkit.message_problems(list(outgoing.blocks)) == []
        assert outgoing.text
    return outgoing


def shown(outgoing: Outgoing | None) -> str:
    assert outgoing is not None
    return json.dumps(outgoing.blocks, ensure_ascii=False)


def buttons(outgoing: Outgoing | None) -> Mapping[str, Any]:
    assert outgoing is not None
    return {one["action_id"]: one for _, one in blockkit.elements(outgoing.blocks)}


def tell(firm: Any, template: str, subject: tuple[str, int | None], **more: Any) -> int:
    fields = {"to": "C-FINANCE", "purpose": Purpose.ALERT, "template": template} | more
    notice = staff.Notice(key=f"test:{template}:{subject}", subject=subject, **fields)
    message_id: int = firm.write(lambda s: staff.tell(s, firm.office, notice))
    return message_id


def to_client(firm: Any, **values: Any) -> int:
    """A reminder to the client, in the state that a test wants."""

    def queued(session: Session) -> int:
        client = session.exec(select(Client)).first()
        address = session.exec(select(Address).where(Address.kind == "email")).first()
        assert client is not None
        assert address is not None
        fields = {
            "audience": Audience.CLIENT, "channel": "email", "purpose": Purpose.DUNNING,
            "template": "first_reminder", "client_id": client.id, "address_id": address.id,
            "send_after": firm.office.now, "created_at": firm.office.now, "attempts": 1,
            "key": f"k{len(values)}", "reference": f"r{len(values)}",
        }  # fmt: skip
        message = Message(**fields | values)
        session.add(message)
        session.flush()
        return message.id

    message_id: int = firm.write(queued)
    return message_id


def test_a_thread_begins_with_name_owner_and_balance(firm: Any) -> None:
    client = firm.client()
    root = tell(firm, "thread", ("client", client.id), client_id=client.id, to="C-CLIENTS")
    card = compose(firm, root)
    assert card is not None
    assert (card.to, card.sender, card.thread) == ("C-CLIENTS", "", "")
    assert all(word in shown(card) for word in ("Northwind Trading", "Ada Moss", "$310.00 overdue"))


def test_an_inbound_card_waits_until_its_thread_has_begun(firm: Any) -> None:
    root = tell(firm, "thread", ("client", firm.client().id), client_id=firm.client().id)
    card = tell(firm, "inbound", ("touchpoint", firm.wrote("Hi")), thread_id=root)
    assert compose(firm, root) is not None
    assert compose(firm, card) is None
    firm.change(Message, root, provider_id="17.1", state=State.SENT)
    found = compose(firm, card)
    assert found is not None
    assert found.thread == "17.1"


def test_an_inbound_card_stands_alone_when_its_thread_failed(firm: Any) -> None:
    root = tell(firm, "thread", ("client", firm.client().id), client_id=firm.client().id)
    card = tell(firm, "inbound", ("touchpoint", firm.wrote("Hi")), thread_id=root)
    firm.change(Message, root, state=State.FAILED)
    found = compose(firm, card)
    assert found is not None
    assert found.thread == ""


def test_an_inbound_card_shows_words_balance_and_what_we_did(firm: Any) -> None:
    did = "opted out; 2 waiting messages cancelled"
    card = compose(firm, tell(firm, "inbound", ("touchpoint", firm.wrote("STOP", did))))
    text = shown(card)
    assert all(word in text for word in ("Nora Lund", "STOP", did, "$310.00 overdue"))
    assert "+12125550100" not in text
    assert card is not None
    assert "STOP" not in card.text


def test_a_mail_that_proves_nothing_says_so_before_its_words(firm: Any) -> None:
    written = firm.wrote("I have paid", doubtful="yes")
    text = shown(compose(firm, tell(firm, "inbound", ("touchpoint", written))))
    assert text.index("does not prove") < text.index("I have paid")


def test_a_clients_words_neither_ring_nor_format(firm: Any) -> None:
    words = "<!channel> <@U0ADA> *bold* @here <https://evil.example|pay>"
    text = shown(compose(firm, tell(firm, "inbound", ("touchpoint", firm.wrote(words)))))
    assert "<!channel>" not in text
    assert "<@U0ADA>" not in text
    assert "@here" not in text
    assert '"plain_text", "text": "&lt;!channel&gt;' in text


def test_an_unknown_sender_is_shown_with_what_to_do(firm: Any) -> None:
    message_id = tell(firm, "unmatched", ("incoming", 7))
    card = compose(firm, message_id, letters=lambda *_: STRANGER)
    assert "+15550177" in shown(card)
    assert "add the address to the client" in shown(card)
    assert "@here" not in shown(card)


def test_an_unreadable_stranger_still_has_a_card(firm: Any) -> None:
    assert "do not know" in shown(compose(firm, tell(firm, "unmatched", ("incoming", 7))))


def test_an_escalation_says_everything_that_is_needed(firm: Any) -> None:
    firm.wrote("We will look into it & call you")
    firm.advance()
    _, message_id = firm.escalate()
    card = compose(firm, message_id)
    text = shown(card)
    for word in (
        "Northwind Trading: $310.00, 62 days overdue",
        "<@U0ADA>, this is yours",
        "INV-1",
        "Their last words",
        "look into it &amp; call you",
        "Suggested",
        "SMS from them",
        "*Due*",
    ):
        assert word in text
    three = ["case.close", "case.pause", "case.assign"]
    assert list(buttons(card)) == [*three, "case.write_off", "case.agency", "case.legal"]
    assert card is not None
    assert card.to == ADA


def test_a_case_knows_what_was_said_before_two_clients_became_one(firm: Any) -> None:
    reminder = to_client(firm, state=State.SENT)
    for number in range(42):
        said: dict[str, Any] = {"message_id": reminder} if number == 0 else {}
        touchpoint = Touchpoint(
            client_id=firm.client().id, channel="email", direction="out", kind="dunning",
            occurred_at=firm.office.now, recorded_at=firm.office.now, **said,
        )  # fmt: skip
        firm.write(lambda s, one=touchpoint: timeline.append(s, one).id)
    firm.describe("blue", "Blue Harbor")
    firm.bill("blue", "INV-B", overdue=70)
    blue, old = firm.client("Blue Harbor").id, firm.client().id
    firm.change(Client, old, merged_into_id=blue)
    firm.change(Client, blue, speaks_since=firm.office.now)
    text = shown(compose(firm, firm.escalate("Blue Harbor")[1]))
    assert "nothing that we sent has reached them" not in text
    assert "2 earlier" in text


def test_a_closed_case_says_who_and_has_no_buttons(firm: Any) -> None:
    case_id, first = firm.escalate()
    close = CloseCase(case_id=case_id, by=firm.person(FINN))
    firm.write(lambda s: carry_out(s, firm.office, close))
    update = firm.told("escalation")[-1]
    assert compose(firm, update.id) is None
    firm.change(Message, first, provider_id="17.2", state=State.SENT)
    card = compose(firm, update.id)
    assert card is not None
    assert card.updates == "17.2"
    assert buttons(card) == {}
    assert "by Finn Reed, *handled*" in shown(card)


def test_a_paused_case_says_until_when_and_why(firm: Any) -> None:
    _, first = firm.escalate()
    pause = Pause(
        client_id=firm.client().id, days=14, reason="Waiting *for* <legal>",
        by_staff_id=firm.person(ADA),
    )  # fmt: skip
    firm.write(lambda s: carry_out(s, firm.office, pause))
    firm.change(Message, first, provider_id="17.2", state=State.SENT)
    text = shown(compose(firm, firm.told("escalation")[-1].id))
    assert "paused until Mon 19 Jan 2026, by Ada Moss" in text
    assert "&lt;legal&gt;" in text


def test_an_assigned_case_mentions_its_new_owner(firm: Any) -> None:
    case_id, first = firm.escalate()
    finn = firm.person(FINN)
    assign = AssignCase(case_id=case_id, to_staff_id=finn, by=finn)
    firm.write(lambda s: carry_out(s, firm.office, assign))
    firm.change(Message, first, provider_id="17.2", state=State.SENT)
    assert "<@U0FINN>, this is yours" in shown(compose(firm, firm.told("escalation")[-1].id))


def test_a_long_history_still_fits_with_its_buttons(firm: Any) -> None:
    for number in range(2, 90):
        firm.bill("northwind", f"INV-{number}", overdue=40)
    for _ in range(45):
        firm.wrote("long " * 400)
    _, message_id = firm.escalate()
    card = compose(firm, message_id)
    assert card is not None
    assert len(card.blocks) <= 45
    assert blockkit.text_total(list(card.blocks)) <= 12_000
    assert "case.close" in buttons(card)


def test_imported_cases_come_as_one_list(firm: Any) -> None:
    firm.describe("blue", "Blue Harbor")
    firm.bill("blue", "INV-9", overdue=200)
    for name in ("Northwind Trading", "Blue Harbor"):
        firm.change(Client, firm.client(name).id, imported_on=firm.office.now.date())
        _, message_id = firm.escalate(name)
        firm.change(Message, message_id, subject_kind="", subject_id=None)
    listed = tell(firm, "imported_cases", ("owner", firm.person(ADA)), to=ADA)
    text = shown(compose(firm, listed))
    assert "2 debts came with the import" in text
    assert "Blue Harbor" in text
    assert "oldest 200 days overdue" in text


@pytest.mark.parametrize(
    ("rule", "reason", "next_"),
    [
        ("30003", "The phone is switched off.", "write or call them"),
        ("opted_out", "They asked us to stop on 2 Jan 2026 (keyword).", "write or call them"),
    ],
    ids=["refused by the carrier", "refused at the door"],
)
def test_a_lost_message_says_what_to_whom_and_why(
    firm: Any, rule: str, reason: str, next_: str
) -> None:
    lost = to_client(firm, state=State.FAILED, rule=rule, reason=reason)
    text = shown(compose(firm, tell(firm, "lost", ("message", lost))))
    assert all(word in text for word in ("first reminder by email", "Northwind", reason, next_))
    assert "pay@northwind.example" not in text
    assert "p\N{BULLET}\N{BULLET}\N{BULLET}@northwind.example" in text


def test_a_lost_step_names_the_channel_it_goes_by_instead(firm: Any) -> None:
    firm.write(lambda s: outreach.advance_client(s, firm.office, firm.client().id))
    step = firm.told("first_reminder")[0]
    firm.change(Message, step.id, state=State.FAILED, reason="Nobody there.")
    to_client(firm, channel="sms", step_id=step.step_id, state=State.QUEUED)
    text = shown(compose(firm, tell(firm, "lost", ("message", step.id))))
    assert "it goes by SMS instead (queued)" in text


def test_a_doubt_has_two_buttons_until_it_is_settled(firm: Any) -> None:
    doubt = to_client(firm, state=State.IN_DOUBT, reason="No answer came.")
    alert = tell(firm, "in_doubt", ("message", doubt))
    assert json.loads(buttons(compose(firm, alert))["doubt.again"]["value"]) == {"m": doubt}
    firm.change(Message, doubt, state=State.SENT, reason="")
    assert buttons(compose(firm, alert)) == {}
    assert "Settled" in shown(compose(firm, alert))


def test_a_missed_renewal_names_agreement_and_amount(firm: Any) -> None:
    firm.agree("northwind")
    with firm.store.read() as session:
        agreement = session.exec(select(Agreement)).one()
    alert = tell(firm, "renewal_late", ("agreement", agreement.id), client_id=firm.client().id)
    text = shown(compose(firm, alert))
    assert all(word in text for word in ("Retainer 2026", "$5,000.00", "Sun 25 Jan 2026"))


def test_a_card_that_nobody_knows_is_a_mistake(firm: Any) -> None:
    with pytest.raises(TemplateMistake):
        compose(firm, tell(firm, "no_such_card", ("client", 1)))


def test_every_name_from_outside_is_inert(firm: Any) -> None:
    name = "<!here> *Acme* & Co"
    firm.change(Client, firm.client().id, name=name)
    with firm.store.read() as session:
        entity = session.exec(select(LegalEntity)).one()
    firm.change(LegalEntity, entity.id, name="<!channel>")
    _, message_id = firm.escalate(name)
    text = shown(compose(firm, message_id))
    assert "<!here>" not in text
    assert "<!channel>" not in text
    assert "*Acme*" not in text


def test_a_case_of_someone_who_left_asks_to_be_taken_over(firm: Any) -> None:
    case_id, message_id = firm.escalate()
    with firm.store.read() as session:
        owner_id = session.get_one(EscalationCase, case_id).owner_id
    firm.change(Staff, owner_id, active=False)
    assert "has left: take it over" in shown(compose(firm, message_id))


def test_dates_are_days_of_the_client(firm: Any) -> None:
    firm.office = firm.at(0)
    late = firm.office.now.replace(hour=2) + dt.timedelta(days=1)
    firm.office = type(firm.office)(
        firm.office.keyring, firm.office.policy, late, late, "C-FINANCE", "C-CLIENTS"
    )
    firm.wrote("Evening in New York")
    _, message_id = firm.escalate()
    assert "Mon 5 Jan 2026 · SMS from them" in shown(compose(firm, message_id))
