"""What does somebody see who opens ``/api/v1/docs``? One page, with nothing fetched from elsewhere.

FastAPI's own page loads its scripts from another company's servers, into an address of ours.
"""

import json
from collections.abc import Sequence
from functools import cache
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse

from bot import factsheet
from bot.api import handbook

_STYLE = (
    ":root{color-scheme:light dark;--line:#ccc;--code:#f3f3f3;--link:#0645ad}"
    "@media(prefers-color-scheme:dark){:root{--line:#444;--code:#262626;--link:#8ab4f8}}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;"
    "padding:.25rem 1rem .25rem 0;border-bottom:1px solid var(--line)}"
    "pre{background:var(--code);padding:1rem;overflow:auto}a{color:var(--link)}"
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
_FIRST = """curl -sS "$URL/api/v1/facts" -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" --data '%s'"""

_ABOUT = (
    "<code>POST /api/v1/facts</code> books one fact, or up to "
    f"{factsheet.MOST:,} as <code>{{&quot;facts&quot;: […]}}</code>: all or nothing, unless "
    "<code>?partial=true</code>. The same fact again changes nothing. "
    "<code>counterfoil access token create</code> makes a token; "
    '<a href="openapi.json">openapi.json</a> is this page for programs.'
)


async def page(_request: Request) -> HTMLResponse:
    """The page."""
    return HTMLResponse(_whole(), headers={"Content-Security-Policy": _POLICY})


@cache
def _whole() -> str:
    first, kind = next(iter(factsheet.KINDS.items()))
    told = json.dumps(handbook.example(kind))
    names = " ".join(f'<a href="#{name}">{name}</a>' for name in factsheet.KINDS)
    answers = [
        (str(status), str(answer["description"]).replace("`", ""))
        for status, answer in handbook.ANSWERS.items()
    ]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>Tell Counterfoil facts</title><style>{_STYLE}</style></head><body><main>",
        "<h1>Tell Counterfoil facts</h1>",
        f"<p>{_ABOUT}</p>",
        f"<p>A {escape(first)}, for one:</p>{_code(_FIRST % told)}",
        f"<h2>Answers</h2>{_table(('Status', 'Means'), answers)}",
        f"<h2>Every fact</h2><p>{names}</p>",
        *(_section(name) for name in factsheet.KINDS),
        "</main></body></html>",
    ]
    return "\n".join(parts)


def _section(name: str) -> str:
    kind = factsheet.KINDS[name]
    head = f'<h3 id="{name}">{name}</h3><p>{escape(handbook.said(kind))}</p>'
    rows = [(field, what.replace("`", ""), must) for field, what, must in handbook.fields(kind)]
    table = _table(("Field", "Is", "If left out"), rows)
    return f"{head}{table}{_code(json.dumps(handbook.example(kind), indent=2))}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell.strip('`'))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table>"


def _code(text: str) -> str:
    return f'<pre tabindex="0"><code>{escape(text)}</code></pre>'
