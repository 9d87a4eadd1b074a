"""Every fault of the fault proxy, looked at over a bare socket: it does what its name says."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from oracle.chain.keys import SubmitterKey, submitter_key
from oracle.devnet.anvil import CHAIN_ID, anvil
from tests.fakes.geth_node import geth_node
from tests.fakes.rpc_faults import ALTERED, BODIES, ELSEWHERE, HUGE_BYTES, LIES, LOST, Fault
from tests.fakes.rpc_proxy import SEND, RpcProxy, Told, rpc_proxy

GWEI = 10**9
TARGET = "0x00000000000000000000000000000000000000A1"


@pytest.fixture(scope="module")
def key() -> SubmitterKey:
    return submitter_key(b"\x06" * 32)


@asynccontextmanager
async def _proxy(key: SubmitterKey) -> AsyncIterator[RpcProxy]:
    async with anvil() as chain, geth_node(chain) as node, rpc_proxy(node, seed=1) as proxy:
        await chain.call("anvil_setBalance", key.address, hex(10**19))
        await node.mine(5)
        yield proxy


@dataclass(frozen=True)
class Seen:
    """A response as it came over the wire; `is_whole` if its length is the announced one."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_whole: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def _request(method: str, *params: Any, id_: int = 7) -> bytes:
    call = {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}
    body = json.dumps(call).encode()
    return f"POST /key HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def _read(reader: asyncio.StreamReader) -> Seen:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    length = headers.get("Content-Length")
    try:
        body = await reader.readexactly(int(length)) if length else await reader.read()
        is_whole = length is not None
    except asyncio.IncompleteReadError as error:
        body, is_whole = error.partial, False
    return Seen(int(first.split()[1]), headers, body, is_whole)


async def _post(proxy: RpcProxy, method: str, *params: Any) -> Seen:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, limit=2**22)
    try:
        writer.write(_request(method, *params))
        return await _read(reader)
    finally:
        writer.close()


async def _ask(proxy: RpcProxy, method: str, *params: Any) -> Any:
    reply = (await _post(proxy, method, *params)).json
    assert reply["id"] == 7
    return reply["result"]


def _signed(key: SubmitterKey, nonce: int = 0) -> str:
    fields = {
        "type": 2,
        "chainId": CHAIN_ID,
        "nonce": nonce,
        "to": TARGET,
        "value": 0,
        "data": b"",
        "gas": 30_000,
        "maxFeePerGas": 10 * GWEI,
        "maxPriorityFeePerGas": GWEI,
    }
    return "0x" + key.sign(fields)[0].hex()


def test_there_are_enough_kinds_of_faults() -> None:
    assert len(Fault) == len({fault.value for fault in Fault}) >= 30
    assert not LIES & ELSEWHERE


async def test_without_a_fault_it_is_the_node(key: SubmitterKey) -> None:
    async with _proxy(key) as proxy:
        assert await _ask(proxy, "eth_chainId") == hex(CHAIN_ID)
        hash_ = await _ask(proxy, "eth_sendRawTransaction", _signed(key))
        await proxy.node.mine()
        assert (await _ask(proxy, "eth_getTransactionReceipt", hash_))["status"] == "0x1"
        error = (await _post(proxy, "eth_sendRawTransaction", _signed(key))).json["error"]
        assert error["message"].startswith("nonce too low")
        assert [told.fault for told in proxy.told] == [None] * 4
        assert proxy.url == f"http://127.0.0.1:{proxy.port}/key"


async def test_a_connection_carries_one_request_after_the_other(key: SubmitterKey) -> None:
    async with _proxy(key) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        for number in range(3):
            writer.write(_request("eth_blockNumber", id_=number))
            assert (await _read(reader)).json == {"jsonrpc": "2.0", "id": number, "result": "0x5"}
        writer.close()


