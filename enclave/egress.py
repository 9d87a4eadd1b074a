"""The only module that opens an outbound connection: HTTPS through the host's relay.

The enclave has no network. It opens a stream to the relay (AF_UNIX or AF_VSOCK), names the target
and reads one status byte; TLS then runs end to end, so the host carries ciphertext. The relay can
refuse, delay and drop; it can neither read nor alter.

Wire, once a stream: `u16 length | ASCII "host:port"`, big-endian; the answer is one byte:
0 connected, 1 not on the allow list, 2 cannot resolve or connect, 3 malformed, 4 too many streams.
"""

import asyncio
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from enclave.domain.errors import ConfigError, SourceMalformed, SourceUnavailable
from enclave.tls import make_tls_context

CONNECTED = 0
_RELAY_REFUSALS: dict[int, tuple[type[SourceUnavailable | SourceMalformed], str]] = {
    1: (SourceMalformed, "the host is not on the allow list"),
    2: (SourceUnavailable, "the host cannot be resolved or reached"),
    3: (SourceMalformed, "the request for a host is malformed"),
    4: (SourceUnavailable, "too many open streams"),
}
#: What every request carries. Some venues refuse requests without a user agent.
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "confidential-oracle/1"}
_HOST = re.compile(r"(?:[a-z0-9-]{1,63}\.)+[a-z][a-z0-9-]{0,62}(?::[1-9][0-9]{0,4})?", re.ASCII)
_VSOCK = re.compile(r"([0-9]{1,10}):([0-9]{1,10})", re.ASCII)

#: Requests kept in prepared form.
_MAX_PREPARED = 4_096

#: Bytes that are taken at once. The client library parses whatever has arrived, also thousands of
#: responses after the one that was asked for, before the reader of that one can hang up.
_MAX_ARRIVAL = 32_768

_HTTPS = 443

RelayAddress = tuple[socket.AddressFamily, str | tuple[int, int]]
#: Counts the bytes that a host of sources sent; whether it may send more.
Meter = Callable[[str, int], bool]
_Key = tuple[str, str, tuple[tuple[str, str], ...]]


class Request(Protocol):
    """One HTTPS GET; `sources.base.HttpRequest` is one."""

    @property
    def host(self) -> str:
        """Lower-case DNS name, `:port` appended unless the port is 443."""

    @property
    def path(self) -> str:
        """Path and query, percent-encoded."""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Further headers."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what a source may cost.

    Attributes:
        body: Largest body, bytes.
        header: Largest header line, bytes.
        headers: Most header lines.
        connections_per_host: Connections to one host; further requests wait for one.
        connections: Connections in all.
        keep_alive_s: An idle connection older than this is not used again.
    """

    body: int = 524_288
    header: int = 8_190
    headers: int = 96
    connections_per_host: int = 6
    connections: int = 256
    keep_alive_s: float = 55.0


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP response, whatever its status.

    Attributes:
        status: HTTP status code.
        body: The whole body; never compressed, at most `Limits.body` bytes.
        dates: Every `Date` header, as sent.
        ages: Every `Age` header, as sent.
    """

    status: int
    body: bytes
    dates: tuple[str, ...]
    ages: tuple[str, ...]


def parse_relay(text: str) -> RelayAddress:
    """Read `unix:PATH` or `vsock:CID:PORT`.

    Raises:
        ConfigError: Another form.
    """
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest:
        return socket.AF_UNIX, rest
    numbers = _VSOCK.fullmatch(rest) if kind == "vsock" else None
    if numbers is None or int(numbers[1]) >= 2**32 or int(numbers[2]) >= 2**32:
        raise ConfigError(f"relay is {text!r}, wanted unix:PATH or vsock:CID:PORT")
    return socket.AF_VSOCK, (int(numbers[1]), int(numbers[2]))


class _RelayedSocket(socket.socket):
    """A stream that the relay has connected already, and whose incoming bytes are counted."""

    def __init__(self, stream: socket.socket, name: str, meter: Meter) -> None:
        super().__init__(stream.family, socket.SOCK_STREAM, fileno=stream.detach())
        self._name = name
        self._meter = meter

    def connect(self, address: Any, /) -> None:
        """Leave the stream as the relay made it: the client library's connect does nothing."""

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0, /) -> int:
        """What the event loop reads TLS with; breaks off where the source sends too much."""
        size = super().recv_into(buffer, min(nbytes or len(buffer), _MAX_ARRIVAL), flags)
        if not self._meter(self._name, size):
            raise ConnectionAbortedError("more bytes than the source may send")
        return size


