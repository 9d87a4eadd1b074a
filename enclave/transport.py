"""Unix socket or vsock: accepts the host's connections and carries frames, within limits."""

import asyncio
import os
import re
import socket
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from enclave.domain.errors import ConfigError, ProtocolError
from enclave.domain.wire import LENGTH_BYTES, decode_body, encode_frame, frame_length
from enclave.log import Log

_VSOCK = re.compile(r"vsock:([0-9]{1,10}):([0-9]{1,10})", re.ASCII)
#: Longest path that `sockaddr_un` holds, bytes.
_MAX_PATH = 107
_SOCKET_MODE = 0o600
_BACKLOG = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what the host's connections may cost.

    Attributes:
        connections: Open at once; a further one is closed at once.
        idle_s: Longest time between two requests.
        frame_s: Longest time from the first to the last byte of a frame, either way.
        close_s: Longest time to close a connection.
    """

    connections: int = 8
    idle_s: float = 3_600.0
    frame_s: float = 10.0
    close_s: float = 1.0


class FrameChannel:
    """One connection, frame by frame."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._limits = limits

    async def receive(self) -> dict[str, Any] | None:
        """The next frame; `None` when the host has closed between two frames.

        Raises:
            ProtocolError: Malformed, too large, too slow, cut off, or the connection is lost.
        """
        try:
            async with asyncio.timeout(self._limits.idle_s):
                first = await self._reader.read(1)
            if not first:
                return None
            async with asyncio.timeout(self._limits.frame_s):
                prefix = first + await self._reader.readexactly(LENGTH_BYTES - 1)
                body = await self._reader.readexactly(frame_length(prefix))
        except TimeoutError as error:
            raise ProtocolError("no complete frame in time") from error
        except (EOFError, OSError) as error:
            raise ProtocolError(f"connection lost: {type(error).__name__}") from error
        return decode_body(body)

    async def send(self, frame: dict[str, Any]) -> None:
        """Send one frame.

        Raises:
            ProtocolError: Too large, not taken in time, or the connection is lost.
        """
        try:
            async with asyncio.timeout(self._limits.frame_s):
                self._writer.write(encode_frame(frame))
                await self._writer.drain()
        except TimeoutError as error:
            raise ProtocolError("the host does not read") from error
        except OSError as error:
            raise ProtocolError(f"connection lost: {type(error).__name__}") from error

    async def close(self) -> None:
        """Close, within a bound."""
        self._writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._limits.close_s):
                await self._writer.wait_closed()


class Listener:
    """Accepts connections; use as a context manager, which holds the socket.

    Args:
        address: `unix:PATH` or `vsock:CID:PORT`.
        limits: Bounds.
        log: Gets a line when a connection is refused.

    Raises:
        ConfigError: Another form of address.
    """

    def __init__(self, address: str, *, limits: Limits, log: Log) -> None:
        self._family, self._target = parse_address(address)
        self._limits = limits
        self._log = log
        self._socket: socket.socket | None = None
        self._open = 0
        self._accepted = 0

    @property
    def accepted(self) -> int:
        """Connections accepted since start."""
        return self._accepted

    def __enter__(self) -> Self:
        """Bind and listen.

        Raises:
            ConfigError: The address cannot be used; says why.
        """
        try:
            self._socket = _listen(self._family, self._target)
        except OSError as error:
            raise ConfigError(f"cannot listen at {self._target}: {error.strerror}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._socket is not None:
            self._socket.close()
        if isinstance(self._target, str):
            with suppress(OSError):
                os.unlink(self._target)

    @property
    def open(self) -> int:
        """Connections open now."""
        return self._open

    async def run(self, serve: Callable[[FrameChannel], Awaitable[None]]) -> None:
        """Accept until cancelled; an exception of `serve` ends it.

        Args:
            serve: Called for each connection, in a task of its own.

        Raises:
            ConfigError: The listener was not entered.
        """
        if self._socket is None:
            raise ConfigError("the listener is not open")
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            while True:
                stream, _ = await loop.sock_accept(self._socket)
                if self._open >= self._limits.connections:
                    stream.close()
                    self._log.warning("connection_refused", open=self._open)
                    continue
                self._accepted += 1
                self._open += 1
                group.create_task(self._connection(stream, serve))

    async def _connection(
        self, stream: socket.socket, serve: Callable[[FrameChannel], Awaitable[None]]
    ) -> None:
        reader, writer = await asyncio.open_connection(sock=stream)
        channel = FrameChannel(reader, writer, self._limits)
        try:
            await serve(channel)
        finally:
            self._open -= 1
            await channel.close()


def parse_address(text: str) -> tuple[socket.AddressFamily, str | tuple[int, int]]:
    """Read `unix:PATH` or `vsock:CID:PORT`.

    Raises:
        ConfigError: Another form.
    """
    path = text.removeprefix("unix:")
    if path != text and path.startswith("/") and len(os.fsencode(path)) <= _MAX_PATH:
        return socket.AF_UNIX, path
    numbers = _VSOCK.fullmatch(text)
    if numbers is None or max(int(numbers[1]), int(numbers[2])) >= 2**32:
        raise ConfigError(
            f"address is {text!r}, wanted unix:/PATH of at most {_MAX_PATH} bytes or vsock:CID:PORT"
        )
    return socket.AF_VSOCK, (int(numbers[1]), int(numbers[2]))


def _listen(family: socket.AddressFamily, target: str | tuple[int, int]) -> socket.socket:
    if isinstance(target, str):
        _remove_stale(target)
    listening = socket.socket(family, socket.SOCK_STREAM)
    # The file is made by bind, with the mode that the mask leaves.
    mask = os.umask(0o777 & ~_SOCKET_MODE)
    try:
        listening.bind(target)
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    finally:
        os.umask(mask)
    listening.setblocking(False)
    return listening


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody listens at; anything else is left alone and refused.

    Raises:
        ConfigError: Another process listens there, or it is no socket.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"{path} exists and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except OSError:
            os.unlink(path)
            return
    raise ConfigError(f"another process listens at {path}")
