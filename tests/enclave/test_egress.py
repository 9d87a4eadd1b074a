import asyncio
import gzip
import socket
import ssl
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from enclave.domain.errors import ConfigError, SourceError, SourceMalformed, SourceUnavailable
from enclave.egress import Egress, Limits, Relay, Reply, parse_relay
from enclave.sources.base import HttpRequest
from tests.fakes.relayed_tls import (
    Handler,
    RelayedVenue,
    ThrowAwayCa,
    response,
    serving,
    unmetered,
)

HOST = "api.venue.test"
REQUEST = HttpRequest(HOST, "/ticker?pair=BTC%2FUSD")


@pytest.fixture(scope="session")
def authority() -> ThrowAwayCa:
    return ThrowAwayCa()


@pytest.fixture
def venue(authority: ThrowAwayCa, tmp_path: Path) -> Callable[..., RelayedVenue]:
    def make(
        handler: Handler,
        *,
        host: str = HOST,
        days: int = 30,
        issuer: ThrowAwayCa = authority,
        status: bytes | None = b"\0",
    ) -> RelayedVenue:
        tls = issuer.server(tmp_path, host, days=days)
        return RelayedVenue(tmp_path / "relay.sock", tls, handler, status)

    return make


@pytest.fixture
def egress(authority: ThrowAwayCa, tmp_path: Path) -> Callable[..., Egress]:
    def make(limits: Limits | None = None) -> Egress:
        return Egress(
            f"unix:{tmp_path}/relay.sock",
            ca_pem=authority.pem,
            extra_ca=None,
            meter=unmetered,
            limits=limits,
        )

    return make


Venue = Callable[..., RelayedVenue]
Client = Callable[..., Egress]


async def _refusal(
    egress: Egress, kind: type[SourceError], request: HttpRequest = REQUEST, deadline_s: float = 5.0
) -> str:
    async with egress:
        with pytest.raises(kind) as caught:
            await egress.fetch(request, deadline_s=deadline_s)
    return str(caught.value)


async def test_a_reply_carries_status_body_and_raw_times(venue: Venue, egress: Client) -> None:
    handler = serving(
        response(b"{}", "Date: one", "date: two", "Age: 7", status="429 Too Many Requests")
    )
    async with venue(handler), egress() as client:
        reply = await client.fetch(REQUEST, deadline_s=5)
    assert reply == Reply(429, b"{}", ("one", "two"), ("7",))


async def test_the_relay_is_asked_for_host_and_port(venue: Venue, egress: Client) -> None:
    async with venue(serving(response(b""))) as at, egress() as client:
        await client.fetch(REQUEST, deadline_s=5)
        await client.fetch(HttpRequest(f"{HOST}:8443", "/"), deadline_s=5)
    assert at.targets == [f"{HOST}:443", f"{HOST}:8443"]


async def test_the_request_is_sent_as_written(venue: Venue, egress: Client) -> None:
    requests: list[bytes] = []
    handler = serving(response(b"", "Set-Cookie: a=b"), requests=requests)
    asked = HttpRequest(HOST, "/%7Ea?b=%2f[]", (("X-Plan", "free"),))
    async with venue(handler), egress() as client:
        await client.fetch(asked, deadline_s=5)
        await client.fetch(asked, deadline_s=5)
    lines = requests[1].decode().split("\r\n")
    assert lines[0] == "GET /%7Ea?b=%2f[] HTTP/1.1"
    assert {"X-Plan: free", f"Host: {HOST}", "Accept-Encoding: identity"} <= set(lines)
    assert "User-Agent: confidential-oracle/1" in lines
    assert not any(line.lower().startswith("cookie") for line in lines)


async def test_connections_are_kept_and_used_again(venue: Venue, egress: Client) -> None:
    async with venue(serving(response(b"{}"))) as at, egress() as client:
        for _ in range(3):
            await client.fetch(REQUEST, deadline_s=5)
    assert len(at.targets) == 1


async def test_no_more_connections_to_a_host_than_allowed(venue: Venue, egress: Client) -> None:
    async with (
        venue(serving(response(b"{}"))) as at,
        egress(Limits(connections_per_host=2)) as client,
        asyncio.TaskGroup() as tasks,
    ):
        for number in range(10):
            request = HttpRequest(HOST, f"/{number}")
            tasks.create_task(client.fetch(request, deadline_s=5))
    assert at.most_open == 2


async def test_redirects_are_replies(venue: Venue, egress: Client) -> None:
    requests: list[bytes] = []
    moved = response(b"", f"Location: https://{HOST}/other", status="302 Found")
    async with venue(serving(moved, requests=requests)), egress() as client:
        assert (await client.fetch(REQUEST, deadline_s=5)).status == 302
    assert len(requests) == 1


