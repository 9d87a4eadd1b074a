"""A relay whose other end is a TLS server in the same process: one unix socket, no IP."""

import asyncio
import secrets
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def unmetered(host: str, size: int) -> bool:
    """Every source may send as much as it likes."""
    return True


class ThrowAwayCa:
    """A certificate authority that lives as long as the test."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, f"throw-away {secrets.token_hex(8)}")]
        )
        self._now = datetime.now(UTC)
        certificate = self._certificate(self._name, self._key, days=30).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.pem = certificate.sign(self._key, hashes.SHA256()).public_bytes(
            serialization.Encoding.PEM
        )

    def _certificate(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - timedelta(days=60))
            .not_valid_after(self._now + timedelta(days=days))
        )

    def server(self, folder: Path, host: str, *, days: int = 30) -> ssl.SSLContext:
        """Server side for a host; `days` below 0 makes an expired certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._certificate(x509.Name([]), key, days=days)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        path = folder / f"{host}-{days}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


@dataclass(slots=True)
class RelayedVenue:
    """Listens where the relay listens, answers a status, and is the TLS server behind it.

    Attributes:
        path: Unix socket.
        tls: Server side of TLS; `None` speaks in clear after the status.
        handler: Serves one connection after the handshake.
        status: What the relay answers; empty closes without an answer, `None` never answers.
    """

    path: Path
    tls: ssl.SSLContext | None
    handler: Handler
    status: bytes | None = b"\0"
    targets: list[str] = field(default_factory=list)
    open: int = 0
    most_open: int = 0
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        try:
            length = int.from_bytes(await reader.readexactly(2), "big")
            self.targets.append((await reader.readexactly(length)).decode("ascii"))
            if self.status is None:
                await reader.read()
                return
            writer.write(self.status)
            if self.status == b"\0":
                if self.tls is not None:
                    await writer.start_tls(self.tls)
                await self.handler(reader, writer)
        except (OSError, EOFError):
            pass
        finally:
            self.open -= 1
            writer.close()


def serving(*responses: bytes, requests: list[bytes] | None = None) -> Handler:
    """Answers one request after the other with these bytes; the last one again and again."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = list(responses)
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            if requests is not None:
                requests.append(request)
            writer.write(left.pop(0) if len(left) > 1 else left[0])
            await writer.drain()

    return handle


def response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """One HTTP response with its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
