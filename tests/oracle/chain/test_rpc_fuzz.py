"""Replies tampered with, through the whole pool: an answer or a typed error, never more."""

import json
import random
from collections.abc import Sequence
from typing import Any

from enclave.domain.errors import ChainError
from oracle.chain.parsing import parse_receipt
from oracle.chain.rpc import Endpoint, Rpc
from oracle.chain.rpc.reply import parse_reply
from tests.fakes.rpc_nodes import CHAIN_ID, FakeNode, block

_ROUNDS = 1_500
_SEED = 20_260_601
_HASH = "0x" + "ab" * 32
_ACCOUNT = "0x" + "11" * 20
_RECEIPT = {
    "transactionHash": _HASH,
    "blockHash": block(100)["hash"],
    "blockNumber": hex(100),
    "status": "0x1",
    "gasUsed": "0x5208",
    "effectiveGasPrice": "0x1",
    "logs": [{"address": _ACCOUNT, "topics": [_HASH], "data": "0x", "logIndex": "0x0"}],
}
_ANSWERS: dict[str, Any] = {
    "eth_call": "0x" + "00" * 64,
    "eth_getTransactionCount": "0x5",
    "eth_getBalance": "0x6",
    "eth_estimateGas": "0x5208",
    "eth_getTransactionReceipt": _RECEIPT,
    "eth_getProof": {"accountProof": ["0xc0", "0x80"]},
    "eth_getLogs": [_RECEIPT["logs"]],
}
_QUESTIONS: Sequence[tuple[str, list[Any]]] = (
    ("eth_call", [{}, "latest"]),
    ("eth_getTransactionCount", [_ACCOUNT, "latest"]),
    ("eth_getBalance", [_ACCOUNT, "latest"]),
    ("eth_estimateGas", [{}, "pending"]),
    ("eth_getTransactionReceipt", [_HASH]),
    ("eth_getBlockByNumber", ["latest", False]),
    ("eth_getBlockByNumber", ["0x60", False]),
    ("eth_getLogs", [{}]),
)
_VALUES: Sequence[Any] = (
    None, True, -1, 1.5, 2**64, "", "0x", "0x0", "0x" + "f" * 65, "\ud800", [], {}, [[]], [None],
    {"a": 1}, "latest", _HASH, _ACCOUNT,
)  # fmt: skip
_BYTES = (b'"', b"\\", b"[", b"{", b"}", b",", b"\x00", b"\xff", b"1e9", b"NaN", b"null")


def _alter(value: Any, rng: random.Random) -> Any:
    """The value with something else in one place of its tree."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(list(value))
        if rng.random() < 0.2:
            return {name: item for name, item in value.items() if name != key}
        return value | {key: _alter(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        return [*value[:at], _alter(value[at], rng), *value[at + 1 :]]
    return rng.choice(_VALUES)


def _cut(body: bytes, rng: random.Random) -> bytes:
    """The bytes with some of them lost, twice there, or others between them."""
    start = rng.randrange(len(body))
    end = min(len(body), start + rng.randrange(1, 9))
    between = rng.choice((b"", body[start:end] * 2, rng.choice(_BYTES)))
    return body[:start] + between + body[end:]


class Tampered(FakeNode):
    """Answers well but for one reply in a few, which is tampered with on its way."""

    rng = random.Random(_SEED)
    count = 0

    async def ask(self, method: str, params: Sequence[Any]) -> Any:
        reply = {"jsonrpc": "2.0", "id": 7, "result": await super().ask(method, params)}
        body = json.dumps(reply).encode()
        # Rarely before the question itself, as nothing else would be reached.
        share = 0.1 if method in ("eth_chainId", "eth_getBlockByNumber") else 0.6
        if self.rng.random() < share:
            Tampered.count += 1
            changed = self.rng.random() < 0.6
            body = json.dumps(_alter(reply, self.rng)).encode() if changed else _cut(body, self.rng)
        return parse_reply(body, id_=7, method=method)


async def test_no_reply_raises_anything_but_a_typed_error() -> None:
    outcomes = {"answers": 0, "errors": 0}
    Tampered.count = 0
    for number in range(_ROUNDS):
        nodes = [Tampered(answers=_ANSWERS) for _ in range(1 + number % 3)]
        endpoints = [Endpoint(at, node) for at, node in enumerate(nodes, 1)]
        rpc = Rpc(CHAIN_ID, endpoints, 12.0, clock=lambda: 2_000_000.0)
        method, params = _QUESTIONS[number % len(_QUESTIONS)]
        try:
            found = await rpc.request_agreed(method, params)
            if method == "eth_getTransactionReceipt" and found is not None:
                parse_receipt(found)
            outcomes["answers"] += 1
        except ChainError:
            outcomes["errors"] += 1
    print(f"seed {_SEED}: {Tampered.count} replies tampered with, {outcomes}")
    assert Tampered.count > _ROUNDS // 2
    assert min(outcomes.values()) > _ROUNDS // 10
