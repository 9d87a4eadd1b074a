"""Malformed bodies, frames and HTTP: a typed error each time, within 50 ms and 50 MB.

Time is this thread's processor time, and the best of three: what other processes do is not
counted. Each failure names what repeats it.
"""

import asyncio
import gc
import random
import secrets
import ssl
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import settings

from enclave.clock import read_stamp
from enclave.domain import wire
from enclave.domain.errors import RequestRefused, SourceError
from enclave.egress import Egress
from enclave.plan import Plan, make_plan
from enclave.service import Service
from enclave.sources import ADAPTERS
from enclave.sources.base import HttpRequest
from enclave.transport import FrameChannel, Limits
from oracle.devnet.market import Market
from oracle.devnet.servers import Exchange
from oracle.devnet.venues import VENUES
from oracle.devnet.venues.base import VenueRequest
from oracle.feeds.catalogue import load_catalogue
from tests.fakes.bad_certificates import Wrong, WrongServers
from tests.fakes.mutations import mutate
from tests.fakes.process import MemoryLog
from tests.fakes.relayed_tls import RelayedVenue, response, unmetered
from tests.fakes.specs import http_json
from tests.fakes.venues import NOW, http_date

pytestmark = pytest.mark.hostile

HOST = "api.venue.test"
#: Together 20,000 and 1,000,000.
BODIES = {"everyday": 12_000, "nightly": 580_000}
FRAMES = {"everyday": 7_000, "nightly": 400_000}
REPLIES = {"everyday": 1_000, "nightly": 20_000}
MOST_S = 0.05
MOST_BYTES = 50_000_000
#: Memory is watched with inputs of more bytes, and else in one of so many.
LARGE, WATCHED_IN = 65_536, 20

JSON_WORDS = (
    b"{", b"}", b"[", b"]", b"[[[[[[[[", b'{"a":', b'"', b"\\", b"\\u0000", b"\\ud800", b",", b":",
    b"null", b"true", b"NaN", b"-Infinity", b"1e999999999", b"-0", b"0x10", b"9" * 400, b"1.0.0",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"<Cube rate='1'/>", b"&amp;", b"<!--", b"]]>",
    b"<!DOCTYPE x [<!ENTITY a 'aaaaaaaa'>]>", b"<a>", b'"error":"too many requests"', b"1e-400",
)  # fmt: skip
CBOR_WORDS = (
    b"\x00", b"\x18\x00", b"\x1b" + b"\xff" * 8, b"\x3b" + b"\xff" * 8, b"\x40", b"\x5f", b"\x9f",
    b"\xbf", b"\xff", b"\x80", b"\xa0", b"\x81" * 9, b"\x9b" + b"\xff" * 8, b"\xbb" + b"\xff" * 8,
    b"\x5b\x00\x00\x00\x00\x7f\xff\xff\xff", b"\xc2\x41\x01", b"\xd8\x1c\xd8\x1d\x00", b"\xf6",
    b"\xf9\x7e\x00", b"\xfb" + b"\x00" * 8, b"\xc0\x60", b"\xd9\xd9\xf7", b"\x61\xff", b"\xf8\x18",
)  # fmt: skip
HTTP_WORDS = (
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\x00", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 ", b"HTTP/2 ",
    b"Content-Length: 0\r\n", b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: +1\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n",
    b"ffffffffffffffff\r\n", b"Content-Encoding: gzip\r\n", b"Connection: close\r\n", b" ", b":",
    b"Connection: upgrade\r\nUpgrade: x\r\n", b"Date: x\r\n", b"X: " + b"x" * 9_000 + b"\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n", b"Set-Cookie: a=b\r\n",
    b"Location: https://elsewhere.test/\r\n", b"\xff\xfe", b"1\r\nx\r\n", b"1;x=y\r\nx\r\n",
)  # fmt: skip


@dataclass
class Bounds:
    """Holds each call to time and memory, and counts.

    Attributes:
        what: For the recipe.
        seed: For the recipe.
        slowest_s: Of all calls.
        largest: Of all calls that were watched, bytes.
    """

    what: str
    seed: str
    slowest_s: float = 0.0
    largest: int = 0
    calls: int = 0

    def random(self, number: int) -> random.Random:
        return random.Random(f"{self.seed}/{number}")

    async def hold(self, number: int, size: int, call: Callable[[], Awaitable[object]]) -> None:
        """Call it; whatever it raises, a long time or much memory is a failure with its recipe."""
        recipe = f"{self.what} {number} of seed {self.seed}"
        self.calls += 1
        spent: list[float] = []
        is_caught = False
        try:
            while len(spent) < 3 and min(spent, default=1.0) > MOST_S:
                started = time.thread_time()
                await call()
                spent.append(time.thread_time() - started)
            if size > LARGE or not number % WATCHED_IN:
                self.largest = max(self.largest, await _memory(call))
            is_caught = True
        finally:
            if not is_caught:
                print(f"uncaught at {recipe}")
        self.slowest_s = max(self.slowest_s, min(spent))
        assert min(spent) <= MOST_S, f"{recipe}: {min(spent):.3f} s"
        assert self.largest <= MOST_BYTES, f"{recipe}: {self.largest} bytes"

    def say(self) -> None:
        print(
            f"{self.calls} {self.what}, 0 uncaught, slowest {1e3 * self.slowest_s:.1f} ms,"
            f" largest {self.largest / 1e6:.1f} MB; seed {self.seed}"
        )


