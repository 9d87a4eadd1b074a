"""JSON-RPC nodes in memory, as endpoints of a pool: they follow one chain, fail, lag and lie."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from enclave.domain.report import keccak256
from oracle.chain.rpc import Endpoint, Rpc

CHAIN_ID = 31_337


def block(number: int, fork: str = "") -> dict[str, Any]:
    """A block whose hash is not that of its fields."""
    return {
        "number": hex(number),
        "hash": "0x" + keccak256(f"{number}{fork}".encode()).hex(),
        "parentHash": "0x" + keccak256(f"{number - 1}{fork}".encode()).hex(),
        "timestamp": hex(1_000_000 + number),
        "stateRoot": "0x" + "55" * 32,
        "baseFeePerGas": "0x7",
    }


@dataclass
class FakeNode:
    """Plays `Transport`.

    Attributes:
        head: Height of its latest block.
        fork: Name of its chain.
        answers: Method -> result, error that is raised, or who is called with the parameters.
        fails: Raised instead of any answer.
        asked: Methods, in order.
        params: Of the last question of each method.
    """

    chain_id: Any = CHAIN_ID
    head: int = 100
    fork: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    fails: BaseException | None = None
    asked: list[str] = field(default_factory=list)
    params: dict[str, Sequence[Any]] = field(default_factory=dict)

    async def ask(self, method: str, params: Sequence[Any]) -> Any:
        self.asked.append(method)
        self.params[method] = params
        if self.fails is not None:
            raise self.fails
        answer = self.answers.get(method, self._honest(method, params))
        if isinstance(answer, BaseException):
            raise answer
        return await answer(params) if isinstance(answer, Callable) else answer  # type: ignore[arg-type]  # a protocol of typing, checked as a class

    def _honest(self, method: str, params: Sequence[Any]) -> Any:
        if method == "eth_chainId":
            return hex(self.chain_id) if isinstance(self.chain_id, int) else self.chain_id
        if method == "eth_getBlockByNumber":
            number = self.head if params[0] == "latest" else int(params[0], 16)
            return block(number, self.fork) if number <= self.head else None
        return None


def pool(*nodes: FakeNode, now: float = 1_000_100.0, block_s: float = 12.0) -> Rpc:
    """A pool of these nodes; no block is older than `now` says."""
    endpoints = [Endpoint(number, each) for number, each in enumerate(nodes, 1)]
    return Rpc(CHAIN_ID, endpoints, block_s, clock=lambda: now)
