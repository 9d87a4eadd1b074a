"""The relay on real sockets: what passes, what is refused, what is bounded."""

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from oracle.egress_proxy import EgressProxy, RelayLimits, RelayStatus, parse_target

HOST = "api.example.com"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def _source(handler: Handler = _echo) -> AsyncIterator[int]:
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(ConnectionError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in writers:
        writer.transport.abort()
    while any(getattr(task.get_coro(), "__name__", "") == "serve" for task in asyncio.all_tasks()):
        await asyncio.sleep(0)


async def _ask(
    path: Path, target: bytes, *, length: int | None = None
) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write((len(target) if length is None else length).to_bytes(2, "big") + target)
    async with asyncio.timeout(5):
        return (await reader.readexactly(1))[0], reader, writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "relay.sock"


async def test_bytes_pass_both_ways_unchanged_and_are_counted(path: Path) -> None:
    payload = bytes(range(256)) * 40_000
    async with _source() as port:
        relay = EgressProxy(path, {(HOST, 443)}, {f"{HOST}:443": ("127.0.0.1", port)})
        async with relay:
            status, reader, writer = await _ask(path, f"{HOST}:443".encode())
            assert status == RelayStatus.CONNECTED

            async def send() -> None:
                writer.write(payload)
                await writer.drain()

            async with asyncio.TaskGroup() as tasks, asyncio.timeout(20):
                tasks.create_task(send())
                assert await reader.readexactly(len(payload)) == payload
            assert relay.counters.sent_bytes == relay.counters.received_bytes == len(payload)
            assert relay.counters.open == 1
            writer.close()
            await writer.wait_closed()


async def test_as_many_streams_as_the_enclave_may_open_can_wait_at_once(path: Path) -> None:
    streams = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(256)]
    async with EgressProxy(path, set()):
        # The relay has no turn to accept before the last of them.
        for stream in streams:
            stream.setblocking(False)
            stream.connect(str(path))
    for stream in streams:
        stream.close()


async def test_a_reader_that_lags_pauses_the_source_instead_of_filling_memory(path: Path) -> None:
    sent = 0

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        for _piece in range(2_000):
            writer.write(bytes(65_536))
            await writer.drain()
            sent += 65_536

    async with _source(flood) as port:
        relay = EgressProxy(path, {(HOST, 443)}, {f"{HOST}:443": ("127.0.0.1", port)})
        async with relay:
            status, _, writer = await _ask(path, f"{HOST}:443".encode())
            assert status == RelayStatus.CONNECTED
            before = -1
            while before != relay.counters.received_bytes:
                before = relay.counters.received_bytes
                await asyncio.sleep(0.2)
            # Socket buffers and one reader's limit, but not the 131 MB that wait at the source.
            assert relay.counters.received_bytes < 16_000_000
            writer.close()


async def test_the_socket_is_only_for_this_user_and_is_removed(path: Path) -> None:
    async with EgressProxy(path, set()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


@pytest.mark.parametrize("mask", [0, 0o022, 0o077])
async def test_its_socket_is_private_whatever_the_umask_which_it_leaves_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch, mask: int
) -> None:
    before = os.umask(mask)
    try:
        # Another thread may make directories meanwhile.
        monkeypatch.setattr("os.umask", lambda _: pytest.fail("the umask is the whole process's"))
        async with EgressProxy(path, {(HOST, 443)}, {}):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        monkeypatch.undo()
        os.umask(before)


async def test_a_stale_socket_of_a_killed_daemon_is_replaced(path: Path) -> None:
    path.write_bytes(b"")
    async with EgressProxy(path, set()):
        assert path.is_socket()


@pytest.mark.parametrize("target", [b"other.example.com:443", b"api.example.com:8443"])
async def test_a_target_that_is_not_listed_is_refused(path: Path, target: bytes) -> None:
    async with EgressProxy(path, {(HOST, 443)}) as relay:
        status, reader, writer = await _ask(path, target)
        assert status == RelayStatus.NOT_ALLOWED
        assert await reader.read() == b""
        assert relay.counters.answers[RelayStatus.NOT_ALLOWED] == 1
        writer.close()