async def test_a_fault_holds_for_its_methods_and_its_count_and_is_told(key: SubmitterKey) -> None:
    async with _proxy(key) as proxy:
        await proxy.arm(Fault.NULL_RESULT, methods={"eth_blockNumber"}, count=2)
        await proxy.arm(Fault.INTERNAL_ERROR, spared={"eth_blockNumber"})
        answers = [(await _post(proxy, "eth_blockNumber")).json["result"] for _ in range(3)]
        assert answers == [None, None, "0x5"]
        assert (await _post(proxy, "eth_chainId")).json["error"]["code"] == -32603
        proxy.clear()
        assert await _ask(proxy, "eth_chainId") == hex(CHAIN_ID)
        assert proxy.told[2:4] == [
            Told(3, "eth_blockNumber", None),
            Told(4, "eth_chainId", Fault.INTERNAL_ERROR),
        ]
        assert proxy.count("eth_blockNumber") == 3
        assert proxy.count(fault=Fault.NULL_RESULT) == 2
        await proxy.until(lambda: proxy.count() == 5)


@pytest.mark.parametrize(
    "fault", [Fault.REQUEST_LOST, Fault.REPLY_LOST, Fault.TLS_FAILURE, Fault.HALF_CLOSED]
)
async def test_a_connection_that_says_nothing(key: SubmitterKey, fault: Fault) -> None:
    async with _proxy(key) as proxy:
        await proxy.arm(fault, count=1)
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(_request("eth_sendRawTransaction", _signed(key)))
        said = await reader.read()
        assert said == (b"\x15\x03\x03\x00\x02\x02\x28" if fault is Fault.TLS_FAILURE else b"")
        assert bool(proxy.node.pool) is (fault not in LOST)
        if fault is Fault.HALF_CLOSED:
            writer.write(b"the other direction is open")
            await writer.drain()
        writer.close()


async def test_tls_to_its_port_fails(key: SubmitterKey) -> None:
    async with _proxy(key) as proxy:
        assert proxy.https_url.startswith("https://")
        with pytest.raises(OSError, match=r"handshake failure|reset"):
            await asyncio.open_connection("127.0.0.1", proxy.port, ssl=True)


async def test_a_reset_is_an_error_of_the_connection(key: SubmitterKey) -> None:
    async with _proxy(key) as proxy:
        await proxy.arm(Fault.RESET)
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(_request("eth_sendRawTransaction", _signed(key)))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        assert proxy.node.pool


@pytest.mark.parametrize("fault", [Fault.TRUNCATED, Fault.CHUNKS_CUT])
async def test_a_body_ends_before_its_end(key: SubmitterKey, fault: Fault) -> None:
    async with _proxy(key) as proxy:
        await proxy.arm(fault)
        seen = await _post(proxy, "eth_sendRawTransaction", _signed(key))
        assert (seen.status, seen.is_whole) == (200, False)
        assert not seen.body.endswith(b"0\r\n\r\n")
        assert proxy.node.pool


@pytest.mark.parametrize("fault", [Fault.DELAYED, Fault.HANGING])
async def test_a_reply_is_held_back_until_the_fault_ends(key: SubmitterKey, fault: Fault) -> None:
    async with _proxy(key) as proxy:
        await proxy.arm(fault)
        async with asyncio.TaskGroup() as tasks:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(_request("eth_sendRawTransaction", _signed(key)))
            reading = tasks.create_task(reader.read(40))
            await proxy.until(lambda: proxy.count() == 1)
            if fault is Fault.DELAYED:
                while not proxy.node.pool:
                    await asyncio.sleep(0.01)
            assert not reading.done()
            proxy.clear()
        assert reading.result()[:12] == (b"HTTP/1.1 200" if fault is Fault.DELAYED else b"")
        assert bool(proxy.node.pool) is (fault is Fault.DELAYED)
        writer.close()


async def test_a_drip_begins_and_does_not_end(key: SubmitterKey) -> None:
    async with _proxy(key) as proxy:
        await proxy.arm(Fault.SLOW_DRIP)
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(_request("eth_chainId"))
        assert [await reader.read(100) for _ in range(4)] == [b"H", b"T", b"T", b"P"]
        writer.close()


