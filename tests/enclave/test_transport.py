"""Frames cross a unix socket within limits; nothing the host sends ends the process."""

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from enclave.domain.errors import ConfigError, ProtocolError
from enclave.domain.wire import MAX_FRAME, encode_frame
from enclave.transport import FrameChannel, Limits, Listener, parse_address
from tests.fakes.process import MemoryLog

FRAME = {"id": 1, "op": "health", "args": {}}
#: Short waits, for tests that wait for the end of one.
IMPATIENT = Limits(idle_s=0.05, frame_s=0.05, close_s=0.05)

Serve = Callable[[FrameChannel], Awaitable[None]]


@asynccontextmanager
async def listening(
    path: Path, serve: Serve, limits: Limits | None = None, log: MemoryLog | None = None
) -> AsyncIterator[Listener]:
    """A listener that serves in the background."""
    listener = Listener(f"unix:{path}", limits=limits or Limits(), log=log or MemoryLog())
    with listener:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(listener.run(serve))
            try:
                yield listener
            finally:
                task.cancel()


@asynccontextmanager
async def connected(path: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


class Recorder:
    """Receives frames until the end, and remembers how it ended."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.error = ""
        self.ended = asyncio.Event()

    async def __call__(self, channel: FrameChannel) -> None:
        try:
            while (frame := await channel.receive()) is not None:
                self.frames.append(frame)
                await channel.send({"id": len(self.frames)})
        except ProtocolError as error:
            self.error = str(error)
        finally:
            self.ended.set()


async def exchange(tmp_path: Path, *parts: bytes, limits: Limits | None = None) -> Recorder:
    """Send bytes, close the sending side, wait for the end."""
    recorder = Recorder()
    async with listening(tmp_path / "s", recorder, limits), connected(tmp_path / "s") as streams:
        for part in parts:
            streams[1].write(part)
            await streams[1].drain()
            await asyncio.sleep(0)
        streams[1].write_eof()
        await recorder.ended.wait()
    return recorder


async def test_frames_cross_in_both_directions(tmp_path: Path) -> None:
    recorder = Recorder()
    async with (
        listening(tmp_path / "s", recorder) as listener,
        connected(tmp_path / "s") as (reader, writer),
    ):
        for number in (1, 2):
            writer.write(encode_frame(FRAME))
            expected = encode_frame({"id": number})
            assert await reader.readexactly(len(expected)) == expected
        assert listener.accepted == 1
    assert recorder.frames == [FRAME, FRAME]
    assert recorder.error == ""


async def test_a_frame_may_come_in_pieces(tmp_path: Path) -> None:
    frame = encode_frame(FRAME)
    recorder = await exchange(tmp_path, frame[:1], frame[1:6], frame[6:])
    assert (recorder.frames, recorder.error) == ([FRAME], "")


async def test_the_largest_frame_passes(tmp_path: Path) -> None:
    padding = MAX_FRAME - len(encode_frame({"a": bytes(70_000)})) + 70_000 + 4
    frame = encode_frame({"a": bytes(padding)})
    assert len(frame) == MAX_FRAME + 4
    recorder = await exchange(tmp_path, frame)
    assert len(recorder.frames) == 1


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"\x00\x00\x00\x00", "frame of 0 bytes"),
        (b"\xff\xff\xff\xff", f"frame of {2**32 - 1} bytes, wanted 1..{MAX_FRAME}"),
        (b"\x00\x00\x00\x01\xff", "frame is not CBOR"),
        (b"\x00\x00\x00\x01\x01", "not one deterministic CBOR map"),
        (b"\x00\x00", "connection lost: IncompleteReadError"),
        (b"\x00\x00\x00\x09\xa0", "connection lost: IncompleteReadError"),
        (b"GET / HTTP/1.1\r\n\r\n", "frame of 1195725856 bytes"),
    ],
)
async def test_what_is_no_frame_ends_the_connection(
    tmp_path: Path, sent: bytes, reason: str
) -> None:
    recorder = await exchange(tmp_path, sent)
    assert recorder.frames == []
    assert reason in recorder.error


async def test_one_malformed_connection_does_not_harm_another(tmp_path: Path) -> None:
    async with listening(tmp_path / "s", Recorder()):
        async with connected(tmp_path / "s") as (reader, writer):
            writer.write(b"\xff" * 8)
            assert await reader.read() == b""
        async with connected(tmp_path / "s") as (reader, writer):
            writer.write(encode_frame(FRAME))
            assert await reader.readexactly(4)


@pytest.mark.parametrize("sent", [b"", b"\x00", encode_frame(FRAME)[:-1]])
async def test_a_frame_that_does_not_come_in_time_ends_the_connection(
    tmp_path: Path, sent: bytes
) -> None:
    recorder = Recorder()
    async with (
        listening(tmp_path / "s", recorder, IMPATIENT),
        connected(tmp_path / "s") as (reader, writer),
    ):
        writer.write(sent)
        assert await reader.read() == b""
    assert recorder.error == "no complete frame in time"


async def test_a_host_that_does_not_read_ends_the_connection(tmp_path: Path) -> None:
    error = ""

    async def flood(channel: FrameChannel) -> None:
        nonlocal error
        try:
            while True:
                await channel.send({"a": bytes(MAX_FRAME - 16)})
        except ProtocolError as caught:
            error = str(caught)

    async with (
        listening(tmp_path / "s", flood, IMPATIENT),
        connected(tmp_path / "s"),
    ):
        while not error:
            await asyncio.sleep(0.01)
    assert error == "the host does not read"


async def test_a_host_that_is_gone_ends_the_connection(tmp_path: Path) -> None:
    error = ""
    gone = asyncio.Event()

    async def answer(channel: FrameChannel) -> None:
        nonlocal error
        await gone.wait()
        try:
            while True:
                await channel.send({"a": bytes(60_000)})
        except ProtocolError as caught:
            error = str(caught)

    async with listening(tmp_path / "s", answer):
        async with connected(tmp_path / "s"):
            pass
        gone.set()
        while not error:
            await asyncio.sleep(0.01)
    assert error.startswith("connection lost: ")


async def test_a_frame_that_is_too_large_is_not_sent(tmp_path: Path) -> None:
    async def answer(channel: FrameChannel) -> None:
        with pytest.raises(ProtocolError, match="wanted at most"):
            await channel.send({"a": bytes(MAX_FRAME)})

    async with (
        listening(tmp_path / "s", answer),
        connected(tmp_path / "s") as (reader, _),
    ):
        assert await reader.read() == b""


async def test_a_connection_beyond_the_limit_is_closed_at_once(tmp_path: Path) -> None:
    log, path = MemoryLog(), tmp_path / "s"
    async with listening(path, Recorder(), Limits(connections=1), log) as listener:
        async with connected(path) as (reader, writer):
            writer.write(encode_frame(FRAME))
            await reader.readexactly(4)
            async with connected(path) as (refused, _):
                assert await refused.read() == b""
        while listener.open:
            await asyncio.sleep(0.01)
        async with connected(path) as (reader, writer):
            writer.write(encode_frame(FRAME))
            await reader.readexactly(4)
    assert log.events == ["connection_refused"]
    assert listener.accepted == 2


async def test_an_exception_while_serving_ends_the_listener(tmp_path: Path) -> None:
    async def fail(channel: FrameChannel) -> None:
        await channel.receive()
        raise ZeroDivisionError

    async def provoke() -> None:
        async with listening(tmp_path / "s", fail), connected(tmp_path / "s") as (reader, writer):
            writer.write(encode_frame(FRAME))
            await reader.read()
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        await provoke()
    assert caught.group_contains(ZeroDivisionError)


async def test_a_listener_that_is_not_open_does_not_run(tmp_path: Path) -> None:
    listener = Listener(f"unix:{tmp_path}/s", limits=Limits(), log=MemoryLog())
    with pytest.raises(ConfigError, match="not open"):
        await listener.run(Recorder())


def opened(address: str) -> Listener:
    return Listener(address, limits=Limits(), log=MemoryLog())


def test_the_socket_is_its_owners_alone_and_goes_with_the_listener(tmp_path: Path) -> None:
    path, mask = tmp_path / "s", os.umask(0)
    try:
        with opened(f"unix:{path}"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        assert os.umask(mask) == 0
    assert not path.exists()


def test_a_socket_that_was_removed_meanwhile_is_no_error(tmp_path: Path) -> None:
    with opened(f"unix:{tmp_path}/s"):
        (tmp_path / "s").unlink()


def test_closing_what_was_never_opened_is_no_error(tmp_path: Path) -> None:
    opened(f"unix:{tmp_path}/s").__exit__(None, None, None)


def test_a_stale_socket_is_removed(tmp_path: Path) -> None:
    with bound(tmp_path / "s"):
        pass
    assert (tmp_path / "s").exists()
    with opened(f"unix:{tmp_path}/s"):
        assert (tmp_path / "s").exists()


def test_a_socket_that_someone_listens_at_is_left_alone(tmp_path: Path) -> None:
    with bound(tmp_path / "s") as other:
        other.listen()
        with (
            pytest.raises(ConfigError, match="another process listens"),
            opened(f"unix:{tmp_path}/s"),
        ):
            pass
    assert (tmp_path / "s").exists()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("precious")
    with pytest.raises(ConfigError, match="is no socket"), opened(f"unix:{tmp_path}/s"):
        pass
    assert (tmp_path / "s").read_text() == "precious"


def test_an_address_that_cannot_be_bound_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"cannot listen at .*: No such file or directory"),
        opened(f"unix:{tmp_path}/missing/s"),
    ):
        pass


def has_vsock() -> bool:
    try:
        with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as probe:
            probe.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
    except OSError:
        return False
    return True


def test_vsock_is_listened_at_where_the_machine_has_it() -> None:
    address = f"vsock:{socket.VMADDR_CID_ANY}:{socket.VMADDR_PORT_ANY}"
    refused = pytest.raises(ConfigError, match="cannot listen at")
    with nullcontext() if has_vsock() else refused, opened(address):
        pass


def test_a_vsock_address_that_cannot_be_bound_is_refused() -> None:
    # CID 0 is reserved for the hypervisor.
    with pytest.raises(ConfigError, match="cannot listen at"), opened("vsock:0:5000"):
        pass


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unix:/run/a.sock", (socket.AF_UNIX, "/run/a.sock")),
        ("vsock:3:5000", (socket.AF_VSOCK, (3, 5000))),
        ("vsock:4294967295:1", (socket.AF_VSOCK, (2**32 - 1, 1))),
    ],
)
def test_addresses(text: str, expected: object) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unix:",
        "unix:relative",
        "/run/a.sock",
        "unix:/" + "x" * 107,
        "vsock:3",
        "vsock:3:4294967296",
        "vsock:4294967296:1",
        "vsock:-1:1",
        "vsock:٣:1",
        "tcp:127.0.0.1:80",
    ],
)
def test_another_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="wanted unix:/PATH"):
        parse_address(text)


@contextmanager
def bound(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        yield other