async def _memory(call: Callable[[], Awaitable[object]]) -> int:
    """Most bytes that were held at once more than before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        await call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.fixture
def bounds(request: pytest.FixtureRequest) -> Bounds:
    is_nightly = settings.get_current_profile_name() == "nightly"
    gc.collect()
    return Bounds(request.node.name, secrets.token_hex(8) if is_nightly else "everyday")


@dataclass(frozen=True)
class Readable:
    """A good body and who reads it."""

    plan: Plan
    position: int
    body: bytes

    def read(self, body: bytes) -> bool:
        """Let every source that this reply serves read another body; whether all found a price."""
        sources = [
            source
            for feed in self.plan.feeds.values()
            for source in feed.sources
            if source.request == self.position
        ]
        good = 0
        for source in sources[:3]:
            try:
                source.parse(source.spec, 200, body)
                good += 1
            except SourceError:
                continue
        return good == len(sources[:3])


async def _corpus() -> list[Readable]:
    """One body of every shape: all requests of the catalogue, answered by emulated venues."""
    plan = make_plan([feed.canonical for feed in load_catalogue().values()], ADAPTERS)
    exchange = Exchange(Market(1), lambda: NOW * 1_000)
    bodies = []
    for position, request in enumerate(plan.requests):
        if request.host in VENUES:
            parts = urlsplit(request.path)
            asked = VenueRequest(parts.path, dict(parse_qsl(parts.query)))
            reply = await exchange.respond(request.host, asked)
            bodies.append(Readable(plan, position, reply.body))
    return bodies


async def test_bodies(bounds: Bounds) -> None:
    corpus = await _corpus()
    assert len({readable.plan.requests[readable.position].host for readable in corpus}) >= 6
    assert all(readable.read(readable.body) for readable in corpus)
    refused = 0
    for number in range(BODIES[settings.get_current_profile_name()]):
        r = bounds.random(number)
        readable = r.choice(corpus)
        body = mutate(r, readable.body, JSON_WORDS)

        async def read(readable: Readable = readable, body: bytes = body) -> None:
            nonlocal refused
            refused += not readable.read(body)

        await bounds.hold(number, len(body), read)
    bounds.say()
    assert refused > bounds.calls / 3


#: Well-formed bodies close to the bounds, each costly in its own way.
COSTLY = {
    "objects": b"[" + b",".join([b'{"a":1.5}'] * 18_000) + b"]",
    "numbers": b"[" + b",".join([b"1234567890.12"] * 36_000) + b"]",
    "names": b"{" + b",".join(b'"%09d":1' % number for number in range(36_000)) + b"}",
    "explanations": b"{" + b",".join(b'"err%05d":"limit"' % n for n in range(24_000)) + b"}",
    "one explanation": b'{"message":"' + b"exceeded " * 50_000 + b'"}',
    "many texts": b'["' + b'","'.join([b"ab"] * 36_000) + b'"]',
    "escapes": b'{"a":"' + b"\\u0041" * 87_000 + b'"}',
    "quotes": b'{"a":"' + b'\\"' * 250_000 + b'"}',
}


@pytest.mark.parametrize("name", COSTLY)
async def test_costly_bodies(name: str, bounds: Bounds) -> None:
    body, spec = COSTLY[name], http_json()
    assert len(body) <= 524_288

    async def read() -> None:
        with pytest.raises(SourceError):
            ADAPTERS["http_json/1"].parse(spec, 200, body)

    await bounds.hold(0, len(body), read)
    bounds.say()


@dataclass
class Pipe:
    """What a frame channel writes to; the host's side of it is never read."""

    sent: int = 0

    def write(self, data: bytes) -> None:
        self.sent += len(data)

    async def drain(self) -> None:
        return


def _requests() -> list[bytes]:
    """One good request of every operation."""
    feed_ids = (bytes(32), bytes(range(32)))
    observation = wire.SignedObservation(bytes(20), NOW, bytes(32), bytes(28), bytes(64))
    arguments: dict[str, Any] = {
        "hello": wire.Hello(wire.PROTOCOL),
        "attest": wire.Attest(31337, bytes(20), bytes(20), 7, bytes(32)),
        "load": wire.Load((b'{"schema":"feed/1"}',)),
        "round": wire.RunRound(feed_ids),
        "sign": wire.Sign(1, 31337, bytes(20), feed_ids, feed_ids),
        "observe": wire.Observe(31337, bytes(20), feed_ids),
        "cosign": wire.Cosign(31337, bytes(20), feed_ids, feed_ids, 2, (observation,) * 3),
        "health": wire.Health(),
        "shutdown": wire.Shutdown(),
    }
    assert arguments.keys() == wire.OPERATIONS.keys()
    return [
        wire.encode_frame({"id": 1, "op": operation, "args": wire.to_map(value)})
        for operation, value in arguments.items()
    ]


