"""A chain in memory that takes signed transactions: what a test wants to go wrong goes wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import rlp  # type: ignore[import-untyped]  # it ships no types
from eth_account import Account

from enclave.domain.errors import ChainError
from enclave.domain.report import keccak256
from oracle.chain.rpc import RpcRefused


@dataclass
class Sent:
    """A transaction in the pool or in a block."""

    hash: bytes
    nonce: int
    max_fee: int
    tip: int
    sender: str
    is_success: bool = True
    block: int = 0


@dataclass
class FakeEvm:
    """Plays `Rpc`; blocks are mined when the test says so, or at each send.

    Attributes:
        mines_at_once: Whether a send is mined immediately.
        fails: Methods whose answer is lost, with how often.
        accepts_failing_sends: Whether a failing send is still accepted.
        estimate: What `eth_estimateGas` answers or raises.
        replay: What `eth_call` answers or raises.
        mined_reverts: Whether what is mined fails.
        gas_price: What `eth_gasPrice` answers.
        rewards: What `eth_feeHistory` says was tipped.
        forks: Block -> how often it was reorganised.
    """

    chain_id: int = 31_337
    base_fee: int = 10**9
    balance: int = 10**18
    mines_at_once: bool = True
    fails: dict[str, int] = field(default_factory=dict)
    accepts_failing_sends: bool = False
    estimate: RpcRefused | int = 100_000
    replay: RpcRefused | ChainError | str = "0x"
    mined_reverts: bool = False
    pool: dict[int, Sent] = field(default_factory=dict)
    mined: dict[bytes, Sent] = field(default_factory=dict)
    nonces: dict[str, int] = field(default_factory=dict)
    block: int = 1
    calls: list[str] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    has_base_fee: bool = True
    forks: dict[int, int] = field(default_factory=dict)
    gas_price: int = 2 * 10**9
    rewards: Any = field(default_factory=lambda: [[hex(10**9)]] * 10)

    async def request(self, method: str, params: Sequence[Any]) -> Any:
        """One JSON-RPC call."""
        self.calls.append(method)
        is_lost = self.fails.get(method, 0) > 0
        if is_lost:
            self.fails[method] -= 1
            if method == "eth_sendRawTransaction" and self.accepts_failing_sends:
                self._send(params[0])
            raise ChainError(f"{method}: endpoint 1 of 1: not reachable")
        answers: dict[str, Callable[..., Any]] = {
            "eth_blockNumber": self._get_height,
            "eth_getBlockByNumber": self._get_block,
            "eth_getTransactionByHash": self._get_transaction,
            "eth_feeHistory": lambda *_: {"reward": self.rewards},
            "eth_gasPrice": lambda: hex(self.gas_price),
            "eth_getBalance": self._get_balance,
            "eth_getTransactionCount": self._get_count,
            "eth_estimateGas": self._estimate,
            "eth_call": self._call,
            "eth_sendRawTransaction": self.send_raw,
            "eth_getTransactionReceipt": self._get_receipt,
        }
        return answers[method](*params)

    async def request_agreed(self, method: str, params: Sequence[Any]) -> Any:
        """It is one endpoint."""
        return await self.request(method, params)

    def mine(self) -> None:
        """Put everything in the pool into a block, except what is behind a gap of nonces."""
        self.block += 1
        for sent in sorted(self.pool.values(), key=lambda each: each.nonce):
            if sent.nonce != self.nonces.get(sent.sender, 0):
                continue
            del self.pool[sent.nonce]
            sent.is_success, sent.block = not self.mined_reverts, self.block
            self.mined[sent.hash] = sent
            self.nonces[sent.sender] = sent.nonce + 1

    def drop(self) -> None:
        """Forget the pool."""
        self.pool.clear()

    def reorganise(self, depth: int | None = None) -> list[Sent]:
        """Forget the last blocks, all without a depth, and the pool; others take their heights.

        Returns:
            What was in those blocks; nothing puts it back.
        """
        lowest = 1 if depth is None else self.block - depth + 1
        lost = [sent for sent in self.mined.values() if sent.block >= lowest]
        for sent in sorted(lost, key=lambda each: -each.nonce):
            del self.mined[sent.hash]
            self.nonces[sent.sender] = sent.nonce
        for number in range(lowest, self.block + 1):
            self.forks[number] = self.forks.get(number, 0) + 1
        self.pool.clear()
        return lost

    def _get_height(self) -> str:
        return hex(self.block)

    def _get_transaction(self, hash_: str) -> Any:
        wanted = bytes.fromhex(hash_[2:])
        known = {*self.mined, *(sent.hash for sent in self.pool.values())}
        return {"hash": hash_} if wanted in known else None

    def _hash_of(self, number: int) -> str:
        return "0x" + keccak256(f"{number} {self.forks.get(number, 0)}".encode()).hex()

    def _get_block(self, which: str, _: bool) -> Any:
        number = self.block if which == "latest" else int(which, 16)
        if number > self.block:
            return None
        block = {
            "number": hex(number),
            "hash": self._hash_of(number),
            "parentHash": self._hash_of(number - 1),
            "timestamp": hex(1_700_000_000 + number),
        }
        return block | ({"baseFeePerGas": hex(self.base_fee)} if self.has_base_fee else {})

    def _get_balance(self, *_: Any) -> str:
        return hex(self.balance)

    def _get_count(self, address: str, _: str) -> str:
        return hex(self.nonces.get(address.lower(), 0))

    def _estimate(self, *_: Any) -> str:
        if isinstance(self.estimate, RpcRefused):
            raise self.estimate
        return hex(self.estimate)

    def _call(self, *_: Any) -> str:
        if isinstance(self.replay, ChainError):
            raise self.replay
        return self.replay

    def send_raw(self, raw: str) -> str:
        """Take a signed transaction."""
        self._send(raw)
        if self.mines_at_once:
            self.mine()
        return "0x" + keccak256(bytes.fromhex(raw[2:])).hex()

    def _send(self, raw: str) -> None:
        data = bytes.fromhex(raw[2:])
        self.raw.append(data)
        fields = transaction_fields(data)
        sender = Account.recover_transaction(data).lower()
        nonce = int.from_bytes(fields[1], "big")
        fee, tip = int.from_bytes(fields[3], "big"), int.from_bytes(fields[2], "big")
        if (data[0] == 2) is not self.has_base_fee:
            raise RpcRefused("transaction type not supported", code=-32000, data=b"")
        held = self.pool.get(nonce)
        if nonce < self.nonces.get(sender, 0):
            raise RpcRefused("nonce too low", code=-32003, data=b"")
        if held is not None and held.hash != keccak256(data) and fee * 10 < held.max_fee * 11:
            raise RpcRefused("replacement underpriced", code=-32003, data=b"")
        self.pool[nonce] = Sent(keccak256(data), nonce, fee, tip, sender)

    def _get_receipt(self, hash_: str) -> Any:
        sent = self.mined.get(bytes.fromhex(hash_[2:]))
        if sent is None:
            return None
        return {
            "transactionHash": hash_,
            "blockNumber": hex(sent.block),
            "blockHash": self._hash_of(sent.block),
            "status": hex(sent.is_success),
            "gasUsed": hex(50_000),
            "effectiveGasPrice": hex(sent.tip + self.base_fee * self.has_base_fee),
            "logs": [],
        }


def transaction_fields(raw: bytes) -> list[bytes]:
    """Fields of a signed transaction: chain id, nonce, tip, fee, gas, to, value, data …

    One without a base fee has its price as tip and fee, and no chain id in front.
    """
    if raw[0] == 2:
        fields: list[bytes] = rlp.decode(raw[1:])
        return fields
    nonce, price, *others = rlp.decode(raw)
    return [b"", nonce, price, price, *others]
