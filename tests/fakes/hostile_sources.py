"""HTTPS sources that do what no source should, each by a name; and a relay in front of many.

A fault is what a source answers to one request after a good TLS handshake. `Fault.HONEST` is the
control. No fault waits for the clock: one that stalls does so until the client hangs up.
"""

import asyncio
import enum
import gzip
import ssl
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Self

from tests.fakes.relayed_tls import response
from tests.fakes.venues import NOW, http_date

#: Pause between two drops.
_DRIP_S = 0.01
_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n"


class Fault(enum.Enum):
    """What a hostile source does."""

    HONEST = "answers"
    # Says nothing, too little or nothing in time.
    SILENT = "never answers"
    HANGS_UP = "hangs up on the request"
    RESETS = "resets the connection"
    DRIPS_STATUS = "drips its status line"
    DRIPS_HEADERS = "drips headers without end"
    DRIPS_BODY = "drips its body"
    STALLS_IN_BODY = "stops within its body"
    CUT_IN_HEADERS = "hangs up within its headers"
    CUT_IN_BODY = "hangs up within its body"
    CUT_WITHOUT_LENGTH = "hangs up within a body whose end only the hang-up marks"
    CUT_CHUNK = "hangs up within a chunk"
    # Says too much.
    LONG_HEADER = "has a header line of 1 MiB"
    MANY_HEADERS = "has 10,000 headers"
    ENDLESS_HEADERS = "sends headers without end"
    ENDLESS_INFORMATION = "sends 100 Continue without end"
    HUGE_LENGTH = "announces a body of 1 TiB"
    ENDLESS_CHUNKS = "sends chunks without end"
    TINY_CHUNKS = "sends a large body in chunks of one byte"
    LONG_EXTENSION = "has a chunk extension without end"
    ENDLESS_TRAILERS = "sends trailers without end"
    TWO_REPLIES = "answers twice"
    # Says it in a way that costs.
    GZIP_BOMB = "answers with 100 MiB of zeros as gzip"
    HIDDEN_GZIP_BOMB = "the same without saying that it is gzip"
    DEFLATE_BOMB = "the same as deflate"
    CHUNKED_GZIP = "names gzip as the transfer coding"
    DEEP_JSON = "nests 200,000 arrays"
    DEEP_OBJECTS = "nests 60,000 objects"
    WIDE_JSON = "has an array of 200,000 numbers"
    LONG_NUMBER = "has a number of 400,000 digits"
    HUGE_EXPONENT = "has the price 1e999999999"
    # Says it wrong.
    REDIRECTS_ELSEWHERE = "sends the client to another host"
    REDIRECTS_TO_ITSELF = "sends the client round and round"
    REDIRECTS_INSIDE = "sends the client to the machine's own metadata service"
    REFRESHES = "sends the client elsewhere by a Refresh header"
    SWITCHES_PROTOCOL = "answers 101 Switching Protocols"
    TWO_LENGTHS = "states two lengths"
    LENGTH_AND_CHUNKS = "states a length and sends chunks"
    NEGATIVE_LENGTH = "states a negative length"
    NOT_HTTP = "speaks another protocol"
    HTTP_2 = "speaks HTTP/2 unasked"
    NUL_IN_HEADER = "has a NUL in a header"
    HTML = "answers with a page"
    NOT_UTF8 = "answers in UTF-16"
    DUPLICATE_NAMES = "states two prices under one name"
    NOT_A_NUMBER = "has the price NaN"
    EMPTY = "answers nothing with status 200"
    NO_CONTENT = "answers 204"
    RATE_LIMITED = "answers 429"
    DOWN = "answers 503"
    # Says it as if at another time.
    NO_DATE = "has no Date"
    TWO_DATES = "has two Dates"
    LONG_AGO = "has a Date of 1994"
    FAR_AHEAD = "has a Date of 2105"
    CACHED = "has an Age of a day"
    MADE_UP_DATE = "has a Date that is none"


def honest_body(price: str) -> bytes:
    """What `http_json/1` reads at `$.price`."""
    return b'{"price":"' + price.encode() + b'"}'


