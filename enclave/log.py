"""The enclave's log: one JSON object a line, public values only, because the host reads it."""

import json
from collections.abc import Callable
from typing import TextIO

#: What a fact may be; no bytes, no exceptions, no floats.
Fact = str | int | bool
#: Longest text that leaves the enclave in a log line or an error, in characters.
MAX_TEXT = 160


def public_text(error: BaseException) -> str:
    """Message of an error of ours as it may leave the enclave: printable ASCII, bounded."""
    text = str(error).encode("ascii", "backslashreplace").decode("ascii")[:MAX_TEXT]
    return "".join(character if character.isprintable() else "?" for character in text)


class Log:
    """Writes constant events with facts as keys.

    Args:
        stream: Where lines go; each is flushed.
        monotonic: Seconds that only grow; the enclave has no wall clock to trust.
    """

    def __init__(self, stream: TextIO, monotonic: Callable[[], float]) -> None:
        self._stream = stream
        self._monotonic = monotonic
        self._started = monotonic()

    def info(self, event: str, **facts: Fact) -> None:
        """A state changed."""
        self._write("info", event, facts)

    def warning(self, event: str, **facts: Fact) -> None:
        """A round, a source or a connection was lost."""
        self._write("warning", event, facts)

    def error(self, event: str, **facts: Fact) -> None:
        """A person must act."""
        self._write("error", event, facts)

    def _write(self, level: str, event: str, facts: dict[str, Fact]) -> None:
        uptime_ms = round((self._monotonic() - self._started) * 1000)
        line = {"level": level, "event": event, "uptime_ms": uptime_ms, **facts}
        print(json.dumps(line), file=self._stream, flush=True)
