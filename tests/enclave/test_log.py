"""The log is lines of JSON with public values."""

import pytest

from enclave.log import MAX_TEXT, Log, public_text
from tests.fakes.process import FakeMonotonic, MemoryLog


@pytest.mark.parametrize("level", ["info", "warning", "error"])
def test_a_line_is_one_json_object(level: str) -> None:
    log = MemoryLog()
    getattr(log, level)("feeds_loaded", feeds=3, name="a\nb")
    assert log.stream.getvalue().count("\n") == 1
    assert log.lines == [
        {"level": level, "event": "feeds_loaded", "uptime_ms": 0, "feeds": 3, "name": "a\nb"}
    ]


def test_uptime_counts_from_the_start() -> None:
    clock, memory = FakeMonotonic(5.0), MemoryLog()
    log = Log(memory.stream, clock)
    clock.now = 6.2345
    log.info("late")
    assert memory.lines[0]["uptime_ms"] == 1234


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("seen 3, wanted 2", "seen 3, wanted 2"),
        ("café \U0001f600", r"caf\xe9 \U0001f600"),
        ("two\nlines\x1b[0m", "two?lines?[0m"),
        ("x" * 1_000, "x" * MAX_TEXT),
    ],
)
def test_public_text_is_printable_ascii_and_short(message: str, expected: str) -> None:
    assert public_text(ValueError(message)) == expected
