"""What can be wrong with an endpoint: every fault by name, and what it does to a reply.

Faults of the connection are in `rpc_proxy`, which also says when a fault is applied.
"""

import gzip
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.fakes.geth_node import GethNode

#: Size of a huge body, and of what a gzip bomb becomes.
HUGE_BYTES = 64 * 2**20
_DEPTH = 100_000
#: An account that exists nowhere, and the chain id of Ethereum.
_OTHER_CHAIN = 1


class Fault(StrEnum):
    """A kind of fault. `accepted` says that the request has had its effect nevertheless."""

    # The connection.
    REQUEST_LOST = "request lost"
    REPLY_LOST = "reply lost, accepted"
    RESET = "connection reset, accepted"
    HALF_CLOSED = "half-closed without a reply, accepted"
    TRUNCATED = "body shorter than announced, accepted"
    CHUNKS_CUT = "chunked body without its end, accepted"
    DELAYED = "delayed beyond any patience, accepted"
    HANGING = "never answered, request lost"
    SLOW_DRIP = "a byte at a time, accepted"
    DUPLICATED = "the same reply twice, accepted"
    TLS_FAILURE = "a TLS alert instead of a reply"
    HUGE_HEADERS = "headers of a megabyte, accepted"
    # The HTTP response.
    TOO_MANY_REQUESTS = "429, request lost"
    RETRY_AFTER = "429 with Retry-After, request lost"
    UNAUTHORIZED = "401, request lost"
    BAD_GATEWAY = "502 with an HTML body, accepted"
    UNAVAILABLE = "503 without a body, request lost"
    REDIRECT = "302 to another origin, request lost"
    HTML = "200 with an HTML body, accepted"
    EMPTY_BODY = "200 without a body, accepted"
    CONTENT_TYPE = "a good reply called text/plain, accepted"
    HUGE_BODY = "a body of 64 MiB, accepted"
    GZIP_BOMB = "a body that unpacks to 64 MiB, accepted"
    INVALID_UTF8 = "bytes that are no text, accepted"
    NOT_JSON = "a body that ends too early, accepted"
    DEEP_JSON = "brackets 100,000 deep, accepted"
    # The JSON-RPC reply.
    WRONG_ID = "the id of another request, accepted"
    NULL_ID = "no id, accepted"
    BATCH = "a list instead of an object, accepted"
    NO_RESULT = "neither result nor error, accepted"
    NULL_RESULT = "null, accepted"
    WRONG_TYPE = "a number instead of a quantity, accepted"
    LONG_QUANTITY = "a quantity of 4,096 digits, accepted"
    FOREIGN_RESULT = "the result of another request, accepted"
    RATE_LIMIT = "error -32005, request lost"
    UNKNOWN_ERROR = "an error code that nobody knows, accepted"
    INTERNAL_ERROR = "error -32603, accepted"
    NO_METHOD = "error -32601, request lost"
    ERROR_WITH_DATA = "an execution error with revert data, accepted"
    NONCE_TOO_LOW = "error 'nonce too low', accepted"
    UNDERPRICED = "error 'replacement transaction underpriced', request lost"
    NO_FUNDS = "error 'insufficient funds', request lost"
    # A node that is not where the others are.
    LAGGING = "the state of some blocks ago"
    FROZEN = "stands at the height at which the fault was armed"
    SYNCING = "knows the first block alone"
    OTHER_CHAIN = "a node of another chain"
    # A node that lies.
    LYING_CALL = "the result of a call altered"
    LYING_ESTIMATE = "one unit of gas"
    LYING_RECEIPT = "a receipt of success for what is in no block"
    FAILED_RECEIPT = "a receipt that says reverted"
    OTHER_RECEIPT = "the receipt of another transaction"
    NO_RECEIPT = "no receipt of what is mined"
    HIGH_NONCE = "a nonce that is too high"
    LOW_NONCE = "a nonce that is too low"
    NO_BALANCE = "an empty account"
    HIGH_BASE_FEE = "a base fee beyond any cap"
    LOW_BASE_FEE = "a base fee of one wei"
    FAR_HEAD = "a head a million blocks on"
    SWALLOWED = "a hash for a transaction that is thrown away"