class Relay(AbstractResolver):
    """Dials the relay where the client library believes to resolve a name.

    `resolve` opens the stream and returns a ticket in the place of an address; `take` is the
    library's socket factory and hands the stream over for that ticket, in the same step of the
    event loop.
    """

    def __init__(self, address: RelayAddress, meter: Meter) -> None:
        self._family, self._address = address
        self._meter = meter
        self._ready: dict[str, socket.socket] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Open a stream to the target and return its ticket.

        Raises:
            SourceUnavailable: The relay or the target cannot be reached now.
            SourceMalformed: The relay refuses the target.
        """
        stream = await self._dial(f"{host}:{port}".encode("ascii"))
        name = host if port == _HTTPS else f"{host}:{port}"
        relayed = _RelayedSocket(stream, name, self._meter)
        ticket = str(relayed.fileno())
        self._ready[ticket] = relayed
        return [
            ResolveResult(
                hostname=host, host=ticket, port=port, family=socket.AF_INET, proto=0, flags=0
            )
        ]

    def take(self, info: Any) -> socket.socket:
        """The stream whose ticket stands in the place of the address."""
        stream = self._ready.pop(info[4][0], None)
        if stream is None:
            raise OSError("an address that the relay did not dial")
        return stream

    async def close(self) -> None:
        """Nothing is held between two steps of the loop."""

    async def _dial(self, target: bytes) -> socket.socket:
        try:
            stream = socket.socket(self._family, socket.SOCK_STREAM)
        except OSError as error:
            raise SourceUnavailable("relay: this machine has no such sockets") from error
        try:
            stream.setblocking(False)
            answer = await self._ask(stream, target)
        except OSError as error:
            stream.close()
            raise SourceUnavailable(f"relay: {type(error).__name__}") from error
        except BaseException:
            stream.close()
            raise
        if answer != bytes((CONNECTED,)):
            stream.close()
            raise _relay_refusal(answer)
        return stream

    async def _ask(self, stream: socket.socket, target: bytes) -> bytes:
        """Connect to the relay, name the target, read the status."""
        loop = asyncio.get_running_loop()
        if self._family == socket.AF_UNIX:
            # A unix socket connects at once or not at all; the loop would take the EAGAIN of a
            # full backlog for a connection in progress.
            stream.connect(self._address)
        else:
            await loop.sock_connect(stream, self._address)
        await loop.sock_sendall(stream, len(target).to_bytes(2, "big") + target)
        return await loop.sock_recv(stream, 1)


def _relay_refusal(answer: bytes) -> SourceUnavailable | SourceMalformed:
    if not answer:
        return SourceUnavailable("relay: closed without a status")
    kind, text = _RELAY_REFUSALS.get(
        answer[0], (SourceMalformed, f"status {answer[0]}, wanted 0 to 4")
    )
    return kind(f"relay: {text}")


class Egress:
    """Fetches over kept-alive HTTPS connections; use as an async context manager."""

    def __init__(
        self,
        relay: str,
        *,
        ca_pem: bytes,
        extra_ca: bytes | None,
        meter: Meter,
        limits: Limits | None = None,
    ) -> None:
        """Set up; nothing is opened yet.

        Args:
            relay: `unix:PATH` or `vsock:CID:PORT`.
            ca_pem: The measured CA bundle.
            extra_ca: A further CA, for the emulated attester only; the caller sees to that.
            meter: Asked at every arrival of bytes, with the host as in `Request.host`.
            limits: Bounds; the defaults are those of `Limits`.

        Raises:
            ConfigError: A malformed address or CA bundle.
        """
        self._address = parse_relay(relay)
        self._tls = make_tls_context(ca_pem, extra_ca)
        self._meter = meter
        self._limits = limits or Limits()
        self._session: aiohttp.ClientSession | None = None
        self._prepared: dict[_Key, tuple[URL, dict[str, str]]] = {}

    async def __aenter__(self) -> Self:
        relay, limits = Relay(self._address, self._meter), self._limits
        connector = aiohttp.TCPConnector(
            ssl=self._tls,
            resolver=relay,
            socket_factory=relay.take,
            use_dns_cache=False,
            limit=limits.connections,
            limit_per_host=limits.connections_per_host,
            keepalive_timeout=limits.keep_alive_s,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            # The total deadline of `fetch` covers every phase.
            timeout=aiohttp.ClientTimeout(),
            auto_decompress=False,
            trust_env=False,
            max_line_size=limits.header,
            max_field_size=limits.header,
            max_headers=limits.headers,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def fetch(self, request: Request, *, deadline_s: float) -> Reply:
        """Fetch one reply.

        Redirects are not followed. Establishes who answered (the host name's certificate), not
        when: see the clock for what `Date` and `Age` are worth.

        Args:
            request: What to ask.
            deadline_s: Total time for waiting, dialling, TLS, headers and body, seconds.

        Returns:
            The response, whatever its status.

        Raises:
            SourceUnavailable: No complete answer in time; asking again may help.
            SourceMalformed: The answer breaks HTTP, TLS or a limit.
        """
        url, headers = self._prepare(request)
        with _typed_errors(deadline_s):
            async with (
                asyncio.timeout(deadline_s),
                self._open_session().get(url, headers=headers, allow_redirects=False) as response,
            ):
                _check_framing(response)
                return Reply(
                    status=response.status,
                    body=await self._read(response),
                    dates=tuple(response.headers.getall("Date", ())),
                    ages=tuple(response.headers.getall("Age", ())),
                )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise SourceUnavailable("egress is closed")
        return self._session

    def _prepare(self, request: Request) -> tuple[URL, dict[str, str]]:
        """The request as the client library takes it; kept, since rounds repeat their requests."""
        key = (request.host, request.path, request.headers)
        prepared = self._prepared.get(key)
        if prepared is None:
            if not _HOST.fullmatch(request.host):
                raise SourceMalformed(f"host is {request.host!r}, wanted a DNS name")
            if len(self._prepared) >= _MAX_PREPARED:
                self._prepared.clear()
            url = URL(f"https://{request.host}{request.path}", encoded=True)
            prepared = self._prepared[key] = (url, dict(request.headers))
        return prepared

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """The body, given up as soon as it is larger than the limit."""
        limit = self._limits.body
        if (response.content_length or 0) > limit:
            raise SourceMalformed(f"body of {response.content_length} bytes, wanted <= {limit}")
        chunks: list[bytes] = []
        size = 0
        while chunk := await response.content.readany():
            size += len(chunk)
            if size > limit:
                raise SourceMalformed(f"body is larger than {limit} bytes")
            chunks.append(chunk)
        return b"".join(chunks)


def _check_framing(response: aiohttp.ClientResponse) -> None:
    """Refuse bodies whose end only the hang-up marks, and compressed ones.

    The relay can cut a stream, so the end of a body must be stated inside of TLS. `identity` was
    asked for, and nothing here decompresses.
    """
    is_chunked = response.headers.get("Transfer-Encoding", "").lower() == "chunked"
    if response.status == 200 and response.content_length is None and not is_chunked:
        raise SourceMalformed("body without a stated end, wanted a length or chunks")
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise SourceMalformed("body is content-encoded, wanted identity")


@contextmanager
def _typed_errors(deadline_s: float) -> Iterator[None]:
    """Turn the client library's errors into ours; texts hold no URL."""
    try:
        yield
    except TimeoutError as error:
        raise SourceUnavailable(f"no complete answer within {deadline_s} s") from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise SourceMalformed(f"certificate refused: {_reason(error.certificate_error)}") from error
    except aiohttp.ClientSSLError as error:
        raise SourceMalformed(f"TLS failed: {_reason(error.os_error)}") from error
    except aiohttp.ClientResponseError as error:
        raise SourceMalformed("answer is not HTTP/1.1 within the limits") from error
    except (aiohttp.ClientError, OSError) as error:
        raise SourceUnavailable(f"connection failed: {type(error).__name__}") from error


def _reason(error: Exception) -> str:
    """The TLS library's code for what was wrong, such as `CERTIFICATE_VERIFY_FAILED`."""
    message = getattr(error, "verify_message", None) or getattr(error, "reason", None)
    return str(message or type(error).__name__)
