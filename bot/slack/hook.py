"""How does a request of Slack's that was verified reach Bolt, and its answer go back?"""

from slack_bolt.adapter.starlette.async_handler import (
    to_async_bolt_request,
    to_starlette_response,
)
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from bot.desk import Desk
from bot.slack.bolt import bolt_app
from bot.slack.people import web_client
from bot.web import SlackSide


def slack_side(desk: Desk) -> SlackSide:
    """What answers commands, clicks and forms; the caller has checked the signature."""
    settings = desk.settings
    token = settings.valid("slack_bot_token")[0]
    bolt = bolt_app(desk, web_client(token, settings.slack_base_url))

    async def answer(request: Request, raw: bytes) -> Response:
        try:
            asked = to_async_bolt_request(request, raw)
        except ValueError:
            return PlainTextResponse("this request cannot be read", 400)
        return to_starlette_response(await bolt.async_dispatch(asked))

    return answer
