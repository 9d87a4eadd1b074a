"""The JSON-RPC transport against a server that sends exactly the bytes that a test wants."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from enclave.domain.errors import ChainError
from oracle.chain.rpc import (
    RpcBusy,
    RpcMalformed,
    RpcOversized,
    RpcUnreachable,
    open_rpc,
)
from oracle.chain.rpc.transport import (
    MAX_BLOCK_REPLY,
    MAX_LOGS_REPLY,
    MAX_REPLY,
    open_transport,
)

SECRET = "KEY-0123456789"
#: What a server sends, by the id of the request; `None` ends the connection.
Answer = Callable[[int], bytes | None]


@dataclass
class Server:
    """Counts what it is asked."""

    port: int = 0
    connections: int = 0
    heads: list[str] = field(default_factory=list)
    asked: list[dict[str, object]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v2/{SECRET}"


def http(
    body: bytes,
    *extra: str,
    status: str = "200 OK",
    type_: str = "application/json",
    length: int | None = None,
) -> bytes:
    size = len(body) if length is None else length
    head = [f"HTTP/1.1 {status}", f"Content-Type: {type_}", f"Content-Length: {size}", *extra]
    return "\r\n".join([*head, "", ""]).encode() + body


def result(id_: int, value: object = "0x1") -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": id_, "result": value}).encode()


@asynccontextmanager
async def serving(answer: Answer, *, is_ended: bool = False) -> AsyncIterator[Server]:
    server = Server()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2])
                question = json.loads(await reader.readexactly(int(fields["content-length"])))
                server.heads.append(head)
                server.asked.append(question)
                said = answer(question["id"])
                if said is None:
                    break
                writer.write(said)
                await writer.drain()
                if is_ended:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield server


async def _ask(answer: Answer, method: str = "eth_call", *, timeout_s: float = 20.0) -> object:
    async with serving(answer) as server, open_transport(server.url, timeout_s=timeout_s) as ask:
        return await ask.ask(method, ["0x2"])


async def test_a_question_is_plain_json_rpc_and_the_connection_is_kept() -> None:
    async with (
        serving(lambda id_: http(result(id_, hex(id_)), "Set-Cookie: a=b; Path=/")) as server,
        open_transport(server.url, timeout_s=20) as transport,
    ):
        assert await transport.ask("eth_call", ("0x2",)) == "0x1"
        assert await transport.ask("eth_chainId", []) == "0x2"
        assert server.connections == 1
        assert server.asked == [
            {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": ["0x2"]},
            {"jsonrpc": "2.0", "id": 2, "method": "eth_chainId", "params": []},
        ]
        for head in server.heads:
            assert "accept-encoding: identity" in head.lower()
            assert "cookie" not in head.lower()


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(lambda id_: http(result(id_, "proxy"))) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        assert await _ask(lambda id_: http(result(id_))) == "0x1"
        assert proxy.asked == []


MALFORMED = {
    "html": lambda id_: http(b"<html>", type_="text/html"),
    "another type": lambda id_: http(result(id_), type_="text/plain"),
    "compressed": lambda id_: http(gzip.compress(result(id_)), "Content-Encoding: gzip"),
    "empty": lambda _: http(b""),
    "another id": lambda id_: http(result(id_ + 1)),
    "list": lambda id_: http(b"[" + result(id_) + b"]"),
    "not HTTP": lambda _: b"SSH-2.0-OpenSSH\r\n\r\n",
    "huge header": lambda id_: http(result(id_), "X: " + "a" * 100_000),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_no_answer_is_malformed(name: str) -> None:
    with pytest.raises(RpcMalformed) as caught:
        await _ask(MALFORMED[name])
    assert SECRET not in repr((caught.value, caught.value.__cause__, caught.value.__context__))


async def test_a_body_that_ends_early_is_no_answer() -> None:
    cut = http(result(1), "Connection: close", length=1_000)
    async with (
        serving(lambda _: cut, is_ended=True) as server,
        open_transport(server.url, timeout_s=20) as transport,
    ):
        with pytest.raises(RpcMalformed, match="ClientPayloadError"):
            await transport.ask("eth_call", [])


@pytest.mark.parametrize(
    ("method", "limit"),
    [
        ("x", MAX_REPLY),
        ("eth_getLogs", MAX_LOGS_REPLY),
        ("eth_getBlockByHash", MAX_BLOCK_REPLY),
        ("eth_getBlockReceipts", MAX_BLOCK_REPLY),
    ],
)
@pytest.mark.parametrize("is_announced", [True, False])
async def test_a_body_is_read_up_to_its_limit(method: str, limit: int, is_announced: bool) -> None:
    def answer(body: bytes) -> bytes:
        if is_announced:
            return http(body)
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked"
        return head.encode() + b"\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)

    full = result(1, "a" * (limit - len(result(1, ""))))
    assert len(full) == limit
    assert await _ask(lambda _: answer(full), method) == json.loads(full)["result"]
    with pytest.raises(RpcOversized, match=f"longer than {limit} bytes"):
        await _ask(lambda _: answer(full + b" "), method)


@pytest.mark.parametrize("status", ["401 Unauthorized", "502 Bad Gateway", "503 Busy", "204 None"])
async def test_another_status_is_a_failure(status: str) -> None:
    with pytest.raises(RpcUnreachable, match=f"^HTTP status {status[:3]}$"):
        await _ask(lambda id_: http(b"" if "204" in status else result(id_), status=status))


@pytest.mark.parametrize(
    ("status", "extra", "wait_s"),
    [
        ("429 Slow", (), None),
        ("429 Slow", ("Retry-After: 7",), 7.0),
        ("503 No", ("Retry-After: 7",), 7.0),
    ],
)
async def test_a_limited_rate_says_how_long_to_wait(
    status: str, extra: tuple[str, ...], wait_s: float | None
) -> None:
    with pytest.raises(RpcBusy) as caught:
        await _ask(lambda id_: http(b"{}", *extra, status=status))
    assert caught.value.retry_after_s == wait_s


async def test_a_redirect_is_not_followed() -> None:
    async with serving(lambda id_: http(result(id_))) as other:
        with pytest.raises(RpcUnreachable, match=r"^HTTP status 307$"):
            await _ask(lambda _: http(b"", f"Location: {other.url}", status="307 There"))
        assert other.asked == []


async def test_a_body_that_drips_ends_with_its_time() -> None:
    with pytest.raises(RpcUnreachable, match=r"^no answer within 0\.3 s$"):
        await _ask(lambda id_: http(result(id_), length=1_000), timeout_s=0.3)


async def test_who_does_not_listen_or_hangs_up_is_unreachable_and_is_asked_once() -> None:
    async with serving(lambda _: None) as server:
        async with open_transport(server.url, timeout_s=20) as transport:
            with pytest.raises(RpcUnreachable, match="not reachable") as caught:
                await transport.ask("eth_call", [])
        assert len(server.asked) == 1
    assert SECRET not in repr((caught.value, caught.value.__cause__, caught.value.__context__))
    async with open_transport(server.url, timeout_s=20) as transport:
        with pytest.raises(RpcUnreachable, match="not reachable"):
            await transport.ask("eth_call", [])


async def test_after_a_reply_to_another_request_the_connection_is_not_used_again() -> None:
    # A server that says everything twice: each reply would be taken for that to the next request.
    late: list[bytes] = []

    def answer(id_: int) -> bytes:
        late.append(http(result(id_, hex(id_))))
        return late[-1] if id_ == 1 else late[-2]

    async with (
        serving(answer) as server,
        open_transport(server.url, timeout_s=20) as transport,
    ):
        assert await transport.ask("eth_call", []) == "0x1"
        with pytest.raises(RpcMalformed, match="another request"):
            await transport.ask("eth_call", [])
        assert server.connections == 1
        with pytest.raises(RpcMalformed, match="another request"):
            await transport.ask("eth_call", [])
        assert server.connections == 2


async def test_an_url_that_is_none_is_unreachable_and_not_shown() -> None:
    async with open_rpc([f"http://127.0.0.1:99999/{SECRET}"], chain_id=1, timeout_s=1) as rpc:
        with pytest.raises(ChainError) as caught:
            await rpc.request("eth_call", [])
    assert SECRET not in str(caught.value)
