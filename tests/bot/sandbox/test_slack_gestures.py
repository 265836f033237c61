"""What does the product hear when somebody types, clicks, fills in a form or says something?"""

import datetime as dt
import json
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import Clock as SlackClock
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from billing.clock import TurnedClock
from bot.sandbox.faults import Fault
from bot.sandbox.slack import Slack
from tests.bot.sandbox.workplace import ADA, BOB, BUTTONS, MODAL, OPEN, OTHER, SECRET


async def test_a_command_is_signed_and_its_answer_shown(
    slack: Slack, product: Any, clock: TurnedClock
) -> None:
    product.answers = [(200, json.dumps({"text": "Three open"}), {})]
    answer = await slack.command(ADA, OPEN, "/invoices", "Doe & Co")
    heard = product.heard[0]
    verifier = SignatureVerifier(SECRET, SlackClock())
    assert verifier.is_valid_request(heard.body, dict(heard.headers))
    assert (heard.form["command"], heard.form["text"]) == ("/invoices", "Doe & Co")
    assert (heard.form["user_id"], heard.form["channel_id"]) == (ADA, OPEN)
    assert answer.status == 200
    shown = slack.messages(OPEN)[0]
    assert (shown.text, shown.ephemeral_to) == ("Three open", ADA)


async def test_an_empty_acknowledgement_shows_nothing(slack: Slack) -> None:
    await slack.command(ADA, OPEN, "/invoices")
    assert slack.messages(OPEN) == []


async def test_a_response_url_is_used_five_times_in_thirty_minutes(
    slack: Slack, product: Any, clock: TurnedClock
) -> None:
    await slack.command(ADA, OPEN, "/invoices")
    url = product.heard[0].form["response_url"]
    web = AsyncWebhookClient(url)
    statuses = [(await web.send(text=f"{n}", response_type="in_channel")) for n in range(6)]
    assert [(one.status_code, one.body) for one in statuses[:5]] == [(200, "ok")] * 5
    assert statuses[5].status_code == 404
    assert "used_url" in statuses[5].body
    assert [one.ephemeral_to for one in slack.messages(OPEN)] == [""] * 5
    await slack.command(ADA, OPEN, "/invoices")
    for use in slack.response_urls.values():
        use.until = clock.wall() - dt.timedelta(seconds=1)
    late = await AsyncWebhookClient(product.heard[1].form["response_url"]).send(text="late")
    assert (late.status_code, "expired_url" in late.body) == (404, True)


async def test_a_click_sends_the_button_and_its_message(
    web: AsyncWebClient, slack: Slack, product: Any
) -> None:
    ts = (await web.chat_postMessage(channel=OPEN, text="x", blocks=BUTTONS))["ts"]
    await slack.click(ADA, OPEN, ts, "pause", "7")
    payload = json.loads(product.heard[0].form["payload"])
    assert (payload["type"], payload["user"]["id"], payload["channel"]["id"]) == (
        *("block_actions", ADA),
        OPEN,
    )
    assert payload["message"]["ts"] == payload["container"]["message_ts"] == ts
    [action] = payload["actions"]
    assert (action["action_id"], action["value"], action["block_id"]) == ("pause", "7", "row")
    await slack.click(ADA, OPEN, ts, "why", "dispute")
    chosen = json.loads(product.heard[1].form["payload"])["actions"][0]["selected_option"]
    assert chosen["value"] == "dispute"


@pytest.mark.parametrize(("action", "value"), [("nothing", ""), ("pause", "8"), ("why", "no")])
async def test_what_is_not_there_cannot_be_clicked(
    web: AsyncWebClient, slack: Slack, action: str, value: str
) -> None:
    ts = (await web.chat_postMessage(channel=OPEN, text="x", blocks=BUTTONS))["ts"]
    with pytest.raises(LookupError):
        await slack.click(ADA, OPEN, ts, action, value)


async def test_another_persons_ephemeral_card_cannot_be_clicked(
    web: AsyncWebClient, slack: Slack, product: Any
) -> None:
    ts = (await web.chat_postEphemeral(channel=OPEN, user=ADA, text="x", blocks=BUTTONS))[
        "message_ts"
    ]
    with pytest.raises(LookupError):
        await slack.click(BOB, OPEN, ts, "pause", "7")
    await slack.click(ADA, OPEN, ts, "pause", "7")
    payload = json.loads(product.heard[0].form["payload"])
    assert "message" not in payload
    assert payload["container"]["is_ephemeral"]