#: The request never reaches the node.
LOST = frozenset(fault for fault in Fault if "request lost" in fault.value)
#: A node somewhere else: true at some time or somewhere.
ELSEWHERE = frozenset({Fault.LAGGING, Fault.FROZEN, Fault.SYNCING, Fault.OTHER_CHAIN})
#: Well-formed and false: one endpoint alone cannot be told from an honest one.
LIES = frozenset(
    {
        Fault.FOREIGN_RESULT,
        Fault.ERROR_WITH_DATA,
        Fault.LYING_CALL,
        Fault.LYING_ESTIMATE,
        Fault.LYING_RECEIPT,
        Fault.FAILED_RECEIPT,
        Fault.OTHER_RECEIPT,
        Fault.NO_RECEIPT,
        Fault.HIGH_NONCE,
        Fault.LOW_NONCE,
        Fault.NO_BALANCE,
        Fault.HIGH_BASE_FEE,
        Fault.LOW_BASE_FEE,
        Fault.FAR_HEAD,
        Fault.SWALLOWED,
    }
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request to which a fault is applied.

    Attributes:
        request: As the client sent it.
        node: Whom it was for.
        rng: Where a fault draws from.
        depth: By how many blocks a lagging node is behind.
        armed_at: Height at which the fault was armed.
        last_result: Of the request before this one.
    """

    request: Mapping[str, Any]
    node: GethNode
    rng: random.Random
    depth: int
    armed_at: int
    last_result: Any

    @property
    def method(self) -> str:
        """Its name."""
        return str(self.request["method"])

    @property
    def params(self) -> list[Any]:
        """Its arguments."""
        return list(self.request.get("params", []))

    async def ask(self) -> dict[str, Any]:
        """The honest reply."""
        return await self.ask_for(self.method, self.params)

    async def ask_for(self, method: str, params: list[Any]) -> dict[str, Any]:
        """The honest reply to another request, under this request's id."""
        answer = await self.node.answer(method, params)
        return {"jsonrpc": "2.0", "id": self.request.get("id"), **answer}


Reply = dict[str, Any]
_Alter = Callable[[Exchange, Reply], Any]


def _with(**fields: Any) -> _Alter:
    return lambda _, reply: {**reply, **fields}


def _error(code: int, message: str, **fields: Any) -> _Alter:
    """The reply with an error in the place of its result."""
    error = {"code": code, "message": message, **fields}
    return lambda _, reply: {"jsonrpc": "2.0", "id": reply["id"], "error": error}


def _result(value: Any, *methods: str) -> _Alter:
    """The reply with another result, for these methods only if any are named."""

    def alter(exchange: Exchange, reply: Reply) -> Reply:
        if methods and exchange.method not in methods:
            return reply
        return {"jsonrpc": "2.0", "id": reply["id"], "result": value}

    return alter


def _head(**fields: str) -> _Alter:
    """The reply with other fields of a block, or their fee history."""

    def alter(exchange: Exchange, reply: Reply) -> Reply:
        result = reply.get("result")
        if exchange.method == "eth_getBlockByNumber" and isinstance(result, dict):
            return {**reply, "result": {**result, **fields}}
        if exchange.method == "eth_blockNumber" and "number" in fields:
            return {**reply, "result": fields["number"]}
        if exchange.method == "eth_feeHistory" and "baseFeePerGas" in fields:
            count = len(result["baseFeePerGas"]) if isinstance(result, dict) else 1
            fees = [fields["baseFeePerGas"]] * count
            return {**reply, "result": {**(result or {}), "baseFeePerGas": fees}}
        if exchange.method == "eth_gasPrice" and "baseFeePerGas" in fields:
            return {**reply, "result": fields["baseFeePerGas"]}
        return reply

    return alter


def _nonce(change: Callable[[int, random.Random], int]) -> _Alter:
    def alter(exchange: Exchange, reply: Reply) -> Reply:
        if exchange.method != "eth_getTransactionCount" or "result" not in reply:
            return reply
        return {**reply, "result": hex(change(int(reply["result"], 16), exchange.rng))}

    return alter


def _call(exchange: Exchange, reply: Reply) -> Reply:
    if exchange.method != "eth_call" or not isinstance(reply.get("result"), str):
        return reply
    size = max(32, len(reply["result"]) // 2 - 1)
    return {**reply, "result": "0x" + exchange.rng.randbytes(size).hex()}


def _receipt(status: str) -> _Alter:
    """A receipt with this status for whatever is asked for."""

    def alter(exchange: Exchange, reply: Reply) -> Reply:
        if exchange.method != "eth_getTransactionReceipt":
            return reply
        made = {
            "transactionHash": exchange.params[0],
            "transactionIndex": "0x0",
            "blockHash": "0x" + exchange.rng.randbytes(32).hex(),
            "blockNumber": hex(exchange.armed_at + 1),
            "gasUsed": hex(21_000),
            "cumulativeGasUsed": hex(21_000),
            "effectiveGasPrice": hex(10**9),
            "contractAddress": None,
            "type": "0x2",
            "logs": [],
        }
        return {**reply, "result": {**made, **(reply.get("result") or {}), "status": status}}

    return alter


def _other_receipt(exchange: Exchange, reply: Reply) -> Reply:
    made = _receipt("0x1")(exchange, reply)
    if isinstance(made.get("result"), dict) and exchange.method == "eth_getTransactionReceipt":
        made["result"]["transactionHash"] = "0x" + exchange.rng.randbytes(32).hex()
    return dict(made)


#: Faults of the reply: the honest reply in, what is said instead out.
ALTERED: Mapping[Fault, _Alter] = {
    Fault.WRONG_ID: lambda e, reply: {**reply, "id": e.rng.randrange(10**6, 10**9)},
    Fault.NULL_ID: _with(id=None),
    Fault.BATCH: lambda _, reply: [reply],
    Fault.NO_RESULT: lambda _, reply: {"jsonrpc": "2.0", "id": reply["id"]},
    Fault.NULL_RESULT: _result(None),
    Fault.WRONG_TYPE: _result(1.5),
    Fault.LONG_QUANTITY: _result("0x" + "f" * 4_096),
    Fault.FOREIGN_RESULT: lambda e, reply: _result(e.last_result)(e, reply),
    Fault.RATE_LIMIT: _error(-32005, "daily request count exceeded"),
    Fault.UNKNOWN_ERROR: _error(-39_999, "the moon is full"),
    Fault.INTERNAL_ERROR: _error(-32603, "Internal error"),
    Fault.NO_METHOD: _error(-32601, "the method does not exist/is not available"),
    Fault.ERROR_WITH_DATA: _error(3, "execution reverted", data="0xdeadbeef"),
    Fault.NONCE_TOO_LOW: _error(-32000, "nonce too low"),
    Fault.UNDERPRICED: _error(-32000, "replacement transaction underpriced"),
    Fault.NO_FUNDS: _error(-32000, "insufficient funds for gas * price + value"),
    Fault.LYING_CALL: _call,
    Fault.LYING_ESTIMATE: _result("0x1", "eth_estimateGas"),
    Fault.LYING_RECEIPT: _receipt("0x1"),
    Fault.FAILED_RECEIPT: _receipt("0x0"),
    Fault.OTHER_RECEIPT: _other_receipt,
    Fault.NO_RECEIPT: _result(None, "eth_getTransactionReceipt", "eth_getTransactionByHash"),
    Fault.HIGH_NONCE: _nonce(lambda count, rng: count + rng.randrange(1, 6)),
    Fault.LOW_NONCE: _nonce(lambda count, rng: max(0, count - rng.randrange(1, 6))),
    Fault.NO_BALANCE: _result("0x0", "eth_getBalance"),
    Fault.HIGH_BASE_FEE: _head(baseFeePerGas=hex(10**18)),
    Fault.LOW_BASE_FEE: _head(baseFeePerGas="0x1"),
}

_HTML = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"


def _huge(reply: bytes) -> bytes:
    return reply[:-1] + b', "padding": "' + b"A" * HUGE_BYTES + b'"}'


#: Faults of the body: status, headers, and what becomes of the honest body.
BODIES: Mapping[Fault, tuple[int, Mapping[str, str], Callable[[bytes], bytes]]] = {
    Fault.TOO_MANY_REQUESTS: (429, {}, lambda _: b"slow down"),
    Fault.RETRY_AFTER: (429, {"Retry-After": "1"}, lambda _: b"slow down"),
    Fault.UNAUTHORIZED: (401, {"WWW-Authenticate": "Bearer"}, lambda _: b"who are you"),
    Fault.BAD_GATEWAY: (502, {"Content-Type": "text/html"}, lambda _: _HTML),
    Fault.UNAVAILABLE: (503, {}, lambda _: b""),
    Fault.HTML: (200, {"Content-Type": "text/html"}, lambda _: _HTML),
    Fault.EMPTY_BODY: (200, {}, lambda _: b""),
    Fault.CONTENT_TYPE: (200, {"Content-Type": "text/plain"}, lambda body: body),
    Fault.HUGE_BODY: (200, {}, _huge),
    Fault.GZIP_BOMB: (
        200,
        {"Content-Encoding": "gzip"},
        lambda body: gzip.compress(_huge(body), compresslevel=1),
    ),
    Fault.INVALID_UTF8: (200, {}, lambda body: body[:-1] + b', "x": "\xff\xfe\xc0"}'),
    Fault.NOT_JSON: (200, {}, lambda body: body[: len(body) * 2 // 3]),
    Fault.DEEP_JSON: (
        200,
        {},
        lambda body: body[:-1] + b', "x": ' + b"[" * _DEPTH + b"]" * _DEPTH + b"}",
    ),
}


async def answer(fault: Fault, exchange: Exchange) -> Any:
    """What an endpoint with this fault says, as a JSON value."""
    if fault in (Fault.LAGGING, Fault.FROZEN, Fault.SYNCING):
        return await _as_of(exchange, await _height(fault, exchange))
    if fault is Fault.OTHER_CHAIN:
        return await _of_another_chain(exchange)
    if fault is Fault.SWALLOWED and exchange.method == "eth_sendRawTransaction":
        return await exchange.ask_for("web3_sha3", [exchange.params[0]])
    if fault is Fault.FAR_HEAD:
        far = hex(await exchange.node.height() + 10**6)
        return _head(number=far)(exchange, await exchange.ask())
    if fault in LOST:
        reply: Reply = {"jsonrpc": "2.0", "id": exchange.request.get("id")}
    else:
        reply = await exchange.ask()
    alter = ALTERED.get(fault)
    return alter(exchange, reply) if alter else reply


async def _height(fault: Fault, exchange: Exchange) -> int:
    if fault is Fault.SYNCING:
        return 0
    if fault is Fault.FROZEN:
        return exchange.armed_at
    return max(0, await exchange.node.height() - exchange.depth)


async def _as_of(exchange: Exchange, height: int) -> Reply:
    """What a node says that knows the blocks up to a height; it takes transactions nevertheless."""
    method, params = exchange.method, exchange.params
    if method == "eth_syncing":
        span = {"startingBlock": "0x0", "currentBlock": hex(height)}
        span["highestBlock"] = hex(await exchange.node.height())
        return {"jsonrpc": "2.0", "id": exchange.request.get("id"), "result": span}
    if method == "eth_blockNumber":
        return {"jsonrpc": "2.0", "id": exchange.request.get("id"), "result": hex(height)}
    for number, value in enumerate(params):
        if value in ("latest", "pending", "safe", "finalized"):
            params[number] = hex(height)
    if await _asks_beyond(exchange, height):
        return _unknown_block(exchange)
    reply = await exchange.ask_for(method, params)
    result = reply.get("result")
    seen = result.get("blockNumber") if isinstance(result, dict) else None
    if isinstance(seen, str) and int(seen, 16) > height:
        return {**reply, "result": None}
    return reply


async def _asks_beyond(exchange: Exchange, height: int) -> bool:
    """Whether it is about a block that the node does not know yet."""
    if exchange.method.startswith("eth_getTransaction") and "Count" not in exchange.method:
        return False
    for value in exchange.params:
        hash_ = value.get("blockHash") if isinstance(value, dict) else None
        if exchange.method == "eth_getBlockByHash" and isinstance(value, str):
            hash_ = value
        if hash_ is not None:
            block = (await exchange.ask_for("eth_getBlockByHash", [hash_, False])).get("result")
            return block is None or int(block["number"], 16) > height
    numbers = [v for v in exchange.params if isinstance(v, str) and v[:2] == "0x" and len(v) < 18]
    is_by_number = exchange.method not in ("eth_getStorageAt", "web3_sha3")
    return is_by_number and any(int(value, 16) > height for value in numbers)


def _unknown_block(exchange: Exchange) -> Reply:
    reply: Reply = {"jsonrpc": "2.0", "id": exchange.request.get("id")}
    if exchange.method.startswith("eth_getBlock"):
        return {**reply, "result": None}
    return {**reply, "error": {"code": -32000, "message": "header not found"}}


async def _of_another_chain(exchange: Exchange) -> Reply:
    """What a node of another chain says: nobody there knows the account."""
    known: Mapping[str, Any] = {
        "eth_chainId": hex(_OTHER_CHAIN),
        "net_version": str(_OTHER_CHAIN),
        "eth_getTransactionCount": "0x0",
        "eth_getBalance": "0x0",
        "eth_call": "0x",
        "eth_getCode": "0x",
        "eth_getLogs": [],
        "eth_getTransactionReceipt": None,
        "eth_getTransactionByHash": None,
    }
    reply: Reply = {"jsonrpc": "2.0", "id": exchange.request.get("id")}
    if exchange.method in known:
        return {**reply, "result": known[exchange.method]}
    if exchange.method == "eth_sendRawTransaction":
        message = f"invalid sender: invalid chain id for signer: want {_OTHER_CHAIN}"
        return {**reply, "error": {"code": -32000, "message": message}}
    return await exchange.ask()


def as_body(value: Any) -> bytes:
    """A JSON value as bytes."""
    return json.dumps(value).encode()