async def test_a_duplicated_reply_is_in_the_way_of_the_next(key: SubmitterKey) -> None:
    async with _proxy(key) as proxy:
        await proxy.arm(Fault.DUPLICATED, count=1)
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(_request("eth_chainId", id_=1))
        writer.write(_request("eth_blockNumber", id_=2))
        assert [(await _read(reader)).json["id"] for _ in range(3)] == [1, 1, 2]
        writer.close()


async def test_a_redirect_names_another_origin_and_who_follows_is_counted(
    key: SubmitterKey,
) -> None:
    async with _proxy(key) as proxy:
        await proxy.arm(Fault.REDIRECT, count=1)
        seen = await _post(proxy, "eth_chainId")
        assert seen.status == 302
        assert seen.headers["Location"] == f"http://localhost:{proxy.port}/redirected"
        assert proxy.redirected == 0
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(_request("eth_chainId").replace(b"/key", b"/redirected"))
        await _read(reader)
        writer.close()
        assert proxy.redirected == 1


async def test_huge_headers_are_huge(key: SubmitterKey) -> None:
    async with _proxy(key) as proxy:
        await proxy.arm(Fault.HUGE_HEADERS)
        seen = await _post(proxy, "eth_chainId")
        assert len(seen.headers["X-Padding"]) == 2**20


def _is_no_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return True
    return False


def _is_no_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return True
    return False


_RESPONSES: dict[Fault, Callable[[Seen], bool]] = {
    Fault.TOO_MANY_REQUESTS: lambda s: s.status == 429 and "Retry-After" not in s.headers,
    Fault.RETRY_AFTER: lambda s: s.status == 429 and s.headers["Retry-After"] == "1",
    Fault.UNAUTHORIZED: lambda s: s.status == 401,
    Fault.BAD_GATEWAY: lambda s: s.status == 502 and s.body.startswith(b"<!DOCTYPE html>"),
    Fault.UNAVAILABLE: lambda s: s.status == 503 and not s.body,
    Fault.HTML: lambda s: s.status == 200 and s.body.startswith(b"<!DOCTYPE html>"),
    Fault.EMPTY_BODY: lambda s: s.status == 200 and not s.body,
    Fault.CONTENT_TYPE: lambda s: (
        s.headers["Content-Type"] == "text/plain" and s.json["result"].startswith("0x")
    ),
    Fault.HUGE_BODY: lambda s: len(s.body) > HUGE_BYTES,
    Fault.GZIP_BOMB: lambda s: len(s.body) < 2**20 and len(gzip.decompress(s.body)) > HUGE_BYTES,
    Fault.INVALID_UTF8: lambda s: _is_no_text(s.body),
    Fault.NOT_JSON: lambda s: s.body.startswith(b"{") and _is_no_json(s.body),
    Fault.DEEP_JSON: lambda s: s.body.count(b"[") == s.body.count(b"]") == 100_000,
}


@pytest.mark.parametrize("fault", BODIES)
async def test_a_response_is_what_its_fault_says(key: SubmitterKey, fault: Fault) -> None:
    async with _proxy(key) as proxy:
        await proxy.arm(fault, methods=SEND)
        seen = await _post(proxy, "eth_sendRawTransaction", _signed(key))
        assert seen.is_whole
        assert _RESPONSES[fault](seen)
        assert bool(proxy.node.pool) is (fault not in LOST)


