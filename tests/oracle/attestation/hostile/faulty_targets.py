"""Parsers with a fault each: what the limits must catch."""

import os
import re
import time
from collections.abc import Callable

from enclave.domain.errors import MalformedEvidence
from tests.oracle.attestation.hostile.limits import Target

_SAMPLE = b"a sample"


def all_targets() -> list[Target]:
    """One for each fault: what it does with anything but its sample."""
    faults = (_raises, _recurses, _burns, _allocates, _mumbles, _hangs, _aborts)
    return [Target(fault.__name__, (_SAMPLE,), _reader(fault)) for fault in faults]


def _reader(fault: Callable[[], object]) -> Callable[[bytes], None]:
    def read(raw: bytes) -> None:
        if raw != _SAMPLE:
            fault()

    return read


def _raises() -> None:
    raise ValueError("not refused by name")


def _recurses() -> None:
    _recurses()


def _burns() -> None:
    end = time.thread_time() + 0.1
    while time.thread_time() < end:
        pass


def _allocates() -> None:
    bytearray(100 * 2**20)


def _mumbles() -> None:
    raise MalformedEvidence("\ud800, which is no text")


def _hangs() -> None:
    # Each letter more doubles the time; nothing between two lines of Python.
    re.match(b"(a+)+b", b"a" * 64)


def _aborts() -> None:
    os.abort()
