"""The link against a scripted peer: every way of not answering ends the connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from enclave.domain import wire
from enclave.domain.errors import ConfigError, OracleError, QuorumNotReached, SourceUnavailable
from enclave.domain.observation import FeedFailure
from oracle.enclave_link import (
    DEADLINES_S,
    EnclaveClient,
    EnclaveLost,
    parse_address,
    refusal_error,
)

Peer = Callable[[dict[str, Any], asyncio.StreamWriter], Awaitable[None]]
HELLO = wire.HelloResult(
    wire.PROTOCOL, "0.1.0", b"\x11" * 20, b"\x22" * 32, 2, "simulated", bytes(32), ("a/1",)
)
OBSERVATION = wire.SignedObservation(b"\x11" * 20, 9, bytes(32), b"entries", bytes(64))
REFUSAL = FeedFailure(bytes(32), "QuorumNotReached", "no answer")
SIGNED = wire.SignResult(9, bytes(32), b"x", b"y")


@asynccontextmanager
async def _connected(
    path: Path, peer: Peer, deadlines_s: Mapping[str, float] = DEADLINES_S
) -> AsyncIterator[EnclaveClient]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length = wire.frame_length(await reader.readexactly(4))
                await peer(wire.decode_body(await reader.readexactly(length)), writer)
        except (EOFError, ConnectionError):
            writer.close()

    async with await asyncio.start_unix_server(serve, str(path)):
        client = await EnclaveClient.connect(f"unix:{path}", deadlines_s=deadlines_s)
        try:
            yield client
        finally:
            await client.close()
            await asyncio.sleep(0.01)


def _answer(body: dict[str, Any]) -> Peer:
    async def peer(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.write(wire.encode_frame({"id": request["id"], **body}))

    return peer


def _raw(frame: bytes) -> Peer:
    async def peer(_: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.write(frame)

    return peer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "enclave.sock"


async def test_hello_returns_what_the_enclave_says(path: Path) -> None:
    async with _connected(path, _answer({"ok": wire.to_map(HELLO)})) as client:
        assert await client.hello() == HELLO


async def test_every_operation_sends_its_own_name_and_arguments(path: Path) -> None:
    seen: list[tuple[str, Any]] = []
    results = {
        "attest": wire.AttestResult(2, b"e", b"r", b"s"),
        "load": wire.LoadResult((b"id",)),
        "round": wire.RoundResult(7, 0, (), ()),
        "sign": wire.SignResult(9, bytes(32), b"x", b"y"),
        "observe": OBSERVATION,
        "cosign": wire.CosignResult((SIGNED,), ()),
        "health": wire.HealthResult(1, 2, 3, 4, 5, ()),
        "shutdown": wire.Done(),
    }

    async def peer(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        shape = wire.OPERATIONS[request["op"]][0]
        seen.append((request["op"], wire.from_map(shape, request["args"])))
        body = {"id": request["id"], "ok": wire.to_map(results[request["op"]])}
        writer.write(wire.encode_frame(body))

    attest = wire.Attest(31337, bytes(20), bytes(20), 5, b"\x01" * 32)
    sign = wire.Sign(7, 31337, bytes(20), (b"id",), (b"id",))
    observe = wire.Observe(31337, bytes(20), (b"id",))
    cosign = wire.Cosign(31337, bytes(20), (b"id",), (b"id",), 1, (OBSERVATION,))
    async with _connected(path, peer) as client:
        assert await client.attest(attest) == results["attest"]
        assert await client.load([b"d"]) == (b"id",)
        assert await client.run_round([b"id"]) == results["round"]
        assert await client.sign(sign) == results["sign"]
        assert await client.observe(observe) == results["observe"]
        assert await client.cosign(cosign) == results["cosign"]
        assert await client.health() == results["health"]
        await client.shutdown()
    assert seen == [
        ("attest", attest),
        ("load", wire.Load((b"d",))),
        ("round", wire.RunRound((b"id",))),
        ("sign", sign),
        ("observe", observe),
        ("cosign", cosign),
        ("health", wire.Health()),
        ("shutdown", wire.Shutdown()),
    ]


async def test_calls_of_several_tasks_get_their_own_answers(path: Path) -> None:
    async def peer(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0)
        ok = wire.to_map(wire.LoadResult((request["args"]["definitions"][0],)))
        writer.write(wire.encode_frame({"id": request["id"], "ok": ok}))

    async with _connected(path, peer) as client, asyncio.TaskGroup() as tasks:
        calls = {bytes((n,)): tasks.create_task(client.load([bytes((n,))])) for n in range(20)}
    assert all(task.result() == (asked,) for asked, task in calls.items())


async def test_a_refusal_is_the_error_of_that_name_and_leaves_the_connection_open(
    path: Path,
) -> None:
    error = {"type": "QuorumNotReached", "message": "seen 2, wanted 3", "retry": True}
    async with _connected(path, _answer({"error": error})) as client:
        for _ in range(2):
            with pytest.raises(QuorumNotReached, match="seen 2, wanted 3"):
                await client.health()


@pytest.mark.parametrize("name", ["os", "keccak256", "Exception", "NoSuchError"])
def test_a_refusal_of_unknown_type_is_the_base_error(name: str) -> None:
    assert type(refusal_error(wire.ErrorView(name, "m", False))) is OracleError


def test_a_refusal_of_known_type_keeps_it() -> None:
    view = wire.ErrorView("SourceUnavailable", "m", True)
    assert isinstance(refusal_error(view), SourceUnavailable)


@pytest.mark.parametrize(
    "frame",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x00",
        b"\x00\x00\x00\x01\xff",
        wire.encode_frame({"id": 99, "ok": wire.to_map(HELLO)}),
        wire.encode_frame({"id": 1, "ok": {}}),
        wire.encode_frame({"id": 1}),
        wire.encode_frame({"id": 1, "error": {"type": "OracleError"}}),
        wire.encode_frame({"id": 1, "ok": {**wire.to_map(HELLO), "protocol": wire.PROTOCOL + 1}}),
        wire.encode_frame({"id": 1, "ok": {**wire.to_map(HELLO), "signer": bytes(19)}}),
    ],
)
async def test_a_wrong_answer_means_the_enclave_is_lost(path: Path, frame: bytes) -> None:
    async with _connected(path, _raw(frame)) as client:
        with pytest.raises(EnclaveLost):
            await client.hello()


@pytest.mark.parametrize("change", [{"signer": b""}, {"list_root": b""}, {"signature": bytes(65)}])
async def test_an_observation_of_other_lengths_means_the_enclave_is_lost(
    path: Path, change: dict[str, bytes]
) -> None:
    ok = {**wire.to_map(OBSERVATION), **change}
    async with _connected(path, _answer({"ok": ok})) as client:
        for message in ("wrong length", "closed"):
            with pytest.raises(EnclaveLost, match=message):
                await client.observe(wire.Observe(31337, bytes(20), ()))


async def test_refused_feeds_are_an_answer(path: Path) -> None:
    result = wire.CosignResult((), (REFUSAL,))
    async with _connected(path, _answer({"ok": wire.to_map(result)})) as client:
        assert await client.cosign(wire.Cosign(31337, bytes(20), (), (), 1, ())) == result


@pytest.mark.parametrize(
    "result",
    [
        wire.CosignResult((), ()),
        wire.CosignResult((SIGNED,), (REFUSAL,)),
        wire.CosignResult((SIGNED, SIGNED), ()),
    ],
)
async def test_neither_one_signature_nor_a_refusal_means_the_enclave_is_lost(
    path: Path, result: wire.CosignResult
) -> None:
    async with _connected(path, _answer({"ok": wire.to_map(result)})) as client:
        for message in ("signatures and", "closed"):
            with pytest.raises(EnclaveLost, match=message):
                await client.cosign(wire.Cosign(31337, bytes(20), (), (), 1, ()))


async def test_after_a_wrong_answer_no_more_is_asked(path: Path) -> None:
    async with _connected(path, _raw(b"\x00\x00\x00\x01\xff")) as client:
        for _ in range(2):
            with pytest.raises(EnclaveLost):
                await client.health()


async def test_an_enclave_that_ends_is_lost(path: Path) -> None:
    async def peer(_: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with _connected(path, peer) as client:
        with pytest.raises(EnclaveLost, match="closed the connection"):
            await client.health()


async def test_an_enclave_that_hangs_is_lost_after_the_deadline(path: Path) -> None:
    async def peer(_: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        return

    async with _connected(path, peer, {"health": 0.05}) as client:
        with pytest.raises(EnclaveLost, match=r"no answer within 0\.05 s"):
            await client.health()


async def test_a_cancelled_call_ends_the_connection(path: Path) -> None:
    """Its late answer would be read as the answer to the next call."""

    async def peer(_: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        return

    async with _connected(path, peer) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.health()
        with pytest.raises(EnclaveLost, match="closed"):
            await client.health()


async def test_nobody_listening_is_lost(path: Path) -> None:
    with pytest.raises(EnclaveLost, match="cannot connect"):
        await EnclaveClient.connect(f"unix:{path}")


@pytest.mark.parametrize("text", ["", "unix:", "unix:relative", "tcp:1:2", "vsock:3", "vsock:a:1"])
def test_an_address_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="wanted unix:"):
        parse_address(text)


def test_both_address_forms_are_read() -> None:
    assert parse_address("unix:/run/x.sock")[1] == "/run/x.sock"
    assert parse_address("vsock:16:7000")[1] == (16, 7000)