_REPLIES: dict[Fault, Callable[[Any], bool]] = {
    Fault.WRONG_ID: lambda r: r["id"] not in (7, None) and "result" in r,
    Fault.NULL_ID: lambda r: r["id"] is None and "result" in r,
    Fault.BATCH: lambda r: isinstance(r, list) and "result" in r[0],
    Fault.NO_RESULT: lambda r: set(r) == {"jsonrpc", "id"},
    Fault.NULL_RESULT: lambda r: r["result"] is None,
    Fault.WRONG_TYPE: lambda r: r["result"] == 1.5,
    Fault.LONG_QUANTITY: lambda r: len(r["result"]) == 4_098,
    Fault.FOREIGN_RESULT: lambda r: r["result"] == "0x5" and r["id"] == 7,
    Fault.RATE_LIMIT: lambda r: r["error"]["code"] == -32005,
    Fault.UNKNOWN_ERROR: lambda r: r["error"]["code"] == -39_999,
    Fault.INTERNAL_ERROR: lambda r: r["error"]["code"] == -32603,
    Fault.NO_METHOD: lambda r: r["error"]["code"] == -32601,
    Fault.ERROR_WITH_DATA: lambda r: r["error"]["data"] == "0xdeadbeef",
    Fault.NONCE_TOO_LOW: lambda r: r["error"]["message"] == "nonce too low",
    Fault.UNDERPRICED: lambda r: "replacement" in r["error"]["message"],
    Fault.NO_FUNDS: lambda r: "insufficient funds" in r["error"]["message"],
}


@pytest.mark.parametrize("fault", _REPLIES)
async def test_a_reply_is_what_its_fault_says(key: SubmitterKey, fault: Fault) -> None:
    async with _proxy(key) as proxy:
        assert await _ask(proxy, "eth_blockNumber") == "0x5"
        await proxy.arm(fault, methods=SEND)
        seen = await _post(proxy, "eth_sendRawTransaction", _signed(key))
        assert _REPLIES[fault](seen.json)
        assert bool(proxy.node.pool) is (fault not in LOST)


def test_each_fault_of_a_reply_is_looked_at() -> None:
    lies = {*LIES, *ELSEWHERE, *_LIES_LOOKED_AT}
    assert set(ALTERED) <= set(_REPLIES) | lies
    assert set(_RESPONSES) == set(BODIES)
    assert lies - set(_REPLIES) == set(_LIES_LOOKED_AT)


#: A lie: what is asked, and whether the answer is the lie, given the account and the honest one.
_LIES_LOOKED_AT: dict[Fault, tuple[str, Callable[[Any, Any], bool]]] = {
    Fault.LAGGING: ("eth_blockNumber", lambda seen, _: seen == "0x4"),
    Fault.FROZEN: ("eth_blockNumber", lambda seen, _: seen == "0x6"),
    Fault.SYNCING: ("eth_syncing", lambda seen, _: seen["currentBlock"] == "0x0"),
    Fault.OTHER_CHAIN: ("eth_chainId", lambda seen, _: seen == "0x1"),
    Fault.LYING_CALL: ("eth_call", lambda seen, true: seen != true and len(seen) == 66),
    Fault.LYING_ESTIMATE: ("eth_estimateGas", lambda seen, _: seen == "0x1"),
    Fault.LYING_RECEIPT: (
        "eth_getTransactionReceipt unmined",
        lambda seen, true: true is None and seen["status"] == "0x1",
    ),
    Fault.FAILED_RECEIPT: (
        "eth_getTransactionReceipt",
        lambda seen, true: true["status"] == "0x1" and seen == true | {"status": "0x0"},
    ),
    Fault.OTHER_RECEIPT: (
        "eth_getTransactionReceipt",
        lambda seen, true: (
            seen["transactionHash"] != true["transactionHash"]
            and seen["blockNumber"] == true["blockNumber"]
        ),
    ),
    Fault.NO_RECEIPT: ("eth_getTransactionReceipt", lambda seen, true: true and seen is None),
    Fault.HIGH_NONCE: ("eth_getTransactionCount", lambda seen, true: 0 < _by(seen, true) < 6),
    Fault.LOW_NONCE: ("eth_getTransactionCount", lambda seen, true: seen == "0x0" != true),
    Fault.NO_BALANCE: ("eth_getBalance", lambda seen, true: seen == "0x0" != true),
    Fault.HIGH_BASE_FEE: (
        "eth_getBlockByNumber",
        lambda seen, true: seen == true | {"baseFeePerGas": hex(10**18)},
    ),
    Fault.LOW_BASE_FEE: (
        "eth_getBlockByNumber",
        lambda seen, true: seen == true | {"baseFeePerGas": "0x1"},
    ),
    Fault.FAR_HEAD: ("eth_blockNumber", lambda seen, true: _by(seen, true) == 10**6),
    Fault.SWALLOWED: (
        "eth_sendRawTransaction",
        lambda seen, true: true.startswith("nonce too low") and len(seen) == 66,
    ),
}


