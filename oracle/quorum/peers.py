"""Client of the other nodes: pinned TLS both ways, bounded in time and size, one line a failure."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

import aiohttp

from enclave.domain import wire
from enclave.domain.errors import OracleError, ProtocolError
from oracle.quorum.certificates import Identity, Peer, client_context
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

#: Requests on their way to one peer, and its connections.
MAX_IN_FLIGHT = 2
_OK = 200
_NO_CERTIFICATE = ("ALERT_UNKNOWN_CA", "ALERT_CERTIFICATE", "ALERT_BAD_CERTIFICATE")

T = TypeVar("T")


class PeerFailed(OracleError):
    """A peer gave no usable answer; the message says what it did, without its name."""

    retryable = True


class PeerRefused(PeerFailed):
    """A peer answered with a refusal."""


class PeerClient:
    """One peer.

    Attributes:
        peer: Who it is.
    """

    def __init__(
        self,
        peer: Peer,
        session: aiohttp.ClientSession,
        tls: ssl.SSLContext,
        *,
        timeout_s: float,
        state: PeerState,
    ) -> None:
        """Set up; see `open_peers`, whose sessions compare the certificate's bytes."""
        self.peer = peer
        self._session = session
        self._tls = tls
        self._timeout_s = timeout_s
        self._state = state

    async def observe(self, request: ObserveRequest) -> wire.SignedObservation:
        """Ask what its held round says of the hub's feeds; nothing of the answer is verified.

        Raises:
            PeerFailed: No usable answer within the limit.
        """
        return await self._ask(OBSERVE_PATH, request, wire.SignedObservation)

    async def cosign(self, request: CosignRequest) -> wire.CosignResult:
        """Ask for a signature; nothing of the answer is verified.

        Raises:
            PeerFailed: No usable answer within the limit.
        """
        return await self._ask(COSIGN_PATH, request, wire.CosignResult)

    def blame(self, reason: str) -> None:
        """An answer came, but was no good."""
        self._state.failures += 1
        self._state.failure = reason

    async def _ask(self, path: str, request: object, shape: type[T]) -> T:
        loop = asyncio.get_running_loop()
        self._state.calls += 1
        started = loop.time()
        try:
            body = encode_message(request)
            async with asyncio.timeout(self._timeout_s):
                answer = await self._exchange(path, body)
            result = decode_message(shape, answer)
        except TimeoutError:
            raise self._failed(PeerFailed(f"timed out after {self._timeout_s:g} s")) from None
        except ProtocolError as error:
            reason = f"answered with something else: {plain_text(str(error))}"
            raise self._failed(PeerFailed(reason)) from error
        except PeerFailed as error:
            raise self._failed(error) from None
        self._state.answer_s = loop.time() - started
        self._state.answered_at = loop.time()
        self._state.failure = ""
        return result

    def _failed(self, error: PeerFailed) -> PeerFailed:
        self.blame(str(error))
        return error

    async def _exchange(self, path: str, body: bytes) -> bytes:
        try:
            return await self._post(path, body)
        except (aiohttp.ClientError, ConnectionResetError) as error:
            # It may have closed a connection that was kept from an earlier request.
            if not _is_cut(error):
                raise PeerFailed(_reason(error)) from None
        try:
            return await self._post(path, body)
        except (aiohttp.ClientError, ConnectionResetError) as error:
            raise PeerFailed(_reason(error)) from None

    async def _post(self, path: str, body: bytes) -> bytes:
        async with self._session.post(
            self.peer.url + path, data=body, ssl=self._tls, allow_redirects=False
        ) as response:
            answer = await _read(response)
            if response.status != _OK:
                raise PeerRefused(_refusal(response.status, answer))
            return answer


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body, unless it is too large."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY:
            raise PeerFailed(f"answered more than {MAX_BODY} bytes")
    return b"".join(chunks)


def _refusal(status: int, body: bytes) -> str:
    try:
        view = decode_message(wire.ErrorView, body)
    except ProtocolError:
        return f"answered HTTP status {status}"
    return f"refused ({plain_text(view.type)}): {plain_text(view.message)}"


def _is_cut(error: Exception) -> bool:
    """Whether the other side ended a connection that stood."""
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError):
        return True
    cuts = (ConnectionResetError, BrokenPipeError)
    return isinstance(error, aiohttp.ClientOSError) and isinstance(error.__cause__, cuts)


def _reason(error: Exception) -> str:
    """What a peer did, without its address; foreign texts are not passed on."""
    if isinstance(
        error, aiohttp.ServerFingerprintMismatch | aiohttp.ClientConnectorCertificateError
    ):
        return "shows another certificate than the pinned one, or an expired one"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "has a host name that cannot be resolved"
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error.__cause__
    if isinstance(inner, ConnectionRefusedError):
        return "refused the connection"
    if isinstance(inner, ssl.SSLError):
        reason = inner.reason or "unknown"
        if any(name in reason for name in _NO_CERTIFICATE):
            return "does not accept this node's certificate"
        return f"broke off TLS ({plain_text(reason)})"
    if _is_cut(error):
        return "closed the connection; does it accept this node's certificate?"
    return f"cannot be reached ({type(inner or error).__name__})"


@asynccontextmanager
async def open_peers(
    own: Identity, peers: Sequence[Peer], *, timeout_s: float, states: dict[str, PeerState]
) -> AsyncIterator[tuple[PeerClient, ...]]:
    """Sessions to the peers, each alone with its pinned certificate; nothing is asked yet.

    Args:
        own: What this node shows.
        peers: Who they are.
        timeout_s: Limit of one request, all in all.
        states: Gets one entry for each operator.

    Raises:
        ConfigError: A certificate cannot be used for TLS.
    """
    async with AsyncExitStack() as stack:
        clients = []
        for peer in peers:
            states[peer.operator] = PeerState(peer.operator, peer.url)
            tls = client_context(own, peer)
            session = await stack.enter_async_context(_session(peer))
            clients.append(
                PeerClient(peer, session, tls, timeout_s=timeout_s, state=states[peer.operator])
            )
        yield tuple(clients)


def _session(peer: Peer) -> aiohttp.ClientSession:
    # The connector compares the certificate's hash before a byte is sent; the context of each
    # request brings this node's own and refuses an expired one.
    connector = aiohttp.TCPConnector(
        ssl=aiohttp.Fingerprint(peer.certificate.sha256), limit=MAX_IN_FLIGHT
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Content-Type": CONTENT_TYPE, "Accept-Encoding": "identity"},
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
    )
