import asyncio
import contextlib
import json
import signal
import stat
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from enclave.domain.evidence import TeeKind
from enclave.domain.wire import decode_body, encode_frame, frame_length
from oracle.attestation.codecs.dcap import split_quote
from oracle.devnet.silicon import Lifecycle, SiliconVendor, serve_silicon, service

REQUEST: dict[str, Any] = {"tee": "tdx", "measurement": bytes(48), "report_data": bytes(64)}


NOW = datetime(2031, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def lifecycle() -> Lifecycle:
    return Lifecycle(SiliconVendor(now=NOW), lambda: NOW)


@pytest.fixture
async def socket(lifecycle: Lifecycle, tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "silicon.sock"
    listening = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(serve_silicon(lifecycle, path, listening=listening))
        await listening.wait()
        yield path
        task.cancel()


@contextlib.asynccontextmanager
async def _connection(
    path: Path,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> dict[str, Any]:
    return decode_body(await reader.readexactly(frame_length(await reader.readexactly(4))))


@pytest.mark.parametrize(("name", "tee"), [("sgx", TeeKind.SGX), ("tdx", TeeKind.TDX)])
async def test_requests_of_one_connection_are_answered_in_order(
    socket: Path, name: str, tee: TeeKind
) -> None:
    async with _connection(socket) as (reader, writer):
        for data in (bytes(64), bytes(range(64))):
            writer.write(encode_frame(REQUEST | {"tee": name, "report_data": data}))
            answer = await _answer(reader)
            quote = split_quote(answer["quote"])
            assert (quote.tee, quote.report_data) == (tee, data)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"tee": "snp"}, "wanted sgx or tdx"),
        ({"tee": 1}, "wanted sgx or tdx"),
        ({"measurement": bytes(32)}, "32 bytes, wanted 48"),
        ({"report_data": bytes(63)}, "63 bytes, wanted 64"),
        ({"measurement": "text"}, "byte strings"),
        ({"report_data": None}, "byte strings"),
        ({"more": 1}, "wanted measurement, report_data, tee"),
    ],
)
async def test_a_wrong_request_gets_a_reason_and_the_connection_goes_on(
    socket: Path, changed: dict[str, Any], said: str
) -> None:
    async with _connection(socket) as (reader, writer):
        writer.write(encode_frame(REQUEST | changed))
        answer = await _answer(reader)
        assert answer.keys() == {"error"}
        assert said in answer["error"]
        writer.write(encode_frame(REQUEST))
        assert (await _answer(reader)).keys() == {"quote"}


@pytest.mark.parametrize(
    "frame",
    [
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        (service.MAX_REQUEST + 1).to_bytes(4, "big"),
        b"\0\0\0\x01\xff",
        b"\0\0\0\x02{}",
        b"\0\0\0\x01\x80",
    ],
)
async def test_what_is_no_request_closes_the_connection(socket: Path, frame: bytes) -> None:
    async with _connection(socket) as (reader, writer):
        writer.write(frame)
        assert await reader.read() == b""
    async with _connection(socket) as (reader, writer):
        writer.write(encode_frame(REQUEST))
        assert (await _answer(reader)).keys() == {"quote"}


async def test_the_socket_takes_control_beside_requests_for_quotes(
    lifecycle: Lifecycle, socket: Path
) -> None:
    async with _connection(socket) as (reader, writer):
        writer.write(encode_frame({"control": "recover-tcb"}))
        number = lifecycle.vendor.collateral.number + 1
        assert await _answer(reader) == {"done": "recover-tcb", "number": number}
        assert lifecycle.vendor.collateral.number == number
        writer.write(encode_frame({"control": "recover"}))
        assert "wanted revoke-pck" in (await _answer(reader))["error"]
        writer.write(encode_frame(REQUEST))
        assert (await _answer(reader)).keys() == {"quote"}


async def test_a_peer_that_leaves_in_a_request_harms_nobody(socket: Path) -> None:
    async with _connection(socket) as (_, writer):
        writer.write(b"\0\0\0\x20half")
        await writer.drain()
    async with _connection(socket) as (reader, writer):
        writer.write(encode_frame(REQUEST))
        assert (await _answer(reader)).keys() == {"quote"}


async def test_a_silent_peer_is_closed(socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "IDLE_TIMEOUT_S", 0.01)
    async with _connection(socket) as (reader, _):
        assert await reader.read() == b""


async def test_connections_are_limited(socket: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(service.MAX_CONNECTIONS):
            reader, writer = await stack.enter_async_context(_connection(socket))
            writer.write(encode_frame(REQUEST))
            await _answer(reader)
        reader, _ = await stack.enter_async_context(_connection(socket))
        assert await reader.read() == b""


async def test_the_socket_is_its_owners_and_goes_with_the_service(
    lifecycle: Lifecycle, tmp_path: Path
) -> None:
    path = tmp_path / "silicon.sock"
    listening = asyncio.Event()
    task: asyncio.Task[None]
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(serve_silicon(lifecycle, path, listening=listening))
        await listening.wait()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        task.cancel()
    assert not path.exists()


async def test_the_process_says_what_a_verifier_is_built_with_and_ends_on_a_signal(
    tmp_path: Path,
) -> None:
    path = tmp_path / "silicon.sock"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "oracle.devnet.silicon",
        "--listen",
        str(path),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[4],
    )
    assert process.stdout is not None
    try:
        line = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        assert line["event"] == "listening"
        root = x509.load_der_x509_certificate(bytes.fromhex(line["root_certificate"][2:]))
        assert root.subject == root.issuer
        assert len(line["signer_name"]) == 66
        assert line["pcs"].startswith("http://127.0.0.1:")
        async with _connection(path) as (reader, writer):
            writer.write(encode_frame(REQUEST))
            split_quote((await _answer(reader))["quote"])
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    assert not path.exists()
