"""C-10, C-16, C-21, C-22, C-28: what may leave, by which channel, and who lets the rest go."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlmodel import Session, select

from billing import shipped
from billing.models import Client, Contact, MatterWall, Staff
from bot.sandbox.workspace import Post
from comms import consent, timeline
from comms.compliance import disclosure
from comms.compliance.disclosure import Names
from comms.models import Decision, Message, State, Task, TaskKind
from comms.rendering import TemplateMistake, Templates
from comms.writing import drafts, template_lint
from tests.compliance.house import CLEO, CLERK, CORA, House, ruled
from tests.factories import FINANCE

GONE = {State.SENT, State.DELIVERED}
PACKS = [
    ("b2b_first_party",),
    ("consumer_first_party",),
    ("third_party_collector",),
    ("b2b_first_party", "law_firm"),
    ("consumer_first_party", "healthcare", "eu"),
]


def own(folder: Path, file: str, source: str) -> Path:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    return folder


# --- when it is saved -----------------------------------------------------------------------------


@pytest.mark.parametrize("packs", PACKS, ids="+".join)
def test_the_shipped_templates_fit_every_pack(packs: tuple[str, ...]) -> None:
    assert template_lint.lint(shipped.path("templates"), packs) == []


@pytest.mark.parametrize(
    ("packs", "file", "source", "field"),
    [
        ((), "receipt/sms.txt.j2", "a\n{{ client.name }}", "client.name"),
        ((), "first_reminder/sms.txt.j2", "a\n{% for i in invoices %}{{ i.disputed }}{% endfor %}",
         "invoices.disputed"),
        ((), "renewal_notice/sms.txt.j2", "a\n{{ agreement.name }}", "agreement.name"),
        (("healthcare",), "first_reminder/sms.txt.j2", "a\n{{ invoices[0].number }}",
         "invoices.number"),
        (("law_firm",), "renewed/email.txt.j2", "a\n{{ agreement.name }}", "agreement.name"),
    ],
)  # fmt: skip
def test_c21_a_template_that_names_what_its_channel_withholds_is_an_error(
    tmp_path: Path, packs: tuple[str, ...], file: str, source: str, field: str
) -> None:
    (found,) = template_lint.lint(own(tmp_path, file, source), packs)
    assert (found.file, found.line) == (file, 2)
    assert found.sentence.startswith(f"{field} is not for ")
    assert "not yet confirmed by counsel" in found.sentence


def test_a_template_may_ask_for_what_may_be_withheld(tmp_path: Path) -> None:
    source = "Due{% if invoices[0].number %}: {{ invoices[0].number }}{% endif %}."
    folder = own(tmp_path, "first_reminder/sms.txt.j2", source)
    assert template_lint.lint(folder, ("healthcare",)) == []
    otherwise = source.replace("{% endif %}", "{% else %}{{ invoices[0].number }}{% endif %}")
    found = template_lint.lint(
        own(tmp_path, "first_reminder/sms.txt.j2", otherwise), ("healthcare",)
    )
    assert "invoices.number is not for SMS" in found[0].sentence


def test_c21_words_of_health_in_a_template_are_an_error(tmp_path: Path) -> None:
    folder = own(tmp_path, "help_reply/sms.txt.j2", "Your chemotherapy on Tuesday is billed.")
    (found,) = template_lint.lint(folder)
    assert "health" in found.sentence


@pytest.mark.parametrize("host", ["bit.ly/x", "tinyurl.com/abc", "https://T.CO/y", "s.id/z"])
def test_c28_a_link_shortener_is_an_error(tmp_path: Path, host: str) -> None:
    (found,) = template_lint.lint(own(tmp_path, "help_reply/sms.txt.j2", f"Pay: {host}"))
    assert "carriers filter public link shorteners" in found.sentence


@pytest.mark.parametrize(
    "host", ["pay.example/x", "at.co.uk/pay", "rabbit.lyon.example", "t.company"]
)
def test_c28_the_firms_own_links_are_none(host: str) -> None:
    assert disclosure.shortened(f"Pay here: https://{host}") == ""


def test_c10_a_mail_without_the_notice_does_not_compile(tmp_path: Path) -> None:
    folder = own(tmp_path, "receipt/email.txt.j2", "Thank you.")
    found = template_lint.lint(folder, ("third_party_collector",))
    assert [(one.file, "opt-out notice is missing" in one.sentence) for one in found] == [
        ("receipt/email.txt.j2", True)
    ]
    assert template_lint.lint(folder) == []
    context = template_lint.sample("receipt") | {"opt_out_notice": "Say stop."}
    with pytest.raises(TemplateMistake, match="notice is missing"):
        Templates([folder]).render("receipt", "email", context)


async def test_c10_every_debt_mail_of_a_collector_says_how_to_end_it(house: House) -> None:
    house.by(ruled(base="third_party_collector"))
    house.product.reminder(house.known)
    await house.product.settle()
    (mail,) = house.mails()
    notice = disclosure.notice("email", ("third_party_collector",))
    assert (mail.text.count(notice), mail.html.count(notice)) == (1, 1)
    assert disclosure.notice("email", ("b2b_first_party",)) == ""


# --- when it is rendered --------------------------------------------------------------------------


async def test_what_names_a_matter_is_withheld_with_its_rule_and_a_task(house: House) -> None:
    house.by(ruled("law_firm"))
    entity = "Bram v. Northwind"
    folder_of(house, "first_reminder", f"About {entity}: please pay.")
    waiting = house.product.reminder(house.known)
    house.matter(entity)
    await house.product.settle()
    message = house.messages(id=waiting)[0]
    assert (message.state, message.rule) == (State.WITHHELD, "disclosure")
    assert "a matter's name" in message.reason
    assert "not yet confirmed by counsel" in message.reason
    assert "Bram" not in message.reason
    assert house.rules(waiting)[-1] == "disclosure"
    with house.product.store.read() as session:
        assert [one.kind for one in session.exec(select(Task))] == [TaskKind.WORDING]
        assert list(timeline.verify(session)) == []
    assert entity not in house.slack(FINANCE)


async def test_how_a_template_reads_by_itself_keeps_no_message_in(house: House) -> None:
    """That was told when it was saved; now every client's message would be kept in."""
    ours = "As your lawyers we advise you to settle the lawsuit before the trial."
    assert disclosure.breaches(ours, disclosure.profile("email"))
    folder_of(house, "first_reminder", ours)
    waiting = house.product.reminder(house.known)
    await house.product.settle()
    assert house.messages(id=waiting)[0].state in GONE


