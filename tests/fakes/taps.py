"""Taps on loopback connections: they pass everything on and keep a copy of every byte."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

_CHUNK = 65_536
#: Passes on what a client says: from its reader to the next hop, with the way back to it.
Forward = Callable[
    [asyncio.StreamReader, asyncio.StreamWriter, asyncio.StreamWriter], Coroutine[Any, Any, None]
]


@dataclass(slots=True)
class Tap:
    """What passed, both ways.

    Attributes:
        upstream: Port on 127.0.0.1 that connections are passed on to.
        port: Where it listens.
        kept: Every byte that passed.
        legitimate: What of HTTP requests is where its secret belongs: request lines and
            `Authorization` headers. The next hop does not get them.
        is_echoing: Answer HTTP requests with an error that gives back all that was asked with.
        is_down: Close each connection at once.
    """

    upstream: int = 0
    port: int = 0
    kept: bytearray = field(default_factory=bytearray)
    legitimate: bytearray = field(default_factory=bytearray)
    is_echoing: bool = False
    is_down: bool = False
    connections: int = 0

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, byte for byte."""
        await self._join(reader, writer, self._copy)

    async def pass_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of HTTP/1.1, request for request."""
        await self._join(reader, writer, self._requests)

    async def _join(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, forward: Forward
    ) -> None:
        self.connections += 1
        onward = None
        try:
            if not self.is_down:
                back, onward = await asyncio.open_connection("127.0.0.1", self.upstream)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(forward(reader, onward, writer))
                    tasks.create_task(self._copy(back, writer, onward))
        except* (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # One of the two is gone.
        finally:
            for end in (writer, onward):
                if end is not None:
                    end.close()

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        other: asyncio.StreamWriter,
    ) -> None:
        while data := await reader.read(_CHUNK):
            self.kept += data
            writer.write(data)
            await writer.drain()
        with suppress(OSError, NotImplementedError):
            writer.close()

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
    ) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except EOFError:
                writer.close()
                return
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
            line, plain = self._split(head)
            self.kept += plain + body
            if self.is_echoing:
                client.write(_echo(head))
                await client.drain()
                continue
            writer.write(line + plain + body)
            await writer.drain()

    def _split(self, head: bytes) -> tuple[bytes, bytes]:
        """The request line without its secrets, and the headers without theirs."""
        line, _, rest = head.partition(b"\r\n")
        secret = re.findall(rb"(?i)authorization: [^\r]*\r\n", rest)
        self.legitimate += line + b"\r\n" + b"".join(secret)
        plain = re.sub(rb"(?i)authorization: [^\r]*\r\n", b"", rest)
        method, target, version = line.split(b" ")
        # /v2/TOKEN/what/is/asked?for, or /v2/TOKEN?apikey=SECRET
        onward = re.sub(rb"^/v2/[^/?]*(\?apikey=.*)?", b"", target) or b"/"
        return b" ".join((method, onward, version)) + b"\r\n", plain


def _echo(head: bytes) -> bytes:
    error = {"code": 1, "message": head.hex()}
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
    reply = b"HTTP/1.1 401 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return reply % (head.split(b"\r\n")[0], len(body)) + body


@asynccontextmanager
async def tapped(tap: Tap, *, is_http: bool) -> AsyncIterator[Tap]:
    """Listen on a free port for the length of the block."""
    handler = tap.pass_http if is_http else tap.pass_on
    server = await asyncio.start_server(handler, "127.0.0.1", 0, limit=1 << 20)
    tap.port = server.sockets[0].getsockname()[1]
    try:
        yield tap
    finally:
        server.close()