@pytest.mark.parametrize(
    "target",
    [
        b"127.0.0.1:443",
        b"API.example.com:443",
        b"api.example.com",
        b"api.example.com:0",
        b"api.example.com:65536",
        b"[::1]:443",
        b"api.example.com:443\n",
        b"\xff\xfe:443",
    ],
)
async def test_a_malformed_target_is_refused(path: Path, target: bytes) -> None:
    assert parse_target(target.decode("ascii", errors="replace")) is None
    async with EgressProxy(path, {(HOST, 443)}):
        status, _, writer = await _ask(path, target)
        assert status == RelayStatus.MALFORMED
        writer.close()


@pytest.mark.parametrize("length", [0, 261, 65_535])
async def test_a_request_of_no_possible_length_is_refused(path: Path, length: int) -> None:
    async with EgressProxy(path, {(HOST, 443)}):
        status, _, writer = await _ask(path, b"", length=length)
        assert status == RelayStatus.MALFORMED
        writer.close()


async def test_bytes_before_the_answer_are_refused(path: Path) -> None:
    async with EgressProxy(path, {(HOST, 443)}):
        status, _, writer = await _ask(path, f"{HOST}:443early".encode(), length=len(HOST) + 4)
        assert status == RelayStatus.MALFORMED
        writer.close()


async def test_a_silent_enclave_is_closed_after_its_time(path: Path) -> None:
    async with EgressProxy(path, {(HOST, 443)}, limits=RelayLimits(request_s=0.05)) as relay:
        reader, writer = await asyncio.open_unix_connection(str(path))
        async with asyncio.timeout(5):
            assert await reader.read() == bytes((RelayStatus.MALFORMED,))
        writer.close()
        await writer.wait_closed()
        assert relay.counters.open == 0


async def test_a_source_that_is_down_is_unreachable_and_the_next_attempt_is_new(path: Path) -> None:
    async with _source() as port:
        pass
    targets = {f"{HOST}:443": ("127.0.0.1", port)}
    async with EgressProxy(path, {(HOST, 443)}, targets) as relay:
        for expected in (1, 2):
            status, _, writer = await _ask(path, f"{HOST}:443".encode())
            assert status == RelayStatus.UNREACHABLE
            assert relay.counters.unreachable == {HOST: expected}
            writer.close()


async def test_a_name_that_resolves_to_this_machine_is_unreachable(path: Path) -> None:
    async with EgressProxy(path, {("localhost", 443)}):
        status, _, writer = await _ask(path, b"localhost:443")
        assert status == RelayStatus.UNREACHABLE
        writer.close()


async def test_one_stream_too_many_is_refused_and_room_returns(path: Path) -> None:
    async with _source() as port:
        targets = {f"{HOST}:443": ("127.0.0.1", port)}
        limits = RelayLimits(connections=1)
        async with EgressProxy(path, {(HOST, 443)}, targets, limits=limits) as relay:
            status, _, first = await _ask(path, f"{HOST}:443".encode())
            assert status == RelayStatus.CONNECTED
            status, _, second = await _ask(path, f"{HOST}:443".encode())
            assert status == RelayStatus.TOO_MANY
            second.close()
            first.close()
            async with asyncio.timeout(5):
                while relay.counters.open:
                    await asyncio.sleep(0.01)
            status, _, third = await _ask(path, f"{HOST}:443".encode())
            assert status == RelayStatus.CONNECTED
            third.close()


async def test_the_end_of_the_source_ends_the_stream_after_its_last_byte(path: Path) -> None:
    async def once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * 300_000)
        await writer.drain()

    async with _source(once) as port:
        targets = {f"{HOST}:443": ("127.0.0.1", port)}
        async with EgressProxy(path, {(HOST, 443)}, targets):
            _, reader, writer = await _ask(path, f"{HOST}:443".encode())
            async with asyncio.timeout(5):
                assert len(await reader.read()) == 300_000
            writer.close()


async def test_leaving_closes_open_streams(path: Path) -> None:
    async with _source() as port:
        targets = {f"{HOST}:443": ("127.0.0.1", port)}
        async with EgressProxy(path, {(HOST, 443)}, targets):
            _, reader, writer = await _ask(path, f"{HOST}:443".encode())
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


async def test_the_allow_list_can_be_replaced(path: Path) -> None:
    async with EgressProxy(path, {(HOST, 443)}) as relay:
        relay.allow(set())
        status, _, writer = await _ask(path, f"{HOST}:443".encode())
        assert status == RelayStatus.NOT_ALLOWED
        writer.close()
