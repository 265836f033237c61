"""A delivery and what follows from it can be seen as spans, and nobody pays who does not look."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot import inbox
from bot.app import App
from bot.desk import Desk
from bot.sandbox import loopback
from bot.settings import SettingsMissing
from bot.slack.hook import slack_side
from bot.watching import tracing
from bot.web import web
from tests import factories
from tests.factories import PHONE, Product

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)

PARTS = ("opentelemetry.sdk", "opentelemetry.exporter")
LOADED = f"import sys, bot.serve; print([m for m in sys.modules if m.startswith({PARTS})])"


@pytest.fixture
def seen() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traced(seen: InMemorySpanExporter) -> Iterator[tracing.Traced]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(seen))
    traced = tracing.Traced(provider)
    yield traced
    traced.close()


@pytest.fixture
async def product(
    sqlite_database: Any, tmp_path: Path, traced: tracing.Traced
) -> AsyncIterator[Product]:
    async with factories.product(sqlite_database, tmp_path) as running:
        app: App = replace(running.app, tracing=traced)
        async with loopback.serve(web(app, slack_side(Desk(app)))) as url:
            running.twilio.inbound_url = f"{url}/hooks/twilio/sms"
            yield replace(running, app=app, url=url)


def named(seen: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in seen.get_finished_spans() if span.name == name]


def trace(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


async def test_a_delivery_is_one_trace_from_the_hook_on(
    product: Product, seen: InMemorySpanExporter
) -> None:
    parcel = inbox.Parcel("email", "m1", b"From: a@b.example\r\nSubject: x\r\n\r\nHello\r\n")
    secret = {"Authorization": f"Bearer {factories.MAIL_SECRET}"}
    await product.post("/hooks/email", parcel.body, secret)
    await product.settle()
    [hook], [understood] = named(seen, "hook"), named(seen, "understand")
    assert trace(hook) == trace(understood)
    assert understood.attributes == {"counterfoil.incoming": 1}


async def test_a_message_is_claimed_and_sent_in_one_trace(
    product: Product, seen: InMemorySpanExporter
) -> None:
    known = product.known()
    reminder = product.reminder(known)
    await product.settle()
    [claim], [sent] = named(seen, "claim"), named(seen, "send")
    assert trace(claim) == trace(sent)
    reference = factories.message(product.store, reminder).reference
    ids = {"counterfoil.message": reference, "counterfoil.client": known.client_id}
    assert sent.attributes == ids


async def test_no_span_says_who_or_what(product: Product, seen: InMemorySpanExporter) -> None:
    known = product.known()
    product.reminder(known)
    await product.settle()
    said = "".join(span.to_json() for span in seen.get_finished_spans())
    assert [word for word in (known.name, known.email, PHONE[1:], "Ann Lee") if word in said] == []


def test_an_error_is_its_kind_alone(traced: tracing.Traced, seen: InMemorySpanExporter) -> None:
    with suppress(ValueError), traced.span("understand", incoming=1):
        raise ValueError("what a client wrote")
    [span] = seen.get_finished_spans()
    assert "what a client wrote" not in span.to_json()
    assert span.status.description == "ValueError"


def test_without_the_setting_nothing_is_made() -> None:
    assert isinstance(tracing.begin(""), tracing.Untraced)


def test_without_the_setting_nothing_is_imported() -> None:
    said = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    assert said.stdout == "[]\n"


def test_a_span_that_nobody_sees_is_nothing_new() -> None:
    untraced = tracing.Untraced()
    assert untraced.span("send", message="r", client=1) is untraced.span("settle", trace="t")


def test_the_setting_without_the_extra_is_said() -> None:
    code = (
        "import sys; sys.modules['opentelemetry.sdk.trace'] = None\n"
        "from bot.watching import tracing\ntracing.begin('http://127.0.0.1:4318/v1/traces')"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert SettingsMissing.__name__ in said.stderr
    assert "pip install 'counterfoil[otel]'" in said.stderr
