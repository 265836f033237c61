"""How do Slack's requests reach what answers them?

Whoever calls Bolt has verified the request (``bot/slack/signature``). Reads run in a thread, so
that no card keeps the loop from others; answers to clicks go to the ``response_url``.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import aiohttp
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient
from sqlmodel import Session

from bot.slack import actions, answers, blocks, commands, marks, matters, unseen, writing
from bot.slack.answers import Form, Reply
from bot.slack.commands import Answer
from bot.slack.desk import Desk
from bot.slack.marks import Mark, Spot
from bot.slack.people import Places
from comms.duties.instructions import WriteText
from comms.office import Office

_log = logging.getLogger("counterfoil.slack")
_T = TypeVar("_T")
_ANYTHING = re.compile(r".*", re.DOTALL)
_SORRY = (
    "That did not work, and nothing was changed. Try again; if it fails again, tell your admin."
)
_WIRE = (SlackApiError, SlackClientError, aiohttp.ClientError, OSError)
Body = dict[str, Any]
_FORMS: Mapping[str, Callable[[Session, str, str, Mapping[str, str]], Answer | dict[str, str]]] = {
    actions.PAUSE_FORM: actions.submitted,
    matters.FORM: matters.submitted,
}


def bolt_app(desk: Desk, web: AsyncWebClient) -> AsyncApp:
    """Commands, buttons and forms of the one workspace that ``web`` has the token of."""

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=web.token)

    app = AsyncApp(
        name="counterfoil",  # else Bolt reads the sources of the whole stack to find one
        client=web,
        authorize=authorize,
        signing_secret="verified before",  # noqa: S106 - whoever calls us has checked it
        request_verification_enabled=False,
        ignoring_self_events_enabled=False,
        process_before_response=True,
    )
    talk = _Talk(desk, web)
    app.command("/acct")(talk.command)
    for callback_id in _FORMS:
        app.view(callback_id)(talk.form)
    app.action(_ANYTHING)(talk.click)
    for callback_id in (*marks.SHORTCUTS, matters.SHORTCUT):
        app.shortcut(callback_id)(talk.shortcut)
    app.command(_ANYTHING)(_unknown_command)
    app.event(_ANYTHING)(_ignored)
    app.shortcut(_ANYTHING)(_taken)
    app.view(_ANYTHING)(_taken)
    app.view_closed(_ANYTHING)(_taken)
    app.error(_failed)
    return app


class _Talk:
    """One conversation after another, with the desk and the workspace at hand."""

    def __init__(self, desk: Desk, web: AsyncWebClient) -> None:
        self._desk = desk
        self._web = web
        self._places = Places(web)

    async def command(self, ack: AsyncAck, body: Body) -> None:
        """Somebody typed ``/acct …``; the answer goes back in the response."""
        user, typed = str(body["user_id"]), str(body.get("text") or "")
        refused = await self._places.refusal(user, str(body.get("channel_id") or ""))
        if refused is not None:
            reply = answers.say(refused)
        else:
            found = await self._read(lambda s, o: commands.answer(s, o, user, typed))
            reply = await self._done(found, f"command:{body['trigger_id']}")
            if isinstance(found, WriteText):
                said, asked = reply.text, found
                reply = await self._read(lambda s, o: writing.written(s, o, asked, said))
        shown = [dict(block) for block in reply.blocks]
        await ack(text=reply.text, blocks=shown, response_type="ephemeral")

    async def click(self, ack: AsyncAck, body: Body) -> None:
        """Somebody used a button; the answer goes where only they see it."""
        await ack()
        action, user = body["actions"][0], str(body["user"]["id"])
        name, value = str(action["action_id"]), str(action.get("value") or "")
        place = str(body.get("channel", {}).get("id") or "")
        refused = await self._places.refusal(user, place)
        if refused is not None:
            await _answer(body, answers.say(refused))
            return
        found = await self._read(lambda s, o: actions.decide(s, o, user, name, value))
        if isinstance(found, Form):
            await self._open(body, found)
            return
        reply = await self._done(found, f"action:{action.get('action_ts')}:{user}")
        await _answer(body, reply, replace=name == "timeline.more")

    async def shortcut(self, ack: AsyncAck, body: Body) -> None:
        """Somebody chose one of ours from the menu of a message; only they see the answer."""
        await ack()
        user, place = str(body["user"]["id"]), str(body["channel"]["id"])
        spot = Spot(user, place, str(body["message_ts"]))
        refused = await self._places.refusal(user, place)
        if refused is not None:
            await _answer(body, answers.say(refused))
            return
        found = await self._read(lambda session, _: _of_menu(session, spot, body["callback_id"]))
        if isinstance(found, Form):
            await self._open(body, found)
            return
        await _answer(body, await self._done(found, f"shortcut:{body['trigger_id']}"))

    async def form(self, ack: AsyncAck, body: Body) -> None:
        """Somebody sent a form; it turns into the outcome, or shows what to correct."""
        user, view = str(body["user"]["id"]), body["view"]
        submitted, title = _FORMS[view["callback_id"]], str(view["title"]["text"])
        packed = str(view.get("private_metadata") or "")
        refused = await self._places.refusal(user, "")
        if refused is not None:
            await ack(response_action="update", view=dict(actions.outcome(title, refused)))
            return
        found = await self._read(lambda s, _: submitted(s, user, packed, _typed(view)))
        if isinstance(found, dict):
            await ack(response_action="errors", errors=found)
            return
        reply = await self._done(found, f"form:{view['id']}:{user}")
        await ack(response_action="update", view=dict(actions.outcome(title, reply.text)))

    async def _read(self, look: Callable[[Session, Office], _T]) -> _T:
        def read() -> _T:
            with self._desk.store.read() as session:
                office = self._desk.office()
                return unseen.found(office, look(session, office))

        return await asyncio.to_thread(read)

    async def _done(self, found: Answer, key: str) -> Reply:
        if isinstance(found, Reply):
            return found
        said = await self._desk.instruct(key, found)
        shown = await self._read(lambda s, o: unseen.outcome(s, o, found, said))
        return answers.say(blocks.escape(shown))

    async def _open(self, body: Body, form: Form) -> None:
        try:
            await self._web.views_open(trigger_id=body["trigger_id"], view=dict(form.view))
        except _WIRE:
            late = "Slack did not open the form in time; click again."
            await _answer(body, answers.say(late))


def _of_menu(session: Session, spot: Spot, callback_id: str) -> Answer | Form:
    if callback_id == matters.SHORTCUT:
        return matters.ask(session, spot)
    mark = Mark(spot.user, spot.channel, spot.ts, marks.SHORTCUTS[callback_id])
    found = marks.decide(session, mark)
    return answers.say(found) if isinstance(found, str) else found


def _typed(view: Mapping[str, Any]) -> dict[str, str]:
    """What stands in each field of a form, or which choice was made of its menu."""
    fields = {
        name: field for block in view["state"]["values"].values() for name, field in block.items()
    }
    return {
        name: str(field.get("value") or (field.get("selected_option") or {}).get("value") or "")
        for name, field in fields.items()
    }


async def _answer(body: Mapping[str, Any], reply: Reply, *, replace: bool = False) -> None:
    """Show it to the person who clicked; where Slack does not take it, there is nobody to tell."""
    url = body.get("response_url")
    if not url:
        return
    message = body.get("message") or {}
    webhook = AsyncWebhookClient(str(url), retry_handlers=[])
    webhook.proxy = None
    sent = {
        "text": reply.text,
        "blocks": list(reply.blocks),
        "response_type": "ephemeral",
        "replace_original": replace,
    }
    thread = message.get("thread_ts")
    try:
        answer = await webhook.send_dict(sent | ({"thread_ts": thread} if thread else {}))
    except _WIRE as error:
        _log.warning("slack_answer_lost", extra={"error": type(error).__name__})
        return
    if answer.status_code != 200:
        _log.warning("slack_answer_refused", extra={"status": answer.status_code})


async def _unknown_command(ack: AsyncAck) -> None:
    text = "Only `/acct` is known here; `/acct help` shows what can be typed."
    await ack(text=text, response_type="ephemeral")


async def _ignored() -> None:
    """An event that this process does not act on: known, taken, nothing to do."""


async def _taken(ack: AsyncAck) -> None:
    await ack()


async def _failed(error: Exception, request: AsyncBoltRequest) -> BoltResponse:
    """Nobody is left without an answer, and the fault is in the log with its trace."""
    _log.error("slack_request_failed", exc_info=error)
    body = request.body
    if "command" in body:
        return BoltResponse(status=200, body={"text": _SORRY, "response_type": "ephemeral"})
    if body.get("type") == "view_submission":  # an empty answer would close it as if it were done
        shown = actions.outcome(str(body["view"]["title"]["text"]), _SORRY)
        return BoltResponse(status=200, body={"response_action": "update", "view": dict(shown)})
    if "response_url" in body:
        await _answer(body, answers.say(_SORRY))
    return BoltResponse(status=200, body="")
