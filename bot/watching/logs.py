"""Where does the log go? Event words with fields, never what a client wrote.

JSON lines where the product serves; nothing where a person reads a command's answer. What is bound
around a piece of work is on every line of it: ``trace`` and ``incoming`` while a delivery is
understood; ``message`` (its reference), ``client`` and the ``incoming`` that it answers while it is
sent.
"""

import contextvars
import logging
import sys
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import structlog

A = TypeVar("A")
T = TypeVar("T")

_OURS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_OTHERS = logging.WARNING
"""What libraries may say; below that some of them print what they send."""


def carried(fn: Callable[[A], T]) -> Callable[[A], T]:
    """A function that logs, on whichever thread it runs, what is bound where it was made."""
    context = contextvars.copy_context()
    return lambda given: context.run(fn, given)


def quiet() -> None:
    """Commands answer in words of their own."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger().addHandler(logging.NullHandler())


def json_lines(level: str) -> None:
    """One JSON object a line on standard error, our own events and the libraries' warnings."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_OURS, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_OURS, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _where,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(threshold, _OTHERS))


def _where(_logger: object, _method: str, event: Any) -> Any:
    """The place of an exception and its kind; its message may hold what a client wrote."""
    found = event.pop("exc_info", None)
    if isinstance(found, tuple) and found[0] is not None:
        event["error"] = found[0].__name__
        event["at"] = traceback.format_tb(found[2])
    return event