async def test_frames(bounds: Bounds) -> None:
    """The whole way in: length, CBOR, schema, operation; several frames on one connection."""
    heard = 0

    async def refuse(_: object) -> None:
        nonlocal heard
        heard += 1
        raise RequestRefused("no")

    handlers = dict.fromkeys(wire.OPERATIONS, refuse)
    service = Service(handlers, stop=lambda: None, log=MemoryLog())
    corpus = _requests()

    async def serve(raw: bytes) -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(raw)
        reader.feed_eof()
        writer = cast(asyncio.StreamWriter, Pipe())
        await service.serve(FrameChannel(reader, writer, Limits()))

    await serve(b"".join(corpus[:-1]))
    assert heard == len(corpus) - 1
    for number in range(FRAMES[settings.get_current_profile_name()]):
        r = bounds.random(number)
        raw = mutate(r, r.choice(corpus), CBOR_WORDS)
        if r.random() < 0.7:
            # The length is right, so that what is wrong lies behind it.
            body = raw[wire.LENGTH_BYTES :]
            raw = len(body).to_bytes(wire.LENGTH_BYTES, "big") + body
        await bounds.hold(number, len(raw), partial(serve, raw + corpus[0]))
    bounds.say()
    assert bounds.calls / 20 < heard


def _replies() -> list[bytes]:
    date, body = f"Date: {http_date(NOW)}", b'{"price":"100"}'
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + date.encode()
    return [
        response(body, date),
        response(body, date, "Age: 3", "Connection: close", "X-Plan: free"),
        response(b"", date, "Location: /", status="302 Found"),
        response(body, date, status="503 Service Unavailable"),
        chunked + b"\r\n\r\n5\r\n" + body[:5] + b"\r\na\r\n" + body[5:] + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + response(body, date),
    ]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, bytes]:
    made = WrongServers(tmp_path_factory.mktemp("tls"), HOST)
    return made.context(Wrong.NOTHING), made.root_pem


async def test_replies_behind_the_one_that_was_asked_for_are_not_parsed(
    bounds: Bounds, server: tuple[ssl.SSLContext, bytes], tmp_path: Path
) -> None:
    """Thousands of them, which were parsed as soon as they had arrived, took 60 ms."""
    tls, root = server
    path, arrived = tmp_path / "relay.sock", list[int]()
    replies = _replies()[0] + b"HTTP/1.1 204 No Content\r\n\r\n" * 20_000

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(replies)
        await writer.drain()

    def meter(host: str, size: int) -> bool:
        arrived.append(size)
        return True

    async with (
        RelayedVenue(path, tls, answer),
        Egress(f"unix:{path}", ca_pem=root, extra_ca=None, meter=meter) as egress,
    ):

        async def fetch() -> None:
            reply = await egress.fetch(HttpRequest(HOST, "/"), deadline_s=60)
            assert reply.body == b'{"price":"100"}'

        await fetch()
        assert max(arrived) <= 32_768
        assert sum(arrived) < len(replies) / 2
        await bounds.hold(0, len(replies), fetch)
    bounds.say()


@pytest.mark.timeout(3_600)
async def test_http(bounds: Bounds, server: tuple[ssl.SSLContext, bytes], tmp_path: Path) -> None:
    """Real TLS to a source in this process, whose work counts, too."""
    tls, root = server
    path, now = tmp_path / "relay.sock", [b""]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(now[0])
        await writer.drain()

    good = late = 0

    async def fetch(egress: Egress) -> None:
        nonlocal good, late
        try:
            reply = await egress.fetch(HttpRequest(HOST, "/"), deadline_s=60)
            read_stamp(reply.dates, reply.ages)
            good += 1
        except SourceError as error:
            late += "60 s" in str(error)

    async with (
        RelayedVenue(path, tls, answer),
        Egress(f"unix:{path}", ca_pem=root, extra_ca=None, meter=unmetered) as egress,
    ):
        corpus: Sequence[bytes] = _replies()
        for now[0] in corpus:
            await fetch(egress)
        assert good == len(corpus)
        for number in range(REPLIES[settings.get_current_profile_name()]):
            r = bounds.random(number)
            now[0] = mutate(r, r.choice(corpus), HTTP_WORDS)
            await bounds.hold(number, len(now[0]), partial(fetch, egress))
    bounds.say()
    assert bounds.calls / 20 < good < bounds.calls
    assert not late
