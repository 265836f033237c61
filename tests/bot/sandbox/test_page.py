from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest

from bot.sandbox import loopback, page

OURS = {page.PAGE_HEADER: "1"}


@dataclass
class PaperDesk:
    """Remembers what was asked and answers little."""

    asked: list[tuple[object, ...]] = field(default_factory=list)
    news: asyncio.Queue[int | None] = field(default_factory=asyncio.Queue)

    def snapshot(self, client: str | None) -> page.Answer:
        if client == "nobody":
            sentence = "There is no client nobody."
            raise page.Unknown(sentence)
        return {"revision": 1, "selected": {"client": client}}

    async def turn(self, to: str) -> page.Answer:
        self.asked.append(("turn", to))
        if to == "week":
            sentence = "A message is on the wire; try again in a moment."
            raise page.Refused(sentence)
        return {"moment": "2026-01-05T10:00:00+00:00", "news": 1}

    async def golive(self, open_: bool) -> page.Answer:  # noqa: FBT001
        return self._note("golive", open_)

    async def text(self, phone: str, body: str) -> page.Answer:
        return self._note("text", phone, body)

    async def mail(
        self, mailbox: str, subject: str, body: str, in_reply_to: str | None
    ) -> page.Answer:
        return self._note("mail", mailbox, subject, body, in_reply_to)

    async def say(self, channel: str, text: str, thread: str | None) -> page.Answer:
        return self._note("say", channel, text, thread)

    async def click(self, channel: str, ts: str, action_id: str, value: str) -> page.Answer:
        return self._note("click", channel, ts, action_id, value)

    async def become(self, user: str) -> page.Answer:
        return self._note("become", user)

    async def react(self, channel: str, ts: str, emoji: str) -> page.Answer:
        return self._note("react", channel, ts, emoji)

    async def shortcut(self, channel: str, ts: str, callback_id: str) -> page.Answer:
        return self._note("shortcut", channel, ts, callback_id)

    async def read(self, touchpoint: int) -> page.Answer:
        return self._note("read", touchpoint)

    async def submit(self, view_id: str, values: Mapping[str, object]) -> page.Answer:
        self._note("submit", view_id, dict(values))
        return {"errors": {"amount": "That is more than is owed."}}

    async def dismiss(self, view_id: str) -> page.Answer:
        return self._note("dismiss", view_id)

    async def pay(self, client: str, invoice: str | None) -> page.Answer:
        return self._note("pay", client, invoice)

    async def why(self, kind: str, id: str) -> page.Answer:  # noqa: A002
        return {"kind": kind, "id": id, "reason": "It is paid."}

    async def calendar(self, days: int) -> page.Answer:
        return self._note("calendar", days) | {"days": days}

    async def changed(self) -> AsyncIterator[int]:
        while (revision := await self.news.get()) is not None:
            yield revision

    def _note(self, *words: object) -> page.Answer:
        self.asked.append(words)
        return {}


@dataclass
class Visit:
    """A running page, a browser's session, and the desk behind it."""

    desk: PaperDesk
    url: str
    host: str
    http: aiohttp.ClientSession

    async def post(self, act: str, body: object, headers: Mapping[str, str] = OURS) -> Reply:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.post(f"{self.url}/api/{act}", data=raw, headers=headers) as answer:
            return Reply(answer.status, await answer.json())

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        async with self.http.get(self.url + path, headers=headers) as answer:
            return Reply(answer.status, await answer.json())


@dataclass
class Reply:
    status: int
    json: dict[str, object]


@asynccontextmanager
async def served(desk: page.Desk) -> AsyncIterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        async with loopback.serve(page.page(desk, {host}), listener):
            yield host


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    desk = PaperDesk()
    async with served(desk) as host, aiohttp.ClientSession() as http:
        yield Visit(desk, f"http://{host}", host, http)


async def test_the_paper_desk_is_a_desk() -> None:
    desk: page.Desk = PaperDesk()
    assert desk.snapshot("northwind")["revision"] == 1


@pytest.mark.parametrize(
    ("path", "media"),
    [
        ("/", "text/html"),
        ("/assets/app.css", "text/css"),
        ("/assets/app.js", "text/javascript"),
        ("/assets/icon.svg", "image/svg+xml"),
    ],
)
async def test_the_page_and_its_parts_are_served(visit: Visit, path: str, media: str) -> None:
    async with visit.http.get(visit.url + path) as answer:
        assert answer.status == 200
        assert answer.content_type == media


async def test_every_file_the_page_names_is_shipped(visit: Visit) -> None:
    index = (page.ASSETS / "index.html").read_text()
    named = [part.split('"')[0] for part in index.split('"/assets/')[1:]]
    assert named
    for name in named:
        async with visit.http.get(f"{visit.url}/assets/{name}") as answer:
            assert answer.status == 200, name


