"""The second connection: made when needed, made anew when it broke, never to another enclave."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from enclave.domain import wire
from enclave.domain.errors import RequestRefused
from enclave.domain.observation import FeedFailure
from oracle.enclave_link import EnclaveLost
from oracle.quorum.enclave import QuorumEnclave

SIGNER = b"\x11" * 20
HELLO = wire.HelloResult(wire.PROTOCOL, "0", SIGNER, bytes(32), 2, "simulated", bytes(32), ())
OBSERVE = wire.Observe(31_337, b"\xcc" * 20, (b"\x01" * 32,))
OBSERVATION = wire.SignedObservation(SIGNER, 1, bytes(32), bytes(14), bytes(64))
COSIGN = wire.Cosign(31_337, b"\xcc" * 20, (b"\x01" * 32,), (b"\x01" * 32,), 1, (OBSERVATION,))
COSIGNED = wire.CosignResult((), (FeedFailure(b"\x01" * 32, "QuorumNotReached", "far off"),))
REFUSAL = wire.to_map(wire.ErrorView("RequestRefused", "no round is held", False))


@dataclass
class Listening:
    """What listens there: counts connections, hangs up where told."""

    hello: wire.HelloResult = HELLO
    connections: int = 0
    hang_ups: int = 0
    refuses: bool = False
    asked: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                length = wire.frame_length(await reader.readexactly(4))
                request = wire.decode_body(await reader.readexactly(length))
                if request["op"] != "hello" and self.hang_ups:
                    self.hang_ups -= 1
                    break
                writer.write(wire.encode_frame({"id": request["id"], **self._answer(request)}))
        except (EOFError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request["op"])
        if self.refuses and request["op"] != "hello":
            return {"error": REFUSAL}
        results: dict[str, Any] = {"hello": self.hello, "observe": OBSERVATION, "cosign": COSIGNED}
        return {"ok": wire.to_map(results[request["op"]])}


@asynccontextmanager
async def _linked(path: Path, listening: Listening) -> AsyncIterator[QuorumEnclave]:
    async with await asyncio.start_unix_server(listening.serve, str(path)):
        link = QuorumEnclave(f"unix:{path}", SIGNER)
        try:
            yield link
        finally:
            await link.close()
            await asyncio.sleep(0.01)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "enclave.sock"


async def test_it_connects_when_first_needed_and_stays(path: Path) -> None:
    listening = Listening()
    async with _linked(path, listening) as link:
        assert listening.connections == 0
        assert await link.observe(OBSERVE) == OBSERVATION
        assert await link.cosign(COSIGN) == COSIGNED
    assert listening.connections == 1
    assert listening.asked == ["hello", "observe", "cosign"]


async def test_calls_that_come_at_once_share_one_connection(path: Path) -> None:
    listening = Listening()
    async with _linked(path, listening) as link, asyncio.TaskGroup() as tasks:
        for _ in range(5):
            tasks.create_task(link.observe(OBSERVE))
    assert listening.connections == 1


@pytest.mark.parametrize("operation", ["observe", "cosign"])
async def test_after_a_break_it_connects_anew(path: Path, operation: str) -> None:
    listening = Listening(hang_ups=1)
    async with _linked(path, listening) as link:
        with pytest.raises(EnclaveLost):
            await (link.observe(OBSERVE) if operation == "observe" else link.cosign(COSIGN))
        assert await link.observe(OBSERVE) == OBSERVATION
    assert listening.connections == 2


async def test_a_refusal_is_no_break(path: Path) -> None:
    listening = Listening(refuses=True)
    async with _linked(path, listening) as link:
        for _ in range(2):
            with pytest.raises(RequestRefused, match="no round is held"):
                await link.observe(OBSERVE)
    assert listening.connections == 1


async def test_another_enclave_that_listens_there_is_not_asked(path: Path) -> None:
    other = wire.HelloResult(
        wire.PROTOCOL, "0", b"\x22" * 20, bytes(32), 2, "simulated", bytes(32), ()
    )
    listening = Listening(hello=other)
    async with _linked(path, listening) as link:
        with pytest.raises(EnclaveLost, match="another enclave listens there"):
            await link.observe(OBSERVE)
    assert listening.asked == ["hello"]


async def test_nobody_there_is_a_lost_enclave(path: Path) -> None:
    link = QuorumEnclave(f"unix:{path}", SIGNER)
    with pytest.raises(EnclaveLost, match="cannot connect"):
        await link.observe(OBSERVE)
    await link.close()


async def test_a_closed_link_stays_closed(path: Path) -> None:
    listening = Listening()
    async with _linked(path, listening) as link:
        await link.observe(OBSERVE)
        await link.close()
        with pytest.raises(EnclaveLost, match="the enclave has ended"):
            await link.observe(OBSERVE)
    assert listening.connections == 1
