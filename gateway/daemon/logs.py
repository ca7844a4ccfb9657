"""Log lines: one an outcome, on standard error, as key=value text for people or as JSON for programs."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog


def configure(log_format: str, level: str, stream: TextIO | None = None) -> None:
    """Set up structlog and the libraries' own loggers. `log_format`: text, json; `level`: debug, info,
    warning, error."""
    stream = stream or sys.stderr
    number = {"debug": 10, "info": 20, "warning": 30, "error": 40}[level]
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    if log_format == "json":
        processors += [structlog.processors.JSONRenderer(ensure_ascii=False)]
    else:
        processors += [
            structlog.processors.KeyValueRenderer(
                key_order=["timestamp", "level", "event"], drop_missing=True
            )
        ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        stream=stream, level=max(number, logging.WARNING), format="%(name)s: %(message)s", force=True
    )
