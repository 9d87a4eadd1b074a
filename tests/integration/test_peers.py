"""Peers over real TLS on 127.0.0.1: who gets in, and what a bad peer costs."""

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from enclave.domain import wire
from enclave.domain.errors import ConfigError, ProtocolError, RequestRefused
from enclave.domain.observation import FeedFailure
from oracle.enclave_link import EnclaveLost
from oracle.quorum import server
from oracle.quorum.certificates import Peer, client_context
from oracle.quorum.messages import (
    CONTENT_TYPE,
    COSIGN_PATH,
    MAX_BODY,
    OBSERVE_PATH,
    CosignRequest,
    ObserveRequest,
    decode_message,
    encode_message,
)
from oracle.quorum.peers import PeerClient, PeerFailed, PeerRefused, open_peers
from oracle.quorum.responder import NotReady
from oracle.quorum.server import serve_peers
from oracle.telemetry.logging import configure_logging
from oracle.telemetry.state import PeerState
from tests.fakes.certificates import Issued, issue

ALICE, BOB, CAROL = ("0x" + letter * 40 for letter in "abc")
OBSERVE = ObserveRequest(31_337, b"\xcc" * 20)
OBSERVATION = wire.SignedObservation(b"\x01" * 20, 1_700_000_000, bytes(32), bytes(14), bytes(64))
COSIGN = CosignRequest(31_337, b"\xcc" * 20, (b"\x02" * 32,), (OBSERVATION,))
COSIGNED = wire.CosignResult((), (FeedFailure(b"\x02" * 32, "RequestRefused", "far off"),))


@dataclass
class FakeResponder:
    """Plays `Responder`; waits at `gate` if it has one."""

    error: Exception | None = None
    gate: asyncio.Event | None = None
    asked: list[tuple[str, object]] = field(default_factory=list)

    async def observe(self, peer: Peer, request: ObserveRequest) -> wire.SignedObservation:
        await self._answer(peer, request)
        return OBSERVATION

    async def cosign(self, peer: Peer, request: CosignRequest) -> wire.CosignResult:
        await self._answer(peer, request)
        return COSIGNED

    async def _answer(self, peer: Peer, request: object) -> None:
        self.asked.append((peer.operator, request))
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error


@asynccontextmanager
async def _serving(
    own: Issued, *pinned: tuple[str, Issued], responder: FakeResponder | None = None
) -> AsyncIterator[tuple[str, dict[str, PeerState]]]:
    """A node that listens; its URL, and what it noted of its peers."""
    peers = [
        Peer(operator, "https://unused.example:1", one.identity.certificate)
        for operator, one in pinned
    ]
    states = {peer.operator: PeerState(peer.operator, peer.url) for peer in peers}
    async with serve_peers(
        responder or FakeResponder(),
        own.identity,
        peers,
        listen="127.0.0.1:0",
        body_s=0.5,
        states=states,
    ) as port:
        yield f"https://127.0.0.1:{port}", states


@asynccontextmanager
async def _client(
    own: Issued, url: str, pinned: Issued, *, timeout_s: float = 2.0
) -> AsyncIterator[tuple[PeerClient, PeerState]]:
    peer = Peer(BOB, url, pinned.identity.certificate)
    states: dict[str, PeerState] = {}
    async with open_peers(own.identity, [peer], timeout_s=timeout_s, states=states) as [client]:
        yield client, states[BOB]


async def _failure(own: Issued, url: str, pinned: Issued, *, timeout_s: float = 2.0) -> str:
    """What one observation fails with."""
    async with _client(own, url, pinned, timeout_s=timeout_s) as (client, state):
        with pytest.raises(PeerFailed) as caught:
            await client.observe(OBSERVE)
        assert state.failure == str(caught.value)
        assert state.failures == state.calls == 1
        return state.failure


