"""One JSON-RPC question over HTTP: bounded, asked once, never led elsewhere."""

import asyncio
import base64
import itertools
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import aiohttp

from oracle.chain.rpc.errors import (
    RpcBusy,
    RpcFailure,
    RpcMalformed,
    RpcOversized,
    RpcUnreachable,
)
from oracle.chain.rpc.reply import parse_reply

#: Longest reply that is read, bytes; events come in larger ones.
MAX_REPLY = 1_048_576
MAX_LOGS_REPLY = 2 * MAX_REPLY
#: And a block with all its transactions or receipts.
MAX_BLOCK_REPLY = 8 * MAX_REPLY
_LIMITS = {
    "eth_getLogs": MAX_LOGS_REPLY,
    "eth_getBlockByHash": MAX_BLOCK_REPLY,
    "eth_getBlockReceipts": MAX_BLOCK_REPLY,
}
#: Longest part of a URL that is no secret, such as `v2`.
_PLAIN_SIZE = 3
_CONNECTIONS = 32
_DIGITS = 10
_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    # A compressed reply has no bound that can be told before it is read.
    "Accept-Encoding": "identity",
}


class Transport(Protocol):
    """Asks one endpoint."""

    async def ask(self, method: str, params: Sequence[Any]) -> Any:
        """The result of one question; raises as `HttpTransport.ask`."""
        ...


class HttpTransport:
    """Asks one endpoint over connections that are kept alive."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        """Set up; nothing is opened yet.

        Args:
            url: `http://` or `https://`; may hold a secret, which is never shown.
            timeout_s: From the question to the last byte of the reply.
        """
        self._url = url
        self._timeout_s = timeout_s
        self._ids = itertools.count(1)
        self._secrets = secrets_of(url)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections; a question that is on its way fails."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def ask(self, method: str, params: Sequence[Any]) -> Any:
        """Ask once. A question whose reply is lost may have had its effect.

        1. The status is 200; a redirect is not followed.
        2. The body is JSON, not compressed, and at most 1 MiB long (2 MiB for `eth_getLogs`, 8 MiB
           for a block's transactions or receipts).
        3. The reply is to this request; see `parse_reply`.

        Whether the result is true, or of the type that the method has, is not established.

        Raises:
            RpcUnreachable: No connection, no whole reply within the time, or another status.
            RpcBusy: Status 429, 503 with a time to wait, or an error that says as much.
            RpcMalformed: The reply is not one to this request.
            RpcRefused: The reply is an error.
        """
        id_ = next(self._ids)
        question = {"jsonrpc": "2.0", "id": id_, "method": method, "params": list(params)}
        limit = _LIMITS.get(method, MAX_REPLY)
        found = await self._bounded(json.dumps(question).encode(), limit)
        if isinstance(found, RpcFailure):
            raise found
        # 3. The reply.
        try:
            return parse_reply(found, id_=id_, method=method, secrets=self._secrets)
        except RpcMalformed:
            # The reply to an earlier request; the next one would be to this, and so on.
            await self.close()
            raise

    async def _bounded(self, question: bytes, limit: int) -> bytes | RpcFailure:
        """The body; a failure is returned, as one raised would remember the error with the URL."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(question, limit)
        except RpcFailure as error:
            return error
        except TimeoutError:
            return RpcUnreachable(f"no answer within {self._timeout_s:g} s")
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError) as error:
            return RpcMalformed(f"answer is not HTTP ({type(error).__name__})")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return RpcUnreachable(f"not reachable ({type(error).__name__})")

    async def _exchange(self, question: bytes, limit: int) -> bytes:
        if self._session is None:
            self._session = _open_session()
        async with self._session.post(
            self._url, data=question, headers=_HEADERS, allow_redirects=False
        ) as response:
            try:
                # 1. The status.
                _check_status(response.status, response.headers)
                # 2. The body.
                return await _read(response, limit)
            except RpcFailure:
                response.close()
                raise


@asynccontextmanager
async def open_transport(url: str, *, timeout_s: float) -> AsyncIterator[HttpTransport]:
    """A transport whose connections are closed at the end of the block; see `HttpTransport`."""
    transport = HttpTransport(url, timeout_s=timeout_s)
    try:
        yield transport
    finally:
        await transport.close()


def secrets_of(url: str) -> tuple[str, ...]:
    """Parts of a URL that may be a key, longest first, as written and as meant.

    With the header that HTTP makes of a name and a password (RFC 7617, section 2). Not the host's
    name, and nothing shorter than 4 characters, such as `v2`.
    """
    parts = urlsplit(url)
    login = parts.username or "", parts.password or ""
    names = [*login, *parts.path.split("/"), parts.fragment]
    names += re.split("[&=]", parts.query)
    header = base64.b64encode(":".join(map(unquote, login)).encode()).decode()
    spelled = {*names, *map(unquote, names), parts.path, parts.query}
    if any(login):
        spelled |= {header, header.rstrip("=")}
    return tuple(sorted((name for name in spelled if len(name) > _PLAIN_SIZE), key=len)[::-1])


def _open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        trust_env=False,
    )


def _check_status(status: int, headers: Mapping[str, str]) -> None:
    if status == HTTPStatus.OK:
        return
    wait_s = retry_after_s(headers)
    is_limit = status == HTTPStatus.TOO_MANY_REQUESTS
    if is_limit or (status == HTTPStatus.SERVICE_UNAVAILABLE and wait_s is not None):
        raise RpcBusy("rate limit", retry_after_s=wait_s)
    raise RpcUnreachable(f"HTTP status {status}")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """How long to wait, in seconds; a moment counts from the server's own `Date`.

    Returns:
        0 or more, without an upper bound; `None` if the header is missing or is none.

    Reference:
        RFC 9110, section 10.2.3.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit() and len(text) < _DIGITS:
        return float(text)
    try:
        until, now = (parsedate_to_datetime(headers.get(n, "")) for n in ("Retry-After", "Date"))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        return None


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    if response.content_type != "application/json":
        raise RpcMalformed("answer is not JSON")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise RpcMalformed("answer is compressed, which nobody asked for")
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise RpcOversized(f"answer is longer than {limit} bytes")
    return bytes(body)