@pytest.mark.parametrize(
    ("answer", "texts"),
    [
        pytest.param({"replace_original": True, "text": "Paused"}, ["Paused"], id="replace"),
        pytest.param({"delete_original": True}, [], id="delete"),
        pytest.param({"text": "By the way"}, ["x", "By the way"], id="add"),
    ],
)
async def test_a_click_is_answered_in_place(
    web: AsyncWebClient, slack: Slack, product: Any, answer: dict[str, Any], texts: list[str]
) -> None:
    ts = (await web.chat_postMessage(channel=OPEN, text="x", blocks=BUTTONS))["ts"]
    await slack.click(ADA, OPEN, ts, "pause", "7")
    url = json.loads(product.heard[0].form["payload"])["response_url"]
    assert (await AsyncWebhookClient(url).send_dict(answer)).status_code == 200
    assert [one.text for one in slack.messages(OPEN)] == texts


async def _opened(web: AsyncWebClient, slack: Slack, product: Any, view: Any = None) -> str:
    await slack.command(ADA, OPEN, "/pause")
    trigger = product.heard[-1].form["trigger_id"]
    return str((await web.views_open(trigger_id=trigger, view=view or MODAL))["view"]["id"])


async def test_a_trigger_opens_one_view(web: AsyncWebClient, slack: Slack, product: Any) -> None:
    await _opened(web, slack, product)
    trigger = product.heard[-1].form["trigger_id"]
    with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
        await web.views_open(trigger_id=trigger, view=MODAL)


async def test_a_trigger_lives_three_seconds(
    web: AsyncWebClient, slack: Slack, product: Any, clock: TurnedClock
) -> None:
    trigger = slack.workspace.trigger(ADA)
    slack.workspace._triggers[trigger] = (ADA, clock.wall() - dt.timedelta(seconds=1))
    with pytest.raises(SlackApiError, match="expired_trigger_id"):
        await web.views_open(trigger_id=trigger, view=MODAL)


async def test_a_modal_is_sent_with_what_was_typed(
    web: AsyncWebClient, slack: Slack, product: Any
) -> None:
    view_id = await _opened(web, slack, product)
    await slack.submit(ADA, view_id, {"reason": {"text": "Trial"}, "until": {"day": "2026-04-01"}})
    payload = json.loads(product.heard[-1].form["payload"])
    assert (payload["type"], payload["view"]["callback_id"]) == ("view_submission", "pause")
    assert payload["view"]["state"]["values"] == {
        "reason": {"text": {"type": "plain_text_input", "value": "Trial"}},
        "until": {"day": {"type": "datepicker", "selected_date": "2026-04-01"}},
    }
    assert slack.workspace.views == {}


@pytest.mark.parametrize(
    ("action", "left"),
    [
        pytest.param({"response_action": "errors", "errors": {"reason": "no"}}, 1, id="errors"),
        pytest.param({"response_action": "update", "view": MODAL}, 1, id="update"),
        pytest.param({"response_action": "push", "view": MODAL}, 2, id="push"),
        pytest.param({"response_action": "clear"}, 0, id="clear"),
    ],
)
async def test_the_answer_to_a_modal_decides_what_stays_open(
    web: AsyncWebClient, slack: Slack, product: Any, action: dict[str, Any], left: int
) -> None:
    view_id = await _opened(web, slack, product)
    product.answers = [(200, json.dumps(action), {})]
    await slack.submit(ADA, view_id, {"reason": {"text": "Trial"}})
    assert len(slack.workspace.views) == left


async def test_an_empty_input_is_not_sent(web: AsyncWebClient, slack: Slack, product: Any) -> None:
    view_id = await _opened(web, slack, product)
    with pytest.raises(ValueError, match="reason"):
        await slack.submit(ADA, view_id, {})
    with pytest.raises(LookupError):
        await slack.submit(ADA, view_id, {"made": {"up": "x"}})


async def test_a_view_is_updated_only_by_its_hash(
    web: AsyncWebClient, slack: Slack, product: Any
) -> None:
    view_id = await _opened(web, slack, product)
    with pytest.raises(SlackApiError, match="hash_conflict"):
        await web.views_update(view_id=view_id, hash="old", view=MODAL)
    await web.views_update(view_id=view_id, hash=slack.workspace.views[view_id].hash, view=MODAL)


