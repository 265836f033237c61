"""Where did the time of a delivery go? Spans for OpenTelemetry, where somebody collects them.

Without ``COUNTERFOIL_OTLP_URL`` nothing of OpenTelemetry is made and a span costs nothing. A
delivery's trace id follows from the id that its provider gave it (``bot.inbox.trace_of``), so the
hook and whoever understands the row later are in one trace, and no row keeps it. Attributes are
ids and codes, and an error is its kind: its text may hold what a client wrote.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from bot.settings import SettingsMissing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_NOTHING: AbstractContextManager[None] = nullcontext()
Value = int | str | None


class Tracing(Protocol):
    """What the process tells of itself."""

    def span(self, name: str, trace: str = "", **ids: Value) -> AbstractContextManager[None]:
        """Something that takes time; without a ``trace`` it hangs on the span around it."""

    def close(self) -> None:
        """Send what is still here."""


class Untraced:
    """Nobody collects."""

    def span(self, name: str, trace: str = "", **ids: Value) -> AbstractContextManager[None]:  # noqa: ARG002
        """Nothing."""
        return _NOTHING

    def close(self) -> None:
        """Nothing."""


class Traced:
    """Spans of a provider."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("counterfoil")

    @contextmanager
    def span(self, name: str, trace: str = "", **ids: Value) -> Iterator[None]:
        """A span that is current while the block runs."""
        from opentelemetry.trace import StatusCode

        attributes = {f"counterfoil.{key}": one for key, one in ids.items() if one is not None}
        with self._tracer.start_as_current_span(
            name,
            context=_remote(trace) if trace else None,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise

    def close(self) -> None:
        """Send what is still here."""
        self._provider.shutdown()


def begin(url: str) -> Tracing:
    """Spans for the collector at ``url``; none where there is no URL.

    Raises:
        SettingsMissing: the extra is not installed.
    """
    if not url:
        return Untraced()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingsMissing(
            "COUNTERFOIL_OTLP_URL is set, but OpenTelemetry is not installed: "
            "pip install 'counterfoil[otel]', or remove the setting."
        ) from error
    provider = TracerProvider(resource=Resource.create({"service.name": "counterfoil"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    return Traced(provider)


def _remote(trace: str) -> Any:
    """A parent that nobody sends: whoever knows the delivery's id can name it."""
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    number = int(trace, 16)
    sampled = TraceFlags(TraceFlags.SAMPLED)
    parent = SpanContext(number, number & (2**64 - 1) or 1, is_remote=True, trace_flags=sampled)
    return set_span_in_context(NonRecordingSpan(parent))