async def test_two_nodes_that_pinned_each_other_understand_each_other(tmp_path: Path) -> None:
    alice, bob = issue(tmp_path, "alice"), issue(tmp_path, "bob")
    responder = FakeResponder()
    async with (
        _serving(bob, (ALICE, alice), responder=responder) as (url, states),
        _client(alice, url, bob) as (client, state),
    ):
        assert await client.observe(OBSERVE) == OBSERVATION
        assert await client.cosign(COSIGN) == COSIGNED
    assert responder.asked == [(ALICE, OBSERVE), (ALICE, COSIGN)]
    assert (state.calls, state.failures, state.failure) == (2, 0, "")
    assert state.answered_at > 0
    assert (states[ALICE].served, states[ALICE].refused) == (2, 0)


async def test_a_peer_is_known_by_its_certificate_not_by_what_it_says(tmp_path: Path) -> None:
    alice, bob, carol = (issue(tmp_path, name) for name in ("alice", "bob", "carol"))
    responder = FakeResponder()
    async with _serving(bob, (ALICE, alice), (CAROL, carol), responder=responder) as (url, _):
        for one in (carol, alice):
            async with _client(one, url, bob) as (client, _):
                await client.observe(OBSERVE)
    assert [operator for operator, _ in responder.asked] == [CAROL, ALICE]


async def test_whoever_is_not_pinned_gets_nothing(tmp_path: Path) -> None:
    alice, bob, mallory = (issue(tmp_path, name) for name in ("alice", "bob", "mallory"))
    responder = FakeResponder()
    async with _serving(bob, (ALICE, alice), responder=responder) as (url, _):
        assert "accept this node's certificate" in await _failure(mallory, url, bob)
    assert responder.asked == []


async def test_whoever_shows_no_certificate_gets_nothing(tmp_path: Path) -> None:
    alice, bob = issue(tmp_path, "alice"), issue(tmp_path, "bob")
    responder = FakeResponder()
    async with _serving(bob, (ALICE, alice), responder=responder) as (url, _):
        bare = ssl.create_default_context(cadata=bob.identity.certificate.der)
        bare.check_hostname = False
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await session.post(url + OBSERVE_PATH, data=encode_message(OBSERVE), ssl=bare)
    assert responder.asked == []


async def test_an_expired_certificate_opens_no_door_though_it_is_pinned(tmp_path: Path) -> None:
    alice, bob = issue(tmp_path, "alice", days=-1), issue(tmp_path, "bob")
    responder = FakeResponder()
    async with _serving(bob, (ALICE, alice), responder=responder) as (url, _):
        assert "accept this node's certificate" in await _failure(alice, url, bob)
    assert responder.asked == []


async def test_an_expired_server_is_sent_nothing_though_it_is_pinned(tmp_path: Path) -> None:
    alice, bob = issue(tmp_path, "alice"), issue(tmp_path, "bob", days=-1)
    responder = FakeResponder()
    async with _serving(bob, (ALICE, alice), responder=responder) as (url, _):
        failure = await _failure(alice, url, bob)
    assert failure == "shows another certificate than the pinned one, or an expired one"
    assert responder.asked == []


async def test_a_server_with_another_certificate_is_sent_nothing(tmp_path: Path) -> None:
    alice, bob, mallory = (issue(tmp_path, name) for name in ("alice", "bob", "mallory"))
    responder = FakeResponder()
    async with _serving(mallory, (ALICE, alice), responder=responder) as (url, _):
        failure = await _failure(alice, url, bob)
    assert failure == "shows another certificate than the pinned one, or an expired one"
    assert responder.asked == []


async def test_what_a_pinned_authority_signed_is_not_pinned(tmp_path: Path) -> None:
    alice, bob = issue(tmp_path, "alice"), issue(tmp_path, "bob", is_ca=True)
    below = issue(tmp_path, "below", issuer=bob)
    responder = FakeResponder()
    async with _serving(below, (ALICE, alice), responder=responder) as (url, _):
        failure = await _failure(alice, url, bob)
    assert failure == "shows another certificate than the pinned one, or an expired one"
    async with _serving(alice, (BOB, bob), responder=responder) as (url, _):
        assert (await _failure(below, url, alice)).startswith("closed the connection;")
    assert responder.asked == []


