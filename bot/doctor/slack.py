"""Does Slack know us, may we do there what we do, and can we speak where we must?"""

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.doctor.finding import Finding, Verdict, ok, skipped, wrong
from bot.doctor.wire import Wire, secure, unreachable
from bot.settings import Settings
from bot.slack.readership import Readership

SCOPES: Mapping[str, str] = {
    "channels:read": "channels that are shared with another organisation are not told apart",
    "chat:write": "no card and no alert is written",
    "commands": "/acct does not answer",
    "groups:read": "private channels that are shared are not told apart",
    "im:write": "the owner of a client gets no direct message",
    "metadata.message:read": "a card whose answer was lost stands there twice, one of them unknown",
    "reactions:read": "a lock beside a card seals nothing",
    "users:read": "guests are not told from members",
}
"""What the manifest asks for, and what does not work without it."""
CHANNELS = ("slack_finance_channel", "slack_clients_channel")
"""The settings that name a channel in which we must speak."""
_REINSTALL = "Install the app again, and set COUNTERFOIL_SLACK_BOT_TOKEN to its new token."
_TOKEN = {
    "account_inactive": _REINSTALL,
    "invalid_auth": _REINSTALL,
    "not_authed": _REINSTALL,
    "token_expired": _REINSTALL,
    "token_revoked": _REINSTALL,
    "team_access_not_granted": _REINSTALL,
    "not_allowed_token_type": "Set COUNTERFOIL_SLACK_BOT_TOKEN to the one that begins with xoxb-.",
}
_APP_TOKEN = {
    "invalid_auth": "Set COUNTERFOIL_SLACK_APP_TOKEN to a token of this app that is not revoked.",
    "missing_scope": "Make an app-level token with the scope connections:write.",
    "not_allowed_token_type": "Set COUNTERFOIL_SLACK_APP_TOKEN to the one that begins with xapp-.",
}
_FAILURES = (SlackApiError, SlackClientError, aiohttp.ClientError, OSError, ValueError)


class Refused(Exception):
    """Slack's ``ok: false``."""

    def __init__(self, word: str, needed: str) -> None:
        super().__init__(word)
        self.word = word
        self.needed = needed


class Slack:
    """Slack as the settings know it."""

    def __init__(self, given: Settings, wire: Wire) -> None:
        quiet = logging.getLogger("counterfoil.doctor.slack")
        quiet.setLevel(logging.CRITICAL + 1)
        self._given = given
        self._wire = wire
        self._web = AsyncWebClient(
            next(iter(given.valid("slack_bot_token")), ""),
            base_url=given.slack_base_url,
            session=wire.pool,
            ssl=secure(),
            logger=quiet,
            retry_handlers=[],
        )
        self._web.proxy = None

    async def token(self) -> list[Finding]:
        """Who the token is, and what it may do."""
        if not self._given.slack_bot_token:
            return [skipped("slack", "COUNTERFOIL_SLACK_BOT_TOKEN is not set.")]
        try:
            said, headers = await self._ask("auth.test")
        except Refused as refused:
            advice = _TOKEN.get(refused.word, "See what Slack says of it at docs.slack.dev.")
            return [wrong("slack", f"Slack refuses our token: {refused.word}.", advice)]
        if not said.get("bot_id"):
            advice = _TOKEN["not_allowed_token_type"]
            return [wrong("slack", "The token is a person's, not the bot's.", advice)]
        team = f"We are {said.get('user', '?')} in {said.get('team', '?')}."
        return [ok("slack", team), judge_scopes(headers.get("x-oauth-scopes"))]

    async def channel(self, name: str) -> list[Finding]:
        """Is the channel of this setting there, ours alone, and is the bot in it?"""
        what = named(name)
        channel = str(getattr(self._given, name))
        if not (channel and self._given.slack_bot_token):
            return [skipped(what, "It is not set.")]
        try:
            said, _ = await self._ask("conversations.info", channel=channel)
        except Refused as refused:
            return [judge_refusal(what, name, channel, refused)]
        found = judge_channel(what, channel, said["channel"])
        return (
            found
            if found[0].verdict is not Verdict.OK
            else [await self._read_by(what, channel, found[0])]
        )

    async def _read_by(self, what: str, channel: str, fine: Finding) -> Finding:
        """As it is, or that a guest reads there: then nothing is told in it."""

        async def ask(method: str, args: Mapping[str, object]) -> Mapping[str, object]:
            return (await self._ask(method, **args))[0]

        try:
            guest = await Readership(ask).has_guest(channel)
        except Refused as refused:
            return skipped(what, f"Slack does not say who reads there: {refused.word}.")
        seen = "A guest of the workspace is in the channel, so nothing is posted there."
        advice = "Take them out of it, or choose another channel."
        return wrong(what, seen, advice) if guest else fine

    async def socket(self) -> list[Finding]:
        """Would Slack open a socket for us? None is opened: the ticket expires unused."""
        token = next(iter(self._given.valid("slack_app_token")), "")
        if not token:
            return [skipped("slack socket", "Slack calls us over HTTP; Socket Mode is not used.")]
        try:
            await self._ask("apps.connections.open", app_token=token)
        except Refused as refused:
            advice = _APP_TOKEN.get(refused.word, "Turn Socket Mode on at the app's page.")
            said = f"Slack opens no socket: {refused.word}."
            return [wrong("slack socket", said, advice)]
        return [ok("slack socket", "Slack lets us open one.")]

    async def _ask(self, method: str, **args: Any) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """The answer and its headers, named in lower case.

        Raises:
            Refused: Slack said no.
            Unreachable: Slack said nothing.
        """
        try:
            if method == "apps.connections.open":
                answer = await self._web.apps_connections_open(**args)
            else:
                answer = await self._web.api_call(method, params=args)
        except SlackApiError as error:
            self._wire.note("Slack", error.response.headers)
            word = str(error.response.get("error") or f"HTTP {error.response.status_code}")
            raise Refused(word, str(error.response.get("needed") or "")) from error
        except _FAILURES as error:
            host = urlsplit(self._given.slack_base_url).hostname or ""
            raise unreachable(error, host) from error
        self._wire.note("Slack", answer.headers)
        said = answer.data if isinstance(answer.data, dict) else {}
        return said, {name.lower(): value for name, value in answer.headers.items()}


