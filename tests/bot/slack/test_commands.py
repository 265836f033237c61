"""What people see when they type and click, over the wire against the stand-in."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_sdk.web.async_client import AsyncWebClient
from sqlmodel import col, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billing.clock import SystemClock
from billing.models import Client, EscalationCase, Hold, Invoice, StepTaken
from bot.sandbox import blockkit
from bot.sandbox.loopback import serve
from bot.sandbox.slack import Slack
from bot.sandbox.workspace import Post
from bot.slack import cards, forms
from bot.slack.bolt import bolt_app
from comms.duties import instructions, verdicts
from comms.duties.instructions import Instruction
from comms.models import Decision, Message
from comms.office import Office

ADA, FINN, NOBODY, GUEST = "U0ADA", "U0FINN", "U0NOBODY", "U0GUEST"
STRANGER = "U0STRANGER"
OPEN, SHARED = "C0OPEN", "C0SHARED"


@dataclass
class Desk:
    """Carries instructions out at once, and remembers their keys."""

    firm: Any
    keys: list[str] = field(default_factory=list)
    broken: bool = False

    @property
    def store(self) -> Any:
        return self.firm.store

    def office(self) -> Office:
        office: Office = self.firm.office
        return office

    async def instruct(self, key: str, instruction: Instruction) -> str:
        self.keys.append(key)
        if self.broken:
            raise RuntimeError("the disk is full")
        return await self.firm.store.write(  # type: ignore[no-any-return]
            lambda session: instructions.carry_out(session, self.office(), instruction)
        )


@dataclass
class Talk:
    """A workspace with the bot in it."""

    slack: Slack
    desk: Desk

    async def types(self, text: str, user: str = ADA, channel: str = OPEN) -> Post:
        before = len(self.slack.messages(channel))
        answer = await self.slack.command(user, channel, "/acct", text)
        assert answer.status == 200, answer
        assert len(self.slack.messages(channel)) == before + 1, answer
        return self.seen(user, channel)

    async def clicks(self, post: Post, action_id: str, user: str = ADA, value: str = "") -> Post:
        answer = await self.slack.click(user, OPEN, post.ts, action_id, value)
        assert answer.status == 200, answer
        return self.seen(user)

    def seen(self, user: str, channel: str = OPEN) -> Post:
        post = self.slack.messages(channel)[-1]
        assert post.ephemeral_to == user
        assert blockkit.message_problems(post.blocks) == []
        return post


@pytest.fixture
async def talk(firm: Any) -> AsyncIterator[Talk]:
    slack = Slack("xoxb-sandbox", "secret", SystemClock())
    slack.webhook_seconds = 60  # of a busy machine; Slack waits three
    for user in (ADA, FINN, NOBODY, STRANGER):
        slack.add_user(user, user.lower(), f"{user}@firm.example")
    slack.add_user(GUEST, "guest", "guest@firm.example", restricted=True)
    slack.add_channel(OPEN, "clients", {ADA, FINN})
    slack.add_channel(SHARED, "with-client", {ADA}, ext_shared=True)
    desk = Desk(firm)
    async with slack.serving() as base_url:
        web = AsyncWebClient("xoxb-sandbox", base_url=f"{base_url}/api/", retry_handlers=[])
        handler = AsyncSlackRequestHandler(bolt_app(desk, web))

        async def hook(request: Request) -> Response:
            return await handler.handle(request)

        async with serve(Starlette(routes=[Route("/hooks/slack", hook, methods=["POST"])])) as url:
            slack.request_url = f"{url}/hooks/slack"
            yield Talk(slack, desk)


def said(post: Post) -> str:
    return json.dumps(post.blocks, ensure_ascii=False)


def offered(post: Post) -> list[str]:
    return [one["action_id"] for _, one in blockkit.elements(post.blocks)]


def post_card(talk: Talk, message_id: int) -> Post:
    """Put the card of a message into the channel, as the outbox would."""
    firm = talk.desk.firm
    with firm.store.read() as session:
        outgoing = cards.compose(session, firm.office, session.get_one(Message, message_id))
    assert outgoing is not None
    team = talk.slack.workspace
    blocks = json.loads(json.dumps(outgoing.blocks))
    post = Post(team.next_ts(), outgoing.text, team.bot_user, blocks, bot_id=team.bot_id)
    return team.post(team.channels[OPEN], post)


def holds(talk: Talk) -> list[Hold]:
    with talk.desk.store.read() as session:
        query = select(Hold).where(col(Hold.released_at).is_(None))
        return list(session.exec(query))


async def test_a_card_says_how_a_client_stands(talk: Talk) -> None:
    firm = talk.desk.firm
    firm.agree("northwind")
    firm.advance()
    firm.wrote("Hello")
    text = said(await talk.types("northwind"))
    for word in (
        "Northwind Trading", "$310.00 overdue", "61-90 days: $310.00", "Reminders for Harrow Law",
        "Waiting to leave", "first reminder by email: queued", "SMS from them", "Retainer 2026",
        "nobody has said", "Looked after by Ada Moss",
    ):  # fmt: skip
        assert word in text


async def test_every_button_of_a_card_answers(talk: Talk) -> None:
    card = await talk.types("northwind")
    assert offered(card) == ["client.pause", "client.timeline", "client.why"]
    assert "Timeline of Northwind" in (await talk.clicks(card, "client.timeline")).text
    assert "Why, for Northwind" in (await talk.clicks(card, "client.why")).text


@pytest.mark.parametrize(
    ("typed", "name"),
    [("northwind trading", "Northwind Trading"), ("BLUE", "Blue Harbor"), ("harbor", "Blue Harbor"),
     ('"Blue Harbor"', "Blue Harbor"), ("Smith &amp; Co", "Smith &amp; Co")],
    ids=["exact", "prefix", "contains", "quoted", "escaped by slack"],
)  # fmt: skip
async def test_a_name_finds_its_client(talk: Talk, typed: str, name: str) -> None:
    talk.desk.firm.describe("blue", "Blue Harbor")
    talk.desk.firm.describe("smith", "Smith & Co")
    assert (await talk.types(typed)).text == name


async def test_several_clients_are_offered_to_pick_from(talk: Talk) -> None:
    talk.desk.firm.describe("n2", "Northwind Legal")
    pick = await talk.types("northwind")
    assert offered(pick) == ["client.card", "client.card"]
    value = json.dumps({"c": talk.desk.firm.client("Northwind Legal").id}, separators=(",", ":"))
    assert (await talk.clicks(pick, "client.card", value=value)).text == "Northwind Legal"


async def test_a_misspelt_name_gets_the_nearest_names_and_forms(talk: Talk) -> None:
    text = said(await talk.types("northwynd traiding"))
    assert "Did you mean Northwind Trading?" in text
    assert text.count("• `/acct") == 3


async def test_a_first_word_that_is_misspelt_is_enough_to_guess_whom(talk: Talk) -> None:
    assert "Did you mean Northwind Trading?" in said(await talk.types("nortwhind"))


async def test_a_name_like_no_word_gets_the_forms_that_take_a_name(talk: Talk) -> None:
    text = said(await talk.types("nobody"))
    assert [one for one in ("NAME", "timeline NAME", "hold NAME") if f"• `/acct {one}" in text] == [
        "NAME",
        "timeline NAME",
    ]
    assert "Did you mean" not in text
    assert "• `/acct timeline NAME" in said(await talk.types("timelin northwynd"))


@pytest.mark.parametrize("typed", ["timeline", "pause", "why", "resume"])
async def test_a_form_with_nothing_in_it_gets_the_nearest_three(talk: Talk, typed: str) -> None:
    text = said(await talk.types(typed))
    assert f"• `/acct {typed} NAME" in text
    assert text.count("• `/acct") == 3


@pytest.mark.parametrize("typed", ["help", ""])
async def test_help_lists_every_form(talk: Talk, typed: str) -> None:
    text = said(await talk.types(typed))
    assert all(form in text for form in forms.FORMS.values() if '"' not in form)


async def test_a_pause_is_carried_out_and_shown(talk: Talk) -> None:
    post = await talk.types("pause northwind 3d waiting for their bank")
    assert "paused until Thu 8 Jan 2026" in post.text
    assert talk.desk.keys[0].startswith("command:")
    card = await talk.types("northwind")
    assert "waiting for their bank" in said(card)
    assert "client.resume" in offered(card)
    assert "Nothing is paused" in (await talk.clicks(card, "client.resume")).text
    assert holds(talk) == []


async def test_a_pause_needs_a_reason(talk: Talk) -> None:
    assert "Say why" in (await talk.types("pause northwind 3d")).text
    assert holds(talk) == []


async def test_the_pause_button_asks_for_days_and_reason(talk: Talk) -> None:
    card = await talk.types("northwind")
    await talk.slack.click(ADA, OPEN, card.ts, "client.pause")
    (view,) = talk.slack.workspace.views.values()
    wrong = {"days": {"days": "999"}, "reason": {"reason": "Bank"}}
    answer = await talk.slack.submit(ADA, view.id, wrong)
    assert "between 1 and 366" in answer.body
    await talk.slack.submit(ADA, view.id, {"days": {"days": "7"}, "reason": {"reason": "Bank"}})
    assert "paused until Mon 12 Jan 2026" in json.dumps(view.content)
    assert len(holds(talk)) == 1


async def test_a_timeline_has_pages_of_ten(talk: Talk) -> None:
    for number in range(1, 13):
        talk.desk.firm.wrote(f"Word {number}")
    first = await talk.types("timeline northwind 90d sms")
    assert "Word 12" in said(first)
    assert 'Word 2"' not in said(first)
    second = await talk.clicks(first, "timeline.more")
    assert 'Word 2"' in said(second)
    assert offered(second) == []


async def test_a_clients_words_are_for_those_who_may_read_them(talk: Talk) -> None:
    talk.desk.firm.describe("blue", "Blue Harbor", owner="finn@firm.example")
    talk.desk.firm.wrote("Secret word")
    assert "Secret word" in said(await talk.types("timeline northwind"))
    talk.desk.firm.describe("northwind", "Northwind Trading", owner="finn@firm.example")
    assert "Secret word" not in said(await talk.types("timeline northwind"))
    assert "Secret word" in said(await talk.types("timeline northwind", FINN))


@pytest.mark.parametrize("what", ["northwind", "INV-1", "inv-1"])
async def test_why_tells_the_decisions_in_words(talk: Talk, what: str) -> None:
    talk.desk.firm.advance()
    text = said(await talk.types(f"why {what}"))
    assert "*Due*" in text
    assert "INV-1" in text


@pytest.mark.parametrize(
    ("user", "channel", "word"),
    [
        (NOBODY, OPEN, "counterfoil access grant zoe@firm.example account_manager"),
        (STRANGER, OPEN, "not linked to a member of staff"),
        (GUEST, OPEN, "Guests of this workspace"),
        (ADA, SHARED, "shared with another organisation"),
    ],
    ids=["no role", "unknown", "guest", "shared channel"],
)
async def test_nothing_is_told_to_who_may_not_know(
    talk: Talk, user: str, channel: str, word: str
) -> None:
    post = await talk.types("northwind", user, channel)
    assert word in post.text
    assert "310" not in said(post)


async def test_somebody_elses_client_is_not_paused(talk: Talk) -> None:
    talk.desk.firm.describe("blue", "Blue Harbor", owner="finn@firm.example")
    post = await talk.types("pause blue harbor 3d because")
    assert "finance or admin" in post.text
    assert holds(talk) == []


async def test_a_case_is_closed_from_its_card(talk: Talk) -> None:
    case_id, message_id = talk.desk.firm.escalate()
    card = post_card(talk, message_id)
    assert "is closed: handled" in (await talk.clicks(card, "case.close")).text
    assert "is closed: handled" in (await talk.clicks(card, "case.close")).text
    with talk.desk.store.read() as session:
        assert session.get_one(EscalationCase, case_id).closed_by == "ada@firm.example"
    assert all(key.startswith("action:") for key in talk.desk.keys)
    assert len(set(talk.desk.keys)) == 2


async def test_an_open_case_can_be_dealt_with_from_the_clients_card(talk: Talk) -> None:
    talk.desk.firm.escalate()
    card = await talk.types("northwind")
    assert "is closed: handled" in (await talk.clicks(card, "case.close")).text
    assert "case.close" not in offered(await talk.types("northwind"))


async def test_a_case_is_paused_and_taken_over_from_its_card(talk: Talk) -> None:
    case_id, message_id = talk.desk.firm.escalate()
    card = post_card(talk, message_id)
    assert "paused until Mon 19 Jan" in (await talk.clicks(card, "case.pause")).text
    assert "is Finn Reed's now" in (await talk.clicks(card, "case.assign", FINN)).text
    with talk.desk.store.read() as session:
        owner_id = session.get_one(EscalationCase, case_id).owner_id
    assert owner_id == talk.desk.firm.person(FINN)


@pytest.mark.parametrize("decision", ["write_off", "agency", "legal"])
async def test_how_a_debt_ends_is_decided_once_by_whoever_may(talk: Talk, decision: str) -> None:
    case_id, message_id = talk.desk.firm.escalate()
    button = f"case.{decision}"
    for card in (post_card(talk, message_id), await talk.types("northwind", FINN)):
        assert button in offered(card)
    card = post_card(talk, message_id)
    assert "finance or admin" in (await talk.clicks(card, button)).text
    assert talk.desk.keys == []
    decided = verdicts.WORDS[decision] + (" (INV-1)" if decision == "write_off" else "")
    assert f"Northwind Trading: {decided}." in (await talk.clicks(card, button, FINN)).text
    assert "closed already" in (await talk.clicks(card, button, FINN)).text
    assert "closed already" in (await talk.clicks(card, "case.write_off", FINN)).text
    with talk.desk.store.read() as session:
        case = session.get_one(EscalationCase, case_id)
        assert (case.outcome, case.closed_by) == (decision, "finn@firm.example")
        given_up = session.exec(select(Invoice.state)).one() == "uncollectible"
    assert given_up == (decision == "write_off")
    assert button not in offered(await talk.types("northwind", FINN))


def rounds(talk: Talk) -> list[tuple[int, int, str]]:
    with talk.desk.store.read() as session:
        query = select(StepTaken).order_by(col(StepTaken.id))
        return [(one.step, one.round, one.how) for one in session.exec(query)]


async def test_a_reminder_goes_once_more_however_often_the_button_is_pressed(talk: Talk) -> None:
    firm = talk.desk.firm
    assert "client.again" not in offered(await talk.types("northwind"))
    firm.advance()
    assert "client.again" not in offered(await talk.types("northwind"))  # it has not left yet
    firm.change(StepTaken, 1, how="sent")
    card = await talk.types("northwind")
    firm.change(Client, firm.client().id, owner_id=firm.person(FINN))
    assert "finance or admin" in (await talk.clicks(card, "client.again")).text
    firm.change(Client, firm.client().id, owner_id=firm.person(ADA))
    assert "as soon as every check" in (await talk.clicks(card, "client.again")).text
    assert "on its way already" in (await talk.clicks(card, "client.again")).text
    assert rounds(talk) == [(1, 1, "sent"), (1, 2, "queued")]
    firm.change(StepTaken, 2, how="sent")
    assert "on its way already" in (await talk.clicks(card, "client.again")).text
    assert len(rounds(talk)) == 2
    with talk.desk.store.read() as session:
        query = select(Decision).where(Decision.rule == "repeated")
        assert '"by": "ada@firm.example"' in session.exec(query).one().inputs


async def test_a_failure_is_told_and_not_hidden(
    talk: Talk, caplog: pytest.LogCaptureFixture
) -> None:
    talk.desk.broken = True
    post = await talk.types("pause northwind 3d because")
    assert "nothing was changed" in post.text
    assert "slack_request_failed" in caplog.text


async def test_a_form_that_fails_does_not_close_as_if_it_were_done(talk: Talk) -> None:
    card = await talk.types("northwind")
    await talk.slack.click(ADA, OPEN, card.ts, "client.pause")
    (view,) = talk.slack.workspace.views.values()
    talk.desk.broken = True
    filled = {"days": {"days": "7"}, "reason": {"reason": "Bank"}}
    await talk.slack.submit(ADA, view.id, filled)
    (shown,) = talk.slack.workspace.views.values()
    assert "nothing was changed" in json.dumps(shown.content["blocks"])


async def test_an_old_button_says_what_to_do(talk: Talk) -> None:
    button = {
        "type": "button", "action_id": "gone.by", "value": "{}",
        "text": {"type": "plain_text", "text": "Old"},
    }  # fmt: skip
    team = talk.slack.workspace
    blocks = [{"type": "actions", "elements": [button]}]
    post = team.post(team.channels[OPEN], Post(team.next_ts(), "x", team.bot_user, blocks))
    assert "older version" in (await talk.clicks(post, "gone.by")).text


async def test_events_and_challenges_are_taken(talk: Talk) -> None:
    assert (await talk.slack.say(ADA, OPEN, "hi")).statuses == (200,)
    assert (await talk.slack.challenge()).status == 200


@pytest.mark.parametrize(
    ("typed", "ask"),
    [
        ("blue harbor", forms.ShowCard("blue harbor")),
        ('"Why Not Inc"', forms.ShowCard("Why Not Inc")),
        ("timeline blue harbor 90d sms", forms.ShowTimeline("blue harbor", 90, "sms")),
        ("timeline blue harbor email", forms.ShowTimeline("blue harbor", None, "email")),
        ("timeline 90d", forms.Unclear("timeline 90d")),
        ("TIMELINE \u201cA 3d\u201d 7d", forms.ShowTimeline("A 3d", 7, "")),
        ("why INV-7", forms.Why("INV-7")),
        ('pause "Blue Harbor" 3d bank', forms.AskPause("Blue Harbor", 3, "bank")),
        ("pause blue 3d bank", forms.AskPause("", 3, "", ("blue", "bank"))),
        ("pause 3d", forms.AskPause("", None, "", ("3d",))),
        ("resume blue", forms.AskResume("blue")),
        ("", forms.Help()),
        ("pause", forms.Unclear("pause")),
    ],
    ids=lambda value: value or "empty" if isinstance(value, str) else "",
)
def test_words_are_read_as_they_are_meant(typed: str, ask: forms.Ask) -> None:
    assert forms.parse(typed) == ask
