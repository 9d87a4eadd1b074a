"""Structured logs: one event per line, JSON unless a person reads them."""

import logging
from typing import TextIO

import structlog

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure_logging(stream: TextIO, *, level: str, style: str) -> None:
    """Send all structured events to one stream; call once, in a composition root.

    The libraries' own loggers stay at warning: their debug lines hold whole URLs, and an RPC URL
    may hold a secret.

    Args:
        stream: Where the lines go; standard error for commands.
        level: `debug`, `info`, `warning` or `error`.
        style: `json`, `text`, or `auto`: text on a terminal.
    """
    as_text = style == "text" or (style == "auto" and stream.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty())
        if as_text
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    logging.getLogger().setLevel(logging.WARNING)