async def test_a_pinned_certificate_may_be_signed_by_somebody_else(tmp_path: Path) -> None:
    authority = issue(tmp_path, "authority", is_ca=True)
    alice = issue(tmp_path, "alice", issuer=authority)
    bob = issue(tmp_path, "bob", issuer=authority)
    async with (
        _serving(bob, (ALICE, alice)) as (url, _),
        _client(alice, url, bob) as (client, _),
    ):
        assert await client.observe(OBSERVE) == OBSERVATION


async def test_a_peer_that_is_down_refused_the_connection(tmp_path: Path) -> None:
    alice, bob = issue(tmp_path, "alice"), issue(tmp_path, "bob")
    async with _serving(bob, (ALICE, alice)) as (url, _):
        pass
    assert await _failure(alice, url, bob) == "refused the connection"


async def test_a_peer_with_a_name_that_is_none_says_so(tmp_path: Path) -> None:
    alice, bob = issue(tmp_path, "alice"), issue(tmp_path, "bob")
    failure = await _failure(alice, "https://nobody.invalid:1", bob, timeout_s=10)
    assert failure == "has a host name that cannot be resolved"


async def test_a_slow_peer_costs_no_more_than_the_limit(tmp_path: Path) -> None:
    alice, bob = issue(tmp_path, "alice"), issue(tmp_path, "bob")
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with _serving(bob, (ALICE, alice), responder=FakeResponder(gate=gate)) as (url, _):
        started = loop.time()
        assert await _failure(alice, url, bob, timeout_s=0.3) == "timed out after 0.3 s"
        assert loop.time() - started < 1.5
        gate.set()


async def test_a_peer_that_restarted_is_found_again_at_once(tmp_path: Path) -> None:
    alice, bob = issue(tmp_path, "alice"), issue(tmp_path, "bob")
    pinned = [Peer(ALICE, "", alice.identity.certificate)]
    states = {ALICE: PeerState(ALICE, "")}

    def serving(listen: str) -> AbstractAsyncContextManager[int]:
        return serve_peers(
            FakeResponder(), bob.identity, pinned, listen=listen, body_s=1, states=states
        )

    async with AsyncExitStack() as stack:
        async with serving("127.0.0.1:0") as port:
            made = _client(alice, f"https://127.0.0.1:{port}", bob)
            client, state = await stack.enter_async_context(made)
            assert await client.observe(OBSERVE) == OBSERVATION
        async with serving(f"127.0.0.1:{port}"):
            assert await client.observe(OBSERVE) == OBSERVATION
        assert (state.calls, state.failures) == (2, 0)


