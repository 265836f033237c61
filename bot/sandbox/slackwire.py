"""How are Slack's answers written, and what its callers give read?"""

import json
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.sandbox.faults import Fault, Planned
from bot.sandbox.workspace import Json


def said(payload: Json, status: int = 200) -> JSONResponse:
    """An answer of the Web API."""
    return JSONResponse(payload, status)


async def arguments(request: Request) -> dict[str, Any]:
    """What the caller gave, in the query, a form or JSON."""
    args: dict[str, Any] = dict(request.query_params)
    body = (await request.body()).decode()
    if request.headers.get("content-type", "").startswith("application/json"):
        given = json.loads(body or "{}")
        return args | (given if isinstance(given, dict) else {})
    return args | dict(parse_qsl(body, keep_blank_values=True))


def refusal(planned: Planned) -> Response:
    """What Slack answers where it was planned to fail."""
    if planned.fault is Fault.RATE_LIMIT:
        limited = said({"ok": False, "error": "ratelimited"}, 429)
        limited.headers["Retry-After"] = str(int(planned.seconds))
        return limited
    return said({"ok": False, "error": planned.reason or "fatal_error"}, planned.status or 200)