def _date(moment: int = NOW) -> str:
    return f"Date: {http_date(moment)}"


@cache
def _bomb(compress: Callable[[bytes], bytes]) -> bytes:
    return compress(bytes(104_857_600))


def _with(body: bytes, *headers: str) -> bytes:
    return response(body, _date(), *headers)


def _moved(to: str) -> bytes:
    return response(b"", _date(), f"Location: {to}", status="302 Found")


#: What is sent as it stands; the connection is then closed.
_SENT: dict[Fault, Callable[[bytes], bytes]] = {
    Fault.HANGS_UP: lambda body: b"",
    Fault.CUT_IN_HEADERS: lambda body: _OK + _date().encode()[:20],
    Fault.CUT_IN_BODY: lambda body: _with(body)[:-3],
    Fault.CUT_WITHOUT_LENGTH: lambda body: _OK + f"{_date()}\r\n\r\n".encode() + body,
    Fault.CUT_CHUNK: lambda body: _CHUNKED + b"\r\nff\r\n" + body,
    Fault.LONG_HEADER: lambda body: _with(body, "X: " + "x" * 1_048_576),
    Fault.MANY_HEADERS: lambda body: _with(body, *["X: x"] * 10_000),
    Fault.HUGE_LENGTH: lambda body: _OK + b"Content-Length: 1099511627776\r\n\r\n" + body,
    Fault.TINY_CHUNKS: lambda body: _CHUNKED + b"\r\n" + b"1\r\nx\r\n" * 600_000 + b"0\r\n\r\n",
    Fault.TWO_REPLIES: lambda body: _with(body) + _with(honest_body("1")),
    Fault.GZIP_BOMB: lambda body: _with(_bomb(gzip.compress), "Content-Encoding: gzip"),
    Fault.HIDDEN_GZIP_BOMB: lambda body: _with(_bomb(gzip.compress)),
    Fault.DEFLATE_BOMB: lambda body: _with(_bomb(zlib.compress), "Content-Encoding: deflate"),
    Fault.CHUNKED_GZIP: lambda body: (
        _OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"
    ),
    Fault.DEEP_JSON: lambda body: _with(b"[" * 200_000 + b"]" * 200_000),
    Fault.DEEP_OBJECTS: lambda body: _with(b'{"a":' * 60_000 + b"1" + b"}" * 60_000),
    Fault.WIDE_JSON: lambda body: _with(b"[" + b"1," * 199_999 + b"1]"),
    Fault.LONG_NUMBER: lambda body: _with(b'{"price":' + b"9" * 400_000 + b"}"),
    Fault.HUGE_EXPONENT: lambda body: _with(b'{"price":1e999999999}'),
    Fault.REDIRECTS_ELSEWHERE: lambda body: _moved("https://elsewhere.test/"),
    Fault.REDIRECTS_TO_ITSELF: lambda body: _moved("/"),
    Fault.REDIRECTS_INSIDE: lambda body: _moved("http://169.254.169.254/latest/meta-data/"),
    Fault.REFRESHES: lambda body: _with(b"", "Refresh: 0; url=https://elsewhere.test/"),
    Fault.SWITCHES_PROTOCOL: lambda body: (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + body
    ),
    Fault.TWO_LENGTHS: lambda body: _with(body, f"Content-Length: {len(body) - 1}"),
    Fault.LENGTH_AND_CHUNKS: lambda body: (
        _CHUNKED + b"Content-Length: 5\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"
    ),
    Fault.NEGATIVE_LENGTH: lambda body: _OK + b"Content-Length: -1\r\n\r\n" + body,
    Fault.NOT_HTTP: lambda body: b"220 mail.venue.test ESMTP\r\n",
    Fault.HTTP_2: lambda body: b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18),
    Fault.NUL_IN_HEADER: lambda body: _with(body, "X: a\x00b"),
    Fault.HTML: lambda body: _with(b"<html><body>maintenance</body></html>"),
    Fault.NOT_UTF8: lambda body: _with(body.decode().encode("utf-16")),
    Fault.DUPLICATE_NAMES: lambda body: _with(b'{"price":"1","price":"2"}'),
    Fault.NOT_A_NUMBER: lambda body: _with(b'{"price":NaN}'),
    Fault.EMPTY: lambda body: _with(b""),
    Fault.NO_CONTENT: lambda body: b"HTTP/1.1 204 No Content\r\n\r\n",
    Fault.RATE_LIMITED: lambda body: response(
        body, _date(), "Retry-After: 3600", status="429 Too Many Requests"
    ),
    Fault.DOWN: lambda body: response(body, _date(), status="503 Service Unavailable"),
    Fault.NO_DATE: response,
    Fault.TWO_DATES: lambda body: _with(body, _date()),
    Fault.LONG_AGO: lambda body: response(body, _date(784_111_777)),
    Fault.FAR_AHEAD: lambda body: response(body, _date(4_260_000_000)),
    Fault.CACHED: lambda body: _with(body, "Age: 86400"),
    Fault.MADE_UP_DATE: lambda body: response(body, "Date: yesterday"),
}