async def test_what_the_data_adds_to_a_template_keeps_the_message_in(house: House) -> None:
    folder_of(house, "first_reminder", "About {{ client.name }}: please pay.")
    name = "Bob Miller's insulin, which he takes for his diabetes"
    house.write(
        lambda session: setattr(session.get_one(Client, house.known.client_id), "name", name)
    )
    waiting = house.product.reminder(house.known)
    await house.product.settle()
    message = house.messages(id=waiting)[0]
    assert (message.state, message.rule) == (State.WITHHELD, "disclosure")
    assert "health" in message.reason


def folder_of(house: House, message: str, words: str) -> None:
    """The firm's own template was edited after it was looked at."""
    folder = house.product.app.settings.database_url.removeprefix("sqlite:///")
    made = Path(folder).parent / "own"
    for part in ("subject.txt.j2", "email.txt.j2", "email.html.j2"):
        own(made, f"{message}/{part}", words)
    house.product.app = replace(house.product.app, templates=Templates([made]))


async def test_a_firms_own_name_is_no_breach(house: House) -> None:
    house.by(ruled("law_firm"))
    waiting = house.product.reminder(house.known)
    house.matter("Harrow Law")
    await house.product.settle()
    assert house.messages(id=waiting)[0].state in GONE


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Re Bram  v.\nNorthwind: pay", ["matter"]),
        ("bram v. northwind", ["matter"]),
        ("Abram v. Northwinds", []),
        ("For deposition of Ms Arnes, 2 h", ["narrative"]),
        ("Your insulin is billed on Tuesday with the metformin you take", ["health"]),
        ("Card 5555 5555 5555 4444", ["numbers"]),
        ("Pay to IBAN DE89370400440532013000", []),
        ("", []),
        ("\x00" * 50 + "é" * 5_000, []),
    ],
)
def test_words_are_held_against_the_names_of_the_clients_bills(text: str, found: list[str]) -> None:
    names = Names(("Bram v. Northwind", "A"), ("deposition of Ms Arnes",))
    by = disclosure.profile("sms", ("b2b_first_party",))
    assert sorted({one.kind for one in disclosure.breaches(text, by, names)}) == found


# --- what a person types --------------------------------------------------------------------------


async def test_what_a_person_types_goes_when_nothing_is_in_it(house: House) -> None:
    answer = await house.types(
        CLERK, "write Northwind Trading by sms: Your file is ready: call us."
    )
    assert "draft.ask" not in repr(answer.blocks)
    assert any("Your file is ready: call us." in one for one in house.phone())


async def test_c22_a_typed_card_number_goes_nowhere_and_is_not_kept(house: House) -> None:
    answer = await house.types(CLERK, "write Northwind Trading: take 5555555555554444 12/27")
    assert "Not sent, and not kept: there is a card number in it" in answer.text
    assert "5555555555554444" not in repr(answer.blocks)
    assert house.messages(purpose="staff_text") == []


ADVICE = "Our lawyer advises you to settle the Bram suit before trial and say nothing."


async def asked(house: House) -> int:
    """A clerk typed advice and asked counsel; the message that waits."""
    answer = await house.types(CLERK, f"write Northwind Trading by email: Hello. {ADVICE}")
    assert "`" in repr(answer.blocks)  # the words are marked
    await house.clicks(CLERK, FINANCE, answer, "draft.ask")
    (message,) = house.messages(purpose="staff_text")
    assert message.state == State.AWAITING
    return message.id


def card(house: House, user: str) -> Post:
    return next(
        one for one in house.product.slack.messages(house.room(user)) if "draft" in repr(one.blocks)
    )