def _by(seen: str, true: str) -> int:
    return int(seen, 16) - int(true, 16)


@pytest.mark.parametrize("fault", _LIES_LOOKED_AT)
async def test_a_lie_is_what_its_name_says(key: SubmitterKey, fault: Fault) -> None:
    async with _proxy(key) as proxy:
        mined = await _ask(proxy, "eth_sendRawTransaction", _signed(key))
        await proxy.node.mine()
        await proxy.arm(fault, depth=4)
        await proxy.node.mine(2)
        call = {"from": key.address, "to": TARGET}
        params: dict[str, list[Any]] = {
            "eth_call": [call, "latest"],
            "eth_estimateGas": [call],
            "eth_getTransactionReceipt unmined": ["0x" + "77" * 32],
            "eth_getTransactionReceipt": [mined],
            "eth_getTransactionCount": [key.address, "latest"],
            "eth_getBalance": [key.address, "latest"],
            "eth_getBlockByNumber": ["latest", False],
            "eth_sendRawTransaction": [_signed(key)],
        }
        asked, is_lie = _LIES_LOOKED_AT[fault]
        method = asked.split()[0]
        honest = await proxy.node.answer(method, params.get(asked, []))
        seen = await _ask(proxy, method, *params.get(asked, []))
        assert is_lie(seen, honest["result"] if "result" in honest else honest["error"]["message"])
        assert proxy.told[-1].fault is fault


async def test_a_lagging_node_knows_the_state_of_then(key: SubmitterKey) -> None:
    async with _proxy(key) as proxy:
        sent = await _ask(proxy, "eth_sendRawTransaction", _signed(key))
        await proxy.node.mine(2)
        await proxy.arm(Fault.LAGGING, depth=2)
        assert await _ask(proxy, "eth_getTransactionCount", key.address, "latest") == "0x0"
        assert (await _ask(proxy, "eth_getBlockByNumber", "latest", False))["number"] == "0x5"
        assert await _ask(proxy, "eth_getTransactionReceipt", sent) is None
        await proxy.node.mine()
        assert await _ask(proxy, "eth_getTransactionCount", key.address, "latest") == "0x1"
        assert (await _ask(proxy, "eth_getTransactionReceipt", sent))["blockNumber"] == "0x6"


async def test_a_node_of_another_chain_knows_nothing_of_ours(key: SubmitterKey) -> None:
    async with _proxy(key) as proxy:
        await proxy.arm(Fault.OTHER_CHAIN)
        seen = (await _post(proxy, "eth_sendRawTransaction", _signed(key))).json
        assert "invalid chain id" in seen["error"]["message"]
        assert await _ask(proxy, "eth_getBalance", key.address, "latest") == "0x0"
        assert not proxy.node.pool


async def test_several_endpoints_share_one_node(key: SubmitterKey) -> None:
    async with _proxy(key) as first, rpc_proxy(first.node, seed=2) as second:
        await first.arm(Fault.REPLY_LOST)
        hash_ = await _ask(second, "eth_sendRawTransaction", _signed(key))
        assert first.told == []
        with pytest.raises(asyncio.IncompleteReadError):
            await _post(first, "eth_getTransactionByHash", hash_)
        assert (await _ask(second, "eth_getTransactionByHash", hash_))["nonce"] == "0x0"


async def test_the_same_seed_draws_the_same(key: SubmitterKey) -> None:
    async with _proxy(key) as first, rpc_proxy(first.node, seed=1) as second:
        seen = []
        for proxy in (first, second):
            await proxy.arm(Fault.WRONG_ID)
            seen.append([(await _post(proxy, "eth_chainId")).json["id"] for _ in range(3)])
        assert seen[0] == seen[1]
        assert len(set(seen[0])) == 3