#: Sent first, then again and again; the second number is the pause between, seconds.
_REPEATED: dict[Fault, tuple[bytes, bytes, float]] = {
    Fault.DRIPS_STATUS: (b"HTTP/1.1 200 O", b"K", _DRIP_S),
    Fault.DRIPS_HEADERS: (_OK, b"X: x\r\n", _DRIP_S),
    Fault.DRIPS_BODY: (_OK + b"Content-Length: 100000\r\n\r\n", b" ", _DRIP_S),
    Fault.ENDLESS_HEADERS: (_OK, b"X: x\r\n" * 1_000, 0),
    Fault.ENDLESS_INFORMATION: (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0),
    Fault.ENDLESS_CHUNKS: (_CHUNKED + b"\r\n", b"4000\r\n" + bytes(16_384) + b"\r\n", 0),
    Fault.LONG_EXTENSION: (_CHUNKED + b"\r\n5", b";x=" + b"y" * 16_384, 0),
    Fault.ENDLESS_TRAILERS: (_CHUNKED + b"\r\n0\r\n", b"X: x\r\n" * 1_000, 0),
}


@dataclass
class HostileSource:
    """One source behind the relay.

    Attributes:
        tls: Server side.
        body: What it says when honest.
        fault: What it does; may be changed between requests.
        requests: That it got.
    """

    tls: ssl.SSLContext
    body: bytes
    fault: Fault = Fault.HONEST
    requests: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it is over."""
        while True:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            if self.fault is not Fault.HONEST:
                await self._misbehave(reader, writer)
                return
            writer.write(_with(self.body))
            await writer.drain()

    async def _misbehave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = self.fault
        if fault in _REPEATED:
            first, again, pause_s = _REPEATED[fault]
            writer.write(first)
            while not reader.at_eof():
                writer.write(again)
                await writer.drain()
                await asyncio.sleep(pause_s)
        elif fault in _SENT:
            writer.write(_SENT[fault](self.body))
            await writer.drain()
        elif fault is Fault.RESETS:
            writer.transport.abort()
        elif fault is Fault.STALLS_IN_BODY:
            writer.write(_with(self.body)[:-3])
            await reader.read()
        else:
            await reader.read()


@dataclass
class HostileRelay:
    """Listens where the relay listens; every host that it knows is a source in this process.

    Attributes:
        path: Unix socket.
        sources: By host name, without port.
        targets: Hosts and ports that were asked for.
    """

    path: Path
    sources: dict[str, HostileSource]
    targets: list[str] = field(default_factory=list)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self.path, backlog=512)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        while self._open:
            for writer in self._open:
                writer.transport.abort()
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            length = int.from_bytes(await reader.readexactly(2), "big")
            target = (await reader.readexactly(length)).decode("ascii")
            self.targets.append(target)
            source = self.sources.get(target.partition(":")[0])
            writer.write(b"\x01" if source is None else b"\x00")
            if source is not None:
                await writer.start_tls(source.tls)
                await source.serve(reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()
