"""Clocks, logs, keys and connections for tests of the enclave's process."""

import hashlib
import io
import json
from dataclasses import dataclass, field
from typing import Any

from enclave.domain.errors import AttestationError, ProtocolError
from enclave.domain.evidence import TeeKind
from enclave.keys import Keys, libsecp256k1
from enclave.log import Log


@dataclass
class FakeMonotonic:
    """A clock that moves when told."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


class MemoryLog(Log):
    """A log whose lines can be read."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        super().__init__(self.stream, FakeMonotonic())

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    @property
    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]


class FixedEntropy:
    """Random-looking bytes, the same in every run."""

    def __init__(self, seed: str = "seed") -> None:
        self._seed = seed
        self._draws = 0

    def __call__(self, size: int) -> bytes:
        self._draws += 1
        return hashlib.shake_256(f"{self._seed}/{self._draws}".encode()).digest(size)


def make_keys(seed: str = "seed") -> Keys:
    """Keys that are the same in every run."""
    return Keys(FixedEntropy(seed), libsecp256k1())


@dataclass
class CountingSigner:
    """Signs nothing; counts what it is asked for."""

    digests: list[bytes] = field(default_factory=list)

    def sign_digest(self, digest: bytes) -> bytes:
        self.digests.append(digest)
        return len(self.digests).to_bytes(64, "big")


@dataclass
class FakeAttester:
    """Evidence is the report data with a prefix."""

    name: str = "simulated"
    tee: TeeKind = TeeKind.TDX
    error: AttestationError | None = None

    async def attest(self, report_data: bytes) -> bytes:
        if self.error is not None:
            raise self.error
        return b"evidence:" + report_data


@dataclass
class FakeChannel:
    """A connection with a script of incoming frames; an error in it is raised."""

    incoming: list[dict[str, Any] | ProtocolError]
    sent: list[dict[str, Any]] = field(default_factory=list)

    async def receive(self) -> dict[str, Any] | None:
        if not self.incoming:
            return None
        frame = self.incoming.pop(0)
        if isinstance(frame, ProtocolError):
            raise frame
        return frame

    async def send(self, frame: dict[str, Any]) -> None:
        self.sent.append(frame)
