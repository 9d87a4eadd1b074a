"""Where peers reach this node: HTTPS for pinned certificates only, two kinds of requests."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence, Set
from contextlib import asynccontextmanager
from typing import Any, Protocol

import structlog
from aiohttp import web

from enclave.domain import wire
from enclave.domain.errors import ConfigError, OracleError, ProtocolError, RequestRefused
from oracle.config import split_listen
from oracle.quorum.certificates import Identity, Peer, server_context
from oracle.quorum.messages import (
    CONTENT_TYPE,
    COSIGN_PATH,
    MAX_BODY,
    OBSERVE_PATH,
    CosignRequest,
    ObserveRequest,
    decode_message,
    encode_message,
    plain_text,
)
from oracle.telemetry.state import PeerState

log = structlog.get_logger(__name__)

#: Requests of one peer that are worked on at once.
MAX_IN_FLIGHT = 2
#: Connections of one peer; more are closed at once.
MAX_CONNECTIONS = 8
_HANDSHAKE_S = 5.0
_IDLE_S = 75.0
_CLOSE_S = 1.0
_SHAPES: dict[str, type[Any]] = {OBSERVE_PATH: ObserveRequest, COSIGN_PATH: CosignRequest}


class Responder(Protocol):
    """Answers peers; what it raises becomes a refusal."""

    async def observe(self, peer: Peer, request: ObserveRequest) -> wire.SignedObservation:
        """What the held round says of the hub's feeds."""
        ...

    async def cosign(self, peer: Peer, request: CosignRequest) -> wire.CosignResult:
        """A signature of the report that observations make, or the feeds that are refused."""
        ...


class _Refused(OracleError):
    """Refused before anybody looked at the content."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Door:
    """Handles the requests of all peers."""

    def __init__(
        self,
        responder: Responder,
        peers: Sequence[Peer],
        states: dict[str, PeerState],
        body_s: float,
    ) -> None:
        self._responder = responder
        self._peers = {peer.certificate.der: peer for peer in peers}
        self._states = states
        self._body_s = body_s
        self._in_flight: Counter[str] = Counter()
        self._refusals: dict[str, str] = {}

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """One request; every outcome has a CBOR body, and none a traceback."""
        peer = self._peers.get(_shown(request.transport))
        if peer is None:
            # It hung up meanwhile: `_Gate` lets nobody else in.
            return _refusal(403, _Refused(403, "this certificate is not pinned here"))
        state = self._states[peer.operator]
        try:
            answer = await self._within_bounds(peer, request)
        except OracleError as error:
            state.refused += 1
            self._say(peer, request.path, error)
            return _refusal(_status(error), error)
        except Exception as error:  # noqa: BLE001 the boundary to others: said, never shown
            state.refused += 1
            log.error("peer_request_failed", peer=peer.operator, error=type(error).__name__)
            return _refusal(500, OracleError("internal failure"))
        state.served += 1
        self._refusals.pop(peer.operator, None)
        return web.Response(body=answer, content_type=CONTENT_TYPE)

    def _say(self, peer: Peer, path: str, error: OracleError) -> None:
        """One line for each kind of refusal in a row, however often a peer asks."""
        kind = f"{path} {type(error).__name__}"
        if self._refusals.get(peer.operator) != kind:
            self._refusals[peer.operator] = kind
            what = path if path in _SHAPES else "another path"
            log.warning("peer_refused", peer=peer.operator, path=what, why=plain_text(str(error)))

    async def _within_bounds(self, peer: Peer, request: web.BaseRequest) -> bytes:
        if self._in_flight[peer.operator] >= MAX_IN_FLIGHT:
            raise _Refused(429, f"{MAX_IN_FLIGHT} requests are worked on, which is the most")
        self._in_flight[peer.operator] += 1
        try:
            return await self._answer(peer, request)
        finally:
            self._in_flight[peer.operator] -= 1

    async def _answer(self, peer: Peer, request: web.BaseRequest) -> bytes:
        shape = _SHAPES.get(request.path)
        if shape is None:
            raise _Refused(404, "no such path")
        if request.method != "POST":
            raise _Refused(405, "wanted POST")
        try:
            async with asyncio.timeout(self._body_s):
                body = await _read(request)
        except TimeoutError:
            raise _Refused(408, f"no complete body within {self._body_s:g} s") from None
        message = decode_message(shape, body)
        if isinstance(message, ObserveRequest):
            return encode_message(await self._responder.observe(peer, message))
        return encode_message(await self._responder.cosign(peer, message))


def _shown(transport: asyncio.BaseTransport | None) -> bytes:
    """The certificate that the other end of a connection showed, DER; empty once it is closed."""
    tls = None if transport is None else transport.get_extra_info("ssl_object")
    return b"" if tls is None else tls.getpeercert(binary_form=True) or b""


async def _read(request: web.BaseRequest) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY:
            raise _Refused(413, f"body of more than {MAX_BODY} bytes")
    return b"".join(chunks)


def _status(error: OracleError) -> int:
    if isinstance(error, _Refused):
        return error.status
    if isinstance(error, RequestRefused):
        return 422
    # `EnclaveLost` is a ProtocolError, too, but not the peer's.
    return 400 if type(error) is ProtocolError else 503


def _refusal(status: int, error: OracleError) -> web.Response:
    kind = "RequestRefused" if isinstance(error, _Refused) else type(error).__name__
    view = wire.ErrorView(kind, str(error)[:500], status in (408, 429, 503))
    return web.Response(status=status, body=encode_message(view), content_type=CONTENT_TYPE)


class _Gate(asyncio.Protocol):
    """Closes a connection of whoever is not pinned or has too many; hands the others on.

    TLS lets in what is pinned, and what a pinned authority signed. Here the bytes count.
    """

    def __init__(self, http: web.Server, pinned: Set[bytes]) -> None:
        self._http = http
        self._pinned = pinned

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        shown = _shown(transport)
        others = sum(_shown(one.transport) == shown for one in self._http.connections)
        if shown not in self._pinned or others >= MAX_CONNECTIONS:
            transport.close()
            return
        handler = self._http()
        transport.set_protocol(handler)
        handler.connection_made(transport)


@asynccontextmanager
async def serve_peers(
    responder: Responder,
    own: Identity,
    peers: Sequence[Peer],
    *,
    listen: str,
    body_s: float,
    states: dict[str, PeerState],
) -> AsyncIterator[int]:
    """Serve until the end of the block.

    Args:
        responder: Answers.
        own: What this node shows.
        peers: Whose certificates are accepted.
        listen: `HOST:PORT`; port 0 takes a free one.
        body_s: Limit for a request's body, from its headers on.
        states: One entry for each operator.

    Returns:
        The port.

    Raises:
        ConfigError: It cannot listen there, or the certificate cannot be used for TLS.
    """
    door = _Door(responder, peers, states, body_s)
    context = server_context(own, peers)
    http = web.Server(
        door.handle,
        access_log=None,
        keepalive_timeout=_IDLE_S,
        lingering_time=_CLOSE_S,
        auto_decompress=False,
    )

    pinned = {peer.certificate.der for peer in peers}
    host, port = split_listen(listen)
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(
            lambda: _Gate(http, pinned),
            host,
            port,
            ssl=context,
            ssl_handshake_timeout=_HANDSHAKE_S,
        )
    except OSError as error:
        reason = error.strerror or "cannot listen"
        raise ConfigError(f"quorum: {listen}: {reason}; set quorum.listen") from error
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await http.shutdown(_CLOSE_S)
