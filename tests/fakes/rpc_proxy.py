"""An endpoint in front of a node: honest until the test arms a fault, and it tells what it did.

It speaks HTTP/1.1 over bare sockets, since half of the faults are what a server's library prevents.
A client that speaks TLS to its port gets an alert: `https_url` is an endpoint whose TLS fails.
"""

import asyncio
import json
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.geth_node import GethNode
from tests.fakes.rpc_faults import ALTERED, BODIES, LOST, Exchange, Fault, answer, as_body

#: Of a request; more is a fault of the client.
_MAX_HEAD = 64 * 1024
_HANDSHAKE = b"\x16"
#: Fatal alert `handshake_failure` (RFC 5246, section 7.2).
_TLS_ALERT = b"\x15\x03\x03\x00\x02\x02\x28"
_JSON = {"Content-Type": "application/json"}
_DRIP_S = 0.05

#: The stages of a transaction, as the methods that are asked in them.
SEND = frozenset({"eth_sendRawTransaction"})
CONFIRM = frozenset({"eth_getTransactionReceipt", "eth_getTransactionByHash"})


@dataclass(frozen=True, slots=True)
class Told:
    """What the proxy did with one request.

    Attributes:
        fault: `None` if it was answered honestly.
    """

    number: int
    method: str
    fault: Fault | None


@dataclass(slots=True)
class _Armed:
    fault: Fault
    methods: Collection[str] | None
    spared: Collection[str]
    left: int | None
    depth: int
    height: int

    def takes(self, method: str) -> bool:
        return (
            self.left != 0
            and (self.methods is None or method in self.methods)
            and method not in self.spared
        )


