"""The relay: carries the enclave's ciphertext to allowed hosts; never ends TLS.

The enclave opens a stream and sends `u16 length | "host:port"` (big-endian, ASCII). The relay
answers one byte (`RelayStatus`) and, after `CONNECTED`, passes bytes both ways. It sees host
names and ciphertext. What it may reach is an allow list, taken from the loaded feeds.
"""

import asyncio
import contextlib
import ipaddress
import os
import re
import socket
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import structlog

log = structlog.get_logger(__name__)

#: `host:port` as the enclave may ask for it: a DNS name of at most 253 characters, never an IP.
_TARGET = re.compile(r"(?=.{1,253}:)([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?):([1-9][0-9]{0,4})", re.ASCII)
MAX_TARGET = 260
#: One read from a socket, bytes; larger than a TLS record.
_CHUNK = 65_536
#: Streams that may wait to be accepted: more than the enclave opens at once, since a unix socket
#: refuses what finds the queue full.
_BACKLOG = 512

Target = tuple[str, int]


class RelayStatus(IntEnum):
    """The one byte that the relay answers."""

    CONNECTED = 0
    NOT_ALLOWED = 1
    UNREACHABLE = 2
    MALFORMED = 3
    TOO_MANY = 4


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """Bounds of the relay.

    Attributes:
        connections: Streams open at once; one more is answered `TOO_MANY`.
        request_s: Time for the enclave to say where to.
        connect_s: Time for name resolution and TCP together.
    """

    connections: int = 1_024
    request_s: float = 5.0
    connect_s: float = 5.0


@dataclass(slots=True)
class RelayCounters:
    """What the relay did since its start; read by metrics.

    Attributes:
        open: Streams open now.
        accepted: Streams ever opened by the enclave.
        sent_bytes: Ciphertext from the enclave.
        received_bytes: Ciphertext to the enclave.
        answers: Status byte -> how often it was answered.
        unreachable: Host -> how often it could not be reached, in a row.
    """

    open: int = 0
    accepted: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    answers: dict[RelayStatus, int] = field(default_factory=lambda: dict.fromkeys(RelayStatus, 0))
    unreachable: dict[str, int] = field(default_factory=dict)


def parse_target(text: str) -> Target | None:
    """Read `host:port`; `None` for anything but a lower-case DNS name and a port up to 65535."""
    match = _TARGET.fullmatch(text)
    if match is None or int(match[2]) > 65_535:
        return None
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(match[1])
        return None
    return match[1], int(match[2])