def judge_scopes(header: str | None) -> Finding:
    """``x-oauth-scopes`` against what the manifest asks for."""
    if header is None:
        return skipped("slack scopes", "Slack did not say what the token may do.")
    granted = {one.strip() for one in header.split(",")}
    missing = [scope for scope in SCOPES if scope not in granted]
    if not missing:
        return ok("slack scopes", "Every scope of the manifest is granted.")
    said = "; ".join(f"{scope} is missing: {SCOPES[scope]}" for scope in missing)
    advice = "Add it under OAuth & Permissions at the app's page, and install the app again."
    return wrong("slack scopes", f"{said}.", advice)


def judge_refusal(what: str, name: str, channel: str, refused: Refused) -> Finding:
    """Why Slack says nothing about a channel."""
    if refused.word in _TOKEN:
        return skipped(what, "Slack refuses our token.")
    if refused.word == "missing_scope":
        return skipped(what, f"Slack does not say without the scope {refused.needed or '?'}.")
    if refused.word == "channel_not_found":
        said = f"Slack knows no channel {channel}, or it is private and the bot is not in it."
        advice = f"Type /invite @Counterfoil there, or give COUNTERFOIL_{name.upper()} its id (C…)."
        return wrong(what, said, advice)
    return wrong(what, f"Slack says {refused.word}.", "See what Slack says of it.")


def judge_channel(what: str, channel: str, said: Mapping[str, Any]) -> list[Finding]:
    """What conversations.info says of a channel in which we must speak."""
    named = f"#{said.get('name') or channel}"
    found: list[Finding] = []
    if said.get("is_archived"):
        found.append(wrong(what, f"{named} is archived.", "Choose another one in the settings."))
    elif not said.get("is_member"):
        advice = f"Type /invite @Counterfoil in {named}."
        found.append(wrong(what, f"The bot is not in {named}.", advice))
    if said.get("is_ext_shared") or said.get("is_pending_ext_shared"):
        seen = f"{named} is shared with another organisation, so nothing is posted there."
        found.append(wrong(what, seen, "Choose a channel that is yours alone."))
    return found or [ok(what, f"{named} is there, and the bot is in it.")]


def named(setting: str) -> str:
    """A setting as it is named in a finding."""
    return setting.replace("_", " ")