def test_the_page_carries_no_inline_script_and_loads_nothing_foreign() -> None:
    for asset in page.ASSETS.iterdir():
        words = asset.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "innerHTML" not in words
        assert "http://" not in words, asset
        assert "https://" not in words, asset
    assert "<script>" not in (page.ASSETS / "index.html").read_text()


@pytest.mark.parametrize("name", ["../page.py", "%2e%2e%2fpage.py", "nothing.js", "app"])
async def test_only_shipped_assets_are_served(visit: Visit, name: str) -> None:
    async with visit.http.get(f"{visit.url}/assets/{name}") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("path", ["/", "/assets/app.js", "/api/snapshot", "/nowhere"])
async def test_every_answer_carries_the_safety_headers(visit: Visit, path: str) -> None:
    async with visit.http.get(visit.url + path) as answer:
        for name, value in page.SAFETY_HEADERS.items():
            assert answer.headers.getall(name) == [value]


def test_the_policy_runs_no_script_but_ours() -> None:
    assert "default-src 'self'" in page.CONTENT_POLICY
    assert "script-src" not in page.CONTENT_POLICY
    assert "unsafe-eval" not in page.CONTENT_POLICY
    assert page.CONTENT_POLICY.count("unsafe-inline") == 1


@pytest.mark.parametrize("path", ["/", "/assets/app.js", "/api/snapshot", "/api/events"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1.evil.example:80", ""])
async def test_a_foreign_host_is_refused(visit: Visit, path: str, host: str) -> None:
    reply = await visit.get(path, {"Host": host})
    assert reply.status == 403
    assert visit.host in str(reply.json["error"])


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="nothing proves it is our page"),
        pytest.param({"Origin": "http://evil.example"}, id="foreign origin"),
        pytest.param({"Origin": "null", **OURS}, id="sandboxed frame"),
        pytest.param({"Sec-Fetch-Site": "cross-site", **OURS}, id="cross-site"),
        pytest.param({"Sec-Fetch-Site": "same-site", **OURS}, id="another port of this machine"),
    ],
)
async def test_another_site_cannot_act(visit: Visit, headers: Mapping[str, str]) -> None:
    reply = await visit.post("golive", {"open": True}, headers)
    assert reply.status == 403
    assert reply.json["error"]
    assert visit.desk.asked == []


async def test_our_own_page_may_act(visit: Visit) -> None:
    own = {"Origin": visit.url, "Sec-Fetch-Site": "same-origin"}
    assert (await visit.post("golive", {"open": True}, own)).status == 200
    assert visit.desk.asked == [("golive", True)]


async def test_another_site_cannot_read(visit: Visit) -> None:
    reply = await visit.get("/api/snapshot", {"Sec-Fetch-Site": "cross-site"})
    assert reply.status == 403


VALUES = {"when": {"date": {"type": "datepicker", "selected_date": "2026-01-09"}}}


@pytest.mark.parametrize(
    ("act", "body", "asked"),
    [
        ("turn", {"to": "next"}, ("turn", "next")),
        ("turn", {"to": "2026-02-01T08:00:00Z"}, ("turn", "2026-02-01T08:00:00Z")),
        ("golive", {"open": False}, ("golive", False)),
        ("text", {"phone": "+15550100", "body": "PAID"}, ("text", "+15550100", "PAID")),
        (
            "mail",
            {"mailbox": "ap@northwind.example", "subject": "Re: x", "body": "ok"},
            ("mail", "ap@northwind.example", "Re: x", "ok", None),
        ),
        (
            "say",
            {"channel": "C1", "text": "/acct northwind", "thread": None},
            ("say", "C1", "/acct northwind", None),
        ),
        (
            "click",
            {"channel": "C1", "ts": "1.2", "action_id": "send", "value": "7"},
            ("click", "C1", "1.2", "send", "7"),
        ),
        ("submit", {"view_id": "V1", "values": VALUES}, ("submit", "V1", VALUES)),
        ("dismiss", {"view_id": "V1"}, ("dismiss", "V1")),
        ("pay", {"client": "northwind"}, ("pay", "northwind", None)),
        ("become", {"user": "U0DANA"}, ("become", "U0DANA")),
        ("react", {"channel": "C1", "ts": "1.2", "emoji": "lock"}, ("react", "C1", "1.2", "lock")),
        (
            "shortcut",
            {"channel": "C1", "ts": "1.2", "callback_id": "unseal"},
            ("shortcut", "C1", "1.2", "unseal"),
        ),
        ("read", {"touchpoint": 7}, ("read", 7)),
    ],
)
async def test_an_action_reaches_the_desk(
    visit: Visit, act: str, body: object, asked: tuple[object, ...]
) -> None:
    assert (await visit.post(act, body)).status == 200
    assert visit.desk.asked == [asked]