class EgressProxy:
    """The relay, inside the daemon's event loop.

    Use as an async context manager; leaving it closes every stream and removes the socket.
    """

    def __init__(
        self,
        listen_path: Path,
        allow: Collection[Target],
        resolve: Mapping[str, Target] | None = None,
        *,
        limits: RelayLimits | None = None,
        listener: socket.socket | None = None,
    ) -> None:
        """Set up; nothing is opened yet.

        Args:
            listen_path: Unix socket to listen on, made with mode 0600.
            allow: DNS names and ports that may be reached.
            resolve: `host:port` -> address to dial instead, for local stand-ins of the sources. A
                target not in it resolves by DNS and must have a public address.
            limits: See `RelayLimits`.
            listener: A bound stream socket (vsock) to use instead of `listen_path`.
        """
        self.counters = RelayCounters()
        self.limits = limits or RelayLimits()
        #: Shared by all streams: the loop fills it and hands it over without a pause in between.
        self.chunk = bytearray(_CHUNK)
        self._path = listen_path
        self._listener = listener
        self._allow = frozenset(allow)
        self._resolve = dict(resolve or {})
        self._streams: set[_Inner] = set()
        self._server: asyncio.Server | None = None
        self._tasks = asyncio.TaskGroup()

    def allow(self, targets: Collection[Target]) -> None:
        """Replace the allow list; open streams go on."""
        self._allow = frozenset(targets)

    async def __aenter__(self) -> Self:
        listener = self._listener or _listen(self._path)
        await self._tasks.__aenter__()
        # `create_server` takes any stream socket; `create_unix_server` none but AF_UNIX.
        loop = asyncio.get_running_loop()
        make = loop.create_server if listener.family != socket.AF_UNIX else loop.create_unix_server
        self._server = await make(lambda: _Inner(self), sock=listener, backlog=_BACKLOG)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for stream in tuple(self._streams):
            stream.abort()
        if self._listener is None:
            self._path.unlink(missing_ok=True)
        # The connecting tasks were cancelled with their streams; errors of the body pass through.
        await self._tasks.__aexit__(None, None, None)

    def admit(self, stream: "_Inner") -> bool:
        """Count a new stream; whether there is room for it."""
        self.counters.accepted += 1
        self.counters.open += 1
        self._streams.add(stream)
        return self.counters.open <= self.limits.connections

    def leave(self, stream: "_Inner") -> None:
        """Forget a stream that ended."""
        self.counters.open -= 1
        self._streams.discard(stream)

    def dial(self, stream: "_Inner", text: str) -> asyncio.Task[None] | None:
        """Start connecting a stream to the target it asked for, or refuse it."""
        target = parse_target(text)
        if target is None:
            stream.refuse(RelayStatus.MALFORMED)
            return None
        if target not in self._allow:
            log.warning("relay_refused", host=target[0], port=target[1], reason="not_allowed")
            stream.refuse(RelayStatus.NOT_ALLOWED)
            return None
        return self._tasks.create_task(self._connect(stream, target))

    async def _connect(self, stream: "_Inner", target: Target) -> None:
        host, port = target
        outer = _Outer(stream)
        try:
            async with asyncio.timeout(self.limits.connect_s):
                await self._open(outer, host, port)
        except (OSError, TimeoutError) as error:
            failures = self.counters.unreachable.get(host, 0) + 1
            self.counters.unreachable[host] = failures
            if failures == 1:
                log.warning("relay_unreachable", host=host, port=port, error=type(error).__name__)
            stream.refuse(RelayStatus.UNREACHABLE)
            return
        if self.counters.unreachable.pop(host, 0):
            log.info("relay_reachable", host=host, port=port)
        stream.connected(outer)

    async def _open(self, outer: "_Outer", host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        mapped = self._resolve.get(f"{host}:{port}")
        if mapped is not None:
            await loop.create_connection(lambda: outer, *mapped)
            return
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        public = [each for each in addresses if ipaddress.ip_address(each).is_global]
        if not public:
            raise OSError(f"{host} has no public address")
        for address in public[:-1]:
            with contextlib.suppress(OSError):
                await loop.create_connection(lambda: outer, address, port)
                return
        await loop.create_connection(lambda: outer, public[-1], port)


class _Pipe(asyncio.BufferedProtocol, ABC):
    """One end of a stream: passes what it reads to its peer, and pauses it when that lags."""

    def __init__(self, chunk: bytearray) -> None:
        self._view = memoryview(chunk)
        self.transport: asyncio.Transport | None = None
        self.peer: _Pipe | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        self.count(nbytes)
        peer = self.peer
        if peer is not None and peer.transport is not None:
            # A copy: a transport may keep what it could not send at once.
            peer.transport.write(bytes(self._view[:nbytes]))

    @abstractmethod
    def count(self, nbytes: int) -> None:
        """Take down how many bytes this end has read."""

    def pause_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        peer, self.peer, self.transport = self.peer, None, None
        if peer is not None and peer.transport is not None:
            # Close, not abort: what is already buffered for the peer still goes out.
            peer.transport.close()


class _Outer(_Pipe):
    """The end at the source."""

    def __init__(self, inner: "_Inner") -> None:
        super().__init__(inner.relay.chunk)
        self._counters = inner.relay.counters

    def count(self, nbytes: int) -> None:
        self._counters.received_bytes += nbytes


class _Inner(_Pipe):
    """The end at the enclave: first the request for a target, then bytes."""

    def __init__(self, relay: EgressProxy) -> None:
        super().__init__(relay.chunk)
        self.relay = relay
        self._request: bytearray | None = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if not self.relay.admit(self):
            self.refuse(RelayStatus.TOO_MANY)
            return
        self._timer = asyncio.get_running_loop().call_later(
            self.relay.limits.request_s, self.refuse, RelayStatus.MALFORMED
        )

    def count(self, nbytes: int) -> None:
        self.relay.counters.sent_bytes += nbytes

    def buffer_updated(self, nbytes: int) -> None:
        if self._request is None:
            super().buffer_updated(nbytes)
            return
        self._request += self._view[:nbytes]
        if len(self._request) < 2:
            return
        wanted = 2 + int.from_bytes(self._request[:2], "big")
        if not 2 < wanted <= 2 + MAX_TARGET or len(self._request) > wanted:
            self.refuse(RelayStatus.MALFORMED)
        elif len(self._request) == wanted:
            self._ask(bytes(self._request[2:]))

    def _ask(self, target: bytes) -> None:
        self._stop_timer()
        self._request = None
        if self.transport is not None:
            self.transport.pause_reading()
        self._task = self.relay.dial(self, target.decode("ascii", errors="replace"))

    def connected(self, outer: "_Outer") -> None:
        """The source is there: say so and pass bytes from now on."""
        self._task = None
        if self.transport is None or outer.transport is None:
            if outer.transport is not None:
                outer.transport.abort()
            return
        self.relay.counters.answers[RelayStatus.CONNECTED] += 1
        self.peer, outer.peer = outer, self
        self.transport.write(bytes((RelayStatus.CONNECTED,)))
        self.transport.resume_reading()

    def refuse(self, status: RelayStatus) -> None:
        """Answer a status and close."""
        self._stop_timer()
        self._request = None
        if self.transport is not None and not self.transport.is_closing():
            self.relay.counters.answers[status] += 1
            self.transport.write(bytes((status,)))
            self.transport.close()

    def abort(self) -> None:
        """Close both ends at once."""
        for end in (self, self.peer):
            if end is not None and end.transport is not None:
                end.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        if self._task is not None:
            self._task.cancel()
        super().connection_lost(exc)
        self.relay.leave(self)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _listen(path: Path) -> socket.socket:
    """Bind a unix socket that only this user can reach; a stale one is replaced."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # What Linux gives the file in `bind`. A umask would hold for all threads, and for the
    # directories that they make meanwhile.
    os.fchmod(listener.fileno(), 0o600)
    listener.bind(str(path))
    listener.setblocking(False)
    return listener