async def test_the_environment_is_not_read(
    venue: Venue, egress: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.test:3128")
    async with venue(serving(response(b"{}"))), egress() as client:
        assert (await client.fetch(REQUEST, deadline_s=5)).status == 200
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (b"\x01", SourceMalformed, "allow list"),
        (b"\x02", SourceUnavailable, "cannot be resolved or reached"),
        (b"\x03", SourceMalformed, "malformed"),
        (b"\x04", SourceUnavailable, "too many"),
        (b"\x05", SourceMalformed, "status 5, wanted 0 to 4"),
        (b"", SourceUnavailable, "without a status"),
    ],
)
async def test_the_relays_status_becomes_a_typed_error(
    venue: Venue, egress: Client, status: bytes, kind: type[SourceError], text: str
) -> None:
    async with venue(serving(response(b"")), status=status):
        assert text in await _refusal(egress(), kind)


async def test_an_absent_relay_is_unavailable(egress: Client) -> None:
    assert "FileNotFoundError" in await _refusal(egress(), SourceUnavailable)


async def test_a_full_backlog_is_unavailable_not_connected(egress: Client, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as filler:
        listener.bind(str(tmp_path / "relay.sock"))
        listener.listen(0)
        filler.connect(str(tmp_path / "relay.sock"))
        assert "BlockingIOError" in await _refusal(egress(), SourceUnavailable)


async def test_a_silent_relay_is_given_up_at_the_deadline(venue: Venue, egress: Client) -> None:
    async with venue(serving(response(b"")), status=None) as at:
        text = await _refusal(egress(), SourceUnavailable, deadline_s=0.1)
        async with asyncio.timeout(5):
            while at.open:
                await asyncio.sleep(0)
    assert text == "no complete answer within 0.1 s"


async def test_a_vsock_relay_that_is_not_there_is_unavailable(authority: ThrowAwayCa) -> None:
    client = Egress("vsock:1:65535", ca_pem=authority.pem, extra_ca=None, meter=unmetered)
    await _refusal(client, SourceUnavailable, deadline_s=0.2)


async def test_a_machine_without_such_sockets_is_unavailable() -> None:
    relay = Relay((cast(socket.AddressFamily, 9_999), "nowhere"), unmetered)
    with pytest.raises(SourceUnavailable, match="no such sockets"):
        await relay.resolve(HOST, 443)


def test_an_address_that_the_relay_did_not_dial_is_refused() -> None:
    relay = Relay(parse_relay("unix:/nowhere"), unmetered)
    with pytest.raises(OSError, match="did not dial"):
        relay.take((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("192.0.2.1", 443)))


@dataclass(frozen=True)
class _Unchecked:
    """A request that no one has checked."""

    host: str
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()


@pytest.mark.parametrize("host", ["192.0.2.1", "[::1]", "2130706433", "localhost", "a.test@b.test"])
async def test_hosts_that_are_no_dns_names_are_refused(egress: Client, host: str) -> None:
    async with egress() as client:
        with pytest.raises(SourceMalformed, match="wanted a DNS name"):
            await client.fetch(_Unchecked(host), deadline_s=1)


async def test_a_certificate_of_another_ca_is_refused(venue: Venue, egress: Client) -> None:
    async with venue(serving(response(b"")), issuer=ThrowAwayCa()):
        assert "certificate refused" in await _refusal(egress(), SourceMalformed)


async def test_an_expired_certificate_is_refused(venue: Venue, egress: Client) -> None:
    async with venue(serving(response(b"")), days=-1):
        assert "expired" in await _refusal(egress(), SourceMalformed)


async def test_a_certificate_of_another_host_is_refused(venue: Venue, egress: Client) -> None:
    async with venue(serving(response(b"")), host="other.venue.test"):
        assert "certificate refused" in await _refusal(egress(), SourceMalformed)


async def test_tls_1_1_is_refused(venue: Venue, egress: Client) -> None:
    at = venue(serving(response(b"")))
    assert at.tls is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        at.tls.minimum_version = at.tls.maximum_version = ssl.TLSVersion.TLSv1_1
    at.tls.set_ciphers("ALL:@SECLEVEL=0")
    async with at:
        await _refusal(egress(), SourceError)


async def test_plain_http_is_refused(venue: Venue, egress: Client) -> None:
    async def answer_in_clear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(response(b"{}"))
        await reader.read()

    at = venue(answer_in_clear)
    at.tls = None
    async with at:
        assert "TLS failed" in await _refusal(egress(), SourceMalformed)


def _sending(*chunks: bytes) -> Callable[..., Awaitable[None]]:
    """Sends the bytes after one request and closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()

    return handle


_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"", SourceUnavailable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", SourceUnavailable),
        (b"HTTP/1.1 200 OK\r\nContent-Le", SourceUnavailable),
        (_CHUNKED + b"5\r\nab", SourceUnavailable),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", SourceMalformed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", SourceMalformed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}", SourceMalformed),
        (_CHUNKED + b"zz\r\n", SourceError),
        (_CHUNKED + b"-1\r\nab\r\n", SourceError),
        (b"220 smtp.venue.test\r\n\r\n", SourceMalformed),
        (b"\x00\x01\x02\r\n\r\n", SourceMalformed),
        (b"HTTP/9.9 200 OK\r\n\r\n", SourceError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", SourceMalformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab", SourceMalformed),
        (b"HTTP/1.1 200 OK\r\nBad Header: a\x00b\r\n\r\n", SourceMalformed),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 10_000 + b"\r\n\r\n", SourceMalformed),
        (b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 200 + b"\r\n", SourceMalformed),
        (response(b"x" * 1_001), SourceMalformed),
        (_CHUNKED + b"3e9\r\n" + b"x" * 1_001 + b"\r\n0\r\n\r\n", SourceMalformed),
        (response(gzip.compress(b"{}", mtime=0), "Content-Encoding: gzip"), SourceMalformed),
        (response(b"{}", "Content-Encoding: br, identity"), SourceMalformed),
    ],
)
async def test_a_broken_answer_is_a_typed_error(
    venue: Venue, egress: Client, sent: bytes, kind: type[SourceError]
) -> None:
    async with venue(_sending(sent)):
        text = await _refusal(egress(Limits(body=1_000)), kind)
    assert HOST not in text


@pytest.mark.parametrize("headers", [(), ("Content-Encoding: Identity",)])
async def test_a_body_of_exactly_the_limit_is_taken(
    venue: Venue, egress: Client, headers: tuple[str, ...]
) -> None:
    async with venue(serving(response(b"x" * 1_000, *headers))), egress(Limits(body=1_000)) as at:
        assert (await at.fetch(REQUEST, deadline_s=5)).body == b"x" * 1_000


async def test_an_endless_body_costs_no_more_than_the_limit(venue: Venue, egress: Client) -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_CHUNKED)
        while True:
            writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            await writer.drain()
            sent += 65_536

    async with venue(flood):
        assert "larger than" in await _refusal(egress(), SourceMalformed)
    assert sent < 4 * Limits().body


async def test_a_drip_ends_at_the_deadline(venue: Venue, egress: Client) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    started = asyncio.get_running_loop().time()
    async with venue(drip):
        await _refusal(egress(), SourceUnavailable, deadline_s=0.2)
    assert asyncio.get_running_loop().time() - started < 2


async def test_cancellation_passes_and_the_next_request_works(venue: Venue, egress: Client) -> None:
    asked = asyncio.Event()

    async def hang_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if b"/hang" in request:
            asked.set()
            await reader.read()
        writer.write(response(b"{}"))
        await writer.drain()

    async with venue(hang_once), egress() as client, asyncio.TaskGroup() as tasks:
        task = tasks.create_task(client.fetch(HttpRequest(HOST, "/hang"), deadline_s=5))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await client.fetch(REQUEST, deadline_s=5)).status == 200


async def test_a_closed_egress_is_unavailable(egress: Client) -> None:
    client = egress()
    with pytest.raises(SourceUnavailable, match="closed"):
        await client.fetch(REQUEST, deadline_s=1)
    async with client:
        pass
    await client.__aexit__(None, None, None)
    with pytest.raises(SourceUnavailable, match="closed"):
        await client.fetch(REQUEST, deadline_s=1)


async def test_prepared_requests_are_bounded(venue: Venue, egress: Client) -> None:
    client = egress()
    for number in range(4_097):
        with pytest.raises(SourceUnavailable):
            await client.fetch(HttpRequest(HOST, f"/{number}"), deadline_s=1)
    async with venue(serving(response(b"{}"))), client:
        assert (await client.fetch(HttpRequest(HOST, "/0"), deadline_s=5)).status == 200


async def test_an_extra_ca_is_trusted_only_when_given(
    venue: Venue, authority: ThrowAwayCa, tmp_path: Path
) -> None:
    address, other = f"unix:{tmp_path}/relay.sock", ThrowAwayCa()
    async with venue(serving(response(b"{}"))):
        async with Egress(
            address, ca_pem=other.pem, extra_ca=authority.pem, meter=unmetered
        ) as client:
            assert (await client.fetch(REQUEST, deadline_s=5)).status == 200
        await _refusal(
            Egress(address, ca_pem=other.pem, extra_ca=None, meter=unmetered), SourceMalformed
        )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unix:",
        "tcp:127.0.0.1:1",
        "vsock:1",
        "vsock:1:2:3",
        "vsock:-1:2",
        "vsock:4294967296:1",
        "vsock:1:4294967296",
        "vsock:٣:1",
    ],
)
def test_other_relay_addresses_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="wanted unix:PATH or vsock:CID:PORT"):
        parse_relay(text)


def test_relay_addresses_are_read() -> None:
    assert parse_relay("unix:/a:b") == (socket.AF_UNIX, "/a:b")
    assert parse_relay("vsock:3:9000") == (socket.AF_VSOCK, (3, 9_000))
