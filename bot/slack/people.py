"""Who is asking, from where, and which client do they mean?"""

import asyncio
import difflib
import heapq
import itertools
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy import case, func
from sqlmodel import Session, col, select

from billing import aliases
from billing.models import Client, Staff, StaffRole
from bot import access

MOST = 10
"""Clients in a list to pick from."""
_NEAR = 5000
"""Names that are compared with a misspelt one."""
_LIKELY = 60
"""Of these the likeliest are compared letter by letter."""
_KEPT = 600.0
_PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class Person:
    """An active member of staff and their roles."""

    id: int
    name: str
    email: str
    roles: frozenset[str]

    def refusal(self, action: access.Action, *, owns: bool) -> str | None:
        """Why they may not, in a sentence with their own email in it."""
        return access.refusal(self.roles, action, owns=owns, email=self.email)


def person_of(session: Session, slack_user: str) -> Person | None:
    """The member of staff behind a Slack account; None where there is none, or they have left."""
    found = session.exec(
        select(Staff).where(Staff.slack_user == slack_user, col(Staff.active).is_(True))
    ).first()
    if found is None:
        return None
    roles = session.exec(select(StaffRole.role).where(StaffRole.staff_id == found.id)).all()
    return Person(found.id, found.name, found.email, frozenset(roles))


def named(session: Session, name: str, limit: int = MOST + 1) -> list[Client]:
    """The clients of exactly this name, else those that begin with it, else that contain it."""
    wanted = name.strip()
    if not wanted:
        return []
    if exact := _exact(session, wanted, limit):
        return exact
    # One look at every name, which the index has; the rows of only those that are shown.
    tier = case((col(Client.name).istartswith(wanted, autoescape=True), 1), else_=2)
    every = select(Client.id, col(Client.name), tier.label("tier")).where(
        col(Client.name).icontains(wanted, autoescape=True)
    )
    named_so = every.subquery()
    query = (
        select(Client, named_so.c.tier)
        .join(named_so, col(Client.id) == named_so.c.id)
        .where(col(Client.merged_into_id).is_(None))
        .order_by(named_so.c.tier, col(Client.name), col(Client.id))
        .limit(limit)
    )
    found = session.exec(query).all()
    return [client for client, tier in found if tier == found[0][1]]


def _exact(session: Session, name: str, limit: int) -> list[Client]:
    """Who is called so; or else who speaks for clients that were, before they were merged."""
    called = select(Client).where(func.lower(Client.name) == func.lower(name))
    ours = called.where(col(Client.merged_into_id).is_(None)).order_by(col(Client.id))
    found = session.exec(ours.limit(limit)).all()
    merged = session.exec(called.limit(limit)) if not found else ()
    speakers = [aliases.master(session, one) for one in merged]
    return list({one.id: one for one in (*found, *speakers)}.values())


def nearest(session: Session, name: str, most: int = 3) -> list[str]:
    """The names that come closest to one that nobody has, whole or in as many first words."""
    wanted = name.strip().lower()
    begins = col(Client.name).istartswith(wanted[:1], autoescape=True)
    known = session.exec(select(Client.name).where(begins).limit(_NEAR)).all()
    words = len(wanted.split())
    by_lower = {" ".join(one.lower().split()[:words]): one for one in known}
    by_lower |= {one.lower(): one for one in known}
    pairs = _pairs(wanted)
    likely = heapq.nlargest(_LIKELY, by_lower, key=lambda one: len(pairs & _pairs(one)))
    close = difflib.get_close_matches(wanted, likely, n=2 * most, cutoff=0.6)
    return list(dict.fromkeys(by_lower[one] for one in close))[:most]


def _pairs(name: str) -> set[str]:
    """Its neighbouring letters: cheap to compare, and two names that look alike share many."""
    return {a + b for a, b in itertools.pairwise(name)}


def web_client(token: str, base_url: str) -> AsyncWebClient:
    """Slack's own, which tries nothing twice and goes through no proxy of the environment."""
    web = AsyncWebClient(token=token, base_url=base_url, retry_handlers=[])
    web.proxy = None
    return web


class Places:
    """Whether a person is a guest and a channel shared, as Slack says; kept for ten minutes.

    What Slack does not tell in time is not assumed: then nothing is said there.
    """

    def __init__(self, web: AsyncWebClient) -> None:
        self._web = web
        self._known: dict[str, tuple[float, Mapping[str, Any] | None]] = {}

    async def refusal(self, user: str, channel: str) -> str | None:
        """Why nothing about clients is said to this person there; None where it may be."""
        asked = [self._person(user)]
        if channel and not channel.startswith("D"):
            asked.append(self._channel(channel))
        return next((found for found in await asyncio.gather(*asked) if found), None)

    async def _person(self, user: str) -> str | None:
        found = await self._look(user, "users.info", "user")
        if found is None:
            return access.place_refusal(unseen=True)
        guest = found.get("is_restricted") or found.get("is_ultra_restricted")
        return access.place_refusal(guest=bool(guest or found.get("is_stranger")))

    async def _channel(self, channel: str) -> str | None:
        found = await self._look(channel, "conversations.info", "channel")
        if found is None:
            return access.place_refusal(unseen=True)
        shared = found.get("is_ext_shared") or found.get("is_pending_ext_shared")
        return access.place_refusal(shared=bool(shared))

    async def _look(self, name: str, method: str, kind: str) -> Mapping[str, Any] | None:
        kept = self._known.get(name)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        found = await _answered(self._web.api_call(method, params={kind: name}), kind)
        if found is not None:
            self._known[name] = (time.monotonic() + _KEPT, found)
        return found


async def _answered(call: Awaitable[Any], kind: str) -> Mapping[str, Any] | None:
    try:
        async with asyncio.timeout(_PATIENCE):
            answer = (await call).get(kind)
    except (SlackApiError, SlackClientError, aiohttp.ClientError, OSError, ValueError):
        return None  # TimeoutError is an OSError
    return answer if isinstance(answer, dict) else None