async def test_c23_counsel_reads_and_lets_it_go_once(house: House) -> None:
    waiting = await asked(house)
    room, shown = house.room(CORA), card(house, CORA)
    assert "Bram" not in repr(shown)
    assert "Bram" in await house.clicks(CORA, room, shown, "draft.read")
    await house.clicks(CORA, room, shown, "draft.release")
    await house.product.later(minutes=1)
    assert house.messages(id=waiting)[0].state in GONE
    assert house.rules(waiting)[:3] == ["content_asked", "content_read", "content_released"]
    with house.product.store.read() as session:
        assert list(timeline.verify(session)) == []
        released = select(Decision.verdict).where(Decision.rule == "content_released")
        assert set(session.exec(released)) == {"allow"}


async def test_counsel_outside_the_wall_around_a_matter_is_not_asked_and_reads_nothing(
    house: House,
) -> None:
    waiting = await asked(house)
    room, shown = house.room(CORA), card(house, CORA)
    house.product.reminder(house.known)
    house.matter("Bram v. Northwind")

    def wall(session: Session) -> None:
        clerk = session.exec(select(Staff).where(Staff.slack_user == CLERK)).one()
        session.add(
            MatterWall(
                matter="Bram v. Northwind", staff_id=clerk.id, placed_by="a", placed_at=house.now
            )
        )

    house.write(wall)
    for action in ("draft.read", "draft.release", "draft.refuse"):
        assert "a wall around Bram v. Northwind" in await house.clicks(CORA, room, shown, action)
    assert house.messages(id=waiting)[0].state == State.AWAITING
    office = house.product.app.office()
    assert house.write(lambda s: drafts.ask(s, office, s.get_one(Message, waiting))) == []


async def test_c23_what_counsel_refuses_never_goes(house: House) -> None:
    waiting = await asked(house)
    shown = card(house, CORA)
    await house.clicks(CORA, house.room(CORA), shown, "draft.refuse")
    assert "draft.release" not in house.slack(house.room(CORA))
    await house.product.later(days=1)
    message = house.messages(id=waiting)[0]
    assert (message.state, message.rule) == (State.CANCELLED, "content_refused")
    assert house.mails() == []


async def test_a_matter_typed_into_a_text_waits_for_compliance(house: House) -> None:
    house.product.reminder(house.known)
    house.matter("Bram v. Northwind")
    answer = await house.types(CLERK, "write Northwind Trading by sms: About Bram v. Northwind.")
    assert "`Bram v. Northwind`" in repr(answer.blocks)
    await house.clicks(CLERK, FINANCE, answer, "draft.ask")
    assert house.messages(purpose="staff_text")[0].rule == "content_untold"
    assert "draft.release" in repr(card(house, CLEO).blocks)


# --- whose phone it is ----------------------------------------------------------------------------


async def test_c16_who_asks_who_we_are_hears_our_name_once_and_nothing_else(house: House) -> None:
    house.product.reminder(house.known)
    await house.text("who is this??")
    (answer,) = house.phone()
    assert "Harrow Law" in answer
    for secret in ("310", "INV-1", "Northwind", "invoice", "pay"):
        assert secret not in answer
    await house.text("seriously who are you")
    assert len(house.phone()) == 1
    text = house.product.note(house.known, words="You owe $310.00")
    await house.product.later(days=4)
    assert house.messages(id=text)[0].rule == "address_unverified"


async def test_c16_who_answers_as_themselves_is_written_to_again(house: House) -> None:
    await house.text("new phone who dis")
    await house.text("Oh, right. Ann here, I will look into it.")
    text = house.product.note(house.known)
    await house.product.later(days=1)
    assert house.messages(id=text)[0].state in GONE


async def test_c16_a_collector_texts_no_number_that_only_the_firm_named(house: House) -> None:
    house.by(ruled(base="third_party_collector"))
    told = {"timezone": "America/New_York", "sms_consent": True, "phone": "+12125550177"}
    await house.tell({
        "type": "client_described", "source": "crm", "external_id": "b", "name": "Bo", **told,
    })  # fmt: skip
    with house.product.store.read() as session:
        client = session.exec(select(Client).where(Client.name == "Bo")).one()
        person = session.exec(select(Contact).where(Contact.client_id == client.id)).one()
        place = consent.find_address(session, "sms", "+12125550177")
    assert place is not None
    text = house.product.note(
        house.known, client_id=client.id, contact_id=person.id, address_id=place.id
    )
    await house.product.settle()
    message = house.messages(id=text)[0]
    assert (message.state, message.rule) == (State.WITHHELD, "address_unproven")
    assert "12 CFR 1006.6(d)(5)" in message.reason


async def test_what_the_door_finds_in_a_persons_words_is_asked_of_who_may(house: House) -> None:
    waiting = house.product.note(house.known, words=ADVICE, channel="email")
    await house.product.settle()
    assert house.messages(id=waiting)[0].state == State.AWAITING
    await house.clicks(CORA, house.room(CORA), card(house, CORA), "draft.release")
    await house.product.later(minutes=1)
    assert house.messages(id=waiting)[0].state in GONE
