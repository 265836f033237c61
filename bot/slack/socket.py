"""How do Slack's requests reach a process that the internet cannot reach?

In Socket Mode: through a web socket that we open. What comes down it takes the path it takes over
HTTP: an event is a row of the inbox, under the same key, before it is acknowledged; commands,
clicks and forms go to the same Bolt app. Slack has authenticated the line by the app-level token,
so nothing is signed.
"""

import asyncio
import contextlib
import json
import logging
import time
from typing import Any

import aiohttp
import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app, send_async_response
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient
from typing_extensions import override

from bot.app import App
from bot.inbox import Parcel, trace_of
from bot.slack.bolt import bolt_app
from bot.slack.desk import Desk

LARGEST_FRAME = 20_000
"""Slack closes the line (1009) at a frame of more than 20,480 bytes, and delivers again."""
_GRACE = 5.0
"""Seconds that answers which were begun have before the line is cut."""
_ADVICE = {
    "invalid_auth": "set COUNTERFOIL_SLACK_APP_TOKEN to a token of this app that is not revoked",
    "not_allowed_token_type": "COUNTERFOIL_SLACK_APP_TOKEN must be the one that begins with xapp-",
    "missing_scope": "the app-level token needs the scope connections:write; make a new one",
    "forbidden_team": "Slack does not let this workspace use Socket Mode; use HTTP",
}
_WIRE = (SlackApiError, SlackClientError, aiohttp.ClientError, OSError, KeyError, ValueError)
log = structlog.get_logger("slack.socket")


async def run_socket(app: App, desk: Desk, stop: asyncio.Event, *, patience: float = 60.0) -> None:
    """Answer Slack through web sockets until ``stop`` is set; what was begun is finished first.

    A line that stays silent for ``patience`` seconds is given up, and a new one opened from the
    start: the SDK by itself would try an address that has expired for ever.

    Raises:
        SettingsMissing: there is no app-level token.
    """
    app.settings.need("slack_app_token")
    token = app.settings.valid("slack_bot_token")[0]
    web = AsyncWebClient(token=token, base_url=app.settings.slack_base_url, retry_handlers=[])
    web.proxy = None
    bolt = bolt_app(desk, web)
    ending = asyncio.ensure_future(stop.wait())
    try:
        while not ending.done():
            line = _Line(app, bolt, web, patience)
            try:
                if await line.open():
                    await line.hold(ending)
            finally:
                await line.close()
            await asyncio.wait({ending}, timeout=patience / 6)
    finally:
        ending.cancel()


class _Line(AsyncSocketModeHandler):
    """One connection after another over one client of the SDK."""

    def __init__(self, app: App, bolt: AsyncApp, web: AsyncWebClient, patience: float) -> None:
        quiet = logging.getLogger("counterfoil.slack.socket")
        # The SDK writes messages, and addresses with tickets in them, to its log.
        quiet.setLevel(logging.CRITICAL + 1)
        token = app.settings.valid("slack_app_token")[0]
        super().__init__(bolt, token, logger=quiet, web_client=web, ping_interval=patience / 6)
        self.client.proxy = None
        self._product = app
        self._web = web
        self._patience = patience
        self._busy: set[asyncio.Task[Any]] = set()

    async def open(self) -> bool:
        """Whether Slack let us in; the log says why not, and what to do."""
        try:
            async with asyncio.timeout(self._patience):
                answer = await self._web.apps_connections_open(app_token=self.app_token)
                self.client.wss_uri = str(answer["url"])
                await self.connect_async()  # type: ignore[no-untyped-call]
        except _WIRE as error:
            reason = type(error).__name__
            if isinstance(error, SlackApiError):
                reason = str(error.response.get("error") or reason)
            log.warning("slack_socket_refused", reason=reason, advice=_ADVICE.get(reason, ""))
            return False
        log.info("slack_socket_open")
        return True

    async def hold(self, ending: "asyncio.Future[Any]") -> None:
        """Until the process ends, or the line was dead for too long."""
        loop = asyncio.get_running_loop()
        alive = loop.time()
        while not ending.done() and loop.time() - alive < self._patience:
            await asyncio.wait({ending}, timeout=self._patience / 12)
            if await self.client.is_connected():
                alive = loop.time()
        if not ending.done():
            log.warning("slack_socket_lost")

    async def close(self) -> None:
        """Finish what was begun, then cut the line."""
        if self._busy:
            await asyncio.wait(self._busy, timeout=_GRACE)
        client = self.client
        # Slack does not always answer a goodbye; the SDK would wait ten seconds for it.
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
            await asyncio.wait_for(self.close_async(), 1.0)  # type: ignore[no-untyped-call]
        await client.aiohttp_client_session.close()
        running = (
            client.message_processor,
            client.current_session_monitor,
            client.message_receiver,
        )
        tasks = [task for task in running if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @override
    async def handle(self, client: AsyncBaseSocketModeClient, req: SocketModeRequest) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        try:
            await (self._keep if req.type == "events_api" else self._answer)(client, req)
        except Exception as error:  # noqa: BLE001 - unacknowledged, so Slack brings it again
            log.error("slack_request_failed", error=type(error).__name__, type=req.type)  # noqa: TRY400
        finally:
            self._busy.discard(task)

    async def _keep(self, client: AsyncBaseSocketModeClient, req: SocketModeRequest) -> None:
        """As ``web.Hooks``: a row under (team, event), committed, then acknowledged."""
        try:
            external_id = f"{req.payload['team_id']}:{req.payload['event_id']}"
        except KeyError as error:
            log.warning("malformed", source="slack", error=type(error).__name__)
            return
        raw = json.dumps(req.payload).encode()
        parcel = Parcel("slack.event", external_id, raw)
        new = await self._product.inbox.receive(parcel, self._product.clock.now())
        trace = trace_of(parcel.source, parcel.external_id)
        log.info("received", source=parcel.source, new=new, trace=trace)
        if new:
            self._product.wake.set()
        await client.send_socket_mode_response(SocketModeResponse(req.envelope_id))

    async def _answer(self, client: AsyncBaseSocketModeClient, req: SocketModeRequest) -> None:
        """A command, a click or a form: Bolt answers as it does over HTTP."""
        answer = await run_async_bolt_app(self.app, req)
        url = str(req.payload.get("response_url") or "")
        if url and len(answer.body or "") > LARGEST_FRAME:
            await client.send_socket_mode_response(SocketModeResponse(req.envelope_id))
            await _post(url, answer.body)
            return
        await send_async_response(client, req, answer, time.monotonic())


async def _post(url: str, body: str) -> None:
    """What is too long for a frame goes where late answers go; only the asker sees it."""
    webhook = AsyncWebhookClient(url, retry_handlers=[])
    webhook.proxy = None
    answer = await webhook.send_dict(json.loads(body))
    if answer.status_code != 200:
        log.warning("slack_answer_refused", status=answer.status_code)