@pytest.mark.parametrize(
    ("act", "body", "says"),
    [
        pytest.param("text", b"{", "not JSON", id="broken JSON"),
        pytest.param("text", b"", "not JSON", id="empty"),
        pytest.param("text", b"\xff\xfe\xfa", "not JSON", id="not UTF-8"),
        pytest.param("text", b"[" * 30_000, "not JSON", id="nested too deep"),
        pytest.param("text", b"[]", "the body", id="not an object"),
        pytest.param("text", {"phone": "+1"}, "body: Field required", id="field missing"),
        pytest.param("text", {"phone": 5, "body": "x"}, "phone", id="wrong type"),
        pytest.param("text", {"phone": "+1", "body": " "}, "write something first", id="blank"),
        pytest.param("golive", {"open": "yes"}, "open", id="a switch is true or false"),
        pytest.param("pay", {"client": "n", "much": 1}, "much", id="unknown field"),
        pytest.param("turn", {"to": "yesterday"}, "hour, day, week", id="unknown turn"),
        pytest.param("turn", {"to": "2026-02-01T08:00:00"}, "offset", id="naive moment"),
    ],
)
async def test_a_malformed_body_is_answered_in_words(
    visit: Visit, act: str, body: object, says: str
) -> None:
    reply = await visit.post(act, body)
    assert reply.status == 400
    assert says in str(reply.json["error"])
    assert visit.desk.asked == []


async def test_a_body_over_the_limit_is_refused(visit: Visit) -> None:
    reply = await visit.post("text", {"phone": "+1", "body": "x" * page.BODY_LIMIT})
    assert reply.status == 413
    assert "64 KB" in str(reply.json["error"])


async def test_a_refusal_of_the_desk_is_shown(visit: Visit) -> None:
    reply = await visit.post("turn", {"to": "week"})
    assert reply.status == 409
    assert reply.json == {"error": "A message is on the wire; try again in a moment."}


async def test_an_unknown_client_action_or_question_is_not_found(visit: Visit) -> None:
    assert (await visit.get("/api/snapshot?client=nobody")).status == 404
    assert (await visit.get("/api/why/weather/1")).status == 404
    assert (await visit.post("launch", {})).status == 404


async def test_the_snapshot_and_the_reasons_are_the_desks(visit: Visit) -> None:
    assert (await visit.get("/api/snapshot?client=northwind")).json["selected"] == {
        "client": "northwind"
    }
    assert (await visit.get("/api/snapshot")).json["selected"] == {"client": None}
    why = await visit.get("/api/why/invoice/INV%2F2041")
    assert (why.json["kind"], why.json["id"]) == ("invoice", "INV/2041")


async def test_a_modals_errors_come_back(visit: Visit) -> None:
    reply = await visit.post("submit", {"view_id": "V1", "values": {}})
    assert reply.json == {"errors": {"amount": "That is more than is owed."}}


async def test_a_change_wakes_the_page(visit: Visit) -> None:
    async with visit.http.get(f"{visit.url}/api/events") as stream:
        assert stream.content_type == "text/event-stream"
        assert await stream.content.readuntil(b"\n\n") == b": open\n\n"
        visit.desk.news.put_nowait(7)
        assert await stream.content.readuntil(b"\n\n") == b'data: {"revision": 7}\n\n'


async def test_a_quiet_stream_says_it_is_alive(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "HEARTBEAT_SECONDS", 0.01)
    async with visit.http.get(f"{visit.url}/api/events") as stream:
        await stream.content.readuntil(b"\n\n")
        assert await stream.content.readuntil(b"\n\n") == b": still here\n\n"


async def test_the_stream_ends_with_the_desk(visit: Visit) -> None:
    async with visit.http.get(f"{visit.url}/api/events") as stream:
        visit.desk.news.put_nowait(None)
        assert await asyncio.wait_for(stream.content.read(), 60) == b": open\n\n"


async def test_an_open_stream_does_not_keep_the_server_from_stopping() -> None:
    async with aiohttp.ClientSession() as http:
        async with served(PaperDesk()) as host:
            stream = await http.get(f"http://{host}/api/events")
            await stream.content.readuntil(b"\n\n")
        with pytest.raises(aiohttp.ClientPayloadError):  # it was cut, not waited for
            await asyncio.wait_for(stream.content.read(), 60)
        stream.close()


@pytest.mark.parametrize("days", ["0", "-3", "soon", "121", "9" * 30, "٣"])
async def test_a_calendar_of_no_sensible_length_is_refused(visit: Visit, days: str) -> None:
    answer = await visit.get(f"/api/calendar?days={days}")
    assert answer.status == 400
    assert "between 1 and 120" in str(answer.json["error"])


async def test_the_calendar_asks_the_desk_for_its_days(visit: Visit) -> None:
    assert (await visit.get("/api/calendar?days=14")).json == {"days": 14}
    assert (await visit.get("/api/calendar")).json == {"days": 28}