async def test_closing_a_modal_is_told_to_who_asked(
    web: AsyncWebClient, slack: Slack, product: Any
) -> None:
    view_id = await _opened(web, slack, product, MODAL | {"notify_on_close": True})
    await slack.dismiss(ADA, view_id)
    assert json.loads(product.heard[-1].form["payload"])["type"] == "view_closed"
    assert await slack.dismiss(ADA, await _opened(web, slack, product)) is None


async def test_the_home_tab_is_published_and_clicked(
    web: AsyncWebClient, slack: Slack, product: Any
) -> None:
    await slack.open_home(ADA)
    event = json.loads(product.heard[0].body)["event"]
    assert (event["type"], event["tab"], event["user"]) == ("app_home_opened", "home", ADA)
    await web.views_publish(user_id=ADA, view={"type": "home", "blocks": BUTTONS})
    await slack.click_view(ADA, slack.workspace.homes[ADA].id, "pause", "7")
    payload = json.loads(product.heard[1].form["payload"])
    assert (payload["view"]["type"], payload["actions"][0]["value"]) == ("home", "7")


async def test_a_message_event_is_signed(slack: Slack, product: Any) -> None:
    delivery = await slack.say(ADA, OPEN, "Hello")
    heard = product.heard[0]
    body = json.loads(heard.body)
    verifier = SignatureVerifier(SECRET, SlackClock())
    assert verifier.is_valid_request(heard.body, dict(heard.headers))
    assert (body["type"], body["event_id"]) == ("event_callback", delivery.event_id)
    assert (body["event"]["text"], body["event"]["user"]) == ("Hello", ADA)
    assert (body["event"]["ts"], body["event"]["channel_type"]) == (delivery.ts, "channel")
    assert delivery.statuses == (200,)


async def test_the_bot_hears_only_where_it_is_a_member(slack: Slack, product: Any) -> None:
    assert (await slack.say(ADA, OTHER, "Hello")).statuses == ()
    assert product.heard == []


async def test_a_mention_comes_as_two_events(slack: Slack, product: Any) -> None:
    await slack.say(ADA, OPEN, f"<@{slack.workspace.bot_user}> status")
    assert [json.loads(one.body)["event"]["type"] for one in product.heard] == [
        "message",
        "app_mention",
    ]


@pytest.mark.parametrize(
    ("answers", "statuses"),
    [
        pytest.param([(500, "", {})], (500, 200), id="once"),
        pytest.param([(500, "", {})] * 9, (500,) * 4, id="three retries at most"),
        pytest.param([(500, "", {"X-Slack-No-Retry": "1"})], (500,), id="no retry"),
    ],
)
async def test_an_event_that_is_not_taken_comes_again(
    slack: Slack, product: Any, answers: Any, statuses: tuple[int, ...]
) -> None:
    product.answers = list(answers)
    delivery = await slack.say(ADA, OPEN, "Hello")
    assert delivery.statuses == statuses
    numbers = [one.headers.get("x-slack-retry-num") for one in product.heard]
    assert numbers == [None, "1", "2", "3"][: len(statuses)]
    assert len({json.loads(one.body)["event_id"] for one in product.heard}) == 1
    if len(statuses) > 1:
        assert product.heard[1].headers["x-slack-retry-reason"] == "http_error"


async def test_a_taken_event_may_come_twice(slack: Slack, product: Any) -> None:
    slack.faults.plan("event", Fault.REPEAT_CALLBACKS)
    delivery = await slack.say(ADA, OPEN, "Hello")
    assert delivery.statuses == (200, 200)
    assert product.heard[0].body == product.heard[1].body


async def test_an_edit_and_another_bot_are_events_too(slack: Slack, product: Any) -> None:
    ts = (await slack.say(ADA, OPEN, "Helo")).ts
    await slack.edit(ADA, OPEN, ts, "Hello")
    await slack.say_as_bot(OPEN, "Build passed")
    events = [json.loads(one.body)["event"] for one in product.heard]
    assert [one.get("subtype") for one in events] == [None, "message_changed", "bot_message"]
    assert events[1]["previous_message"]["text"] == "Helo"
    assert events[2]["bot_id"] == "B0OTHER"


async def test_the_request_url_is_challenged(slack: Slack, product: Any) -> None:
    assert (await slack.challenge()).status == 0
    assert json.loads(product.heard[0].body)["type"] == "url_verification"
