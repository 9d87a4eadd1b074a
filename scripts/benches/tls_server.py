"""A TLS price source for benches, as a process of its own: it answers at once, without delay.

Usage: tls_server.py BODY_FILE CERTIFICATE_WITH_KEY...
"""

import asyncio
import json
import ssl
import sys
import time
from email.utils import formatdate
from pathlib import Path


class Source(asyncio.Protocol):
    """Answers every GET on a keep-alive connection with the same body and a true Date."""

    body = b""
    _second = 0
    _reply = b""

    def __init__(self) -> None:
        self._pending = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each complete request head."""
        self._pending += data
        heads = self._pending.split(b"\r\n\r\n")
        self._pending = heads.pop()
        if heads and self._transport is not None:
            self._transport.write(self._current() * len(heads))

    @classmethod
    def _current(cls) -> bytes:
        second = int(time.time())
        if second != cls._second:
            head = (
                f"HTTP/1.1 200 OK\r\nDate: {formatdate(second, usegmt=True)}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(cls.body)}\r\n\r\n"
            )
            cls._second, cls._reply = second, head.encode() + cls.body
        return cls._reply


async def main(body: bytes, certificates: list[str]) -> None:
    """Serve until killed, one port for each certificate; prints the ports as a JSON list."""
    Source.body = body
    servers = []
    for certificate in certificates:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        servers.append(
            await asyncio.get_running_loop().create_server(
                Source, "127.0.0.1", 0, ssl=context, backlog=1024
            )
        )
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).read_bytes(), sys.argv[2:]))