Scripted = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def _scripted(own: Issued, peer: Issued, handler: Scripted) -> AsyncIterator[str]:
    """A peer with the right certificate that answers as it likes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.identity.certificate_file, own.identity.private_key_file)
    http = web.Server(handler)
    listening = await asyncio.get_running_loop().create_server(http, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        await http.shutdown(0.1)


def _body(status: int, body: bytes, **headers: str) -> Scripted:
    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers=headers)

    return handler


GOOD = encode_message(OBSERVATION)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"<html>", "answered with something else: frame is not CBOR"),
        (200, b"", "answered with something else: "),
        (200, GOOD + b"\x00", "answered with something else: frame is not "),
        (200, encode_message(COSIGNED), "answered with something else: SignedObservation has oth"),
        (200, bytes(MAX_BODY + 1), f"answered more than {MAX_BODY} bytes"),
        (500, b"Traceback", "answered HTTP status 500"),
        (302, b"", "answered HTTP status 302"),
        (422, encode_message(wire.ErrorView("A", "b\n\x1b[31mc", False)), "refused (A): b??[31mc"),
    ],
)
async def test_a_peer_that_answers_garbage_is_named_and_left(
    tmp_path: Path, status: int, body: bytes, reason: str
) -> None:
    alice, bob = issue(tmp_path, "alice"), issue(tmp_path, "bob")
    handler = _body(status, body, Location="https://elsewhere.example")
    async with _scripted(bob, alice, handler) as url:
        assert (await _failure(alice, url, bob)).startswith(reason)


async def test_a_compressed_bomb_is_not_unpacked(tmp_path: Path) -> None:
    alice, bob = issue(tmp_path, "alice"), issue(tmp_path, "bob")
    handler = _body(200, GOOD, **{"Content-Encoding": "gzip"})
    async with (
        _scripted(bob, alice, handler) as url,
        _client(alice, url, bob) as (client, _),
    ):
        # Bytes are taken as they are: what says that it is packed is not unpacked.
        assert await client.observe(OBSERVE) == OBSERVATION


async def test_a_peer_that_drips_is_cut_off(tmp_path: Path) -> None:
    alice, bob = issue(tmp_path, "alice"), issue(tmp_path, "bob")

    async def drip(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(200):
            await response.write(b"\x00")
            await asyncio.sleep(0.05)
        return response

    async with _scripted(bob, alice, drip) as url:
        assert await _failure(alice, url, bob, timeout_s=0.3) == "timed out after 0.3 s"


async def test_a_peer_that_hangs_up_is_named(tmp_path: Path) -> None:
    alice, bob = issue(tmp_path, "alice"), issue(tmp_path, "bob")

    async def hang_up(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with _scripted(bob, alice, hang_up) as url:
        assert (await _failure(alice, url, bob)).startswith("closed the connection;")


@asynccontextmanager
async def _raw(own: Issued, peer: Issued) -> AsyncIterator[aiohttp.ClientSession]:
    tls = client_context(own.identity, Peer(BOB, "", peer.identity.certificate))
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


async def _view(response: aiohttp.ClientResponse) -> wire.ErrorView:
    assert response.content_type == CONTENT_TYPE
    return decode_message(wire.ErrorView, await response.read())


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("POST", "/v1/else", b"", 404, "no such path"),
        ("GET", OBSERVE_PATH, b"", 405, "wanted POST"),
        ("POST", OBSERVE_PATH, b"{}", 400, "frame is not "),
        ("POST", OBSERVE_PATH, encode_message(COSIGN), 400, "ObserveRequest has other keys"),
        ("POST", COSIGN_PATH, bytes(MAX_BODY + 1), 413, "body of more than"),
    ],
)
async def test_a_bad_request_gets_a_typed_refusal(
    tmp_path: Path, method: str, path: str, body: bytes, status: int, message: str
) -> None:
    alice, bob = issue(tmp_path, "alice"), issue(tmp_path, "bob")
    responder = FakeResponder()
    async with (
        _serving(bob, (ALICE, alice), responder=responder) as (url, states),
        _raw(alice, bob) as session,
        session.request(method, url + path, data=io.BytesIO(body)) as response,
    ):
        assert response.status == status
        assert message in (await _view(response)).message
    assert responder.asked == []
    assert states[ALICE].refused == 1


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (RequestRefused("signer 0x01 is in no live seat"), 422, "RequestRefused"),
        (NotReady("this node's enclave is not running"), 503, "NotReady"),
        (EnclaveLost("cosign: no answer within 5 s"), 503, "EnclaveLost"),
        (ProtocolError("x"), 400, "ProtocolError"),
        (ValueError("secret of this host"), 500, "OracleError"),
    ],
)
async def test_what_goes_wrong_inside_is_a_refusal_without_a_traceback(
    tmp_path: Path, error: Exception, status: int, kind: str
) -> None:
    alice, bob = issue(tmp_path, "alice"), issue(tmp_path, "bob")
    said = io.StringIO()
    configure_logging(said, level="debug", style="json")
    async with (
        _serving(bob, (ALICE, alice), responder=FakeResponder(error=error)) as (url, _),
        _raw(alice, bob) as session,
        session.post(url + OBSERVE_PATH, data=encode_message(OBSERVE)) as response,
    ):
        view = await _view(response)
    assert (response.status, view.type) == (status, kind)
    assert "secret" not in view.message + said.getvalue()
    assert ALICE in said.getvalue()


async def test_a_peer_that_asks_the_same_in_vain_is_said_once(tmp_path: Path) -> None:
    alice, bob = issue(tmp_path, "alice"), issue(tmp_path, "bob")
    said = io.StringIO()
    configure_logging(said, level="debug", style="json")
    responder = FakeResponder(error=RequestRefused("no"))
    async with (
        _serving(bob, (ALICE, alice), responder=responder) as (url, _),
        _client(alice, url, bob) as (client, _),
    ):
        for _ in range(3):
            with pytest.raises(PeerRefused):
                await client.observe(OBSERVE)
    assert said.getvalue().count("peer_refused") == 1


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    alice, bob = issue(tmp_path, "alice"), issue(tmp_path, "bob")

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"\x00"
            await asyncio.sleep(0.05)

    async with (
        _serving(bob, (ALICE, alice)) as (url, _),
        _raw(alice, bob) as session,
        session.post(url + OBSERVE_PATH, data=endless()) as response,
    ):
        assert response.status == 408


async def test_a_third_request_at_once_is_refused(tmp_path: Path) -> None:
    alice, bob, carol = (issue(tmp_path, name) for name in ("alice", "bob", "carol"))
    responder = FakeResponder(gate=asyncio.Event())
    assert responder.gate is not None
    async with (
        _serving(bob, (ALICE, alice), (CAROL, carol), responder=responder) as (url, _),
        _raw(alice, bob) as session,
        _raw(carol, bob) as other,
        asyncio.TaskGroup() as tasks,
    ):

        async def ask(by: aiohttp.ClientSession) -> int:
            async with by.post(url + OBSERVE_PATH, data=encode_message(OBSERVE)) as response:
                return response.status

        two = [tasks.create_task(ask(session)) for _ in range(2)]
        while len(responder.asked) < 2:
            await asyncio.sleep(0.01)
        assert await ask(session) == 429
        third = tasks.create_task(ask(other))
        while len(responder.asked) < 3:
            await asyncio.sleep(0.01)
        responder.gate.set()
        assert [await task for task in (*two, third)] == [200] * 3


async def _says(own: Issued, peer: Issued, url: str, *, send: bytes) -> bytes:
    """What a connection by hand gets, until it is closed or nothing more comes."""
    host, _, port = url.removeprefix("https://").partition(":")
    tls = client_context(own.identity, Peer(BOB, "", peer.identity.certificate))
    reader, writer = await asyncio.open_connection(host, int(port), ssl=tls)
    try:
        writer.write(send)
        async with asyncio.timeout(2):
            return await reader.read(65_536)
    finally:
        writer.close()


async def test_what_is_no_http_gets_no_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    alice, bob = issue(tmp_path, "alice"), issue(tmp_path, "bob")
    responder = FakeResponder()
    async with _serving(bob, (ALICE, alice), responder=responder) as (url, _):
        for garbage in (b"\x00\xff" * 100 + b"\r\n\r\n", b"POST / HTTP/9\r\n\r\n"):
            answer = await _says(alice, bob, url, send=garbage)
            assert answer == b"" or answer.startswith(b"HTTP/1.")
            assert b"Traceback" not in answer
    assert responder.asked == []
    assert "Traceback" not in capfd.readouterr().err


async def test_connections_of_a_peer_have_a_limit_and_others_do_not_feel_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 1)
    alice, bob, carol = (issue(tmp_path, name) for name in ("alice", "bob", "carol"))
    async with (
        _serving(bob, (ALICE, alice), (CAROL, carol)) as (url, _),
        _client(alice, url, bob) as (client, _),
    ):
        await client.observe(OBSERVE)
        assert (await _failure(alice, url, bob)).startswith("closed the connection")
        async with _client(carol, url, bob) as (other, _):
            await other.observe(OBSERVE)
        await client.observe(OBSERVE)


async def test_a_taken_port_is_one_line_that_says_what_to_set(tmp_path: Path) -> None:
    alice, bob = issue(tmp_path, "alice"), issue(tmp_path, "bob")
    async with _serving(bob, (ALICE, alice)) as (url, _):
        listen = url.removeprefix("https://")
        with pytest.raises(ConfigError, match=r"in use; set quorum\.listen"):
            async with serve_peers(
                FakeResponder(), bob.identity, [], listen=listen, body_s=1, states={}
            ):
                pass