@dataclass(slots=True)
class RpcProxy:
    """One endpoint; several may stand in front of one node.

    Attributes:
        node: Who answers.
        seed: Of what the faults draw.
        told: Every request in order, and what was done with it.
        redirected: Requests that followed a redirect.
    """

    node: GethNode
    seed: int
    told: list[Told] = field(default_factory=list)
    redirected: int = 0
    port: int = 0
    _armed: list[_Armed] = field(default_factory=list)
    _last_result: Any = None
    _rng: random.Random = field(default_factory=random.Random)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _released: asyncio.Event = field(default_factory=asyncio.Event)
    _connections: "set[asyncio.Task[None]]" = field(default_factory=set)

    def __post_init__(self) -> None:
        self._rng.seed(self.seed)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/key"

    @property
    def https_url(self) -> str:
        """The same port, where TLS fails."""
        return f"https://127.0.0.1:{self.port}/key"

    async def arm(
        self,
        fault: Fault,
        *,
        methods: Collection[str] | None = None,
        spared: Collection[str] = (),
        count: int | None = None,
        depth: int = 3,
    ) -> None:
        """Apply a fault from now on; of several armed ones the first that takes a method.

        Args:
            fault: Which.
            methods: To which requests; `None` is all.
            spared: To which not.
            count: How often; `None` until `clear`.
            depth: By how many blocks a lagging node is behind.
        """
        self._released.clear()
        height = await self.node.height()
        self._armed.append(_Armed(fault, methods, spared, count, depth, height))

    def clear(self) -> None:
        """Be honest again; replies that are held back are let go."""
        self._armed.clear()
        self._released.set()

    def count(self, method: str | None = None, *, fault: Fault | None = None) -> int:
        """Requests so far, of a method, or that met a fault."""
        return sum(
            method in (told.method, None) and (fault is None or told.fault is fault)
            for told in self.told
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds, looked at after each request."""
        async with self._changed:
            await self._changed.wait_for(condition)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection; ends quietly whatever the client does."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._serve_one(reader, writer):
                pass
        except (OSError, EOFError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # The client is gone, or the test is over: `end` waits for this task.
        finally:
            self._connections.discard(task)
            writer.close()

    async def end(self) -> None:
        """Close every connection."""
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection goes on."""
        first = await reader.readexactly(1)
        if first == _HANDSHAKE:
            writer.write(_TLS_ALERT)
            await writer.drain()
            return False
        head = first + await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(_length(head))
        if b" /redirected" in head.split(b"\r\n", 1)[0]:
            self.redirected += 1
        request = json.loads(body) if body else {"method": "", "id": None}
        armed = self._pick(str(request["method"]))
        async with self._changed:
            fault = armed.fault if armed else None
            self.told.append(Told(len(self.told) + 1, str(request["method"]), fault))
            self._changed.notify_all()
        exchange = Exchange(
            request=request,
            node=self.node,
            rng=self._rng,
            depth=armed.depth if armed else 0,
            armed_at=armed.height if armed else 0,
            last_result=self._last_result,
        )
        if armed is None:
            reply = await exchange.ask()
            self._last_result = reply.get("result")
            writer.write(_response(as_body(reply)))
            await writer.drain()
            return True
        return await self._apply(armed.fault, exchange, writer)

    def _pick(self, method: str) -> _Armed | None:
        for armed in self._armed:
            if armed.takes(method):
                armed.left = None if armed.left is None else armed.left - 1
                return armed
        return None

    async def _apply(self, fault: Fault, exchange: Exchange, writer: asyncio.StreamWriter) -> bool:
        """Say what the fault says; whether the connection goes on."""
        is_lost = fault in LOST and fault not in ALTERED
        body = b"" if is_lost else as_body(await answer(fault, exchange))
        if fault in _CONNECTION:
            await _CONNECTION[fault](self, body, writer)
            return fault is Fault.DUPLICATED
        status, headers, alter = BODIES.get(fault, (200, {}, bytes))
        writer.write(_response(alter(body), status, _JSON | dict(headers)))
        await writer.drain()
        return True

    async def wait_until_cleared(self) -> None:
        """Until the test arms the fault no longer."""
        await self._released.wait()

    def draw(self, first: int, last: int) -> int:
        """A number from the seed, both ends included."""
        return self._rng.randint(first, last)


_Behaviour = Callable[[RpcProxy, bytes, asyncio.StreamWriter], Awaitable[None]]


async def _close(_: RpcProxy, _body: bytes, _writer: asyncio.StreamWriter) -> None:
    """Nothing is said; the caller closes."""


async def _reset(_: RpcProxy, body: bytes, writer: asyncio.StreamWriter) -> None:
    """Half of the reply, then RST: a close with a linger time of zero."""
    response = _response(body)
    writer.write(response[: len(response) // 2])
    await writer.drain()
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _half_close(proxy: RpcProxy, _body: bytes, writer: asyncio.StreamWriter) -> None:
    """FIN in one direction; the other stays open until the fault is cleared."""
    writer.write_eof()
    await proxy.wait_until_cleared()


async def _truncate(proxy: RpcProxy, body: bytes, writer: asyncio.StreamWriter) -> None:
    response = _response(body)
    writer.write(response[: len(response) - proxy.draw(1, len(body))])
    await writer.drain()


async def _cut_chunks(_: RpcProxy, body: bytes, writer: asyncio.StreamWriter) -> None:
    lines = ["HTTP/1.1 200 X", "Content-Type: application/json", "Transfer-Encoding: chunked"]
    head = "\r\n".join([*lines, "", f"{len(body):x}", ""])
    writer.write(head.encode() + body + b"\r\n")
    await writer.drain()


async def _delay(proxy: RpcProxy, body: bytes, writer: asyncio.StreamWriter) -> None:
    await proxy.wait_until_cleared()
    writer.write(_response(body))
    await writer.drain()


async def _hang(proxy: RpcProxy, _body: bytes, _writer: asyncio.StreamWriter) -> None:
    await proxy.wait_until_cleared()


async def _drip(_: RpcProxy, body: bytes, writer: asyncio.StreamWriter) -> None:
    """Padded, so that the client loses its patience, and closes, long before the end."""
    for byte in _response(body + b" " * 2_000):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(_DRIP_S)


async def _duplicate(_: RpcProxy, body: bytes, writer: asyncio.StreamWriter) -> None:
    """The second one waits in the client's buffer for its next request on this connection."""
    writer.write(_response(body) * 2)
    await writer.drain()


async def _alert(_: RpcProxy, _body: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(_TLS_ALERT)
    await writer.drain()


async def _big_head(_: RpcProxy, body: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(_response(body, headers=_JSON | {"X-Padding": "A" * 2**20}))
    await writer.drain()


async def _redirect(proxy: RpcProxy, _body: bytes, writer: asyncio.StreamWriter) -> None:
    location = {"Location": f"http://localhost:{proxy.port}/redirected"}
    writer.write(_response(b"", 302, location))
    await writer.drain()


_CONNECTION: Mapping[Fault, _Behaviour] = {
    Fault.REQUEST_LOST: _close,
    Fault.REPLY_LOST: _close,
    Fault.RESET: _reset,
    Fault.HALF_CLOSED: _half_close,
    Fault.TRUNCATED: _truncate,
    Fault.CHUNKS_CUT: _cut_chunks,
    Fault.DELAYED: _delay,
    Fault.HANGING: _hang,
    Fault.SLOW_DRIP: _drip,
    Fault.DUPLICATED: _duplicate,
    Fault.TLS_FAILURE: _alert,
    Fault.HUGE_HEADERS: _big_head,
    Fault.REDIRECT: _redirect,
}


@asynccontextmanager
async def rpc_proxy(node: GethNode, *, seed: int) -> AsyncIterator[RpcProxy]:
    """Listen on a free port of this machine."""
    proxy = RpcProxy(node, seed)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=_MAX_HEAD)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def _response(body: bytes, status: int = 200, headers: Mapping[str, str] = _JSON) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
